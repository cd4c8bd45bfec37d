//! The engine: takes rows from an [`Outbox`], gives them to an [`Api`], and writes back what is
//! known. It names neither a database nor HTTP; both come through the ports, so that a whole run
//! can be simulated in memory under virtual time.

pub mod identity;
mod ports;
mod row;

pub use ports::*;
pub use row::*;
