//! The import that was ordered: what it asks, how far it is, and what came of it.

use maud::{Markup, html};

use super::cut_off::{CutOffs, again};
use super::desk::{Answers, Broken, Came, Done, Note, Order, Question, Stage, Standing};
use super::door::Visitor;
use super::page::{self, failed, reason, shown};
use crate::app::counted;
use crate::app::progress::{self, Why};
use crate::delivery::{Reason, State};
use crate::language::filled::whole;
use crate::language::said;
use crate::outbox::Counts;
use crate::registry::Role;
use crate::report;
use crate::text;

pub fn page_of(standing: &Standing, cut_off: &CutOffs, visitor: &Visitor) -> Markup {
    let Standing { order, notes, stage, .. } = standing;
    // A question that was stopped is none any more: its page is to follow until who works has heard of it.
    let is_stopped = order.as_ref().is_some_and(|order| order.stop.is_cancelled());
    let stage = if matches!(stage, Stage::Asked(_)) && is_stopped { &Stage::Busy } else { stage };
    let (opens, is_theirs) = (visitor.role == Role::Abrir, standing.is_of(visitor));
    // What was found in a sheet, and is asked of it, is for who brought it alone.
    let is_whole = opens && (is_theirs || standing.has_begun());
    let order = order.as_deref();
    let body = html! { div #live {
        @if is_whole {
            (stage_of(order, stage, is_theirs && !cut_off.has_latest()))
        } @else {
            (looked_at(standing))
            // It would wait for who is gone.
            @if opens && !stage.is_free() { (order.map(stop).unwrap_or_default()) }
        }
        @if let Some(name) = order.and_then(|order| order.by.owner()) {
            p { small { (tr!("Ordered by `%{name}`.", name = name)) } }
        }
        @if is_whole { (known(notes)) }
        // Beside a question it would be taken for its answer.
        @if opens && stage.is_free() { (cut_off.page_of(visitor)) }
    } };
    let title = match order {
        None => tr!("No import"),
        Some(order) if is_whole => shown(&order.name),
        Some(_) => tr!("The import"),
    };
    // A question is not to vanish under who types.
    match stage.is_free() || matches!(stage, Stage::Asked(_)) && is_whole {
        true => page::page(&title, &body),
        false => page::live(&title, &body),
    }
}

/// What was told so far: what is wrong first.
fn known(notes: &[Note]) -> Markup {
    html! {
        @for note in notes {
            @if let Note::Warning(text) = note { p.warn { (shown(text)) } }
        }
        ul.known {
            @for note in notes {
                @if let Note::Told(text) = note { li { (shown(text)) } }
            }
        }
    }
}

/// The same for who only looks: nothing of customers, and nothing to do.
fn looked_at(Standing { stage, has_opened, .. }: &Standing) -> Markup {
    html! {
        @match stage {
            Stage::Opening { counts, run, .. } => {
                (progress(counts))
                (pace(run, Role::Acompanhar))
                (states(counts))
            }
            Stage::Ended(ended) => @match &**ended {
                Ok(done) => (states(&done.counts)),
                Err(_) if *has_opened => p.warn role="status" {
                    (tr!("An import ended by an error while it went on: how its rows stand, the first page tells."))
                },
                Err(_) => (nothing()),
            },
            Stage::Idle => (nothing()),
            Stage::Busy if *has_opened => p role="status" {
                (tr!("The import came to its end; its results are being written."))
            },
            _ => p role="status" { (tr!("An import is being prepared.")) },
        }
    }
}

fn nothing() -> Markup {
    html! { p { (tr!("Nothing is being imported from this page.")) } }
}

/// `leads_on`: to the same once more, where it has ended.
fn stage_of(order: Option<&Order>, stage: &Stage, leads_on: bool) -> Markup {
    let stop = || order.map(stop).unwrap_or_default();
    let again = || again(order.filter(|_| leads_on));
    match stage {
        Stage::Idle => {
            html! { p { (tr!("Nothing is being imported from this page. Choose a spreadsheet on the first page.")) } }
        }
        Stage::Busy => html! {
            p role="status" { (tr!("Working on it: this page follows by itself.")) }
            (stop())
        },
        Stage::Finding { n_done, n } => html! {
            p { (tr!("%{done} of %{n} looked up", done = n_done, n = n)) }
            progress max=(n.max(&1)) value=(n_done) aria-label=(tr!("How far it is")) {}
            (stop())
        },
        Stage::Asked(question) => asked(order, question),
        Stage::Opening { counts, run, is_sandbox } => html! {
            @if *is_sandbox { (not_real()) }
            (progress(counts))
            (pace(run, Role::Abrir))
            @if let Some(why) = run.refused_most() { p { (shown(&why)) } }
            (states(counts))
            (order.map(pause).unwrap_or_default())
            (stop())
        },
        Stage::Ended(ended) => match &**ended {
            Ok(done) => html! {
                (came_of(done, order.is_some_and(Order::is_paused)))
                (states(&done.counts))
                (why_not(done))
                (files(done))
                @if 0 < done.counts.left() { (again()) }
            },
            Err(Broken::Declined) => html! {
                p role="status" { (tr!("Declined; nothing more is sent.")) }
                (again())
            },
            Err(Broken::Fault(fault)) => html! { (failed(fault)) (again()) },
            Err(Broken::Panicked) => html! {
                p.warn role="alert" {
                    (tr!("An error of the program itself ended this import. Nothing that was opened is lost: report the line that the program printed, and go on."))
                }
                (again())
            },
        },
    }
}

