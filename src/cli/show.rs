//! `show`: one row, its fields, its state, every attempt.

use std::borrow::Cow;

use super::exit::Exit;
use super::failure::Failure;
use super::json;
use super::screen::Screen;
use crate::app;
use crate::app::place::NamedRow;
use crate::app::show::Story;
use crate::delivery::State;
use crate::outbox::RowDetails;
use crate::printable::{self, LINE_CHARS_MAX};

pub async fn show(name: &NamedRow, screen: &Screen) -> Result<Exit, Failure> {
    let (details, _) = app::show::show(name).await?;
    if screen.json {
        screen.result_json(json::row(&details).to_string());
    } else {
        screen.result_lines(in_lines(&details).trim_end());
    }
    Ok(Exit::Done)
}

fn in_lines(details: &RowDetails) -> String {
    use std::fmt::Write;
    let report = &details.report;
    let row = tr!(
        "row %{row} (%{batch}:%{line}), reference %{referencia}",
        row = report.row.0,
        batch = printable::name(&details.batch),
        line = report.line,
        referencia = printable::name(&report.referencia)
    );
    let mut text = format!("{row}\n{}\n", state(report.state));
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}: {}", printable::line(value, LINE_CHARS_MAX));
    };
    let Story { known, fields, history } = Story::of(details);
    known.iter().for_each(|(name, told)| line(name, told));
    fields.iter().for_each(|(field, told)| line(&format!("  {field}"), told));
    history.iter().for_each(|(what, came_of)| line(what, came_of));
    text
}

/// With the state's name as programs know it.
fn state(state: State) -> Cow<'static, str> {
    match state {
        State::Pending => tr!("state: pending"),
        State::InFlight => tr!("state: in_flight"),
        State::InDoubt => tr!("state: in_doubt"),
        State::Opened => tr!("state: opened"),
        State::Invalid => tr!("state: invalid"),
        State::Rejected => tr!("state: rejected"),
        State::Failed => tr!("state: failed"),
        State::Unconfirmed => tr!("state: unconfirmed"),
        State::Conflict => tr!("state: conflict"),
        State::Skipped => tr!("state: skipped"),
        State::Cancelled => tr!("state: cancelled"),
    }
}
