//! Batches in an outbox that several people share.

use super::{rows, tickets};
use crate::support::postgres::Database;
use crate::support::site::Site;

#[tokio::test]
async fn two_people_with_a_file_of_one_name_have_two_batches() {
    let (ana, bia) = (Site::new(""), Site::new(""));
    let database = Database::fresh().await;
    ana.write("queda.csv", rows(1..=4));
    bia.write("queda.csv", rows(11..=13));
    let enqueue = |site: &Site, more: &[&str]| {
        site.run_at(&database.url(), &[&["enqueue", "queda.csv"], more].concat())
    };
    let first = enqueue(&ana, &["--json"]).expect(0).json()["batch"].as_str().unwrap().to_owned();
    let second = enqueue(&bia, &["--json"]).expect(0).json()["batch"].as_str().unwrap().to_owned();
    assert!(
        first.starts_with("queda-20") && second.starts_with("queda-20") && first != second,
        "{first} {second}"
    );
    let counts = |batch: &str| {
        ana.run_at(&database.url(), &["status", batch, "--json"]).expect(0).json()["batches"][0]["counts"]
            .clone()
    };
    assert_eq!(
        (&counts(&first)["pending"], &counts(&second)["pending"]),
        (&4.into(), &3.into()),
        "none is dropped"
    );
    let ambiguous = ana.run_at(&database.url(), &["cancel", "queda"]).expect(2);
    assert!(ambiguous.stderr.contains(&first), "{}", ambiguous.stderr);

    // The same command again finds its own; an edit is asked about.
    assert_eq!(enqueue(&ana, &["--json"]).expect(0).json()["new"], 0);
    ana.write("queda.csv", rows(2..=5));
    enqueue(&ana, &[]).expect(2);
    assert_eq!(enqueue(&ana, &["--continue", "--json"]).expect(0).json()["batch"], first.as_str());
    // Another name for the same rows, saved by another program.
    bia.write("outra.csv", rows(11..=13).replace('\n', "\r\n"));
    let args = ["enqueue", "outra.csv"];
    let asked = bia.run_at(&database.url(), &args).expect(2);
    assert!(asked.stderr.contains(&second) && asked.stderr.contains("--again"), "{}", asked.stderr);
    bia.run_at(&database.url(), &[&args[..], &["--again"]].concat()).expect(0);
    assert_eq!(tickets(&ana), (0, 0));
}

#[tokio::test]
async fn rows_that_were_enqueued_are_not_opened_by_an_import_beside_it_without_a_word() {
    let site = Site::new("");
    let database = Database::fresh().await;
    site.write("primeira.csv", rows(1..=2));
    site.run_at(&database.url(), &["import", "primeira.csv"]).expect(0);
    site.write("queda.csv", rows(11..=13));
    site.run_at(&database.url(), &["enqueue", "queda.csv"]).expect(0);
    let asked = site.run(&["import", "queda.csv"]).expect(2);
    assert!(
        asked.stderr.contains("into batch `queda-") && asked.stderr.contains("--again"),
        "{}",
        asked.stderr
    );
    assert_eq!(tickets(&site), (2, 0));
}

#[tokio::test]
async fn an_import_into_a_shared_outbox_goes_on_with_its_own_batch() {
    let site = Site::new("");
    let database = Database::fresh().await;
    site.write("queda.csv", rows(1..=5));
    let import = |more: &[&str]| {
        site.run_at(&database.url(), &[&["import", "queda.csv", "--rate", "unlimited"], more].concat())
    };
    import(&["--sample", "2"]).expect(0);
    import(&[]).expect(0);
    assert_eq!(tickets(&site), (5, 0));
    assert_eq!(site.table("queda.mutirao/results.csv").len(), 5);
    // Another outage keeps its results apart.
    site.write("queda.csv", rows(21..=23));
    import(&[]).expect(0);
    assert_eq!(tickets(&site), (8, 0));
    assert_eq!(site.table("queda.mutirao/results.csv").len(), 5, "the old ones stay");
}

