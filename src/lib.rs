//! Opens support tickets in HubSoft in bulk: none lost, none opened twice.
//!
//! Everything is an outbox: a spreadsheet fills it, [`delivery`] empties it, a results file reads it
//! back. The rooms, from the street to the core; a room uses only rooms below it:
//!
//! - [`cli`]: what a person types. One file a command; prints, asks, and calls the rooms below.
//! - `web`: what a person sees in a browser. Pages, and who may see them; calls the rooms below.
//! - `fuzz`: what must hold of everything that is read from outside; only for tests.
//! - [`app`]: the use cases. Typed arguments in, values and events out; prints and asks nothing.
//! - `notice`: tells others elsewhere how a run went.
//! - `service`: what surrounds a worker: health, metrics, systemd, log lines.
//! - `settings`: flags over environment over files over defaults.
//! - [`ownership`]: whose a file is; what others may change is not used. For all rooms.
//! - [`language`]: the language of the person, for all rooms.
//! - [`printable`]: text from outside, before a person sees it. For all rooms.
//! - [`registry`]: what this user imported lately, and where to.
//! - `platform`: what differs from one system to another. For all rooms.
//! - [`temporary`]: files that are not whole yet, and the sweeping of those that a crash left. For all rooms.
//! - [`report`]: results, errors, problems, summary.
//! - [`intake`]: spreadsheets in.
//! - [`sandbox`]: a HubSoft that lives on loopback.
//! - [`hubsoft`]: the API client; implements the port [`delivery::Api`].
//! - [`outbox`]: the drivers; implement the port [`delivery::Outbox`].
//! - [`text`]: what a person reads of outcomes.
//! - [`delivery`]: the engine, its ports, and the decisions it takes.
//! - [`ticket`]: a raw row becomes a valid ticket or all of its problems. No I/O.

// What the library does not use, nobody needs.
#![cfg_attr(not(test), warn(unused_crate_dependencies))]

#[cfg(not(test))]
use mimalloc as _; // the program allocates with it

rust_i18n::i18n!("locales");

#[macro_use]
mod language;

mod app;
mod cli;
mod notice;
mod ownership;
mod platform;
mod registry;
mod report;
mod service;
mod settings;
mod temporary;
mod web;

pub use cli::main;

// Rooms that the tests and benchmarks reach into, by the feature `inside`. Without it, as the program is
// built, the compiler finds what nobody uses.
#[cfg(feature = "inside")]
pub mod delivery;
#[cfg(not(feature = "inside"))]
mod delivery;
#[cfg(feature = "inside")]
pub mod fuzz;
#[cfg(feature = "inside")]
pub mod hubsoft;
#[cfg(not(feature = "inside"))]
mod hubsoft;
#[cfg(feature = "inside")]
pub mod intake;
#[cfg(not(feature = "inside"))]
mod intake;
#[cfg(feature = "inside")]
pub mod outbox;
#[cfg(not(feature = "inside"))]
mod outbox;
#[cfg(feature = "inside")]
pub mod printable;
#[cfg(not(feature = "inside"))]
mod printable;
#[cfg(feature = "inside")]
pub mod sandbox;
#[cfg(not(feature = "inside"))]
mod sandbox;
#[cfg(feature = "inside")]
pub mod text;
#[cfg(not(feature = "inside"))]
mod text;
#[cfg(feature = "inside")]
pub mod ticket;
#[cfg(not(feature = "inside"))]
mod ticket;
