//! How many requests may be under way at once: what the operator said, or what HubSoft bears.
//!
//! A server that works on `c` requests at once answers as quickly with one as with `c` under way; beyond,
//! what is added only waits there. So the time that answers take tells whether there are more than it works
//! on: a window of answers is compared with how long they take when few are under way, each kind with its
//! own. While they are as quick, and more wait to be sent, more may go; when they are clearly slower, fewer.
//!
//! What they take with few under way is looked at anew now and then, by one window with half as many. So it
//! is never measured while HubSoft is full, and what was taken for it at the start need not have been right.
//!
//! Each worker of an outbox finds its own number, and feels by the answers what the others send. Only that
//! look they take together, by the outbox's clock: else each would measure while HubSoft is full of what the
//! others send, take that for what answers take, and all would send ever more.
//!
//! Pure: times are durations since the run began.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

/// What an operator says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrency {
    /// Found out, from [`LEAST`] to [`MOST`](Self::MOST).
    Auto,
    /// So many, at least 1.
    Fixed(usize),
}

impl Concurrency {
    /// A HubSoft that bears more than this is rather limited by its pace: at 20/s, the documented limit, its
    /// answers would have to take 1.6 s.
    pub const MOST: usize = 32;

    /// No more can be asked for.
    const FIXED_MOST: usize = 1024;

    /// Never more than so many.
    pub fn most(self) -> usize {
        match self {
            Self::Auto => Self::MOST,
            Self::Fixed(n) => n.max(1),
        }
    }

    /// How many rows may be carried at once. Where it is found out, some wait for their turn (else it would
    /// not show that more might go), and some for the outbox, and keep no other row from being sent.
    pub fn n_seats(self) -> usize {
        match self {
            Self::Auto => 2 * Self::MOST,
            Self::Fixed(n) => n.max(1),
        }
    }
}

/// What is wrong with it. It does not repeat the text: a password may stand there instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", tr!("allowed is `auto`, or 1 to %{max}", max = Concurrency::FIXED_MOST))]
pub struct ConcurrencyFault;

impl FromStr for Concurrency {
    type Err = ConcurrencyFault;

    fn from_str(typed: &str) -> Result<Self, ConcurrencyFault> {
        if typed.trim() == "auto" {
            return Ok(Self::Auto);
        }
        let read = typed.trim().parse().ok().filter(|n| (1..=Self::FIXED_MOST).contains(n));
        read.map(Self::Fixed).ok_or(ConcurrencyFault)
    }
}

impl fmt::Display for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(n) => n.fmt(f),
        }
    }
}

/// As many go however slow the answers are, of all workers of an outbox together: a lote that is slow for
/// reasons of its own must not hold up all. Of each at least two: its slots come in blocks, close together.
pub const LEAST: usize = 4;
const LEAST_EACH: usize = 2;
const _: () = assert!(LEAST < Concurrency::MOST);

/// What is asked. Each kind takes its own time: a ticket that opens an order of service is slower than one
/// that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Post,
    PostWithOrder,
    /// A row in doubt.
    LookUp,
    /// What is open of a service, before a post.
    Before,
}

const N_KINDS: usize = 4;

/// A window ends with so many answers, or four for each that may be under way: an answer that takes long is
/// missing in a window that is short beside it.
const ANSWERS_MIN: usize = 20;
const ANSWERS_EACH: usize = 4;

/// Or after so long, with some.
const WINDOW_LONGEST: Duration = Duration::from_secs(5);
const ANSWERS_FEWEST: usize = 5;

/// A window that takes less than this many times as long is as quick, and one that takes more than that is
/// clearly slower; then there are to be so many that it would take the time in the middle.
///
/// Source: times that are log-normal with a sigma of 0.6 have medians of twenty that are off by a sixth. At
/// 1.3 times, a fifth more are under way than are worked on.
const QUICK: f64 = 1.25;
const WANTED: f64 = 1.3;
const SLOW: f64 = 1.7;

/// In one step no more than this is taken away, and so much is added: half of it at first, then a quarter.
const KEPT_LEAST: f64 = 0.5;
const ADDED_FIRST: usize = 2;
const ADDED: usize = 4;

/// So often a window has half as many under way.
const LOOK_EVERY: Duration = Duration::from_secs(50);

