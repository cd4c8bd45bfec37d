//! What several tests need.

pub mod board;
pub mod breach;
pub mod browser;
pub mod files;
pub mod memory_claims;
pub mod memory_commands;
pub mod memory_outbox;
pub mod memory_settles;
pub mod memory_worker;
pub mod parts;
pub mod postgres;
pub mod proxy;
pub mod replay;
pub mod script;
pub mod shim;
pub mod site;
pub mod terminal;
pub mod virtual_time;
pub mod world;
