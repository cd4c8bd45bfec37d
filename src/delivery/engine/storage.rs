//! The outbox as a run sees it: which kinds of calls are under way, which fail, and the outcomes that wait to
//! be stored.

use std::collections::VecDeque;
use std::time::Duration;

use super::call::Call;
use super::times::Moment;
use crate::delivery::{ClaimRequest, Settle};

/// What the outbox is asked for. One kind of call that works says nothing of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Whatever comes before the first claim.
    Opening,
    Claims,
    Recoveries,
    PullIns,
    Settles,
    /// Settles of rows that were held.
    StuckSettles,
    Shares,
}

fingerprint!(plain Kind);

const N_KINDS: usize = Kind::Shares as usize + 1;

/// The feeder's calls: one at a time, and while one rests none of the others is made.
const OF_THE_FEEDER: [Kind; 3] = [Kind::Claims, Kind::Recoveries, Kind::PullIns];

#[derive(Clone)]
pub struct Storage {
    calls: [Call; N_KINDS],
    pub outgoing: VecDeque<Settle>,
    /// Outcomes of rows that somebody holds. They wait beside the others.
    pub stuck: Vec<Settle>,
    /// Since when the first of them waits.
    pub waits_since: Option<Duration>,
    /// A batch that the outbox did not take.
    pub untaken: Option<Vec<Settle>>,
    /// When those that are stuck are tried again.
    pub stuck_until: Option<Duration>,
    /// The claim under way.
    pub claiming: Option<Claiming>,
    /// Whether the answer to a claim was lost: its rows may be in flight with nobody holding them.
    pub claims_lost: bool,
    /// The outbox's clock was set back: what it has stamped may lie far ahead.
    pub was_set_back: bool,
    /// When the last claim began.
    pub claimed_at: Duration,
    /// How long claims take: as the longest of late.
    pub claims_take: Duration,
}

fingerprint! {
    struct Storage {
        calls, outgoing, stuck, waits_since, untaken, stuck_until, claiming, claims_lost, was_set_back,
        claimed_at;
        lengths claims_take
    }
}

/// What a claim was asked for, and how things stood.
#[derive(Clone, Copy)]
pub struct Claiming {
    pub want: ClaimRequest,
    /// Before it was asked: the outbox saw then that the lease lasts, and an answer may come late.
    pub asked: Moment,
    pub n_changes: u64,
    /// Outcomes are stored with it.
    pub carries: bool,
}

fingerprint! { struct Claiming { want, asked, carries; outside n_changes } }

impl Storage {
    pub fn new() -> Self {
        Self {
            calls: [Call::default(); N_KINDS],
            outgoing: VecDeque::new(),
            stuck: Vec::new(),
            waits_since: None,
            untaken: None,
            stuck_until: None,
            claiming: None,
            claims_lost: false,
            was_set_back: false,
            claimed_at: Duration::ZERO,
            claims_take: Duration::ZERO,
        }
    }

    pub fn call(&self, kind: Kind) -> &Call {
        &self.calls[kind as usize]
    }

    pub fn call_mut(&mut self, kind: Kind) -> &mut Call {
        &mut self.calls[kind as usize]
    }

    /// Whether it does not do as asked.
    pub fn is_down(&self) -> bool {
        self.calls.iter().any(Call::is_failing)
    }

    pub fn settles_fail(&self) -> bool {
        self.call(Kind::Settles).is_failing() || self.call(Kind::StuckSettles).is_failing()
    }

    /// A claim took so long.
    pub fn claim_took(&mut self, long: Duration) {
        self.claims_take = long.max(self.claims_take * 7 / 8);
    }

    /// Whether outcomes are being stored, by a call of their own or with a claim.
    pub fn is_settling(&self) -> bool {
        self.call(Kind::Settles).is_running() || self.claiming.is_some_and(|claiming| claiming.carries)
    }

    /// Whether a call of the feeder is under way.
    pub fn is_feeding(&self) -> bool {
        OF_THE_FEEDER.iter().any(|kind| self.call(*kind).is_running())
    }

    /// Until when the feeder rests, because a call of it failed.
    pub fn feeder_rests_until(&self, now: Duration) -> Option<Duration> {
        OF_THE_FEEDER.iter().filter_map(|kind| self.call(*kind).rests_until(now)).max()
    }
}
