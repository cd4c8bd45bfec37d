//! How large the parts of a spreadsheet may be that more than one reader meets.

/// Longest cell. Bytes of UTF-8. Source: far above any description that a person writes, and twice
/// what a cell of a spreadsheet program holds (32,767 characters).
pub const CELL_LEN_MAX: usize = 64 * 1024;

/// Longest record. Bytes of UTF-8. Also how far a quotation is followed that is not closed.
pub(super) const RECORD_LEN_MAX: usize = 16 * 1024 * 1024;

/// Sheets of a workbook that are looked at.
pub(super) const SHEETS_MAX: usize = 1000;

/// How deep tags may be nested; those of a workbook are a dozen deep.
pub(super) const DEPTH_MAX: usize = 256;
