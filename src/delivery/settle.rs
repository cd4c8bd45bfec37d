//! What a settle makes of a row, whichever outbox the row is in.
//!
//! Nearly every settle is of the row's living owner, and leaves what its [`Change`] says ([`After`]). The
//! fence keeps everybody else out, but never proof: that a ticket was opened is true whoever says it, and
//! however late.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Change, Doubt, Fault, OpenedTicket, RowId, Settle, Settled, State, Token, Warning};

/// Of a row that is skipped for it.
static ALREADY_OPEN: Fault = Fault::AlreadyOpen;

/// What a change leaves in a row besides its state. `None` for the time it is due and the attempts: as they
/// were.
#[derive(Default)]
pub struct After<'a> {
    pub available_at: Option<Timestamp>,
    pub attempts: Option<u32>,
    pub doubt: Option<&'a Doubt>,
    pub fault: Option<&'a Fault>,
    pub opening: Option<&'a OpenedTicket>,
    /// What is new.
    pub warnings: &'a [Warning],
}

/// A row as a settle finds it that is not plainly of its living owner.
#[derive(Clone, Debug)]
pub struct Found {
    pub state: State,
    pub token: Token,
    /// Its last claim was made by who settles now.
    pub is_own: bool,
    /// It was claimed, and that was not taken back.
    pub is_claimed: bool,
    /// Its file no longer has it: what would be pending again is withdrawn, and `cancelled`.
    pub is_gone: bool,
    pub available_at: Timestamp,
    pub attempts: u32,
    pub doubt_since: Option<Timestamp>,
    pub protocolo: Option<String>,
    pub id_atendimento: Option<i64>,
    pub warnings: Vec<Warning>,
    /// Another row, that is opened by the ticket which the settle proves.
    pub owner: Option<RowId>,
}

/// A row's last claim, as its outbox knows it: a database that lost its last commits gives tokens again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastClaim {
    pub state: State,
    pub token: Token,
    /// It was made by who asks.
    pub is_own: bool,
}

/// What is to be written of such a settle. Whatever is, has the settle's attempt in its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write<'a> {
    Nothing,
    /// The change, as of every living owner.
    Change,
    /// The ticket, in a row that was not opened: it is by now, or in conflict. The doubt of its claim stays
    /// beside it.
    Ticket {
        state: State,
        opening: &'a OpenedTicket,
        /// `None`: as they were.
        attempts: Option<u32>,
        /// What is new.
        warnings: &'a [Warning],
        fault: Option<Fault>,
    },
    /// Into a row that stays opened as it is. `None`: as it was.
    Beside {
        id_atendimento: Option<i64>,
        warning: Option<Warning>,
    },
    /// The claim itself, of which nothing was known: the row is in doubt from now on, whatever it was.
    Doubt,
}

impl<'a> After<'a> {
    pub fn of(change: &'a Change) -> Self {
        match change {
            Change::Release => Self::default(),
            Change::Later { at, attempts, doubt, fault } => Self {
                available_at: Some(*at),
                attempts: Some(*attempts),
                doubt: doubt.as_ref(),
                fault: fault.as_ref(),
                ..Self::default()
            },
            Change::Opened { opening, attempts, warnings } => {
                Self { opening: Some(opening), attempts: Some(*attempts), warnings, ..Self::default() }
            }
            Change::Skipped { opening } => {
                Self { fault: Some(&ALREADY_OPEN), opening: Some(opening), ..Self::default() }
            }
            Change::Rejected { attempts, fault } | Change::Failed { attempts, fault } => {
                Self { attempts: Some(*attempts), fault: Some(fault), ..Self::default() }
            }
            Change::Unconfirmed { doubt, fault } => {
                Self { doubt: Some(doubt), fault: Some(fault), ..Self::default() }
            }
            Change::Conflict { opening, attempts, fault, warnings } => Self {
                opening: Some(opening),
                attempts: Some(*attempts),
                fault: Some(fault),
                warnings,
                ..Self::default()
            },
        }
    }
}

