//! A row's way from its claim to its outcome, and how far it has come.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::messages::RequestId;
use super::slots::Purpose;
use super::times::Moment;
use crate::delivery::decide::{Denials, Looks};
use crate::delivery::{Beside, Blindness, Claim, Halt, Proof, Reply, Sighting};

/// A claim that somebody carries.
#[derive(Clone)]
pub struct Errand {
    pub claim: Arc<Claim>,
    pub pass: Pass,
    /// Of what it waits for now.
    pub id: RequestId,
    /// Tickets that it is posted beside.
    pub beside: Vec<Beside>,
}

fingerprint! { struct Errand { claim, pass, id, beside } }

/// What it waits for. `asked` is the outbox's time just before its request.
#[derive(Clone)]
pub enum Step {
    /// Whether its ticket was opened from elsewhere.
    Verify {
        asked: Timestamp,
    },
    /// Whether a ticket of its service and type is open.
    FindOpen {
        asked: Timestamp,
    },
    Post {
        asked: Timestamp,
    },
    /// Its post made its lote halt, and the outbox is to know before its outcome is stored.
    HaltLote(Box<HaltLote>),
    LookUp {
        asked: Timestamp,
    },
    /// Its look-up was answered; what it waits for before that is believed.
    See(Box<Seen>, Sight),
}

fingerprint! {
    enum Step {
        Verify { asked }, FindOpen { asked }, Post { asked }, HaltLote(halting), LookUp { asked },
        See(seen, sight)
    }
}

impl Step {
    /// Whether it waits for an answer of the API.
    pub fn is_with_api(&self) -> bool {
        match self {
            Self::Verify { .. } | Self::FindOpen { .. } | Self::Post { .. } | Self::LookUp { .. } => true,
            Self::See(_, sight) => matches!(sight, Sight::Look { .. }),
            Self::HaltLote(_) => false,
        }
    }
}

#[derive(Clone)]
pub struct HaltLote {
    pub asked: Timestamp,
    pub reply: Reply<Proof>,
    pub denials: Denials,
    pub halt: Halt,
    pub n_tries: u32,
    /// When the outbox is told again; `None`: it is being told.
    pub rests_until: Option<Duration>,
}

fingerprint! { struct HaltLote { asked, reply, denials, halt, n_tries, rests_until } }

/// The answer to a look-up.
#[derive(Clone)]
pub struct Seen {
    pub asked: Timestamp,
    pub looks: Looks,
    pub denials: Denials,
    pub reply: Reply<Sighting>,
}

fingerprint! { struct Seen { asked, looks, denials, reply } }

/// What comes between a look-up's answer and the belief in it.
#[derive(Clone)]
pub enum Sight {
    /// What was seen is being kept.
    Keep,
    /// Another one finds out what this user sees.
    Turn,
    /// What earlier runs saw is being read.
    Load,
    /// A row that was opened is being looked for in the outbox, with a text so long at least.
    Specimen { text_len: usize, nth: u32 },
    /// It is being looked up, with a pass of its own.
    Look { text_len: usize, pass: Pass },
    /// It was seen, and that is being kept.
    KeepSpecimen,
    /// Whether the absence may yet be told from blindness: more rows may be opened.
    PostsAreLeft { why: Blindness },
}

fingerprint! {
    enum Sight {
        Keep, Turn, Load, Specimen { text_len, nth }, Look { text_len, pass }, KeepSpecimen,
        PostsAreLeft { why }
    }
}

/// The way of one claim's requests, or of one probe, past the slots.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    pub purpose: Purpose,
    /// When its row was claimed; `None` for a probe, and for a look at another row.
    pub claimed: Option<Moment>,
    /// Whether any request of it, a login included, took a slot.
    pub has_begun: bool,
    /// When its last request took its slot; `None`: nothing was sent.
    pub sent: Option<Duration>,
    /// Whether a post may have left.
    pub has_posted: bool,
    /// Its answer is waited for before HubSoft counts as never reached.
    pub is_awaited: bool,
    /// Its lote was halted before it was sent.
    pub is_barred: bool,
}

fingerprint! { struct Pass { purpose, claimed, has_begun, sent, has_posted, is_awaited, is_barred } }

impl Pass {
    pub fn new(purpose: Purpose, claimed: Option<Moment>) -> Self {
        Self {
            purpose,
            claimed,
            has_begun: false,
            sent: None,
            has_posted: false,
            is_awaited: false,
            is_barred: false,
        }
    }
}
