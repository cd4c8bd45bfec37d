//! Believes no absence of eyes that are not known to see: looks up a row first that was opened.

use std::time::Duration;

use super::Engine;
use super::gate::Pass;
use super::state::Purpose;
use crate::delivery::decide::Looks;
use crate::delivery::evidence::{Evidence, Row};
use crate::delivery::eyes::{Eyes, Sight, Specimen};
use crate::delivery::{
    Api, Claim, Clock, Fault, Lasting, LookUp, Note, Outbox, Reply, Sighting, Verdict, Watch,
};

/// So many rows that were opened are not found, one after another, before this user is taken for blind: one
/// may have been deleted by a person, or be another user's.
const UNSEEN_MAX: u32 = 3;

/// And so many are looked up at most: of some HubSoft may not tell.
const SPECIMENS_MAX: u32 = 10;

/// And not again for so long.
const BLIND_FOR: Duration = Duration::from_secs(300);

/// What this run knows of what its user sees.
#[derive(Default)]
pub struct Sights {
    eyes: Eyes,
    is_loaded: bool,
    next_specimen: u32,
    /// It may take many claims: a slow pace, or an outage, ends those in its midst.
    search: Option<Search>,
    in_vain: Option<InVain>,
    is_told: bool,
}

/// Rows that were opened, looked up for a sight of a text so long.
struct Search {
    text_len: usize,
    n_told: u32,
    n_unseen: u32,
}

/// How a search ended.
#[derive(Clone, Copy)]
struct InVain {
    at: Duration,
    text_len: usize,
    why: &'static str,
}

impl Sights {
    /// HubSoft has told, or not, of one more row that was opened with a text so long. Returns why it is of no
    /// use to ask for another.
    fn searched(&mut self, text_len: usize, is_unseen: bool, now: Duration) -> Option<&'static str> {
        // What was not seen of longer texts says nothing of this one.
        let known = self.search.take().filter(|it| it.text_len <= text_len);
        let mut search = known.unwrap_or(Search { text_len, n_told: 0, n_unseen: 0 });
        search.n_told += 1;
        search.n_unseen += u32::from(is_unseen);
        let why = match search {
            Search { n_unseen: 0, n_told: SPECIMENS_MAX.., .. } => UNKNOWN,
            Search { n_unseen: UNSEEN_MAX.., .. } | Search { n_told: SPECIMENS_MAX.., .. } => UNSEEN,
            _ => {
                self.search = Some(search);
                return None;
            }
        };
        self.in_vain = Some(InVain { at: now, text_len: search.text_len, why });
        Some(why)
    }

    fn in_vain(&self, text_len: usize, now: Duration) -> Option<&'static str> {
        let is_of_it = |it: &InVain| it.text_len <= text_len && now < it.at + BLIND_FOR;
        self.in_vain.filter(is_of_it).map(|it| it.why)
    }
}

/// Why an absence is none.
enum Unseen {
    Blind(&'static str),
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
            let Some(specimen) = self.specimen(text_len).await else { return Err(Unseen::Blind(UNKNOWN)) };
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
            None if 0 < nth => self.outbox.specimen(text_len, 0).await.ok()?.map(|it| (it, 0)),
            found => found.map(|it| (it, nth)),
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
        let is_news = {
            let sights = &mut *self.sights.borrow_mut();
            sights.search.take_if(|it| it.text_len <= text_len);
            sights.eyes.saw(sight)
        };
        if is_news {
            // This run knows; if it cannot be kept, the next one looks for itself.
            let _ = self.outbox.saw(&self.api.who(), sight).await;
        }
    }

    fn blind(&self, why: &str) -> Verdict<Sighting> {
        if !std::mem::replace(&mut self.sights.borrow_mut().is_told, true) {
            self.watch.note(Note::Blind(why));
        }
        let fault = Fault { code: "blind".to_owned(), message: format!("not found, but {why}") };
        Verdict::Answered(Sighting::CouldNotTell(fault))
    }
}

const UNKNOWN: &str = "no look-up of this user has shown a ticket of ours yet with a text as long, so HubSoft may hide such \
                       tickets from it";

const UNSEEN: &str = "tickets of ours that were opened are not found either: this user may not see them, or HubSoft alters \
                      their texts; look for one of them as this user, and see that it shows, marker and all";

/// Without the marker. Characters.
fn text_len(claim: &Claim) -> usize {
    claim.ticket.descricao.as_str().chars().count()
}
