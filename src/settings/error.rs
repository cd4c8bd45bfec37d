//! What is wrong with settings, in words.

use std::path::PathBuf;

use super::said::Place;
use crate::ownership::NotOurs;

/// What is wrong with the settings. Never carries a secret, nor a value from a file: a password may stand
/// where something else belongs.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("`{}`, line {line}, column {column}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, column: usize, problem: String },
    #[error(
        "`{}`, line {line}: `{key}` may be a secret, and secrets do not stand in settings files", path.display()
    )]
    Secret {
        path: PathBuf,
        line: usize,
        key: String,
        /// The keys that name files of secrets.
        keys_of_files: Vec<String>,
    },
    #[error(
        "`{}` says `{key}`, but a settings file in the current folder says only how a run goes", path.display()
    )]
    Elsewhere { path: PathBuf, key: String },
    #[error("a file of a secret is not used: {0}")]
    Shared(NotOurs),
    #[error("{place}: {problem}")]
    Value { place: Place, problem: String },
    #[error("{key} is not set: {why}")]
    Missing { key: String, why: &'static str },
    #[error("{key} is not set: needed to log in, unless HUBSOFT_TOKEN is given")]
    MissingSecret { key: String },
    #[error("{problem}")]
    Contradiction { problem: String, hint: &'static str },
}

impl SettingsError {
    /// What the person who ran the command can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path, and the permissions of the file and of its folders".into(),
            Self::Line { .. } => "correct that place; samples/mutirao.toml shows every key".into(),
            Self::Secret { keys_of_files, .. } => {
                let keys: Vec<_> = keys_of_files.iter().map(|key| format!("`{key}`")).collect();
                format!("put it into a file that only you can read, and name that: {}", keys.join(", "))
            }
            Self::Elsewhere { .. } => {
                "where to log in and with what belongs into ~/.config/mutirao/mutirao.toml or /etc/mutirao/mutirao.toml, lest a folder from others decide it; or name this file with --config"
                    .into()
            }
            Self::Shared(found) => found.hint().to_owned(),
            Self::Value { .. } => "correct the value".into(),
            Self::Contradiction { hint, .. } => (*hint).to_owned(),
            Self::MissingSecret { key } => format!(
                "set it in the environment, or put it into a file that only you can read and name that by {key}_FILE; `--sandbox` needs no settings"
            ),
            Self::Missing { .. } => {
                "set it in the environment or in ~/.config/mutirao/mutirao.toml; `--sandbox` needs no settings".into()
            }
        }
    }
}
