//! How a run behaves: the numbers behind the promise, and those that the operator chose.

use std::time::Duration;

use jiff::Timestamp;

use super::{Concurrency, Rate};

/// What a run may do, complete. [`Policy::default`] is the table of defaults in docs/cli.md.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The ceiling over all requests: posts, look-ups, logins, probes.
    pub rate: Rate,
    /// Requests in flight at once.
    pub concurrency: Concurrency,
    /// Certain outcomes a row may spend before it is `failed`, at least 1.
    pub max_attempts: u32,
    /// A retry waits for up to the first of these, doubling to the second, with full jitter.
    pub retry_first: Duration,
    pub retry_longest: Duration,
    /// How long after we stopped waiting a slow server may still commit.
    pub settle_delay: Duration,
    pub patience: Patience,
    pub guards: GuardLimits,
    /// How long a clean stop waits for what is in flight. Longer than the API's time-out.
    pub grace: Duration,
    pub open_tickets: OpenTickets,
    pub verify: Verify,
    pub lasting: Lasting,
    /// Others may add rows: how often to look when nothing is left. `None`: nobody does; only of a shared
    /// outbox rows may come back, for which it looks each second.
    pub poll: Option<Duration>,
    /// Seeds the jitter of retries.
    pub seed: u64,
}

/// How long a row may stay in doubt before it is `unconfirmed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Look-ups that HubSoft answered while the breaker was closed.
    pub n_answered: u32,
    pub age: Duration,
}

/// Of every run.
pub const PATIENCE: Patience = Patience { n_answered: 10, age: Duration::from_secs(24 * 3600) };

/// When a run that goes wrong as a whole stops as a whole.
#[derive(Clone, Copy, Debug)]
pub struct GuardLimits {
    /// So many rows go first, with nobody beside them; when all of them are refused alike, the run
    /// halts. 0 where lotes are to blame: a run that never ends has no first rows, and rows of one lote
    /// that go alone would hold up all others.
    pub n_alone: u32,
    /// So many refusals in a row with the same message halt the run, or their lote.
    pub same_refusals: u32,
    pub blame: Blame,
    /// So many different rows answered 403 in a row halt the run.
    pub forbidden_rows: u32,
    /// More rejected and failed rows than this halt the run.
    pub errors_max: Option<u64>,
    /// Not one answer within this time of the first try halts the run. `None`: keep trying.
    pub reach_within: Option<Duration>,
    /// Nothing but failures for so long halts the run. `None`: keep trying.
    pub unavailable_max: Option<Duration>,
    /// A pause of all workers that lasts so long halts the run. `None`: it waits until somebody resumes.
    pub paused_max: Option<Duration>,
    /// The time of day at which to stop.
    pub until: Option<Timestamp>,
}

/// What to do about tickets of the same service and type that are open already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenTickets {
    Ignore,
    /// `--skip-if-open`: look before every post, and skip the row if there is one.
    Skip,
}

/// Whether a row that was never sent from here may have been sent from elsewhere. Where it may, no absence is
/// believed of eyes that were shown to see nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    Never,
    /// `--verify-first` of an import or `reconcile`: rows that came in with a precaution are looked up, as
    /// they are anyway.
    Precautions,
    /// `--verify-first` of a worker: before every post look for the row's own ticket, and for one of the same
    /// service, type and text.
    First,
}

/// When a run ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// When nothing is left to do; or it halts, when it goes wrong as a whole.
    UntilDrained,
    /// Never: it waits for rows, for the outbox, and for what is wrong to be put right.
    Forever,
}

/// What the same refusal, again and again, stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The run: it has one file to send.
    Run,
    /// The lote whose rows are refused; the others go on.
    Lote,
}

/// What HubSoft documents that it bears of all who ask it together, beyond a burst of 200; what is more is
/// answered 429.
pub const HUBSOFT_RATE: Rate = Rate::PerSecond(20.0);

/// What an operator may set, where nobody does.
impl Policy {
    /// Half of [`HUBSOFT_RATE`]: others ask the same HubSoft.
    pub const RATE: Rate = Rate::PerSecond(10.0);
    pub const CONCURRENCY: Concurrency = Concurrency::Auto;
    pub const MAX_ATTEMPTS: u32 = 8;
    pub const SETTLE_DELAY: Duration = Duration::from_secs(120);
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rate: Self::RATE,
            concurrency: Self::CONCURRENCY,
            max_attempts: Self::MAX_ATTEMPTS,
            retry_first: Duration::from_secs(1),
            retry_longest: Duration::from_secs(60),
            settle_delay: Self::SETTLE_DELAY,
            patience: PATIENCE,
            guards: GuardLimits::default(),
            grace: Duration::from_secs(75),
            open_tickets: OpenTickets::Ignore,
            verify: Verify::Never,
            lasting: Lasting::UntilDrained,
            poll: None,
            seed: 0,
        }
    }
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            n_alone: 5,
            same_refusals: 20,
            blame: Blame::Run,
            forbidden_rows: 3,
            errors_max: None,
            reach_within: Some(Duration::from_secs(30)),
            unavailable_max: Some(Duration::from_secs(15 * 60)),
            paused_max: None,
            until: None,
        }
    }
}
