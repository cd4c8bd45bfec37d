//! The outside view: each module one promise.
#![allow(clippy::disallowed_methods, reason = "what a test is told by the environment is no setting")]

mod batches;
mod cases;
mod commands;
mod delivery;
mod dependencies;
mod documents;
mod failures;
mod hubsoft;
mod import;
mod in_portuguese;
mod intake;
mod merges;
mod names;
mod outbox_conformance;
mod outbox_memory;
mod outbox_postgres;
mod outbox_sqlite;
mod outside_text;
mod purge;
mod reasons;
mod results;
mod rooms;
mod sandbox;
mod sandbox_books;
mod service;
mod settings;
mod shared;
mod sheets;
mod simulation;
mod support;
mod texts;
mod width;
mod work_folder;
mod worker;
