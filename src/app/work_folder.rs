//! The work folder of a spreadsheet. Before a run, what earlier ones left there is taken away, and what would
//! not fit is told before the first ticket.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use crate::outbox::{self, sqlite::LOG_LEN_MAX};
use crate::report::{self, FILES, RESULT_COLUMNS, RESULTS, XLSX_COLUMNS_MAX, XLSX_ROWS_MAX};
use crate::{platform, temporary};

/// The embedded outbox within a work folder.
pub const OUTBOX_FILE: &str = outbox::sqlite::FILE_NAME;

/// What a row adds to an outbox and to each file of its results besides its own cells, at most. Bytes.
const ROW_LEN: u64 = 1 << 10;

/// What an outbox of few rows may grow by when its log is emptied. Bytes.
const GROWTH_LEN: u64 = 1 << 20;

/// The work folder of a spreadsheet: `queda.mutirao/` beside `queda.csv`.
pub fn folder_of(file: &Path) -> PathBuf {
    beside(file, "mutirao")
}

/// The same of an import in the sandbox: what it opened is not real, and must not stand among what is.
pub fn sandbox_folder_of(file: &Path) -> PathBuf {
    beside(file, "sandbox.mutirao")
}

/// `Path::with_extension` would leave the folder where nothing but a point stands before the last one.
fn beside(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    file.with_file_name(name)
}

/// Makes the work folder, for its owner only; or sees that it can be written to, before an hour of
/// sending whose results would have no place.
pub fn make_private(folder: &Path) -> Result<(), Fault> {
    let make = || {
        let is_new = !folder.is_dir();
        temporary::make_folder(folder)?;
        match is_new {
            true => platform::close(folder),
            false => temporary::file_in(folder).map(drop),
        }
    };
    let folder = || folder.to_owned();
    make().map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::FolderFull { folder: folder() },
        _ => Fault::Folder { has_outbox: folder().join(OUTBOX_FILE).exists(), folder: folder(), error },
    })
}

/// Removes what processes left that died: in the work folder and, of dry runs, beside it.
pub fn sweep(folder: &Path) {
    temporary::sweep(folder);
    temporary::sweep(folder.parent().unwrap_or(Path::new("")));
}

/// Refuses a folder in which files of somebody's own have the names of results, which would be written over
/// them. What an import or `export` left there is replaced.
pub fn refuse_to_replace(folder: &Path) -> Result<(), Fault> {
    let is_ours = folder.join(OUTBOX_FILE).exists()
        || report::batch_of_summary(folder).is_some()
        || report::is_results(&folder.join(RESULTS));
    let mut files = FILES.into_iter().map(|name| folder.join(name));
    match files.find(|file| file.is_file() && !report::is_results(file)) {
        Some(path) if !is_ours => Err(Fault::OthersFile { path }),
        _ => Ok(()),
    }
}

/// Removes results of an earlier run, lest they be taken for those of the one that begins; but for the file
/// that is being imported, which the new results replace.
pub fn clear(folder: &Path, source: &Path) {
    let source = source.canonicalize().ok();
    for name in report::files_in(folder) {
        let path = folder.join(name);
        if source.is_none() || path.canonicalize().ok() != source {
            // What cannot be removed cannot be written over either, which is told in its place.
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes what earlier runs wrote beside files that somebody had open: it would look newer than what comes.
/// As much of it as can be removed.
pub fn clear_beside(folder: &Path) -> io::Result<()> {
    let mut done = Ok(());
    for name in report::files_in(folder).iter().filter(|name| !FILES.contains(&name.as_str())) {
        done = done.and(fs::remove_file(folder.join(name)));
    }
    done
}

/// Sees that what a run of `n_rows` rows adds has room in `folder`, in whose outbox they stand already, and
/// keeps back what its results need: when the disk fills up amid the run, what was opened must still be told.
pub fn reserve(folder: &Path, n_rows: u64) -> Result<Reserve, Fault> {
    // Results are the cells once more, up to three times (two files of text, and a workbook).
    let cells = [OUTBOX_FILE.to_owned(), format!("{OUTBOX_FILE}-wal")]
        .iter()
        .filter_map(|name| Some(fs::metadata(folder.join(name)).ok()?.len()))
        .max()
        .unwrap_or_default();
    // In a shared outbox neither rows nor log stand here.
    let log = if cells == 0 { 0 } else { LOG_LEN_MAX };
    let needed = 2 * cells + n_rows.saturating_mul(3 * ROW_LEN) + log;
    check(folder, needed)?;
    // Without a name: a process that is killed leaves nothing of it.
    let kept = tempfile::tempfile_in(folder).and_then(|file| {
        // The two files of text, and what the outbox grows by when its log is emptied. No byte is written.
        let len = cells + n_rows.saturating_mul(2 * ROW_LEN) + GROWTH_LEN;
        platform::reserve(&file, len)?;
        Ok(file)
    });
    // A file system that cannot keep room back is no reason not to begin.
    Ok(Reserve { _file: kept.ok() })
}

/// Room for the results. Free again when dropped.
pub struct Reserve {
    _file: Option<File>,
}

fn check(folder: &Path, needed: u64) -> Result<(), Fault> {
    // Where it cannot be asked, the run finds out.
    let Ok(free) = platform::free_space(temporary::named(folder)) else { return Ok(()) };
    if needed <= free {
        return Ok(());
    }
    let (free_mib, needed_mib) = (free >> 20, (needed >> 20) + 1);
    Err(Fault::NoRoom { folder: folder.to_owned(), free_mib, needed_mib })
}

/// What `results.xlsx` will lack; `results.csv` has it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A sheet has fewer columns than the results: there will be none.
    Workbook { n_columns: usize },
    /// A sheet has fewer rows.
    Rows { n_rows: u64 },
}

/// What the workbook of a file of so many columns and rows will lack.
pub fn lack(n_columns: usize, n_rows: u64) -> Option<Lack> {
    let n_columns = n_columns + RESULT_COLUMNS.len();
    if XLSX_COLUMNS_MAX < n_columns {
        return Some(Lack::Workbook { n_columns });
    }
    (u64::from(XLSX_ROWS_MAX) < n_rows).then_some(Lack::Rows { n_rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_folder_is_beside_its_file_whatever_that_is_called() {
        for (file, folder) in [
            ("a/queda.csv", "a/queda.mutirao"),
            ("a/queda.1.csv", "a/queda.1.mutirao"),
            ("queda", "queda.mutirao"),
            ("a/.csv", "a/.csv.mutirao"),
            ("a/..csv", "a/..mutirao"),
            ("a/...csv", "a/...mutirao"),
            ("..csv", "..mutirao"),
        ] {
            assert_eq!(folder_of(Path::new(file)), Path::new(folder), "{file}");
        }
        assert_eq!(sandbox_folder_of(Path::new("a/..csv")), Path::new("a/..sandbox.mutirao"));
    }
}
