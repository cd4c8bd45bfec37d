//! `mutirao purge`: what rows say of people goes, what became of them stays.

use std::time::Duration;

use jiff::Timestamp;
use mutirao::outbox::PgOutbox;

use crate::support::postgres::Database;
use crate::support::site::Site;

const FILE: &str = "id_cliente_servico;descricao;nome;telefone;email;parametros.mae;parametros_ordem_servico.obs\n\
    11001;Sem sinal na rua Ipiranga;Maria Aparecida;37999112201;maria@example.com;Benedita;Perto do Mercado\n\
    Joaquim;Sem sinal na rua Ipiranga;Maria Aparecida;12;maria@example.com;Benedita;Perto do Mercado\n";

/// None of it may be left.
const PERSONAL: [&str; 7] =
    ["Ipiranga", "Joaquim", "Aparecida", "37999112201", "maria@example.com", "Benedita", "Mercado"];

#[tokio::test]
async fn a_purge_of_a_file_leaves_counts_and_tickets() {
    let site = Site::new("");
    check(&site, &|args| site.run(args)).await;
    // As an import leaves it while somebody has errors.csv open.
    site.write("queda.mutirao/errors-2.csv", FILE);
    site.run(&["purge", "--older-than", "0s"]).expect(0);
    assert!(!site.path("queda.mutirao/errors-2.csv").exists());
    let left = std::fs::read(site.path("queda.mutirao/outbox.db")).unwrap();
    for said in PERSONAL {
        assert!(!left.windows(said.len()).any(|bytes| bytes == said.as_bytes()), "`{said}` is in the file");
    }
    for file in ["results.csv", "errors.csv", "problems.csv"] {
        let left = site.read(&format!("queda.mutirao/{file}"));
        assert!(!PERSONAL.iter().any(|it| left.contains(it)), "{file}: {left}");
    }
}

#[tokio::test]
async fn a_purge_of_a_database_leaves_counts_and_tickets() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    check(&site, &|args| site.run_at(&database.url(), args)).await;
    let sql = "SELECT concat((SELECT string_agg(o::text, ' ') FROM mutirao.outbox o),
                             (SELECT string_agg(r::text, ' ') FROM mutirao.record r))";
    let left: String = sqlx::query_scalar(sql).fetch_one(&mut database.connect().await).await.unwrap();
    assert!(!PERSONAL.iter().any(|it| left.contains(it)), "{left}");
    let results = |file: &str| site.read(&format!("queda.mutirao/{file}"));
    for file in ["results.csv", "errors.csv", "problems.csv"] {
        let left = results(file);
        assert!(!PERSONAL.iter().any(|it| left.contains(it)), "its batch was named: {file}: {left}");
    }
    site.run_at(&database.url(), &["import", "queda.csv"]).expect(3);
    let purged = site.run_at(&database.url(), &["purge", "--older-than", "0s"]).expect(0).stderr;
    assert!(results("results.csv").contains("Aparecida"));
    assert!(purged.contains("delete them in ") && purged.contains("queda.mutirao"), "{purged}");
}

async fn check(site: &Site, run: &dyn Fn(&[&str]) -> crate::support::site::Ended) {
    site.write("queda.csv", FILE);
    let import = ["import", "queda.csv", "--rate", "unlimited"];
    run(&import).expect(3);
    let purge = |age: &str| run(&["purge", "--older-than", age, "--json"]).expect(0).json()["rows"].clone();
    assert_eq!(purge("1d"), 0, "they finished just now");
    assert_eq!((purge("0s"), purge("0s")), (2.into(), 0.into()));

    let counts = run(&["status", "queda", "--json"]).expect(0).json()["batches"][0]["counts"].clone();
    assert_eq!((&counts["opened"], &counts["invalid"]), (&1.into(), &1.into()));
    for line in ["queda:2", "queda:3"] {
        let shown = run(&["show", line]).expect(0).stdout;
        assert!(shown.contains("purged: ") && !PERSONAL.iter().any(|it| shown.contains(it)), "{shown}");
    }
    run(&["export", "queda", "-o", "out"]).expect(0);
    let results = site.table("out/results.csv");
    assert_eq!((results.len(), &*results[0]["state"], &*results[0]["nome"]), (2, "opened", ""));
    assert!(!results[0]["protocolo"].is_empty());

    // Nothing is left to be tried again, and the same file opens nothing twice.
    assert_eq!(run(&["retry", "queda", "--json"]).expect(0).json()["rows"], 0);
    run(&import).expect(3);
    assert_eq!((site.audit().tickets, site.audit().duplicates.len()), (1, 0));
    let results = site.table("queda.mutirao/results.csv");
    assert_eq!(
        (&*results[0]["state"], &*results[0]["nome"]),
        ("opened", "Maria Aparecida"),
        "it is filled anew"
    );
    // What came again can be taken again.
    run(&["purge", "queda", "--older-than", "0s"]).expect(0);
}

#[tokio::test]
async fn rows_that_are_not_done_with_are_left_and_others_cannot_be_tried_again() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
               SELECT n::text, 'Sem sinal', 'Ana', '37999112201' FROM generate_series(1, 2503) n;
               UPDATE mutirao.outbox SET state = 'failed', finished_at = now() - interval '91 days' WHERE id <= 2500;
               UPDATE mutirao.outbox SET state = 'unconfirmed', doubt_since = now(),
                      finished_at = now() - interval '91 days' WHERE id = 2501;
               UPDATE mutirao.outbox SET state = 'failed', finished_at = now() - interval '89 days' WHERE id = 2502";
    let mut conn = database.connect().await;
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    let run = |args: &[&str]| site.run_at(&database.url(), args).expect(0);
    assert_eq!(run(&["purge", "--older-than", "90d", "--json"]).json()["rows"], 2500);
    let sql = "SELECT count(*) FROM mutirao.outbox WHERE nome = 'Ana' AND purged_at IS NULL AND 2500 < id";
    let n_left: i64 = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
    assert_eq!(n_left, 3);
    assert_eq!(run(&["retry", "default", "--json"]).json()["rows"], 1, "the one that was not purged");
}

#[tokio::test]
async fn a_machine_a_day_ahead_of_its_database_takes_nothing_that_is_minutes_old() {
    let database = Database::fresh().await;
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone)
               VALUES ('1', 'Sem sinal', 'Ana', '37999112201'), ('2', 'Sem sinal', 'Ana', '37999112201');
               UPDATE mutirao.outbox SET state = 'failed', finished_at = now() - interval '10 min' WHERE id_cliente_servico = '1';
               UPDATE mutirao.outbox SET state = 'failed', finished_at = now() - interval '2 h' WHERE id_cliente_servico = '2'";
    sqlx::raw_sql(sql).execute(&mut database.connect().await).await.unwrap();
    let outbox = PgOutbox::open(&database.url()).await.unwrap();
    let now = Timestamp::now() + Duration::from_secs(24 * 3600);
    let n_purged = outbox.purge(None, now - Duration::from_secs(3600), now).await.unwrap();
    assert_eq!(n_purged, 1, "the one that finished two hours ago");
}
