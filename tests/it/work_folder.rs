//! The work folder: one's own, swept, with room, and with results that nothing holds back.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::support::site::Site;

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

fn rows(n_rows: u32) -> String {
    let mut text = HEADER.to_owned();
    for n in 1..=n_rows {
        writeln!(text, "{};Sem conexão na rua {n};Cliente {n};(37) 99911-{n:04}", 11_000 + n).unwrap();
    }
    text
}

fn opened() -> Site {
    let site = Site::new("");
    site.write("queda.csv", rows(2));
    site.run(&["import", "queda.csv"]).expect(0);
    site
}

/// As ssh's StrictModes: what others may change could send rows of theirs under our name.
#[test]
fn a_work_folder_that_others_may_change_is_refused() {
    for (what, mode) in [("", 0o777), ("", 0o770), ("outbox.db", 0o666), ("outbox.db", 0o620)] {
        let site = opened();
        let path = site.path("queda.mutirao").join(what);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        for args in
            [&["import", "queda.csv"][..], &["status", "queda"], &["purge", "queda", "--older-than", "1d"]]
        {
            let ended = site.run(args).expect(2);
            let says = |it: &str| ended.stderr.contains(it);
            assert!(says(&format!("has mode {mode:04o}")) && says("chmod go-w"), "{}", ended.stderr);
            assert!(says(path.to_str().unwrap().trim_end_matches('/')), "{}", ended.stderr);
        }
    }
    if rustix::process::geteuid().is_root() {
        let site = opened();
        chown(site.path("queda.mutirao"), Some(65534), None).unwrap();
        let ended = site.run(&["import", "queda.csv"]).expect(2);
        assert!(ended.stderr.contains("belongs to user 65534") && ended.stderr.contains("sudo -u '#65534'"));
    }
}

/// Seen: gone without a word, since they had the names of ours.
#[test]
fn files_of_ones_own_are_not_written_over_by_results() {
    for name in ["results.csv", "results.xlsx", "errors.csv", "problems.csv", "summary.json"] {
        let site = opened();
        let mine = format!("mine/{name}");
        site.write(&mine, rows(3));
        site.write("other.csv", rows(1));
        for args in [
            &["export", "queda", "-o", "mine"][..],
            &["import", "other.csv", "-o", "mine", "--again"],
            &["import", &mine, "-o", "mine", "--again"],
        ] {
            let ended = site.run(args);
            // Of the last some are no spreadsheets.
            assert!(matches!(ended.code, Some(2 | 5)), "{args:?}: {}", ended.stderr);
            assert_eq!(site.read(&mine), rows(3), "{args:?}");
        }
        assert_eq!(site.audit().tickets, 2);
    }
    // What `export` left there is replaced, whatever program has saved it since.
    let site = opened();
    for _ in 0..2 {
        site.run(&["export", "queda", "-o", "out"]).expect(0);
        site.write("out/results.csv", site.read("out/results.csv").replace(';', ","));
    }
}

#[test]
fn a_lock_or_an_outbox_that_is_a_link_or_a_pipe_is_refused() {
    for name in ["outbox.db", "outbox.db-lock", "outbox.db-wal"] {
        for kind in ["a link", "a pipe"] {
            let site = Site::new("");
            site.write("queda.csv", rows(1));
            site.write("precious", "keep this");
            fs::create_dir(site.path("queda.mutirao")).unwrap();
            let path = site.path("queda.mutirao").join(name);
            if kind == "a link" {
                symlink(site.path("precious"), &path).unwrap();
            } else {
                assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            }
            let ended = site.run(&["import", "queda.csv"]).expect(2);
            assert!(ended.stderr.contains(&format!("is {kind}")), "{}", ended.stderr);
            assert_eq!(site.read("precious"), "keep this");
            assert_eq!(site.audit().tickets, 0);
        }
    }
}

#[tokio::test]
async fn a_database_with_more_in_it_than_we_made_is_refused() {
    for (sql, said) in [
        ("CREATE TRIGGER evil AFTER UPDATE ON outbox BEGIN DELETE FROM attempt; END", "a trigger `evil`"),
        ("CREATE VIEW spy AS SELECT * FROM record", "a view `spy`"),
        ("CREATE TABLE more (x)", "a table `more`"),
        ("ALTER TABLE batch ADD COLUMN x TEXT", "a table `batch`"),
        ("CREATE INDEX odd ON outbox (abs(id))", "a index `odd`"),
    ] {
        let site = opened();
        let path = site.path("queda.mutirao/outbox.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut conn = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        for args in [&["import", "queda.csv"][..], &["status", "queda"]] {
            let ended = site.run(args).expect(2);
            assert!(ended.stderr.contains(said), "{sql}: {}", ended.stderr);
        }
    }
}

