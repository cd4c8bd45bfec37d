//! What must hold of a row's cells, whatever stands in them.

use std::borrow::Cow;

use super::problem::SHOWN_MAX;
use super::{CustomerKey, Ddd, Field, Problem, RawTicket, Ticket, Value, fill_ddd};
use crate::printable::assert_shown;

/// Stands between two cells.
const BETWEEN: char = '\u{1F}';

/// An invisible character is written out: `\u{10ffff}`.
const ESCAPED_LEN: usize = 10;

/// Reads `bytes` as the cells of a row, in the order in which they are stored. Its ticket, if it is one.
pub(crate) fn field(bytes: &[u8]) -> Option<Ticket> {
    let text = String::from_utf8_lossy(bytes);
    let mut cells = text.split(BETWEEN);
    let mut raw = RawTicket::default();
    for field in Field::STORED {
        *raw.get_mut(field) = cells.next().filter(|cell| !cell.is_empty()).map(Cow::Borrowed);
    }
    customers(&text);

    let stored = serde_json::to_string(&raw).expect("texts become JSON");
    assert!(serde_json::from_str::<RawTicket<'_>>(&stored).expect("it is read") == raw, "{stored}");

    match Ticket::parse(&raw) {
        Ok(parsed) => {
            parsed.notices.iter().for_each(is_told);
            // Written as it would be sent, it is the same ticket: nothing is taken off twice.
            let texts = RawTicket::of(|field| Some(Cow::Owned(written(parsed.ticket.value(field)?))));
            match Ticket::parse(&texts) {
                Ok(again) => assert!(again.ticket == parsed.ticket, "{text:?}"),
                Err(problems) => panic!("{text:?}: {problems:?}"),
            }
            Some(parsed.ticket)
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "{text:?}");
            assert!(problems.len() <= Field::ALL.len(), "{problems:?}");
            problems.iter().for_each(is_told);
            None
        }
    }
}

/// Where a problem is, what it is, what was found, and what to do.
pub(crate) fn is_told(problem: &Problem) {
    assert_shown(&problem.field, problem.field.len());
    let is_of_code = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(!problem.code.is_empty() && problem.code.chars().all(is_of_code), "{problem:?}");
    if !problem.found.is_empty() {
        assert_shown(&problem.found, (SHOWN_MAX + 2) * ESCAPED_LEN);
    }
    assert_shown(&problem.message, problem.message.len());
    assert_shown(&problem.hint, problem.hint.len());
}

fn written(value: Value<'_>) -> String {
    match value {
        Value::Id(id) => id.get().to_string(),
        Value::Ids(ids) => ids.iter().map(|id| id.get().to_string()).collect::<Vec<_>>().join(","),
        Value::Text(text) => text.to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Object(object) => serde_json::to_string(object).expect("it becomes JSON"),
    }
}

/// A customer's number is found again by what is asked for, and an area code is put in front once.
fn customers(text: &str) {
    for cell in text.split(BETWEEN) {
        for key in CustomerKey::ALL {
            match key.read(cell) {
                Ok(customer) => assert!(customer.key().read(&customer.term()) == Ok(customer), "{cell:?}"),
                Err(problem) => is_told(&problem),
            }
        }
        let ddd: Ddd = "37".parse().expect("it is Divinópolis's");
        if let Some(filled) = fill_ddd(cell, ddd) {
            assert_eq!(fill_ddd(&filled, ddd), None, "{cell:?}");
        }
    }
}
