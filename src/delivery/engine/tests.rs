//! The hard places, without a runtime: what happens, and what is to be done for it.

mod anything;
#[cfg(feature = "inside")]
mod fingerprint;
mod parts;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::messages::{Action, Answer, Event, Request, RequestId, Told};
use super::state::Engine;
use super::storage::Kind;
use super::times::Now;
use crate::delivery::coordination::{Holder, SharedBreaker, SharedState, Slots};
use crate::delivery::decide::{Looks, after};
use crate::delivery::eyes::Specimen;
use crate::delivery::identity::{BatchKey, Marker};
use crate::delivery::{
    Backlog, Blame, Change, Claim, Claimed, Concurrency, Doubt, Fault, OpenList, OpenTickets, OpenedTicket,
    OutboxError, PauseReason, Policy, Proof, Rate, Reply, RequestKind, RowId, Settle, Settled, Sighting,
    Token, TypeTable, Verdict,
};
use crate::ticket::{Field, RawTicket, Ticket};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// An engine, the time, and what it waits for.
struct Bench {
    engine: Engine<'static>,
    run: Duration,
    /// The request of each seat.
    requests: BTreeMap<usize, RequestId>,
    /// The batch that is being stored.
    batch: Option<(Kind, Vec<Settle>)>,
    /// What is being stored with a claim.
    riders: Vec<Settle>,
}

/// Without a rate limit, unless `change` says so.
fn policy(change: impl FnOnce(&mut Policy)) -> &'static Policy {
    let mut policy = Policy {
        rate: Rate::Unlimited,
        concurrency: Concurrency::Fixed(2),
        grace: 5 * S,
        ..Policy::default()
    };
    change(&mut policy);
    Box::leak(Box::new(policy))
}

impl Bench {
    /// A run that is about to claim for the first time, alone.
    fn new(policy: &'static Policy) -> Self {
        let mut bench = Self::unopened(policy);
        bench.check(Event::Shared(Ok(None)), &["recover"]);
        bench.open();
        bench
    }

    fn unopened(policy: &'static Policy) -> Self {
        let engine = Engine::new(policy, &now(Duration::ZERO), None);
        let mut bench =
            Self { engine, run: Duration::ZERO, requests: BTreeMap::new(), batch: None, riders: vec![] };
        assert_eq!(bench.actions(), ["share"]);
        bench
    }

    fn open(&mut self) {
        self.check(Event::Recovered(Ok(0)), &["look again"]);
        self.check(Event::LookedAgain(Ok(())), &["pull in"]);
    }

    #[track_caller]
    fn check(&mut self, event: Event, expected: &[&str]) {
        self.engine.handle(&now(self.run), event);
        assert_eq!(self.actions(), expected);
    }

    /// Nothing happens until then.
    #[track_caller]
    fn check_at(&mut self, run: Duration, expected: &[&str]) {
        let due = self.engine.next_timeout();
        self.run = run;
        let actions = self.actions();
        assert_eq!(actions, expected);
        assert!(actions.is_empty() || due.is_some_and(|due| due <= run), "due at {due:?}, not at {run:?}");
    }

    /// What is to be done, but for what whoever looks on is told.
    fn actions(&mut self) -> Vec<String> {
        let mut actions = Vec::new();
        while let Some(action) = self.engine.poll(&now(self.run)) {
            actions.extend(self.note(action));
        }
        actions
    }

    fn note(&mut self, action: Action) -> Option<String> {
        Some(match action {
            Action::Claim(want, batch) if batch.is_empty() => {
                format!("claim {}+{}", want.posts, want.look_ups)
            }
            Action::Claim(want, batch) => {
                let told = format!("claim {}+{} with {}", want.posts, want.look_ups, changes(&batch));
                self.riders = batch;
                told
            }
            Action::Recover(_) => "recover".to_owned(),
            Action::LookAgain(_) => "look again".to_owned(),
            Action::PullIn(_) => "pull in".to_owned(),
            Action::Settle(kind, batch) => {
                let told = format!("settle {}", changes(&batch));
                self.batch = Some((kind, batch));
                told
            }
            Action::Share(_) => "share".to_owned(),
            Action::Send(id, request) => {
                self.requests.insert(id.seat, id);
                match request {
                    Request::Post(claim) => format!("post {} by {}", claim.row.0, id.seat),
                    Request::Probe => "probe".to_owned(),
                    _ => format!("look by {}", id.seat),
                }
            }
            Action::Grant(id) => format!("grant {}", id.seat),
            Action::Withhold(id) => format!("withhold {}", id.seat),
            Action::Abandon(id) => format!("abandon {}", id.seat),
            Action::End => "end".to_owned(),
            Action::Tell(Told::Unlisted(why)) => {
                format!("without a list: {}", why.map_or("others open tickets too".into(), |why| why.code()))
            }
            Action::Tell(_) => return None,
            Action::Halt(id, ..)
            | Action::Sights(id)
            | Action::Keep(id, _)
            | Action::Specimen { id, .. }
            | Action::PostsAreLeft(id) => {
                self.requests.insert(id.seat, id);
                "ask".to_owned()
            }
            Action::Listen(_) => "ask".to_owned(),
        })
    }

