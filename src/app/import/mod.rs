//! An import in steps, between which a person may be asked.
//!
//! Its rows are *staged* ([`Staged`]): read, and merged as far as nobody minds. They are *taken in*
//! ([`TakenIn`]) once a person has said yes; then they are delivered, and their results written. A dry run
//! ([`rehearse()`]) only tells what the first step would do.

mod order;
mod plan;
mod rehearse;
mod staged;
mod taken_in;

pub use order::Order;
pub use plan::Plan;
pub use rehearse::rehearse;
pub use staged::{Staged, Taken};
pub use taken_in::{Outcome, Ran, TakenIn};

#[cfg(test)]
mod tests;
