//! Who follows an import, each by a connection that stays open: so many at a time, and of these so many of
//! one person's, that others have the rest. Of one more, the one that follows the longest ends; its browser
//! looks, and connects again after a while.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::registry::UserName;

pub struct Followers {
    n_max: usize,
    of_one_max: usize,
    /// The latest first.
    all: Mutex<VecDeque<Follower>>,
}

struct Follower {
    /// `None`: whoever brought the key.
    who: Option<UserName>,
    /// Of what was handed out: it is over once this is cancelled.
    ends: CancellationToken,
}

impl Followers {
    pub fn new(n_max: usize, of_one_max: usize) -> Self {
        Self { n_max, of_one_max, all: Mutex::default() }
    }

    /// One more follows until `ends` is cancelled, by itself or from here.
    pub fn add(&self, who: Option<&UserName>, ends: &CancellationToken) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut n, mut n_of_one) = (1, 1);
        all.retain(|follower| {
            if follower.ends.is_cancelled() {
                return false;
            }
            n += 1;
            n_of_one += usize::from(follower.who.as_ref() == who);
            let is_beyond = follower.who.as_ref() == who && self.of_one_max < n_of_one;
            if is_beyond || self.n_max < n {
                follower.ends.cancel();
                return false;
            }
            true
        });
        all.push_front(Follower { who: who.cloned(), ends: ends.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen (in reading): 64 of one person's held all connections, and nobody else was answered.
    #[test]
    fn one_who_follows_often_holds_up_nobody_else() {
        let followers = Followers::new(5, 2);
        let [ana, bia] = ["ana", "bia"].map(|name| name.parse::<UserName>().ok());
        let follows = |who: &Option<UserName>| {
            let ends = CancellationToken::new();
            followers.add(who.as_ref(), &ends);
            ends
        };
        let live = |all: &[CancellationToken]| -> Vec<bool> {
            all.iter().map(|ends| !ends.is_cancelled()).collect()
        };
        let of_bia = follows(&bia);
        let of_ana = [follows(&ana), follows(&ana), follows(&ana)];
        assert_eq!((live(&of_ana), of_bia.is_cancelled()), (vec![false, true, true], false));
        // What is over makes room.
        of_ana[2].cancel();
        follows(&ana);
        assert_eq!(live(&of_ana), [false, true, false]);
        let others: Vec<_> = (0..5).map(|n| follows(&format!("user{n}").parse().ok())).collect();
        assert_eq!(
            (live(&others), of_ana[1].is_cancelled(), of_bia.is_cancelled()),
            (vec![true; 5], true, true)
        );
    }
}
