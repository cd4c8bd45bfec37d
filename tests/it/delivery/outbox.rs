//! What a run does when some calls of its outbox fail, or take long, and others do not.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::coordination::{ShareRequest, SharedState};
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::{
    ClaimRequest, Claimed, Clock, Control, Halt, Outbox, OutboxError, PauseReason, Policy, Rate, Reason,
    RequestKind, Settle, Settled, State, Verdict, run,
};
use tokio::time::{sleep, timeout};

use super::Bench;
use super::fleet::Fleet;
use super::worker::{Heard, bench, worker_policy};
use crate::support::memory_outbox::MemoryOutbox;
use crate::support::memory_worker::MemoryWorker;
use crate::support::world::{fault, in_virtual_time, opened, reply, ticket};

const S: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Claim,
    Settle,
    Recover,
    PullIn,
    Other,
}

enum Fate {
    Works,
    /// It is done at once, and the answer takes so long.
    Slow(Duration),
    /// Nothing is done.
    Fails,
    Breaks,
    /// Of settles: somebody holds the rows.
    Locked,
}

/// An outbox each of whose calls meets a fate of its own.
struct Fated<'a, O> {
    outbox: &'a O,
    fate: RefCell<Box<dyn FnMut(Call) -> Fate + 'a>>,
}

impl<'a, O: Outbox> Fated<'a, O> {
    fn new(outbox: &'a O, fate: impl FnMut(Call) -> Fate + 'a) -> Self {
        Self { outbox, fate: RefCell::new(Box::new(fate)) }
    }

    fn fate(&self, call: Call) -> Fate {
        (self.fate.borrow_mut())(call)
    }

    async fn meets<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T, OutboxError>>,
    ) -> Result<T, OutboxError> {
        match self.fate(call) {
            Fate::Works => work.await,
            Fate::Slow(long) => {
                let done = work.await;
                sleep(long).await;
                done
            }
            Fate::Fails => Err(OutboxError::Unavailable("out of order".into())),
            Fate::Breaks => Err(OutboxError::Broken("out of order".into())),
            Fate::Locked => unreachable!("only settles are"),
        }
    }
}

impl<O: Outbox> Outbox for Fated<'_, O> {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        self.meets(Call::Claim, self.outbox.claim(want)).await
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        match self.fate(Call::Settle) {
            Fate::Locked => Ok(vec![Settled::Locked; settles.len()]),
            Fate::Fails => Err(OutboxError::Unavailable("out of order".into())),
            Fate::Breaks => Err(OutboxError::Broken("out of order".into())),
            Fate::Works | Fate::Slow(_) => self.outbox.settle(settles).await,
        }
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        self.meets(Call::Recover, self.outbox.recover(now)).await
    }

    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.meets(Call::Other, self.outbox.look_again(now)).await
    }

    async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.meets(Call::PullIn, self.outbox.pull_in(now)).await
    }

    async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError> {
        self.meets(Call::Other, self.outbox.sights(who)).await
    }

    async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError> {
        self.meets(Call::Other, self.outbox.saw(who, sight)).await
    }

    async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError> {
        self.meets(Call::Other, self.outbox.specimen(text_len, nth)).await
    }

    async fn posts_are_left(&self) -> Result<bool, OutboxError> {
        self.meets(Call::Other, self.outbox.posts_are_left()).await
    }

    async fn halt(&self, lote: &str, reason: &Halt) -> Result<(), OutboxError> {
        self.meets(Call::Other, self.outbox.halt(lote, reason)).await
    }

    async fn share(&self, report: &ShareRequest) -> Result<Option<SharedState>, OutboxError> {
        self.meets(Call::Other, self.outbox.share(report)).await
    }

    async fn woken(&self, poll: Duration) {
        self.outbox.woken(poll).await;
    }
}

