//! Settings: flags over environment over files over defaults.
//!
//! [`table`] has one row a setting. Names follow from its key ([`row`]), what is allowed from its type ([`values`]), the
//! flags of commands from both ([`flags`]). A command makes its [`Sources`] once, and [`Sources::resolve`] gives it a
//! value that is complete: nobody looks at the environment or for a default afterwards.

mod environment;
mod file;
mod flags;
mod lookup;
mod private;
mod row;
mod table;
mod values;

use std::path::{Path, PathBuf};

use crate::ownership::NotOurs;

pub use environment::Environment;
pub use flags::Flags;
pub use table::{Database, Import, Listening, Reading, Sending, Stopping, Tenant, Worker, Working};
pub use values::{MaxErrors, Span};

#[cfg(test)]
pub use {
    row::{Kind, Reach, Setting},
    table::all,
};

use file::SettingsFile;
use lookup::{Group, Lookup, Place};
#[cfg(not(test))]
use row::Reach;
use table::Login;

/// The environment and the settings files, read once.
#[derive(Default)]
pub struct Sources {
    environment: Environment,
    /// The first that says something wins.
    files: Vec<SettingsFile>,
}

impl Sources {
    /// Reads `explicit` or `./mutirao.toml`, then the user's and the system's file.
    pub fn load(environment: Environment, explicit: Option<&Path>) -> Result<Self, SettingsError> {
        let mut found = Vec::new();
        match explicit {
            Some(path) => found.push((path.to_owned(), Reach::Machine)),
            None => found.extend(if_there("mutirao.toml".into())?.map(|path| (path, Reach::Run))),
        }
        for path in environment.users_file().into_iter().chain([PathBuf::from("/etc/mutirao/mutirao.toml")]) {
            found.extend(if_there(path)?.map(|path| (path, Reach::Machine)));
        }
        let files = found.into_iter().map(|(path, reach)| SettingsFile::read(&path, reach));
        Ok(Self { files: files.collect::<Result<_, _>>()?, environment })
    }

    /// The settings of a command that was typed with `flags`.
    pub fn resolve<G: Group>(&self, flags: &Flags<G>) -> Result<G, SettingsError> {
        G::read(&mut Lookup::new(self, &flags.typed))
    }

    /// Where HubSoft is and how to log in to it.
    pub fn tenant(&self, sending: &Sending) -> Result<Tenant, SettingsError> {
        self.resolve(&Flags::<Login>::none())?.tenant(sending)
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// The file, unless there is none. One that cannot be reached must not count as none: what it says, a
/// lower rate perhaps, would be ignored without a word.
fn if_there(path: PathBuf) -> Result<Option<PathBuf>, SettingsError> {
    match path.try_exists() {
        Ok(is_there) => Ok(is_there.then_some(path)),
        Err(source) => Err(SettingsError::Unreadable { path, source }),
    }
}

/// What is wrong with the settings. Never carries a secret, nor a value from a file: a password may stand where
/// something else belongs.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
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
    Elsewhere { path: PathBuf, key: String },
    #[error("a file of a secret is not used: {0}")]
    Shared(NotOurs),
    #[error("{place}: {problem}")]
    Value { place: Place, problem: String },
    #[error("{key} is not set: {why}")]
    Missing { key: String, why: &'static str },
    #[error("{problem}")]
    Contradiction { problem: &'static str, hint: &'static str },
}

impl SettingsError {
    /// What the person who ran the command can do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path, and the permissions of the file and of its folders".into(),
            Self::Line { .. } => "correct that place; samples/mutirao.toml shows every key".into(),
            Self::Secret { .. } => {
                let secrets = table::all().into_iter().filter(|setting| setting.kind == row::Kind::Secret);
                let keys: Vec<_> = secrets.filter_map(|setting| Some(format!("`{}`", setting.file_key()?))).collect();
                format!("put it into a file that only you can read, and name that: {}", keys.join(", "))
            }
            Self::Elsewhere { .. } => {
                "where to log in and with what belongs into ~/.config/mutirao/mutirao.toml or /etc/mutirao/mutirao.toml, lest a folder from others decide it; or name this file with --config"
                    .into()
            }
            Self::Shared(found) => found.hint().to_owned(),
            Self::Value { .. } => "correct the value; `mutirao doctor` tries all settings".into(),
            Self::Contradiction { hint, .. } => (*hint).to_owned(),
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
        assert!(matches!(error, SettingsError::Unreadable { .. }), "{error}");
    }
}
