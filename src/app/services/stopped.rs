//! What is wrong with all customers, so that those who are left were not looked up.

use std::fmt;

use crate::delivery::{Fault, Halt};
use crate::text;

/// Look-ups that ended before all were made. Nothing was taken in, and nothing opened.
#[derive(Debug)]
pub struct Stopped {
    pub why: Why,
    /// Customers that were looked up, of so many.
    pub n_done: u64,
    pub n: u64,
    /// What was found stands in the work folder: a later call asks for the others only.
    pub is_kept: bool,
}

#[derive(Debug)]
pub enum Why {
    Halted(Halt),
    /// HubSoft said the same of so many different customers in a row.
    Alike {
        n: u32,
        fault: Fault,
    },
}

impl std::error::Error for Stopped {}

impl From<Halt> for Why {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, n) = (self.n_done, self.n);
        f.write_str(&tr!(
            "%{done} of %{n} %{n|customer was|customers were} looked up, then no more: %{why}",
            done = done,
            n = n,
            why = self.why
        ))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self {
            Self::Halted(Halt::Forbidden { fault, .. }) => {
                tr!("HubSoft does not let this user look customers up: %{cause}", cause = text::fault(fault))
            }
            Self::Halted(Halt::Misconfigured(fault)) => {
                tr!(
                    "HubSoft does not know the route that shows customers: %{cause}",
                    cause = text::fault(fault)
                )
            }
            Self::Halted(halt) => text::halt(halt).into(),
            Self::Alike { n, fault } => tr!(
                "HubSoft said the same of %{n} different customers in a row: %{said}",
                n = n,
                said = text::fault(fault)
            ),
        };
        f.write_str(&said)
    }
}

impl Stopped {
    /// In a log, which is English: HubSoft's words may tell of a customer.
    pub fn in_log(&self) -> String {
        let why = match &self.why {
            Why::Halted(halt) => text::halt_in_log(halt),
            Why::Alike { n, fault } => {
                format!("HubSoft said the same of {n} different customers in a row ({})", fault.code())
            }
        };
        format!("{} of {} customers were looked up, then no more: {why}", self.n_done, self.n)
    }
}