    fn asks(&self, seat: usize) -> Event {
        let is_probe = seat + 1 == self.engine.n_seats();
        let kind = if is_probe { RequestKind::Probe } else { RequestKind::Post };
        Event::Asks(self.requests[&seat], kind)
    }

    fn replied(&self, seat: usize, reply: Reply<Proof>) -> Event {
        Event::Replied(self.requests[&seat], Answer::Post(reply))
    }

    /// A claim comes back, and what it carried is stored.
    fn carried(&mut self, rows: &[i64], more: bool) -> Event {
        let batch = std::mem::take(&mut self.riders);
        let became = vec![Settled::Written; batch.len()];
        let Event::Claimed(_, Ok((_, claimed))) = claimed(rows, more) else { unreachable!("it is one") };
        Event::Claimed(batch, Ok((became, claimed)))
    }

    /// What is being stored is stored.
    fn stored(&mut self) -> Event {
        let (kind, batch) = self.batch.take().expect("a batch is being stored");
        let became = vec![Settled::Written; batch.len()];
        Event::Settled(kind, batch, Ok(became))
    }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_700_000_000).expect("within range")
}

fn now(run: Duration) -> Now {
    Now { run, awake: run, wall: start() + run }
}

/// Rows to post, and whether more are due.
fn claimed(rows: &[i64], more: bool) -> Event {
    let claims = rows.iter().map(|row| claim(*row)).collect();
    let next_due = more.then(start);
    let backlog = Backlog { pending: more, next_due, elsewhere: false };
    Event::Claimed(vec![], Ok((vec![], Claimed { claims, backlog, ..Claimed::default() })))
}

fn claim(row: i64) -> Claim {
    let service = row.to_string();
    let raw = RawTicket::from([
        (Field::IdClienteServico, &*service),
        (Field::Descricao, "Sem sinal"),
        (Field::Nome, "Maria"),
        (Field::Telefone, "37999998888"),
    ]);
    let Ok(parsed) = Ticket::parse(&raw) else { panic!("the ticket is valid") };
    Claim {
        row: RowId(row),
        token: Token(1),
        line: 2,
        ticket: parsed.ticket,
        lote: "queda".into(),
        referencia: service.as_str().into(),
        marker: Marker::new(&BatchKey("queda".to_owned()), &service),
        attempts: 0,
        sent_at: start(),
        doubt: None,
        is_outdated: false,
    }
}

fn changes(batch: &[Settle]) -> String {
    let changes = batch.iter().map(|settle| format!("{} {}", settle.row.0, change(settle)));
    changes.collect::<Vec<_>>().join(", ")
}

fn change(settle: &Settle) -> &'static str {
    match &settle.change {
        Change::Release => "released",
        Change::Later { doubt: Some(_), .. } => "in doubt",
        Change::Later { doubt: None, .. } => "later",
        Change::Opened { .. } => "opened",
        _ => "otherwise",
    }
}

fn shared(breaker: SharedBreaker, slots: Option<Slots>) -> SharedState {
    SharedState {
        now: start(),
        rate: Rate::PerSecond(2.0),
        n_workers: 1,
        slots,
        free_in: Duration::ZERO,
        login_in: None,
        throttle: None,
        lowered: None,
        pause: None,
        breaker,
    }
}

fn paused() -> SharedState {
    let pause = Some(PauseReason::EchoLost { protocolo: "p".to_owned() });
    SharedState { pause, ..shared(SharedBreaker::Closed, None) }
}

