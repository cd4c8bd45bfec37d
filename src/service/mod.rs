//! What surrounds a worker, and what others hear of a process: health, metrics, systemd, log lines. It prints
//! nothing to a person: what one should hear comes out as [`Noticed`].

pub mod log;
mod looks;
mod metrics;
mod readiness;
mod row_counts;
mod row_log;
pub mod server;
mod systemd;
mod tally;
mod worker_watch;

pub use looks::Noticed;
pub use row_log::RowLog;
pub use worker_watch::WorkerWatch;
