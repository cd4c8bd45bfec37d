//! What broke the promise, of how a world ended.

use std::time::Duration;

use mutirao::delivery::{OpenTickets, RowId, Settled, State, Verify, WAIT_MAX};

use super::server::book::Ticket;
use super::world::{Steps, World};
use crate::support::memory_outbox::{MemoryOutbox, Row};

/// After so long in calm weather all is at rest: a slow server has its time, and each row its turn.
const CALM_MAX: Duration = Duration::from_secs(40 * 60);

/// Where a row cannot be told: it is looked up ten times, ever more seldom, by two runs.
const CALM_UNTOLD_MAX: Duration = Duration::from_secs(4 * 3600);

/// So many requests are sent, and so many rows asked for, in calm weather at most; the first for each row,
/// and for each that cannot be told: two runs have ten answers for it, and between those errors count
/// nothing.
const REQUESTS_PER_ROW_MAX: u64 = 14;
const REQUESTS_PER_UNTOLD_MAX: u64 = 120;
const REQUESTS_MAX: u64 = 30;
const CLAIMS_PER_ROW_MAX: u64 = 16;
const CLAIMS_PER_UNTOLD_MAX: u64 = 140;
const CLAIMS_MAX: u64 = 40;

impl World {
    /// What broke the promise, of everything that happened and of how it ended.
    pub fn check(&self) -> Vec<String> {
        self.server
            .homes
            .iter()
            .enumerate()
            .flat_map(|(home, outbox)| self.check_home(home, outbox))
            .collect()
    }

    fn check_home(&self, home: usize, outbox: &MemoryOutbox) -> Vec<String> {
        let tickets = self.server.tickets();
        let rows = outbox.rows();
        let mut violations = Vec::new();
        for (id, row) in &rows {
            let code = row.marker.as_str();
            let is_of_row = |it: &&Ticket| it.of.as_ref().is_some_and(|of| of.0 == home && of.1 == code);
            let created: Vec<_> = tickets.iter().filter(is_of_row).collect();
            let mut says = |what: String| violations.push(format!("row {id} {what}"));
            if 1 < created.len() {
                says(format!("has {} tickets", created.len()));
            }
            let n_worked = self.server.worked(code);
            // A look before the post that could not tell counts as well.
            if n_worked < row.attempts && !self.looks_before() {
                says(format!(
                    "spent {} attempts on {n_worked} posts: {:?} {:?}",
                    row.attempts, row.state, row.error_code
                ));
            }
            match row.state {
                State::Opened if !self.server.misled(code) => {
                    if !created.iter().any(|it| Some(&it.opening) == row.opening.as_ref()) {
                        says(format!("is opened as {:?}, which is not its ticket", row.opening));
                    }
                }
                State::Opened => {}
                State::Unconfirmed if self.may_be_unconfirmed(row, &rows) => {}
                // What could be shown was opened later.
                State::Unconfirmed if self.given_up.borrow().contains(&(home, *id)) => {}
                State::Conflict
                    if self.server.misled(code)
                        || self.server.told_errors(code)
                        || is_stolen(row, &created, &rows) => {}
                State::Rejected | State::Failed if created.is_empty() => {}
                State::Skipped if created.is_empty() && self.may_be_skipped(row, &tickets) => {
                    self.server.saw("skipped for a ticket of somebody else");
                }
                State::Cancelled if row.is_withdrawn && created.is_empty() => {}
                State::Cancelled if row.is_gone && created.is_empty() => {
                    let was_sent = row.sent_at.is_some();
                    self.server.saw(if was_sent { "withdrawn once sent" } else { "withdrawn unsent" });
                }
                State::Pending if waits_behind_unconfirmed(row, &rows) => {}
                state => {
                    says(format!("is left {state:?} with {} tickets: {:?}", created.len(), row.error_code))
                }
            }
        }
        violations
    }

    /// Whether all came to rest soon once the sky was blue, and without asking more than was needed.
    pub fn check_liveness(&self, n_workers: u64) -> Vec<String> {
        let Some(asked) = self.asked_in_calm() else { return Vec::new() };
        let lasted = self.clock.elapsed() - self.server.weather.clears_at;
        let rows: Vec<_> = self.server.homes.iter().flat_map(|it| it.rows()).collect();
        let n_rows = rows.len() as u64;
        // One that HubSoft tells of, and that is given up because it tells of none that was opened, cannot be
        // told either. Whether it may be given up is looked at in the end.
        let may_be_untold = |row: &Row| {
            row.state == State::Unconfirmed || self.server.may_never_tell(row.ticket.id_cliente_servico.get())
        };
        let n_untold = rows.iter().filter(|(_, row)| may_be_untold(row)).count() as u64;
        let per_row = |told: u64, untold: u64| (n_rows - n_untold) * told + n_untold * untold;
        let is_told = rows.iter().all(|(_, row)| row.state != State::Unconfirmed);
        // What is due later than that by a clock that was set back is due at once.
        let set_back = if self.steps == Steps::OfTheDatabase { WAIT_MAX } else { Duration::ZERO };
        let longest = set_back + if is_told { CALM_MAX } else { CALM_UNTOLD_MAX };
        // Each looks for rows every five seconds.
        let n_polls = n_workers * lasted.as_secs() / 2;
        let mut violations = Vec::new();
        let mut bound = |what: &str, found: u64, most: u64| {
            if most < found {
                violations.push(format!("in calm weather {found} {what}, of {n_rows} rows"));
            }
        };
        bound("seconds until all was at rest", lasted.as_secs(), longest.as_secs());
        let n_requests_max = REQUESTS_MAX + per_row(REQUESTS_PER_ROW_MAX, REQUESTS_PER_UNTOLD_MAX);
        let n_claims_max = CLAIMS_MAX + per_row(CLAIMS_PER_ROW_MAX, CLAIMS_PER_UNTOLD_MAX);
        bound("requests", asked.n_requests, n_requests_max);
        bound("claims", asked.n_claims, n_claims_max + n_polls);
        violations
    }

