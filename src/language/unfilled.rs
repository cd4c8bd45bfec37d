//! The way back from a text to the sentence that it was made of, and to what was put in.

use super::Language;
use super::filled::Given;

/// Fewer letters than these could be anybody's. Of what stands between parameters.
const LETTERS_MIN: usize = 10;

/// A sentence as texts are made of it: what stands in front, and each parameter with what follows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Pattern {
    head: String,
    values: Vec<(String, String)>,
}

impl Pattern {
    /// Those of `sentence`: two where its words follow a number. None, where a text would not show which it
    /// is, or where a parameter ends.
    pub fn of(sentence: &str) -> Vec<Self> {
        let one = Self::with_words(sentence, |one, _| one);
        let many = Self::with_words(sentence, |_, many| many);
        let mut all = vec![one];
        if all[0] != many {
            all.push(many);
        }
        all.retain(Self::is_clear);
        all
    }

    fn with_words(sentence: &str, chosen: for<'a> fn(&'a str, &'a str) -> &'a str) -> Self {
        let mut pieces = sentence.split("%{");
        let mut pattern = Self { head: pieces.next().unwrap_or_default().to_owned(), values: Vec::new() };
        for piece in pieces {
            let (inner, after) = piece.split_once('}').unwrap_or((piece, ""));
            match inner.split_once('|') {
                None => pattern.values.push((inner.to_owned(), after.to_owned())),
                Some((_, words)) => {
                    let (one, many) = words.split_once('|').unwrap_or((words, words));
                    let last = pattern.values.last_mut().map_or(&mut pattern.head, |(_, after)| after);
                    *last += chosen(one, many);
                    *last += after;
                }
            }
        }
        pattern
    }

    fn is_clear(&self) -> bool {
        let parts = self.values.split_last().map_or(&[][..], |(_, parts)| parts);
        LETTERS_MIN <= self.n_letters() && parts.iter().all(|(_, after)| !after.is_empty())
    }

    /// How much of it is no parameter: the more, the surer it is what it takes a text for.
    pub fn n_letters(&self) -> usize {
        let after = self.values.iter().map(|(_, after)| after);
        [&self.head]
            .into_iter()
            .chain(after)
            .flat_map(|text| text.chars())
            .filter(|c| c.is_alphabetic())
            .count()
    }

    /// With what a text of it begins; `None`: with whatever is put in.
    pub fn first_byte(&self) -> Option<u8> {
        self.head.bytes().next()
    }

    /// Whether a parameter ends it, so that it takes in whatever a text goes on with.
    pub fn is_open(&self) -> bool {
        self.values.last().is_some_and(|(_, after)| after.is_empty())
    }

    /// What stands in `text` for each parameter; `None`: it is not made of this.
    pub fn read<'t>(&self, text: &'t str) -> Option<Vec<(&str, &'t str)>> {
        let rest = text.strip_prefix(&*self.head)?;
        let Some(((name, tail), values)) = self.values.split_last() else {
            return rest.is_empty().then(Vec::new);
        };
        // Both ends come first: most sentences that it is not differ there.
        let mut rest = rest.strip_suffix(&**tail)?;
        let mut read = Vec::with_capacity(self.values.len());
        for (name, after) in values {
            let (value, others) = rest.split_once(&**after)?;
            read.push((&**name, value));
            rest = others;
        }
        read.push((name, rest));
        Some(read)
    }
}

/// A number as people write it in `language`, to be written as they do elsewhere. `None`: it is none, or one
/// by which something is called.
pub fn number(value: &str, language: Language) -> Option<Given> {
    let groups: Vec<&str> = value.split(language.points().0).collect();
    let (first, others) = groups.split_first()?;
    let is_grouped = (1..=3).contains(&first.len()) && others.iter().all(|group| group.len() == 3);
    let digits = groups.concat();
    (is_grouped && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok().map(Given::Number))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::super::filled::filled;
    use super::*;

    #[test]
    fn what_was_put_in_is_read_back() {
        let check = |sentence: &str, text: &str, expected: Option<&[(&str, &str)]>| {
            let all = Pattern::of(sentence);
            let read = all.iter().find_map(|pattern| pattern.read(text));
            assert_eq!(read.as_deref(), expected, "{sentence}: {text}");
        };
        let opened = "asked for the type `%{asked}`, opened as `%{opened}`";
        check(opened, "asked for the type `a`, opened as `b`c`", Some(&[("asked", "a"), ("opened", "b`c")]));
        check(opened, "asked for the type `a`, opened as b", None);
        check(opened, "asked for the type ", None);
        check("not found at all", "not found at all", Some(&[]));
        check("not found at all", "not found at all, or", None);
        check("not found, but %{why}", "not found, but a: b", Some(&[("why", "a: b")]));
        check("refused the login: %{a}; look", "refused the login: x; y; look", Some(&[("a", "x; y")]));
        let rows = "%{n} %{n|row was|rows were} refused";
        check(rows, "1 row was refused", Some(&[("n", "1")]));
        check(rows, "1,234 rows were refused", Some(&[("n", "1,234")]));
        // Nobody could say where one ends, or what it is of.
        for unclear in ["HubSoft was away for %{time}%{because}", "line %{line}", "%{a}: %{b}"] {
            assert_eq!(Pattern::of(unclear), [], "{unclear}");
        }
    }

    #[test]
    fn a_number_is_written_anew_and_a_protocolo_is_none() {
        for (value, expected) in
            [("7", Some(7)), ("1,234", Some(1234)), ("1234", None), ("20261127140000123", None), ("", None)]
        {
            assert_eq!(number(value, Language::English), expected.map(Given::Number), "{value}");
        }
        assert_eq!(number("1.234.567", Language::Portuguese), Some(Given::Number(1_234_567)));
        assert_eq!(number("1,5", Language::English), None);
        assert_eq!(filled("%{n}", &[("n", Given::Number(1234))]), "1,234");
    }
}
