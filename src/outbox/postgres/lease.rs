//! Who works on an outbox, and until when what it claimed is its own.
//!
//! A lease is one small row a worker, not one update a ticket. All times here are the database's.
//! Leases are given up and taken over behind the lock of the claims, so that a claim sees either a
//! worker that lives or rows that are rescued.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};

use super::PgOutbox;
use super::error::{Trouble, all_of};
use super::keys::Keys;
use super::piecewise::{PassedOver, piecewise};
use super::session::{Access, in_time};
use super::values::{Time, text};
use super::walk::Walk;
use super::withdraw::withdraw;
use super::written::{WrittenRow, n_written, returning};
use crate::delivery::{OutboxError, Rate};
use crate::outbox::Terms;
use crate::outbox::doubts::{is_taken_in, taken_in};
use crate::outbox::lately::Lately;
use crate::outbox::names::IN_FLIGHT;

/// So often within a lease it is renewed.
pub const RENEWALS: u32 = 6;

/// So many renewals, one after another, in time and of one server, before a worker takes over the rows of the
/// dead. After an outage all leases have run out, and whoever comes back first must not take everybody for
/// dead. The others come back as late as a call that began before the outage ended is waited for, and the
/// renewal that follows it.
pub const RENEWALS_BEFORE_RESCUE: i32 = 7;

/// The other workers of an outbox, by their leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    Alive,
    /// Some may have left rows in flight.
    SomeDead,
}

/// What a renewal brought to light.
struct Renewed {
    peers: Peers,
    /// The server has not heard yet what this worker did last.
    is_new: bool,
}

/// A process that works on an outbox.
pub struct Worker {
    outbox: PgOutbox,
    name: String,
    terms: Terms,
    id: AtomicI64,
    lately: Lately,
    keys: Keys,
    /// It has claimed since it was last asked.
    claims: AtomicBool,
    /// Something failed since it last asked whether the server is still the same.
    doubts_server: AtomicBool,
    /// Among what is parked.
    walk: Mutex<Walk>,
    passed_over: PassedOver,
    /// How many of its requests may be under way. 0: its run has not told yet.
    at_once: AtomicI32,
    /// Whoever renews the lease; two who found it gone would become two workers.
    renewing: tokio::sync::Mutex<()>,
}

impl PgOutbox {
    /// Makes this process a worker called `name` (for people), whose lease is to be renewed several
    /// times within it. A lease that is not longer than a claim may be sent for claims nothing.
    pub async fn register(&self, name: &str, terms: Terms) -> Result<Worker, OutboxError> {
        let (name, id) = (text(name).into_owned(), AtomicI64::new(0));
        let (lately, keys, claims, doubts_server, walk, passed_over, at_once, renewing) = Default::default();
        let worker = Worker {
            outbox: self.clone(),
            name,
            terms,
            id,
            lately,
            keys,
            claims,
            doubts_server,
            walk,
            passed_over,
            at_once,
            renewing,
        };
        let enrolled = in_time(worker.enrol()).await;
        self.explained(enrolled).await?;
        Ok(worker)
    }
}

/// Whether the server knows a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// And has heard of all that it did.
    Told,
    Forgotten,
}

impl Worker {
    pub fn outbox(&self) -> &PgOutbox {
        &self.outbox
    }

    pub(super) fn rate(&self) -> Rate {
        self.terms.rate
    }

    /// A claim begins.
    pub(super) fn claims(&self) {
        self.claims.store(true, Ordering::Relaxed);
    }

    /// Whether it has claimed since this was last asked.
    pub(super) fn has_claimed(&self) -> bool {
        self.claims.swap(false, Ordering::Relaxed)
    }

    pub(super) fn walk(&self) -> MutexGuard<'_, Walk> {
        self.walk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many of its requests may be under way; others hear of it with the next renewal.
    pub(super) fn tell_at_once(&self, at_once: usize) {
        self.at_once.store(i32::try_from(at_once).unwrap_or(i32::MAX), Ordering::Relaxed);
    }

