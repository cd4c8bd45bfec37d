//! Everything this room says to a person, in one place, so that it can be translated.

use std::io;

use super::limits::RECORD_LEN_MAX;
use super::workbook::Fault;
use crate::printable;
use crate::ticket::{Field, Kind, Words};

/// How standard input is named.
pub(super) const STDIN: &str = "standard input";

/// Why a file cannot be used. A fault of one row is not here: a row carries its own problems.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    #[error("cannot open `{source_name}`")]
    Open {
        source_name: String,
        #[source]
        error: io::Error,
    },
    #[error("`{source_name}` is a folder, not a file")]
    Directory { source_name: String },
    #[error("reading stopped in the middle of the file")]
    Read(#[source] io::Error),
    #[error("cannot keep a copy of the input in the folder for temporary files")]
    Spool(#[source] io::Error),
    #[error("the file is empty")]
    Empty,
    #[error("the file has a header and no rows")]
    NoRows,
    #[error("the file is {what}, not a spreadsheet that can be read here")]
    NotASpreadsheet { what: &'static str },
    #[error("the workbook cannot be read{}: {fault}", in_sheet(sheet.as_deref(), *row))]
    Workbook { sheet: Option<String>, row: Option<u64>, fault: Fault },
    #[error(
        "line {line}, byte {byte} of it: the text is not UTF-8, and its letters do not show what else it is"
    )]
    UnclearEncoding { line: u64, byte: u64 },
    #[error("byte {at} of the file{} is not {encoding}", in_line(*line))]
    NotEncoded {
        encoding: &'static str,
        /// A person said that it is.
        is_asked: bool,
        at: u64,
        line: Option<u64>,
    },
    #[error("line {line}: a quotation mark opens a name of the header and is not closed where the name ends")]
    StrayQuoteInHeader { line: u64 },
    #[error(
        "line {line}: quotation marks that open a cell and are not closed where it ends, too many to go on"
    )]
    StrayQuotes { line: u64 },
    #[error("line {line}: the row is longer than {} MiB", RECORD_LEN_MAX / (1024 * 1024))]
    RecordTooLong { line: u64 },
    #[error("the header has more than {n_max} columns")]
    TooManyColumns { n_max: usize },
    #[error("columns {first_at} and {second_at} have the same name{}", colon_quoted(name.as_ref()))]
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
    #[error("the file has `{found}` and no `id_cliente_servico`: they are different numbers")]
    NotTheService { found: String },
    #[error("no column is {}{}", quoted(missing), named(found, nearest))]
    MissingColumns {
        missing: Vec<&'static str>,
        /// The columns that the file has, as far as they may be shown.
        found: Vec<String>,
        /// A missing field, and the column that looks most like it.
        nearest: Vec<(&'static str, String)>,
    },
    #[error("{error}; not read, since it is hidden: {}", quoted(sheets))]
    BesideHidden {
        error: Box<IntakeError>,
        /// On which the table may stand.
        sheets: Vec<String>,
    },
    #[error("line {line} has nothing in it that could name columns")]
    NoSuchRow { line: u64 },
    #[error("the sheet `{}` is blank", printable::name(sheet))]
    BlankSheet { sheet: String },
    #[error("the workbook has no sheet `{}`; it has {}", printable::name(wanted), quoted(found))]
    NoSuchSheet { wanted: String, found: Vec<String> },
    #[error("the sheet `{}` is hidden, and hidden sheets are not read", printable::name(sheet))]
    HiddenSheet { sheet: String },
    #[error("`--map` names the column `{column}`, and the file has {}", quoted_or_none(found))]
    NoSuchColumn { column: String, found: Vec<String> },
    #[error("`--map` gives the column `{column}` two meanings")]
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
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } => "check the name and that you may read the file",
            Self::Directory { .. } => "name a `.csv`, `.xlsx` or `.ods` file in it",
            Self::Read(_) => "check the disk or network drive, then run the same command again",
            Self::Spool(_) => "free some space there, or set TMPDIR to a folder that has it",
            Self::Empty | Self::NoRows => {
                "check that it was saved; `mutirao template FILE` writes one to start from"
            }
            Self::NotASpreadsheet { what } => formats::hint(what),
            Self::Workbook { fault, .. } => fault.hint(),
            Self::UnclearEncoding { .. } => {
                "save it as UTF-8 (`CSV UTF-8` in Excel); or say what it is and look at what is read: \
                 `--encoding windows-1252`, `macintosh` (from a Mac) or `cp850` (from DOS)"
            }
            Self::NotEncoded { is_asked: true, .. } => {
                "leave `--encoding` out to let it be recognised, or save the file as UTF-8"
            }
            Self::NotEncoded { is_asked: false, .. } => {
                "it was cut off or damaged on the way: copy or export it again, as UTF-8 if it can be chosen"
            }
            Self::StrayQuoteInHeader { .. } => "delete it, or close it where the name ends",
            Self::StrayQuotes { .. } => {
                "save the file again as CSV from a spreadsheet program, which writes quotation marks that fit"
            }
            Self::RecordTooLong { .. } => {
                "look for a quotation mark there that opens a cell and is never closed"
            }
            Self::TooManyColumns { .. } => {
                "delete the columns that are not needed; or say what separates the cells, if it was not recognised: \
                 `--delimiter ';'`"
            }
            Self::DoubledHeader { .. } => "rename one of them, or delete it",
            Self::TwoColumns { .. } => {
                "say which one it is: `--map COLUMN=FIELD` (of two phones both may be mapped: the second is read where \
                 the first is blank); `--set FIELD=VALUE` gives all rows one value"
            }
            Self::NotTheService { .. } => {
                "add the column `id_cliente_servico` from HubSoft: a customer may have several services, \
                 and a ticket is opened on one of them"
            }
            Self::MissingColumns { .. } => {
                "say which column it is with `--map COLUMN=FIELD`, or give all rows one value with \
                 `--set FIELD=VALUE`; `mutirao template FILE` writes the columns"
            }
            Self::BesideHidden { .. } => {
                "if the table is there, show that sheet (right-click the tab of another, `Unhide`), and save the file"
            }
            Self::NoSuchRow { .. } => {
                "count lines as the spreadsheet program does, from 1, or leave `--header-row` out to let it be found"
            }
            Self::BlankSheet { .. } => "name another with `--sheet`, or leave that out to let it be found",
            Self::NoSuchSheet { .. } => {
                "write its name as it stands on its tab, or the tab's number, counted from the left among those \
                 that are shown"
            }
            Self::HiddenSheet { .. } => {
                "show it (right-click the tab of another, `Unhide`), and save the file"
            }
            Self::NoSuchColumn { .. } => "write the column as it stands in the file's header",
            Self::MappedTwice { .. } => "map each column once",
        }
    }
}

