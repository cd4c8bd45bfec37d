//! What a person should know of a row, in words.

use crate::delivery::{Beside, Warning};

/// With its code in front, unless it is of the sheet: those come first, and their words say enough.
pub fn warning(warning: &Warning) -> String {
    let message = match warning {
        Warning::Notice { said } => return said.clone(),
        Warning::Outdated { columns } => {
            return tr!("the file says something else now, in %{columns}", columns = columns).into_owned();
        }
        Warning::WrongType { asked, opened } => {
            tr!("asked for the type `%{asked}`, opened as `%{opened}`", asked = asked, opened = opened)
        }
        Warning::WithoutOs => tr!("opened, but the service order that was asked for is missing"),
        Warning::Duplicate { others } => {
            tr!("more tickets carry this row's marker: %{others}", others = others.join(", "))
        }
        Warning::OpenedTwice { protocolo } => {
            tr!("`%{protocolo}` was opened for this row too", protocolo = protocolo)
        }
        Warning::Beside(Beside { protocolo: Some(protocolo), label }) => {
            tr!(
                "its service has another open ticket, `%{protocolo}` of the type `%{label}`",
                protocolo = protocolo,
                label = label
            )
        }
        Warning::Beside(Beside { protocolo: None, label }) => {
            tr!("its service has another open ticket, of the type `%{label}`", label = label)
        }
    };
    format!("{}: {message}", warning.code())
}
