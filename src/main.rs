//! Process entry: arguments, logging, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    mutirao::cli::main()
}
