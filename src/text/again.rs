//! What was stored in words, once more in the language of the person who reads it now.

use std::borrow::Cow;

use crate::language::said;

/// Between sentences of one text.
const BETWEEN: &str = "; ";

/// Sentences of a text that are looked at; more than a row has problems.
const SENTENCES_MAX: usize = 60;

/// `text`, each of whose sentences that is known without parameters is said anew; the others, and those of
/// another language, stay as they are. A sentence may have the name of a column or a code in front, and `; `
/// in it.
pub fn again(text: &str) -> Cow<'_, str> {
    if let Some(known) = known(text) {
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
            known(&sentence).map(|words| (words.into_owned(), end))
        });
        let (words, end) = found.unwrap_or_else(|| (parts[at].to_owned(), at + 1));
        told.push(words);
        at = end;
    }
    Cow::Owned(told.join(BETWEEN))
}

/// `None`: it is not known in this language, or the same.
fn known(sentence: &str) -> Option<Cow<'_, str>> {
    let anew = said(sentence);
    if anew != sentence {
        return Some(anew);
    }
    let (name, sentence) = sentence.split_once(": ")?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    let anew = said(sentence);
    // What is wrong with the row as a whole.
    let name = if name == "row" { tr!("row") } else { name.into() };
    (is_name && anew != sentence).then(|| Cow::Owned(format!("{name}: {anew}")))
}
