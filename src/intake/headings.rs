//! Our columns as `results.xlsx` shows them to people, in their language; known again on the way in, so that
//! a workbook that somebody corrected can be given back.

use std::borrow::Cow;

use super::header::RESULT_COLUMNS;
use crate::language::Language;

/// The headings of [`RESULT_COLUMNS`], in their order, in English. None may be a name of a ticket's field,
/// but for the reference.
pub const HEADINGS: [&str; RESULT_COLUMNS.len()] = [
    "Line",
    "Lote",
    "Referencia",
    "State",
    "Protocolo",
    "Ticket id",
    "Service order ids",
    "Service order numbers",
    "Attempts",
    "Error code",
    "Explanation",
    "Warning",
];

/// So many of them make a sheet one of ours: a sheet may have a `Protocolo` and a `Situação` of its own.
const HEADINGS_MIN: usize = 6;

/// The headings of [`RESULT_COLUMNS`], in their order.
pub fn headings(language: Language) -> [Cow<'static, str>; RESULT_COLUMNS.len()] {
    HEADINGS.map(|heading| language.says(heading))
}

/// For each column of a sheet that we wrote for people, which of ours it is. `None`: it is another's.
///
/// Ours stand in front: of two columns of one name the first one is ours.
pub(super) fn ours(names: &[String]) -> Option<Vec<Option<&'static str>>> {
    Language::ALL.into_iter().find_map(|language| {
        let mut found = vec![None; names.len()];
        for (heading, column) in headings(language).iter().zip(RESULT_COLUMNS) {
            if let Some(at) = names.iter().position(|name| crate::ticket::trim(name) == heading) {
                found[at] = Some(column);
            }
        }
        let has = |column: &str| found.contains(&Some(column));
        let n_found = found.iter().flatten().count();
        (has("state") && has("referencia") && HEADINGS_MIN <= n_found).then_some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::*;

    #[test]
    fn no_heading_is_taken_for_a_field() {
        for language in Language::ALL {
            for (heading, column) in headings(language).iter().zip(RESULT_COLUMNS) {
                let expected = (column == "referencia").then_some(header::Target::Referencia);
                assert_eq!(header::of_name(heading), expected, "{heading}");
                assert!(!header::may_be_service(heading) && !header::is_other_number(heading), "{heading}");
            }
        }
    }

    #[test]
    fn a_sheet_of_ours_is_known_in_each_language_and_others_are_not() {
        for language in Language::ALL {
            let mut names = headings(language).map(Cow::into_owned).to_vec();
            let own = ["Nome", "Protocolo", "referencia", "state"].map(str::to_owned);
            names.extend(own);
            let found = ours(&names).unwrap();
            assert_eq!(found[..RESULT_COLUMNS.len()], RESULT_COLUMNS.map(Some));
            assert!(found[RESULT_COLUMNS.len()..].iter().all(Option::is_none), "{found:?}");
        }
        let other = "Linha;Lote;Referência;Situação;Protocolo;Nome;Telefone";
        assert_eq!(ours(&other.split(';').map(str::to_owned).collect::<Vec<_>>()), None);
        assert_eq!(ours(&RESULT_COLUMNS.map(str::to_owned)), None, "a results.csv is known otherwise");
    }
}
