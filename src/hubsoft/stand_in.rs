//! Whoever answers in HubSoft's stead, with no socket between: for the simulation, which so has all of this
//! room in its world but the transport of bytes.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use reqwest::Request;

use crate::delivery::Fault;

/// It gets every request as it would leave, logins included.
pub trait StandIn {
    /// At its first poll the request is on its way; dropped, the client has stopped waiting.
    fn answer(&self, request: Request) -> LocalBoxFuture<'_, Heard>;
}

/// What comes back, as it stands on the wire.
#[derive(Debug)]
pub enum Heard {
    /// Not a byte of the request was sent.
    NotSent(Fault),
    /// It may have arrived; no status came back.
    Lost(Fault),
    Answered {
        status: u16,
        /// The headers `Date` and `Retry-After`.
        date: Option<String>,
        retry_after: Option<String>,
        /// The body is whole, or the fault says what became of it.
        body: Result<Bytes, Fault>,
    },
}
