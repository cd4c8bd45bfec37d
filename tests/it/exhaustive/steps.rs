//! What may happen next: each step of each life, in each order, and what may go wrong with it.

use std::rc::Rc;
use std::time::Duration;

use mutirao::delivery::engine::{Action, Answer, Request, RequestId};
use mutirao::delivery::{State, Verdict};

use super::hubsoft::{LookFate, PostFate};
use super::life::Life;
use super::waits::{Done, Wait};
use super::world::{Faults, Standby, World};
use super::{AWAY, GRID};
use crate::support::memory_outbox::Shelf;
use crate::support::world::reply;

/// A standby lags behind for so long at most.
const LAG: Duration = GRID;

/// What becomes of a call of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFate {
    Done,
    /// Nothing was done.
    Before,
    /// It was done, and the answer was lost.
    After,
    /// It is done late.
    LateCommit,
    /// It is done, and answered late.
    LateAnswer,
}

/// Told of a way that leads to a violation.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "all of it is shown")]
pub enum Step {
    Call(usize, &'static str, CallFate),
    Renews(usize),
    Post(usize, i64, PostFate),
    LookUp(usize, i64, LookFate),
    Probe(usize),
    Dies { life: usize, leaves_late: bool, comes_back: Option<Duration> },
    IsCutOff(usize),
    Freezes(usize),
    StandbyLags,
    FailsOver,
    IsBorn,
    Time(Duration),
}

/// Whether a step is a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Calm,
    Fault,
}

impl World {
    /// All that may happen next.
    pub fn steps(&self, take: &mut impl FnMut(Step, Mood, Self)) {
        if self.violation.is_some() {
            return;
        }
        // What changes nothing for anybody else comes in one order only.
        for (n, life) in self.lives.iter().enumerate() {
            if let Some(at) = life.waits.iter().position(|wait| self.is_apart(life, wait)) {
                self.waits_end(n, at, take);
                if matches!(life.waits[at], Wait::Wire(..)) {
                    self.life_suffers(n, take);
                }
                return;
            }
        }
        let mut is_busy = false;
        for (n, life) in self.lives.iter().enumerate() {
            for at in 0..life.waits.len() {
                if self.is_now(&life.waits[at]) {
                    is_busy = true;
                    self.waits_end(n, at, take);
                }
            }
            if life.matters() {
                self.life_suffers(n, take);
            }
        }
        self.server_suffers(is_busy, take);
        if !is_busy {
            self.time_goes_on(take);
        }
    }

    fn is_now(&self, wait: &Wait) -> bool {
        match wait {
            Wait::Call(_) | Wait::Renewal | Wait::Wire(..) => true,
            Wait::Slow(_, at) => *at <= self.now,
            Wait::Comes(..) => false,
        }
    }

    /// Whether nobody else can tell whether it has happened.
    fn is_apart(&self, life: &Life, wait: &Wait) -> bool {
        let is_cut_off = self.now < life.cut_until;
        match wait {
            Wait::Call(_) if is_cut_off => true,
            Wait::Renewal => is_cut_off || self.all_live(),
            Wait::Call(Action::Share(_)) => self.shelf.server == life.connection.told,
            Wait::Call(Action::Recover(_)) => {
                let (is_alone, id) = (life.connection.is_alone, life.connection.id);
                let is_its = |worker| is_alone || worker == id;
                let mut rows = self.shelf.rows.values();
                !rows.any(|row| row.state == State::InFlight && is_its(row.worker))
            }
            Wait::Call(Action::LookAgain(_)) => {
                self.shelf.rows.values().all(|row| row.state != State::Unconfirmed)
            }
            Wait::Call(Action::PullIn(_) | Action::Sights(_) | Action::Keep(..)) => true,
            // An answer of HubSoft is of one row. What a server forgets it may forget before or after.
            Wait::Wire(..) => {
                let others = self.lives.iter().flat_map(|life| &life.waits).filter_map(Wait::row_asked_for);
                let row = wait.row_asked_for();
                self.standby.is_none() && others.filter(|other| Some(other) == row.as_ref()).count() <= 1
            }
            _ => false,
        }
    }

