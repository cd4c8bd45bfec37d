//! Settings: flags over environment over files over defaults.
//!
//! A layer is a struct of options that clap fills from flags and environment, and serde fills from a
//! settings file; the first layer that says something wins. One rule names everything: the key in a
//! file is the environment variable in lower case, without `MUTIRAO_`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::civil;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::delivery::Rate;
use crate::hubsoft::{self, BaseUrl, BaseUrlFault, Credentials, HubSoftSettings};
use crate::intake::{Delimiter, Encoding, Map, Set};
use crate::ticket::Ddd;

/// How tickets are sent: flags of `import` and `worker`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sending")]
pub struct DeliveryLayer {
    /// Ceiling on requests: 5/s, 300/min, unlimited [default: 5/s]
    #[arg(long, value_name = "RATE", env = "MUTIRAO_RATE")]
    pub rate: Option<Rate>,
    /// Requests in flight at most [default: 8]
    #[arg(long, value_name = "N", env = "MUTIRAO_CONCURRENCY", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: Option<u16>,
    /// Attempts at a row that is certain to have left nothing [default: 8]
    #[arg(long, value_name = "N", env = "MUTIRAO_MAX_ATTEMPTS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_attempts: Option<u32>,
    /// How long to wait for an answer; a short one makes doubtful rows [default: 60s]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_TIMEOUT")]
    pub timeout: Option<Span>,
    /// How long to wait for a connection [default: 5s]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_CONNECT_TIMEOUT")]
    pub connect_timeout: Option<Span>,
    /// How long a slow server may still open a ticket after we stopped waiting [default: 120s]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_SETTLE_DELAY")]
    pub settle_delay: Option<Span>,
    /// Skip a row whose service has a pending ticket of the same type
    #[arg(long, env = "MUTIRAO_SKIP_IF_OPEN", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub skip_if_open: Option<bool>,
    /// Look every row up before its first post
    #[arg(long, env = "MUTIRAO_VERIFY_FIRST", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub verify_first: Option<bool>,
    /// Start a sandbox in the process and use it instead of HubSoft
    #[arg(long, env = "MUTIRAO_SANDBOX", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub sandbox: Option<bool>,
}

/// When an import stops by itself before its end.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sending")]
pub struct EndLayer {
    /// Stop when so many rows were not opened: N, or P% of the file
    #[arg(long, value_name = "N|P%", env = "MUTIRAO_MAX_ERRORS")]
    pub max_errors: Option<MaxErrors>,
    /// Stop at this time of day (local); the next call goes on
    #[arg(long, value_name = "HH:MM", env = "MUTIRAO_UNTIL")]
    pub until: Option<ClockTime>,
}

impl DeliveryLayer {
    /// Lets what was typed win over the defaults.
    pub fn set_time_outs(&self, settings: &mut HubSoftSettings) {
        settings.timeout = self.timeout.map_or(hubsoft::TIMEOUT, |it| it.0);
        settings.connect_timeout = self.connect_timeout.map_or(hubsoft::CONNECT_TIMEOUT, |it| it.0);
    }
}

/// How a spreadsheet is read: flags of `import` and `check`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reading")]
pub struct FileLayer {
    /// Name of the batch [default: FILE's name without its ending]
    #[arg(long, value_name = "NAME")]
    pub batch: Option<String>,
    /// utf-8, utf-16, windows-1252, … [default: found out]
    #[arg(long, value_name = "NAME", env = "MUTIRAO_ENCODING")]
    pub encoding: Option<Encoding>,
    /// One character, or tab [default: found out]
    #[arg(long, value_name = "CHAR", env = "MUTIRAO_DELIMITER")]
    pub delimiter: Option<Delimiter>,
    /// Read FIELD from COLUMN; may be repeated
    #[arg(long, value_name = "COLUMN=FIELD")]
    pub map: Vec<Map>,
    /// Use VALUE for FIELD in every row whose cell is empty; may be repeated
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<Set>,
    /// Area code for phones that have none
    #[arg(long, value_name = "NN", env = "MUTIRAO_DEFAULT_DDD")]
    pub default_ddd: Option<Ddd>,
    /// Open also rows that repeat an earlier one
    #[arg(long, env = "MUTIRAO_ALLOW_REPEATS", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub allow_repeats: Option<bool>,
    /// Send nothing if any row is invalid
    #[arg(long, env = "MUTIRAO_STRICT", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub strict: Option<bool>,
    /// Guard cells of the results that a spreadsheet would run as a formula
    #[arg(long, env = "MUTIRAO_EXCEL_SAFE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub excel_safe: Option<bool>,
}