fn reply<T>(verdict: Verdict<T>, http_status: Option<u16>) -> Reply<T> {
    Reply { verdict, http_status, latency: 80 * MS, retry_after: None, date: None }
}

fn opened(id: i64) -> Reply<Proof> {
    let opening = OpenedTicket {
        protocolo: format!("p{id}"),
        id_atendimento: id,
        ids_ordem_servico: vec![],
        numeros_ordem_servico: vec![],
    };
    let proof = Proof { opening, marker_echoed: Some(true), warnings: vec![], conflict: None };
    reply(Verdict::Answered(proof), Some(200))
}

fn withheld() -> Reply<Proof> {
    reply(Verdict::Withheld, None)
}

fn throttled(asked: Duration) -> Reply<Proof> {
    Reply { retry_after: Some(asked), ..reply(Verdict::Throttled, Some(429)) }
}

#[test]
fn a_row_goes_from_its_claim_to_its_end() {
    let mut bench = Bench::new(policy(|_| ()));
    bench.check(Event::PulledIn(Ok(())), &["claim 2+1"]);
    bench.check(claimed(&[1], false), &["post 1 by 0"]);
    bench.check(bench.asks(0), &["grant 0"]);
    // The last one that lives waits for no other.
    bench.check(bench.replied(0, opened(1)), &["settle 1 opened"]);
    let stored = bench.stored();
    bench.check(stored, &["claim 4+1"]);
    bench.check(claimed(&[], false), &["end"]);
}

/// Seen: what a precaution could not tell was looked for again without a time, so an old ticket without a
/// text stood in its way for ever.
#[test]
fn a_row_is_looked_for_from_when_it_can_have_been_sent() {
    let day = 24 * 3600 * S;
    for (precaution, since, sent_at, expected, why) in [
        (false, 2 * day, day, ("look up", day), "posted before the answer was waited for in vain"),
        (false, 2 * day, 2 * day, ("look up", 2 * day), "at once"),
        (true, 2 * day, day, ("look up", day), "retried"),
        (true, 2 * day, 2 * day + S, ("verify", 3 * day), "sent elsewhere, if at all: not long ago"),
        (false, 2 * day, 2 * day + S, ("look up", Duration::ZERO), "the same, once that could not tell"),
    ] {
        let mut bench = Bench::new(policy(|_| ()));
        bench.run = 5 * day;
        bench.engine.handle(&now(bench.run), Event::PulledIn(Ok(())));
        bench.actions();
        let doubt = Some(Doubt { precaution, ..Doubt::since(start() + since) });
        let claims = vec![Claim { sent_at: start() + sent_at, doubt, ..claim(1) }];
        let claimed = Claimed { claims, ..Claimed::default() };
        bench.engine.handle(&now(bench.run), Event::Claimed(vec![], Ok((vec![], claimed))));
        let sent =
            std::iter::from_fn(|| bench.engine.poll(&now(bench.run))).find_map(|action| match action {
                Action::Send(_, Request::LookUp(what)) => Some(("look up", what.sent_at)),
                Action::Send(_, Request::Verify(_, opened_since)) => Some(("verify", Some(opened_since))),
                _ => None,
            });
        assert_eq!(sent, Some((expected.0, Some(start() + expected.1))), "{why}");
    }
}

/// Seen: with seats for more rows than may be under way, the rows in line went, after their lote was halted.
#[test]
fn what_stands_in_line_does_not_go_once_its_lote_is_halted() {
    let mut bench = Bench::new(policy(|policy| {
        policy.concurrency = Concurrency::Auto;
        policy.guards.same_refusals = 2;
        policy.guards.blame = Blame::Lote;
        policy.guards.n_alone = 0;
    }));
    bench.actions();
    let rows: Vec<i64> = (1..=7).collect();
    bench.engine.handle(&now(bench.run), Event::PulledIn(Ok(())));
    bench.actions();
    bench.engine.handle(&now(bench.run), claimed(&rows, false));
    bench.actions();
    let seats: Vec<usize> = bench.requests.keys().copied().collect();
    assert_eq!(seats.len(), 7, "each has a seat");
    let mut n_granted = 0;
    for &seat in &seats[..6] {
        bench.engine.handle(&now(bench.run), bench.asks(seat));
        n_granted += bench.actions().len();
    }
    assert_eq!(n_granted, 4, "two stand in line");
    let refused = || reply(Verdict::Rejected(Fault::http(422)), Some(422));
    let mut done = Vec::new();
    for &seat in &seats[..2] {
        bench.engine.handle(&now(bench.run), bench.replied(seat, refused()));
        done.extend(bench.actions());
    }
    let grants = done.iter().filter(|action| action.starts_with("grant")).count();
    let withheld = done.iter().filter(|action| action.starts_with("withhold")).count();
    assert_eq!((grants, withheld), (1, 1), "{done:?}");
    bench.check(bench.asks(seats[6]), &[&format!("withhold {}", seats[6])]);
}

