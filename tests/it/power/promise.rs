//! What must hold of a disk after a power cut, by what had happened before it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use mutirao::delivery::identity::{BatchKey, Marker};
use mutirao::delivery::{ClaimRequest, End, Outbox};
use mutirao::outbox::{Scope, SqliteOutbox};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::disk::Image;
use super::record::{Step, marker_in};

/// What the world knows of a run: what had left, and what a person had read.
#[derive(Default)]
pub struct World {
    /// How often each row was posted, by its marker.
    pub posts: HashMap<String, u64>,
    /// All that was said.
    pub said: String,
}

impl World {
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Sent { data } => {
                if let Some(marker) = marker_in(data) {
                    *self.posts.entry(marker).or_default() += 1;
                }
            }
            Step::Said(bytes) => self.said.push_str(&String::from_utf8_lossy(bytes)),
            _ => {}
        }
    }

    /// A person read that the rows were taken in.
    fn told_taken_in(&self) -> bool {
        self.said.contains(" new\n")
    }

    /// The ids of the rows of which a person read that they were opened.
    fn told_opened(&self) -> impl Iterator<Item = i64> {
        let lines = self.said.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        lines.filter_map(|line| line.split_once(" is opened row.id=")?.1.split(' ').next()?.parse().ok())
    }
}

/// A row, as it stands in an outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    id: i64,
    key: String,
    referencia: String,
    pub state: String,
    token: i64,
    doubt_since: Option<i64>,
    pub protocolo: Option<String>,
    id_atendimento: Option<i64>,
}

type Columns = (i64, String, String, String, i64, Option<i64>, Option<String>, Option<i64>);

impl Row {
    pub fn marker(&self) -> String {
        Marker::new(&BatchKey(self.key.clone()), &self.referencia).as_str().to_owned()
    }
}

pub async fn rows(path: &Path) -> Result<BTreeMap<i64, Row>, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let sql =
        "SELECT o.id, b.key, o.referencia, o.state, o.token, o.doubt_since, o.protocolo, o.id_atendimento
                 FROM outbox o JOIN batch b ON b.id = o.lote";
    let rows: Vec<Columns> = sqlx::query_as(sql).fetch_all(&mut conn).await?;
    conn.close().await?;
    let rows = rows.into_iter().map(|row| {
        let (id, key, referencia, state, token, doubt_since, protocolo, id_atendimento) = row;
        (id, Row { id, key, referencia, state, token, doubt_since, protocolo, id_atendimento })
    });
    Ok(rows.collect())
}

/// Says what does not hold of the outbox at `path`, if anything, once the program has opened it. `end`: how
/// the rows stood at the end of the run.
pub async fn broken(path: &Path, world: &World, end: &BTreeMap<i64, Row>) -> Option<String> {
    let is_there = path.exists();
    if !is_there && (world.told_taken_in() || !world.posts.is_empty()) {
        return Some("there is no outbox".to_owned());
    }
    if !is_there {
        return None;
    }
    let outbox = match SqliteOutbox::open(path).await {
        Ok(outbox) => outbox,
        Err(error) => return Some(format!("it does not open: {error:?}")),
    };
    let found = match rows(path).await {
        Ok(rows) => rows,
        Err(error) => return Some(format!("it cannot be read: {error}")),
    };
    if found.len() != end.len() && (!found.is_empty() || world.told_taken_in() || !world.posts.is_empty()) {
        return Some(format!("it has {} of {} rows", found.len(), end.len()));
    }
    for (id, row) in &found {
        let n_posts = world.posts.get(&row.marker()).copied().unwrap_or_default();
        // Every post stands behind a claim of its own.
        if row.token.cast_unsigned() < n_posts {
            return Some(format!("row {id} was posted {n_posts} times: {row:?}"));
        }
        if row.state == "opened"
            && (&row.protocolo, row.id_atendimento) != (&end[id].protocolo, end[id].id_atendimento)
        {
            return Some(format!("row {id} has another ticket: {row:?}, {:?}", end[id]));
        }
    }
    if let Some(id) = world.told_opened().find(|id| found[id].state != "opened") {
        return Some(format!("row {id} was told as opened: {:?}", found[&id]));
    }
    let told = posted_next(&outbox).await;
    let _ = outbox.close().await;
    // In the recorded run a row that was posted once was opened or refused by that post.
    let twice = told.into_iter().find(|marker| world.posts.contains_key(marker));
    twice.map(|marker| {
        format!("row {:?} would be posted again", found.values().find(|row| row.marker() == marker))
    })
}

/// The rows that the program would post next, without a look-up.
async fn posted_next(outbox: &SqliteOutbox) -> Vec<String> {
    let now = Timestamp::now() + SignedDuration::from_hours(1);
    let queue = outbox.queue(Scope::All);
    queue.recover(now).await.expect("it recovers");
    let want = ClaimRequest { now, posts: 10_000, look_ups: 0, end: End::Front };
    let claimed = queue.claim(want).await.expect("it claims");
    claimed.claims.iter().map(|claim| claim.marker.as_str().to_owned()).collect()
}

/// A file that people read and that is not whole.
pub fn torn<'a>(
    image: &'a Image,
    published: &HashMap<PathBuf, Vec<Vec<u8>>>,
    names: &[&str],
) -> Option<&'a Path> {
    let read = image.iter().filter(|(path, _)| names.iter().any(|name| path.ends_with(name)));
    let mut torn =
        read.filter(|(path, bytes)| !published.get(*path).is_some_and(|whole| whole.contains(bytes)));
    torn.next().map(|(path, _)| path.as_path())
}
