//! What a workbook says of a sheet before it is read.

/// A visible sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::intake) struct SheetName {
    pub name: String,
    /// It was in front when the workbook was saved.
    pub is_active: bool,
}
