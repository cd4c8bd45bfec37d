//! The first page: what was imported here, and how it stands.

use maud::{Markup, html};

use super::desk::Stage;
use super::lead::Lead;
use super::page::{failed, page, shown};
use crate::app::fault::Fault;
use crate::app::place::{Outboxes, Place};
use crate::app::{self, CrewTold, OutboxStatus};
use crate::delivery::State;
use crate::language::filled::whole;
use crate::language::times::local;
use crate::outbox::{Halted, Status};
use crate::text;

/// What is known of each outbox.
pub struct Looked(Result<Vec<Seen>, Fault>);

/// An outbox, and how it stands.
type Seen = (Place, Result<OutboxStatus, Fault>);

pub async fn look(outboxes: &Outboxes) -> Looked {
    let places = match outboxes.all(None) {
        Ok(places) => places,
        Err(Fault::NoWorkFolder) => Vec::new(),
        Err(fault) => return Looked(Err(fault)),
    };
    let mut looked = Vec::with_capacity(places.len());
    for place in places {
        let status = app::status(&place).await;
        looked.push((place, status));
    }
    Looked(Ok(looked))
}

/// `stage`: how the import stands that was ordered last.
pub fn page_of(Looked(looked): &Looked, stage: &Stage) -> Markup {
    let body = match looked {
        Err(fault) => failed(fault),
        Ok(places) if places.is_empty() => html! {
            p { (tr!("Nothing was imported in this folder yet.")) }
        },
        Ok(places) => html! {
            @for (place, status) in places { (outbox(place, status)) }
        },
    };
    let body = html! {
        @match stage {
            Stage::Idle | Stage::Ended(_) => {}
            Stage::CutOff => p { a href="/import" { (tr!("To the import that was cut off")) } },
            _ => p { a href="/import" { (tr!("To the import that goes on")) } },
        }
        (bring(&tr!("A spreadsheet to be opened as tickets: choose it, or drop it here")))
        (body)
    };
    page(&tr!("Batches"), &body)
}

/// Where a sheet is chosen, or dropped: a field for files takes both.
pub fn bring(label: &str) -> Markup {
    html! {
        form.bring method="post" action="/sheets" enctype="multipart/form-data" {
            label for="sheet" { (label) }
            input #sheet name="sheet" type="file" required;
            button { (tr!("Check")) }
            p { small { (tr!("It is only checked; nothing is sent before you say so.")) } }
        }
    }
}

fn outbox(place: &Place, status: &Result<OutboxStatus, Fault>) -> Markup {
    let status = match status {
        Ok(status) => status,
        Err(fault) => {
            return html! { section { h2 { (shown(&place.outbox.to_string())) } (failed(fault)) } };
        }
    };
    html! {
        @for (info, standing, _) in &status.batches {
            @let lead = Lead::to(place, &info.name);
            (batch(&html! { a href=(lead.href("/batch", &[])) { (shown(&info.name)) } }, standing))
        }
        @if let Some(standing) = &status.whole { (batch(&html! { (tr!("all batches")) }, standing)) }
        @if !status.names.is_empty() {
            ul { @for name in &status.names {
                li { a href=(Lead::to(place, name).href("/batch", &[])) { (shown(name)) } }
            } }
        }
        @if let Some(crew) = &status.crew { (at_work(CrewTold::of(crew))) }
        @if let Some(holder) = &status.holder {
            p { (shown(&text::works_on_it(holder.pid, &holder.doing))) }
        }
        @for halted in &status.halted { (halt(halted)) }
    }
}

fn batch(name: &Markup, status: &Status) -> Markup {
    let counted = State::ALL.map(|state| (state, status.counts.count(state)));
    html! {
        section {
            h2 { (name) }
            table {
                thead { tr { th scope="col" { (tr!("State")) } th.n scope="col" { (tr!("Rows")) } } }
                tbody {
                    @for (state, n_rows) in counted.into_iter().filter(|(_, n_rows)| 0 < *n_rows) {
                        tr {
                            th scope="row" { (crate::language::said(text::state(state))) }
                            td.n { (whole(n_rows)) }
                        }
                    }
                }
            }
            @if let Some(oldest) = status.oldest_pending {
                p { (tr!("%{n} due now, the oldest pending since %{oldest}", n = status.due_now, oldest = local(oldest))) }
            }
        }
    }
}

/// Who works on a shared outbox.
fn at_work(CrewTold { works, stopped, held_back }: CrewTold) -> Markup {
    html! {
        p.warn[works.is_none()] {
            (works.unwrap_or_else(|| tr!("No worker is alive: what is due waits for one, or for an import from here.")))
        }
        @if let Some(why) = stopped { p.warn { (shown(&tr!("All workers are stopped: %{why}", why = why))) } }
        @for line in held_back { p.warn { (shown(&line)) } }
    }
}

fn halt(halted: &Halted) -> Markup {
    let Halted { lote, reason, n_waiting } = halted;
    let why = tr!(
        "`%{lote}` is halted, %{n} %{n|row waits|rows wait}: %{reason}",
        lote = shown(lote),
        n = n_waiting,
        reason = text::halt_reason(reason)
    );
    html! { p.warn role="status" { (shown(&why)) } }
}
