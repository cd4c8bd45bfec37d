//! What the engine needs from the world: rows ([`Outbox`]), HubSoft ([`Api`]) and the time of day
//! ([`Clock`]). Durations are measured with tokio's clock, which a test can make virtual.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::coordination::{ShareRequest, SharedState};
use super::eyes::{Sight, Specimen};
use super::{Beside, Claim, Fault, Halt, OpenList, OpenedTicket, Refused, Settle, Settled, Warning};
use crate::delivery::identity::Marker;
use crate::ticket::{Id, Ticket};

/// The clocks that tokio does not have.
#[cfg_attr(feature = "inside", expect(async_fn_in_trait, reason = "as the outbox"))]
pub trait Clock {
    /// The time of day. It may be set at any moment, so a run looks at it once and goes on by
    /// [`awake`](Self::awake).
    fn now(&self) -> Timestamp;

    /// Time since some fixed point, which nobody sets, and which goes on while the machine sleeps. By it
    /// a run measures its waits, and a sender sees that it slept between the claim and the post.
    fn awake(&self) -> Duration;

    /// Waits until `at`, by tokio's clock. Called by one at a time.
    async fn sleep_until(&self, at: Instant) {
        sleep_until(at).await;
    }
}

/// Where rows come from and outcomes go back to. The conformance suite in `tests/` holds every
/// driver to these rules.
#[cfg_attr(
    feature = "inside",
    expect(async_fn_in_trait, reason = "the engine is one task; nothing here crosses threads")
)]
pub trait Outbox {
    /// Claims due rows, in order of priority, then due time, then id, or (rows to post) in the reverse of it.
    ///
    /// In one transaction: each candidate is validated (an invalid one becomes `invalid`, never
    /// having been possibly sent), each valid one becomes `in_flight` with its token raised and
    /// `sent_at` set unless it is set. Durable on return. Never two live rows of one
    /// `id_cliente_servico`, neither within the claim nor with rows live already (`in_flight`,
    /// in doubt, or `unconfirmed`); rows that wait for such a turn are passed over at no write.
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError>;

    /// Writes outcomes, in one durable commit. Answers in the order of `settles`.
    ///
    /// Idempotent: a settle repeated after a lost commit answer gives [`Settled::Written`] again.
    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError>;

    /// Both, outcomes first: in one durable commit, if the driver can. After an error each may have been done
    /// or not.
    async fn settle_and_claim(
        &self,
        settles: &[Settle],
        want: ClaimRequest,
    ) -> Result<(Vec<Settled>, Claimed), OutboxError> {
        let settled = self.settle(settles).await?;
        Ok((settled, self.claim(want).await?))
    }

    /// Takes in what is `in_flight` with nobody holding it: each such row becomes `pending` and in
    /// doubt since `now` (a claimed look-up keeps its older doubt). Returns how many. Called while the
    /// run holds no row: before its first claim, and after a claim whose answer was lost.
    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError>;

    /// Makes each `unconfirmed` row in scope due for a look-up, with new patience; its doubt is no mere
    /// precaution any more. A scope that is only looked up (`reconcile`) has its rows in doubt due as well.
    /// Called once, before the first claim of a run.
    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError>;

    /// No row that the engine gave back waits for longer than [`WAIT_MAX`] from `now` on: what is due later
    /// was stamped by a clock that was set back since, and is due at once. Called before the first claim of a
    /// run, and when a shared outbox's clock was set back. A database that failed over may lack what that
    /// did: then the outbox does it again by itself.
    async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError>;

    /// What `who` (see [`Api::who`]) has seen, as [`saw`](Self::saw) was told: at most a hundred sights, the
    /// longest texts first.
    async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError>;

    /// Keeps a sight, in the place of those that it outdoes. It need not be durable.
    async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError>;

    /// The `nth` row (from 0) of those opened last whose text has at least so many characters, of whatever
    /// scope; `None`: there are not so many among the last few thousand.
    async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError>;

    /// Whether a row of the scope may be opened yet: one that waits to be posted, due or not, of a service
    /// that nobody is in doubt about; or one that is in flight, here or elsewhere, to be posted.
    async fn posts_are_left(&self) -> Result<bool, OutboxError>;

    /// From now on no row of `lote` is posted, because HubSoft refuses all of them alike; look-ups go on. Its
    /// rows are passed over at no write until a person has put it right. May be told twice: the first reason
    /// stands.
    async fn halt(&self, lote: &str, reason: &Halt) -> Result<(), OutboxError>;

    /// Tells the other workers of this outbox what this one knows, and hears what stands for all.
    /// One call, at most every 200 ms while a rate is shared, about every second otherwise, and at
    /// once when there is news. `None`: nobody shares this outbox.
    ///
    /// Slots are given out once, evenly spaced at the lowest rate of the living workers, in blocks of
    /// [`BLOCK`](super::coordination::BLOCK) divided among them (longer for who is far,
    /// [`ShareRequest::far`]), and at most [`LEAD`](super::coordination::LEAD) ahead. A probe or a trial is
    /// held by one worker at a time, which loses it when it is silent for
    /// [`PROBER_LEASE`](super::coordination::PROBER_LEASE).
    async fn share(&self, report: &ShareRequest) -> Result<Option<SharedState>, OutboxError> {
        let _ = report;
        Ok(None)
    }

