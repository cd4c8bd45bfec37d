//! What goes in and out of the engine: events tell it what has happened, actions what is to be done.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::storage::Kind;
use crate::delivery::coordination::{ShareRequest, SharedState};
use crate::delivery::eyes::{Sight, Specimen};
use crate::delivery::{
    Blindness, Claim, ClaimRequest, Claimed, Fault, Halt, LookUp, Note, OpenList, OutboxError, PauseReason,
    Proof, Pulse, Refused, Reply, RequestKind, Settle, Settled, Sighting, ThrottleReason, Watch,
};

/// One call of the API, or of the outbox for one row. What is heard under an old one is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// Whose it is: rows have as many seats as there may be requests in flight, the probe has one, and the
    /// list of open tickets the last.
    pub seat: usize,
    pub nth: u64,
}

// Each seat waits for one at most.
fingerprint! { struct RequestId { seat; outside nth } }

/// What has happened.
pub enum Event {
    /// Somebody asks for a clean end.
    Stop,
    /// HubSoft takes connections again, which it did not.
    Returned,
    /// Rows may have come that an earlier claim did not see.
    Woken,
    /// And what was to be stored with the claim, if anything was.
    Claimed(Vec<Settle>, Result<(Vec<Settled>, Claimed), OutboxError>),
    Recovered(Result<u64, OutboxError>),
    LookedAgain(Result<(), OutboxError>),
    PulledIn(Result<(), OutboxError>),
    /// By the settler, or of rows that were held.
    Settled(Kind, Vec<Settle>, Result<Vec<Settled>, OutboxError>),
    Shared(Result<Option<SharedState>, OutboxError>),
    /// A lote, for a row of it.
    Halted(RequestId, Result<(), OutboxError>),
    Sights(RequestId, Result<Vec<Sight>, OutboxError>),
    /// A sight, as far as that went.
    Kept(RequestId),
    Specimen(RequestId, Result<Option<Specimen>, OutboxError>),
    PostsAreLeft(RequestId, Result<bool, OutboxError>),
    /// The API is about to send, and asks for a slot.
    Asks(RequestId, RequestKind),
    Replied(RequestId, Answer),
}

/// What an API answered.
#[derive(Clone)]
pub enum Answer {
    Post(Reply<Proof>),
    Sighting(Reply<Sighting>),
    Probe(Reply<()>),
    OpenList(Reply<OpenList>),
}

/// What is to be done.
#[derive(Clone)]
pub enum Action {
    /// Storing these in the same commit.
    Claim(ClaimRequest, Vec<Settle>),
    Recover(Timestamp),
    LookAgain(Timestamp),
    PullIn(Timestamp),
    Settle(Kind, Vec<Settle>),
    Share(Box<ShareRequest>),
    Halt(RequestId, Arc<str>, Box<Halt>),
    Sights(RequestId),
    Keep(RequestId, Sight),
    Specimen {
        id: RequestId,
        text_len: usize,
        nth: u32,
    },
    PostsAreLeft(RequestId),
    /// Wait until rows may have come, or so long.
    Listen(Duration),
    Send(RequestId, Request),
    /// What it asked for may leave now.
    Grant(RequestId),
    /// It may not.
    Withhold(RequestId),
    /// Nobody waits for it any more.
    Abandon(RequestId),
    Tell(Told),
    /// The run is over.
    End,
}

/// A call of the API.
#[derive(Clone)]
pub enum Request {
    Post(Arc<Claim>),
    LookUp(LookUp),
    /// For a ticket that was opened since then.
    Verify(Arc<Claim>, Timestamp),
    FindOpen(Arc<Claim>),
    /// For the rows to come.
    OpenList,
    Probe,
}

/// What whoever looks on is told.
#[derive(Clone)]
pub enum Told {
    Settled(Vec<Settle>, Vec<Settled>),
    Refused(Vec<Refused>),
    Sending(RequestKind),
    Answered(RequestKind, &'static str, Duration),
    Throttled(Duration, Box<ThrottleReason>),
    Turned(Pulse),
    BreakerOpened(Option<Box<Fault>>),
    BreakerClosed,
    OutboxDown(Box<str>),
    OutboxUp,
    Stopping,
    Paused(Box<PauseReason>),
    Resumed,
    Halted(Box<Halt>),
    HaltOver,
    LoteHalted(Arc<str>, Box<Halt>),
    Recovered(u64),
    Blind(Blindness),
    Unproven,
    Unlisted(Option<Box<Fault>>),
}

impl Told {
    pub fn to(&self, watch: &impl Watch) {
        match self {
            Self::Settled(batch, became) => {
                for (settle, became) in settled(batch, became) {
                    watch.settled(settle, became);
                }
            }
            Self::Refused(all) => all.iter().for_each(|refused| watch.refused(refused)),
            Self::Sending(kind) => watch.sending(*kind),
            Self::Answered(kind, verdict, latency) => watch.answered(*kind, verdict, *latency),
            Self::Throttled(length, reason) => watch.throttled(*length, reason),
            Self::Turned(pulse) => watch.turned(pulse),
            Self::BreakerOpened(last) => watch.note(Note::BreakerOpened(last.as_deref())),
            Self::BreakerClosed => watch.note(Note::BreakerClosed),
            Self::OutboxDown(cause) => watch.note(Note::OutboxDown(cause)),
            Self::OutboxUp => watch.note(Note::OutboxUp),
            Self::Stopping => watch.note(Note::Stopping),
            Self::Paused(reason) => watch.note(Note::Paused(reason)),
            Self::Resumed => watch.note(Note::Resumed),
            Self::Halted(halt) => watch.note(Note::Halted(halt)),
            Self::HaltOver => watch.note(Note::HaltOver),
            Self::LoteHalted(lote, reason) => watch.note(Note::LoteHalted { lote, reason }),
            Self::Recovered(n_rows) => watch.note(Note::Recovered(*n_rows)),
            Self::Blind(why) => watch.note(Note::Blind(*why)),
            Self::Unproven => watch.note(Note::Unproven),
            Self::Unlisted(why) => watch.note(Note::Unlisted(why.as_deref())),
        }
    }
}

/// Those of a batch that became something.
pub fn settled<'b>(
    batch: &'b [Settle],
    became: &'b [Settled],
) -> impl Iterator<Item = (&'b Settle, Settled)> {
    batch.iter().zip(became.iter().copied()).filter(|(_, became)| *became != Settled::Locked)
}
