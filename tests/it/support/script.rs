//! An API that answers as a test says, and remembers what it was asked.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use mutirao::delivery::identity::Marker;
use mutirao::delivery::{
    Api, Gate, LookUp, OpenList, Proof, Reply, RequestKind, Sighting, Verdict, Verification,
};
use mutirao::ticket::Ticket;
use tokio::time::sleep;

use super::memory_outbox::TESTER;
use super::world::{VirtualClock, opened, reply, start};

/// One request as it passed the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub at: Duration,
    pub kind: RequestKind,
    pub service: i64,
}

type Answer<T> = Box<dyn Fn(Asked) -> Reply<T>>;

pub struct Script {
    pub clock: VirtualClock,
    pub latency: Cell<Duration>,
    /// Whether its answers say what time it is. It has a clock of its own, which nobody sets.
    pub tells_time: Cell<bool>,
    asked: RefCell<Vec<Asked>>,
    n_in_flight: Cell<usize>,
    pub most_in_flight: Cell<usize>,
    /// Whether each post logs in first, as if no token lasted.
    pub logs_in: Cell<bool>,
    pub post: Answer<Proof>,
    pub look_up: Answer<Sighting>,
    pub verify: Answer<Sighting>,
    pub find_open: Answer<Sighting>,
    pub open_list: Answer<OpenList>,
    pub probe: Answer<()>,
}

impl Script {
    /// Opens everything, finds nothing.
    pub fn new(clock: VirtualClock, latency: Duration) -> Self {
        let not_found = |_| reply(Verdict::Answered(Sighting::NotFound), Some(200));
        Self {
            clock,
            latency: Cell::new(latency),
            tells_time: Cell::default(),
            asked: RefCell::default(),
            n_in_flight: Cell::default(),
            most_in_flight: Cell::default(),
            logs_in: Cell::default(),
            post: Box::new(|asked| opened(asked.service)),
            look_up: Box::new(not_found),
            verify: Box::new(not_found),
            find_open: Box::new(not_found),
            open_list: Box::new(|_| reply(Verdict::Answered(OpenList::default()), Some(200))),
            probe: Box::new(|_| reply(Verdict::Answered(()), Some(200))),
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }

    /// When requests of this kind passed, in seconds.
    pub fn seconds(&self, kind: RequestKind) -> Vec<f64> {
        let asked = self.asked.borrow();
        asked.iter().filter(|it| it.kind == kind).map(|it| it.at.as_secs_f64()).collect()
    }

    pub fn count(&self, kind: RequestKind) -> usize {
        self.asked.borrow().iter().filter(|it| it.kind == kind).count()
    }

    async fn request<T>(
        &self,
        gate: &impl Gate,
        kind: RequestKind,
        service: i64,
        answer: &Answer<T>,
    ) -> Reply<T> {
        let log_in = (kind == RequestKind::Post && self.logs_in.get()).then_some(RequestKind::Login);
        let mut asked = Asked { at: Duration::ZERO, kind, service };
        for kind in log_in.into_iter().chain([kind]) {
            if gate.pass(kind).await.is_err() {
                return reply(Verdict::Withheld, None);
            }
            asked = Asked { at: self.clock.elapsed(), kind, service };
            self.asked.borrow_mut().push(asked);
        }
        self.n_in_flight.set(self.n_in_flight.get() + 1);
        self.most_in_flight.set(self.most_in_flight.get().max(self.n_in_flight.get()));
        if self.latency.get() > Duration::ZERO {
            sleep(self.latency.get()).await;
        }
        self.n_in_flight.set(self.n_in_flight.get() - 1);
        let date = self.tells_time.get().then(|| start() + self.clock.elapsed());
        Reply { date, ..answer(asked) }
    }
}

impl Api for Script {
    async fn open(&self, ticket: &Ticket, _: Marker, gate: &impl Gate) -> Reply {
        self.request(gate, RequestKind::Post, ticket.id_cliente_servico.get(), &self.post).await
    }

    async fn look_up(&self, what: &LookUp, gate: &impl Gate) -> Reply<Sighting> {
        self.request(gate, RequestKind::LookUp, what.service.get(), &self.look_up).await
    }

    async fn verify(&self, what: &Verification<'_>, gate: &impl Gate) -> Reply<Sighting> {
        let service = what.ticket.id_cliente_servico.get();
        self.request(gate, RequestKind::LookUp, service, &self.verify).await
    }

    async fn find_open(&self, ticket: &Ticket, gate: &impl Gate) -> Reply<Sighting> {
        let service = ticket.id_cliente_servico.get();
        self.request(gate, RequestKind::LookUp, service, &self.find_open).await
    }

    async fn open_list(&self, gate: &impl Gate) -> Reply<OpenList> {
        self.request(gate, RequestKind::LookUp, 0, &self.open_list).await
    }

    fn who(&self) -> String {
        TESTER.to_owned()
    }

    async fn probe(&self, gate: &impl Gate) -> Reply<()> {
        self.request(gate, RequestKind::Probe, 0, &self.probe).await
    }
}
