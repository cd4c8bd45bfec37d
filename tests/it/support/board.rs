//! What the workers of one outbox share, as the words of [`coordination`](mutirao::delivery::coordination)
//! have it: the model that a database has to match.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::allowance::FORGOTTEN_AFTER;
use mutirao::delivery::breaker::probe_wait;
use mutirao::delivery::coordination::{
    BLOCK, BLOCK_MAX, Holder, LEAD, LOGIN_EVERY, LOGINS_AT_ONCE, Lowered, Lowers, News, PROBER_LEASE, Prober,
    REFUSED_TOGETHER, Reachability, ShareRequest, SharedBreaker, SharedState, Slots, Throttled,
};
use mutirao::delivery::{PauseReason, Rate, ThrottleReason};

/// One worker's place on the board.
#[derive(Clone, Copy)]
pub struct Seat {
    pub rate: Rate,
    pub lease_until: Timestamp,
    pub n_renewals: i32,
    /// The server that it has told what it did last.
    pub server: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open,
    Trial,
}

/// The refusal that lowered the rate.
#[derive(Clone, Copy)]
struct Lowering {
    by: i64,
    at: Timestamp,
    pause: Duration,
    slot: Option<Duration>,
    n_taken: u32,
}

/// When it breaks the promise, and gives slots that somebody has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Doubles {
    Never,
    WhenSetBack,
    Always,
}

#[derive(Clone)]
pub struct Board {
    pub seats: BTreeMap<u64, Seat>,
    next_slot: Timestamp,
    next_login: Timestamp,
    throttle: Option<(Timestamp, ThrottleReason)>,
    n_pauses: i64,
    lowered: Option<Lowering>,
    /// What the clock showed last.
    seen: Timestamp,
    pub pause: Option<PauseReason>,
    phase: Phase,
    /// Who probes or tries, and when another may.
    holder: Option<u64>,
    free_at: Timestamp,
    n_probes: u32,
    pub doubles: Doubles,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            seats: BTreeMap::new(),
            next_slot: Timestamp::UNIX_EPOCH,
            next_login: Timestamp::UNIX_EPOCH,
            throttle: None,
            n_pauses: 0,
            lowered: None,
            seen: Timestamp::UNIX_EPOCH,
            pause: None,
            phase: Phase::Closed,
            holder: None,
            free_at: Timestamp::UNIX_EPOCH,
            n_probes: 0,
            doubles: Doubles::Never,
        }
    }
}

impl Board {
    pub fn share(&mut self, now: Timestamp, me: u64, own_rate: Rate, report: &ShareRequest) -> SharedState {
        self.see(now);
        if let (Some(lowered), Some(borne)) = (&mut self.lowered, report.borne)
            && lowered.by == borne.by
        {
            lowered.n_taken += borne.n_taken;
        }
        self.hear(now, me, &report.news);
        self.hold(now, me, report.prober);
        let login_in = report.wants_login.then(|| self.log_in(now)).flatten();
        let living = self.seats.iter().filter(|(id, seat)| **id != me && now < seat.lease_until);
        let slots = living.clone().filter_map(|(_, seat)| seat.rate.slot()).chain(own_rate.slot());
        let operators = slots.max();
        let borne = self.lowered.and_then(|lowered| match report.borne {
            Some(borne) if borne.by == lowered.by => borne.slot,
            _ => lowered.slot,
        });
        let slot = operators.max(borne);
        let n_workers = u32::try_from(living.count()).unwrap_or(u32::MAX) + 1;
        let (slots, free_in) = match slot {
            Some(slot) => self.give(now, slot, n_workers, report),
            None => (None, Duration::ZERO),
        };
        let holder = match self.holder {
            Some(it) if it == me => Holder::Me,
            Some(_) => Holder::Other,
            None => Holder::Nobody,
        };
        SharedState {
            now,
            rate: operators.map_or(Rate::Unlimited, |slot| Rate::PerSecond(1.0 / slot.as_secs_f64())),
            n_workers,
            slots,
            free_in,
            login_in,
            throttle: self.throttle.clone().map(|(until, reason)| Throttled {
                number: self.n_pauses,
                left: between(now, until),
                reason,
            }),
            lowered: self.lowered.map(|lowered| Lowered {
                by: lowered.by,
                ago: between(lowered.at, now),
                pause: lowered.pause,
                slot: lowered.slot,
                n_taken: lowered.n_taken,
            }),
            pause: self.pause.clone(),
            breaker: match self.phase {
                Phase::Closed => SharedBreaker::Closed,
                Phase::Open => SharedBreaker::Open(holder),
                Phase::Trial => SharedBreaker::Trial(holder),
            },
        }
    }

