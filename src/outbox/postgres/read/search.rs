//! Rows that a person looks for among all, the newest first: a part of them at a time, however many there
//! are.

use sqlx::AssertSqlSafe;

use super::super::PgOutbox;
use super::super::error::Trouble;
use super::super::values::text;
use crate::delivery::{OutboxError, RowId};
use crate::outbox::Searched;

/// Numbers of rows that one statement looks at: half a second, where a name is looked for.
const LOOKED_MAX: i64 = 200_000;

/// Letters as people write names here, and without their accents. Not `lower`, which knows those of the
/// server's locale.
const ACCENTED: [&str; 2] =
    ["ÁÀÂÃÄÉÈÊËÍÌÎÏÓÒÔÕÖÚÙÛÜÇÑáàâãäéèêëíìîïóòôõöúùûüçñ", "aaaaaeeeeiiiiooooouuuucnaaaaaeeeeiiiiooooouuuucn"];

impl PgOutbox {
    /// At most `n` rows that are searched for, among those before `before` (without it: among all); and where
    /// others may stand.
    pub async fn search(
        &self,
        searched: &Searched,
        before: Option<RowId>,
        n: usize,
    ) -> Result<(Vec<RowId>, Option<RowId>), OutboxError> {
        let mut conn = self.conn().await?;
        let sql = "SELECT min(id), max(id) FROM mutirao.outbox";
        let ends: (Option<i64>, Option<i64>) =
            sqlx::query_as(sql).persistent(false).fetch_one(&mut *conn).await.trouble()?;
        let (Some(first), Some(last)) = ends else { return Ok((Vec::new(), None)) };
        let before = before.map_or(last.saturating_add(1), |row| row.0);
        let from = before.saturating_sub(LOOKED_MAX).max(first);
        let [accented, plain] = ACCENTED;
        let sql = format!(
            "SELECT o.id FROM mutirao.outbox o
              WHERE $1 <= o.id AND o.id < $2
                AND ($3 IN (o.id_cliente_servico, o.protocolo, o.referencia, o.id_atendimento::text)
                     OR $4 AND position($3 IN o.protocolo) <> 0
                     OR cardinality($5::text[]) <> 0
                        AND (SELECT bool_and(position(word IN lower(translate(o.nome, '{accented}', '{plain}'))) <> 0)
                               FROM unnest($5::text[]) AS word))
              ORDER BY o.id DESC LIMIT $6"
        );
        let found: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(from)
            .bind(before)
            .bind(text(&searched.text))
            .bind(searched.is_part)
            .bind(&searched.words)
            .bind(i64::try_from(n).unwrap_or(i64::MAX))
            .persistent(false)
            .fetch_all(&mut *conn)
            .await
            .trouble()?;
        let next = match found.last() {
            Some(last) if n <= found.len() => Some(*last),
            _ => Some(from),
        };
        let next = next.filter(|next| first < *next).map(RowId);
        Ok((found.into_iter().map(RowId).collect(), next))
    }
}
