//! `status --watch`: looks again and again, until nothing is left to do.
//!
//! A terminal shows one page that changes in place; elsewhere each line stands once, when it is another than
//! before.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::exit::Exit;
use super::failure::Failure;
use super::screen::{Screen, terminal};
use super::signals::Signals;
use super::status::{Page, look};
use crate::app::Asked;
use crate::app::place::Place;
use crate::language::times;
use crate::printable;

/// A look at a large outbox takes its database a while: so many times that long it is left alone.
const REST: u32 = 9;

pub async fn watch(
    places: &[Place],
    asked: Asked,
    every: Duration,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let signals = Signals::listen()?;
    let stop = &signals.stop;
    let stopped = || signals.asked().map_or(Exit::Done, |signal| signal.exit());
    let is_terminal = io::stdout().is_terminal() && !screen.json;
    let mut shown = Shown { is_terminal, is_json: screen.json, ..Shown::default() };
    let mut is_away = false;
    loop {
        let began = Instant::now();
        let Some(page) = stop.run_until_cancelled(look(places, asked, screen.json)).await else {
            return Ok(stopped());
        };
        match page {
            Ok(page) => {
                is_away = false;
                match shown.show(&page) {
                    // A reader that went away (`| head`) wants no more.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Done),
                    done => screen.wrote(done),
                }
                if !page.is_anything_left {
                    return Ok(Exit::Done);
                }
            }
            Err(fault) if fault.is_database_away() && !shown.lines.is_empty() => {
                if !is_away {
                    is_away = true;
                    shown.n_drawn = 0;
                    screen.fail(&fault.into());
                    screen.note(tr!("trying again until it can be reached"));
                }
            }
            Err(fault) => return Err(fault.into()),
        }
        let rest = every.max(REST * began.elapsed());
        if stop.run_until_cancelled(sleep(rest)).await.is_none() {
            return Ok(stopped());
        }
    }
}

/// What stands on the screen.
#[derive(Default)]
struct Shown {
    is_terminal: bool,
    is_json: bool,
    lines: Vec<String>,
    /// Lines of the terminal that are to be drawn over.
    n_drawn: usize,
}

impl Shown {
    fn show(&mut self, page: &Page) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.is_terminal {
            let now = times::time_of_day(times::here(Timestamp::now()));
            let last = tr!("(%{time}; Ctrl-C ends this)", time = now);
            let (n_columns, n_lines) = terminal(&console::Term::stdout());
            let drawn = drawn(&page.lines, &last, n_columns, n_lines);
            if 0 < self.n_drawn {
                // Up to the first line of the last page, and everything below it away.
                write!(out, "\x1b[{}A\x1b[J", self.n_drawn)?;
            }
            self.n_drawn = drawn.len();
            for line in drawn {
                writeln!(out, "{line}")?;
            }
        } else {
            for line in page.lines.iter().filter(|line| !self.lines.contains(line)) {
                match self.is_json {
                    true => writeln!(out, "{}", printable::json(line))?,
                    false => writeln!(out, "{}", printable::line(line, printable::LINE_CHARS_MAX))?,
                }
            }
        }
        self.lines.clone_from(&page.lines);
        out.flush()
    }
}

/// A page as it fits a terminal: no line wraps, and none scrolls away.
fn drawn(lines: &[String], last: &str, n_columns: usize, n_lines: usize) -> Vec<String> {
    let room = n_lines.saturating_sub(2).max(1);
    let kept = lines.iter().map(String::as_str).take(room).chain([last]);
    // One character more shows that something is missing.
    kept.map(|line| printable::line(line, n_columns.saturating_sub(1).max(1)).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fits_the_terminal() {
        let lines = ["queda: 5 of 24 opened, 19 pending", "  19 due now", "  one more"].map(str::to_owned);
        let page = |n_columns, n_lines| drawn(&lines, "(14:03:05)", n_columns, n_lines);
        assert_eq!(
            page(80, 24),
            ["queda: 5 of 24 opened, 19 pending", "  19 due now", "  one more", "(14:03:05)"]
        );
        assert_eq!(page(12, 4), ["queda: 5 of…", "  19 due no…", "(14:03:05)"]);
        assert!(page(1, 1).iter().all(|line| line.chars().count() <= 2));
    }
}
