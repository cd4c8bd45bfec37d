//! What a person sees in a browser: pages that are made here, of what the use cases say. It has no rule of
//! its own.
//!
//! [`serve`] answers at an address of the machine itself; who is let in: [`door`].

mod answer;
mod batches;
mod door;
mod form;
mod page;
mod sheet;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::app::place::Outboxes;
use crate::app::uploads::Uploads;
use crate::service::server::{self, Bounds};
use crate::settings::Sources;
use door::Door;

/// At a time; a browser has six.
const CONNECTIONS_MAX: usize = 64;

const BOUNDS: Bounds = Bounds { n_connections_max: CONNECTIONS_MAX, one_answer_within: None };

/// What there is to show.
pub struct Site {
    door: Door,
    outboxes: Outboxes,
    sources: Sources,
    /// `None`: there is no folder for them.
    uploads: Option<Uploads>,
    /// Sheets are read one after the other: each may need much memory.
    reading: Arc<Semaphore>,
}

impl Site {
    /// Of these outboxes, shown at `at`, which is on loopback.
    pub fn new(at: SocketAddr, outboxes: Outboxes, sources: Sources) -> Arc<Self> {
        let uploads = sources.environment().state_folder().map(|folder| Uploads::at(&folder));
        let (door, reading) = (Door::new(at), Arc::new(Semaphore::new(1)));
        Arc::new(Self { door, outboxes, sources, uploads, reading })
    }

    /// Tells the address that lets a browser in, and, each time that one came in, that of the next; as long
    /// as it is polled.
    pub async fn tell_addresses(&self, tell: impl Fn(&str)) -> Infallible {
        self.door.tell_addresses(tell).await
    }
}

/// Answers browsers until `stop`.
pub async fn serve(listener: TcpListener, site: Arc<Site>, stop: &CancellationToken) {
    server::serve(listener, BOUNDS, TowerToHyperService::new(answer::router(site)), stop).await;
}
