//! Everything this room says to a person, in one place, so that it can be translated.

use std::borrow::Cow;
use std::io;

use super::limits::RECORD_LEN_MAX;
use super::workbook::Fault;
use crate::language::{Language, said};
use crate::printable;
use crate::ticket::{CustomerKey, Field, Kind, Words};

pub(super) mod asides;
pub(super) mod doubt;
pub(super) mod formats;
pub(super) mod summary;

/// How standard input is named.
pub(super) const STDIN: &str = "standard input";

/// Why a file cannot be used. A fault of one row is not here: a row carries its own problems.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    #[error("{}", tr!("cannot open `%{name}`", name = source_name))]
    Open {
        source_name: String,
        #[source]
        error: io::Error,
    },
    #[error("{}", tr!("`%{name}` is a folder, not a file", name = source_name))]
    Directory { source_name: String },
    #[error("{}", tr!("reading stopped in the middle of the file"))]
    Read(#[source] io::Error),
    #[error("{}", tr!("cannot keep a copy of the input in the folder for temporary files"))]
    Spool(#[source] io::Error),
    #[error("{}", tr!("the file is empty"))]
    Empty,
    #[error("{}", tr!("the file has a header and no rows"))]
    NoRows,
    #[error("{}", tr!("there is nothing to correct: the file has no rows"))]
    NothingToCorrect,
    #[error("{}", tr!("the file is %{what}, not a spreadsheet that can be read here", what = said(what)))]
    NotASpreadsheet { what: &'static str },
    #[error("{}", in_workbook(sheet.as_deref(), *row, fault))]
    Workbook { sheet: Option<String>, row: Option<u64>, fault: Fault },
    #[error("{}", tr!("line %{line}, byte %{byte} of it: the text is not UTF-8, and its letters do not show what else it is", line = line, byte = byte))]
    UnclearEncoding { line: u64, byte: u64 },
    #[error("{}", not_encoded(encoding, *at, *line))]
    NotEncoded {
        encoding: &'static str,
        /// A person said that it is.
        is_asked: bool,
        at: u64,
        line: Option<u64>,
    },
    #[error("{}", tr!("line %{line}: a quotation mark opens a name of the header and is not closed where the name ends", line = line))]
    StrayQuoteInHeader { line: u64 },
    #[error("{}", tr!("line %{line}: quotation marks that open a cell and are not closed where it ends, too many to go on", line = line))]
    StrayQuotes { line: u64 },
    #[error("{}", tr!("line %{line}: the row is longer than %{n_mib} MiB", line = line, n_mib = RECORD_LEN_MAX / (1024 * 1024)))]
    RecordTooLong { line: u64 },
    #[error("{}", tr!("the header has more than %{n_max} columns", n_max = n_max))]
    TooManyColumns { n_max: usize },
    #[error("{}", doubled_header(name.as_deref(), *first_at, *second_at))]
    DoubledHeader {
        /// As it stands in the second one; `None` if it may be no name, but a person's data.
        name: Option<String>,
        first_at: usize,
        second_at: usize,
    },
    #[error("{}", two_columns(pairs, missing))]
    TwoColumns {
        /// A field, and two columns that mean it.
        pairs: Vec<(String, String, String)>,
        /// Fields that no column means.
        missing: Vec<&'static str>,
    },
    #[error("{}", tr!("the file has `%{column}` and no `id_cliente_servico`: they are different numbers", column = found))]
    NotTheService {
        found: String,
        /// By the number that it is.
        may_be_found: bool,
    },
    #[error("{}", missing_columns(missing, found, nearest))]
    MissingColumns {
        missing: Vec<&'static str>,
        /// The columns that the file has, as far as they may be shown.
        found: Vec<String>,
        /// A missing field, and the column that looks most like it.
        nearest: Vec<(&'static str, String)>,
    },
    #[error("{}", tr!("%{error}; not read, since it is hidden: %{sheets}", error = error, sheets = quoted(sheets)))]
    BesideHidden {
        error: Box<IntakeError>,
        /// On which the table may stand.
        sheets: Vec<String>,
    },
    #[error("{}", tr!("line %{line} has nothing in it that could name columns", line = line))]
    NoSuchRow { line: u64 },
    #[error("{}", tr!("the sheet `%{sheet}` is blank", sheet = printable::name(sheet)))]
    BlankSheet { sheet: String },
    #[error("{}", tr!("the workbook has no sheet `%{sheet}`; it has %{sheets}", sheet = printable::name(wanted), sheets = quoted(found)))]
    NoSuchSheet { wanted: String, found: Vec<String> },
    #[error("{}", tr!("the sheet `%{sheet}` is hidden, and hidden sheets are not read", sheet = printable::name(sheet)))]
    HiddenSheet { sheet: String },
    #[error("{}", no_such_column(column, found))]
    NoSuchColumn { column: String, found: Vec<String> },
    #[error("{}", tr!("`--map` gives the column `%{column}` two meanings", column = column))]
    MappedTwice { column: String },
}

/// Whose mistake an error is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The file cannot be used.
    File,
    /// The command was typed wrongly.
    Usage,
}

impl IntakeError {
    /// Whether nothing is wrong but that no column is `field`'s.
    pub fn lacks_only(&self, field: Field) -> bool {
        matches!(self, Self::MissingColumns { missing, .. } if missing == &[field.name()])
    }

    pub fn blame(&self) -> Blame {
        match self {
            Self::NoSuchColumn { .. }
            | Self::MappedTwice { .. }
            | Self::NoSuchRow { .. }
            | Self::NoSuchSheet { .. } => Blame::Usage,
            _ => Blame::File,
        }
    }

    /// Names the hidden `sheets` of the workbook where no table was found: it may stand there.
    pub(super) fn beside_hidden(self, sheets: &[String]) -> Self {
        let is_without_table = matches!(
            self,
            Self::Empty
                | Self::NoRows
                | Self::MissingColumns { .. }
                | Self::DoubledHeader { .. }
                | Self::Workbook { fault: Fault::NoSheet, .. }
        );
        if sheets.is_empty() || !is_without_table {
            return self;
        }
        Self::BesideHidden { error: Box::new(self), sheets: sheets.to_vec() }
    }

    /// What the person who ran the command can do next; printed after `hint:`.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Open { .. } => tr!("check the name and that you may read the file"),
            Self::Directory { .. } => tr!("name a `.csv`, `.xlsx` or `.ods` file in it"),
            Self::Read(_) => tr!("check the disk or network drive, then run the same command again"),
            Self::Spool(_) => tr!("free some space there, or set TMPDIR to a folder that has it"),
            Self::NothingToCorrect => tr!("its batch has no rows that need somebody"),
            Self::Empty | Self::NoRows => {
                tr!("check that it was saved; `mutirao template FILE` writes one to start from")
            }
            Self::NotASpreadsheet { what } => formats::hint(what),
            Self::Workbook { fault, .. } => fault.hint(),
            Self::UnclearEncoding { .. } => {
                tr!(
                    "save it as UTF-8 (`CSV UTF-8` in Excel); or say what it is and look at what is read: `--encoding windows-1252`, `macintosh` (from a Mac) or `cp850` (from DOS)"
                )
            }
            Self::NotEncoded { is_asked: true, .. } => {
                tr!("leave `--encoding` out to let it be recognised, or save the file as UTF-8")
            }
            Self::NotEncoded { is_asked: false, .. } => {
                tr!(
                    "it was cut off or damaged on the way: copy or export it again, as UTF-8 if it can be chosen"
                )
            }
            Self::StrayQuoteInHeader { .. } => tr!("delete it, or close it where the name ends"),
            Self::StrayQuotes { .. } => {
                tr!(
                    "save the file again as CSV from a spreadsheet program, which writes quotation marks that fit"
                )
            }
            Self::RecordTooLong { .. } => {
                tr!("look for a quotation mark there that opens a cell and is never closed")
            }
            Self::TooManyColumns { .. } => {
                tr!(
                    "delete the columns that are not needed; or say what separates the cells, if it was not recognised: `--delimiter ';'`"
                )
            }
            Self::DoubledHeader { .. } => tr!("rename one of them, or delete it"),
            Self::TwoColumns { .. } => {
                tr!(
                    "say which one it is: `--map COLUMN=FIELD` (of two phones both may be mapped: the second is read where the first is blank); `--set FIELD=VALUE` gives all rows one value"
                )
            }
            Self::NotTheService { may_be_found: true, .. } => {
                tr!(
                    "`--find-service` looks up in HubSoft which service each customer has; or add the column `id_cliente_servico`: a customer may have several services, and a ticket is opened on one of them"
                )
            }
            Self::NotTheService { .. } => {
                tr!(
                    "add the column `id_cliente_servico` from HubSoft: a customer may have several services, and a ticket is opened on one of them"
                )
            }
            Self::MissingColumns { .. } => {
                tr!(
                    "say which column it is with `--map COLUMN=FIELD`, or give all rows one value with `--set FIELD=VALUE`; `mutirao template FILE` writes the columns"
                )
            }
            Self::BesideHidden { .. } => {
                tr!(
                    "if the table is there, show that sheet (right-click the tab of another, `Unhide`), and save the file"
                )
            }
            Self::NoSuchRow { .. } => {
                tr!(
                    "count lines as the spreadsheet program does, from 1, or leave `--header-row` out to let it be found"
                )
            }
            Self::BlankSheet { .. } => {
                tr!("name another with `--sheet`, or leave that out to let it be found")
            }
            Self::NoSuchSheet { .. } => {
                tr!(
                    "write its name as it stands on its tab, or the tab's number, counted from the left among those that are shown"
                )
            }
            Self::HiddenSheet { .. } => {
                tr!("show it (right-click the tab of another, `Unhide`), and save the file")
            }
            Self::NoSuchColumn { .. } => tr!("write the column as it stands in the file's header"),
            Self::MappedTwice { .. } => tr!("map each column once"),
        }
    }
}

