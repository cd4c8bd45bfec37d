//! Where an outbox is, and how it is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::super::sqlite::{self, SqliteOutbox};
use super::super::{PgOutbox, postgres};
use super::reader::ANSWER_MAX;
use super::{AnyOutbox, Ping, ReadOnlyOutbox};

/// Why an outbox was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    #[error(transparent)]
    File(#[from] sqlite::OpenError),
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

/// Where an outbox is. Its `Debug` shows no password.
#[derive(Clone, Debug)]
pub enum Address {
    File(PathBuf),
    /// A URL.
    Postgres(SecretString),
}

impl Address {
    /// The address in `sqlite:path`, `postgres://…` or `postgresql://…`.
    pub fn of_url(url: &str) -> Option<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Some(Self::Postgres(url.to_owned().into()));
        }
        let path = url.strip_prefix("sqlite:")?;
        let path = path.strip_prefix("//").unwrap_or(path);
        (!path.is_empty()).then(|| Self::File(PathBuf::from(path)))
    }

    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The folder that a file lies in.
    pub fn folder(&self) -> Option<&Path> {
        let folder = self.file()?.parent()?;
        Some(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    }

    /// The process that works on a file, where that is known.
    pub fn holder(&self) -> Option<sqlite::Holder> {
        sqlite::holder(self.file()?)
    }

    /// Parameters of its URL that mean nothing.
    pub fn unknown_parameters(&self) -> Vec<&str> {
        match self {
            Self::File(_) => Vec::new(),
            Self::Postgres(url) => postgres::unknown_parameters(url.expose_secret()).collect(),
        }
    }

    /// Opens it to write to it. Of a file, everybody else is kept away.
    pub async fn open(&self) -> Result<AnyOutbox, OpenFault> {
        Ok(match self {
            Self::File(path) => AnyOutbox::Sqlite(SqliteOutbox::open(path).await?),
            Self::Postgres(url) => AnyOutbox::Postgres(PgOutbox::open(url.expose_secret()).await?),
        })
    }

    /// Opens it to look at it, whoever works on it.
    pub async fn look(&self) -> Result<ReadOnlyOutbox, OpenFault> {
        self.look_for(ANSWER_MAX).await
    }

    /// The same where nobody waits longer than this: nor does a server work longer on a statement.
    pub async fn look_for(&self, at_most: Duration) -> Result<ReadOnlyOutbox, OpenFault> {
        Ok(match self {
            Self::File(path) => ReadOnlyOutbox::Sqlite(sqlite::Reader::open(path).await?),
            Self::Postgres(url) => {
                let outbox = PgOutbox::open(url.expose_secret()).await?;
                ReadOnlyOutbox::Postgres(outbox.looking_for(at_most))
            }
        })
    }

    /// A way to ask it whether it answers.
    pub async fn ping(&self) -> Result<Ping, OpenFault> {
        Ok(match self {
            Self::File(path) => Ping::Sqlite(sqlite::Reader::open(path).await?),
            Self::Postgres(url) => Ping::Postgres(postgres::Ping::open(url.expose_secret()).await?),
        })
    }
}

/// For people.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(_) => f.write_str(&tr!("the database")),
        }
    }
}