/// How a worker lives beside others.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Working")]
pub struct WorkerLayer {
    /// How long a worker may be silent before the others take over its rows; at least 60s [default: 60s]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_LEASE")]
    pub lease: Option<Span>,
    /// How long a clean stop waits for answers [default: 15s longer than --timeout]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_GRACE")]
    pub grace: Option<Span>,
    /// How often to look for new rows; at least 50ms [default: 1s; a fifth as often while inserts wake the worker]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_POLL")]
    pub poll: Option<Span>,
    /// Answer /metrics, /livez and /readyz at this address, such as 127.0.0.1:9464 [default: nowhere]
    #[arg(long, value_name = "ADDR", env = "MUTIRAO_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
}

/// A duration as a person writes it: `500ms`, `2s`, `5m`, `1h 30m`, `90d` of 24 hours each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = || format!("`{text}` is not a duration; write it like 500ms, 2s, 5m, 90d");
        let span: jiff::Span = text.parse().map_err(|_| allowed())?;
        let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| allowed())?;
        Duration::try_from(signed).map(Self).map_err(|_| allowed())
    }
}

/// A time of day, local: `22:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockTime(pub civil::Time);

impl std::str::FromStr for ClockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        civil::Time::strptime("%H:%M", text)
            .map(Self)
            .map_err(|_| format!("`{text}` is not a time of day; write it like 22:30"))
    }
}

/// Rows that may go wrong before a run stops: `50`, or `2%` of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxErrors {
    Rows(u64),
    /// 0 to 100.
    Percent(u8),
}

impl std::str::FromStr for MaxErrors {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse().ok().filter(|it| *it <= 100).map(Self::Percent),
            None => text.trim().parse().ok().map(Self::Rows),
        };
        read.ok_or_else(|| format!("`{text}` is neither a number of rows nor a percentage; write 50 or 2%"))
    }
}

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
struct SettingsFile {
    database_url: Option<String>,
    listen_url_file: Option<PathBuf>,
    hubsoft_url: Option<String>,
    hubsoft_client_id: Option<String>,
    hubsoft_username: Option<String>,
    hubsoft_token_file: Option<PathBuf>,
    hubsoft_client_secret_file: Option<PathBuf>,
    hubsoft_password_file: Option<PathBuf>,
    hubsoft_ca_file: Option<PathBuf>,

    #[serde(deserialize_with = "from_text")]
    rate: Option<Rate>,
    concurrency: Option<u16>,
    max_attempts: Option<u32>,
    #[serde(deserialize_with = "from_text")]
    timeout: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    connect_timeout: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    settle_delay: Option<Span>,
    skip_if_open: Option<bool>,
    verify_first: Option<bool>,
    sandbox: Option<bool>,
    #[serde(deserialize_with = "from_text")]
    max_errors: Option<MaxErrors>,
    #[serde(deserialize_with = "from_text")]
    until: Option<ClockTime>,
    #[serde(deserialize_with = "from_text")]
    lease: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    grace: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    poll: Option<Span>,
    #[serde(deserialize_with = "from_text")]
    metrics_listen: Option<SocketAddr>,

    #[serde(deserialize_with = "from_text")]
    encoding: Option<Encoding>,
    #[serde(deserialize_with = "from_text")]
    delimiter: Option<Delimiter>,
    #[serde(deserialize_with = "from_table")]
    map: Vec<Map>,
    #[serde(deserialize_with = "from_table")]
    set: Vec<Set>,
    #[serde(deserialize_with = "from_text")]
    default_ddd: Option<Ddd>,
    allow_repeats: Option<bool>,
    strict: Option<bool>,
    excel_safe: Option<bool>,
}

