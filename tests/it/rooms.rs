//! The walls of the house: which room of `src/` may use which, and that no files use each other in a circle.
//!
//! It reads the source as text: `use` lines and paths that begin with `crate` or `super`, through re-exports
//! to the file that defines what is used. Tests within a file do not count: they may reach anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each room of `src/`, and the rooms that it may use. A room knows nothing of those that are not named here.
const WALLS: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "delivery",
            "hubsoft",
            "intake",
            "language",
            "outbox",
            "platform",
            "printable",
            "registry",
            "report",
            "sandbox",
            "settings",
            "temporary",
            "text",
            "ticket",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "delivery",
            "hubsoft",
            "intake",
            "language",
            "notice",
            "outbox",
            "platform",
            "printable",
            "registry",
            "report",
            "sandbox",
            "service",
            "settings",
            "text",
            "ticket",
            "web",
        ],
    ),
    ("delivery", &["platform", "ticket"]),
    // What only tests and the fuzzer use.
    ("fuzz", &["hubsoft", "intake", "outbox", "report", "settings", "ticket"]),
    ("hubsoft", &["delivery", "printable", "ticket"]),
    ("intake", &["delivery", "language", "outbox", "platform", "printable", "text", "ticket"]),
    ("language", &["platform"]),
    ("notice", &["delivery", "platform"]),
    ("outbox", &["delivery", "ownership", "platform", "printable", "temporary", "text", "ticket"]),
    ("ownership", &["platform"]),
    ("platform", &[]),
    ("printable", &[]),
    ("registry", &["ownership", "platform", "temporary"]),
    ("report", &["delivery", "intake", "language", "printable", "temporary", "text", "ticket"]),
    ("sandbox", &["delivery", "platform", "temporary"]),
    ("service", &["delivery", "outbox", "platform", "printable", "text"]),
    (
        "settings",
        &["delivery", "hubsoft", "intake", "language", "notice", "outbox", "ownership", "platform", "ticket"],
    ),
    ("temporary", &["platform"]),
    ("text", &["delivery", "language", "ticket"]),
    ("ticket", &["language", "printable"]),
    (
        "web",
        &[
            "app",
            "delivery",
            "intake",
            "language",
            "outbox",
            "printable",
            "registry",
            "report",
            "service",
            "settings",
            "text",
            "ticket",
        ],
    ),
];

/// A file of `src/` by its path as a module: `["outbox", "sqlite", "claim"]`.
type Module = Vec<String>;

#[test]
fn a_room_uses_only_the_rooms_that_it_may() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (user, uses) in edges(&sources()) {
        let Some(room) = user.first() else { continue };
        let rooms = used.entry(room.clone()).or_default();
        rooms.extend(uses.into_iter().filter_map(|it| it.first().cloned()).filter(|it| it != room));
    }
    let allowed = WALLS.iter().map(|(room, others)| {
        ((*room).to_owned(), others.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>())
    });
    let allowed: BTreeMap<_, _> = allowed.collect();
    for (room, others) in &used {
        assert_eq!(Some(others), allowed.get(room), "what `{room}` uses, and what it may");
    }
    assert!(used.len() <= allowed.len() && 8 < used.len(), "{used:?}");
}

/// What has no place in a room, as it is written.
const FOREIGN: &[(&str, &[&str])] = &[
    // It prints nothing, asks nobody, ends no process, and knows no flag.
    (
        "app",
        &["print!(", "println!(", "io::stdin", "io::stdout", "io::stderr", "process::exit", "clap::", "`--"],
    ),
    // Which driver it is, the rooms below know.
    (
        "cli",
        &[
            "Address::File",
            "Address::Postgres",
            "Outbox::Sqlite",
            "Outbox::Postgres",
            "PgOutbox",
            "SqliteOutbox",
        ],
    ),
];

#[test]
fn use_cases_leave_people_to_commands_and_commands_leave_drivers_to_them() {
    for (module, text) in sources() {
        let Some((room, foreign)) = FOREIGN.iter().find(|it| module.first().is_some_and(|room| room == it.0))
        else {
            continue;
        };
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|it| !it.trim_start().starts_with("//"));
        let found: Vec<_> = lines.filter(|line| foreign.iter().any(|it| line.contains(it))).collect();
        assert_eq!(found, Vec::<&str>::new(), "in {} of `{room}`", module.join("/"));
    }
}

