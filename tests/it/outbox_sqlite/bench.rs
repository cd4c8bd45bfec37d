//! An outbox in a folder of its own, and the words in which tests fill it.

use std::path::PathBuf;

use jiff::Timestamp;
use mutirao::delivery::identity::ContentKey;
use mutirao::delivery::{Claimed, Outbox, OutboxError, RowId, Settle, Settled, Want};
use mutirao::outbox::{
    FirstPost, MergeOptions, Merged, NewRow, NewSource, Repeats, RowDetails, RowName, Scope, SqliteOutbox,
};
use mutirao::ticket::{Id, RawTicket};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use crate::outbox_conformance::{Bench, Seed, Seen, at};

pub struct Fresh {
    pub outbox: SqliteOutbox,
    pub path: PathBuf,
    pub dir: TempDir,
    n_inserts: usize,
}

impl Fresh {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is room for a folder");
        let path = dir.path().join("outbox.db");
        let outbox = SqliteOutbox::open(&path).await.expect("it opens");
        Self { outbox, path, dir, n_inserts: 0 }
    }

    /// As another process would see the file.
    pub async fn sql(&self) -> SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&self.path);
        SqliteConnection::connect_with(&options).await.expect("it connects")
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
    async fn claim(&self, want: Want) -> Result<Claimed, OutboxError> {
        self.outbox.desk(Scope::All).claim(want).await
    }

    async fn settle(&self, settles: &[Settle]) -> Result<Vec<Settled>, OutboxError> {
        self.outbox.desk(Scope::All).settle(settles).await
    }

    async fn recover(&self, now: Timestamp) -> Result<u64, OutboxError> {
        self.outbox.desk(Scope::All).recover(now).await
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

/// One line of a made-up file; the first is line 2.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub service: i64,
    pub text: &'a str,
    pub phone: &'a str,
    pub lote: Option<&'a str>,
    pub referencia: Option<&'a str>,
    pub is_trusted: bool,
}

impl Default for Line<'_> {
    fn default() -> Self {
        Self { service: 1, text: "x", phone: "37999998888", lote: None, referencia: None, is_trusted: false }
    }
}

pub fn line(service: i64, text: &str) -> Line<'_> {
    Line { service, text, ..Line::default() }
}

pub struct File<'a> {
    pub batch: &'a str,
    pub lines: &'a [Line<'a>],
    pub headers: &'a [&'a str],
    pub repeats: Repeats,
    pub first_post: FirstPost,
    pub now: Timestamp,
}

impl<'a> File<'a> {
    pub fn of(batch: &'a str, lines: &'a [Line<'a>]) -> Self {
        let (repeats, first_post) = (Repeats::Skip, FirstPost::AtOnce);
        Self { batch, lines, headers: &["servico", "texto", "fone"], repeats, first_post, now: at(0) }
    }
}

pub async fn import(outbox: &mut SqliteOutbox, file: &File<'_>) -> Merged {
    let headers: Vec<String> = file.headers.iter().map(|it| (*it).to_owned()).collect();
    let source = NewSource {
        batch: file.batch,
        file_name: "file.csv",
        encoding: "UTF-8",
        delimiter: ";",
        headers: &headers,
    };
    let mut staging = outbox.begin(&source).await.expect("it begins");
    let services: Vec<String> = file.lines.iter().map(|it| it.service.to_string()).collect();
    for (n, (it, service)) in file.lines.iter().zip(&services).enumerate() {
        staging.push(&[new_row(n as u64 + 2, it, service, file.headers)]).await.expect("it stages");
    }
    let File { now, repeats, first_post, .. } = *file;
    staging.merge(&MergeOptions { now, sha256: "00", repeats, first_post }).await.expect("it merges")
}

pub fn new_row<'a>(line: u64, it: &'a Line<'a>, service: &'a str, headers: &[&str]) -> NewRow<'a> {
    let fields = RawTicket {
        id_cliente_servico: Some(service.into()),
        descricao: Some(it.text.into()),
        nome: Some("Maria".into()),
        telefone: Some(it.phone.into()),
        ..RawTicket::default()
    };
    let problems = if it.is_trusted {
        Vec::new()
    } else {
        mutirao::ticket::Ticket::parse(&fields).err().unwrap_or_default()
    };
    let key = ContentKey::new(service, "", it.text);
    let cell = |header: &&str| match *header {
        "servico" => service,
        "texto" => it.text,
        "fone" => it.phone,
        _ => "",
    };
    NewRow {
        line,
        cells: headers.iter().map(|it| cell(it).into()).collect(),
        content_key: key,
        lote: it.lote.map(Into::into),
        referencia: it.referencia.map(Into::into),
        service: Id::new(it.service),
        repeat_key: problems.is_empty().then(|| key.as_str().as_bytes().try_into().unwrap()),
        problems,
        warning: None,
        fields,
    }
}
