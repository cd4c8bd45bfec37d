//! A person's word on rows that may have a ticket. It is checked as far as it can be, and kept with the rows'
//! history.

use std::borrow::Cow;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::deliver::Calm;
use super::fault::{Fault, OtherService};
use super::note;
use super::place::{NamedRow, Place};
use super::results::{Written, write_again};
use super::selection::{batch_of, row_of};
use super::staging::hexadecimal;
use super::target::{SANDBOX, Target};
use crate::delivery::{RowId, State, Verdict};
use crate::outbox::{
    AnyOutbox, AnyReader, Cursor, Deed, ReportRow, Resolution, ResolveError, RowDetails, Scope, Word,
    state_name,
};
use crate::settings::{Sending, Sources};
use crate::text;
use crate::ticket::Field;

/// Digits of a protocolo: the time of day to the second, and up to six more. Source: samples of 15, 19 and
/// 20.
const PROTOCOLO_LEN: std::ops::RangeInclusive<usize> = 15..=20;

/// Rows that are read at a time.
const PAGE_ROWS: usize = 1000;

/// What was typed for a protocolo, if it looks like one.
pub fn protocolo(typed: &str) -> Result<&str, Fault> {
    let typed = typed.trim();
    if PROTOCOLO_LEN.contains(&typed.len()) && typed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(typed);
    }
    Err(Fault::NoProtocolo { typed: typed.to_owned() })
}

/// The rows that a word is about, in an outbox that is held for it.
pub struct Unsettled {
    place: Place,
    outbox: AnyOutbox,
    rows: Vec<RowId>,
    of: String,
    /// `None`: they were not named one by one.
    pub first: Option<Box<RowDetails>>,
}

/// What HubSoft says of a protocolo that a person gave.
pub enum Checked {
    /// It is a ticket of the row's service.
    Agrees {
        id_atendimento: i64,
    },
    Untold(Untold),
}

/// Why HubSoft does not confirm a protocolo.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    #[error("{}", tr!("the row is not known"))]
    NoRow,
    #[error(transparent)]
    NoTarget(Fault),
    #[error("{}", tr!("the settings lead to %{host}, which is not the batch's", host = host))]
    OtherHost { host: String },
    #[error("{}", tr!("HubSoft shows no ticket with this protocolo"))]
    NotShown,
    #[error("{}", why.clone().unwrap_or_else(|| tr!("HubSoft did not answer").into_owned()))]
    NoAnswer { why: Option<String> },
    /// The row is in conflict about just that.
    #[error(transparent)]
    OtherService(OtherService),
    #[error("{}", tr!("HubSoft does not tell the ticket's service"))]
    NoService,
}

/// What a person says of rows, in words that ask whether it is so.
pub fn says_not_opened(n_rows: usize) -> Cow<'static, str> {
    tr!("%{n} %{n|row has|rows have} no ticket in HubSoft", n = n_rows)
}

/// The same of a protocolo that HubSoft does not confirm.
pub fn says_opened(protocolo: &str, why: &str) -> Cow<'static, str> {
    tr!("%{protocolo} is the row's ticket; it was not checked: %{why}", protocolo = protocolo, why = why)
}

/// What is kept with rows of which `who` says that none was opened.
pub fn note_not_opened(who: &str) -> Cow<'static, str> {
    tr!("%{who} says that no ticket was opened", who = who)
}

/// What is kept with the row of a protocolo. `why`: it was not checked; `None`: HubSoft shows it.
pub fn note_opened(who: &str, protocolo: &str, why: Option<&str>) -> Cow<'static, str> {
    match why {
        None => tr!("%{who} says %{protocolo}; HubSoft shows it", who = who, protocolo = protocolo),
        Some(why) => {
            tr!("%{who} says %{protocolo}; not checked: %{why}", who = who, protocolo = protocolo, why = why)
        }
    }
}

/// What became of the rows.
pub struct Resolved {
    pub n_rows: usize,
    pub results: Option<Written>,
}

impl Unsettled {
    /// The rows of these names, all in one outbox; at least one.
    pub async fn named(names: &[NamedRow]) -> Result<Self, Fault> {
        let place = names[0].place().clone();
        let outbox = place.outbox.open().await?;
        let (mut rows, mut first) = (Vec::new(), None);
        let mut of = Of::new(outbox.reader()).await?;
        for name in names {
            if name.place().outbox.file() != place.outbox.file() {
                let (typed, first) = (name.typed.clone(), names[0].typed.clone());
                return Err(Fault::OtherOutbox { typed, first });
            }
            let details = row_of(outbox.reader(), name).await?;
            let (row, state) = (details.report.row, details.report.state);
            if !state.takes_a_word() {
                return Err(ResolveError::NotUnsettled { row, state }.into());
            }
            if !rows.contains(&row) {
                rows.push(row);
                of.add(&details.report);
                first.get_or_insert_with(|| Box::new(details));
            }
        }
        Ok(Self { place, outbox, rows, of: of.finish(), first })
    }

