//! The environment, read once: nobody else looks at it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::language::Language;
use crate::platform;

/// What the environment says.
#[derive(Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn read() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// The value of a variable, if it has one, and one that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.any(name).filter(|value| !value.is_empty())
    }

    /// The same, but an empty value is one.
    pub(super) fn any(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    fn path(&self, name: &str) -> Option<&Path> {
        self.get(name).map(Path::new)
    }

    /// Whether a person wants no colours, as <https://no-color.org> says it.
    pub fn has_no_color(&self) -> bool {
        self.get("NO_COLOR").is_some()
    }

    /// Whether a browser of this person's would have a screen.
    pub fn has_display(&self) -> bool {
        platform::HAS_SCREEN || self.get("DISPLAY").or_else(|| self.get("WAYLAND_DISPLAY")).is_some()
    }

    /// The language of the system's messages, as POSIX finds it (Base Definitions, 8.2). English where it is
    /// none of ours.
    pub(super) fn language(&self) -> Language {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|name| self.get(name)?.to_str());
        locale
            .map(str::to_owned)
            .or_else(platform::locale)
            .and_then(|name| Language::of_locale(&name))
            .unwrap_or_default()
    }

    /// Who runs the command, for a row's history.
    pub fn user(&self) -> String {
        let named =
            ["SUDO_USER", "USER", "LOGNAME", "USERNAME"].iter().find_map(|name| self.get(name)?.to_str());
        named.map_or_else(platform::user, str::to_owned)
    }

    /// The variables that are nobody else's business: settings of ours with their secrets, and a database's.
    pub fn own_variables(&self) -> Vec<OsString> {
        let is_own = |name: &OsString| {
            let name = name.to_string_lossy();
            ["HUBSOFT_", "MUTIRAO_", "PG"].iter().any(|prefix| name.starts_with(prefix))
                || name == "DATABASE_URL"
        };
        self.0.keys().filter(|name| is_own(name)).cloned().collect()
    }

    /// Where programs keep what they know of their earlier runs: what systemd gives, else the user's.
    pub fn state_folder(&self) -> Option<PathBuf> {
        // systemd separates several by colons.
        let systemd = self.get("STATE_DIRECTORY").and_then(|folders| folders.to_str()?.split(':').next());
        systemd
            .map(PathBuf::from)
            .or_else(|| Some(self.path("XDG_STATE_HOME")?.join("mutirao")))
            // Of Windows, where some shells have a HOME, too.
            .or_else(|| Some(self.path("LOCALAPPDATA")?.join("mutirao")))
            .or_else(|| Some(self.path("HOME")?.join(".local/state/mutirao")))
            .filter(|folder| folder.is_absolute())
    }

    /// The user's settings file. One that was named by its folder counts also where it cannot be reached.
    pub(super) fn users_file(&self) -> Option<PathBuf> {
        // A service, or a program under another user's name, may have a home that is shut to it.
        let is_named = self.path("XDG_CONFIG_HOME").is_some();
        self.settings_to_write().filter(|file| is_named || file.exists())
    }

    /// Where the user's settings file stands, or would.
    pub fn settings_to_write(&self) -> Option<PathBuf> {
        let named = ["XDG_CONFIG_HOME", "APPDATA"].into_iter().find_map(|name| self.path(name));
        let folder = named.map(Path::to_owned).or_else(|| Some(self.path("HOME")?.join(".config")));
        Some(folder?.join("mutirao/mutirao.toml"))
    }

    /// Where systemd puts the secrets that it hands to a service.
    pub(super) fn credentials(&self) -> Option<&Path> {
        self.path("CREDENTIALS_DIRECTORY")
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.into(), value.into())).into_iter().collect())
    }
}
