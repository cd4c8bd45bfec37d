//! The engine: takes rows from an [`Outbox`], gives them to an [`Api`], and writes back what is known. It
//! names neither a database nor HTTP; both come through the ports, so that a whole run can be simulated in
//! memory under virtual time.
//!
//! The core is pure, with no clock and no I/O: [`evidence`] (what an answer means), [`decide`] (what it makes
//! of a row), [`settle`] (what that makes of the row as it stands by then), [`pace`] (when the next request
//! may go), [`allowance`] (how many HubSoft bears), [`concurrency`] (how many at once), [`breaker`],
//! [`guards`] (when the run stops itself), [`retry`], [`eyes`] (whether an absence can be believed),
//! [`coordination`] (what the workers of one outbox know together). [`run()`] drives it through the ports.

#[macro_use]
pub mod fingerprint;

pub mod allowance;
pub mod breaker;
mod clock;
mod clock_offset;
pub mod concurrency;
pub mod coordination;
pub mod decide;
pub mod engine;
pub mod evidence;
pub mod eyes;
mod fault;
pub mod guards;
mod halt;
pub mod identity;
mod open_list;
pub mod pace;
mod policy;
mod ports;
mod rate;
pub mod retry;
mod row;
mod run;
pub mod settle;
mod slot_lease;
mod stats;
mod throttle;
mod warning;

pub use clock::SystemClock;
pub use concurrency::Concurrency;
pub use engine::Reason;
pub use fault::{ALREADY_OPEN, Blindness, Fault, GONE, REPEAT};
pub use halt::{Halt, HaltReason, PauseReason, Refusal};
pub use open_list::{Listed, OpenList, TypeTable};
pub use pace::Throttle;
pub use policy::{Blame, GuardLimits, HUBSOFT_RATE, Lasting, OpenTickets, PATIENCE, Policy, Verify};
pub use ports::*;
pub use rate::Rate;
pub use row::*;
pub use run::{Control, Ending, run};
pub use stats::{Note, Pulse, Stats, Watch};
pub use throttle::{ThrottleCause, ThrottleReason};
pub use warning::{BESIDE_MAX, Beside, Warning};
