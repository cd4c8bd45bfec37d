//! What users of HubSoft have been seen to see, and rows to try it with.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::error::{Trouble, stored};
use super::time;
use crate::delivery::OutboxError;
use crate::delivery::eyes::{Sight, Specimen};
use crate::delivery::identity::{BatchKey, Marker};
use crate::outbox::names::OPENED;
use crate::outbox::stored::{SIGHTS_MAX, SPECIMENS_AMONG, seen_len};
use crate::ticket::{Field, Id};

pub(super) async fn sights(conn: &mut SqliteConnection, who: &str) -> Result<Vec<Sight>, OutboxError> {
    let sql = "SELECT json_group_array(json_array(length, seen_at))
                 FROM (SELECT length, seen_at FROM sight WHERE who = ?1 ORDER BY length DESC LIMIT ?2)";
    let found: String =
        sqlx::query_scalar(sql).bind(who.to_owned()).bind(SIGHTS_MAX).fetch_one(conn).await.trouble()?;
    let found: Vec<(usize, i64)> = stored("sight", &found)?;
    Ok(found.into_iter().map(|(text_len, at)| Sight { text_len, seen_at: time(at) }).collect())
}

pub(super) async fn saw(conn: &mut SqliteConnection, who: &str, sight: Sight) -> Result<(), OutboxError> {
    let sql = "DELETE FROM sight WHERE who = ?1 AND length <= ?2;
               INSERT INTO sight (who, length, seen_at) VALUES (?1, ?2, ?3)";
    sqlx::query(sql)
        .bind(who.to_owned())
        .bind(i64::try_from(sight.text_len).unwrap_or(i64::MAX))
        .bind(sight.seen_at.as_millisecond())
        .execute(conn)
        .await
        .trouble()
        .map(drop)
}

pub(super) async fn specimen(
    conn: &mut SqliteConnection,
    text_len: usize,
    nth: u32,
) -> Result<Option<Specimen>, OutboxError> {
    let sql = format!(
        "SELECT json_array(o.service, b.key, o.referencia, r.fields ->> {text})
                 FROM (SELECT id FROM outbox WHERE id_atendimento IS NOT NULL AND state = {OPENED}
                        ORDER BY id_atendimento DESC LIMIT ?3) AS last
                      CROSS JOIN outbox o ON o.id = last.id
                      CROSS JOIN record r ON r.id = o.record CROSS JOIN batch b ON b.id = o.lote
                WHERE o.purged_at IS NULL AND o.service IS NOT NULL AND ?1 <= length(trim(r.fields ->> {text}))
                ORDER BY o.id_atendimento DESC LIMIT 1 OFFSET ?2",
        text = Field::Descricao.place()
    );
    let found: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(i64::try_from(text_len).unwrap_or(i64::MAX))
        .bind(nth)
        .bind(SPECIMENS_AMONG)
        .fetch_optional(conn)
        .await
        .trouble()?;
    let Some(found) = found else { return Ok(None) };
    let (service, key, referencia, text): (i64, BatchKey, String, String) = stored("outbox", &found)?;
    let Some(service) = Id::new(service) else { return Ok(None) };
    Ok(Some(Specimen { service, marker: Marker::new(&key, &referencia), text_len: seen_len(&text) }))
}
