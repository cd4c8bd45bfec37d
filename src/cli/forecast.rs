//! How fast a run is, and when it will be through, as far as that can be told: from how fast it has been
//! lately, and what is left.
//!
//! Pure: times are durations since the run began.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back it looks: long enough that a pause counts, short enough that an old pace does not.
const WINDOW: Duration = Duration::from_secs(60);

/// Between two looks that are kept.
const STEP: Duration = Duration::from_secs(1);

/// Nothing is said before so much time was seen, ...
const SEEN_MIN: Duration = Duration::from_secs(10);

/// ... and so many rows done in it.
const DONE_MIN: u64 = 10;

/// How far back the pace of now is measured.
const NOW: Duration = Duration::from_secs(10);

/// The pace is not told before so much time was seen.
const PACE_SEEN_MIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Forecast {
    /// When so many rows were done, at most [`WINDOW`] ago but for the first.
    looks: VecDeque<(Duration, u64)>,
}

impl Forecast {
    /// Nothing is done yet.
    pub fn from_now() -> Self {
        Self { looks: VecDeque::from([(Duration::ZERO, 0)]) }
    }

    /// So many rows are done at `now`.
    pub fn see(&mut self, now: Duration, n_done: u64) {
        if self.looks.back().is_some_and(|(at, _)| now < *at + STEP) {
            return;
        }
        self.looks.push_back((now, n_done));
        while self.looks.get(1).is_some_and(|(at, _)| *at + WINDOW <= now) {
            self.looks.pop_front();
        }
    }

    /// So many a second, of late; `None` before that can be told.
    pub fn pace(&self) -> Option<f64> {
        let (now, after) = self.looks.back()?;
        let (began, before) = self.looks.iter().find(|(at, _)| now.saturating_sub(*at) <= NOW)?;
        let seen = now.saturating_sub(*began);
        (PACE_SEEN_MIN <= seen).then(|| after.saturating_sub(*before) as f64 / seen.as_secs_f64())
    }

    /// How long `n_left` more rows will take, about; `None` as long as nobody can know.
    pub fn left(&self, n_left: u64) -> Option<Duration> {
        let ((began, before), (now, after)) = (self.looks.front()?, self.looks.back()?);
        let (seen, n_done) = (now.saturating_sub(*began), after.saturating_sub(*before));
        if seen < SEEN_MIN || n_done < DONE_MIN {
            return None;
        }
        Duration::try_from_secs_f64(seen.as_secs_f64() * n_left as f64 / n_done as f64).ok()
    }
}

/// `3 min`: no finer than can be known.
pub fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..=90 => format!("{} s", seconds.div_ceil(10).max(1) * 10),
        seconds @ ..=3600 => format!("{} min", seconds.div_ceil(60)),
        seconds @ ..=36_000 => match seconds.div_ceil(300) * 5 {
            minutes if minutes % 60 == 0 => format!("{} h", minutes / 60),
            minutes => format!("{} h {} min", minutes / 60, minutes % 60),
        },
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    /// What is told of 600 rows when `n_done` of them are done at the end of each second.
    fn told(n_done: impl IntoIterator<Item = u64>) -> Option<String> {
        let mut forecast = Forecast::from_now();
        let mut last = 0;
        for (n, n_done) in n_done.into_iter().enumerate() {
            forecast.see((n as u32 + 1) * S, n_done);
            last = n_done;
        }
        forecast.left(600 - last).map(rounded)
    }

    #[test]
    fn nothing_is_told_before_enough_is_known() {
        assert_eq!(told([]), None);
        assert_eq!(told((1..=9).map(|n| 5 * n)), None, "too short a time");
        assert_eq!(told([0; 30]), None);
        assert_eq!(told((1..=30).map(|n| n / 4)), None, "too few rows");
        assert_eq!(told((1..=10).map(|n| 5 * n)).as_deref(), Some("2 min"));
    }

    /// Seen: after an outage of an hour it was told as if the hour would come again.
    #[test]
    fn it_goes_by_the_pace_of_now() {
        let quick = (1..=30).map(|n| 10 * n);
        let outage = [300; 120];
        assert_eq!(told(quick.clone()).as_deref(), Some("30 s"));
        assert_eq!(told(quick.clone().chain(outage)), None, "nothing has been done lately");
        let again = (1..=60).map(|n| 300 + n);
        assert_eq!(told(quick.chain(outage).chain(again)).as_deref(), Some("4 min"));
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut forecast = Forecast::from_now();
        assert_eq!(forecast.pace(), None);
        forecast.see(S, 7);
        assert_eq!(forecast.pace(), None, "too short a time");
        for n in 2..=60 {
            forecast.see(n * S, if n <= 30 { 7 * u64::from(n) } else { 210 + 2 * u64::from(n - 30) });
        }
        assert_eq!(forecast.pace(), Some(2.0));
    }

    #[test]
    fn what_is_told_is_no_finer_than_can_be_known() {
        for (seconds, expected) in [
            (0, "10 s"),
            (31, "40 s"),
            (91, "2 min"),
            (3600, "60 min"),
            (3601, "1 h 5 min"),
            (4200, "1 h 10 min"),
            (7200, "2 h"),
            (36_000, "10 h"),
            (36_001, "11 h"),
        ] {
            assert_eq!(rounded(seconds * S), expected);
        }
    }
}
