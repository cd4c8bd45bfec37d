//! The simulation, as `tests/run --test it simulation` has it.

#[path = "../tests/it/exhaustive/mod.rs"]
mod exhaustive;
#[path = "../tests/it/simulation/mod.rs"]
mod simulation;
#[allow(dead_code)] // what only other tests use
mod support;
