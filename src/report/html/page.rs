//! The page, from top to bottom.

use std::borrow::Cow;
use std::io::{self, Write};

use super::plot;
use super::{NEEDY_MAX, People, Report};
use crate::delivery::State;
use crate::language::filled::{decimal, whole};
use crate::language::{Language, said};
use crate::printable::{self, LINE_CHARS_MAX};
use crate::report::clock::{between, local};
use crate::text;

const STYLE: &str = include_str!("style.css");

/// Pauses that are told at most.
const PAUSES_MAX: usize = 20;

pub(super) fn write(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let account = report.account;
    let sentence = account.sentence();
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<h1>{}</h1>\n",
        Language::now().tag(),
        shown(&sentence),
        shown(&sentence)
    )?;
    if !account.is_real {
        writeln!(out, "<p class=\"warn\">{}</p>", shown(&tr!("sandbox: nothing of this is real")))?;
    }
    if let Some(when) = account.when() {
        writeln!(out, "<p class=\"soft\">{}</p>", shown(&when))?;
    }
    counts(out, report)?;
    course(out, report)?;
    reasons(out, report)?;
    needy(out, report)?;
    run(out, report)?;
    heading(out, &tr!("Where and when"))?;
    pairs(out, account.facts())?;
    out.write_all(b"</body>\n</html>\n")
}

/// A text as it may stand in the page: one line, in which nothing is markup.
fn shown(text: &str) -> String {
    html_escape::encode_text(&printable::line(text, LINE_CHARS_MAX)).into_owned()
}

fn heading(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "<h2>{}</h2>", shown(text))
}

/// A table's head; names that begin with `#` stand above numbers.
fn head(out: &mut impl Write, names: &[Cow<'_, str>]) -> io::Result<()> {
    out.write_all(b"<table>\n<thead><tr>")?;
    for name in names {
        match name.strip_prefix('#') {
            Some(name) => write!(out, "<th class=\"n\">{}</th>", shown(name))?,
            None => write!(out, "<th>{}</th>", shown(name))?,
        }
    }
    out.write_all(b"</tr></thead>\n<tbody>\n")
}

fn end_of_table(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"</tbody>\n</table>\n")
}

fn pairs(out: &mut impl Write, pairs: Vec<(Cow<'_, str>, String)>) -> io::Result<()> {
    out.write_all(b"<table>\n<tbody>\n")?;
    for (name, value) in pairs {
        writeln!(out, "<tr><td class=\"k soft\">{}</td><td>{}</td></tr>", shown(&name), shown(&value))?;
    }
    end_of_table(out)
}

/// The colour of a state: as in the workbook.
fn class(state: State) -> &'static str {
    match state {
        State::Opened => "good",
        State::Invalid | State::Rejected | State::Failed | State::Conflict => "bad",
        State::InDoubt | State::InFlight | State::Unconfirmed => "unsure",
        State::Pending | State::Skipped | State::Cancelled => "plain",
    }
}

fn number(name: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(format!("#{name}"))
}

fn counts(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let account = report.account;
    heading(out, &tr!("Result"))?;
    head(out, &[tr!("Result"), number(tr!("Rows")), "".into(), tr!("What to do")])?;
    let most = account.states.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    for (state, n) in &account.states {
        let class = class(*state);
        writeln!(
            out,
            "<tr><td class=\"k {class}\">{}</td><td class=\"n\">{}</td>\
             <td class=\"{class}\" style=\"width:18%\"><div class=\"bar\" style=\"width:{:.1}%\"></div></td><td>{}</td></tr>",
            shown(&said(text::state(*state))),
            whole(*n),
            *n as f64 * 100.0 / most as f64,
            shown(&text::to_do(*state)),
        )?;
    }
    end_of_table(out)?;
    for caution in account.cautions() {
        writeln!(out, "<p class=\"unsure\">{}</p>", shown(&caution))?;
    }
    Ok(())
}

fn course(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let Some(course) = report.course else { return Ok(()) };
    let pauses = report.run.map_or(&[][..], |run| &run.pace.pauses);
    let title = tr!("Rows settled in each %{length}", length = plot::bar_lasts(course));
    heading(out, &title)?;
    writeln!(out, "{}", plot::svg(course, pauses, &title))?;
    write!(out, "<p class=\"soft\">")?;
    for (class, name) in [
        ("opened", tr!("opened")),
        ("refused", tr!("not opened")),
        ("pause", tr!("pause that HubSoft asked for")),
    ] {
        if class != "pause" || !pauses.is_empty() {
            write!(out, "<span class=\"key {class}\"></span>{}", shown(&name))?;
        }
    }
    writeln!(out, "</p>")?;
    if pauses.is_empty() {
        return Ok(());
    }
    head(out, &[tr!("Pause"), number(tr!("Seconds")), tr!("Reason")])?;
    for pause in pauses.iter().take(PAUSES_MAX) {
        let (at, reason) = (local(pause.at), shown(&pause.reason));
        let seconds = format!("{:.1}", pause.seconds);
        let seconds = decimal(&seconds);
        writeln!(out, "<tr><td class=\"k\">{at}</td><td class=\"n\">{seconds}</td><td>{reason}</td></tr>")?;
    }
    end_of_table(out)?;
    more(out, pauses.len().saturating_sub(PAUSES_MAX) as u64)
}

