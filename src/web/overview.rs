//! A shared outbox, for whoever is on call: what waits, who works, what holds them back, and what was settled
//! in the last day.

use std::borrow::Cow;

use maud::{Markup, html};

use super::lead::Lead;
use super::lote::one_row;
use super::page::{self, failed, scrolling, shown};
use super::plot::plot;
use crate::app::fault::Fault;
use crate::app::overview::{Met, Overview, how_far};
use crate::app::{CrewTold, acts};
use crate::delivery::State;
use crate::language::filled::{decimal, whole};
use crate::language::said;
use crate::language::times::local;
use crate::outbox::{Halted, Status, Worker};
use crate::registry::Role;
use crate::text;

/// What is looked at again. Milliseconds.
const LOOK_EVERY_MS: u32 = 5_000;

pub fn section(overview: Result<&Overview, &Fault>, role: Role) -> Markup {
    html! {
        @if role == Role::Abrir { (search("")) }
        div #live data-every=(LOOK_EVERY_MS) {
            @match overview {
                Ok(overview) => (standing(overview, role)),
                Err(fault) => (failed(fault)),
            }
        }
        @if role == Role::Abrir { (pause()) }
    }
}

fn standing(Overview { now, crew, halted, batches, listed, imports, host }: &Overview, role: Role) -> Markup {
    let opens = role == Role::Abrir;
    html! {
        @if let Some(host) = host { p { (shown(&acts::at_host(host))) } }
        (waiting(&now.waiting))
        p { (tr!("%{n} %{n|row|rows} settled in the last minute", n = now.n_last_minute)) }
        (at_work(CrewTold::of(crew), role))
        @if opens && crew.paused.is_some() {
            form method="post" action="/outbox/resume" { p { button.plain { (tr!("Let all workers go on")) } } }
        }
        @for halted in halted {
            (halt(halted, role))
            @if opens { (resume_lote(halted)) }
        }
        (workers(&now.workers))
        (plot(&now.day))
        @if !batches.is_empty() {
            h2 { (tr!("The latest batches")) }
            ul { @for name in batches { li {
                @if opens {
                    a href=(Lead::shared(name).href("/batch", &[])) { (shown(name)) }
                } @else {
                    (shown(name))
                }
                @let far = listed.get(name).and_then(how_far);
                @let told = far.into_iter().chain(imports.get(name).map(acts::imported)).collect::<Vec<_>>();
                @if !told.is_empty() { ": " (shown(&told.join("; "))) }
            } } }
        }
    }
}

/// What is not done with, and since when.
fn waiting(status: &Status) -> Markup {
    let counts = &status.counts;
    let since = |state| match state {
        State::Pending => status.oldest_pending.map(|at| tr!("the oldest due since %{at}", at = local(at))),
        State::InDoubt => status.next_look_up.map(|at| tr!("the next look-up at %{at}", at = local(at))),
        State::Unconfirmed => {
            status.oldest_unconfirmed.map(|at| tr!("the oldest in doubt since %{at}", at = local(at)))
        }
        _ => None,
    };
    html! {
        h2 { (tr!("What waits")) }
        table {
            thead { tr {
                th scope="col" { (tr!("State")) }
                th.n scope="col" { (tr!("Rows")) }
                th scope="col" { (tr!("Since when")) }
            } }
            tbody {
                @for state in [State::Pending, State::InFlight, State::InDoubt, State::Unconfirmed] {
                    tr {
                        th scope="row" { (said(text::state(state))) }
                        td.n { (whole(counts.count(state))) }
                        td { (since(state).unwrap_or_default()) }
                    }
                }
            }
        }
    }
}

/// Who works on it, and what holds them back.
fn at_work(CrewTold { works, stopped, held_back }: CrewTold, role: Role) -> Markup {
    html! {
        p.warn[works.is_none()] {
            (works.unwrap_or_else(|| tr!("No worker is alive: what is due waits for one, or for an import from here.")))
        }
        @if let Some(why) = stopped {
            p.warn { (shown(&tr!("All workers are stopped: %{why}", why = page::reason(role, why)))) }
        }
        @for line in held_back { p.warn { (shown(&line)) } }
    }
}

