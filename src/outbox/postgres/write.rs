//! The set-wise writes of a settle.

use sqlx::{AssertSqlSafe, PgConnection};

use super::error::{Trouble, all_of};
use super::fence::fenced;
use super::opened::{OpenedRows, write_opened};
use super::others::{OtherRows, write_others};
use super::values::{Time, owned_text};
use super::withdraw::withdraw;
use super::written::{WrittenRow, n_written, returning};
use crate::delivery::{Change, OutboxError, Settle};
use crate::outbox::doubts::{is_taken_back, taken_back};
use crate::outbox::names::kind_name;

/// Writes settles of rows that are in flight under their token. Fails if a row is not, or does not stand as
/// it was written.
pub(super) async fn write<'a>(
    conn: &mut PgConnection,
    worker: i64,
    settles: impl ExactSizeIterator<Item = &'a Settle>,
) -> Result<(), OutboxError> {
    let n_settles = settles.len();
    let (mut opened, mut others) = (OpenedRows::default(), OtherRows::default());
    let (mut released, mut released_tokens) = (Vec::new(), Vec::new());
    let mut may_be_pending = Vec::new();
    for settle in settles {
        if settle.change.may_leave_pending() {
            may_be_pending.push(settle.row.0);
        }
        match &settle.change {
            Change::Opened { opening, attempts, warnings } => {
                opened.push(settle, opening, *attempts, warnings);
            }
            Change::Release => {
                released.push(settle.row.0);
                released_tokens.push(settle.token.0);
            }
            _ => others.push(settle),
        }
    }
    let n_opened = write_opened(conn, worker, opened).await?;
    let mut n_released = 0;
    if !released.is_empty() {
        // `claimed_at` goes too: by that a repeated release is known from a row that was recovered.
        let sql = format!(
            "UPDATE mutirao.outbox o
                      SET {}, claimed_at = NULL, sent_at = CASE WHEN o.first_claim THEN NULL ELSE o.sent_at END
                     FROM unnest($1::bigint[], $2::bigint[]) v(id, token)
                    WHERE {}
                {}",
            taken_back("o"),
            fenced(3),
            returning(&format!("{} AND o.token = v.token AND o.claimed_at IS NULL", is_taken_back("o")))
        );
        let done: Vec<WrittenRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(released)
            .bind(released_tokens)
            .bind(worker)
            .fetch_all(&mut *conn)
            .await
            .trouble()?;
        n_released = n_written(conn, &done).await?;
    }
    let n_others = write_others(conn, worker, others).await?;
    all_of(n_settles, n_opened + n_released + n_others)?;
    withdraw(conn, &may_be_pending).await
}

pub(super) async fn write_attempts<'a>(
    conn: &mut PgConnection,
    settles: impl Iterator<Item = &'a Settle>,
) -> Result<(), OutboxError> {
    let (rows, attempts): (Vec<i64>, Vec<_>) =
        settles.filter_map(|settle| Some((settle.row.0, settle.attempt.as_ref()?))).unzip();
    if attempts.is_empty() {
        return Ok(());
    }
    let latency_ms = |latency: std::time::Duration| i64::try_from(latency.as_millis()).unwrap_or(i64::MAX);
    let sql = "INSERT INTO mutirao.attempt (row_id, at, kind, verdict, http_status, latency_ms, note)
               SELECT * FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::text[])";
    sqlx::query(sql)
        .bind(rows)
        .bind(attempts.iter().map(|attempt| Time(attempt.at)).collect::<Vec<_>>())
        .bind(attempts.iter().map(|attempt| kind_name(attempt.kind)).collect::<Vec<_>>())
        .bind(attempts.iter().map(|attempt| attempt.verdict).collect::<Vec<_>>())
        .bind(attempts.iter().map(|attempt| attempt.http_status.map(i32::from)).collect::<Vec<_>>())
        .bind(attempts.iter().map(|attempt| latency_ms(attempt.latency)).collect::<Vec<_>>())
        .bind(
            attempts.iter().map(|attempt| owned_text(crate::text::noted(&attempt.note))).collect::<Vec<_>>(),
        )
        .execute(conn)
        .await
        .trouble()
        .map(drop)
}
