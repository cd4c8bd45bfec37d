//! How a run goes while it goes: how far it is, how fast and why no faster, and when it will be through. The
//! terminal's line and the page are both made of it.

mod forecast;
mod noted;
mod onlooker;
mod refusals;
mod standing;

pub use noted::noted;
pub use onlooker::{Extent, Onlooker};
#[cfg(test)]
pub use standing::RefusedFor;
pub use standing::{Standing, Why, at_most};
