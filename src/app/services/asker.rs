//! Asks HubSoft for customers at the pace of a run: the same slots, throttles, waits and limits.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::app::deliver;
use crate::app::target::Target;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::pace::Pace;
use crate::delivery::retry::Retry;
use crate::delivery::{Fault, Gate, Halt, Policy, Refusal, RequestKind, Withheld};
use crate::hubsoft::ShownCustomer;
use crate::settings::Sending;
use crate::ticket::Customer;

pub(super) struct Asker<'a> {
    target: &'a Target,
    policy: Policy,
    retry: Retry,
    began: Instant,
    pace: RefCell<Pace>,
    /// Since when nothing was answered; of the first request, if none ever was.
    silent_since: Cell<Option<Duration>>,
    was_answered: Cell<bool>,
    /// Requests in a row that HubSoft was not there for: all wait the longer.
    n_failed: Cell<u32>,
    /// Until when nothing is sent after such a one.
    rests_until: Cell<Duration>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(target: &'a Target, sending: &Sending) -> Self {
        let policy = deliver::policy(sending);
        let seed = Timestamp::now().as_nanosecond() as u64;
        Self {
            target,
            retry: Retry::new(policy.retry_first, policy.retry_longest, seed),
            began: Instant::now(),
            pace: RefCell::new(Pace::new(policy.rate)),
            silent_since: Cell::new(None),
            was_answered: Cell::new(false),
            n_failed: Cell::new(0),
            rests_until: Cell::new(Duration::ZERO),
            policy,
        }
    }

    /// The customers with that number. What may be better later is asked again, as often as a row is tried.
    pub(super) async fn ask(&self, customer: Customer) -> Result<Vec<ShownCustomer>, Halt> {
        let mut n_tries = 0;
        loop {
            let pass = Pass { asker: self, sent: Cell::new(Duration::ZERO) };
            let reply = self.target.api.customers(customer, &pass).await;
            let now = self.now();
            let evidence = Evidence::of(&reply);
            if let Some(cause) = evidence.throttle {
                self.pace.borrow_mut().refused(now, pass.sent.get(), reply.retry_after, cause);
            }
            match evidence.guard {
                Guard::Unauthorized(fault) => return Err(Halt::Unauthorized(fault.clone())),
                Guard::Misconfigured(fault) => return Err(Halt::Misconfigured(fault.clone())),
                Guard::Denied(fault) => return Err(Halt::Forbidden { n_rows: 1, fault: fault.clone() }),
                Guard::Allowed | Guard::Silent => {}
            }
            let last = match evidence.row {
                Row::Answered(found) => {
                    self.answered();
                    return Ok(found.clone());
                }
                Row::Refused(fault) | Row::Denied(fault) | Row::Blameless(fault) => {
                    return Err(Halt::SameRefusal { n_rows: 1, refusal: Refusal::Said(fault.clone()) });
                }
                Row::Unknown(fault) | Row::NotSent(fault) => {
                    n_tries += 1;
                    self.failed(now);
                    Some(fault.clone())
                }
                Row::Throttled | Row::Withheld => None,
            };
            let silent = now.saturating_sub(self.silent_since.get().unwrap_or(now));
            if self.policy.max_attempts <= n_tries || self.is_too_long(silent) {
                return Err(self.halt(silent, last));
            }
        }
    }

    fn answered(&self) {
        self.pace.borrow_mut().accepted();
        self.was_answered.set(true);
        self.silent_since.set(Some(self.now()));
        self.n_failed.set(0);
        self.rests_until.set(Duration::ZERO);
    }

    /// Those that were under way together failed together.
    fn failed(&self, now: Duration) {
        if self.rests_until.get() <= now {
            self.n_failed.set(self.n_failed.get().saturating_add(1));
            self.rests_until.set(now + self.retry.about(self.retry.ceiling(self.n_failed.get())));
        }
    }

    fn is_too_long(&self, silent: Duration) -> bool {
        let guards = &self.policy.guards;
        let max = if self.was_answered.get() { guards.unavailable_max } else { guards.reach_within };
        max.is_some_and(|max| max <= silent)
    }

    fn halt(&self, silent: Duration, last: Option<Fault>) -> Halt {
        match self.was_answered.get() {
            true => Halt::Unavailable { lasted: silent, last },
            false => Halt::NeverReached { within: silent, last },
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// The gate of one look-up.
struct Pass<'a> {
    asker: &'a Asker<'a>,
    /// When its last request took its slot.
    sent: Cell<Duration>,
}

impl Gate for Pass<'_> {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        let asker = self.asker;
        loop {
            let now = asker.now();
            let login_at = match kind {
                RequestKind::Login => asker.pace.borrow().next_login(),
                _ => Duration::ZERO,
            };
            let not_before = asker.rests_until.get().max(login_at);
            let next = match now < not_before {
                true => not_before,
                false => match asker.pace.borrow_mut().take(now) {
                    Ok(()) => break,
                    Err(next) => next.unwrap_or(now + Duration::from_secs(1)),
                },
            };
            tokio::time::sleep_until(asker.began + next).await;
        }
        let now = asker.now();
        if kind == RequestKind::Login {
            asker.pace.borrow_mut().logs_in(now);
        }
        asker.silent_since.set(Some(asker.silent_since.get().unwrap_or(now)));
        self.sent.set(now);
        Ok(())
    }
}
