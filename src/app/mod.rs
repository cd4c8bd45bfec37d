//! What can be done with spreadsheets and outboxes: one file a use case, typed arguments in, values and
//! events out.
//!
//! It prints nothing, asks nobody, and knows neither flags nor exit codes: that is for who calls it. Where
//! only a person knows how to go on, a step ends with what is to be asked, and the next one takes the answer.

pub mod address;
pub mod fault;
pub mod names;
pub mod place;
pub mod results;
pub mod target;
pub mod work_folder;
