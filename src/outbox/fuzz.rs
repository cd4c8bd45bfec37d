//! What must hold of what stands in an outbox, whoever wrote it: a producer, an older program, a person.

use super::reasons::Reasons;
use super::stored::{self, Page, json};
use super::{causes, state_name, warnings};
use crate::delivery::settle::verbatim;
use crate::delivery::{Fault, HaltReason, OutboxError, PauseReason, State, ThrottleReason};
use crate::text;
use crate::ticket::RawTicket;

/// Stands between two texts.
const BETWEEN: char = '\u{1E}';

/// Texts as columns hold them: a page of rows, a row, its fields, its problems, the rest of it, warnings, a
/// cause.
pub(crate) fn stored(bytes: &[u8]) {
    let all = String::from_utf8_lossy(bytes);
    let mut texts = all.split(BETWEEN).map(str::to_owned);
    let mut next = || texts.next().unwrap_or_default();
    let (page, row, fields, problems, rest, warned, cause) =
        (next(), next(), next(), next(), next(), next(), next());

    let page = Page::new(Some(page));
    match page.rows() {
        Ok((rows, next)) => assert_eq!(rows.is_empty(), next.is_none()),
        Err(error) => is_told(&error),
    }

    let of_line = Some(problems).filter(|text| !text.is_empty());
    let history = vec![(i64::MAX, fields.clone(), row.clone(), Some(-1), i64::MIN, rest.clone())];
    for history in [Vec::new(), history] {
        match stored::details((row.clone(), fields.clone(), of_line.clone(), rest.clone()), history) {
            Ok(details) => {
                let written = json(&details.fields);
                let again: RawTicket<'_> = stored::stored("outbox fields", &written).expect("it was written");
                assert!(again == details.fields, "{written}");
            }
            Err(error) => is_told(&error),
        }
    }
    for state in State::ALL.map(state_name) {
        let found = vec![(i64::MIN, 7, state.to_owned(), of_line.clone(), fields.clone(), None, None)];
        match stored::problems_of_rows(found) {
            Ok((rows, next)) => assert!(rows.len() == 1 && next.is_some()),
            Err(error) => is_told(&error),
        }
    }
    let reason =
        (row, rest.clone(), fields, warned.clone(), cause.clone(), rest, i64::MAX, page_of(&all), -1);
    if let Err(error) = Reasons::of(vec![reason]) {
        is_told(&error);
    }
    of_warnings(&warned);
    of_causes(&cause);
}

/// A text for the examples of a reason.
fn page_of(all: &str) -> String {
    all.rsplit(BETWEEN).next().unwrap_or_default().to_owned()
}

/// What is read of a list is what is written of it.
fn of_warnings(list: &str) {
    let known = warnings::of_list(Some(list));
    let written = warnings::list(&known, verbatim);
    assert_eq!(written.is_none(), known.is_empty());
    let again = warnings::of_list(written.as_deref());
    assert_eq!(again, known, "{list}");
    known.iter().map(text::warning).for_each(drop);
}

/// A cause that is known is kept as it was read, and one that is not leaves the words.
fn of_causes(cause: &str) {
    let words = || "words".to_owned();
    match causes::halt(Some(cause), words()) {
        HaltReason::Halted(halt) => {
            assert!(!text::halt(&halt).is_empty());
            let written = causes::of_halt(&halt, verbatim);
            assert_eq!(causes::halt(written.as_deref(), String::new()), HaltReason::Halted(halt));
        }
        HaltReason::Said(said) => assert_eq!(said, words()),
        HaltReason::Held => {}
    }
    match causes::pause(Some(cause), words()) {
        PauseReason::Said(_) => {}
        known => {
            let written = causes::of_pause(&known, verbatim);
            assert!(written.is_none() || causes::pause(written.as_deref(), String::new()) == known);
        }
    }
    match causes::throttle(Some(cause), words()) {
        ThrottleReason::Said(_) => {}
        known => {
            assert!(!text::throttle(&known).is_empty());
            let written = causes::of_throttle(&known, verbatim);
            assert_eq!(causes::throttle(written.as_deref(), String::new()), known);
        }
    }
    if let Ok(fault) = serde_json::from_str::<Fault>(cause) {
        assert!(!text::fault(&fault).is_empty(), "{fault:?}");
    }
}

/// It names the column, and repeats nothing of what stands there.
fn is_told(error: &OutboxError) {
    let told = error.to_string();
    assert!(!told.is_empty() && told.len() < 200, "{told}");
}