/// Seen: the claims of a role without a right to them were tried ten times a second, and an import never
/// ended, because what takes in a lost claim worked every time.
#[test]
fn claims_that_fail_are_tried_less_and_less_however_well_they_are_recovered_from() {
    in_virtual_time(async {
        let bench = Bench { policy: Policy::default(), ..Bench::new(3) };
        let outbox: &MemoryOutbox = &bench.outbox;
        let n_claims = Cell::new(0);
        let fated = Fated::new(outbox, |call| match call {
            Call::Claim => {
                n_claims.set(n_claims.get() + 1);
                Fate::Fails
            }
            _ => Fate::Works,
        });
        let heard = Heard::default();
        let ending = run(&fated, &bench.api, &bench.clock, &bench.policy, Control::default(), &heard).await;
        assert!(
            matches!(ending.reason, Reason::Halted(Halt::OutboxUnavailable { .. })),
            "{:?}",
            ending.reason
        );
        let minutes = ending.stats.elapsed.as_secs() / 60;
        assert!((15..16).contains(&minutes) && n_claims.get() < 500, "{} in {minutes} min", n_claims.get());
        assert_eq!(heard.count("OutboxDown"), 1, "it is not up in between");
    });
}

/// An import with the limits that one has, beside workers.
fn import() -> Policy {
    Policy { rate: Rate::PerSecond(5.0), ..Policy::default() }
}

/// A claim that failed before a pause, and one after it, were an outbox that had been away all the while.
#[test]
fn an_outbox_that_was_not_asked_in_a_pause_was_not_away() {
    in_virtual_time(async {
        let it = Fleet::new(30, Rate::PerSecond(5.0)).beside(import());
        let worker = MemoryWorker::new(&it.outbox, it.clock, 1, it.policy.rate, 60 * S);
        let (resumed_at, is_over) = (20 * 60 * S, Cell::new(false));
        let fated = Fated::new(&worker, |call| match call {
            Call::Claim if it.clock.elapsed() < resumed_at && S < it.clock.elapsed() => Fate::Fails,
            Call::Claim if resumed_at < it.clock.elapsed() && !is_over.replace(true) => Fate::Fails,
            _ => Fate::Works,
        });
        let running = async {
            tokio::select! {
                ending = run(&fated, &it.api, &it.clock, &it.policy, Control::default(), &()) => ending,
                () = worker.heartbeat() => unreachable!("it renews for ever"),
            }
        };
        let person = async {
            let say = |pause| it.outbox.commit(move |shelf| shelf.board.pause = pause);
            sleep(2 * S).await;
            say(Some(PauseReason::Said("lunch".to_owned()))).await.expect("it is said");
            sleep(resumed_at - it.clock.elapsed()).await;
            say(None).await.expect("it is said");
        };
        let (ending, ()) = tokio::join!(running, person);
        assert_eq!((ending.reason, ending.stats.opened), (Reason::Drained, 30));
        assert!(is_over.get(), "a claim failed after the pause");
    });
}

/// An import that heard from others that HubSoft was away, and then nothing of its outbox for a while, ended
/// as if it had tried.
#[test]
fn what_others_said_before_the_outbox_hung_halts_nothing() {
    in_virtual_time(async {
        let mut other = Fleet::new(30, Rate::PerSecond(5.0));
        let clock = other.clock;
        let is_away = move || clock.elapsed() < 20 * S;
        other.api.post = Box::new(move |asked| match is_away() {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => opened(asked.service),
        });
        other.api.probe = Box::new(move |_| match is_away() {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => reply(Verdict::Answered(()), Some(200)),
        });
        let it = other.beside(import());
        let worker = MemoryWorker::new(&it.outbox, clock, 2, it.policy.rate, 60 * S);
        let hangs = |at: Duration| 12 * S < at && at < 50 * S;
        let fated = Fated::new(&worker, |call| match call {
            Call::Other if hangs(clock.elapsed()) => Fate::Slow(60 * S - clock.elapsed()),
            _ => Fate::Works,
        });
        let importing = async {
            sleep(10 * S).await;
            let ending = tokio::select! {
                ending = run(&fated, &it.api, &clock, &it.policy, Control::default(), &()) => ending,
                () = worker.heartbeat() => unreachable!("it renews for ever"),
            };
            (ending, clock.elapsed())
        };
        let (_, (ending, ended_at)) = tokio::join!(other.worker(1, 300 * S), importing);
        assert_eq!(ending.reason, Reason::Drained, "at {ended_at:?}");
    });
}

