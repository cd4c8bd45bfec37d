//! What was stored in words, once more in the language of the person who reads it now.

use std::borrow::Cow;
use std::sync::LazyLock;

use toml::de::DeTable;

use crate::language::Language;
use crate::language::filled::{Given, filled};
use crate::language::unfilled::{Pattern, number};

/// Between sentences of one text.
const BETWEEN: &str = "; ";

/// Sentences of a text that are looked at; more than a row has problems.
const SENTENCES_MAX: usize = 60;

/// A sentence may be put into one that is put into another.
const DEPTH_MAX: usize = 3;

/// The field of a problem of the row as a whole.
pub const ROW: &str = "row";

/// What is stored in words is of these rooms.
const STORED: [(Language, &str); 2] = [
    (Language::Portuguese, include_str!("../../locales/text.pt-BR.toml")),
    (Language::Portuguese, include_str!("../../locales/system.pt-BR.toml")),
];

/// A sentence as it may be stored in a language.
struct Stored {
    language: Language,
    pattern: Pattern,
    /// By which it is known in all languages.
    english: String,
}

/// What is surest comes first.
static ALL: LazyLock<Vec<Stored>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (language, file) in STORED {
        // A test reads them, too.
        let table = DeTable::parse(file).map(|table| table.into_inner()).unwrap_or_default();
        for (english, translated) in table {
            let english = english.into_inner().into_owned();
            let texts = [(Language::English, Some(&*english)), (language, translated.get_ref().as_str())];
            for (language, text) in texts {
                let patterns = text.map(Pattern::of).unwrap_or_default();
                all.extend(patterns.into_iter().map(|pattern| Stored {
                    language,
                    pattern,
                    english: english.clone(),
                }));
            }
        }
    }
    all.sort_by_key(|stored| std::cmp::Reverse(stored.pattern.n_letters()));
    all
});

/// Of [`ALL`], what a text may be that begins with a byte: nearly all are something else, and every row of
/// the results is asked for.
static BY_FIRST_BYTE: LazyLock<[Vec<&Stored>; 256]> = LazyLock::new(|| {
    let may_begin = |stored: &Stored, byte: usize| {
        stored.pattern.first_byte().is_none_or(|first| usize::from(first) == byte)
    };
    std::array::from_fn(|byte| ALL.iter().filter(|stored| may_begin(stored, byte)).collect())
});

/// `text`, each of whose sentences that is ours is said anew, with what is put into it; all else, HubSoft's
/// words too, stays as it is. A sentence may have the name of a column or a code in front, and `; ` in it.
pub fn again(text: &str) -> Cow<'_, str> {
    to(Language::now(), text, 0)
}

fn to(language: Language, text: &str, depth: usize) -> Cow<'_, str> {
    if let Some(known) = known(language, text, depth) {
        return known;
    }
    let parts: Vec<&str> = text.split(BETWEEN).collect();
    if parts.len() < 2 || SENTENCES_MAX < parts.len() {
        return Cow::Borrowed(text);
    }
    let (mut told, mut at) = (Vec::new(), 0);
    while at < parts.len() {
        // The longest that is known: a sentence may have what stands between two.
        let found = (at + 1..=parts.len()).rev().find_map(|end| {
            let sentence = parts[at..end].join(BETWEEN);
            known(language, &sentence, depth).map(|words| (words.into_owned(), end))
        });
        let (words, end) = found.unwrap_or_else(|| (parts[at].to_owned(), at + 1));
        told.push(words);
        at = end;
    }
    Cow::Owned(told.join(BETWEEN))
}

/// `None`: it is not known, or in this language already.
fn known(language: Language, sentence: &str, depth: usize) -> Option<Cow<'_, str>> {
    if let Some(anew) = one(language, sentence, depth) {
        return Some(anew);
    }
    let (name, sentence) = sentence.split_once(": ")?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    if !is_name {
        return None;
    }
    let name = in_language(language, name);
    one(language, sentence, depth).map(|anew| Cow::Owned(format!("{name}: {anew}")))
}

