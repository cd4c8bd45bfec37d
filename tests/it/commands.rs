//! What the commands after an import say and leave behind, with the real binary.

use std::fmt::Write;
use std::time::{Duration, Instant};

use mutirao::sandbox::Audit;
use rustix::process::Signal;

use crate::support::site::{Ended, Site};

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

fn rows(n_rows: u32) -> String {
    let mut text = HEADER.to_owned();
    for n in 1..=n_rows {
        writeln!(text, "{};Sem conexão na rua {n};Cliente {n};(37) 99911-{n:04}", 11_000 + n).unwrap();
    }
    text
}

/// Waits until the sandbox has seen what `is_there` looks for.
fn wait_until(site: &Site, is_there: impl Fn(&Audit) -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_there(&site.audit()) {
        assert!(Instant::now() < patience, "{:?}", site.audit());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many rows of the results are in each state, as `3 opened, 1 pending`.
fn states(site: &Site) -> String {
    let mut states: Vec<_> =
        site.table("queda.mutirao/results.csv").iter().map(|it| it["state"].clone()).collect();
    states.sort();
    let counted = states.chunk_by(|one, other| one == other).map(|it| format!("{} {}", it.len(), it[0]));
    counted.collect::<Vec<_>>().join(", ")
}

/// The commands that stand in backticks in what was said.
fn commands(ended: &Ended) -> Vec<String> {
    let quoted = ended.stderr.split('`').skip(1).step_by(2);
    quoted.filter(|it| it.starts_with("mutirao ")).map(str::to_owned).collect()
}

/// An import of 40 rows that was stopped after some.
fn stopped(site: &Site) {
    site.write("queda.csv", rows(40));
    let started = site.start_until(&["import", "queda.csv", "--yes", "--rate", "20/s"], "opening");
    wait_until(site, |it| 3 <= it.tickets);
    assert_eq!(started.end_by(Signal::INT), Some(130));
}

/// An import of one row whose answer was lost, stopped while look-ups fail.
fn left_in_doubt(site: &Site) {
    site.write("queda.csv", rows(1));
    let started = site.start_until(&["import", "queda.csv", "--rate", "unlimited"], "opening");
    wait_until(site, |it| 1 <= it.requests_of("look_up"));
    assert_eq!(started.end_by(Signal::INT), Some(130));
}

#[test]
fn errors_csv_holds_no_row_that_only_had_not_had_its_turn() {
    let site = Site::new("latency=20ms");
    stopped(&site);
    assert_eq!(site.read("queda.mutirao/errors.csv").lines().count(), 1, "nothing is wrong with any row");
}

#[test]
fn a_row_in_doubt_is_not_shown_as_one_without_a_ticket() {
    let site = Site::new("reset_after=1,look_up_failure=1");
    left_in_doubt(&site);
    let row = &site.table("queda.mutirao/results.csv")[0];
    assert_eq!((row["state"].as_str(), row["error_code"].as_str()), ("in_doubt", "reset"), "{row:?}");
    assert!(row["error_message"].contains("do not open it by hand"), "{row:?}");
    assert_eq!(site.read("queda.mutirao/errors.csv").lines().count(), 1, "it is not to be opened by hand");
    let summary: serde_json::Value = serde_json::from_str(&site.read("queda.mutirao/summary.json")).unwrap();
    assert_eq!((&summary["counts"]["in_doubt"], &summary["counts"]["pending"]), (&1.into(), &0.into()));
}

#[test]
fn a_halt_names_the_commands_that_work() {
    let site = Site::new("");
    site.write("queda.csv", rows(8));
    let args = ["import", "queda.csv", "--rate", "unlimited", "--set", "id_tipo_atendimento=101"];
    let halted = site.run(&args).expect(6);
    let flags = "--rate unlimited --set id_tipo_atendimento=101";
    assert_eq!(
        commands(&halted),
        [
            format!("mutirao import queda.mutirao/errors.csv {flags}"),
            "mutirao retry queda.mutirao".to_owned(),
            format!("mutirao import queda.csv {flags}"),
        ],
        "{}",
        halted.stderr
    );
    let retried = site.run(&["retry", "queda.mutirao"]).expect(0);
    assert!(retried.stderr.contains("5 rows are pending again"), "{}", retried.stderr);
    assert_eq!(states(&site), "8 pending");

    let stopped = site.run(&[
        "import",
        "queda.csv",
        "--rate",
        "unlimited",
        "--set",
        "id_tipo_atendimento=101",
        "--max-errors",
        "1",
    ]);
    assert!(commands(&stopped.expect(6)).contains(&"mutirao retry queda.mutirao".to_owned()));
}

#[test]
fn results_tell_the_truth_after_cancel_and_retry() {
    let site = Site::new("latency=20ms");
    stopped(&site);
    site.run(&["cancel", "queda"]).expect(0);
    let n_opened = site.audit().tickets;
    assert_eq!(states(&site), format!("{} cancelled, {n_opened} opened", 40 - n_opened));
    assert_eq!(site.read("queda.mutirao/errors.csv").lines().count(), 1, "a person wanted it so");
    site.run(&["retry", "queda", "--state", "cancelled"]).expect(0);
    assert_eq!(states(&site), format!("{n_opened} opened, {} pending", 40 - n_opened));
}

#[test]
fn exit_9_names_the_process() {
    let site = Site::new("latency=20ms");
    site.write("queda.csv", rows(40));
    let args = ["import", "queda.csv", "--yes", "--rate", "5/s"];
    let started = site.start_until(&args, "opening");
    let busy = site.run(&args).expect(9);
    assert!(busy.stderr.contains(&format!("(pid {})", started.pid())), "{}", busy.stderr);
}

#[test]
fn a_batch_without_a_name_is_refused() {
    let site = Site::new("");
    site.write("queda.csv", rows(1));
    for name in ["", "  "] {
        let refused = site.run(&["import", "queda.csv", "--batch", name]).expect(2);
        assert!(refused.stderr.contains("a batch needs a name"), "{}", refused.stderr);
    }
    assert_eq!(site.audit().tickets, 0);
}
