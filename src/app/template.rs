//! What a template offers of a tenant's own: ticket types, statuses and origins of contact, by name.

use std::io::{self, Write};
use std::path::Path;

use super::catalogue::{Listed, catalogues};
use super::fault::Fault;
use super::target::Target;
use crate::delivery::Rate;
use crate::temporary;
use crate::ticket::{ByField, Catalogue, Field, Id, listed};

/// Of a drop-down. Nobody looks through more, and HubSoft has some dozens.
const ENTRIES_MAX: usize = 10_000;

/// Writes a file that must not exist yet: whole, or not at all.
///
/// # Errors
///
/// If it exists, or cannot be written.
pub fn write_new(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut written = temporary::file_in(file.parent().unwrap_or(file))?;
    written.write_all(bytes)?;
    temporary::publish_new(written, file)
}

/// What may be chosen for fields.
pub struct Offers {
    /// Each as a cell says it, by name; empty where nothing is known.
    pub cells: ByField<Vec<String>>,
    /// What could not be read, and why.
    pub unread: Vec<(Catalogue, String)>,
}

impl Offers {
    /// Nothing to choose from.
    pub fn none() -> Self {
        Self { cells: ByField::of(|_| Vec::new()), unread: Vec::new() }
    }

    /// Reads the catalogues.
    ///
    /// # Errors
    ///
    /// If HubSoft cannot be reached, or refuses the login.
    pub async fn read(target: &Target, rate: Rate) -> Result<Self, Fault> {
        let mut offers = Self::none();
        catalogues(target, rate, |catalogue, found| {
            let fields = Field::ALL.into_iter().filter(|field| field.catalogue() == Some(catalogue));
            let fields: Vec<_> = fields.collect();
            match found {
                Listed::Entries(entries) => {
                    let known = entries.iter().filter_map(|entry| Some((Id::new(entry.id)?, &entry.label)));
                    let mut cells: Vec<_> =
                        known.take(ENTRIES_MAX).map(|(id, label)| listed(id, label)).collect();
                    cells.sort_by_cached_key(|cell| cell.to_lowercase());
                    fields.into_iter().for_each(|field| offers.cells[field].clone_from(&cells));
                }
                Listed::Denied(why) | Listed::Unread(why) if !fields.is_empty() => {
                    offers.unread.push((catalogue, why));
                }
                Listed::Denied(_) | Listed::Unread(_) => {}
            }
        })
        .await?;
        Ok(offers)
    }
}
