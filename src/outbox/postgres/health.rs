//! What a run needs of the server besides the schema.

use super::PgOutbox;
use super::error::Trouble;
use crate::delivery::OutboxError;

/// How the server keeps what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// As the server says it: `15.18`.
    pub version: String,
    pub takes_writes: bool,
    /// What was committed survives a power cut.
    pub is_durable: bool,
}

impl PgOutbox {
    pub async fn health(&self) -> Result<Health, OutboxError> {
        // Workers ask for `synchronous_commit` themselves, whatever the server's default.
        let sql = "SELECT current_setting('server_version'),
                          NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off',
                          current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on'";
        let (version, takes_writes, is_durable) =
            sqlx::query_as(sql).persistent(false).fetch_one(&mut *self.conn().await?).await.trouble()?;
        Ok(Health { version, takes_writes, is_durable })
    }
}