#[test]
fn a_file_that_a_dead_process_left_is_swept_by_the_next_run_and_by_a_purge() {
    let site = opened();
    let mut child = Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    for args in [&["import", "queda.csv"][..], &["purge", "queda", "--older-than", "1d"]] {
        let left = [format!("queda.mutirao/.mutirao-{dead}-x.tmp"), format!(".mutirao-{dead}-y")];
        left.iter().for_each(|it| site.write(it, "Ana"));
        site.run(args).expect(0);
        assert!(left.iter().all(|it| !site.path(it).exists()), "{args:?}");
    }
}

/// A person took them for those of the run.
#[test]
fn results_of_an_earlier_run_do_not_outlive_the_start_of_the_next() {
    let site = Site::new("latency=30ms");
    site.write("queda.csv", rows(1));
    site.run(&["import", "queda.csv"]).expect(0);
    site.write("queda.csv", rows(60));
    let started =
        site.start_until(&["import", "queda.csv", "--continue", "--rate", "2/s", "--yes"], "opening");
    let left: Vec<_> = ["results.csv", "results.xlsx", "errors.csv", "problems.csv", "summary.json"]
        .into_iter()
        .filter(|it| site.path("queda.mutirao").join(it).exists())
        .collect();
    assert_eq!(left, [""; 0]);
    assert_eq!(started.end_by(rustix::process::Signal::INT), Some(130));
    assert!(site.path("queda.mutirao/results.xlsx").exists());
}

#[test]
fn a_workbook_that_cannot_be_written_holds_no_results_back() {
    let site = Site::new("");
    site.write("queda.csv", rows(3));
    fs::create_dir_all(site.path("queda.mutirao/results.xlsx/in the way")).unwrap();
    fs::set_permissions(site.path("queda.mutirao"), Permissions::from_mode(0o700)).unwrap();
    let ended = site.run(&["import", "queda.csv"]).expect(0);
    assert!(
        ended.stderr.contains("results.xlsx") && ended.stderr.contains("results.csv is whole"),
        "{}",
        ended.stderr
    );
    assert_eq!(site.table("queda.mutirao/results.csv").len(), 3);
    assert_eq!(site.table("queda.mutirao/errors.csv").len(), 0);
    assert!(site.path("queda.mutirao/summary.json").exists());
}

/// What one file lacks holds no other back; what an earlier run left in its place is gone, or named.
#[tokio::test]
async fn each_file_of_the_results_is_by_itself() {
    let site = Site::new("");
    let wrong = "7;Sem sinal;Maria;1\n";
    site.write("queda.csv", format!("{}{wrong}", rows(3)));
    site.run(&["import", "queda.csv"]).expect(3);
    for file in ["problems.xlsx", "problems.csv", "report.html", "summary.json"] {
        assert!(site.path(&format!("queda.mutirao/{file}")).exists(), "{file}");
    }
    let url = format!("sqlite://{}", site.path("queda.mutirao/outbox.db").display());
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    let sql = "UPDATE record SET problems = 'unreadable' WHERE problems IS NOT NULL";
    sqlx::query(sql).execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    fs::remove_file(site.path("queda.mutirao/errors.csv")).unwrap();
    fs::create_dir_all(site.path("queda.mutirao/errors.csv/in the way")).unwrap();
    let ended = site.run(&["retry", "queda", "--state", "failed"]).expect(1);
    let said = ended.stderr;
    for warned in [
        "what is called errors.csv is of an earlier run",
        "there is no problems.csv: the outbox cannot be used",
        "no file tells why rows were not opened",
        "results.csv is whole",
    ] {
        assert!(said.contains(warned), "{warned}: {said}");
    }
    assert_eq!(site.table("queda.mutirao/results.csv").len(), 4);
    for (file, is_there) in
        [("results.xlsx", true), ("report.html", true), ("problems.csv", false), ("problems.xlsx", false)]
    {
        assert_eq!(site.path(&format!("queda.mutirao/{file}")).exists(), is_there, "{file}");
    }

    // Without the results themselves nothing of an earlier run may look as if it were new.
    fs::remove_file(site.path("queda.mutirao/results.csv")).unwrap();
    site.leave_no_name_for_results("queda.mutirao");
    let ended = site.run(&["retry", "queda", "--state", "failed"]).expect(1);
    assert!(ended.stderr.contains("results.csv"), "{}", ended.stderr);
    for file in ["results.xlsx", "report.html"] {
        assert!(!site.path(&format!("queda.mutirao/{file}")).exists(), "{file}");
    }
}