/// A commit costs the same with both.
#[test]
fn outcomes_ride_with_a_claim_that_is_near() {
    let mut bench = Bench::new(policy(|policy| policy.rate = Rate::PerSecond(1.0)));
    bench.check(Event::PulledIn(Ok(())), &["claim 1+1"]);
    bench.check(claimed(&[1], true), &["post 1 by 0"]);
    bench.check(bench.asks(0), &["grant 0"]);
    bench.run = 80 * MS;
    bench.check(bench.replied(0, opened(1)), &[]);
    bench.check_at(500 * MS, &["claim 1+1 with 1 opened"]);
    let event = bench.carried(&[2], true);
    bench.check(event, &["post 2 by 0"]);
    // One that fails is no reason to keep what it carried: that is stored alone first.
    bench.check(bench.asks(0), &[]);
    bench.check_at(S, &["grant 0"]);
    bench.run = 1080 * MS;
    bench.check(bench.replied(0, opened(2)), &[]);
    bench.check_at(1500 * MS, &["claim 1+1 with 2 opened"]);
    let lost =
        Event::Claimed(std::mem::take(&mut bench.riders), Err(OutboxError::Unavailable("away".into())));
    bench.check(lost, &["settle 2 opened"]);
    let stored = bench.stored();
    bench.check(stored, &[]);
    bench.check_at(1550 * MS, &["recover"]);
}

#[test]
fn outcomes_wait_for_no_claim_that_is_far_or_not_to_come() {
    // The next slot is ten seconds away.
    let mut bench = Bench::new(policy(|policy| policy.rate = Rate::PerSecond(0.1)));
    bench.check(Event::PulledIn(Ok(())), &["claim 1+1"]);
    bench.check(claimed(&[1], true), &["post 1 by 0"]);
    bench.check(bench.asks(0), &["grant 0"]);
    bench.run = 80 * MS;
    bench.check(bench.replied(0, opened(1)), &["settle 1 opened"]);
    // There are no more rows: they wait for company, and for no longer than half a second.
    let mut bench = two_last_posts();
    bench.run = 80 * MS;
    bench.check(bench.replied(0, opened(1)), &[]);
    bench.check_at(579 * MS, &[]);
    bench.check_at(580 * MS, &["settle 1 opened"]);
}

/// At 20/s, of which the second has just left.
fn two_last_posts() -> Bench {
    let mut bench = Bench::new(policy(|policy| policy.rate = Rate::PerSecond(20.0)));
    bench.check(Event::PulledIn(Ok(())), &["claim 2+1"]);
    bench.check(claimed(&[1, 2], false), &["post 1 by 0", "post 2 by 1"]);
    bench.check(bench.asks(0), &["grant 0"]);
    bench.check(bench.asks(1), &[]);
    bench.check_at(50 * MS, &["grant 1"]);
    bench
}

#[test]
fn with_an_end_or_a_pause_outcomes_wait_for_no_company() {
    for event in [Event::Stop, Event::Shared(Ok(Some(paused())))] {
        let mut bench = two_last_posts();
        bench.run = 180 * MS;
        bench.check(bench.replied(0, opened(1)), &[]);
        bench.run += 30 * MS;
        bench.check(event, &["settle 1 opened"]);
    }
}