    fn waits_end(&self, n: usize, at: usize, take: &mut impl FnMut(Step, Mood, Self)) {
        let life = &self.lives[n];
        let is_cut_off = self.now < life.cut_until;
        match &life.waits[at] {
            Wait::Renewal => take(Step::Renews(n), Mood::Calm, self.renewed(n, at, is_cut_off)),
            Wait::Call(action) | Wait::Slow(action, _) if is_cut_off => {
                let fate = CallFate::Before;
                take(Step::Call(n, name(action), fate), Mood::Calm, self.called(n, at, action, fate));
            }
            Wait::Slow(action, _) => {
                let fate = CallFate::Done;
                take(Step::Call(n, name(action), fate), Mood::Calm, self.called(n, at, action, fate));
            }
            Wait::Call(action) => {
                let done = CallFate::Done;
                take(Step::Call(n, name(action), done), Mood::Calm, self.called(n, at, action, done));
                let may_fail = matches!(action, Action::Claim(..) | Action::Settle(..) | Action::Recover(_));
                if may_fail && let Some(left) = self.left.spend(|left| &mut left.calls) {
                    use CallFate::{After, Before, LateAnswer, LateCommit};
                    for fate in [Before, After, LateCommit, LateAnswer] {
                        let world = Self { left, ..self.called(n, at, action, fate) };
                        take(Step::Call(n, name(action), fate), Mood::Fault, world);
                    }
                }
            }
            Wait::Wire(id, request) => self.request_ends(n, at, *id, request, take),
            Wait::Comes(..) => {}
        }
    }

    fn request_ends(
        &self,
        n: usize,
        at: usize,
        id: RequestId,
        request: &Request,
        take: &mut impl FnMut(Step, Mood, Self),
    ) {
        match request {
            Request::Post(claim) => {
                let row = claim.row.0;
                let mut ends = |left, fate, mood| {
                    let world = Self { left, ..self.posted(n, at, id, row, fate) };
                    take(Step::Post(n, row, fate), mood, world);
                };
                ends(self.left, PostFate::Opened, Mood::Calm);
                if let Some(left) = self.left.spend(|left| &mut left.answers) {
                    PostFate::FAULTS.into_iter().for_each(|fate| ends(left, fate, Mood::Fault));
                }
            }
            Request::Probe => {
                let answer = Answer::Probe(reply(Verdict::Answered(()), Some(200)));
                let world = self.without(n, at).heard(n, Done::Replied(id, answer), self.now);
                take(Step::Probe(n), Mood::Calm, world);
            }
            // These worlds skip no row.
            Request::OpenList => {}
            Request::LookUp(what) => {
                let row = self.shelf.rows.iter().find(|(_, row)| row.marker == what.marker);
                let row = *row.expect("a row of ours is looked for").0;
                self.look_up_ends(n, at, id, row, take);
            }
            Request::Verify(claim, _) | Request::FindOpen(claim) => {
                self.look_up_ends(n, at, id, claim.row.0, take);
            }
        }
    }

    fn look_up_ends(
        &self,
        n: usize,
        at: usize,
        id: RequestId,
        row: i64,
        take: &mut impl FnMut(Step, Mood, Self),
    ) {
        let mut ends = |left, fate, mood| {
            let mut world = Self { left, ..self.without(n, at) };
            let answer = Answer::Sighting(world.hubsoft.look_up(row, fate));
            let world = world.heard(n, Done::Replied(id, answer), self.now);
            take(Step::LookUp(n, row, fate), mood, world);
        };
        ends(self.left, LookFate::Sees, Mood::Calm);
        if let Some(left) = self.left.spend(|left| &mut left.answers) {
            ends(left, LookFate::CouldNotTell, Mood::Fault);
            ends(left, LookFate::Lost, Mood::Fault);
            if self.hubsoft.may_omit(row) {
                ends(left, LookFate::Omits, Mood::Fault);
            }
        }
    }

