//! Explores all that may happen, once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use super::Setting;
use super::steps::Mood;
use super::world::World;

/// What was found.
pub struct Explored {
    pub n_states: usize,
    /// Steps from one state to another.
    pub n_steps: u64,
    /// States in which all is settled, or shown to a person.
    pub n_ends: usize,
    /// How old the oldest world was, since its rows came.
    pub oldest: Duration,
    pub took: Duration,
    /// What went wrong first, and the way there.
    pub violation: Option<String>,
}

/// How a state was reached first: the how-manieth step from which it was.
#[derive(Clone, Copy)]
struct Origin {
    from: u32,
    nth: u32,
}

/// Stops at the first violation.
pub fn explore(setting: &'static Setting) -> Explored {
    let began = Instant::now();
    let root = World::new(setting);
    let born = root.now;
    let mut known: HashMap<u128, u32, Known> = HashMap::default();
    let mut origins = vec![Origin { from: 0, nth: 0 }];
    // From each state, what happens when nothing goes wrong.
    let mut calm: Vec<(u32, u32)> = Vec::new();
    let mut ends: Vec<u32> = Vec::new();
    let mut explored = Explored {
        n_states: 1,
        n_steps: 0,
        n_ends: 0,
        oldest: Duration::ZERO,
        took: Duration::ZERO,
        violation: None,
    };
    known.insert(root.print(), 0);
    let mut stack = vec![(root, 0)];
    while let Some((world, number)) = stack.pop() {
        explored.oldest = explored.oldest.max(world.now - born);
        if let Some(violation) = &world.violation {
            explored.violation = Some(told(setting, violation, &origins, number));
            break;
        }
        if world.is_at_rest() {
            ends.push(number);
            continue;
        }
        let mut n_next = 0;
        world.steps(&mut |_, mood, next| {
            explored.n_steps += 1;
            let fresh = u32::try_from(origins.len()).expect("fewer states fit into memory");
            let reached = match known.entry(next.print()) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => {
                    unknown.insert(fresh);
                    origins.push(Origin { from: number, nth: n_next });
                    stack.push((next, fresh));
                    fresh
                }
            };
            if mood == Mood::Calm {
                calm.push((reached, number));
            }
            n_next += 1;
        });
        if n_next == 0 {
            explored.violation =
                Some(told(setting, "nothing happens any more, and rows are left", &origins, number));
            break;
        }
    }
    explored.n_states = origins.len();
    explored.n_ends = ends.len();
    if explored.violation.is_none()
        && let Some(lost) = never_at_rest(origins.len(), calm, ends)
    {
        explored.violation = Some(told(setting, "no calm way leads to rest", &origins, lost));
    }
    explored.took = began.elapsed();
    explored
}

/// A state from which no calm way leads to one in which all is settled.
fn never_at_rest(n_states: usize, mut calm: Vec<(u32, u32)>, mut ends: Vec<u32>) -> Option<u32> {
    calm.sort_unstable();
    let mut leads = vec![false; n_states];
    while let Some(end) = ends.pop() {
        if std::mem::replace(&mut leads[end as usize], true) {
            continue;
        }
        let first = calm.partition_point(|(to, _)| *to < end);
        let before = calm[first..].iter().take_while(|(to, _)| *to == end).map(|(_, from)| *from);
        ends.extend(before.filter(|from| !leads[*from as usize]));
    }
    leads.iter().position(|leads| !leads).and_then(|lost| u32::try_from(lost).ok())
}

/// What went wrong, and the way there.
fn told(setting: &'static Setting, violation: &str, origins: &[Origin], mut at: u32) -> String {
    let mut choices = Vec::new();
    while at != 0 {
        let Origin { from, nth } = origins[at as usize];
        choices.push(nth);
        at = from;
    }
    let (mut world, mut way) = (World::new(setting), String::new());
    for choice in choices.into_iter().rev() {
        let (mut nth, mut next) = (0, None);
        world.steps(&mut |step, _, world| {
            if nth == choice {
                next = Some((step, world));
            }
            nth += 1;
        });
        let (step, after) = next.expect("it was taken before");
        way += &format!("\n  {step:?}");
        world = after;
    }
    format!("{violation}, after{way}")
}

/// Fingerprints are mixed already.
type Known = std::hash::BuildHasherDefault<AsItIs>;

#[derive(Default)]
struct AsItIs(u64);

impl std::hash::Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a fingerprint is one number");
    }

    fn write_u128(&mut self, it: u128) {
        self.0 = it as u64;
    }
}
