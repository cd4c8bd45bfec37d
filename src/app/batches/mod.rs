//! Which batch a file belongs to: one that is there, or one of its own. What only a person knows is asked.

mod decide;
mod look;
mod recognition;
mod search;
mod work;

pub use decide::{Answer, Answers, Doubt, is_of_this_outage};
pub use look::Look;
pub use recognition::{Earlier, Recognition};
pub use search::{Question, Wish};
pub use work::Work;
