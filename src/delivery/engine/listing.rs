//! What is open at HubSoft, read at once for many rows (`--skip-if-open`). A row of which the list says
//! nothing plain is looked up by itself: while there is none, or it is being read, or once this run may have
//! opened a ticket of that service since.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::errand::Pass;
use super::messages::RequestId;
use super::times::Moment;
use crate::delivery::OpenList;

/// A list is read when so many rows within [`MANY_WITHIN`] are not looked up by one: for fewer it costs more
/// than it saves.
pub const MANY: u32 = 10;
pub const MANY_WITHIN: Duration = Duration::from_secs(60);

/// A list that is in use is read again when it is so old,
pub const RENEWED_AFTER: Duration = Duration::from_secs(10 * 60);

/// and nothing is believed of it when it is older than this.
pub const AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// What could not be read is not tried again for so long.
pub const AGAIN_AFTER: Duration = Duration::from_secs(2 * 60);

/// Services are kept as changed up to this number; then nothing is believed of the list before another is
/// read. Bounds the memory of a run without a rate limit.
const CHANGED_MAX: usize = 50_000;

#[derive(Clone, Default)]
pub struct Listing {
    pub held: Option<Held>,
    pub reading: Option<Asked>,
    /// A row had use for a new list.
    pub is_wanted: bool,
    /// Rows that were not looked up by a list, since when.
    pub unlisted: (u32, Duration),
    pub not_before: Duration,
    /// Services of which this run may have opened a ticket: before and after the last list was asked for.
    /// Also before, since a ticket may be shown late.
    pub changed: [BTreeSet<i64>; 2],
    /// A person knows that there was none, and why.
    pub is_lack_told: bool,
}

fingerprint! { struct Listing { held, reading, is_wanted, unlisted, not_before, changed, is_lack_told } }

#[derive(Clone)]
pub struct Held {
    pub list: Arc<OpenList>,
    pub asked: Moment,
}

fingerprint! { struct Held { list, asked } }

#[derive(Clone)]
pub struct Asked {
    pub id: RequestId,
    pub pass: Pass,
    pub at: Moment,
    /// Others may open tickets as well.
    pub is_void: bool,
}

fingerprint! { struct Asked { id, pass, at, is_void } }

impl Listing {
    /// Of the request for the list.
    pub fn pass(&mut self, id: RequestId) -> Option<&mut Pass> {
        self.reading.as_mut().filter(|asked| asked.id == id).map(|asked| &mut asked.pass)
    }

    /// Other workers open tickets, and do not tell of which services.
    pub fn has_company(&mut self) {
        self.held = None;
        if let Some(asked) = &mut self.reading {
            asked.is_void = true;
        }
    }

    pub fn age(&self, moment: Moment) -> Option<Duration> {
        self.held.as_ref().map(|held| held.asked.until(moment))
    }

    pub fn is_full(&self) -> bool {
        CHANGED_MAX <= self.changed[1].len()
    }

    pub fn knows(&self, service: i64) -> bool {
        !self.is_full() && !self.changed.iter().any(|changed| changed.contains(&service))
    }
}