    /// Notes at once whether a row that is given up could not be shown to anybody.
    pub fn note_given_up(&self, home: usize, outbox: &MemoryOutbox, row: RowId, became: Settled) {
        let stored = outbox.row(row.0);
        if became != Settled::Written || stored.state != State::Unconfirmed {
            return;
        }
        let rows = outbox.rows();
        let shows_none = !rows.iter().any(|(_, it)| is_specimen_for(it, &stored));
        let mut given_up = self.given_up.borrow_mut();
        if shows_none {
            given_up.insert((home, row.0))
        } else {
            given_up.remove(&(home, row.0))
        };
    }

    /// At once: a row of which a settle says that it has no ticket has none.
    pub fn check_settled(&self, home: usize, outbox: &MemoryOutbox, row: RowId, became: Settled) {
        if became != Settled::Written {
            return;
        }
        let stored = outbox.row(row.0);
        let is_in_doubt = stored.doubt.as_ref().is_some_and(|it| !it.precaution);
        let is_said_to_have_none = match stored.state {
            State::Pending => !is_in_doubt,
            State::Rejected | State::Failed | State::Cancelled | State::Skipped | State::Invalid => true,
            State::InFlight | State::InDoubt | State::Opened | State::Unconfirmed | State::Conflict => false,
        };
        if is_said_to_have_none && self.server.has_ticket(home, stored.marker.as_str()) {
            let (id, state) = (row.0, stored.state);
            self.server.violate(format!("row {id} is settled as {state:?}, and there is a ticket of it"));
        }
    }

    fn looks_before(&self) -> bool {
        self.policy.open_tickets == OpenTickets::Skip || self.policy.verify == Verify::First
    }

    /// Whether the ticket for which a row was skipped is of its service, and one that was to be looked for.
    fn may_be_skipped(&self, row: &Row, tickets: &[Ticket]) -> bool {
        let is_it = |it: &&Ticket| row.opening.as_ref() == Some(&it.opening);
        let service = row.ticket.id_cliente_servico.get();
        (self.looks_before() || row.was_precaution)
            && tickets.iter().find(is_it).is_some_and(|it| it.service == service)
    }

    /// Where even a calm HubSoft cannot tell: it never does for this service, or there is no ticket of ours
    /// with a text as long that it could show.
    fn may_be_unconfirmed(&self, row: &Row, rows: &[(i64, Row)]) -> bool {
        let mut as_long: Vec<&Row> =
            rows.iter().map(|(_, it)| it).filter(|it| is_specimen_for(it, row)).collect();
        as_long.sort_by_key(|it| std::cmp::Reverse(it.opening.as_ref().map(|it| it.id_atendimento)));
        let is_hidden = |row: &Row| {
            self.server.may_never_tell(row.ticket.id_cliente_servico.get())
                || self.server.misled(row.marker.as_str())
                || self.server.hides(row.marker, row.ticket.descricao.as_str())
        };
        let unseen = |it: &&&Row| self.server.hides(it.marker, it.ticket.descricao.as_str());
        // As many as are looked up, and so many that are not found are enough.
        is_hidden(row)
            || as_long.iter().take(10).all(|it| is_hidden(it))
            || 3 <= as_long.iter().filter(unseen).count()
    }
}

/// Whether a look-up of it shows that a text as long as this row's is seen.
fn is_specimen_for(other: &Row, row: &Row) -> bool {
    let len = |row: &Row| row.ticket.descricao.as_str().chars().count();
    other.state == State::Opened && !other.is_purged && len(row) <= len(other)
}

/// Whether another row has taken the row's ticket for its own.
fn is_stolen(row: &Row, created: &[&Ticket], rows: &[(i64, Row)]) -> bool {
    rows.iter().any(|(_, other)| {
        let theirs = other.opening.as_ref();
        other.marker != row.marker && created.iter().any(|it| Some(&it.opening) == theirs)
    })
}

pub fn waits_behind_unconfirmed(row: &Row, rows: &[(i64, Row)]) -> bool {
    let service = row.ticket.id_cliente_servico;
    rows.iter().any(|(_, it)| it.ticket.id_cliente_servico == service && it.state == State::Unconfirmed)
}
