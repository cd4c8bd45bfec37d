//! What a person should know although the ticket was opened.

use std::fmt;

/// From a closed set, each with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Opened under another type label.
    WrongType { asked: String, opened: String },
    /// The service order that was asked for is missing.
    WithoutOs,
    /// More tickets carry the row's marker.
    Duplicate { others: Vec<String> },
    /// Another ticket was opened for the row.
    OpenedTwice { protocolo: String },
}

impl Warning {
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongType { .. } => "wrong_type",
            Self::WithoutOs => "without_os",
            Self::Duplicate { .. } | Self::OpenedTwice { .. } => "duplicate",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code())?;
        match self {
            Self::WrongType { asked, opened } => {
                write!(f, "asked for the type `{asked}`, opened as `{opened}`")
            }
            Self::WithoutOs => f.write_str("opened, but the service order that was asked for is missing"),
            Self::Duplicate { others } => {
                write!(f, "more tickets carry this row's marker: {}", others.join(", "))
            }
            Self::OpenedTwice { protocolo } => write!(f, "`{protocolo}` was opened for this row too"),
        }
    }
}
