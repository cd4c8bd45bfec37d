//! What is wrong with a line of a file beside other rows, in words. What is wrong with its cells is worded
//! where they are read, in `ticket`.

use std::borrow::Cow;

use crate::ticket::Problem;

/// The line `first` has the same reference.
pub fn repeated_reference(referencia: &str, first: &str) -> Problem {
    of_reference(
        "repeated_reference",
        referencia,
        tr!("the same reference stands in line %{line}", line = first),
        tr!("give each row of a batch its own reference"),
    )
}

/// A row of another service has the reference. It is in `state`, and was perhaps opened.
pub fn reused_reference(referencia: &str, state: &str, protocolo: Option<&str>) -> Problem {
    let message = match protocolo {
        Some(protocolo) => tr!(
            "a row of another service has this reference, and is %{state} as `%{protocolo}`",
            state = state,
            protocolo = protocolo
        ),
        None => tr!("a row of another service has this reference, and is %{state}", state = state),
    };
    of_reference(
        "reused_reference",
        referencia,
        message,
        tr!("give this row a reference of its own if it is to be opened"),
    )
}

fn of_reference(
    code: &'static str,
    found: &str,
    message: Cow<'static, str>,
    hint: Cow<'static, str>,
) -> Problem {
    Problem {
        field: Cow::Borrowed("referencia"),
        code: Cow::Borrowed(code),
        found: found.to_owned(),
        message,
        hint,
    }
}
