//! One process: an engine, and what it waits for.

use std::hash::{Hash, Hasher};
use std::mem::{discriminant, take};
use std::time::Duration;

use mutirao::delivery::engine::{Action, Answer, Engine, Event, Now, Request, RequestId};
use mutirao::delivery::fingerprint::{Clocks, Fingerprint};
use mutirao::delivery::{Policy, RequestKind, Verdict};

use super::GRID;
use super::outbox::{Connection, RENEWED_EVERY};
use super::waits::{Done, Wait};
use crate::support::world::{reply, start};

/// How soon rows are noticed that others bring.
const NOTICED: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct Life {
    pub connection: Connection,
    pub engine: Engine<'static>,
    born: Duration,
    pub waits: Vec<Wait>,
    /// Requests that wait for the engine's word.
    asking: Vec<(RequestId, Request)>,
    /// `None`: it has no lease.
    renews_at: Option<Duration>,
    listens_at: Option<Duration>,
    /// Somebody has changed a row since it last looked.
    pub has_news: bool,
    /// Until then it does not reach the outbox.
    pub cut_until: Duration,
    /// Until then it stands still.
    pub frozen_until: Duration,
    pub is_over: bool,
}

impl Life {
    pub fn new(policy: &'static Policy, connection: Connection, born: Duration) -> Self {
        let renews_at = (!connection.is_alone).then_some(born);
        let now = Now { run: Duration::ZERO, awake: born, wall: start() + born };
        Self {
            connection,
            engine: Engine::new(policy, &now, None),
            born,
            waits: Vec::new(),
            asking: Vec::new(),
            renews_at,
            listens_at: None,
            has_news: false,
            cut_until: Duration::ZERO,
            frozen_until: Duration::ZERO,
            is_over: false,
        }
    }

    /// Whether it holds something, or asks for something: of any other the death is of no matter.
    pub fn matters(&self) -> bool {
        !self.is_over && (self.engine.has_claims() || self.waits.iter().any(|wait| !wait.is_idle_talk()))
    }

    /// Whether nothing of it can change a row any more, as far as it knows of none.
    pub fn rests(&self) -> bool {
        if self.is_over { self.waits.is_empty() } else { !self.matters() }
    }

    fn now(&self, now: Duration) -> Now {
        Now { run: now - self.born, awake: now, wall: start() + now }
    }

    /// Hears what is due, and does what is its own affair. Returns the posts that leave.
    pub fn turn(&mut self, at: Duration) -> Vec<i64> {
        let mut posted = Vec::new();
        if self.is_over || at < self.frozen_until {
            return posted;
        }
        if self.renews_at.is_some_and(|renews_at| renews_at <= at) {
            self.renews_at = Some(at + RENEWED_EVERY);
            self.waits.push(Wait::Renewal);
        }
        let now = self.now(at);
        let (due, waits) = take(&mut self.waits).into_iter().partition(|wait| match wait {
            Wait::Comes(_, due) => *due <= at,
            _ => false,
        });
        self.waits = waits;
        for wait in Vec::<Wait>::from_iter(due) {
            if let Wait::Comes(done, _) = wait {
                self.hears(&done);
                self.engine.handle(&now, done.event());
            }
        }
        if self.has_news && self.listens_at.take_if(|listens_at| *listens_at <= at).is_some() {
            self.has_news = false;
            self.engine.handle(&now, Event::Woken);
        }
        while let Some(action) = self.engine.poll(&now) {
            match action {
                Action::Tell(_) => {}
                Action::Listen(_) => self.listens_at = Some(at + NOTICED),
                Action::Send(id, request) => {
                    let kind = match &request {
                        Request::Post(_) => RequestKind::Post,
                        Request::Probe => RequestKind::Probe,
                        _ => RequestKind::LookUp,
                    };
                    self.asking.push((id, request));
                    self.engine.handle(&now, Event::Asks(id, kind));
                }
                Action::Grant(id) => {
                    if let Some(request) = self.asked(id) {
                        if let Request::Post(claim) = &request {
                            posted.push(claim.row.0);
                        }
                        self.waits.push(Wait::Wire(id, request));
                    }
                }
                Action::Withhold(id) => {
                    if let Some(request) = self.asked(id) {
                        self.engine.handle(&now, Event::Replied(id, withheld(&request)));
                    }
                }
                Action::Abandon(id) => {
                    self.asked(id);
                    self.waits.retain(|wait| !wait.is_of(id));
                }
                Action::End => {
                    self.is_over = true;
                    break;
                }
                call => self.waits.push(Wait::Call(call)),
            }
        }
        posted
    }

    fn asked(&mut self, id: RequestId) -> Option<Request> {
        let at = self.asking.iter().position(|(asking, _)| *asking == id)?;
        Some(self.asking.remove(at).1)
    }

    fn hears(&mut self, done: &Done) {
        match done {
            Done::Claimed(batch, Some((_, claimed))) => {
                self.connection.has_settled(batch);
                self.connection.has_claimed(claimed);
            }
            Done::Settled(_, batch, Some(_)) => self.connection.has_settled(batch),
            Done::Recovered(Some(_)) => self.connection.live.clear(),
            Done::Claimed(_, None) | Done::Settled(_, _, None) | Done::Shared(None) => {
                self.connection.doubts_server = true;
            }
            _ => {}
        }
    }

    /// Its lease could not be renewed.
    pub fn tries_to_renew_again(&mut self, at: Duration) {
        self.renews_at = Some(at + GRID);
    }

    /// When something is due by the clock alone.
    pub fn due(&self, at: Duration) -> Option<Duration> {
        let waits = self.waits.iter().filter_map(Wait::due).min();
        if self.is_over {
            return waits;
        }
        if at < self.frozen_until {
            return Some(self.frozen_until);
        }
        let listens_at = self.listens_at.filter(|_| self.has_news);
        let engine = self.engine.next_timeout().map(|due| self.born + due);
        [listens_at, engine, waits, self.renews_at].into_iter().flatten().min()
    }

    /// As [`Fingerprint`]; what it did before is told only if somebody may yet forget it.
    pub fn print(&self, at: Duration, may_be_forgotten: bool, to: &mut impl Hasher) {
        let world = &Clocks { run: at, awake: at, wall: start() + at };
        self.is_over.hash(to);
        let Connection { id: _, is_alone: _, doubts_server, told, live, settled } = &self.connection;
        told.hash(to);
        self.waits.print(world, to);
        if self.is_over {
            return;
        }
        self.engine.print(&Clocks::from(&self.now(at)), to);
        doubts_server.hash(to);
        if may_be_forgotten {
            live.hash(to);
            settled.print(world, to);
        }
        for (id, request) in &self.asking {
            (id.seat, discriminant(request)).hash(to);
        }
        (self.renews_at, self.listens_at).print(world, to);
        self.has_news.hash(to);
        for until in [self.cut_until, self.frozen_until] {
            until.saturating_sub(at).hash(to);
        }
    }
}

fn withheld(request: &Request) -> Answer {
    match request {
        Request::Post(_) => Answer::Post(reply(Verdict::Withheld, None)),
        Request::OpenList => Answer::OpenList(reply(Verdict::Withheld, None)),
        Request::Probe => Answer::Probe(reply(Verdict::Withheld, None)),
        _ => Answer::Sighting(reply(Verdict::Withheld, None)),
    }
}
