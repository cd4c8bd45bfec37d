//! What a person has done with rows: one thing after the other, each to its end, whether or not the browser
//! that asked for it still waits.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc::error::TrySendError;
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
    /// The program ends: it is not done.
    Ending,
    /// It goes on.
    Late,
    /// It came upon a defect of ours, and how far it was then nobody knows.
    Panicked,
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
        let begin = || {
            Box::pin(async move {
                // Those that come after it are done all the same, and so is an import.
                let done = AssertUnwindSafe(async { deed().await }).catch_unwind().await;
                // Nobody may listen any more.
                drop(tell.send(done.map_err(|_| Untold::Panicked)));
            }) as Pin<Box<dyn Future<Output = ()>>>
        };
        self.0.try_send(Box::new(begin)).map_err(|refused| match refused {
            TrySendError::Full(_) => Untold::Full,
            TrySendError::Closed(_) => Untold::Ending,
        })?;
        match timeout(WAIT_MAX, told).await {
            Ok(Ok(done)) => done,
            // What is under way is done to its end: this one was dropped before it began.
            Ok(Err(_)) => Err(Untold::Ending),
            Err(_) => Err(Untold::Late),
        }
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

    /// Seen (in reading): of what the end of the program, or a defect, left undone it was said that it goes
    /// on.
    #[tokio::test(start_paused = true)]
    async fn what_is_not_done_any_more_and_what_went_wrong_within_is_told_as_such() {
        let ((deeds, asked), stop) = (Deeds::new(), CancellationToken::new());
        let stopping = stop.clone();
        let stops = async {
            let panics = deeds.done(|| async { panic!("a defect") });
            assert_eq!(panics.await, Err::<(), _>(Untold::Panicked));
            assert_eq!(deeds.done(|| ready(1)).await, Ok(1), "the next one is done");
            let last = deeds.done(|| async move {
                stopping.cancel();
                tokio::time::sleep(WAIT_MAX / 2).await;
                2
            });
            let (last, waiting) = tokio::join!(last, deeds.done(|| ready(3)));
            assert_eq!((last, waiting), (Ok(2), Err(Untold::Ending)));
        };
        tokio::join!(asked.work(&stop), stops);
        assert_eq!(deeds.done(|| ready(4)).await, Err(Untold::Ending));
    }
}
