//! What to do about a problem, for who has a form before them and no terminal.

use std::borrow::Cow;

use crate::language::said;
use crate::ticket::Field;

/// Of this field and code; `hint`: what a terminal says.
pub fn on_the_page<'a>(field: &str, code: &str, hint: &'a str) -> Cow<'a, str> {
    match code {
        "required" if field == Field::Descricao.name() => {
            tr!("fill it in, or say below what all tickets say, and check again")
        }
        "required" => tr!("fill it in, or say below which column has it, and check again"),
        "phone_without_ddd" => {
            tr!("write it in front of the number, or give one below for all such rows, and check again")
        }
        "phone_none" => tr!("write a number at which somebody answers"),
        "customer_not_looked_up" => tr!("have it looked up in HubSoft: there is a box for it below"),
        _ => said(hint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::ticket::WORDS;

    #[test]
    fn no_hint_on_the_page_speaks_of_flags() {
        for language in Language::ALL {
            language.speak(|| {
                for words in WORDS {
                    for field in Field::ALL {
                        let hint = on_the_page(field.name(), words.code, words.hint);
                        assert!(!hint.contains("`--"), "{}: {hint}", words.code);
                    }
                }
            });
        }
    }
}
