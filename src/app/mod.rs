//! What can be done with spreadsheets and outboxes: one file a use case, typed arguments in, values and
//! events out.
//!
//! It prints nothing, asks nobody, and knows neither flags nor exit codes: that is for who calls it. Where
//! only a person knows how to go on, a step ends with what is to be asked, and the next one takes the answer.

pub mod acts;
pub mod address;
pub mod batches;
mod cancel;
pub mod catalogue;
pub mod check;
pub mod counted;
pub mod deliver;
pub mod doctor;
pub mod enqueue;
mod export;
pub mod fault;
pub mod findings;
mod form;
pub mod found;
pub mod import;
pub mod init;
pub mod marked;
pub mod merged;
mod migrate;
pub mod names;
mod note;
pub mod overview;
mod pause;
pub mod place;
pub mod preview;
mod problems;
pub mod progress;
mod purge;
pub mod questions;
pub mod reconcile;
pub mod resolve;
mod result_rows;
pub mod results;
pub mod resume;
pub mod retry;
mod salvage;
pub mod selection;
pub mod services;
pub mod sheet;
pub mod show;
pub mod staging;
mod status;
pub mod summary;
pub mod target;
pub mod template;
pub mod unfinished;
pub mod uploads;
pub mod work_folder;
pub mod worker;

pub use cancel::cancel;
pub use doctor::doctor;
pub use export::{Damage, export};
pub use migrate::{is_migrated, migrate};
pub use pause::{pause, resume};
pub use purge::purge;
pub use resume::resume_lote;
pub use retry::retry;
pub use status::{Asked, CrewTold, OutboxStatus, status};

use std::time::Duration;

/// How long a database works on a statement that a browser waits for. Less than its answer may take as a
/// whole, so that this is told.
const BROWSER_WAITS: Duration = Duration::from_secs(20);
