//! What a person's commands say to an outbox, what they hear back, and what both drivers make of them.

use std::time::Duration;

use super::doubts::{ended, kept};
use super::names::{UNCONFIRMED, state_of};
use super::stored::unreadable;
use super::{LEASE, state_name};
use crate::delivery::{ANSWER_AGE_MAX, Fault, OutboxError, RowId, State};

/// What `cancel` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    pub n_cancelled: u64,
    /// In flight, in doubt or unconfirmed: they may have been sent.
    pub n_left: u64,
}

/// A person's word on a row that may have a ticket: `in_doubt`, `unconfirmed` or in `conflict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    pub row: RowId,
    pub says: Resolution<'a>,
    /// Who says so, and how far it was checked: for the history.
    pub note: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// `id_atendimento` is `None` if nobody looked it up.
    Opened {
        protocolo: &'a str,
        id_atendimento: Option<i64>,
    },
    NotOpened,
}

/// Why a row was not resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("{}", tr!("there is no row %{row}", row = row.0))]
    Unknown { row: RowId },
    #[error(
        "{}",
        tr!(
            "row %{row} is `%{state}`; a person's word is for rows that are `in_doubt`, `unconfirmed` or in `conflict`",
            row = row.0, state = super::state_name(*state)
        )
    )]
    NotUnsettled { row: RowId, state: State },
    /// Whoever looks into HubSoft now looks too early to say that there is no ticket.
    #[error("{}", tr!("row %{row} may be on its way to HubSoft yet", row = row.0))]
    OnItsWay { row: RowId },
    #[error(
        "{}",
        tr!(
            "protocolo `%{protocolo}` is that of row %{owner} already",
            protocolo = protocolo, owner = owner.0
        )
    )]
    OtherRows { protocolo: String, owner: RowId },
    #[error(
        "{}",
        tr!(
            "ticket %{id_atendimento} belongs to row %{owner} already",
            id_atendimento = id_atendimento, owner = owner.0
        )
    )]
    Taken { id_atendimento: i64, owner: RowId },
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// Why an outbox may not be used with a host.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{}", tr!("this outbox belongs to `%{bound}`, not to `%{asked}`", bound = bound, asked = asked))]
    OtherHost { bound: String, asked: String },
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// Rows that are looked at, or purged, at a time: others wait for no longer than that takes.
pub(super) const PURGE_STEP: i64 = 1000;

/// A row is on its way no longer than so: the lease under which it was claimed, and then the longest wait for
/// an answer. What begins to be in doubt later than that from now was dated by a clock that was set since.
pub(super) const ON_ITS_WAY_MAX: Duration = LEASE.saturating_add(ANSWER_AGE_MAX);

/// Assignments by which a finished row is as it was before its first try. What is in doubt about it is
/// written beside. A row that was never sent waits for as long as its program said.
pub(super) fn started_over(row: &str, now: &str) -> String {
    format!(
        "available_at = CASE WHEN {row}.sent_at IS NULL AND {now} < {row}.available_at THEN {row}.available_at
                             ELSE {now} END,
         finished_at = NULL,
         attempts = CASE WHEN {row}.state = {UNCONFIRMED} THEN {row}.attempts ELSE 0 END,
         error_code = NULL, error_message = NULL, protocolo = NULL, id_atendimento = NULL, outdated = false"
    )
}

/// The protocolos of `words`; an error if two rows are to have the same.
pub(super) fn protocolos<'a>(words: &[Word<'a>]) -> Result<Vec<&'a str>, ResolveError> {
    let mut owners: Vec<(&str, RowId)> = Vec::new();
    for word in words {
        let Resolution::Opened { protocolo, .. } = word.says else { continue };
        if let Some((_, owner)) = owners.iter().find(|taken| taken.0 == protocolo) {
            return Err(ResolveError::OtherRows { protocolo: protocolo.to_owned(), owner: *owner });
        }
        owners.push((protocolo, word.row));
    }
    Ok(owners.into_iter().map(|(protocolo, _)| protocolo).collect())
}

/// Of a row that is to take a word: its state as it is stored, whether its doubt begins later than now (by
/// [`ON_ITS_WAY_MAX`] at most), and the row that is opened by the ticket which the word names.
pub(super) type Found = (String, bool, Option<i64>);

/// What a person's word makes of a row, as SQL takes it.
pub(super) struct Resolved<'a> {
    pub(super) state: &'static str,
    pub(super) protocolo: Option<&'a str>,
    pub(super) id_atendimento: Option<i64>,
    pub(super) fault: Option<Fault>,
}

impl<'a> Resolved<'a> {
    /// `None`: there is no such row.
    pub(super) fn by(word: &Word<'a>, found: Option<Found>) -> Result<Self, ResolveError> {
        let row = word.row;
        let Some((state, is_ahead, owner)) = found else { return Err(ResolveError::Unknown { row }) };
        let state = state_of(&state).ok_or_else(|| unreadable("outbox.state"))?;
        if !state.takes_a_word() {
            return Err(ResolveError::NotUnsettled { row, state });
        }
        // A worker that lost it holds its claim, or waits for an answer: until then nobody can know. What is
        // in conflict was answered.
        if state.is_live() && is_ahead && word.says == Resolution::NotOpened {
            return Err(ResolveError::OnItsWay { row });
        }
        let (protocolo, id_atendimento, state, fault) = match word.says {
            Resolution::Opened { protocolo, id_atendimento } => {
                (Some(protocolo), id_atendimento, State::Opened, None)
            }
            Resolution::NotOpened => (None, None, State::Failed, Some(Fault::NotOpened)),
        };
        if let (Some(id_atendimento), Some(owner)) = (id_atendimento, owner) {
            return Err(ResolveError::Taken { id_atendimento, owner: RowId(owner) });
        }
        Ok(Self { state: state_name(state), protocolo, id_atendimento, fault })
    }
}

/// The ticket that a word names.
pub(super) fn named(word: &Word<'_>) -> Option<i64> {
    match word.says {
        Resolution::Opened { id_atendimento, .. } => id_atendimento,
        Resolution::NotOpened => None,
    }
}

/// What the word makes of the row's doubt, in SQL.
pub(super) fn doubt_after(word: &Word<'_>, row: &str, now: &str) -> String {
    match word.says {
        Resolution::Opened { .. } => kept(row, now),
        Resolution::NotOpened => ended().to_owned(),
    }
}
