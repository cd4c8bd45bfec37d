//! What a run knows together with the other workers of its outbox.

use std::time::Duration;

use jiff::SignedDuration;

use crate::delivery::clock_offset::ClockOffset;
use crate::delivery::coordination::{FAR, FAR_MAX, News};

/// Whether other workers may be on the same outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Alone,
    Shared,
}

fingerprint!(plain Mode);

#[derive(Clone)]
pub struct Sharing {
    pub mode: Mode,
    /// Whether another worker lives.
    pub has_company: bool,
    /// What the other workers have not been told yet; stays empty where there are none.
    pub news: News,
    /// What they are being told, until it is certain that they were.
    pub telling: News,
    /// The outbox's time of day minus the run's.
    pub time_off: SignedDuration,
    /// When the outbox was asked that told its time last; `None`: nobody shares it.
    pub told_at: Option<Duration>,
    /// How long an answer takes: as the longest of late.
    takes: Duration,
    /// When it answered last.
    pub heard_at: Duration,
    pub clock_offset: ClockOffset,
}

fingerprint! {
    struct Sharing {
        mode, has_company, news, telling, time_off, told_at, heard_at, clock_offset;
        lengths takes
    }
}

impl Sharing {
    pub fn new() -> Self {
        Self {
            mode: Mode::Alone,
            has_company: false,
            news: News::default(),
            telling: News::default(),
            time_off: SignedDuration::ZERO,
            told_at: None,
            takes: Duration::ZERO,
            heard_at: Duration::ZERO,
            clock_offset: ClockOffset::default(),
        }
    }

    pub fn is_shared(&self) -> bool {
        self.mode == Mode::Shared
    }

    /// An answer took so long.
    pub fn took(&mut self, long: Duration) {
        self.takes = long.max(self.takes * 7 / 8);
        // How near it is makes no difference.
        if self.takes < FAR {
            self.takes = Duration::ZERO;
        }
    }

    /// How far the outbox is, as [`ShareRequest::far`](crate::delivery::coordination::ShareRequest::far) has
    /// it.
    pub fn far(&self) -> Duration {
        self.takes.min(FAR_MAX)
    }

    /// Something all must know.
    pub fn tell(&mut self, news: impl Into<News>) {
        if self.is_shared() {
            self.news.add(news.into());
        }
    }

    /// What is told now, until it is certain that it was: all that is new, and what may not have arrived.
    pub fn telling(&mut self) -> News {
        let news = std::mem::take(&mut self.news);
        self.telling.add(news);
        self.telling.clone()
    }
}
