//! The outside view: each module one promise.

mod delivery;
mod hubsoft;
mod import;
mod intake;
mod outbox_conformance;
mod outbox_memory;
mod outbox_sqlite;
mod sandbox;
mod simulation;
mod support;