impl Settle {
    /// The ticket that it proves.
    pub fn ticket(&self) -> Option<i64> {
        match &self.change {
            Change::Opened { opening, .. } => Some(opening.id_atendimento),
            _ => None,
        }
    }
}

/// What an outbox keeps of a text that has room for any.
pub fn verbatim(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

impl Found {
    fn last_claim(&self) -> LastClaim {
        LastClaim { state: self.state, token: self.token, is_own: self.is_own }
    }

    /// What becomes of `settle`. `as_stored` is a text as the outbox can hold it.
    pub fn meet<'a>(&self, settle: &'a Settle, as_stored: fn(&str) -> Cow<'_, str>) -> (Write<'a>, Settled) {
        // The claim that is settled was this row's last.
        let is_last = self.token == settle.token && self.is_own;
        let is_owner = is_last && self.state == State::InFlight;
        match &settle.change {
            Change::Opened { opening, attempts, warnings } => {
                let protocolo = as_stored(&opening.protocolo);
                if self.state == State::Opened {
                    return self.meet_second(&protocolo, opening.id_atendimento);
                }
                if let Some(RowId(owner)) = self.owner {
                    return (self.refuse_taken(&protocolo, opening, warnings, owner), Settled::Taken);
                }
                // The count is of the living owner's making; a late proof adds nothing to it.
                let attempts = is_owner.then_some(*attempts);
                (
                    Write::Ticket { state: State::Opened, opening, attempts, warnings, fault: None },
                    Settled::Written,
                )
            }
            _ if is_owner => (Write::Change, Settled::Written),
            change if is_last && self.is_after(change, as_stored) => (Write::Nothing, Settled::Written),
            Change::Release => (Write::Nothing, Settled::Stale),
            change if self.last_claim().lacks_claim(settle.token) && !self.is_after(change, as_stored) => {
                (Write::Doubt, Settled::Stale)
            }
            _ => (Write::Nothing, Settled::Stale),
        }
    }

    /// Another proof for a row that is opened: the same, or of a second ticket.
    fn meet_second(&self, protocolo: &str, id_atendimento: i64) -> (Write<'static>, Settled) {
        if self.protocolo.as_deref() == Some(protocolo) {
            // A person's word (`resolve`) may have come without the ticket's number.
            let write = match (self.id_atendimento, self.owner) {
                (None, None) => Write::Beside { id_atendimento: Some(id_atendimento), warning: None },
                _ => Write::Nothing,
            };
            return (write, Settled::Written);
        }
        let warning = Warning::OpenedTwice { protocolo: protocolo.to_owned() };
        let write = match self.warnings.contains(&warning) {
            true => Write::Nothing,
            false => Write::Beside { id_atendimento: None, warning: Some(warning) },
        };
        (write, Settled::Duplicate)
    }

    fn refuse_taken<'a>(
        &self,
        protocolo: &str,
        opening: &'a OpenedTicket,
        warnings: &'a [Warning],
        owner: i64,
    ) -> Write<'a> {
        if self.state == State::Conflict && self.id_atendimento == Some(opening.id_atendimento) {
            return Write::Nothing;
        }
        let fault = Some(Fault::Taken { protocolo: protocolo.to_owned(), owner });
        Write::Ticket { state: State::Conflict, opening, attempts: None, warnings, fault }
    }

    /// Whether the row is as `change` leaves it: the same settle came before, its answer was lost.
    fn is_after(&self, change: &Change, as_stored: fn(&str) -> Cow<'_, str>) -> bool {
        // To the millisecond every outbox keeps a time.
        let ms = |time: Timestamp| time.as_millisecond();
        match change {
            Change::Release => (self.waits_for_post() || self.state == State::InDoubt) && !self.is_claimed,
            Change::Later { at, attempts, doubt, .. } => {
                (self.state == change.state(None) || change.may_leave_pending() && self.waits_for_post())
                    && ms(self.available_at) == ms(*at)
                    && self.attempts == *attempts
                    && self.doubt_since.map(ms) == doubt.as_ref().map(|doubt| ms(doubt.since))
            }
            Change::Skipped { opening } => {
                self.state == State::Skipped
                    && self.protocolo.as_deref() == Some(&*as_stored(&opening.protocolo))
            }
            Change::Rejected { .. }
            | Change::Failed { .. }
            | Change::Unconfirmed { .. }
            | Change::Conflict { .. } => self.state == change.state(None),
            Change::Opened { .. } => false,
        }
    }

    /// Whether it is pending, or would be if its file still had it.
    fn waits_for_post(&self) -> bool {
        self.state == State::Pending || self.state == State::Cancelled && self.is_gone
    }
}

