//! Who may do now what is dear: so many at a time, and of these so many of one person, who holds up nobody
//! else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::registry::UserName;

/// `None`: whoever brought the key.
type Who = Option<UserName>;

pub struct Turns {
    all: Arc<Semaphore>,
    of_one_max: usize,
    /// No more than there ever were users.
    of_each: Mutex<HashMap<Who, Arc<Semaphore>>>,
}

/// Over when dropped.
pub struct Turn {
    _of_one: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Turns {
    pub fn new(n_max: usize, of_one_max: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(n_max)), of_one_max, of_each: Mutex::default() }
    }

    /// Waits for it.
    pub async fn take(&self, who: Option<&UserName>) -> Turn {
        // One's own first: who waits for that waits in nobody's way.
        let of_one = self.of(who).acquire_owned().await;
        let of_all = Arc::clone(&self.all).acquire_owned().await;
        let open = "none of them is ever closed";
        Turn { _of_one: of_one.expect(open), _of_all: of_all.expect(open) }
    }

    /// `None`: it is not free.
    pub fn try_take(&self, who: Option<&UserName>) -> Option<Turn> {
        let of_one = self.of(who).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Turn { _of_one: of_one, _of_all: of_all })
    }

    fn of(&self, who: Option<&UserName>) -> Arc<Semaphore> {
        let mut of_each = self.of_each.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = of_each.entry(who.cloned());
        Arc::clone(of_one.or_insert_with(|| Arc::new(Semaphore::new(self.of_one_max))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Seen (in reading): two long sheets of one person held up all others, and four of one that never ended.
    #[tokio::test]
    async fn one_person_holds_up_nobody_else() {
        let turns = Turns::new(3, 2);
        let [ana, bia] = ["ana", "bia"].map(|name| name.parse::<UserName>().ok());
        let of_ana = [turns.take(ana.as_ref()).await, turns.take(ana.as_ref()).await];
        assert!(turns.try_take(ana.as_ref()).is_none());
        let waits = turns.take(ana.as_ref());
        let mut waits = std::pin::pin!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        let of_bia = turns.take(bia.as_ref()).now_or_never().unwrap();
        assert!(turns.try_take(None).is_none(), "three at a time");
        drop(of_bia);
        assert!(turns.try_take(None).is_some());
        drop(of_ana);
        drop(waits.await);
        assert!(turns.try_take(ana.as_ref()).is_some());
    }
}