/// Why a value of `--map`, `--set`, `--encoding` or `--delimiter` was not understood. It does not repeat the
/// value: a password may stand there instead.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadOption {
    #[error(
        "not an encoding that is known here; those are utf-8, utf-8-bom, utf-16le, windows-1252, macintosh, cp850, cp437, iso-8859-15 and all others of the web"
    )]
    Encoding,
    #[error("not a delimiter, which is one ASCII character such as `;` or `,`, or `tab`")]
    Delimiter,
    #[error("blank; a sheet has a name, or a number from 1")]
    Sheet,
    #[error("neither `open` nor `skip`")]
    Hidden,
    #[error("not of the form `{form}`")]
    Form { form: &'static str },
    #[error("no ticket has such a field; it has {}", fields())]
    Field,
    #[error("a `referencia` says who a row is, and cannot be the same for all")]
    Identity,
}

/// What a file is instead of a spreadsheet.
pub(super) mod formats {
    /// By its first bytes.
    pub(in crate::intake) const MAGIC: [(&[u8], &str); 7] = [
        (b"%PDF", "a PDF"),
        (b"\x1F\x8B", "compressed (gzip)"),
        (b"Rar!", "compressed (rar)"),
        (b"7z\xBC\xAF", "compressed (7z)"),
        (b"\x89PNG", "a picture"),
        (b"\xFF\xD8\xFF", "a picture"),
        (b"SQLite format 3", "a database"),
    ];
    pub(in crate::intake) const XLS: &str = "an old Excel workbook (.xls)";
    pub(in crate::intake) const ENCRYPTED: &str = "a workbook that is encrypted with a password";
    pub(in crate::intake) const LOCK: &str = "the mark that Excel leaves beside a workbook that is open";
    pub(in crate::intake) const HTML: &str = "a web page (HTML) without a table, whatever its name says";
    pub(in crate::intake) const HTML_WITH_HIDDEN: &str =
        "a web page (HTML), whatever its name says, with hidden rows, which may be meant or not";
    pub(in crate::intake) const HTML_TOO_LONG: &str =
        "a web page (HTML), whatever its name says, of more than 32 MiB";
    pub(in crate::intake) const XML_2003: &str = "an XML spreadsheet, as Excel wrote them in 2003";
    pub(in crate::intake) const NUMBERS: &str = "a document of Apple Numbers (.numbers)";
    pub(in crate::intake) const UTF16_WITHOUT_BOM: &str =
        "full of NUL bytes (if it is text in UTF-16, try `--encoding utf-16le`)";
    pub(in crate::intake) const BINARY: &str = "binary";
    pub(in crate::intake) const ZIP: &str = "a zip archive";
    pub(in crate::intake) const ZIP_OF_SPREADSHEETS: &str = "a zip archive with several spreadsheets";

