//! `retry`: makes finished rows pending again.

use super::args::RetryState;
use super::exit::Exit;
use super::failure::Failure;
use super::results;
use super::screen::Screen;
use super::typed::{Typed, path};
use crate::app;
use crate::app::place::Place;
use crate::app::retry::{ImportAgain, Opener};
use crate::delivery::State;

pub async fn retry(place: &Place, states: &[RetryState], screen: &Screen) -> Result<Exit, Failure> {
    let states: Vec<State> = states.iter().map(|state| state.state()).collect();
    let retried = app::retry(place, &states).await?;
    results::tell_if_any(retried.results.as_ref(), screen);
    let n_rows = retried.n_rows;
    let said = tr!(
        "%{n} %{n|row is|rows are} pending again; each that was ever sent is looked up first",
        n = n_rows
    );
    screen.rows(n_rows, said);
    if 0 < n_rows {
        screen.note(match &retried.opener {
            Opener::Import(again) => tr!(
                "hint: `%{import}`, with the flags that it was imported with, opens them",
                import = import_again(again)
            ),
            Opener::Held(lote) => tr!(
                "hint: `%{lote}` stays held, for rows that nobody was asked about: `%{resume}` lets workers open all of it",
                lote = lote,
                resume = Typed::now().other(&["resume", lote])
            ),
            Opener::Worker => {
                tr!("hint: `%{worker}` opens them", worker = Typed::now().other(&["worker"]))
            }
        });
    }
    Ok(results::exit(retried.results.as_ref(), Exit::Done))
}

fn import_again(again: &ImportAgain) -> String {
    let ImportAgain { file, folder, batch, is_sandbox } = again;
    let mut args = vec!["import".to_owned(), path(file)];
    if let Some(folder) = folder {
        args.extend(["-o".to_owned(), path(folder)]);
    }
    if let Some(batch) = batch {
        args.extend(match batch.starts_with('-') {
            true => vec![format!("--batch={batch}")],
            false => vec!["--batch".to_owned(), batch.clone()],
        });
    }
    args.extend(is_sandbox.then(|| "--sandbox".to_owned()));
    Typed::now().other(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

impl RetryState {
    fn state(self) -> State {
        match self {
            Self::Failed => State::Failed,
            Self::Rejected => State::Rejected,
            Self::Cancelled => State::Cancelled,
            Self::Unconfirmed => State::Unconfirmed,
            Self::Skipped => State::Skipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::app::retry;
    use crate::cli::args::Cli;
    use crate::outbox::state_name;

    /// The page offers those of `app`.
    #[test]
    fn the_flag_takes_the_states_that_can_be_tried_again() {
        let states: Vec<_> = RetryState::value_variants().iter().map(|state| state.state()).collect();
        assert_eq!(states, retry::STATES);
        let command = Cli::command();
        let flag =
            command.find_subcommand("retry").unwrap().get_arguments().find(|arg| arg.get_id() == "state");
        let usual: Vec<_> =
            flag.unwrap().get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        assert_eq!(usual, [retry::USUAL.map(state_name).join(",")]);
    }
}
