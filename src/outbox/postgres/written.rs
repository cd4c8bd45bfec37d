//! Whether rows are as they were written. Somebody's trigger may keep a row as it was, or make another of
//! it: before the write, which what the statement returns tells; after it, or not before the commit.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::error::Trouble;
use crate::delivery::OutboxError;

/// Whether anything but ours runs when a row of the outbox is changed. Asked of the catalogue by every
/// statement, which costs some 20 µs, because a trigger may be made at any moment.
const IS_WATCHED: &str = "(EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = 'mutirao.outbox'::regclass
                                      AND NOT t.tgisinternal AND t.tgtype & 16 <> 0)
    OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = 'mutirao.outbox'::regclass))";

/// Of `o`: all by which a row is claimed, and known to be done with.
const AS_IT_IS: &str =
    "ROW(o.state, o.token, o.worker, o.claimed_at, o.posting, o.doubt_since, o.available_at,
    o.attempts, o.protocolo, o.id_atendimento, o.id_cliente_servico)::text";

/// A row as [`returning`] tells of it: whether it stands, and how, if something may change it yet.
pub(super) type WrittenRow = (bool, Option<Vec<String>>);

/// What a statement that writes to rows `o` is to return, if `is_written` holds (SQL) of one that stands.
pub(super) fn returning(is_written: &str) -> String {
    format!("RETURNING ({is_written}) IS TRUE, CASE WHEN {IS_WATCHED} THEN ARRAY[o.id::text, {AS_IT_IS}] END")
}

/// How many rows stand as they were to be written, also once all triggers have run, those that would wait
/// for the commit too. (One that changes nothing of this, as one that only notifies, is in nobody's way.)
pub(super) async fn n_written(conn: &mut PgConnection, rows: &[WrittenRow]) -> Result<u64, OutboxError> {
    let written = rows.iter().filter(|row| row.0);
    let watched: Vec<_> = written.clone().filter_map(|row| row.1.as_deref()).collect();
    if watched.is_empty() {
        return Ok(written.count() as u64);
    }
    conn.execute("SET CONSTRAINTS ALL IMMEDIATE").await.trouble()?;
    let part = |at: usize| watched.iter().filter_map(|row| row.get(at)).collect::<Vec<_>>();
    let sql = format!(
        "SELECT count(*) FROM unnest($1::text[], $2::text[]) v(id, as_it_was)
                JOIN mutirao.outbox o ON o.id = v.id::bigint
          WHERE {AS_IT_IS} = v.as_it_was"
    );
    let asked = sqlx::query_scalar(AssertSqlSafe(sql)).bind(part(0)).bind(part(1));
    asked.fetch_one(conn).await.trouble().map(i64::unsigned_abs)
}
