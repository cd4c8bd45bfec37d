//! What is wrong with a row, and how to show it without showing a person.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::cell::scientific;
use super::{Field, Kind, RawTicket};
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

impl Problem {
    /// Shows what stands in the cell of `row` where only a mask of that was shown: to the person whose row it
    /// is, and in no log.
    pub fn unmask(&mut self, row: &RawTicket<'_>) {
        let field = Field::ALL.into_iter().find(|field| field.name() == self.field);
        let cell = field.and_then(|field| Some((field, row.get(field)?)));
        let is_masked = |(field, cell): &(Field, &str)| shown(*field, cell) == self.found;
        // A database may not have kept what is damaged, and nobody can see it.
        if let Some((_, cell)) = cell.filter(is_masked).filter(|(_, cell)| !cell.contains(['\0', '\u{FFFD}']))
        {
            cell.clone_into(&mut self.found);
        }
    }
}

/// What is wrong, as one line: each field and its message.
pub(crate) fn in_words(problems: &[Problem]) -> String {
    let each = problems.iter().map(|problem| format!("{}: {}", problem.field, said(&problem.message)));
    each.collect::<Vec<_>>().join("; ")
}

/// Longest value that is shown whole. Characters.
pub(super) const SHOWN_MAX: usize = 60;

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
    fn a_mask_is_taken_off_where_the_cell_is_known() {
        let row = RawTicket::from([
            (Field::Telefone, "99911-2233 Ana"),
            (Field::Email, "maria@teste .com"),
            (Field::Nome, "Ana\0"),
        ]);
        let check = |field: &'static str, found: &str, expected: &str| {
            let (code, message, hint) = ("".into(), "".into(), "".into());
            let mut problem = Problem { field: field.into(), code, found: found.to_owned(), message, hint };
            problem.unmask(&row);
            assert_eq!(problem.found, expected);
        };
        check("telefone", &shown(Field::Telefone, "99911-2233 Ana"), "99911-2233 Ana");
        check("email", "m***@teste .com", "maria@teste .com");
        check("nome", "A***", "A***");
        // Of another cell, or of none.
        check("email", "j***@teste.com", "j***@teste.com");
        check("row", "70000 bytes", "70000 bytes");
    }

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
