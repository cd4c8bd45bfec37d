//! `enqueue`: the rows of a spreadsheet go into an outbox, and workers open them.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::json;

use super::args::{Enqueue, Global};
use super::exit::Exit;
use super::failure::Failure;
use super::import;
use super::place;
use super::reading::{self, Taking};
use super::screen::Screen;
use crate::config::{Config, DeliveryLayer};
use crate::intake::{Hashing, Intake};

pub async fn enqueue(mut args: Enqueue, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let mut config = Config::load(global.config.as_deref())?;
    config.complete_reading(&mut args.input);
    let url = global.database_url.as_deref().or(config.database_url()).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "there is no outbox to put the rows into",
            "give --database-url, or set DATABASE_URL; `mutirao import` opens the rows without a server",
        )
    })?;
    let address = place::address(url)?;
    screen.note(format!("reading {}", reading::name_of(&args.file)));
    let intake = reading::open(&args.file, &args.input, Hashing::Sha256)?;
    reading::describe(&intake, screen);
    let batch = batch_name(&args, &intake)?;
    let is_correction = !intake.ours().by_batch.is_empty();

    let mut outbox = address.open().await?;
    if !is_correction && !args.go_on {
        import::refuse_old(outbox.reader(), &batch, Timestamp::now()).await?;
    }
    let delivery = DeliveryLayer { verify_first: Some(args.verify_first), ..DeliveryLayer::default() };
    let options = import::merge_options(&args.input, &delivery);
    let taking = if args.input.strict.unwrap_or(false) { Taking::IfAllAreValid } else { Taking::ForGood };
    let staged = reading::stage(intake, &mut outbox, &batch, &args.file, &options, taking).await?;
    outbox.close().await?;

    let counts = staged.merged.counts;
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
            "hint: `mutirao check {}` shows what is wrong; enqueue the file again once it is corrected",
            reading::name_of(&args.file)
        ));
        return Ok(Exit::NotAllOpened);
    }
    screen.note("hint: `mutirao worker` opens them, `mutirao status` shows how far it is");
    Ok(Exit::Done)
}

/// `--batch`, else the one that the rows name, else the file's stem.
fn batch_name(args: &Enqueue, intake: &Intake) -> Result<String, Failure> {
    if let Some(batch) = args.input.batch.clone().or(intake.first_lote().map(Cow::into_owned)) {
        return Ok(batch);
    }
    match args.file.file_stem() {
        Some(stem) if !reading::is_stdin(&args.file) => Ok(stem.to_string_lossy().into_owned()),
        _ => Err(Failure::new(Exit::Usage, "standard input needs a name for the batch", "add --batch NAME")),
    }
}
