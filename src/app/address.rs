//! Where an outbox is, and how whoever comes later finds it.

use std::path::Path;

use super::fault::Fault;
use crate::outbox::Address;

/// The outbox at a URL.
pub fn at(url: &str) -> Result<Address, Fault> {
    // The URL may carry a password: it is not repeated.
    let address = Address::of_url(url).ok_or(Fault::NoAddress)?;
    // Not in silence: `sslmod=verify-full` protects nothing.
    for name in address.unknown_parameters() {
        tracing::warn!("the database URL has a parameter `{name}`, which is ignored");
    }
    Ok(address)
}

/// How a command that follows is led to an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Led<'a> {
    /// By the same setting as this one: `--database-url` is repeated, DATABASE_URL stands.
    Setting,
    /// By its work folder, which means the batch imported last; no such setting is in force.
    Folder(&'a Path),
    /// By the path of its file, whatever the setting says.
    File(&'a Path),
}
