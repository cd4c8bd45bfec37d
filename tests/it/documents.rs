//! The documents say what the program does: their lists are held to its own, and to what it prints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use mutirao::intake::{RESULT_COLUMNS, Target};
use mutirao::ticket::Field;
use serde_json::Value;

use crate::support::postgres::Database;
use crate::support::site::{Ended, Site};

/// A README of more is not read at a sitting: two screens.
const README_LINES_MAX: usize = 105;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All files below a folder of the repository that end so, by their names within it.
fn files(folder: &str, ends: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if ends.iter().any(|it| path.to_str().unwrap().ends_with(it)) {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// What people read.
fn pages() -> Vec<String> {
    let own =
        ["README.md", "README.pt-BR.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];
    own.into_iter().chain(["samples/README.md"]).map(str::to_owned).chain(files("docs", &[".md"])).collect()
}

/// A command that runs no test shows nothing.
#[test]
fn every_test_that_the_documents_name_is_there() {
    let listed = Command::new(env::current_exe().unwrap()).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut n_named = 0;
    for page in pages() {
        let text = read(&page);
        for named in text.split("--test it ").skip(1) {
            let end = named.find(|it: char| !it.is_ascii_alphanumeric() && it != '_' && it != ':');
            let name = &named[..end.unwrap_or(named.len())];
            assert!(listed.lines().any(|it| it.starts_with(name)), "{page}: `--test it {name}` runs nothing");
            n_named += 1;
        }
    }
    assert!(20 < n_named, "{n_named}");
}

/// What stands below a heading, to the next one of any rank.
pub fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, below) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no `{heading}`"));
    let end = below.match_indices("\n#").map(|it| it.0).find(|it| !below[..*it].ends_with("```sh"));
    &below[..end.unwrap_or(below.len())]
}

/// The tables of a text, each a list of rows of cells, without its header.
fn tables(text: &str) -> Vec<Vec<Vec<String>>> {
    let mut tables = Vec::new();
    let mut table = Vec::new();
    for line in text.lines().chain([""]) {
        if let Some(row) = line.strip_prefix('|') {
            let row = row.replace("\\|", "\u{1}");
            table.push(
                row.trim_end_matches('|').split('|').map(|it| it.trim().replace('\u{1}', "|")).collect(),
            );
        } else if !table.is_empty() {
            tables.push(std::mem::take(&mut table).split_off(2));
        }
    }
    tables
}

pub fn table(text: &str) -> Vec<Vec<String>> {
    tables(text).into_iter().next().expect("there is a table")
}

/// What stands in backticks.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The `--flags` of a text.
fn flags(text: &str) -> BTreeSet<String> {
    let found = text.split(|it: char| !(it.is_ascii_lowercase() || it == '-'));
    found.filter(|it| it.starts_with("--") && 2 < it.len()).map(str::to_owned).collect()
}

fn set<T: Into<String>>(of: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    of.into_iter().map(Into::into).collect()
}

// Links and places

#[test]
fn the_readme_is_two_screens() {
    for page in ["README.md", "README.pt-BR.md"] {
        assert!(read(page).lines().count() <= README_LINES_MAX, "{page}");
    }
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it.to_ascii_lowercase() }).collect()
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|it| Some(it.split_once(')')?.0)) {
            if link.starts_with("http") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let to = if file.is_empty() {
                root().join(&page)
            } else {
                root().join(&page).parent().unwrap().join(file)
            };
            assert!(to.exists(), "{page}: {link}");
            let has = |text: &str| {
                text.lines()
                    .any(|it| it.starts_with('#') && anchor(it.trim_start_matches(['#', ' '])) == place)
            };
            assert!(place.is_empty() || has(&fs::read_to_string(to).unwrap()), "{page}: {link}");
        }
    }
}

