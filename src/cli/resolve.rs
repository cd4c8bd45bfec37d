//! `resolve`: a person's word on rows that may have a ticket. It is checked as far as it can be, and kept
//! with the row's history.

use std::io::{self, IsTerminal};

use jiff::Timestamp;

use super::args::{DoubtState, Resolve};
use super::delivering::{Calm, Target};
use super::exit::Exit;
use super::failure::Failure;
use super::reconcile::Desk;
use super::results::tell_if_any;
use super::typed::Typed;
use crate::app::named::{batch_of, row_of};
use crate::app::place::Place;
use crate::app::results::write_again;
use crate::app::target::SANDBOX;
use crate::delivery::{RowId, State, Verdict};
use crate::outbox::{AnyReader, Cursor, Resolution, ResolveError, RowDetails, Scope, Word, state_name};
use crate::settings::{Sending, Sources};
use crate::ticket::Field;

/// Digits of a protocolo: the time of day to the second, and up to six more. Source: samples of 15, 19 and
/// 20.
const PROTOCOLO_LEN: std::ops::RangeInclusive<usize> = 15..=20;

/// Rows that are read at a time.
const PAGE_ROWS: usize = 1000;

/// What HubSoft says of a protocolo that a person gave.
enum Checked {
    /// It is a ticket of the row's service.
    Agrees(i64),
    /// It could not be asked, or does not know; and why.
    Untold(String),
}

impl Desk<'_> {
    /// Takes a person's word.
    pub async fn resolve(
        &self,
        args: &Resolve,
        sending: &Sending,
        sources: &Sources,
    ) -> Result<Exit, Failure> {
        let protocolo = args.opened.as_deref().map(protocolo).transpose()?;
        if protocolo.is_some() && args.rows.len() != 1 {
            return Err(Failure::new(
                Exit::Usage,
                "one protocolo is of one row",
                "give each row in a command of its own, with its protocolo",
            ));
        }
        let place = self.place_of(args)?;
        let outbox = place.outbox.open().await?;
        let chosen = self.chosen(args, &place, outbox.reader()).await?;
        let who = sources.environment().user();
        let (says, note) = match protocolo {
            None => {
                if !args.state.is_empty() {
                    let n = chosen.len();
                    self.ask(&format!("{n} rows have no ticket in HubSoft"), args.yes)?;
                }
                (Resolution::NotOpened, format!("{who} says that no ticket was opened"))
            }
            Some(protocolo) => {
                let row = &chosen[0].1;
                let checked = match row.as_deref() {
                    Some(row) => check(row, protocolo, sending, sources, &place, outbox.reader()).await?,
                    None => Checked::Untold("the row is not known".to_owned()),
                };
                let (id_atendimento, how) = match checked {
                    Checked::Agrees(id) => (Some(id), "HubSoft shows it".to_owned()),
                    Checked::Untold(why) => {
                        self.ask(
                            &format!("{protocolo} is the row's ticket; it was not checked: {why}"),
                            args.yes,
                        )?;
                        (None, format!("not checked: {why}"))
                    }
                };
                (Resolution::Opened { protocolo, id_atendimento }, format!("{who} says {protocolo}; {how}"))
            }
        };
        let words: Vec<Word<'_>> = chosen.iter().map(|it| Word { row: it.0, says, note: &note }).collect();
        outbox.resolve(&words, Timestamp::now()).await.map_err(refused)?;
        let info = batch_of(outbox.reader(), &place).await.ok();
        let written = write_again(outbox.reader(), &place, info.as_ref()).await?;
        tell_if_any(written.as_ref(), self.screen);
        outbox.close().await?;
        let became = state_name(if args.not_opened { State::Failed } else { State::Opened });
        let n = words.len();
        self.screen.rows(n as u64, format!("{n} rows are now `{became}`: {}", args.rows.join(", ")));
        if args.not_opened && 0 < n {
            let first = &args.rows[0];
            let batch = match &chosen[0].1 {
                None => Some(&**first),
                Some(row) => {
                    let of_reference = first.strip_suffix(&*row.report.referencia);
                    of_reference.and_then(|it| it.strip_suffix(':')).or(first.rsplit_once(':').map(|it| it.0))
                }
            };
            let retry = Typed::now().other(&["retry", batch.unwrap_or("BATCH")]);
            self.screen.note(format!("hint: `{retry}` makes them pending again; each is looked up first"));
        }
        Ok(Exit::Done)
    }

    /// Where the rows are: all in one outbox.
    fn place_of(&self, args: &Resolve) -> Result<Place, Failure> {
        let first = args.rows.first().map(String::as_str).unwrap_or_default();
        if args.state.is_empty() {
            return Ok(self.places_of_row(first)?.swap_remove(0).0);
        }
        if args.rows.len() != 1 {
            return Err(Failure::new(
                Exit::Usage,
                "--state is for the rows of one batch",
                format!(
                    "write `{}`",
                    Typed::now().other(&["resolve", "BATCH", "--state", "unconfirmed", "--not-opened"])
                ),
            ));
        }
        self.place(Some(first))
    }

    /// The rows that are meant; with all that is known of it, if it is one.
    async fn chosen(
        &self,
        args: &Resolve,
        place: &Place,
        reader: AnyReader<'_>,
    ) -> Result<Vec<(RowId, Option<Box<RowDetails>>)>, Failure> {
        if !args.state.is_empty() {
            let batch = batch_of(reader, place).await?;
            let rows = rows_in(reader, Scope::Batch(batch.id), &args.state).await?;
            return Ok(rows.into_iter().map(|it| (it, None)).collect());
        }
        let mut chosen: Vec<(RowId, Option<Box<RowDetails>>)> = Vec::new();
        for typed in &args.rows {
            let names = self.places_of_row(typed)?;
            if names[0].0.outbox.file() != place.outbox.file() {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("`{typed}` is in another outbox than `{}`", args.rows[0]),
                    "give the rows of each outbox in a command of their own",
                ));
            }
            let details = row_of(reader, &names, typed).await?;
            let (row, state) = (details.report.row, details.report.state);
            if !state.takes_a_word() {
                return Err(refused(ResolveError::NotUnsettled { row, state }));
            }
            if chosen.iter().all(|it| it.0 != row) {
                chosen.push((row, Some(Box::new(details))));
            }
        }
        Ok(chosen)
    }

    /// Asks a person whether `this` is so.
    fn ask(&self, this: &str, is_said: bool) -> Result<(), Failure> {
        if is_said {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::new(
                Exit::Usage,
                format!("this would say that {this}, and nobody is here to be asked"),
                "give --yes if that is right; nothing was changed",
            ));
        }
        self.screen.err(format!("This says that {this}. To go on, type yes:"));
        let mut typed = String::new();
        let _ = io::stdin().read_line(&mut typed);
        match typed.trim() {
            "yes" | "sim" => Ok(()),
            _ => Err(Failure::new(Exit::Usage, "declined; nothing was changed", "run it again and type yes")),
        }
    }
}

