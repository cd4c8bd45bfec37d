//! A sheet that was brought: what is recognised, what is wrong, and how it is read otherwise.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use maud::{Markup, html};

use super::bring::bring;
use super::form::{COLUMN, DESCRICAO, Form};
use super::hints::on_the_page;
use super::page::{failed, page, scrolling, shown};
use crate::app::check::Checked;
use crate::app::fault::Fault;
use crate::app::preview::{Column, Preview};
use crate::intake::{Format, Repeat, Summary, Target};
use crate::language::filled::whole;
use crate::language::said;
use crate::outbox::{ExampleRow, Reasons, RowReason};
use crate::printable;
use crate::text;
use crate::ticket::{CUSTOMER_NOT_ASKED, Field, Problem, trim};

/// What the lines of the columns have together, and those of the problems. Bytes. Source: with all else that
/// a first view has it is 100 KiB at most, and 60 columns with short cells are shown.
const COLUMNS_LEN_MAX: usize = 44 * 1024;
const PROBLEMS_LEN_MAX: usize = 24 * 1024;

/// Repeats that are told one by one.
const REPEATS_TOLD: usize = 100;

/// A sheet by the name `name`, read as `form` says, which is kept as `read`.
pub fn page_of(
    id: &str,
    name: &str,
    read: Option<&str>,
    form: &Form,
    preview: &Result<Preview, Fault>,
) -> Markup {
    let body = match preview {
        Err(fault) => html! {
            (failed(fault))
            h2 { (tr!("Read it otherwise")) }
            (reads(id, &html! {
                (read_otherwise(form, None))
                @for map in form.given().filter(|(key, _)| *key == "map") { (any_column(map.1)) }
                (any_column(""))
            }))
        },
        Ok(preview) => html! {
            (verdict(preview))
            (start(id, form, preview))
            (reasons(id, read, preview))
            (recognised(id, form, preview))
            (rows(preview))
        },
    };
    page(&shown(name), &body)
}

/// What was said of how it is to be read is not kept any more.
pub fn forgotten(id: &str) -> Markup {
    let body = html! {
        p { (tr!("what was said of how it is to be read is kept for a while only: say it again")) }
        p { a href={ "/sheets/" (id) } { (tr!("To the spreadsheet")) } }
    };
    page(&tr!("The spreadsheet is to be read anew"), &body)
}

/// Asks for the sheet once more, read as what is within says.
fn reads(id: &str, asked: &Markup) -> Markup {
    html! {
        form method="post" action={ "/sheets/" (id) "/read" } {
            (asked)
            p { button { (tr!("Check again")) } }
        }
    }
}

/// Leads on to the import, which asks before it sends anything.
fn start(id: &str, form: &Form, Preview { checked, n_to_find, .. }: &Preview) -> Markup {
    html! {
        @if checked.n_invalid < checked.n_rows + n_to_find {
            form method="post" action={ "/sheets/" (id) "/import" } {
                (form.hidden_but(&["skip_if_open", "sandbox"]))
                (switch(form, "skip_if_open", &tr!("Skip rows whose service has an open ticket of the same type in HubSoft")))
                (switch(form, "sandbox", &tr!("Rehearse it in the sandbox: nothing of it is real")))
                p { button { (tr!("Go on to open the valid rows")) } }
            }
        }
    }
}

fn switch(form: &Form, name: &str, said: &str) -> Markup {
    html! {
        p { label {
            input type="checkbox" name=(name) value="true" checked[form.get(name).is_some()]; " " (said)
        } }
    }
}

/// How many rows are right.
fn verdict(Preview { checked, n_to_find, .. }: &Preview) -> Markup {
    let n_valid = checked.n_rows - checked.n_invalid + n_to_find;
    html! {
        p role="status" .warn[n_valid < checked.n_rows] {
            (tr!("%{n} of %{total} %{total|row is|rows are} valid; nothing was sent", n = n_valid, total = checked.n_rows))
        }
        @if 0 < *n_to_find {
            p {
                (tr!(
                    "%{n} %{n|of them names|of them name} a customer, whose service is looked up in HubSoft before anything is opened.",
                    n = n_to_find
                ))
            }
        }
    }
}

