//! What a form says: the same settings as flags.

use std::path::Path;

use maud::{Markup, html};

use crate::settings::{Flags, Group};

/// The field of a form that says what all tickets say: no setting of its own, but `--set` of that field.
pub const DESCRICAO: &str = "descricao";

/// The settings that a form may say besides that, and no others: where HubSoft is, secrets, folders, pace and
/// what else decides how tickets are opened is said by who runs the program.
const SETTINGS: [&str; 8] =
    ["sheet", "header_row", "map", "default_ddd", "hidden", "find_service", "skip_if_open", "sandbox"];

/// Of these, those that a form only switches on. What is a rehearsal by the settings stays one.
const SWITCHES: [&str; 3] = ["find_service", "skip_if_open", "sandbox"];

/// With a column's name behind it: the field that says what this column is, shorter than `map` where it is
/// one of many.
pub const COLUMN: &str = "map:";

/// The fields of a form, in their order.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// As a browser sends them.
    pub fn of(fields: Vec<(String, String)>) -> Self {
        let said = fields.into_iter().filter_map(|(key, text)| match key.strip_prefix(COLUMN) {
            Some(column) => (!text.is_empty()).then(|| ("map".to_owned(), format!("{column}={text}"))),
            None => Some((key, text)),
        });
        Self(said.collect())
    }

    /// What the field `name` says first, unless that is blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut said = self.0.iter().filter(|(key, text)| key == name && !text.trim().is_empty());
        said.next().map(|(_, text)| text.as_str())
    }

    /// The same again, in another form that is only sent.
    pub fn hidden(&self) -> Markup {
        self.hidden_but(&[])
    }

    /// The same, but for what that form asks itself.
    pub fn hidden_but(&self, asked: &[&str]) -> Markup {
        let others = self.given().filter(|(name, _)| !asked.contains(name));
        html! { @for (name, text) in others { input type="hidden" name=(name) value=(text); } }
    }

    /// What somebody wrote or chose.
    pub fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.said().filter(|(_, text)| !text.is_empty())
    }

    /// The settings that it says.
    pub fn flags<G: Group>(&self) -> Flags<G> {
        let may_say = |(name, text): &(&str, &str)| {
            SETTINGS.contains(name) && (!SWITCHES.contains(name) || *text == "true")
        };
        let set = self.get(DESCRICAO).map(|text| format!("{DESCRICAO}={}", text.trim()));
        let set = set.iter().map(|set| ("set", &**set));
        Flags::of_form(self.said().filter(may_say).chain(set))
    }

    /// What it says of columns: each, and what it is.
    pub fn maps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given().filter(|(key, _)| *key == "map").filter_map(|(_, map)| map.rsplit_once('='))
    }

    /// All that it says.
    pub fn said(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }
}

/// What a sheet is called, as a person knows it.
pub fn name_of(sheet: &Path) -> String {
    sheet.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{self, Database, Import, Paging, Worker};

    fn said(name: &str, text: &str) -> [String; 4] {
        let form = Form::of(vec![(name.to_owned(), text.to_owned())]);
        [
            format!("{:?}", form.flags::<Import>()),
            format!("{:?}", form.flags::<Database>()),
            format!("{:?}", form.flags::<Paging>()),
            format!("{:?}", form.flags::<Worker>()),
        ]
    }

    /// Seen: whatever key a form had, also one that no form of ours has, set the setting of that name.
    #[test]
    fn a_form_says_the_settings_that_its_page_offers_and_no_others() {
        let nothing = said("nothing", "true");
        let all = settings::all();
        assert!(SETTINGS.iter().all(|name| all.iter().any(|setting| setting.key == *name)));
        for key in all.iter().map(|setting| setting.key) {
            for text in ["true", "false", "x=y", "1"] {
                let is_said = said(key, text) != nothing;
                let may_say = SETTINGS.contains(&key) && (!SWITCHES.contains(&key) || text == "true");
                assert_eq!(is_said, may_say, "{key} {text}");
            }
        }
        for key in ["rate", "set", "hubsoft_url", "hubsoft_password_file", "database_url", "output", "yes"] {
            assert_eq!(said(key, "abrir_os=sim"), nothing, "{key}");
        }
        assert!(said("sandbox", "true") != nothing && said("sandbox", "false") == nothing);
        let [import, ..] = said(DESCRICAO, " Sem sinal ");
        assert!(import.contains("descricao=Sem sinal\""), "{import}");
    }
}
