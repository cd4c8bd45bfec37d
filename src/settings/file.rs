//! A settings file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::SettingsError;
use super::private::refuse_shared;
use super::row::{Kind, Setting, Trust};
use super::said::{Place, Said};
use crate::outbox::has_password;

/// Longest settings file. Bytes: one with every key has some four thousand. One in the current folder may be
/// anybody's, and each key's place is found by reading what stands before.
const LEN_MAX: u64 = 64 << 10;

/// What a settings file says: what is in it is known, allowed there, and right.
#[derive(Debug)]
pub(super) struct SettingsFile {
    values: BTreeMap<String, Vec<Said>>,
}

impl SettingsFile {
    /// `trust` is how far the file's word goes; `known` are the settings that there are.
    pub(super) fn read(path: &Path, trust: Trust, known: &[Setting]) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
        let opened = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        (&opened).take(LEN_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if LEN_MAX < text.len() as u64 {
            return Err(SettingsError::TooLong { path: path.to_owned(), kib: LEN_MAX >> 10 });
        }
        let file = Self::parse(path, &text, trust, known)?;
        if file.all("database_url").iter().any(|url| has_password(&url.text)) {
            refuse_shared(path, &opened.metadata().map_err(unreadable)?)?;
        }
        Ok(file)
    }

    pub(super) fn parse(
        path: &Path,
        text: &str,
        trust: Trust,
        known: &[Setting],
    ) -> Result<Self, SettingsError> {
        let find = |key: &str| known.iter().find(|setting| setting.file_key().as_deref() == Some(key));
        let here = Here { path, text, known };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            match here.key_of_line(at) {
                Some(key) if find(key).is_none() => here.unknown(at, key),
                Some(key) => here.fault(
                    at,
                    tr!(
                        "`%{key}` is not followed by a value of TOML, such as \"text\", 8 or true, or stands there twice",
                        key = key
                    ),
                ),
                None => here.fault(at, tr!("this is no line of a settings file, which is KEY = VALUE")),
            }
        })?;
        // The first fault first, as a person reads.
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut values = BTreeMap::new();
        for (key, value) in entries {
            let name = key.get_ref().as_ref();
            let Some(setting) = find(name) else { return Err(here.unknown(key.span().start, name)) };
            if trust < setting.trust {
                return Err(SettingsError::Elsewhere { path: path.to_owned(), key: name.to_owned() });
            }
            let mut said = Vec::new();
            for (text, at) in texts_of(setting, value) {
                let place = here.place(at, name);
                let tried = match &text {
                    Some(text) => (setting.check)(text),
                    None => Err(form_of(setting).into_owned()),
                };
                match (text, tried) {
                    (Some(text), Ok(())) => said.push(Said { text, place }),
                    (_, tried) => {
                        let problem = tried.err().unwrap_or_default();
                        return Err(SettingsError::Value { place, problem });
                    }
                }
            }
            values.insert(name.to_owned(), said);
        }
        Ok(Self { values })
    }

    /// As a file that anybody may have written says it.
    #[cfg(test)]
    pub(super) fn of(text: &str, known: &[Setting]) -> Result<Self, SettingsError> {
        Self::parse(Path::new("mutirao.toml"), text, Trust::Machine, known)
    }

    /// What is said of `key`; several of a table.
    pub(super) fn all(&self, key: &str) -> Vec<Said> {
        self.values.get(key).cloned().unwrap_or_default()
    }
}

/// The texts of a value, as a flag would have them, and where they stand; `None` for what is no text of this
/// setting.
fn texts_of(setting: &Setting, value: &Spanned<DeValue<'_>>) -> Vec<(Option<String>, usize)> {
    match (setting.kind, value.get_ref()) {
        (Kind::Pairs, DeValue::Table(table)) => {
            let pair = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                let text = value.get_ref().as_str().map(|value| format!("{}={value}", key.get_ref()));
                (text, key.span().start)
            };
            table.iter().map(pair).collect()
        }
        (Kind::Pairs, _) => vec![(None, value.span().start)],
        (_, scalar) => vec![(text_of(scalar), value.span().start)],
    }
}

