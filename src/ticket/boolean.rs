//! Yes and no, in the words people use for them.

use super::words::{self, Read};

/// Reads an unwrapped cell that is not blank.
pub(super) fn read(cell: &str) -> Read<bool> {
    const LEN_MAX: usize = "verdadeiro".len();

    // No word for yes or no is longer, and lowering this one takes no allocation.
    let mut lower = [0; LEN_MAX];
    let Some(lower) = lower.get_mut(..cell.len()) else { return Err(&words::NOT_A_BOOLEAN) };
    lower.copy_from_slice(cell.as_bytes());
    lower.make_ascii_lowercase();
    match std::str::from_utf8(lower) {
        Ok("true" | "t" | "sim" | "s" | "1" | "1.0" | "1,0" | "verdadeiro" | "v" | "yes" | "x") => {
            Ok((true, None))
        }
        Ok(
            "false" | "f" | "não" | "nÃo" | "na\u{303}o" | "nao" | "n" | "0" | "0.0" | "0,0" | "falso" | "no",
        ) => Ok((false, None)),
        _ => Err(&words::NOT_A_BOOLEAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_and_no_have_many_words() {
        for cell in ["true", "TRUE", "Sim", "s", "S", "1", "verdadeiro", "V", "t", "1.0", "yes", "x", "X"] {
            assert_eq!(read(cell).map(|(yes, _)| yes).ok(), Some(true), "{cell}");
        }
        for cell in ["false", "não", "NÃO", "Na\u{303}o", "nao", "NAO", "n", "0", "0,0", "falso", "F", "no"]
        {
            assert_eq!(read(cell).map(|(yes, _)| yes).ok(), Some(false), "{cell}");
        }
        for cell in ["talvez", "2", "si", "-", "ok", "sim não"] {
            assert_eq!(read(cell).unwrap_err().code, "not_a_boolean", "{cell}");
        }
    }
}
