//! Tells somebody elsewhere how a run went: at its end, when it stops by itself, and when it stands still for
//! long. It says numbers, codes and the batch's name, and nothing of customers or in HubSoft's words.
//!
//! A notice is never worth a run: what cannot be delivered is told, and the end of a run waits for it within
//! a bound.

mod looking;
mod message;
mod notices;
mod program;
mod recipient;
mod undelivered;
mod web;

pub use looking::Looking;
pub use message::{Counts, Event, Message};
pub use notices::Notices;
pub use recipient::Recipient;
pub use undelivered::Undelivered;
