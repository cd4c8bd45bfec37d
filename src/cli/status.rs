//! `status`: counts by state, what is due, the oldest pending row, what holds a batch back; and of a
//! shared outbox, who works on it and what holds them back.

use std::borrow::Cow;

use super::exit::Exit;
use super::failure::Failure;
use super::json;
use super::reasons::{lines, others};
use super::screen::Screen;
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::counted;
use crate::app::fault::Fault;
use crate::app::place::Place;
use crate::app::sheet::ColumnNames;
use crate::app::{self, Asked, CrewTold, OutboxStatus, acts};
use crate::language::said;
use crate::language::times::local;
use crate::outbox::{Crew, Halted, Status};
use crate::text;

/// What persons had done with a batch, in lines: of late. `--json` and the page have more of it.
const ACTS_MAX: usize = 5;

pub async fn status(places: &[Place], asked: Asked, screen: &Screen) -> Result<Exit, Failure> {
    let page = look(places, asked, screen.json).await?;
    for line in &page.lines {
        match screen.json {
            true => screen.result_json(line),
            false => screen.result(line),
        }
    }
    Ok(Exit::Done)
}

/// How outboxes stand at one time.
#[derive(Default)]
pub(super) struct Page {
    /// For people; or one line of JSON.
    pub(super) lines: Vec<String>,
    /// Whether rows go on by themselves, or a file is still being read.
    pub(super) is_anything_left: bool,
}

impl Page {
    fn result(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

/// Looks at all of them once.
pub(super) async fn look(places: &[Place], asked: Asked, is_json: bool) -> Result<Page, Fault> {
    let (mut page, mut document) = (Page::default(), json::no_status());
    for place in places {
        if 1 < places.len() && !is_json {
            page.result(format!("{}:", place.outbox));
        }
        let outbox = app::status(place, asked).await?;
        page.is_anything_left |= outbox.is_anything_left();
        match is_json {
            true => json::add_status(&outbox, place, &mut document),
            false => tell(&outbox, place, &mut page),
        }
    }
    if is_json {
        page.result(document.to_string());
    }
    Ok(page)
}

fn tell(outbox: &OutboxStatus, place: &Place, page: &mut Page) {
    for (info, status, reasons) in &outbox.batches {
        tell_status(&info.name, status, Some((outbox.led(place, &info.name), &info.name)), page);
        for told in lines(reasons, &ColumnNames::new(), |_| true).into_iter().chain(others(reasons)) {
            page.result(told.shown);
        }
        for act in outbox.acts.get(&info.name).into_iter().flatten().take(ACTS_MAX) {
            let (at, what) = acts::told(act);
            page.result(format!("  {at}: {what}"));
        }
    }
    if let Some(whole) = &outbox.whole {
        tell_status(&tr!("all batches"), whole, None, page);
    }
    if let Some(holder) = &outbox.holder {
        page.result(format!("  {}", text::works_on_it(holder.pid, &holder.doing)));
    }
    for line in outbox.crew.iter().flat_map(in_lines) {
        page.result(line);
    }
    for batch in &outbox.halted {
        page.result(halted(batch, outbox.led(place, &batch.lote)));
    }
}

/// `of`: the one batch that it is about, and how commands find it.
fn tell_status(name: &str, status: &Status, of: Option<(Led<'_>, &str)>, page: &mut Page) {
    let (led, batch) = of.map_or((Led::Setting, None), |(led, batch)| (led, Some(batch)));
    let command = |name: &str, rest: &[&str]| Typed::now().at(led, name, batch, rest);
    page.result(format!("{name}: {}", counted::in_words_now(&status.counts)));
    let mut tell = |line: Cow<'static, str>| page.result(format!("  {line}"));
    if 0 < status.counts.in_flight {
        tell(tr!("%{n} in flight: they may have been sent", n = status.counts.in_flight));
    }
    if 0 < status.counts.in_doubt {
        let n = status.counts.in_doubt;
        tell(match status.next_look_up {
            None => tr!(
                "%{n} in doubt: a ticket may exist, look-ups will tell, if somebody works; do not open them by hand",
                n = n
            ),
            Some(at) => tr!(
                "%{n} in doubt: a ticket may exist, look-ups will tell, the next at %{at}, if somebody works; do not open them by hand",
                n = n,
                at = local(at)
            ),
        });
    }
    if 0 < status.counts.unconfirmed {
        tell(tr!(
            "%{n} unconfirmed: look-ups could not tell; `%{reconcile}` looks again",
            n = status.counts.unconfirmed,
            reconcile = command("reconcile", &[])
        ));
    }
    if 0 < status.counts.conflict {
        let typed = Typed::now();
        tell(tr!(
            "%{n} in conflict: `%{show}` tells why, `%{resolve}` takes your word",
            n = status.counts.conflict,
            show = typed.other(&["show", &said("ROW")]),
            resolve = typed.other(&["resolve", &said("ROW"), "--opened", &said("PROTOCOLO")])
        ));
    }
    if let Some(oldest) = status.oldest_pending {
        tell(tr!(
            "%{n} due now, the oldest pending since %{oldest}",
            n = status.due_now,
            oldest = local(oldest)
        ));
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
    let Halted { lote, reason, n_waiting, .. } = batch;
    let resume = Typed::now().at(led, "resume", Some(lote), &[]);
    tr!(
        "`%{lote}` is halted, %{n} %{n|row waits|rows wait}: %{reason}; `%{resume}` lets it go on",
        lote = lote,
        n = n_waiting,
        reason = text::halt_reason(reason),
        resume = resume
    )
    .into_owned()
}

fn in_lines(crew: &Crew) -> Vec<String> {
    let CrewTold { works, stopped, held_back } = CrewTold::of(crew);
    let works = works.unwrap_or_else(|| {
        let worker = Typed::now().other(&["worker"]);
        tr!("no worker is alive; `%{worker}` opens what is due", worker = worker)
    });
    let stopped = stopped.map(|why| {
        let resume = Typed::now().other(&["resume"]);
        tr!("all are stopped (%{why}); `%{resume}` lets them go on", why = why, resume = resume)
    });
    let below = stopped.into_iter().chain(held_back).map(|line| format!("  {line}"));
    [works.into_owned()].into_iter().chain(below).collect()
}