/// Why a value of `--map`, `--set`, `--encoding` or `--delimiter` was not understood. It does not repeat the
/// value: a password may stand there instead.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadOption {
    #[error("{}", tr!("not an encoding that is known here; those are utf-8, utf-8-bom, utf-16le, windows-1252, macintosh, cp850, cp437, iso-8859-15 and all others of the web"))]
    Encoding,
    #[error("{}", tr!("not a delimiter, which is one ASCII character such as `;` or `,`, or `tab`"))]
    Delimiter,
    #[error("{}", tr!("blank; a sheet has a name, or a number from 1"))]
    Sheet,
    #[error("{}", tr!("neither `open` nor `skip`"))]
    Hidden,
    #[error("{}", tr!("not of the form `%{form}`", form = said(form)))]
    Form { form: &'static str },
    #[error("{}", tr!("no ticket has such a field; it has %{fields}", fields = fields()))]
    Field,
    #[error("{}", tr!("a `referencia` says who a row is, and cannot be the same for all"))]
    Identity,
    #[error("{}", tr!("a number of one customer cannot be the same for all"))]
    OneCustomer,
}

pub(super) static TOO_MANY_FIELDS: Words = Words {
    code: "too_many_fields",
    message: "the row has more cells than the header has columns",
    hint: "put a text that has the delimiter in it between quotation marks",
};
pub(super) static STRAY_QUOTE: Words = Words {
    code: "stray_quotation_mark",
    message: "a quotation mark opens a cell there and is not closed where the cell ends",
    hint: "delete it; or put the whole text between quotation marks, and double those in it: `\"a \"\"b\"\" c\"`",
};
pub(super) static CELL_TOO_LONG: Words = Words {
    code: "cell_too_long",
    message: "a cell has at most 64 KiB",
    hint: "shorten it; look for a quotation mark that is not closed where it should be",
};

