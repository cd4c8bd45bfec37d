//! What became of a batch as a whole, as the sheet of a workbook and `report.html` tell it.

use std::borrow::Cow;

use jiff::Timestamp;

use super::clock::{between, local};
use crate::delivery::State;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::text;

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Account {
    pub batch: String,
    /// The spreadsheet that its rows are from.
    pub file: String,
    /// Where its tickets are. `None`: nothing was sent.
    pub host: Option<String>,
    /// Its tickets are in HubSoft, and not in a sandbox.
    pub is_real: bool,
    /// Who runs the command that writes it.
    pub user: String,
    pub written_at: Timestamp,
    /// When its first row was sent, and the last one was settled. `None`: nothing was sent.
    pub sent: Option<(Timestamp, Timestamp)>,
    /// How many rows are in each state, without those in which none is. What was being sent is in doubt.
    pub states: Vec<(State, u64)>,
    /// Why rows were not opened, the commonest reason first.
    pub reasons: Vec<Reason>,
    /// How often other reasons stand.
    pub n_other_reasons: u64,
    /// Of the rows that were opened: a service order was asked for and is missing.
    pub n_without_os: u64,
    /// Of the rows that were opened: another ticket is open for the service, of another type.
    pub n_beside: u64,
}

/// Why rows were not opened.
#[derive(Clone, Debug)]
pub struct Reason {
    pub state: State,
    pub code: String,
    /// Of a problem of a cell: its field.
    pub field: Option<String>,
    /// HubSoft's words, or ours. `None`: there are none any more.
    pub message: Option<String>,
    pub n_rows: u64,
    /// The first of them: line, and reference.
    pub examples: Vec<(u64, String)>,
}

impl Reason {
    /// The lines of the first rows; of those that came from programs their references.
    pub(super) fn where_it_stands(&self) -> String {
        let place = |(line, referencia): &(u64, String)| match line {
            0 => referencia.clone(),
            line => line.to_string(),
        };
        let mut places = self.examples.iter().map(place).collect::<Vec<_>>().join(", ");
        if (self.examples.len() as u64) < self.n_rows {
            places.push_str(", …");
        }
        places
    }

    /// What is wrong, in words; `message` as it may be shown.
    pub(super) fn in_words(&self, message: Option<&str>) -> String {
        let message = message.unwrap_or(&self.code);
        match &self.field {
            Some(field) => format!("{}: {message}", text::field(field)),
            None => message.to_owned(),
        }
    }
}

impl Account {
    pub fn n_rows(&self) -> u64 {
        self.states.iter().map(|(_, n)| n).sum()
    }

    pub fn count(&self, state: State) -> u64 {
        self.states.iter().find(|(known, _)| *known == state).map_or(0, |(_, n)| *n)
    }

    /// What happened, in one sentence.
    pub fn sentence(&self) -> String {
        let (n_opened, n_rows) = (self.count(State::Opened), self.n_rows());
        if n_opened == n_rows && 1 < n_rows {
            tr!("%{batch}: all %{n} tickets are open", batch = self.batch, n = n_rows).into_owned()
        } else {
            tr!(
                "%{batch}: %{n} of %{total} %{total|ticket is|tickets are} open",
                batch = self.batch,
                n = n_opened,
                total = n_rows
            )
            .into_owned()
        }
    }

    /// What a person should know of rows that were opened, in a sentence each.
    pub(super) fn cautions(&self) -> Vec<Cow<'static, str>> {
        let (without, beside) = (self.n_without_os, self.n_beside);
        let of = |n: u64, told: Cow<'static, str>| (0 < n).then_some(told);
        let all = [
            of(without, tr!("opened without the service order that was asked for: %{n}", n = without)),
            of(beside, tr!("opened beside an open ticket of another type: %{n}", n = beside)),
        ];
        all.into_iter().flatten().collect()
    }

    /// When it happened, in another. `None`: nothing was sent.
    pub(super) fn when(&self) -> Option<String> {
        let (from, to) = self.sent?;
        let (lasted, from, to) = (between(from, to), local(from), local(to));
        Some(tr!("from %{from} to %{to}, in %{lasted}", from = from, to = to, lasted = lasted).into_owned())
    }

    /// Which batch it is, where and when it went, and who wrote this: names, and what they are.
    pub(super) fn facts(&self) -> Vec<(Cow<'static, str>, String)> {
        let host = match &self.host {
            _ if !self.is_real => tr!("sandbox").into_owned(),
            Some(host) => host.clone(),
            None => tr!("nothing was sent").into_owned(),
        };
        let mut facts = vec![
            (tr!("Batch"), self.batch.clone()),
            (tr!("Spreadsheet"), self.file.clone()),
            (tr!("HubSoft"), host),
        ];
        if let Some((from, to)) = self.sent {
            facts.push((tr!("First row sent"), local(from)));
            facts.push((tr!("Last row settled"), local(to)));
            facts.push((tr!("Duration"), between(from, to)));
        }
        facts.push((tr!("Written by"), self.user.clone()));
        facts.push((tr!("Written at"), local(self.written_at)));
        facts.push((tr!("Program"), concat!("mutirao ", env!("CARGO_PKG_VERSION")).to_owned()));
        let line = |text: String| printable::line(&text, LINE_CHARS_MAX).into_owned();
        facts.into_iter().map(|(name, value)| (name, line(value))).collect()
    }
}