    /// What helps, for what the file is.
    pub(in crate::intake) fn hint(what: &str) -> &'static str {
        match what {
            ENCRYPTED => {
                "open it and save it without a password (in Excel: File, Info, Protect Workbook, Encrypt with Password)"
            }
            LOCK => "give the workbook itself, whose name does not begin with `~$`",
            ZIP | ZIP_OF_SPREADSHEETS => "unpack it, and give the spreadsheet that is meant",
            _ if what.starts_with("compressed") => "unpack it, and give the spreadsheet that is in it",
            _ => "open it in a spreadsheet program, and save it as `.xlsx`, or as CSV with UTF-8",
        }
    }

    /// By a part that it has.
    pub(in crate::intake) const OFFICE: [(&str, &str); 3] = [
        ("xl/workbook.bin", "a binary Excel workbook (.xlsb)"),
        ("word/document.xml", "a Word document"),
        ("ppt/presentation.xml", "a presentation"),
    ];
    pub(in crate::intake) const SPREADSHEETS: [&str; 6] = [".csv", ".tsv", ".txt", ".xls", ".xlsx", ".ods"];
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

#[cfg(test)]
pub(crate) static TABLE: [&Words; 3] = [&TOO_MANY_FIELDS, &STRAY_QUOTE, &CELL_TOO_LONG];

/// How long a cell is, or how many a row has: shown in place of what was found.
pub(super) fn n_bytes(n: usize) -> String {
    format!("{n} bytes")
}
pub(super) fn at_line(line: u64) -> String {
    format!("line {line}")
}
pub(super) fn n_cells(n: usize, n_columns: usize) -> String {
    format!("{n} cells, {n_columns} columns")
}

/// Explains a template's column of the rows' own keys.
pub(crate) const REFERENCIA: &str = "your own key of the row, unique in the file; may be left out";

/// One line a fact, for people.
pub(super) mod summary {
    use crate::intake::chosen::Chosen;

