//! The figures of docs/figures.md: `cargo bench --bench figures -- [memory] [check] [cpu] [busy] [pace]
//! [report]`.
//!
//! Input is generated, the server is another process (`mutirao sandbox`, no latency unless said), the
//! outbox is durable as always. Prints figures and ratios and asserts nothing: machines differ. CPU is
//! user and system time of the process as the kernel counts it, peak memory is its `VmHWM`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{MUTIRAO, Server, Spacing, Usage, import_command, oha, run, spreadsheet, summary};

mod support;

fn main() {
    // `cargo bench` adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the input");
    let bench = Bench { folder: folder.path().to_owned() };
    for (name, run) in [
        ("check", Bench::check as fn(&Bench)),
        ("memory", Bench::memory),
        ("cpu", Bench::cpu),
        ("busy", Bench::busy),
        ("pace", Bench::pace),
        ("report", Bench::report),
    ] {
        if wanted(name) {
            println!("== {name}");
            run(&bench);
        }
    }
}

const N_ROUNDS: u32 = 5;

struct Bench {
    folder: PathBuf,
}

impl Bench {
    /// `check` against a bare loop of the csv crate over all fields, and its memory by rows.
    fn check(&self) {
        let small = self.spreadsheet(1_000_000);
        let large = self.spreadsheet(2_000_000);
        let check = |file: &Path| run(Command::new(MUTIRAO).args(["check", "-q"]).arg(file));
        // Means, of rounds in turn: the kernel counts a process's CPU in hundredths of a second.
        let (mut bare_s, mut check_s, mut peak_mib) = (0.0, 0.0, 0.0_f64);
        for _ in 0..N_ROUNDS {
            bare_s += cpu_of_self(|| count_bytes(&small)) / f64::from(N_ROUNDS);
            let used = check(&small);
            check_s += used.cpu_s / f64::from(N_ROUNDS);
            peak_mib = peak_mib.max(used.peak_mib);
        }
        let larger = check(&large);
        println!("csv crate, all fields, 1,000,000 rows: {bare_s:.3} s CPU");
        println!("check, 1,000,000 rows: {check_s:.3} s CPU, peak {peak_mib:.1} MiB");
        println!("ratio: {:.2} (bar: 3.3)", check_s / bare_s);
        let bytes = (larger.peak_mib - peak_mib) * 1024.0 * 1024.0 / 1e6;
        println!(
            "check, 2,000,000 rows: peak {:.1} MiB, {bytes:.1} bytes a further row (bar: 32)",
            larger.peak_mib
        );
    }

    /// Peak memory of `import --rate unlimited` by rows.
    fn memory(&self) {
        for n_rows in [300_000, 1_000_000] {
            let usage = self.import(n_rows, &["--rate", "unlimited", "--concurrency", "64"], "");
            println!(
                "import, {n_rows} rows: peak {:.1} MiB (bar: 96), {:.1} us CPU a ticket, {:.0} tickets/s",
                usage.peak_mib,
                usage.cpu_s * 1e6 / n_rows as f64,
                n_rows as f64 / usage.wall_s
            );
        }
    }

    /// All results written again, `report.html` with them, where one row in twenty was refused.
    fn report(&self) {
        for (n_rows, n_rounds, bar) in [(20_000, 3, "1 s"), (1_000_000, 1, "96 MiB")] {
            let output = self.folder.join("report.mutirao");
            let server = Server::start("refuse=0.05,seed=7");
            let file = self.spreadsheet(n_rows);
            let mut import = import_command(&server, &file, &output);
            let done = import.args(["--rate", "unlimited", "--concurrency", "64"]).status();
            assert_eq!(done.expect("mutirao starts").code(), Some(3), "some are refused, all others opened");
            let again = self.folder.join("again");
            let export = || {
                let mut command = Command::new(MUTIRAO);
                run(command.arg("-q").arg("export").arg(&output).arg("-o").arg(&again))
            };
            let usage = best_usage(n_rounds, export);
            let len = fs::metadata(again.join("report.html")).expect("it is written").len();
            println!(
                "export with report.html ({} KB), {n_rows} rows: {:.2} s, peak {:.1} MiB (bar: {bar})",
                len / 1000,
                usage.wall_s,
                usage.peak_mib
            );
            for folder in [output.with_extension("state"), output, again] {
                let _ = fs::remove_dir_all(folder);
            }
        }
    }

