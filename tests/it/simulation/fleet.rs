//! Several workers over one outbox, which die, stop and come back while a person stops and resumes
//! them all.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use mutirao::delivery::{Blame, Control, GuardLimits, Lasting, Policy, Rate, RequestKind, State, Watch, run};
use mutirao::delivery::{Note, Settle, Settled};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::server::{Client, TIMEOUT};
use super::world::{Mortal, Sabotage, Steps, Tale, World, after, waits_behind_unconfirmed};
use crate::support::memory_worker::MemoryWorker;

/// After so long a world that has not come to rest is lost.
const AGE_MAX: Duration = Duration::from_secs(40 * 3600);

pub struct Fleet {
    world: World,
    n_workers: u64,
    next_id: Cell<u64>,
    /// When requests left, of whichever worker.
    sent: RefCell<Vec<Duration>>,
}

impl Fleet {
    /// Within a runtime: the world has a clock.
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut world = World::new(seed, sabotage);
        world.policy = Policy {
            lasting: Lasting::Forever,
            poll: Some(Duration::from_secs(5)),
            guards: GuardLimits {
                n_alone: 0,
                blame: Blame::Lote,
                reach_within: None,
                unavailable_max: None,
                ..GuardLimits::default()
            },
            ..world.policy
        };
        // It has one outbox, and time is the database's.
        world.server.homes.truncate(1);
        if world.steps == Steps::OfTheMachine {
            world.steps = Steps::OfTheDatabase;
        }
        let n_workers = world.rng.borrow_mut().u64(2..5);
        if sabotage == Sabotage::SameSlots {
            world.policy.rate = Rate::PerSecond(4.0);
            world.outbox.give_slots_twice();
        }
        Self { world, n_workers, next_id: Cell::new(1), sent: RefCell::default() }
    }

    pub async fn live(self) -> Tale {
        let stop = CancellationToken::new();
        let workers = async {
            match self.n_workers {
                2 => drop(tokio::join!(self.worker(&stop), self.worker(&stop))),
                3 => drop(tokio::join!(self.worker(&stop), self.worker(&stop), self.worker(&stop))),
                _ => drop(tokio::join!(
                    self.worker(&stop),
                    self.worker(&stop),
                    self.worker(&stop),
                    self.worker(&stop)
                )),
            }
        };
        let watch_over = async {
            self.person().await;
            stop.cancel();
        };
        let ended = tokio::select! {
            biased;
            ended = timeout(AGE_MAX, async { tokio::join!(workers, watch_over) }) => ended,
            () = self.world.step_clocks() => unreachable!("they are set now and then for ever"),
        };
        let mut violations = self.world.server.violations();
        if ended.is_err() {
            violations.push("the fleet has not come to rest".to_owned());
        }
        if 0 < self.world.outbox.count(State::InFlight) {
            violations.push("a clean stop left rows in flight".to_owned());
        }
        // What is unconfirmed is looked up once more by whoever comes next.
        let last_policy = Policy { lasting: Lasting::UntilDrained, ..self.world.policy.clone() };
        self.one_life(&last_policy, &Control::default(), None, None, u64::MAX).await;
        violations.extend(self.world.check());
        violations.extend(self.too_fast());
        Tale { violations, seen: self.world.server.seen(), posts: self.world.server.posts() }
    }

    /// Lives one after another, until all are to stop.
    async fn worker(&self, stop: &CancellationToken) {
        let world = &self.world;
        while !stop.is_cancelled() {
            let control = Control { stop: stop.child_token(), ..Control::default() };
            let stop_in = world.roll(world.stops).then(|| world.some(Duration::from_secs(300)));
            let (mut dies_in, mut polls) = (None, u64::MAX);
            if world.roll(world.crashes) {
                if world.rng.borrow_mut().bool() {
                    polls = world.rng.borrow_mut().u64(1..400);
                } else {
                    dies_in = Some(world.some(Duration::from_secs(300)));
                }
            }
            self.one_life(&world.policy, &control, stop_in, dies_in, polls).await;
            let pause = world.some(Duration::from_secs(100));
            let _ = stop.run_until_cancelled(sleep(pause)).await;
        }
    }

    async fn one_life(
        &self,
        policy: &Policy,
        control: &Control,
        stop_in: Option<Duration>,
        dies_in: Option<Duration>,
        polls: u64,
    ) {
        let world = &self.world;
        let id = self.next_id.replace(self.next_id.get() + 1);
        let rate = policy.rate;
        // Mostly at once, when there is much to do, and mostly for longer than its lease.
        let cut = world.roll(30).then(|| {
            let from = world.clock.elapsed() + world.some(Duration::from_secs(60));
            (from, from + Duration::from_secs(world.rng.borrow_mut().u64(40..300)))
        });
        let (outbox, clock) = (Rc::clone(&world.outbox), world.clock);
        let worker = MemoryWorker { outbox, clock, id, rate, timeout: TIMEOUT, cut, only_looks: false };
        let client = Client { server: &world.server, home: 0 };
        let running = run(&worker, &client, &world.clock, policy, control.clone(), self);
        let running = Mortal { running: Box::pin(running), polls_left: Cell::new(polls) };
        let stopping = async {
            after(stop_in).await;
            control.stop.cancel();
            std::future::pending().await
        };
        let ending = tokio::select! {
            biased;
            ending = running => ending,
            () = stopping => None,
            () = worker.heartbeat() => None,
            () = after(dies_in) => None,
        };
        match ending {
            Some(_) => worker.retire().await,
            None => world.server.saw("crash"),
        }
    }

    /// Stops everybody now and then, resumes, and sees when all is done.
    async fn person(&self) {
        let world = &self.world;
        loop {
            sleep(Duration::from_secs(30)).await;
            if world.roll(3) {
                let _ = world.outbox.commit(|it| it.board.pause = Some("lunch".to_owned())).await;
                sleep(world.some(Duration::from_secs(60))).await;
            }
            let _ = world.outbox.commit(|it| it.board.pause = None).await;
            let rows = world.outbox.rows();
            let is_done = rows.iter().all(|(_, row)| match row.state {
                State::Pending => waits_behind_unconfirmed(row, &rows),
                state => state != State::InFlight,
            });
            if is_done && world.is_calm() {
                return;
            }
        }
    }

    /// No second may see more than the ceiling and one.
    fn too_fast(&self) -> Option<String> {
        let Rate::PerSecond(rate) = self.world.policy.rate else { return None };
        let sent = self.sent.borrow();
        let most = (0..sent.len())
            .map(|from| sent[from..].partition_point(|at| *at < sent[from] + Duration::from_secs(1)))
            .max()?;
        (rate + 1.0 < most as f64).then(|| format!("{most} requests in a second at {rate}/s"))
    }
}

impl Watch for Fleet {
    fn settled(&self, settle: &Settle, became: Settled) {
        self.world.settled(settle, became);
    }

    fn sending(&self, _: RequestKind) {
        self.sent.borrow_mut().push(self.world.clock.elapsed());
    }

    fn throttled(&self, length: Duration, reason: &str) {
        self.world.throttled(length, reason);
    }

    fn note(&self, note: Note<'_>) {
        self.world.note(note);
    }
}
