//! A settings file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use super::ConfigError;
use super::values::{ClockTime, MaxErrors, Span};
use crate::delivery::Rate;
use crate::intake::{Delimiter, Encoding, Map, Set};
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
    pub(super) excel_safe: Option<bool>,
}

/// Takes from `$below` what `$above` leaves open.
macro_rules! fill {
    ($above:expr, $below:expr, [$($field:ident),* $(,)?]) => {
        $( $above.$field = $above.$field.take().or($below.$field.take()); )*
    };
}

pub(super) use fill;

impl SettingsFile {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let file: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::File { path: path.to_owned(), source: Box::new(source) })?;
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
        fill!(self, below, [encoding, delimiter, default_ddd, allow_repeats, strict, excel_safe]);
        self.map.extend(below.map);
        self.set.extend(below.set);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
