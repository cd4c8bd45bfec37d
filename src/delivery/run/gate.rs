//! The gate that every request passes: first come, first served at the pace, and shut at once when
//! nothing may be sent.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::engine::{Engine, sleep_until};
use super::state::{AHEAD, Moment, Purpose, RunState};
use crate::delivery::breaker::Traffic;
use crate::delivery::{Api, CLAIM_AGE_MAX, Clock, Gate, Outbox, RequestKind, Watch, Withheld};

/// A claim older than this is compared with the clock of a shared outbox before its post, unless that has
/// been told as lately: a machine that its hypervisor froze does not notice by itself, and others may have
/// taken its rows over.
const UNTOLD_MAX: Duration = Duration::from_secs(1);
const _: () = assert!(AHEAD.as_millis() < UNTOLD_MAX.as_millis(), "at its pace a worker need not ask");

/// One claim's, or one probe's, way to the API.
pub struct Pass<'e, 'a, O, A, C, W> {
    engine: &'e Engine<'a, O, A, C, W>,
    purpose: Purpose,
    /// When its row was claimed; `None` for a probe.
    claimed: Option<Moment>,
    /// When its first request took its slot.
    began: Cell<Option<Duration>>,
    /// When its last request took its slot.
    sent: Cell<Option<Duration>>,
    posted: Cell<bool>,
    /// Its answer is waited for before HubSoft counts as never reached.
    is_awaited: Cell<bool>,
}

impl<'e, 'a, O: Outbox, A: Api, C: Clock, W: Watch> Pass<'e, 'a, O, A, C, W> {
    pub fn new(engine: &'e Engine<'a, O, A, C, W>, purpose: Purpose, claimed: Option<Moment>) -> Self {
        Self {
            engine,
            purpose,
            claimed,
            began: Cell::new(None),
            sent: Cell::new(None),
            posted: Cell::new(false),
            is_awaited: Cell::new(false),
        }
    }

    /// When the last request took its slot; `None`: nothing was sent.
    pub fn sent(&self) -> Option<Duration> {
        self.sent.get()
    }

    /// Whether a post may have left.
    pub fn posted(&self) -> bool {
        self.posted.get()
    }

    /// Whether any request of it, a login included, took a slot.
    pub fn began(&self) -> bool {
        self.began.get().is_some()
    }

    /// Whether its answer was waited for, before HubSoft counts as never reached.
    pub fn is_awaited(&self) -> bool {
        self.is_awaited.get()
    }

    fn is_shut(&self) -> bool {
        self.engine.state.borrow().is_shut(self.purpose, self.engine.now())
    }

    /// Waits until nothing may be sent for this purpose.
    pub async fn shut(&self) {
        loop {
            // Made before the check, so that no change falls between them.
            let changed = self.engine.changed.notified();
            if self.is_shut() {
                return;
            }
            changed.await;
        }
    }

    async fn slot(&self) {
        let engine = self.engine;
        // The slot of a claim's first request is asked for since it was claimed.
        let _waiting = (self.began() || self.claimed.is_none()).then(|| Waiting::new(engine));
        engine.share_now.notify_one();
        // Never closed, so a permit always comes.
        let _turn = engine.turn.acquire().await;
        loop {
            let changed = engine.changed.notified();
            let next = engine.state.borrow_mut().pace.take(engine.now());
            let Err(next) = next else { return };
            // A throttle may have been made longer meanwhile, or slots may have come. Dropping either future
            // loses nothing.
            tokio::select! {
                biased;
                () = sleep_until(next.map(|at| engine.instant(at))) => {}
                () = changed => {}
            }
        }
    }

    /// Waits until another login may be tried. Whoever waits holds all other logins of the run back.
    async fn login_turn(&self) {
        let engine = self.engine;
        loop {
            let changed = engine.changed.notified();
            let at = engine.state.borrow_mut().next_login(engine.now());
            match at {
                Some(at) if at <= engine.now() => return,
                Some(_) => {}
                None => engine.share_now.notify_one(),
            }
            // Dropping either loses nothing.
            tokio::select! {
                biased;
                () = sleep_until(at.map(|at| engine.instant(at))) => {}
                () = changed => {}
            }
        }
    }