/// A name that is rewritten (`24-11`) was not known again: the second file was merged into the first one's
/// batch, and what that had not sent yet was withdrawn.
#[tokio::test]
async fn a_name_that_was_given_twice_is_asked_about() {
    let (ana, rui) = (Site::new(""), Site::new(""));
    let database = Database::fresh().await;
    ana.write("a.csv", rows(1..=4));
    rui.write("b.csv", rows(11..=13));
    let enqueue = |site: &Site, file: &str, more: &[&str]| {
        site.run_at(&database.url(), &[&["enqueue", file, "--batch", "24-11"], more].concat())
    };
    enqueue(&ana, "a.csv", &[]).expect(0);
    let asked = enqueue(&rui, "b.csv", &[]).expect(2);
    assert!(asked.stderr.contains("batch `lote-24-11` stands"), "{}", asked.stderr);
    let told = ana.run_at(&database.url(), &["status", "lote-24-11", "--json"]).expect(0).json();
    assert_eq!(
        (&told["batches"][0]["counts"]["pending"], told["batches"].as_array().unwrap().len()),
        (&4.into(), 1)
    );
    assert_eq!(enqueue(&ana, "a.csv", &["--json"]).expect(0).json()["new"], 0);
    enqueue(&rui, "b.csv", &["--new"]).expect(0);
}

/// The results of the work folder went on saying `rejected`.
#[tokio::test]
async fn a_correction_writes_its_results_where_the_batch_has_them() {
    let site = Site::new("");
    let database = Database::fresh().await;
    site.write("queda.csv", rows(1..=2) + "x;Sem luz;Ana;(37) 99911-0001;não\n");
    site.run_at(&database.url(), &["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    let fixed = site.read("queda.mutirao/errors.csv").replace("\nx;", "\n11099;");
    site.write("queda.mutirao/errors.csv", fixed);
    site.run_at(&database.url(), &["import", "queda.mutirao/errors.csv", "--rate", "unlimited"]).expect(0);
    assert!(site.table("queda.mutirao/results.csv").iter().all(|it| it["state"] == "opened"));
    assert!(!site.path("queda.mutirao/errors.mutirao").exists());
    assert_eq!(tickets(&site), (3, 0));
}

/// What a person declined stayed in the shared outbox, held, and `status` named the command that opens it.
#[tokio::test]
async fn what_a_question_declined_leaves_nothing_behind() {
    let site = Site::new("");
    let database = Database::fresh().await;
    let run = |args: &[&str]| site.run_at(&database.url(), args);
    site.write("queda.csv", rows(1..=30));
    // More than 20, and nobody to type the count.
    run(&["import", "queda.csv"]).expect(2);
    site.write("errada.csv", rows(1..=2) + "x;Sem luz;Ana;(37) 99911-0001;não\n");
    run(&["import", "errada.csv", "--strict"]).expect(5);
    let told = run(&["status", "--json"]).expect(0).json();
    assert_eq!((&told["outbox"]["counts"]["total"], &told["halted"]), (&0.into(), &serde_json::json!([])));

    site.write("queda.csv", rows(1..=4));
    run(&["import", "queda.csv", "--rate", "unlimited"]).expect(0);
    std::fs::copy(site.path("queda.csv"), site.path("outra.csv")).unwrap();
    run(&["import", "outra.csv"]).expect(2);
    // An edit, declined at its count: the batch is as it was.
    site.write("queda.csv", rows(3..=40));
    run(&["import", "queda.csv", "--continue"]).expect(2);
    let told = run(&["status", "--json"]).expect(0).json();
    assert_eq!(
        (&told["outbox"]["counts"]["opened"], &told["outbox"]["counts"]["total"]),
        (&4.into(), &4.into())
    );
    assert_eq!(told["halted"], serde_json::json!([]));
    assert_eq!(tickets(&site), (4, 0));
}

/// Every import of a name that is used each week read all rows that ever came under it.
#[tokio::test]
async fn of_a_name_that_is_used_for_long_only_what_came_lately_or_is_the_same_is_compared() {
    use sqlx::Executor;
    let site = Site::new("");
    let database = Database::fresh().await;
    let enqueue = |more: &[&str]| site.run_at(&database.url(), &[&["enqueue", "queda.csv"], more].concat());
    site.write("queda.csv", rows(1..=4));
    let first = enqueue(&["--json"]).expect(0).json()["batch"].clone();
    let aged = |days: u32| {
        format!(
            "UPDATE mutirao.source SET imported_at = imported_at - interval '{days} days';
             UPDATE mutirao.outbox SET created_at = created_at - interval '{days} days'"
        )
    };
    let mut sql = database.connect().await;
    sql.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(aged(2)))).await.unwrap();
    site.write("queda.csv", rows(1..=5));
    assert!(enqueue(&[]).expect(2).stderr.contains("still the same outage"));
    sql.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(aged(30)))).await.unwrap();
    let second = enqueue(&["--json"]).expect(0).json()["batch"].clone();
    assert_ne!(first, second);
    site.write("queda.csv", rows(1..=4));
    let asked = enqueue(&[]).expect(2).stderr;
    assert!(asked.contains("batch `queda-"), "{asked}");
}
