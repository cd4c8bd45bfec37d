//! A small file of JSON lines in the user's state folder, rewritten whole under a lock.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ownership::{self, Asked};
use crate::{platform, temporary};

/// Largest file that is read. Bytes: some 10,000 lines; more is not a person's.
const LEN_MAX: u64 = 4 << 20;

/// Another command holds the lock for as long as it takes to write one small file.
const LOCK_TRIES: u32 = 100;
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// Why what is kept is of no use, or of less.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("{}", tr!("there is no state folder: neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set"))]
    NoFolder,
    #[error("{}", tr!("cannot use `%{path}`: %{source}", path = path.display(), source = source))]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    NotOurs(#[from] ownership::NotOurs),
    #[error("{}", tr!("line %{line} of `%{path}` is not as this program writes it", line = line, path = path.display()))]
    Damaged { path: PathBuf, line: usize },
    #[error("{}", tr!("`%{path}` is larger than %{n_max} bytes", path = path.display(), n_max = LEN_MAX))]
    TooLong { path: PathBuf },
    #[error("{}", tr!("another process holds `%{path}`", path = path.display()))]
    Locked { path: PathBuf },
}

/// Lines, each a `T`.
#[derive(Clone)]
pub struct Lines<T> {
    folder: Option<PathBuf>,
    file: Cow<'static, str>,
    lock: Cow<'static, str>,
    lines: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Lines<T> {
    /// In `folder`, which may not be there yet.
    pub fn new(
        folder: Option<PathBuf>,
        file: impl Into<Cow<'static, str>>,
        lock: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { folder, file: file.into(), lock: lock.into(), lines: PhantomData }
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        Some(self.folder.as_deref()?.join(&*self.file))
    }

    /// Changes all that is kept, under the lock.
    pub fn change<R>(&self, by: impl FnOnce(&mut Vec<T>) -> R) -> Result<R, RegistryError> {
        let folder = self.folder()?;
        if !folder.is_dir() {
            temporary::make_folder(folder).map_err(failed(folder))?;
        }
        ownership::look(folder, Asked::Folder).map_err(failed(folder))??;
        let _lock = lock(&folder.join(&*self.lock))?;
        temporary::sweep(folder);
        // What is damaged is told when it is read, and is gone after this.
        let (mut entries, _) = self.read()?;
        let result = by(&mut entries);
        let path = folder.join(&*self.file);
        write(folder, &path, &entries).map_err(failed(&path))?;
        Ok(result)
    }

    /// What is kept, and what is wrong with the rest.
    pub fn read(&self) -> Result<(Vec<T>, Option<RegistryError>), RegistryError> {
        let folder = self.folder()?;
        let path = folder.join(&*self.file);
        let none = || Ok((Vec::new(), None));
        // Whoever may change the folder can put another file there.
        for (path, asked) in [(folder, Asked::Folder), (&*path, Asked::File)] {
            match ownership::look(path, asked) {
                Ok(judged) => judged?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return none(),
                Err(error) => return Err(failed(path)(error)),
            }
        }
        let mut text = Vec::new();
        let file = File::open(&path).map_err(failed(&path))?;
        file.take(LEN_MAX + 1).read_to_end(&mut text).map_err(failed(&path))?;
        if LEN_MAX < text.len() as u64 {
            return Err(RegistryError::TooLong { path });
        }
        let (mut entries, mut error) = (Vec::new(), None);
        for (n, line) in text.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(entry) => entries.push(entry),
                Err(_) => error = Some(RegistryError::Damaged { path: path.clone(), line: n + 1 }),
            }
        }
        Ok((entries, error))
    }

    fn folder(&self) -> Result<&Path, RegistryError> {
        self.folder.as_deref().ok_or(RegistryError::NoFolder)
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> RegistryError {
    move |source| RegistryError::Io { path: path.to_owned(), source }
}

/// Held until it is dropped.
fn lock(path: &Path) -> Result<File, RegistryError> {
    if let Ok(judged) = ownership::look(path, Asked::File) {
        judged?;
    }
    for _ in 0..LOCK_TRIES {
        match platform::lock(path).map_err(failed(path))? {
            Some(file) => return Ok(file),
            None => sleep(LOCK_WAIT),
        }
    }
    Err(RegistryError::Locked { path: path.to_owned() })
}

fn write(folder: &Path, path: &Path, entries: &[impl Serialize]) -> io::Result<()> {
    let mut file = temporary::file_in(folder)?;
    let mut text = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut text, entry)?;
        text.push(b'\n');
    }
    file.write_all(&text)?;
    temporary::publish(file, path)
}
