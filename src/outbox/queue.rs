//! Places in the queue of rows to post, and one that lies about so far between its ends.

use crate::delivery::THOUSANDTHS;

/// Where a row stands: in the order of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) priority: i64,
    /// When it fell due, in the outbox's own unit.
    pub(super) due: i64,
    pub(super) id: i64,
}

/// As they are read.
impl From<(i64, i64, i64)> for Spot {
    fn from((priority, due, id): (i64, i64, i64)) -> Self {
        Self { priority, due, id }
    }
}

/// A place about `thousandths` of the way from `first` to `last`; rows behind it may be claimed. A file's
/// rows fall due together, those of several lotes one lote after the other: half of the way is through the
/// rows that fell due with the first, half is through time.
pub(super) fn between(first: Spot, last: Spot, thousandths: u16) -> Spot {
    let thousandths = i128::from(thousandths.min(THOUSANDTHS));
    let part = |from: i64, to: i64, of: i128| {
        let way = i128::from(to) - i128::from(from);
        i64::try_from(i128::from(from) + way * of / i128::from(THOUSANDTHS)).unwrap_or(from)
    };
    let half = i128::from(THOUSANDTHS / 2);
    if (first.priority, first.due) == (last.priority, last.due) {
        Spot { id: part(first.id, last.id, thousandths), ..first }
    } else if thousandths < half {
        Spot { id: part(first.id, last.id, 2 * thousandths), ..first }
    } else {
        Spot { due: part(first.due, last.due, 2 * (thousandths - half)), id: 0, ..last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lies_between_the_ends() {
        let place = |priority, due, id| Spot { priority, due, id };
        for (first, last, thousandths, expected) in [
            (place(0, 7, 100), place(0, 7, 300), 0, place(0, 7, 100)),
            (place(0, 7, 100), place(0, 7, 300), 500, place(0, 7, 200)),
            (place(0, 7, 100), place(0, 7, 300), 9999, place(0, 7, 300)),
            (place(0, 1000, 100), place(0, 2000, 300), 250, place(0, 1000, 200)),
            (place(0, 1000, 100), place(0, 2000, 300), 750, place(0, 1500, 0)),
            (place(-1, 5000, 9), place(3, 1000, 1), 750, place(3, 3000, 0)),
            (place(0, i64::MIN, i64::MIN), place(0, i64::MAX, i64::MAX), 1000, place(0, i64::MAX, 0)),
        ] {
            assert_eq!(between(first, last, thousandths), expected);
        }
    }
}
