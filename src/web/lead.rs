//! What leads to a batch, and to its rows: in links and in forms.

use maud::{Markup, html};

use super::form::Form;
use crate::app::fault::Fault;
use crate::app::place::{Outboxes, Place};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The work folder that its outbox lies in. `None`: a setting names the outbox.
    folder: Option<String>,
    pub batch: String,
}

impl Lead {
    /// As a link or a form of ours has it.
    pub fn of(form: &Form) -> Self {
        let said = |name: &str| form.get(name).map(str::to_owned);
        Self { folder: said("in"), batch: said("batch").unwrap_or_default() }
    }

    pub fn to(place: &Place, batch: &str) -> Self {
        Self { folder: place.folder_name(), batch: batch.to_owned() }
    }

    /// To a batch of the outbox that a setting names.
    pub fn shared(batch: &str) -> Self {
        Self { folder: None, batch: batch.to_owned() }
    }

    pub fn place(&self, outboxes: &Outboxes) -> Result<Place, Fault> {
        Ok(outboxes.at(self.folder.as_deref())?.batch(&self.batch))
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let folder = self.folder.as_deref().map(|folder| ("in", folder));
        folder.into_iter().chain([("batch", self.batch.as_str())])
    }

    /// A link to `path`, where `more` is asked of it.
    pub fn href(&self, path: &str, more: &[(&str, &str)]) -> String {
        let path = format!("{path}?");
        let from = path.len();
        let mut query = form_urlencoded::Serializer::for_suffix(path, from);
        query.extend_pairs(self.pairs());
        query.extend_pairs(more);
        query.finish()
    }

    /// The same in a form.
    pub fn hidden(&self) -> Markup {
        html! { @for (name, text) in self.pairs() { input type="hidden" name=(name) value=(text); } }
    }
}
