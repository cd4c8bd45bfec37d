//! Posts and looks up: takes a claim, asks the API, and hands over what the answer makes of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::engine::Engine;
use super::gate::Pass;
use super::state::{Purpose, QueuedClaim, RunState, Sharing};
use crate::delivery::breaker::{Changed, Traffic};
use crate::delivery::coordination::{News, Reachability};
use crate::delivery::decide::{self, Denials, Looks, Next, Scene, Steady, after, between};
use crate::delivery::evidence::{Evidence, Health, Progress, Row};
use crate::delivery::{
    Api, Blame, Change, Claim, Clock, Doubt, Halt, LookUp, Note, OpenTickets, Outbox, Proof, Reply,
    RequestKind, RowId, Settle, Sighting, ThrottleCause, Verdict, Verification, Verify, Watch,
};

/// A ticket of the same text that is older than this is of another outage.
const VERIFIED_BACK: Duration = Duration::from_secs(48 * 3600);

impl<'a, O: Outbox, A: Api, C: Clock, W: Watch> Engine<'a, O, A, C, W> {
    /// Ends when the run does.
    pub(super) async fn sender(&self) {
        loop {
            // Made before the look at the state, so that no claim falls between them.
            let queued = self.queued.notified();
            let next = {
                let mut state = self.state.borrow_mut();
                if state.is_ending() {
                    return;
                }
                state.take_claim()
            };
            match next {
                Some(claim) => self.deliver(claim).await,
                None => queued.await,
            }
        }
    }

    async fn deliver(&self, QueuedClaim { claim, claimed }: QueuedClaim) {
        let purpose = match claim.doubt {
            Some(_) => Purpose::LookUp,
            None => Purpose::Post(claim.row),
        };
        let pass = Pass::new(self, purpose, Some(claimed));
        let settle = match &claim.doubt {
            Some(doubt) => self.look_up(&claim, doubt, &pass).await,
            None => match self.look_before(&claim, &pass).await {
                Next::Post => self.post(&claim, &pass).await,
                Next::Settle(settle) => settle,
            },
        };
        let halt = {
            let mut state = self.state.borrow_mut();
            if !pass.began() {
                state.n_unsent -= 1;
            }
            if pass.is_awaited() {
                let deadline = state.guards.deadline();
                state.guards.ended();
                if deadline != state.guards.deadline() {
                    self.changed.notify_waiters();
                }
            }
            if claim.doubt.is_none() {
                state.n_live_posts -= 1;
                let _ = state.breaker.ended(claim.row);
                // A place for a post came free where they are counted.
                if state.guards.alone_left().is_some() || !state.breaker.is_closed() {
                    state.unbar();
                    self.changed.notify_waiters();
                }
            }
            match settle.change {
                Change::Rejected { .. } | Change::Failed { .. } => state.guards.error(),
                _ => None,
            }
        };
        self.hand(settle);
        if let Some(halt) = halt {
            self.halt(halt);
        }
    }

    async fn post(&self, claim: &Claim, pass: &Pass<'_, 'a, O, A, C, W>) -> Settle {
        let asked = self.time(&self.state.borrow());
        let reply = match self.unless_cut(self.api.open(&claim.ticket, claim.marker, pass)).await {
            Some(Reply { verdict: Verdict::Withheld, .. }) if pass.posted() => {
                return decide::turned_away(claim, self.time(&self.state.borrow()));
            }
            Some(reply) => reply,
            None if pass.posted() => {
                let state = self.state.borrow();
                return decide::given_up(claim, self.time(&state), state.hubsoft_now(self.clock.awake()));
            }
            None => return decide::release(claim),
        };
        let denials = self.denials(claim.row, &reply);
        let lote_halt = self.hear_post(claim, &reply, denials, pass.sent());
        if let Some(halt) = lote_halt {
            self.halt_lote(&claim.lote, &halt).await;
        }
        let scene = self.scene(asked, denials);
        decide::after_post(claim, &reply, &scene)
    }

    async fn look_before(&self, claim: &Claim, pass: &Pass<'_, 'a, O, A, C, W>) -> Next {
        match self.verify(claim, pass).await {
            Next::Post => self.find_open(claim, pass).await,
            settle => settle,
        }
    }

    async fn verify(&self, claim: &Claim, pass: &Pass<'_, 'a, O, A, C, W>) -> Next {
        if self.policy.verify == Verify::Never {
            return Next::Post;
        }
        let asked = self.time(&self.state.borrow());
        let Some(reply) = self.unless_cut(self.api.verify(&self.verification(claim), pass)).await else {
            return Next::Settle(decide::release(claim));
        };
        let denials = self.denials(claim.row, &reply);
        self.hear_look_up(claim.row, &reply, Looks::Count, pass.sent());
        decide::after_looking_before(claim, &reply, &self.scene(asked, denials))
    }

