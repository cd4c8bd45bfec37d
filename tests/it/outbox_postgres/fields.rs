//! The schema and its grants, which are written by hand, have the fields that the table of fields has.

use mutirao::ticket::{Field, Kind};
use sqlx::AssertSqlSafe;

use super::roles::Roles;
use crate::support::site::Site;

/// What a producer may say besides.
const OURS: &str = "'lote', 'referencia', 'prioridade', 'available_at'";

#[tokio::test]
async fn every_field_is_a_column_that_a_producer_may_write_and_not_read() {
    let site = Site::new("");
    let mut roles = Roles::new(&site).await;
    roles.grant().await;
    site.run_at(&roles.url("owner"), &["migrate"]).expect(0);
    roles.grant().await;

    let producer = roles.name("producer");
    let may = |what: &str| format!("has_column_privilege('{producer}', a.attrelid, a.attnum, '{what}')");
    let sql = format!(
        "SELECT format('%s %s%s; %s; %s%s', a.attname, format_type(a.atttypid, NULL),
                       CASE WHEN a.attnotnull THEN ' NOT NULL' END,
                       split_part(col_description(a.attrelid, a.attnum), ':', 1),
                       CASE WHEN {} THEN 'written' END, CASE WHEN {} THEN ', read' END)
           FROM pg_attribute a
          WHERE a.attrelid = 'mutirao.outbox'::regclass AND 0 < a.attnum AND a.attname NOT IN ({OURS})
            AND (col_description(a.attrelid, a.attnum) LIKE 'INSERT%' OR {})
          ORDER BY a.attname",
        may("INSERT"),
        may("SELECT"),
        may("INSERT")
    );
    let found: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut roles.admin).await.expect("it reads");
    let mut expected = Field::ALL.map(|field| {
        let kind = if field.kind() == Kind::Object { "jsonb" } else { "text" };
        let (presence, told) =
            if field.is_required() { (" NOT NULL", "INSERT") } else { ("", "INSERT, optional") };
        format!("{field} {kind}{presence}; {told}; written")
    });
    expected.sort_unstable();
    assert_eq!(found, expected);
    roles.drop_roles().await;
}