    /// A process dies, is cut off from its outbox, or stands still.
    fn life_suffers(&self, n: usize, take: &mut impl FnMut(Step, Mood, Self)) {
        let life = &self.lives[n];
        // Outside the promise: nobody dies with a server, or before a new one has heard all.
        let is_told = self.standby.is_none()
            && self.lives.iter().all(|life| life.is_over || life.connection.has_told(&self.shelf));
        if is_told && let Some(left) = self.left.spend(|left| &mut left.crashes) {
            let is_posting = life.waits.iter().any(|wait| matches!(wait, Wait::Wire(_, Request::Post(_))));
            let others_live = self.lives.iter().enumerate().any(|(m, other)| m != n && !other.is_over);
            let comes_back: &[_] = match others_live {
                true => &[None, Some(Duration::ZERO)],
                false => &[Some(Duration::ZERO), Some(AWAY)],
            };
            for leaves_late in [false, true].into_iter().filter(|late| !late || is_posting) {
                for comes_back in comes_back {
                    let world = Self { left, ..self.died(n, leaves_late, *comes_back) };
                    let step = Step::Dies { life: n, leaves_late, comes_back: *comes_back };
                    take(step, Mood::Fault, world);
                }
            }
        }
        let (is_reached, moves) = (life.cut_until <= self.now, life.frozen_until <= self.now);
        if is_told
            && is_reached
            && let Some(left) = self.left.spend(|left| &mut left.cuts)
        {
            let mut world = Self { left, ..self.clone() };
            Rc::make_mut(&mut world.lives[n]).cut_until = self.now + AWAY;
            take(Step::IsCutOff(n), Mood::Fault, world);
        }
        if is_told
            && moves
            && let Some(left) = self.left.spend(|left| &mut left.freezes)
        {
            let mut world = Self { left, ..self.clone() };
            Rc::make_mut(&mut world.lives[n]).frozen_until = self.now + AWAY;
            take(Step::Freezes(n), Mood::Fault, world);
        }
    }

    fn server_suffers(&self, is_busy: bool, take: &mut impl FnMut(Step, Mood, Self)) {
        if self.setting.is_alone {
            return;
        }
        let Some(standby) = &self.standby else {
            // Outside the promise: a server fails while somebody is cut off from it.
            let reach_it = |life: &Rc<Life>| life.cut_until.max(life.frozen_until) <= self.now;
            // What is lost is what is committed from now on.
            if is_busy
                && self.lives.iter().all(reach_it)
                && let Some(left) = self.left.spend(|left| &mut left.failovers)
            {
                let standby = Some(Standby { shelf: Rc::clone(&self.shelf), since: self.now });
                take(Step::StandbyLags, Mood::Fault, Self { left, standby, ..self.clone() });
            }
            return;
        };
        let mut world = self.clone();
        let server = self.shelf.server + 1;
        world.shelf = Rc::new(Shelf { server, ..(*standby.shelf).clone() });
        world.standby = None;
        for life in &mut world.lives {
            let life = Rc::make_mut(life);
            // With all connections.
            for wait in &mut life.waits {
                match wait {
                    Wait::Call(action) | Wait::Slow(action, _) => {
                        *wait = Wait::Comes(Done::unanswered(action), self.now);
                    }
                    Wait::Comes(done, at) => done.is_lost(at, self.now),
                    Wait::Renewal | Wait::Wire(..) => {}
                }
            }
        }
        world.news_but_of(None);
        world.turn();
        take(Step::FailsOver, Mood::Fault, world);
    }

    fn time_goes_on(&self, take: &mut impl FnMut(Step, Mood, Self)) {
        // A run that has ended with rows left is begun again.
        let again = self.lives.iter().all(|life| life.is_over).then_some(self.now + GRID);
        let Some(due) = self.due().into_iter().chain(again).min() else { return };
        let mut world = self.clone();
        world.now = due.max(self.now + GRID);
        world.comes_back_at = world.comes_back_at.or(again);
        // Who lags no longer has lost nothing.
        world.standby.take_if(|standby| standby.since + LAG < world.now);
        let is_born = world.comes_back_at.take_if(|at| *at <= world.now).is_some();
        if is_born {
            world.is_born();
        }
        world.turn();
        let step = if is_born { Step::IsBorn } else { Step::Time(world.now) };
        take(step, Mood::Calm, world);
    }
}

impl Faults {
    /// What is left after one of these; `None`: none may happen any more.
    fn spend(mut self, kind: impl FnOnce(&mut Self) -> &mut u32) -> Option<Self> {
        self.all = self.all.checked_sub(1)?;
        let kind = kind(&mut self);
        *kind = kind.checked_sub(1)?;
        // Of no kind more than of all.
        let Self { all, crashes, cuts, freezes, failovers, calls, answers } = &mut self;
        for kind in [crashes, cuts, freezes, failovers, calls, answers] {
            *kind = (*kind).min(*all);
        }
        Some(self)
    }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Claim(..) => "claim",
        Action::Recover(_) => "recover",
        Action::LookAgain(_) => "look again",
        Action::PullIn(_) => "pull in",
        Action::Settle(..) => "settle",
        Action::Share(_) => "share",
        Action::Halt(..) => "halt",
        Action::Sights(_) => "sights",
        Action::Keep(..) => "keep",
        Action::Specimen { .. } => "specimen",
        Action::PostsAreLeft(_) => "posts are left",
        _ => "no call",
    }
}
