//! What can be wrong with a workbook, in words.

use std::io;

use super::super::limits::DEPTH_MAX;

/// Why a workbook cannot be read. Nothing of its cells is repeated.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("it is damaged: {0}")]
    Archive(String),
    #[error("its packed data are damaged, or it ends too early")]
    Packing,
    #[error("reading it failed: {0}")]
    Disk(io::Error),
    #[error("it is packed in a way that no spreadsheet program uses")]
    Method,
    #[error("it is protected with a password")]
    Password,
    #[error("its part `{0}` is missing")]
    NoPart(String),
    #[error("its part `{part}` is damaged at byte {at}")]
    Xml { part: String, at: u64 },
    #[error("it ends in the middle of the table")]
    Ends,
    #[error("it declares entities, which no spreadsheet program does")]
    Entities,
    #[error("unpacked it has more than {} MiB", .0 / (1024 * 1024))]
    TooLarge(u64),
    #[error("a piece of its XML is longer than {} MiB", .0 / (1024 * 1024))]
    PieceTooLong(u64),
    #[error("its XML is nested more than {DEPTH_MAX} times")]
    TooDeep,
    #[error("it has more than {0} sheets")]
    TooManySheets(usize),
    #[error("it has more than {0} texts")]
    TooManyTexts(usize),
    #[error("its texts have more than {} MiB", .0 / (1024 * 1024))]
    TextsTooLong(usize),
    #[error("it has no sheet with rows")]
    NoSheet,
    #[error("its rows are not in order")]
    Unordered,
    #[error("a cell's place is not one of a sheet's, A1 to XFD1048576")]
    Place,
    #[error("the row is longer than {} MiB", .0 / (1024 * 1024))]
    RowTooLong(usize),
    #[error("its rows have cells far apart, more than {0} places in all")]
    TooWide(u64),
    #[error("a row stands there {n} times; of repeated rows {n_max} are read")]
    Repeated { n: u64, n_max: u64 },
    #[error("a cell refers to a text that the workbook does not have")]
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

    pub(in crate::intake) fn hint(&self) -> &'static str {
        match self {
            Self::Password => {
                "open it, take the password away (in Excel: File, Info, Protect Workbook, Encrypt with Password), and save it"
            }
            Self::TooLarge(_) | Self::TooManyTexts(_) | Self::TextsTooLong(_) => {
                "save the sheet as CSV (UTF-8), which may be of any length; or copy its rows alone into a new workbook"
            }
            Self::Disk(_) => "check the disk or network drive, then run the same command again",
            Self::TooWide(_) | Self::Repeated { .. } => {
                "copy the rows that are meant into a new workbook, and save that"
            }
            _ => "open it in a spreadsheet program, and save it as `.xlsx` or CSV again",
        }
    }
}
