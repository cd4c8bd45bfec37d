//! `enqueue`: the rows of a spreadsheet go into an outbox, and workers open them.

use std::path::Path;

use jiff::Timestamp;
use serde_json::json;

use super::args::{Enqueue, Global};
use super::batches::{Asking, Look, Recognition, Wish, Work};
use super::exit::Exit;
use super::failure::Failure;
use super::findings;
use super::import;
use super::reading::{self, Staged, Taking};
use super::screen::Screen;
use super::typed::Typed;
use crate::app::address;
use crate::intake::Hashing;
use crate::outbox::AnyOutbox;
use crate::registry::{Entry, Registry};
use crate::settings::Sources;

pub async fn enqueue(
    args: Enqueue,
    sources: &Sources,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let mut reading = sources.resolve(&args.settings)?;
    let url = sources.resolve(&global.database)?.url.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "there is no outbox to put the rows into",
            format!(
                "give --database-url, or set DATABASE_URL; `{}` opens the rows without a server",
                reading::import_of(&args.file)
            ),
        )
    })?;
    let address = address::at(&url)?;
    screen.note(format!("reading {}", reading::name_of(&args.file)));
    let source = reading::source(&args.file)?;
    let mut intake = reading::open_source(&source, &reading, Hashing::Sha256)?;
    reading::describe(&intake, screen);
    let asking = Asking::Person { is_stdin_free: !reading::is_stdin(&args.file) };
    if reading::ask_about_hidden(&intake, &mut reading, &asking, screen)? {
        intake = reading::open_source(&source, &reading, Hashing::Sha256)?;
    }
    if !args.yes {
        findings::ask(&reading::doubts(&source, &reading)?, &asking, screen)?;
    }
    let mut outbox = address.open().await?;
    let wish = Wish {
        file: &args.file,
        source: &source,
        reading: &reading,
        name: args.batch.name.as_deref(),
        output: reading::is_stdin(&args.file).then_some(Path::new("")),
        database_url: Some(&url),
        binding: None,
        is_sandbox: false,
        answers: args.meeting.answers(),
    };
    let work = wish.find(&intake, &asking, screen).await?;
    drop(intake);
    let registry = Registry::at(sources.environment().state_folder());
    if !work.is_correction && work.met.is_none() {
        let look = Look::at(&source, &reading)?.read()?;
        // Before the first send nobody knows whose it will be: then only this outbox is asked.
        let host = outbox.reader().host().await?.unwrap_or_default();
        let content = look.content.to_string();
        let mut recognition = Recognition::new(&registry, &work, content, host, String::new());
        recognition.ask(Some(outbox.reader()), &asking, screen).await?;
    }
    let intake = reading::open_source(&source, &reading, Hashing::Sha256)?;
    let options = import::merge_options(&reading, args.verify_first, work.answers);
    let taking = if reading.strict { Taking::IfAllAreValid } else { Taking::ForGood };
    let staged = reading::stage(intake, &mut outbox, &work, &args.file, &options, taking, None).await?;
    remember(&registry, &staged, &work, &outbox, screen).await?;
    outbox.close().await?;

    let counts = staged.merged.counts;
    staged.said.tell(screen);
    import::tell_merged(&staged.merged, screen);
    if screen.json {
        let told = json!({
            "version": 1, "batch": staged.merged.batch_name, "rows": counts.n_rows, "new": counts.new,
            "updated": counts.updated, "revived": counts.revived, "unchanged": counts.unchanged,
            "invalid": counts.invalid, "repeats": counts.repeats,
        });
        screen.result_json(told.to_string());
    }
    if 0 < counts.invalid {
        screen.note(format!(
            "hint: `{}` shows what is wrong; enqueue the file again once it is corrected",
            reading::check_of(&args.file)
        ));
        return Ok(Exit::NotAllOpened);
    }
    let typed = Typed::now();
    screen.note(format!(
        "hint: `{}` opens them, `{}` shows how far it is",
        typed.other(&["worker"]),
        typed.other(&["status", &staged.merged.batch_name])
    ));
    Ok(Exit::Done)
}

/// So that an `import` of the same rows is asked about. Whose they are is known once something was sent.
async fn remember(
    registry: &Registry,
    staged: &Staged,
    work: &Work,
    outbox: &AnyOutbox,
    screen: &Screen,
) -> Result<(), Failure> {
    let Some(host) = outbox.reader().host().await? else { return Ok(()) };
    let entry = Entry {
        at: Timestamp::now(),
        host,
        content: staged.content.to_string(),
        batch: work.identity(),
        folder: format!("into batch `{}` of an outbox", staged.merged.batch_name),
    };
    // Whoever else has these rows was told of before they came in.
    if let Err(error) = registry.add(&entry, |_| true) {
        screen.warn(format!("{error}: the same rows, imported from elsewhere, will not be recognised"));
    }
    Ok(())
}
