//! Several workers over one outbox: one pace, one breaker, and a person who stops them all.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use mutirao::delivery::{
    Clock, Concurrency, Control, Doubt, Ending, GuardLimits, Halt, Lasting, PauseReason, Policy, Rate,
    Reason, Reply, RequestKind, Sighting, State, Verdict, run,
};
use tokio::time::sleep;

use super::worker::worker_policy;
use crate::support::memory_outbox::{MemoryOutbox, Trouble};
use crate::support::memory_worker::MemoryWorker;
use crate::support::script::{Asked, Script};
use crate::support::world::{VirtualClock, fault, in_virtual_time, opened, reply, start, ticket};

const S: Duration = Duration::from_secs(1);

pub fn vague(_: Asked) -> Reply<Sighting> {
    reply(Verdict::Answered(Sighting::CouldNotTell(fault("no_text"))), Some(200))
}

pub struct Fleet {
    pub clock: VirtualClock,
    pub outbox: Rc<MemoryOutbox>,
    pub api: Script,
    pub policy: Policy,
    /// As `reconcile` does.
    pub only_looks: bool,
}

impl Fleet {
    pub fn new(n_rows: i64, rate: Rate) -> Self {
        let clock = VirtualClock::new();
        let tickets = (1..=n_rows).map(|service| ticket(service, "Sem sinal"));
        let outbox = Rc::new(MemoryOutbox::with(tickets, start()));
        // A commit takes as long as an honest disk does.
        outbox.set_weather(|| (Trouble::None, Duration::from_millis(2), Duration::from_millis(3)));
        let api = Script::new(clock, Duration::from_millis(50));
        Self { clock, outbox, api, policy: Policy { rate, ..worker_policy() }, only_looks: false }
    }

    /// Another kind of worker on the same outbox, for which HubSoft is as `api` has it.
    pub fn beside(&self, policy: Policy) -> Self {
        let api = Script::new(self.clock, Duration::from_millis(50));
        Self { clock: self.clock, outbox: Rc::clone(&self.outbox), api, policy, only_looks: false }
    }

    /// One that looks up rows in doubt, and cannot tell.
    pub fn reconciling(&self) -> Self {
        let policy = Policy { lasting: Lasting::UntilDrained, ..self.policy.clone() };
        let mut it = Self { only_looks: true, ..self.beside(policy) };
        it.api.look_up = Box::new(vague);
        it
    }

    /// A row that may have been sent.
    pub fn doubt(&self, service: i64) {
        let doubt = Doubt::since(start());
        self.outbox.insert(ticket(service, "Sem sinal"), start(), Some(doubt));
    }

    /// HubSoft has answered a probe of this worker.
    pub async fn hand_trial_to(&self, id: u64) {
        let _ = self.outbox.commit(|it| it.board.hand_trial_to(id, self.clock.now())).await;
    }

    /// One worker, stopped cleanly after so long.
    pub async fn worker(&self, id: u64, length: Duration) -> Ending {
        let control = Control::default();
        let mut worker = MemoryWorker::new(&self.outbox, self.clock, id, self.policy.rate, 60 * S);
        worker.only_looks = self.only_looks;
        let running = run(&worker, &self.api, &self.clock, &self.policy, control.clone(), &());
        let stopping = async {
            sleep(length).await;
            control.stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ending = running => {
                let _ = worker.retire().await;
                ending
            }
            () = stopping => unreachable!("it waits for ever"),
            () = worker.heartbeat() => unreachable!("it beats for ever"),
        }
    }

    /// One that is gone from one moment to the next.
    pub async fn dies(&self, id: u64, length: Duration) {
        tokio::select! {
            _ = self.worker(id, 10 * length) => {}
            () = sleep(length) => {}
        }
    }

    pub async fn workers(&self, n_workers: u64, length: Duration) {
        let endings = join_all((1..=n_workers).map(|id| self.worker(id, length))).await;
        assert!(endings.iter().all(|it| it.reason == Reason::Stopped && it.stats.unsettled == 0));
        assert_eq!(self.outbox.count(State::InFlight), 0, "a clean stop leaves nothing in flight");
    }

    fn times(&self) -> Vec<f64> {
        self.api.asked().iter().map(|it| it.at.as_secs_f64()).collect()
    }
}

fn peak_in_1s(times: &[f64]) -> usize {
    (0..times.len())
        .map(|from| times[from..].partition_point(|it| *it < times[from] + 1.0))
        .max()
        .unwrap_or(0)
}

