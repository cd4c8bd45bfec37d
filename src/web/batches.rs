//! The first page: what was imported here, and how it stands.

use maud::{Markup, html};

use super::bring::bring;
use super::cut_off::CutOffs;
use super::desk::Stage;
use super::door::Visitor;
use super::lead::Lead;
use super::overview::{self, halt};
use super::page::{Course, failed, log_out, shown, whole as whole_page};
use crate::app::fault::Fault;
use crate::app::overview::Overview;
use crate::app::place::{Outboxes, Place};
use crate::app::{self, Asked, OutboxStatus, acts};
use crate::delivery::State;
use crate::language::filled::whole;
use crate::language::times::local;
use crate::outbox::Status;
use crate::registry::Role;
use crate::text;

/// Work folders, and batches of a file, that are shown at a time.
pub const SHOWN_MAX: usize = 20;

/// What is known of what there is.
pub enum Looked {
    Shared(Result<Box<Overview>, Fault>),
    Folders {
        seen: Result<Vec<Seen>, Fault>,
        /// That come before.
        n_before: usize,
        /// Whether others come behind.
        is_more: bool,
    },
}

/// An outbox, and how it stands.
type Seen = (Place, Result<OutboxStatus, Fault>);

/// Of work folders those behind the first `n_before`.
pub async fn look(outboxes: &Outboxes, n_before: usize) -> Looked {
    let (places, is_more) = match outboxes.lately(n_before, SHOWN_MAX) {
        Ok(found) => found,
        Err(fault) => return Looked::Folders { seen: Err(fault), n_before, is_more: false },
    };
    if let Some(place) = places.first().filter(|place| place.outbox.file().is_none()) {
        return Looked::Shared(app::overview::overview(&place.outbox).await.map(Box::new));
    }
    let mut seen = Vec::with_capacity(places.len());
    for place in places {
        let status = app::status(&place, Asked::Latest(SHOWN_MAX)).await;
        seen.push((place, status));
    }
    Looked::Folders { seen: Ok(seen), n_before, is_more }
}

/// `stage`: how the import stands that was ordered last.
pub fn page_of(looked: &Looked, stage: &Stage, cut_off: &CutOffs, visitor: &Visitor) -> Markup {
    let role = visitor.role;
    let body = html! {
        @if !stage.is_free() { p { a href="/import" { (tr!("To the import that goes on")) } } }
        @if role == Role::Abrir {
            @if cut_off.is_any_cut_off() {
                p { a href="/import" { (tr!("To the import that was cut off")) } }
            }
            (cut_off.paused(visitor))
            (bring(&tr!("A spreadsheet to be opened as tickets: choose it, or drop it here")))
        }
        @match looked {
            Looked::Shared(overview) => (overview::section(overview.as_deref(), role)),
            Looked::Folders { seen: Err(fault), .. } => (failed(fault)),
            Looked::Folders { seen: Ok(seen), n_before, is_more } => (folders(seen, *n_before, *is_more, role)),
        }
        @if let Some(name) = visitor.owner() { (log_out(name)) }
    };
    let course = match looked {
        Looked::Shared(_) => Course::LooksAgain,
        _ => Course::Stays,
    };
    whole_page(&tr!("Batches"), course, &body)
}

fn folders(seen: &[Seen], n_before: usize, is_more: bool, role: Role) -> Markup {
    html! {
        @if seen.is_empty() { p { (tr!("Nothing was imported in this folder yet.")) } }
        @for (place, status) in seen { (outbox(place, status, role)) }
        @if 0 < n_before {
            p { a href={ "/?before=" (n_before.saturating_sub(SHOWN_MAX)) } { (tr!("Later batches")) } }
        }
        @if is_more {
            p { a href={ "/?before=" (n_before.saturating_add(SHOWN_MAX)) } { (tr!("Earlier batches")) } }
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
            @let whose = acts::whose(status.host.as_deref(), status.imports.get(&info.name));
            (batch(&linked(place, &info.name, role), standing, &whose))
        }
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

fn batch(name: &Markup, status: &Status, whose: &str) -> Markup {
    let counted = State::ALL.map(|state| (state, status.counts.count(state)));
    html! {
        section {
            h2 { (name) }
            @if !whose.is_empty() { p { (shown(whose)) } }
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
