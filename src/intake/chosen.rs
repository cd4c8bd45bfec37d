//! Which sheet of a workbook is read, and why.

/// Why the sheet that is read is that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    Only,
    Asked,
    BestHeader,
    /// Of several with headers that are as good, that which was in front when the workbook was saved.
    InFront,
    First,
}
