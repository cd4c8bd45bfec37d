//! Whatever happens, in whatever order: what holds of every run. Drawn by a seed, which a failure names.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::delivery::coordination::{Lowered, Throttled};
use crate::delivery::retry::Retry;
use crate::delivery::{
    Blame, CLAIM_AGE_MAX, ClaimRequest, Concurrency, Fault, Lasting, OpenList, OpenTickets, ThrottleCause,
    ThrottleReason, Verify,
};

/// More than any run of these worlds does at one moment.
const ACTIONS_MAX: usize = 2_000;

/// What a stop may take besides its grace.
const STORE_MAX: Duration = Duration::from_secs(2);

/// Whoever asks has its word by when its claim is too old.
const WORD_MAX: Duration = CLAIM_AGE_MAX.saturating_add(MS);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// To be posted, or looked up, from then on.
    Waits {
        due: Timestamp,
        in_doubt: bool,
    },
    /// In flight; the engine is told of it, or its claim is lost.
    Live {
        in_doubt: bool,
        is_told: bool,
    },
    Done,
}

fn n_stored(became: &[Settled]) -> usize {
    became.iter().filter(|became| **became != Settled::Locked).count()
}

/// One engine, an outbox of a few rows, and a HubSoft that answers by chance.
struct World {
    engine: Engine<'static>,
    dice: Retry,
    run: Duration,
    rows: BTreeMap<i64, Row>,
    /// What comes, and when. What never comes is not here.
    coming: Vec<(Duration, Event)>,
    /// The row of each request to HubSoft that has no answer.
    asking: BTreeMap<usize, (RequestId, Option<i64>, Request)>,
    /// Who waits for a word, and since when.
    waiting: BTreeMap<usize, Duration>,
    /// Rows whose post was let go, and was not answered.
    posted: BTreeSet<i64>,
    /// Claims that the engine holds.
    n_held: usize,
    is_shared: bool,
    hangs: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let dice = Retry::new(S, S, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let is_shared = dice.draw(2) == 0;
        let policy = policy(|policy| {
            policy.concurrency = Concurrency::Fixed(1 + dice.draw(4));
            policy.seed = seed;
            if dice.draw(2) == 0 {
                policy.rate = Rate::PerSecond(10.0);
            }
            if dice.draw(3) == 0 {
                policy.lasting = Lasting::Forever;
                policy.guards.unavailable_max = None;
            }
            if dice.draw(3) == 0 {
                policy.verify = Verify::First;
            }
            if dice.draw(3) == 0 {
                policy.open_tickets = OpenTickets::Skip;
            }
            if dice.draw(2) == 0 {
                (policy.guards.blame, policy.guards.n_alone) = (Blame::Lote, 0);
                policy.guards.same_refusals = 3;
            }
            if dice.draw(4) == 0 {
                policy.guards.errors_max = Some(2);
            }
            policy.grace = [Duration::ZERO, 5 * S][dice.draw(2)];
            policy.poll = [None, Some(S)][dice.draw(2)];
        });
        let engine = Engine::new(policy, &now(Duration::ZERO), None);
        let row = |row| (row, Row::Waits { due: start(), in_doubt: dice.draw(4) == 0 });
        let rows = (1..=40).map(row).collect();
        let mut world = Self {
            engine,
            rows,
            run: Duration::ZERO,
            coming: Vec::new(),
            asking: BTreeMap::new(),
            waiting: BTreeMap::new(),
            posted: BTreeSet::new(),
            n_held: 0,
            is_shared,
            hangs: dice.draw(4) == 0,
            dice,
        };
        let stop_at = MS * u32::try_from(world.dice.draw(120_000)).expect("a small number");
        world.coming.push((stop_at, Event::Stop));
        world
    }

    fn one_in(&self, n: usize) -> bool {
        self.dice.draw(n) == 0
    }

    fn comes(&mut self, event: Event) {
        let most = if self.one_in(20) { 40_000 } else { 300 };
        let late = MS * u32::try_from(self.dice.draw(most)).expect("a small number");
        self.coming.push((self.run + late, event));
    }

