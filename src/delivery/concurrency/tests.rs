//! A server of so many workers, in virtual time, and senders that keep as many under way as they may.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::*;

const S: Duration = Duration::from_secs(1);

/// What one request takes on a server that is not loaded: log-normal.
const MEDIAN: Duration = Duration::from_millis(450);
const SIGMA: f64 = 0.6;

fn mean() -> f64 {
    MEDIAN.as_secs_f64() * (SIGMA * SIGMA / 2.0).exp()
}

fn unloaded_p95() -> f64 {
    MEDIAN.as_secs_f64() * (1.645 * SIGMA).exp()
}

/// One answer.
#[derive(Clone, Copy)]
struct Done {
    at: Duration,
    latency: Duration,
    limit: usize,
}

struct Model {
    /// Of each sender.
    limits: Vec<Limit>,
    rng: fastrand::Rng,
    n_workers: usize,
    /// Between two requests, at least.
    slot: Duration,
    /// The server is so many times slower, from then to then.
    slow: (f64, Duration, Duration),
    median: Duration,
    /// When the first sender begins.
    joins: Duration,
}

impl Model {
    fn new(n_workers: usize, seed: u64) -> Self {
        Self {
            limits: vec![Limit::new(Concurrency::Auto)],
            rng: fastrand::Rng::with_seed(seed),
            n_workers,
            slot: Duration::ZERO,
            slow: (1.0, Duration::ZERO, Duration::ZERO),
            median: MEDIAN,
            joins: Duration::ZERO,
        }
    }

    /// By so many workers of one outbox, the first of which comes later.
    fn sent_by(mut self, n_senders: usize, joins: Duration) -> Self {
        (self.limits, self.joins) = (vec![Limit::new(Concurrency::Auto); n_senders], joins);
        (0..n_senders).for_each(|sender| self.share(sender, Duration::ZERO));
        self
    }

    /// The outbox's time is told up to 0.3 s late.
    fn share(&mut self, sender: usize, now: Duration) {
        let late = Duration::from_millis(self.rng.u64(0..300));
        let (n_senders, time) = (self.limits.len() as u32, Timestamp::UNIX_EPOCH + now + late);
        self.limits[sender].share(n_senders, now, time);
    }

    fn service(&mut self, now: Duration) -> Duration {
        let (u, v) = (1.0 - self.rng.f64(), self.rng.f64());
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        let (times, from, to) = self.slow;
        let times = if (from..to).contains(&now) { times } else { 1.0 };
        self.median.mul_f64((SIGMA * normal).exp() * times)
    }

    fn run(&mut self, until: Duration) -> Vec<Done> {
        let (mut done, mut waiting, mut busy) = (Vec::new(), VecDeque::new(), BinaryHeap::new());
        let (mut now, mut next_slot) = (Duration::ZERO, Duration::ZERO);
        let mut n_under_way = vec![0; self.limits.len()];
        while now < until {
            while next_slot <= now
                && let Some(sender) = (0..n_under_way.len())
                    .filter(|sender| 0 < *sender || self.joins <= now)
                    .filter(|sender| n_under_way[*sender] < self.limits[*sender].now())
                    .min_by_key(|sender| n_under_way[*sender])
            {
                waiting.push_back((now, sender));
                n_under_way[sender] += 1;
                next_slot = now.max(next_slot) + self.slot;
            }
            if next_slot <= now {
                self.limits.iter_mut().for_each(Limit::use_up);
            }
            while busy.len() < self.n_workers
                && let Some((sent, sender)) = waiting.pop_front()
            {
                busy.push(Reverse((now + self.service(now), sent, sender)));
            }
            match busy.peek() {
                Some(Reverse((at, ..))) if *at <= next_slot || next_slot <= now => {
                    let Some(Reverse((at, sent, sender))) = busy.pop() else { break };
                    now = at;
                    n_under_way[sender] -= 1;
                    if 1 < self.limits.len() {
                        self.share(sender, now);
                    }
                    self.limits[sender].answered(now, sent, Asked::Post);
                    let limit = self.limits.iter().map(Limit::now).sum();
                    done.push(Done { at, latency: at - sent, limit });
                }
                _ => now = next_slot,
            }
        }
        done
    }
}

fn between(done: &[Done], from: Duration, to: Duration) -> Vec<Done> {
    done.iter().copied().filter(|one| (from..to).contains(&one.at)).collect()
}

fn per_s(done: &[Done], from: Duration, to: Duration) -> f64 {
    between(done, from, to).len() as f64 / (to - from).as_secs_f64()
}

fn p95(done: &[Done]) -> f64 {
    let mut latencies: Vec<_> = done.iter().map(|one| one.latency).collect();
    latencies.sort_unstable();
    latencies[latencies.len() * 95 / 100].as_secs_f64()
}

/// The bar: nine tenths of what the server can do after the first minute, and answers at most twice as late.
#[test]
fn it_finds_what_a_server_can_do() {
    for n_workers in [3, 8, 20] {
        for seed in 0..20 {
            let done = Model::new(n_workers, seed).run(360 * S);
            let of_capacity = per_s(&done, 60 * S, 360 * S) * mean() / n_workers as f64;
            let late = p95(&between(&done, 60 * S, 360 * S)) / unloaded_p95();
            let what = format!("{n_workers} workers, seed {seed}: {of_capacity:.2} of it, {late:.2} as late");
            assert!(0.9 <= of_capacity && late <= 2.0, "{what}");
        }
    }
}

