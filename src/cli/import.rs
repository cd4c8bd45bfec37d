//! `import`: a spreadsheet becomes opened tickets, and a results file.

use jiff::Timestamp;

use super::args::{Global, Import};
use super::asking::{Asking, Who};
use super::exit::Exit;
use super::failure::Failure;
use super::findings;
use super::imported::Imported;
use super::opening;
use super::screen::Screen;
use super::services;
use super::telling::Telling;
use crate::app;
use crate::app::address;
use crate::app::batches::Wish;
use crate::app::import::{Order, Staged, Taken, rehearse};
use crate::app::merged;
use crate::app::sheet::{Sheet, name_of};
use crate::app::target::{Target, known_binding};
use crate::intake::Hashing;
use crate::outbox::Way;
use crate::registry::{ColumnMemory, Registry};
use crate::settings::{self, Sources};

pub async fn import(
    args: Import,
    sources: &Sources,
    global: &Global,
    screen: &Screen,
    telling: &Telling<'_>,
) -> Result<Exit, Failure> {
    let started_at = Timestamp::now();
    screen.note(tr!("reading %{file}", file = name_of(&args.file)));
    // Settings that are wrong are told before an hour of reading, not after it.
    let settings::Import { reading, sending, stopping } = sources.resolve(&args.settings)?;
    let database_url = sources.resolve(&global.database)?.url;
    let target = if args.dry_run { None } else { Some(Target::new(sources, &sending)?) };

    let mut sheet = Sheet::kept(args.file.clone(), reading)?;
    let memory = ColumnMemory::at(sources.environment().state_folder());
    let who = match &target {
        Some(_) => Who::Person { is_stdin_free: !sheet.is_stdin() },
        None => Who::Nobody,
    };
    let asking = Asking { screen, who };
    let Some(intake) = findings::open(&mut sheet, Hashing::Sha256, &memory, Some(&asking), screen)? else {
        return Ok(Exit::Done);
    };
    if !args.dry_run {
        findings::remember(&sheet, &intake, &memory, screen);
    }
    let intake = asking.hidden(&mut sheet, intake)?;
    let binding = target.as_ref().map(|target| target.binding.clone());
    let binding = binding.or_else(|| known_binding(sources, &sending));
    let wish = Wish {
        sheet: &sheet,
        name: args.batch.name.as_deref(),
        output: args.output.as_deref(),
        database_url: database_url.as_deref(),
        binding: binding.as_deref(),
        is_sandbox: sending.sandbox,
        answers: args.meeting.answers(),
    };
    let work = asking.batch(&wish, &intake).await?;
    let asked = target.as_ref();
    let (intake, customers) =
        services::of_import(&mut sheet, intake, &work, asked, sources, &sending, screen).await?;
    let verify_first = sending.verify_first;
    let Some(target) = &target else {
        let (read, counts) = rehearse(&sheet, intake, &work, verify_first, binding.as_deref()).await?;
        findings::tell(&read.findings, screen);
        asking.columns(&read.findings.doubts)?;
        screen.notes(merged::lines(&read.merged));
        screen.note(tr!(
            "dry run: %{n} %{n|ticket|tickets} would be opened; nothing was sent",
            n = counts.pending
        ));
        return Ok(if 0 < counts.invalid { Exit::File } else { Exit::Done });
    };
    let is_shared = database_url.is_some();
    let user = &sources.environment().user();
    let people = app::results::people(args.with_people);
    let holds_rest = args.sample.is_some();
    let order = Order {
        sheet: &sheet,
        work: &work,
        target,
        verify_first,
        is_shared,
        holds_rest,
        user,
        way: Way::Terminal,
        people,
    };
    let mut staged = Staged::new(order, intake, sending.rate).await?;
    findings::tell(&staged.read.findings, screen);
    screen.notes(merged::lines(&staged.read.merged));

    let (is_refused, n_left) = (staged.is_refused(), staged.n_left());
    let policy = staged.policy(&sending, &stopping);
    let n_to_open = args.sample.map_or(n_left, |n| n.min(n_left));
    let plan = staged.plan(n_to_open, &policy);
    if n_left != 0 {
        for halted in merged::halted(&staged.halted, &staged.read.merged, holds_rest) {
            screen.warn(halted);
        }
        if let Some(lack) = staged.reserve()? {
            screen.warn(merged::lack(lack));
        }
        let registry = Registry::at(sources.environment().state_folder());
        asking.again_if_any(staged.earlier(registry).await?)?;
        let known_types = staged.bind().await?;
        if !args.yes {
            asking.confirm(&staged, target, &plan, known_types.as_deref())?;
        }
    }
    let taken_in = loop {
        if n_left != 0 {
            asking.note(&mut staged)?;
        }
        match staged.take_in(|| false).await? {
            Taken::In(taken_in) => break *taken_in,
            Taken::Asks(again, earlier) => {
                asking.again(&earlier)?;
                staged = *again;
            }
            Taken::Stopped => return Ok(Exit::Interrupted),
        }
    };
    if n_left != 0 && args.sample.is_none() {
        taken_in.release().await?;
    }
    let run = match n_left {
        0 => None,
        _ => Some(opening::open(&taken_in, target, &policy, &plan, args.sample, screen, telling).await?),
    };
    let named = database_url.and_then(|url| address::at(&url).ok());
    let imported = Imported {
        args: &args,
        work: &work,
        started_at,
        rate: sending.rate,
        settings: app::summary::settings(&sending, &stopping),
        customers,
        is_refused,
        is_sandbox: target.is_sandbox(),
        led: work.led(named.as_ref()),
        batch: taken_in.read.merged.batch_name.clone(),
        opened_before: taken_in.opened_before,
        telling,
        run,
    };
    imported.tell(taken_in, screen).await
}
