//! What is wrong with a row, and how to show it without showing a person.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::cell::scientific;
use super::{Field, Kind};
use crate::language::said;
use crate::printable::is_printable;

/// One thing that is wrong with a row, or (as a notice) that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The API's name of the field; `row` when it is the row as a whole.
    pub field: Cow<'static, str>,
    /// Stable, `snake_case`: `phone_without_ddd`.
    pub code: Cow<'static, str>,
    /// What was found; masked where personal, cut where long.
    pub found: String,
    /// What is wrong and what is allowed. In English, like the hint, where it has no parameters.
    pub message: Cow<'static, str>,
    /// What to do next.
    pub hint: Cow<'static, str>,
}

/// What is wrong, as one line: each field and its message.
pub(crate) fn in_words(problems: &[Problem]) -> String {
    let each = problems.iter().map(|problem| format!("{}: {}", problem.field, said(&problem.message)));
    each.collect::<Vec<_>>().join("; ")
}

/// Longest value that is shown whole. Characters.
const SHOWN_MAX: usize = 60;

/// What a problem may show of `cell`: enough to find it in the file, no name and no contact.
pub(crate) fn shown(field: Field, cell: &str) -> String {
    match field.kind() {
        Kind::Phone => mask_phone(cell),
        Kind::Email => mask_email(cell),
        Kind::Name => mask_name(cell),
        Kind::Id | Kind::Ids | Kind::Text | Kind::Flag | Kind::Object => cut(cell),
    }
}

/// At most 60 characters, the invisible ones written out.
pub(crate) fn cut(cell: &str) -> String {
    let mut shown = String::new();
    for (n_shown, c) in cell.chars().enumerate() {
        if n_shown == SHOWN_MAX {
            shown.push('…');
            break;
        }
        if c != ' ' && (!is_printable(c) || super::cell::is_invisible(c)) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The shape, the first two digits and the last two.
pub(super) fn mask_phone(cell: &str) -> String {
    let n_digits = cell.chars().filter(char::is_ascii_digit).count();
    let is_number = scientific(cell).is_some(); // Its one letter is an `E`.
    let mut seen = 0;
    let masked: String = cell
        .chars()
        .map(|c| {
            if !c.is_ascii_digit() {
                // Punctuation tells what went wrong; letters could be a name.
                return if c.is_ascii_punctuation() || c == ' ' || is_number { c } else { '?' };
            }
            seen += 1;
            // A short number would be shown nearly whole.
            if 8 <= n_digits && (seen <= 2 || n_digits - 1 <= seen) { c } else { '*' }
        })
        .collect();
    cut(&masked)
}

/// The first character, and the domain.
pub(super) fn mask_email(cell: &str) -> String {
    let (local, domain) = cell.rsplit_once('@').unwrap_or((cell, ""));
    let first: String = local.chars().take(1).collect();
    if domain.is_empty() { format!("{}***", cut(&first)) } else { cut(&format!("{first}***@{domain}")) }
}

fn mask_name(cell: &str) -> String {
    let first: String = cell.chars().take(1).collect();
    if first.is_empty() { first } else { format!("{}***", cut(&first)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_names_nobody() {
        assert_eq!(shown(Field::Telefone, "(37) 99911-2233"), "(37) *****-**33");
        assert_eq!(shown(Field::Telefone, "9911-22"), "****-**");
        assert_eq!(shown(Field::Telefone, "37 99911-2233 Ana"), "37 *****-**33 ???");
        assert_eq!(shown(Field::Email, "maria@teste .com"), "m***@teste .com");
        assert_eq!(shown(Field::Email, "maria"), "m***");
        assert_eq!(shown(Field::Nome, "Maria\0"), "M***");
        assert_eq!(shown(Field::IdClienteServico, "11\u{200B}0\0"), "11\\u{200b}0\\u{0}");
        assert_eq!(shown(Field::Descricao, &"a".repeat(70)), format!("{}…", "a".repeat(60)));
    }
}
