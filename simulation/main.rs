//! The simulation, as `tests/run --test it simulation` has it.

extern crate mutirao as tokio; // as it is in `core.rs`

mod as_tokio;
#[path = "../tests/it/exhaustive/mod.rs"]
mod exhaustive;
#[path = "../tests/it/simulation/mod.rs"]
mod simulation;
#[allow(dead_code)] // what only other tests use
mod support;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