/// A newcomer follows them.
#[test]
fn places_in_the_code_are_there() {
    let folders = ["src", "tests", "migrations", "benches", "samples", "packaging", "docs", "locales", ".ci"];
    let all: Vec<String> = folders.iter().flat_map(|it| files(it, &[""])).collect();
    let is_file = |it: &str| all.iter().any(|file| *file == it || file.ends_with(&format!("/{it}")));
    let is_folder =
        |it: &str| all.iter().any(|file| file.starts_with(it) || file.contains(&format!("/{it}")));
    for page in pages().into_iter().filter(|it| it != "CHANGELOG.md") {
        let text = read(&page);
        for named in text.lines().flat_map(quoted).filter(|it| it.chars().all(|it| it.is_ascii_graphic())) {
            let begins = folders.iter().any(|it| named.starts_with(&format!("{it}/")));
            let is_there = match named {
                it if it.contains(['*', '…', '<', '$']) => continue,
                it if it.ends_with('/') && (begins || page == "ARCHITECTURE.md") => is_folder(it),
                it if it.ends_with(".rs") || it.ends_with(".sql") => is_file(it),
                it if begins => is_file(it) || is_folder(&format!("{it}/")),
                _ => continue,
            };
            assert!(is_there, "{page} names `{named}`");
        }
    }
    let tasks = read("justfile");
    for named in tasks
        .split([' ', '\n', ';'])
        .filter(|word| folders.iter().any(|it| word.starts_with(&format!("{it}/"))))
    {
        assert!(is_file(named), "the justfile names `{named}`");
    }
}

// Commands, flags and settings

fn commands(site: &Site) -> Vec<String> {
    let help = site.run(&["--help"]).expect(0).stdout;
    let listed = help.split_once("Commands:\n").unwrap().1.split("\n\n").next().unwrap();
    let named = listed.lines().filter(|it| it.starts_with("  ") && !it.starts_with("   "));
    named.map(|it| it.split_whitespace().next().unwrap().to_owned()).collect()
}

/// The flags that a command takes, and what its help says of each.
fn flags_of(site: &Site, command: &str) -> BTreeMap<String, String> {
    let help = site.run(&[command, "--help"]).expect(0).stdout;
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    let mut last = String::new();
    for line in help.split_once("Options:\n").unwrap().1.lines().map(str::trim) {
        let typed = line.split_once("--").filter(|it| it.0.is_empty() || it.0.ends_with(", "));
        if let Some((_, named)) = typed {
            last = flags(&format!("--{named}")).into_iter().next().unwrap_or_default();
            let name = named.split(|it: char| !(it.is_ascii_lowercase() || it == '-')).next().unwrap();
            last.clone_from(&format!("--{name}"));
        }
        *all.entry(last.clone()).or_default() += &format!(" {line}");
    }
    all.retain(|name, _| !matches!(name.as_str(), "" | "--help" | "--version"));
    all
}

#[test]
fn the_commands_are_those_of_the_program() {
    let site = Site::new("");
    let page = read("docs/cli.md");
    let told = table(section(&page, "## Commands"));
    let named = told.iter().flat_map(|row| quoted(&row[0])).filter(|it| !it.starts_with('-'));
    assert_eq!(set(named.map(|it| it.split(' ').next().unwrap())), set(commands(&site)));
}

/// The flags of each command, as `docs/cli.md` has them.
fn told_flags(page: &str, commands: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let settings = section(page, "## Settings");
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in table(section(page, "## Flags")).iter().chain(&table(settings)) {
        let of = if row[1] == "all" { set(commands.to_vec()) } else { set(quoted(&row[1])) };
        assert!(!of.is_empty(), "{row:?}");
        for command in of {
            told.entry(command).or_default().extend(flags(&row[0]));
        }
    }
    // Flags alone of one command: `check --sandbox`.
    let flags_alone = section(page, "## Flags").split("\n\n").find(|it| it.contains("are flags alone"));
    for named in quoted(flags_alone.expect("it is said which")) {
        let (command, flag) = named.split_once(' ').unwrap();
        told.entry(command.to_owned()).or_default().insert(flag.to_owned());
    }
    told
}

#[test]
fn the_flags_are_those_of_the_program() {
    let site = Site::new("");
    let all = commands(&site);
    let told = told_flags(&read("docs/cli.md"), &all);
    for command in &all {
        assert_eq!(told[command], set(flags_of(&site, command).into_keys()), "{command}");
    }
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let source = read("src/cli/exit.rs");
    let listed = source.split_once("pub enum Exit {").unwrap().1.split('}').next().unwrap();
    let codes = set(listed.split(" = ").skip(1).map(|it| it.split(',').next().unwrap()));
    assert!(10 < codes.len(), "{codes:?}");
    for page in ["docs/cli.md", "docs/runbook.md"] {
        let text = read(page);
        let told = table(section(&text, "## Exit codes"));
        assert_eq!(set(told.iter().flat_map(|row| row[0].split(", "))), codes, "{page}");
    }
}

#[test]
fn the_options_of_the_sandbox_are_all_told() {
    let said = Site::new("").run(&["sandbox", "--with", "unheard_of=1"]).expect(2).stderr;
    let known = said.split_once("; it has ").unwrap().1.lines().next().unwrap();
    let page = read("docs/cli.md");
    let told = table(section(&page, "## The sandbox"));
    assert_eq!(set(told.iter().flat_map(|row| quoted(&row[0]))), set(known.split(", ")));
}

