//! The work folder before a run: what earlier ones left there is taken away, and what would not fit is told
//! before the first ticket.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app::work_folder::OUTBOX_FILE;
use crate::outbox::sqlite::LOG_LEN_MAX;
use crate::report::{FILES, RESULT_COLUMNS, XLSX_COLUMNS_MAX, XLSX_ROWS_MAX};

/// What a row adds to an outbox and to each file of its results besides its own cells, at most. Bytes.
const ROW_LEN: u64 = 1 << 10;

/// What an outbox of few rows may grow by when its log is emptied. Bytes.
const GROWTH_LEN: u64 = 1 << 20;

/// Removes results of an earlier run, lest they be taken for those of the one that begins; but for the file
/// that is being imported, which the new results replace.
pub fn clear(folder: &Path, source: &Path) {
    let source = source.canonicalize().ok();
    for name in FILES {
        let path = folder.join(name);
        if source.is_none() || path.canonicalize().ok() != source {
            // What cannot be removed cannot be written over either, which is told in its place.
            let _ = fs::remove_file(path);
        }
    }
}

/// Sees that what a run of `n_rows` rows adds has room in `folder`, in whose outbox they stand already, and
/// keeps back what its results need: when the disk fills up amid the run, what was opened must still be told.
pub fn reserve(folder: &Path, n_rows: u64) -> Result<Reserve, Failure> {
    // Results are the cells once more, up to three times (two files of text, and a workbook).
    let cells = [OUTBOX_FILE.to_owned(), format!("{OUTBOX_FILE}-wal")]
        .iter()
        .filter_map(|it| Some(fs::metadata(folder.join(it)).ok()?.len()))
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
        fallocate(&file, FallocateFlags::empty(), 0, len)?;
        Ok(file)
    });
    // A file system that cannot keep room back is no reason not to begin.
    Ok(Reserve { _file: kept.ok() })
}

/// Room for the results. Free again when dropped.
pub struct Reserve {
    _file: Option<File>,
}

fn check(folder: &Path, needed: u64) -> Result<(), Failure> {
    // Where it cannot be asked, the run finds out.
    let Ok(space) = statvfs(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }) else {
        return Ok(());
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if needed <= free {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Guard,
        format!(
            "`{}` has {} MiB free, and the outbox and the results may take {} MiB more; nothing was sent",
            folder.display(),
            free >> 20,
            (needed >> 20) + 1
        ),
        "free some space and run the same command again, or give a folder on another disk with -o DIR",
    ))
}

/// Tells what `results.xlsx` will lack.
pub fn tell_limits(n_columns: usize, n_rows: u64, screen: &Screen) {
    let n_columns = n_columns + RESULT_COLUMNS.len();
    if XLSX_COLUMNS_MAX < n_columns {
        screen.warn(format!(
            "there will be no results.xlsx: a sheet has {XLSX_COLUMNS_MAX} columns, and the results {n_columns}; results.csv has them all"
        ));
    } else if u64::from(XLSX_ROWS_MAX) < n_rows {
        screen.warn(format!(
            "results.xlsx will have the first {XLSX_ROWS_MAX} rows of {n_rows}; results.csv has them all"
        ));
    }
}
