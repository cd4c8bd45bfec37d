//! What a terminal knows of an import has its place and its words on the page: each state, each guard, each
//! cause of a wait, each code beside a row, each question, each note of a run, and each act of a person.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::date;
use maud::html;

use super::cut_off::CutOffs;
use super::desk::{Answers, Came, Desk, Done, Question, Stage, Standing};
use super::door::Visitor;
use super::page::shown;
use super::teller::Teller;
use super::{going, lote};
use crate::app;
use crate::app::progress::{self, RefusedFor, Why};
use crate::delivery::{Blindness, Fault, Halt, Note, PauseReason, Rate, Reason, State, Watch};
use crate::language::{Language, said};
use crate::outbox::{Act, Counts, Deed, Reasons, RowReason, Way, state_name};
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
    page_for(stage, Role::Abrir)
}

fn page_for(stage: Stage, role: Role) -> String {
    let visitor = Visitor { user: None, role };
    let standing = Standing { stage, ..Standing::default() };
    going::page_of(&standing, &CutOffs::default(), &visitor).into_string()
}

/// A run in the middle, which goes no faster because of this.
pub fn run(why: Option<Why>) -> progress::Standing {
    let end = Some((Duration::from_secs(71), date(2026, 11, 27).at(14, 33, 5, 0)));
    let (rate, ceiling) = (Some(4.94), Rate::PerSecond(5.0));
    let refused_for = Some(RefusedFor { words: "sem <plano>".to_owned(), code: "refused".to_owned() });
    let (done, n_opened, n_refused) = (Some((650, 1000)), 600, 30);
    let (n_not_sent, n_in_doubt, n_unclear) = (20, 2, 0);
    progress::Standing {
        done,
        n_opened,
        n_refused,
        refused_for,
        n_not_sent,
        n_in_doubt,
        n_unclear,
        rate,
        ceiling,
        why,
        end,
    }
}

fn opening(why: Option<Why>, role: Role) -> String {
    let stage = Stage::Opening { counts: ONE_OF_EACH, run: Arc::new(run(why)), is_sandbox: false };
    page_for(stage, role)
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
            notes();
            acts();
        });
    }
}

/// How many rows are in each, what to do about them, and by words and code why they are there; and they can
/// be looked for.
fn states() {
    let going = opening(None, Role::Abrir);
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

/// How fast it goes, why no faster, and until when: in the same words, for who only looks too, but for what a
/// person said.
fn waits() {
    for why in Why::one_of_each().map(Some).into_iter().chain([None]) {
        let (line, run) = (run(why.clone()).line(), run(why.clone()));
        let words = why.as_ref().map(Why::in_words);
        let pace = run.pace_told(words.clone()).expect("it is measured");
        let end = run.end_told().expect("it is foretold");
        for told in [&*pace, &*end].into_iter().chain(words.as_deref()) {
            assert!(line.contains(told), "no `{told}` at the terminal: {line}");
            tells(&opening(why.clone(), Role::Abrir), told);
        }
        tells(&opening(why.clone(), Role::Abrir), &run.refused_most().expect("some are"));
        let looked_at = opening(why.clone(), Role::Acompanhar);
        tells(&looked_at, &end);
        assert!(!looked_at.contains("sem &lt;plano"), "{looked_at}");
        match why {
            Some(Why::Paused { .. }) => {
                assert!(!looked_at.contains("storm"), "{looked_at}");
                tells(&looked_at, &tr!("who opens tickets sees why"));
            }
            _ => tells(&looked_at, &pace),
        }
    }
    // Not by a person: seen to be told so.
    let reason = PauseReason::EchoLost { protocolo: "2026112700001".to_owned() };
    let paused = opening(Some(Why::Paused { reason: reason.clone() }), Role::Abrir);
    tells(&paused, &text::pause(&reason));
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

/// What a person should know of a run as a whole, once it is noticed.
fn notes() {
    let why = Fault::Timeout;
    let notes = [
        Note::Blind(Blindness::Unseen),
        Note::Unproven,
        Note::Unlisted(None),
        Note::Unlisted(Some(&why)),
        Note::Recovered(3),
        Note::Rescued(3),
    ];
    let (desk, _words) = Desk::new();
    let teller = Teller { desk: &desk, language: Language::now() };
    for note in &notes {
        teller.note(note.clone());
    }
    let stage = Stage::Opening { counts: ONE_OF_EACH, run: Arc::new(run(None)), is_sandbox: false };
    let standing = Standing { notes: desk.standing().notes, stage, ..Standing::default() };
    let visitor = Visitor { user: None, role: Role::Abrir };
    let shown = going::page_of(&standing, &CutOffs::default(), &visitor).into_string();
    for note in &notes {
        tells(&shown, &progress::noted(note).expect("it is told"));
    }
}

/// Each thing that is kept with a batch has words of its own.
fn acts() {
    let act = |deed| Act { at: Timestamp::UNIX_EPOCH, who: "ana".into(), way: Way::Page, deed, n_rows: 3 };
    let told: BTreeSet<_> = Deed::ALL.into_iter().map(|deed| app::acts::told(&act(deed)).1).collect();
    assert_eq!(told.len(), Deed::ALL.len(), "{told:?}");
}

/// Seen in the source: what a terminal asks and the page does not would be found by nobody.
#[test]
fn each_question_of_a_terminal_is_asked_on_the_page() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
    let (mut folders, mut sources) = (vec![web], String::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { sources += &fs::read_to_string(path).unwrap() }
        }
    }
    let asked = include_str!("../app/questions.rs").split("\npub fn ").skip(1);
    let asked: Vec<_> = asked.filter_map(|rest| rest.split('(').next()).collect();
    assert!(5 < asked.len(), "{asked:?}");
    for question in asked {
        assert!(sources.contains(&format!("questions::{question}(")), "the page does not ask `{question}`");
    }
}
