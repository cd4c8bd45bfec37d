//! The language in which a person is spoken to.
//!
//! English sentences stand in the code, with their parameters; `tr!` says them in the language that was
//! chosen, from `locales/`, and as they stand where there is none of it. Names of columns, codes and states
//! are for programs, too, and stay; and a process that answers in JSON or keeps a log speaks English.

/// A sentence in the language of the person: `tr!("row %{row} is open", row = id)`. Numbers are written as
/// people write them, and `%{n|row|rows}` is the word for one or for several.
macro_rules! tr {
    ($sentence:literal $(,)?) => {
        rust_i18n::t!($sentence, locale = $crate::language::Language::now().tag())
    };
    ($sentence:literal $(, $name:ident = $value:expr)+ $(,)?) => {{
        let text = $crate::language::filled::filled(
            &rust_i18n::t!($sentence, locale = $crate::language::Language::now().tag()),
            &[$((stringify!($name), $crate::language::filled::Value::of(&$value).given())),+],
        );
        std::borrow::Cow::<'static, str>::Owned(text)
    }};
}

mod causes;
mod chosen;
pub mod filled;
pub mod times;
pub mod unfilled;

pub use causes::os_error;
pub use chosen::{Language, means, said};