// Sheets

#[test]
fn the_columns_are_those_of_a_ticket() {
    let page = read("docs/sheets.md");
    let told = table(section(&page, "## Columns"));
    let names = set(told.iter().map(|row| row[0].trim_matches('`')));
    assert_eq!(names, set(Field::ALL.map(Field::name)));
    for row in &told {
        let name = row[0].trim_matches('`');
        for alias in row[3].split(", ").filter(|it| !it.is_empty()) {
            let target: Target = alias.parse().unwrap();
            assert_eq!(target.to_string(), name, "{alias}");
        }
    }
    assert!(read("docs/cli.md").contains(&RESULT_COLUMNS.join(", ")));
}

// States

#[test]
fn the_states_and_the_ways_between_them_are_told_alike() {
    let site = Site::new("");
    site.write(
        "queda.csv",
        "id_cliente_servico;descricao;nome;telefone\n11000;Sem sinal;Ana;37 99911-2233\n",
    );
    site.run(&["import", "queda.csv"]).expect(0);
    let counts = site.run(&["status", "--json"]).json()["batches"][0]["counts"].clone();
    let parts = ["total", "opened_without_os", "opened_beside"];
    let states = set(counts.as_object().unwrap().keys().filter(|it| !parts.contains(&it.as_str())).cloned());
    assert_eq!(states.len(), 11);

    let page = read("docs/states.md");
    let listed = &tables(&page)[0];
    assert_eq!(set(listed.iter().map(|row| row[0].trim_matches('`'))), states);

    let moves = table(section(&page, "## Who moves a row"));
    let arrow = |from: &str, to: &str| (from.trim_matches('`').to_owned(), to.trim_matches('`').to_owned());
    let told: BTreeSet<_> = moves.iter().map(|row| arrow(&row[0].replace("(new)", "[*]"), &row[1])).collect();
    // Whose rows a person may speak of, and have again.
    for command in ["resolve", "retry"] {
        let help = flags_of(&site, command)["--state"].split_whitespace().collect::<Vec<_>>().join(" ");
        let values = help.split_once("[possible values: ").unwrap().1.split(']').next().unwrap();
        let told = moves.iter().filter(|row| row[3].split(", ").any(|it| it == command));
        assert_eq!(set(told.map(|row| row[0].trim_matches('`'))), set(values.split(", ")), "{command}");
    }
    let (_, diagram) = page.split_once("```mermaid\n").unwrap();
    let drawn = diagram.split("```").next().unwrap().lines().filter_map(|it| it.trim().split_once(" --> "));
    assert_eq!(drawn.map(|it| arrow(it.0, it.1)).collect::<BTreeSet<_>>(), told);
    let ends = told.iter().flat_map(|it| [it.0.clone(), it.1.clone()]).filter(|it| it != "[*]");
    assert_eq!(ends.collect::<BTreeSet<_>>(), states);
}

// JSON

/// The paths of a value, and what types stand there.
fn paths(value: &Value, at: &str, to: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    let mut is = |what| {
        to.entry(at.to_owned()).or_default().insert(what);
    };
    match value {
        Value::Null => is("null"),
        Value::Bool(_) => is("bool"),
        Value::Number(_) => is("number"),
        Value::String(_) => is("text"),
        Value::Array(items) => items.iter().for_each(|it| paths(it, &format!("{at}[]"), to)),
        Value::Object(keys) => {
            for (key, it) in keys {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                paths(it, &at, to);
            }
        }
    }
}

/// Holds the `n`th table below a heading to what was printed, together: each path that was seen is told, each
/// that is told was seen, and its type is right.
#[track_caller]
fn check(heading: &str, n: usize, printed: &[Value]) {
    let page = read("docs/json.md");
    let told = &tables(section(&page, heading))[n];
    let mut seen = BTreeMap::new();
    printed.iter().for_each(|it| paths(it, "", &mut seen));
    let is_at = |told: &str, path: &str| match told.strip_suffix('*') {
        Some(before) => path.starts_with(before),
        None => told == path,
    };
    for (path, types) in &seen {
        let row = told.iter().find(|row| is_at(row[0].trim_matches('`'), path));
        let row = row.unwrap_or_else(|| panic!("{heading}: `{path}` is not told"));
        let (told, may_be_null) = match row[1].strip_suffix('?') {
            Some(told) => (told, true),
            None => (&*row[1], false),
        };
        let is_right = |it: &&str| *it == told || *it == "null" && may_be_null;
        assert!(types.iter().all(is_right), "{heading}: `{path}` is {types:?}, not {}", row[1]);
    }
    for row in told {
        let is_seen = seen.keys().any(|path| is_at(row[0].trim_matches('`'), path));
        assert!(is_seen, "{heading}: {} was not printed", row[0]);
    }
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|it| serde_json::from_str(it).expect(it)).collect()
}

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone;abrir_os;id_tipo_atendimento\n";

