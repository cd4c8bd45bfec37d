//! What a step makes of the world.

use std::mem::take;
use std::rc::Rc;
use std::time::Duration;

use mutirao::delivery::engine::{Action, Answer, Request, RequestId};
use mutirao::delivery::{Fault, Rate, Verdict};

use super::hubsoft::PostFate;
use super::outbox::TIMEOUT;
use super::steps::CallFate;
use super::waits::{Done, Wait};
use super::world::World;
use super::{GRID, SETTLE_DELAY};
use crate::support::memory_claims::posts_are_left;
use crate::support::memory_outbox::{TESTER, saw, sights, specimen};
use crate::support::memory_settles::{look_again, pull_in};
use crate::support::world::{fault, opened, reply};

/// A call that hangs is answered after so long: just before the claim that it is becomes too old for a post,
/// or a post's answer is no longer waited for.
const SLOW: Duration = Duration::from_secs(25);

/// As late as a server may be after nobody waits for its answer.
const LATEST: Duration = SETTLE_DELAY.saturating_sub(GRID);

impl World {
    /// This world without that wait.
    pub fn without(&self, n: usize, at: usize) -> Self {
        let mut world = self.clone();
        Rc::make_mut(&mut world.lives[n]).waits.remove(at);
        world
    }

    /// What comes of a wait is heard at once, or then.
    pub fn heard(mut self, n: usize, done: Done, at: Duration) -> Self {
        if !self.lives[n].is_over {
            Rc::make_mut(&mut self.lives[n]).waits.push(Wait::Comes(done, at));
        }
        self.turn();
        self
    }

    pub fn renewed(&self, n: usize, at: usize, is_cut_off: bool) -> Self {
        let mut world = self.without(n, at);
        let (now, time, sabotage) = (self.now, self.time(), self.setting.sabotage);
        let life = Rc::make_mut(&mut world.lives[n]);
        if is_cut_off {
            life.tries_to_renew_again(now);
        } else {
            let shelf = Rc::make_mut(&mut world.shelf);
            if life.connection.renew(shelf, time, sabotage) {
                world.news_but_of(None);
            }
        }
        world.turn();
        world
    }

    pub fn called(&self, n: usize, at: usize, action: &Action, fate: CallFate) -> Self {
        let mut world = self.without(n, at);
        let now = self.now;
        match fate {
            CallFate::Before => world.heard(n, Done::unanswered(action), now),
            CallFate::LateCommit => {
                Rc::make_mut(&mut world.lives[n]).waits.push(Wait::Slow(action.clone(), now + SLOW));
                world
            }
            CallFate::After => {
                world.does(n, action);
                world.heard(n, Done::unanswered(action), now)
            }
            CallFate::Done => {
                let done = world.does(n, action);
                world.heard(n, done, now)
            }
            CallFate::LateAnswer => {
                let done = world.does(n, action);
                world.heard(n, done, now + SLOW)
            }
        }
    }

