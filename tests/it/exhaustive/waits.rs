//! What a life waits for: calls of its outbox, requests on their way, and answers that are late.

use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::time::Duration;

use mutirao::delivery::coordination::SharedState;
use mutirao::delivery::engine::{Action, Answer, Event, Kind, Request, RequestId};
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::fingerprint::{Clocks, Fingerprint};
use mutirao::delivery::identity::Marker;
use mutirao::delivery::{Claimed, OutboxError, Settle, Settled};

#[derive(Clone)]
pub enum Wait {
    /// The outbox is asked at once.
    Call(Action),
    /// It does as asked then, and answers.
    Slow(Action, Duration),
    /// Its lease is to be renewed.
    Renewal,
    /// A request is on its way to HubSoft.
    Wire(RequestId, Request),
    /// An answer comes then.
    Comes(Done, Duration),
}

/// What has happened; [`Event`], of which many may be kept. `None`: the outbox did not answer.
#[derive(Clone)]
pub enum Done {
    Claimed(Vec<Settle>, Option<(Vec<Settled>, Claimed)>),
    Recovered(Option<u64>),
    LookedAgain(Option<()>),
    PulledIn(Option<()>),
    Settled(Kind, Vec<Settle>, Option<Vec<Settled>>),
    Shared(Option<Option<SharedState>>),
    Halted(RequestId, Option<()>),
    Sights(RequestId, Option<Vec<Sight>>),
    Kept(RequestId),
    Specimen(RequestId, Option<Option<Specimen>>),
    PostsAreLeft(RequestId, Option<bool>),
    Replied(RequestId, Answer),
}

impl Done {
    /// The outbox did not answer that.
    pub fn unanswered(action: &Action) -> Self {
        match action {
            Action::Claim(_, batch) => Self::Claimed(batch.clone(), None),
            Action::Recover(_) => Self::Recovered(None),
            Action::LookAgain(_) => Self::LookedAgain(None),
            Action::PullIn(_) => Self::PulledIn(None),
            Action::Settle(kind, batch) => Self::Settled(*kind, batch.clone(), None),
            Action::Share(_) => Self::Shared(None),
            Action::Halt(id, ..) => Self::Halted(*id, None),
            Action::Sights(id) => Self::Sights(*id, None),
            Action::Keep(id, _) => Self::Kept(*id),
            Action::Specimen { id, .. } => Self::Specimen(*id, None),
            Action::PostsAreLeft(id) => Self::PostsAreLeft(*id, None),
            _ => unreachable!("it is no call of the outbox"),
        }
    }

    /// The outbox is away now, whose answer was to come then.
    pub fn is_lost(&mut self, at: &mut Duration, now: Duration) {
        match self {
            Self::Claimed(_, done) => *done = None,
            Self::Settled(_, _, done) => *done = None,
            Self::Recovered(done) => *done = None,
            // Only these are answered late, and HubSoft is not away.
            _ => return,
        }
        *at = now;
    }

    pub fn event(self) -> Event {
        fn or_away<T>(done: Option<T>) -> Result<T, OutboxError> {
            done.ok_or_else(|| OutboxError::Unavailable("away".into()))
        }
        match self {
            Self::Claimed(batch, done) => Event::Claimed(batch, or_away(done)),
            Self::Recovered(done) => Event::Recovered(or_away(done)),
            Self::LookedAgain(done) => Event::LookedAgain(or_away(done)),
            Self::PulledIn(done) => Event::PulledIn(or_away(done)),
            Self::Settled(kind, batch, done) => Event::Settled(kind, batch, or_away(done)),
            Self::Shared(done) => Event::Shared(or_away(done)),
            Self::Halted(id, done) => Event::Halted(id, or_away(done)),
            Self::Sights(id, done) => Event::Sights(id, or_away(done)),
            Self::Kept(id) => Event::Kept(id),
            Self::Specimen(id, done) => Event::Specimen(id, or_away(done)),
            Self::PostsAreLeft(id, done) => Event::PostsAreLeft(id, or_away(done)),
            Self::Replied(id, answer) => Event::Replied(id, answer),
        }
    }
}

impl Wait {
    /// When it is over by the clock alone.
    pub fn due(&self) -> Option<Duration> {
        match self {
            Self::Slow(_, at) | Self::Comes(_, at) => Some(*at),
            Self::Call(_) | Self::Renewal | Self::Wire(..) => None,
        }
    }

