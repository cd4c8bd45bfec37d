//! The hand-made mutants of `tests/mutants` are still what they say: trying them takes long, and is not done
//! here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// As `tests/mutants.list` tells of one.
struct Mutant<'a> {
    name: &'a str,
    file: &'a str,
    /// What `tests/run` is given; or, behind a `=`, why it does no harm.
    tests: &'a str,
    before: String,
    after: String,
}

fn mutants(list: &str) -> Vec<Mutant<'_>> {
    let of_block = |block: &str| block.lines().any(|line| !line.starts_with('#'));
    list.split("\n\n").filter(|block| of_block(block)).map(mutant).collect()
}

fn mutant(block: &str) -> Mutant<'_> {
    let lines_of = |sign: &str| -> String {
        block.lines().filter_map(|line| line.strip_prefix(sign)).collect::<Vec<_>>().join("\n")
    };
    let mut head = block.lines().filter(|line| !line.starts_with(['#', '-', '+']) || line.starts_with("--"));
    let mut next = || head.next().unwrap_or_else(|| panic!("a line is missing:\n{block}"));
    let (name, file, tests) = (next(), next(), next());
    assert_eq!(head.next(), None, "a line too many:\n{block}");
    Mutant { name, file, tests, before: lines_of("- "), after: lines_of("+ ") }
}

/// Whether a test or a module of `source` is meant by what a filter ends with.
fn names(source: &str, last: &str) -> bool {
    ["fn ", "mod "].iter().any(|kind| source.contains(&format!("{kind}{last}")))
}

#[test]
fn each_mutant_changes_one_place_that_is_still_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("tests/mutants.list")).unwrap();
    let mutants = mutants(&list);
    assert!(30 < mutants.len(), "{}: it looked elsewhere", mutants.len());
    let mut seen = BTreeSet::new();
    for Mutant { name, file, before, after, .. } in &mutants {
        assert!(seen.insert(*name), "two are called {name}");
        assert_ne!(before, after, "{name}");
        let text = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(text.matches(before.as_str()).count(), 1, "{name}: so often it stands there:\n{before}");
    }
}

#[test]
fn each_mutant_names_tests_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("tests/mutants.list")).unwrap();
    let (mut source, mut folders) = (String::new(), vec![root.join("tests/it"), root.join("src")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(ending) if ending == "rs" => source.push_str(&fs::read_to_string(path).unwrap()),
                _ => {}
            }
        }
    }
    for Mutant { name, tests, .. } in mutants(&list).iter().filter(|mutant| !mutant.tests.starts_with("= ")) {
        let tests = tests.strip_prefix("--test it ").or_else(|| tests.strip_prefix("--lib "));
        let tests = tests.unwrap_or_else(|| panic!("{name}: which tests?"));
        for filter in tests.split(' ').filter(|word| *word != "--") {
            let last = filter.trim_end_matches(':').rsplit("::").next().unwrap();
            assert!(names(&source, last), "{name}: nothing is called {filter}");
        }
    }
}
