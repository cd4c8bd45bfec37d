//! What all workers know together: one row, `mutirao.pace`, read and written by one statement on the
//! database's clock. It waits for its turn at the row, and holds it for no longer than it runs.

use std::time::Duration;

use jiff::Timestamp;

use super::error::{Trouble, unreadable};
use super::lease::Worker;
use super::values::{owned_text, text};
use crate::delivery::allowance::FORGOTTEN_AFTER;
use crate::delivery::breaker::{PROBE_DOUBLINGS_MAX, PROBE_FIRST, PROBE_LONGEST};
use crate::delivery::coordination::{
    BLOCK, BLOCK_MAX, FAR_MAX, Holder, LEAD, LOGIN_EVERY, LOGINS_AT_ONCE, Lowered, PROBER_LEASE, Prober,
    REFUSED_TOGETHER, Reachability, ShareRequest, SharedBreaker, SharedState, Slots, Throttled,
};
use crate::delivery::{OutboxError, RETRY_AFTER_MAX, Rate};
use crate::outbox::causes;

/// In the order of the columns; times in microseconds.
/// Of a reason its words and its cause.
type Answer = (
    i64,            // now
    Option<f64>,    // rate
    i32,            // workers
    i32,            // slots given
    i64,            // to the first of them, or to the first free one
    Option<i64>,    // between two slots
    Option<i64>,    // what is left of the throttle
    Option<String>, // why
    Option<String>,
    i64,            // its number
    Option<String>, // why all are stopped
    Option<String>,
    String,       // breaker
    Option<bool>, // held by this worker; nobody holds it
    Option<i64>,  // to its login
    // The refusal that lowered the rate: number, seconds since, seconds of its pause, rate, slots since.
    Option<Vec<Option<f64>>>,
);

impl Worker {
    /// Tells what this worker knows, and hears what stands for all.
    pub(super) async fn share(&self, request: &ShareRequest) -> Result<SharedState, OutboxError> {
        self.tell_at_once(request.at_once);
        let throttle = request.news.throttle.as_ref();
        let reachability = request.news.reachability.map(|reachability| match reachability {
            Reachability::Unreachable => "unreachable",
            Reachability::Answered => "answered",
            Reachability::Proven => "proven",
        });
        let rate = match self.rate() {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Unlimited => None,
        };
        // An interval has no nanoseconds.
        let far = Duration::from_micros(u64::try_from(request.far.min(FAR_MAX).as_micros()).unwrap_or(0));
        let asked = sqlx::query_as(include_str!("share.sql"))
            .bind(self.id())
            .bind(rate)
            .bind(i32::try_from(request.slots).unwrap_or(i32::MAX))
            .bind(throttle.map(|(length, _)| length.as_secs_f64()))
            .bind(throttle.map(|(_, reason)| owned_text(crate::text::throttle(reason))))
            .bind(reachability)
            .bind(request.news.pause.as_ref().map(|pause| owned_text(crate::text::pause(pause))))
            .bind(request.prober != Prober::Unfit)
            .bind(request.news.returned)
            .bind(request.prober == Prober::Ready)
            .bind(request.wants_login)
            .bind(LEAD)
            .bind(BLOCK + far)
            .bind(LOGIN_EVERY)
            .bind(LOGIN_EVERY * (LOGINS_AT_ONCE - 1))
            .bind(RETRY_AFTER_MAX)
            .bind(PROBE_FIRST)
            .bind(PROBE_LONGEST)
            .bind(i32::try_from(PROBE_DOUBLINGS_MAX).unwrap_or(i32::MAX))
            .bind(PROBER_LEASE)
            .bind(REFUSED_TOGETHER)
            .bind(throttle.and_then(|(_, reason)| causes::of_throttle(reason, text)))
            .bind(request.news.pause.as_ref().and_then(|reason| causes::of_pause(reason, text)))
            .bind(BLOCK_MAX)
            .bind(request.borne.map_or(0, |borne| i64::from(borne.n_taken)))
            .bind(request.borne.map(|borne| borne.by))
            .bind(request.borne.and_then(|borne| per_s(borne.slot)))
            .bind(request.news.lowers.is_some())
            .bind(request.news.lowers.and_then(|lowers| per_s(lowers.slot)))
            .bind(FORGOTTEN_AFTER)
            .bind(request.news.lowers.and_then(|lowers| lowers.after));
        shared(self.outbox().alone(async |conn| asked.fetch_one(conn).await.trouble()).await?)
    }
}

fn per_s(slot: Option<Duration>) -> Option<f64> {
    slot.filter(|slot| !slot.is_zero()).map(|slot| 1.0 / slot.as_secs_f64())
}

/// Of the columns that tell of the refusal which lowered the rate, each of which may be NULL.
pub(super) fn lowered(answer: &[Option<f64>]) -> Result<Lowered, OutboxError> {
    let &[Some(by), Some(ago), Some(pause), rate, Some(n_taken)] = answer else {
        return Err(unreadable("pace.lowered"));
    };
    let secs = |n: f64| Duration::try_from_secs_f64(n).unwrap_or_default();
    Ok(Lowered {
        by: by as i64,
        ago: secs(ago),
        pause: secs(pause),
        slot: rate.map(|rate| secs(1.0 / rate)),
        n_taken: n_taken as u32,
    })
}

fn shared(answer: Answer) -> Result<SharedState, OutboxError> {
    let (
        now,
        rate,
        n_workers,
        n_slots,
        first_in,
        slot,
        throttle,
        reason,
        cause,
        number,
        pause,
        pause_cause,
        breaker,
        is_mine,
        login_in,
        refusal,
    ) = answer;
    let micros = |n: i64| Duration::from_micros(u64::try_from(n).unwrap_or(0));
    let first_in = micros(first_in);
    let slots = match (u32::try_from(n_slots), slot) {
        (Ok(count @ 1..), Some(slot)) => Some(Slots { first_in, count, spacing: micros(slot) }),
        _ => None,
    };
    let holder = match is_mine {
        Some(true) => Holder::Me,
        Some(false) => Holder::Other,
        None => Holder::Nobody,
    };
    Ok(SharedState {
        now: Timestamp::from_microsecond(now).map_err(|_| unreadable("the time"))?,
        rate: rate.map_or(Rate::Unlimited, Rate::PerSecond),
        n_workers: u32::try_from(n_workers).unwrap_or(1),
        free_in: slots.map_or(first_in, |slots| slots.first_in + slots.spacing * slots.count),
        slots,
        throttle: throttle.map(|left| Throttled {
            number,
            left: micros(left),
            reason: causes::throttle(cause.as_deref(), reason.unwrap_or_default()),
        }),
        lowered: refusal.as_deref().map(lowered).transpose()?,
        pause: pause.map(|words| causes::pause(pause_cause.as_deref(), words)),
        login_in: login_in.map(micros),
        breaker: match breaker.as_str() {
            "closed" => SharedBreaker::Closed,
            "open" => SharedBreaker::Open(holder),
            "trial" => SharedBreaker::Trial(holder),
            _ => return Err(unreadable("pace.breaker")),
        },
    })
}
