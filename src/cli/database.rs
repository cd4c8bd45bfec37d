//! The outbox that a setting names, for commands that look for no other.

use super::args::Global;
use super::exit::Exit;
use super::failure::Failure;
use crate::app::address;
use crate::outbox::Address;
use crate::settings::Sources;

pub fn named(global: &Global, sources: &Sources) -> Result<Address, Failure> {
    let url = sources.resolve(&global.database)?.url.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            tr!("no outbox is named"),
            tr!("give --database-url, or set DATABASE_URL: postgres://…, or sqlite:PATH"),
        )
    })?;
    Ok(address::at(&url)?)
}
