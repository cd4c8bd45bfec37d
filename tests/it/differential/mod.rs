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
        differences.extend(Box::pin(difference(seed, &calls, Teller::new(make().await))).await);
    }
    assert!(
        differences.is_empty(),
        "{}\nreplay one with: MUTIRAO_SEED=N tests/run --test it differential",
        differences.join("\n")
    );
}

/// Where a driver first tells something else than the model, if it does. Of a claim that was dropped nobody
/// knows whether it was made: there are two models from then on, and the driver is one of them.
async fn difference<B: Bench>(seed: u64, calls: &[Call], mut driver: Teller<B>) -> Option<String> {
    let mut models = vec![Teller::new(MemoryOutbox::default())];
    for (n, call) in calls.iter().enumerate() {
        let (told, mut others) = match (call, call.dropped_after()) {
            (Call::Claim { .. }, Some(n_polls)) => {
                driver.drop_after(n_polls, call).await;
                let mut others = Vec::new();
                for model in &mut models {
                    let mut made = model.clone();
                    // Nobody heard what it answered.
                    made.make(call).await;
                    made.claims.truncate(model.claims.len());
                    others.push((made.recover(call).await, made));
                }
                (driver.recover(call).await, others)
            }
            (_, dropped_after) => {
                if let Some(n_polls) = dropped_after {
                    driver.drop_after(n_polls, call).await;
                }
                (driver.tell(call).await, Vec::new())
            }
        };
        let is_lost = !others.is_empty();
        for mut model in models {
            others.push((if is_lost { model.recover(call).await } else { model.tell(call).await }, model));
        }
        let (same, different) = others.into_iter().partition::<Vec<_>, _>(|(it, _)| *it == told);
        if let Some((model, _)) = different.first().filter(|_| same.is_empty()) {
            let calls = &calls[n.saturating_sub(6)..=n];
            return Some(format!(
                "seed {seed}: the driver differs after call {n}, the last of {calls:#?}{}",
                model.but(&told)
            ));
        }
        models = same.into_iter().map(|(_, model)| model).collect();
    }
    None
}

/// What a store tells of one call, in words that are the same for all: rows by their number from 0.
#[derive(Debug, Default, PartialEq)]
struct Told {
    answer: Vec<String>,
    rows: Vec<Seen>,
}

impl Told {
    /// What a driver tells instead.
    fn but(&self, driver: &Self) -> String {
        let mut told = String::new();
        if self.answer != driver.answer {
            write!(told, "\n  answer {:?}\n  model  {:?}", driver.answer, self.answer).expect("it is a text");
        }
        for (row, (model, driver)) in self.rows.iter().zip(&driver.rows).enumerate() {
            if model != driver {
                write!(told, "\n  row {row} {driver:?}\n  model {model:?}").expect("it is a text");
            }
        }
        told
    }
}

#[derive(Clone)]
struct Teller<B> {
    store: B,
    rows: Vec<RowId>,
    /// All that were ever handed out, the stale ones too.
    claims: Vec<Claim>,
}

impl<B: Bench> Teller<B> {
    fn new(store: B) -> Self {
        Self { store, rows: Vec::new(), claims: Vec::new() }
    }

    async fn tell(&mut self, call: &Call) -> Told {
        let answer = self.make(call).await;
        Told { answer, rows: self.look().await }
    }

    /// As the engine does after a claim that it does not know of.
    async fn recover(&mut self, lost: &Call) -> Told {
        let Call::Claim { now, outcomes, .. } = lost else { panic!("{lost:?} is made once more") };
        self.store.come_to_rest().await;
        // What it was to carry may be stored: the same again tells nothing else.
        self.settle(&calls::settles(&self.claims, outcomes)).await;
        self.store.recover(at(*now)).await.expect("it recovers");
        Told { answer: Vec::new(), rows: self.look().await }
    }

    async fn look(&self) -> Vec<Seen> {
        let mut rows = Vec::new();
        for row in &self.rows {
            let mut seen = self.store.look(*row).await;
            // Postgres stores with a claim what would be in doubt without an answer; what counts of a claim
            // is what it hands out.
            seen.doubt = seen.doubt.filter(|_| seen.state != State::InFlight);
            rows.push(seen);
        }
        rows
    }

    async fn make(&mut self, call: &Call) -> Vec<String> {
        match call {
            Call::Insert(seeds) => {
                let rows = self.store.insert(seeds).await;
                self.rows.extend(rows);
                Vec::new()
            }
            Call::Claim { outcomes, .. } => {
                let settles = calls::settles(&self.claims, outcomes);
                let (mut settled, claimed) = self.claim(call.want(), &settles).await;
                // One that could not be stored with it is told again by itself, as by the engine.
                if settled.contains(&Settled::Locked) {
                    settled = self.settle(&settles).await;
                }
                let told = settled.iter().map(|it| format!("{it:?}")).chain(self.words(&claimed)).collect();
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

    async fn claim(&self, want: ClaimRequest, settles: &[Settle]) -> (Vec<Settled>, Claimed) {
        match settles {
            [] => (Vec::new(), self.store.claim(want).await.expect("it claims")),
            _ => self.store.settle_and_claim(settles, want).await.expect("it does both"),
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
                Call::Claim { outcomes, .. } => {
                    drop(self.claim(call.want(), &calls::settles(&self.claims, outcomes)).await);
                }
                Call::Settle { outcomes, .. } => {
                    let settles = calls::settles(&self.claims, outcomes);
                    drop(self.store.settle(&settles).await);
                }
                Call::Recover { now, .. } => drop(self.store.recover(at(*now)).await),
                Call::LookAgain { now, .. } => drop(self.store.look_again(at(*now)).await),
                Call::PullIn { now, .. } => drop(self.store.pull_in(at(*now)).await),
                Call::Insert(_) | Call::PostsAreLeft => {}
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
