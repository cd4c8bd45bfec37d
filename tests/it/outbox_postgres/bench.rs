//! An outbox in a database of its own, filled as any program would fill it.

use jiff::Timestamp;
use mutirao::delivery::eyes::{Sight, Specimen};
use mutirao::delivery::{
    Change, Claim, ClaimRequest, Claimed, Doubt, End, Halt, OpenedTicket, Outbox, OutboxError, RowId, Settle,
    Settled, State,
};
use mutirao::outbox::postgres::{PgOutbox, RENEWALS, Worker};
use mutirao::outbox::{Scope, state_name};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::sync::{Mutex, MutexGuard};

use crate::outbox_conformance::{Bench, Seed, Seen, TERMS, at};
use crate::support::postgres::Database;

pub struct Fresh {
    pub worker: Worker,
    pub outbox: PgOutbox,
    pub database: Database,
    /// Whoever looks at rows, once somebody has.
    looking: Mutex<Option<PgConnection>>,
}

impl Fresh {
    pub async fn new() -> Self {
        let database = Database::fresh().await;
        let outbox = PgOutbox::open(&database.url()).await.expect("it opens");
        let worker = register(&outbox).await;
        Self { worker, outbox, database, looking: Mutex::default() }
    }

    /// As another program would see it.
    pub async fn sql(&self) -> PgConnection {
        self.database.connect().await
    }

    /// As if the server had forgotten the last claim of each row.
    pub async fn forget_claims(&self) {
        let sql = format!("UPDATE mutirao.outbox SET {NEVER_CLAIMED}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.sql().await).await.expect("it is done");
    }

    async fn looking(&self) -> MutexGuard<'_, Option<PgConnection>> {
        let mut looking = self.looking.lock().await;
        if looking.is_none() {
            *looking = Some(self.sql().await);
        }
        looking
    }

    pub async fn execute(&self, sql: &'static str) -> u64 {
        sqlx::raw_sql(sql).execute(&mut self.sql().await).await.expect("it is done").rows_affected()
    }

    pub async fn state(&self, row: RowId) -> State {
        self.look(row).await.state
    }
}

pub async fn register(outbox: &PgOutbox) -> Worker {
    outbox.register("a test", TERMS).await.expect("it registers")
}

/// Renews the lease of `worker` as late as it is due. What comes sooner counts for no wait.
pub async fn renew_when_due(it: &Fresh, worker: &Worker) {
    let sql = "UPDATE mutirao.worker SET lease_until = lease_until - make_interval(secs => lease_s / $2) WHERE id = $1";
    let time_passes = sqlx::query(sql).bind(worker.id()).bind(f64::from(RENEWALS));
    time_passes.execute(&mut it.sql().await).await.expect("it is due");
    worker.renew().await.expect("it renews");
}

pub fn want(posts: usize) -> ClaimRequest {
    ClaimRequest { now: at(1), posts, look_ups: 0, end: End::Front }
}

pub fn ids(claimed: &Claimed) -> Vec<RowId> {
    claimed.claims.iter().map(|it| it.row).collect()
}

impl Outbox for Fresh {
    async fn claim(&self, want: ClaimRequest) -> Result<Claimed, OutboxError> {
        self.worker.queue(Scope::All).claim(want).await
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        self.worker.queue(Scope::All).settle(settles).await
    }

    async fn settle_and_claim(
        &self,
        settles: &[Settle],
        want: ClaimRequest,
    ) -> Result<(Vec<Settled>, Claimed), OutboxError> {
        self.worker.queue(Scope::All).settle_and_claim(settles, want).await
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        self.worker.queue(Scope::All).recover(now).await
    }

    async fn look_again(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.worker.queue(Scope::All).look_again(now).await
    }

    async fn pull_in(&self, now: Timestamp) -> Result<(), OutboxError> {
        self.worker.queue(Scope::All).pull_in(now).await
    }

    async fn sights(&self, who: &str) -> Result<Vec<Sight>, OutboxError> {
        self.worker.queue(Scope::All).sights(who).await
    }

    async fn saw(&self, who: &str, sight: Sight) -> Result<(), OutboxError> {
        self.worker.queue(Scope::All).saw(who, sight).await
    }

    async fn specimen(&self, text_len: usize, nth: u32) -> Result<Option<Specimen>, OutboxError> {
        self.worker.queue(Scope::All).specimen(text_len, nth).await
    }

    async fn posts_are_left(&self) -> Result<bool, OutboxError> {
        self.worker.queue(Scope::All).posts_are_left().await
    }