    /// To the end of the run.
    fn runs(mut self) {
        while !self.acts() {
            let next = (0..self.coming.len()).min_by_key(|n| self.coming[*n].0);
            let due = self.engine.next_timeout();
            let at = next.map(|n| self.coming[n].0);
            let Some(soonest) = at.into_iter().chain(due).min() else {
                panic!("it sleeps for ever");
            };
            self.run = self.run.max(soonest);
            if let Some(n) = next
                && at == Some(soonest)
            {
                let (_, event) = self.coming.swap_remove(n);
                self.happens(event);
            }
        }
        let (_, ended_at) = self.engine.ending.clone().expect("it was told to stop");
        let latest = ended_at + self.engine.policy.grace + STORE_MAX;
        assert!(self.run <= latest, "it ended {ended_at:?}, and was over {:?}", self.run);
        let (queue, n_seats) = (&self.engine.queue, self.engine.seats.len());
        if queue.n_live == 0 {
            assert_eq!((queue.n_unsent, queue.n_live_posts), (0, 0));
            assert_eq!(self.engine.free_seats.len(), n_seats);
            assert!(self.engine.slots.is_empty());
        }
    }

    fn happens(&mut self, event: Event) {
        match &event {
            Event::Asks(id, _) => {
                self.waiting.insert(id.seat, self.run);
            }
            Event::Replied(id, _) => {
                if let Some((_, Some(row), _)) = self.asking.remove(&id.seat) {
                    self.posted.remove(&row);
                }
            }
            Event::Claimed(_, Ok((became, claimed))) => {
                self.n_held -= n_stored(became);
                self.n_held += claimed.claims.len();
            }
            Event::Settled(_, _, Ok(became)) => self.n_held -= n_stored(became),
            _ => {}
        }
        self.engine.handle(&now(self.run), event);
    }

    /// Nobody waits for what no event and no time will bring.
    fn sleeps_well(&self) {
        let due = self.engine.next_timeout();
        assert!(due.is_none_or(|at| self.run < at), "what is due was not done");
        let waits_for_life = self.engine.policy.lasting == Lasting::Forever || self.hangs;
        let is_left_to_itself = self.coming.iter().all(|(_, event)| matches!(event, Event::Stop));
        assert!(waits_for_life || !is_left_to_itself || due.is_some(), "it sleeps for ever");
        for (seat, since) in &self.waiting {
            let is_probe = *seat == self.engine.probe_seat();
            assert!(is_probe || self.run <= *since + WORD_MAX, "no word since {since:?}");
        }
    }

    /// Whatever is to be done. Returns whether the run is over.
    fn acts(&mut self) -> bool {
        let mut n_actions = 0;
        while let Some(action) = self.engine.poll(&now(self.run)) {
            n_actions += 1;
            assert!(n_actions < ACTIONS_MAX, "it comes to no rest");
            if let Action::End = action {
                return true;
            }
            self.does(action);
        }
        self.sleeps_well();
        let queue = &self.engine.queue;
        assert_eq!(self.n_held, queue.n_live, "what was claimed is forgotten");
        assert!(queue.n_unsent <= queue.n_live && queue.n_live_posts <= queue.n_live);
        let n_taken = self.engine.seats.iter().filter(|seat| seat.is_some()).count();
        assert_eq!(n_taken + self.engine.free_seats.len(), self.engine.seats.len());
        false
    }

    fn does(&mut self, action: Action) {
        match action {
            Action::Claim(want, batch) => {
                let became = self.settles(&batch);
                let claimed = self.claims(want);
                let done = became.and_then(|became| Ok((became, claimed?)));
                if !self.hangs || !self.one_in(30) {
                    self.comes(Event::Claimed(batch, done));
                }
            }
            Action::Recover(time) => {
                let mut n_rows = 0;
                for row in self.rows.values_mut() {
                    if let Row::Live { is_told: false, .. } = row {
                        *row = Row::Waits { due: time, in_doubt: true };
                        n_rows += 1;
                    }
                }
                let done = self.or_down(Ok(n_rows));
                self.comes(Event::Recovered(done));
            }
            Action::LookAgain(_) => {
                let done = self.or_down(Ok(()));
                self.comes(Event::LookedAgain(done));
            }
            Action::PullIn(_) => {
                let done = self.or_down(Ok(()));
                self.comes(Event::PulledIn(done));
            }
            Action::Settle(kind, batch) => {
                let became = self.settles(&batch);
                if !self.hangs || !self.one_in(30) {
                    self.comes(Event::Settled(kind, batch, became));
                }
            }
            Action::Share(report) => {
                let shared = self.is_shared.then(|| self.shared(report.slots, report.wants_login));
                let done = self.or_down(Ok(shared));
                self.comes(Event::Shared(done));
            }
            Action::Halt(id, ..) => {
                let done = self.or_down(Ok(()));
                self.comes(Event::Halted(id, done));
            }
            Action::Sights(id) => {
                let done = self.or_down(Ok(Vec::new()));
                self.comes(Event::Sights(id, done));
            }
            Action::Keep(id, _) => self.comes(Event::Kept(id)),
            Action::Specimen { id, text_len, .. } => {
                let service = claim(1).ticket.id_cliente_servico;
                let specimen = crate::delivery::eyes::Specimen { service, marker: claim(1).marker, text_len };
                let found = (!self.one_in(3)).then_some(specimen);
                let done = self.or_down(Ok(found));
                self.comes(Event::Specimen(id, done));
            }
            Action::PostsAreLeft(id) => {
                let done = self.or_down(Ok(self.one_in(2)));
                self.comes(Event::PostsAreLeft(id, done));
            }
            Action::Listen(poll) => self.coming.push((self.run + poll, Event::Woken)),
            Action::Send(id, request) => self.sends(id, request),
            Action::Grant(id) => self.grants(id),
            Action::Withhold(id) => {
                assert!(self.waiting.remove(&id.seat).is_some(), "one word for each that asks");
                let answer = self.answer(id, true);
                self.coming.push((self.run, Event::Replied(id, answer)));
            }
            Action::Abandon(id) => {
                let (known, ..) = self.asking.remove(&id.seat).expect("it is under way");
                assert_eq!(known, id);
                self.waiting.remove(&id.seat);
                self.coming.retain(|(_, event)| match event {
                    Event::Asks(other, _) | Event::Replied(other, _) => *other != id,
                    _ => true,
                });
            }
            Action::Tell(_) => {}
            Action::End => unreachable!("it was looked for"),
        }
    }

