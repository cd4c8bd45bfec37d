//! Asks HubSoft for customers at the pace of a run: the same slots, throttles, waits and limits.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::beside::Leave;
use super::stopped::Why;
use crate::app::deliver;
use crate::app::target::Target;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::pace::Pace;
use crate::delivery::retry::Retry;
use crate::delivery::{Api, Fault, Gate, Halt, Policy, RETRY_AFTER_MAX, RequestKind, Verdict, Withheld};
use crate::hubsoft::ShownCustomer;
use crate::settings::Sending;
use crate::text;
use crate::ticket::Customer;

/// Tries of one customer over whom HubSoft fails while it works otherwise. Source: five of them take 15 s at
/// the end of the look-ups, and a HubSoft that fails over every third request seems to fail over one in 250.
const TRIES_OF_ONE: u32 = 5;

/// What asking for a customer came to.
pub(super) enum Asked {
    /// Those with that number.
    Shown(Vec<ShownCustomer>),
    /// HubSoft does not show this one, for this reason, and works otherwise.
    Not(Fault),
}

pub(super) struct Asker<'a> {
    target: &'a Target,
    policy: Policy,
    retry: Retry,
    began: Instant,
    pace: RefCell<Pace>,
    /// Since when nothing was answered; of the first request, if none ever was.
    silent_since: Cell<Option<Duration>>,
    was_answered: Cell<bool>,
    /// Answers about customers, good or bad; those of an earlier call make the first.
    n_answers: Cell<u64>,
    /// What HubSoft said last against a customer, and against how many in a row.
    alike: RefCell<Option<(Fault, u32)>>,
    /// Requests in a row that HubSoft was not there for: all wait the longer.
    n_failed: Cell<u32>,
    /// Until when nothing is sent after such a one.
    rests_until: Cell<Duration>,
}

impl<'a> Asker<'a> {
    /// `n_known`: customers that HubSoft showed lately.
    pub(super) fn new(target: &'a Target, sending: &Sending, n_known: u64) -> Self {
        let policy = deliver::policy(sending);
        let seed = Timestamp::now().as_nanosecond() as u64;
        Self {
            target,
            retry: Retry::new(policy.retry_first, policy.retry_longest, seed),
            began: Instant::now(),
            pace: RefCell::new(Pace::new(policy.rate)),
            silent_since: Cell::new(None),
            was_answered: Cell::new(false),
            n_answers: Cell::new(n_known),
            alike: RefCell::new(None),
            n_failed: Cell::new(0),
            rests_until: Cell::new(Duration::ZERO),
            policy,
        }
    }

    /// Goes on as it may now.
    pub(super) fn heed(&self, leave: &Leave) {
        self.pace.borrow_mut().limit(leave.rate);
        let wait = leave.throttled.map(|until| until.duration_since(Timestamp::now()));
        if let Some(wait) = wait.and_then(|wait| Duration::try_from(wait).ok()) {
            // Longer than HubSoft asks for, only a clock that was set would have it.
            let until = self.now() + wait.min(RETRY_AFTER_MAX);
            self.rests_until.set(self.rests_until.get().max(until));
        }
    }

    /// The customers with that number. What may be better later is asked again, as often as a row is tried.
    ///
    /// # Errors
    ///
    /// What is wrong with all customers.
    pub(super) async fn ask(&self, customer: Customer) -> Result<Asked, Why> {
        let mut n_tries = 0;
        let mut n_answers = self.n_answers.get();
        loop {
            let pass = Pass { asker: self, sent: Cell::new(Duration::ZERO) };
            let reply = self.target.api.customers(customer, &pass).await;
            let now = self.now();
            let evidence = Evidence::of(&reply);
            if let Some(cause) = evidence.throttle {
                self.pace.borrow_mut().refused(now, pass.sent.get(), reply.retry_after, cause);
            }
            match evidence.guard {
                Guard::Unauthorized(fault) => return Err(Halt::Unauthorized(fault.clone()).into()),
                Guard::Misconfigured(fault) => return Err(Halt::Misconfigured(fault.clone()).into()),
                Guard::Denied(fault) => {
                    return Err(Halt::Forbidden { n_rows: 1, fault: fault.clone() }.into());
                }
                Guard::Allowed | Guard::Silent => {}
            }
            let last = match evidence.row {
                Row::Answered(found) => {
                    self.answered();
                    self.alike.take();
                    return Ok(Asked::Shown(found.clone()));
                }
                // The next answer would be the same.
                Row::Refused(fault) | Row::Unknown(fault @ Fault::NoCustomers) => {
                    self.answered();
                    return self.not_shown(customer, fault);
                }
                Row::Unknown(fault) => {
                    n_tries += 1;
                    self.failed(now);
                    let is_tried = self.policy.max_attempts.min(TRIES_OF_ONE) <= n_tries;
                    if is_tried && self.works_otherwise(n_answers, &pass).await {
                        return self.not_shown(customer, fault);
                    }
                    n_answers = self.n_answers.get();
                    Some(fault.clone())
                }
                Row::NotSent(fault) => {
                    n_tries += 1;
                    self.failed(now);
                    Some(fault.clone())
                }
                Row::Throttled | Row::Withheld => None,
                // The guard has spoken.
                Row::Denied(_) | Row::Blameless(_) => None,
            };
            let silent = now.saturating_sub(self.silent_since.get().unwrap_or(now));
            if self.policy.max_attempts <= n_tries || self.is_too_long(silent) {
                return Err(self.halt(silent, last).into());
            }
        }
    }

    /// Whether HubSoft is well, and fails over this customer alone: it answered about others since the last
    /// try, or did so at other times and answers something else now. `n_answers`: those until that try.
    async fn works_otherwise(&self, n_answers: u64, pass: &Pass<'_>) -> bool {
        match self.n_answers.get() {
            0 => false,
            n if n_answers < n => true,
            _ => matches!(self.target.api.probe(pass).await.verdict, Verdict::Answered(())),
        }
    }

    /// HubSoft does not show this customer. So many of whom it says the same, none shown between, are none of
    /// them to blame.
    fn not_shown(&self, customer: Customer, fault: &Fault) -> Result<Asked, Why> {
        let fault = masked(fault, customer);
        let mut alike = self.alike.borrow_mut();
        let n_before = alike.take().filter(|(last, _)| is_alike(last, &fault)).map_or(0, |(_, n)| n);
        let n = n_before + 1;
        if self.policy.guards.same_refusals <= n {
            return Err(Why::Alike { n, fault });
        }
        *alike = Some((fault.clone(), n));
        Ok(Asked::Not(fault))
    }

    fn answered(&self) {
        self.n_answers.set(self.n_answers.get() + 1);
        self.pace.borrow_mut().accepted(self.now());
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

/// HubSoft may repeat the number that it was asked for.
fn masked(fault: &Fault, customer: Customer) -> Fault {
    let mut fault = fault.clone();
    if let Fault::Refused { said: Some(said) }
    | Fault::Validation { said: Some(said) }
    | Fault::Http { said: Some(said), .. } = &mut fault
    {
        *said = customer.masked_in(said);
    }
    fault
}

/// The same reason, whatever number stands in its words.
fn is_alike(one: &Fault, other: &Fault) -> bool {
    let bare = |fault: &Fault| text::fault(fault).replace(|c: char| c.is_ascii_digit() || c == '*', "");
    one.code() == other.code() && bare(one) == bare(other)
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
