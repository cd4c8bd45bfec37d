//! What becomes of rows that were claimed: settled, left by the dead, or looked at again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mutirao::delivery::settle::{After, Found, Write, verbatim};
use mutirao::delivery::{Change, Doubt, RowId, Settle, Settled, State, WAIT_MAX};

use super::breach::Breach;
use super::memory_outbox::{Row, Shelf, waits};

pub fn settle(shelf: &mut Shelf, settle: &Settle, worker: u64, now: Timestamp) -> Settled {
    let Shelf { rows, breach, .. } = shelf;
    let breach = *breach;
    let owner = settle.ticket().and_then(|ticket| {
        let has_it = |row: &Row| row.opening.as_ref().is_some_and(|it| it.id_atendimento == ticket);
        let mut others = rows.iter().filter(|(id, row)| **id != settle.row.0 && row.state == State::Opened);
        others.find(|(_, row)| has_it(row)).map(|(id, _)| RowId(*id))
    });
    let Some(row) = rows.get_mut(&settle.row.0) else { return Settled::Deleted };
    let found = Found {
        state: row.state,
        token: row.token,
        is_own: row.worker == worker,
        is_claimed: row.is_claimed,
        is_gone: row.is_gone,
        available_at: row.available_at,
        attempts: row.attempts,
        doubt_since: row.doubt.as_ref().map(|it| it.since),
        protocolo: row.opening.as_ref().map(|it| it.protocolo.clone()),
        id_atendimento: row.opening.as_ref().map(|it| it.id_atendimento),
        warnings: row.warnings.clone(),
        owner,
    };
    let (to_write, settled) = found.meet(settle, verbatim);
    if to_write != Write::Nothing {
        row.history.extend(settle.attempt.as_deref().cloned());
    }
    match to_write {
        Write::Nothing => {}
        Write::Change => change(row, &settle.change, now, breach),
        Write::Ticket { state, opening, attempts, warnings, fault } => {
            row.state = state;
            row.opening = Some(opening.clone());
            row.attempts = attempts.unwrap_or(row.attempts);
            row.warnings.extend_from_slice(warnings);
            row.error_code = fault.map(|it| it.code().into_owned());
            row.keep_doubt(now);
        }
        Write::Beside { id_atendimento, warning } => {
            if let (Some(opening), Some(it)) = (&mut row.opening, id_atendimento) {
                opening.id_atendimento = it;
            }
            row.warnings.extend(warning);
        }
        Write::Doubt if row.lacks_claim(settle.token, worker, breach) => {
            row.doubt_lost_claim(settle.token, worker, now, now);
        }
        Write::Doubt => {}
    }
    settled
}

/// As its living owner has it.
fn change(row: &mut Row, change: &Change, now: Timestamp, breach: Breach) {
    let claimed_with = row.doubt.take();
    row.claim_doubt = None;
    row.state = change.state(claimed_with.as_ref());
    if *change == Change::Release {
        row.doubt = claimed_with;
        row.is_claimed = false;
        if row.first_claim {
            row.sent_at = None;
        }
        row.withdraw_if_gone(breach);
        return;
    }
    let After { available_at, attempts, doubt, fault, opening, warnings } = After::of(change);
    // A look-up that was of no use leaves what is known of the post.
    if claimed_with.is_none() || row.state != State::InDoubt {
        row.error_code = fault.map(|it| it.code().into_owned());
    }
    row.available_at = available_at.unwrap_or(row.available_at);
    row.attempts = attempts.unwrap_or(row.attempts);
    row.doubt = doubt.cloned();
    row.opening = opening.cloned();
    row.warnings.extend_from_slice(warnings);
    if row.state == State::Conflict {
        row.kept_doubt = claimed_with.or_else(|| Some(Doubt::since(now)));
    }
    row.withdraw_if_gone(breach);
}

/// As the port has it, for the rows of `whose`.
pub fn recover(shelf: &mut Shelf, now: Timestamp, whose: impl Fn(&Row) -> bool) -> u64 {
    take_in(&mut shelf.rows, shelf.breach, now, |_, row| whose(row).then_some(now))
}

/// As the port has it.
pub fn look_again(shelf: &mut Shelf, now: Timestamp) {
    let breach = shelf.breach;
    for row in shelf.rows.values_mut().filter(|row| row.state == State::Unconfirmed) {
        if let Some(doubt) = &mut row.doubt {
            doubt.answered = 0;
            doubt.precaution = false;
        }
        make_due(row, now, breach);
    }
}

/// As the port has it.
pub fn pull_in(rows: &mut BTreeMap<i64, Row>, now: Timestamp) {
    for row in rows.values_mut().filter(|row| waits(row) && now + WAIT_MAX < row.available_at) {
        row.available_at = now;
    }
}

/// What is in flight becomes a doubt, if its worker is dead: since when that says.
pub fn take_in(
    rows: &mut BTreeMap<i64, Row>,
    breach: Breach,
    now: Timestamp,
    dead_since: impl Fn(i64, &Row) -> Option<Timestamp>,
) -> u64 {
    let mut n_rows = 0;
    for (id, row) in rows.iter_mut().filter(|(_, row)| row.state == State::InFlight) {
        let Some(since) = dead_since(*id, row) else { continue };
        n_rows += 1;
        row.doubt.get_or_insert(Doubt::since(since));
        row.claim_doubt = None;
        make_due(row, now, breach);
    }
    n_rows
}

fn make_due(row: &mut Row, now: Timestamp, breach: Breach) {
    row.state = row.doubt.as_ref().map_or(State::Pending, Doubt::state);
    row.available_at = now;
    row.withdraw_if_gone(breach);
}
