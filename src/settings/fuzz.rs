//! What must hold of a settings file, whatever stands in it.

use std::path::Path;

use toml::de::DeTable;

use super::error::SettingsError;
use super::file::SettingsFile;
use super::row::Trust;
use super::said::Place;
use super::sources::Sources;
use super::table::{self, Database, Import, Listening, Login, Notifying, Paging, Speaking, Worker};
use super::{Environment, Flags};

/// Stands for a secret: it is nowhere but in values.
const SECRET: &str = "hunter2";

/// A file of the user's own, and one in a folder of others.
pub(crate) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (path, known) = (Path::new("mutirao.toml"), table::all());
    for trust in [Trust::Run, Trust::Machine] {
        match SettingsFile::parse(path, text, trust, &known) {
            Ok(file) => {
                for setting in &known {
                    let said = setting.file_key().map(|key| file.all(&key)).unwrap_or_default();
                    assert!(said.iter().all(|said| trust >= setting.trust && is_in(&said.place, text)));
                }
                resolve(file);
            }
            Err(error) => is_told(&error, text),
        }
    }
}

/// Whether the place is in the file.
fn is_in(place: &Place, text: &str) -> bool {
    matches!(place, Place::File { line, column, .. } if is_there(*line, *column, text))
}

fn is_there(line: usize, column: usize, text: &str) -> bool {
    let found = text.split('\n').nth(line.wrapping_sub(1));
    found.is_some_and(|found| (1..=found.chars().count() + 1).contains(&column))
}

/// An error names a place that is there, helps on, and repeats no value.
fn is_told(error: &SettingsError, text: &str) {
    match error {
        SettingsError::Line { line, column, problem, .. } => {
            assert!(is_there(*line, *column, text), "{error}");
            assert!(!problem.is_empty());
        }
        SettingsError::Secret { line, .. } => assert!(is_there(*line, 1, text), "{error}"),
        SettingsError::Value { place, problem } => {
            assert!(is_in(place, text), "{error}");
            assert!(!problem.is_empty());
        }
        SettingsError::Elsewhere { key, .. } => assert!(!key.is_empty()),
        other => panic!("it reads no file: {other}"),
    }
    assert!(error.to_string().contains("mutirao.toml") && !error.hint().is_empty(), "{error}");
    if !is_key(text) {
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
}

/// Whether the secret stands where a key stands, or may.
fn is_key(text: &str) -> bool {
    let in_line = |line: &str| {
        let key = line.split_once('=').map_or("", |(key, _)| key);
        key.contains(SECRET) || line.trim_start().starts_with('[') && line.contains(SECRET)
    };
    let is_named = |table: &DeTable<'_>| table.keys().any(|key| key.get_ref().contains(SECRET));
    text.lines().any(in_line) || DeTable::parse(text).is_ok_and(|table| is_named(table.get_ref()))
}

/// What each group makes of it.
fn resolve(file: SettingsFile) {
    let sources = Sources { files: vec![file], environment: Environment::default() };
    let _ = sources.resolve(&Flags::<Import>::none());
    let _ = sources.resolve(&Flags::<Worker>::none());
    let _ = sources.resolve(&Flags::<Database>::none());
    let _ = sources.resolve(&Flags::<Notifying>::none());
    let _ = sources.resolve(&Flags::<Speaking>::none());
    let _ = sources.resolve(&Flags::<Paging>::none());
    let _ = sources.resolve(&Flags::<Listening>::none());
    let _ = sources.resolve(&Flags::<Login>::none());
}
