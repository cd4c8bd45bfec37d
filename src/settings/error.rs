//! What is wrong with settings, in words.

use std::borrow::Cow;
use std::path::PathBuf;

use super::said::Place;
use crate::ownership::NotOurs;

/// What is wrong with the settings. Never carries a secret, nor a value from a file: a password may stand
/// where something else belongs.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{}", tr!("cannot read `%{path}`", path = path.display()))]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(
        "{}",
        tr!(
            "`%{path}` has more than %{kib} KiB, and no settings file is as long as that",
            path = path.display(), kib = kib
        )
    )]
    TooLong { path: PathBuf, kib: u64 },
    #[error(
        "{}",
        tr!(
            "`%{path}`, line %{line}, column %{column}: %{problem}",
            path = path.display(), line = line, column = column, problem = problem
        )
    )]
    Line { path: PathBuf, line: usize, column: usize, problem: String },
    #[error(
        "{}",
        tr!(
            "`%{path}`, line %{line}: `%{key}` may be a secret, and secrets do not stand in settings files",
            path = path.display(), line = line, key = key
        )
    )]
    Secret {
        path: PathBuf,
        line: usize,
        key: String,
        /// The keys that name files of secrets.
        keys_of_files: Vec<String>,
    },
    #[error(
        "{}",
        tr!(
            "`%{path}` says `%{key}`, but a settings file in the current folder says only how a run goes",
            path = path.display(), key = key
        )
    )]
    Elsewhere { path: PathBuf, key: String },
    #[error("{}", tr!("a file of a secret is not used: %{why}", why = _0))]
    Shared(NotOurs),
    #[error("{place}: {problem}")]
    Value { place: Place, problem: String },
    #[error("{}", tr!("%{key} is not set: %{why}", key = key, why = why))]
    Missing { key: String, why: Cow<'static, str> },
    #[error("{}", tr!("%{key} is not set: needed to log in, unless HUBSOFT_TOKEN is given", key = key))]
    MissingSecret { key: String },
    #[error("{problem}")]
    Contradiction { problem: String, hint: Cow<'static, str> },
}

impl SettingsError {
    /// What the person who ran the command can do next.
    pub fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Unreadable { .. } => {
                tr!("check the path, and the permissions of the file and of its folders")
            }
            Self::TooLong { .. } => {
                tr!(
                    "put the right file there, or name it with --config; samples/mutirao.toml shows every key"
                )
            }
            Self::Line { .. } => tr!("correct that place; samples/mutirao.toml shows every key"),
            Self::Secret { keys_of_files, .. } => {
                let keys: Vec<_> = keys_of_files.iter().map(|key| format!("`{key}`")).collect();
                tr!(
                    "put it into a file that only you can read, and name that: %{keys}",
                    keys = keys.join(", ")
                )
            }
            Self::Elsewhere { .. } => {
                tr!(
                    "where to log in and with what belongs into ~/.config/mutirao/mutirao.toml or /etc/mutirao/mutirao.toml, lest a folder from others decide it; or name this file with --config"
                )
            }
            Self::Shared(found) => found.hint().to_owned().into(),
            Self::Value { .. } => tr!("correct the value"),
            Self::Contradiction { hint, .. } => hint.clone(),
            Self::MissingSecret { key } => tr!(
                "set it in the environment, or put it into a file that only you can read and name that by %{key}_FILE; `--sandbox` needs no settings",
                key = key
            ),
            Self::Missing { .. } => {
                tr!(
                    "the command `init` asks for it and writes it down; or set it in the environment or in ~/.config/mutirao/mutirao.toml; `--sandbox` needs no settings"
                )
            }
        }
    }
}
