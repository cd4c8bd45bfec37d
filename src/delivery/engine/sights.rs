//! What a run knows of what its user sees.

use std::time::Duration;

use crate::delivery::Blindness;
use crate::delivery::eyes::{Eyes, Sight};

/// So many rows that were opened are not found, one after another, before this user is taken for blind: one
/// may have been deleted by a person, or be another user's.
const UNSEEN_MAX: u32 = 3;

/// And so many are looked up at most: of some HubSoft may not tell.
const SPECIMENS_MAX: u32 = 10;

/// And not again for so long.
const BLIND_FOR: Duration = Duration::from_secs(300);

/// What this run knows of what its user sees.
#[derive(Clone, Default)]
pub struct Sights {
    pub eyes: Eyes,
    pub is_loaded: bool,
    pub next_specimen: u32,
    /// It may take many claims: a slow pace, or an outage, ends those in its midst.
    search: Option<Search>,
    in_vain: Option<InVain>,
    pub is_told: bool,
}

fingerprint! { struct Sights { eyes, is_loaded, next_specimen, search, in_vain; outside is_told } }

/// Rows that were opened, looked up for a sight of a text so long.
#[derive(Clone)]
struct Search {
    text_len: usize,
    n_told: u32,
    n_unseen: u32,
}

fingerprint! { struct Search { text_len, n_told, n_unseen } }

/// How a search ended.
#[derive(Clone, Copy)]
struct InVain {
    at: Duration,
    text_len: usize,
    why: Blindness,
}

fingerprint! { struct InVain { at, text_len, why } }

impl Sights {
    /// Returns whether it is news. What is looked for was seen, if its text is as long.
    pub fn saw(&mut self, sight: Sight) -> bool {
        self.search.take_if(|search| search.text_len <= sight.text_len);
        self.eyes.saw(sight)
    }

    /// HubSoft has told, or not, of one more row that was opened with a text so long. Returns why it is of no
    /// use to ask for another.
    pub fn searched(&mut self, text_len: usize, is_unseen: bool, now: Duration) -> Option<Blindness> {
        // What was not seen of longer texts says nothing of this one.
        let known = self.search.take().filter(|search| search.text_len <= text_len);
        let mut search = known.unwrap_or(Search { text_len, n_told: 0, n_unseen: 0 });
        search.n_told += 1;
        search.n_unseen += u32::from(is_unseen);
        let why = match search {
            Search { n_unseen: 0, n_told: SPECIMENS_MAX.., .. } => Blindness::Unknown,
            Search { n_unseen: UNSEEN_MAX.., .. } | Search { n_told: SPECIMENS_MAX.., .. } => {
                Blindness::Unseen
            }
            _ => {
                self.search = Some(search);
                return None;
            }
        };
        self.in_vain = Some(InVain { at: now, text_len: search.text_len, why });
        Some(why)
    }

    pub fn in_vain(&self, text_len: usize, now: Duration) -> Option<Blindness> {
        let is_as_long = |in_vain: &InVain| in_vain.text_len <= text_len && now < in_vain.at + BLIND_FOR;
        self.in_vain.filter(is_as_long).map(|in_vain| in_vain.why)
    }
}