/// Opened with a visit, refused by HubSoft, invalid.
const ROWS: &str = "11001;Sem sinal;Ana;37999112201;sim;\n11002;Sem sinal;Bia;37999112202;;101\n\
                    11003;Sem sinal;Caio;1;;\n";

fn a_site_of_all_kinds(options: &str) -> Site {
    let site = Site::new(options);
    site.write("queda.csv", format!("{HEADER}{ROWS}"));
    site
}

#[test]
fn a_summary_is_as_told() {
    // Five go alone; the others come at once, and are told to wait.
    let site = Site::new("rate=6");
    let rows: String = (1..=9).map(|n| format!("1100{n};Sem sinal;Ana;37999112201;;\n")).collect();
    site.write("queda.csv", format!("{HEADER}{rows}11010;Sem sinal;Bia;1;;\n"));
    let args = ["import", "queda.csv", "--json", "--rate", "unlimited"];
    let printed = site.run(&args).expect(3).json();
    let written: Value = serde_json::from_str(&site.read("queda.mutirao/summary.json")).unwrap();
    assert_eq!(printed, written);
    let again = site.run(&["import", "queda.csv", "--json"]).expect(3).json();
    site.write("clientes.csv", "codigo_cliente;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112201\n");
    let args = ["import", "clientes.csv", "--find-service", "--json"];
    let with_customers = site.run(&args).expect(0).json();
    check("## summary.json", 0, &[printed, again, with_customers]);
}

#[test]
fn a_notice_is_as_told() {
    use std::os::unix::fs::PermissionsExt;
    let site = a_site_of_all_kinds("");
    site.write("tell.sh", "#!/bin/sh\n{ cat; echo; } >>told.jsonl\n");
    std::fs::set_permissions(site.path("tell.sh"), std::fs::Permissions::from_mode(0o700)).unwrap();
    site.run(&["import", "queda.csv", "--rate", "unlimited", "--notify", "./tell.sh"]).expect(3);
    site.run(&["import", "none.csv", "--notify", "./tell.sh"]).expect(5);
    let notices = site.read("told.jsonl");
    let notices: Vec<Value> = notices.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    check("## Notices", 0, &notices);
}

#[tokio::test]
async fn a_status_is_as_told() {
    let (site, database) = (a_site_of_all_kinds("latency=20ms"), Database::fresh().await);
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    let of_file = site.run(&["status", "queda", "--json"]).expect(0).json();
    site.run_at(&database.url(), &["enqueue", "queda.csv", "--batch", "queda"]).expect(3);
    let mut conn = database.connect().await;
    sqlx::query("UPDATE mutirao.batch SET halted_at = now(), halt_reason = 'refused'")
        .execute(&mut conn)
        .await
        .unwrap();
    let (of_one, of_all) = (
        site.run_at(&database.url(), &["status", "queda", "--json"]).expect(0).json(),
        site.run_at(&database.url(), &["status", "--json"]).expect(0).json(),
    );
    check("## status", 0, &[of_file, of_one, of_all]);
}

