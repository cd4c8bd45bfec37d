//! A batch: its rows, found by a person, and what a person can have done with them.

use std::borrow::Cow;

use maud::{Markup, html};

use super::bring::bring;
use super::going::not_real;
use super::lead::Lead;
use super::page::{copying, scrolling, shown, table};
use crate::app::found::{Found, PROTOCOLOS_MAX};
use crate::app::retry;
use crate::app::{acts, counted};
use crate::delivery::{AttemptKind, State};
use crate::language::filled::whole;
use crate::language::said;
use crate::language::times::local;
use crate::outbox::{BatchInfo, Counts, Cursor, RowDetails, state_name, state_of};
use crate::printable;
use crate::report::ERRORS;
use crate::text;
use crate::ticket::Field;

/// What a form calls all states, and those that need a person.
const ALL: &str = "all";
const NEEDY: &str = "needy";

/// The states that a form means by a word. `None`: by none; none of them: all.
pub fn states_of(word: Option<&str>) -> Option<Vec<State>> {
    match word? {
        ALL => Some(Vec::new()),
        NEEDY => Some(State::NEEDS_A_PERSON.to_vec()),
        name => state_of(name).map(|state| vec![state]),
    }
}

/// What a form says of them.
fn word_of(states: &[State]) -> &'static str {
    match states {
        [] => ALL,
        [only] => state_name(*only),
        _ => NEEDY,
    }
}

/// `paused`: its import, where a person paused that.
pub fn page_of(lead: &Lead, text: &str, batch: &BatchInfo, found: &Found, paused: &Markup) -> Markup {
    let counts = &batch.counts;
    let body = html! {
        p role="status" { (counted::in_words_now(counts)) }
        @let whose = acts::whose(found.host.as_deref(), found.import.as_ref());
        @if !whose.is_empty() { p { (shown(&whose)) } }
        @if !found.is_real { (not_real()) }
        (paused)
        (search(lead, text, counts, &found.states))
        (rows(lead, &found.rows))
        @if let Some(next) = found.next {
            @let after = next.number().to_string();
            @let more = [("state", word_of(&found.states)), ("text", text), ("after", after.as_str())];
            p { a href=(lead.href("/batch", &more)) { (tr!("Look further on")) } }
        }
        (protocolos(&found.rows))
        @if found.is_part {
            @let asked = [("state", word_of(&found.states)), ("text", text)];
            p { a href=(lead.href("/batch/protocolos", &asked)) {
                (tr!("Protocolos of all rows that were looked for, %{n} at a time", n = whole(PROTOCOLOS_MAX as u64)))
            } }
        }
        (files(lead, found))
        (deeds(lead, counts))
        (table(&tr!("What was done"), &found.acts.iter().map(acts::told).collect::<Vec<_>>()))
    };
    copying(&shown(&batch.name), &body)
}

fn search(lead: &Lead, text: &str, counts: &Counts, states: &[State]) -> Markup {
    let n_of = |states: &[State]| states.iter().map(|state| counts.count(*state)).sum::<u64>();
    let one = |state: State| (state_name(state), said(text::state(state)), counts.count(state));
    let mut offers = vec![
        (ALL, tr!("All rows"), counts.total()),
        (NEEDY, tr!("Rows that need somebody"), n_of(&State::NEEDS_A_PERSON)),
    ];
    offers.extend(State::ALL.map(one));
    html! {
        form.search method="get" action="/batch" role="search" {
            (lead.hidden())
            label { (tr!("State")) " "
                select name="state" {
                    @for (word, called, n) in &offers {
                        @let is_chosen = *word == word_of(states);
                        @if is_chosen || 0 < *n {
                            option value=(word) selected[is_chosen] { (called) " (" (whole(*n)) ")" }
                        }
                    }
                }
            }
            " "
            label { (tr!("Service, name, protocolo or line")) " " input type="search" name="text" value=(text); }
            " " button { (tr!("Search")) }
        }
    }
}

fn rows(lead: &Lead, rows: &[RowDetails]) -> Markup {
    html! {
        @if rows.is_empty() {
            p { (tr!("No such row was found here.")) }
        } @else {
            (scrolling(&tr!("Rows"), &html! {
                table {
                    thead { tr {
                        th.n scope="col" { (tr!("Line")) }
                        th scope="col" { (tr!("Name")) }
                        th scope="col" { (tr!("Service")) }
                        th scope="col" { (tr!("State")) }
                        th scope="col" { "Protocolo" }
                        th scope="col" { (tr!("What is known")) }
                    } }
                    tbody { @for row in rows { (one_row(lead, row, None)) } }
                }
            }))
        }
    }
}

/// `first`: a cell before all others.
pub fn one_row(lead: &Lead, details: &RowDetails, first: Option<&Markup>) -> Markup {
    let row = &details.report;
    let (id, line) = (row.row.0.to_string(), row.line.to_string());
    // What a program inserted has no line.
    let name = if row.line == 0 { printable::name(&row.referencia) } else { Cow::Borrowed(line.as_str()) };
    let field = |field| details.fields.get(field).map(printable::name).unwrap_or_default();
    html! {
        tr {
            @if let Some(cell) = first { (cell) }
            th.n scope="row" { a href=(lead.href("/row", &[("row", &id)])) { (name) } }
            td { (field(Field::Nome)) }
            td { (field(Field::IdClienteServico)) }
            td { (said(text::state(row.state))) }
            td { (printable::name(row.protocolo.as_deref().unwrap_or_default())) }
            td { (known(details)) }
        }
    }
}

