//! Being woken by inserts.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener};
use tokio::time::Instant;

use super::PgOutbox;
use super::connect::pool;

const CHANNEL: &str = "mutirao";

/// How long to wait before trying again to listen.
const AGAIN: Duration = Duration::from_secs(5);

/// While inserts wake the worker, it polls so many times as seldom.
const AWAKE: u32 = 5;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Rows came in.
    Inserted,
    /// Listens, from now on. Rows may have come in before.
    Listening,
    /// Listens no more: until it says otherwise, nothing wakes but polling.
    Deaf,
}

/// Hears of inserts, on a connection of its own.
pub struct Listener {
    /// `None`: nothing wakes.
    options: Option<PgConnectOptions>,
    /// `None`: not connected.
    listener: Option<PgListener>,
    /// When the next try is due. A time, so that a future that is dropped and made again waits no
    /// longer.
    again: Instant,
}

impl PgOutbox {
    pub fn listen(&self) -> Listener {
        Listener { options: self.listen.clone(), listener: None, again: Instant::now() }
    }
}

impl Listener {
    /// Waits until something happens (for ever behind a pooler, which would take a `LISTEN` and let nobody
    /// hear); connects, and connects again, by itself. Dropping the future
    /// loses nothing.
    pub async fn woken(&mut self) -> Woken {
        let Some(options) = &self.options else { return std::future::pending().await };
        loop {
            if let Some(listener) = &mut self.listener {
                // It would connect again by itself, and not tell.
                if let Ok(Some(_)) = listener.try_recv().await {
                    return Woken::Inserted;
                }
                self.listener = None;
                return Woken::Deaf;
            }
            tokio::time::sleep_until(self.again).await;
            self.again = Instant::now() + AGAIN;
            if let Ok(listener) = listening(options.clone()).await {
                self.listener = Some(listener);
                return Woken::Listening;
            }
        }
    }
}

/// Listens for inserts as long as it can, and polls besides.
pub(super) struct Wake {
    listener: Listener,
    is_listening: bool,
}

impl Wake {
    pub(super) fn new(listener: Listener) -> Self {
        Self { listener, is_listening: false }
    }

    /// Waits until somebody says that rows have come, or it is time to look. Dropping the future loses
    /// nothing.
    pub(super) async fn next(&mut self, poll: Duration) -> WakeReason {
        let wait = if self.is_listening { poll * AWAKE } else { poll };
        tokio::select! {
            biased;
            // Also when it begins to listen, or can no longer: rows may have come meanwhile.
            woken = self.listener.woken() => {
                self.is_listening = woken != Woken::Deaf;
                WakeReason::Told
            }
            () = tokio::time::sleep(wait) => WakeReason::Poll,
        }
    }
}

/// What a [`Wake`] came by.
pub(super) enum WakeReason {
    Told,
    /// It is time to look.
    Poll,
}

async fn listening(options: PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(&pool(options)).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