    pub(in crate::intake) fn text(encoding: &str, delimiter: &str, sep_line: bool) -> String {
        let text = match sep_line {
            false => tr!(
                "read as %{encoding}, cells separated by %{delimiter}",
                encoding = encoding,
                delimiter = delimiter
            ),
            true => tr!(
                "read as %{encoding}, cells separated by %{delimiter}, said by its `sep=` line",
                encoding = encoding,
                delimiter = delimiter
            ),
        };
        text.into_owned()
    }
    pub(in crate::intake) fn in_zip(name: &str) -> String {
        tr!("unpacked from a zip archive: `%{name}`", name = crate::printable::name(name)).into_owned()
    }
    pub(in crate::intake) fn in_page() -> String {
        tr!("a web page (HTML), whatever its name says; the rows of its tables are read").into_owned()
    }
    /// `others`: sheets that are not read, and how many rows each has that is not hidden.
    pub(in crate::intake) fn workbook<'a>(
        (sheet, n_rows): (&str, u64),
        chosen: Chosen,
        others: impl Iterator<Item = (&'a str, Option<u64>)>,
    ) -> String {
        let sheet = crate::printable::name(sheet);
        let why = match chosen {
            Chosen::Only => "".into(),
            Chosen::Asked => tr!(", as was asked for"),
            Chosen::BestHeader => tr!(", whose header is the best"),
            Chosen::InFront => {
                tr!(
                    ", which was in front when the workbook was saved (another header is as good: `--sheet` says which is meant)"
                )
            }
            Chosen::First => tr!(", the first (another header is as good: `--sheet` says which is meant)"),
        };
        let others: Vec<String> = others
            .map(|(name, n_rows)| {
                let rows = n_rows.map_or_else(|| tr!("hidden"), |n| tr!("%{n} rows", n = n));
                format!("`{}` ({rows})", crate::printable::name(name))
            })
            .collect();
        if others.is_empty() {
            return tr!("read from sheet `%{sheet}` (%{n} rows)%{why}", sheet = sheet, n = n_rows, why = why)
                .into_owned();
        }
        tr!(
            "read from sheet `%{sheet}` (%{n} rows)%{why}; not read: %{others}",
            sheet = sheet,
            n = n_rows,
            why = why,
            others = super::listed(others.into_iter())
        )
        .into_owned()
    }
    pub(in crate::intake) fn hidden_read(n_rows: u64) -> String {
        tr!(
            "%{n} rows are hidden in the sheet, and read like the others (`--hidden skip`: left out)",
            n = n_rows
        )
        .into_owned()
    }
    pub(in crate::intake) fn hidden_left_out(n_rows: u64) -> String {
        tr!("%{n} rows are hidden in the sheet, and left out", n = n_rows).into_owned()
    }
    pub(in crate::intake) fn above(line: u64, n_lines: u64, n_above: u64) -> String {
        let mut text = match n_lines {
            1 => tr!("the names of the columns are in line %{line}", line = line),
            _ => tr!("the names of the columns are in two lines, from line %{line} on", line = line),
        }
        .into_owned();
        if 0 < n_above {
            text.push_str(&tr!("; %{n} lines above it are not read", n = n_above));
        }
        text
    }
    pub(in crate::intake) fn column(name: &str, target: &str) -> String {
        if name == target {
            format!("`{name}`")
        } else {
            tr!("`%{name}` is %{target}", name = name, target = target).into_owned()
        }
    }
    /// Columns, and the fields that they are.
    pub(in crate::intake) fn remembered(maps: impl ExactSizeIterator<Item = (String, String)>) -> String {
        let column = |(name, target): (String, String)| {
            tr!("`%{name}` is %{target}", name = crate::printable::name(&name), target = target).into_owned()
        };
        tr!("columns as last time: %{columns}", columns = super::listed(maps.map(column))).into_owned()
    }
    pub(in crate::intake) fn second_phone(name: &str) -> String {
        tr!("`%{name}` is telefone where that is blank", name = crate::printable::name(name)).into_owned()
    }
    pub(in crate::intake) fn set(target: &str) -> String {
        tr!("%{target} is set where its cell is blank", target = target).into_owned()
    }
    pub(in crate::intake) fn extra(names: &[String]) -> String {
        tr!("kept in the results and not sent: %{names}", names = super::quoted(names)).into_owned()
    }
    pub(in crate::intake) fn doubled(names: &[String]) -> String {
        tr!("several columns of one name, none of them sent: %{names}", names = super::quoted(names))
            .into_owned()
    }
    pub(in crate::intake) fn unnamed(n_columns: usize) -> String {
        tr!("columns without a name, neither sent nor kept: %{n}", n = n_columns).into_owned()
    }
    pub(in crate::intake) fn ours(names: &[String]) -> String {
        tr!("from an earlier result: %{names}", names = super::quoted(names)).into_owned()
    }
    pub(in crate::intake) fn delimiter(delimiter: u8) -> String {
        if delimiter == b'\t' { "tab".to_owned() } else { format!("`{}`", char::from(delimiter)) }
    }
}

/// Names that are listed whole; of more, so many are shown.
const QUOTED_MAX: usize = 30;

