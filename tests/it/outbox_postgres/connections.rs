//! How many connections to the server a worker has, and who gets one.

use std::time::Duration;

use futures_util::future::join_all;
use mutirao::delivery::Outbox;
use mutirao::outbox::Scope;
use mutirao::outbox::postgres::{PgOutbox, Worker};
use sqlx::Connection;
use tokio::time::timeout;

use super::bench::{register, want};
use crate::support::postgres::Database;

/// Longer than anything here takes, and not as long as a wait for a connection may be.
const LONG: Duration = Duration::from_secs(8);

/// Seen: four, because each was asked whether it still lives before it was used again. Each plans all
/// statements for itself.
#[tokio::test]
async fn one_after_another_makes_do_with_two_connections() {
    let database = Database::fresh().await;
    let outbox = PgOutbox::open(&database.url()).await.expect("it opens");
    let worker = register(&outbox).await;
    let queue = worker.queue(Scope::All);
    for _ in 0..10 {
        queue.claim(want(1)).await.expect("it claims");
        worker.renew().await.expect("it renews");
        queue.posts_are_left().await.expect("it looks");
        queue.claim(want(1)).await.expect("it claims");
    }
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'mutirao'";
    // Those that made and found the outbox are closed, of which the server may hear later.
    timeout(LONG, until(&database, sql, |n| n <= 2)).await.expect("one is for claims, one for looks");
    outbox.close().await;
}

/// What is kept for its next use would be kept from whoever waits.
#[tokio::test]
async fn whoever_waits_for_a_connection_gets_the_first_that_is_done_with() {
    let database = Database::fresh().await;
    let outbox = PgOutbox::open(&database.url()).await.expect("it opens");
    let workers = join_all((0..5).map(|_| register(&outbox))).await;
    let [first, second, third, fourth, last] = &workers[..] else { unreachable!("five are registered") };
    let (mut line, mut rows) = (database.connect().await, database.connect().await);
    let mut line = line.begin().await.expect("it begins");
    sqlx::query("LOCK TABLE mutirao.turn").execute(&mut *line).await.expect("nobody claims");
    let mut rows = rows.begin().await.expect("it begins");
    sqlx::query("SELECT FROM mutirao.worker WHERE id = ANY($1) FOR UPDATE")
        .bind([third, fourth].map(Worker::id))
        .execute(&mut *rows)
        .await
        .expect("nobody renews these");
    let in_line = join_all([first.rescue(), second.rescue()]);
    let meanwhile = async {
        let renewals = join_all([third.renew(), fourth.renew()]);
        let renewal = async {
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            until(&database, sql, |n| n == 4).await;
            let waits = last.renew();
            let lets_go = async { rows.rollback().await.expect("it ends") };
            tokio::join!(waits, lets_go).0
        };
        tokio::join!(renewals, renewal).1
    };
    tokio::select! {
        _ = in_line => panic!("they claim out of line"),
        renewed = timeout(LONG, meanwhile) => drop(renewed.expect("it waits for nobody in line").expect("it renews")),
    }
}

/// Until what the database counts is as it should be.
async fn until(database: &Database, sql: &'static str, is_so: impl Fn(i64) -> bool) {
    let mut watching = database.connect().await;
    while !is_so(sqlx::query_scalar(sql).fetch_one(&mut watching).await.expect("it counts")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
