//! What the workers of one outbox know together: whose slots are whose, throttles, the breaker, and
//! whether a person has paused everybody. Each tells its part and hears the rest in one call,
//! [`Outbox::share`](super::Outbox::share). An outbox of one process shares nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::{PauseReason, Rate, ThrottleReason};

/// Blocks of slots span this much time in all, divided among the living workers; each gets at least
/// one slot. Those of a worker that is far from its outbox ([`FAR`]) are longer.
pub const BLOCK: Duration = Duration::from_millis(500);

/// Slots are given out only so far ahead. So whatever lies further ahead than this and the longest block is
/// the work of a clock that was set, and may be pulled back without giving a slot twice.
pub const LEAD: Duration = Duration::from_secs(1);
const _: () = assert!(BLOCK.as_nanos() <= LEAD.as_nanos(), "a block has to fit");

/// A worker whose calls take so long is far from its outbox: its blocks are longer by that, because it can
/// ask for the next only once it has heard of one. What takes less comes in the second half of a block.
pub const FAR: Duration = Duration::from_millis(100);

/// A block is no longer than that of a worker so far away.
pub const FAR_MAX: Duration = Duration::from_secs(2);
const _: () = assert!(2 * FAR.as_nanos() < BLOCK.as_nanos(), "half a block is enough for whoever is near");
const _: () = assert!(FAR_MAX.as_nanos() / 2 <= LEAD.as_nanos(), "what it asks for in time is near enough");

/// The longest block. Nothing but the work of a clock that was set lies further ahead than [`LEAD`] and this.
pub const BLOCK_MAX: Duration = BLOCK.saturating_add(FAR_MAX);

/// So many logins of all workers may follow each other at once, and then one more each so often: 25 in any
/// minute, also if each is sent seven seconds after its time.
///
/// Source: HubSoft documents 30 logins a minute with a burst of 20, for a tenant; people and other programs
/// log in, too.
pub const LOGINS_AT_ONCE: u32 = 9;
pub const LOGIN_EVERY: Duration = Duration::from_secs(4);
const _: () = assert!(LOGINS_AT_ONCE as u64 + (60 + 7) / LOGIN_EVERY.as_secs() <= 25);

/// Who probes or tries keeps doing so as long as it shares; silent for so long, it is replaced.
pub const PROBER_LEASE: Duration = Duration::from_secs(10);

/// Pauses that end no further apart are one: those who were refused together tell of it.
pub const REFUSED_TOGETHER: Duration = Duration::from_secs(1);

/// What one worker says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShareRequest {
    /// How many slots it has use for, beyond those that it has. 0: none.
    pub slots: u32,
    /// How long a call takes there and back, if it is far from its outbox: from [`FAR`] to [`FAR_MAX`], else
    /// zero. A block is longer by that.
    pub far: Duration,
    /// How many requests of its rows may be under way.
    pub at_once: usize,
    /// Whether it waits to log in.
    pub wants_login: bool,
    /// What it knows of the refusal that lowered the rate of all; `None`: it knows of none.
    pub borne: Option<Borne>,
    pub news: News,
    pub prober: Prober,
}

/// What HubSoft bears now, as a worker has it that knows of the last refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Borne {
    /// The number of that refusal's throttle. Of another it tells nothing.
    pub by: i64,
    /// Between two slots of all workers, at least; `None`: it does not say.
    pub slot: Option<Duration>,
    /// Slots that this worker took, and has not told yet.
    pub n_taken: u32,
}

/// What one worker found out and all must know. Told again when the answer to a call was lost: all of
/// it may be told twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct News {
    /// HubSoft refused: nothing is sent for so long, for this reason. A longer throttle that stands is not
    /// shortened.
    pub throttle: Option<(Duration, ThrottleReason)>,
    /// That was because it is too fast. Counts along with a throttle that does not stand already, since those
    /// who were refused together lower the rate once; and while no other refusal stands than the one that was
    /// known by then: told late, or twice, it does not undo what was found since.
    pub lowers: Option<Lowers>,
    pub reachability: Option<Reachability>,
    /// HubSoft takes connections again, which it did not: while the breaker is open, the next probe is due
    /// now, unless one is on its way.
    pub returned: bool,
    /// Something is wrong that only a person can clear: everybody pauses, as by `mutirao pause`.
    pub pause: Option<PauseReason>,
}

/// What HubSoft was found to bear by a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lowers {
    /// The number of the refusal that was known before; `None`: of none.
    pub after: Option<i64>,
    /// Between two slots of all workers; `None`: that does not show yet.
    pub slot: Option<Duration>,
}

/// Whether HubSoft works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reachability {
    /// It is out of reach. Opens the breaker; from who probes or tries: keeps it open, and the next
    /// probe comes later.
    Unreachable,
    /// A probe was answered. Counts from who probes: the same worker now tries one post.
    Answered,
    /// The trial opened a ticket. Counts from who tries: the breaker closes.
    Proven,
}

