//! What a row warns of, as both drivers keep it: in `warnings` a list, each entry with its code, what is
//! known of it, and its words; in `warning` those words, for people. SQL puts lists together, and no words.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stored::json;
use crate::delivery::{Beside, Warning};

/// How a driver says in SQL what is done to a list.
#[derive(Clone, Copy)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

/// An entry of the list.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    code: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    opened: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    others: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocolo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    words: String,
}

impl Entry<'_> {
    fn of(warning: &Warning, as_stored: fn(&str) -> Cow<'_, str>) -> Self {
        let own = |text: &String| as_stored(text).into_owned();
        let mut entry = Self {
            code: Cow::Borrowed(warning.code()),
            asked: None,
            opened: None,
            others: None,
            protocolo: None,
            columns: None,
            label: None,
            words: own(&crate::text::warning(warning)),
        };
        match warning {
            Warning::Notice { .. } | Warning::WithoutOs => {}
            Warning::Outdated { columns } => entry.columns = Some(own(columns)),
            Warning::WrongType { asked, opened } => {
                (entry.asked, entry.opened) = (Some(own(asked)), Some(own(opened)));
            }
            Warning::Duplicate { others } => entry.others = Some(others.iter().map(own).collect()),
            Warning::OpenedTwice { protocolo } => entry.protocolo = Some(own(protocolo)),
            Warning::Beside(Beside { protocolo, label }) => {
                (entry.protocolo, entry.label) = (protocolo.as_ref().map(own), Some(own(label)));
            }
        }
        entry
    }

    fn warning(self) -> Option<Warning> {
        Some(match &*self.code {
            "notice" => Warning::Notice { said: self.words },
            "outdated" => Warning::Outdated { columns: self.columns? },
            "wrong_type" => Warning::WrongType { asked: self.asked?, opened: self.opened? },
            "without_os" => Warning::WithoutOs,
            "duplicate" => match (self.others, self.protocolo) {
                (Some(others), _) => Warning::Duplicate { others },
                (None, protocolo) => Warning::OpenedTwice { protocolo: protocolo? },
            },
            "beside" => Warning::Beside(Beside { protocolo: self.protocolo, label: self.label? }),
            _ => return None,
        })
    }
}

/// As JSON; `None` for the many rows that warn of nothing. `as_stored` is a text as the outbox can hold it.
pub(super) fn list(warnings: &[Warning], as_stored: fn(&str) -> Cow<'_, str>) -> Option<String> {
    let entries = || warnings.iter().map(|warning| Entry::of(warning, as_stored)).collect::<Vec<_>>();
    (!warnings.is_empty()).then(|| json(&entries()))
}

/// The list of a row, as it is stored. What somebody else has written there warns of nothing that is known,
/// and keeps no settle back.
pub(super) fn of_list(json: Option<&str>) -> Vec<Warning> {
    let entries: Vec<Value> = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|entry| serde_json::from_value::<Entry<'_>>(entry).ok()?.warning())
        .collect()
}

impl Dialect {
    /// Assignments that put the list `new` behind what the row warns of; of NULL, nothing is new.
    pub(super) fn append(self, row: &str, new: &str) -> String {
        let both = match self {
            Self::Postgres => format!("coalesce({row}.warnings, '[]') || ({new})::jsonb"),
            Self::Sqlite => format!(
                "CASE WHEN {row}.warnings IS NULL THEN {new}
                      ELSE substr({row}.warnings, 1, length({row}.warnings) - 1) || ',' || substr({new}, 2) END"
            ),
        };
        format!(
            "warnings = CASE WHEN {new} IS NULL THEN {row}.warnings ELSE {both} END,
             warning = CASE WHEN {new} IS NULL THEN {row}.warning ELSE {} END",
            self.messages(&both)
        )
    }

    /// The list of a new row of which validation has `said` something (SQL, NULL: nothing).
    pub(super) fn noticed(self, said: &str) -> String {
        let entry = self.entry(&format!("'code', 'notice', 'words', {said}"));
        let list = match self {
            Self::Postgres => format!("jsonb_build_array({entry})"),
            Self::Sqlite => format!("json_array({entry})"),
        };
        format!("CASE WHEN {said} IS NOT NULL THEN {list} END")
    }

