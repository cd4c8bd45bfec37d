//! What persons had done with a batch, or with all of an outbox: who, when, what, and from where. The latest
//! are kept.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::stored::{count, time};

/// Of a batch, and of all of an outbox; older ones go.
pub(super) const ACTS_MAX: i64 = 200;

/// Where a person said it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    #[default]
    Terminal,
    Page,
}

/// Who says it: a user of the page, or of the system.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    pub who: &'a str,
    pub way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Rows were taken in, or what was taken in goes on.
    Import,
    /// The import was stopped.
    Stop,
    /// It is to be gone on with, once a person says so.
    PauseImport,
    /// What was paused, or cut off, is not gone on with.
    Dismiss,
    Retry,
    Resolve,
    Cancel,
    /// All workers stop.
    Pause,
    /// They go on, or a batch does that was halted.
    Resume,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub at: Timestamp,
    pub who: String,
    pub way: Way,
    pub deed: Deed,
    /// That it was about.
    pub n_rows: u64,
}

/// Time, who, way, deed, rows.
pub(super) type ActColumns = (i64, String, String, String, i64);

/// Batch, and the columns of an act.
pub(super) type ImportColumns = (String, i64, String, String, String, i64);

/// Imports, by what their batches are called.
pub type Imports = BTreeMap<String, Act>;

pub(super) fn imports(found: Vec<ImportColumns>) -> Imports {
    let known =
        |(batch, at, who, way, deed, n_rows)| Some((batch, Act::stored((at, who, way, deed, n_rows))?));
    found.into_iter().filter_map(known).collect()
}

impl Act {
    /// `None`: of a kind that this program does not know.
    pub(super) fn stored((at, who, way, deed, n_rows): ActColumns) -> Option<Self> {
        let way = Way::ALL.into_iter().find(|known| known.name() == way)?;
        let deed = Deed::ALL.into_iter().find(|known| known.name() == deed)?;
        Some(Self { at: time(at), who, way, deed, n_rows: count(n_rows) })
    }
}

impl Way {
    const ALL: [Self; 2] = [Self::Terminal, Self::Page];

    /// In databases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Page => "page",
        }
    }
}

impl Deed {
    pub const ALL: [Self; 9] = [
        Self::Import,
        Self::Stop,
        Self::PauseImport,
        Self::Dismiss,
        Self::Retry,
        Self::Resolve,
        Self::Cancel,
        Self::Pause,
        Self::Resume,
    ];

    /// In databases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Stop => "stop",
            Self::PauseImport => "pause_import",
            Self::Dismiss => "dismiss",
            Self::Retry => "retry",
            Self::Resolve => "resolve",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_read_as_it_was_written() {
        for way in Way::ALL {
            for deed in Deed::ALL {
                let act =
                    Act::stored((7, "ana".to_owned(), way.name().to_owned(), deed.name().to_owned(), 3));
                assert_eq!(act.map(|act| (act.way, act.deed, act.n_rows)), Some((way, deed, 3)));
            }
        }
        assert_eq!(Act::stored((7, String::new(), "page".to_owned(), "new".to_owned(), 3)), None);
    }
}
