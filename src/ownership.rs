//! Whose a file is. What another user owns, or may write to, could have been put there, or be changed at any
//! moment: it is not used, as ssh's `StrictModes` has it.
//!
//! Root is a user like any other: in another user's folder that user could swap files under its feet, and
//! what root left there the user could not go on with.

use std::borrow::Cow;
use std::fs::{Metadata, symlink_metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::platform::{self, Rights};

/// What is asked of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A folder, which only we write to; or one where each may remove only what is its own, like /tmp.
    Folder,
    /// A plain file, which only we write to.
    File,
    /// Something to read that only we can read.
    Secret,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
#[error("`{}` {found}", path.display())]
pub struct NotOurs {
    path: PathBuf,
    found: String,
    hint: String,
}

impl NotOurs {
    /// The command that mends it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// Looks at what stands at `path`. Of a folder what a link leads to, of a file the link itself.
pub fn look(path: &Path, asked: Asked) -> io::Result<Result<(), NotOurs>> {
    let found = if asked == Asked::Folder { path.metadata()? } else { symlink_metadata(path)? };
    Ok(check(path, &found, asked))
}

/// Judges `found`, which stands at `path`.
pub fn check(path: &Path, found: &Metadata, asked: Asked) -> Result<(), NotOurs> {
    let kind = found.file_type();
    let shown = path.display();
    let refused = |found: Cow<'_, str>, hint: Cow<'_, str>| {
        Err(NotOurs { path: path.to_owned(), found: found.into_owned(), hint: hint.into_owned() })
    };
    let is_right = match asked {
        Asked::Folder => kind.is_dir(),
        Asked::File => kind.is_file(),
        Asked::Secret => !kind.is_dir(),
    };
    if !is_right {
        let is = match () {
            () if kind.is_symlink() => tr!("is a link"),
            () if platform::is_pipe(kind) => tr!("is a pipe"),
            () if kind.is_dir() => tr!("is a folder"),
            () if kind.is_file() => tr!("is a file"),
            () => tr!("is no file"),
        };
        let hint = match asked {
            Asked::Folder => {
                tr!(
                    "see who put it there; `ls -ld '%{path}'` shows it, and only a folder is used",
                    path = shown
                )
            }
            Asked::File | Asked::Secret => tr!(
                "see who put it there; `ls -ld '%{path}'` shows it, and only a plain file is used",
                path = shown
            ),
        };
        return refused(is, hint);
    }
    let Some(Rights { owner, ours, mode }) = platform::rights(found) else { return Ok(()) };
    if owner != ours && owner != 0 {
        let hint = if ours == 0 {
            tr!(
                "work as that user: `sudo -u '#%{owner}' mutirao …`; or take it over: `chown root '%{path}'`",
                owner = owner,
                path = shown
            )
        } else {
            tr!(
                "use one of your own, or have it given to you: `sudo chown %{user} '%{path}'`",
                user = ours,
                path = shown
            )
        };
        return refused(
            tr!("belongs to user %{owner}, not to user %{user}", owner = owner, user = ours),
            hint,
        );
    }
    let octal = format!("{mode:04o}");
    match asked {
        Asked::Secret if mode & 0o077 != 0 => refused(
            tr!("has mode %{mode}, so that others may read it", mode = octal),
            format!("`chmod 600 '{shown}'`").into(),
        ),
        Asked::Folder | Asked::File if mode & 0o022 != 0 && (asked == Asked::File || mode & 0o1000 == 0) => {
            refused(
                tr!("has mode %{mode}, so that others may change it", mode = octal),
                format!("`chmod go-w '{shown}'`").into(),
            )
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_others_may_change_is_refused_with_the_command_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shown");
        for (asked, mode, mends) in [
            (Asked::Folder, 0o700, None),
            (Asked::Folder, 0o755, None),
            (Asked::Folder, 0o1777, None),
            (Asked::Folder, 0o775, Some("chmod go-w")),
            (Asked::Folder, 0o777, Some("chmod go-w")),
            (Asked::File, 0o600, None),
            (Asked::File, 0o644, None),
            (Asked::File, 0o664, Some("chmod go-w")),
            (Asked::File, 0o602, Some("chmod go-w")),
            (Asked::Secret, 0o600, None),
            (Asked::Secret, 0o400, None),
            (Asked::Secret, 0o640, Some("chmod 600")),
            (Asked::Secret, 0o604, Some("chmod 600")),
        ] {
            match asked {
                Asked::Folder => std::fs::create_dir(&path).unwrap(),
                _ => std::fs::write(&path, "").unwrap(),
            }
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let refused = look(&path, asked).unwrap().err();
            assert_eq!(refused.is_some(), mends.is_some(), "{asked:?} {mode:o}");
            if let (Some(refused), Some(mends)) = (refused, mends) {
                assert!(refused.to_string().contains(&format!("{mode:04o}")), "{refused}");
                assert!(
                    refused.hint().contains(mends) && refused.hint().contains("shown"),
                    "{}",
                    refused.hint()
                );
            }
            let _ = std::fs::remove_dir(&path).or_else(|_| std::fs::remove_file(&path));
        }
    }

    #[test]
    fn what_is_no_plain_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, pipe) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("pipe"));
        std::fs::write(&file, "").unwrap();
        symlink(&file, &link).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (path, asked, said) in [
            (&link, Asked::File, "is a link"),
            (&pipe, Asked::File, "is a pipe"),
            (&folder.path().to_owned(), Asked::File, "is a folder"),
            (&file, Asked::Folder, "is a file"),
        ] {
            let refused = look(path, asked).unwrap().unwrap_err();
            assert!(refused.to_string().ends_with(said), "{refused}");
        }
    }
}
