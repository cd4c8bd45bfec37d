//! What came of what a person had done, and what is to be typed first.

use maud::{Markup, html};

use super::deeds::Untold;
use super::lead::Lead;
use super::page::{page, shown};
use crate::app::questions::YES;
use crate::app::resolve::Resolved;
use crate::app::results::Written;
use crate::app::resume::Resumed;
use crate::app::retry::{Opener, Retried};
use crate::language::said;
use crate::outbox::Cancelled;

pub fn page_of(lead: &Lead, came_of: &Markup) -> Markup {
    let body = html! {
        (came_of)
        p { a href=(lead.href("/batch", &[])) { (tr!("To the batch")) } }
    };
    page(&shown(&lead.batch), &body)
}

pub fn untold(untold: Untold) -> Markup {
    let text = match untold {
        Untold::Full => {
            tr!("That was not done: much else waits to be done before it. Try it again in a minute.")
        }
        Untold::Ending => {
            tr!("That was not done: the program is ending. Do it again once it was started again.")
        }
        Untold::Late => tr!("That takes a while and goes on here: look at the batch again."),
        Untold::Panicked => tr!(
            "An error of the program itself: whether that was done is not known. Look at the batch again, and report the line that the program printed."
        ),
    };
    html! { p.warn role="status" { (text) } }
}

/// It was said of another row than stands there now.
pub fn other_row() -> Markup {
    html! {
        p.warn role="alert" {
            (tr!("That was not done: the row is not any more as it was shown. Look at it again."))
        }
    }
}

pub fn retried(Retried { n_rows, results, opener }: &Retried) -> Markup {
    html! {
        (became(&tr!("%{n} %{n|row is|rows are} pending again; each that was ever sent is looked up first", n = *n_rows)))
        @if 0 < *n_rows {
            p { (match opener {
                Opener::Import(_) | Opener::Held(_) => tr!("They are opened once the same spreadsheet is brought again."),
                Opener::Worker => tr!("A worker opens them."),
            }) }
        }
        (lacks(results.as_ref()))
    }
}

pub fn not_opened(Resolved { n_rows, results }: &Resolved) -> Markup {
    html! {
        (became(&tr!("%{n} %{n|row is|rows are} now `failed`.", n = *n_rows)))
        p { (tr!("Failed rows can be tried again: each is looked up first.")) }
        (lacks(results.as_ref()))
    }
}

pub fn opened(Resolved { n_rows, results }: &Resolved) -> Markup {
    html! {
        (became(&tr!("%{n} %{n|row is|rows are} now `opened`.", n = *n_rows)))
        (lacks(results.as_ref()))
    }
}

pub fn cancelled(Cancelled { n_cancelled, n_left }: &Cancelled, results: Option<&Written>) -> Markup {
    html! {
        (became(&tr!("%{n} %{n|row is|rows are} cancelled", n = *n_cancelled)))
        @if 0 < *n_left {
            p { (tr!("%{n} %{n|row|rows} may have been sent already and %{n|is|are} left: look-ups will tell.", n = *n_left)) }
        }
        (lacks(results))
    }
}

pub fn resumed(Resumed { lote, was_halted }: &Resumed) -> Markup {
    became(&shown(&match was_halted {
        true => tr!("`%{lote}` goes on", lote = lote),
        false => tr!("`%{lote}` was not halted", lote = lote),
    }))
}

fn became(text: &str) -> Markup {
    html! { p role="status" { (text) } }
}

/// What could not be written of the results.
pub fn lacks(results: Option<&Written>) -> Markup {
    let missing = results.map(|results| &results.missing[..]).unwrap_or_default();
    html! { @for lack in missing { p.warn { (shown(&lack.in_words(&lack.why.to_string()))) } } }
}

/// A question that is answered by a word; `asked`: what it was asked about, for `path`; `of`: what tells the
/// rows.
pub fn ask(path: &str, lead: &Lead, asked: &[(&str, &str)], question: &str, of: &str) -> Markup {
    html! {
        form method="post" action=(path) {
            p #question { strong { (shown(&tr!("This says that %{this}.", this = question))) } }
            (lead.hidden())
            @for (name, text) in asked { input type="hidden" name=(name) value=(text); }
            input type="hidden" name="of" value=(of);
            p { label { (tr!("To go on, type %{word}", word = said(YES))) " "
                input name="said" autocomplete="off" required autofocus aria-describedby="question";
            } " " button { (tr!("go on")) } }
        }
    }
}