    /// Whether it is to be compared with the outbox's clock first.
    fn is_untold(&self) -> bool {
        // Told lately, as nearly always: then the four clocks of its age need not be read.
        let told_at = self.engine.state.borrow().time_told_at;
        told_at.is_some_and(|told_at| UNTOLD_MAX < self.engine.now().saturating_sub(told_at))
            && self.claimed.is_some_and(|claimed| UNTOLD_MAX < claimed.until(self.engine.moment()))
    }

    /// Waits until a shared outbox has been asked for the time, and has told it.
    async fn time_told(&self) {
        let engine = self.engine;
        let from = engine.now();
        loop {
            let changed = engine.changed.notified();
            {
                let mut state = engine.state.borrow_mut();
                if state.time_told_at.is_some_and(|told_at| from <= told_at) {
                    return;
                }
                state.wants_time = true;
            }
            engine.share_now.notify_one();
            changed.await;
        }
    }

    fn is_stale(&self) -> bool {
        self.claimed.is_some_and(|claimed| CLAIM_AGE_MAX < claimed.until(self.engine.moment()))
    }

    /// Waits until the claim is too old to be sent: no slot is spent on it.
    async fn stale(&self) {
        let Some(claimed) = self.claimed else { return std::future::pending().await };
        while !self.is_stale() {
            let age = claimed.until(self.engine.moment());
            tokio::time::sleep(CLAIM_AGE_MAX.saturating_sub(age) + Duration::from_millis(1)).await;
        }
    }
}

/// Counts a request that waits for a slot, as long as it does.
struct Waiting<'d>(&'d RefCell<RunState>);

impl<'d> Waiting<'d> {
    fn new<O, A, C, W>(engine: &'d Engine<'_, O, A, C, W>) -> Self {
        engine.state.borrow_mut().n_waiting += 1;
        Self(&engine.state)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().n_waiting -= 1;
    }
}

impl<O: Outbox, A: Api, C: Clock, W: Watch> Gate for Pass<'_, '_, O, A, C, W> {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        let engine = self.engine;
        if self.is_shut() {
            return Err(Withheld);
        }
        if kind == RequestKind::Login {
            // Dropping any loses nothing: no slot is taken yet.
            tokio::select! {
                biased;
                () = self.shut() => return Err(Withheld),
                () = self.stale() => return Err(Withheld),
                () = self.login_turn() => {}
            }
        }
        let free = {
            let mut state = engine.state.borrow_mut();
            state.pace.slot().is_none() && state.pace.take(engine.now()).is_ok()
        };
        if !free {
            // Cancel-safe: a slot is taken in the same poll in which `slot` ends.
            tokio::select! {
                biased;
                () = self.shut() => return Err(Withheld),
                () = self.stale() => return Err(Withheld),
                () = self.slot() => {}
            }
            if self.is_shut() {
                return Err(Withheld);
            }
        }
        if kind == RequestKind::Post && self.is_untold() {
            // Dropping any loses nothing: the slot is lost, and nothing is sent.
            tokio::select! {
                biased;
                () = self.shut() => return Err(Withheld),
                () = self.stale() => return Err(Withheld),
                () = self.time_told() => {}
            }
            if self.is_shut() {
                return Err(Withheld);
            }
        }
        if self.is_stale() {
            return Err(Withheld);
        }

        let now = engine.now();
        let mut state = engine.state.borrow_mut();
        if let Purpose::Post(row) = self.purpose
            && kind == RequestKind::Post
        {
            // Two rows may have waited here for one trial.
            if let Traffic::OneTrial(Some(trial)) = state.breaker.traffic()
                && trial != row
            {
                return Err(Withheld);
            }
            state.breaker.posting(row);
            self.posted.set(true);
        }
        if kind == RequestKind::Login {
            state.logs_in(now);
        }
        state.guards.tries(now);
        if self.claimed.is_some() && !self.began() {
            self.is_awaited.set(state.guards.begins(now));
        }
        state.stats.sending(now, kind);
        self.sent.set(Some(now));
        if self.began.get().is_none() {
            self.began.set(Some(now));
            if self.claimed.is_some() {
                state.n_unsent -= 1;
                if state.n_unsent <= state.low_water {
                    engine.hungry.notify_one();
                }
            }
        }
        drop(state);
        engine.watch.sending(kind);
        Ok(())
    }
}