    /// The outbox does as it is asked.
    fn does(&mut self, n: usize, action: &Action) -> Done {
        let (time, sabotage) = (self.time(), self.setting.sabotage);
        let (shelf, life) = (Rc::make_mut(&mut self.shelf), Rc::make_mut(&mut self.lives[n]));
        let connection = &mut life.connection;
        let (done, is_news) = match action {
            Action::Claim(want, batch) => {
                let became = match &batch[..] {
                    [] => Vec::new(),
                    batch => connection.settle(shelf, batch, time, sabotage),
                };
                let claimed = connection.claim(shelf, *want, time, sabotage).ok();
                let brings = claimed.as_ref().is_some_and(|claimed| !claimed.claims.is_empty());
                let done = claimed.map(|claimed| (became, claimed));
                (Done::Claimed(batch.clone(), done), brings || !batch.is_empty())
            }
            Action::Recover(at) => {
                let n_rows = connection.recover(shelf, *at, sabotage);
                (Done::Recovered(Some(n_rows)), 0 < n_rows)
            }
            Action::LookAgain(at) => {
                look_again(shelf, *at);
                (Done::LookedAgain(Some(())), true)
            }
            Action::PullIn(at) => {
                pull_in(&mut shelf.rows, *at);
                (Done::PulledIn(Some(())), false)
            }
            Action::Settle(kind, batch) => {
                let became = connection.settle(shelf, batch, time, sabotage);
                (Done::Settled(*kind, batch.clone(), Some(became)), true)
            }
            Action::Share(_) if connection.is_alone => (Done::Shared(Some(None)), false),
            Action::Share(request) => {
                let shared = shelf.board.share(time, connection.id, Rate::Unlimited, request);
                connection.settle_doubts_of_server(shelf, time, sabotage);
                (Done::Shared(Some(Some(shared))), false)
            }
            Action::Halt(id, lote, _) => {
                shelf.halted.insert(lote.clone());
                (Done::Halted(*id, Some(())), true)
            }
            Action::Sights(id) => (Done::Sights(*id, Some(sights(shelf, TESTER))), false),
            Action::Keep(id, sight) => {
                saw(shelf, TESTER, *sight);
                (Done::Kept(*id), false)
            }
            Action::Specimen { id, text_len, nth } => {
                (Done::Specimen(*id, Some(specimen(shelf, *text_len, *nth))), false)
            }
            Action::PostsAreLeft(id) => (Done::PostsAreLeft(*id, Some(posts_are_left(shelf))), false),
            _ => unreachable!("it is no call of the outbox"),
        };
        shelf.rows.values_mut().for_each(|row| row.history.clear());
        if is_news {
            self.news_but_of(Some(n));
        }
        done
    }

    pub fn posted(&self, n: usize, at: usize, id: RequestId, row: i64, fate: PostFate) -> Self {
        let mut world = self.without(n, at);
        let (now, life) = (self.now, self.lives[n].connection.id);
        let hubsoft = &mut world.hubsoft;
        let lost = |fault| reply(Verdict::Unknown(fault), None);
        let (answer, heard_at) = match fate {
            PostFate::Opened => (opened(hubsoft.open(row, life, None)), now),
            PostFate::Refused => (reply(Verdict::Rejected(Fault::Refused { said: None }), Some(422)), now),
            PostFate::LostBefore => (lost(fault("reset")), now),
            PostFate::LostAfter => {
                hubsoft.open(row, life, None);
                (lost(fault("reset")), now)
            }
            PostFate::LostLate => {
                hubsoft.open(row, life, Some(now + LATEST));
                (lost(fault("reset")), now)
            }
            PostFate::Slow => (opened(hubsoft.open(row, life, None)), now + SLOW),
            PostFate::HungLate => {
                hubsoft.open(row, life, Some(now + TIMEOUT + LATEST));
                (lost(fault("timeout")), now + TIMEOUT)
            }
        };
        world.heard(n, Done::Replied(id, Answer::Post(answer)), heard_at)
    }

    /// `leaves_late`: the posts on its way open tickets as late as may be, or else none.
    pub fn died(&self, n: usize, leaves_late: bool, comes_back: Option<Duration>) -> Self {
        let mut world = self.clone();
        let life = Rc::make_mut(&mut world.lives[n]);
        life.is_over = true;
        let by = life.connection.id;
        let latest = self.now + LATEST;
        world.hubsoft.give_up(by, latest);
        for wait in take(&mut life.waits) {
            match wait {
                Wait::Wire(_, Request::Post(claim)) if leaves_late => {
                    world.hubsoft.open(claim.row.0, by, Some(latest));
                }
                // A server does what it was asked for, whoever died meanwhile.
                Wait::Slow(..) if !self.setting.is_alone => life.waits.push(wait),
                _ => {}
            }
        }
        match comes_back {
            Some(Duration::ZERO) => {
                world.is_born();
                world.turn();
            }
            Some(later) => world.comes_back_at = Some(self.now + later),
            None => {}
        }
        world
    }
}
