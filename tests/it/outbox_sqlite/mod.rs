//! The SQLite outbox: as every outbox, and what only a file can do.

mod bench;
mod file;
mod merges;

use super::outbox_conformance::conforms;
use bench::Fresh;

#[tokio::test]
async fn it_conforms() {
    conforms(Fresh::new).await;
}
