//! What a person should know of a row although its ticket was opened, or will be. Its words are made by
//! whoever writes or shows it.

/// From a closed set, each with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Warning {
    /// What validation noticed, in its words.
    Notice { said: String },
    /// Its file says something else of these columns than was sent.
    Outdated { columns: String },
    /// Opened under another type label.
    WrongType { asked: String, opened: String },
    /// The service order that was asked for is missing.
    WithoutOs,
    /// More tickets carry the row's marker: their protocolos.
    Duplicate { others: Vec<String> },
    /// Another ticket was opened for the row.
    OpenedTwice { protocolo: String },
    /// Its service has another open ticket as well.
    Beside(Beside),
}

/// A ticket that is open for the service of a row, and of another type than the row's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Beside {
    /// `None`: HubSoft does not tell.
    pub protocolo: Option<String>,
    /// The label of its type.
    pub label: String,
}

/// A row tells so many of them, the oldest. Bounds what is kept of a row.
pub const BESIDE_MAX: usize = 5;

impl Warning {
    /// Stable: it stands in `warnings`, and docs/json.md tells it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Notice { .. } => "notice",
            Self::Outdated { .. } => "outdated",
            Self::WrongType { .. } => "wrong_type",
            Self::WithoutOs => "without_os",
            Self::Duplicate { .. } | Self::OpenedTwice { .. } => "duplicate",
            Self::Beside(_) => "beside",
        }
    }
}