/// What was sent and is not answered by the end of the grace is in doubt; an answer that comes with its end
/// counts.
#[test]
fn the_grace_of_a_stop_ends_what_is_under_way() {
    let mut bench = Bench::new(policy(|policy| policy.concurrency = Concurrency::Fixed(3)));
    bench.check(Event::PulledIn(Ok(())), &["claim 3+1"]);
    let sent = ["post 1 by 0", "post 2 by 1", "post 3 by 2"];
    bench.check(claimed(&[1, 2, 3, 4], false), &sent);
    bench.check(bench.asks(0), &["grant 0"]);
    bench.check(bench.asks(1), &["grant 1"]);
    bench.run = 10 * S;
    bench.check(Event::Stop, &["settle 4 released"]);
    bench.check(bench.asks(2), &["withhold 2"]);
    let stored = bench.stored();
    bench.check(stored, &[]);
    bench.check_at(15 * S - MS, &[]);
    // Both at once: what has happened is heard before what is due.
    bench.run = 15 * S;
    let cut = ["abandon 1", "abandon 2", "settle 1 opened, 2 in doubt, 3 released"];
    bench.check(bench.replied(0, opened(1)), &cut);
    bench.check(bench.replied(1, opened(2)), &[]);
    let stored = bench.stored();
    bench.check(stored, &["end"]);
}

#[test]
fn an_outbox_that_hangs_holds_up_no_stop() {
    let mut bench = Bench::new(policy(|_| ()));
    bench.check(Event::PulledIn(Ok(())), &["claim 2+1"]);
    bench.check(claimed(&[1], false), &["post 1 by 0"]);
    bench.check(bench.asks(0), &["grant 0"]);
    bench.check(Event::Stop, &[]);
    bench.check_at(5 * S, &["abandon 0", "settle 1 in doubt"]);
    bench.check_at(7 * S, &["end"]);
}

#[test]
fn a_probe_is_given_up_when_nothing_may_be_sent() {
    for is_granted in [true, false] {
        let mut bench = Bench::new(policy(|_| ()));
        bench.check(Event::PulledIn(Ok(())), &["claim 2+1"]);
        bench.check(claimed(&[], true), &[]);
        let _ = bench.engine.health.breaker.open(bench.run);
        bench.check_at(5 * S, &["probe"]);
        if is_granted {
            bench.check(bench.asks(2), &["grant 2"]);
        }
        bench.check(Event::Stop, &["abandon 2", "end"]);
    }
}

#[test]
fn a_claim_that_a_stop_overtakes_is_waited_for_and_given_back() {
    let mut bench = Bench::new(policy(|_| ()));
    bench.check(Event::PulledIn(Ok(())), &["claim 2+1"]);
    bench.check(Event::Stop, &[]);
    bench.check(claimed(&[1, 2], true), &["settle 1 released, 2 released"]);
    let stored = bench.stored();
    bench.check(stored, &["end"]);
}

#[test]
fn a_short_throttle_is_waited_out_and_a_long_one_gives_back() {
    for is_long in [false, true] {
        let mut bench = Bench::new(policy(|policy| policy.concurrency = Concurrency::Fixed(3)));
        bench.check(Event::PulledIn(Ok(())), &["claim 3+1"]);
        let sent = ["post 1 by 0", "post 2 by 1", "post 3 by 2"];
        bench.check(claimed(&[1, 2, 3, 4, 5], false), &sent);
        bench.check(bench.asks(0), &["grant 0"]);
        bench.check(bench.asks(1), &["grant 1"]);
        bench.run = S;
        bench.check(bench.replied(0, throttled(4 * S)), &["post 4 by 0"]);
        // Two wait for its end, in the order in which they came.
        bench.check(bench.asks(2), &[]);
        bench.check(bench.asks(0), &[]);
        bench.check_at(S + 25 * MS, &["settle 1 later"]);
        if is_long {
            bench.check(bench.replied(1, throttled(60 * S)), &["withhold 2", "withhold 0"]);
            bench.check(bench.replied(2, withheld()), &[]);
            bench.check(bench.replied(0, withheld()), &[]);
            let stored = bench.stored();
            bench.check(stored, &["settle 5 released, 2 later, 3 released, 4 released"]);
        } else {
            bench.check_at(5 * S, &["grant 2", "grant 0"]);
        }
    }
}

#[test]
fn one_trial_of_two_rows_that_wait_goes_and_the_other_costs_no_slot() {
    let mut bench = Bench::unopened(policy(|_| ()));
    bench.check(Event::Shared(Ok(Some(shared(SharedBreaker::Closed, None)))), &["recover"]);
    bench.open();
    bench.check(Event::PulledIn(Ok(())), &["ask", "claim 1+1"]);
    bench.check(claimed(&[1, 2], true), &["post 1 by 0", "post 2 by 1"]);
    bench.check(bench.asks(0), &[]);
    bench.check(bench.asks(1), &[]);
    bench.check_at(200 * MS, &["share"]);
    let slots = Slots { first_in: Duration::ZERO, count: 4, spacing: 500 * MS };
    let trial = shared(SharedBreaker::Trial(Holder::Me), Some(slots));
    bench.check(Event::Shared(Ok(Some(trial))), &["grant 0", "withhold 1"]);
    let n_left = bench.engine.slots.pace.slot_lease().expect("they are shared").n_left(bench.run);
    assert_eq!(n_left, 3);
}

