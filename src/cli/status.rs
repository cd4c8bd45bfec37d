//! `status`: counts by state, what is due, the oldest pending row, what holds a batch back; and of a
//! shared outbox, who works on it and what holds them back.

use super::clock::local;
use super::exit::Exit;
use super::failure::Failure;
use super::json;
use super::screen::Screen;
use super::summary;
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::place::Place;
use crate::app::{self, OutboxStatus};
use crate::outbox::sqlite::Holder;
use crate::outbox::{Crew, Halted, Status};
use crate::text;

pub async fn status(places: &[Place], screen: &Screen) -> Result<Exit, Failure> {
    let mut document = json::no_status();
    for place in places {
        if 1 < places.len() && !screen.json {
            screen.result(format!("{}:", place.outbox));
        }
        let outbox = app::status(place).await?;
        match screen.json {
            true => json::add_status(&outbox, place, &mut document),
            false => tell(&outbox, place, screen),
        }
    }
    if screen.json {
        screen.result_json(document.to_string());
    }
    Ok(Exit::Done)
}

fn tell(outbox: &OutboxStatus, place: &Place, screen: &Screen) {
    for (info, status) in &outbox.batches {
        tell_status(&info.name, status, Some((outbox.led(place, &info.name), &info.name)), screen);
    }
    if let Some(whole) = &outbox.whole {
        tell_status("all batches", whole, None, screen);
    }
    if let Some(Holder { pid, doing }) = &outbox.holder {
        let doing = if doing.is_empty() { String::new() } else { format!(": {doing}") };
        screen.result(format!("  process {pid} works on it{doing}"));
    }
    for line in outbox.crew.iter().flat_map(in_lines) {
        screen.result(line);
    }
    for batch in &outbox.halted {
        screen.result(halted(batch, outbox.led(place, &batch.lote)));
    }
}

/// `of`: the one batch that it is about, and how commands find it.
fn tell_status(name: &str, status: &Status, of: Option<(Led<'_>, &str)>, screen: &Screen) {
    let (led, batch) = of.map_or((Led::Setting, None), |(led, batch)| (led, Some(batch)));
    let command = |name: &str, rest: &[&str]| Typed::now().at(led, name, batch, rest);
    let mut lines = vec![format!("{name}: {}", summary::in_words_now(&status.counts))];
    if 0 < status.counts.in_flight {
        lines.push(format!("  {} in flight: they may have been sent", status.counts.in_flight));
    }
    if 0 < status.counts.in_doubt {
        let next = status.next_look_up.map_or_else(String::new, |at| format!(", the next at {}", local(at)));
        lines.push(format!(
            "  {} in doubt: a ticket may exist, look-ups will tell{next}, if somebody works; do not open them by hand",
            status.counts.in_doubt
        ));
    }
    if 0 < status.counts.unconfirmed {
        lines.push(format!(
            "  {} unconfirmed: look-ups could not tell; `{}` looks again",
            status.counts.unconfirmed,
            command("reconcile", &[])
        ));
    }
    if 0 < status.counts.conflict {
        let typed = Typed::now();
        lines.push(format!(
            "  {} in conflict: `{}` tells why, `{}` takes your word",
            status.counts.conflict,
            typed.other(&["show", "ROW"]),
            typed.other(&["resolve", "ROW", "--opened", "PROTOCOLO"])
        ));
    }
    if let Some(oldest) = status.oldest_pending {
        lines.push(format!("  {} due now, the oldest pending since {}", status.due_now, local(oldest)));
    }
    for line in lines {
        screen.result(line);
    }
}

/// [`halted()`], for a log: HubSoft's words may tell of a customer.
pub(super) fn halted_in_log(batch: &Halted, led: Led<'_>) -> String {
    let Halted { lote, n_waiting, .. } = batch;
    let status = Typed::now().at(led, "status", Some(lote), &[]);
    format!("`{lote}` is halted, {n_waiting} rows wait; `{status}` says why")
}

/// A lote that waits for a person, and what lets it go on.
pub(super) fn halted(batch: &Halted, led: Led<'_>) -> String {
    let Halted { lote, reason, n_waiting } = batch;
    let resume = Typed::now().at(led, "resume", Some(lote), &[]);
    format!(
        "`{lote}` is halted, {n_waiting} rows wait: {}; `{resume}` lets it go on",
        text::halt_reason(reason)
    )
}

fn in_lines(crew: &Crew) -> Vec<String> {
    let mut lines = vec![match (crew.n_workers, crew.rate_per_s) {
        (0, _) => format!("no worker is alive; `{}` opens what is due", Typed::now().other(&["worker"])),
        (n, None) => format!("{n} workers, without a rate limit"),
        (n, Some(rate)) => format!("{n} workers, {rate}/s together at most"),
    }];
    if let Some(reason) = &crew.paused {
        let resume = Typed::now().other(&["resume"]);
        lines.push(format!("  all are stopped ({}); `{resume}` lets them go on", text::pause(reason)));
    }
    if let Some((until, reason)) = &crew.throttled {
        lines.push(format!("  they pause until {}: {}", local(*until), text::throttle(reason)));
    }
    if !crew.is_breaker_closed {
        lines.push("  HubSoft does not answer: one of them tries again and again".to_owned());
    }
    lines
}
