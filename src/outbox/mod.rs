//! The drivers: where rows wait, and where their outcomes stay. Implement [`crate::delivery::Outbox`].
//!
//! Only this room knows SQL. What the commands say to an outbox is in words of its own (here), so
//! that another driver moves in beside [`sqlite`] without moving walls.

mod names;
pub mod sqlite;
mod words;

pub use names::{kind_name, state_name};
pub use sqlite::{OpenError, Reader, SqliteOutbox, Staging};
pub use words::*;