/// The commit of the claim brings to the disk what the call wrote. Where there are others, nobody asks for
/// slots before it needs them.
#[test]
fn who_is_alone_asks_for_slots_as_it_claims() {
    for (n_workers, first, then) in [
        (1, "claim 2+1", &["grant 1", "claim 2+1", "share"][..]),
        (2, "claim 1+1", &["grant 1", "claim 1+1"]),
    ] {
        let heard = |slots| {
            let rate = Rate::PerSecond(4.0);
            Event::Shared(Ok(Some(SharedState { rate, n_workers, ..shared(SharedBreaker::Closed, slots) })))
        };
        let mut bench = Bench::unopened(policy(|policy| policy.rate = Rate::PerSecond(4.0)));
        bench.check(heard(None), &["recover"]);
        bench.open();
        bench.check(Event::PulledIn(Ok(())), &["ask", first]);
        bench.check(claimed(&[1, 2], true), &["post 1 by 0", "post 2 by 1"]);
        bench.check(bench.asks(0), &[]);
        bench.check(bench.asks(1), &[]);
        bench.check_at(200 * MS, &["share"]);
        let slots = Slots { first_in: Duration::ZERO, count: 4, spacing: 250 * MS };
        bench.check(heard(Some(slots)), &["grant 0"]);
        bench.check_at(450 * MS, then);
    }
}

/// As an API does that has given up waiting.
#[test]
fn who_asks_again_before_it_has_a_word_is_told_once() {
    let mut bench = Bench::new(policy(|policy| policy.rate = Rate::PerSecond(1.0)));
    bench.check(Event::PulledIn(Ok(())), &["claim 1+1"]);
    bench.check(claimed(&[1, 2], false), &["post 1 by 0", "post 2 by 1"]);
    bench.check(bench.asks(0), &["grant 0"]);
    bench.check(bench.asks(1), &[]);
    bench.check(bench.asks(1), &[]);
    bench.check_at(S, &["grant 1"]);
    bench.check_at(2 * S, &[]);
}

/// The clock of an outbox that is behind this machine's was not set back.
#[test]
fn what_the_opening_has_pulled_in_is_not_pulled_in_again() {
    let mut bench = Bench::unopened(policy(|_| ()));
    let behind = SharedState { now: start() - 60 * S, ..shared(SharedBreaker::Closed, None) };
    bench.check(Event::Shared(Ok(Some(behind))), &["recover"]);
    bench.open();
    bench.check(Event::PulledIn(Ok(())), &["ask", "claim 1+1"]);
}

/// An outbox that answers late brings on a request of which nobody will hear the answer.
#[test]
fn what_is_asked_after_the_grace_is_given_up_at_once() {
    let mut bench = Bench::new(policy(|_| ()));
    bench.check(Event::PulledIn(Ok(())), &["claim 2+1"]);
    let claims = vec![Claim { doubt: Some(Doubt::since(start())), ..claim(1) }];
    let claimed = Claimed { claims, ..Claimed::default() };
    bench.check(Event::Claimed(vec![], Ok((vec![], claimed))), &["look by 0"]);
    bench.check(bench.asks(0), &["grant 0"]);
    let absence = reply(Verdict::Answered(Sighting::NotFound), Some(200));
    bench.check(Event::Replied(bench.requests[&0], Answer::Sighting(absence)), &["ask"]);
    bench.check(Event::Stop, &[]);
    bench.check_at(5 * S, &[]);
    bench.check(Event::Sights(bench.requests[&0], Ok(vec![])), &["ask"]);
    let Claim { ticket, marker, .. } = claim(2);
    let specimen = Specimen { service: ticket.id_cliente_servico, marker, text_len: 100 };
    let given_up = ["look by 0", "abandon 0", "settle 1 released"];
    bench.check(Event::Specimen(bench.requests[&0], Ok(Some(specimen))), &given_up);
    let stored = bench.stored();
    bench.check(stored, &["end"]);
}

