//! What programs that insert rows rely on, and how an outbox comes to be.

use mutirao::outbox::postgres::{Migrated, OpenError, PgOutbox, WakeUp, check, migrate, script};
use sqlx::AssertSqlSafe;

use crate::support::postgres::Database;
use crate::support::site::Site;

/// Whoever runs `\d+` is told what everything means.
#[tokio::test]
async fn every_table_and_column_is_explained() {
    let database = Database::fresh().await;
    let sql = "SELECT format('%s.%s', c.relname, a.attname)
                 FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND 0 <= a.attnum
                WHERE c.relnamespace = 'mutirao'::regnamespace AND c.relkind = 'r' AND NOT a.attisdropped
                  AND col_description(c.oid, a.attnum) IS NULL
                UNION ALL
               SELECT c.relname FROM pg_class c
                WHERE c.relnamespace = 'mutirao'::regnamespace AND c.relkind = 'r' AND obj_description(c.oid) IS NULL";
    let silent: Vec<String> =
        sqlx::query_scalar(sql).fetch_all(&mut database.connect().await).await.expect("it reads");
    assert_eq!(silent, [""; 0]);
}

#[tokio::test]
async fn migrating_is_done_once_however_many_try() {
    let database = Database::empty().await;
    let url = database.url();
    assert!(matches!(check(&url).await, Err(OpenError::NoSchema)));
    assert!(matches!(PgOutbox::open(&url).await, Err(OpenError::NoSchema)));
    let try_it = || migrate(&url, WakeUp::Notify);
    let (one, two, three) = tokio::join!(try_it(), try_it(), try_it());
    let done = [one, two, three].map(|it| it.expect("it migrates"));
    assert_eq!(done.iter().filter(|it| it.from == 0).count(), 1);
    check(&url).await.expect("it is up to date");
    let Migrated { from, to } = migrate(&url, WakeUp::Notify).await.expect("it migrates");
    assert_eq!(from, to);
}

#[tokio::test]
async fn the_printed_script_makes_the_same_schema() {
    let (printed, migrated) = (Database::empty().await, Database::fresh().await);
    let sql = AssertSqlSafe(script(WakeUp::Notify));
    sqlx::raw_sql(sql).execute(&mut printed.connect().await).await.expect("it runs");
    check(&printed.url()).await.expect("it is up to date");
    let objects = "SELECT coalesce(string_agg(d, E'\n' ORDER BY d), '') FROM (
        SELECT pg_describe_object(classid, objid, objsubid) AS d FROM pg_depend
         WHERE refclassid = 'pg_namespace'::regclass AND refobjid = 'mutirao'::regnamespace) all_objects";
    let of = async |it: &Database| -> String {
        sqlx::query_scalar(objects).fetch_one(&mut it.connect().await).await.expect("it reads")
    };
    assert_eq!(of(&printed).await, of(&migrated).await);
}

#[tokio::test]
async fn a_database_that_lacks_characters_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = Database::made(&format!("ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")).await;
        let migrated = migrate(&database.url(), WakeUp::Notify).await;
        assert!(matches!(migrated, Err(OpenError::Encoding { found }) if found == encoding));
        let sql = AssertSqlSafe(script(WakeUp::Notify));
        sqlx::raw_sql(sql).execute(&mut database.connect().await).await.expect("it runs");
        assert!(matches!(PgOutbox::open(&database.url()).await, Err(OpenError::Encoding { .. })));
    }
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let database = Database::fresh().await;
    sqlx::raw_sql("INSERT INTO mutirao.migration (version) VALUES (99)")
        .execute(&mut database.connect().await)
        .await
        .expect("it inserts");
    let url = database.url();
    assert!(matches!(PgOutbox::open(&url).await, Err(OpenError::Newer { found: 99, .. })));
    assert!(matches!(migrate(&url, WakeUp::Notify).await, Err(OpenError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn the_command_says_what_to_do_and_never_the_url() {
    let database = Database::empty().await;
    let site = Site::new("");
    let url = database.url();
    let run = |args: &[&str]| {
        let ended = site.run(&[&["--database-url", &url], args].concat());
        (ended.code, ended.stderr)
    };
    let (code, said) = run(&["migrate", "--check"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("mutirao migrate"), "{said}");
    assert_eq!(run(&["migrate"]).0, Some(0));
    assert_eq!(run(&["migrate", "--check"]).0, Some(0));
    assert_eq!(run(&["migrate", "--no-notify"]).0, Some(0));
    let printed = site.run(&["migrate", "--print"]);
    assert_eq!((printed.code, printed.stdout.contains("CREATE TABLE mutirao.outbox")), (Some(0), true));

    assert_eq!(site.run(&["migrate"]).code, Some(2), "without a database");
    let down = site.run_at("postgres://u:hunter2@127.0.0.1:1/x?sslmode=disable", &["migrate"]);
    assert_eq!(down.code, Some(8), "{}", down.stderr);
    assert!(!down.stderr.contains("hunter2"), "{}", down.stderr);
    let odd = site.run_at("postgres://u:hunter2@:bad/x", &["migrate"]);
    assert_eq!(odd.code, Some(2), "{}", odd.stderr);
    assert!(!odd.stderr.contains("hunter2"), "{}", odd.stderr);
}
