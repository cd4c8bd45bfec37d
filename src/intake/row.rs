//! One record as a ticket's fields.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::columns::Columns;
use super::records::Record;
use super::words;
use crate::delivery::identity::ContentKey;
use crate::ticket::{
    Ddd, Field, PHONE_DDD_FILLED, Parsed, Problem, RawTicket, Ticket, cut, fill_ddd, is_blank, shown, trim,
};

/// Longest cell. Bytes of UTF-8. Source: far above any description that a person writes, and twice
/// what a cell of a spreadsheet program holds (32,767 characters).
pub const CELL_LEN_MAX: usize = 64 * 1024;

/// One row of the input. Borrows from the [`Intake`](super::Intake) until its next row.
pub struct Row<'a> {
    /// The physical line at which the row starts; the header's is 1, unless something stands before.
    pub line: u64,
    /// The fields, mapped, with `--set` and `--default-ddd` applied: what an outbox stores. Reading
    /// it again with [`Ticket::parse`] needs no settings and gives the same ticket.
    pub raw: RawTicket<'a>,
    /// The batch that the row names, in a file that we wrote.
    pub lote: Option<&'a str>,
    /// Who the row says it is.
    pub referencia: Option<&'a str>,
    /// The ticket with its notices, or every problem of the row. A row with problems that `raw` does
    /// not show (too many cells) must be stored as invalid: its `raw` may be readable.
    pub parsed: Result<Parsed, Vec<Problem>>,
    record: Record<'a>,
    columns: &'a Columns,
    delimiter: char,
}

impl<'a> Row<'a> {
    pub(super) fn new(
        record: Record<'a>,
        columns: &'a Columns,
        default_ddd: Option<Ddd>,
        delimiter: char,
    ) -> Self {
        let mut raw = RawTicket::default();
        for (field, (column, set)) in Field::ALL.into_iter().zip(&columns.fields) {
            let cell = column.map(|it| record.cell(it)).filter(|it| !is_blank(it));
            if let Some(cell) = cell.or(set.as_deref()) {
                *raw.get_mut(field) = Some(Cow::Borrowed(cell));
            }
        }
        if !columns.params.is_empty() {
            fill_objects(&mut raw, record, columns);
        }
        let filled = default_ddd.and_then(|ddd| fill_phone(&mut raw, ddd));
        let problems = faults_of_record(record, columns);
        let parsed = if problems.is_empty() {
            let mut parsed = Ticket::parse(&raw);
            if let (Ok(parsed), Some(filled)) = (&mut parsed, filled) {
                parsed.notices.push(filled);
            }
            parsed
        } else if problems.iter().any(|it| it.code == words::TOO_MANY_FIELDS.code) {
            Err(problems) // The cells stand in wrong columns: what they say there means nothing.
        } else {
            Err(problems.into_iter().chain(Ticket::parse(&raw).err().into_iter().flatten()).collect())
        };
        let cell = |at: Option<usize>| at.map(|it| trim(record.cell(it))).filter(|it| !it.is_empty());
        let (lote, referencia) = (cell(columns.lote), cell(columns.referencia));
        Self { line: record.line, raw, lote, referencia, parsed, record, columns, delimiter }
    }

    /// The faithful text of the input's own columns, one for each of
    /// [`Intake::headers`](super::Intake::headers); blank where the row is shorter.
    ///
    /// What stands behind the last column is joined to the last cell, so that nothing is lost.
    pub fn own_cells(&self) -> impl Iterator<Item = Cow<'a, str>> + '_ {
        let n_columns = self.columns.names.len();
        let has_surplus = n_columns < self.record.len();
        self.columns.own.iter().map(move |at| {
            let cell = self.record.cell(*at);
            if !has_surplus || at + 1 != n_columns {
                return Cow::Borrowed(cell);
            }
            let mut joined = cell.to_owned();
            for surplus in self.record.cells().skip(n_columns) {
                joined.push(self.delimiter);
                joined.push_str(surplus);
            }
            Cow::Owned(joined)
        })
    }

    /// What the row says, for its reference. Of the cells as they stand in the file: neither the
    /// settings nor a better validator changes it. Costs a hash; computed when asked for.
    pub fn content_key(&self) -> ContentKey {
        let cell = |field: Field| match self.columns.fields[field as usize].0 {
            Some(at) => self.record.cell(at),
            None => "",
        };
        ContentKey::new(cell(Field::IdClienteServico), cell(Field::IdTipoAtendimento), cell(Field::Descricao))
    }
}

/// What is wrong with the record itself, before its cells are read.
fn faults_of_record(record: Record<'_>, columns: &Columns) -> Vec<Problem> {
    let mut problems = Vec::new();
    let n_columns = columns.names.len();
    // Blank ones too: where a text has the delimiter in it, the cells behind it move on, and only a
    // blank one may fall over the edge, while a description has lost its end.
    if n_columns < record.len() {
        problems.push(words::TOO_MANY_FIELDS.problem("row", words::n_cells(record.len(), n_columns)));
    }
    if record.spans.iter().any(|it| CELL_LEN_MAX < (it.end - it.start) as usize) {
        for (at, cell) in record.cells().enumerate().filter(|it| CELL_LEN_MAX < it.1.len()) {
            let found = words::n_bytes(cell.len());
            let name = columns.names.get(at).map(|it| cut(it));
            let mut problem = words::CELL_TOO_LONG.problem("row", found);
            if let Some(name) = name {
                let field = columns.roles.get(at).and_then(super::columns::Role::field);
                problem.field = field.map_or(Cow::Owned(name), |it| Cow::Borrowed(it.name()));
            }
            problems.push(problem);
        }
    }
    problems
}

fn fill_phone(raw: &mut RawTicket<'_>, ddd: Ddd) -> Option<Problem> {
    let phone = raw.telefone.as_deref()?;
    let filled = fill_ddd(phone, ddd)?;
    let field = Field::Telefone;
    let notice = PHONE_DDD_FILLED.problem(field.name(), shown(field, phone));
    raw.telefone = Some(Cow::Owned(filled));
    Some(notice)
}

/// Puts the cells of `parametros.KEY` columns into the objects, whose own cell they complete.
fn fill_objects<'a>(raw: &mut RawTicket<'a>, record: Record<'a>, columns: &'a Columns) {
    for object in [Field::Parametros, Field::ParametrosOrdemServico] {
        let mut added: Vec<(&str, &str)> = Vec::new();
        for param in columns.params.iter().filter(|it| it.object == object) {
            let cell = param.column.map(|it| record.cell(it)).filter(|it| !is_blank(it));
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
