//! How rows were settled over time, counted in even spans: what a report draws.

use std::time::Duration;

use jiff::Timestamp;

use super::names::{any_of, in_sql};
use super::stored::{count, time};
use crate::delivery::State;

/// Spans at most.
const SPANS_MAX: i64 = 120;

/// Lengths of a span. Milliseconds: what people divide time by.
const LENGTHS: [i64; 20] = [
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    604_800_000,
    2_592_000_000,
];

/// What is settled so long after the last row was sent, a person settled, or a later look-up: it would press
/// the run itself into the first span. Milliseconds.
const AFTERWARDS: i64 = 3_600_000;

/// How the rows of a scope that were sent were settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// When the first of them was sent.
    pub from: Timestamp,
    /// When the last of them was settled, unless that was long after it was sent.
    pub to: Timestamp,
    pub length: Duration,
    /// Those in which any row was settled, in order.
    pub spans: Vec<Span>,
}

/// What was settled in a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From 0, at [`Course::from`].
    pub at: u64,
    pub n_opened: u64,
    /// Refused, failed, in conflict or unconfirmed.
    pub n_refused: u64,
}

/// Of the rows that were sent: when the first and the last one were, and when the last one was settled, in
/// milliseconds. NULL: none.
pub(super) type Ends = (Option<i64>, Option<i64>, Option<i64>);

/// The span's number, and how many rows were opened and refused in it.
pub(super) type SpanColumns = (i64, i64, i64);

/// Where a course begins, where it ends, and how long each of its spans is. Milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) length: i64,
}

impl Frame {
    /// `None`: nothing was sent.
    pub(super) fn of((first, last, settled): Ends) -> Option<Self> {
        let (from, last) = (first?, last?);
        let to = settled.unwrap_or(last).clamp(last, last.saturating_add(AFTERWARDS));
        let lasted = to.saturating_sub(from);
        let longest = LENGTHS[LENGTHS.len() - 1];
        let length = LENGTHS.into_iter().find(|length| lasted / length < SPANS_MAX).unwrap_or(longest);
        // Of clocks that were set ahead: the end of what is drawn.
        Some(Self { from, to: to.min(from.saturating_add(SPANS_MAX * length - 1)), length })
    }

    pub(super) fn course(self, spans: Vec<SpanColumns>) -> Course {
        let span = |(at, opened, refused): SpanColumns| Span {
            at: count(at),
            n_opened: count(opened),
            n_refused: count(refused),
        };
        Course {
            from: time(self.from),
            to: time(self.to),
            length: Duration::from_millis(count(self.length)),
            spans: spans.into_iter().map(span).collect(),
        }
    }
}

/// How many rows of a span were opened, and how many refused; as SQL counts them.
pub(super) fn counted() -> String {
    let refused = any_of(&[State::Rejected, State::Failed, State::Conflict, State::Unconfirmed]);
    format!(
        "count(*) FILTER (WHERE o.state = {}), count(*) FILTER (WHERE o.state IN {refused})",
        in_sql(State::Opened)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_so_many_spans_and_leaves_out_what_came_long_after() {
        let check = |ends: Ends, expected: Option<(i64, i64)>| {
            assert_eq!(Frame::of(ends).map(|frame| (frame.to, frame.length)), expected, "{ends:?}");
        };
        check((None, None, None), None);
        check((Some(0), Some(0), None), Some((0, 1_000)));
        check((Some(0), Some(100_000), Some(119_999)), Some((119_999, 1_000)));
        check((Some(0), Some(100_000), Some(120_000)), Some((120_000, 2_000)));
        // Settled by a person a week later.
        check((Some(0), Some(100_000), Some(604_800_000)), Some((3_700_000, 60_000)));
        // Clocks that no clock shows.
        let far = Frame::of((Some(i64::MIN), Some(i64::MAX), Some(i64::MAX))).unwrap();
        assert!((far.to - far.from) / far.length < SPANS_MAX);
    }
}
