//! What a person sees in a browser: pages that are made here, of what the use cases say. It has no rule of
//! its own.
//!
//! [`serve`] answers at an address of the machine itself; who is let in: [`door`].

mod answer;
mod batches;
mod door;
mod page;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::place::Outboxes;
use crate::service::server::{self, Bounds};
use door::Door;

/// At a time; a browser has six.
const CONNECTIONS_MAX: usize = 64;

const BOUNDS: Bounds = Bounds { n_connections_max: CONNECTIONS_MAX, one_answer_within: None };

/// What there is to show.
pub struct Site {
    door: Door,
    outboxes: Outboxes,
}

impl Site {
    /// Of these outboxes, shown at `at`, which is on loopback.
    pub fn new(at: SocketAddr, outboxes: Outboxes) -> Arc<Self> {
        Arc::new(Self { door: Door::new(at), outboxes })
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