    fn or_down<T>(&self, done: Result<T, OutboxError>) -> Result<T, OutboxError> {
        if self.one_in(15) { Err(OutboxError::Unavailable("away".into())) } else { done }
    }

    fn claims(&mut self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        let (mut claims, mut next_due) = (Vec::new(), None);
        let (mut n_posts, mut n_look_ups) = (want.posts, want.look_ups);
        let is_lost = self.one_in(15);
        for (n, row) in &mut self.rows {
            let Row::Waits { due, in_doubt } = *row else { continue };
            let left = if in_doubt { &mut n_look_ups } else { &mut n_posts };
            if due <= want.now && 0 < *left {
                *left -= 1;
                *row = Row::Live { in_doubt, is_told: !is_lost };
                let doubt = in_doubt.then(|| Doubt::since(start()));
                claims.push(Claim { doubt, ..claim(*n) });
            } else {
                next_due = Some(next_due.map_or(due, |next: Timestamp| next.min(due)));
            }
        }
        if is_lost {
            return Err(OutboxError::Unavailable("lost".into()));
        }
        let backlog = Backlog { pending: next_due.is_some(), next_due, elsewhere: false };
        Ok(Claimed { claims, backlog, ..Claimed::default() })
    }

    fn settles(&mut self, batch: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        for settle in batch {
            if self.posted.contains(&settle.row.0) {
                let is_in_doubt = matches!(&settle.change, Change::Later { doubt: Some(_), .. });
                assert!(is_in_doubt, "row {} may have left, and is {}", settle.row.0, change(settle));
            }
        }
        if !batch.is_empty() && self.one_in(15) {
            return Err(OutboxError::Unavailable("away".into()));
        }
        let mut became = Vec::new();
        for settle in batch {
            let row = self.rows.get_mut(&settle.row.0).expect("a row of ours");
            if self.dice.draw(20) == 0 {
                became.push(Settled::Locked);
                continue;
            }
            became.push(Settled::Written);
            let Row::Live { in_doubt, is_told: true } = *row else { continue };
            self.posted.remove(&settle.row.0);
            *row = match &settle.change {
                Change::Release => Row::Waits { due: start(), in_doubt },
                Change::Later { at, doubt, .. } => Row::Waits { due: *at, in_doubt: doubt.is_some() },
                _ => Row::Done,
            };
        }
        Ok(became)
    }

    fn shared(&self, n_wanted: u32, wants_login: bool) -> SharedState {
        let holder = [Holder::Me, Holder::Other, Holder::Nobody][self.dice.draw(3)];
        let breaker = match self.dice.draw(12) {
            0 => SharedBreaker::Open(holder),
            1 => SharedBreaker::Trial(holder),
            _ => SharedBreaker::Closed,
        };
        let reason = ThrottleReason::Answered { cause: ThrottleCause::TooMany, asked: None };
        let number = i64::try_from(self.dice.draw(1000)).expect("a small number");
        let left = S * u32::try_from(self.dice.draw(20)).expect("a small number");
        let slots = Slots { first_in: 50 * MS, count: n_wanted, spacing: 100 * MS };
        SharedState {
            now: start() + self.run,
            rate: Rate::PerSecond(10.0),
            n_workers: 1,
            slots: (0 < n_wanted).then_some(slots),
            free_in: Duration::ZERO,
            login_in: (wants_login && self.one_in(2)).then_some(100 * MS),
            lowered: self.one_in(20).then(|| Lowered {
                by: number,
                ago: left,
                pause: S,
                slot: self.one_in(2).then_some(200 * MS),
                n_taken: 30,
            }),
            throttle: self.one_in(20).then_some(Throttled { number, left, reason }),
            pause: self.one_in(20).then_some(PauseReason::EchoLost { protocolo: "p".to_owned() }),
            breaker,
        }
    }

