//! Cells are read one by one; all problems of a row are collected, none hides another.

use std::borrow::Cow;

use super::cell::{has_lost_character, is_formula_error, is_simple, is_vacant, unwrap};
use super::problem::{cut, shown};
use super::words::{self, Read};
use super::{Field, Problem, RawTicket, Text, text};

/// A cell without what surrounds its value.
enum Cell<'a> {
    Says(Cow<'a, str>),
    /// What a formula shows that could not be computed.
    Failed(Cow<'a, str>),
    Nothing,
}

impl<'a> Cell<'a> {
    #[cold]
    fn of(value: Cow<'a, str>) -> Self {
        match value {
            text if is_vacant(&text) => Self::Nothing,
            text if is_formula_error(&text) => Self::Failed(text),
            text => Self::Says(text),
        }
    }
}

pub(super) struct Findings<'a> {
    pub(super) raw: &'a RawTicket<'a>,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(super) fn required<T>(&mut self, field: Field, read: impl Fn(&str) -> Read<T>) -> Option<T> {
        match self.cell(field) {
            Cell::Says(cell) => self.note(field, &cell, read(&cell)),
            Cell::Failed(cell) => self.failed_formula(field, &cell),
            Cell::Nothing => self.missing(field),
        }
    }

    pub(super) fn optional<T>(&mut self, field: Field, read: impl Fn(&str) -> Read<T>) -> Option<T> {
        match self.cell(field) {
            Cell::Says(cell) => self.note(field, &cell, read(&cell)),
            // Blank it would be another ticket than the sheet was meant to ask for.
            Cell::Failed(cell) => self.failed_formula(field, &cell),
            Cell::Nothing => None,
        }
    }

    pub(super) fn text(&mut self, field: Field) -> Option<Text> {
        let cell = self.raw.get(field).unwrap_or_default();
        if let Some(text) = text::read_simple(cell) {
            return Some(text);
        }
        let value = unwrap(cell);
        if is_formula_error(&value) {
            return self.failed_formula(field, &value);
        }
        let read = self.note(field, cell, text::read(cell))?;
        if read.is_none() { self.missing(field) } else { read }
    }

    #[inline]
    fn cell(&self, field: Field) -> Cell<'a> {
        match self.raw.get(field) {
            None => Cell::Nothing,
            Some(cell) if is_simple(cell) => Cell::Says(Cow::Borrowed(cell)),
            Some(cell) => Cell::of(unwrap(cell)),
        }
    }

    fn missing<T>(&mut self, field: Field) -> Option<T> {
        self.problems.push(words::REQUIRED.problem(field.name(), String::new()));
        None
    }

    /// It names nobody, and is shown as it stands.
    fn failed_formula<T>(&mut self, field: Field, cell: &str) -> Option<T> {
        self.problems.push(words::FORMULA_ERROR.problem(field.name(), cut(cell)));
        None
    }

    #[inline]
    fn note<T>(&mut self, field: Field, cell: &str, read: Read<T>) -> Option<T> {
        match read {
            Ok((value, None)) => Some(value),
            read => self.note_what_is_odd(field, cell, read),
        }
    }

    fn note_what_is_odd<T>(&mut self, field: Field, cell: &str, read: Read<T>) -> Option<T> {
        match read {
            Ok((value, None)) => Some(value),
            Ok((value, Some(notice))) => {
                self.notices.push(notice.problem(field.name(), shown(field, cell)));
                Some(value)
            }
            Err(problem) => {
                // That explains more than "not a number".
                let problem = match cell {
                    _ if cell.contains('\0') => &words::NUL,
                    _ if has_lost_character(cell) => &words::LOST_CHARACTER,
                    _ => problem,
                };
                self.problems.push(problem.problem(field.name(), shown(field, cell)));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