    async fn halt(&self, lote: &str, reason: &Halt) -> Result<(), OutboxError> {
        self.worker.queue(Scope::All).halt(lote, reason).await
    }
}

impl Bench for Fresh {
    async fn insert(&mut self, rows: &[Seed]) -> Vec<RowId> {
        let mut conn = self.sql().await;
        let mut ids = Vec::new();
        for it in rows {
            let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, prioridade, available_at)
                       VALUES ($1, 'x', 'Maria', $2, $3, to_timestamp($4)) RETURNING id";
            let id = sqlx::query_scalar(sql)
                .bind(it.service.to_string())
                .bind(it.phone)
                .bind(i32::try_from(it.priority).expect("tests stay small"))
                .bind(at(0).as_second() as f64)
                .fetch_one(&mut conn)
                .await;
            ids.push(RowId(id.expect("it inserts")));
        }
        ids
    }

    async fn write_state(&mut self, row: RowId, state: State) {
        let sql = "UPDATE mutirao.outbox SET state = $2 WHERE id = $1";
        let update = sqlx::query(sql).bind(row.0).bind(state_name(state));
        update.execute(&mut self.sql().await).await.expect("it updates");
    }

    async fn come_to_rest(&self) {
        let mut looking = self.looking().await;
        let conn = looking.as_mut().expect("it was just opened");
        let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                    AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle')";
        while sqlx::query_scalar(sql).fetch_one(&mut *conn).await.expect("it tells") {}
    }

    async fn look(&self, row: RowId) -> Seen {
        let us = |column: &str| format!("(extract(epoch FROM {column}) * 1000000)::bigint");
        let sql =
            format!(
            "SELECT state, attempts, protocolo, error_code, warning, doubt_precaution, absences, answered,
                    (SELECT count(*) FROM mutirao.attempt WHERE row_id = o.id),
                    {}, {}, {}, {}, {}
               FROM mutirao.outbox o WHERE id = $1",
            us("sent_at"), us("available_at"), us("doubt_since"), us("doubt_hubsoft_at"), us("last_absence"),
        );
        let mut looking = self.looking().await;
        let conn = looking.as_mut().expect("it was just opened");
        let it = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(row.0).fetch_one(conn).await;
        let it = it.expect("it reads");
        let time = |at: usize| {
            it.get::<Option<i64>, _>(at).map(|us| Timestamp::from_microsecond(us).expect("within range"))
        };
        let count = |at: usize| u32::try_from(it.get::<i32, _>(at)).expect("it counts");
        let state = state_of(it.get(0));
        Seen {
            state,
            attempts: count(1),
            protocolo: it.get(2),
            error_code: it.get(3),
            warning: it.get(4),
            sent_at: time(9),
            available_at: time(10).expect("it is always there"),
            // What is kept of its claim's does not count before somebody writes another state.
            doubt: time(11).filter(|_| !matches!(state, State::Opened | State::Conflict)).map(|since| {
                Doubt {
                    since,
                    hubsoft_at: time(12),
                    precaution: it.get(5),
                    absences: count(6),
                    last_absence: time(13),
                    answered: count(7),
                }
            }),
            n_history: usize::try_from(it.get::<i64, _>(8)).expect("it counts"),
        }
    }
}

fn state_of(name: &str) -> State {
    let all = [
        State::Pending,
        State::InFlight,
        State::InDoubt,
        State::Opened,
        State::Invalid,
        State::Rejected,
        State::Failed,
        State::Unconfirmed,
        State::Conflict,
        State::Skipped,
        State::Cancelled,
    ];
    all.into_iter().find(|it| state_name(*it) == name).expect("it is a state")
}

/// Each row as a claim that is lost left it before.
pub const NEVER_CLAIMED: &str = "state = 'pending', token = token - 1, sent_at = NULL, claimed_at = NULL, worker = NULL,
    first_claim = false, doubt_since = NULL, posting = false, protocolo = NULL, id_atendimento = NULL, finished_at = NULL";

/// The ticket of a claimed row exists, by the row's own number.
pub fn opened(claim: &Claim) -> Settle {
    let opening = OpenedTicket {
        protocolo: claim.row.0.to_string(),
        id_atendimento: claim.row.0,
        ids_ordem_servico: Vec::new(),
        numeros_ordem_servico: Vec::new(),
    };
    let change = Change::Opened { opening, attempts: 1, warnings: Vec::new() };
    Settle { label: Default::default(), row: claim.row, token: claim.token, change, attempt: None }
}
