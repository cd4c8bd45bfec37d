//! What persons had done is kept with the batch, on both outboxes: the latest, until it is purged.

use jiff::{SignedDuration, Timestamp};
use mutirao::outbox::{Act, Address, AnyOutbox, By, Deed, Way};

use serde_json::json;

use crate::support::postgres::Database;
use crate::support::site::Site;

/// Of a batch that are kept.
const ACTS_MAX: usize = 200;

async fn acts(outbox: &AnyOutbox, batch: &str) -> Vec<Act> {
    outbox.reader().acts(batch, 10_000).await.unwrap()
}

async fn check(url: &str) {
    let outbox = Address::of_url(url).unwrap().open().await.unwrap();
    let begun = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
        - SignedDuration::from_hours(9);
    let at = |n: u64| begun + SignedDuration::from_secs(n as i64);
    let ana = By { who: "ana", way: Way::Page };
    let (batch, n_acts) = (Some("norte"), ACTS_MAX as u64 + 5);
    outbox
        .note_act(Some("sul"), By { who: "bia", way: Way::Terminal }, Deed::Cancel, 7, at(0))
        .await
        .unwrap();
    for n in 0..n_acts {
        outbox.note_act(batch, ana, Deed::Retry, n, at(n)).await.unwrap();
    }
    outbox.note_act(None, ana, Deed::Pause, 0, at(n_acts)).await.unwrap();

    // The latest first; what was done with all of the outbox was done with each batch.
    let pause = Act { at: at(n_acts), who: "ana".into(), way: Way::Page, deed: Deed::Pause, n_rows: 0 };
    let found = acts(&outbox, "norte").await;
    assert_eq!(found.len(), ACTS_MAX + 1);
    assert_eq!(found[0], pause);
    let retries: Vec<_> = found[1..].iter().map(|act| (act.deed, act.n_rows)).collect();
    let expected: Vec<_> = (5..n_acts).rev().map(|n| (Deed::Retry, n)).collect();
    assert_eq!(retries, expected);
    let cancel = Act { at: at(0), who: "bia".into(), way: Way::Terminal, deed: Deed::Cancel, n_rows: 7 };
    assert_eq!(acts(&outbox, "sul").await, [pause, cancel], "others' acts drive none away");
    assert_eq!(outbox.reader().acts("norte", 3).await.unwrap().len(), 3);

    // Of each batch that is asked for, who imported it last.
    for (who, batch, n_rows) in
        [("ana", "norte", 2), ("bia", "norte", 3), ("ana", "sul", 4), ("ana", "leste", 5)]
    {
        let by = By { who, way: Way::Page };
        outbox.note_act(Some(batch), by, Deed::Import, n_rows, at(0)).await.unwrap();
    }
    let asked = ["norte", "oeste", "sul"].map(str::to_owned);
    let imports = outbox.reader().latest_imports(&asked).await.unwrap();
    let imports: Vec<_> = imports.iter().map(|(batch, act)| (&**batch, &*act.who, act.n_rows)).collect();
    assert_eq!(imports, [("norte", "bia", 3), ("sul", "ana", 4)]);

    // With what rows say of people it goes who had them opened.
    outbox.purge(None, at(n_acts), Timestamp::now()).await.unwrap();
    assert_eq!(acts(&outbox, "norte").await.len(), 1, "what is younger stays");
    outbox.purge(None, Timestamp::now(), Timestamp::now()).await.unwrap();
    assert_eq!(acts(&outbox, "norte").await, []);
    outbox.close().await.unwrap();
}

#[tokio::test]
async fn a_file_keeps_the_latest_acts() {
    let site = Site::new("");
    check(&format!("sqlite:{}", site.path("box.db").display())).await;
}

#[tokio::test]
async fn a_database_keeps_the_latest_acts() {
    let database = Database::fresh().await;
    check(&database.url()).await;
}

#[test]
fn status_tells_of_the_batch_that_is_named_who_had_what_done_with_it() {
    let site = Site::new("");
    let rows = (1..=3).map(|n| format!("{};Sem sinal;Ana;37999112{n:03}\n", 11000 + n)).collect::<String>();
    site.write("queda.csv", format!("id_cliente_servico;descricao;nome;telefone\n{rows}"));
    site.run(&["import", "queda.csv", "--sample", "1", "--rate", "unlimited"]).expect(0);
    site.run(&["cancel", "queda"]).expect(0);

    let batch = site.run(&["status", "queda", "--json"]).expect(0).json()["batches"][0].take();
    let acts = batch["acts"].as_array().unwrap();
    let done = |n: usize| (&acts[n]["deed"], &acts[n]["n_rows"], &acts[n]["way"]);
    assert_eq!(done(0), (&json!("cancel"), &json!(2), &json!("terminal")));
    assert_eq!(done(1), (&json!("import"), &json!(1), &json!("terminal")));
    assert_eq!(acts.len(), 2);
    // Of one that is not named there are no more words than before.
    assert!(!site.run(&["status"]).expect(0).stdout.contains("cancelled 2"));
    assert!(site.run(&["status", "--json"]).expect(0).json()["batches"][0].get("acts").is_none());

    for _ in 0..4 {
        site.run(&["retry", "queda"]).expect(0);
    }
    let told = ["C", "pt_BR.UTF-8"].map(|lang| {
        let mut status = site.command(&["status", "queda"]);
        String::from_utf8(status.env("LANG", lang).output().unwrap().stdout).unwrap()
    });
    insta::with_settings!({filters => [
        (r"(\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4}) \d\d:\d\d:\d\d", "[when]"),
        (r"(?m)^  \[when\]: `[^`]*`", "  [when]: `[who]`"),
    ]}, { insta::assert_snapshot!(told.join("\n"), @r"
        queda: 1 of 3 opened, 2 cancelled
          [when]: `[who]` had 0 rows tried again (at the terminal)
          [when]: `[who]` had 0 rows tried again (at the terminal)
          [when]: `[who]` had 0 rows tried again (at the terminal)
          [when]: `[who]` had 0 rows tried again (at the terminal)
          [when]: `[who]` cancelled 2 rows (at the terminal)

        queda: 1 de 3 abertas, 2 canceladas
          [when]: `[who]` mandou tentar de novo 0 linhas (no terminal)
          [when]: `[who]` mandou tentar de novo 0 linhas (no terminal)
          [when]: `[who]` mandou tentar de novo 0 linhas (no terminal)
          [when]: `[who]` mandou tentar de novo 0 linhas (no terminal)
          [when]: `[who]` cancelou 2 linhas (no terminal)
        ") });
}