/// Takes from `$below` what `$above` leaves open.
macro_rules! fill {
    ($above:expr, $below:expr, [$($field:ident),* $(,)?]) => {
        $( $above.$field = $above.$field.take().or($below.$field.take()); )*
    };
}

impl SettingsFile {
    fn read(path: &Path) -> Result<Self, ConfigError> {
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
    fn over(mut self, mut below: Self) -> Self {
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

/// The settings files and the environment, read once.
#[derive(Debug)]
pub struct Config {
    file: SettingsFile,
    env: BTreeMap<String, String>,
}

impl Config {
    /// Reads `explicit` or `./mutirao.toml`, then the user's and the system's file.
    pub fn load(explicit: Option<&Path>) -> Result<Self, ConfigError> {
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let own = "mutirao/mutirao.toml";
        let at_home = || Some(Path::new(env.get("HOME")?).join(".config").join(own));
        let users = match env.get("XDG_CONFIG_HOME").filter(|it| !it.is_empty()) {
            Some(folder) => Some(Path::new(folder).join(own)),
            // A service, or a program under another user's name, may have a home that is shut to it.
            None => at_home().filter(|it| it.exists()),
        };
        let mut found = Vec::new();
        match explicit {
            Some(path) => found.push(path.to_owned()),
            None => found.extend(if_there("mutirao.toml".into())?),
        }
        for path in users.into_iter().chain([PathBuf::from("/etc/mutirao/mutirao.toml")]) {
            found.extend(if_there(path)?);
        }
        let mut file = SettingsFile::default();
        for path in &found {
            file = file.over(SettingsFile::read(path)?);
        }
        Ok(Self { file, env })
    }

    /// Completes what was typed by what the settings files say.
    pub fn complete_delivery(&mut self, layer: &mut DeliveryLayer) {
        fill!(
            layer,
            self.file,
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
            ]
        );
    }

    /// Completes what was typed by what the settings files say.
    pub fn complete_end(&mut self, layer: &mut EndLayer) {
        fill!(layer, self.file, [max_errors, until]);
    }

    /// Completes what was typed by what the settings files say.
    pub fn complete_worker(&mut self, layer: &mut WorkerLayer) {
        fill!(layer, self.file, [lease, grace, poll, metrics_listen]);
    }

    /// Completes what was typed by what the settings files say.
    pub fn complete_reading(&mut self, layer: &mut FileLayer) {
        fill!(layer, self.file, [encoding, delimiter, default_ddd, allow_repeats, strict, excel_safe]);
        // A typed pair stands after the file's, and the last one for a field wins.
        layer.map.splice(0..0, std::mem::take(&mut self.file.map));
        layer.set.splice(0..0, std::mem::take(&mut self.file.set));
    }

    pub fn database_url(&self) -> Option<&str> {
        self.file.database_url.as_deref()
    }

    /// Where a worker hears of inserts, if a pooler stands before the database: past it.
    pub fn listen_url(&self) -> Result<Option<SecretString>, ConfigError> {
        self.secret("MUTIRAO_LISTEN_URL", "mutirao-listen-url", self.file.listen_url_file.as_deref())
    }

    /// Where HubSoft is and how to log in to it.
    pub fn hubsoft(&self, layer: &DeliveryLayer) -> Result<HubSoftSettings, ConfigError> {
        let url =
            self.value("HUBSOFT_URL", self.file.hubsoft_url.as_deref()).ok_or(ConfigError::Missing {
                key: "HUBSOFT_URL",
                why: "where HubSoft is, like https://example.hubsoft.com.br",
            })?;
        let base_url: BaseUrl = url.parse().map_err(|fault: BaseUrlFault| ConfigError::Value {
            key: "HUBSOFT_URL".into(),
            problem: fault.to_string(),
        })?;
        let mut settings = HubSoftSettings::new(base_url, self.credentials()?);
        settings.ca_file = self.path("HUBSOFT_CA_FILE", self.file.hubsoft_ca_file.as_deref());
        layer.set_time_outs(&mut settings);
        Ok(settings)
    }

    fn credentials(&self) -> Result<Credentials, ConfigError> {
        if let Some(token) =
            self.secret("HUBSOFT_TOKEN", "hubsoft-token", self.file.hubsoft_token_file.as_deref())?
        {
            return Ok(Credentials::Token(token));
        }
        let need = |key| ConfigError::Missing { key, why: "needed to log in, unless HUBSOFT_TOKEN is given" };
        let client_id = self.value("HUBSOFT_CLIENT_ID", self.file.hubsoft_client_id.as_deref());
        let username = self.value("HUBSOFT_USERNAME", self.file.hubsoft_username.as_deref());
        Ok(Credentials::Password {
            client_id: client_id.ok_or(need("HUBSOFT_CLIENT_ID"))?.to_owned(),
            client_secret: self
                .secret(
                    "HUBSOFT_CLIENT_SECRET",
                    "hubsoft-client-secret",
                    self.file.hubsoft_client_secret_file.as_deref(),
                )?
                .ok_or(need("HUBSOFT_CLIENT_SECRET"))?,
            username: username.ok_or(need("HUBSOFT_USERNAME"))?.to_owned(),
            password: self
                .secret("HUBSOFT_PASSWORD", "hubsoft-password", self.file.hubsoft_password_file.as_deref())?
                .ok_or(need("HUBSOFT_PASSWORD"))?,
        })
    }

    fn value<'a>(&'a self, key: &str, file: Option<&'a str>) -> Option<&'a str> {
        self.env.get(key).map(String::as_str).or(file).map(str::trim).filter(|it| !it.is_empty())
    }

    fn path(&self, key: &str, file: Option<&Path>) -> Option<PathBuf> {
        self.value(key, None).map(PathBuf::from).or_else(|| file.map(Path::to_owned))
    }

    /// `KEY`, else the file named by `KEY_FILE` or the settings, else systemd's credential.
    fn secret(
        &self,
        key: &'static str,
        credential: &str,
        file: Option<&Path>,
    ) -> Result<Option<SecretString>, ConfigError> {
        if let Some(value) = self.value(key, None) {
            return Ok(Some(value.to_owned().into()));
        }
        let path = match (self.path(&format!("{key}_FILE"), file), self.env.get("CREDENTIALS_DIRECTORY")) {
            (Some(path), _) => Some(path),
            (None, Some(handed)) => if_there(Path::new(handed).join(credential))?,
            (None, None) => None,
        };
        let Some(path) = path else { return Ok(None) };
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(ConfigError::Value {
                key: format!("{key}_FILE"),
                problem: format!("`{}` is empty", path.display()),
            });
        }
        Ok(Some(text.to_owned().into()))
    }
}

/// The file, unless there is none. One that cannot be reached must not count as none: what it says, a
/// lower rate perhaps, would be ignored without a word.
fn if_there(path: PathBuf) -> Result<Option<PathBuf>, ConfigError> {
    match path.try_exists() {
        Ok(is_there) => Ok(is_there.then_some(path)),
        Err(source) => Err(ConfigError::Unreadable { path, source }),
    }
}

/// What is wrong with the settings. Never carries a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{}` is not a valid settings file", path.display())]
    File { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{key}: {problem}")]
    Value { key: String, problem: String },
    #[error("{key} is not set: {why}")]
    Missing { key: &'static str, why: &'static str },
}

impl ConfigError {
    /// What the person who ran the command can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path, and the permissions of the file and of its folders",
            Self::File { .. } => "correct the place that is marked; samples/mutirao.toml shows every key",
            Self::Value { .. } => "correct the value; `mutirao doctor` tries all settings",
            Self::Missing { .. } => {
                "set it in the environment or in mutirao.toml; `--sandbox` needs no settings"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_reached_is_not_taken_for_none() {
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("mutirao.toml");
        assert_eq!(if_there(file.clone()).unwrap(), None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(if_there(file.clone()).unwrap(), Some(file.clone()));
        // No permission needs another user; this is as far out of reach.
        let error = if_there(file.join("mutirao.toml")).unwrap_err();
        assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn the_sample_has_every_key() {
        let sample = include_str!("../samples/mutirao.toml");
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
