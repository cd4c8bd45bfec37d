//! `enqueue`: the rows of a spreadsheet go into an outbox, and workers open them.

use std::path::Path;

use serde_json::json;

use super::args::{Enqueue, Global};
use super::asking::{Asking, Who};
use super::exit::Exit;
use super::failure::Failure;
use super::findings;
use super::screen::Screen;
use super::services;
use super::status;
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::batches::Wish;
use crate::app::enqueue::{Enqueued, Put};
use crate::app::merged;
use crate::app::sheet::{Sheet, name_of};
use crate::app::target::Target;
use crate::app::{address, enqueue};
use crate::intake::Hashing;
use crate::registry::{ColumnMemory, Registry};
use crate::settings::{Flags, Sources};

pub async fn enqueue(
    args: Enqueue,
    sources: &Sources,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let reading = sources.resolve(&args.settings)?;
    let typed = Typed::now();
    let url = sources.resolve(&global.database)?.url.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            tr!("there is no outbox to put the rows into"),
            tr!(
                "give --database-url, or set DATABASE_URL; `%{import}` opens the rows without a server",
                import = typed.import_of(&args.file)
            ),
        )
    })?;
    let address = address::at(&url)?;
    screen.note(tr!("reading %{file}", file = name_of(&args.file)));
    let mut sheet = Sheet::kept(args.file, reading)?;
    let memory = ColumnMemory::at(sources.environment().state_folder());
    let asking = Asking { screen, who: Who::Person { is_stdin_free: !sheet.is_stdin() } };
    let Some(intake) = findings::open(&mut sheet, Hashing::Sha256, &memory, Some(&asking), screen)? else {
        return Ok(Exit::Done);
    };
    findings::remember(&sheet, &intake, &memory, screen);
    let intake = asking.hidden(&mut sheet, intake)?;
    drop(intake);
    if sheet.reading.find_service {
        let sending = sources.resolve(&Flags::none())?;
        let target = Target::new(sources, &sending)?;
        services::look_up(&mut sheet, &target, &sending, Some(&address), None, screen).await?;
    }
    let intake = sheet.open(Hashing::Sha256)?;
    if !args.yes {
        asking.columns(&sheet.doubts()?)?;
    }
    let mut outbox = address.open().await?;
    let wish = Wish {
        sheet: &sheet,
        name: args.batch.name.as_deref(),
        output: sheet.is_stdin().then_some(Path::new("")),
        database_url: Some(&url),
        binding: None,
        is_sandbox: false,
        answers: args.meeting.answers(),
    };
    let work = asking.batch(&wish, &intake).await?;
    drop(intake);
    let registry = Registry::at(sources.environment().state_folder());
    let (mut recognition, earlier) = enqueue::earlier(&sheet, &work, &outbox, &registry).await?;
    asking.again_if_any(earlier)?;
    let Enqueued { read: staged, halted } = loop {
        match enqueue::put(&sheet, &work, &mut outbox, args.verify_first, recognition.as_mut()).await? {
            Put::In(enqueued) => break *enqueued,
            Put::Asks(earlier) => asking.again(&earlier)?,
        }
    };
    if let Some(error) = enqueue::remember(&registry, &staged, &work, &outbox).await? {
        screen.warn(merged::unremembered(&error));
    }
    outbox.close().await?;

    let counts = staged.merged.counts;
    findings::tell(&staged.findings, screen);
    screen.notes(merged::lines(&staged.merged));
    if screen.json {
        let told = json!({
            "version": 1, "batch": staged.merged.batch_name, "rows": counts.n_rows, "new": counts.new,
            "updated": counts.updated, "revived": counts.revived, "unchanged": counts.unchanged,
            "invalid": counts.invalid, "repeats": counts.repeats,
        });
        screen.result_json(told.to_string());
    }
    if 0 < counts.invalid {
        screen.note(tr!(
            "hint: `%{check}` shows what is wrong; enqueue the file again once it is corrected",
            check = typed.check_of(&sheet.file)
        ));
        return Ok(Exit::NotAllOpened);
    }
    if !halted.is_empty() {
        for halted in &halted {
            screen.warn(status::halted(halted, Led::Setting));
        }
        return Ok(Exit::Done);
    }
    screen.note(tr!(
        "hint: `%{worker}` opens them, `%{status}` shows how far it is",
        worker = typed.other(&["worker"]),
        status = typed.at(Led::Setting, "status", Some(&staged.merged.batch_name), &[])
    ));
    Ok(Exit::Done)
}