/// Six times slower for two minutes: fewer within 20 s, and all there is again a minute after.
#[test]
fn a_brown_out_is_spared_and_forgotten() {
    for n_workers in [3, 8, 20] {
        for seed in 0..10 {
            let mut model = Model::new(n_workers, seed);
            model.slow = (6.0, 120 * S, 240 * S);
            let done = model.run(420 * S);
            let what = format!("{n_workers} workers, seed {seed}");
            let limits = |from, to| between(&done, from * S, to * S).into_iter().map(|one| one.limit);
            assert!(limits(140, 240).all(|limit| limit <= n_workers.max(LEAST + 2)), "{what}");
            assert!(limits(180, 240).all(|limit| limit <= LEAST + 2), "{what}");
            let after = per_s(&done, 300 * S, 420 * S) * mean() / n_workers as f64;
            assert!(0.9 <= after, "{what}: {after:.2} of it afterwards");
        }
    }
}

#[test]
fn who_is_slow_for_good_is_not_spared_for_ever() {
    for seed in 0..5 {
        let mut model = Model::new(12, seed);
        model.slow = (6.0, 120 * S, 3600 * S);
        let done = model.run(1500 * S);
        let of_capacity = per_s(&done, 900 * S, 1500 * S) * mean() * 6.0 / 12.0;
        assert!(0.7 <= of_capacity, "seed {seed}: {of_capacity:.2}");
    }
}

/// Ten a second of answers that take two seconds are some twenty under way, and no more.
#[test]
fn at_a_pace_there_are_as_many_as_that_takes() {
    for (median_ms, enough) in [(450, 8..=16), (2000, 22..=32)] {
        let mut model = Model::new(30, 1);
        (model.slot, model.median) = (S / 10, Duration::from_millis(median_ms));
        let done = model.run(120 * S);
        assert!(9.3 <= per_s(&done, 40 * S, 120 * S), "{median_ms} ms");
        let last = done.last().map_or(0, |one| one.limit);
        assert!(enough.contains(&last), "{median_ms} ms: {last} may be under way");
    }
}

/// Without use of them there are no more, whatever the answers take.
#[test]
fn what_is_not_used_does_not_grow() {
    let mut limit = Limit::new(Concurrency::Auto);
    for nth in 0..1000 {
        limit.answered(nth * S / 10 + S, nth * S / 10, Asked::Post);
    }
    assert_eq!(limit.now(), LEAST);
}

/// Tickets that open an order of service take three times as long; that a file has them at its end is no
/// reason to send fewer.
#[test]
fn each_kind_is_compared_with_itself() {
    let mut limit = Limit::new(Concurrency::Auto);
    let mut now = S;
    let mut window = |limit: &mut Limit, asked, takes: Duration| {
        limit.use_up();
        for _ in 0..ANSWERS_MIN.max(ANSWERS_EACH * limit.now()) {
            limit.answered(now + takes, now, asked);
        }
        now += takes;
        limit.now()
    };
    let before: Vec<_> = (0..6).map(|_| window(&mut limit, Asked::Post, S)).collect();
    assert_eq!(before, [6, 9, 13, 19, 28, 32]);
    assert_eq!(window(&mut limit, Asked::PostWithOrder, 3 * S), 32);
    assert_eq!(window(&mut limit, Asked::Post, 2 * S), 20, "twice as long as it takes");
    assert_eq!(window(&mut limit, Asked::PostWithOrder, 12 * S), 10, "never less than half at once");
}

#[test]
fn after_an_outage_it_goes_from_the_bottom_up() {
    let mut model = Model::new(20, 1);
    model.run(60 * S);
    let limit = &mut model.limits[0];
    assert!(16 <= limit.now());
    limit.begin_again(60 * S);
    assert_eq!(limit.now(), LEAST);

    let mut fixed = Limit::new(Concurrency::Fixed(7));
    fixed.begin_again(S);
    assert_eq!(fixed.now(), 7, "what the operator said");
}

/// Seen: each looked by itself, while the others filled the server. Then the answers of four took six times
/// as long, and ever longer.
#[test]
fn the_workers_of_an_outbox_find_it_together() {
    for n_workers in [8, 20] {
        for seed in 0..10 {
            let done = Model::new(n_workers, seed).sent_by(4, 301 * S).run(900 * S);
            for (from, to) in [(60, 300), (300, 420), (420, 900)] {
                let of_capacity = per_s(&done, from * S, to * S) * mean() / n_workers as f64;
                let late = p95(&between(&done, from * S, to * S)) / unloaded_p95();
                let what =
                    format!("{n_workers} workers, seed {seed}: {of_capacity:.2} of it, {late:.2} as late");
                assert!(0.9 <= of_capacity && late <= 2.0, "{what}, from {from} s");
            }
        }
    }
}

#[test]
fn a_brown_out_is_spared_and_forgotten_by_all() {
    for n_workers in [8, 20] {
        for seed in 0..10 {
            let mut model = Model::new(n_workers, seed).sent_by(4, Duration::ZERO);
            model.slow = (6.0, 120 * S, 240 * S);
            let done = model.run(420 * S);
            let most = between(&done, 180 * S, 240 * S).into_iter().map(|one| one.limit).max();
            let after = per_s(&done, 300 * S, 420 * S) * mean() / n_workers as f64;
            let what = format!("{n_workers} workers, seed {seed}: {most:?} at most, {after:.2} afterwards");
            assert!(most <= Some(n_workers) && 0.9 <= after, "{what}");
        }
    }
}

#[test]
fn each_worker_of_an_outbox_has_its_part_of_the_fewest() {
    let mut limit = Limit::new(Concurrency::Auto);
    let mut share = |n_workers| {
        limit.share(n_workers, S, Timestamp::UNIX_EPOCH);
        limit.now()
    };
    assert_eq!([1, 2, 3, 9, 1].map(&mut share), [4, 2, 2, 2, 4]);
}
