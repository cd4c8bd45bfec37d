//! What a form says: the same settings as flags.

use std::path::Path;

use maud::{Markup, html};

use crate::app::fault::Fault;
use crate::settings::{Flags, Reading, Sources};

/// The field of a form that says what all tickets say: no setting of its own, but `--set` of that field.
pub const DESCRICAO: &str = "descricao";

/// The fields of a form, in their order.
pub struct Form(Vec<(String, String)>);

impl Form {
    pub fn of(mut fields: Vec<(String, String)>) -> Self {
        let is_said = |(name, text): &&(String, String)| name == DESCRICAO && !text.trim().is_empty();
        if let Some((name, text)) = fields.iter().find(is_said) {
            let set = format!("{name}={}", text.trim());
            fields.push(("set".to_owned(), set));
        }
        Self(fields)
    }

    /// What the field `name` says first, unless that is blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut said = self.0.iter().filter(|(key, text)| key == name && !text.trim().is_empty());
        said.next().map(|(_, text)| text.as_str())
    }

    /// The same again, in another form that is only sent.
    pub fn hidden(&self) -> Markup {
        self.hidden_but("")
    }

    /// The same, but for what that form asks itself.
    pub fn hidden_but(&self, asked: &str) -> Markup {
        let others = self.given().filter(|(name, _)| *name != asked);
        html! { @for (name, text) in others { input type="hidden" name=(name) value=(text); } }
    }

    /// What somebody wrote or chose, and not what was made of it.
    pub fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_given = |(name, text): &(&str, &str)| !text.is_empty() && *name != "set";
        self.said().filter(is_given)
    }

    /// How a sheet is read by it.
    pub fn reading(&self, sources: &Sources) -> Result<Reading, Fault> {
        Ok(sources.resolve(&Flags::of_form(self.said()))?)
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
