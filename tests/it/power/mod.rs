//! Power cuts: a run of the real binary is recorded, cut off at any step, and its disk laid out as it could
//! be then. `MUTIRAO_POWER_CUTS` says how many cuts are tried, `MUTIRAO_POWER_SEED` which.

mod damage;
mod disk;
mod promise;
mod record;
mod wire;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::Path;

use fastrand::Rng;
use tempfile::TempDir;

use crate::support::site::Site;
use disk::{Disk, Left, lay};
use promise::{Row, World, broken, rows, torn};
use record::{Record, Step, marker_in, record};

const N_ROWS: usize = 200;
const CUTS: usize = 1_000;

/// What people read.
const FILES: [&str; 7] = [
    "results.csv",
    "results.xlsx",
    "errors.csv",
    "problems.csv",
    "problems.xlsx",
    "report.html",
    "summary.json",
];

/// What is done to a record so that the check must see it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sabotage {
    /// `synchronous = OFF`, or `NORMAL`: commits wait for nothing.
    CommitsWaitForNothing,
    /// What was claimed is sent while its commit is on its way to the disk.
    SentBeforeTheClaim,
    FoldersAreNotSynced,
    ResultsAreNotSynced,
}

impl Sabotage {
    fn of(self, record: &Record) -> Record {
        let is_hit = |path: &Path| {
            let name = path.to_str().unwrap();
            match self {
                Self::CommitsWaitForNothing | Self::SentBeforeTheClaim => name.ends_with("-wal"),
                Self::FoldersAreNotSynced => !name.contains("outbox.db") && !name.ends_with(".tmp"),
                Self::ResultsAreNotSynced => name.ends_with(".tmp"),
            }
        };
        let first_post = record.first_post();
        let is_late = matches!(self, Self::SentBeforeTheClaim | Self::ResultsAreNotSynced);
        let (mut hit, mut done) = (Vec::new(), Vec::new());
        for (n, step) in record.steps.iter().enumerate() {
            match step {
                _ if is_late && n < first_post => done.push(step.clone()),
                // What was told must not be all that shows it.
                Step::Said(_) if self == Self::SentBeforeTheClaim => {}
                Step::SyncBegins { op, path, .. } if is_hit(path) => hit.push(*op),
                Step::SyncEnds { op } if hit.contains(op) => {}
                _ => done.push(step.clone()),
            }
        }
        Record { root: record.root.clone(), before: record.before.clone(), steps: done }
    }
}

/// All texts are as long: who saw a ticket of ours sees that there is none of another.
fn sheet(n_rows: usize) -> String {
    let mut text = "id_cliente_servico;descricao;nome;telefone\n".to_owned();
    for n in 1..=n_rows {
        writeln!(text, "{};Sem conexão na rua {n:04};Cliente {n};(37) 99911-{n:04}", 11_000 + n).unwrap();
    }
    text
}

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// In memory, where there is such a folder: a thousand disks are laid out.
fn somewhere() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A recorded import with refusals and lost answers, and how its rows stood at the end.
async fn recorded() -> (Record, BTreeMap<i64, Row>) {
    let site = Site::new("seed=7,services_max=11190,reset_after=0.03");
    site.write("queda.csv", sheet(N_ROWS));
    let args = ["import", "queda.csv", "--yes", "-v", "--rate", "unlimited", "--settle-delay", "1s"];
    let (ended, record) = record(&site, site.command(&args));
    let ended = ended.expect(3);
    assert!(ended.stderr.contains("results: "), "{}", ended.stderr);
    let end = rows(&site.path("queda.mutirao/outbox.db")).await.unwrap();
    let n_with = |state: &str| end.values().filter(|row| row.state == state).count();
    assert!(0 < n_with("rejected") && n_with("opened") + n_with("rejected") == N_ROWS, "{}", ended.stderr);
    assert!(site.audit().duplicates.is_empty(), "no ticket was opened twice to begin with");
    (record, end)
}

