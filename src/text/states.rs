//! What a row's state is called where people read it: in workbooks and reports. Its name for programs is
//! `outbox::state_name`.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::delivery::State;
use crate::language::Language;

/// In English; `language::said` says it as it is called elsewhere.
pub fn state(state: State) -> &'static str {
    match state {
        State::Pending => "Pending",
        State::InFlight => "Being sent",
        State::InDoubt => "In doubt",
        State::Opened => "Opened",
        State::Invalid => "Invalid",
        State::Rejected => "Rejected",
        State::Failed => "Failed",
        State::Unconfirmed => "Unconfirmed",
        State::Conflict => "In conflict",
        State::Skipped => "Skipped",
        State::Cancelled => "Cancelled",
    }
}

/// What a person does about rows in a state; blank where nothing is to be done.
pub fn to_do(state: State) -> Cow<'static, str> {
    match state {
        State::Opened => Cow::Borrowed(""),
        State::Pending => tr!("not sent yet: the same import, run again, goes on"),
        State::InFlight | State::InDoubt => {
            tr!(
                "may have been opened: do not open them by hand; the same import, run again, looks them up first"
            )
        }
        State::Invalid => tr!("correct them in errors.csv, as problems.csv says, and import that file"),
        State::Rejected => {
            tr!("HubSoft refused them: read the explanation, correct errors.csv and import it")
        }
        State::Failed => tr!("certainly not opened: try them again with the command `retry`"),
        State::Unconfirmed => {
            tr!("may have been opened: look in HubSoft, then say what is true with the command `resolve`")
        }
        State::Conflict => {
            tr!("HubSoft opened something else than was asked for: look at the ticket, then use `resolve`")
        }
        State::Skipped => tr!("left out on purpose: the explanation says why"),
        State::Cancelled => tr!("withdrawn before they were sent"),
    }
}

/// The state that is called so in any of our languages.
pub fn state_called(word: &str) -> Option<State> {
    static WORDS: LazyLock<Vec<(String, State)>> = LazyLock::new(|| {
        let of = |language: Language| {
            State::ALL.into_iter().map(move |known| (language.says(state(known)).to_lowercase(), known))
        };
        Language::ALL.into_iter().flat_map(of).collect()
    });
    let word = word.to_lowercase();
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, state)| *state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_known_by_what_it_is_called_in_each_language() {
        for language in Language::ALL {
            for known in State::ALL {
                let word = language.says(state(known));
                assert_eq!(state_called(&word), Some(known), "{word}");
                assert_eq!(state_called(&word.to_uppercase()), Some(known), "{word}");
            }
        }
        assert_eq!(state_called("SP"), None);
    }
}
