//! The same random calls of the port on SQLite, on Postgres and on the model in memory leave the same rows.
//!
//! `MUTIRAO_SEED=N` replays a seed, `MUTIRAO_SEEDS=N` sets how many are tried.

mod calls;

use std::fmt::Write as _;

use mutirao::delivery::{Claim, ClaimRequest, Claimed, RowId, Settle, Settled, State};

use self::calls::{Call, Dice};
use crate::outbox_conformance::{Bench, Seen, at};
use crate::support::memory_outbox::MemoryOutbox;
use crate::{outbox_postgres, outbox_sqlite};

const N_SEEDS: u64 = 20;

/// Of each seed.
const N_CALLS: usize = 60;

/// So often a settle is repeated while somebody, a call that was dropped, holds its rows.
const REPEATS_MAX: usize = 10_000;

#[tokio::test]
async fn sqlite_is_the_model() {
    is_the_model(outbox_sqlite::bench::Fresh::new).await;
}

#[tokio::test]
async fn postgres_is_the_model() {
    is_the_model(outbox_postgres::bench::Fresh::new).await;
}

async fn is_the_model<B: Bench>(make: impl AsyncFn() -> B) {
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse::<u64>().expect("it is a number"));
    let seeds = match (number("MUTIRAO_SEED"), number("MUTIRAO_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, n_seeds) => 0..n_seeds.unwrap_or(N_SEEDS),
    };
    let mut differences = Vec::new();
    for seed in seeds {
        let calls = Dice::new(seed).calls(N_CALLS);
        let model = Box::pin(tell(MemoryOutbox::default(), &calls, false)).await;
        let driver = Box::pin(tell(make().await, &calls, true)).await;
        differences.extend(difference(seed, &calls, &model, &driver));
    }
    assert!(
        differences.is_empty(),
        "{}\nreplay one with: MUTIRAO_SEED=N tests/run --test it differential",
        differences.join("\n")
    );
}

/// Where a driver first tells something else than the model.
fn difference(seed: u64, calls: &[Call], model: &[Told], driver: &[Told]) -> Option<String> {
    let n = (0..calls.len()).find(|n| model[*n] != driver[*n])?;
    let (model, driver) = (&model[n], &driver[n]);
    let mut told = format!("seed {seed}: the driver differs after call {n}, the last of {:#?}", {
        &calls[n.saturating_sub(6)..=n]
    });
    if model.answer != driver.answer {
        write!(told, "\n  answer {:?}\n  model  {:?}", driver.answer, model.answer).expect("it is a text");
    }
    for (row, (model, driver)) in model.rows.iter().zip(&driver.rows).enumerate() {
        if model != driver {
            write!(told, "\n  row {row} {driver:?}\n  model {model:?}").expect("it is a text");
        }
    }
    Some(told)
}

/// What a store tells of one call, in words that are the same for all: rows by their number from 0.
#[derive(Debug, Default, PartialEq)]
struct Told {
    answer: Vec<String>,
    rows: Vec<Seen>,
}

/// The calls, one after the other. With `drops`, those that are marked are first begun and dropped, then
/// made once more, as the engine does.
async fn tell<B: Bench>(store: B, calls: &[Call], drops: bool) -> Vec<Told> {
    let mut teller = Teller { store, rows: Vec::new(), claims: Vec::new() };
    let mut told = Vec::new();
    for call in calls {
        if let Some(n_polls) = call.dropped_after().filter(|_| drops) {
            teller.drop_after(n_polls, call).await;
        }
        let answer = teller.make(call).await;
        let mut rows = Vec::new();
        for row in &teller.rows {
            let mut seen = teller.store.look(*row).await;
            // Postgres stores with a claim what would be in doubt without an answer; what counts of a claim
            // is what it hands out.
            seen.doubt = seen.doubt.filter(|_| seen.state != State::InFlight);
            rows.push(seen);
        }
        told.push(Told { answer, rows });
    }
    told
}

struct Teller<B> {
    store: B,
    rows: Vec<RowId>,
    /// All that were ever handed out, the stale ones too.
    claims: Vec<Claim>,
}

impl<B: Bench> Teller<B> {
    async fn make(&mut self, call: &Call) -> Vec<String> {
        match call {
            Call::Insert(seeds) => {
                let rows = self.store.insert(seeds).await;
                self.rows.extend(rows);
                Vec::new()
            }
            Call::Claim { now, posts, look_ups, end } => {
                let want = ClaimRequest { now: at(*now), posts: *posts, look_ups: *look_ups, end: *end };
                let claimed = self.store.claim(want).await.expect("it claims");
                let told = self.words(&claimed);
                self.claims.extend(claimed.claims);
                told
            }
            Call::Settle { outcomes, .. } => {
                let settles = calls::settles(&self.claims, outcomes);
                let settled = self.settle(&settles).await;
                settled.iter().map(|it| format!("{it:?}")).collect()
            }
            Call::Recover { now, .. } => {
                self.store.recover(at(*now)).await.expect("it recovers");
                Vec::new()
            }
            Call::LookAgain { now, .. } => {
                self.store.look_again(at(*now)).await.expect("it does");
                Vec::new()
            }
            Call::PullIn { now, .. } => {
                self.store.pull_in(at(*now)).await.expect("it does");
                Vec::new()
            }
            Call::PostsAreLeft => {
                vec![self.store.posts_are_left().await.expect("it tells").to_string()]
            }
        }
    }

    /// Again, while what was dropped holds a row.
    async fn settle(&self, settles: &[Settle]) -> Vec<Settled> {
        for _ in 0..REPEATS_MAX {
            let settled = self.store.settle(settles).await.expect("it settles");
            if !settled.contains(&Settled::Locked) {
                return settled;
            }
        }
        panic!("a row stays locked");
    }

    async fn drop_after(&self, n_polls: u32, call: &Call) {
        let begun = async {
            match call {
                Call::Settle { outcomes, .. } => {
                    let settles = calls::settles(&self.claims, outcomes);
                    drop(self.store.settle(&settles).await);
                }
                Call::Recover { now, .. } => drop(self.store.recover(at(*now)).await),
                Call::LookAgain { now, .. } => drop(self.store.look_again(at(*now)).await),
                Call::PullIn { now, .. } => drop(self.store.pull_in(at(*now)).await),
                Call::Insert(_) | Call::Claim { .. } | Call::PostsAreLeft => {}
            }
        };
        let mut begun = Box::pin(begun);
        let mut n_left = n_polls;
        std::future::poll_fn(|context| {
            let polled = begun.as_mut().poll(context);
            n_left -= 1;
            if polled.is_ready() || n_left == 0 {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }

    fn words(&self, claimed: &Claimed) -> Vec<String> {
        let number = |row: RowId| self.rows.iter().position(|it| *it == row).expect("it was put in");
        let claims = claimed.claims.iter().map(|it| {
            format!("{} {:?} {} {} {:?}", number(it.row), it.token, it.attempts, it.sent_at, it.doubt)
        });
        let refused =
            claimed.refused.iter().map(|it| format!("{} is {:?}: {}", number(it.row), it.state, it.code));
        let mut told: Vec<String> = claims.chain(refused).collect();
        // In which order a call names the two kinds is nobody's promise.
        told.sort();
        told
    }
}
