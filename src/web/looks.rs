//! What was looked at, for all who ask. To count a million rows takes a second: such a look stands for nine
//! times as long as it took, so that a tenth of the time goes to looking, however many browsers load their
//! pages again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Turns;
use tokio::time::Instant;

/// So many times as long as it took, a look stands.
const REST: u32 = 9;

/// But no longer than this: what failed for want of an answer took long, too, and may be well by now.
const REST_MAX: Duration = Duration::from_secs(30);

/// What took less is looked at anew each time.
const SHORT: Duration = Duration::from_millis(250);

/// Looks that are kept: of what was asked for last.
const KEPT_MAX: usize = 16;

/// Looks at things that are told apart by `K`. Who asks while somebody looks waits for that.
pub struct Looks<K, T>(Mutex<VecDeque<(K, Kept<T>)>>);

type Kept<T> = Arc<Turns<Option<Look<T>>>>;

struct Look<T> {
    seen: Arc<T>,
    at: Instant,
    took: Duration,
}

impl<K, T> Default for Looks<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, T> Looks<K, T> {
    /// What `look` finds at `of`, or what was found there a short while ago.
    pub async fn seen(&self, of: K, look: impl Future<Output = T>) -> Arc<T> {
        let kept = self.kept(of);
        // Cancel-safe: who does not wait any more leaves it to the next one.
        let mut last = kept.lock().await;
        if let Some(Look { seen, at, took }) = &*last
            && SHORT <= *took
            && at.elapsed() < (REST * *took).min(REST_MAX)
        {
            return Arc::clone(seen);
        }
        let begun = Instant::now();
        let seen = Arc::new(look.await);
        *last = Some(Look { seen: Arc::clone(&seen), at: Instant::now(), took: begun.elapsed() });
        seen
    }

    /// Something was done there: who asks from now on is to see it.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn kept(&self, of: K) -> Kept<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|(known, _)| *known == of);
        let entry = known.and_then(|at| all.remove(at)).unwrap_or_else(|| (of, Kept::default()));
        let kept = Arc::clone(&entry.1);
        all.push_front(entry);
        all.truncate(KEPT_MAX);
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::{advance, sleep};

    use super::*;

    /// Each refresh counted a million rows.
    #[tokio::test(start_paused = true)]
    async fn what_took_a_second_is_not_looked_at_again_for_nine() {
        let (looks, n) = (Looks::default(), Cell::new(0));
        let look = |of: u32| {
            looks.seen(of, async {
                sleep(Duration::from_secs(1)).await;
                n.set(n.get() + 1);
                n.get()
            })
        };
        // Two at once are one look.
        let (one, other) = tokio::join!(look(7), look(7));
        assert_eq!((*one, *other), (1, 1));
        advance(Duration::from_millis(8_900)).await;
        assert_eq!(*look(7).await, 1);
        assert_eq!(*look(8).await, 2, "of another place");
        advance(Duration::from_millis(200)).await;
        assert_eq!(*look(7).await, 3);
        let slow = async || {
            looks
                .seen(10, async {
                    sleep(Duration::from_secs(10)).await;
                    n.set(n.get() + 1);
                    n.get()
                })
                .await
        };
        assert_eq!(*slow().await, 4);
        advance(Duration::from_secs(31)).await;
        assert_eq!(*slow().await, 5, "what took ten seconds stands for no minute and a half");
        looks.forget();
        let quick = async || {
            looks
                .seen(9, async {
                    n.set(n.get() + 1);
                    n.get()
                })
                .await
        };
        assert_ne!(quick().await, quick().await, "that took no time");
        assert_eq!(*look(7).await, 8, "something was done there");
        for of in 100..200 {
            look(of).await;
        }
        assert!(looks.0.lock().unwrap().len() <= KEPT_MAX);
    }
}