fn text_of(scalar: &DeValue<'_>) -> Option<String> {
    match scalar {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(n) => Some(i64::from_str_radix(n.as_str(), n.radix()).ok()?.to_string()),
        DeValue::Boolean(is) => Some(is.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn form_of(setting: &Setting) -> Cow<'static, str> {
    match setting.kind {
        Kind::Pairs => tr!("this is a table, and each of its lines KEY = \"text\""),
        Kind::Value | Kind::Text | Kind::Switch | Kind::Secret => {
            tr!("this takes \"text\", a whole number, true or false")
        }
    }
}

/// What a key of a secret is called.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "senha", "secret", "token", "listen_url"];

/// The file that is read, for its faults: in our words, because the library's repeat the line.
#[derive(Clone, Copy)]
struct Here<'a> {
    path: &'a Path,
    text: &'a str,
    known: &'a [Setting],
}

impl<'a> Here<'a> {
    /// Line and column, both from 1. `at` counts bytes.
    fn position(self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (line, column)
    }

    fn place(self, at: usize, key: &str) -> Place {
        let (line, column) = self.position(at);
        Place::File { path: self.path.to_owned(), line, column, key: key.to_owned() }
    }

    fn fault(self, at: usize, problem: Cow<'_, str>) -> SettingsError {
        let (line, column) = self.position(at);
        SettingsError::Line { path: self.path.to_owned(), line, column, problem: problem.into_owned() }
    }

    fn unknown(self, at: usize, key: &str) -> SettingsError {
        if SECRET_WORDS.iter().any(|word| key.to_lowercase().contains(word)) {
            let (line, _) = self.position(at);
            let files = self.known.iter().filter(|setting| setting.kind == Kind::Secret);
            return SettingsError::Secret {
                path: self.path.to_owned(),
                line,
                key: key.to_owned(),
                keys_of_files: files.filter_map(Setting::file_key).collect(),
            };
        }
        self.fault(at, tr!("there is no key `%{key}`", key = key))
    }

    /// The key of the line at `at`, which is KEY = VALUE, or \[KEY].
    fn key_of_line(self, at: usize) -> Option<&'a str> {
        let (line, _) = self.position(at);
        let line = self.text.lines().nth(line - 1)?;
        let key = match line.trim().strip_prefix('[') {
            Some(table) => table.split(']').next()?,
            None => line.split_once('=')?.0,
        };
        let key = key.trim();
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        (!key.is_empty() && key.chars().all(is_of_word)).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::table;

    #[test]
    fn no_value_of_a_line_that_cannot_be_read_is_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mutirao.toml");
        for (text, said) in [
            ("password = \"hunter2\"", "line 1: `password` may be a secret"),
            ("\nhubsoft_password = hunter2", "line 2: `hubsoft_password` may be a secret"),
            ("SENHA = 'hunter2'", "line 1: `SENHA` may be a secret"),
            ("rate = \"hunter2\"", "line 1, column 8: `rate`: not a rate; write `5/s`"),
            ("# x\nrate = [\"hunter2\"]", "line 2, column 8: `rate`: this takes \"text\""),
            (
                "concurrency = \"hunter2\"",
                "line 1, column 15: `concurrency`: allowed is `auto`, or 1 to 1024",
            ),
            ("concurrency = 0", "line 1, column 15: `concurrency`: allowed is `auto`, or 1 to 1024"),
            ("lease = \"59s\"", "line 1, column 9: `lease`: too short; allowed is 60s or more"),
            ("rat = \"hunter2\"", "line 1, column 1: there is no key `rat`"),
            (
                "# x\nhubsoft_password_file = hunter2",
                "line 2, column 25: `hubsoft_password_file` is not followed",
            ),
            ("rate = \"5/s\"\nrate = \"hunter2\"", "line 2, column 1: `rate` is not followed"),
            ("hunter2", "line 1, column 8: this is no line"),
            ("hunter2 hunter2 = 1", "line 1, column 9: this is no line"),
            ("map = \"hunter2\"", "line 1, column 7: `map`: this is a table"),
            ("[map]\n'a' = 5", "line 2, column 1: `map`: this is a table"),
            ("[map]\n'a' = 'hunter2'", "line 2, column 1: `map`: no ticket has such a field"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = SettingsFile::read(&path, Trust::Machine, &table::all()).unwrap_err();
            let shown = format!("{error} {:?} {}", std::error::Error::source(&error), error.hint());
            assert!(shown.contains(said), "{text}: {shown}");
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
    }

    #[test]
    fn a_folder_from_others_cannot_say_where_to_log_in() {
        let guarded: Vec<String> = table::all()
            .iter()
            .filter(|setting| setting.trust == Trust::Machine)
            .filter_map(Setting::file_key)
            .collect();
        assert_eq!(
            guarded,
            [
                "hubsoft_url",
                "hubsoft_token_file",
                "hubsoft_client_id",
                "hubsoft_client_secret_file",
                "hubsoft_username",
                "hubsoft_password_file",
                "hubsoft_ca_file",
                "database_url",
                "listen_url_file",
                "notify",
                "metrics_listen",
                "listen",
                "page_url",
            ]
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mutirao.toml");
        for key in guarded {
            std::fs::write(&path, format!("rate = \"9/s\"\n{key} = \"127.0.0.1:9\"\n")).unwrap();
            let error = SettingsFile::read(&path, Trust::Run, &table::all()).unwrap_err();
            assert!(
                matches!(&error, SettingsError::Elsewhere { key: found, .. } if *found == key),
                "{error}"
            );
            assert!(error.hint().contains("~/.config/mutirao/mutirao.toml"));
            SettingsFile::read(&path, Trust::Machine, &table::all()).unwrap();
        }
        std::fs::write(&path, "until_empty = true").unwrap();
        SettingsFile::read(&path, Trust::Machine, &table::all()).unwrap_err();
        std::fs::write(&path, "rate = \"9/s\"\nstrict = true\n[map]\nfone = \"telefone\"\n").unwrap();
        SettingsFile::read(&path, Trust::Run, &table::all()).unwrap();
    }
}
