//! The outside view: each module one promise.

mod batches;
mod cases;
mod commands;
mod delivery;
mod documents;
mod hubsoft;
mod import;
mod intake;
mod merges;
mod outbox_conformance;
mod outbox_memory;
mod outbox_postgres;
mod outbox_sqlite;
mod outside_text;
mod purge;
mod sandbox;
mod sandbox_books;
mod service;
mod settings;
mod shared;
mod simulation;
mod support;
mod work_folder;
mod worker;