/// What is told by its name, in the language of the person.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    formats::all().chain([STDIN, "COLUMN=FIELD", "FIELD=VALUE"])
}

#[cfg(test)]
pub(crate) static TABLE: [&Words; 3] = [&TOO_MANY_FIELDS, &STRAY_QUOTE, &CELL_TOO_LONG];

/// How long a cell is, or how many a row has: shown in place of what was found.
pub(super) fn n_bytes(n: usize) -> String {
    tr!("%{n} bytes", n = n).into_owned()
}
pub(super) fn at_line(line: u64) -> String {
    tr!("line %{line}", line = line).into_owned()
}
pub(super) fn n_cells(n: usize, n_columns: usize) -> String {
    tr!("%{n} %{n|cell|cells}, %{n_columns} %{n_columns|column|columns}", n = n, n_columns = n_columns)
        .into_owned()
}

/// What stands for the key of an object in the names of its columns.
pub(crate) const KEY: &str = "KEY";

/// Where `field` stands: its column, or those of an object's keys.
pub(super) fn column(field: Field, language: Language) -> Cow<'static, str> {
    match field.kind() {
        Kind::Object => Cow::Owned(format!("{field}.{}", language.says(KEY))),
        _ => Cow::Borrowed(field.name()),
    }
}

/// The first cell of a template's example.
pub(crate) const EXAMPLE: &str = "# example: 11001 (left out)";

