//! What the samples say is so: metrics, alerts, units.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use rustix::process::Signal;

use super::{answering, get, sample, until_ready_is};
use crate::support::postgres::Database;
use crate::support::site::Site;

#[tokio::test]
async fn every_metric_of_the_samples_is_told() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (worker, at) = answering(site.command(&["worker", "--database-url", &database.url()]));
    until_ready_is(at, 200);
    let metrics = get(at, "/metrics").unwrap().1;
    for line in ["mutirao_held_back{reason=\"rate\"} 0", "mutirao_in_flight_limit 4"] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
    let told = names(&metrics);
    for file in ["alerts.yml", "grafana-dashboard.json"] {
        for word in sample(file).split(|it: char| !it.is_ascii_alphanumeric() && it != '_') {
            if word.starts_with("mutirao_") {
                assert!(told.contains(word), "{file} uses `{word}`; told are {told:?}");
            }
        }
    }
    assert_eq!(worker.end_by(Signal::TERM), Some(0));
}

#[derive(serde::Deserialize)]
struct Alerts {
    groups: Vec<Group>,
}

#[derive(serde::Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(serde::Deserialize)]
struct Rule {
    alert: String,
    expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let alerts: Alerts = serde_saphyr::from_str(&sample("alerts.yml")).unwrap();
    let runbook = include_str!("../../../docs/runbook.md");
    let headings: BTreeSet<String> =
        runbook.lines().filter_map(|it| it.strip_prefix("### ")).map(str::to_lowercase).collect();
    let mut named = BTreeSet::new();
    for rule in alerts.groups.iter().flat_map(|it| &it.rules) {
        assert!(rule.expr.contains("mutirao_"), "{}", rule.alert);
        assert!(["page", "ticket"].contains(&&*rule.labels["severity"]), "{}", rule.alert);
        assert!(!rule.annotations["summary"].is_empty(), "{}", rule.alert);
        let (file, anchor) = rule.annotations["runbook"].split_once('#').unwrap();
        assert_eq!((file, anchor), ("docs/runbook.md", &*rule.alert.to_lowercase()));
        named.insert(anchor.to_owned());
    }
    assert_eq!(named, headings, "each alert stands in the runbook, and nothing else does");
}

#[test]
fn every_panel_of_the_dashboard_asks_something() {
    let dashboard: serde_json::Value = serde_json::from_str(&sample("grafana-dashboard.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().unwrap();
        assert!(
            !targets.is_empty() && targets.iter().all(|it| it["expr"].as_str().unwrap().contains("mutirao_"))
        );
    }
}

/// The names of the samples of a text in Prometheus's format, every line of which must be right.
fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            assert!(comment.starts_with("HELP mutirao_") || comment.starts_with("TYPE mutirao_"), "{line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value == "+Inf" || value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(labels.ends_with('}') && labels.matches('"').count() % 2 == 0, "{line}");
        names.insert(name.to_owned());
    }
    names
}

#[test]
fn the_units_are_right_and_shut_in() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("skipped: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let units = ["mutirao.service", "mutirao-web.service", "mutirao-drain.service", "mutirao-drain.timer"];
    let paths = units.map(|name| {
        let path = folder.path().join(name);
        let text = sample(name).replace("/usr/local/bin/mutirao", env!("CARGO_BIN_EXE_mutirao"));
        assert!(name.ends_with(".timer") || text.lines().any(|it| it == "LimitCORE=0"), "{name}");
        let is_manual = |line: &&str| line.starts_with("Documentation=man:");
        let lines = text.lines().filter(|line| !is_manual(line)).map(|line| format!("{line}\n"));
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        path
    });
    let analyze = |args: &[&str], paths: &[std::path::PathBuf]| {
        let output = Command::new("systemd-analyze").args(args).args(paths).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    };
    analyze(&["verify", "--man=no"], &paths);
    analyze(&["security", "--offline=true", "--threshold=20"], &paths[..3]);
}
