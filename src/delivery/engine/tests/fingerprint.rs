//! What makes two states one.

use std::hash::{DefaultHasher, Hasher};

use super::*;
use crate::delivery::fingerprint::{Clocks, Fingerprint};

/// A run that began so long after the epoch of its clocks.
struct Begun {
    engine: Engine<'static>,
    late: Duration,
}

impl Begun {
    fn new(late: Duration, rate: Rate) -> Self {
        let policy = policy(|policy| policy.rate = rate);
        Self { engine: Engine::new(policy, &Self::at(late, Duration::ZERO), None), late }
    }

    fn at(late: Duration, run: Duration) -> Now {
        Now { run, awake: late + run, wall: start() + late + run }
    }

    /// What is to be done, and what tells the state then.
    fn hears(&mut self, run: Duration, event: Option<Event>) -> (usize, u64) {
        let now = Self::at(self.late, run);
        if let Some(event) = event {
            self.engine.handle(&now, event);
        }
        let n_actions = std::iter::from_fn(|| self.engine.poll(&now)).count();
        let mut hasher = DefaultHasher::new();
        self.engine.print(&Clocks::from(&now), &mut hasher);
        (n_actions, hasher.finish())
    }
}

/// Up to its first post; `late` is when.
fn events(late: Duration) -> Vec<(Duration, Option<Event>)> {
    let claimed = || {
        let claims = vec![Claim { sent_at: start() + late, ..claim(1) }];
        Event::Claimed(vec![], Ok((vec![], Claimed { claims, ..Claimed::default() })))
    };
    let id = RequestId { seat: 0, nth: 1 };
    Vec::from([
        (Duration::ZERO, None),
        (MS, Some(Event::Shared(Ok(None)))),
        (2 * MS, Some(Event::Recovered(Ok(0)))),
        (3 * MS, Some(Event::LookedAgain(Ok(())))),
        (4 * MS, Some(Event::PulledIn(Ok(())))),
        (5 * MS, Some(claimed())),
        (6 * MS, Some(Event::Asks(id, RequestKind::Post))),
    ])
}

#[test]
fn when_a_state_was_reached_does_not_tell_it_from_others() {
    for rate in [Rate::Unlimited, Rate::PerSecond(5.0)] {
        let hour = 3600 * S;
        let (mut early, mut late) = (Begun::new(Duration::ZERO, rate), Begun::new(hour, rate));
        let mut known = Vec::new();
        for ((run, event), (_, same)) in events(Duration::ZERO).into_iter().zip(events(hour)) {
            let told = early.hears(run, event);
            assert_eq!(late.hears(run, same), told, "at {run:?}");
            assert!(!known.contains(&told), "something has happened at {run:?}");
            known.push(told);
        }
        assert_eq!(early.hears(7 * MS, None).0, 0);
        assert_ne!(early.hears(7 * MS, None), late.hears(8 * MS, None), "a claim gets older");
    }
}

#[test]
fn a_clone_goes_its_own_way() {
    let mut one = Begun::new(Duration::ZERO, Rate::PerSecond(5.0));
    for (run, event) in events(Duration::ZERO) {
        one.hears(run, event);
    }
    let mut other = Begun { engine: one.engine.clone(), late: one.late };
    let id = RequestId { seat: 0, nth: 1 };
    // Of two slots the second is a fifth of a second away, for each of them.
    for run in [7 * MS, 200 * MS, 206 * MS] {
        let asks = || Some(Event::Asks(id, RequestKind::Post));
        assert_eq!(one.hears(run, asks()), other.hears(run, asks()), "at {run:?}");
    }
    one.hears(300 * MS, Some(Event::Stop));
    assert_ne!(one.hears(300 * MS, None), other.hears(300 * MS, None));
}
