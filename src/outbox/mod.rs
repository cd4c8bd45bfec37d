//! The drivers: where rows wait, and where their outcomes stay. Implement [`crate::delivery::Outbox`].
//!
//! Only this room knows SQL. What the commands say to an outbox, and what they hear back, has types of
//! its own here, so that it is the same of both drivers.

mod acts;
mod any;
mod batches;
mod causes;
mod commands;
mod course;
mod doubts;
mod filter;
#[cfg(feature = "inside")]
pub(crate) mod fuzz;
mod importing;
mod lately;
mod merges;
mod names;
mod overview;
pub mod postgres;
mod queue;
mod reasons;
mod refusal;
mod rows;
mod settles;
pub mod sqlite;
mod status;
mod stored;
mod warnings;
mod which;

pub use acts::{Act, By, Deed, Imports, Way};
pub use any::{
    Address, AnyOutbox, AnyReader, AnyStaging, AnyUncommitted, AnyWorker, LEASE, OpenFault, Ping,
    ReadOnlyOutbox, Terms,
};
pub use batches::*;
pub use commands::{BindError, Cancelled, Resolution, ResolveError, Word};
pub use course::{Course, Span};
pub use importing::*;
#[cfg(feature = "inside")]
pub use lately::{Lately, REMEMBERED, Said};
pub use names::{kind_name, state_name, state_of};
pub use overview::{Overview, Searched, Worker};
pub use postgres::{Health, PgOutbox, has_password};
pub use reasons::{EXAMPLES_MAX, ExampleRow, Reasons, RowReason, Tally, Why};
pub use rows::*;
pub use sqlite::OpenError;
#[cfg(feature = "inside")]
pub use sqlite::{Reader, SqliteOutbox};
pub use status::*;
pub use stored::Page;
