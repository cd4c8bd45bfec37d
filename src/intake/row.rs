//! One record as a ticket's fields.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::columns::{Columns, Origin};
use super::limits::CELL_LEN_MAX;
use super::records::Record;
use super::services::Services;
use super::words;
use crate::delivery::State;
use crate::delivery::identity::ContentKey;
use crate::outbox::state_of;
use crate::text::state_called;
use crate::ticket::code::BatchCode;
use crate::ticket::{
    Ddd, Field, Kind, PHONE_DDD_FILLED, Parsed, Problem, RawTicket, cut, fill_ddd, is_vacant, shown, trim,
};

/// One row of the input. Borrows from the [`Intake`](super::Intake) until its next row.
///
/// Small, and reads its cells when asked for them: a row that carried all it says would be copied
/// from hand to hand.
pub struct Row<'a> {
    /// The physical line at which the row starts; the header's is 1, unless something stands before.
    pub line: u64,
    pub(super) record: Record<'a>,
    pub(super) columns: &'a Columns,
    pub(super) default_ddd: Option<Ddd>,
    pub(super) delimiter: char,
    /// What is known of customers.
    pub(super) services: Option<&'a Services>,
}

impl<'a> Row<'a> {
    /// The fields, mapped, with `--set` and `--default-ddd` applied, and the service that was found for a
    /// customer: what an outbox stores. Reading it again with
    /// [`Ticket::parse`](crate::ticket::Ticket::parse) needs no settings and gives the same ticket.
    pub fn raw(&self) -> RawTicket<'a> {
        let origins = &self.columns.fields;
        let mut raw = RawTicket::default();
        for field in &self.columns.said {
            *raw.get_mut(*field) = self.cell(&origins[*field]).map(Cow::Borrowed);
        }
        if self.columns.second_phone.is_some() {
            *raw.get_mut(Field::Telefone) = self.phone().map(Cow::Borrowed);
        }
        if !self.columns.params.is_empty() {
            self.fill_objects(&mut raw);
        }
        if let Some((_, filled)) = self.filled_phone() {
            *raw.get_mut(Field::Telefone) = Some(Cow::Owned(filled));
        }
        if !self.columns.customers.is_empty()
            && let Some(service) = self.found_service()
        {
            *raw.get_mut(Field::IdClienteServico) = Some(Cow::Owned(service.get().to_string()));
        }
        raw
    }

    /// The ticket with its notices, or every problem of the row. `raw` is what [`Self::raw`] gave.
    ///
    /// A row with problems that `raw` does not show (too many cells) must be stored as invalid: its
    /// `raw` may be readable.
    pub fn parse(&self, raw: &RawTicket<'_>) -> Result<Parsed, Vec<Problem>> {
        let mut problems = faults_of_record(self.record, self.columns);
        if problems.is_empty() {
            let mut parsed = self.ticket(raw);
            if let (Ok(parsed), Some((phone, _))) = (&mut parsed, self.filled_phone()) {
                let field = Field::Telefone;
                parsed.notices.push(PHONE_DDD_FILLED.problem(field.name(), shown(field, phone)));
            }
            return parsed;
        }
        // Too many cells, or those behind a stray quotation mark, stand in wrong columns: what they say there
        // means nothing.
        let is_shifted = |problem: &Problem| {
            problem.code == words::TOO_MANY_FIELDS.code || problem.code == words::STRAY_QUOTE.code
        };
        if !problems.iter().any(is_shifted) {
            problems.extend(self.ticket(raw).err().into_iter().flatten());
        }
        Err(problems)
    }

    /// Who the row says it is: its reference, and the batch whose row it is if we wrote that.
    pub fn identity(&self) -> Option<(Option<BatchCode>, Cow<'a, str>)> {
        let cell = self.trimmed(self.columns.referencia?)?;
        Some(match BatchCode::of_cell(cell) {
            Some((code, referencia)) => (Some(code), referencia),
            None => (None, Cow::Borrowed(cell)),
        })
    }

    /// Whether a ticket's number stands beside the row.
    pub fn has_protocolo(&self) -> bool {
        self.columns.protocolo.is_some_and(|at| self.trimmed(at).is_some())
    }

    /// What became of the row, as a result of ours tells it.
    pub fn state(&self) -> Option<State> {
        let cell = self.trimmed(self.columns.state?)?;
        state_of(cell).or_else(|| state_called(cell))
    }

    fn trimmed(&self, column: usize) -> Option<&'a str> {
        Some(trim(self.record.cell(column))).filter(|cell| !cell.is_empty())
    }

    fn cell(&self, (column, set): &'a Origin) -> Option<&'a str> {
        let cell = column.map(|at| self.at(at)).filter(|cell| !is_vacant(cell));
        cell.or(set.as_deref())
    }

    /// The phone, of the second column if the first has none.
    fn phone(&self) -> Option<&'a str> {
        let (column, set) = &self.columns.fields[Field::Telefone];
        let of = |column: Option<usize>| column.map(|at| self.at(at)).filter(|cell| !is_vacant(cell));
        of(*column).or_else(|| of(self.columns.second_phone)).or(set.as_deref())
    }

    /// A cell as the input had it: without the apostrophe of `--excel-safe`, where we wrote the file.
    #[inline]
    pub(super) fn at(&self, column: usize) -> &'a str {
        let cell = self.record.cell(column);
        match cell.as_bytes() {
            [b'\'', b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r', ..] if self.columns.is_result => &cell[1..],
            _ => cell,
        }
    }

    /// The phone as it stands, and with the area code that it lacks.
    fn filled_phone(&self) -> Option<(&'a str, String)> {
        let ddd = self.default_ddd?;
        let phone = self.phone()?;
        Some((phone, fill_ddd(phone, ddd)?))
    }

    /// The faithful text of the input's own columns, one for each of
    /// [`Intake::headers`](super::Intake::headers); blank where the row is shorter.
    ///
    /// What stands behind the last column is joined to the last cell, so that nothing is lost.
    pub fn own_cells(&self) -> impl Iterator<Item = Cow<'a, str>> + '_ {
        let has_surplus = self.columns.has_surplus(self.record);
        let last = self.columns.own.last().copied();
        self.columns.own.iter().map(move |at| {
            let cell = self.at(*at);
            if !has_surplus || Some(*at) != last {
                return Cow::Borrowed(cell);
            }
            let mut joined = cell.to_owned();
            for surplus in self.record.cells().skip(self.columns.n_named) {
                joined.push(self.delimiter);
                joined.push_str(surplus);
            }
            Cow::Owned(joined)
        })
    }

    /// Puts the cells of `parametros.KEY` columns into the objects, whose own cell they complete.
    fn fill_objects(&self, raw: &mut RawTicket<'a>) {
        for object in Field::ALL.into_iter().filter(|field| field.kind() == Kind::Object) {
            let mut added: Vec<(&str, &str)> = Vec::new();
            for param in self.columns.params.iter().filter(|param| param.object == object) {
                let cell = param.column.map(|at| self.at(at)).filter(|cell| !is_vacant(cell));
                if let Some(value) = cell.or(param.set.as_deref()) {
                    added.push((&param.key, trim(value)));
                }
            }
            if added.is_empty() {
                continue;
            }
            let cell = raw.get_mut(object);
            let mut map = match cell.as_deref().map(serde_json::from_str::<Map<String, Value>>) {
                None => Map::new(),
                Some(Ok(map)) => map,
                Some(Err(_)) => continue, // Validation says what is wrong with the object's own cell.
            };
            map.extend(added.into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))));
            *cell = Some(Cow::Owned(Value::Object(map).to_string()));
        }
    }

    /// What the row says, for its reference. Of the cells as they stand in the file: neither the
    /// settings nor a better validator changes it. Costs a hash; computed when asked for.
    pub fn content_key(&self) -> ContentKey {
        let cell = |field| self.bare(field);
        ContentKey::new(&self.service_in_content(), cell(Field::IdTipoAtendimento), cell(Field::Descricao))
    }

    /// The customer that the row names in place of a service, whatever was found for him.
    pub fn customer_key(&self) -> Option<ContentKey> {
        let customer = self.customer()?.ok()?;
        Some(ContentKey::new(&format!("{} {}", customer.key().name(), customer.term()), "", ""))
    }

    /// A field's cell as it stands in the file.
    pub(super) fn bare(&self, field: Field) -> &'a str {
        self.columns.fields[field].0.map_or("", |at| self.at(at))
    }
}

/// What is wrong with the record itself, before its cells are read.
fn faults_of_record(record: Record<'_>, columns: &Columns) -> Vec<Problem> {
    if let Some(line) = record.stray {
        return vec![words::STRAY_QUOTE.problem("row", words::at_line(line))];
    }
    let mut problems = Vec::new();
    let n_columns = columns.names.len();
    if columns.has_surplus(record) {
        problems.push(words::TOO_MANY_FIELDS.problem("row", words::n_cells(record.len(), n_columns)));
    }
    if record.spans.iter().any(|span| CELL_LEN_MAX < (span.end - span.start) as usize) {
        for (at, cell) in record.cells().enumerate().filter(|(_, cell)| CELL_LEN_MAX < cell.len()) {
            let found = words::n_bytes(cell.len());
            let name = columns.names.get(at).map(|name| cut(name));
            let mut problem = words::CELL_TOO_LONG.problem("row", found);
            if let Some(name) = name {
                let field = columns.roles.get(at).and_then(super::roles::Role::field);
                problem.field = field.map_or(Cow::Owned(name), |field| Cow::Borrowed(field.name()));
            }
            problems.push(problem);
        }
    }
    problems
}