fn quoted(names: &[impl AsRef<str>]) -> String {
    listed(names.iter().map(|name| format!("`{}`", printable::name(name.as_ref()))))
}

fn listed(items: impl ExactSizeIterator<Item = String>) -> String {
    let n_more = items.len().saturating_sub(QUOTED_MAX);
    let mut shown: Vec<String> = items.take(QUOTED_MAX).collect();
    if 0 < n_more {
        shown.push(format!("and {n_more} more"));
    }
    shown.join(", ")
}

fn two_columns(pairs: &[(String, String, String)], missing: &[&str]) -> String {
    let name = |name| printable::name(name);
    let each = pairs.iter().take(QUOTED_MAX);
    let each =
        each.map(|(field, a, b)| format!("columns `{}` and `{}` both mean `{field}`", name(a), name(b)));
    let mut faults: Vec<String> = each.collect();
    if !missing.is_empty() {
        faults.push(format!("no column is {}", quoted(missing)));
    }
    faults.join("; ")
}

/// Why a column may not be what it is taken for.
pub(super) mod doubt {
    use crate::printable::name;

    pub(in crate::intake) fn customers_number(column: &str) -> String {
        format!(
            "`{}` is a customer's number by its name, and is taken for the service's (`id_cliente_servico`): those are different numbers",
            name(column)
        )
    }
    pub(in crate::intake) fn two_fit(column: &str, other: &str) -> String {
        format!("`{}` is taken for `id_cliente_servico`, and `{}` could be it too", name(column), name(other))
    }
    pub(in crate::intake) fn repeats(column: &str, n_rows: u64) -> String {
        format!(
            "`{}` is taken for `id_cliente_servico`, and {n_rows} rows have the number of another customer: is it a plan's?",
            name(column)
        )
    }
}

fn in_sheet(sheet: Option<&str>, row: Option<u64>) -> String {
    let row = row.map_or(String::new(), |row| format!(", row {row}"));
    sheet.map_or(String::new(), |name| format!(", sheet `{}`{row}", printable::name(name)))
}

fn in_line(line: Option<u64>) -> String {
    line.map_or(String::new(), |line| format!(", in line {line},"))
}

fn colon_quoted(name: Option<&String>) -> String {
    match name {
        Some(name) => format!(": `{}`", printable::name(name)),
        None => "; is the header missing?".to_owned(),
    }
}

fn quoted_or_none(found: &[String]) -> String {
    if found.is_empty() { "none that is known; is its header missing?".to_owned() } else { quoted(found) }
}

fn named(found: &[String], nearest: &[(&'static str, String)]) -> String {
    if found.is_empty() {
        return "; no name in the first line is known: is the header missing?".to_owned();
    }
    let mut text = format!("; found: {}", quoted(found));
    for (field, column) in nearest {
        text.push_str(&format!("; is `{column}` meant to be `{field}`?"));
    }
    text
}

/// What was passed over while reading, one line a fact.
pub(super) fn asides(
    (n_totals, n_feet, n_blank): (u64, u64, u64),
    first: u64,
    (n_notes, first_note): (u64, u64),
) -> Vec<String> {
    let mut lines = Vec::new();
    let n_out = n_totals + n_feet + n_blank;
    if 0 < n_out {
        let mut kinds = Vec::new();
        for (n, kind) in
            [(n_totals, "totals"), (n_feet, "feet or repeated heads of a report"), (n_blank, "blank")]
        {
            if 0 < n {
                kinds.push(format!("{n} {kind}"));
            }
        }
        let first = if n_out == n_blank {
            String::new()
        } else {
            format!(" (the first that is not blank: line {first})")
        };
        lines.push(format!(
            "{n_out} rows below or within the table are no customers, and were left out: {}{first}",
            kinds.join(", ")
        ));
    }
    if 0 < n_notes {
        lines.push(format!(
            "{n_notes} rows have something beside the table, in a column without a name; it is neither sent nor kept (the first: line {first_note})"
        ));
    }
    lines
}

fn fields() -> String {
    let keys = Field::ALL.into_iter().filter(|field| field.kind() == Kind::Object).map(Field::column);
    let all: Vec<_> = Field::ALL.into_iter().map(|field| field.name().into()).chain(keys).collect();
    all.join(", ")
}
