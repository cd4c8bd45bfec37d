//! How a run is told while it goes, with the real binary on a terminal.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::site::Site;

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

fn rows(n: u64) -> String {
    let rows = (1..=n).map(|n| format!("{};Sem sinal;Ana;37999112{n:03}\n", 11000 + n));
    [HEADER.to_owned()].into_iter().chain(rows).collect()
}

/// What a terminal that shows it was told to draw, line by line, without what moves and colours.
fn frames(drawn: &str) -> Vec<String> {
    let mut parts = drawn.split('\x1b');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|of: char| of.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain.split(['\r', '\n']).filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_bar_is_one_line_of_the_terminal_and_tells_of_the_whole_batch_after_going_on() {
    let site = Site::new("latency=300ms");
    site.write("queda.csv", rows(6));
    site.run(&["import", "queda.csv", "--sample", "2", "--rate", "unlimited"]).expect(0);
    for (columns, opened) in [(200, 5), (44, 6)] {
        let more = if opened == 6 { "6" } else { "3" };
        let args = ["import", "queda.csv", "--rate", "unlimited", "--concurrency", "1", "--sample", more];
        let args = if opened == 6 { &args[..6] } else { &args[..] };
        let drawn = site.on_a_terminal(args, columns);
        let frames: Vec<_> = frames(&drawn).into_iter().filter(|line| line.contains(" done (")).collect();
        assert!(!frames.is_empty(), "{drawn}");
        for frame in &frames {
            assert!(frame.chars().count() <= columns, "{frame}");
            assert!(frame.contains("opened"), "{frame}");
        }
        match opened {
            5 => assert!(frames.iter().all(|frame| frame.contains("of 3 done")), "{frames:?}"),
            _ => assert!(frames.iter().all(|frame| frame.contains("5 of 6 done (83 %)")), "{frames:?}"),
        }
    }
}

#[test]
fn the_commonest_refusal_stands_in_a_line_below_the_bar_and_not_in_what_others_see() {
    let site = Site::new("latency=400ms");
    let rows = (1..=8).map(|n| {
        let refused = if n % 2 == 1 { "101" } else { "" };
        format!("{};Sem sinal;Ana;37999112{n:03};{refused}\n", 11000 + n)
    });
    let header = format!("{};id_tipo_atendimento\n", HEADER.trim_end());
    site.write("queda.csv", [header].into_iter().chain(rows).collect::<String>());
    let args = ["import", "queda.csv", "--rate", "unlimited", "--concurrency", "1", "--yes"];
    let frames = frames(&site.on_a_terminal(&[&args[..], &["--sample", "3"]].concat(), 50));
    // The line of the bar is filled up to its end, where a terminal goes on below it.
    let below = frames.iter().filter_map(|line| Some(&line[line.find("refused most often: ")?..]));
    let told: Vec<_> = below.map(str::trim_end).collect();
    assert!(!told.is_empty(), "{frames:?}");
    assert!(told.iter().all(|line| line.chars().count() <= 50 && line.ends_with('…')), "{told:?}");

    let started = site.start_until(&args, "opening");
    let watch = site.run(&["status", "queda", "--watch=1", "--json"]).expect(0).stdout;
    assert_eq!(started.end().0, Some(3));
    assert!(watch.contains("refused (most often: validation)"), "{watch}");
}

/// A command whose standard output is read.
fn spoken(site: &Site, args: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = site.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

#[test]
fn a_watch_of_a_batch_ends_when_nothing_is_left_to_do() {
    let site = Site::new("latency=400ms");
    site.write("queda.csv", rows(6));
    let import = ["import", "queda.csv", "--rate", "unlimited", "--concurrency", "1"];
    site.run(&[&import[..], &["--sample", "1"]].concat()).expect(0);
    let started = site.start_until(&import, "opening");
    let watch = site.run(&["status", "queda", "--watch=1", "--json"]).expect(0);
    let looks: Vec<Value> = watch.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let opened: Vec<_> =
        looks.iter().map(|look| look["batches"][0]["counts"]["opened"].as_u64().unwrap()).collect();
    assert!(1 < opened.len() && opened.is_sorted() && opened.last() == Some(&6), "{opened:?}");
    assert_eq!(started.end().0, Some(0));
    let again = site.run(&["status", "--watch"]).expect(0).stdout;
    assert_eq!(again, site.run(&["status"]).expect(0).stdout);
}

#[test]
fn a_watch_on_a_terminal_draws_one_page_over_the_other() {
    let site = Site::new("latency=400ms");
    site.write("queda.csv", rows(6));
    let import = ["import", "queda.csv", "--rate", "unlimited", "--concurrency", "1"];
    let started = site.start_until(&import, "opening");
    let drawn = site.on_a_terminal(&["status", "--watch=1"], 30);
    assert_eq!(started.end().0, Some(0));
    assert!(drawn.contains("A\x1b[J") && drawn.contains("6 of 6 opened"), "{drawn}");
    assert!(frames(&drawn).iter().all(|line| line.chars().count() <= 30), "{drawn}");
}

#[test]
fn a_watch_ends_by_a_signal_or_when_nobody_reads_it() {
    let site = Site::new("");
    site.write("queda.csv", rows(3));
    site.run(&["import", "queda.csv", "--sample", "1"]).expect(0);
    let (mut child, mut stdout) = spoken(&site, &["status", "--watch=1"]);
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("1 of 3 opened"), "{line}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    stdout.read_to_string(&mut line).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{line}");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let unread = site.command(&["status", "--watch=1"]).stdout(writer).status().unwrap();
    assert_eq!(unread.code(), Some(0));
    assert!(site.run(&["status", "--watch=0"]).expect(2).stderr.contains("--watch"));
}

#[test]
fn before_the_start_it_is_told_how_long_it_will_take_and_with_until_how_many_rows_that_is() {
    let site = Site::new("");
    site.write("queda.csv", rows(182));
    let import = ["import", "queda.csv", "--rate", "1/s"];
    let asked = site.on_a_terminal(&import, 200);
    assert!(asked.contains("Estimate: about 4 min, until "), "{asked}");
    let one_by_one = ["import", "queda.csv", "--rate", "2/s", "--concurrency", "1"];
    let asked = site.on_a_terminal(&one_by_one, 200);
    assert!(asked.contains("Estimate: at least 2 min, until "), "{asked}");
    let asked = site.on_a_terminal(&[&import[..], &["--verify-first", "--lang", "pt-BR"]].concat(), 200);
    assert!(asked.contains("Previsão: cerca de 7 min, até "), "{asked}");
    assert_eq!(site.audit().tickets, 0);
    // How long an answer takes is known from then on.
    site.run(&["import", "queda.csv", "--rate", "unlimited", "--sample", "2"]).expect(0);
    let asked = site.on_a_terminal(&one_by_one, 200);
    assert!(asked.contains("Estimate: about 90 s, until "), "{asked}");
    let yes = [&import[..], &["--yes"]].concat();
    let started = site.start_until(&yes, "opening 180 tickets at ");
    assert!(started.said.contains("1/s at most; about 3 min, until "), "{}", started.said);
    assert_eq!(started.end_by(Signal::INT), Some(130));

    let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(120)).strftime("%H:%M").to_string();
    let mut command = site.command(&[&yes[..], &["--until", &until]].concat());
    command.env("TZ", "UTC");
    let started = Site::start(command, &format!(" until {until} (--until)"));
    let (_, told) = started.said.rsplit_once("1/s at most; ").unwrap();
    let n: u64 = told.split(' ').find_map(|word| word.parse().ok()).unwrap();
    assert!((50..=120).contains(&n), "{told}");
    assert_eq!(started.end_by(Signal::INT), Some(130));
}