/// Why rows would not be opened, the commonest reason first, each with how to mend it; and how to go on.
fn reasons(id: &str, read: Option<&str>, Preview { checked, hints, n_to_find, .. }: &Preview) -> Markup {
    let reasons: Reasons = checked.reasons(&tr!("repeats an earlier line, and would be skipped"));
    let is_wrong = |reason: &&RowReason| reason.code.as_deref() != Some(CUSTOMER_NOT_ASKED.code);
    let told: Vec<_> = reasons.told.iter().filter(is_wrong).collect();
    if told.is_empty() {
        return html! {};
    }
    let hint = |field: &Option<String>, code: &Option<String>| {
        let (field, code) = (field.clone()?, code.clone()?);
        let hint = hints.get(&(Cow::Owned(field.clone()), Cow::Owned(code.clone())))?;
        Some(on_the_page(&field, &code, hint))
    };
    html! {
        h2 { (tr!("What is wrong")) }
        (scrolling(&tr!("What is wrong"), &html! {
            table {
                thead { tr {
                    th.n scope="col" { (tr!("Rows")) }
                    th scope="col" { (tr!("Column")) }
                    th scope="col" { (tr!("What is wrong, and what to do")) }
                    th scope="col" { (tr!("Lines")) }
                } }
                tbody {
                    @for reason in told {
                        tr {
                            td.n { (whole(reason.n_rows)) }
                            td { (column_of(reason.field.as_deref(), checked)) }
                            td {
                                (shown(&reason.message.as_deref().map(text::again).unwrap_or_default()))
                                @if let Some(hint) = hint(&reason.field, &reason.code) { br; small { (shown(&hint)) } }
                            }
                            td { (lines(reason.n_rows, &reason.examples)) }
                        }
                    }
                }
            }
        }))
        @if 0 < reasons.n_others { p { (tr!("and %{n} more", n = reasons.n_others)) } }
        @if *n_to_find < checked.n_invalid {
            form method="get" action={ "/sheets/" (id) "/problems.xlsx" } {
                @if let Some(read) = read { input type="hidden" name="read" value=(read); }
                p { button.plain { (tr!("Download the problems as a workbook")) } }
            }
            @if checked.n_invalid == checked.n_rows && *n_to_find == 0 {
                p { (tr!("No row can be opened as it is. Correct the spreadsheet, or say below how it is to be read; then bring it again.")) }
                (bring(&tr!("The corrected spreadsheet: choose it, or drop it here")))
            }
        }
    }
}

/// What the file calls a field.
fn column_of(field: Option<&str>, checked: &Checked) -> String {
    let Some(field) = field else { return String::new() };
    let called = checked.findings.columns.get(field).cloned();
    let called = called.unwrap_or_else(|| text::field(field).into_owned());
    printable::name(&called).into_owned()
}

fn lines(n_rows: u64, examples: &[ExampleRow]) -> String {
    let lines = examples.iter().map(|row| row.line.to_string()).collect::<Vec<_>>().join(", ");
    if (examples.len() as u64) < n_rows { format!("{lines}, …") } else { lines }
}

