//! Which column is which field, as this user said it last for a file with the same names of columns.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kept::{Lines, RegistryError};

const FILE: &str = "columns.jsonl";
const LOCK: &str = "columns.lock";

/// Sets of names that are kept, the newest.
const KEPT_MAX: usize = 200;

/// What was said of the columns of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    pub at: Timestamp,
    /// A hash of the names of all columns: whatever stands there instead of a header is not kept.
    pub headers: String,
    /// Columns, and the fields that they are.
    pub map: Vec<(String, String)>,
}

pub struct ColumnMemory(Lines<Mapping>);

impl ColumnMemory {
    /// In `folder`, which may not be there yet.
    pub fn at(folder: Option<PathBuf>) -> Self {
        Self(Lines::new(folder, FILE, LOCK))
    }

    /// The file to delete for whoever wants it forgotten.
    pub fn path(&self) -> Option<PathBuf> {
        self.0.path()
    }

    /// What is remembered, one a set of names. What is wrong with it comes beside what could be read; a user
    /// without a state folder has nothing.
    pub fn all(&self) -> (Vec<Mapping>, Option<RegistryError>) {
        match self.0.read() {
            Ok(read) => read,
            Err(RegistryError::NoFolder) => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(error)),
        }
    }

    /// Remembers it, in place of what was said of the same names before.
    pub fn remember(&self, mapping: &Mapping) -> Result<(), RegistryError> {
        let is_known = |known: &Mapping| known.headers == mapping.headers && known.map == mapping.map;
        if self.all().0.iter().any(is_known) {
            return Ok(());
        }
        self.0.change(|mappings| {
            mappings.retain(|known| known.headers != mapping.headers);
            mappings.push(mapping.clone());
            let n_old = mappings.len().saturating_sub(KEPT_MAX);
            mappings.drain(..n_old);
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mapping(headers: &str, column: &str) -> Mapping {
        let map = vec![(column.to_owned(), "nome".to_owned())];
        Mapping { at: Timestamp::UNIX_EPOCH, headers: headers.to_owned(), map }
    }

    #[test]
    fn the_last_word_on_a_set_of_names_stands() {
        let here = tempfile::tempdir().unwrap();
        let folder = here.path().join("state/mutirao");
        let memory = ColumnMemory::at(Some(folder.clone()));
        assert!(memory.all().0.is_empty() && memory.all().1.is_none());
        for (headers, column) in [("a", "x"), ("b", "y"), ("a", "z")] {
            memory.remember(&mapping(headers, column)).unwrap();
        }
        assert_eq!(memory.all().0, [mapping("b", "y"), mapping("a", "z")]);
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder), mode(memory.path().unwrap())), (0o700, 0o600));

        for n in 0..KEPT_MAX {
            memory.remember(&mapping(&n.to_string(), "x")).unwrap();
        }
        assert_eq!(memory.all().0.len(), KEPT_MAX);
        assert_eq!(memory.all().0[0], mapping("0", "x"));
        fs::remove_file(memory.path().unwrap()).unwrap();
        assert!(memory.all().0.is_empty(), "it is forgotten with its file");
        assert!(ColumnMemory::at(None).all().1.is_none());
    }
}
