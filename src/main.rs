//! Process entry: arguments, logging, exit code.

use std::process::ExitCode;

/// A ticket makes some 150 small allocations, most of them in the HTTP client: the system's allocator
/// takes a tenth of a run's CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mutirao::main()
}
