//! The part of tokio's time that is used here, for one thread, and virtual only: as a runtime that was started
//! paused has it, at a fraction of the cost. Whenever all wait, the next timer is due at once. A timer falls
//! due at a whole millisecond, and those of one fall due in the order in which tokio has them, so that a seed
//! tells the same tale here and there.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::{Add, Sub};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

thread_local! {
    static TIMERS: RefCell<Timers> = const { RefCell::new(Timers::new()) };
}

/// A time, as milliseconds since the world began.
type Tick = u64;

/// Told as time since the world began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    pub fn now() -> Self {
        Self(Duration::from_millis(with(|timers| timers.now)))
    }

    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }

    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The first tick that is not before it.
    fn tick(self) -> Tick {
        self.0.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(Tick::MAX)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// All that wait, of a thread.
struct Timers {
    now: Tick,
    n_entered: u64,
    looks: BinaryHeap<Reverse<Look>>,
    timers: Vec<Timer>,
    /// Places of timers that are gone.
    free: Vec<usize>,
}

/// When a timer is to be looked at; the level of tokio's wheel that has it; its number there, and its place. A
/// timer that has another number by now was put elsewhere, or is gone.
type Look = (Tick, u32, u64, usize);

struct Timer {
    number: u64,
    due: Tick,
    waker: Option<Waker>,
}

/// What is gone has this number.
const GONE: u64 = 0;

/// A slot of tokio's wheel is so many bits of a tick wide, on each level more.
const LEVEL_BITS: u32 = 6;

impl Timers {
    const fn new() -> Self {
        Self { now: 0, n_entered: GONE, looks: BinaryHeap::new(), timers: Vec::new(), free: Vec::new() }
    }

    fn add(&mut self, due: Tick) -> usize {
        let timer = Timer { number: GONE, due, waker: None };
        let at = match self.free.pop() {
            Some(at) => {
                self.timers[at] = timer;
                at
            }
            None => {
                self.timers.push(timer);
                self.timers.len() - 1
            }
        };
        self.enter(at);
        at
    }

    /// Where tokio's wheel has it: what is far away is looked at when it is nearer, along with all about it.
    fn enter(&mut self, at: usize) {
        self.n_entered += 1;
        let timer = &mut self.timers[at];
        timer.number = self.n_entered;
        if self.now < timer.due {
            let level = (self.now ^ timer.due).ilog2() / LEVEL_BITS;
            let slot = timer.due >> (level * LEVEL_BITS) << (level * LEVEL_BITS);
            self.looks.push(Reverse((slot, level, timer.number, at)));
        }
    }

    /// One that is put off stays where it is until it is looked at. Returns whom to wake, if it is due.
    fn put(&mut self, at: usize, due: Tick) -> Option<Waker> {
        let before = std::mem::replace(&mut self.timers[at].due, due);
        if due < before || before <= self.now {
            self.enter(at);
        }
        if due <= self.now { self.timers[at].waker.take() } else { None }
    }

    fn remove(&mut self, at: usize) {
        let timer = &mut self.timers[at];
        timer.number = GONE;
        timer.waker = None;
        self.free.push(at);
    }

    /// Goes on to the next timer. Returns whom to wake, if that one is due.
    fn go_on(&mut self) -> Option<Waker> {
        let Reverse((tick, _, number, at)) = self.looks.pop().expect("somebody waits for time to pass");
        let timer = &mut self.timers[at];
        if timer.number != number {
            return None;
        }
        self.now = tick;
        if timer.due <= tick {
            return timer.waker.take();
        }
        self.enter(at);
        None
    }

    /// Whether one more is to be looked at now.
    fn has_more(&self) -> bool {
        self.looks.peek().is_some_and(|Reverse((tick, ..))| *tick <= self.now)
    }
}

fn with<T>(what: impl FnOnce(&mut Timers) -> T) -> T {
    TIMERS.with_borrow_mut(what)
}

/// Until a time.
#[derive(Debug)]
pub struct Sleep {
    until: Instant,
    /// Once it was polled, or put off.
    at: Option<usize>,
}

pub fn sleep_until(until: Instant) -> Sleep {
    Sleep { until, at: None }
}

pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

impl Sleep {
    pub fn reset(mut self: Pin<&mut Self>, until: Instant) {
        self.until = until;
        match self.at {
            Some(at) => with(|timers| timers.put(at, until.tick())).into_iter().for_each(Waker::wake),
            None => self.at = Some(with(|timers| timers.add(until.tick()))),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = &mut *self;
        with(|timers| {
            let at = *sleep.at.get_or_insert_with(|| timers.add(sleep.until.tick()));
            let Timer { due, waker, .. } = &mut timers.timers[at];
            if *due <= timers.now {
                return Poll::Ready(());
            }
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(at) = self.at {
            with(|timers| timers.remove(at));
        }
    }
}

/// The time was over.
#[derive(Debug)]
pub struct Elapsed;

pub async fn timeout_at<F: IntoFuture>(until: Instant, future: F) -> Result<F::Output, Elapsed> {
    let (mut future, mut end) = (pin!(future.into_future()), pin!(sleep_until(until)));
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => end.as_mut().poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}

pub async fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    timeout_at(Instant::now() + duration, future).await
}

/// Lives through `world`, from its beginning.
pub fn in_virtual_time<T>(world: impl Future<Output = T>) -> T {
    with(|timers| *timers = Timers::new());
    let is_woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&is_woken));
    let mut cx = Context::from_waker(&waker);
    let mut world = pin!(world);
    loop {
        while is_woken.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(output) = world.as_mut().poll(&mut cx) {
                return output;
            }
        }
        // All that are due at the same time are woken before anybody goes on.
        loop {
            let (waker, has_more) = with(|timers| (timers.go_on(), timers.has_more()));
            waker.into_iter().for_each(Waker::wake);
            if !has_more {
                break;
            }
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