/// What only some systems have.
const OF_A_SYSTEM: &[&str] = &[
    "std::os::",
    "rustix::",
    "windows_sys::",
    "cfg(unix)",
    "cfg(windows)",
    "cfg!(",
    "unsafe {",
    "unsafe fn",
];

#[test]
fn what_a_system_has_of_its_own_is_asked_in_one_room() {
    let mut n_asked = 0;
    for (module, text) in sources() {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|it| !it.trim_start().starts_with("//"));
        let found: Vec<_> = lines.filter(|line| OF_A_SYSTEM.iter().any(|it| line.contains(it))).collect();
        match module.first().is_some_and(|room| room == "platform") {
            true => n_asked += found.len(),
            false => assert_eq!(found, Vec::<&str>::new(), "in {}", module.join("/")),
        }
    }
    assert!(0 < n_asked, "it looked elsewhere");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles = circles(&edges(&sources()));
    let circles: Vec<String> = circles
        .iter()
        .map(|it| it.iter().map(|module| module.join("/")).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(circles, Vec::<String>::new());
}

#[test]
fn a_circle_and_what_goes_through_a_re_export_are_seen() {
    let source = |path: &str, text: &str| (module(Path::new(path)), text.to_owned());
    let sources = BTreeMap::from([
        source("room/mod.rs", "mod a;\nmod b;\npub use a::{self as first, Thing as Named};\n"),
        source("room/a.rs", "use super::b::{self, Other};\n/// use super::c;\npub struct Thing;"),
        source("room/b.rs", "pub struct Other;\nfn f(it: &crate::room::Named) {}"),
        source(
            "room/c.rs",
            "use super::Named as It;\nmod d {\n    use super::super::a::Thing;\n    use super::E;\n}\n#[cfg(test)]\nmod tests {\n    use super::super::b::Other;\n}",
        ),
    ]);
    let edges = edges(&sources);
    let uses = |of: &str| edges[&module(Path::new(of))].iter().map(|it| it.join("/")).collect::<Vec<_>>();
    assert_eq!(uses("room/a.rs"), ["room/b"]);
    assert_eq!(uses("room/b.rs"), ["room/a"]);
    assert_eq!(uses("room/c.rs"), ["room/a"]);
    assert_eq!(circles(&edges), [[module(Path::new("room/a.rs")), module(Path::new("room/b.rs"))]]);
}

fn sources() -> BTreeMap<Module, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it lists") {
            let path = entry.expect("it lists").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).expect("it reads");
                found.insert(module(path.strip_prefix(&root).expect("it is within")), text);
            }
        }
    }
    found
}

fn module(path: &Path) -> Module {
    let mut parts: Module =
        path.with_extension("").iter().map(|it| it.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|it| it == "mod" || it == "lib" || it == "main") {
        parts.pop();
    }
    parts
}

/// What each file uses of others.
fn edges(sources: &BTreeMap<Module, String>) -> BTreeMap<Module, BTreeSet<Module>> {
    let told: BTreeMap<&Module, Told> = sources.iter().map(|(of, text)| (of, Told::of(text))).collect();
    let absolute = |of: &Module, path: &[String]| -> Option<Module> {
        let mut base = of.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => (base, rest) = (Module::new(), &path[1..]),
            Some("self") => rest = &path[1..],
            Some("super") => {
                while let Some((first, others)) = rest.split_first()
                    && first == "super"
                {
                    base.pop();
                    rest = others;
                }
            }
            Some(first) if sources.contains_key(&[base.as_slice(), &[first.to_owned()]].concat()) => {}
            _ => return None,
        }
        Some([base.as_slice(), rest].concat())
    };
    // What a file gives on under another path.
    let given_on: BTreeMap<Module, Module> = told
        .iter()
        .flat_map(|(of, told)| told.given_on.iter().map(move |it| (*of, it)))
        .filter_map(|(of, (name, path))| {
            Some(([of.as_slice(), std::slice::from_ref(name)].concat(), absolute(of, path)?))
        })
        .collect();
    let home_of = |mut path: Module| -> Option<Module> {
        // A chain of re-exports is short.
        for _ in 0..10 {
            let n = (0..=path.len()).rev().find(|n| sources.contains_key(&path[..*n]))?;
            match given_on.get(path.get(..=n).unwrap_or_default()) {
                Some(other) if *other != path[..=n] => path = [other.as_slice(), &path[n + 1..]].concat(),
                _ => return Some(path[..n].to_vec()),
            }
        }
        None
    };
    let of_one = |(of, told): (&&Module, &Told)| {
        let homes = told.used.iter().filter_map(|path| home_of(absolute(of, path)?));
        ((*of).clone(), homes.filter(|it| it != *of).collect())
    };
    told.iter().map(of_one).collect()
}