#[test]
fn four_send_as_fast_as_one_may_even_when_one_dies() {
    in_virtual_time(async {
        let fleet = Fleet::new(4000, Rate::PerSecond(40.0));
        tokio::join!(
            fleet.worker(1, 60 * S),
            fleet.worker(2, 60 * S),
            fleet.worker(3, 60 * S),
            fleet.dies(4, 30 * S)
        );
        let times = fleet.times();
        assert!(peak_in_1s(&times) <= 41, "{}", peak_in_1s(&times));
        let steady =
            times.iter().filter(|at| (2.0..29.0).contains(*at) || (31.0..59.0).contains(*at)).count();
        assert!(0.97 * 55.0 * 40.0 <= steady as f64, "{steady} of {}", 55 * 40);
    });
}

#[test]
fn everybody_gets_some() {
    in_virtual_time(async {
        let fleet = Fleet::new(1000, Rate::PerSecond(5.0));
        let endings = join_all((1..=4).map(|id| fleet.worker(id, 60 * S))).await;
        let posts: Vec<u64> = endings.iter().map(|it| it.stats.posts).collect();
        assert!(posts.iter().all(|it| (60..=90).contains(it)), "{posts:?}");
        assert!(peak_in_1s(&fleet.times()) <= 6);
    });
}

#[test]
fn who_is_alone_gets_all_and_calls_seldom() {
    in_virtual_time(async {
        let fleet = Fleet::new(4000, Rate::PerSecond(50.0));
        fleet.workers(1, 60 * S).await;
        let n_posts = fleet.times().len();
        assert!((2940..=3002).contains(&n_posts), "{n_posts}");
        let n_shares = fleet.outbox.n_shares.get();
        assert!(n_shares <= 60 * 5, "{n_shares} calls");
    });
}

#[test]
fn the_slowest_rules() {
    in_virtual_time(async {
        let mut fleet = Fleet::new(4000, Rate::PerSecond(40.0));
        let slow = fleet.beside(Policy { rate: Rate::PerSecond(4.0), ..fleet.policy.clone() });
        fleet.policy.rate = Rate::Unlimited;
        tokio::join!(fleet.worker(1, 30 * S), slow.worker(2, 30 * S));
        // From when both know of each other.
        let mut times = [fleet.times(), slow.times()].concat();
        times.retain(|it| 3.0 < *it);
        times.sort_by(f64::total_cmp);
        assert!(peak_in_1s(&times) <= 5, "{}", peak_in_1s(&times));
        assert!(100 <= times.len(), "{}", times.len());
    });
}

#[test]
fn idle_workers_hardly_call() {
    in_virtual_time(async {
        let fleet = Fleet {
            policy: Policy { poll: Some(5 * S), ..worker_policy() },
            ..Fleet::new(0, Rate::Unlimited)
        };
        fleet.workers(1, 600 * S).await;
        let n_calls = fleet.outbox.n_shares.get() + fleet.outbox.n_claims.get();
        assert!(n_calls <= 600, "{n_calls} calls in 600 s");
    });
}

/// The claim under way has not seen the row, and its answer comes after the call.
#[test]
fn a_row_that_comes_during_a_claim_is_not_left_until_the_next_poll() {
    in_virtual_time(async {
        let fleet = Fleet {
            policy: Policy { poll: Some(600 * S), ..worker_policy() },
            ..Fleet::new(0, Rate::Unlimited)
        };
        fleet.outbox.set_weather(|| (Trouble::None, Duration::ZERO, 5 * S));
        let insert = async {
            while fleet.outbox.n_claims.get() == 0 {
                sleep(S).await;
            }
            fleet.outbox.insert(ticket(1, "Sem sinal"), fleet.clock.now(), None);
        };
        tokio::join!(fleet.workers(1, 120 * S), insert);
        assert_eq!(fleet.outbox.count(State::Opened), 1);
    });
}

#[test]
fn a_person_stops_and_resumes_all() {
    in_virtual_time(async {
        let fleet = Fleet::new(2000, Rate::PerSecond(20.0));
        let say = |stop: Option<&str>| {
            let stop = stop.map(|it| PauseReason::Said(it.to_owned()));
            fleet.outbox.commit(|it| it.board.pause = stop)
        };
        let person = async {
            sleep(10 * S).await;
            let _ = say(Some("maintenance")).await;
            sleep(20 * S).await;
            assert_eq!(fleet.outbox.count(State::InFlight), 0, "nothing is held meanwhile");
            let _ = say(None).await;
        };
        tokio::join!(fleet.workers(3, 40 * S), person);
        let times = fleet.times();
        assert_eq!(times.iter().filter(|it| (12.0..30.0).contains(*it)).count(), 0);
        assert!(times.iter().any(|it| (30.0..32.0).contains(it)), "all go on within two seconds");
        assert!(peak_in_1s(&times) <= 21);
    });
}