#[test]
fn a_disk_with_room_for_some_of_the_results_has_those_that_programs_read() {
    let site = Site::new("");
    let rows: String =
        (1..=4000).map(|n| format!("{n};{};Maria;1\n", "Sem sinal na rua inteira ".repeat(9))).collect();
    site.write("queda.csv", format!("id_cliente_servico;descricao;nome;telefone\n{rows}"));
    site.run(&["import", "queda.csv"]).expect(3);
    let len = |file: &str| fs::metadata(site.path(&format!("queda.mutirao/{file}"))).unwrap().len();
    let (tables, problems) = (len("results.csv") + len("errors.csv"), len("problems.csv"));
    let room = 64 << 10;
    assert!(2 * room < problems && 2 * room < len("results.xlsx"), "{problems}");
    let disks =
        [("some", tables + problems + room, 0), ("few", tables + room, 6), ("one", tables / 2 + room, 6)];
    for (name, size, exit) in disks {
        let Some(_disk) = Disk::mount(site.path(name), &size.to_string()) else {
            println!("skipped: no disk can be mounted");
            return;
        };
        let ended = site.run(&["export", "queda", "-o", &format!("{name}/out")]).expect(exit);
        assert_eq!(site.table(&format!("{name}/out/results.csv")).len(), 4000);
        let is_there = |file: &str| site.path(&format!("{name}/out/{file}")).exists();
        assert_eq!(is_there("errors.csv"), name != "one", "{name}: {}", ended.stderr);
        if name == "some" {
            assert_eq!(site.table("some/out/problems.csv").len(), 4000);
            assert!(ended.stderr.contains("there is no results.xlsx"), "{}", ended.stderr);
        }
        if name == "few" {
            assert!(!is_there("problems.csv") && ended.stderr.contains("there is no problems.csv"));
        }
        let left = fs::read_dir(site.path(&format!("{name}/out"))).unwrap();
        let left: Vec<_> = left.map(|file| file.unwrap().file_name()).collect();
        assert!(left.iter().all(|file| !file.to_string_lossy().starts_with('.')), "{left:?}");
    }
}

/// A small disk, if this user may mount one.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(at: std::path::PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let options = format!("size={size},mode=0700");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        status.is_ok_and(|it| it.status.success()).then_some(Self(at))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_without_room_is_told_before_the_first_ticket() {
    let site = Site::new("");
    let Some(_disk) = Disk::mount(site.path("disk"), "2m") else {
        println!("skipped: no disk can be mounted");
        return;
    };
    site.write("queda.csv", rows(2_000));
    let ended = site.run(&["import", "queda.csv", "-o", "disk/out", "--yes"]).expect(6);
    assert!(ended.stderr.contains("-o DIR") || ended.stderr.contains("free some space"), "{}", ended.stderr);
    fs::write(site.path("disk/filler"), vec![0; 8 << 20]).unwrap_err();
    site.run(&["import", "queda.csv", "-o", "disk/other", "--yes"]).expect(6);
    assert_eq!(site.audit().tickets, 0);
}

#[test]
fn a_disk_that_fills_up_amid_the_run_holds_no_results_back() {
    let site = Site::new("");
    let Some(_disk) = Disk::mount(site.path("disk"), "48m") else {
        println!("skipped: no disk can be mounted");
        return;
    };
    site.write("queda.csv", rows(3_000));
    let args = ["import", "queda.csv", "-o", "disk/out", "--yes", "--rate", "500/s", "--settle-delay", "1s"];
    let started = site.start_until(&args, "opening");
    fs::write(site.path("disk/filler"), vec![0; 64 << 20]).unwrap_err();
    let (code, said) = started.end();
    assert_eq!(code, Some(6), "{said}");
    let results = site.table("disk/out/results.csv");
    assert_eq!(results.len(), 3_000, "whole");
    assert!(site.path("disk/out/errors.csv").exists());
    let n = |state: &str| results.iter().filter(|it| it["state"] == state).count() as u64;
    let tickets = site.audit().tickets;
    assert!(n("opened") <= tickets && tickets <= n("opened") + n("in_doubt"), "{tickets}: {said}");
    assert!(tickets < 3_000, "it filled up too late");
    fs::remove_file(site.path("disk/filler")).unwrap();
    site.run(&args).expect(0);
    let audit = site.audit();
    assert_eq!((audit.tickets, audit.duplicates.len()), (3_000, 0));
}

/// Its log was many times as large as the outbox.
#[test]
fn the_log_of_a_small_import_stays_small() {
    let site = Site::new("");
    site.write("queda.csv", rows(3_000));
    let started = site.start_until(
        &["import", "queda.csv", "--rate", "unlimited", "--yes", "--concurrency", "64"],
        "opening",
    );
    let log = site.path("queda.mutirao/outbox.db-wal");
    let mut largest = 0;
    while let Ok(found) = fs::metadata(&log) {
        largest = largest.max(found.len());
        std::thread::yield_now();
    }
    drop(started);
    assert!((1..24 << 20).contains(&largest), "{} MiB", largest >> 20);
}
