//! Whether two names may be one customer's.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What stands between the names of a person, and is left out as often as not.
const BETWEEN: [&str; 8] = ["de", "da", "do", "das", "dos", "e", "di", "del"];

/// What says of what kind a business is, and tells none from another.
const KINDS: [&str; 8] = ["ltda", "me", "epp", "eireli", "mei", "sa", "ss", "cia"];

/// Longest name that is compared. Characters; a longer one is compared by its beginning.
const NAME_LEN_MAX: usize = 300;

/// The form in which names are compared: words without case, accents and punctuation, one blank between.
pub fn folded_name(name: &str) -> String {
    let folded = name.nfd().take(NAME_LEN_MAX).filter(|c| !is_combining_mark(*c));
    let spaced: String =
        folded.flat_map(char::to_lowercase).map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let words = spaced.split(' ').filter(|word| !word.is_empty() && !BETWEEN.contains(word));
    let telling: Vec<_> = words.clone().filter(|word| !KINDS.contains(word)).collect();
    // Of "ME" alone it is the name.
    if telling.is_empty() { words.collect::<Vec<_>>().join(" ") } else { telling.join(" ") }
}

/// Whether `name` may be that of a customer whom HubSoft calls by any of `names` (all folded). Order, words
/// that are left out, and initials beside a whole word make no other person; another first name does. Where
/// HubSoft has no name, nothing speaks against it.
pub fn may_be_named(name: &str, names: &[Box<str>]) -> bool {
    names.iter().all(|known| known.is_empty()) || names.iter().any(|known| is_alike(name, known))
}

/// Two words in common, or all of the shorter one's; one of them whole, and one the first that HubSoft has.
fn is_alike(name: &str, known: &str) -> bool {
    let words = |name: &str| name.split(' ').map(str::to_owned).filter(|word| !word.is_empty()).collect();
    let (one, other): (Vec<String>, Vec<String>) = (words(name), words(known));
    let has_whole = one.iter().any(|word| 1 < word.chars().count() && other.contains(word));
    let has_first = one.len() < 2 || other.first().is_some_and(|first| take(first, &mut one.clone()));
    if !has_whole || !has_first {
        return false;
    }
    let (short, mut long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let n_common = short.iter().filter(|word| take(word, &mut long)).count();
    0 < n_common && (2 <= n_common || n_common == short.len())
}

/// Takes the word that `word` may stand for out of `of`: itself, or one with it as its initial, or the
/// reverse.
fn take(word: &str, of: &mut Vec<String>) -> bool {
    let is_initial = |short: &str, long: &str| short.chars().count() == 1 && long.starts_with(short);
    let at = of
        .iter()
        .position(|known| known == word)
        .or_else(|| of.iter().position(|known| is_initial(word, known) || is_initial(known, word)));
    at.map(|at| of.remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_however_it_is_written() {
        for (sheet, hubsoft, expected) in [
            ("José da Conceição Gonçalves", "JOSE DA CONCEICAO GONCALVES", true),
            ("Gonçalves, José Conceição", "JOSÉ DA CONCEIÇÃO GONÇALVES", true),
            ("José Gonçalves", "JOSÉ DA CONCEIÇÃO GONÇALVES", true),
            ("jose\u{301}  goncalves", "JOSÉ DA CONCEIÇÃO GONÇALVES", true),
            ("J. C. Gonçalves", "JOSÉ DA CONCEIÇÃO GONÇALVES", true),
            ("José", "JOSÉ DA CONCEIÇÃO GONÇALVES", true),
            ("Maria José Silva", "Maria José de Souza", true),
            ("Padaria Pão Quente", "PADARIA PÃO QUENTE LTDA - ME", true),
            ("Gonçalves", "JOSÉ DA CONCEIÇÃO GONÇALVES", true),
            ("ME", "ME LTDA", true),
            ("ME", "EPP", false),
            ("Conceição Gonçalves", "JOSÉ DA CONCEIÇÃO GONÇALVES", false),
            ("José da Silva", "JOSÉ DA CONCEIÇÃO GONÇALVES", false),
            ("J", "J SOUZA", false),
            ("J. C.", "JOSÉ DA CONCEIÇÃO GONÇALVES", false),
            ("Jo Conceição", "JOSÉ DA CONCEIÇÃO GONÇALVES", false), // Two letters are no initial.
            ("Maria Gonçalves Conceição", "JOSÉ DA CONCEIÇÃO GONÇALVES", false),
            ("Padaria Sol LTDA ME", "MERCADO LUA LTDA - ME", false),
            ("J A Souza ME", "Ana Julia Pereira", false),
            ("Maria Gonçalves", "JOSÉ DA CONCEIÇÃO GONÇALVES", false),
            ("Sebastião Souza", "CLÁUDIO SOUZA", false),
            ("Ana", "JOSÉ DA CONCEIÇÃO GONÇALVES", false),
            ("...", "JOSÉ DA CONCEIÇÃO GONÇALVES", false),
            ("Ana", "", true),
        ] {
            let names = [folded_name(hubsoft).into_boxed_str()];
            assert_eq!(may_be_named(&folded_name(sheet), &names), expected, "{sheet} / {hubsoft}");
        }
        let names = ["j a souza me", "padaria ze"].map(Box::from);
        assert!(may_be_named(&folded_name("Padaria do Zé"), &names), "by the name that its sign has");
    }
}
