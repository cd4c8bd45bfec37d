//! The outside view: each module one promise.

mod intake;
mod outbox_conformance;
mod outbox_sqlite;
