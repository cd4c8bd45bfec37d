//! Several workers over one outbox, which die, stop and come back while a person stops and resumes
//! them all.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use mutirao::delivery::coordination::{BLOCK_MAX, LEAD};
use mutirao::delivery::{
    Blame, Control, Ending, GuardLimits, Lasting, PauseReason, Policy, Rate, RequestKind, State,
    ThrottleReason, Watch, run,
};
use mutirao::delivery::{Note, Settle, Settled};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::checks::waits_behind_unconfirmed;
use super::lives::{Frozen, Mortal, after};
use super::sabotage::Sabotage;
use super::server::{TIMEOUT, log_in_later};
use super::world::{Steps, Tale, World};
use crate::support::board::Doubles;
use crate::support::memory_commands::resume_lotes;
use crate::support::memory_outbox::Shelf;
use crate::support::memory_worker::MemoryWorker;
use crate::support::replay::tell;

/// After so long a world that has not come to rest is lost.
const AGE_MAX: Duration = Duration::from_secs(40 * 3600);

/// The weather of a fleet is bad for less than that: most is done by then, and who has nothing to do still
/// asks for rows, shares and renews.
const BAD_MAX: Duration = Duration::from_secs(1200);

/// Longest times that the standby of a fleet may lag behind: the last is half of what workers remember.
const LAGS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(60), Duration::from_secs(300)];

/// Longest time that nobody answers before it takes over: longer than anything that is measured.
const OUTAGE_MAX: Duration = Duration::from_secs(900);

/// Nobody takes over in less: by then all slots have passed that were given, and not told to the standby.
const OUTAGE_MIN: Duration = LEAD.saturating_add(BLOCK_MAX);

pub struct Fleet {
    world: World,
    n_workers: u64,
    /// Whether its database fails over now and then, and how far its standby lags behind at most.
    fails_over: bool,
    lag_max: Duration,
    /// In percent, how often a person stops everybody for a while.
    pauses: u32,
    next_id: Cell<u64>,
    living: RefCell<Vec<Rc<MemoryWorker>>>,
    /// How often something happened that no standby may lack.
    n_changes: Cell<u64>,
    /// When requests left, of whichever worker.
    sent: RefCell<Vec<Duration>>,
}