    /// Waits until rows may have come that an earlier claim did not see: someone says so, or it is
    /// time to look; by itself after about `poll`. Dropping the wait loses nothing.
    async fn woken(&self, poll: Duration) {
        sleep(poll).await;
    }
}

/// The engine puts a row off for at most so long.
///
/// Source: longer than the longest throttle, and everything else is shorter.
pub const WAIT_MAX: Duration = Duration::from_secs(20 * 60);
const _: () = assert!(RETRY_AFTER_MAX.as_nanos() < WAIT_MAX.as_nanos());

/// The longest throttle that HubSoft may ask for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// How old a claim may be when its request is made. A sender that slept longer (a suspended laptop, a stopped
/// process) gives it back. A worker whose lease would end earlier claims nothing, so that nothing is sent
/// after a lease has ended.
pub const CLAIM_AGE_MAX: Duration = Duration::from_secs(45);

/// Nobody waits for the answer to a post for longer than so after it was claimed, nor after the lease under
/// which it was. What is said to lie further ahead was stamped by a clock that was set since.
pub const ANSWER_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// How many rows to claim, and of what kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    pub now: Timestamp,
    /// At most so many rows to post (those without a doubt).
    pub posts: usize,
    /// At most so many rows to look up.
    pub look_ups: usize,
    /// Of rows to post.
    pub end: End,
}

/// From which end of the queue rows are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Front,
    /// In the reverse of the usual order.
    Back,
    /// Neither: from about so many [`THOUSANDTHS`] of the way from front to back, in the usual order.
    Between(u16),
}

/// The whole way from one end of the queue to the other.
pub const THOUSANDTHS: u16 = 1000;

#[derive(Clone, Default)]
pub struct Claimed {
    pub claims: Vec<Claim>,
    pub refused: Vec<Refused>,
    pub backlog: Backlog,
    /// More rows to post were not asked for at once, because claims take long: fewer are no sign that there
    /// are no more.
    pub posts_max: Option<usize>,
    /// Rows that are due, of which the outbox says that they cannot be claimed.
    pub n_passed_over: u64,
}

/// What is left to do in scope after a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Rows `pending` in scope that this claim left, capped at 1 (is there anything at all?),
    /// blocked ones included.
    pub pending: bool,
    /// When the next row that nobody blocks falls due; in the past if one is due now but was not
    /// wanted. `None`: every pending row waits behind a live row of its service, or none is left.
    pub next_due: Option<Timestamp>,
    /// Whether another worker has rows of this scope in flight: they may come back.
    pub elsewhere: bool,
}

/// Why an outbox did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// No space is left; what was written before stands.
    #[error("{}", tr!("no space is left for the outbox"))]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It may work again later by itself.
    #[error("{}", tr!("the outbox did not answer"))]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Whoever asks lacks a right, which the outbox's owner can give.
    #[error("{}", tr!("the outbox does not allow it"))]
    Denied(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Retrying will not help: damaged, or not ours.
    #[error("{}", tr!("the outbox cannot be used"))]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// HubSoft. Every request it makes first takes a slot from `gate`, logins included.
#[cfg_attr(feature = "inside", expect(async_fn_in_trait, reason = "as above"))]
pub trait Api {
    /// Opens the ticket, with the marker at the end of its `descricao`.
    async fn open(&self, ticket: &Ticket, marker: Marker, gate: &impl Gate) -> Reply;

    /// Looks for the ticket of a possibly-sent row.
    async fn look_up(&self, what: &LookUp, gate: &impl Gate) -> Reply<Sighting>;

    /// Looks for the ticket of a row that was never sent from here: its own, or one of the same service, type
    /// and text that somebody opened lately (`--verify-first`).
    async fn verify(&self, what: &Verification<'_>, gate: &impl Gate) -> Reply<Sighting>;

    /// Looks for a pending ticket of the same service and type (`--skip-if-open`).
    async fn find_open(&self, ticket: &Ticket, gate: &impl Gate) -> Reply<Sighting>;

    /// All tickets that are open. Requests that follow one another, a page each.
    async fn open_list(&self, gate: &impl Gate) -> Reply<OpenList>;

    /// Which user this is, at which HubSoft: the same for the same, without a secret.
    fn who(&self) -> String;

    /// Something harmless, to see whether HubSoft is back.
    async fn probe(&self, gate: &impl Gate) -> Reply<()>;
}

/// Lets requests through, evenly spaced.
#[cfg_attr(feature = "inside", expect(async_fn_in_trait, reason = "as above"))]
pub trait Gate {
    /// Waits for the next slot. `Err`: the run stops, or everybody waits for long; send nothing.
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    Post,
    LookUp,
    Login,
    Probe,
}

/// The gate is closed: nothing was sent and nothing may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    pub service: Id,
    pub marker: Marker,
    /// When the earliest post that may have left something was claimed. A full page whose oldest
    /// ticket is younger proves nothing. `None`: nobody knows.
    pub sent_at: Option<Timestamp>,
}

/// A ticket that may have been opened from elsewhere.
#[derive(Clone, Copy)]
pub struct Verification<'a> {
    pub ticket: &'a Ticket,
    pub marker: Marker,
    /// By HubSoft's clock: one that was opened before is another outage's.
    pub opened_since: Timestamp,
}

