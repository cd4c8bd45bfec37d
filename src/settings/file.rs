//! A settings file.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use super::ConfigError;
use super::private::refuse_shared;
use super::values::{ClockTime, MaxErrors, Span};
use crate::delivery::Rate;
use crate::intake::{Delimiter, Encoding, Hidden, Map, Set};
use crate::outbox::has_password;
use crate::ticket::Ddd;

fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// `[map]` and `[set]`: each entry is what `KEY=VALUE` is on the command line.
fn from_table<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: fmt::Display>,
{
    let table = BTreeMap::<String, String>::deserialize(deserializer)?;
    let read = |(key, value)| format!("{key}={value}").parse().map_err(serde::de::Error::custom);
    table.into_iter().map(read).collect()
}

/// A settings file. Its keys are the environment's names in lower case, without `MUTIRAO_`. Secrets
/// are not among them: it names the files they stand in.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SettingsFile {
    pub(super) database_url: Option<String>,
    pub(super) listen_url_file: Option<PathBuf>,
    pub(super) hubsoft_url: Option<String>,
    pub(super) hubsoft_client_id: Option<String>,
    pub(super) hubsoft_username: Option<String>,
    pub(super) hubsoft_token_file: Option<PathBuf>,
    pub(super) hubsoft_client_secret_file: Option<PathBuf>,
    pub(super) hubsoft_password_file: Option<PathBuf>,
    pub(super) hubsoft_ca_file: Option<PathBuf>,

    #[serde(deserialize_with = "from_text")]
    pub(super) rate: Option<Rate>,
    pub(super) concurrency: Option<u16>,
    pub(super) max_attempts: Option<u32>,
    #[serde(deserialize_with = "from_text")]
    pub(super) timeout: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    pub(super) connect_timeout: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    pub(super) settle_delay: Option<Span>,
    pub(super) skip_if_open: Option<bool>,
    pub(super) verify_first: Option<bool>,
    pub(super) sandbox: Option<bool>,
    #[serde(deserialize_with = "from_text")]
    pub(super) max_errors: Option<MaxErrors>,
    #[serde(deserialize_with = "from_text")]
    pub(super) until: Option<ClockTime>,
    #[serde(deserialize_with = "from_text")]
    pub(super) lease: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    pub(super) grace: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    pub(super) poll: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    pub(super) metrics_listen: Option<SocketAddr>,

    #[serde(deserialize_with = "from_text")]
    pub(super) encoding: Option<Encoding>,
    #[serde(deserialize_with = "from_text")]
    pub(super) delimiter: Option<Delimiter>,
    #[serde(deserialize_with = "from_table")]
    pub(super) map: Vec<Map>,
    #[serde(deserialize_with = "from_table")]
    pub(super) set: Vec<Set>,
    #[serde(deserialize_with = "from_text")]
    pub(super) default_ddd: Option<Ddd>,
    pub(super) allow_repeats: Option<bool>,
    pub(super) strict: Option<bool>,
    #[serde(deserialize_with = "from_text")]
    pub(super) hidden: Option<Hidden>,
    pub(super) excel_safe: Option<bool>,
}

/// Takes from `$below` what `$above` leaves open.
macro_rules! fill {
    ($above:expr, $below:expr, [$($field:ident),* $(,)?]) => {
        $( $above.$field = $above.$field.take().or($below.$field.take()); )*
    };
}

pub(super) use fill;

/// What a settings file may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// How a run goes. A file in the current folder may come with somebody else's spreadsheet: it must not decide
    /// where logins and secrets are sent.
    Run,
    Everything,
}

impl SettingsFile {
    pub(super) fn read(path: &Path, reach: Reach) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let mut opened = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        opened.read_to_string(&mut text).map_err(unreadable)?;
        let file: Self = toml::from_str(&text).map_err(|error| fault(path, &text, &error))?;
        if let (Reach::Run, Some(key)) = (reach, file.beyond_a_run()) {
            return Err(ConfigError::Elsewhere { path: path.to_owned(), key });
        }
        if file.database_url.as_deref().is_some_and(has_password) {
            refuse_shared(path, &opened.metadata().map_err(unreadable)?)?;
        }
        if file.concurrency.is_some_and(|it| !(1..=1024).contains(&it)) {
            return Err(ConfigError::Value {
                key: "concurrency".into(),
                problem: "allowed is 1 to 1024".into(),
            });
        }
        if file.max_attempts.is_some_and(|it| !(1..=1000).contains(&it)) {
            return Err(ConfigError::Value {
                key: "max_attempts".into(),
                problem: "allowed is 1 to 1000".into(),
            });
        }
        Ok(file)
    }

    /// A key that is set here and says more than how a run goes.
    fn beyond_a_run(&self) -> Option<&'static str> {
        let is_set = [
            ("database_url", self.database_url.is_some()),
            ("listen_url_file", self.listen_url_file.is_some()),
            ("hubsoft_url", self.hubsoft_url.is_some()),
            ("hubsoft_client_id", self.hubsoft_client_id.is_some()),
            ("hubsoft_username", self.hubsoft_username.is_some()),
            ("hubsoft_token_file", self.hubsoft_token_file.is_some()),
            ("hubsoft_client_secret_file", self.hubsoft_client_secret_file.is_some()),
            ("hubsoft_password_file", self.hubsoft_password_file.is_some()),
            ("hubsoft_ca_file", self.hubsoft_ca_file.is_some()),
            ("metrics_listen", self.metrics_listen.is_some()),
        ];
        is_set.into_iter().find_map(|(key, is_set)| is_set.then_some(key))
    }

    /// Lets `self` win over `below`.
    pub(super) fn over(mut self, mut below: Self) -> Self {
        fill!(
            self,
            below,
            [
                database_url,
                listen_url_file,
                hubsoft_url,
                hubsoft_client_id,
                hubsoft_username,
                hubsoft_token_file,
                hubsoft_client_secret_file,
                hubsoft_password_file,
                hubsoft_ca_file,
            ]
        );
        fill!(
            self,
            below,
            [
                rate,
                concurrency,
                max_attempts,
                timeout,
                connect_timeout,
                settle_delay,
                skip_if_open,
                verify_first,
                sandbox,
                max_errors,
                until,
                lease,
                grace,
                poll,
                metrics_listen,
            ]
        );
        fill!(self, below, [encoding, delimiter, default_ddd, hidden, allow_repeats, strict, excel_safe]);
        self.map.extend(below.map);
        self.set.extend(below.set);
        self
    }
}

