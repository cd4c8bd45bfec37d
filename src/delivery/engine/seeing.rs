//! Believes no absence of eyes that are not known to see: looks up a row first that was opened.

use jiff::Timestamp;

use super::errand::{Errand, Pass, Seen, Sight, Step};
use super::messages::{Action, Request, RequestId, Told};
use super::slots::Purpose;
use super::state::Engine;
use super::times::Now;
use crate::delivery::decide::{self, Looks, Next, Scene};
use crate::delivery::evidence::{Evidence, Health, Row};
use crate::delivery::eyes::{self, Specimen};
use crate::delivery::{
    Blindness, Claim, Fault, Lasting, LookUp, OutboxError, Reply, Sighting, Verdict, Verify,
};

impl Engine<'_> {
    /// The answer to the look-up of a row in doubt. Not found is *could not tell* until a ticket of ours was
    /// seen, and whatever the look for one is answered where it is no answer.
    pub(super) fn looked_up(&mut self, now: &Now, errand: Errand, asked: Timestamp, reply: Reply<Sighting>) {
        // Before this answer is heard: it may itself change whether look-ups count.
        let looks = self.looks();
        let denials = self.denials(errand.claim.row, &reply);
        self.hear_look_up(now, errand.claim.row, &reply, looks, errand.pass.sent);
        let seen = Box::new(Seen { asked, looks, denials, reply });
        // Of a mere precaution it is known that nothing was left, unless rows may come from elsewhere.
        if is_precaution(&errand.claim) && self.policy.verify == Verify::Never {
            return self.end_look_up(now, errand, seen);
        }
        self.weigh(now, errand, seen);
    }

    /// The answer to the look before a first post.
    pub(super) fn verified(&mut self, now: &Now, errand: Errand, asked: Timestamp, reply: Reply<Sighting>) {
        let denials = self.denials(errand.claim.row, &reply);
        self.hear_look_up(now, errand.claim.row, &reply, Looks::Count, errand.pass.sent);
        self.weigh(now, errand, Box::new(Seen { asked, looks: Looks::Count, denials, reply }));
    }

    /// What was found is a sight; an absence waits until it can be believed.
    fn weigh(&mut self, now: &Now, errand: Errand, seen: Box<Seen>) {
        match &seen.reply.verdict {
            Verdict::Answered(Sighting::Found { .. }) => match self.saw(now, text_len(&errand.claim)) {
                Some(sight) => self.keep(errand, Step::See(seen, Sight::Keep), sight),
                None => self.end_look_up(now, errand, seen),
            },
            Verdict::Answered(Sighting::NotFound) => {
                if self.sees(now, &errand.claim) {
                    return self.end_look_up(now, errand, seen);
                }
                // One at a time: the others will know by then.
                self.waits_to_see.push_back(errand.id.seat);
                self.waits(errand, Step::See(seen, Sight::Turn));
            }
            _ => self.end_look_up(now, errand, seen),
        }
    }

    /// The next may find out what this user sees, once nobody does.
    pub(super) fn see_in_turn(&mut self, now: &Now) {
        while self.seeing.is_none()
            && let Some(seat) = self.waits_to_see.pop_front()
        {
            match self.seats[seat].take() {
                Some((errand, Step::See(seen, Sight::Turn))) => {
                    self.seeing = Some(seat);
                    if self.sights.is_loaded {
                        self.look_around(now, errand, seen);
                    } else {
                        self.ask_outbox(errand, Step::See(seen, Sight::Load), Action::Sights);
                    }
                }
                other => self.seats[seat] = other,
            }
        }
    }

    /// What earlier runs of this user saw; if it cannot be read now, this one looks for itself.
    pub(super) fn sights_read(
        &mut self,
        now: &Now,
        id: RequestId,
        stored: Result<Vec<eyes::Sight>, OutboxError>,
    ) {
        let Some((errand, Step::See(seen, Sight::Load))) = self.take_errand(id) else { return };
        if let Ok(stored) = stored {
            self.sights.is_loaded = true;
            for sight in stored {
                self.sights.eyes.saw(sight);
            }
        }
        self.look_around(now, errand, seen);
    }

    fn look_around(&mut self, now: &Now, errand: Errand, seen: Box<Seen>) {
        if self.sees(now, &errand.claim) {
            self.leave_sight();
            return self.end_look_up(now, errand, seen);
        }
        let is_elsewhere = is_precaution(&errand.claim);
        if let Some(why) = self.sights.in_vain(text_len(&errand.claim), is_elsewhere, now.run) {
            self.leave_sight();
            return self.blind(now, errand, seen, why);
        }
        let (text_len, nth) = (text_len(&errand.claim), self.sights.next_specimen);
        self.ask_for_specimen(errand, seen, text_len, nth);
    }

    /// A row that was opened with a text as long; another one each time.
    fn ask_for_specimen(&mut self, errand: Errand, seen: Box<Seen>, text_len: usize, nth: u32) {
        let step = Step::See(seen, Sight::Specimen { text_len, nth });
        self.ask_outbox(errand, step, |id| Action::Specimen { id, text_len, nth });
    }

    pub(super) fn specimen_found(
        &mut self,
        now: &Now,
        id: RequestId,
        found: Result<Option<Specimen>, OutboxError>,
    ) {
        let Some((errand, Step::See(seen, Sight::Specimen { text_len: wanted, nth }))) = self.take_errand(id)
        else {
            return;
        };
        match found {
            Ok(Some(Specimen { service, marker, text_len })) => {
                self.sights.next_specimen = nth.saturating_add(1);
                // It is of another row: it may go however old the claim has become at a slow pace.
                let pass = Pass::new(Purpose::LookUp, None);
                let request = Request::LookUp(LookUp { service, marker, sent_at: None });
                self.send(errand, Step::See(seen, Sight::Look { text_len, pass }), request);
            }
            Ok(None) if 0 < nth => self.ask_for_specimen(errand, seen, wanted, 0),
            Ok(None) if is_precaution(&errand.claim) => self.unproven(now, errand, seen, wanted),
            // An outbox that fails now will be told of by the next settle.
            Ok(None) | Err(_) => {
                self.leave_sight();
                self.blind(now, errand, seen, Blindness::Unknown);
            }
        }
    }

    /// No row was opened with a text as long as that of this one, which may have been sent from elsewhere.
    /// Who sees shorter ones is believed, and so is who could not be shown any, or no row would ever be the
    /// first. Who does not see them sees no longer ones either.
    fn unproven(&mut self, now: &Now, errand: Errand, seen: Box<Seen>, wanted: usize) {
        let sees_some = self.sights.eyes.see(0, self.time(now));
        if !sees_some && 0 < wanted {
            return self.ask_for_specimen(errand, seen, 0, 0);
        }
        if !sees_some && !std::mem::replace(&mut self.sights.is_lack_told, true) {
            self.tell(Told::Unproven);
        }
        self.leave_sight();
        self.end_look_up(now, errand, seen);
    }

    /// The row that was opened was looked up.
    pub(super) fn looked_at(
        &mut self,
        now: &Now,
        errand: Errand,
        seen: Box<Seen>,
        specimen_len: usize,
        pass: &Pass,
        reply: Reply<Sighting>,
    ) {
        self.hear_look_up(now, errand.claim.row, &reply, Looks::Count, pass.sent);
        // Where there is none as long, a shorter one is looked for.
        let wanted = text_len(&errand.claim).min(specimen_len);
        let evidence = Evidence::of(&reply);
        let is_unseen = match evidence.row {
            Row::Answered(Sighting::Found { .. }) => {
                if let Some(sight) = self.saw(now, specimen_len) {
                    return self.keep(errand, Step::See(seen, Sight::KeepSpecimen), sight);
                }
                self.leave_sight();
                return self.end_look_up(now, errand, seen);
            }
            Row::Answered(Sighting::NotFound) => true,
            Row::Answered(_) | Row::Refused(_) | Row::Denied(_) => false,
            Row::Unknown(_) if evidence.health == Health::Stumbled => {
                self.leave_sight();
                return match self.sights.stumbled(wanted, errand.pass.sent, now.run) {
                    Some(why) => self.blind(now, errand, seen, why),
                    None => self.untold(now, errand, seen, reply.verdict),
                };
            }
            Row::Unknown(_) | Row::NotSent(_) | Row::Throttled | Row::Blameless(_) | Row::Withheld => {
                self.leave_sight();
                return self.untold(now, errand, seen, reply.verdict);
            }
        };
        match self.sights.searched(wanted, is_unseen, now.run) {
            Some(why) => {
                self.leave_sight();
                self.blind(now, errand, seen, why);
            }
            None => {
                let nth = self.sights.next_specimen;
                self.ask_for_specimen(errand, seen, wanted, nth);
            }
        }
    }

    /// This run knows; if a sight cannot be kept, the next one looks for itself.
    pub(super) fn kept(&mut self, now: &Now, id: RequestId) {
        if let Some((errand, Step::See(seen, sight))) = self.take_errand(id) {
            if let Sight::KeepSpecimen = sight {
                self.leave_sight();
            }
            self.end_look_up(now, errand, seen);
        }
    }

    /// What a look that saw nothing costs: as long as something will be opened that this user could be shown,
    /// the run waits for that anyway.
    fn blind(&mut self, now: &Now, errand: Errand, mut seen: Box<Seen>, why: Blindness) {
        // Nothing is opened before one of these is believed.
        if is_precaution(&errand.claim) {
            if self.sights.are_blind_for(self.policy.settle_delay, now.run) {
                seen.looks = Looks::Last;
            }
            return self.end_blind(now, errand, seen, why);
        }
        if self.policy.lasting == Lasting::Forever {
            return self.end_blind(now, errand, seen, why);
        }
        self.ask_outbox(errand, Step::See(seen, Sight::PostsAreLeft { why }), Action::PostsAreLeft);
    }

    pub(super) fn posts_counted(&mut self, now: &Now, id: RequestId, are_left: Result<bool, OutboxError>) {
        let Some((errand, Step::See(mut seen, Sight::PostsAreLeft { why }))) = self.take_errand(id) else {
            return;
        };
        seen.looks = match are_left {
            Ok(true) => Looks::Free,
            Ok(false) => Looks::Last,
            // That will be told of by the next settle.
            Err(_) => seen.looks,
        };
        self.end_blind(now, errand, seen, why);
    }

    fn end_blind(&mut self, now: &Now, errand: Errand, seen: Box<Seen>, why: Blindness) {
        if !std::mem::replace(&mut self.sights.is_told, true) {
            self.tell(Told::Blind(why));
        }
        let verdict = Verdict::Answered(Sighting::CouldNotTell(Fault::Blind(why)));
        self.untold(now, errand, seen, verdict);
    }

    /// The absence is none: the look for a row that was opened came to this instead.
    pub(super) fn untold(
        &mut self,
        now: &Now,
        errand: Errand,
        mut seen: Box<Seen>,
        verdict: Verdict<Sighting>,
    ) {
        seen.reply.verdict = verdict;
        self.end_look_up(now, errand, seen);
    }

    fn end_look_up(&mut self, now: &Now, errand: Errand, seen: Box<Seen>) {
        let Seen { asked, looks, denials, reply } = *seen;
        let scene = Scene { looks, ..self.scene(now, asked, denials) };
        let next = match &errand.claim.doubt {
            Some(doubt) => Next::Settle(decide::after_look_up(&errand.claim, doubt, &reply, &scene)),
            None => decide::after_looking_before(&errand.claim, &reply, &scene),
        };
        match next {
            Next::Post { .. } => self.find_open(now, errand),
            Next::Settle(settle) => self.end_errand(now, errand, settle),
        }
    }

    /// Another one may find out.
    pub(super) fn leave_sight(&mut self) {
        self.seeing = None;
    }

    fn sees(&self, now: &Now, claim: &Claim) -> bool {
        self.sights.eyes.see(text_len(claim), self.time(now))
    }

    /// A ticket of ours was given back. Returns the sight, if it is worth keeping.
    fn saw(&mut self, now: &Now, text_len: usize) -> Option<eyes::Sight> {
        let sight = eyes::Sight { text_len, seen_at: self.time(now) };
        self.sights.saw(sight).then_some(sight)
    }

    fn keep(&mut self, errand: Errand, step: Step, sight: eyes::Sight) {
        self.ask_outbox(errand, step, |id| Action::Keep(id, sight));
    }
}

/// Whether nothing can have been left of it, if it was never sent from elsewhere.
fn is_precaution(claim: &Claim) -> bool {
    claim.doubt.as_ref().is_none_or(|doubt| doubt.precaution)
}

/// Without the marker. Characters.
fn text_len(claim: &Claim) -> usize {
    claim.ticket.descricao.as_str().chars().count()
}
