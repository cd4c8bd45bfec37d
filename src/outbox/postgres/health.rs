//! What a run needs of the server besides the schema.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::error::{Trouble, is_forbidden};
use super::{OpenError, PgOutbox, connect, rights};
use crate::delivery::OutboxError;

/// How the server keeps what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// As the server says it: `15.18`.
    pub version: String,
    pub takes_writes: bool,
    /// What was committed survives a power cut.
    pub is_durable: bool,
    /// Triggers and rules on our tables that are not ours.
    pub not_ours: Option<String>,
}

/// What may keep a change from a row, or make another of it. The printed roles ask for the same, and for
/// functions ([`super::ROLES`]).
const NOT_OURS: &str = "
    SELECT format('trigger %I of %s', t.tgname, c.oid::regclass) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = to_regnamespace('mutirao') AND NOT t.tgisinternal
       AND t.tgfoid IS DISTINCT FROM to_regprocedure('mutirao.wake_up()')
    UNION ALL
    SELECT format('rule %I of %s', r.rulename, c.oid::regclass) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
     WHERE c.relnamespace = to_regnamespace('mutirao')";

/// What a worker cannot do without, and what somebody may hold a lock on for long. Nothing is written, but
/// would be refused where nothing can be.
const TABLES: &str = "SELECT FROM mutirao.outbox, mutirao.batch, mutirao.worker, mutirao.pace WHERE false
                         FOR UPDATE OF pace";

/// A connection by which to see whether the database answers, and lets a worker work. It is nobody else's:
/// given up in the middle of a question, it is closed, where one of a pool would be kept until it has an
/// answer.
pub struct Ping {
    conn: PgConnection,
    is_pooled: bool,
}

impl Ping {
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = connect::options(url)?;
        let is_pooled = connect::is_pooled(url);
        // Whoever looks has not as long as who works.
        let options = if is_pooled { options } else { options.options([("lock_timeout", "1s")]) };
        Ok(Self { conn: connect::connection(&options).await?, is_pooled })
    }

    pub async fn ask(&mut self) -> Result<(), OutboxError> {
        match self.ask_once(Some(TABLES)).await {
            // Whatever was refused first, what is lacking has a name.
            Err(error) if is_forbidden(&error) => self.ask_once(None).await.and(Err(error)),
            done => done,
        }
    }

    async fn ask_once(&mut self, read: Option<&str>) -> Result<(), OutboxError> {
        if !self.is_pooled {
            return rights::check_and_read(&mut self.conn, read).await;
        }
        // A pooler gives a session to a transaction: without one, to each message of a statement.
        let mut tx = self.conn.begin().await.trouble()?;
        rights::check_and_read(&mut tx, read).await?;
        tx.rollback().await.trouble()
    }
}

impl PgOutbox {
    pub async fn health(&self) -> Result<Health, OutboxError> {
        // Workers ask for `synchronous_commit` themselves, whatever the server's default.
        let sql = format!(
            "SELECT current_setting('server_version'),
                    NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off',
                    current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
                    (SELECT string_agg(what, ', ' ORDER BY what) FROM ({NOT_OURS}) not_ours(what))"
        );
        let asked = sqlx::query_as(AssertSqlSafe(sql)).persistent(false);
        let (version, takes_writes, is_durable, not_ours) =
            asked.fetch_one(&mut *self.conn().await?).await.trouble()?;
        Ok(Health { version, takes_writes, is_durable, not_ours })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ROLES;
    use super::NOT_OURS;

    #[test]
    fn the_printed_roles_look_for_the_same() {
        let words = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(ROLES).contains(&words(NOT_OURS)), "{NOT_OURS}");
    }
}
