//! What surrounds a worker, and what others hear of a process: log lines, metrics, and what systemd is told.

pub mod log;
pub mod metrics;
pub mod server;
pub mod systemd;
