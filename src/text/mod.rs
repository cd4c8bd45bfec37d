//! What a person reads of outcomes, made of what is stored of them: a code and its parameters. The one place
//! of such words, in English; other languages stand in `locales/`.

mod again;
mod faults;
mod halts;
mod holders;
mod lines;
mod states;
mod throttles;
mod warnings;

#[cfg(test)]
pub use again::ROW;
pub use again::{again, field};
pub use faults::{blindness, fault, is_said_by_hubsoft, noted};
pub use halts::{halt, halt_in_log, halt_reason, pause};
pub use holders::works_on_it;
pub use lines::{repeated_reference, reused_reference};
pub use states::{state, state_called, to_do};
pub use throttles::throttle;
pub use warnings::warning;
