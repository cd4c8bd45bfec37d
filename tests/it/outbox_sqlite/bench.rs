//! An outbox in a folder of its own, and the words in which tests fill it.

use std::path::PathBuf;

use jiff::Timestamp;
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::{ClaimRequest, Claimed, Halt, Outbox, OutboxError, RowId, Settle, Settled, State};
use mutirao::outbox::{
    Address, AnyOutbox, AnyWorker, Merged, Repeats, RowDetails, RowName, Scope, state_name,
};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use crate::outbox_conformance::{Bench, Seed, Seen, TERMS};
use crate::support::files::{File, Line, import};

pub struct Fresh {
    pub outbox: AnyOutbox,
    pub path: PathBuf,
    pub dir: TempDir,
    n_inserts: usize,
}

impl Fresh {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is room for a folder");
        let path = dir.path().join("outbox.db");
        let outbox = Address::File(path.clone()).open().await.expect("it opens");
        Self { outbox, path, dir, n_inserts: 0 }
    }

    /// As another process would see the file.
    pub async fn sql(&self) -> SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&self.path);
        SqliteConnection::connect_with(&options).await.expect("it connects")
    }

    pub async fn worker(&self) -> AnyWorker<'_> {
        self.outbox.register("a test", TERMS).await.expect("it registers")
    }

    pub async fn import(&mut self, file: &File<'_>) -> Merged {
        import(&mut self.outbox, file).await
    }

    pub async fn row(&self, batch: &str, line: u64) -> RowDetails {
        let found = self.outbox.reader().row(RowName::Line { batch, line }).await.expect("it reads");
        found.unwrap_or_else(|| panic!("{batch}:{line} is a row"))
    }
}

impl Outbox for Fresh {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        self.worker().await.queue(Scope::All).claim(want).await
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        self.worker().await.queue(Scope::All).settle(settles).await
    }

    async fn settle_and_claim(
        &self,
        settles: &[Settle],
        want: ClaimRequest,
    ) -> Result<(Vec<Settled>, Claimed), OutboxError> {
        self.worker().await.queue(Scope::All).settle_and_claim(settles, want).await
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        self.worker().await.queue(Scope::All).recover(now).await
    }

    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.worker().await.queue(Scope::All).look_again(now).await
    }

    async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.worker().await.queue(Scope::All).pull_in(now).await
    }

    async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError> {
        self.worker().await.queue(Scope::All).sights(who).await
    }

    async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError> {
        self.worker().await.queue(Scope::All).saw(who, sight).await
    }

    async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError> {
        self.worker().await.queue(Scope::All).specimen(text_len, nth).await
    }

    async fn posts_are_left(&self) -> Result<bool, OutboxError> {
        self.worker().await.queue(Scope::All).posts_are_left().await
    }

    async fn halt(&self, lote: &str, reason: &Halt) -> Result<(), OutboxError> {
        self.worker().await.queue(Scope::All).halt(lote, reason).await
    }
}

impl Bench for Fresh {
    async fn insert(&mut self, rows: &[Seed]) -> Vec<RowId> {
        self.n_inserts += 1;
        let batch = format!("batch {}", self.n_inserts);
        let texts: Vec<String> = (0..rows.len()).map(|n| format!("text {n}")).collect();
        let lines = rows.iter().zip(&texts).map(|(seed, text)| Line {
            service: seed.service,
            text,
            phone: seed.phone,
            // Believed by whoever staged it: only a claim finds out.
            is_trusted: true,
            ..Line::default()
        });
        let lines: Vec<Line<'_>> = lines.collect();
        self.import(&File { repeats: Repeats::Allow, ..File::of(&batch, &lines) }).await;
        let mut ids = Vec::new();
        for (line, seed) in (2..).zip(rows) {
            let id = self.row(&batch, line).await.report.row;
            if seed.priority != 0 {
                let sql = "UPDATE outbox SET priority = ?1 WHERE id = ?2";
                let update = sqlx::query(sql).bind(seed.priority).bind(id.0);
                update.execute(&mut self.sql().await).await.expect("it updates");
            }
            ids.push(id);
        }
        ids
    }

    async fn write_state(&mut self, row: RowId, state: State) {
        let sql = "UPDATE outbox SET state = ?2 WHERE id = ?1";
        let update = sqlx::query(sql).bind(row.0).bind(state_name(state));
        update.execute(&mut self.sql().await).await.expect("it updates");
    }

    async fn look(&self, row: RowId) -> Seen {
        let found = self.outbox.reader().row(RowName::Id(row)).await.expect("it reads").expect("it is a row");
        let own = |it: Option<std::borrow::Cow<'static, str>>| it.map(std::borrow::Cow::into_owned);
        Seen {
            state: found.report.state,
            attempts: found.report.attempts,
            sent_at: found.sent_at,
            available_at: found.available_at,
            doubt: found.doubt,
            protocolo: own(found.report.protocolo),
            error_code: own(found.report.error_code),
            warning: own(found.report.warning),
            n_history: found.history.len(),
        }
    }
}