/// How many are not told.
fn more(out: &mut impl Write, n: u64) -> io::Result<()> {
    if n == 0 {
        return Ok(());
    }
    writeln!(out, "<p class=\"soft\">{}</p>", shown(&tr!("and %{n} more", n = n)))
}

fn reasons(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let account = report.account;
    if account.reasons.is_empty() {
        return Ok(());
    }
    heading(out, &tr!("Why not opened"))?;
    head(out, &[number(tr!("Rows")), tr!("State"), tr!("Reason"), tr!("First lines")])?;
    for reason in &account.reasons {
        let message =
            reason.message.as_deref().map(|message| explanation(&reason.code, message, report.people));
        writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td class=\"k {}\">{}</td><td>{}</td><td>{}</td></tr>",
            whole(reason.n_rows),
            class(reason.state),
            shown(&said(text::state(reason.state))),
            shown(&reason.in_words(message.as_deref())),
            shown(&reason.where_it_stands())
        )?;
    }
    end_of_table(out)?;
    more(out, account.n_other_reasons)
}

fn needy(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    if report.needy.is_empty() {
        return Ok(());
    }
    heading(out, &tr!("Rows that need somebody"))?;
    let with_people = report.people == People::Shown;
    let mut names = vec![number(tr!("Line")), tr!("Referencia"), tr!("State"), tr!("Explanation")];
    if with_people {
        names.insert(2, tr!("Name"));
    }
    head(out, &names)?;
    for row in report.needy.iter().take(NEEDY_MAX) {
        write!(out, "<tr><td class=\"n\">{}</td><td class=\"r\">{}</td>", row.line, shown(&row.referencia))?;
        if with_people {
            write!(out, "<td>{}</td>", shown(row.nome.as_deref().unwrap_or_default()))?;
        }
        writeln!(
            out,
            "<td class=\"k {}\">{}</td><td>{}</td></tr>",
            class(row.state),
            shown(&said(text::state(row.state))),
            shown(&explanation(&row.code, &row.message, report.people))
        )?;
    }
    end_of_table(out)?;
    more(out, report.n_needy.saturating_sub(report.needy.len() as u64))
}

/// Why a row was not opened. What HubSoft said may name its customer.
fn explanation<'a>(code: &str, message: &'a str, people: People) -> Cow<'a, str> {
    if people == People::Hidden && text::is_said_by_hubsoft(code) {
        return tr!("what HubSoft said (%{code}) stands in results.xlsx", code = code);
    }
    Cow::Borrowed(message)
}

fn run(out: &mut impl Write, report: &Report<'_>) -> io::Result<()> {
    let Some(run) = report.run else { return Ok(()) };
    heading(out, &tr!("The last run"))?;
    let (api, pace) = (&run.api, &run.pace);
    let mut facts = vec![
        (tr!("Began"), local(run.started_at)),
        (tr!("Ended"), local(run.finished_at)),
        (tr!("Duration"), between(run.started_at, run.finished_at)),
        (tr!("Requests to open a ticket"), whole(api.posts)),
        (tr!("Look-ups"), whole(api.lookups)),
        (tr!("Requests a second"), decimal(&format!("{:.1}", pace.mean_per_s)).into_owned()),
    ];
    let statuses: Vec<_> =
        api.by_status.iter().map(|(status, n)| format!("{status}: {}", whole(*n))).collect();
    if !statuses.is_empty() {
        facts.push((tr!("Answers by HTTP status"), statuses.join(", ")));
    }
    if 0.0 < api.latency_ms.max {
        let latency = &api.latency_ms;
        let told = tr!(
            "half within %{p50} ms, 95 % within %{p95} ms, 99 % within %{p99} ms, the slowest in %{max} ms",
            p50 = ms(latency.p50),
            p95 = ms(latency.p95),
            p99 = ms(latency.p99),
            max = ms(latency.max)
        );
        facts.push((tr!("Time that HubSoft took"), told.into_owned()));
    }
    pairs(out, facts)?;
    if run.settings.is_empty() {
        return Ok(());
    }
    heading(out, &tr!("Settings"))?;
    pairs(out, run.settings.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), value.clone())).collect())
}

/// Milliseconds, whole ones.
fn ms(time: f64) -> String {
    whole(time.max(0.0).round() as u64)
}