/// Explains a template's column of the rows' own keys.
pub(crate) const REFERENCIA: &str = "your own key of the row, unique in the file; may be left out";

/// Names that are listed whole; of more, so many are shown.
const QUOTED_MAX: usize = 30;

fn quoted(names: &[impl AsRef<str>]) -> String {
    listed(names.iter().map(|name| format!("`{}`", printable::name(name.as_ref()))))
}

fn listed(items: impl ExactSizeIterator<Item = String>) -> String {
    let n_more = items.len().saturating_sub(QUOTED_MAX);
    let mut shown: Vec<String> = items.take(QUOTED_MAX).collect();
    if 0 < n_more {
        shown.push(tr!("and %{n} more", n = n_more).into_owned());
    }
    shown.join(", ")
}

fn two_columns(pairs: &[(String, String, String)], missing: &[&str]) -> String {
    let each = pairs.iter().take(QUOTED_MAX).map(|(field, a, b)| {
        tr!(
            "columns `%{a}` and `%{b}` both mean `%{field}`",
            a = printable::name(a),
            b = printable::name(b),
            field = field
        )
        .into_owned()
    });
    let mut faults: Vec<String> = each.collect();
    if !missing.is_empty() {
        faults.push(tr!("no column is %{missing}", missing = quoted(missing)).into_owned());
    }
    faults.join("; ")
}

fn in_workbook(sheet: Option<&str>, row: Option<u64>, fault: &Fault) -> Cow<'static, str> {
    match (sheet.map(printable::name), row) {
        (None, _) => tr!("the workbook cannot be read: %{fault}", fault = fault),
        (Some(sheet), None) => {
            tr!("the workbook cannot be read, sheet `%{sheet}`: %{fault}", sheet = sheet, fault = fault)
        }
        (Some(sheet), Some(row)) => tr!(
            "the workbook cannot be read, sheet `%{sheet}`, row %{row}: %{fault}",
            sheet = sheet,
            row = row,
            fault = fault
        ),
    }
}

fn not_encoded(encoding: &str, at: u64, line: Option<u64>) -> Cow<'static, str> {
    match line {
        None => tr!("byte %{at} of the file is not %{encoding}", at = at, encoding = encoding),
        Some(line) => tr!(
            "byte %{at} of the file, in line %{line}, is not %{encoding}",
            at = at,
            line = line,
            encoding = encoding
        ),
    }
}

fn doubled_header(name: Option<&str>, first_at: usize, second_at: usize) -> Cow<'static, str> {
    match name {
        Some(name) => tr!(
            "columns %{first} and %{second} have the same name: `%{name}`",
            first = first_at,
            second = second_at,
            name = printable::name(name)
        ),
        None => tr!(
            "columns %{first} and %{second} have the same name; is the header missing?",
            first = first_at,
            second = second_at
        ),
    }
}

fn no_such_column(column: &str, found: &[String]) -> Cow<'static, str> {
    if found.is_empty() {
        return tr!(
            "`--map` names the column `%{column}`, and the file has none that is known; is its header missing?",
            column = column
        );
    }
    tr!(
        "`--map` names the column `%{column}`, and the file has %{columns}",
        column = column,
        columns = quoted(found)
    )
}

fn missing_columns(missing: &[&str], found: &[String], nearest: &[(&'static str, String)]) -> String {
    if found.is_empty() {
        return tr!(
            "no column is %{missing}; no name in the first line is known: is the header missing?",
            missing = quoted(missing)
        )
        .into_owned();
    }
    let mut text =
        tr!("no column is %{missing}; found: %{columns}", missing = quoted(missing), columns = quoted(found))
            .into_owned();
    for (field, column) in nearest {
        text += "; ";
        text += &tr!("is `%{column}` meant to be `%{field}`?", column = column, field = field);
    }
    text
}

fn fields() -> String {
    let keys = Field::ALL
        .into_iter()
        .filter(|field| field.kind() == Kind::Object)
        .map(|field| column(field, Language::now()));
    let customers = CustomerKey::ALL.into_iter().map(|key| key.name().into());
    let all: Vec<_> =
        Field::ALL.into_iter().map(|field| field.name().into()).chain(keys).chain(customers).collect();
    all.join(", ")
}
