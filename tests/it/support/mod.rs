//! What several tests need.

pub mod memory_outbox;
pub mod world;
