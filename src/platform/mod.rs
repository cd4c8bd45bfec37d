//! What differs from one system to another, each under one promise: what is said here holds on all of them,
//! and where one cannot keep it, its own file says so.
//!
//! - [`make_folder`], [`private_folder`], [`close`], [`private`]: folders and files are their owner's alone.
//! - [`canonical`]: what a path is called.
//! - [`rights`], [`is_pipe`]: whose a file is, and whether it is one.
//! - [`lock`], [`is_named`], [`lives`]: one process at a time, as long as it lives.
//! - [`sync_folder`], [`reserve`], [`free_space`], [`network_file_system`]: what a disk keeps, and has room
//!   for.
//! - [`read_at`]: pieces of a file from anywhere.
//! - [`awake`], [`boot`]: a clock that goes on while the machine sleeps.
//! - [`Alarm`]: a wait for a time.
//! - [`Stops`]: how a run is told to end.
//! - [`watchdog`], [`tell_service_manager`]: what started a service, and watches it.
//! - [`Hidden`]: what is typed is not shown.
//! - [`apart`], [`end_all`], [`open`], [`has_own_window`]: other programs.
//! - [`on_a_deep_stack`]: room for what a command does.
//! - [`quoting`], [`withheld`]: how a command is typed here, and what only one system says of a file.
//! - [`HAS_SCREEN`], [`locale`], [`host_name`], [`user`], [`refuse_dumps`]: who and where this process is.

mod alarm;
mod terms;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix as system;
#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

use std::fs::File;
use std::io;

pub use alarm::Alarm;
pub use system::*;
pub use terms::*;

/// Fills `buffer` from `offset` on.
pub fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match read_at(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n_read) => {
                buffer = &mut buffer[n_read..];
                offset += n_read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