/// Seen: a row was looked up each minute because HubSoft failed over the only one that was opened.
#[test]
fn what_hubsoft_fails_over_while_it_tells_of_others_it_does_not_tell_of() {
    for (is_outage, is_blind_in_the_end) in [(false, true), (true, false)] {
        let mut bench = Bench::new(policy(|policy| policy.concurrency = Concurrency::Fixed(10)));
        bench.engine.sights.is_loaded = true;
        bench.tells(Event::PulledIn(Ok(())));
        let claims = (1..=10).map(|row| Claim { doubt: Some(Doubt::since(start())), ..claim(row) });
        let claimed = Claimed { claims: claims.collect(), ..Claimed::default() };
        bench.tells(Event::Claimed(vec![], Ok((vec![], claimed))));
        let seats: Vec<usize> = bench.requests.keys().copied().collect();
        // In an outage HubSoft told of all rows before it failed for the first time.
        if is_outage {
            seats.iter().for_each(|seat| bench.finds_none(*seat));
        }
        let are_blind = seats.iter().map(|seat| {
            bench.run += S;
            if !is_outage {
                bench.finds_none(*seat);
            }
            bench.fails_over_specimen(*seat);
            // That is told to nobody before the outbox has said whether something is still to be opened.
            bench.engine.seats[*seat].is_some()
        });
        let expected = [vec![false; 9], vec![is_blind_in_the_end]].concat();
        assert_eq!(are_blind.collect::<Vec<_>>(), expected, "in an outage: {is_outage}");
    }
}

impl Bench {
    fn tells(&mut self, event: Event) {
        self.engine.handle(&now(self.run), event);
        self.actions();
    }

    /// There is no ticket of the row.
    fn finds_none(&mut self, seat: usize) {
        self.tells(self.asks(seat));
        let absence = reply(Verdict::Answered(Sighting::NotFound), Some(200));
        self.tells(Event::Replied(self.requests[&seat], Answer::Sighting(absence)));
    }

    /// Nor can be told whether this user would see one.
    fn fails_over_specimen(&mut self, seat: usize) {
        let Claim { ticket, marker, .. } = claim(20);
        let specimen = Specimen { service: ticket.id_cliente_servico, marker, text_len: 100 };
        self.tells(Event::Specimen(self.requests[&seat], Ok(Some(specimen))));
        self.tells(self.asks(seat));
        let failure = reply(Verdict::Stumbled(Fault::http(500)), Some(500));
        self.tells(Event::Replied(self.requests[&seat], Answer::Sighting(failure)));
    }
}

/// A run that compares rows with a list, and what it is asked of one of service `row`.
fn skipping() -> Bench {
    let mut bench = Bench::new(policy(|policy| policy.open_tickets = OpenTickets::Skip));
    bench.check(Event::PulledIn(Ok(())), &["claim 2+1"]);
    bench
}

impl Bench {
    /// Whether the list says of a row that there is nothing open; then, what is to be done.
    #[track_caller]
    fn check_row(&mut self, run: Duration, row: i64, is_told: bool, expected: &[&str]) {
        self.run = run;
        let listed = self.engine.listed(&now(run), &claim(row));
        assert_eq!(listed, is_told.then_some(Sighting::NotFound), "row {row} at {run:?}");
        self.engine.read_list(&now(run));
        assert_eq!(self.actions(), expected, "row {row} at {run:?}");
    }

    /// What is asked for is granted, and answered so.
    fn list_comes(&mut self, verdict: Verdict<OpenList>, told: &[&str]) {
        let id = self.requests[&self.engine.list_seat()];
        self.check(Event::Asks(id, RequestKind::LookUp), &["grant 3"]);
        self.check(Event::Replied(id, Answer::OpenList(reply(verdict, None))), told);
    }

    /// Eleven rows within a minute have use for a list.
    fn list_is_asked_for(&mut self) {
        for row in 1..=10 {
            self.check_row(self.run, row, false, &[]);
        }
        self.check_row(self.run, 11, false, &["look by 3"]);
    }
}

/// Of a HubSoft where nothing is open.
fn list() -> Verdict<OpenList> {
    let types = TypeTable { first_of: BTreeMap::from([(1, (1, "SAC".into()))]), default: Some(1) };
    Verdict::Answered(OpenList::new(vec![], types))
}

fn refused_list() -> Verdict<OpenList> {
    Verdict::Forbidden(Fault::http(403))
}

