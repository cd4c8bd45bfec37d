//! What others set for a database, a role or everybody holds for no worker.

use std::time::Duration;

use mutirao::delivery::coordination::{News, Prober, ShareRequest};
use mutirao::delivery::{Change, Outbox, Settle};
use mutirao::outbox::postgres::PgOutbox;
use mutirao::outbox::{Address, Scope};
use sqlx::AssertSqlSafe;

use super::bench::{Fresh, register, want};
use crate::outbox_conformance::{Bench, valid};
use crate::support::files::{File, import, line};

/// Each alone makes claims slow, makes them fail, or makes them forget.
const ILL: [&str; 14] = [
    "jit_above_cost = 0",
    "jit_inline_above_cost = 0",
    "jit_optimize_above_cost = 0",
    "enable_nestloop = off",
    "enable_indexscan = off",
    "enable_indexonlyscan = off",
    "plan_cache_mode = force_custom_plan",
    "default_transaction_isolation = serializable",
    "statement_timeout = '1ms'",
    "lock_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "synchronous_commit = off",
    "client_min_messages = debug1",
    "search_path = public",
];

/// What the server says of the session that writes.
const SEEN: &str = "
    CREATE TABLE public.seen (statement text, settings text);
    CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        INSERT INTO public.seen SELECT TG_TABLE_NAME || ' ' || TG_OP, string_agg(name || '=' || setting, ' ' ORDER BY name)
          FROM pg_settings
         WHERE name IN ('jit', 'enable_nestloop', 'enable_indexscan', 'search_path', 'transaction_isolation')
            OR name = 'synchronous_commit' AND TG_TABLE_NAME = 'outbox';
        RETURN NULL; END$$;
    CREATE TRIGGER see AFTER UPDATE ON mutirao.outbox EXECUTE FUNCTION public.see();
    CREATE TRIGGER see AFTER UPDATE ON mutirao.pace EXECUTE FUNCTION public.see();
    CREATE TRIGGER see AFTER UPDATE ON mutirao.worker EXECUTE FUNCTION public.see()";

#[tokio::test]
async fn what_a_database_sets_for_everybody_holds_for_no_worker() {
    let mut it = Fresh::new().await;
    it.insert(&[valid(1), valid(2)]).await;
    it.execute(SEEN).await;
    for setting in ILL {
        let sql = format!("ALTER DATABASE {} SET {setting}", it.database.name());
        // The connection that says it last would be stopped by what was said before.
        let mut conn = it.sql().await;
        sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0").execute(&mut conn).await.ok();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("it is set");
    }
    let outbox = PgOutbox::open(&it.database.url()).await.expect("it opens");
    let worker = register(&outbox).await;
    let queue = worker.queue(Scope::All);
    let claimed = queue.claim(want(2)).await.expect("it claims");
    assert_eq!(claimed.claims.len(), 2);
    let settles = claimed.claims.iter().map(|claim| Settle {
        label: Default::default(),
        row: claim.row,
        token: claim.token,
        change: Change::Release,
        attempt: None,
    });
    queue.settle(&settles.collect::<Vec<_>>()).await.expect("it settles");
    let report = ShareRequest {
        slots: 1,
        far: Duration::ZERO,
        at_once: 4,
        wants_login: false,
        borne: None,
        news: News::default(),
        prober: Prober::Ready,
    };
    queue.share(&report).await.expect("it shares");
    worker.renew().await.expect("it renews");
    let mut conn = it.sql().await;
    sqlx::raw_sql("SET statement_timeout = 0").execute(&mut conn).await.expect("it is set");
    let seen: Vec<(String, String)> =
        sqlx::query_as("SELECT DISTINCT statement, settings FROM public.seen ORDER BY 1, 2")
            .fetch_all(&mut conn)
            .await
            .expect("it reads");
    let pinned = "enable_indexscan=on enable_nestloop=on jit=off search_path=pg_catalog, pg_temp";
    let expected = [
        ("outbox UPDATE", format!("{pinned} synchronous_commit=on transaction_isolation=read committed")),
        ("pace UPDATE", format!("{pinned} transaction_isolation=read committed")),
        ("worker UPDATE", format!("{pinned} transaction_isolation=read committed")),
    ];
    let expected = expected.map(|(statement, settings)| (statement.to_owned(), settings));
    assert_eq!(seen, expected);
}

/// What a claim, and then an import, makes of what the server says.
#[tokio::test]
async fn commits_wait_for_the_disk_and_longer_where_the_server_has_them_wait() {
    for (server, claims, imports) in
        [("off", "on", "on"), ("local", "on", "on"), ("remote_apply", "remote_apply", "on")]
    {
        let mut it = Fresh::new().await;
        it.insert(&[valid(1)]).await;
        it.execute(SEEN).await;
        let sql = format!("ALTER DATABASE {} SET synchronous_commit = {server}", it.database.name());
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut it.sql().await).await.expect("it is set");
        let outbox = PgOutbox::open(&it.database.url()).await.expect("it opens");
        let worker = register(&outbox).await;
        let claimed = worker.queue(Scope::All).claim(want(1)).await.expect("it claims");
        assert_eq!((claimed.claims.len(), waits(&it).await), (1, vec![claims.to_owned()]), "{server}");
        it.execute("DELETE FROM public.seen").await;
        let address = Address::of_url(&it.database.url()).expect("it is a URL");
        import(&mut address.open().await.expect("it opens"), &File::of("b", &[line(2, "a")])).await;
        assert_eq!(waits(&it).await, [imports], "{server}");
    }
}

/// For what the commits were to wait that have changed rows.
async fn waits(it: &Fresh) -> Vec<String> {
    let sql = "SELECT DISTINCT substring(settings FROM 'synchronous_commit=(\\w+)') FROM public.seen
                WHERE statement = 'outbox UPDATE'";
    sqlx::query_scalar(sql).fetch_all(&mut it.sql().await).await.expect("it reads")
}