fn asked(order: Option<&Order>, Question { number, text, answers }: &Question) -> Markup {
    html! {
        form method="post" action="/import/answer" {
            p #question { strong { (shown(text)) } }
            input type="hidden" name="number" value=(number);
            @match answers {
                Answers::OneOf(all) => @for (at, answer) in all.iter().enumerate() {
                    p { button name="answer" value=(at) aria-describedby="question" { (shown(answer)) } }
                },
                Answers::Typed(_) => {
                    p { label { (tr!("To go on, type the number of tickets")) " "
                        input name="answer" inputmode="numeric" autocomplete="off" required autofocus;
                    } }
                    p { button { (tr!("Open them")) } }
                }
            }
        }
        @if let Some(order) = order { (stops(order, &tr!("Stop; nothing is sent"))) }
    }
}

fn stop(order: &Order) -> Markup {
    stops(order, &tr!("Stop"))
}

fn stops(order: &Order, said: &str) -> Markup {
    match (order.is_paused(), order.stop.is_cancelled()) {
        (true, _) => html! { p role="status" { (tr!("Pausing: waiting for the answers under way.")) } },
        (_, true) => html! { p role="status" { (tr!("Stopping: waiting for the answers under way.")) } },
        _ => ends("/import/stop", order, said),
    }
}

fn pause(order: &Order) -> Markup {
    match order.stop.is_cancelled() {
        true => html! {},
        false => ends("/import/pause", order, &tr!("Pause it")),
    }
}

fn ends(path: &str, order: &Order, said: &str) -> Markup {
    html! {
        form method="post" action=(path) {
            input type="hidden" name="number" value=(order.number);
            button.plain { (said) }
        }
    }
}

pub fn not_real() -> Markup {
    html! { p.warn { (tr!("This is the sandbox: nothing of it is real.")) } }
}

fn progress(counts: &Counts) -> Markup {
    let (n_total, n_done) = (counts.total(), counts.total() - counts.left());
    html! {
        p {
            (tr!("%{n} of %{total} %{total|row is|rows are} done", n = n_done, total = n_total))
        }
        progress max=(n_total.max(1)) value=(n_done) aria-label=(tr!("How far it is")) {}
    }
}

/// How fast it goes, why it goes no faster, and when it will be through: in the words of the terminal.
fn pace(run: &progress::Standing, role: Role) -> Markup {
    let why = run.why.as_ref().map(|why| match why {
        // A person's words, or a protocolo.
        Why::Paused { .. } => reason(role, why.in_words()),
        why => why.in_words(),
    });
    let holds = run.why.as_ref().is_some_and(Why::holds);
    html! {
        @if let Some(pace) = run.pace_told(why) { p.warn[holds] { (shown(&pace)) } }
        @if let Some(end) = run.end_told() { p { (shown(&end)) } }
    }
}

fn states(counts: &Counts) -> Markup {
    let counted = State::ALL.map(|state| (state, counts.count(state)));
    html! {
        table {
            thead { tr {
                th scope="col" { (tr!("State")) }
                th.n scope="col" { (tr!("Rows")) }
                th scope="col" { (tr!("What to do")) }
            } }
            tbody {
                @for (state, n_rows) in counted.into_iter().filter(|(_, n_rows)| 0 < *n_rows) {
                    tr {
                        th scope="row" { (said(text::state(state))) }
                        td.n { (whole(n_rows)) }
                        td { (text::to_do(state)) }
                    }
                }
            }
        }
    }
}