/// Why it is where it is, and what is to be done.
fn known(details: &RowDetails) -> Markup {
    let row = &details.report;
    let told = |text: &Option<Cow<'_, str>>| text.as_deref().map(|text| text::again(text).into_owned());
    let mut look_ups = details.history.iter().filter(|attempt| attempt.kind == AttemptKind::LookUp);
    let (n_look_ups, last) = (look_ups.clone().count(), look_ups.next_back());
    html! {
        @for text in [told(&row.error_message), told(&row.warning)].into_iter().flatten() { (shown(&text)) br; }
        @if State::NEEDS_A_PERSON.contains(&row.state) {
            small { (text::to_do(row.state)) }
            @if let Some(doubt) = &details.doubt {
                br; small { (tr!("in doubt since")) " " (local(doubt.since)) }
            }
            @if let Some(last) = last {
                br; small {
                    (tr!(
                        "%{n} %{n|look-up|look-ups}, the last on %{when}: %{note}",
                        n = n_look_ups, when = local(last.at), note = shown(&text::again(&last.note))
                    ))
                }
            }
        }
    }
}

/// Those of this page, to be copied.
fn protocolos(rows: &[RowDetails]) -> Markup {
    let protocolos: Vec<_> = rows.iter().filter_map(|row| row.report.protocolo.as_deref()).collect();
    html! { @if !protocolos.is_empty() { (copied(&tr!("Protocolos of these rows"), &protocolos)) } }
}

/// Those of all rows that were looked for. `next`: where others may stand.
pub fn protocolos_page(
    lead: &Lead,
    (states, text): (&str, &str),
    protocolos: &[String],
    next: Option<Cursor>,
) -> Markup {
    let title = tr!("%{n} %{n|protocolo|protocolos}", n = protocolos.len());
    let protocolos: Vec<_> = protocolos.iter().map(String::as_str).collect();
    let body = html! {
        p { a href=(lead.href("/batch", &[("state", states), ("text", text)])) { (shown(&lead.batch)) } }
        (copied(&title, &protocolos))
        @if let Some(next) = next {
            @let after = next.number().to_string();
            @let more = [("state", states), ("text", text), ("after", after.as_str())];
            p { a href=(lead.href("/batch/protocolos", &more)) { (tr!("Look further on")) } }
        }
    };
    copying(&tr!("Protocolos of the rows that were looked for"), &body)
}

fn copied(title: &str, protocolos: &[&str]) -> Markup {
    let lines: Vec<_> = protocolos.iter().map(|protocolo| printable::name(protocolo)).collect();
    html! {
        h2 { label for="protocolos" { (title) } }
        textarea #protocolos.wide readonly rows=(lines.len().clamp(1, 6)) { (lines.join("\n")) }
        p { button.plain type="button" data-copies="protocolos" aria-describedby="copied" hidden { (tr!("Copy")) } " "
            span #copied role="status" data-says=(tr!("Copied.")) {}
        }
    }
}

fn files(lead: &Lead, found: &Found) -> Markup {
    html! {
        @if !found.files.is_empty() {
            h2 { (tr!("Files")) }
            ul {
                @for name in &found.files {
                    li { a href=(lead.href(&format!("/batch/files/{name}"), &[])) download { (name) } }
                }
            }
        }
        @if found.files.iter().any(|name| *name == ERRORS) {
            (bring(&tr!("Rows corrected in errors.csv are opened once that file is brought back: choose it, or drop it here")))
        }
    }
}

/// What `retry`, `cancel` and `resolve` do to all rows in a state.
fn deeds(lead: &Lead, counts: &Counts) -> Markup {
    let is_there = |state: &&State| 0 < counts.count(**state);
    let finished: Vec<_> = retry::STATES.iter().filter(is_there).collect();
    let doubtful = State::TAKES_A_WORD.iter().filter(is_there);
    let called = |state: State| {
        tr!("%{state} (%{n})", state = said(text::state(state)), n = counts.count(state)).into_owned()
    };
    html! {
        @if !finished.is_empty() {
            h2 { (tr!("Try again")) }
            form method="post" action="/batch/retry" {
                (lead.hidden())
                fieldset {
                    legend { (tr!("These rows become pending again; each that was ever sent is looked up first")) }
                    @for state in finished {
                        p { label {
                            input type="checkbox" name="state" value=(state_name(*state)) checked[retry::USUAL.contains(state)]; " "
                            (called(*state))
                        } }
                    }
                }
                p { button.plain { (tr!("Try again")) } }
            }
        }
        @if 0 < counts.pending {
            h2 { (tr!("Withdraw")) }
            p { (tr!("What was certainly not sent is cancelled, and can be tried again later.")) }
            form method="post" action="/batch/cancel" {
                (lead.hidden())
                p { button.plain { (tr!("Cancel %{n} pending %{n|row|rows}", n = counts.pending)) } }
            }
        }
        @for state in doubtful {
            h2 { (called(*state)) }
            p { (text::to_do(*state)) }
            form method="post" action="/batch/not-opened" {
                (lead.hidden())
                input type="hidden" name="state" value=(state_name(*state));
                p { button.plain { (tr!("I looked in HubSoft: none of these rows has a ticket")) } }
            }
        }
    }
}
