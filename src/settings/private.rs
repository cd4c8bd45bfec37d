//! Files that hold a secret: only their owner reads them, as ssh asks of a private key.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use super::error::SettingsError;
use crate::ownership::{self, Asked};

/// Longest file of a secret. Bytes: a certificate's key has some thousand; a disk image is a mistake.
const LEN_MAX: u64 = 64 << 10;

/// What keeps others from reading a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Owner and mode: they are looked at.
    Mode,
    /// systemd, which hands credentials to one service, by modes and lists of its own.
    Systemd,
}

/// The text of `path`, without the mark that some editors put in front and the line's end behind.
pub(super) fn read(path: &Path, protection: Protection) -> Result<String, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    if protection == Protection::Mode {
        refuse_shared(path, &file.metadata().map_err(unreadable)?)?;
    }
    let mut text = String::new();
    file.take(LEN_MAX).read_to_string(&mut text).map_err(unreadable)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Refuses a file that others may read, or that another user than root gave us.
pub(super) fn refuse_shared(path: &Path, found: &Metadata) -> Result<(), SettingsError> {
    ownership::check(path, found, Asked::Secret).map_err(SettingsError::Shared)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (mode, protection, is_read) in [
            (0o600, Protection::Mode, true),
            (0o400, Protection::Mode, true),
            (0o640, Protection::Mode, false),
            (0o604, Protection::Mode, false),
            (0o660, Protection::Mode, false),
            (0o440, Protection::Systemd, true),
        ] {
            write(&path, "hunter2\n").unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match read(&path, protection) {
                Ok(text) => assert!(is_read && text == "hunter2", "{mode:o}"),
                Err(error) => {
                    assert!(!is_read, "{mode:o}: {error}");
                    assert!(error.to_string().contains(&format!("{mode:04o}")), "{error}");
                    assert!(error.hint().contains("chmod 600"), "{}", error.hint());
                }
            }
            let _ = std::fs::remove_file(&path);
        }
    }

    #[test]
    fn a_mark_in_front_and_a_line_end_behind_are_no_part_of_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for written in ["hunter2", "\u{feff}hunter2\r\n", "hunter2\n\n"] {
            write(&path, written).unwrap();
            set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            assert_eq!(read(&path, Protection::Mode).unwrap(), "hunter2", "{written:?}");
        }
    }
}
