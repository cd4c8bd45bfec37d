//! The HubSoft that a use case is for.

/// What an outbox is bound to whose tickets are not real.
pub const SANDBOX: &str = "sandbox";
