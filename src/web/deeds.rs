//! What a person has done with rows: one thing after the other, each to its end, whether or not the browser
//! that asked for it still waits.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// That wait for their turn.
const DEEDS_MAX: usize = 4;

/// How long a browser waits. Shorter than the time that any answer has.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// It begins where it is done: what speaks to HubSoft stays in one thread.
type Deed = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// Where they are asked for.
pub struct Deeds(mpsc::Sender<Deed>);

/// Why nobody is told what came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untold {
    /// Too many wait before it: it is not done.
    Full,
    /// It goes on.
    Late,
}

/// Those that were asked for.
pub struct Asked(mpsc::Receiver<Deed>);

impl Deeds {
    pub fn new() -> (Self, Asked) {
        let (deeds, asked) = mpsc::channel(DEEDS_MAX);
        (Self(deeds), Asked(asked))
    }

    /// What came of `deed`.
    pub async fn done<T, D>(&self, deed: impl FnOnce() -> D + Send + 'static) -> Result<T, Untold>
    where
        T: Send + 'static,
        D: Future<Output = T> + 'static,
    {
        let (tell, told) = oneshot::channel();
        // Nobody may listen any more.
        let begin =
            || Box::pin(async move { drop(tell.send(deed().await)) }) as Pin<Box<dyn Future<Output = ()>>>;
        self.0.try_send(Box::new(begin)).map_err(|_| Untold::Full)?;
        timeout(WAIT_MAX, told).await.ok().and_then(Result::ok).ok_or(Untold::Late)
    }
}

impl Asked {
    /// Does them until `stop`; the one under way is done to its end.
    pub async fn work(mut self, stop: &CancellationToken) {
        // Cancel-safe: a deed that was not received has not begun.
        while let Some(Some(deed)) = stop.run_until_cancelled(self.0.recv()).await {
            deed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    /// Seen (in reading): of what was never done it was said that it goes on.
    #[tokio::test(start_paused = true)]
    async fn what_is_not_done_is_told_from_what_takes_long() {
        let (deeds, asked) = Deeds::new();
        let nobody_works = async {
            for _ in 0..DEEDS_MAX {
                assert_eq!(deeds.done(pending::<()>).await, Err(Untold::Late));
            }
            assert_eq!(deeds.done(|| ready(1)).await, Err(Untold::Full));
        };
        nobody_works.await;
        drop(asked);
    }
}
