//! What an answer says about HubSoft and the run, whatever it makes of its row.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::errand::{Errand, Sight, Step};
use super::messages::{Answer, Told};
use super::state::{Dated, Engine};
use super::times::Now;
use crate::delivery::breaker::{Changed, Traffic};
use crate::delivery::concurrency::Asked;
use crate::delivery::coordination::{News, Reachability};
use crate::delivery::decide::{Denials, Looks, Scene, Steady, after};
use crate::delivery::evidence::{Evidence, Health, Progress, Row};
use crate::delivery::{
    Blame, Claim, Halt, Proof, Reply, RequestKind, RowId, Sighting, ThrottleCause, Verdict,
};

impl Engine<'_> {
    pub(super) fn scene(&self, now: &Now, asked: Timestamp, denials: Denials) -> Scene<'_> {
        let time = self.time(now);
        let throttled_until = self.slots.pace.throttled_until(now.run);
        let held_until = throttled_until.map_or(time, |until| after(time, until - now.run));
        let time_off = self.sharing.time_off;
        Scene {
            policy: self.policy,
            retry: &self.retry,
            started: self.started.checked_add(time_off).unwrap_or(self.started),
            steady: if self.sharing.is_shared() { Steady::No } else { Steady::Yes },
            asked,
            now: time,
            hubsoft_now: self.hubsoft_now(now),
            hubsoft_latest: self.hubsoft_latest(now),
            held_until,
            streak: self.health.breaker.streak(),
            looks: self.looks(),
            denials,
        }
    }

    pub(super) fn looks(&self) -> Looks {
        self.health.looks(self.queue.n_live_posts)
    }

    pub(super) fn denials<T>(&mut self, row: RowId, reply: &Reply<T>) -> Denials {
        if self.health.halted.is_some() {
            // What is wrong is wrong with the run, and says nothing of the row.
            return Denials::First;
        }
        let denied = &mut self.health.denied;
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

    /// The answer to a post. Returns the halt of its lote.
    pub(super) fn hear_post(
        &mut self,
        now: &Now,
        claim: &Claim,
        reply: &Reply<Proof>,
        denials: Denials,
        sent: Option<Duration>,
    ) -> Option<Halt> {
        self.tell_answer(RequestKind::Post, reply);
        let evidence = Evidence::of(reply);
        self.hear(now, reply, sent, Looks::Count);
        let mut halt = self.health.guards.answered(claim.row, evidence.guard);
        let mut judged = self.health.guards.posted(&claim.lote, evidence.row, denials);
        if self.policy.guards.blame == Blame::Run {
            halt = halt.or(judged.take());
        }
        if let Row::Answered(Proof { marker_echoed: Some(false), opening, .. }) = evidence.row {
            halt = Some(Halt::EchoLost { protocolo: opening.protocolo.clone() });
        }
        match evidence.health {
            Health::Stumbled | Health::Unavailable => self.health.stumbled = Some(Arc::clone(&claim.lote)),
            Health::Proven | Health::Judged => self.health.stumbled = None,
            Health::NoRoute | Health::Neutral => {}
        }
        let changed = self.health.breaker.posted(now.run, claim.row, evidence.health);
        if changed == Changed::Yes {
            self.traffic_changed(now);
        }
        if let Some(halt) = halt {
            self.halt(now, halt);
        }
        judged
    }

    /// By the answer to a post.
    fn traffic_changed(&mut self, now: &Now) {
        self.queue.unbar();
        let traffic = self.health.breaker.traffic();
        let mut is_over = false;
        match traffic {
            // What was wrong with this worker alone is not what the others wait for.
            Traffic::All if self.health.halted.take().is_some() => is_over = true,
            Traffic::All => self.sharing.tell(Reachability::Proven),
            Traffic::Nothing { .. } => {
                self.give_back();
                if self.health.halted.is_none() {
                    self.sharing.tell(Reachability::Unreachable);
                }
            }
            Traffic::OneTrial(_) | Traffic::LookUps { .. } => {}
        }
        self.tell_traffic(now, Changed::Yes);
        if is_over {
            self.tell(Told::HaltOver);
        }
    }

    /// Tells whoever looks on what may be sent now.
    pub(super) fn tell_traffic(&mut self, now: &Now, changed: Changed) {
        let is_open = self.health.is_dark();
        if changed == Changed::No || !is_open && !self.health.breaker.is_closed() {
            return;
        }
        // Who probes may change while it is open.
        if self.health.told_open.replace(is_open) == Some(is_open) {
            return;
        }
        if is_open {
            self.tell(Told::BreakerOpened(self.health.guards.last().cloned().map(Box::new)));
        } else {
            self.slots.limit.begin_again(now.run);
            self.tell(Told::BreakerClosed);
        }
    }

    pub(super) fn hear_look_up(
        &mut self,
        now: &Now,
        row: RowId,
        reply: &Reply<Sighting>,
        looks: Looks,
        sent: Option<Duration>,
    ) {
        self.tell_answer(RequestKind::LookUp, reply);
        self.hear(now, reply, sent, looks);
        if let Some(halt) = self.health.guards.answered(row, Evidence::of(reply).guard) {
            self.halt(now, halt);
        }
    }

    /// Tells whoever looks on; what was withheld was never asked.
    pub(super) fn tell_answer<T>(&mut self, kind: RequestKind, reply: &Reply<T>) {
        if !matches!(Evidence::of(reply).row, Row::Withheld) {
            self.tell(Told::Answered(kind, reply.verdict.name(), reply.latency));
        }
    }

    /// How long HubSoft took for what it was asked.
    pub(super) fn hear_latency(&mut self, now: &Now, errand: &Errand, step: &Step, answer: &Answer) {
        let was_done = match answer {
            Answer::Post(reply) => matches!(reply.verdict, Verdict::Answered(_)),
            Answer::Sighting(reply) => matches!(reply.verdict, Verdict::Answered(_)),
            Answer::OpenList(_) | Answer::Probe(_) => false,
        };
        let (asked, pass) = match step {
            Step::Post { .. } if errand.claim.ticket.abrir_os => (Asked::PostWithOrder, &errand.pass),
            Step::Post { .. } => (Asked::Post, &errand.pass),
            Step::Verify { .. } | Step::FindOpen { .. } => (Asked::Before, &errand.pass),
            Step::LookUp { .. } => (Asked::LookUp, &errand.pass),
            Step::See(_, Sight::Look { pass, .. }) => (Asked::LookUp, pass),
            Step::See(..) | Step::HaltLote(_) => return,
        };
        if let (true, Some(sent)) = (was_done, pass.sent) {
            self.slots.limit.answered(now.run, sent, asked);
        }
    }

    /// What any answer says, whatever was asked: counts, HubSoft's clock, whether everybody is to wait, and
    /// whether the run goes forward. `looks`: whether an answer means that it does.
    pub(super) fn hear<T>(&mut self, now: &Now, reply: &Reply<T>, sent: Option<Duration>, looks: Looks) {
        let evidence = Evidence::of(reply);
        self.stats.answered(reply.http_status, reply.latency);
        if let Some(date) = reply.date {
            let took = sent.map_or(reply.latency, |sent| now.run.saturating_sub(sent));
            self.hubsoft_clock = Some(Dated { date, heard: now.awake, took });
        }
        if let Some(throttle) = evidence.throttle {
            self.throttled(now, throttle, reply.retry_after, sent);
        }
        let progress = match (evidence.progress, looks) {
            (Some(Progress::Good), Looks::Free | Looks::Last) => Some(Progress::Stalled),
            (progress, _) => progress,
        };
        if let Some(progress) = progress {
            self.health.guards.progress(now.run, progress);
            if progress == Progress::Good {
                self.slots.pace.accepted(sent.unwrap_or(now.run));
            } else if let Some(fault) = reply.verdict.trouble() {
                self.health.guards.failed(fault);
            }
        }
    }

    /// An explicit refusal throttles everybody.
    fn throttled(
        &mut self,
        now: &Now,
        cause: ThrottleCause,
        retry_after: Option<Duration>,
        sent: Option<Duration>,
    ) {
        let sent = sent.unwrap_or(now.run);
        let Some(throttle) = self.slots.pace.refused(now.run, sent, retry_after, cause) else { return };
        self.stats.throttled(self.time(now), &throttle);
        let length = throttle.until - throttle.at;
        self.tell(Told::Throttled(length, Box::new(throttle.reason.clone())));
        let lowers = self.slots.pace.lowers(now.run);
        self.sharing.tell(News { throttle: Some((length, throttle.reason)), lowers, ..News::default() });
        if self.rows_are_barred(now) {
            self.give_back();
        }
    }
}
