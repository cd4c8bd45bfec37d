//! Carries requests to the API: a fixed crew, each with a line to the driver, and no rules of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::delivery::engine::{Answer, Event, Request, RequestId};
use crate::delivery::{Api, Gate, RequestKind, Verification, Withheld};

/// What has happened, and the engine has not heard yet.
pub type Events = RefCell<VecDeque<Event>>;

/// Between the driver and one porter. Never borrowed across an await.
#[derive(Default)]
pub struct Line(RefCell<Words>);

#[derive(Default)]
struct Words {
    job: Option<(RequestId, Request)>,
    /// What the API asked for, which may go or not.
    leave: Option<Result<(), Withheld>>,
    /// The last request that nobody waits for any more.
    abandoned: Option<RequestId>,
    porter: Option<Waker>,
    /// Whoever waits for leave; the API may have wrapped it.
    asker: Option<Waker>,
}

impl Line {
    pub fn send(&self, id: RequestId, request: Request) {
        let words = &mut *self.0.borrow_mut();
        words.job = Some((id, request));
        wake(&mut words.porter);
    }

    pub fn give_leave(&self, leave: Result<(), Withheld>) {
        let words = &mut *self.0.borrow_mut();
        words.leave = Some(leave);
        wake(&mut words.asker);
    }

    pub fn abandon(&self, id: RequestId) {
        let words = &mut *self.0.borrow_mut();
        words.abandoned = Some(id);
        wake(&mut words.porter);
    }

    /// The next request. What was said of the one before is not for it.
    async fn job(&self) -> (RequestId, Request) {
        poll_fn(|cx| {
            let mut words = self.0.borrow_mut();
            match words.job.take() {
                Some(job) => {
                    words.leave = None;
                    Poll::Ready(job)
                }
                None => {
                    words.porter = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// What it is told from now on.
    async fn leave(&self) -> Result<(), Withheld> {
        self.0.borrow_mut().leave = None;
        poll_fn(|cx| {
            let mut words = self.0.borrow_mut();
            match words.leave.take() {
                Some(leave) => Poll::Ready(leave),
                None => {
                    words.asker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    async fn abandoned(&self, id: RequestId) {
        poll_fn(|cx| {
            let mut words = self.0.borrow_mut();
            match words.abandoned == Some(id) {
                true => Poll::Ready(()),
                false => {
                    words.porter = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await;
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// Carries one request after another, for ever.
pub async fn porter<A: Api>(api: &A, line: &Line, events: &Events) -> Event {
    loop {
        let (id, request) = line.job().await;
        let gate = Asks { id, line, events };
        // Dropping a request is a lost answer, and nobody waits for that of one that was abandoned.
        tokio::select! {
            biased;
            answer = ask(api, &request, &gate) => events.borrow_mut().push_back(Event::Replied(id, answer)),
            () = line.abandoned(id) => {}
        }
    }
}

async fn ask<A: Api>(api: &A, request: &Request, gate: &Asks<'_>) -> Answer {
    match request {
        Request::Post(claim) => Answer::Post(api.open(&claim.ticket, claim.marker, gate).await),
        Request::LookUp(what) => Answer::Sighting(api.look_up(what, gate).await),
        Request::Verify(claim, opened_since) => {
            let (ticket, marker) = (&claim.ticket, claim.marker);
            let what = Verification { ticket, marker, opened_since: *opened_since };
            Answer::Sighting(api.verify(&what, gate).await)
        }
        Request::FindOpen(claim) => Answer::Sighting(api.find_open(&claim.ticket, gate).await),
        Request::OpenList => Answer::OpenList(api.open_list(gate).await),
        Request::Probe => Answer::Probe(api.probe(gate).await),
    }
}

/// The gate of one request: asks the engine, and waits for its word.
struct Asks<'r> {
    id: RequestId,
    line: &'r Line,
    events: &'r Events,
}

impl Gate for Asks<'_> {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        self.events.borrow_mut().push_back(Event::Asks(self.id, kind));
        // Cancel-safe: what it is told then is not listened to.
        self.line.leave().await
    }
}