fn workers(workers: &[Worker]) -> Markup {
    let rate = |worker: &Worker| match worker.rate_per_s {
        Some(rate) => tr!("%{rate}/s at most", rate = decimal(&rate.to_string())),
        None => tr!("no limit of its own"),
    };
    html! {
        @if !workers.is_empty() {
            h2 { (tr!("Workers")) }
            (scrolling(&tr!("Workers"), &html! {
                table {
                    thead { tr {
                        th scope="col" { (tr!("Name")) }
                        th scope="col" { (tr!("Since")) }
                        th scope="col" { (tr!("Rate")) }
                    } }
                    tbody { @for worker in workers {
                        tr { th scope="row" { (shown(&worker.name)) } td { (local(worker.since)) } td { (rate(worker)) } }
                    } }
                }
            }))
        }
    }
}

fn resume_lote(halted: &Halted) -> Markup {
    html! {
        form method="post" action="/batch/resume" {
            (Lead::shared(&halted.lote).hidden())
            button.plain { (tr!("Let `%{lote}` go on", lote = shown(&halted.lote))) }
        }
    }
}

/// All workers stop, at a person's word. Apart from what is looked at again: it is typed.
fn pause() -> Markup {
    html! {
        h2 { (tr!("Pause all workers")) }
        form method="post" action="/outbox/pause" {
            p { label { (tr!("Why")) " " input.wide name="reason" required maxlength="200" autocomplete="off"; } }
            p { button.plain { (tr!("Pause all workers")) } }
        }
    }
}

fn search(text: &str) -> Markup {
    html! {
        form.search method="get" action="/search" role="search" {
            label { (tr!("Service, name, protocolo, reference or id")) " " input type="search" name="text" value=(text) required; }
            " " button { (tr!("Search")) }
        }
    }
}

/// What was found in all batches.
pub fn found(text: &str, (rows, next): &Met) -> Markup {
    html! {
        (search(text))
        @if rows.is_empty() {
            p role="status" { (tr!("No such row was found here.")) }
        } @else {
            (scrolling(&tr!("Rows"), &html! {
                table {
                    thead { tr {
                        th scope="col" { (tr!("Batch")) }
                        th.n scope="col" { (tr!("Line")) }
                        th scope="col" { (tr!("Name")) }
                        th scope="col" { (tr!("Service")) }
                        th scope="col" { (tr!("State")) }
                        th scope="col" { "Protocolo" }
                        th scope="col" { (tr!("What is known")) }
                    } }
                    tbody { @for row in rows {
                        @let lead = Lead::shared(&row.batch);
                        (one_row(&lead, row, Some(&html! { td { a href=(lead.href("/batch", &[])) { (shown(&row.batch)) } } })))
                    } }
                }
            }))
        }
        @if let Some(next) = next {
            @let before = next.0.to_string();
            p { a href=(further(text, &before)) { (tr!("Look further back")) } }
        }
    }
}

fn further(text: &str, before: &str) -> String {
    let pairs: [(&str, Cow<'_, str>); 2] = [("text", text.into()), ("before", before.into())];
    let path = "/search?".to_owned();
    let from = path.len();
    form_urlencoded::Serializer::for_suffix(path, from).extend_pairs(pairs).finish()
}

pub fn halt(halted: &Halted, role: Role) -> Markup {
    let Halted { lote, reason, n_waiting, .. } = halted;
    let why = tr!(
        "`%{lote}` is halted, %{n} %{n|row waits|rows wait}: %{reason}",
        lote = shown(lote),
        n = n_waiting,
        reason = page::reason(role, text::halt_reason(reason)),
    );
    html! { p.warn role="status" { (shown(&why)) } }
}