    fn sends(&mut self, id: RequestId, request: Request) {
        let row = match &request {
            Request::Post(claim) => Some(claim.row.0),
            _ => None,
        };
        assert!(self.asking.insert(id.seat, (id, row, request)).is_none(), "one request a seat");
        self.asks(id);
    }

    /// A login first, now and then.
    fn asks(&mut self, id: RequestId) {
        let kind = match &self.asking[&id.seat].2 {
            _ if self.one_in(8) => RequestKind::Login,
            Request::Post(_) => RequestKind::Post,
            Request::Probe => RequestKind::Probe,
            _ => RequestKind::LookUp,
        };
        self.comes(Event::Asks(id, kind));
    }

    fn grants(&mut self, id: RequestId) {
        assert!(self.engine.ending.is_none(), "nothing is sent after the end");
        assert!(self.waiting.remove(&id.seat).is_some(), "one word for each that asks");
        let (known, row, _) = self.asking.get(&id.seat).expect("it is under way");
        assert_eq!(*known, id);
        let is_post = match self.engine.seats.get(id.seat) {
            Some(Some((errand, _))) => errand.pass.has_posted,
            _ => false,
        };
        if let (Some(row), true) = (row, is_post) {
            self.posted.insert(*row);
        }
        if !is_post && self.one_in(3) {
            return self.asks(id);
        }
        if self.hangs && self.one_in(30) {
            return;
        }
        let answer = self.answer(id, false);
        self.comes(Event::Replied(id, answer));
    }

    fn answer(&self, id: RequestId, is_withheld: bool) -> Answer {
        let is_bad = self.one_in(4);
        let status = Some(200);
        match &self.asking[&id.seat].2 {
            Request::Post(claim) => Answer::Post(match self.bad(is_withheld, is_bad) {
                Some(bad) => bad,
                None => opened(claim.row.0),
            }),
            Request::OpenList => Answer::OpenList(match self.bad(is_withheld, is_bad) {
                Some(bad) => bad,
                None => reply(Verdict::Answered(OpenList::default()), status),
            }),
            Request::Probe => Answer::Probe(match self.bad(is_withheld, is_bad) {
                Some(bad) => bad,
                None => reply(Verdict::Answered(()), status),
            }),
            _ => Answer::Sighting(match self.bad(is_withheld, is_bad) {
                Some(bad) => bad,
                None => {
                    let Verdict::Answered(Proof { opening, .. }) = opened(1).verdict else {
                        unreachable!("it is a proof")
                    };
                    let sighting = match self.dice.draw(4) {
                        0 => Sighting::Found { opening, others: vec![], beside: Vec::new(), conflict: None },
                        1 => Sighting::CouldNotTell(Fault::NoList),
                        _ => Sighting::NotFound,
                    };
                    reply(Verdict::Answered(sighting), status)
                }
            }),
        }
    }

    fn bad<T>(&self, is_withheld: bool, is_bad: bool) -> Option<Reply<T>> {
        if is_withheld {
            return Some(reply(Verdict::Withheld, None));
        }
        is_bad.then(|| match self.dice.draw(9) {
            0 => reply(Verdict::Unknown(Fault::Timeout), None),
            1 => reply(Verdict::Stumbled(Fault::Exception), Some(500)),
            2 => reply(Verdict::NotSent(Fault::Request), None),
            3 => Reply { retry_after: Some(3 * S), ..reply(Verdict::Throttled, Some(429)) },
            4 => Reply { retry_after: Some(60 * S), ..reply(Verdict::Throttled, Some(429)) },
            5 => reply(Verdict::Forbidden(Fault::http(403)), Some(403)),
            6 => reply(Verdict::LoginUnavailable(Fault::http(502)), None),
            7 if self.one_in(8) => reply(Verdict::Unauthorized(Fault::http(401)), Some(401)),
            _ => reply(Verdict::Rejected(Fault::Refused { said: None }), Some(422)),
        })
    }
}

#[test]
fn whatever_happens_a_run_rests_ends_and_forgets_no_row() {
    for seed in 0..300 {
        let run = std::panic::AssertUnwindSafe(|| World::new(seed).runs());
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
