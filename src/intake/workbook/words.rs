//! What can be wrong with a workbook, in words.

use std::borrow::Cow;
use std::io;

use super::super::limits::DEPTH_MAX;
use crate::language::os_error;

/// Why a workbook cannot be read. Nothing of its cells is repeated.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{}", tr!("its packed data are damaged, or it ends too early"))]
    Packing,
    #[error("{}", tr!("reading it failed: %{why}", why = os_error(&_0.to_string())))]
    Disk(io::Error),
    #[error("{}", tr!("it is packed in a way that no spreadsheet program uses"))]
    Method,
    #[error("{}", tr!("it is protected with a password"))]
    Password,
    #[error("{}", tr!("its part `%{part}` is missing", part = _0))]
    NoPart(String),
    #[error("{}", tr!("its part `%{part}` is damaged at byte %{at}", part = part, at = at))]
    Part { part: String, at: u64 },
    #[error("{}", tr!("it ends in the middle of the table"))]
    Ends,
    #[error("{}", tr!("it declares entities, which no spreadsheet program does"))]
    Entities,
    #[error("{}", tr!("unpacked it has more than %{n_mib} MiB", n_mib = _0 / (1024 * 1024)))]
    TooLarge(u64),
    #[error("{}", tr!("it has more than %{n_mib} MiB", n_mib = _0 / (1024 * 1024)))]
    TooLong(u64),
    #[error("{}", tr!("a sheet has more than %{n_max} cells that say something", n_max = _0))]
    TooManyCells(usize),
    #[error("{}", tr!("a piece of its XML is longer than %{n_mib} MiB", n_mib = _0 / (1024 * 1024)))]
    PieceTooLong(u64),
    #[error("{}", tr!("its XML is nested more than %{n_max} times", n_max = DEPTH_MAX))]
    TooDeep,
    #[error("{}", tr!("it has more than %{n_max} sheets", n_max = _0))]
    TooManySheets(usize),
    #[error("{}", tr!("it has more than %{n_max} texts", n_max = _0))]
    TooManyTexts(usize),
    #[error("{}", tr!("its texts have more than %{n_mib} MiB", n_mib = _0 / (1024 * 1024)))]
    TextsTooLong(usize),
    #[error("{}", tr!("it has no sheet with rows"))]
    NoSheet,
    #[error("{}", tr!("its rows are not in order"))]
    Unordered,
    #[error("{}", tr!("a cell's place is not one of a sheet's, A1 to XFD1048576"))]
    Place,
    #[error("{}", tr!("the row is longer than %{n_mib} MiB", n_mib = _0 / (1024 * 1024)))]
    RowTooLong(usize),
    #[error("{}", tr!("its rows have cells far apart, more than %{n_max} places in all", n_max = _0))]
    TooWide(u64),
    #[error("{}", tr!("a row stands there %{n} times; of repeated rows %{n_max} are read", n = n, n_max = n_max))]
    Repeated { n: u64, n_max: u64 },
    #[error("{}", tr!("a cell refers to a text that the workbook does not have"))]
    NoText,
}

impl Fault {
    /// What a reader's error says: the data's fault or the disk's.
    pub(super) fn of_reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
                Self::Packing
            }
            _ => Self::Disk(error),
        }
    }

    pub(in crate::intake) fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Password => {
                tr!(
                    "open it, take the password away (in Excel: File, Info, Protect Workbook, Encrypt with Password), and save it"
                )
            }
            Self::TooLarge(_)
            | Self::TooLong(_)
            | Self::TooManyTexts(_)
            | Self::TextsTooLong(_)
            | Self::TooManyCells(_) => {
                tr!(
                    "save the sheet as CSV (UTF-8), which may be of any length; or copy its rows alone into a new workbook"
                )
            }
            Self::Disk(_) => tr!("check the disk or network drive, then run the same command again"),
            Self::TooWide(_) | Self::Repeated { .. } => {
                tr!("copy the rows that are meant into a new workbook, and save that")
            }
            _ => tr!("open it in a spreadsheet program, and save it as `.xlsx` or CSV again"),
        }
    }
}
