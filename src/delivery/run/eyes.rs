//! Believes no absence of eyes that are not known to see: looks up a row first that was opened.

use super::engine::Engine;
use super::gate::Pass;
use super::state::Purpose;
use crate::delivery::decide::Looks;
use crate::delivery::evidence::{Evidence, Row};
use crate::delivery::eyes::{Sight, Specimen};
use crate::delivery::{
    Api, Blindness, Claim, Clock, Fault, Lasting, LookUp, Note, Outbox, Reply, Sighting, Verdict, Watch,
};

/// Why an absence is none.
enum Unseen {
    Blind(Blindness),
    /// The look for a row that was opened came to this.
    Untold(Verdict<Sighting>),
}

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    /// What an answer to the look-up of a row in doubt is worth: not found is *could not tell* until a ticket
    /// of ours was seen, and whatever the look for one is answered where it is no answer.
    pub(super) async fn by_seeing_eyes(
        &self,
        claim: &Claim,
        reply: Reply<Sighting>,
        looks: Looks,
    ) -> (Reply<Sighting>, Looks) {
        match reply.verdict {
            Verdict::Answered(Sighting::Found { .. }) => self.saw(text_len(claim)).await,
            Verdict::Answered(Sighting::NotFound) => match self.see(claim).await {
                Ok(()) => {}
                Err(Unseen::Blind(why)) => {
                    let looks = self.more_sights(looks).await;
                    return (Reply { verdict: self.blind(why), ..reply }, looks);
                }
                Err(Unseen::Untold(instead)) => return (Reply { verdict: instead, ..reply }, looks),
            },
            _ => {}
        }
        (reply, looks)
    }

    /// What a look that saw nothing costs: as long as something will be opened that this user could be shown,
    /// the run waits for that anyway.
    async fn more_sights(&self, looks: Looks) -> Looks {
        if self.policy.lasting == Lasting::Forever {
            return looks;
        }
        match self.outbox.posts_are_left().await {
            Ok(true) => Looks::Free,
            Ok(false) => Looks::Last,
            // That will be told of by the next settle.
            Err(_) => looks,
        }
    }

    /// Whether an absence of the claimed row can be believed.
    async fn see(&self, claim: &Claim) -> Result<(), Unseen> {
        let text_len = text_len(claim);
        if self.sees(text_len) {
            return Ok(());
        }
        // One at a time: the others will know by then. Never closed, so a permit always comes.
        let _turn = self.seeing.acquire().await;
        self.load_sights().await;
        if self.sees(text_len) {
            return Ok(());
        }
        if let Some(why) = self.sights.borrow().in_vain(text_len, self.now()) {
            return Err(Unseen::Blind(why));
        }
        loop {
            let Some(specimen) = self.specimen(text_len).await else {
                return Err(Unseen::Blind(Blindness::Unknown));
            };
            let Some(reply) = self.look_for(&specimen, claim).await else {
                return Err(Unseen::Untold(Verdict::Withheld));
            };
            let is_unseen = match Evidence::of(&reply).row {
                Row::Answered(Sighting::Found { .. }) => {
                    self.saw(specimen.text_len).await;
                    return Ok(());
                }
                Row::Answered(Sighting::NotFound) => true,
                Row::Answered(_) | Row::Refused(_) | Row::Denied(_) => false,
                Row::Unknown(_) | Row::NotSent(_) | Row::Throttled | Row::Blameless(_) | Row::Withheld => {
                    return Err(Unseen::Untold(reply.verdict));
                }
            };
            let now = self.now();
            if let Some(why) = self.sights.borrow_mut().searched(text_len, is_unseen, now) {
                return Err(Unseen::Blind(why));
            }
        }
    }

    /// `None` once the grace of a stop is over.
    async fn look_for(&self, specimen: &Specimen, claim: &Claim) -> Option<Reply<Sighting>> {
        let what = LookUp { service: specimen.service, marker: specimen.marker, sent_at: None };
        // It is of another row: it may go however old the claim has become at a slow pace.
        let pass = Pass::new(self, Purpose::LookUp, None);
        let reply = self.unless_cut(self.api.look_up(&what, &pass)).await?;
        self.hear_look_up(claim.row, &reply, Looks::Count, pass.sent());
        Some(reply)
    }

    /// A row that was opened with a text as long; another one each time.
    async fn specimen(&self, text_len: usize) -> Option<Specimen> {
        let nth = self.sights.borrow().next_specimen;
        // An outbox that fails now will be told of by the next settle.
        let found = match self.outbox.specimen(text_len, nth).await.ok()? {
            None if 0 < nth => self.outbox.specimen(text_len, 0).await.ok()?.map(|specimen| (specimen, 0)),
            found => found.map(|specimen| (specimen, nth)),
        };
        let (specimen, nth) = found?;
        self.sights.borrow_mut().next_specimen = nth.saturating_add(1);
        Some(specimen)
    }

    fn sees(&self, text_len: usize) -> bool {
        let now = self.time(&self.state.borrow());
        self.sights.borrow().eyes.see(text_len, now)
    }

    /// What earlier runs of this user saw.
    async fn load_sights(&self) {
        if self.sights.borrow().is_loaded {
            return;
        }
        if let Ok(stored) = self.outbox.sights(&self.api.who()).await {
            let sights = &mut *self.sights.borrow_mut();
            sights.is_loaded = true;
            for sight in stored {
                sights.eyes.saw(sight);
            }
        }
    }

    async fn saw(&self, text_len: usize) {
        let seen_at = self.time(&self.state.borrow());
        let sight = Sight { text_len, seen_at };
        let is_news = self.sights.borrow_mut().saw(sight);
        if is_news {
            // This run knows; if it cannot be kept, the next one looks for itself.
            let _ = self.outbox.saw(&self.api.who(), sight).await;
        }
    }

    fn blind(&self, why: Blindness) -> Verdict<Sighting> {
        if !std::mem::replace(&mut self.sights.borrow_mut().is_told, true) {
            self.watch.note(Note::Blind(why));
        }
        Verdict::Answered(Sighting::CouldNotTell(Fault::Blind(why)))
    }
}

/// Without the marker. Characters.
fn text_len(claim: &Claim) -> usize {
    claim.ticket.descricao.as_str().chars().count()
}