fn came_of(done: &Done, is_paused: bool) -> Markup {
    let counts = &done.counts;
    html! {
        @match &done.came {
            Came::Refused => p.warn role="alert" {
                (tr!(
                    "%{n} %{n|row is|rows are} invalid, and with strict none is opened then: nothing was sent.",
                    n = counts.invalid
                ))
            },
            Came::Ran(Reason::Halted(halt)) => p.warn role="alert" {
                (shown(&tr!("It stopped by itself: %{why}", why = text::halt(halt))))
            },
            Came::Ran(Reason::Stopped) if is_paused => p role="status" {
                (tr!("It is paused; nothing is lost."))
            },
            Came::Ran(Reason::Stopped) => p role="status" { (tr!("It was stopped; nothing is lost.")) },
            Came::Ran(Reason::Drained) | Came::Idle => p role="status" {
                (counted::in_words(counts))
            },
        }
        p { (tr!("Batch")) ": " (shown(&done.lote)) }
        @if done.is_sandbox { (not_real()) }
    }
}

/// Why rows were not opened. What was purged of it has its code alone.
fn why_not(Done { reasons, .. }: &Done) -> Markup {
    html! {
        @if !reasons.told.is_empty() {
            h2 { (tr!("Why not")) }
            ul {
                @for reason in &reasons.told {
                    li {
                        (whole(reason.n_rows)) " · " (said(text::state(reason.state))) ": "
                        @if let Some(field) = &reason.field { (shown(&text::field(field))) ": " }
                        (shown(&reason.message.as_deref().map(text::again).unwrap_or_default()))
                        @if let Some(code) = &reason.code { " " small { "(" (shown(code)) ")" } }
                    }
                }
            }
            @if 0 < reasons.n_others { p { (tr!("and %{n} more", n = reasons.n_others)) } }
        }
    }
}

fn files(done: &Done) -> Markup {
    html! {
        h2 { (tr!("Files")) }
        ul { @for name in report::files_in(&done.folder) { li { a href={ "/import/files/" (name) } download { (name) } } } }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::{Arc, OnceLock};

    use tokio_util::sync::CancellationToken;

    use super::super::desk::Desk;
    use super::super::form::Form;
    use super::super::parity;
    use super::*;
    use crate::language::Language;

    /// Seen (in reading): while its results were written it was told as one that is prepared, and where they
    /// could not be as none at all; for who opens tickets too, but for who had ordered it.
    #[test]
    fn what_was_opened_is_told_while_its_results_are_written_and_where_they_cannot_be() {
        let (desk, _words) = Desk::new();
        let looked_at = |stage| {
            desk.stands(stage);
            let visitor = Visitor { user: None, role: Role::Acompanhar };
            let page = page_of(&desk.standing(), &CutOffs::default(), &visitor).into_string();
            (page, desk.standing().has_begun())
        };
        let check = |stage, expected: &str, has_begun| {
            let (page, begun) = Language::English.speak(|| looked_at(stage));
            assert!(page.contains(expected) && begun == has_begun, "{expected} {has_begun}: {page}");
        };
        let broken = || Stage::Ended(Arc::new(Err(Broken::Panicked)));
        check(Stage::Busy, "An import is being prepared.", false);
        check(broken(), "Nothing is being imported from this page.", false);
        let (counts, run) = (Counts::default(), Arc::new(parity::run(None)));
        check(Stage::Opening { counts, run, is_sandbox: false }, "<progress", true);
        check(Stage::Busy, "its results are being written", true);
        check(broken(), "An import ended by an error while it went on", true);
    }

    /// Seen in a browser: the question stood there for ever, because who works had not heard of it when its
    /// page was loaded again.
    #[test]
    fn a_question_that_was_stopped_is_not_shown_again() {
        let visitor = Visitor { user: None, role: Role::Abrir };
        let order = Arc::new(Order {
            number: 7,
            id: String::new(),
            by: visitor.clone(),
            kept: PathBuf::new(),
            name: "queda.csv".to_owned(),
            form: Form::of(Vec::new()),
            language: Language::English,
            agreed: None,
            batch: OnceLock::new(),
            stop: CancellationToken::new(),
            stopped: OnceLock::new(),
        });
        let answers = Answers::Typed(40);
        let question = Question { number: 8, text: "so many?".to_owned(), answers };
        let stage = Stage::Asked(Arc::new(question));
        let standing = Standing { order: Some(Arc::clone(&order)), stage, ..Standing::default() };
        let shown = || page_of(&standing, &CutOffs::default(), &visitor).into_string();
        assert!(shown().contains("/import/answer") && !shown().contains("live.js"));
        order.stop.cancel();
        assert!(!shown().contains("/import/answer") && shown().contains("live.js"), "{}", shown());
    }
}
