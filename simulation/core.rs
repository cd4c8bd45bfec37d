//! The rooms that the simulation has in its world, and no others.

#![allow(dead_code, unused_imports)] // what only the others use

// All of tokio's but its time: by that name it is found here, and by the tests.
extern crate self as tokio;
#[cfg(not(test))]
pub mod time; // The tests in the files themselves (`tests/mutants --cargo`) have tokio's.
pub use real_tokio::*;

rust_i18n::i18n!("../locales");

// By a link: its own modules stand beside it.
#[macro_use]
mod language;

#[path = "../src/delivery/mod.rs"]
pub mod delivery;
#[path = "../src/hubsoft/mod.rs"]
pub mod hubsoft;
#[path = "../src/platform/mod.rs"]
mod platform;
#[path = "../src/printable.rs"]
pub mod printable;
#[cfg(test)]
#[path = "../src/text/mod.rs"]
mod text;
#[path = "../src/ticket/mod.rs"]
pub mod ticket;

/// What the model of an outbox has of the real ones.
pub mod outbox {
    use std::time::Duration;

    pub use super::lately::{Lately, Said};

    pub const LEASE: Duration = Duration::from_secs(60);

    pub mod postgres {
        pub const RENEWALS: u32 = 6;
        pub const RENEWALS_BEFORE_RESCUE: i32 = 7;
    }
}

#[path = "../src/outbox/lately.rs"]
mod lately;
