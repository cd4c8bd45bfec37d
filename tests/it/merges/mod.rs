//! A file merged into what is known: no row loses its ticket, and none gets a second one.

/// Makes a test of each promise for each driver.
macro_rules! on_every_driver {
    ($($promise:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Driver::Sqlite).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(super::Driver::Postgres).await;
            })*
        }
    };
}

mod commands;
mod corrections;
mod known;

use mutirao::delivery::{Change, ClaimRequest, Claimed, Doubt, End, Fault, OpenedTicket, Outbox, Settle};
use mutirao::outbox::{
    Address, AnyOutbox, AnyWorker, Cursor, MergeError, Merged, RowDetails, RowName, Scope,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tempfile::TempDir;

use crate::outbox_conformance::{TERMS, at};
use crate::support::files::{self, File};
use crate::support::postgres::Database;

#[derive(Clone, Copy)]
enum Driver {
    Sqlite,
    Postgres,
}

/// An empty outbox, and where it is.
struct Books {
    outbox: AnyOutbox,
    home: (Option<TempDir>, Option<Database>),
}

impl Books {
    async fn new(driver: Driver) -> Self {
        let (address, home) = match driver {
            Driver::Sqlite => {
                let folder = tempfile::tempdir().expect("there is room for a folder");
                (Address::File(folder.path().join("outbox.db")), (Some(folder), None))
            }
            Driver::Postgres => {
                let database = Database::fresh().await;
                (Address::of_url(&database.url()).expect("it is a URL"), (None, Some(database)))
            }
        };
        Self { outbox: address.open().await.expect("it opens"), home }
    }

    /// Runs SQL in it as another program would.
    async fn execute(&self, sqlite: &str, postgres: &str) {
        let (sqlite, postgres) = (AssertSqlSafe(sqlite.to_owned()), AssertSqlSafe(postgres.to_owned()));
        match &self.home {
            (_, Some(database)) => {
                sqlx::raw_sql(postgres)
                    .execute(&mut database.connect().await)
                    .await
                    .map(drop)
                    .expect("it runs");
            }
            (Some(folder), None) => {
                let options = SqliteConnectOptions::new().filename(folder.path().join("outbox.db"));
                let mut conn = SqliteConnection::connect_with(&options).await.expect("it connects");
                sqlx::raw_sql(sqlite).execute(&mut conn).await.map(drop).expect("it runs");
            }
            (None, None) => unreachable!("it is somewhere"),
        }
    }

    async fn worker(&self) -> AnyWorker<'_> {
        self.outbox.register("a test", TERMS).await.expect("it registers")
    }

    async fn import(&mut self, file: &File<'_>) -> Merged {
        files::import(&mut self.outbox, file).await
    }

    async fn try_import(&mut self, file: &File<'_>) -> Result<Merged, MergeError> {
        files::try_import(&mut self.outbox, file).await
    }

    /// But for where it stands among the others, which is anew where a file was read in.
    async fn row(&self, batch: &str, line: u64) -> RowDetails {
        let found = self.outbox.reader().row(RowName::Line { batch, line }).await.expect("it reads");
        let mut row = found.unwrap_or_else(|| panic!("{batch}:{line} is a row"));
        row.report.place = Cursor::default();
        row
    }
}

/// Claims everything in scope and makes of it what `change` says of its line.
async fn run(outbox: &AnyOutbox, scope: Scope, change: impl Fn(u64) -> Change) -> usize {
    let worker = outbox.register("a test", TERMS).await.expect("it registers");
    let queue = worker.queue(scope);
    let mut n_claims = 0;
    loop {
        let Claimed { claims, .. } = queue
            .claim(ClaimRequest { now: at(1), posts: 100, look_ups: 0, end: End::Front })
            .await
            .expect("it claims");
        if claims.is_empty() {
            return n_claims;
        }
        n_claims += claims.len();
        for claim in &claims {
            let shown =
                outbox.reader().row(RowName::Id(claim.row)).await.expect("it reads").expect("it is there");
            assert_eq!(shown.marker, Some(claim.marker));
        }
        let settles = claims.iter().map(|it| {
            let (row, token) = (it.row, it.token);
            Settle { label: Default::default(), row, token, change: change(it.line), attempt: None }
        });
        queue.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");
    }
}

fn opened(n: u64) -> Change {
    let opening = OpenedTicket {
        protocolo: format!("P{n}"),
        id_atendimento: n as i64,
        ids_ordem_servico: Vec::new(),
        numeros_ordem_servico: Vec::new(),
    };
    Change::Opened { opening, attempts: 1, warnings: Vec::new() }
}

fn fault() -> Fault {
    Fault::Refused { said: Some("as told".to_owned()) }
}

fn rejected(_: u64) -> Change {
    Change::Rejected { attempts: 1, fault: fault() }
}

fn failed(_: u64) -> Change {
    Change::Failed { attempts: 8, fault: fault() }
}

fn doubt() -> Doubt {
    Doubt { since: at(1), hubsoft_at: None, precaution: false, absences: 0, last_absence: None, answered: 0 }
}

fn in_doubt(_: u64) -> Change {
    Change::Later { at: at(5), attempts: 0, doubt: Some(doubt()), fault: None }
}

fn unconfirmed(_: u64) -> Change {
    Change::Unconfirmed { doubt: doubt(), fault: fault() }
}

fn already_open(n: u64) -> Change {
    let Change::Opened { opening, .. } = opened(n) else { unreachable!() };
    Change::Skipped { opening }
}

/// Each line's state, error code, and what is in doubt (`d`, or `p` for a precaution).
async fn states(it: &Books, batch: &str, lines: std::ops::RangeInclusive<u64>) -> Vec<String> {
    let mut found = Vec::new();
    for n in lines {
        let row = it.row(batch, n).await;
        let doubt = row.doubt.map_or("", |it| if it.precaution { " p" } else { " d" });
        let code = row.report.error_code.map_or(String::new(), |it| format!(" {it}"));
        found.push(format!("{}{code}{doubt}", mutirao::outbox::state_name(row.report.state)));
    }
    found
}

const BAD: &str = "12";