    pub fn is_of(&self, id: RequestId) -> bool {
        match self {
            Self::Wire(other, _) | Self::Comes(Done::Replied(other, _), _) => *other == id,
            _ => false,
        }
    }

    /// The row whose post is on its way.
    pub fn posts(&self) -> Option<i64> {
        match self {
            Self::Wire(_, Request::Post(claim)) => Some(claim.row.0),
            _ => None,
        }
    }

    /// By the name of its ticket, the row that HubSoft is asked for.
    pub fn row_asked_for(&self) -> Option<Marker> {
        match self {
            Self::Wire(_, request) => match request {
                Request::Post(claim) | Request::Verify(claim, _) | Request::FindOpen(claim) => {
                    Some(claim.marker)
                }
                Request::LookUp(what) => Some(what.marker),
                Request::OpenList | Request::Probe => None,
            },
            _ => None,
        }
    }

    /// Whether it touches no row.
    pub fn is_idle_talk(&self) -> bool {
        matches!(self, Self::Renewal | Self::Call(Action::Share(_)))
    }
}

impl Fingerprint for Wait {
    fn print(&self, now: &Clocks, to: &mut impl Hasher) {
        discriminant(self).hash(to);
        match self {
            Self::Call(action) => print_action(action, now, to),
            Self::Slow(action, at) => {
                print_action(action, now, to);
                at.print(now, to);
            }
            Self::Renewal => {}
            Self::Wire(id, request) => {
                id.print(now, to);
                discriminant(request).hash(to);
            }
            Self::Comes(done, at) => {
                done.print(now, to);
                at.print(now, to);
            }
        }
    }
}

fn print_action(action: &Action, now: &Clocks, to: &mut impl Hasher) {
    discriminant(action).hash(to);
    match action {
        Action::Claim(want, batch) => (want, batch).print(now, to),
        Action::Settle(kind, batch) => (kind, batch).print(now, to),
        Action::Recover(at) | Action::LookAgain(at) | Action::PullIn(at) => at.print(now, to),
        Action::Share(request) => request.hash(to),
        Action::Halt(id, ..)
        | Action::Sights(id)
        | Action::Keep(id, _)
        | Action::Specimen { id, .. }
        | Action::PostsAreLeft(id) => id.print(now, to),
        _ => unreachable!("it is no call of the outbox"),
    }
}

impl Fingerprint for Done {
    fn print(&self, now: &Clocks, to: &mut impl Hasher) {
        discriminant(self).hash(to);
        match self {
            Self::Claimed(batch, done) => {
                batch.print(now, to);
                let became = done.as_ref().map(|(became, _)| became);
                became.map(|all| all.iter().map(discriminant).collect::<Vec<_>>()).hash(to);
                let claimed = done.as_ref().map(|(_, claimed)| claimed);
                claimed.map(|it| &it.claims).print(now, to);
                claimed.map(|it| (it.backlog.pending, it.backlog.elsewhere)).hash(to);
                claimed.and_then(|it| it.backlog.next_due).print(now, to);
            }
            Self::Recovered(done) => done.print(now, to),
            Self::LookedAgain(done) | Self::PulledIn(done) => done.is_some().hash(to),
            Self::Settled(kind, batch, done) => {
                (kind, batch).print(now, to);
                done.hash(to);
            }
            Self::Shared(done) => {
                let shared = done.as_ref().map(Option::as_ref);
                shared.map(|it| it.map(|it| it.n_workers)).hash(to);
                shared.flatten().map(|it| it.now).print(now, to);
            }
            Self::Halted(id, done) => (id.seat, done.is_some()).hash(to),
            Self::Sights(id, done) => (id.seat, done.is_some()).hash(to),
            Self::Kept(id) => id.print(now, to),
            Self::Specimen(id, done) => (id.seat, done.is_some()).hash(to),
            Self::PostsAreLeft(id, done) => (id.seat, done).hash(to),
            Self::Replied(id, answer) => {
                id.print(now, to);
                discriminant(answer).hash(to);
                match answer {
                    Answer::Post(reply) => reply.print(now, to),
                    Answer::Sighting(reply) => reply.print(now, to),
                    Answer::OpenList(_) | Answer::Probe(_) => {}
                }
            }
        }
    }
}
