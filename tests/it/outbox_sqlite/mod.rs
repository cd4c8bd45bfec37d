//! The SQLite outbox: as every outbox, and what only a file can do.

pub mod bench;
mod file;

use super::outbox_conformance::conforms;
use bench::Fresh;

#[tokio::test]
async fn it_conforms() {
    conforms(Fresh::new).await;
}
