//! Which languages there are, and the one that was chosen.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Language {
    #[default]
    English,
    Portuguese,
}

/// Of the process, chosen once at its start.
static CHOSEN: AtomicU8 = AtomicU8::new(Language::English as u8);

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Portuguese];

    /// As BCP 47 names it, and the file in `locales/`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Portuguese => "pt-BR",
        }
    }

    /// Which of ours a tag (`pt-BR`) or the name of a locale (`pt_BR.UTF-8`) means; `None`: none of ours.
    pub fn of_locale(name: &str) -> Option<Self> {
        let language = |tag: &str| tag.split(['_', '-', '.', '@']).next().unwrap_or_default().to_lowercase();
        Self::ALL.into_iter().find(|known| language(known.tag()) == language(name))
    }

    /// What stands between thousands, and before decimals.
    pub(super) const fn points(self) -> (char, char) {
        match self {
            Self::English => (',', '.'),
            Self::Portuguese => ('.', ','),
        }
    }

    pub fn choose(self) {
        CHOSEN.store(self as u8, Ordering::Relaxed);
    }

    /// A sentence of a table, without parameters. One that is in no table stays as it is.
    pub fn says(self, sentence: &str) -> Cow<'_, str> {
        match self {
            Self::English => Cow::Borrowed(sentence),
            _ => rust_i18n::t!(sentence, locale = self.tag()),
        }
    }

    /// The one to speak now.
    pub fn now() -> Self {
        let chosen = Self::ALL.into_iter().find(|known| *known as u8 == CHOSEN.load(Ordering::Relaxed));
        chosen.unwrap_or_default()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

#[derive(Debug)]
pub struct UnknownLanguage;

impl fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&tr!("write `en` or `pt-BR`"))
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        Self::of_locale(text.trim()).ok_or(UnknownLanguage)
    }
}

/// A sentence of a table, without parameters.
pub fn said(sentence: &str) -> Cow<'_, str> {
    Language::now().says(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_its_tag_and_by_a_locale() {
        for (name, known) in [
            ("pt-BR", Some(Language::Portuguese)),
            ("pt_BR.UTF-8", Some(Language::Portuguese)),
            ("PT", Some(Language::Portuguese)),
            ("pt_PT@euro", Some(Language::Portuguese)),
            ("en_US.UTF-8", Some(Language::English)),
            ("C", None),
            ("C.UTF-8", None),
            ("POSIX", None),
            ("", None),
            ("de_DE", None),
        ] {
            assert_eq!(Language::of_locale(name), known, "{name}");
        }
    }
}
