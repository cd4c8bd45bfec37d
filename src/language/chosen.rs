//! Which languages there are, and the one that was chosen.

use std::borrow::Cow;
use std::cell::Cell;
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

thread_local! {
    /// In place of it, while one text is made.
    static SPOKEN: Cell<Option<Language>> = const { Cell::new(None) };
}

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

    /// Speaks it while `say` makes its texts, in place of the one of the process: other persons may read.
    pub fn speak<T>(self, say: impl FnOnce() -> T) -> T {
        struct Before(Option<Language>);
        impl Drop for Before {
            fn drop(&mut self) {
                SPOKEN.set(self.0);
            }
        }
        let _before = Before(SPOKEN.replace(Some(self)));
        say()
    }

    /// The one that a browser likes best of ours, by its `Accept-Language` (RFC 9110, 12.5.4).
    pub fn of_browser(accepted: &str) -> Option<Self> {
        let weighed = accepted.split(',').filter_map(|range| {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            Some((Self::of_locale(tag.trim())?, weight)).filter(|_| 0.0 < weight)
        });
        // The first of those that weigh the same.
        weighed.reduce(|best, next| if best.1 < next.1 { next } else { best }).map(|(language, _)| language)
    }

    /// The one to speak now.
    pub fn now() -> Self {
        if let Some(spoken) = SPOKEN.get() {
            return spoken;
        }
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

/// Whether a person typed this word of a table, in whatever language.
pub fn means(typed: &str, word: &str) -> bool {
    let typed = typed.trim().to_lowercase();
    Language::ALL.into_iter().any(|language| language.says(word) == typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_answered_in_the_language_that_it_likes_best_of_ours() {
        for (accepted, expected) in [
            ("pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7", Some(Language::Portuguese)),
            ("en;q=0.5, pt;q=0.8", Some(Language::Portuguese)),
            ("de, en-GB;q=0.7, pt;q=0.3", Some(Language::English)),
            ("en,pt", Some(Language::English)),
            ("pt;q=0, en;q=0.1", Some(Language::English)),
            ("pt;q=NaN", None),
            ("pt;q=x", None),
            ("de,*;q=0.5", None),
            ("", None),
        ] {
            assert_eq!(Language::of_browser(accepted), expected, "{accepted}");
        }
    }

    #[test]
    fn another_language_is_spoken_for_one_text_only() {
        let before = Language::now();
        assert_eq!(Language::Portuguese.speak(Language::now), Language::Portuguese);
        let panicked = std::panic::catch_unwind(|| Language::Portuguese.speak(|| panic!("seen to")));
        assert!(panicked.is_err());
        assert_eq!(Language::now(), before);
    }

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