/// Seen: what was held was tried for ever, and nobody heard that the database had gone meanwhile.
#[test]
fn settles_of_rows_that_were_held_fail_as_loudly_as_others() {
    in_virtual_time(async {
        let bench = bench(1);
        let clock = bench.clock;
        let outbox: &MemoryOutbox = &bench.outbox;
        let fated = Fated::new(outbox, |call| match call {
            Call::Settle if clock.elapsed() < S => Fate::Locked,
            Call::Settle if clock.elapsed() < 30 * S => Fate::Fails,
            _ => Fate::Works,
        });
        let heard = Heard::default();
        let running = run(&fated, &bench.api, &clock, &bench.policy, bench.control.clone(), &heard);
        let watching = async {
            sleep(10 * S).await;
            assert_eq!(heard.count("OutboxDown"), 1);
            bench.outbox.insert(ticket(2, "Sem sinal"), clock.now(), None);
            sleep(15 * S).await;
            assert_eq!(bench.api.count(RequestKind::Post), 1, "nothing is sent meanwhile");
            sleep(15 * S).await;
            bench.control.stop.cancel();
        };
        let (ending, ()) = tokio::join!(running, watching);
        assert_eq!((ending.stats.opened, ending.stats.unsettled), (2, 0));
        assert_eq!((heard.count("OutboxDown"), heard.count("OutboxUp")), (1, 1));
    });
}

#[test]
fn a_run_whose_held_rows_can_never_be_settled_ends() {
    in_virtual_time(async {
        let bench = Bench::new(1);
        let outbox: &MemoryOutbox = &bench.outbox;
        let n_settles = Cell::new(0);
        let fated = Fated::new(outbox, |call| match call {
            Call::Settle if n_settles.replace(n_settles.get() + 1) == 0 => Fate::Locked,
            Call::Settle => Fate::Breaks,
            _ => Fate::Works,
        });
        let running = run(&fated, &bench.api, &bench.clock, &bench.policy, Control::default(), &());
        let ending = timeout(60 * S, running).await.expect("it ends");
        assert!(matches!(ending.reason, Reason::Halted(Halt::OutboxBroken { .. })), "{:?}", ending.reason);
        assert_eq!(ending.stats.unsettled, 1);
    });
}

/// Seen: the clock was set back once more while rows were pulled in, and what had been stamped between lay
/// far ahead.
#[test]
fn a_clock_that_is_set_back_while_rows_are_pulled_in_is_noticed() {
    in_virtual_time(async {
        let it = Fleet { policy: worker_policy(), ..Fleet::new(0, Rate::Unlimited) };
        let clock = it.clock;
        let worker = MemoryWorker::new(&it.outbox, clock, 1, Rate::Unlimited, 60 * S);
        let n_pulled = Cell::new(0);
        let fated = Fated::new(&worker, |call| match call {
            // The first is before the run.
            Call::PullIn if n_pulled.replace(n_pulled.get() + 1) == 1 => Fate::Slow(20 * S),
            _ => Fate::Works,
        });
        let stepping = async {
            sleep(5 * S).await;
            clock.step(-3600);
            sleep(5 * S).await;
            assert_eq!(n_pulled.get(), 2, "it is being done");
            it.outbox.insert(ticket(1, "Sem sinal"), clock.now() + 600 * S, None);
            clock.step(-3600);
            sleep(60 * S).await;
            assert_eq!(it.outbox.count(State::Opened), 1);
        };
        tokio::select! {
            _ = run(&fated, &it.api, &clock, &it.policy, Control::default(), &()) => unreachable!("it is not stopped"),
            () = worker.heartbeat() => pending().await,
            () = stepping => {}
        }
    });
}
