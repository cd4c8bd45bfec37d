//! The sandbox in the process remembers what it opened, from one command to the next.

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::site::Site;

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

fn rows(n_rows: u32) -> String {
    let mut text = HEADER.to_owned();
    for n in 1..=n_rows {
        writeln!(text, "{};Sem conexão na rua {n};Cliente {n};(37) 99911-{n:04}", 11_000 + n).unwrap();
    }
    text
}

/// The one work folder of the site.
fn folder(site: &Site) -> PathBuf {
    let mut all = fs::read_dir(site.path("")).unwrap().map(|it| it.unwrap().path());
    all.find(|it| it.extension().is_some_and(|it| it == "mutirao")).expect("a work folder")
}

/// A file of the work folder, as an argument.
fn in_folder(site: &Site, name: &str) -> String {
    folder(site).join(name).to_str().unwrap().to_owned()
}

fn book(site: &Site) -> String {
    fs::read_to_string(folder(site).join("sandbox.jsonl")).unwrap_or_default()
}

/// The tickets of the book, and how many different markers they carry.
fn tickets(site: &Site) -> (usize, usize) {
    let book = book(site);
    let marker = |line: &str| line.rsplit_once("[ref ").map(|(_, rest)| rest[..12].to_owned());
    (book.lines().count(), book.lines().filter_map(marker).collect::<HashSet<_>>().len())
}

/// What the summary counts as opened.
fn opened(json: &serde_json::Value) -> u64 {
    json["counts"]["opened"].as_u64().unwrap()
}

#[test]
fn an_import_that_was_stopped_and_repeated_finds_its_tickets_again() {
    let site = Site::new("");
    site.write("queda.csv", rows(60));
    let started = site.start_until(&["import", "queda.csv", "--sandbox", "--rate", "20/s"], "opening");
    assert_eq!(started.end_by(Signal::INT), Some(130));
    let json =
        site.run(&["import", "queda.csv", "--sandbox", "--rate", "unlimited", "--json"]).expect(0).json();
    assert_eq!(opened(&json), 60);
    assert_eq!(tickets(&site), (60, 60));
    let mode = fs::metadata(folder(&site).join("sandbox.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_import_that_was_killed_and_repeated_finds_its_tickets_again() {
    let site = Site::new("");
    site.write("queda.csv", rows(60));
    let started = site.start_until(&["import", "queda.csv", "--sandbox", "--rate", "30/s"], "opening");
    let patience = Instant::now() + Duration::from_secs(60);
    while book(&site).lines().count() < 10 {
        assert!(Instant::now() < patience, "no ticket comes into the book");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(started.end_by(Signal::KILL), None);
    let args = ["import", "queda.csv", "--sandbox", "--rate", "unlimited", "--settle-delay", "1s", "--json"];
    assert_eq!(opened(&site.run(&args).expect(0).json()), 60);
    assert_eq!(tickets(&site), (60, 60));
}

#[test]
fn the_rest_after_a_sample_gets_numbers_of_its_own() {
    let site = Site::new("");
    site.write("queda.csv", rows(9));
    let args = ["import", "queda.csv", "--sandbox", "--rate", "unlimited", "--json"];
    site.run(&[&args[..], &["--sample", "4"]].concat()).expect(0);
    assert_eq!(opened(&site.run(&args).expect(0).json()), 9);
    let results = fs::read_to_string(in_folder(&site, "results.csv")).unwrap();
    let protocolos: HashSet<_> = results.lines().skip(1).filter_map(|it| it.split(';').nth(8)).collect();
    assert_eq!((protocolos.len(), tickets(&site)), (9, (9, 9)), "{results}");
}

#[test]
fn a_corrected_errors_csv_is_opened_in_the_sandbox() {
    let site = Site::new("");
    site.write("queda.csv", rows(5).replace("(37) 99911-0003", "99911-0003"));
    site.run(&["import", "queda.csv", "--sandbox", "--rate", "unlimited"]).expect(3);
    let errors = in_folder(&site, "errors.csv");
    let fixed = fs::read_to_string(&errors).unwrap().replace(";99911-0003", ";(37) 99911-0003");
    fs::write(&errors, fixed).unwrap();
    site.run(&["import", &errors, "--sandbox", "--rate", "unlimited"]).expect(0);
    assert_eq!(tickets(&site), (5, 5));
}
