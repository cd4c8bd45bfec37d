//! The claims of a run, from the outbox to their settle, and what the outbox said is left there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::times::Moment;
use crate::delivery::decide::release;
use crate::delivery::{Claim, Settle};

/// While both wait, every so many-th claim sent is a look-up.
const LOOK_UP_SHARE: u32 = 5;

/// A claim that waits to be sent, and when it was claimed.
#[derive(Clone)]
pub struct QueuedClaim {
    pub claim: Arc<Claim>,
    pub claimed: Moment,
}

fingerprint! { struct QueuedClaim { claim, claimed } }

/// What the last claim said is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Unknown: ask.
    Maybe,
    /// Nothing falls due before.
    NotBefore(Timestamp),
    /// What is due may not be sent now.
    Barred { since: Duration },
    /// Nothing, unless a live row comes back.
    None,
}

fingerprint! { enum Work { Maybe, NotBefore(due), Barred { since }, None } }

/// See [`Queue::halting`].
#[derive(Clone, Debug)]
struct Halting {
    lote: Arc<str>,
    is_stored: bool,
}

fingerprint! { struct Halting { lote, is_stored } }

#[derive(Clone)]
pub struct Queue {
    posts: VecDeque<QueuedClaim>,
    look_ups: VecDeque<QueuedClaim>,
    n_posts_since_look_up: u32,
    /// Claims that are not settled yet, wherever they are.
    pub n_live: usize,
    /// Of these, claims whose request has not taken its slot yet.
    pub n_unsent: usize,
    /// Claims to post whose answer has not been seen yet.
    pub n_live_posts: usize,
    /// A claim is under way: more rows may come.
    pub is_claiming: bool,
    /// Lotes that were halted, as long as a claim may bring their rows: until the outbox knows, and a
    /// claim that began before has ended.
    halting: Vec<Halting>,
    pub work: Work,
    /// Whether the last claim left anything pending, due or not.
    pub pending: bool,
    /// As the last claim told.
    pub n_passed_over: u64,
    /// Raised by every batch that was stored, and by whoever says that rows may have come, so that a claim
    /// under way sees that its picture is old.
    pub n_changes: u64,
}

fingerprint! {
    struct Queue {
        posts, look_ups, n_posts_since_look_up, n_live, n_unsent, n_live_posts, is_claiming, halting, work,
        pending; outside n_passed_over, n_changes
    }
}

impl Queue {
    pub fn new() -> Self {
        Self {
            posts: VecDeque::new(),
            look_ups: VecDeque::new(),
            n_posts_since_look_up: 0,
            n_live: 0,
            n_unsent: 0,
            n_live_posts: 0,
            is_claiming: false,
            halting: Vec::new(),
            work: Work::Maybe,
            pending: true,
            n_passed_over: 0,
            n_changes: 0,
        }
    }

    /// These were claimed.
    pub fn take_in(&mut self, claims: Vec<Claim>, claimed: Moment) {
        self.n_live += claims.len();
        self.n_unsent += claims.len();
        for claim in claims {
            let is_post = claim.doubt.is_none();
            let queued = QueuedClaim { claim: Arc::new(claim), claimed };
            if is_post {
                self.n_live_posts += 1;
                self.posts.push_back(queued);
            } else {
                self.look_ups.push_back(queued);
            }
        }
    }

    /// What could not be sent before may be now.
    pub fn unbar(&mut self) {
        if let Work::Barred { .. } = self.work {
            self.work = Work::Maybe;
        }
    }

    /// The claim that is sent next, of those that may be.
    pub fn take_claim(&mut self) -> Option<QueuedClaim> {
        let look_up_first = self.posts.is_empty() || LOOK_UP_SHARE - 1 <= self.n_posts_since_look_up;
        if look_up_first && let Some(queued) = self.look_ups.pop_front() {
            self.n_posts_since_look_up = 0;
            return Some(queued);
        }
        self.n_posts_since_look_up = self.n_posts_since_look_up.saturating_add(1);
        self.posts.pop_front()
    }

    /// Of the claims that might be the trial one stays: of another lote than the one that HubSoft could not
    /// open a ticket for last, if there is one, else one drawn by chance. `draw` gives one of so many.
    pub fn choose_trial(
        &mut self,
        stumbled: Option<&Arc<str>>,
        draw: impl FnOnce(usize) -> usize,
        back: &mut VecDeque<Settle>,
    ) {
        if self.posts.len() < 2 {
            return;
        }
        let (mut others, mut same): (Vec<_>, Vec<_>) =
            self.posts.drain(..).partition(|post| Some(&post.claim.lote) != stumbled);
        let among = if others.is_empty() { &mut same } else { &mut others };
        let chosen = among.swap_remove(draw(among.len()));
        self.posts.push_back(chosen);
        self.release(others.into_iter().chain(same), back);
    }

    /// A lote is halted: gives back what is to be posted of it, now and from claims under way.
    pub fn halt_lote(&mut self, lote: &Arc<str>, back: &mut VecDeque<Settle>) {
        self.halting.push(Halting { lote: Arc::clone(lote), is_stored: false });
        self.give_back_halting(back);
    }

    /// The outbox knows: claims that begin from now on do not bring the lote's rows.
    pub fn halt_stored(&mut self, lote: &Arc<str>) {
        for halt in self.halting.iter_mut().filter(|halt| halt.lote == *lote) {
            halt.is_stored = true;
        }
        if !self.is_claiming {
            self.halting.retain(|halt| !halt.is_stored);
        }
    }

    /// What the claim brought is queued.
    pub fn claim_ended(&mut self, back: &mut VecDeque<Settle>) {
        self.is_claiming = false;
        self.give_back_halting(back);
        self.halting.retain(|halt| !halt.is_stored);
    }

    fn give_back_halting(&mut self, back: &mut VecDeque<Settle>) {
        if self.halting.is_empty() {
            return;
        }
        let halting = &self.halting;
        let (halted, keep): (VecDeque<_>, _) =
            self.posts.drain(..).partition(|post| halting.iter().any(|halt| halt.lote == post.claim.lote));
        self.posts = keep;
        self.release(halted, back);
    }

    /// Gives back the claims that wait and may not be sent any more: nothing of them was.
    pub fn give_back(&mut self, back: &mut VecDeque<Settle>) {
        let posts = std::mem::take(&mut self.posts);
        let look_ups = std::mem::take(&mut self.look_ups);
        self.release(posts.into_iter().chain(look_ups), back);
    }

    fn release(&mut self, claims: impl IntoIterator<Item = QueuedClaim>, back: &mut VecDeque<Settle>) {
        for queued in claims {
            self.n_unsent -= 1;
            if queued.claim.doubt.is_none() {
                self.n_live_posts -= 1;
            }
            back.push_back(release(&queued.claim));
        }
    }
}