#[test]
fn a_list_is_read_again_when_it_is_old_and_not_believed_when_it_is_too_old() {
    const MIN: Duration = Duration::from_secs(60);
    let mut bench = skipping();
    bench.list_is_asked_for();
    // What it says is heard when it is there.
    bench.check_row(S, 12, false, &[]);
    bench.list_comes(list(), &[]);
    bench.check_row(2 * S, 12, true, &[]);
    bench.check_row(10 * MIN - MS, 13, true, &[]);
    bench.check_row(10 * MIN, 14, true, &["look by 3"]);
    // It is refused now, so the one that there is stays, and another is asked for in two minutes.
    // Nobody is told: rows are compared with it still.
    bench.list_comes(refused_list(), &[]);
    bench.check_row(12 * MIN - MS, 15, true, &[]);
    bench.check_row(12 * MIN, 16, true, &["look by 3"]);
    bench.list_comes(refused_list(), &[]);
    bench.check_row(15 * MIN, 17, true, &["look by 3"]);
    bench.check_row(15 * MIN + MS, 18, false, &[]);
    bench.list_comes(list(), &[]);
    // Its age counts from when it was asked for.
    bench.check_row(30 * MIN, 19, true, &["look by 3"]);
    bench.check_row(30 * MIN + MS, 20, false, &[]);
    bench.list_comes(refused_list(), &["without a list: http_403"]);
}

/// Seen: a wait that the next run measured began by the date of an answer that was half a minute on its way.
#[test]
fn an_answer_says_what_hubsofts_clock_shows_at_least_and_at_most() {
    let mut bench = Bench::new(policy(|_| {}));
    let answer = Reply { date: Some(start()), ..opened(1) };
    bench.engine.hear(&now(40 * S), &answer, Some(10 * S), Looks::Count);
    let told = now(45 * S);
    assert_eq!(bench.engine.hubsoft_now(&told), Some(after(start(), 5 * S)));
    assert_eq!(bench.engine.hubsoft_latest(&told), Some(after(start(), 35 * S)));
}

/// Seen: all of its pages were asked for again at once, at each pause and each long throttle.
#[test]
fn a_list_that_is_cut_off_rests_before_it_is_begun_again() {
    const MIN: Duration = Duration::from_secs(60);
    let mut bench = skipping();
    bench.list_is_asked_for();
    // Nothing of it was asked for yet.
    let id = bench.requests[&bench.engine.list_seat()];
    bench.check(Event::Replied(id, Answer::OpenList(reply(Verdict::Withheld, None))), &[]);
    bench.check_row(S, 12, false, &["look by 3"]);
    bench.list_comes(Verdict::Withheld, &[]);
    bench.check_row(S, 13, false, &[]);
    bench.check_row(2 * MIN + S, 14, false, &["look by 3"]);
}

#[test]
fn a_list_is_not_asked_of_a_service_that_changed_since_the_one_before_it() {
    const MIN: Duration = Duration::from_secs(60);
    let mut bench = skipping();
    bench.list_is_asked_for();
    bench.list_comes(list(), &[]);
    let later = Change::Later { at: start(), attempts: 1, doubt: None, fault: None };
    bench.engine.service_changed(&claim(1), &later);
    bench.engine.service_changed(&claim(2), &Change::Release);
    bench.check_row(S, 1, false, &[]);
    bench.check_row(S, 2, true, &[]);
    // A list that was asked for afterwards may lack a ticket that is shown late, the one after that does not.
    for is_told in [false, true] {
        bench.run += 10 * MIN;
        bench.check_row(bench.run, 2, true, &["look by 3"]);
        bench.list_comes(list(), &[]);
        bench.check_row(bench.run, 1, is_told, &[]);
    }
}

#[test]
fn few_rows_a_minute_are_looked_up_and_no_list_is_read() {
    let mut bench = skipping();
    for n in 1..=40 {
        bench.check_row(7 * S * n, i64::from(n), false, &[]);
    }
}

#[test]
fn who_is_not_alone_reads_no_list_and_says_so_once() {
    let mut bench = skipping();
    let two = SharedState { n_workers: 2, ..shared(SharedBreaker::Closed, None) };
    bench.check(Event::Shared(Ok(Some(two))), &[]);
    for row in 1..=30 {
        let expected: &[&str] = if row == 11 { &["without a list: others open tickets too"] } else { &[] };
        bench.check_row(S, row, false, expected);
    }
}
