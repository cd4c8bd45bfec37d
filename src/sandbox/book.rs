//! The tickets of a sandbox on disk, so that it can be stopped and started as HubSoft can: one line of JSON
//! a ticket, in the order in which they were opened. A process that dies loses none that was answered; a
//! power cut may, and then they are as good as never opened.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::new_ticket::{NewTicket, marker_in};
use crate::{platform, temporary};

/// Within a work folder.
pub const BOOK_FILE: &str = "sandbox.jsonl";

/// Why a book cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum BookFault {
    #[error("{}", tr!("cannot keep the sandbox's tickets in `%{path}`", path = path.display()))]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{}", tr!("line %{line} of `%{path}` is no ticket of a sandbox", line = line, path = path.display())
    )]
    Line { path: PathBuf, line: usize },
    #[error("{}", tr!("another process keeps the sandbox's tickets in `%{path}`", path = path.display()))]
    Busy { path: PathBuf },
}

/// A line.
#[derive(Serialize, Deserialize)]
struct Entry<T> {
    at: Timestamp,
    #[serde(flatten)]
    ticket: T,
}

pub(super) struct Book {
    file: File,
    /// Where the next line begins.
    len: u64,
    line: Vec<u8>,
}

impl Book {
    /// Opens the book of `folder` or begins one, and hands out the tickets that stand in it.
    pub(super) fn open(folder: &Path, known: impl FnMut(Timestamp, NewTicket)) -> Result<Self, BookFault> {
        let path = folder.join(BOOK_FILE);
        let failed = |source| BookFault::Io { path: path.clone(), source };
        let Some(file) = platform::lock(&path).map_err(failed)? else {
            return Err(BookFault::Busy { path });
        };
        let len = read(&file, &path, known)?;
        let mut book = Self { file, len, line: Vec::with_capacity(512) };
        // A line without an end was never answered.
        book.cut().map_err(failed)?;
        Ok(book)
    }

    /// Adds a ticket. An error: it does not stand there.
    pub(super) fn add(&mut self, at: Timestamp, ticket: &NewTicket) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, &Entry { at, ticket })?;
        self.line.push(b'\n');
        if let Err(error) = self.file.write_all(&self.line) {
            self.cut()?;
            return Err(error);
        }
        self.len += self.line.len() as u64;
        Ok(())
    }

    /// Takes away what stands behind the last whole line.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.len)?;
        self.file.seek(SeekFrom::Start(self.len)).map(drop)
    }
}

/// Reads the whole lines, and returns where they end.
fn read(file: &File, path: &Path, mut known: impl FnMut(Timestamp, NewTicket)) -> Result<u64, BookFault> {
    let mut reader = BufReader::new(file);
    let (mut len, mut text) = (0, Vec::new());
    for line in 1.. {
        text.clear();
        let n = reader
            .read_until(b'\n', &mut text)
            .map_err(|source| BookFault::Io { path: path.to_owned(), source })?;
        if text.last() != Some(&b'\n') {
            break;
        }
        let entry: Entry<NewTicket> =
            serde_json::from_slice(&text).map_err(|_| BookFault::Line { path: path.to_owned(), line })?;
        known(entry.at, entry.ticket);
        len += n as u64;
    }
    Ok(len)
}

/// Takes the texts of tickets that were opened before `before` from the book of `folder`, but for their
/// markers. A folder without a book has nothing to forget.
pub fn forget(folder: &Path, before: Timestamp) -> Result<(), BookFault> {
    let path = folder.join(BOOK_FILE);
    if !path.exists() {
        return Ok(());
    }
    let failed = |source| BookFault::Io { path: path.clone(), source };
    let mut entries = Vec::new();
    // Held until the new one has its place.
    let _book = Book::open(folder, |at, ticket| entries.push(Entry { at, ticket }))?;
    let rewrite = || {
        let mut out = BufWriter::new(temporary::file_in(folder)?);
        for mut entry in entries {
            if entry.at < before {
                entry.ticket.descricao = marker_in(&entry.ticket.descricao)
                    .map_or_else(String::new, |marker| format!("[ref {}]", String::from_utf8_lossy(&marker)));
            }
            serde_json::to_writer(&mut out, &entry)?;
            out.write_all(b"\n")?;
        }
        temporary::publish(out.into_inner().map_err(io::IntoInnerError::into_error)?, &path)
    };
    rewrite().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    fn ticket(service: i64) -> NewTicket {
        let descricao = format!("Sem luz na rua {service} [ref 0123456789AB]");
        NewTicket { service, tipo: 1, descricao, abrir_os: false, closed: false }
    }

    /// The services of the tickets that stand there.
    fn services(folder: &Path) -> Vec<i64> {
        let mut all = Vec::new();
        Book::open(folder, |_, ticket| all.push(ticket.service)).unwrap();
        all
    }

    #[test]
    fn a_line_that_was_cut_by_a_crash_is_taken_away_and_others_follow() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::open(folder.path(), |_, _| unreachable!("it is new")).unwrap();
        book.add(Timestamp::UNIX_EPOCH, &ticket(1)).unwrap();
        assert!(matches!(Book::open(folder.path(), |_, _| {}), Err(BookFault::Busy { .. })));
        drop(book);
        let path = folder.path().join(BOOK_FILE);
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(br#"{"at":"2026-11-"#).unwrap();
        let mut book = Book::open(folder.path(), |_, _| {}).unwrap();
        book.add(Timestamp::UNIX_EPOCH, &ticket(2)).unwrap();
        drop(book);
        assert_eq!(services(folder.path()), [1, 2]);

        torn.write_all(b"by hand\n").unwrap();
        assert!(matches!(Book::open(folder.path(), |_, _| {}), Err(BookFault::Line { line: 3, .. })));
    }

    #[test]
    fn what_was_opened_long_ago_is_forgotten_but_for_its_marker() {
        let folder = tempfile::tempdir().unwrap();
        forget(folder.path(), Timestamp::MAX).unwrap();
        let mut book = Book::open(folder.path(), |_, _| {}).unwrap();
        let late = Timestamp::from_second(1_000).unwrap();
        book.add(Timestamp::UNIX_EPOCH, &ticket(1)).unwrap();
        book.add(late, &ticket(2)).unwrap();
        drop(book);
        forget(folder.path(), late).unwrap();
        let text = std::fs::read_to_string(folder.path().join(BOOK_FILE)).unwrap();
        assert!(!text.contains("rua 1") && text.contains("rua 2"), "{text}");
        assert_eq!(text.matches("[ref 0123456789AB]").count(), 2, "{text}");
        assert_eq!(services(folder.path()), [1, 2]);
    }
}