/// What answers take with few under way is believed to be more by a factor of e in so long: a server that is
/// slow for two minutes is spared, one that is slow for good is not forever.
const DRIFT: Duration = Duration::from_secs(150);

/// If they took less than this part of it, it is believed to be that half at once.
const CLEARLY_LESS: f64 = 0.75;

/// How many may be under way now.
#[derive(Clone, Debug)]
pub enum Limit {
    Fixed(usize),
    Auto(Box<Search>),
}

fingerprint! { enum Limit { Fixed(n), Auto(search) } }

/// How many that is found to be. See the module.
#[derive(Clone, Debug)]
pub struct Search {
    limit: usize,
    /// Nothing has shown yet that it was slow.
    is_starting: bool,
    window: Window,
    /// How long each kind takes with few under way.
    unloaded: [Option<Unloaded>; N_KINDS],
    /// While it looks how long that is: how many it was before.
    looking: Option<usize>,
    looked: Duration,
    /// Somebody has waited for nothing but this since.
    is_used: bool,
    /// Looks are due so long after each [`LOOK_EVERY`] of the run: when the outbox's clock has come to one.
    phase: Duration,
    /// Workers of the outbox, itself among them.
    n_workers: usize,
}

fingerprint! {
    struct Search { limit, is_starting, window, unloaded, looking, looked, is_used, n_workers; lengths phase }
}

/// The answers to what was sent since.
#[derive(Clone, Debug)]
struct Window {
    since: Duration,
    /// Somebody waited for nothing but this.
    is_used: bool,
    n_answers: usize,
    latencies: [Vec<Duration>; N_KINDS],
}

fingerprint! { struct Window { since, is_used, n_answers; lengths latencies } }

/// What a kind takes with few under way, and when that was found.
#[derive(Clone, Copy, Debug)]
struct Unloaded {
    latency: Duration,
    found: Duration,
}

fingerprint! { struct Unloaded { found; lengths latency } }

impl Limit {
    pub fn new(concurrency: Concurrency) -> Self {
        match concurrency {
            Concurrency::Auto => Self::Auto(Box::new(Search {
                limit: LEAST,
                is_starting: true,
                window: Window::new(Duration::ZERO),
                unloaded: [None; N_KINDS],
                looking: None,
                looked: Duration::ZERO,
                is_used: false,
                phase: Duration::ZERO,
                n_workers: 1,
            })),
            Concurrency::Fixed(n) => Self::Fixed(n.max(1)),
        }
    }

    /// So many may be under way.
    pub fn now(&self) -> usize {
        match self {
            Self::Fixed(n) => *n,
            Self::Auto(search) => search.limit,
        }
    }

    /// Somebody waits for nothing but this.
    pub fn use_up(&mut self) {
        if let Self::Auto(search) = self {
            (search.window.is_used, search.is_used) = (true, true);
        }
    }

    /// What was sent at `sent` was answered. What got no answer, or none to what was asked, tells nothing.
    pub fn answered(&mut self, now: Duration, sent: Duration, asked: Asked) {
        if let Self::Auto(search) = self {
            search.answered(now, sent, asked);
        }
    }

    /// So many workers are on the outbox, whose clock showed that `time` at `then`.
    pub fn share(&mut self, n_workers: u32, then: Duration, time: Timestamp) {
        if let Self::Auto(search) = self {
            search.share(usize::try_from(n_workers).unwrap_or(usize::MAX), then, time);
        }
    }

    /// HubSoft is back after it was out of reach: from the bottom up.
    pub fn begin_again(&mut self, now: Duration) {
        if let Self::Auto(search) = self {
            (search.limit, search.is_starting, search.looking) = (search.least(), true, None);
            search.window = Window::new(now);
        }
    }
}

impl Search {
    fn share(&mut self, n_workers: usize, then: Duration, time: Timestamp) {
        let every = LOOK_EVERY.as_nanos();
        let since_look = time.as_nanosecond().rem_euclid(every.cast_signed()).cast_unsigned();
        let phase = (then.as_nanos() + every - since_look) % every;
        self.phase = Duration::from_nanos(u64::try_from(phase).unwrap_or(0));
        // Who is at the bottom stays there.
        let is_at_bottom = self.limit == self.least();
        self.n_workers = n_workers.max(1);
        self.limit = if is_at_bottom { self.least() } else { self.limit.max(self.least()) };
    }

