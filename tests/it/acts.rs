//! What persons had done is kept with the batch, on both outboxes: the latest, until it is purged.

use jiff::{SignedDuration, Timestamp};
use mutirao::outbox::{Act, Address, AnyOutbox, By, Deed, Way};

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
