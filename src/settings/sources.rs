//! Where settings are said, besides the command line.

use std::path::PathBuf;

use super::environment::Environment;
use super::error::SettingsError;
use super::file::SettingsFile;

/// The environment and the settings files, read once.
#[derive(Default)]
pub struct Sources {
    pub(super) environment: Environment,
    /// The first that says something wins.
    pub(super) files: Vec<SettingsFile>,
}

/// The file, unless there is none. One that cannot be reached must not count as none: what it says, a
/// lower rate perhaps, would be ignored without a word.
pub(super) fn if_there(path: PathBuf) -> Result<Option<PathBuf>, SettingsError> {
    match path.try_exists() {
        Ok(is_there) => Ok(is_there.then_some(path)),
        Err(source) => Err(SettingsError::Unreadable { path, source }),
    }
}
