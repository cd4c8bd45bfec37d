//! What was recognised of a file.

use super::beginning::Beginning;
use super::chosen::Chosen;
use super::columns::Columns;
use super::doubts::ColumnDoubt;
use super::encoding::Encoding;
use super::header::{Map, Target};
use super::options::{Hidden, IntakeOptions};
use super::roles::Role;
use super::words;
use crate::ticket::trim;

/// What was recognised, for printing and for writing results in the same form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub format: Format,
    /// What it had to be taken out of.
    pub wrapping: Vec<Wrapping>,
    /// The line of the header, and how many lines above it have something in them.
    pub header_line: u64,
    pub n_above: u64,
    /// How many lines name the columns, one below the other.
    pub n_header_lines: u64,
    /// The columns that are sent: as the file calls them, and what they are.
    pub columns: Vec<(String, Target)>,
    /// What is said of columns only by what was said before, of a file with the same names.
    pub remembered: Vec<Map>,
    /// What is set where a cell is blank.
    pub set: Vec<Target>,
    /// Columns that are kept in the results and not sent.
    pub extra: Vec<String>,
    /// Names that several columns have, none of which is sent.
    pub doubled: Vec<String>,
    /// Columns without a name between others; not kept.
    pub n_unnamed: usize,
    /// Columns that an earlier result added; ignored.
    pub ours: Vec<String>,
    /// The column that is read where the phone's own is blank.
    pub second_phone: Option<String>,
    /// What is not sure of the columns.
    pub doubts: Vec<ColumnDoubt>,
    /// What becomes of hidden rows.
    pub hidden: Hidden,
}

/// What a spreadsheet is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// A zip archive, in which it has this name.
    Zip { name: String },
    /// A web page, whose tables it is.
    Page,
}

impl Wrapping {
    fn in_words(&self) -> String {
        match self {
            Self::Zip { name } => words::summary::in_zip(name),
            Self::Page => words::summary::in_page(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    Text {
        encoding: Encoding,
        delimiter: u8,
        sep_line: bool,
    },
    Workbook {
        sheet: String,
        /// Below its header.
        n_rows: u64,
        chosen: Chosen,
        /// The other visible sheets.
        others: Vec<OtherSheet>,
        hidden_sheets: Vec<String>,
        /// Rows below the header that are hidden, by a filter or by hand.
        n_hidden: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherSheet {
    pub name: String,
    /// Below its header.
    pub n_rows: u64,
    /// Its header is as good as that of the sheet that is read, and it has rows: it may be the one that is
    /// meant.
    pub is_as_good: bool,
}

impl Summary {
    pub(super) fn of(
        format: Format,
        wrapping: Vec<Wrapping>,
        header: &Beginning,
        columns: &Columns,
        maps: &[Map],
        options: &IntakeOptions,
    ) -> Self {
        let named = columns.names.iter().zip(&columns.roles);
        let sent = named.filter_map(|(name, role)| match role {
            Role::Target(target) => Some((trim(name).to_owned(), target.clone())),
            Role::Extra | Role::Ours | Role::SecondPhone => None,
        });
        Self {
            format,
            wrapping,
            header_line: header.line,
            n_above: header.n_above,
            n_header_lines: header.n_lines,
            columns: sent.collect(),
            remembered: if options.map.is_empty() { maps.to_vec() } else { Vec::new() },
            set: options.set.iter().map(|set| set.target.clone()).collect(),
            extra: columns.extras(),
            doubled: columns.doubled(),
            n_unnamed: columns.unnamed.len(),
            ours: columns.ours(),
            second_phone: columns.second_phone.map(|at| columns.names[at].clone()),
            doubts: columns.doubts(maps),
            hidden: options.hidden,
        }
    }

    /// Sheets of which any may be the one that is meant, each with its rows: that which is read first. None
    /// where it is said, or clear.
    pub fn rivals(&self) -> Vec<(&str, u64)> {
        let Format::Workbook { sheet, n_rows, chosen: Chosen::InFront | Chosen::First, others, .. } =
            &self.format
        else {
            return Vec::new();
        };
        let others: Vec<_> = others.iter().filter(|other| other.is_as_good).collect();
        if others.is_empty() {
            return Vec::new();
        }
        let each = others.into_iter().map(|other| (&*other.name, other.n_rows));
        std::iter::once((&**sheet, *n_rows)).chain(each).collect()
    }

    /// One line a fact, for people.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.wrapping.iter().map(Wrapping::in_words).collect();
        lines.push(match &self.format {
            Format::Text { encoding, delimiter, sep_line } => {
                words::summary::text(encoding.name(), &words::summary::delimiter(*delimiter), *sep_line)
            }
            Format::Workbook { sheet, n_rows, chosen, others, hidden_sheets, .. } => {
                let others = others.iter().map(|sheet| (&*sheet.name, Some(sheet.n_rows)));
                words::summary::workbook(
                    (sheet, *n_rows),
                    *chosen,
                    others.chain(hidden_sheets.iter().map(|name| (&**name, None))),
                )
            }
        });
        if let Format::Workbook { n_hidden, .. } = self.format
            && 0 < n_hidden
        {
            lines.push(match self.hidden {
                Hidden::Open => words::summary::hidden_read(n_hidden),
                Hidden::Skip => words::summary::hidden_left_out(n_hidden),
            });
        }
        if 0 < self.n_above || 1 < self.n_header_lines {
            lines.push(words::summary::above(self.header_line, self.n_header_lines, self.n_above));
        }
        if !self.remembered.is_empty() {
            let maps = self.remembered.iter().map(|map| (map.column.clone(), map.target.to_string()));
            lines.push(words::summary::remembered(maps));
        }
        let columns = self.columns.iter().map(|(name, target)| (name, target.to_string()));
        let (own, others): (Vec<_>, Vec<_>) = columns.partition(|(name, target)| *name == target);
        if !own.is_empty() {
            let names: Vec<_> = own.into_iter().map(|(name, _)| name).collect();
            lines.push(words::summary::by_their_names(&names));
        }
        lines.extend(others.iter().map(|(name, target)| words::summary::column(name, target)));
        if let Some(name) = &self.second_phone {
            lines.push(words::summary::second_phone(name));
        }
        lines.extend(self.set.iter().map(|target| words::summary::set(&target.to_string())));
        if !self.extra.is_empty() {
            lines.push(words::summary::extra(&self.extra));
        }
        if !self.doubled.is_empty() {
            lines.push(words::summary::doubled(&self.doubled));
        }
        if 0 < self.n_unnamed {
            lines.push(words::summary::unnamed(self.n_unnamed));
        }
        if !self.ours.is_empty() {
            lines.push(words::summary::ours(&self.ours));
        }
        lines.extend(self.doubts.iter().map(ToString::to_string));
        lines
    }
}
