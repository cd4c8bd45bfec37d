//! The outbox as the engine sees it: one that knows which rows are its own.

use std::cell::Cell;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::candidate::{self, IN_BATCH};
use super::error::{Trouble, is_lease_over};
use super::lease::Worker;
use super::listen::{Wake, WakeReason};
use super::session::in_time;
use super::size::{ClaimSize, SLOW};
use super::values::Time;
use super::{claim, rights, settle};
use crate::delivery::coordination::{ShareRequest, SharedState};
use crate::delivery::eyes::{Sight, Specimen};
use crate::delivery::{ClaimRequest, Claimed, Halt, Outbox, OutboxError, Settle, Settled};
use crate::outbox::Scope;
use crate::outbox::doubts::reopened;
use crate::outbox::filter::Filter;
use crate::outbox::names::{IN_DOUBT, IN_FLIGHT, PENDING, UNCONFIRMED};
use crate::outbox::which::{to_look_up, to_post};

/// The rows of a scope, to be delivered by one worker. Rows that their file no longer has are never
/// posted, only looked up if something of theirs is in doubt.
pub struct WorkQueue<'a> {
    worker: &'a Worker,
    filter: Filter,
    wake: Mutex<Wake>,
    /// Whether anything was due or in flight at the last look.
    was_active: Cell<bool>,
    size: Cell<ClaimSize>,
    /// When it was last said that claims are slow.
    slow_warned_at: Cell<Option<Instant>>,
}

/// Statements of a claim that carries outcomes, as it mostly goes.
const STATEMENTS: u32 = 8;

/// It is said so often at most.
const WARN_EVERY: Duration = Duration::from_secs(60);

impl Worker {
    /// The rows of `scope`, to be delivered.
    pub fn queue(&self, scope: Scope) -> WorkQueue<'_> {
        self.queue_of(Filter::of(scope))
    }

    /// The rows of `scope`, only to be looked up (`reconcile`).
    pub fn reconciling(&self, scope: Scope) -> WorkQueue<'_> {
        self.queue_of(Filter::only_to_look(scope))
    }

    /// The first `n` pending rows of `scope` in the order of their file (`--sample`).
    pub async fn sample(&self, scope: Scope, n: u64) -> Result<WorkQueue<'_>, OutboxError> {
        let mut filter = Filter { is_past_halts: true, ..Filter::of(scope) };
        let sql = format!(
            "SELECT max(record)
               FROM (SELECT record FROM mutirao.outbox
                      WHERE state = {PENDING} AND NOT gone AND record IS NOT NULL
                        AND ($1::bigint IS NULL OR batch = $1) AND ($2::bigint IS NULL OR import = $2)
                      ORDER BY record LIMIT $3) AS first"
        );
        let last: Option<i64> = in_time(async {
            sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(filter.batch)
                .bind(filter.import)
                .bind(i64::try_from(n).unwrap_or(i64::MAX))
                .persistent(false)
                .fetch_one(&mut *self.outbox().conn().await?)
                .await
                .trouble()
        })
        .await?;
        filter.last_record = Some(last.unwrap_or(0));
        Ok(self.queue_of(filter))
    }

    fn queue_of(&self, filter: Filter) -> WorkQueue<'_> {
        WorkQueue {
            worker: self,
            filter,
            wake: Mutex::new(Wake::new(self.outbox().listen())),
            was_active: Cell::new(true),
            size: Cell::default(),
            slow_warned_at: Cell::default(),
        }
    }
}

impl WorkQueue<'_> {
    /// A claim of up to `posts` rows to post kept the others waiting for so long.
    fn took(&self, long: Duration, posts: usize) {
        // Fewer rows make no way shorter.
        let long = long.saturating_sub(self.worker.outbox().distance().of(STATEMENTS));
        self.size.set(self.size.get().after(long, posts));
        if long < SLOW {
            return;
        }
        if self.slow_warned_at.get().is_none_or(|warned_at| WARN_EVERY <= warned_at.elapsed()) {
            self.slow_warned_at.set(Some(Instant::now()));
            let seconds = long.as_secs_f64();
            tracing::warn!(
                seconds,
                "a claim of rows took {seconds:.1} s: see what the database waits for (pg_stat_activity), and what \
                 lies in mutirao.outbox"
            );
        }
    }

    /// Before a claim; returns for how much it asks.
    async fn begins_claim(&self, want: ClaimRequest) -> Result<ClaimRequest, OutboxError> {
        self.worker.claims();
        self.worker.settle_doubts_of_server().await?;
        Ok(ClaimRequest { posts: self.size.get().cut(want.posts), ..want })
    }

    /// After it. `began`: since when the others waited for it.
    async fn ends_claim(
        &self,
        want: ClaimRequest,
        began: Option<Instant>,
        claimed: Result<Claimed, OutboxError>,
    ) -> Result<Claimed, OutboxError> {
        let posts_max = self.size.get().max();
        // How long it stood in line is the others' affair.
        if let Some(began) = began {
            self.took(began.elapsed(), want.posts);
        }
        match &claimed {
            Ok(claimed) => self.worker.lately().claimed(self.worker.id(), &claimed.claims),
            Err(error) => {
                self.worker.doubt_server();
                // The heartbeat is seconds away, and until then every claim would fail as this one did.
                if is_lease_over(error) {
                    // In a box: it is seldom, and large, and would make every claim as large.
                    Box::pin(self.worker.renew()).await?;
                }
            }
        }
        let mut claimed = self.worker.outbox().explained(claimed).await?;
        claimed.posts_max = posts_max;
        // What comes back from others is looked up by them.
        claimed.backlog.elsewhere &= !self.filter.is_only_to_look();
        Ok(claimed)
    }

    /// How many rows a claim looks at.
    fn rows_max(&self) -> usize {
        self.size.get().max().unwrap_or(usize::MAX)
    }

    /// Whether a row is due or in flight, of whatever scope but not halted: one short statement, where a
    /// claim is a transaction of several that others wait for.
    async fn is_active(&self) -> Result<bool, OutboxError> {
        let sql = format!(
            include_str!("is_active.sql"),
            to_post = to_post("o"),
            to_look_up = to_look_up("o"),
            passed = self.filter.passed(),
            in_flight = IN_FLIGHT,
        );
        let asked = sqlx::query_scalar(AssertSqlSafe(sql));
        self.worker.outbox().alone(async |conn| asked.fetch_one(conn).await.trouble()).await
    }
}

