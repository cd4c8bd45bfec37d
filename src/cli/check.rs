//! `check`: every problem of every row at once; nothing is sent.

use std::io::{BufWriter, Write, stdout};

use serde_json::json;

use super::args::Check;
use super::exit::Exit;
use super::failure::Failure;
use super::findings;
use super::screen::Screen;
use super::typed::Typed;
use crate::app::check::{IdFinding, Wanted, check as check_rows};
use crate::app::sheet::{ColumnNames, Sheet, column_names, name_of};
use crate::app::target::Target;
use crate::intake::{Hashing, Repeat};
use crate::printable::{self, LINE_CHARS_MAX};
use crate::settings::{Flags, Sending, Sources};
use crate::ticket::Problem;

pub async fn check(args: Check, sources: &Sources, screen: &Screen) -> Result<Exit, Failure> {
    let reading = sources.resolve(&args.settings)?;
    let online = if args.online {
        let sending = Sending { sandbox: args.sandbox, ..sources.resolve(&Flags::none())? };
        Some((Target::new(sources, &sending)?, sending.rate))
    } else {
        None
    };
    screen.note(format!("reading {}", name_of(&args.file)));
    let wanted = Wanted { repeats: !reading.allow_repeats, ids: online.is_some() };
    let sheet = Sheet::once(args.file, reading);
    let intake = sheet.open(Hashing::Off)?;
    findings::describe(&intake, screen);
    let mut told = Told {
        columns: column_names(&intake),
        out: BufWriter::new(stdout()),
        screen,
        n_problems: 0,
        n_repeats: 0,
        n_unknown: 0,
    };
    let checked = check_rows(intake, wanted, |line, problem| told.problem(line, problem))?;
    for repeat in &checked.repeats {
        told.repeat(*repeat);
    }
    findings::tell_beside_problems(&checked.findings, screen);
    if let Some((target, rate)) = &online {
        checked.compare_ids(target, *rate, |finding| told.id(finding, &target.host)).await?;
    }
    let (n_rows, n_invalid) = (checked.n_rows, checked.n_invalid);
    if screen.json {
        let counts = json!({
            "version": 1, "rows": n_rows, "valid": n_rows - n_invalid, "invalid": n_invalid,
            "repeats": told.n_repeats, "unknown_ids": told.n_unknown, "problems": told.n_problems,
        });
        told.line(&counts.to_string());
    }
    told.flush();
    let repeats = match told.n_repeats {
        0 => String::new(),
        n_repeats => format!(", {n_repeats} repeat an earlier one"),
    };
    screen.note(format!("{} of {n_rows} rows are valid{repeats}", n_rows - n_invalid));
    let import = Typed::now().import_of(&sheet.file);
    if 0 < n_invalid || 0 < told.n_unknown {
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
    n_unknown: u64,
}

impl Told<'_> {
    fn problem(&mut self, line: u64, problem: &Problem) {
        self.n_problems += 1;
        let column = self.columns.get(problem.field.as_ref()).map_or(problem.field.as_ref(), String::as_str);
        if self.screen.json {
            let text = json!({
                "line": line, "column": column, "field": problem.field, "value": problem.found,
                "code": problem.code, "message": problem.message, "hint": problem.hint,
            });
            return self.line(&text.to_string());
        }
        let column = printable::name(column);
        let found =
            if problem.found.is_empty() { String::new() } else { format!(", found `{}`", problem.found) };
        let text = format!("line {line}, {column}{found}: {} ({})", problem.message, problem.code);
        self.line(&text);
        self.line(&format!("    hint: {}", problem.hint));
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

    fn id(&mut self, found: IdFinding, host: &str) {
        match found {
            IdFinding::Unread { field } => {
                self.screen.warn(format!("{field}: not verified, the catalogue cannot be read"));
            }
            IdFinding::Unknown { field, id, line } => {
                self.n_unknown += 1;
                let problem = Problem {
                    field: field.name().into(),
                    code: "unknown_id".into(),
                    found: id.to_string(),
                    message: format!("{host} does not know this id (first used here)").into(),
                    hint: "ids are each tenant's own: look it up in HubSoft".into(),
                };
                self.problem(line, &problem);
            }
        }
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
