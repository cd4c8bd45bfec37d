//! What went wrong with a row or a request: a closed set, each with what is known of it. Its words are made
//! by whoever writes or shows it. The names of variants and fields are stored, and stay.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The code of a row whose service has a ticket of its type already.
pub const ALREADY_OPEN: &str = "already_open";

/// The code of a row that its file no longer has, and that was withdrawn by that.
pub const GONE: &str = "gone";

/// The code of a row that would open the ticket of another once more.
pub const REPEAT: &str = "repeat";

/// What went wrong. What HubSoft or the system says of it is one line, capped, and may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "code", content = "params", rename_all = "snake_case")]
pub enum Fault {
    // No request left.
    /// It could not be put together.
    Request,
    /// `cause` is `None` where it took too long.
    Connect {
        at: Option<Box<str>>,
        cause: Option<Box<str>>,
    },
    Dns {
        at: Option<Box<str>>,
        cause: Box<str>,
    },
    Tls {
        at: Option<Box<str>>,
        cause: Box<str>,
    },

    // No usable answer came.
    Timeout,
    /// The connection broke before an answer came.
    Reset,
    /// The answer broke off.
    Cut,
    TooLarge,
    Empty,
    NotJson,
    /// A success without a ticket.
    NoProof,
    /// An error that names a ticket.
    Contradiction,
    /// HubSoft failed inside. Its `trace`, `file` and text may hold paths and queries: none of it is kept.
    Exception,
    /// The status says all; or HubSoft has put a refusal into words.
    Http {
        status: u16,
        said: Option<String>,
    },
    /// A 403 in something else than HubSoft's JSON: a firewall or a CDN stands before it.
    ForeignPage,
    /// The method was switched off.
    SwitchedOff {
        said: Option<String>,
    },
    /// We stopped waiting.
    Stopped,

    // The login.
    LoginRefused {
        status: u16,
        said: Option<String>,
    },
    /// Whoever answered is not HubSoft, or not its API. `said` is what it calls itself.
    LoginElsewhere {
        status: u16,
        said: Option<String>,
    },
    LoginUnavailable {
        status: u16,
    },
    /// The token cannot stand in a header.
    LoginNoToken,
    /// HubSoft gives tokens and refuses them.
    TokensRefused,

    // HubSoft's refusal of a row.
    /// It names fields.
    Validation {
        said: Option<String>,
    },
    /// By a rule of its own.
    Refused {
        said: Option<String>,
    },

    // A ticket that may not be the row's.
    WrongService {
        asked: i64,
        found: i64,
    },
    /// A success that carries errors.
    SuccessWithErrors {
        said: String,
    },
    /// It belongs to another row, by its number.
    Taken {
        protocolo: String,
        owner: i64,
    },

    // A look-up that could not tell.
    NoList,
    /// Nor a readable list of customers and their services.
    NoCustomers,
    UnreadableTicket,
    /// A ticket of the list has no `descricao_abertura`.
    NoText,
    /// All tickets of the page are younger than the send.
    FullPage {
        n_tickets: usize,
    },
    OtherService,
    /// The list of pending tickets is cut or unreadable.
    UnclearList,
    UnknownType {
        id: i64,
    },
    UnreadableCatalogue,
    /// Not found, by a user that is not known to see its tickets.
    Blind(Blindness),

    // What became of a row.
    /// Look-ups showed that no ticket was opened.
    NoTicket,
    /// No ticket was opened, and a person has said something else of the row meanwhile.
    CorrectedMeanwhile,
    AlreadyOpen,
    /// A person found that no ticket was opened.
    NotOpened,
    /// It is no longer in its file.
    Gone,
    /// Another row asks for the same: in this line, or `None`, it is no longer in the file. A ticket was
    /// opened from it, if there is a protocolo.
    Repeat {
        line: Option<String>,
        protocolo: Option<String>,
    },
    /// A row of its service that is no longer in the file was opened, or may have been.
    Edited {
        protocolo: Option<String>,
    },
}

// It is moved within every answer, good ones too.
const _: () = assert!(size_of::<Fault>() <= 48);

/// Why an absence cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blindness {
    /// No look-up of this user has shown a ticket of ours with a text as long.
    Unknown,
    /// Tickets that were opened are not found either.
    Unseen,
}

impl Fault {
    /// By its status alone.
    pub fn http(status: u16) -> Self {
        Self::Http { status, said: None }
    }

    /// Stable: it stands in `error_code`, and docs/json.md tells it.
    pub fn code(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Request => "request",
            Self::Connect { .. } => "connect",
            Self::Dns { .. } => "dns",
            Self::Tls { .. } => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::NotJson => "not_json",
            Self::NoProof => "no_proof",
            Self::Contradiction => "contradiction",
            Self::Exception => "exception",
            Self::Http { status, .. } => return Cow::Owned(format!("http_{status}")),
            Self::ForeignPage => "http_403_page",
            Self::SwitchedOff { .. } => "switched_off",
            Self::Stopped => "stopped",
            Self::LoginRefused { .. } => "login_refused",
            Self::LoginElsewhere { .. } => "login_not_here",
            Self::LoginUnavailable { status } => return Cow::Owned(format!("login_http_{status}")),
            Self::LoginNoToken => "login_no_token",
            Self::TokensRefused => "http_401",
            Self::Validation { .. } => "validation",
            Self::Refused { .. } => "refused",
            Self::WrongService { .. } => "wrong_service",
            Self::SuccessWithErrors { .. } => "success_with_errors",
            Self::Taken { .. } => "taken",
            Self::NoList => "no_list",
            Self::NoCustomers => "no_customers",
            Self::UnreadableTicket => "unreadable_ticket",
            Self::NoText => "no_text",
            Self::FullPage { .. } => "full_page",
            Self::OtherService => "other_service",
            Self::UnclearList => "unclear_list",
            Self::UnknownType { .. } => "unknown_type",
            Self::UnreadableCatalogue => "unreadable_catalogue",
            Self::Blind(_) => "blind",
            Self::NoTicket => "no_ticket",
            Self::CorrectedMeanwhile => "corrected_meanwhile",
            Self::AlreadyOpen => ALREADY_OPEN,
            Self::NotOpened => "not_opened",
            Self::Gone => GONE,
            Self::Repeat { .. } | Self::Edited { .. } => REPEAT,
        })
    }
}
