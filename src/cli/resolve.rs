//! `resolve`: a person's word on rows that may have a ticket.

use std::io::{self, IsTerminal};

use super::args::{DoubtState, Resolve};
use super::exit::Exit;
use super::failure::Failure;
use super::results;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::place::{NamedRow, Outboxes};
use crate::app::questions::YES;
use crate::app::resolve::{
    Checked, Unsettled, Untold, note_not_opened, note_opened, protocolo, says_not_opened, says_opened,
};
use crate::delivery::State;
use crate::language::means;
use crate::outbox::{Resolution, RowDetails};
use crate::settings::{Sending, Sources};

pub async fn resolve(
    args: &Resolve,
    outboxes: &Outboxes,
    sending: &Sending,
    sources: &Sources,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let protocolo = args.opened.as_deref().map(protocolo).transpose()?;
    if protocolo.is_some() && args.rows.len() != 1 {
        return Err(Failure::new(
            Exit::Usage,
            tr!("one protocolo is of one row"),
            tr!("give each row in a command of its own, with its protocolo"),
        ));
    }
    let unsettled = unsettled(args, outboxes).await?;
    let who = sources.environment().user();
    let (says, note) = match protocolo {
        None => {
            if !args.state.is_empty() {
                ask(&says_not_opened(unsettled.n_rows()), args.yes, screen)?;
            }
            (Resolution::NotOpened, note_not_opened(&who))
        }
        Some(protocolo) => {
            let (id_atendimento, note) = match unsettled.check(protocolo, sending, sources).await? {
                Checked::Agrees { id_atendimento } => {
                    (Some(id_atendimento), note_opened(&who, protocolo, None))
                }
                Checked::Untold(untold) => {
                    let why = in_words(untold);
                    ask(&says_opened(protocolo, &why), args.yes, screen)?;
                    (None, note_opened(&who, protocolo, Some(&why)))
                }
            };
            (Resolution::Opened { protocolo, id_atendimento }, note)
        }
    };
    let batch = batch_of(&args.rows[0], unsettled.first.as_deref()).to_owned();
    let resolved = unsettled.settle(says, &note).await?;
    results::tell_if_any(resolved.results.as_ref(), screen);
    let (n, rows) = (resolved.n_rows, args.rows.join(", "));
    let became = match args.not_opened {
        true => tr!("%{n} %{n|row is|rows are} now `failed`: %{rows}", n = n, rows = rows),
        false => tr!("%{n} %{n|row is|rows are} now `opened`: %{rows}", n = n, rows = rows),
    };
    screen.rows(n as u64, became);
    if args.not_opened && 0 < n {
        let retry = Typed::now().at(Led::Setting, "retry", Some(&batch), &[]);
        screen.note(tr!("hint: `%{retry}` makes them pending again; each is looked up first", retry = retry));
    }
    Ok(results::exit(resolved.results.as_ref(), Exit::Done))
}

async fn unsettled(args: &Resolve, outboxes: &Outboxes) -> Result<Unsettled, Failure> {
    let states: Vec<State> = args.state.iter().map(|state| state.state()).collect();
    match &args.rows[..] {
        rows if states.is_empty() => {
            let names: Vec<NamedRow> =
                rows.iter().map(|row| outboxes.find_row(row)).collect::<Result<_, _>>()?;
            Ok(Unsettled::named(&names).await?)
        }
        [batch] => Ok(Unsettled::in_states(outboxes.find(Some(batch))?, &states).await?),
        _ => {
            let rest = ["resolve", "BATCH", "--state", "unconfirmed", "--not-opened"];
            Err(Failure::new(
                Exit::Usage,
                tr!("--state is for the rows of one batch"),
                tr!("write `%{command}`", command = Typed::now().other(&rest)),
            ))
        }
    }
}

/// The batch in the name of a row, as it was typed; all that was typed, where no row was named.
fn batch_of<'a>(typed: &'a str, row: Option<&RowDetails>) -> &'a str {
    let Some(row) = row else { return typed };
    let of_reference = typed.strip_suffix(&*row.report.referencia);
    let batch = of_reference
        .and_then(|name| name.strip_suffix(':'))
        .or(typed.rsplit_once(':').map(|(batch, _)| batch));
    batch.unwrap_or("BATCH")
}

fn in_words(untold: Untold) -> String {
    match untold {
        Untold::NoTarget(fault) => Failure::from(fault).in_a_line(),
        other => other.to_string(),
    }
}

/// Asks a person whether `this` is so.
fn ask(this: &str, is_said: bool, screen: &Screen) -> Result<(), Failure> {
    if is_said {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            tr!("this would say that %{this}, and nobody is here to be asked", this = this),
            tr!("give --yes if that is right; nothing was changed"),
        ));
    }
    screen.err(tr!("This says that %{this}. To go on, type yes:", this = this));
    let mut typed = String::new();
    let _ = io::stdin().read_line(&mut typed);
    match means(&typed, YES) {
        true => Ok(()),
        false => Err(Failure::new(
            Exit::Usage,
            tr!("declined; nothing was changed"),
            tr!("run it again and type yes"),
        )),
    }
}

impl DoubtState {
    fn state(self) -> State {
        match self {
            Self::InDoubt => State::InDoubt,
            Self::Unconfirmed => State::Unconfirmed,
            Self::Conflict => State::Conflict,
        }
    }
}