#[test]
fn a_row_is_shown_as_told() {
    let site = a_site_of_all_kinds("");
    site.run(&["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    let shown: Vec<Value> = (2..=4)
        .map(|line| site.run(&["show", &format!("queda:{line}"), "--json"]).expect(0).json())
        .collect();
    let states: Vec<_> = shown.iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["opened", "rejected", "invalid"]);
    check("## show", 0, &shown);
}

#[test]
fn a_check_is_as_told() {
    let site = a_site_of_all_kinds("");
    site.write("repeat.csv", format!("{HEADER}{ROWS}{ROWS}"));
    let printed = lines(&site.run(&["check", "repeat.csv", "--online", "--json"]).expect(5));
    let (summary, told) = printed.split_last().unwrap();
    let (repeats, problems): (Vec<_>, Vec<_>) = told.iter().cloned().partition(|it| it["code"] == "repeat");
    assert!(problems.iter().any(|it| it["code"] == "unknown_id"), "{problems:?}");
    check("## check", 0, &problems);
    check("## check", 1, &repeats);
    site.write("clientes.csv", "codigo_cliente;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112201\n");
    let of_customers = lines(&site.run(&["check", "clientes.csv", "--find-service", "--json"]).expect(0));
    check("## check", 2, &[summary.clone(), of_customers[0].clone()]);
}

#[test]
fn what_else_is_printed_is_as_told() {
    let site = a_site_of_all_kinds("");
    let url = format!("sqlite:{}", site.path("box.db").display());
    let enqueued = site.run_at(&url, &["enqueue", "queda.csv", "--json"]).expect(3);
    check("## enqueue", 0, &lines(&enqueued));
    for args in [&["retry"][..], &["cancel", "queda"], &["purge", "--older-than", "0s"]] {
        let ended = site.run_at(&url, &[args, &["--json"]].concat()).expect(0);
        check("## rows", 0, &lines(&ended));
    }
    check("## catalogue", 0, &lines(&site.run(&["catalogue", "--json"]).expect(0)));
    check("## doctor", 0, &lines(&site.run(&["doctor", "--json"]).expect(0)));
    let failed = site.run_at("http://127.0.0.1", &["status", "--json"]).expect(2);
    let unreachable =
        ["worker", "--until-empty", "--json", "--database-url", "postgres://127.0.0.1:9/x?sslmode=disable"];
    check("## error", 0, &[failed.json(), site.run(&unreachable).expect(8).json()]);
}

#[test]
fn what_listens_says_what_is_told() {
    use std::io::{BufRead, BufReader};
    let site = Site::new("");
    for (args, heading) in [(&["sandbox"][..], "## sandbox"), (&["web", "--listen", "127.0.0.1:0"], "## web")]
    {
        let mut child = site.command(args).arg("--json").stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        check(heading, 0, &[serde_json::from_str(&first).unwrap()]);
    }
}

// Codes

/// The source without what is only for tests.
fn sources() -> Vec<(PathBuf, String)> {
    // The sandbox is HubSoft, not us.
    let all = files("src", &[".rs", ".sql"]).into_iter();
    let all = all.filter(|it| !it.contains("tests") && !it.starts_with("src/sandbox/"));
    all.map(|it| (it.clone().into(), read(&it).split("#[cfg(test)]").next().unwrap().to_owned())).collect()
}

#[test]
fn every_code_is_told_and_is_there() {
    let sources = sources();
    // How a code is given: what stands in front of it.
    let givers = ["code: \"", "code: Some(\"", "=> (State::Unconfirmed, \"", "'code', '"];
    let is_code =
        |it: &str| it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
    let mut given = BTreeSet::new();
    for (path, text) in &sources {
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").replace("( \"", "(\"");
        for giver in givers {
            let found = text.split(giver).skip(1).filter_map(|it| it.split(['"', '\'']).next());
            given.extend(found.filter(|it| is_code(it)).map(str::to_owned));
        }
        // The set of faults, and of warnings.
        if path.ends_with("delivery/fault.rs") || path.ends_with("delivery/warning.rs") {
            given.extend(text.split("=> \"").skip(1).filter_map(|it| Some(it.split_once('"')?.0.to_owned())));
            let made = text.split("format!(\"").skip(1).filter_map(|it| it.split_once("{status}\")"));
            given.extend(made.map(|it| format!("{}NNN", it.0)));
        }
        // The problems of cells: `NAME = "code", "message", …;`
        if path.ends_with("ticket/words.rs") {
            let found = text.split(" = \"").skip(1).filter_map(|it| it.split_once("\", "));
            given.extend(found.map(|it| it.0).filter(|it| is_code(it)).map(str::to_owned));
        }
    }
    assert!(60 < given.len(), "{given:?}");
    let page = read("docs/json.md");
    let codes = page.split_once("\n## Codes\n").unwrap().1;
    let told = set(tables(codes).iter().flatten().flat_map(|row| quoted(&row[0])));
    let missing: Vec<_> = given.difference(&told).collect();
    assert_eq!(missing, [] as [&String; 0], "codes that docs/json.md does not tell");
    for code in &told {
        // Of an HTTP status the code is made when it comes.
        let is_made = code.starts_with("http_") || code.ends_with("_NNN");
        let is_there = |quote: char| sources.iter().any(|it| it.1.contains(&format!("{quote}{code}{quote}")));
        assert!(is_made || is_there('"') || is_there('\''), "`{code}` is told, and nobody gives it");
    }
}
