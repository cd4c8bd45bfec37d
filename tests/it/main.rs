//! The outside view: each module one promise.

mod outbox_conformance;
mod outbox_sqlite;
