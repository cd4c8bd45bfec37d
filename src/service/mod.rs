//! What surrounds a worker, and what others hear of a process: log lines, metrics, and what systemd is told.

pub mod log;
mod metrics;
mod server;
mod systemd;
pub mod watching;