#[test]
fn a_pause_holds_all() {
    in_virtual_time(async {
        let mut fleet = Fleet::new(2000, Rate::PerSecond(20.0));
        fleet.api.post = Box::new(|asked| match asked.service {
            50 if asked.at < 5 * S => {
                Reply { retry_after: Some(20 * S), ..reply(Verdict::Throttled, Some(429)) }
            }
            _ => opened(asked.service),
        });
        fleet.workers(3, 40 * S).await;
        let times = fleet.times();
        let longest = times.windows(2).map(|it| it[1] - it[0]).fold(0.0, f64::max);
        assert!((19.0..21.5).contains(&longest), "{longest} s");
    });
}

#[test]
fn one_probes_for_all_and_another_when_it_dies() {
    in_virtual_time(async {
        let mut fleet = Fleet::new(2000, Rate::PerSecond(20.0));
        let is_out = |at: Duration| (5 * S..120 * S).contains(&at);
        fleet.api.post = Box::new(move |asked| match is_out(asked.at) {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => opened(asked.service),
        });
        fleet.api.probe = Box::new(move |asked| match is_out(asked.at) {
            true => reply(Verdict::NotSent(fault("connect")), None),
            false => reply(Verdict::Answered(()), Some(200)),
        });
        tokio::join!(fleet.worker(1, 200 * S), fleet.worker(2, 200 * S), fleet.dies(3, 40 * S));
        let probes = fleet.api.seconds(RequestKind::Probe);
        assert!((4..=9).contains(&probes.len()), "one probes for all: {probes:?}");
        assert!(probes.windows(2).all(|it| 4.5 < it[1] - it[0]), "{probes:?}");
        let posts = fleet.api.seconds(RequestKind::Post);
        let n_in_the_dark = posts.iter().filter(|it| (6.0..120.0).contains(*it)).count();
        assert_eq!(n_in_the_dark, 0, "who hears of it tries no more");
        let back = posts.iter().filter(|it| 120.0 < **it).count();
        assert!(20 * 40 <= back, "{back} posts after it came back");
        // The first after the outage goes alone.
        let first = posts.iter().position(|it| 120.0 < *it).expect("it came back");
        assert!(0.05 <= posts[first + 1] - posts[first]);
        assert!(peak_in_1s(&fleet.times()) <= 21);
    });
}

#[test]
fn who_is_to_end_waits_for_what_others_hold() {
    in_virtual_time(async {
        let fleet = Fleet::new(1, Rate::Unlimited);
        fleet.api.latency.set(20 * S);
        let last = fleet.beside(Policy { lasting: Lasting::UntilDrained, ..fleet.policy.clone() });
        let late = async {
            sleep(S).await;
            last.worker(2, 300 * S).await
        };
        let (_, ending) = tokio::join!(fleet.worker(1, 30 * S), late);
        assert_eq!(ending.reason, Reason::Drained);
        assert!(18 * S < ending.stats.elapsed, "{:?}", ending.stats.elapsed);
        assert_eq!(fleet.outbox.count(State::Opened), 1);
    });
}

/// Another worker holds the breaker open, and waits for the answer to its probe.
#[test]
fn who_is_to_end_does_not_wait_for_ever_behind_the_breaker_of_another() {
    in_virtual_time(async {
        let mut fleet = Fleet::new(50, Rate::PerSecond(10.0));
        fleet.api.post = Box::new(|_| reply(Verdict::NotSent(fault("connect")), None));
        let last = fleet.beside(Policy {
            lasting: Lasting::UntilDrained,
            guards: GuardLimits::default(),
            ..fleet.policy.clone()
        });
        let late = async {
            // Open by now, and not probed yet.
            sleep(3 * S).await;
            fleet.api.latency.set(7200 * S);
            sleep(60 * S).await;
            last.worker(2, 3600 * S).await
        };
        let (_, ending) = tokio::join!(fleet.worker(1, 3700 * S), late);
        assert_eq!(ending.reason, Reason::Halted(Halt::NeverReached { within: 30 * S, last: None }));
        assert_eq!(ending.stats.posts, 0);
    });
}

/// A HubSoft that bears 20 a second, and 200 at once.
fn limited(retry_after: Option<Duration>) -> impl Fn(Asked) -> Reply {
    let bucket = Cell::new((200.0, Duration::ZERO));
    move |asked| {
        let (left, at) = bucket.get();
        let left = f64::min(left + asked.at.saturating_sub(at).as_secs_f64() * 20.0, 200.0);
        let is_taken = 1.0 <= left;
        bucket.set((left - f64::from(u8::from(is_taken)), asked.at.max(at)));
        match is_taken {
            true => opened(asked.service),
            false => Reply { retry_after, ..reply(Verdict::Throttled, Some(429)) },
        }
    }
}

