//! What users of HubSoft have been seen to see, and rows to try it with.

use sqlx::AssertSqlSafe;

use super::PgOutbox;
use super::error::Trouble;
use super::values::Time;
use crate::delivery::OutboxError;
use crate::delivery::eyes::{Sight, Specimen};
use crate::delivery::identity::{BatchKey, Marker};
use crate::outbox::names::OPENED;
use crate::outbox::stored::{SIGHTS_MAX, SPECIMENS_AMONG, count, seen_len};
use crate::ticket::Id;

impl PgOutbox {
    pub(super) async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError> {
        let sql = "SELECT length, seen_at FROM mutirao.sight WHERE who = $1 ORDER BY length DESC LIMIT $2";
        let asked = sqlx::query_as(sql).bind(who).bind(SIGHTS_MAX);
        let found: Vec<(i64, Time)> = self.alone(async |conn| asked.fetch_all(conn).await.trouble()).await?;
        let sight = |(text_len, at): (i64, Time)| Sight {
            text_len: usize::try_from(count(text_len)).unwrap_or(usize::MAX),
            seen_at: at.0,
        };
        Ok(found.into_iter().map(sight).collect())
    }

    pub(super) async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError> {
        // Workers of one user may see at the same time; none waits for another, or is refused. The last word
        // stands: a time that lies ahead of it was stamped by a clock that was set back since.
        let sql = "WITH outdone AS (
                       DELETE FROM mutirao.sight WHERE ctid IN (
                           SELECT ctid FROM mutirao.sight WHERE who = $1 AND length < $2 FOR UPDATE SKIP LOCKED))
                   INSERT INTO mutirao.sight (who, length, seen_at) VALUES ($1, $2, $3)
                   ON CONFLICT (who, length) DO UPDATE SET seen_at = excluded.seen_at";
        let upsert = sqlx::query(sql)
            .bind(who)
            .bind(i64::try_from(sight.text_len).unwrap_or(i64::MAX))
            .bind(Time(sight.seen_at));
        self.alone(async |conn| upsert.execute(conn).await.trouble()).await.map(drop)
    }

    pub(super) async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError> {
        let sql = format!(
            "SELECT o.service, b.key, o.referencia, o.descricao
               FROM (SELECT * FROM mutirao.outbox WHERE id_atendimento IS NOT NULL AND state = {OPENED}
                      ORDER BY id_atendimento DESC LIMIT $3) AS o
                    JOIN mutirao.batch b ON b.name = o.lote
              WHERE o.purged_at IS NULL AND o.service IS NOT NULL AND $1 <= length(btrim(o.descricao))
              ORDER BY o.id_atendimento DESC LIMIT 1 OFFSET $2"
        );
        let asked = sqlx::query_as(AssertSqlSafe(sql))
            .bind(i64::try_from(text_len).unwrap_or(i64::MAX))
            .bind(i64::from(nth))
            .bind(SPECIMENS_AMONG);
        let found: Option<(i64, String, String, String)> =
            self.alone(async |conn| asked.fetch_optional(conn).await.trouble()).await?;
        let Some((service, key, referencia, text)) = found else { return Ok(None) };
        let Some(service) = Id::new(service) else { return Ok(None) };
        let marker = Marker::new(&BatchKey(key), &referencia);
        Ok(Some(Specimen { service, marker, text_len: seen_len(&text) }))
    }
}
