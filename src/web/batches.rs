//! The first page: what was imported here, and how it stands.

use std::borrow::Cow;

use maud::{Markup, html};

use super::cut_off::CutOffs;
use super::desk::Stage;
use super::door::Visitor;
use super::lead::Lead;
use super::page::{failed, log_out, page, shown};
use crate::app::fault::Fault;
use crate::app::place::{Outboxes, Place};
use crate::app::{self, CrewTold, OutboxStatus};
use crate::delivery::State;
use crate::language::filled::whole;
use crate::language::times::local;
use crate::outbox::{Halted, Status};
use crate::registry::Role;
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
pub fn page_of(Looked(looked): &Looked, stage: &Stage, cut_off: &CutOffs, visitor: &Visitor) -> Markup {
    let body = match looked {
        Err(fault) => failed(fault),
        Ok(places) if places.is_empty() => html! {
            p { (tr!("Nothing was imported in this folder yet.")) }
        },
        Ok(places) => html! {
            @for (place, status) in places { (outbox(place, status, visitor.role)) }
        },
    };
    let body = html! {
        @if !stage.is_free() { p { a href="/import" { (tr!("To the import that goes on")) } } }
        @if visitor.role == Role::Abrir && !cut_off.is_empty() {
            p { a href="/import" { (tr!("To the import that was cut off")) } }
        }
        @if visitor.role == Role::Abrir {
            (bring(&tr!("A spreadsheet to be opened as tickets: choose it, or drop it here")))
        }
        (body)
        @if let Some(name) = visitor.owner() { (log_out(name)) }
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

fn outbox(place: &Place, status: &Result<OutboxStatus, Fault>, role: Role) -> Markup {
    let status = match status {
        Ok(status) => status,
        Err(fault) => {
            return html! { section { h2 { (shown(&place.outbox.to_string())) } (failed(fault)) } };
        }
    };
    html! {
        @for (info, standing, _) in &status.batches {
            (batch(&linked(place, &info.name, role), standing))
        }
        @if let Some(standing) = &status.whole { (batch(&html! { (tr!("all batches")) }, standing)) }
        @if !status.names.is_empty() {
            ul { @for name in &status.names {
                li { (linked(place, name, role)) }
            } }
        }
        @if let Some(crew) = &status.crew { (at_work(CrewTold::of(crew), role)) }
        @if let Some(holder) = &status.holder {
            p { (shown(&text::works_on_it(holder.pid, &holder.doing))) }
        }
        @for halted in &status.halted { (halt(halted, role)) }
    }
}

/// What a batch is called; for who may see its rows, it leads to them.
fn linked(place: &Place, name: &str, role: Role) -> Markup {
    match role {
        Role::Abrir => html! { a href=(Lead::to(place, name).href("/batch", &[])) { (shown(name)) } },
        Role::Acompanhar => html! { (shown(name)) },
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
fn at_work(CrewTold { works, stopped, held_back }: CrewTold, role: Role) -> Markup {
    html! {
        p.warn[works.is_none()] {
            (works.unwrap_or_else(|| tr!("No worker is alive: what is due waits for one, or for an import from here.")))
        }
        @if let Some(why) = stopped {
            p.warn { (shown(&tr!("All workers are stopped: %{why}", why = reason(role, why)))) }
        }
        @for line in held_back { p.warn { (shown(&line)) } }
    }
}

/// HubSoft's words may name somebody.
fn reason<'a>(role: Role, why: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    match role {
        Role::Abrir => why.into(),
        Role::Acompanhar => tr!("who opens tickets sees why"),
    }
}

fn halt(halted: &Halted, role: Role) -> Markup {
    let Halted { lote, reason, n_waiting, .. } = halted;
    let why = tr!(
        "`%{lote}` is halted, %{n} %{n|row waits|rows wait}: %{reason}",
        lote = shown(lote),
        n = n_waiting,
        reason = self::reason(role, text::halt_reason(reason)),
    );
    html! { p.warn role="status" { (shown(&why)) } }
}