/// Each worker that is refused before it has heard of the pause counts, so that is once each.
#[test]
fn a_fleet_finds_what_hubsoft_bears_and_is_seldom_refused() {
    let per_s = Rate::PerSecond;
    for (n_workers, rate, retry_after, n_refused_max) in [
        (4, per_s(40.0), None, 12),
        (4, per_s(40.0), Some(5 * S), 12),
        (4, per_s(10.0), None, 0),
        (3, Rate::Unlimited, Some(S), 60),
    ] {
        in_virtual_time(async {
            let mut fleet = Fleet::new(4000, rate);
            fleet.api.post = Box::new(limited(retry_after));
            fleet.workers(n_workers, 450 * S).await;
            let posts = fleet.api.seconds(RequestKind::Post);
            let n_refused = posts.len() - fleet.outbox.count(State::Opened);
            let alone = rate.slot().map_or(0.0, |slot| 4000.0 * slot.as_secs_f64());
            let by = posts[posts.len() - 1] / f64::max(alone, 3800.0 / 20.0);
            let what = format!("{n_workers} of {rate}, {retry_after:?}: {n_refused} refused, {by:.3}");
            assert_eq!(fleet.outbox.count(State::Opened), 4000, "{what}");
            assert!(n_refused <= n_refused_max && by <= 1.03, "{what}");
        });
    }
}

#[test]
fn what_hubsoft_bears_is_known_to_who_comes_after_who_was_refused() {
    in_virtual_time(async {
        let mut fleet = Fleet::new(4000, Rate::PerSecond(40.0));
        fleet.api.post = Box::new(|asked| match asked.service {
            100 if asked.at < 5 * S => reply(Verdict::Throttled, Some(429)),
            _ => opened(asked.service),
        });
        let next = async {
            sleep(10 * S).await;
            fleet.worker(2, 120 * S).await
        };
        let (_, ending) = tokio::join!(fleet.dies(1, 5 * S), next);
        assert!(ending.stats.throttles.is_empty(), "it was not refused itself");
        let within = |from: f64, to: f64| fleet.times().iter().filter(|at| (from..to).contains(*at)).count();
        assert_eq!(within(11.0, 13.0), 68, "34 a second");
        assert!((390..=401).contains(&within(100.0, 110.0)), "{}", within(100.0, 110.0));
    });
}

/// Each for itself they would log in 30 times at once.
#[test]
fn a_fleet_shares_its_logins() {
    in_virtual_time(async {
        let fleet = Fleet::new(200, Rate::Unlimited);
        fleet.api.logs_in.set(true);
        fleet.workers(10, 120 * S).await;
        let logins = fleet.api.seconds(RequestKind::Login);
        let within = |seconds: f64| {
            let counts =
                (0..logins.len()).map(|n| logins[n..].partition_point(|it| *it < logins[n] + seconds));
            counts.max().unwrap_or(0)
        };
        assert!(within(1.0) <= 10 && within(60.0) <= 25, "{} and {}", within(1.0), within(60.0));
        assert!(25 <= logins.len(), "{} in two minutes", logins.len());
    });
}

/// Whatever holds them back meanwhile: what each was given before goes with nobody else's.
#[test]
fn no_minute_has_more_logins_than_hubsoft_bears() {
    for seed in 0..12 {
        in_virtual_time(async {
            let mut dice = fastrand::Rng::with_seed(seed);
            let rate = [Rate::Unlimited, Rate::PerSecond(20.0), Rate::PerSecond(4.0)][dice.usize(0..3)];
            let mut fleet = Fleet::new(2000, rate);
            // One login at a time, as the client has it.
            fleet.policy.concurrency = Concurrency::Fixed(1);
            fleet.api.logs_in.set(true);
            let (one_in, n_workers) = (dice.i64(20..80), dice.u64(2..16));
            let pauses: Vec<_> = (0..4).map(|_| (dice.u64(5..60), dice.u64(1..90))).collect();
            fleet.api.post = Box::new(move |asked| match asked.service % one_in {
                0 => {
                    let retry_after = Some(Duration::from_secs(asked.service as u64 % 90));
                    Reply { retry_after, ..reply(Verdict::Throttled, Some(429)) }
                }
                _ => opened(asked.service),
            });
            let person = async {
                for (after, length) in pauses {
                    for (wait, pause) in
                        [(after, Some(PauseReason::Said("lunch".to_owned()))), (length, None)]
                    {
                        sleep(wait as u32 * S).await;
                        let _ = fleet.outbox.commit(|it| it.board.pause = pause).await;
                    }
                }
            };
            tokio::join!(fleet.workers(n_workers, 240 * S), person);
            let logins = fleet.api.seconds(RequestKind::Login);
            let most = (0..logins.len())
                .map(|n| logins[n..].partition_point(|it| *it <= logins[n] + 60.0))
                .max()
                .unwrap_or(0);
            assert!(most <= 25, "seed {seed}: {most} in a minute, {n_workers} workers, {rate}");
        });
    }
}