/// A sentence without anything in front.
fn one(language: Language, sentence: &str, depth: usize) -> Option<Cow<'_, str>> {
    let anew = language.says(sentence);
    if anew != sentence {
        return Some(anew);
    }
    let first = usize::from(sentence.bytes().next()?);
    let others = BY_FIRST_BYTE[first].iter().filter(|stored| stored.language != language);
    // What goes on behind it is another sentence, unless both together are one.
    let is_whole = |stored: &Stored, values: &[(&str, &str)]| {
        let last = values.last().filter(|(_, value)| stored.pattern.is_open() && value.contains(BETWEEN));
        last.is_none_or(|(_, value)| depth < DEPTH_MAX && known(language, value, depth + 1).is_some())
    };
    let mut made = others.filter_map(|stored| Some((*stored, stored.pattern.read(sentence)?)));
    let (stored, values) = made.find(|(stored, values)| is_whole(stored, values))?;
    let put = |value: &str| match number(value, stored.language) {
        Some(number) => number,
        None if depth < DEPTH_MAX => Given::Text(to(language, value, depth + 1).into_owned()),
        None => Given::Text(value.to_owned()),
    };
    let given: Vec<_> = values.into_iter().map(|(name, value)| (name, put(value))).collect();
    Some(Cow::Owned(filled(&language.says(&stored.english), &given)))
}

/// What a problem's field is called where people read it: most are columns, whose names stay.
pub fn field(name: &str) -> Cow<'_, str> {
    in_language(Language::now(), name)
}

fn in_language(language: Language, name: &str) -> Cow<'_, str> {
    if name == ROW { language.says(ROW) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{Blindness, Fault, Warning};

    const PORTUGUESE: Language = Language::Portuguese;

    fn in_portuguese(text: &str) -> String {
        to(PORTUGUESE, text, 0).into_owned()
    }

    #[test]
    fn what_a_worker_stored_in_english_is_said_in_portuguese_with_what_is_put_into_it() {
        let check = |fault: Fault, expected: &str| {
            let stored = super::super::fault(&fault);
            assert_eq!(in_portuguese(&stored), expected, "{stored}");
            assert_eq!(to(Language::English, expected, 0), stored, "and back");
        };
        let text = |text: &str| text.to_owned();
        check(Fault::http(500), "o HubSoft falhou (HTTP 500)");
        check(
            Fault::Repeat { line: Some(text("1234")), protocolo: Some(text("20261127140000123")) },
            "mesmo serviço, tipo e descrição da linha 1234, aberta como `20261127140000123`",
        );
        check(
            Fault::Taken { protocolo: text("2018"), owner: 12_345 },
            "o atendimento `2018` já é do registro 12345",
        );
        check(
            Fault::Connect {
                at: Some("erp.example.com:443".into()),
                cause: Some("Broken pipe (os error 32)".into()),
            },
            "não foi possível conectar a erp.example.com:443: a conexão caiu",
        );
        let blind = Fault::Blind(Blindness::Unseen);
        assert!(
            in_portuguese(&super::super::fault(&blind))
                .starts_with("não encontrado, mas atendimentos nossos")
        );
        let said = Fault::LoginRefused { status: 401, said: Some(text("a: b; c")) };
        assert!(
            in_portuguese(&super::super::fault(&said))
                .starts_with("o HubSoft recusou o login: a: b; c; confira")
        );
    }

    #[test]
    fn several_warnings_and_problems_are_each_said_anew() {
        let warnings = [
            Warning::Outdated { columns: "nome, telefone".to_owned() },
            Warning::WrongType { asked: "Reparo".to_owned(), opened: "Suporte; N1".to_owned() },
        ];
        let stored = warnings.iter().map(super::super::warning).collect::<Vec<_>>().join("; ");
        assert_eq!(
            in_portuguese(&stored),
            "o arquivo agora diz outra coisa, em nome, telefone; wrong_type: foi pedido o tipo `Reparo`, e abriu \
             como `Suporte; N1`"
        );
        assert!(in_portuguese("row: the answer has no body").starts_with("linha: a resposta"));
    }

    #[test]
    fn the_words_of_others_stay() {
        for text in ["", "; ", "Serviço 123 não encontrado; tente", "Service: not found", "HubSoft: HTTP"] {
            assert_eq!((to(PORTUGUESE, text, 0), to(Language::English, text, 0)), (text.into(), text.into()));
        }
        let many = "a; ".repeat(500);
        assert_eq!(in_portuguese(&many), many);
        // Not what is said in this language already.
        let said = in_portuguese("HubSoft failed (HTTP 500)");
        assert_eq!(in_portuguese(&said), said);
    }
}
