//! Tells of a run what how it stands does not: once it is noticed.

use super::desk::{self, Desk};
use crate::app::progress::noted;
use crate::delivery::{Note, Watch};
use crate::language::Language;

pub struct Teller<'a> {
    pub desk: &'a Desk,
    /// Of who ordered the import.
    pub language: Language,
}

impl Watch for Teller<'_> {
    fn note(&self, note: Note<'_>) {
        let told = self.language.speak(|| noted(&note).map(|told| told.into_owned()));
        self.desk.tells(told.map(desk::Note::Told));
    }
}
