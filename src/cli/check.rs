//! `check`: every problem of every row at once; nothing is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write, stdout};

use serde_json::json;

use super::args::Check;
use super::delivering::{Calm, Target, halted};
use super::exit::Exit;
use super::failure::Failure;
use super::findings::{self, Findings};
use super::reading;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::results::ColumnNames;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::{Halt, Rate};
use crate::intake::{GuessedService, Hashing, Repeat, Repeats};
use crate::printable::{self, LINE_CHARS_MAX};
use crate::settings::{Flags, Sending, Sources};
use crate::ticket::{ByField, Field, Problem, Ticket, Value};

pub async fn check(args: Check, sources: &Sources, screen: &Screen) -> Result<Exit, Failure> {
    let reading = sources.resolve(&args.settings)?;
    let online = if args.online {
        let sending = Sending { sandbox: args.sandbox, ..sources.resolve(&Flags::none())? };
        Some((Target::new(sources, &sending)?, sending.rate))
    } else {
        None
    };
    screen.note(format!("reading {}", reading::name_of(&args.file)));
    let mut intake = reading::open(&args.file, &reading, Hashing::Off)?;
    reading::describe(&intake, screen);
    let columns = reading::column_names(&intake);

    let mut told = Told { columns, out: BufWriter::new(stdout()), screen, n_problems: 0, n_repeats: 0 };
    let mut seen = (!reading.allow_repeats).then(Repeats::default);
    let (mut n_rows, mut n_invalid) = (0_u64, 0_u64);
    let mut found = Findings::default();
    let mut guess = intake.guessed_service();
    let mut ids = Ids::default();
    while let Some(row) = intake.next_row()? {
        n_rows += 1;
        let parsed = row.parse(&row.raw());
        found.take(row.line, &parsed);
        match &parsed {
            Err(problems) => {
                n_invalid += 1;
                for problem in problems {
                    told.problem(row.line, problem);
                }
            }
            Ok(parsed) => {
                if let Some(seen) = &mut seen {
                    seen.add(&parsed.ticket, row.line);
                }
                if let Some(guess) = &mut guess {
                    guess.add(&parsed.ticket);
                }
                if online.is_some() {
                    ids.take(&parsed.ticket, row.line);
                }
            }
        }
    }
    for repeat in seen.map(Repeats::finish).unwrap_or_default() {
        told.repeat(repeat);
    }
    findings::tell_asides(intake.asides(), screen);
    found.tell_notices(&told.columns, screen);
    if let Some(doubt) = guess.and_then(GuessedService::finish) {
        screen.note(doubt.to_string());
    }
    let n_unknown = match &online {
        Some((target, rate)) => ids.compare(target, *rate, &mut told, screen).await?,
        None => 0,
    };
    if screen.json {
        let counts = json!({
            "version": 1, "rows": n_rows, "valid": n_rows - n_invalid, "invalid": n_invalid,
            "repeats": told.n_repeats, "unknown_ids": n_unknown, "problems": told.n_problems,
        });
        told.line(&counts.to_string());
    }
    told.flush();
    let repeats = match told.n_repeats {
        0 => String::new(),
        n_repeats => format!(", {n_repeats} repeat an earlier one"),
    };
    screen.note(format!("{} of {n_rows} rows are valid{repeats}", n_rows - n_invalid));
    let import = reading::import_of(&args.file);
    if 0 < n_invalid || 0 < n_unknown {
        screen.note(format!(
            "hint: correct the cells above and check again; `{import}` opens the valid rows and skips the others"
        ));
        return Ok(Exit::File);
    }
    screen.note(format!("hint: `{import}` opens them"));
    Ok(Exit::Done)
}

/// Problems on stdout, as they are found.
struct Told<'a> {
    columns: ColumnNames,
    out: BufWriter<std::io::Stdout>,
    screen: &'a Screen,
    n_problems: u64,
    n_repeats: u64,
}

impl Told<'_> {
    fn problem(&mut self, line: u64, it: &Problem) {
        self.n_problems += 1;
        let column = self.columns.get(it.field.as_ref()).map_or(it.field.as_ref(), String::as_str);
        if self.screen.json {
            let text = json!({
                "line": line, "column": column, "field": it.field, "value": it.found, "code": it.code,
                "message": it.message, "hint": it.hint,
            });
            return self.line(&text.to_string());
        }
        let column = printable::name(column);
        let found = if it.found.is_empty() { String::new() } else { format!(", found `{}`", it.found) };
        let text = format!("line {line}, {column}{found}: {} ({})", it.message, it.code);
        self.line(&text);
        self.line(&format!("    hint: {}", it.hint));
    }

    fn repeat(&mut self, Repeat { line, first_line }: Repeat) {
        self.n_repeats += 1;
        let text = if self.screen.json {
            json!({"line": line, "code": "repeat", "first_line": first_line}).to_string()
        } else {
            format!(
                "line {line}: repeats line {first_line}; it would be skipped, unless --allow-repeats (repeat)"
            )
        };
        self.line(&text);
    }

    fn line(&mut self, text: &str) {
        let text =
            if self.screen.json { printable::json(text) } else { printable::line(text, LINE_CHARS_MAX) };
        self.screen.wrote(writeln!(self.out, "{text}"));
    }

    fn flush(&mut self) {
        self.screen.wrote(self.out.flush());
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

    /// Tells which ids the tenant does not know, and how many they are. A catalogue that cannot be
    /// read proves nothing.
    async fn compare(
        &self,
        target: &Target,
        rate: Rate,
        told: &mut Told<'_>,
        screen: &Screen,
    ) -> Result<u64, Failure> {
        let mut n_unknown = 0;
        for field in Field::ALL {
            let Some(catalogue) = field.catalogue() else { continue };
            let reply = target.api.catalogue(catalogue, &Calm::new(rate)).await;
            let known: BTreeSet<i64> = match Evidence::of(&reply) {
                Evidence { row: Row::Answered(entries), .. } => entries.iter().map(|it| it.id).collect(),
                Evidence { guard: Guard::Unauthorized(fault), .. } => {
                    return Err(halted(&Halt::Unauthorized(fault.clone())));
                }
                Evidence { row: Row::NotSent(fault), .. } => {
                    return Err(Failure::new(
                        Exit::Unreachable,
                        format!("{} cannot be reached: {}", target.host, fault.message),
                        format!("`{}` tries what a run needs", Typed::now().other(&["doctor"])),
                    ));
                }
                _ => {
                    if !self.0[field].is_empty() {
                        screen.warn(format!("{field}: not verified, the catalogue cannot be read"));
                    }
                    continue;
                }
            };
            for (id, line) in self.0[field].iter().filter(|(id, _)| !known.contains(id)) {
                n_unknown += 1;
                told.problem(
                    *line,
                    &Problem {
                        field: field.name().into(),
                        code: "unknown_id".into(),
                        found: id.to_string(),
                        message: format!("{} does not know this id (first used here)", target.host).into(),
                        hint: "ids are each tenant's own: look it up in HubSoft".into(),
                    },
                );
            }
        }
        Ok(n_unknown)
    }
}