/// What was found out about the file, and its columns, to be read otherwise.
fn recognised(id: &str, form: &Form, preview: &Preview) -> Markup {
    let known = Known::of(form, &preview.summary);
    let (lines, shown_names) = lines_of(&preview.columns, &known);
    let n_untold = preview.columns.len() - lines.len();
    // What was said of the others is said again.
    let others = form.maps().filter(|(column, _)| !shown_names.contains(trim(column)));
    html! {
        h2 { (tr!("What was recognised")) }
        ul { @for line in preview.summary.lines() { li { (shown(&line)) } } }
        (reads(id, &html! {
            (scrolling(&tr!("What was recognised"), &html! {
                table {
                    thead { tr {
                        th scope="col" { (tr!("Column")) }
                        th scope="col" { (tr!("Examples")) }
                        th scope="col" { (tr!("Read as")) }
                    } }
                    tbody { @for line in &lines { (line) } }
                }
            }))
            @for (column, target) in others {
                input type="hidden" name="map" value={ (column) "=" (target) };
            }
            @if 0 < n_untold {
                p { (tr!("and %{n} more %{n|column|columns}, of which one is shown once it is said what it is", n = n_untold)) }
                (any_column(""))
            }
            (read_otherwise(form, Some(&preview.summary)))
        }))
    }
}

/// What is known of columns, by their names without what stands around them.
struct Known<'a> {
    targets: HashMap<&'a str, &'a Target>,
    /// Of which it was said, now or before.
    said: HashSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(form: &'a Form, summary: &'a Summary) -> Self {
        let mut targets = HashMap::new();
        for (column, target) in &summary.columns {
            targets.entry(trim(column)).or_insert(target);
        }
        let by_form = form.maps().map(|(column, _)| column);
        let by_memory = summary.remembered.iter().map(|map| map.column.as_str());
        Self { targets, said: by_form.chain(by_memory).map(trim).collect() }
    }
}

