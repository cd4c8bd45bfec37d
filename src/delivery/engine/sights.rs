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

/// Of rows that may have been sent from elsewhere: they are given up soon, and what was opened a moment ago
/// may not be shown yet.
const BLIND_FOR_ELSEWHERE: Duration = Duration::from_secs(30);

/// What this run knows of what its user sees.
#[derive(Clone, Default)]
pub struct Sights {
    pub eyes: Eyes,
    pub is_loaded: bool,
    pub next_specimen: u32,
    /// It may take many claims: a slow pace, or an outage, ends those in its midst.
    search: Option<Search>,
    in_vain: Option<InVain>,
    /// When a search first ended in vain; `None`: something was seen since.
    blind_since: Option<Duration>,
    pub is_told: bool,
    /// Whether it was told that absences are believed although nothing shows what this user sees.
    pub is_lack_told: bool,
}

fingerprint! {
    struct Sights {
        eyes, is_loaded, next_specimen, search, in_vain, blind_since; outside is_told, is_lack_told
    }
}

/// Rows that were opened, looked up for a sight of a text so long.
#[derive(Clone)]
struct Search {
    text_len: usize,
    n_told: u32,
    n_unseen: u32,
    /// When HubSoft last failed over one.
    stumbled_at: Option<Duration>,
}

fingerprint! { struct Search { text_len, n_told, n_unseen, stumbled_at } }

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
        self.blind_since = None;
        self.eyes.saw(sight)
    }

    /// HubSoft has told, or not, of one more row that was opened with a text so long. Returns why it is of no
    /// use to ask for another.
    pub fn searched(&mut self, text_len: usize, is_unseen: bool, now: Duration) -> Option<Blindness> {
        let mut search = self.take_search(text_len);
        search.n_told += 1;
        search.n_unseen += u32::from(is_unseen);
        self.go_on(search, now)
    }

    /// HubSoft has failed over one more. If it told of a row that was asked for since it last failed, it is
    /// well, and just does not tell of this one: else a row would be looked up for a day because it fails
    /// over the only ones that were opened. Failures without that between are one outage.
    pub fn stumbled(
        &mut self,
        text_len: usize,
        row_asked: Option<Duration>,
        now: Duration,
    ) -> Option<Blindness> {
        let mut search = self.take_search(text_len);
        if search.stumbled_at <= row_asked {
            search.n_told += 1;
        }
        search.stumbled_at = Some(now);
        self.go_on(search, now)
    }

    fn take_search(&mut self, text_len: usize) -> Search {
        // What was not seen of longer texts says nothing of this one.
        let known = self.search.take().filter(|search| search.text_len <= text_len);
        known.unwrap_or(Search { text_len, n_told: 0, n_unseen: 0, stumbled_at: None })
    }

    fn go_on(&mut self, search: Search, now: Duration) -> Option<Blindness> {
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
        self.blind_since.get_or_insert(now);
        Some(why)
    }

    /// Whether it is known that no search helps; `is_elsewhere`: to a row that may have been sent from there.
    pub fn in_vain(&self, text_len: usize, is_elsewhere: bool, now: Duration) -> Option<Blindness> {
        let lasts = if is_elsewhere { BLIND_FOR_ELSEWHERE } else { BLIND_FOR };
        let is_as_long = |in_vain: &InVain| in_vain.text_len <= text_len && now < in_vain.at + lasts;
        self.in_vain.filter(is_as_long).map(|in_vain| in_vain.why)
    }

    /// Whether nothing was seen for so long, whatever was looked for.
    pub fn are_blind_for(&self, at_least: Duration, now: Duration) -> bool {
        self.blind_since.is_some_and(|since| since + at_least <= now)
    }
}
