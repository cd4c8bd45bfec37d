//! An absence is believed only of eyes that are known to see.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use mutirao::delivery::{
    Blindness, Doubt, Ending, Note, Rate, Reason, Reply, RequestKind, Sighting, State, Verdict, Verify,
    Watch, run,
};

use tokio::time::timeout;

use super::Bench;
use crate::support::memory_outbox::MemoryOutbox;
use crate::support::world::{fault, in_virtual_time, opened, opening, reply, start, ticket};

/// The row of service 1 is lost and leaves nothing; all others are opened. Nothing was ever seen.
fn bench(texts: &[usize]) -> Bench {
    let mut bench = Bench::new(0);
    bench.outbox = MemoryOutbox::default().into();
    for (service, text_len) in (1..).zip(texts) {
        bench.outbox.insert(ticket(service, &"x".repeat(*text_len)), start(), None);
    }
    bench.policy.max_attempts = 1;
    bench.api.post = Box::new(|asked| match asked.service {
        1 => reply(Verdict::Unknown(fault("timeout")), None),
        _ => opened(asked.service),
    });
    bench
}

/// Finds every ticket but that of service 1, which there is none of.
fn all_seen(bench: &mut Bench) {
    bench.api.look_up = Box::new(|asked| match asked.service {
        1 => reply(Verdict::Answered(Sighting::NotFound), Some(200)),
        _ => found(asked.service),
    });
}

fn found(id: i64) -> Reply<Sighting> {
    let seen =
        Sighting::Found { opening: opening(id), others: Vec::new(), beside: Vec::new(), conflict: None };
    reply(Verdict::Answered(seen), Some(200))
}

#[derive(Default)]
struct Notes {
    blind: RefCell<Vec<Blindness>>,
    n_unproven: Cell<u32>,
}

impl Watch for Notes {
    fn note(&self, note: Note<'_>) {
        match note {
            Note::Blind(why) => self.blind.borrow_mut().push(why),
            Note::Unproven => self.n_unproven.set(self.n_unproven.get() + 1),
            _ => {}
        }
    }
}

async fn watched(bench: &Bench) -> (Ending, Vec<Blindness>) {
    let (ending, notes) = noted(bench).await;
    (ending, notes.blind.into_inner())
}

async fn noted(bench: &Bench) -> (Ending, Notes) {
    let notes = Notes::default();
    let outbox: &MemoryOutbox = &bench.outbox;
    let ending = run(outbox, &bench.api, &bench.clock, &bench.policy, bench.control.clone(), &notes).await;
    (ending, notes)
}

#[test]
fn a_user_who_may_not_see_its_tickets_is_believed_no_absence() {
    in_virtual_time(async {
        let mut bench = bench(&[9, 9, 9, 9, 9, 9]);
        bench.api.look_up = Box::new(|_| reply(Verdict::Answered(Sighting::NotFound), Some(200)));
        let (ending, notes) = watched(&bench).await;
        assert_eq!((ending.reason, ending.stats.opened), (Reason::Drained, 5));
        let row = bench.outbox.row(1);
        assert_eq!((row.state, row.error_code.as_deref()), (State::Unconfirmed, Some("blind")));
        assert_eq!(bench.api.count(RequestKind::Post), 6, "and nothing is posted again");
        assert_eq!(notes, [Blindness::Unseen], "it says so once");
        let look_ups = bench.api.seconds(RequestKind::LookUp);
        assert!(
            look_ups.len() < 15 && look_ups.iter().all(|it| *it < 130.0),
            "nothing more would tell: {look_ups:?}"
        );
    });
}

#[test]
fn an_opened_row_is_looked_up_before_the_first_absence_counts() {
    in_virtual_time(async {
        let mut bench = bench(&[9, 9, 9]);
        all_seen(&mut bench);
        let (ending, notes) = watched(&bench).await;
        assert_eq!(
            (ending.stats.opened, ending.stats.failed),
            (2, 1),
            "nothing was left, and that is certain"
        );
        let others =
            bench.api.asked().iter().filter(|it| it.kind == RequestKind::LookUp && it.service != 1).count();
        assert_eq!((others, notes.len()), (1, 0), "once a day is enough");
    });
}

#[test]
fn a_sight_is_kept_for_the_next_run() {
    in_virtual_time(async {
        let mut bench = bench(&[9, 9]);
        all_seen(&mut bench);
        watched(&bench).await;
        bench.outbox.insert(ticket(1, "sem sinal"), start(), None);
        bench.api.look_up = Box::new(|_| reply(Verdict::Answered(Sighting::NotFound), Some(200)));
        let (ending, notes) = watched(&bench).await;
        assert_eq!((ending.stats.failed, notes.len()), (1, 0));
    });
}

