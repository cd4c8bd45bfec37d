//! What is read from outside, whatever stands in it: the bodies of `src/fuzz.rs`, fed with the seeds of
//! `fuzz/seeds` as they are, and changed as a fuzzer changes them. `fuzz/run` does the same for as long as
//! one likes, led by what it reaches.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use mutirao::fuzz::{TARGETS, target};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

/// How often the seeds of a target are changed, unless `PROPTEST_CASES` says something else.
const CASES: u32 = 400;

/// The longest input. Bytes.
const LEN_MAX: usize = 16 * 1024;

#[test]
fn every_target_has_a_program_and_seeds() {
    let named: BTreeSet<&str> = TARGETS.iter().map(|it| it.name).collect();
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let of_manifest = manifest.split("[[bin]]\nname = \"").skip(1).map(|it| it.split('"').next().unwrap());
    assert_eq!(of_manifest.collect::<BTreeSet<_>>(), named);
    for name in &named {
        assert!(!seeds(name).is_empty(), "{name} has no seeds");
        let program = fs::read_to_string(root().join(format!("fuzz/targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("mutirao::fuzz::target(\"{name}\")")), "{name}: {program}");
    }
    let folders = fs::read_dir(root().join("fuzz/seeds")).unwrap();
    let folders = folders.map(|it| it.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!(folders.iter().map(String::as_str).collect::<BTreeSet<_>>(), named);
}

#[test]
fn the_dictionary_is_one_of_the_fuzzer() {
    let words = words();
    assert!(
        50 < words.len() && words.contains(&b"sep=;".to_vec()) && words.contains(&b"\xEF\xBB\xBF".to_vec())
    );
}

macro_rules! hold {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            hold(stringify!($name).trim_start_matches("whatever_stands_in_"));
        }
    )*};
}

hold! {
    whatever_stands_in_sheet
    whatever_stands_in_workbook
    whatever_stands_in_header
    whatever_stands_in_field
    whatever_stands_in_answer
    whatever_stands_in_answer_header
    whatever_stands_in_open_list
    whatever_stands_in_settings
    whatever_stands_in_stored
    whatever_stands_in_results
}

/// Feeds a target with its seeds, and with what becomes of them.
fn hold(name: &str) {
    let (run, seeds, words) = (target(name).run, seeds(name), words());
    for (path, bytes) in &seeds {
        assert!(catch_unwind(|| run(bytes)).is_ok(), "{}", path.display());
    }
    let cases = std::env::var("PROPTEST_CASES").map_or(CASES, |n_cases| n_cases.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let changes = prop::collection::vec(change(), 1..8);
    let given = (any::<Index>(), changes).prop_map(|(seed, changes)| {
        let mut bytes = seed.get(&seeds).1.clone();
        for change in &changes {
            change.apply(&mut bytes, &seeds, &words);
        }
        bytes.truncate(LEN_MAX);
        Input(bytes)
    });
    let outcome = TestRunner::new(config).run(&given, |input| {
        run(&input.0);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Shown as Rust writes it, to be tried alone.
struct Input(Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// How an input is changed. Places are by their share of the input.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Word(Index, Index),
    /// A word instead of so many bytes.
    Instead(Index, u8, Index),
    Cut(Index, u8),
    Again(Index, u8, u8),
    End(Index),
    /// From here on as another seed, from a place of its own.
    Splice(Index, Index, Index),
    /// The next number is this word of the dictionary.
    Number(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(place, byte)| Change::Flip(place, byte)),
        (at(), at()).prop_map(|(place, word)| Change::Word(place, word)),
        (at(), any::<u8>(), at()).prop_map(|(place, n, word)| Change::Instead(place, n, word)),
        (at(), any::<u8>()).prop_map(|(place, n)| Change::Cut(place, n)),
        (at(), any::<u8>(), any::<u8>()).prop_map(|(place, n, times)| Change::Again(place, n, times)),
        at().prop_map(Change::End),
        (at(), at(), at()).prop_map(|(place, seed, from)| Change::Splice(place, seed, from)),
        (at(), at()).prop_map(|(place, word)| Change::Number(place, word)),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>, seeds: &[(PathBuf, Vec<u8>)], words: &[Vec<u8>]) {
        let len = bytes.len();
        let at = |place: &Index| place.index(len + 1);
        let behind = |from: usize, n: u8| (from + usize::from(n)).min(len);
        match self {
            Self::Flip(place, byte) => {
                if let Some(found) = bytes.get_mut(at(place)) {
                    *found ^= byte;
                }
            }
            Self::Word(place, word) => drop(bytes.splice(at(place)..at(place), word.get(words).clone())),
            Self::Instead(place, n, word) => {
                drop(bytes.splice(at(place)..behind(at(place), *n), word.get(words).clone()));
            }
            Self::Cut(place, n) => drop(bytes.drain(at(place)..behind(at(place), *n))),
            Self::Again(place, n, times) => {
                let piece = bytes[at(place)..behind(at(place), *n)].repeat(usize::from(times % 40));
                bytes.splice(at(place)..at(place), piece);
            }
            Self::End(place) => bytes.truncate(at(place)),
            Self::Splice(place, seed, from) => {
                let other = &seed.get(seeds).1;
                bytes.truncate(at(place));
                bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
            Self::Number(place, word) => {
                let is_digit = |it: &u8| it.is_ascii_digit();
                let Some(from) = bytes[at(place)..].iter().position(is_digit) else { return };
                let from = at(place) + from;
                let n = bytes[from..].iter().take_while(|it| is_digit(it)).count();
                let numbers: Vec<_> = words.iter().filter(|it| it.iter().any(u8::is_ascii_digit)).collect();
                bytes.splice(from..from + n, (*word.get(&numbers)).clone());
            }
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The small ones; those of `sheet` are the cases of `tests/cases` too.
fn seeds(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut folders = vec![root().join("fuzz/seeds").join(name)];
    if name == "sheet" {
        folders.extend(["hostile", "people", "sheets"].map(|it| root().join("tests/cases").join(it)));
    }
    let files = folders.iter().flat_map(|it| fs::read_dir(it).unwrap()).map(|it| it.unwrap().path());
    let mut files: Vec<_> = files.filter(|it| it.extension().is_none_or(|it| it != "expect")).collect();
    files.sort();
    let read = files.into_iter().map(|it| (it.clone(), fs::read(it).unwrap()));
    read.filter(|(_, bytes)| bytes.len() <= LEN_MAX).collect()
}

/// The words of `fuzz/dictionary`: a line each, in quotation marks, with `\xNN`, `\"` and `\\`.
fn words() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(root().join("fuzz/dictionary")).unwrap();
    let lines = text.lines().filter(|it| !it.is_empty() && !it.starts_with('#'));
    lines
        .map(|line| {
            let inner = line.strip_prefix('"').and_then(|it| it.strip_suffix('"')).expect(line);
            let (mut word, mut rest) = (Vec::new(), inner);
            while let Some(char) = rest.chars().next() {
                rest = &rest[char.len_utf8()..];
                if char != '\\' {
                    word.extend(char.to_string().bytes());
                } else if let Some(digits) = rest.strip_prefix('x') {
                    word.push(u8::from_str_radix(&digits[..2], 16).expect(line));
                    rest = &digits[2..];
                } else {
                    assert!(rest.starts_with(['\\', '"']), "{line}");
                    word.push(rest.as_bytes()[0]);
                    rest = &rest[1..];
                }
            }
            word
        })
        .collect()
}