/// What is wrong, and where: in our words, because the library's repeat the line.
fn fault(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let path = path.to_owned();
    let before = error.span().and_then(|it| text.get(..it.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|it| *it != '\n').count() + 1;
    let unknown = error.message().strip_prefix("unknown field `").and_then(|it| it.split('`').next());
    let key = unknown.or_else(|| key_of(text.lines().nth(line - 1)?));
    let problem = match key {
        Some(key) if unknown.is_some() || !is_known(key) => {
            if SECRET_WORDS.iter().any(|it| key.to_lowercase().contains(it)) {
                return ConfigError::Secret { path, line, key: key.to_owned() };
            }
            format!("there is no key `{key}`")
        }
        Some(key) if text.parse::<toml::Table>().is_ok() => format!("`{key}` does not take this value"),
        Some(key) => {
            format!(
                "`{key}` is not followed by a value of TOML, such as \"text\", 8 or true, or stands there twice"
            )
        }
        None => "this is no line of a settings file, which is KEY = VALUE".to_owned(),
    };
    ConfigError::Line { path, line, column, problem }
}

/// What a key of a secret is called.
const SECRET_WORDS: [&str; 6] = ["password", "passwd", "senha", "secret", "token", "listen_url"];

/// The key of a line `KEY = VALUE`, or of `[KEY]`.
fn key_of(line: &str) -> Option<&str> {
    let key = match line.trim().strip_prefix('[') {
        Some(table) => table.split(']').next()?,
        None => line.split_once('=')?.0,
    };
    let key = key.trim();
    let is_word = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    (!key.is_empty() && key.chars().all(is_word)).then_some(key)
}

/// Whether it is a key of a settings file.
fn is_known(key: &str) -> bool {
    let said = toml::from_str::<SettingsFile>(&format!("{key} = []")).err();
    said.is_some_and(|it| !it.message().starts_with("unknown field"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_of_a_line_that_cannot_be_read_is_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mutirao.toml");
        for (text, said) in [
            ("password = \"hunter2\"", "line 1: `password` may be a secret"),
            ("\nhubsoft_password = hunter2", "line 2: `hubsoft_password` may be a secret"),
            ("SENHA = 'hunter2'", "line 1: `SENHA` may be a secret"),
            ("rate = \"hunter2\"", "line 1, column 8: `rate` does not take this value"),
            ("concurrency = \"hunter2\"", "line 1, column 15: `concurrency` does not take this value"),
            ("rat = \"hunter2\"", "line 1, column 1: there is no key `rat`"),
            (
                "# x\nhubsoft_password_file = hunter2",
                "line 2, column 25: `hubsoft_password_file` is not followed",
            ),
            ("rate = \"5/s\"\nrate = \"hunter2\"", "line 2, column 1: `rate` is not followed"),
            ("hunter2", "line 1, column 8: this is no line"),
            ("hunter2 hunter2 = 1", "line 1, column 9: this is no line"),
            ("[map]\nhunter2 = 5", "line 2"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = SettingsFile::read(&path, Reach::Everything).unwrap_err();
            let shown = format!("{error} {:?} {}", std::error::Error::source(&error), error.hint());
            assert!(shown.contains(said), "{text}: {shown}");
            assert!(!shown.contains("hunter2") || text.starts_with("[map]"), "{text}: {shown}");
        }
    }

    #[test]
    fn a_folder_from_others_cannot_say_where_to_log_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mutirao.toml");
        for key in [
            "database_url",
            "listen_url_file",
            "hubsoft_url",
            "hubsoft_client_id",
            "hubsoft_username",
            "hubsoft_token_file",
            "hubsoft_client_secret_file",
            "hubsoft_password_file",
            "hubsoft_ca_file",
            "metrics_listen",
        ] {
            std::fs::write(&path, format!("rate = \"9/s\"\n{key} = \"127.0.0.1:9\"\n")).unwrap();
            let error = SettingsFile::read(&path, Reach::Run).unwrap_err();
            assert!(matches!(error, ConfigError::Elsewhere { key: found, .. } if found == key), "{error}");
            assert!(error.hint().contains("~/.config/mutirao/mutirao.toml"));
            SettingsFile::read(&path, Reach::Everything).unwrap();
        }
        std::fs::write(&path, "rate = \"9/s\"\nstrict = true\n[map]\nfone = \"telefone\"\n").unwrap();
        SettingsFile::read(&path, Reach::Run).unwrap();
    }

    #[test]
    fn the_sample_has_every_key() {
        let sample = include_str!("../../samples/mutirao.toml");
        let error = toml::from_str::<SettingsFile>("unheard_of = 1").unwrap_err().message().to_owned();
        let keys: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert!(20 < keys.len(), "{error}");
        for key in keys {
            let has = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{key} = ")) || line.starts_with(&format!("[{key}]"))
            };
            assert!(sample.lines().any(has), "`{key}` is missing");
        }
    }
}