/// An answer, or the lack of one, with what the reports and the pace want to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<T = Proof> {
    pub verdict: Verdict<T>,
    pub http_status: Option<u16>,
    /// From the slot to the end of the body. Zero if nothing was sent.
    pub latency: Duration,
    /// `Retry-After`, in both its forms, capped at [`RETRY_AFTER_MAX`].
    pub retry_after: Option<Duration>,
    /// What HubSoft's clock showed, to the second: the answer's `Date`.
    pub date: Option<Timestamp>,
}

impl<T> Reply<T> {
    /// The same answer, read otherwise.
    pub fn map<U>(self, read: impl FnOnce(Verdict<T>) -> Verdict<U>) -> Reply<U> {
        let Self { verdict, http_status, latency, retry_after, date } = self;
        Reply { verdict: read(verdict), http_status, latency, retry_after, date }
    }
}

/// What an answer proves. The variants differ by what is known to exist on the server.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Verdict<T = Proof> {
    /// It answered what was asked.
    Answered(T),
    /// No ticket exists, and the same request would be refused again.
    Rejected(Fault),
    /// The request may have been carried out: look up before anything else.
    Unknown(Fault),
    /// The same, and HubSoft itself failed over this very request (500, or an exception in whatever answer):
    /// it is there.
    Stumbled(Fault),
    /// Could not connect: nothing was sent. Counts for the breaker.
    NotSent(Fault),
    /// 429: turned away unread.
    Throttled,
    /// 401 with a token that cannot be renewed, or login refused: halt.
    Unauthorized(Fault),
    /// Login is out of reach (its 5xx, its time-out): nothing was sent for the row.
    LoginUnavailable(Fault),
    /// 403.
    Forbidden(Fault),
    /// 404, 405 on the route: halt.
    Misconfigured(Fault),
    /// The gate was closed before anything was sent.
    Withheld,
}

impl<T> Verdict<T> {
    /// For the history and for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Rejected(_) => "rejected",
            Self::Unknown(_) | Self::Stumbled(_) => "unknown",
            Self::NotSent(_) => "not_sent",
            Self::Throttled => "throttled",
            Self::Unauthorized(_) => "unauthorized",
            Self::LoginUnavailable(_) => "login_unavailable",
            Self::Forbidden(_) => "forbidden",
            Self::Misconfigured(_) => "misconfigured",
            Self::Withheld => "withheld",
        }
    }

    /// What is wrong, where something is.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Rejected(fault)
            | Self::Unknown(fault)
            | Self::Stumbled(fault)
            | Self::NotSent(fault)
            | Self::Unauthorized(fault)
            | Self::LoginUnavailable(fault)
            | Self::Forbidden(fault)
            | Self::Misconfigured(fault) => Some(fault),
            Self::Answered(_) | Self::Throttled | Self::Withheld => None,
        }
    }

    /// Why nothing goes forward with this answer.
    pub fn trouble(&self) -> Option<Fault> {
        match self {
            Self::Throttled => Some(Fault::http(429)),
            _ => self.fault().cloned(),
        }
    }
}

/// A ticket was opened by this very request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub opening: OpenedTicket,
    /// Whether the marker came back in `descricao_abertura`. `None`: no such field in the answer.
    pub marker_echoed: Option<bool>,
    /// What differs from what was asked for, and can be put right: `wrong_type`, `without_os`.
    pub warnings: Vec<Warning>,
    /// Why it may not be what was asked for at all: `wrong_service`, `success_with_errors`.
    pub conflict: Option<Fault>,
}

fingerprint! { struct Proof { opening, marker_echoed, warnings, conflict } }

/// What a look-up saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// The first (oldest) ticket that carries the marker; `others` carry it too.
    Found {
        opening: OpenedTicket,
        others: Vec<OpenedTicket>,
        beside: Vec<Beside>,
        /// Why it may not be the row's: `wrong_service`.
        conflict: Option<Fault>,
    },
    /// None that is the row's own, but one that makes it needless.
    AlreadyOpen {
        opening: OpenedTicket,
    },
    /// None that makes the row needless, but these.
    Beside(Vec<Beside>),
    NotFound,
    CouldNotTell(Fault),
}

fingerprint! {
    enum Sighting {
        Found { opening, others, beside, conflict }, AlreadyOpen { opening }, Beside(beside), NotFound,
        CouldNotTell(fault)
    }
}
