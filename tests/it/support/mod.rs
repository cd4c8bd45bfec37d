//! What several tests need.

pub mod memory_outbox;
pub mod script;
pub mod site;
pub mod world;