    fn verification<'c>(&self, claim: &'c Claim) -> Verification<'c> {
        let state = self.state.borrow();
        // Before HubSoft has told the time, by the run's own.
        let now = state.hubsoft_now(self.clock.awake()).unwrap_or_else(|| self.time(&state));
        let opened_since = now.checked_sub(VERIFIED_BACK).unwrap_or(Timestamp::MIN);
        Verification { ticket: &claim.ticket, marker: claim.marker, opened_since }
    }

    async fn look_up(&self, claim: &Claim, doubt: &Doubt, pass: &Pass<'_, 'a, O, A, C, W>) -> Settle {
        // A claim after the doubt arose is not what caused it: nothing was sent from here.
        let was_sent = claim.sent_at <= doubt.since;
        let what = LookUp {
            service: claim.ticket.id_cliente_servico,
            marker: claim.marker,
            sent_at: was_sent.then(|| self.by_hubsoft(claim.sent_at)),
        };
        let asked = self.time(&self.state.borrow());
        // Dropped by a cut, it left nothing behind: it only reads.
        let reply = match doubt.precaution && !was_sent {
            true => self.unless_cut(self.api.verify(&self.verification(claim), pass)).await,
            false => self.unless_cut(self.api.look_up(&what, pass)).await,
        };
        let Some(reply) = reply else { return decide::release(claim) };
        // Before this answer is heard: it may itself change whether look-ups count.
        let looks = self.state.borrow().looks();
        let denials = self.denials(claim.row, &reply);
        self.hear_look_up(claim.row, &reply, looks, pass.sent());
        // Of a mere precaution it is known that nothing was left.
        let (reply, looks) = match doubt.precaution {
            true => (reply, looks),
            false => self.by_seeing_eyes(claim, reply, looks).await,
        };
        let scene = Scene { looks, ..self.scene(asked, denials) };
        decide::after_look_up(claim, doubt, &reply, &scene)
    }

    /// A time by which tickets can be judged that HubSoft has stamped: the earlier one, if clocks differ.
    fn by_hubsoft(&self, at: Timestamp) -> Timestamp {
        let state = self.state.borrow();
        let now = self.time(&state);
        let ahead =
            state.hubsoft_now(self.clock.awake()).map_or(Duration::ZERO, |theirs| between(theirs, now));
        at.min(now).checked_sub(ahead).unwrap_or(Timestamp::MIN)
    }

    async fn find_open(&self, claim: &Claim, pass: &Pass<'_, 'a, O, A, C, W>) -> Next {
        if self.policy.open_tickets == OpenTickets::Ignore {
            return Next::Post;
        }
        let asked = self.time(&self.state.borrow());
        let Some(reply) = self.unless_cut(self.api.find_open(&claim.ticket, pass)).await else {
            return Next::Settle(decide::release(claim));
        };
        let denials = self.denials(claim.row, &reply);
        self.hear_look_up(claim.row, &reply, Looks::Count, pass.sent());
        let scene = self.scene(asked, denials);
        decide::after_looking_before(claim, &reply, &scene)
    }

    /// `None` once the grace of a stop is over.
    pub(super) async fn unless_cut<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        // Dropping the request is a lost answer, and every caller treats it as one.
        tokio::select! {
            biased;
            reply = request => Some(reply),
            () = self.cut.cancelled() => None,
        }
    }

    fn scene(&self, asked: Timestamp, denials: Denials) -> Scene<'_> {
        let state = self.state.borrow();
        let now = self.time(&state);
        let elapsed = self.now();
        let hold = state.pace.throttled_until(elapsed).map_or(Duration::ZERO, |until| until - elapsed);
        Scene {
            policy: self.policy,
            retry: &self.retry,
            started: self.started.checked_add(state.time_off).unwrap_or(self.started),
            steady: match state.sharing {
                Sharing::Alone => Steady::Yes,
                Sharing::Shared => Steady::No,
            },
            asked,
            now,
            hubsoft_now: state.hubsoft_now(self.clock.awake()),
            held_until: after(now, hold),
            streak: state.breaker.streak(),
            looks: state.looks(),
            denials,
        }
    }

    fn denials<T>(&self, row: RowId, reply: &Reply<T>) -> Denials {
        let mut state = self.state.borrow_mut();
        if state.halted.is_some() {
            // What is wrong is wrong with the run, and says nothing of the row.
            return Denials::First;
        }
        let denied = &mut state.denied;
        match Evidence::of(reply).row {
            Row::Denied(_) if denied.insert(row) => Denials::First,
            Row::Denied(_) => {
                denied.remove(&row);
                Denials::Repeated
            }
            _ => {
                denied.remove(&row);
                Denials::First
            }
        }
    }

    /// What the answer to a post says about HubSoft and the run. Returns the halt of its lote.
    fn hear_post(
        &self,
        claim: &Claim,
        reply: &Reply<Proof>,
        denials: Denials,
        sent: Option<Duration>,
    ) -> Option<Halt> {
        self.tell_answer(RequestKind::Post, reply);
        let mut state = self.state.borrow_mut();
        let now = self.now();
        let evidence = Evidence::of(reply);
        self.hear(&mut state, reply, sent, Looks::Count);
        let mut halt = state.guards.answered(claim.row, evidence.guard);
        let mut judged = state.guards.posted(&claim.lote, evidence.row, denials);
        if self.policy.guards.blame == Blame::Run {
            halt = halt.or(judged.take());
        }
        if let Row::Answered(Proof { marker_echoed: Some(false), opening, .. }) = evidence.row {
            halt = Some(Halt::EchoLost { protocolo: opening.protocolo.clone() });
        }
        match evidence.health {
            Health::Stumbled | Health::Unavailable => state.stumbled = Some(Arc::clone(&claim.lote)),
            Health::Proven | Health::Judged => state.stumbled = None,
            Health::NoRoute | Health::Neutral => {}
        }
        let changed = state.breaker.posted(now, claim.row, evidence.health);
        let traffic = state.breaker.traffic();
        let mut is_over = false;
        if changed == Changed::Yes {
            state.unbar();
            if let Traffic::Nothing { .. } = traffic {
                state.give_back();
            }
            match traffic {
                // What was wrong with this worker alone is not what the others wait for.
                Traffic::All if state.halted.take().is_some() => is_over = true,
                Traffic::All => state.tell(Reachability::Proven),
                Traffic::Nothing { .. } if state.halted.is_none() => state.tell(Reachability::Unreachable),
                _ => {}
            }
            self.share_now.notify_one();
        }
        drop(state);
        self.tell_traffic(changed, traffic);
        if is_over {
            self.watch.note(Note::HaltOver);
        }
        if changed == Changed::Yes {
            self.wake();
        }
        if let Some(halt) = halt {
            self.halt(halt);
        }
        judged
    }

    /// Tries until the outbox knows, or the run ends: then another twenty rows tell again.
    async fn halt_lote(&self, lote: &Arc<str>, halt: &Halt) {
        {
            let mut state = self.state.borrow_mut();
            state.guards.lote_halted(lote);
            state.stats.lotes_halted += 1;
            state.halt_lote(lote);
        }
        self.handed.notify_one();
        self.watch.note(Note::LoteHalted { lote, reason: halt });
        let mut n_tries = 0;
        while self.outbox.halt(lote, halt).await.is_err() {
            if self.state.borrow().is_ending() {
                return;
            }
            n_tries += 1;
            tokio::time::sleep(self.outbox_wait(n_tries)).await;
        }
        self.state.borrow_mut().halt_stored(lote);
    }

    pub(super) fn hear_look_up(
        &self,
        row: RowId,
        reply: &Reply<Sighting>,
        looks: Looks,
        sent: Option<Duration>,
    ) {
        self.tell_answer(RequestKind::LookUp, reply);
        let mut state = self.state.borrow_mut();
        self.hear(&mut state, reply, sent, looks);
        let halt = state.guards.answered(row, Evidence::of(reply).guard);
        drop(state);
        if let Some(halt) = halt {
            self.halt(halt);
        }
    }

    /// Tells whoever looks on; what was withheld was never asked.
    pub(super) fn tell_answer<T>(&self, kind: RequestKind, reply: &Reply<T>) {
        if !matches!(Evidence::of(reply).row, Row::Withheld) {
            self.watch.answered(kind, reply.verdict.name(), reply.latency);
        }
    }

    /// What any answer says, whatever was asked: counts, HubSoft's clock, whether everybody is to wait, and
    /// whether the run goes forward. `looks`: whether an answer means that it does.
    pub(super) fn hear<T>(
        &self,
        state: &mut RunState,
        reply: &Reply<T>,
        sent: Option<Duration>,
        looks: Looks,
    ) {
        let evidence = Evidence::of(reply);
        state.stats.answered(reply.http_status, reply.latency);
        if let Some(date) = reply.date {
            state.hubsoft_clock = Some((date, self.clock.awake()));
        }
        if let Some(throttle) = evidence.throttle {
            self.throttled(state, throttle, reply.retry_after, sent);
        }
        let progress = match (evidence.progress, looks) {
            (Some(Progress::Good), Looks::Free | Looks::Last) => Some(Progress::Stalled),
            (progress, _) => progress,
        };
        let deadline = state.guards.deadline();
        if let Some(progress) = progress {
            state.guards.progress(self.now(), progress);
            if progress == Progress::Good {
                state.pace.accepted();
            } else if let Some(fault) = reply.verdict.trouble() {
                state.guards.failed(fault);
            }
        }
        if deadline != state.guards.deadline() {
            self.changed.notify_waiters();
        }
    }

    /// An explicit refusal throttles everybody.
    fn throttled(
        &self,
        state: &mut RunState,
        throttle: ThrottleCause,
        retry_after: Option<Duration>,
        sent: Option<Duration>,
    ) {
        let now = self.now();
        let Some(throttle) = state.pace.refused(now, sent.unwrap_or(now), retry_after, throttle) else {
            return;
        };
        state.stats.throttled(self.time(state), &throttle);
        let length = throttle.until - throttle.at;
        self.watch.throttled(length, &throttle.reason);
        state.tell(News { throttle: Some((length, throttle.reason)), ..News::default() });
        self.share_now.notify_one();
        if state.rows_are_barred(now) {
            state.give_back();
            self.handed.notify_one();
        }
        self.changed.notify_waiters();
    }
}
