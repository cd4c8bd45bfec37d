//! `check`: every problem of every row at once; nothing is sent.

use serde_json::json;

use super::args::Check;
use super::exit::Exit;
use super::failure::Failure;
use super::findings;
use super::problems::Problems;
use super::screen::Screen;
use super::services;
use super::typed::Typed;
use crate::app::check::{Wanted, check as check_rows};
use crate::app::sheet::{Sheet, name_of};
use crate::app::summary;
use crate::app::target::Target;
use crate::intake::Hashing;
use crate::registry::ColumnMemory;
use crate::settings::{Flags, Sending, Sources};

pub async fn check(args: Check, sources: &Sources, screen: &Screen) -> Result<Exit, Failure> {
    let reading = sources.resolve(&args.settings)?;
    if args.sandbox && !args.online && !reading.find_service {
        return Err(Failure::new(
            Exit::Usage,
            tr!("--sandbox says what is asked, and nothing is"),
            tr!("add --online or --find-service"),
        ));
    }
    let asked = if args.online || reading.find_service {
        let sending = Sending { sandbox: args.sandbox, ..sources.resolve(&Flags::none())? };
        Some((Target::new(sources, &sending)?, sending))
    } else {
        None
    };
    screen.note(tr!("reading %{file}", file = name_of(&args.file)));
    let wanted = Wanted { repeats: !reading.allow_repeats, ids: args.online };
    let mut sheet = match reading.find_service {
        true => Sheet::kept(args.file, reading)?,
        false => Sheet::once(args.file, reading),
    };
    let memory = ColumnMemory::at(sources.environment().state_folder());
    let Some(intake) = findings::open(&mut sheet, Hashing::Off, &memory, None, screen)? else {
        return Ok(Exit::Done);
    };
    findings::remember(&sheet, &intake, &memory, screen);
    let (intake, customers) = match &asked {
        Some((target, sending)) if sheet.reading.find_service => {
            drop(intake);
            let tally = services::look_up(&mut sheet, target, sending, None, None, screen).await?;
            (sheet.open(Hashing::Off)?, Some(tally))
        }
        _ => (intake, None),
    };
    let mut problems = Problems::of(&intake, screen);
    let checked =
        check_rows(intake, wanted, || true, |line, problem, row| problems.problem(line, problem, row))?;
    for repeat in &checked.repeats {
        problems.repeat(*repeat);
    }
    findings::tell_beside_problems(&checked.findings, screen);
    if let Some((target, sending)) = asked.as_ref().filter(|_| args.online) {
        checked.compare_ids(target, sending.rate, |finding| problems.id(finding, &target.host)).await?;
    }
    let (n_rows, n_invalid) = (checked.n_rows, checked.n_invalid);
    let reasons =
        checked.reasons(&tr!("repeats an earlier line, and would be skipped, unless --allow-repeats"));
    if screen.json {
        let mut counts = json!({
            "version": 1, "rows": n_rows, "valid": n_rows - n_invalid, "invalid": n_invalid,
            "repeats": problems.n_repeats, "unknown_ids": problems.n_unknown, "problems": problems.n_problems,
            "reasons": summary::reasons(&reasons), "reasons_others": reasons.n_others,
        });
        if let Some(customers) = customers {
            counts["customers"] = json!(summary::customers(customers));
        }
        problems.line(&counts.to_string());
    } else {
        problems.tell(&reasons);
    }
    problems.flush();
    let repeats = match problems.n_repeats {
        0 => String::new(),
        n_repeats => tr!(", %{n} %{n|repeats|repeat} an earlier one", n = n_repeats).into_owned(),
    };
    screen.note(tr!(
        "%{n} of %{total} %{total|row is|rows are} valid%{repeats}",
        n = n_rows - n_invalid,
        total = n_rows,
        repeats = repeats
    ));
    let import = Typed::now().import_of(&sheet.file);
    if 0 < n_invalid || 0 < problems.n_unknown {
        screen.note(tr!(
            "hint: correct the cells above and check again; `%{command}` opens the valid rows and skips the others",
            command = import
        ));
        return Ok(Exit::File);
    }
    screen.note(tr!("hint: `%{command}` opens them", command = import));
    Ok(Exit::Done)
}
