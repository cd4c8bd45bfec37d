//! The Postgres outbox: as every outbox, and what only a shared one can do.

pub mod bench;
mod claims;
mod connections;
mod failover;
mod fields;
mod held;
mod leases;
mod parking;
mod pgbouncer;
mod pins;
mod plans;
mod ready;
mod roles;
mod schema;
mod shares;
mod wake_up;

use super::outbox_conformance::conforms;
use bench::Fresh;

#[tokio::test]
async fn it_conforms() {
    conforms(Fresh::new).await;
}
