//! The work folder of a spreadsheet: made for its owner only, and swept of what processes left that died.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::fault::Fault;
use crate::temporary;

/// The embedded outbox within a work folder.
pub const OUTBOX_FILE: &str = "outbox.db";

/// The work folder of a spreadsheet: `queda.mutirao/` beside `queda.csv`.
pub fn folder_of(file: &Path) -> PathBuf {
    file.with_extension("mutirao")
}

/// The same of an import in the sandbox: what it opened is not real, and must not stand among what is.
pub fn sandbox_folder_of(file: &Path) -> PathBuf {
    file.with_extension("sandbox.mutirao")
}

/// Makes the work folder, for its owner only; or sees that it can be written to, before an hour of
/// sending whose results would have no place.
pub fn make_private(folder: &Path) -> Result<(), Fault> {
    let make = || {
        if folder.is_dir() {
            return temporary::file_in(folder).map(drop);
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
    };
    make().map_err(|error: io::Error| {
        let has_outbox = folder.join(OUTBOX_FILE).exists();
        let folder = folder.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::FolderFull { folder },
            _ => Fault::Folder { folder, error, has_outbox },
        }
    })
}

/// Removes what processes left that died: in the work folder and, of dry runs, beside it.
pub fn sweep(folder: &Path) {
    temporary::sweep(folder);
    temporary::sweep(folder.parent().unwrap_or(Path::new("")));
}
