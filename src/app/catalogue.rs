//! What a tenant's ticket types, statuses, origins of contact and types of service orders are called, with
//! their ids.

use super::deliver::Calm;
use super::fault::Fault;
use super::target::Target;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::{Halt, Rate};
use crate::hubsoft::Entry;
use crate::text;
use crate::ticket::Catalogue;

/// What a catalogue came to.
pub enum Listed {
    Entries(Vec<Entry>),
    /// This user may not read it, for this reason.
    Denied(String),
    /// It could not be read, for this reason.
    Unread(String),
}

/// Reads all catalogues; `told` hears of each.
pub async fn catalogues(
    target: &Target,
    rate: Rate,
    mut told: impl FnMut(Catalogue, Listed),
) -> Result<(), Fault> {
    for catalogue in Catalogue::all() {
        let reply = target.api.catalogue(catalogue, &Calm::new(rate)).await;
        let listed = match Evidence::of(&reply) {
            Evidence { row: Row::Answered(entries), .. } => Listed::Entries(entries.clone()),
            Evidence { guard: Guard::Unauthorized(fault), .. } => {
                return Err(Fault::Halted(Halt::Unauthorized(fault.clone())));
            }
            Evidence { row: Row::NotSent(fault), .. } => {
                return Err(Fault::Unreachable { host: target.host.clone(), why: text::fault(fault) });
            }
            Evidence { guard: Guard::Denied(fault), .. } => Listed::Denied(text::fault(fault)),
            _ => {
                Listed::Unread(reply.verdict.trouble().map_or_else(String::new, |fault| text::fault(&fault)))
            }
        };
        told(catalogue, listed);
    }
    Ok(())
}