    /// Its part of the fewest.
    fn least(&self) -> usize {
        LEAST.div_ceil(self.n_workers).max(LEAST_EACH)
    }

    /// Whether the outbox's clock has come to another look since the last; its time is told anew again and
    /// again, and is a little off each time.
    fn is_look_due(&self, now: Duration) -> bool {
        let nth = |at: Duration| (at + LOOK_EVERY - self.phase).as_nanos() / LOOK_EVERY.as_nanos();
        nth(self.looked) != nth(now) && self.looked + LOOK_EVERY / 2 <= now
    }

    fn answered(&mut self, now: Duration, sent: Duration, asked: Asked) {
        if self.looking.is_none() && self.is_used && self.is_look_due(now) {
            (self.looked, self.looking, self.is_used) = (now, Some(self.limit), false);
            self.limit = (self.limit / 2).max(self.least());
            self.window = Window::new(now);
        }
        if sent < self.window.since {
            return;
        }
        self.window.latencies[asked as usize].push(now.saturating_sub(sent));
        self.window.n_answers += 1;
        let n_full = ANSWERS_MIN.max(ANSWERS_EACH * self.limit);
        let is_long = self.window.since + WINDOW_LONGEST <= now && ANSWERS_FEWEST <= self.window.n_answers;
        if n_full <= self.window.n_answers || is_long {
            self.learn(now);
        }
    }

    /// A window is full.
    fn learn(&mut self, now: Duration) {
        let window = std::mem::replace(&mut self.window, Window::new(now));
        // What the others send shows only by a look.
        let is_alone = self.n_workers == 1;
        let is_light = self.looking.is_some() || is_alone && (!window.is_used || self.limit <= LEAST);
        let times_slower = self.compare(now, window.latencies, is_light);
        if let Some(before) = self.looking.take() {
            self.limit = before.max(self.least());
            return;
        }
        if !window.is_used {
            return;
        }
        self.is_starting &= times_slower < QUICK;
        if SLOW < times_slower {
            let kept = (WANTED / times_slower).max(KEPT_LEAST);
            self.limit = ((self.limit as f64 * kept) as usize).max(self.least());
        } else if times_slower < QUICK {
            let part = if self.is_starting { ADDED_FIRST } else { ADDED };
            self.limit = (self.limit + (self.limit / part).max(1)).min(Concurrency::MOST);
        }
    }

    /// How many times as long a window took, all kinds together. If it is `light`, it tells what they take
    /// with few under way.
    fn compare(&mut self, now: Duration, latencies: [Vec<Duration>; N_KINDS], is_light: bool) -> f64 {
        let (mut sum, mut n_all) = (0.0, 0.0);
        for (mut latencies, unloaded) in latencies.into_iter().zip(&mut self.unloaded) {
            let Some(median) = median(&mut latencies) else { continue };
            let Some(known) = unloaded else {
                if ANSWERS_FEWEST <= latencies.len() {
                    *unloaded = Some(Unloaded { latency: median, found: now });
                }
                continue;
            };
            let by = median.as_secs_f64() / known.latency.as_secs_f64().max(1e-6);
            sum += by.max(1e-6).ln() * latencies.len() as f64;
            n_all += latencies.len() as f64;
            if by < CLEARLY_LESS {
                *known = Unloaded { latency: (known.latency + median) / 2, found: now };
            } else if is_light {
                let drift = (now - known.found).as_secs_f64() / DRIFT.as_secs_f64();
                let by = by.clamp((-drift).exp(), drift.exp());
                *known = Unloaded { latency: known.latency.mul_f64(by), found: now };
            }
        }
        if n_all == 0.0 { 1.0 } else { (sum / n_all).exp() }
    }
}

impl Window {
    fn new(since: Duration) -> Self {
        Self { since, is_used: false, n_answers: 0, latencies: Default::default() }
    }
}

fn median(latencies: &mut [Duration]) -> Option<Duration> {
    let middle = latencies.len() / 2;
    (!latencies.is_empty()).then(|| *latencies.select_nth_unstable(middle).1)
}

#[cfg(test)]
mod tests;