impl LastClaim {
    /// Whether the outbox knows neither of the claim of who asks, under `token`, nor of a later one: its last
    /// commits are lost. Something was sent under that claim, so the row is not posted before a look-up,
    /// whatever is said yet of claims before it.
    pub fn lacks_claim(self, token: Token) -> bool {
        match self.state {
            State::Opened => false,
            // What it knows of may be an earlier claim, of a worker that has not said yet how that ended.
            state if state.is_live() => self.token < token,
            // Whatever it was: it may have been pending again, by a word that is forgotten, too.
            _ => self.token < token || self.token == token && !self.is_own,
        }
    }

    /// Whether it does not know how the claim of who asks ended, as `settle` has it: it has the row in
    /// flight, or not even claimed. Or it does not know of the ticket, whoever took the row in since.
    pub fn lacks_settle(self, settle: &Settle) -> bool {
        let lacks_ticket =
            settle.ticket().is_some() && !matches!(self.state, State::Opened | State::Conflict);
        let is_known = self.is_own && self.state != State::InFlight;
        lacks_ticket || self.token < settle.token || self.token == settle.token && !is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;
    const NOTHING_KNOWN: (Write<'_>, Settled) = (Write::Doubt, Settled::Stale);
    const STALE: (Write<'_>, Settled) = (Write::Nothing, Settled::Stale);
    const AGAIN: (Write<'_>, Settled) = (Write::Nothing, Settled::Written);

    /// Of a settle under token 5.
    fn found(state: State, token: i64) -> Found {
        Found {
            state,
            token: Token(token),
            is_own: true,
            is_claimed: true,
            is_gone: false,
            available_at: AT,
            attempts: 1,
            doubt_since: None,
            protocolo: None,
            id_atendimento: None,
            warnings: Vec::new(),
            owner: None,
        }
    }

    fn of_another(found: Found) -> Found {
        Found { is_own: false, ..found }
    }

    fn fault() -> Fault {
        Fault::Refused { said: Some("m".to_owned()) }
    }

    fn opening() -> OpenedTicket {
        let (ids_ordem_servico, numeros_ordem_servico) = Default::default();
        let protocolo = "p".to_owned();
        OpenedTicket { protocolo, id_atendimento: 7, ids_ordem_servico, numeros_ordem_servico }
    }

    fn opened() -> Change {
        Change::Opened { opening: opening(), attempts: 2, warnings: vec![Warning::WithoutOs] }
    }

    fn rejected() -> Change {
        Change::Rejected { attempts: 1, fault: fault() }
    }

    fn settle(change: Change) -> Settle {
        Settle { label: Default::default(), row: RowId(1), token: Token(5), change, attempt: None }
    }

    #[track_caller]
    fn check(found: &Found, change: Change, expected: (Write<'_>, Settled)) {
        assert_eq!(found.meet(&settle(change), verbatim), expected);
    }

    #[test]
    fn proof_passes_whoever_brings_it_and_whatever_the_row_is() {
        let opening = &opening();
        let ticket = |attempts| {
            let (state, warnings, fault) = (State::Opened, &[Warning::WithoutOs], None);
            (Write::Ticket { state, opening, attempts, warnings, fault }, Settled::Written)
        };
        for state in State::ALL.into_iter().filter(|state| *state != State::Opened) {
            for row in [found(state, 6), found(state, 4), of_another(found(state, 5))] {
                check(&row, opened(), ticket(None));
            }
        }
        check(&found(State::InFlight, 5), opened(), ticket(Some(2)));
    }

    #[test]
    fn an_opened_row_keeps_its_ticket_and_is_told_of_a_second() {
        let row = |protocolo: &str, id_atendimento| Found {
            protocolo: Some(protocolo.to_owned()),
            id_atendimento,
            ..found(State::Opened, 9)
        };
        let beside = |id_atendimento, warning| Write::Beside { id_atendimento, warning };
        check(&row("p", Some(7)), opened(), AGAIN);
        check(&row("p", None), opened(), (beside(Some(7), None), Settled::Written));
        check(&Found { owner: Some(RowId(2)), ..row("p", None) }, opened(), AGAIN);
        let twice = Warning::OpenedTwice { protocolo: "p".to_owned() };
        let second = Found { warnings: vec![Warning::WithoutOs], ..row("q", Some(8)) };
        check(&second, opened(), (beside(None, Some(twice.clone())), Settled::Duplicate));
        let opened_twice = Found { warnings: vec![Warning::WithoutOs, twice], ..second };
        check(&opened_twice, opened(), (Write::Nothing, Settled::Duplicate));
        check(&row("p", Some(7)), rejected(), STALE);
    }

    #[test]
    fn a_ticket_of_another_row_is_a_conflict() {
        let row = Found { owner: Some(RowId(2)), ..found(State::InFlight, 5) };
        let fault = Some(Fault::Taken { protocolo: "p".to_owned(), owner: 2 });
        let opening = &opening();
        let warnings = &[Warning::WithoutOs];
        let write = Write::Ticket { state: State::Conflict, opening, attempts: None, warnings, fault };
        check(&row, opened(), (write, Settled::Taken));
        let conflicted = Found { id_atendimento: Some(7), state: State::Conflict, ..row };
        check(&conflicted, opened(), (Write::Nothing, Settled::Taken));
        // In conflict about another ticket, or with that number without a conflict, it is told of this one.
        let fault = Some(Fault::Taken { protocolo: "p".to_owned(), owner: 2 });
        let write = Write::Ticket { state: State::Conflict, opening, attempts: None, warnings, fault };
        for row in [
            Found { id_atendimento: Some(8), ..conflicted.clone() },
            Found { state: State::Skipped, ..conflicted },
        ] {
            check(&row, opened(), (write.clone(), Settled::Taken));
        }
    }

    #[test]
    fn a_change_leaves_what_it_says_and_all_else_as_it_was() {
        let (doubt, fault, opening) = (Doubt::since(AT), fault(), opening());
        let warnings = vec![Warning::WithoutOs];
        let later = |doubt, fault| Change::Later { at: AT, attempts: 3, doubt, fault };
        let due = Some(AT);
        let table = [
            (Change::Release, After::default()),
            (later(None, None), After { available_at: due, attempts: Some(3), ..After::default() }),
            (
                later(Some(doubt.clone()), Some(fault.clone())),
                After {
                    available_at: due,
                    attempts: Some(3),
                    doubt: Some(&doubt),
                    fault: Some(&fault),
                    ..After::default()
                },
            ),
            (
                opened(),
                After { opening: Some(&opening), attempts: Some(2), warnings: &warnings, ..After::default() },
            ),
            (
                Change::Skipped { opening: opening.clone() },
                After { opening: Some(&opening), fault: Some(&Fault::AlreadyOpen), ..After::default() },
            ),
            (rejected(), After { attempts: Some(1), fault: Some(&fault), ..After::default() }),
            (
                Change::Failed { attempts: 8, fault: fault.clone() },
                After { attempts: Some(8), fault: Some(&fault), ..After::default() },
            ),
            (
                Change::Unconfirmed { doubt: doubt.clone(), fault: fault.clone() },
                After { doubt: Some(&doubt), fault: Some(&fault), ..After::default() },
            ),
            (
                Change::Conflict {
                    opening: opening.clone(),
                    attempts: 2,
                    fault: fault.clone(),
                    warnings: warnings.clone(),
                },
                After {
                    opening: Some(&opening),
                    attempts: Some(2),
                    fault: Some(&fault),
                    warnings: &warnings,
                    ..After::default()
                },
            ),
        ];
        for (change, expected) in table {
            let all = |after: After<'_>| {
                let due = after.available_at;
                let opening = after.opening.cloned();
                (
                    due,
                    after.attempts,
                    after.doubt.cloned(),
                    after.fault.cloned(),
                    opening,
                    after.warnings.to_vec(),
                )
            };
            assert_eq!(all(After::of(&change)), all(expected), "{change:?}");
        }
    }

    #[test]
    fn the_living_owner_is_heard_and_who_repeats_it() {
        check(&found(State::InFlight, 5), rejected(), (Write::Change, Settled::Written));
        check(&found(State::InFlight, 5), Change::Release, (Write::Change, Settled::Written));
        check(&found(State::Rejected, 5), rejected(), AGAIN);
        check(&found(State::Failed, 5), rejected(), STALE);
        let released = Found { is_claimed: false, ..found(State::Pending, 5) };
        check(&released, Change::Release, AGAIN);
        check(&found(State::InDoubt, 5), Change::Release, STALE);
        let in_doubt_again = Found { is_claimed: false, ..found(State::InDoubt, 5) };
        check(&in_doubt_again, Change::Release, AGAIN);
        check(&Found { is_claimed: false, ..found(State::Unconfirmed, 5) }, Change::Release, STALE);
        let withdrawn = Found { is_gone: true, ..found(State::Cancelled, 5) };
        check(&Found { is_claimed: false, ..withdrawn.clone() }, Change::Release, AGAIN);
        check(&withdrawn, Change::Release, STALE);
        let doubt = Some(Doubt::since(AT));
        let later = |doubt| Change::Later { at: AT, attempts: 1, doubt, fault: Some(fault()) };
        check(&found(State::Pending, 5), later(None), AGAIN);
        check(&withdrawn, later(None), AGAIN);
        check(&found(State::Cancelled, 5), later(None), STALE);
        check(&found(State::Pending, 5), later(doubt.clone()), STALE);
        check(&Found { doubt_since: Some(AT), ..found(State::Pending, 5) }, later(doubt.clone()), STALE);
        check(&Found { doubt_since: Some(AT), ..found(State::InDoubt, 5) }, later(doubt), AGAIN);
        check(&Found { attempts: 2, ..found(State::Pending, 5) }, later(None), STALE);
        let skipped = || Change::Skipped { opening: opening() };
        check(&Found { protocolo: Some("p".to_owned()), ..found(State::Skipped, 5) }, skipped(), AGAIN);
        check(&found(State::Skipped, 5), skipped(), STALE);
    }

    /// Whoever reads the row next must not post it on the strength of what came before a claim that is
    /// forgotten.
    #[test]
    fn a_claim_that_is_not_known_leaves_a_doubt() {
        for state in State::ALL {
            let known = matches!(state, State::Opened | State::Rejected);
            check(&found(state, 4), rejected(), if known { STALE } else { NOTHING_KNOWN });
            let of_another = of_another(found(state, 5));
            check(&of_another, rejected(), if known || state.is_live() { STALE } else { NOTHING_KNOWN });
            check(&of_another, Change::Release, STALE);
            check(&found(state, 6), rejected(), STALE);
        }
    }

    /// Seen: a worker that came back after a failover took its row in before it said again what it did, and
    /// its ticket was never told of.
    #[test]
    fn a_ticket_is_said_again_to_whoever_knows_of_none_and_all_else_until_its_claim_is_settled() {
        for state in State::ALL {
            let is_settled = state != State::InFlight;
            let has_ticket = matches!(state, State::Opened | State::Conflict);
            for (token, is_own, lacks_proof, lacks_refusal) in [
                (4, true, true, true),
                (5, false, true, true),
                (5, true, !has_ticket, !is_settled),
                (6, true, !has_ticket, false),
            ] {
                let last = LastClaim { state, token: Token(token), is_own };
                let lacks = |change| last.lacks_settle(&settle(change));
                assert_eq!((lacks(opened()), lacks(rejected())), (lacks_proof, lacks_refusal), "{last:?}");
            }
        }
    }
}
