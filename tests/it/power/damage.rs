//! Damaged outboxes: noticed before anything is sent, and what can be read of them is saved.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mutirao::outbox::{OpenError, SqliteOutbox, sqlite};

use super::promise::{Row, rows};
use super::sheet;
use crate::support::site::Site;

const N_ROWS: usize = 600;
const PAGE_LEN: usize = 8 << 10;
const OUTBOX: &str = "queda.sandbox.mutirao/outbox.db";

/// What becomes of the bytes of an outbox.
type Damage = fn(&mut Vec<u8>, usize);

/// By page, from 0.
const DAMAGES: [(&str, Damage); 4] = [
    ("zeros", |bytes, page| bytes[page * PAGE_LEN..(page + 1) * PAGE_LEN].fill(0)),
    ("bits that flipped in its head", |bytes, page| {
        let at = page * PAGE_LEN + if page == 0 { 100 } else { 0 };
        bytes[at..at + 8].iter_mut().for_each(|byte| *byte ^= 0b101);
    }),
    ("another page in its place", |bytes, page| {
        let n_pages = bytes.len() / PAGE_LEN;
        let other = (page + n_pages / 2) % n_pages;
        bytes.copy_within(other * PAGE_LEN..(other + 1) * PAGE_LEN, page * PAGE_LEN);
    }),
    ("nothing from it on", |bytes, page| bytes.truncate(page * PAGE_LEN)),
];

/// A site with an outbox of which half the rows are open, and what stands in it.
async fn half_open() -> (Site, Vec<u8>, BTreeMap<i64, Row>) {
    let site = Site::new("");
    site.write("queda.csv", sheet(N_ROWS));
    let args = ["import", "queda.csv", "--sandbox", "--rate", "unlimited", "--sample", "300"];
    site.run(&args).expect(0);
    let rows = rows(&site.path(OUTBOX)).await.unwrap();
    let bytes = fs::read(site.path(OUTBOX)).unwrap();
    (site, bytes, rows)
}

#[tokio::test]
async fn a_damaged_page_is_noticed_wherever_it_is_and_the_others_are_saved() {
    let (_site, bytes, whole) = half_open().await;
    let (mut n_seen, mut n_saved) = (0, 0);
    for page in 0..bytes.len() / PAGE_LEN {
        for (what, damage) in DAMAGES {
            let folder = super::somewhere();
            let path = folder.path().join("outbox.db");
            let mut damaged = bytes.clone();
            damage(&mut damaged, page);
            if damaged == bytes {
                continue;
            }
            fs::write(&path, &damaged).unwrap();
            match SqliteOutbox::open(&path).await {
                Err(OpenError::Damaged { .. }) => n_seen += 1,
                Err(error) => panic!("{what} at page {page}: {error:?}"),
                // In pages that nothing stands in.
                Ok(outbox) => {
                    outbox.close().await.unwrap();
                    assert_eq!(rows(&path).await.unwrap(), whole, "{what} at page {page}");
                    continue;
                }
            }
            assert_eq!(fs::read(&path).unwrap(), damaged, "{what} at page {page}: it stays as it is");
            n_saved += saved(folder.path(), &path, &whole, &format!("{what} at page {page}")).await;
        }
    }
    let n_pages = bytes.len() / PAGE_LEN;
    println!("{n_pages} pages: {n_seen} damages, of which {n_saved} rows of {} were saved", n_seen * N_ROWS);
    assert!(n_pages * 3 < n_seen && n_seen * N_ROWS / 2 < n_saved, "{n_pages} pages: {n_seen}, {n_saved}");
}

/// How many rows were saved. Each is as it was.
async fn saved(folder: &Path, path: &Path, whole: &BTreeMap<i64, Row>, what: &str) -> usize {
    let fresh = folder.join("fresh.db");
    // Without its first pages nothing is known of any other.
    let Ok(lost) = sqlite::salvage(path, &fresh).await else { return 0 };
    let saved = rows(&fresh).await.unwrap();
    for (id, row) in &saved {
        assert_eq!(Some(row), whole.get(id), "{what}");
    }
    if !saved.is_empty() {
        assert_eq!(saved.len() as u64 + lost.n_rows, N_ROWS as u64, "{what}: {lost:?}");
    }
    saved.len()
}

#[tokio::test]
async fn nothing_is_sent_from_a_damaged_outbox_and_export_writes_what_can_be_read() {
    let (site, bytes, whole) = half_open().await;
    let book = site.read("queda.sandbox.mutirao/sandbox.jsonl");
    let protocolos: Vec<&str> = whole.values().filter_map(|row| row.protocolo.as_deref()).collect();
    let (_, zeros) = DAMAGES[0];
    let last = bytes.len() / PAGE_LEN - 1;
    // The last page has rows; without the first nothing can be read.
    for (page, is_saved) in [(last, true), (0, false)] {
        let mut damaged = bytes.clone();
        zeros(&mut damaged, page);
        fs::write(site.path(OUTBOX), &damaged).unwrap();
        let import = site.run(&["import", "queda.csv", "--sandbox"]).expect(1);
        assert!(import.stderr.contains("is damaged ("), "{}", import.stderr);
        assert!(import.stderr.contains("keep its folder as it is; `mutirao export"), "{}", import.stderr);
        let export = site.run(&["export", "queda.csv", "-o", "saved"]).expect(1);
        assert_eq!(fs::read(site.path(OUTBOX)).unwrap(), damaged, "it stays as it is");
        assert_eq!(site.read("queda.sandbox.mutirao/sandbox.jsonl"), book, "nothing was sent");
        if is_saved {
            let table = site.table("saved/results.csv");
            let n_lost = N_ROWS - table.len();
            let said = format!("{n_lost} of {N_ROWS} rows could not be read");
            assert!(export.stderr.contains(&said), "{said}: {}", export.stderr);
            let known =
                |row: &&std::collections::HashMap<String, String>| protocolos.contains(&&*row["protocolo"]);
            let n_open = table.iter().filter(|row| row["state"] == "opened").count();
            assert!(0 < n_open && n_open == table.iter().filter(known).count());
            fs::remove_dir_all(site.path("saved")).unwrap();
        } else {
            assert!(export.stderr.contains("is damaged ("), "{}", export.stderr);
            assert!(!site.path("saved/results.csv").exists());
        }
    }
    // Whoever was told nothing of it would open all of it again.
    fs::write(site.path(OUTBOX), "").unwrap();
    let empty =
        site.command(&["import", "queda.csv", "--sandbox"]).env("LANG", "pt_BR.UTF-8").output().unwrap();
    let said = String::from_utf8(empty.stderr).unwrap();
    assert!(empty.status.code() == Some(1) && said.contains("está danificado (está vazio)"), "{said}");
}
