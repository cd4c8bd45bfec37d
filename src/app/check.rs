//! `check`: every problem of every row at once; nothing is sent.

use std::collections::{BTreeMap, BTreeSet};

use super::deliver::Calm;
use super::fault::Fault;
use super::findings::{Findings, Kinds};
use super::sheet::column_names;
use super::target::Target;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::{Halt, REPEAT, Rate, State};
use crate::intake::{GuessedService, Intake, Repeat, Repeats};
use crate::outbox::{EXAMPLES_MAX, ExampleRow, Reasons, RowReason};
use crate::text;
use crate::ticket::{ByField, Field, Problem, RawTicket, Ticket, Value};

/// What is looked for besides problems.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub repeats: bool,
    /// Ids, to be compared with what a tenant knows.
    pub ids: bool,
}

/// What was found.
pub struct Checked {
    pub n_rows: u64,
    pub n_invalid: u64,
    pub repeats: Vec<Repeat>,
    pub findings: Findings,
    ids: Ids,
}

/// Reads all rows, unless before one of them it no more `goes_on`; `told` hears of each problem, its line,
/// and what that says.
pub fn check(
    mut intake: Intake,
    wanted: Wanted,
    goes_on: impl Fn() -> bool,
    mut told: impl FnMut(u64, &Problem, &RawTicket<'_>),
) -> Result<Checked, Fault> {
    let mut repeats = wanted.repeats.then(Repeats::default);
    let (mut n_rows, mut n_invalid) = (0_u64, 0_u64);
    let mut kinds = Kinds::default();
    let mut guess = intake.guessed_service();
    let mut ids = Ids::default();
    while let Some(row) = intake.next_row()? {
        if !goes_on() {
            return Err(Fault::GivenUp { n_rows });
        }
        n_rows += 1;
        let raw = row.raw();
        let parsed = row.parse(&raw);
        kinds.take(&row, &parsed);
        match &parsed {
            Err(problems) => {
                n_invalid += 1;
                for problem in problems {
                    told(row.line, problem, &raw);
                }
            }
            Ok(parsed) => {
                if let Some(repeats) = &mut repeats {
                    repeats.add(&parsed.ticket, row.line);
                }
                if let Some(guess) = &mut guess {
                    guess.add(&parsed.ticket);
                }
                if wanted.ids {
                    ids.take(&parsed.ticket, row.line);
                }
            }
        }
    }
    let mut doubts = intake.summary().doubts.clone();
    doubts.extend(guess.and_then(GuessedService::finish));
    let findings = Findings { asides: intake.asides(), kinds, columns: column_names(&intake), doubts };
    let repeats = repeats.map(Repeats::finish).unwrap_or_default();
    Ok(Checked { n_rows, n_invalid, repeats, findings, ids })
}

/// What is wrong with the ids of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdFinding {
    /// The tenant does not know it; the first line that asks for it.
    Unknown { field: Field, id: i64, line: u64 },
    /// The catalogue cannot be read, which proves nothing.
    Unread { field: Field },
}

impl Checked {
    /// Why rows would not be opened, the commonest reason first; `repeat` says why the repeats would not.
    pub fn reasons(&self, repeat: &str) -> Reasons {
        let mut reasons = self.findings.kinds.reasons();
        if !self.repeats.is_empty() {
            let examples = self.repeats.iter().take(EXAMPLES_MAX);
            reasons.told.push(RowReason {
                state: State::Skipped,
                code: Some(REPEAT.to_owned()),
                field: None,
                message: Some(repeat.to_owned()),
                n_rows: self.repeats.len() as u64,
                examples: examples
                    .map(|Repeat { line, .. }| ExampleRow { line: *line, referencia: String::new() })
                    .collect(),
            });
        }
        let n_others = reasons.n_others;
        let most = Reasons::most(reasons.told);
        Reasons { n_others: n_others + most.n_others, ..most }
    }

    /// Compares the ids that valid rows ask for with the tenant's catalogues.
    pub async fn compare_ids(
        &self,
        target: &Target,
        rate: Rate,
        mut told: impl FnMut(IdFinding),
    ) -> Result<(), Fault> {
        for field in Field::ALL {
            let Some(catalogue) = field.catalogue() else { continue };
            let asked_for = &self.ids.0[field];
            let reply = target.api.catalogue(catalogue, &Calm::new(rate)).await;
            match Evidence::of(&reply) {
                Evidence { row: Row::Answered(entries), .. } => {
                    let known: BTreeSet<i64> = entries.iter().map(|entry| entry.id).collect();
                    for (&id, &line) in asked_for.iter().filter(|(id, _)| !known.contains(id)) {
                        told(IdFinding::Unknown { field, id, line });
                    }
                }
                Evidence { guard: Guard::Unauthorized(fault), .. } => {
                    return Err(Fault::Halted(Halt::Unauthorized(fault.clone())));
                }
                Evidence { row: Row::NotSent(fault), .. } => {
                    let (host, why) = (target.host.clone(), text::fault(fault));
                    return Err(Fault::Unreachable { host, why });
                }
                _ if asked_for.is_empty() => {}
                _ => told(IdFinding::Unread { field }),
            }
        }
        Ok(())
    }
}

/// The ids of catalogues that valid rows ask for, and the first line that does.
#[derive(Default)]
struct Ids(ByField<BTreeMap<i64, u64>>);

impl Ids {
    fn take(&mut self, ticket: &Ticket, line: u64) {
        for field in Field::ALL.into_iter().filter(|field| field.catalogue().is_some()) {
            if let Some(Value::Id(id)) = ticket.value(field) {
                self.0[field].entry(id.get()).or_insert(line);
            }
        }
    }
}
