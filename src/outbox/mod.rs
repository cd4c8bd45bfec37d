//! The drivers: where rows wait, and where their outcomes stay. Implement [`crate::delivery::Outbox`].
//!
//! Only this room knows SQL. What the commands say to an outbox is in words of its own (here), so
//! that both drivers hear the same.

mod any;
mod commands;
mod doubts;
mod filter;
mod lately;
mod merges;
mod names;
pub mod postgres;
mod queue;
mod refusal;
mod settles;
pub mod sqlite;
mod stored;
mod warnings;
mod which;
mod words;

pub use any::{Address, AnyOutbox, AnyReader, AnyStaging, AnyWorker, LEASE, OpenFault, Ping};
#[cfg(feature = "inside")]
pub use lately::{Lately, Said};
pub use names::{kind_name, state_name, state_of};
pub use postgres::{Health, PgOutbox, has_password};
pub use sqlite::OpenError;
#[cfg(feature = "inside")]
pub use sqlite::{Reader, SqliteOutbox};
pub use stored::Page;
pub use words::*;