/// What is typed for a protocolo, if it looks like one.
fn protocolo(typed: &str) -> Result<&str, Failure> {
    let typed = typed.trim();
    if PROTOCOLO_LEN.contains(&typed.len()) && typed.bytes().all(|it| it.is_ascii_digit()) {
        return Ok(typed);
    }
    let hint = if typed.contains(['E', 'e', ',', '.']) {
        "a spreadsheet has rounded it; copy it from the ticket in HubSoft"
    } else {
        "it has 15 to 20 digits; copy it from the ticket in HubSoft"
    };
    Err(Failure::new(Exit::Usage, format!("`{typed}` is no protocolo"), hint))
}

/// The rows of `scope` in one of `states`.
async fn rows_in(reader: AnyReader<'_>, scope: Scope, states: &[DoubtState]) -> Result<Vec<RowId>, Failure> {
    let is_meant = |state| {
        states.iter().any(|it| {
            state
                == match it {
                    DoubtState::InDoubt => State::InDoubt,
                    DoubtState::Unconfirmed => State::Unconfirmed,
                    DoubtState::Conflict => State::Conflict,
                }
        })
    };
    let (mut found, mut after) = (Vec::new(), Cursor::default());
    loop {
        let page = reader.rows_page(scope, after, PAGE_ROWS).await?;
        let (rows, next) = page.rows()?;
        found.extend(rows.iter().filter(|it| is_meant(it.state)).map(|it| it.row));
        let Some(next) = next else { return Ok(found) };
        after = next;
    }
}

/// Asks HubSoft for the ticket. It must be of the row's service, unless the row is in conflict about just
/// that.
async fn check(
    row: &RowDetails,
    protocolo: &str,
    sending: &Sending,
    sources: &Sources,
    place: &Place,
    reader: AnyReader<'_>,
) -> Result<Checked, Failure> {
    let host = reader.host().await?;
    let is_sandbox = host.as_deref() == Some(SANDBOX);
    let sending = Sending { sandbox: is_sandbox, ..sending.clone() };
    let target = match Target::new(sources, &sending) {
        Ok(target) => target,
        Err(fault) => return Ok(Checked::Untold(Failure::from(fault).in_a_line())),
    };
    if host.is_some_and(|it| it != target.binding) {
        return Ok(Checked::Untold(format!(
            "the settings lead to {}, which is not the batch's",
            target.host
        )));
    }
    if let (true, Some(folder)) = (is_sandbox, &place.folder) {
        target.keep_books(folder)?;
    }
    let shown = match target.api.ticket(protocolo, &Calm::new(sending.rate)).await.verdict {
        Verdict::Answered(Some(shown)) => shown,
        Verdict::Answered(None) => {
            return Ok(Checked::Untold("HubSoft shows no ticket with this protocolo".to_owned()));
        }
        other => {
            let why = other.fault().map_or("HubSoft did not answer", |it| it.message.as_str());
            return Ok(Checked::Untold(why.to_owned()));
        }
    };
    let asked = row.fields.get(Field::IdClienteServico).and_then(|it| it.trim().parse::<i64>().ok());
    match (asked, shown.service) {
        (Some(asked), Some(found)) if asked != found => {
            let differs = format!("the ticket is of service {found}, the row of service {asked}");
            if row.report.state == State::Conflict {
                return Ok(Checked::Untold(differs));
            }
            Err(Failure::new(Exit::Usage, differs, "look for the ticket of the row's own service"))
        }
        (Some(_), Some(_)) => Ok(Checked::Agrees(shown.id_atendimento)),
        _ => Ok(Checked::Untold("HubSoft does not tell the ticket's service".to_owned())),
    }
}

fn refused(error: ResolveError) -> Failure {
    let hint = match error {
        ResolveError::Outbox(error) => return error.into(),
        ResolveError::NotUnsettled { state, .. } if state != State::InFlight => {
            let show = Typed::now().other(&["show", "ROW"]);
            return Failure::of(Exit::Usage, &error, format!("`{show}` tells what became of it"));
        }
        ResolveError::Unknown { .. } => "results.csv has the lines of all rows, in the column `line`",
        ResolveError::NotUnsettled { .. } => "it is being looked up just now: try again in a minute",
        ResolveError::Taken { .. } | ResolveError::OtherRows { .. } => {
            "one ticket is of one row: copy the protocolo from the ticket in HubSoft"
        }
    };
    Failure::of(Exit::Usage, &error, hint)
}
