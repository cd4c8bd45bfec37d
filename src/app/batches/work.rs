//! Where an import works.

use std::path::PathBuf;

use super::decide::Answers;
use crate::app::address::Led;
use crate::outbox::{Address, BatchInfo};
use crate::ticket::code::BatchCode;

pub struct Work {
    pub folder: PathBuf,
    pub outbox: Address,
    pub batch: String,
    /// By which the batch is known, whatever it is called. `None`: only programs wrote to it so far.
    pub code: Option<BatchCode>,
    /// The file carries rows that this outbox wrote out.
    pub is_correction: bool,
    /// The batch was there.
    pub met: Option<BatchInfo>,
    /// The one that was there, and is left alone.
    pub left: Option<String>,
    /// Also what a person said when asked.
    pub answers: Answers,
}

impl Work {
    /// [`identity`] of the batch.
    pub fn identity(&self) -> String {
        identity(self.code, &self.batch)
    }

    /// Whether the tickets are ordered once more, or in a batch beside one that is left alone: then nothing
    /// that an earlier order found out is of use. A batch that is gone on with has its own.
    pub fn is_ordered_anew(&self) -> bool {
        self.met.is_none() && (self.answers.again || self.left.is_some())
    }

    /// How other commands find the batch; `named`: the outbox that a setting names.
    pub fn led(&self, named: Option<&Address>) -> Led<'_> {
        match (self.outbox.file(), named) {
            (None, _) => Led::Setting,
            (Some(_), None) => Led::Folder(&self.folder),
            (Some(path), Some(named)) if named.file() == Some(path) => Led::Setting,
            // Of a correction: it belongs where its rows came from.
            (Some(path), Some(_)) => Led::File(path),
        }
    }
}

/// What tells a batch from all others, whatever it is called and wherever it is moved.
pub fn identity(code: Option<BatchCode>, name: &str) -> String {
    code.map_or_else(|| name.to_owned(), |code| code.to_string())
}
