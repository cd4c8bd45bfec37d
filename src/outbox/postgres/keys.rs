//! The keys of lotes, by which their markers are made. A key never changes, so each is read once.
//!
//! What was posted with a key is found by that key alone: if a server took over that has forgotten it, it is
//! said again before anybody claims.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::PgConnection;
use tokio::time::Instant;

use super::error::Trouble;
use crate::delivery::OutboxError;
use crate::delivery::identity::{BatchKey, Marker};
use crate::outbox::lately::REMEMBERED;

/// From so many on, those that were not used lately are forgotten.
const KEYS_MAX: usize = 4096;

/// Keys that are committed.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<String, Known>>);

struct Known {
    key: BatchKey,
    used: Instant,
}

impl Keys {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, read: impl IntoIterator<Item = (String, BatchKey)>) {
        let mut known = self.known();
        let used = Instant::now();
        if KEYS_MAX <= known.len() {
            known.retain(|_, known| used - known.used < REMEMBERED);
        }
        known.extend(read.into_iter().map(|(lote, key)| (lote, Known { key, used })));
    }

    /// Makes the server know them again.
    pub(super) async fn say_again(&self, conn: &mut PgConnection) -> Result<(), OutboxError> {
        let (lotes, keys): (Vec<String>, Vec<String>) =
            self.known().iter().map(|(lote, known)| (lote.clone(), known.key.0.clone())).unzip();
        let sql = "INSERT INTO mutirao.batch AS b (name, key) SELECT * FROM unnest($1::text[], $2::text[])
                       ON CONFLICT (name) DO UPDATE SET key = EXCLUDED.key WHERE b.key <> EXCLUDED.key";
        sqlx::query(sql).bind(lotes).bind(keys).persistent(false).execute(conn).await.trouble().map(drop)
    }
}

/// The keys of one claim: those that are committed, and those that it has made.
pub(super) struct ClaimKeys<'w> {
    keys: &'w Keys,
    made: HashMap<String, BatchKey>,
}

impl<'w> ClaimKeys<'w> {
    pub(super) fn new(keys: &'w Keys) -> Self {
        Self { keys, made: HashMap::new() }
    }

    /// Reads those of `lotes` that are not known yet. What is not there then must be made.
    pub(super) async fn read<'l>(
        &self,
        conn: &mut PgConnection,
        lotes: impl Iterator<Item = &'l str>,
    ) -> Result<(), OutboxError> {
        let unknown: BTreeSet<&str> = {
            let (mut known, now) = (self.keys.known(), Instant::now());
            let mut is_known = |lote: &str| match known.get_mut(lote) {
                Some(known) => {
                    known.used = now;
                    true
                }
                None => self.made.contains_key(lote),
            };
            lotes.filter(|lote| !is_known(lote)).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let sql = "SELECT name, key FROM mutirao.batch WHERE name = ANY($1)";
        let read: Vec<(String, String)> =
            sqlx::query_as(sql).bind(Vec::from_iter(unknown)).fetch_all(conn).await.trouble()?;
        self.keys.keep(read.into_iter().map(|(lote, key)| (lote, BatchKey(key))));
        Ok(())
    }

    /// Makes the keys of lotes that nobody has spoken of yet.
    pub(super) async fn make(
        &mut self,
        conn: &mut PgConnection,
        lotes: BTreeSet<String>,
    ) -> Result<(), OutboxError> {
        let sql = "INSERT INTO mutirao.batch (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING
                   RETURNING name, key";
        let made: Vec<(String, String)> =
            sqlx::query_as(sql).bind(Vec::from_iter(lotes)).fetch_all(conn).await.trouble()?;
        self.made.extend(made.into_iter().map(|(lote, key)| (lote, BatchKey(key))));
        Ok(())
    }

    /// `None`: nobody has spoken of the lote yet.
    pub(super) fn marker(&self, lote: &str, referencia: &str) -> Option<Marker> {
        if let Some(key) = self.made.get(lote) {
            return Some(Marker::new(key, referencia));
        }
        self.keys.known().get(lote).map(|known| Marker::new(&known.key, referencia))
    }

    /// The claim is committed, and what it has made with it.
    pub(super) fn committed(self) {
        self.keys.keep(self.made);
    }
}