#[test]
fn a_rate_above_the_documented_limit_is_warned_of_where_tickets_are_real() {
    for (url, rate, warns) in [
        (Some("https://erp.invalid"), "21/s", true),
        (Some("https://erp.invalid"), "unlimited", true),
        (Some("https://erp.invalid"), "20/s", false),
        (None, "unlimited", false),
    ] {
        let site = Site::new("");
        site.write("queda.csv", rows(1));
        let mut command = site.command(&["import", "queda.csv", "--yes", "--rate", rate]);
        command.env("HUBSOFT_URL", url.map_or(site.url(), str::to_owned));
        let import = Site::start(command, "opening 1 ticket");
        let said = import.said.clone();
        assert_eq!(said.contains(&format!("warning: `--rate {rate}`")), warns, "{url:?}: {said}");
        // What it waits for is not there, or it is done.
        import.end_by(Signal::KILL);
    }
}

/// A token that is revoked again and again needs more logins than may follow each other.
#[test]
fn a_run_that_waits_for_its_turn_to_log_in_says_so_to_all_who_look_on() {
    let site = Site::new("token_revoked=0.3,seed=7");
    site.write("queda.csv", rows(24));
    let import = ["import", "queda.csv", "--yes", "--rate", "unlimited", "--concurrency", "1"];
    let (mut command, login) = (site.command(&import), site.login());
    command.env_remove("HUBSOFT_TOKEN");
    command.env("HUBSOFT_CLIENT_ID", login.client_id).env("HUBSOFT_CLIENT_SECRET", login.client_secret);
    command.env("HUBSOFT_USERNAME", login.username).env("HUBSOFT_PASSWORD", login.password);
    let mut started = Site::start(command, "opening");
    let (mut watch, looks) = spoken(&site, &["status", "queda", "--watch=1", "--json"]);
    let mut looks = looks.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let held = looks.find(|look| look["batches"][0]["held_back_by"] == "login");
    let doing = held.expect("it waits before it is through")["batches"][0]["doing"].clone();
    assert!(doing.as_str().unwrap().contains("its login waits for its turn"), "{doing}");
    started.until_it_says("its login waits for its turn");
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert_eq!(started.end_by(Signal::INT), Some(130));
}
