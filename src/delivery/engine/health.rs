//! What a run knows of HubSoft, and of itself as a whole: what may be sent, and what stops it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::slots::AHEAD;
use crate::delivery::breaker::{Breaker, Traffic};
use crate::delivery::coordination::{PROBER_LEASE, Prober};
use crate::delivery::decide::Looks;
use crate::delivery::guards::Guards;
use crate::delivery::{Halt, PauseReason, RowId};

/// Who might try a post for all is left so long to find a row for it.
const TRIAL_IDLE_MAX: Duration = Duration::from_secs(3);
const _: () = assert!(TRIAL_IDLE_MAX.as_nanos() < PROBER_LEASE.as_nanos());

#[derive(Clone)]
pub struct Health {
    pub breaker: Breaker,
    pub guards: Guards,
    /// Why a person, or a worker in need of one, paused everybody.
    pub pause: Option<PauseReason>,
    /// What is wrong with a run that never ends; the breaker is open until it works again.
    pub halted: Option<Halt>,
    /// The lote of the last post, if HubSoft neither opened nor refused its ticket.
    pub stumbled: Option<Arc<str>>,
    /// Rows that were answered 403 once and went back.
    pub denied: BTreeSet<RowId>,
    /// Whether whoever looks on was last told that the breaker is open.
    pub told_open: Option<bool>,
    /// HubSoft takes connections again. Heard after a probe that is under way: it may have come too early.
    pub has_returned: bool,
    /// Since when it might try a post for all, and has no row for it.
    idle_since: Option<Duration>,
}

fingerprint! {
    struct Health {
        breaker, guards, pause, halted, stumbled, denied, has_returned, idle_since; outside told_open
    }
}

impl Health {
    pub fn new(guards: Guards) -> Self {
        Self {
            breaker: Breaker::default(),
            guards,
            pause: None,
            halted: None,
            stumbled: None,
            denied: BTreeSet::new(),
            told_open: Some(false),
            has_returned: false,
            idle_since: None,
        }
    }

    /// Whether the breaker is open.
    pub fn is_dark(&self) -> bool {
        matches!(self.breaker.traffic(), Traffic::Nothing { .. })
    }

    /// How many more posts may be on their way.
    pub fn post_room(&self, n_live_posts: usize) -> usize {
        let most = match (self.breaker.traffic(), self.guards.alone_left()) {
            (Traffic::LookUps { .. } | Traffic::Nothing { .. }, _) => 0,
            (Traffic::OneTrial(_), _) => 1,
            (Traffic::All, Some(left)) => left as usize,
            (Traffic::All, None) => return usize::MAX,
        };
        most.saturating_sub(n_live_posts)
    }

    /// Whether an answered look-up costs patience. Once HubSoft answers again but there is no row
    /// left whose post could prove it, look-ups count, or the rest would wait for a day.
    pub fn looks(&self, n_live_posts: usize) -> Looks {
        match self.breaker.traffic() {
            Traffic::All | Traffic::LookUps { is_tried: false } => Looks::Count,
            Traffic::OneTrial(None) if n_live_posts == 0 => Looks::Count,
            Traffic::OneTrial(_) | Traffic::LookUps { is_tried: true } | Traffic::Nothing { .. } => {
                Looks::Free
            }
        }
    }

    /// When the next probe is due, if it is this run's.
    pub fn probe_at(&self) -> Option<Duration> {
        match self.breaker.traffic() {
            Traffic::Nothing { probe_at } if self.pause.is_none() => probe_at,
            _ => None,
        }
    }

    /// Whether this run can find out for all that HubSoft is back: with a post, only if it has a row for it.
    /// `is_barred`: what is due may not be sent now.
    pub fn prober(
        &mut self,
        now: Duration,
        next_slot: Duration,
        n_live_posts: usize,
        is_barred: bool,
    ) -> Prober {
        if self.halted.is_some() || self.pause.is_some() {
            return Prober::Unfit;
        }
        let was_idle = self.idle_since.take();
        match self.breaker.traffic() {
            // Where it is the pace that it waits for, others would wait too.
            Traffic::OneTrial(None) if n_live_posts == 0 && next_slot <= now + AHEAD => {
                let since = *self.idle_since.insert(was_idle.unwrap_or(now));
                if since + TRIAL_IDLE_MAX <= now { Prober::Postless } else { Prober::Ready }
            }
            // What is due and may not be sent now can only be a post.
            Traffic::LookUps { .. } if !is_barred => Prober::Postless,
            _ => Prober::Ready,
        }
    }
}
