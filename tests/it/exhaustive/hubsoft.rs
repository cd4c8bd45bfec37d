//! HubSoft, as far as tickets of ours go: what becomes of a post, and what a look-up sees.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use mutirao::delivery::fingerprint::{Clocks, Fingerprint};
use mutirao::delivery::{Fault, Reply, Sighting, Verdict};

use crate::support::world::{opening, reply};

/// What becomes of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostFate {
    Opened,
    Refused,
    /// The connection breaks, and nothing was opened.
    LostBefore,
    /// It breaks, and a ticket was opened.
    LostAfter,
    /// It breaks, and a ticket is opened as late as that may be.
    LostLate,
    /// Opened, and answered just before nobody waits any more.
    Slow,
    /// No answer, and a ticket as late as that may be.
    HungLate,
}

impl PostFate {
    pub const FAULTS: [Self; 6] =
        [Self::Refused, Self::LostBefore, Self::LostAfter, Self::LostLate, Self::Slow, Self::HungLate];
}

/// What becomes of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookFate {
    /// It sees what is there.
    Sees,
    /// The list lacks the latest for this moment.
    Omits,
    CouldNotTell,
    Lost,
}

/// The ticket of a row, or one that is yet to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub row: i64,
    pub number: i64,
    /// When it is opened, if it is not yet.
    pub opens: Option<Duration>,
    /// The life whose post it is.
    by: u64,
    /// A look-up lacked it once: once more would be no moment any more.
    pub was_omitted: bool,
}

#[derive(Clone, Default)]
pub struct HubSoft {
    pub tickets: Vec<Ticket>,
}

impl HubSoft {
    /// Whether there is a ticket of the row, or will be.
    pub fn has(&self, row: i64) -> bool {
        self.tickets.iter().any(|ticket| ticket.row == row)
    }

    /// Whether a ticket is yet to be opened.
    pub fn is_late(&self) -> bool {
        self.tickets.iter().any(|ticket| ticket.opens.is_some())
    }

    /// A ticket for a row, at once or then. Returns its number.
    pub fn open(&mut self, row: i64, by: u64, opens: Option<Duration>) -> i64 {
        let n_known = self.tickets.iter().filter(|ticket| ticket.row == row).count();
        let number = 100 * row + n_known as i64;
        self.tickets.push(Ticket { row, number, opens, by, was_omitted: false });
        number
    }

    /// Nobody waits for the answers of that life any more: by `at` its tickets are opened.
    pub fn give_up(&mut self, life: u64, at: Duration) {
        for ticket in self.tickets.iter_mut().filter(|ticket| ticket.by == life) {
            ticket.opens = ticket.opens.map(|opens| opens.min(at));
        }
    }

    /// What was late comes.
    pub fn turn(&mut self, now: Duration) {
        for ticket in &mut self.tickets {
            ticket.opens.take_if(|at| *at <= now);
        }
    }

    /// When the next ticket is opened that is late.
    pub fn due(&self) -> Option<Duration> {
        self.tickets.iter().filter_map(|ticket| ticket.opens).min()
    }

    /// Whether a look-up of the row may lack a ticket that is there.
    pub fn may_omit(&self, row: i64) -> bool {
        self.tickets.iter().any(|it| it.row == row && it.opens.is_none() && !it.was_omitted)
    }

    pub fn look_up(&mut self, row: i64, fate: LookFate) -> Reply<Sighting> {
        let seen = self.tickets.iter_mut().filter(|it| it.row == row && it.opens.is_none());
        let mut found = match fate {
            LookFate::Lost => return reply(Verdict::Unknown(Fault::Reset), None),
            LookFate::CouldNotTell => {
                return reply(Verdict::Answered(Sighting::CouldNotTell(Fault::NoList)), Some(200));
            }
            LookFate::Omits => {
                seen.for_each(|ticket| ticket.was_omitted = true);
                Vec::new()
            }
            LookFate::Sees => seen.map(|ticket| opening(ticket.number)).collect(),
        };
        let sighting = match found.is_empty() {
            true => Sighting::NotFound,
            false => Sighting::Found {
                opening: found.remove(0),
                others: found,
                beside: Vec::new(),
                conflict: None,
            },
        };
        reply(Verdict::Answered(sighting), Some(200))
    }
}

impl HubSoft {
    /// As [`Fingerprint`], with lives by their rank.
    pub fn print(&self, now: &Clocks, rank: impl Fn(u64) -> u64, to: &mut impl Hasher) {
        self.tickets.len().hash(to);
        for ticket in &self.tickets {
            (ticket.row, ticket.number, ticket.was_omitted).hash(to);
            ticket.opens.print(now, to);
            // Only who waits yet gives it up.
            ticket.opens.map(|_| rank(ticket.by)).hash(to);
        }
    }
}
