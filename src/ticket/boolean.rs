//! Yes and no, in the words people use for them.

use super::parse::Read;
use super::words;

/// Reads an unwrapped cell that is not blank.
pub(super) fn read(cell: &str) -> Read<bool> {
    const YES: [&str; 7] = ["true", "sim", "s", "1", "verdadeiro", "yes", "x"];
    const NO: [&str; 7] = ["false", "nao", "n", "0", "falso", "no", "não"];

    let is_one_of = |of: &[&str]| of.iter().any(|it| it.eq_ignore_ascii_case(cell));
    if is_one_of(&YES) {
        Ok((true, None))
    } else if is_one_of(&NO) || matches!(cell.to_lowercase().as_str(), "não" | "na\u{303}o") {
        Ok((false, None))
    } else {
        Err(&words::NOT_A_BOOLEAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_have_many_words() {
        for cell in ["true", "TRUE", "Sim", "s", "S", "1", "verdadeiro", "VERDADEIRO", "yes", "x", "X"] {
            assert_eq!(read(cell).map(|it| it.0).ok(), Some(true), "{cell}");
        }
        for cell in ["false", "não", "NÃO", "Na\u{303}o", "nao", "NAO", "n", "0", "falso", "FALSO", "no"] {
            assert_eq!(read(cell).map(|it| it.0).ok(), Some(false), "{cell}");
        }
        for cell in ["talvez", "2", "si", "-", "ok", "sim não"] {
            assert_eq!(read(cell).unwrap_err().code, "not_a_boolean", "{cell}");
        }
    }
}