    pub(super) fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }

    pub(super) fn lately(&self) -> &Lately {
        &self.lately
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Another server may have taken over.
    pub(super) fn doubt_server(&self) {
        self.doubts_server.store(true, Ordering::Relaxed);
    }

    pub(super) async fn settle_doubts_of_server(&self) -> Result<(), OutboxError> {
        if self.doubts_server.load(Ordering::Relaxed) {
            if self.say_again().await? == Known::Forgotten {
                return Ok(());
            }
            self.doubts_server.store(false, Ordering::Relaxed);
        }
        self.lately.forget_old();
        Ok(())
    }

    /// How long it waits for an answer of HubSoft.
    pub(super) fn timeout(&self) -> Duration {
        self.terms.timeout
    }

    /// Its row in `mutirao.worker`. Another one after it was taken for dead; 0: it has none yet.
    pub fn id(&self) -> i64 {
        self.id.load(Ordering::Relaxed)
    }

    /// Makes the lease last from now on. A worker that was taken for dead registers anew; what it had
    /// claimed is no longer its own.
    pub async fn renew(&self) -> Result<Peers, OutboxError> {
        let _alone = self.renewing.lock().await;
        let renewed = match self.prolong().await? {
            Some(renewed) => renewed,
            None => {
                in_time(self.enrol()).await?;
                // It may be the server that forgot it.
                Renewed { peers: Peers::SomeDead, is_new: true }
            }
        };
        if renewed.is_new {
            self.say_again().await?;
        }
        Ok(renewed.peers)
    }

    /// Makes the lease last from now on, unless it is gone.
    async fn prolong(&self) -> Result<Option<Renewed>, OutboxError> {
        let renewed: Option<(bool, bool)> = self
            .outbox
            .alone(async |conn| {
                sqlx::query_as(include_str!("renew.sql"))
                    .bind(self.id())
                    .bind(self.terms.lease.as_secs_f64())
                    .bind(self.renewed_every().as_secs_f64())
                    .bind(Some(self.at_once.load(Ordering::Relaxed)).filter(|at_once| 0 < *at_once))
                    .fetch_optional(conn)
                    .await
                    .trouble()
            })
            .await?;
        Ok(renewed.map(|(are_some_dead, is_new)| Renewed {
            peers: if are_some_dead { Peers::SomeDead } else { Peers::Alive },
            is_new,
        }))
    }

    /// Does not let the lease run out, for ever.
    pub(super) async fn keep_prolonging(&self) -> Infallible {
        loop {
            // An error: whoever tries something else meets it as well, and says so.
            let _ = self.prolong().await;
            tokio::time::sleep(self.renewed_every()).await;
        }
    }

    /// Between two renewals.
    pub(super) fn renewed_every(&self) -> Duration {
        self.terms.lease / RENEWALS
    }

    /// Takes in what dead workers left `in_flight`. Returns how many; none before this worker has renewed its
    /// own lease so often ([`RENEWALS_BEFORE_RESCUE`]).
    ///
    /// Whoever was only cut off from here may have posted until its lease ended, and waits for the answer:
    /// the doubt is of when it stops waiting.
    pub async fn rescue(&self) -> Result<u64, OutboxError> {
        in_time(async {
            let mut tx = self.outbox.tx(Access::Claiming).await?;
            let sql = "SELECT EXISTS (SELECT FROM mutirao.worker
                                       WHERE id = $1 AND $2 <= n_renewals AND clock_timestamp() < lease_until)";
            let may: bool = sqlx::query_scalar(sql)
                .bind(self.id())
                .bind(RENEWALS_BEFORE_RESCUE)
                .fetch_one(&mut *tx)
                .await
                .trouble()?;
            if !may {
                return Ok(0);
            }
            // A row that somebody holds is left for the next time: waiting for it here, all would wait.
            let sql = format!(
                "SELECT l.id FROM mutirao.outbox l
                  WHERE l.state = {IN_FLIGHT}
                    AND NOT EXISTS (SELECT FROM mutirao.worker w
                                     WHERE w.id = l.worker AND clock_timestamp() < w.lease_until)
                    FOR UPDATE SKIP LOCKED"
            );
            let asked = sqlx::query_scalar(AssertSqlSafe(sql));
            let left: Vec<i64> = asked.fetch_all(&mut *tx).await.trouble()?;
            let refused =
                piecewise(&mut tx, &left, async |conn, rows| take_in(conn, rows, None).await).await?;
            let n_rescued = left.len() - refused.len();
            self.passed_over.add(refused);
            let sql = format!(
                "DELETE FROM mutirao.worker
                  WHERE id IN (SELECT w.id FROM mutirao.worker w
                                WHERE w.lease_until <= clock_timestamp()
                                  AND NOT EXISTS (SELECT FROM mutirao.outbox l
                                                   WHERE l.state = {IN_FLIGHT} AND l.worker = w.id)
                                  FOR UPDATE SKIP LOCKED)"
            );
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await.trouble()?;
            tx.commit().await?;
            Ok(n_rescued as u64)
        })
        .await
    }

    /// Takes in what this worker has in flight while its run holds no row, due at once. Returns how many.
    pub(super) async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        // Behind the lock: a claim whose answer was lost may still be on its way there.
        let mut tx = self.outbox.tx(Access::Claiming).await?;
        // Of whatever scope: the worker's one run holds no row.
        let sql = format!(
            "SELECT id FROM mutirao.outbox WHERE state = {IN_FLIGHT} AND worker = $1 FOR UPDATE SKIP LOCKED"
        );
        let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(self.id());
        let left: Vec<i64> = asked.fetch_all(&mut *tx).await.trouble()?;
        let refused =
            piecewise(&mut tx, &left, async |conn, rows| take_in(conn, rows, Some(now)).await).await?;
        let n_recovered = left.len() - refused.len();
        self.passed_over.add(refused);
        // What somebody holds, or may not be changed, is not waited for: it is a dead worker's from now on,
        // for the next rescue.
        let sql =
            format!("SELECT EXISTS (SELECT FROM mutirao.outbox WHERE state = {IN_FLIGHT} AND worker = $1)");
        let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(self.id());
        let is_left = asked.fetch_one(&mut *tx).await.trouble()?;
        tx.commit().await?;
        self.lately.recovered();
        if is_left {
            self.begin_anew().await?;
        }
        Ok(n_recovered as u64)
    }

    /// Leaves, after a clean stop. What it still held (it should not) is rescued at once by others.
    pub async fn retire(self) -> Result<(), OutboxError> {
        // What it did last nobody else could say to a server that forgot it.
        self.renew().await?;
        in_time(async {
            let mut tx = self.outbox.tx(Access::Shared).await?;
            let sql = "DELETE FROM mutirao.worker WHERE id = $1";
            sqlx::query(sql).bind(self.id()).execute(&mut *tx).await.trouble()?;
            tx.commit().await
        })
        .await
    }

    /// Becomes another worker: what the one before still has is a dead one's, and looked up by others.
    pub(super) async fn begin_anew(&self) -> Result<(), OutboxError> {
        let before = self.id();
        self.enrol().await?;
        let mut tx = self.outbox.tx(Access::Shared).await?;
        let sql = "DELETE FROM mutirao.worker WHERE id = $1";
        sqlx::query(sql).bind(before).execute(&mut *tx).await.trouble()?;
        tx.commit().await
    }

    async fn enrol(&self) -> Result<(), OutboxError> {
        let rate = match self.terms.rate {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Unlimited => None,
        };
        let mut tx = self.outbox.tx(Access::Shared).await?;
        // It has told this server what it did last if that knows so of who it was before, or if it was
        // nobody.
        let sql = "INSERT INTO mutirao.worker (name, lease_until, lease_s, rate, timeout_s, server_started)
                   VALUES ($1, clock_timestamp() + make_interval(secs => $2), $2, $3, $4,
                           CASE $5 WHEN 0 THEN pg_postmaster_start_time()
                            ELSE coalesce((SELECT server_started FROM mutirao.worker WHERE id = $5), '-infinity') END)
                RETURNING id";
        let id: i64 = sqlx::query_scalar(sql)
            .bind(&self.name)
            .bind(self.terms.lease.as_secs_f64())
            .bind(rate)
            .bind(self.timeout().as_secs_f64())
            .bind(self.id())
            .fetch_one(&mut *tx)
            .await
            .trouble()?;
        tx.commit().await?;
        self.id.store(id, Ordering::Relaxed);
        Ok(())
    }
}

/// Rows in flight that nobody holds are due, and in doubt since `now`; or else since their worker surely
/// waits for no answer any more. A claimed look-up keeps its older doubt.
pub(super) async fn take_in(
    conn: &mut PgConnection,
    rows: &[i64],
    now: Option<Timestamp>,
) -> Result<(), OutboxError> {
    let since =
        "coalesce($2, greatest(clock_timestamp(), (SELECT w.lease_until + make_interval(secs => w.timeout_s)
                                                             FROM mutirao.worker w WHERE w.id = o.worker)))";
    let sql = format!(
        "UPDATE mutirao.outbox o SET {}, available_at = coalesce($2, clock_timestamp()) WHERE o.id = ANY($1)
         {}",
        taken_in("o", since),
        returning(&is_taken_in("o"))
    );
    let asked = sqlx::query_as(AssertSqlSafe(sql)).bind(rows).bind(now.map(Time));
    let taken: Vec<WrittenRow> = asked.fetch_all(&mut *conn).await.trouble()?;
    all_of(rows.len(), n_written(conn, &taken).await?)?;
    withdraw(conn, rows).await
}