impl Fleet {
    /// Within a runtime: the world has a clock.
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut world = World::new(seed, sabotage, BAD_MAX);
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
        let server = Rc::get_mut(&mut world.server).expect("nobody has it yet");
        // It has one outbox, and time is the database's.
        server.homes.truncate(1);
        world.steps = match world.steps {
            Steps::OfTheMachine => Steps::OfTheDatabase,
            // Its machines have a time of their own each, anyway.
            Steps::OfBoth => Steps::OfHubSoft,
            steps => steps,
        };
        // One by itself that a failover forgot has nobody who waits for it, or for whom it would wait.
        let n_workers = world.rng.borrow_mut().u64(1..5);
        let doubles = match sabotage {
            Sabotage::SameSlots => Doubles::Always,
            Sabotage::SlotsAnew => Doubles::WhenSetBack,
            _ => Doubles::Never,
        };
        if doubles != Doubles::Never {
            world.policy.rate = Rate::PerSecond(4.0);
            world.outbox.give_slots_twice(doubles);
        }
        if doubles == Doubles::WhenSetBack {
            world.steps = Steps::OfTheDatabase;
            server.clocks_are_set = true;
        }
        // Three rows in a row tell it, and each worker waits for it by itself.
        let denied = world.some(Duration::from_secs(120));
        if seed.is_multiple_of(20) {
            let server = Rc::get_mut(&mut world.server).expect("nobody has it yet");
            server.weather.denied_until = denied;
        }
        // A failover that nobody dies with takes workers that live.
        let fails_over = world.rng.borrow_mut().bool();
        let fails_over = sabotage.of_failovers().unwrap_or(fails_over);
        if fails_over {
            (world.crashes, world.stops) = (world.crashes / 4, world.stops / 4);
        }
        let lag_max = LAGS[world.rng.borrow_mut().usize(0..LAGS.len())];
        let pauses = if world.rng.borrow_mut().bool() { 3 } else { 30 };
        Self {
            world,
            n_workers,
            fails_over,
            lag_max,
            pauses,
            next_id: Cell::new(1),
            living: RefCell::default(),
            n_changes: Cell::default(),
            sent: RefCell::default(),
        }
    }

    pub async fn live(self) -> Tale {
        let stop = CancellationToken::new();
        let person = async {
            self.person().await;
            stop.cancel();
        };
        // Only who is woken goes on: there are many, and most of them wait.
        let all = FuturesUnordered::<LocalBoxFuture<'_, ()>>::new();
        (0..self.n_workers).for_each(|_| all.push(Box::pin(self.worker(&stop))));
        all.push(Box::pin(person));
        // And who does something now and then for ever.
        all.push(Box::pin(self.world.step_clocks()));
        all.push(Box::pin(self.fail_over()));
        all.push(Box::pin(self.world.others_work()));
        all.push(Box::pin(self.let_people_act()));
        all.push(Box::pin(self.world.await_calm()));
        let all_leave = all.take(self.n_workers as usize + 1).for_each(|()| std::future::ready(()));
        let ended = timeout(AGE_MAX, all_leave).await;
        let mut violations = self.world.server.violations();
        violations.extend(self.world.check_liveness(self.n_workers));
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
        violations.extend(self.world.too_fast(&self.sent.borrow()));
        let (seen, posts) = (self.world.server.seen(), self.world.server.posts());
        Tale { violations, seen, posts, faults: self.world.faults() }
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
        // Mostly at once, when there is much to do, and mostly for longer than its lease.
        let cut = world.roll(30).then(|| {
            let from = world.clock.elapsed() + world.some(Duration::from_secs(60));
            (from, from + Duration::from_secs(world.rng.borrow_mut().u64(40..300)))
        });
        let mut worker = MemoryWorker::new(&world.outbox, world.clock, id, policy.rate, TIMEOUT);
        worker.cut = cut;
        worker.still = world.stands_still();
        let worker = Rc::new(worker);
        self.living.borrow_mut().push(Rc::clone(&worker));
        if !self.may_forget() {
            self.changed();
        }
        let api = log_in_later(&world.server, 0);
        let machine = world.clock_of_a_machine();
        let running = run(&*worker, &api, &machine, policy, control.clone(), self);
        let running = Frozen::new(running, world.clock, worker.still);
        let may_die = || self.all_have_told();
        let running = Mortal { running: Box::pin(running), polls_left: Cell::new(polls), may_die: &may_die };
        let stopping = async {
            after(stop_in).await;
            control.stop.cancel();
            std::future::pending().await
        };
        let mut life = FuturesUnordered::<LocalBoxFuture<'_, Option<Ending>>>::new();
        life.push(Box::pin(running));
        life.push(Box::pin(stopping));
        life.push(Box::pin(Frozen::new(worker.heartbeat(), world.clock, worker.still)));
        life.push(Box::pin(self.dies(dies_in)));
        life.push(Box::pin(world.tell_returns(control)));
        let ending = life.next().await.flatten();
        drop(life);
        tell(world.clock, || format!("worker {id} ended: {:?}", ending.as_ref().map(|it| &it.reason)));
        match ending {
            // One that cannot say what it did before it leaves has died.
            Some(_) => {
                while worker.retire().await.is_err() && !worker.has_told() {
                    sleep(Duration::from_secs(1)).await;
                }
            }
            None => world.server.saw("crash"),
        }
        self.living.borrow_mut().retain(|it| it.id != id);
        self.changed();
    }

    fn changed(&self) {
        self.n_changes.set(self.n_changes.get() + 1);
    }

    /// Who is alone speaks before it claims, also where the standby has never heard of it.
    fn may_forget(&self) -> bool {
        self.n_workers == 1
    }

    /// One that dies along with the database takes with it what it did last: that is outside the promise.
    async fn dies<T>(&self, dies_in: Option<Duration>) -> Option<T> {
        after(dies_in).await;
        while !self.all_have_told() {
            sleep(Duration::from_secs(1)).await;
        }
        None
    }

    /// Whether the database knows all that those who live did.
    fn all_have_told(&self) -> bool {
        self.living.borrow().iter().all(|it| it.has_told())
    }

    /// Lets a standby take over now and then that lacks the last commits: those since nobody came, died or
    /// left, and while nobody is cut off for so long that it counts as dead.
    async fn fail_over(&self) {
        let world = &self.world;
        // Most is done in the first minute.
        let mut pause = world.some(Duration::from_secs(60));
        loop {
            sleep(pause).await;
            pause = Duration::from_secs(10) + world.some(Duration::from_secs(200));
            if world.is_calm() || !self.fails_over {
                std::future::pending::<()>().await;
            }
            let (standby, from) = self.lag_behind(world.some(self.lag_max)).await;
            // Mostly seconds, sometimes minutes.
            let outage_max = match world.rng.borrow_mut().u32(0..4) {
                0 => OUTAGE_MAX,
                _ => Duration::from_secs(40),
            };
            let outage = OUTAGE_MIN + world.some(outage_max);
            let until = world.clock.elapsed() + outage + Duration::from_secs(120);
            let is_away = |(begins, ends)| begins < until && from < ends;
            let is_cut = |it: &MemoryWorker| it.cut.is_some_and(is_away) || it.still.is_some_and(is_away);
            // One that had not registered yet came within what is lost.
            let is_known = |it: &MemoryWorker| self.may_forget() || standby.board.seats.contains_key(&it.id);
            if self.living.borrow().iter().any(|it| is_cut(it) || !is_known(it)) || !self.all_have_told() {
                continue;
            }
            let lag = world.clock.elapsed() - from;
            tell(world.clock, || format!("the database fails over and lacks {lag:?}, away for {outage:?}"));
            world.outbox.fail_over(standby);
            world.server.saw("failover");
            world.outbox.go_down();
            sleep(outage).await;
            world.outbox.come_up();
            tell(world.clock, || "the database is back".to_owned());
        }
    }

    /// What a standby has that lags behind so far, or as far as it may; and since when.
    async fn lag_behind(&self, lag: Duration) -> (Shelf, Duration) {
        let world = &self.world;
        let until = world.clock.elapsed() + lag;
        loop {
            let (standby, n_changes, from) =
                (world.outbox.standby(), self.n_changes.get(), world.clock.elapsed());
            while self.n_changes.get() == n_changes {
                let left = until.saturating_sub(world.clock.elapsed());
                if left.is_zero() {
                    return (standby, from);
                }
                sleep(left.min(Duration::from_secs(1))).await;
            }
        }
    }

    /// Lets somebody do something, now and then.
    async fn let_people_act(&self) {
        loop {
            sleep(Duration::from_secs(7)).await;
            // A standby that lacks a row which somebody was told to have inserted is outside the promise.
            if self.world.let_people_act(0, &self.world.outbox) {
                self.changed();
            }
        }
    }

    /// Stops everybody now and then, resumes, and sees when all is done.
    async fn person(&self) {
        let world = &self.world;
        loop {
            sleep(Duration::from_secs(30)).await;
            if world.roll(self.pauses) {
                let _ = world
                    .outbox
                    .commit(|it| it.board.pause = Some(PauseReason::Said("lunch".to_owned())))
                    .await;
                sleep(world.some(Duration::from_secs(60))).await;
            }
            // A standby may have heard of the stop, and not of its end.
            let resumed = world.outbox.commit(|it| it.board.pause = None).await;
            // What was wrong with a lote is mended by then.
            if world.is_calm() {
                world.outbox.at_once(resume_lotes);
            }
            let rows = world.outbox.rows();
            let is_done = rows.iter().all(|(_, row)| match row.state {
                State::Pending => waits_behind_unconfirmed(row, &rows),
                state => !matches!(state, State::InFlight | State::InDoubt),
            });
            if is_done && resumed.is_ok() && world.is_calm() && self.all_have_told() {
                return;
            }
        }
    }
}

impl Watch for Fleet {
    fn settled(&self, settle: &Settle, became: Settled) {
        self.world.settled(settle, became);
        self.world.note_given_up(0, &self.world.outbox, settle.row, became);
        // What a standby lacks is said again later.
        if !self.fails_over {
            self.world.check_settled(0, &self.world.outbox, settle.row, became);
        }
    }

    fn sending(&self, _: RequestKind) {
        self.sent.borrow_mut().push(self.world.clock.elapsed());
    }

    fn throttled(&self, length: Duration, reason: &ThrottleReason) {
        self.world.throttled(length, reason);
    }

    fn note(&self, note: Note<'_>) {
        self.world.note(note);
    }
}
