//! What a person should know of a row, in words.

use crate::delivery::Warning;

/// With its code in front, unless it is of the sheet: those come first, and their words say enough.
pub fn warning(warning: &Warning) -> String {
    let message = match warning {
        Warning::Notice { said } => return said.clone(),
        Warning::Outdated { columns } => return format!("the file says something else now, in {columns}"),
        Warning::WrongType { asked, opened } => format!("asked for the type `{asked}`, opened as `{opened}`"),
        Warning::WithoutOs => "opened, but the service order that was asked for is missing".to_owned(),
        Warning::Duplicate { others } => {
            format!("more tickets carry this row's marker: {}", others.join(", "))
        }
        Warning::OpenedTwice { protocolo } => format!("`{protocolo}` was opened for this row too"),
    };
    format!("{}: {message}", warning.code())
}