    /// Assignments to a row `o` whose file says something else of the columns in `s.outdated`, where that is
    /// not NULL. Once, however often the file changes.
    pub(super) fn outdated(self) -> String {
        let words = crate::text::warning(&Warning::Outdated { columns: String::new() }).replace('\'', "''");
        let entry = self
            .entry(&format!("'code', 'outdated', 'columns', s.outdated, 'words', '{words}' || s.outdated"));
        let list = match self {
            Self::Postgres => format!(
                "coalesce((SELECT jsonb_agg(w.entry ORDER BY w.n)
                             FROM jsonb_array_elements(o.warnings) WITH ORDINALITY w(entry, n)
                            WHERE w.entry ->> 'code' <> 'outdated'), '[]') || jsonb_build_array({entry})"
            ),
            Self::Sqlite => format!(
                "json_insert((SELECT json_group_array(json(w.value)) FROM json_each(o.warnings) w
                               WHERE w.value ->> 'code' <> 'outdated'), '$[#]', {entry})"
            ),
        };
        format!(
            "warnings = CASE WHEN s.outdated IS NULL THEN o.warnings ELSE {list} END,
             warning = CASE WHEN s.outdated IS NULL THEN o.warning ELSE {} END",
            self.messages(&list)
        )
    }

    /// How many rows lack a service order, and how many were opened beside another ticket.
    pub(super) fn counts(self, row: &str) -> String {
        let of = |warning| format!("count(*) FILTER (WHERE {})", self.has(row, &warning));
        [of(Warning::WithoutOs), of(Warning::Beside(Beside::default()))].join(", ")
    }

    /// Whether a row warns of `warning`, whatever else is known of it.
    fn has(self, row: &str, warning: &Warning) -> String {
        let code = warning.code();
        match self {
            Self::Postgres => format!("{row}.warnings @> '[{{\"code\": \"{code}\"}}]'"),
            Self::Sqlite => format!(
                "{row}.warnings IS NOT NULL
                 AND EXISTS (SELECT 1 FROM json_each({row}.warnings) w WHERE w.value ->> 'code' = '{code}')"
            ),
        }
    }

    fn entry(self, keys: &str) -> String {
        match self {
            Self::Postgres => format!("jsonb_build_object({keys})"),
            Self::Sqlite => format!("json_object({keys})"),
        }
    }

    /// The words of a list, as one text.
    fn messages(self, list: &str) -> String {
        match self {
            Self::Postgres => format!(
                "(SELECT string_agg(w.entry ->> 'words', '; ' ORDER BY w.n)
                    FROM jsonb_array_elements({list}) WITH ORDINALITY w(entry, n))"
            ),
            Self::Sqlite => {
                format!("(SELECT group_concat(w.value ->> 'words', '; ') FROM json_each({list}) w)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::settle::verbatim;

    #[test]
    fn a_warning_comes_back_as_it_was() {
        let text = || "a".to_owned();
        let all = [
            Warning::Notice { said: text() },
            Warning::Outdated { columns: text() },
            Warning::WrongType { asked: text(), opened: text() },
            Warning::WithoutOs,
            Warning::Duplicate { others: vec![text(), text()] },
            Warning::OpenedTwice { protocolo: text() },
            Warning::Beside(Beside { protocolo: Some(text()), label: text() }),
            Warning::Beside(Beside { protocolo: None, label: text() }),
        ];
        let stored = list(&all, verbatim).expect("it is not empty");
        assert_eq!(of_list(Some(&stored)), all);
        assert_eq!((list(&[], verbatim), of_list(None)), (None, Vec::new()));
    }

    /// A worker that could not read it would settle nothing any more.
    #[test]
    fn what_somebody_else_wrote_among_warnings_is_passed_over() {
        for stored in ["", "null", "\"x\"", "{}", "[7, \"x\", {}]", r#"[{"code": "other", "words": "x"}]"#] {
            assert_eq!(of_list(Some(stored)), [], "{stored}");
        }
        let ours = r#"[7, {"code": "without_os", "words": "x"}, {"code": "outdated", "words": "x"}]"#;
        assert_eq!(of_list(Some(ours)), [Warning::WithoutOs]);
    }
}