/// The lines of as many columns as there is room for, in the order of the file; those first that are
/// something. And what these are called.
fn lines_of<'a>(columns: &'a [Column], known: &Known<'_>) -> (Vec<Markup>, HashSet<&'a str>) {
    let (something, nothing): (Vec<_>, Vec<_>) =
        columns.iter().enumerate().partition(|(_, column)| known.targets.contains_key(trim(&column.name)));
    let (mut room, mut lines) = (COLUMNS_LEN_MAX, Vec::new());
    for (at, column) in something.into_iter().chain(nothing) {
        let line = one_column(column, known);
        // Another one may be shorter.
        if let Some(left) = room.checked_sub(line.0.len()) {
            room = left;
            lines.push((at, line));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    let names = lines.iter().map(|(at, _)| trim(&columns[*at].name)).collect();
    (lines.into_iter().map(|(_, line)| line).collect(), names)
}

fn one_column(Column { name, examples }: &Column, known: &Known<'_>) -> Markup {
    let (target, is_said) = (known.targets.get(trim(name)).copied(), known.said.contains(trim(name)));
    let recognised = match target {
        Some(target) if !is_said => tr!("%{field} (recognised)", field = target),
        _ => tr!("as recognised"),
    };
    let fields = Field::ALL.map(Target::Field);
    // A customer's number, a referencia, a parameter: not offered here, and kept where it was said.
    let other = target.filter(|target| is_said && !fields.contains(target));
    html! {
        tr {
            th scope="row" { (shown(name)) }
            td { @for example in examples { (printable::name(example)) br; } }
            td {
                select name={ (COLUMN) (name) } aria-label=(tr!("Read the column %{column} as", column = shown(name))) {
                    option value="" { (recognised) }
                    @if let Some(other) = other { option selected { (other) } }
                    @for field in &fields {
                        option selected[is_said && target == Some(field)] { (field) }
                    }
                }
            }
        }
    }
}

/// What one is that has no line of its own.
fn any_column(said: &str) -> Markup {
    html! {
        p { label { (tr!("A column and what it is")) " "
            input.wide name="map" placeholder="Cód. Serviço=id_cliente_servico" value=(said);
        } }
    }
}

/// Where else its table may stand, and what holds for all rows.
fn read_otherwise(form: &Form, summary: Option<&Summary>) -> Markup {
    let (mut sheets, mut n_hidden) = (Vec::new(), 0);
    if let Some(Format::Workbook { sheet, others, n_hidden: n, .. }) = summary.map(|summary| &summary.format)
    {
        sheets.push(sheet.as_str());
        sheets.extend(others.iter().map(|other| other.name.as_str()));
        n_hidden = *n;
    }
    let value = |name: &str| form.get(name).unwrap_or_default();
    let hidden = value("hidden");
    html! {
        @if 1 < sheets.len() {
            p { label { (tr!("Sheet")) " "
                // What nobody chose is not said: it is asked about, where it is in doubt.
                @let is_said = form.get("sheet").is_some();
                select name="sheet" {
                    option value="" selected[!is_said] {
                        (tr!("%{field} (recognised)", field = shown(sheets[0])))
                    }
                    @for (at, sheet) in sheets.iter().enumerate() {
                        option value=(sheet) selected[is_said && at == 0] { (shown(sheet)) }
                    }
                }
            } }
        } @else if summary.is_none() {
            p { label { (tr!("Sheet")) " " input name="sheet" value=(value("sheet")); } }
        }
        p { label { (tr!("Line that names the columns")) " "
            input name="header_row" type="number" min="1" value=(value("header_row"));
        } }
        p { label { (tr!("What all tickets say (descricao)")) " "
            input.wide name=(DESCRICAO) value=(value(DESCRICAO));
        } }
        p { label { (tr!("Area code (DDD) of phones that lack it")) " "
            input name="default_ddd" inputmode="numeric" maxlength="2" size="3" value=(value("default_ddd"));
        } }
        (switch(form, "find_service", &tr!("Look up in HubSoft which service each customer has")))
        @if 0 < n_hidden {
            p { label { (tr!("Hidden rows (%{n})", n = n_hidden)) " "
                select name="hidden" {
                    option value="" { (tr!("ask me")) }
                    option value="skip" selected[hidden == "skip"] { (tr!("leave the hidden rows out")) }
                    option value="open" selected[hidden == "open"] { (tr!("open them like the others")) }
                }
            } }
        }
    }
}

/// The problems one by one.
fn rows(preview: &Preview) -> Markup {
    let Preview { problems, n_problems, checked, .. } = preview;
    let mut room = PROBLEMS_LEN_MAX;
    let lines = problems.iter().map(|(line, problem)| one_problem(*line, problem, checked));
    let lines: Vec<_> = lines
        .map_while(|line| {
            room = room.checked_sub(line.0.len())?;
            Some(line)
        })
        .collect();
    let n_untold = n_problems - lines.len() as u64;
    html! {
        @if !problems.is_empty() {
            h2 { (tr!("Row by row")) }
            (scrolling(&tr!("Row by row"), &html! {
                table {
                    thead { tr {
                        th.n scope="col" { (tr!("Line")) }
                        th scope="col" { (tr!("Column")) }
                        th scope="col" { (tr!("Found")) }
                        th scope="col" { (tr!("What is wrong")) }
                    } }
                    tbody { @for line in &lines { (line) } }
                }
            }))
            @if 0 < n_untold { p { (tr!("and %{n} more", n = n_untold)) } }
        }
        @if !checked.repeats.is_empty() {
            h2 { (tr!("Repeats")) }
            ul {
                @for Repeat { line, first_line } in checked.repeats.iter().take(REPEATS_TOLD) {
                    li { (tr!("line %{line} repeats line %{first}", line = line, first = first_line)) }
                }
            }
            @if REPEATS_TOLD < checked.repeats.len() {
                p { (tr!("and %{n} more", n = checked.repeats.len() - REPEATS_TOLD)) }
            }
        }
    }
}

fn one_problem(line: u64, problem: &Problem, checked: &Checked) -> Markup {
    html! {
        tr {
            td.n { (line) }
            td { (column_of(Some(&problem.field), checked)) }
            td { (printable::name(&problem.found)) }
            td { (shown(&said(&problem.message))) }
        }
    }
}