    /// All rows of a batch in these states.
    pub async fn in_states(place: Place, states: &[State]) -> Result<Self, Fault> {
        let outbox = place.outbox.open().await?;
        let batch = batch_of(outbox.reader(), &place).await?;
        let (rows, of) = rows_in(outbox.reader(), Scope::Batch(batch.id), states).await?;
        Ok(Self { place, outbox, rows, of, first: None })
    }

    pub fn n_rows(&self) -> usize {
        self.rows.len()
    }

    /// What tells these rows from others ([`Of`]).
    pub fn of(&self) -> &str {
        &self.of
    }

    /// Asks HubSoft for the ticket. It must be of the first row's service, unless that row is in conflict
    /// about just that.
    pub async fn check(
        &self,
        protocolo: &str,
        sending: &Sending,
        sources: &Sources,
    ) -> Result<Checked, Fault> {
        let Some(row) = self.first.as_deref() else { return Ok(Checked::Untold(Untold::NoRow)) };
        let host = self.outbox.reader().host().await?;
        let is_sandbox = host.as_deref() == Some(SANDBOX);
        let sending = Sending { sandbox: is_sandbox, ..sending.clone() };
        let target = match Target::new(sources, &sending) {
            Ok(target) => target,
            Err(fault) => return Ok(Checked::Untold(Untold::NoTarget(fault))),
        };
        if host.is_some_and(|host| host != target.binding) {
            return Ok(Checked::Untold(Untold::OtherHost { host: target.host }));
        }
        if let (true, Some(folder)) = (is_sandbox, &self.place.folder) {
            target.keep_books(folder)?;
        }
        let shown = match target.api.ticket(protocolo, &Calm::new(sending.rate)).await.verdict {
            Verdict::Answered(Some(shown)) => shown,
            Verdict::Answered(None) => return Ok(Checked::Untold(Untold::NotShown)),
            other => {
                let why = other.fault().map(text::fault);
                return Ok(Checked::Untold(Untold::NoAnswer { why }));
            }
        };
        let asked = row.fields.get(Field::IdClienteServico).and_then(|id| id.trim().parse::<i64>().ok());
        match (asked, shown.service) {
            (Some(asked), Some(found)) if asked != found => {
                let other = OtherService { found, asked };
                match row.report.state {
                    State::Conflict => Ok(Checked::Untold(Untold::OtherService(other))),
                    _ => Err(Fault::OtherService(other)),
                }
            }
            (Some(_), Some(_)) => Ok(Checked::Agrees { id_atendimento: shown.id_atendimento }),
            _ => Ok(Checked::Untold(Untold::NoService)),
        }
    }

    /// Takes the word: of all rows, or of none. `note`: who says so, and how far it was checked.
    pub async fn settle(self, says: Resolution<'_>, note: &str) -> Result<Resolved, Fault> {
        let Self { place, outbox, rows, .. } = self;
        let words: Vec<_> = rows.iter().map(|row| Word { row: *row, says, note }).collect();
        let now = Timestamp::now();
        outbox.resolve(&words, now).await?;
        let info = batch_of(outbox.reader(), &place).await.ok();
        let batch = info.as_ref().map(|info| info.name.as_str());
        note::act(&outbox, batch, place.by(), Deed::Resolve, words.len() as u64).await;
        let results = write_again(outbox.reader(), &place, info.as_ref()).await?;
        outbox.close().await?;
        Ok(Resolved { n_rows: words.len(), results })
    }
}

/// What tells rows from others that have their numbers in another outbox, or had them before, and from
/// themselves as they were: whoever says something of rows says it of those that were shown.
pub struct Of(Sha256);

impl Of {
    pub async fn new(reader: AnyReader<'_>) -> Result<Self, Fault> {
        let host = reader.host().await?;
        Ok(Self(Sha256::new()).said(host.as_deref().unwrap_or_default()))
    }

    pub fn add(&mut self, row: &ReportRow<'_>) {
        let code = row.code.map(|code| code.to_string()).unwrap_or_default();
        for text in [&*row.lote, &*code, &*row.referencia, state_name(row.state)] {
            self.say(text);
        }
        self.0.update(row.row.0.to_le_bytes());
    }

    /// As lower-case hexadecimal.
    pub fn finish(self) -> String {
        hexadecimal(self.0.finalize().into())
    }

    fn said(mut self, text: &str) -> Self {
        self.say(text);
        self
    }

    fn say(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }
}

/// The rows of `scope` in one of `states`, and what tells them from others.
async fn rows_in(
    reader: AnyReader<'_>,
    scope: Scope,
    states: &[State],
) -> Result<(Vec<RowId>, String), Fault> {
    let (mut found, mut after, mut of) = (Vec::new(), Cursor::default(), Of::new(reader).await?);
    loop {
        let page = reader.rows_page(scope, after, PAGE_ROWS).await?;
        let (rows, next) = page.rows()?;
        for row in rows.iter().filter(|row| states.contains(&row.state)) {
            found.push(row.row);
            of.add(row);
        }
        let Some(next) = next else { return Ok((found, of.finish())) };
        after = next;
    }
}