    /// When the clock was set back, all that is to come goes back with it.
    fn see(&mut self, now: Timestamp) {
        let back = between(now, self.seen);
        self.seen = now;
        self.next_slot -= back;
        if self.doubles == Doubles::WhenSetBack && !back.is_zero() {
            self.next_slot = now;
        }
        self.next_login -= back;
        self.free_at -= back;
        if let Some((until, _)) = &mut self.throttle {
            *until -= back;
        }
        self.throttle.take_if(|(until, _)| *until <= now);
        if let Some(lowered) = &mut self.lowered {
            lowered.at -= back;
        }
        self.lowered.take_if(|lowered| lowered.at + lowered.pause + FORGOTTEN_AFTER <= now);
    }

    fn hear(&mut self, now: Timestamp, me: u64, news: &News) {
        let held = self.holder == Some(me);
        if let Some((length, reason)) = &news.throttle {
            let until = now + *length;
            match &mut self.throttle {
                Some((known, _)) if until <= *known + REFUSED_TOGETHER => *known = until.max(*known),
                throttle => {
                    *throttle = Some((until, reason.clone()));
                    self.n_pauses += 1;
                    if let Some(Lowers { after, slot }) = news.lowers
                        && self.lowered.is_none_or(|lowered| Some(lowered.by) == after)
                    {
                        let (by, pause) = (self.n_pauses, *length);
                        self.lowered = Some(Lowering { by, at: now, pause, slot, n_taken: 0 });
                    }
                }
            }
        }
        if let Some(reason) = &news.pause {
            self.pause.get_or_insert(reason.clone());
        }
        match news.reachability {
            Some(Reachability::Unreachable) if self.phase == Phase::Closed || held => {
                self.phase = Phase::Open;
                self.holder = None;
                self.free_at = now + probe_wait(self.n_probes);
                self.n_probes += 1;
            }
            Some(Reachability::Answered) if self.phase == Phase::Open && held => self.phase = Phase::Trial,
            Some(Reachability::Proven) if self.phase == Phase::Trial && held => {
                self.phase = Phase::Closed;
                self.holder = None;
                self.n_probes = 0;
            }
            _ => {}
        }
        if news.returned && self.phase == Phase::Open && self.holder.is_none() {
            self.free_at = now;
        }
    }

    fn log_in(&mut self, now: Timestamp) -> Option<Duration> {
        let burst = LOGIN_EVERY * (LOGINS_AT_ONCE - 1);
        let used = self.next_login.min(now + burst + LOGIN_EVERY + LEAD).max(now);
        let free_in = between(now, used - burst);
        (free_in <= LEAD).then(|| {
            self.next_login = used + LOGIN_EVERY;
            free_in
        })
    }

    /// HubSoft has answered a probe of `id`, which is to try a post.
    pub fn hand_trial_to(&mut self, id: u64, now: Timestamp) {
        (self.phase, self.holder, self.free_at) = (Phase::Trial, Some(id), now + PROBER_LEASE);
    }

    fn hold(&mut self, now: Timestamp, me: u64, prober: Prober) {
        if self.phase == Phase::Closed {
            return;
        }
        let is_fit = match self.phase {
            Phase::Trial => prober == Prober::Ready,
            Phase::Open | Phase::Closed => prober != Prober::Unfit,
        };
        let was_mine = self.holder == Some(me);
        if !was_mine && now < self.free_at {
            return;
        }
        match is_fit {
            true => {
                self.holder = Some(me);
                self.free_at = now + PROBER_LEASE;
            }
            // Who has fallen silent has lost it, too.
            false => {
                self.holder = None;
                self.free_at = self.free_at.min(now);
            }
        }
    }

    fn give(
        &mut self,
        now: Timestamp,
        slot: Duration,
        n_workers: u32,
        report: &ShareRequest,
    ) -> (Option<Slots>, Duration) {
        // Further ahead lies only what a clock that was set has left.
        let ahead_max = now + LEAD + BLOCK_MAX.max(slot);
        let throttled = self.throttle.as_ref().map_or(now, |(until, _)| *until);
        self.next_slot = self.next_slot.min(ahead_max);
        let free = self.next_slot.max(now).max(throttled);
        let free_in = between(now, free);
        if report.slots == 0 || LEAD < free_in {
            return (None, free_in);
        }
        let share = (BLOCK + report.far).as_nanos() / slot.as_nanos() / u128::from(n_workers);
        let count = u32::try_from(share).unwrap_or(u32::MAX).max(1).min(report.slots);
        if self.doubles != Doubles::Always {
            self.next_slot = free + slot * count;
        }
        (Some(Slots { first_in: free_in, count, spacing: slot }), between(now, self.next_slot))
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}
