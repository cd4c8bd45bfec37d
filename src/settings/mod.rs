//! Settings: flags over environment over files over defaults.
//!
//! A layer is a struct of options that clap fills from flags and environment, and serde fills from a
//! settings file; the first layer that says something wins. One rule names everything: the key in a
//! file is the environment variable in lower case, without `MUTIRAO_`.

mod file;
mod layers;
mod private;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::hubsoft::{BaseUrl, BaseUrlFault, Credentials, HubSoftSettings};
use crate::ownership::NotOurs;

pub use layers::{DeliveryLayer, EndLayer, FileLayer, WorkerLayer};
pub use values::{ClockTime, MaxErrors, Span};

use file::{Reach, SettingsFile, fill};
use private::Keeper;

/// The settings files and the environment, read once.
#[derive(Debug)]
pub struct Config {
    file: SettingsFile,
    /// The file that `hubsoft_url` is from, if the environment says nothing.
    url_from: Option<PathBuf>,
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
            Some(path) => found.push((path.to_owned(), Reach::Everything)),
            None => found.extend(if_there("mutirao.toml".into())?.map(|it| (it, Reach::Run))),
        }
        for path in users.into_iter().chain([PathBuf::from("/etc/mutirao/mutirao.toml")]) {
            found.extend(if_there(path)?.map(|it| (it, Reach::Everything)));
        }
        let (mut file, mut url_from) = (SettingsFile::default(), None);
        for (path, reach) in found {
            let below = SettingsFile::read(&path, reach)?;
            if file.hubsoft_url.is_none() && below.hubsoft_url.is_some() {
                url_from = Some(path);
            }
            file = file.over(below);
        }
        Ok(Self { file, url_from, env })
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
        fill!(
            layer,
            self.file,
            [encoding, delimiter, default_ddd, hidden, allow_repeats, strict, excel_safe]
        );
        // A typed pair stands after the file's, and the last one for a field wins.
        layer.map.splice(0..0, std::mem::take(&mut self.file.map));
        layer.set.splice(0..0, std::mem::take(&mut self.file.set));
    }

    /// `DATABASE_URL`, else what the files say.
    pub fn database_url(&self) -> Option<&str> {
        self.value("DATABASE_URL", self.file.database_url.as_deref())
    }

    /// Where programs keep what they know of their earlier runs: what systemd gives, else the user's.
    pub fn state_folder(&self) -> Option<PathBuf> {
        // systemd separates several by colons.
        let systemd =
            self.value("STATE_DIRECTORY", None).and_then(|it| it.split(':').next()).map(PathBuf::from);
        systemd
            .or_else(|| Some(Path::new(self.value("XDG_STATE_HOME", None)?).join("mutirao")))
            .or_else(|| Some(Path::new(self.value("HOME", None)?).join(".local/state/mutirao")))
            .filter(|it| it.is_absolute())
    }

    /// Where a worker hears of inserts, if a pooler stands before the database: past it.
    pub fn listen_url(&self) -> Result<Option<SecretString>, ConfigError> {
        self.secret("MUTIRAO_LISTEN_URL", "mutirao-listen-url", self.file.listen_url_file.as_deref())
    }

    /// Where it was said where HubSoft is, for people: `HUBSOFT_URL`, or a file.
    pub fn hubsoft_url_from(&self) -> String {
        match (&self.url_from, self.value("HUBSOFT_URL", None)) {
            (Some(path), None) => path.display().to_string(),
            _ => "HUBSOFT_URL".to_owned(),
        }
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

    /// Who runs the command, for a row's history.
    pub fn user(&self) -> String {
        let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|it| self.env.get(*it));
        named.map_or_else(|| format!("user {}", rustix::process::getuid().as_raw()), Clone::clone)
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
        let handed = self.env.get("CREDENTIALS_DIRECTORY").filter(|it| !it.is_empty()).map(Path::new);
        let path = match (self.path(&format!("{key}_FILE"), file), handed) {
            (Some(path), _) => Some(path),
            (None, Some(handed)) => if_there(handed.join(credential))?,
            (None, None) => None,
        };
        let Some(path) = path else { return Ok(None) };
        let is_handed = handed.is_some_and(|it| path.starts_with(it));
        let text = private::read(&path, if is_handed { Keeper::Systemd } else { Keeper::User })?;
        if text.is_empty() {
            return Err(ConfigError::Value {
                key: format!("{key}_FILE"),
                problem: format!("`{}` is empty", path.display()),
            });
        }
        Ok(Some(text.into()))
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

/// What is wrong with the settings. Never carries a secret, nor a value from a file: a password may stand where
/// something else belongs.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{}`, line {line}, column {column}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, column: usize, problem: String },
    #[error(
        "`{}`, line {line}: `{key}` may be a secret, and secrets do not stand in settings files", path.display()
    )]
    Secret { path: PathBuf, line: usize, key: String },
    #[error(
        "`{}` says `{key}`, but a settings file in the current folder says only how a run goes", path.display()
    )]
    Elsewhere { path: PathBuf, key: &'static str },
    #[error("a file of a secret is not used: {0}")]
    Shared(NotOurs),
    #[error("{key}: {problem}")]
    Value { key: String, problem: String },
    #[error("{key} is not set: {why}")]
    Missing { key: &'static str, why: &'static str },
}

impl ConfigError {
    /// What the person who ran the command can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path, and the permissions of the file and of its folders".into(),
            Self::Line { .. } => "correct that place; samples/mutirao.toml shows every key".into(),
            Self::Secret { .. } => {
                "put it into a file that only you can read, and name that: `hubsoft_password_file`, `hubsoft_client_secret_file`, `hubsoft_token_file`, `listen_url_file`"
                    .into()
            }
            Self::Elsewhere { .. } => {
                "where to log in and with what belongs into ~/.config/mutirao/mutirao.toml or /etc/mutirao/mutirao.toml, lest a folder from others decide it; or name this file with --config"
                    .into()
            }
            Self::Shared(found) => found.hint().to_owned(),
            Self::Value { .. } => "correct the value; `mutirao doctor` tries all settings".into(),
            Self::Missing { .. } => {
                "set it in the environment or in ~/.config/mutirao/mutirao.toml; `--sandbox` needs no settings".into()
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
}