/// Cuts the run off at `n_cuts` steps, the last one among them, and returns the first thing that is broken.
async fn cut(record: &Record, end: &BTreeMap<i64, Row>, n_cuts: usize, seed: u64) -> Result<(), String> {
    let Record { root, steps, .. } = record;
    let mut rng = Rng::with_seed(seed);
    let mut at: Vec<usize> = (1..n_cuts).map(|_| rng.usize(..=steps.len())).collect();
    at.push(steps.len());
    at.sort_unstable();
    let (mut disk, mut world) = (Disk::new(record), World::default());
    let mut n_taken = 0;
    for (n, at) in at.into_iter().enumerate() {
        for step in &steps[n_taken..at] {
            disk.take(step);
            world.take(step);
        }
        n_taken = at;
        let left = match n % 5 {
            0 => Left::Nothing,
            1 => Left::All,
            _ => Left::Any,
        };
        let left = if at == steps.len() { Left::Nothing } else { left };
        let image = disk.image(left, &mut rng);
        let folder = somewhere();
        lay(&image, root, folder.path());
        let told = |what: String| Err(format!("seed {seed}, step {at} of {}, {left:?}: {what}", steps.len()));
        if let Some(what) = broken(&folder.path().join("queda.mutirao/outbox.db"), &world, end).await {
            return told(what);
        }
        if let Some(path) = torn(&image, &disk.published, &FILES) {
            return told(format!("{} is not whole", path.display()));
        }
        // What a person was told is written has been written.
        let results = root.join("queda.mutirao/results.csv");
        if world.said.contains("results: ") && !image.contains_key(&results) {
            return told("the results are gone".to_owned());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_power_cut_at_any_step_loses_no_row_and_opens_none_twice() {
    if !record::is_possible() {
        return;
    }
    let (record, end) = recorded().await;
    let n_cuts = number("MUTIRAO_POWER_CUTS", CUTS);
    let seed = number("MUTIRAO_POWER_SEED", fastrand::usize(..1 << 32)) as u64;
    let started = std::time::Instant::now();
    if let Err(what) = cut(&record, &end, n_cuts, seed).await {
        panic!("{what}");
    }
    println!("{n_cuts} cuts of {} steps in {:?}", record.steps.len(), started.elapsed());
    for (sabotage, seen_as) in [
        // These in many ways: no outbox, none that opens, no rows, rows as they were before.
        (Sabotage::CommitsWaitForNothing, "step"),
        (Sabotage::FoldersAreNotSynced, "step"),
        (Sabotage::SentBeforeTheClaim, "was posted"),
        (Sabotage::ResultsAreNotSynced, "is not whole"),
    ] {
        let seen = cut(&sabotage.of(&record), &end, 100, seed).await.err().unwrap_or_default();
        assert!(seen.contains(seen_as), "{sabotage:?} is seen as `{seen}`");
    }
}

/// Whatever is left of a template that was begun.
#[test]
fn a_template_is_there_whole_or_not_at_all() {
    if !record::is_possible() {
        return;
    }
    let site = Site::new("");
    let (ended, record) = record(&site, site.command(&["template", "modelo.csv"]));
    ended.expect(0);
    let path = record.root.join("modelo.csv");
    let whole = std::fs::read(&path).unwrap();
    let (mut disk, mut rng) = (Disk::new(&record), Rng::new());
    for step in &record.steps {
        disk.take(step);
        for left in [Left::Nothing, Left::Any, Left::Any, Left::All] {
            let found = disk.image(left, &mut rng).remove(&path);
            assert!(found.is_none_or(|found| found == whole), "{left:?} of what was not synced");
        }
    }
    assert_eq!(disk.image(Left::Nothing, &mut rng).remove(&path), Some(whole));
}

/// The same command, repeated after a power cut, in a sandbox that had opened what had reached it.
#[test]
fn the_same_command_goes_on_after_a_power_cut() {
    const N_ROWS: usize = 60;
    if !record::is_possible() {
        return;
    }
    let site = Site::new("");
    site.write("queda.csv", sheet(N_ROWS));
    let args = ["import", "queda.csv", "--sandbox", "--rate", "unlimited"];
    let (ended, record) = record(&site, site.command(&args));
    ended.expect(0);
    let book = site.read("queda.sandbox.mutirao/sandbox.jsonl");
    let first_post = record.first_post();
    let mut rng = Rng::new();
    let mut at: Vec<usize> = (0..8).map(|_| rng.usize(first_post..record.steps.len())).collect();
    at.extend([rng.usize(..first_post), rng.usize(..first_post)]);
    at.sort_unstable();
    let (mut disk, mut world) = (Disk::new(&record), World::default());
    let mut n_taken = 0;
    std::thread::scope(|scope| {
        for at in at {
            for step in &record.steps[n_taken..at] {
                disk.take(step);
                world.take(step);
            }
            n_taken = at;
            let mut image = disk.image(Left::Any, &mut rng);
            // HubSoft has a disk of its own, and what was on its way may still reach it.
            let path = record.root.join("queda.sandbox.mutirao/sandbox.jsonl");
            let booked = disk.image(Left::All, &mut rng).remove(&path).unwrap_or_default();
            let booked = String::from_utf8(booked).unwrap();
            let on_its_way = |line: &&str| {
                let is_sent = world.posts.contains_key(&marker_in(line.as_bytes()).unwrap());
                is_sent && !booked.contains(*line) && rng.bool()
            };
            let late: String = book.split_inclusive('\n').filter(on_its_way).collect();
            let opened = booked.clone() + &late;
            if !opened.is_empty() {
                image.insert(path, opened.into_bytes());
            }
            let root = &record.root;
            scope.spawn(move || {
                let site = Site::new("");
                lay(&image, root, &site.path(""));
                let again = [&args[..], &["--settle-delay", "1s", "--json"]].concat();
                let json = site.run(&again).expect(0).json();
                assert_eq!(json["counts"]["opened"], N_ROWS, "cut at {at}");
                let book = site.read("queda.sandbox.mutirao/sandbox.jsonl");
                let markers: HashSet<_> =
                    book.lines().map(|line| marker_in(line.as_bytes()).unwrap()).collect();
                assert_eq!((book.lines().count(), markers.len()), (N_ROWS, N_ROWS), "cut at {at}");
            });
        }
    });
}