#[test]
fn a_short_text_that_came_back_proves_nothing_for_a_long_one() {
    in_virtual_time(async {
        // This HubSoft cuts texts, the marker of long ones with them.
        let mut bench = bench(&[700, 9, 9]);
        all_seen(&mut bench);
        let (_, notes) = watched(&bench).await;
        let row = bench.outbox.row(1);
        assert_eq!((row.state, row.error_code.as_deref()), (State::Unconfirmed, Some("blind")));
        assert_eq!(notes[0], Blindness::Unknown);
    });
    in_virtual_time(async {
        let mut bench = bench(&[700, 9, 700]);
        all_seen(&mut bench);
        watched(&bench).await;
        assert_eq!(bench.outbox.row(1).state, State::Failed, "one as long came back");
    });
}

/// It was refused, then corrected: nothing was ever left, whatever the length of its text.
#[test]
fn a_long_text_that_was_refused_and_corrected_is_posted_without_proof() {
    in_virtual_time(async {
        let bench = bench(&[]);
        let doubt = Doubt::precaution(start());
        bench.outbox.insert(ticket(2, &"x".repeat(300)), start(), Some(doubt));
        let (ending, notes) = watched(&bench).await;
        assert_eq!((ending.stats.opened, notes.len()), (1, 0));
        assert!(ending.stats.elapsed < Duration::from_secs(2));
    });
}

/// What nobody answers about a specimen is no one's blindness, and costs no patience.
#[test]
fn an_outage_in_the_midst_of_a_proof_costs_no_patience() {
    in_virtual_time(async {
        let mut bench = bench(&[9, 9]);
        bench.policy.guards.unavailable_max = None;
        bench.api.look_up = Box::new(|asked| match (asked.service, asked.at.as_secs()) {
            (1, _) => reply(Verdict::Answered(Sighting::NotFound), Some(200)),
            (_, ..7200) => reply(Verdict::Unknown(fault("timeout")), None),
            (service, _) => found(service),
        });
        let (ending, notes) = watched(&bench).await;
        assert_eq!((ending.stats.failed, notes.len()), (1, 0));
    });
}

/// Seen: a row was given up while the only other one, whose ticket would have been shown, waited for its
/// time.
#[test]
fn nothing_is_given_up_before_the_last_row_that_may_be_shown_is_opened() {
    in_virtual_time(async {
        let mut bench = bench(&[9]);
        bench.outbox.insert(ticket(2, "sem sinal"), start() + Duration::from_secs(600), None);
        all_seen(&mut bench);
        let (ending, _) = watched(&bench).await;
        assert_eq!((ending.stats.opened, ending.stats.failed, ending.stats.unconfirmed), (1, 1, 0));
        let look_ups = bench.api.count(RequestKind::LookUp);
        assert!(look_ups < 20, "{look_ups}");
    });
}

/// Seen: a claim is good for 45 s, and at a slow pace no row that was opened could be looked up within it,
/// nor three of them: the run never ended.
#[test]
fn a_blind_user_at_a_slow_pace_is_known_as_one() {
    for seconds in [20.0, 120.0] {
        in_virtual_time(async {
            let mut bench = bench(&[9, 9, 9, 9, 9]);
            bench.policy.rate = Rate::PerSecond(1.0 / seconds);
            bench.policy.guards.unavailable_max = None;
            bench.api.look_up = Box::new(|_| reply(Verdict::Answered(Sighting::NotFound), Some(200)));
            let ended = timeout(Duration::from_secs(4 * 3600), watched(&bench)).await;
            let (ending, notes) = ended.expect("it ends");
            assert_eq!((ending.stats.unconfirmed, notes.len()), (1, 1), "a request each {seconds} s");
        });
    }
}

/// Seen: nothing was learnt of rows that were not found, when the next look failed.
#[test]
fn a_search_for_a_sight_goes_on_after_a_failure() {
    in_virtual_time(async {
        let mut bench = bench(&[9, 9, 9, 9, 9]);
        bench.policy.guards.unavailable_max = None;
        let n_asked = Cell::new(0);
        bench.api.look_up = Box::new(move |asked| {
            let is_odd = asked.service != 1 && n_asked.replace(n_asked.get() + 1) % 2 == 1;
            match is_odd {
                true => reply(Verdict::Unknown(fault("timeout")), None),
                false => reply(Verdict::Answered(Sighting::NotFound), Some(200)),
            }
        });
        let (ending, notes) = watched(&bench).await;
        assert_eq!((ending.stats.unconfirmed, notes.len()), (1, 1));
        assert!(ending.stats.elapsed < Duration::from_secs(1200), "{:?}", ending.stats.elapsed);
    });
}

