//! Finished rows become pending again.

use std::path::PathBuf;

use jiff::Timestamp;

use super::address::Led;
use super::fault::Fault;
use super::names;
use super::note;
use super::place::Place;
use super::results::{Written, write_again};
use super::selection::batch_or_all;
use super::target::SANDBOX;
use super::work_folder::{folder_of, sandbox_folder_of};
use crate::delivery::State;
use crate::outbox::{BatchInfo, Deed};

/// The states from which a person may have rows tried again.
pub const STATES: [State; 5] =
    [State::Failed, State::Rejected, State::Cancelled, State::Unconfirmed, State::Skipped];

/// Those of them that are meant where nobody says which.
pub const USUAL: [State; 2] = [State::Failed, State::Rejected];

pub struct Retried {
    pub n_rows: u64,
    pub results: Option<Written>,
    /// Who opens them.
    pub opener: Opener,
}

/// Who opens what is pending.
pub enum Opener {
    Worker,
    /// Nobody, as long as the batch of this name is held.
    Held(String),
    /// The import that goes on with the batch, as far as the outbox knows: how the file was read stands
    /// nowhere.
    Import(ImportAgain),
}

pub struct ImportAgain {
    pub file: PathBuf,
    /// `None`: the one that the file has by itself.
    pub folder: Option<PathBuf>,
    /// `None`: the batch is called as the file is.
    pub batch: Option<String>,
    pub is_sandbox: bool,
}

pub async fn retry(place: &Place, states: &[State]) -> Result<Retried, Fault> {
    let outbox = place.outbox.open().await?;
    let info = batch_or_all(outbox.reader(), place).await?;
    let now = Timestamp::now();
    let batch = info.as_ref().map(|info| info.name.as_str());
    let n_rows = match states {
        // Nothing was asked for: nor that a batch goes on.
        [] => 0,
        states => {
            let n_rows = outbox.retry(info.as_ref().map(|info| info.id), states, now).await?;
            note::act(&outbox, batch, place.by(), Deed::Retry, n_rows).await;
            n_rows
        }
    };
    let results = write_again(outbox.reader(), place, info.as_ref()).await?;
    let is_sandbox = outbox.reader().host().await?.is_some_and(|host| host == SANDBOX);
    let held = match &info {
        Some(info) => outbox.reader().halts_of(&info.name).await?,
        None => Vec::new(),
    };
    outbox.close().await?;
    let opener = match info {
        Some(info) if place.outbox.file().is_some() => {
            Opener::Import(ImportAgain::of(place, info, is_sandbox))
        }
        Some(info) if !held.is_empty() => Opener::Held(info.name),
        _ => Opener::Worker,
    };
    Ok(Retried { n_rows, results, opener })
}

impl ImportAgain {
    fn of(place: &Place, batch: BatchInfo, is_sandbox: bool) -> Self {
        let file_name = &batch.source.file_name;
        let beside = place
            .folder
            .as_ref()
            .map(|folder| folder.with_file_name(file_name))
            .filter(|file| file.is_file());
        let file = beside.unwrap_or_else(|| file_name.into());
        let folder = match place.led(true) {
            Led::Folder(folder)
                if ![folder_of(&file), sandbox_folder_of(&file)].iter().any(|own| own == folder) =>
            {
                Some(folder.to_owned())
            }
            _ => None,
        };
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let batch = Some(batch.name).filter(|name| !names::is_of(name, &stem));
        Self { file, folder, batch, is_sandbox }
    }
}
