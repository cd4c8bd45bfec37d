//! What a terminal knows of an import has its place and its words on the page: each state, each guard, each
//! cause of a wait, and each code beside a row.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use maud::html;

use super::cut_off::CutOffs;
use super::desk::{Answers, Came, Done, Question, Stage, Standing};
use super::door::Visitor;
use super::page::shown;
use super::{going, lote};
use crate::delivery::{Halt, Pulse, Reason, State};
use crate::language::{Language, said};
use crate::outbox::{Counts, Reasons, RowReason, state_name};
use crate::registry::Role;
use crate::text;

/// A row in each state.
const ONE_OF_EACH: Counts = Counts {
    pending: 1,
    in_flight: 1,
    in_doubt: 1,
    opened: 1,
    opened_without_os: 0,
    opened_beside: 0,
    invalid: 1,
    rejected: 1,
    failed: 1,
    unconfirmed: 1,
    conflict: 1,
    skipped: 1,
    cancelled: 1,
};

fn page_of(stage: Stage) -> String {
    let visitor = Visitor { user: None, role: Role::Abrir };
    let standing = Standing { stage, ..Standing::default() };
    going::page_of(&standing, &CutOffs::default(), &visitor).into_string()
}

fn opening(pulse: Pulse) -> String {
    page_of(Stage::Opening { counts: ONE_OF_EACH, pulse, is_sandbox: false })
}

fn ended(came: Came, told: Vec<RowReason>) -> String {
    let reasons = Reasons { told, n_others: 0 };
    let (lote, folder) = ("queda".to_owned(), PathBuf::new());
    let done = Done { lote, folder, counts: ONE_OF_EACH, reasons, is_sandbox: false, came };
    page_of(Stage::Ended(Arc::new(Ok(done))))
}

#[track_caller]
fn tells(page: &str, text: &str) {
    assert!(!text.is_empty());
    let text = html! { (shown(text)) }.into_string();
    assert!(page.contains(&text), "no `{text}`: {page}");
}

#[test]
fn what_a_terminal_tells_of_an_import_the_page_tells() {
    for language in Language::ALL {
        language.speak(|| {
            states();
            guards();
            waits();
            questions();
        });
    }
}

/// How many rows are in each, what to do about them, and by words and code why they are there; and they can
/// be looked for.
fn states() {
    let going = opening(Pulse::default());
    for state in State::ALL {
        tells(&going, &said(text::state(state)));
        assert!(going.contains(&*text::to_do(state)), "{state:?}");
        assert_eq!(lote::states_of(Some(state_name(state))), Some(vec![state]));
        let reason = |code: &str, message: Option<String>| {
            let (code, field) = (Some(code.to_owned()), Some("telefone".to_owned()));
            RowReason { state, code, field, message, n_rows: 1, examples: Vec::new() }
        };
        let ended =
            ended(Came::Ran(Reason::Drained), vec![reason("refused", Some("sem <plano>".to_owned()))]);
        for text in [&*text::field("telefone"), "sem <plano>", "refused"] {
            tells(&ended, text);
        }
        // Its words were purged: the code is left.
        tells(&self::ended(Came::Idle, vec![reason("refused", None)]), "refused");
    }
}

/// Why it stopped by itself.
fn guards() {
    for halt in Halt::one_of_each() {
        let why = tr!("It stopped by itself: %{why}", why = text::halt(&halt));
        tells(&ended(Came::Ran(Reason::Halted(halt)), Vec::new()), &why);
    }
}

/// Each has a line of its own.
fn waits() {
    let is = Pulse::default();
    let pulses = [
        is,
        Pulse { is_outbox_down: true, ..is },
        Pulse { is_paused: true, ..is },
        Pulse { is_halted: true, ..is },
        Pulse { is_breaker_open: true, ..is },
        Pulse { is_throttled: true, ..is },
        Pulse { is_lowered: true, ..is },
    ];
    assert_eq!(pulses.map(opening).into_iter().collect::<BTreeSet<_>>().len(), pulses.len());
}

/// Whatever is asked, with all of its answers.
fn questions() {
    let asked = |answers| {
        let question = Question { number: 7, text: "is it <right>?".to_owned(), answers };
        page_of(Stage::Asked(Arc::new(question)))
    };
    let one_of = asked(Answers::OneOf(vec!["<yes>".to_owned(), "no & no".to_owned()]));
    for text in ["is it <right>?", "<yes>", "no & no"] {
        tells(&one_of, text);
    }
    let typed = asked(Answers::Typed(40));
    tells(&typed, "is it <right>?");
    assert!(!typed.contains("40"), "what is to be typed is not in the page: {typed}");
}
