//! Which rows are claimed, as the words of the port have it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mutirao::delivery::{
    CLAIM_AGE_MAX, Claim, ClaimRequest, Claimed, Doubt, End, Refused, RowId, State, THOUSANDTHS,
};

use super::breach::Breach;
use super::memory_outbox::{Row, Shelf, service_of, waits};

/// It may be claimed: what is gone from its file is looked up only because something is in doubt.
fn is_wanted(row: &Row) -> bool {
    waits(row) && (!row.is_gone || row.doubt.as_ref().is_some_and(|it| !it.precaution))
}

pub fn claim(shelf: &mut Shelf, want: ClaimRequest, worker: u64) -> Claimed {
    let Shelf { rows, halted, breach, .. } = shelf;
    let mut busy = Busy::of(rows);
    let blocks = *breach != Breach::BlockNothing;
    let mut candidates: Vec<_> = rows.iter().filter(|(_, row)| is_wanted(row)).collect();
    // Doubts first, then by due time.
    candidates.sort_by_key(|(id, row)| (row.doubt.is_none(), row.priority, row.available_at, **id));
    let n_doubts = candidates.partition_point(|(_, row)| row.doubt.is_some());
    match want.end {
        End::Front => {}
        End::Back => candidates[n_doubts..].reverse(),
        End::Between(thousandths) => {
            let n_due = candidates[n_doubts..].iter().filter(|(_, row)| row.available_at <= want.now).count();
            let n_passed = n_due * usize::from(thousandths) / (usize::from(THOUSANDTHS) + 1);
            candidates[n_doubts..].rotate_left(n_passed);
        }
    }
    let candidates: Vec<i64> = candidates.into_iter().map(|(id, _)| *id).collect();

    let mut claimed = Claimed::default();
    let (mut posts, mut look_ups) = (want.posts, want.look_ups);
    for id in candidates {
        let row = rows.get_mut(&id).expect("it was just seen");
        if blocks && busy.blocks(row) || is_halted(halted, row) {
            claimed.backlog.pending = true;
            continue;
        }
        let left = if row.doubt.is_some() { &mut look_ups } else { &mut posts };
        if want.now < row.available_at || *left == 0 {
            claimed.backlog.pending = true;
            let due = Some(row.available_at);
            claimed.backlog.next_due = claimed.backlog.next_due.min(due).or(due);
            continue;
        }
        if !row.problems.is_empty() {
            row.state = State::Invalid;
            let problems = row.problems.clone();
            let code = problems[0].code.to_string();
            row.error_code = Some(code.clone());
            claimed.refused.push(Refused {
                row: RowId(id),
                line: id as u64 + 1,
                lote: row.lote.clone(),
                referencia: id.to_string().into(),
                state: row.state,
                code,
                problems,
            });
            continue;
        }
        *left -= 1;
        row.state = State::InFlight;
        busy.add(row);
        row.token.0 += 1;
        row.worker = worker;
        row.is_claimed = true;
        let answered_by = match breach {
            Breach::DoubtFromClaim => want.now,
            _ => want.now + CLAIM_AGE_MAX + mutirao::hubsoft::TIMEOUT,
        };
        let is_post = row.doubt.is_none();
        let leaves_doubt = is_post && *breach != Breach::ClaimWithoutDoubt;
        row.claim_doubt = leaves_doubt.then(|| Doubt::since(answered_by));
        row.first_claim = row.sent_at.is_none();
        let sent_at = *row.sent_at.get_or_insert(want.now);
        let service = service_of(row);
        claimed.claims.push(Claim {
            row: RowId(id),
            token: row.token,
            line: id as u64 + 1,
            ticket: row.ticket.clone(),
            lote: row.lote.clone(),
            referencia: id.to_string().into(),
            marker: row.marker,
            attempts: row.attempts,
            sent_at,
            doubt: row.doubt.clone(),
            is_outdated: row.is_outdated,
        });
        if is_post {
            rows.values_mut().filter(|it| service_of(it) == service).for_each(|it| it.is_revived = false);
        }
    }
    // What was passed over because a row of its service was claimed later in the same call is not free.
    let free = rows.values().filter(|row| is_wanted(row) && !busy.blocks(row) && !is_halted(halted, row));
    claimed.backlog.next_due = free.map(|row| row.available_at).min();
    claimed
}

/// Nothing of such a lote is posted.
fn is_halted(halted: &BTreeSet<Arc<str>>, row: &Row) -> bool {
    row.doubt.is_none() && halted.contains(&row.lote)
}

/// As the port has it.
pub fn posts_are_left(shelf: &mut Shelf) -> bool {
    let Shelf { rows, halted, .. } = shelf;
    let busy = Busy::of(rows);
    let is_to_post = |row: &&Row| row.doubt.as_ref().is_none_or(|it| it.precaution);
    rows.values().filter(is_to_post).any(|row| match row.state {
        State::InFlight => true,
        State::Pending => !row.is_gone && !is_halted(halted, row) && !busy.live.contains(&service_of(row)),
        _ => false,
    })
}

/// The services with live rows. A post waits behind all of those, a look-up only behind what is in flight.
struct Busy {
    live: BTreeSet<i64>,
    in_flight: BTreeSet<i64>,
}

impl Busy {
    fn of(rows: &BTreeMap<i64, Row>) -> Self {
        let mut busy = Self { live: BTreeSet::new(), in_flight: BTreeSet::new() };
        rows.values().filter(|row| row.is_live()).for_each(|row| busy.add(row));
        busy
    }

    fn add(&mut self, row: &Row) {
        self.live.insert(service_of(row));
        if row.state == State::InFlight {
            self.in_flight.insert(service_of(row));
        }
    }

    fn blocks(&self, row: &Row) -> bool {
        match row.doubt {
            Some(_) => &self.in_flight,
            None => &self.live,
        }
        .contains(&service_of(row))
    }
}