impl Outbox for WorkQueue<'_> {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        let want = self.begins_claim(want).await?;
        let began = Cell::new(None);
        let claimed = in_time(claim::claim(self.worker, self.filter, want, self.rows_max(), &began)).await;
        self.ends_claim(want, began.get(), claimed).await
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        let settled = in_time(settle::settle(self.worker, settles)).await;
        match &settled {
            Ok(became) => self.worker.lately().settled(self.worker.id(), settles, became),
            Err(_) => self.worker.doubt_server(),
        }
        self.worker.outbox().explained(settled).await
    }

    async fn settle_and_claim(
        &self,
        settles: &[Settle],
        want: ClaimRequest,
    ) -> Result<(Vec<Settled>, Claimed), OutboxError> {
        let want = self.begins_claim(want).await?;
        let began = Cell::new(None);
        let (filter, rows_max) = (self.filter, self.rows_max());
        let carried =
            in_time(claim::claim_carrying(self.worker, settles, filter, want, rows_max, &began)).await;
        let claimed = match carried {
            Ok(Some(claimed)) => Ok(claimed),
            Ok(None) => {
                let settled = self.settle(settles).await?;
                return Ok((settled, self.claim(want).await?));
            }
            Err(error) => Err(error),
        };
        let settled = vec![Settled::Written; settles.len()];
        if claimed.is_ok() {
            self.worker.lately().settled(self.worker.id(), settles, &settled);
        }
        Ok((settled, self.ends_claim(want, began.get(), claimed).await?))
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        // It comes before a run's first claim: what the role may not do is better said before anything is
        // sent.
        in_time(async { rights::check(&mut *self.worker.outbox().conn().await?).await }).await?;
        in_time(self.worker.recover(now)).await
    }

    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError> {
        // Who comes only to look (`reconcile`) waits for no row's turn.
        let unsure = format!("(state = {UNCONFIRMED} OR $2 AND state = {IN_DOUBT})");
        let sql = format!("SELECT o.id FROM mutirao.outbox o WHERE {unsure} AND {IN_BATCH}");
        let is_only_to_look = self.filter.is_only_to_look();
        let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(self.filter.batch).bind(is_only_to_look);
        let rows: Vec<i64> = self.worker.found(async |conn| asked.fetch_all(conn).await.trouble()).await?;
        let sql = format!(
            "UPDATE mutirao.outbox o
                SET {}, available_at = $3
              WHERE id IN (SELECT id FROM mutirao.outbox o
                            WHERE id = ANY($1) AND {unsure} IS TRUE FOR UPDATE SKIP LOCKED)",
            reopened("o")
        );
        self.worker
            .change(&rows, async |conn, rows| {
                let change =
                    sqlx::query(AssertSqlSafe(sql.clone())).bind(rows).bind(is_only_to_look).bind(Time(now));
                change.execute(conn).await.trouble().map(drop)
            })
            .await
    }

    async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.worker.pull_in(now).await
    }

    async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError> {
        self.worker.outbox().sights(who).await
    }

    async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError> {
        self.worker.outbox().saw(who, sight).await
    }

    async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError> {
        self.worker.outbox().specimen(text_len, nth).await
    }

    async fn posts_are_left(&self) -> Result<bool, OutboxError> {
        // What comes back from others is posted by them.
        if self.filter.is_only_to_look() {
            return Ok(false);
        }
        let but = self.worker.passed_over().but_these();
        in_time(async {
            candidate::posts_are_left(&mut *self.worker.outbox().conn().await?, self.filter, &but).await
        })
        .await
    }

    async fn halt(&self, lote: &str, reason: &Halt) -> Result<(), OutboxError> {
        self.worker.outbox().halt(lote, reason).await
    }

    async fn share(&self, request: &ShareRequest) -> Result<Option<SharedState>, OutboxError> {
        let shared = self.worker.share(request).await.map(Some);
        match &shared {
            // An idle worker claims nothing, and the others wait for what it has to say.
            Ok(_) => self.worker.settle_doubts_of_server().await?,
            Err(_) => self.worker.doubt_server(),
        }
        self.worker.outbox().explained(shared).await
    }

    async fn woken(&self, poll: Duration) {
        let mut wake = self.wake.lock().await;
        while let WakeReason::Poll = wake.next(poll).await {
            // An error: the claim meets it as well, and says so.
            let is_active = self.is_active().await.unwrap_or(true);
            // What was in flight elsewhere has ended: that may be the end of all work.
            if self.was_active.replace(is_active) || is_active {
                return;
            }
        }
    }
}