/// The paths in a file.
#[derive(Default)]
struct Told {
    used: Vec<Vec<String>>,
    /// A name, and what it is.
    given_on: Vec<(String, Vec<String>)>,
}

impl Told {
    fn of(text: &str) -> Self {
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let mut told = Self::default();
        let (mut rest, mut statement) = (String::new(), String::new());
        // Where modules within the file end.
        let mut ends: Vec<String> = Vec::new();
        for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
            let begun = line.trim_start();
            if ends.last().is_some_and(|it| it == line) {
                ends.pop();
            }
            // What stands above such a module is this file.
            let above = ends.iter().fold(line.to_owned(), |line, _| without_first_super(&line));
            if begun.ends_with('{') && (begun.starts_with("mod ") || begun.contains(") mod ")) {
                ends.push(format!("{}}}", &line[..line.len() - begun.len()]));
            }
            let line = above.as_str();
            let begun = line.trim_start();
            let begins = begun.starts_with("use ") || begun.starts_with("pub") && begun.contains(" use ");
            if statement.is_empty() && !begins {
                rest.push_str(line);
                rest.push('\n');
                continue;
            }
            statement.push_str(begun);
            if !begun.ends_with(';') {
                continue;
            }
            let (visibility, tree) = statement.split_once("use ").expect("it begins so");
            for (path, alias) in leaves(&[], tree.trim_end_matches(';')) {
                match visibility.is_empty() {
                    false => told.given_on.extend(alias.or(path.last().cloned()).map(|name| (name, path))),
                    true => told.used.push(path),
                }
            }
            statement.clear();
        }
        for root in ["crate::", "super::"] {
            for (at, _) in rest.match_indices(root) {
                let is_begun =
                    rest[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_' || it == ':');
                // Who may see it, not what it uses.
                let is_scope = rest[..at].ends_with("(in ");
                if !is_begun && !is_scope {
                    let end = rest[at..].find(|it: char| !(it.is_alphanumeric() || it == '_' || it == ':'));
                    let path = &rest[at..end.map_or(rest.len(), |it| at + it)];
                    told.used.push(path.split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect());
                }
            }
        }
        told
    }
}

/// With one `super::` less in front of each path.
fn without_first_super(line: &str) -> String {
    let mut kept = String::new();
    let mut from = 0;
    for (at, it) in line.match_indices("super::") {
        if !line[..at].ends_with("super::") {
            kept.push_str(&line[from..at]);
            from = at + it.len();
        }
    }
    kept + &line[from..]
}

/// The paths of a `use` tree, with the names that they are given.
fn leaves(before: &[String], tree: &str) -> Vec<(Vec<String>, Option<String>)> {
    let tree = tree.trim();
    let segments = |text: &str| -> Vec<String> {
        let own = text.split("::").map(str::trim).filter(|it| !it.is_empty() && *it != "*");
        before.iter().cloned().chain(own.map(str::to_owned)).collect()
    };
    let Some((prefix, branches)) = tree.split_once('{') else {
        let (path, alias) = match tree.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim().to_owned())),
            None => (tree, None),
        };
        let mut path = segments(path);
        if path.len() > 1 && path.last().is_some_and(|it| it == "self") {
            path.pop();
        }
        return vec![(path, alias)];
    };
    let branches = branches.trim_end().strip_suffix('}').unwrap_or(branches);
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, it) in branches.char_indices() {
        match it {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&branches[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&branches[from..]);
    let prefix = segments(prefix);
    found.into_iter().filter(|it| !it.trim().is_empty()).flat_map(|it| leaves(&prefix, it)).collect()
}

/// Files of which each can be reached from each other one, in order.
fn circles(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Vec<Module>> {
    let reached = |from: &Module| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            for used in edges.get(module).into_iter().flatten() {
                if seen.insert(used.clone()) {
                    next.push(used);
                }
            }
        }
        seen
    };
    let all: BTreeMap<&Module, BTreeSet<Module>> = edges.keys().map(|it| (it, reached(it))).collect();
    let mut found: BTreeSet<Vec<Module>> = BTreeSet::new();
    for (module, seen) in &all {
        if seen.contains(*module) {
            found.insert(seen.iter().filter(|it| all[it].contains(*module)).cloned().collect());
        }
    }
    found.into_iter().collect()
}