fingerprint!(plain News);

impl News {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is newer stands above what it was.
    pub fn add(&mut self, newer: Self) {
        self.throttle = newer.throttle.or(self.throttle.take());
        self.lowers = newer.lowers.or(self.lowers);
        self.reachability = newer.reachability.or(self.reachability);
        self.returned |= newer.returned;
        self.pause = newer.pause.or(self.pause.take());
    }
}

impl From<Reachability> for News {
    fn from(reachability: Reachability) -> Self {
        Self { reachability: Some(reachability), ..Self::default() }
    }
}

/// Whether a worker can find out for all that HubSoft is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prober {
    Ready,
    /// It has no row to post: it may probe, and a trial goes to another.
    Postless,
    /// Something is wrong with itself (its login, say): what it holds goes to another.
    Unfit,
}

/// What one worker hears.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedState {
    /// The time of day at the outbox, at which all the rest was so.
    pub now: Timestamp,
    /// The lowest rate of the living workers, its own among them; slots may be further apart (`lowered`).
    pub rate: Rate,
    /// Living workers, itself among them; at least 1.
    pub n_workers: u32,
    /// What it got of the slots it asked for.
    pub slots: Option<Slots>,
    /// From `now` to the first slot that nobody has; zero if it has passed.
    pub free_in: Duration,
    /// From `now` to the login that it waits for, at most [`LEAD`]; `None`: none is free, or it waits for
    /// none.
    pub login_in: Option<Duration>,
    /// The throttle in force.
    pub throttle: Option<Throttled>,
    /// The last refusal that lowered the rate, for [`FORGOTTEN_AFTER`](super::allowance::FORGOTTEN_AFTER).
    pub lowered: Option<Lowered>,
    /// Why a person, or a worker in need of one, has paused everybody.
    pub pause: Option<PauseReason>,
    pub breaker: SharedBreaker,
}

/// A throttle of all workers, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttled {
    /// Another throttle has another number, whatever the clocks say. Those who were refused together make
    /// one.
    pub number: i64,
    /// From [`SharedState::now`] to its end.
    pub left: Duration,
    pub reason: ThrottleReason,
}

/// A refusal that lowered the rate of all workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lowered {
    /// The number of its throttle.
    pub by: i64,
    /// From it to [`SharedState::now`].
    pub ago: Duration,
    /// How long its throttle was to last.
    pub pause: Duration,
    /// Between two slots from then on; `None`: what that is to be does not show yet.
    pub slot: Option<Duration>,
    /// Slots that were taken since, as far as all have told.
    pub n_taken: u32,
}

/// A block of slots at even distances. Those not used in their time are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// From [`SharedState::now`] to the first.
    pub first_in: Duration,
    /// At least 1.
    pub count: u32,
    pub spacing: Duration,
}

/// The breaker of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedBreaker {
    Closed,
    /// Nothing is sent but probes, by their holder. Held by this worker only once a probe is due.
    Open(Holder),
    /// Look-ups go on, and the holder tries one post.
    Trial(Holder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Me,
    Other,
    /// Nobody yet, or whoever held it had no use for it.
    Nobody,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_newer_stands_above_what_was_told_and_takes_nothing_back() {
        let throttle = |s| Some((Duration::from_secs(s), ThrottleReason::Said(String::new())));
        let lowers = |after| Some(Lowers { after: Some(after), slot: None });
        let all = |n: u64, reachability, returned| News {
            throttle: throttle(n),
            lowers: lowers(n as i64),
            reachability: Some(reachability),
            returned,
            pause: Some(PauseReason::Said(n.to_string())),
        };
        let (old, new) = (all(1, Reachability::Unreachable, true), all(2, Reachability::Proven, false));
        let added = |mut to: News, newer: &News| {
            to.add(newer.clone());
            to
        };
        let nothing = News::default;
        assert_eq!(added(old.clone(), &new), News { returned: true, ..new.clone() });
        assert_eq!(added(old.clone(), &nothing()), old);
        assert_eq!(added(nothing(), &old), old);
        assert!(nothing().is_empty());
        let answered = News::from(Reachability::Answered);
        assert_eq!(answered, News { reachability: Some(Reachability::Answered), ..nothing() });
        for one in [
            News { throttle: throttle(1), ..nothing() },
            News { lowers: lowers(1), ..nothing() },
            answered,
            News { returned: true, ..nothing() },
            News { pause: old.pause.clone(), ..nothing() },
        ] {
            assert!(!one.is_empty(), "{one:?}");
            assert_eq!(added(one.clone(), &nothing()), one);
            assert_eq!(added(nothing(), &one), one);
        }
    }
}
