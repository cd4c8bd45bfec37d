//! Carries claims: posts and looks up, and makes outcomes of the answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::errand::{Errand, HaltLote, Pass, Sight, Step};
use super::messages::{Action, Answer, Request, RequestId, Told};
use super::queue::QueuedClaim;
use super::slots::Purpose;
use super::state::Engine;
use super::times::Now;
use crate::delivery::decide::{self, Next, between};
use crate::delivery::retry::Retry;
use crate::delivery::{
    Change, LookUp, OpenTickets, OutboxError, Proof, Reply, Settle, Sighting, Verdict, Verify, Warning,
};

/// A ticket of the same text that is older than this is of another outage.
const VERIFIED_BACK: Duration = Duration::from_secs(48 * 3600);

/// Between two tries to have a lote halted: doubling from the first to the second.
const HALT_AGAIN_FIRST: Duration = Duration::from_millis(50);
const HALT_AGAIN_LONGEST: Duration = Duration::from_secs(2);

impl Engine<'_> {
    /// Free seats take the claims that wait.
    pub(super) fn set_out(&mut self, now: &Now) {
        while !self.is_ending()
            && let Some(&seat) = self.free_seats.last()
            && let Some(QueuedClaim { claim, claimed }) = self.queue.take_claim()
        {
            self.free_seats.pop();
            let purpose = match claim.doubt {
                Some(_) => Purpose::LookUp,
                None => Purpose::Post(claim.row),
            };
            let pass = Pass::new(purpose, Some(claimed));
            let id = RequestId { seat, nth: 0 };
            let errand = Errand { claim, pass, id, beside: Vec::new() };
            match errand.claim.doubt {
                Some(_) => self.look_up(now, errand),
                None => self.verify(now, errand),
            }
        }
    }

    /// Waits for an answer to that.
    pub(super) fn send(&mut self, mut errand: Errand, step: Step, request: Request) {
        errand.id = self.next_id(errand.id.seat);
        self.does(Action::Send(errand.id, request));
        self.waits(errand, step);
    }

    /// Waits for the outbox, which is asked under the errand's next number.
    pub(super) fn ask_outbox(
        &mut self,
        mut errand: Errand,
        step: Step,
        action: impl FnOnce(RequestId) -> Action,
    ) {
        errand.id = self.next_id(errand.id.seat);
        self.does(action(errand.id));
        self.waits(errand, step);
    }

    pub(super) fn waits(&mut self, errand: Errand, step: Step) {
        let seat = errand.id.seat;
        self.seats[seat] = Some((errand, step));
    }

    /// Whoever waits for that; `None`: nobody does any more.
    pub(super) fn take_errand(&mut self, id: RequestId) -> Option<(Errand, Step)> {
        self.seats.get_mut(id.seat)?.take_if(|(errand, _)| errand.id == id)
    }

    /// The API has answered.
    pub(super) fn replied(&mut self, now: &Now, id: RequestId, answer: Answer) {
        self.slots.forget(id);
        if id.seat == self.probe_seat() {
            if let Answer::Probe(reply) = answer {
                self.probed(now, id, &reply);
            }
            return;
        }
        if id.seat == self.list_seat() {
            if let Answer::OpenList(reply) = answer {
                self.list_read(now, id, reply);
            }
            return;
        }
        let Some((errand, step)) = self.take_errand(id) else { return };
        self.hear_latency(now, &errand, &step, &answer);
        match (step, answer) {
            (Step::Post { asked }, Answer::Post(reply)) => self.posted(now, errand, asked, reply),
            (Step::Verify { asked }, Answer::Sighting(reply)) => self.verified(now, errand, asked, reply),
            (Step::FindOpen { asked }, Answer::Sighting(reply)) => {
                match self.looked_before(now, &errand, asked, &reply) {
                    Next::Post { beside } => self.post(now, Errand { beside, ..errand }),
                    Next::Settle(settle) => self.end_errand(now, errand, settle),
                }
            }
            (Step::LookUp { asked }, Answer::Sighting(reply)) => self.looked_up(now, errand, asked, reply),
            (Step::See(seen, Sight::Look { text_len, pass }), Answer::Sighting(reply)) => {
                self.looked_at(now, errand, seen, text_len, &pass, reply);
            }
            (step, _) => {
                debug_assert!(false, "an answer of another kind than was asked for");
                self.waits(errand, step);
            }
        }
    }

    fn verify(&mut self, now: &Now, errand: Errand) {
        if self.policy.verify != Verify::First {
            return self.find_open(now, errand);
        }
        let request = Request::Verify(Arc::clone(&errand.claim), self.opened_since(now));
        self.send(errand, Step::Verify { asked: self.time(now) }, request);
    }

    pub(super) fn find_open(&mut self, now: &Now, errand: Errand) {
        if self.policy.open_tickets == OpenTickets::Ignore {
            return self.post(now, errand);
        }
        match self.listed(now, &errand.claim) {
            Some(Sighting::AlreadyOpen { opening }) => {
                let settle = decide::already_open(&errand.claim, opening);
                return self.end_errand(now, errand, settle);
            }
            Some(Sighting::NotFound) => return self.post(now, errand),
            Some(Sighting::Beside(beside)) => return self.post(now, Errand { beside, ..errand }),
            Some(_) | None => {}
        }
        let request = Request::FindOpen(Arc::clone(&errand.claim));
        self.send(errand, Step::FindOpen { asked: self.time(now) }, request);
    }

    fn post(&mut self, now: &Now, errand: Errand) {
        let request = Request::Post(Arc::clone(&errand.claim));
        self.send(errand, Step::Post { asked: self.time(now) }, request);
    }

    fn look_up(&mut self, now: &Now, errand: Errand) {
        let claim = &errand.claim;
        // A claim after the doubt arose is not what caused it: nothing was sent from here.
        let sent_elsewhere_by = claim.doubt.as_ref().map(|doubt| doubt.since);
        let sent_elsewhere_by = sent_elsewhere_by.filter(|since| *since < claim.sent_at);
        let is_precaution = claim.doubt.as_ref().is_some_and(|doubt| doubt.precaution);
        let request = match sent_elsewhere_by {
            Some(_) if is_precaution => Request::Verify(Arc::clone(claim), self.opened_since(now)),
            _ => {
                // What such a precaution could not tell is looked for again as a doubt, from as far back.
                // That is far enough, too, where the claim did cause it, and a clock was set back between.
                let sent_at = sent_elsewhere_by.map_or(claim.sent_at, verified_back);
                let sent_at = Some(self.by_hubsoft(now, sent_at));
                let (service, marker) = (claim.ticket.id_cliente_servico, claim.marker);
                Request::LookUp(LookUp { service, marker, sent_at })
            }
        };
        self.send(errand, Step::LookUp { asked: self.time(now) }, request);
    }

    fn opened_since(&self, now: &Now) -> Timestamp {
        // Before HubSoft has told the time, by the run's own.
        verified_back(self.hubsoft_now(now).unwrap_or_else(|| self.time(now)))
    }

    /// A time by which tickets can be judged that HubSoft has stamped: the earlier one, if clocks differ.
    fn by_hubsoft(&self, now: &Now, at: Timestamp) -> Timestamp {
        let time = self.time(now);
        let ahead = self.hubsoft_now(now).map_or(Duration::ZERO, |theirs| between(theirs, time));
        at.min(time).checked_sub(ahead).unwrap_or(Timestamp::MIN)
    }

    fn looked_before(
        &mut self,
        now: &Now,
        errand: &Errand,
        asked: Timestamp,
        reply: &Reply<Sighting>,
    ) -> Next {
        let claim = &errand.claim;
        let denials = self.denials(claim.row, reply);
        self.hear_look_up(now, claim.row, reply, decide::Looks::Count, errand.pass.sent);
        decide::after_looking_before(claim, reply, &self.scene(now, asked, denials))
    }

    fn posted(&mut self, now: &Now, errand: Errand, asked: Timestamp, mut reply: Reply<Proof>) {
        if let Verdict::Answered(proof) = &mut reply.verdict {
            proof.warnings.extend(errand.beside.iter().cloned().map(Warning::Beside));
        }
        let claim = &errand.claim;
        if reply.verdict == Verdict::Withheld && errand.pass.has_posted {
            let settle = decide::turned_away(claim, self.time(now));
            return self.end_errand(now, errand, settle);
        }
        let denials = self.denials(claim.row, &reply);
        if let Some(halt) = self.hear_post(now, claim, &reply, denials, errand.pass.sent) {
            let rests_until = None;
            let halting = HaltLote { asked, reply, denials, halt, n_tries: 0, rests_until };
            return self.halt_lote(errand, Box::new(halting));
        }
        let settle = decide::after_post(claim, &reply, &self.scene(now, asked, denials));
        self.end_errand(now, errand, settle);
    }

    /// Until the outbox knows, or the run ends: then another twenty rows tell again.
    fn halt_lote(&mut self, errand: Errand, halting: Box<HaltLote>) {
        let lote = Arc::clone(&errand.claim.lote);
        self.health.guards.lote_halted(&lote);
        self.stats.lotes_halted += 1;
        self.queue.halt_lote(&lote, &mut self.storage.outgoing);
        self.bar_lote(&lote);
        self.tell(Told::LoteHalted(lote, Box::new(halting.halt.clone())));
        self.n_halting += 1;
        self.tell_halt(errand, halting);
    }

    /// Those who have a seat and wait for their slot do not go either.
    fn bar_lote(&mut self, lote: &Arc<str>) {
        for seat in 0..self.seats.len() {
            if let Some((errand, _)) = &mut self.seats[seat]
                && errand.claim.lote == *lote
                && matches!(errand.pass.purpose, Purpose::Post(_))
            {
                errand.pass.is_barred = true;
                let id = errand.id;
                if self.slots.turn_away(id) {
                    self.does(Action::Withhold(id));
                }
            }
        }
    }

    fn tell_halt(&mut self, errand: Errand, halting: Box<HaltLote>) {
        let (lote, halt) = (Arc::clone(&errand.claim.lote), Box::new(halting.halt.clone()));
        self.ask_outbox(errand, Step::HaltLote(halting), |id| Action::Halt(id, lote, halt));
    }

    /// Tells again of lotes that the outbox could not halt.
    pub(super) fn tell_halts_again(&mut self, now: &Now) {
        if self.n_halting == 0 {
            return;
        }
        for seat in 0..self.seats.len() {
            let Some((_, Step::HaltLote(halting))) = &self.seats[seat] else { continue };
            match halting.rests_until {
                Some(until) if now.run < until => self.wake_at(Some(until)),
                Some(_) => {
                    if let Some((errand, Step::HaltLote(mut halting))) = self.seats[seat].take() {
                        halting.rests_until = None;
                        self.tell_halt(errand, halting);
                    }
                }
                None => {}
            }
        }
    }

    /// The outbox halted the lote, or did not.
    pub(super) fn lote_halted(&mut self, now: &Now, id: RequestId, done: Result<(), OutboxError>) {
        let Some((errand, Step::HaltLote(mut halting))) = self.take_errand(id) else { return };
        match done {
            Ok(()) => self.queue.halt_stored(&errand.claim.lote),
            Err(_) if self.is_ending() => {}
            Err(_) => {
                halting.n_tries += 1;
                let rest = Retry::new(HALT_AGAIN_FIRST, HALT_AGAIN_LONGEST, 0).ceiling(halting.n_tries);
                halting.rests_until = Some(now.run + rest);
                return self.waits(errand, Step::HaltLote(halting));
            }
        }
        self.n_halting -= 1;
        let scene = self.scene(now, halting.asked, halting.denials);
        let settle = decide::after_post(&errand.claim, &halting.reply, &scene);
        self.end_errand(now, errand, settle);
    }

    /// It is carried no further: its outcome is stored, and its seat is free.
    pub(super) fn end_errand(&mut self, now: &Now, errand: Errand, settle: Settle) {
        let Errand { claim, pass, id, .. } = errand;
        if !pass.has_begun {
            self.queue.n_unsent -= 1;
        }
        if pass.is_awaited {
            self.health.guards.ended();
        }
        if claim.doubt.is_none() {
            self.queue.n_live_posts -= 1;
            let _ = self.health.breaker.ended(claim.row);
            // A place for a post came free where they are counted.
            if self.health.guards.alone_left().is_some() || !self.health.breaker.is_closed() {
                self.queue.unbar();
            }
        }
        let halt = match settle.change {
            Change::Rejected { .. } | Change::Failed { .. } => self.health.guards.error(),
            _ => None,
        };
        self.service_changed(&claim, &settle.change);
        self.storage.outgoing.push_back(settle);
        self.free_seats.push(id.seat);
        if let Some(halt) = halt {
            self.halt(now, halt);
        }
    }

    /// The grace of a stop is over: nobody waits for an answer any more. What was posted is in doubt; what
    /// only reads has left nothing behind.
    pub(super) fn cut_off(&mut self, now: &Now) {
        for seat in 0..self.seats.len() {
            let is_on_its_way = |(_, step): &mut (Errand, Step)| step.is_with_api();
            let Some((errand, step)) = self.seats[seat].take_if(is_on_its_way) else { continue };
            self.slots.forget(errand.id);
            self.does(Action::Abandon(errand.id));
            match step {
                Step::See(seen, _) => {
                    self.leave_sight();
                    self.untold(now, errand, seen, Verdict::Withheld);
                }
                Step::Post { .. } if errand.pass.has_posted => {
                    let (time, hubsoft_latest) = (self.time(now), self.hubsoft_latest(now));
                    let settle = decide::given_up(&errand.claim, time, hubsoft_latest);
                    self.end_errand(now, errand, settle);
                }
                _ => {
                    let settle = decide::release(&errand.claim);
                    self.end_errand(now, errand, settle);
                }
            }
        }
    }
}

/// From when on tickets count that were opened from elsewhere by that time.
fn verified_back(by: Timestamp) -> Timestamp {
    by.checked_sub(VERIFIED_BACK).unwrap_or(Timestamp::MIN)
}
