//! Settings: flags over environment over files over defaults.
//!
//! [`table`] has one row a setting. Names follow from its key ([`row`]), what is allowed from its type
//! ([`values`]), the flags of commands from both ([`flags`]). A command makes its [`Sources`] once, and
//! [`Sources::resolve`] gives it a value that is complete: nobody looks at the environment or for a default
//! afterwards.

mod environment;
mod error;
mod file;
mod flags;
#[cfg(feature = "inside")]
pub(crate) mod fuzz;
mod lookup;
mod private;
mod row;
mod said;
mod sources;
mod table;
mod values;

use std::path::{Path, PathBuf};

pub use environment::Environment;
pub use error::SettingsError;
pub use flags::Flags;
pub use sources::Sources;
pub use table::{
    Database, Import, Listening, Notifying, PAGE_AT, Paging, Reading, Sending, Speaking, Stopping, Tenant,
    Worker,
};
pub use values::{MaxErrors, Span};

#[cfg(test)]
pub use {
    row::{Kind, Setting, Trust},
    table::all,
};

use crate::language::Language;
use file::SettingsFile;
pub use lookup::Group;
use lookup::Lookup;
#[cfg(not(test))]
use row::Trust;
use sources::if_there;
use table::Login;

impl Sources {
    /// Reads `explicit` or `./mutirao.toml`, then the user's and the system's file.
    pub fn load(environment: Environment, explicit: Option<&Path>) -> Result<Self, SettingsError> {
        let mut found = Vec::new();
        match explicit {
            Some(path) => found.push((path.to_owned(), Trust::Machine)),
            None => found.extend(if_there("mutirao.toml".into())?.map(|path| (path, Trust::Run))),
        }
        for path in environment.users_file().into_iter().chain([PathBuf::from("/etc/mutirao/mutirao.toml")]) {
            found.extend(if_there(path)?.map(|path| (path, Trust::Machine)));
        }
        let known = table::all();
        let files = found.into_iter().map(|(path, trust)| SettingsFile::read(&path, trust, &known));
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

    /// The language of a call with `--lang` and `--config` as `typed`, before anything is said. What is wrong
    /// with any of it is told later, by whoever needs it.
    pub fn language(typed: Flags<Speaking>, config: Option<&Path>) -> Language {
        let sources = Self::load(Environment::read(), config)
            .unwrap_or_else(|_| Self { files: Vec::new(), environment: Environment::read() });
        let said = sources.resolve(&typed).ok().and_then(|speaking| speaking.language);
        said.unwrap_or_else(|| sources.environment.language())
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
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