/// Seen: ten rows that were opened were looked up for every look at the one in doubt.
#[test]
fn what_cannot_be_told_of_rows_that_were_opened_is_not_asked_again_at_once() {
    in_virtual_time(async {
        let mut bench = bench(&[9; 15]);
        bench.api.look_up = Box::new(|asked| match asked.service {
            1 => reply(Verdict::Answered(Sighting::NotFound), Some(200)),
            _ => reply(Verdict::Answered(Sighting::CouldNotTell(fault("full_page"))), Some(200)),
        });
        let (ending, notes) = watched(&bench).await;
        assert_eq!((ending.stats.unconfirmed, notes.len()), (1, 1));
        let look_ups = bench.api.count(RequestKind::LookUp);
        assert!(look_ups < 20, "{look_ups}");
    });
}

/// As an import makes it.
fn before() -> Doubt {
    Doubt::precaution(start() - Duration::from_secs(1))
}

/// Seen: rows that were opened since the backup were opened once more, because a user who sees no tickets did
/// not find theirs.
#[test]
fn a_restored_outbox_opens_nothing_for_a_user_who_does_not_see_what_was_opened() {
    for verify in [Verify::Precautions, Verify::First] {
        in_virtual_time(async {
            let mut bench = bench(&[]);
            bench.api.post = Box::new(|asked| opened(asked.service));
            bench.outbox.insert(ticket(1, "sem sinal"), start(), None);
            bench.run().await;
            let doubt = || (verify == Verify::Precautions).then(before);
            for (service, text_len) in [(2, 9), (3, 300), (4, 5)] {
                bench.outbox.insert(ticket(service, &"x".repeat(text_len)), start(), doubt());
            }
            bench.policy.verify = verify;
            let none = || reply(Verdict::Answered(Sighting::NotFound), Some(200));
            bench.api.look_up = Box::new(move |_| none());
            bench.api.verify = Box::new(move |_| none());
            let n_posts = bench.api.count(RequestKind::Post);
            let (ending, notes) = noted(&bench).await;
            assert_eq!((ending.stats.opened, ending.stats.unconfirmed), (0, 3), "{verify:?}");
            assert_eq!(bench.api.count(RequestKind::Post), n_posts);
            assert_eq!(bench.outbox.row(3).error_code.as_deref(), Some("blind"));
            assert_eq!((notes.blind.into_inner(), notes.n_unproven.get()), (vec![Blindness::Unseen], 0));
        });
    }
}

/// A HubSoft that has just opened a ticket may not show it for some seconds.
#[test]
fn what_is_not_shown_yet_makes_nobody_blind_for_good() {
    in_virtual_time(async {
        let mut bench = bench(&[]);
        bench.policy.verify = Verify::First;
        bench.api.post = Box::new(|asked| opened(asked.service));
        bench.api.verify = Box::new(|_| reply(Verdict::Answered(Sighting::NotFound), Some(200)));
        bench.api.look_up = Box::new(|asked| match asked.at.as_secs() {
            ..20 => reply(Verdict::Answered(Sighting::NotFound), Some(200)),
            _ => found(asked.service),
        });
        for service in 1..=9 {
            bench.outbox.insert(ticket(service, "sem sinal"), start(), None);
        }
        assert_eq!(bench.run().await.stats.opened, 9);
    });
}

/// A lost folder, or the first import of all: nothing would ever be opened.
#[test]
fn without_a_ticket_that_could_be_shown_absences_are_believed_and_that_is_told() {
    for verify in [Verify::Precautions, Verify::First] {
        in_virtual_time(async {
            let mut bench = bench(&[]);
            bench.policy.verify = verify;
            bench.api.post = Box::new(|asked| opened(asked.service));
            bench.api.verify = Box::new(|_| reply(Verdict::Answered(Sighting::NotFound), Some(200)));
            bench.api.look_up = Box::new(|asked| found(asked.service));
            for (service, text_len) in [(1, 9), (2, 5), (3, 300), (4, 700)] {
                let doubt = (verify == Verify::Precautions).then(before);
                bench.outbox.insert(ticket(service, &"x".repeat(text_len)), start(), doubt);
            }
            let (ending, notes) = noted(&bench).await;
            assert_eq!((ending.reason, ending.stats.opened), (Reason::Drained, 4), "{verify:?}");
            assert_eq!((notes.blind.into_inner(), notes.n_unproven.get()), (vec![], 1), "{verify:?}");
        });
    }
}