    /// CPU per ticket against `oha` per request with the same body, and its phases: what a dry run takes is
    /// the intake, what an export takes the results.
    fn cpu(&self) {
        let n_rows = 100_000;
        let us = |usage: Usage| usage.cpu_s * 1e6 / n_rows as f64;
        let whole = ["--rate", "unlimited", "--concurrency", "64"];
        let usage = best_usage(3, || self.import(n_rows, &whole, ""));
        let ticket = us(usage);
        println!("import: {ticket:.1} us CPU a ticket, {:.0} tickets/s", n_rows as f64 / usage.wall_s);
        let intake = us(best_usage(3, || self.import(n_rows, &["--dry-run"], "")));
        let output = self.folder.join("cpu.mutirao");
        let server = Server::start("");
        run(import_command(&server, &self.spreadsheet(n_rows), &output).args(whole));
        let export = || {
            let mut command = Command::new(MUTIRAO);
            run(command.arg("-q").arg("export").arg(&output).arg("-o").arg(self.folder.join("again")))
        };
        let results = us(best_usage(3, export));
        println!(
            "intake: {intake:.1} us of it, delivery: {:.1}, results: {results:.1}",
            ticket - intake - results
        );
        if Command::new("oha").arg("--version").output().is_err() {
            println!("oha is not installed: `cargo install oha`, and run this again");
            return;
        }
        let oha = || run(oha(&server, &self.folder, n_rows).args(["-c", "64"]));
        let request = us(best_usage(3, oha));
        println!("oha: {request:.1} us CPU a request");
        println!("ratio: {:.2} (bar: 2.6, aim: 2.0)", ticket / request);
        for folder in [output.with_extension("state"), output, self.folder.join("again")] {
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// Throughput against a server that takes 50 ms an answer, 64 in flight.
    fn busy(&self) {
        let n_rows = 30_000;
        let file = self.spreadsheet(n_rows);
        let server = Server::start("latency=50ms");
        let output = self.folder.join("busy.mutirao");
        let json = summary(import_command(&server, &file, &output).args([
            "--rate",
            "unlimited",
            "--concurrency",
            "64",
            "--json",
        ]));
        let rate = json["pace"]["mean_per_s"].as_f64().unwrap_or(f64::NAN);
        println!("{rate:.0} tickets/s of an ideal 1280: {:.1} % (bar: 95 %)", rate / 12.8);
        let _ = fs::remove_dir_all(output);
    }

    /// `--rate 50/s` for a minute, by the server's account.
    fn pace(&self) {
        let file = self.spreadsheet(3_005);
        let server = Server::here("");
        let output = self.folder.join("pace.mutirao");
        let mut command = import_command(&server, &file, &output);
        run(command.args(["--rate", "50/s"]));
        let spacing = Spacing::of(&server.arrivals());
        println!(
            "mean {:.2}/s (bar: 49.5 to 50.5), at most {} in a second (bar: 51), {:.2} % of the gaps are half a \
             slot or more (bar: 99.9 %), the shortest {:.1} ms",
            spacing.mean_per_s,
            spacing.peak_in_1s,
            spacing.share_of_gaps(0.010) * 100.0,
            spacing.shortest_s() * 1e3,
        );
        let _ = fs::remove_dir_all(output);
    }

    fn import(&self, n_rows: u64, args: &[&str], with: &str) -> Usage {
        let file = self.spreadsheet(n_rows);
        let server = Server::start(with);
        let output = self.folder.join("import.mutirao");
        let usage = run(import_command(&server, &file, &output).args(args));
        let _ = fs::remove_dir_all(output.with_extension("state"));
        let _ = fs::remove_dir_all(output);
        usage
    }

    fn spreadsheet(&self, n_rows: u64) -> PathBuf {
        spreadsheet(&self.folder, 100_000..100_000 + n_rows)
    }
}

fn best_usage(n: u32, mut measure: impl FnMut() -> Usage) -> Usage {
    (0..n).map(|_| measure()).min_by(|a, b| a.cpu_s.total_cmp(&b.cpu_s)).expect("n is positive")
}

fn cpu_of_self(work: impl FnOnce()) -> f64 {
    let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let before = cpu();
    work();
    let used = cpu() - before;
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

fn count_bytes(file: &Path) {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_path(file).expect("the input is there");
    let mut record = csv::ByteRecord::new();
    let mut n_bytes = 0;
    while reader.read_byte_record(&mut record).expect("the input is well formed") {
        n_bytes += record.iter().map(<[u8]>::len).sum::<usize>();
    }
    std::hint::black_box(n_bytes);
}
