//! Inserts wake whoever listens.

use std::time::Duration;

use mutirao::outbox::postgres::{WakeUp, Woken, migrate};
use sqlx::Connection;

use super::bench::Fresh;
use crate::outbox_conformance::{Bench, valid};

/// A bound for what comes at once, or never.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_insert_wakes_and_a_lost_connection_is_told() {
    let mut it = Fresh::new().await;
    let mut listener = it.outbox.listen();
    assert_eq!(listener.woken().await, Woken::Listening);
    it.insert(&[valid(1)]).await;
    let woken = tokio::time::timeout(LONG, listener.woken()).await.expect("it wakes");
    assert_eq!(woken, Woken::Inserted);
    it.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    .await;
    let woken = tokio::time::timeout(LONG, listener.woken()).await.expect("it tells");
    assert_eq!(woken, Woken::Deaf);
    let woken = tokio::time::timeout(LONG, listener.woken()).await.expect("it tells");
    assert_eq!(woken, Woken::Listening, "rows may have come in meanwhile");
}

#[tokio::test]
async fn without_it_a_transaction_can_be_prepared() {
    let it = Fresh::new().await;
    let url = it.database.url();
    let insert = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone) VALUES ('1', 'x', 'y', 'z')";
    let mut conn = it.sql().await;
    let wakes = async |conn: &mut sqlx::PgConnection| {
        let mut tx = conn.begin().await.expect("it begins");
        let sql =
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'mutirao.outbox'::regclass AND NOT tgisinternal";
        let n_triggers: i64 = sqlx::query_scalar(sql).fetch_one(&mut *tx).await.expect("it reads");
        sqlx::raw_sql(insert).execute(&mut *tx).await.expect("it inserts");
        tx.rollback().await.expect("it undoes");
        n_triggers == 1
    };
    for (wake_up, expected) in
        [(WakeUp::Poll, false), (WakeUp::Poll, false), (WakeUp::Notify, true), (WakeUp::Notify, true)]
    {
        migrate(&url, wake_up).await.expect("it migrates");
        assert_eq!(wakes(&mut conn).await, expected, "{wake_up:?}");
    }
}
