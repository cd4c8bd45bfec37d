//! What is told of an import at its end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::args::Import;
use super::exit::{self, Exit, Run};
use super::failure::Failure;
use super::halts;
use super::outcome::{self, Next};
use super::questions::when;
use super::results;
use super::screen::Screen;
use super::status;
use super::telling::Telling;
use super::typed::Typed;
use crate::app::address::Led;
use crate::app::batches::Work;
use crate::app::counted;
use crate::app::import::{Outcome, Ran, TakenIn};
use crate::app::services::Tally;
use crate::app::sheet::ColumnNames;
use crate::delivery::{Halt, Rate, Reason};
use crate::outbox::Counts;
use crate::report::{ERRORS, RESULTS};

pub struct Imported<'a> {
    pub args: &'a Import,
    pub work: &'a Work,
    pub started_at: Timestamp,
    pub rate: Rate,
    pub settings: BTreeMap<&'static str, String>,
    /// Whose services were to be found.
    pub customers: Option<Tally>,
    /// Of `--strict`.
    pub is_refused: bool,
    pub is_sandbox: bool,
    /// How other commands find the batch.
    pub led: Led<'a>,
    pub batch: String,
    pub opened_before: u64,
    pub telling: &'a Telling<'a>,
    /// `None`: nothing had to be sent.
    pub run: Option<Run>,
}

impl Imported<'_> {
    /// Writes the files, tells the counts, and chooses the exit code.
    pub async fn tell(&self, taken_in: TakenIn<'_>, screen: &Screen) -> Result<Exit, Failure> {
        let n_posts = self.run.as_ref().map_or(0, |run| run.ending.stats.posts);
        self.tell_all(taken_in, screen).await.map_err(|mut failure| {
            failure.exit = exit::after_posts(failure.exit, n_posts);
            failure
        })
    }

    async fn tell_all(&self, mut taken_in: TakenIn<'_>, screen: &Screen) -> Result<Exit, Failure> {
        let mut outcome = taken_in.write_results().await?;
        if outcome.is_taken_over {
            screen.warn(tr!("another import took over rows of this one: counts are of the whole batch"));
        }
        let (counts, run) = (outcome.counts, self.run.as_ref());
        let counts = &counts;
        let exit = match run {
            _ if self.is_refused => Exit::File,
            None => exit::of_counts(counts),
            Some(run) if self.is_good_sample(run) => Exit::Done,
            Some(run) if self.had_to_leave(run, counts) => Exit::Guard,
            Some(run) => exit::of_run(&run.ending.reason, run.signal, counts),
        };
        let exit = results::exit(Some(&outcome.written), exit);
        let ran = Ran {
            started_at: self.started_at,
            rate: self.rate,
            stats: run.map(|run| &run.ending.stats),
            settings: self.settings.clone(),
            customers: self.customers,
            exit_code: exit as u8,
        };
        self.telling.counted(counts);
        let finished = taken_in.finish(&mut outcome, &ran).await;
        results::warn_of(&outcome.written, screen);
        let (summary, exit) = (finished?, results::exit(Some(&outcome.written), exit));
        if screen.json {
            screen.result_json(serde_json::to_string(&summary).unwrap_or_default());
        }
        if self.is_refused {
            screen.fail(&Failure::new(
                Exit::File,
                tr!(
                    "%{n} invalid %{n|row|rows}, and --strict: %{sent}",
                    n = counts.invalid,
                    sent = self.sent_nothing()
                ),
                tr!("problems.csv says what is wrong with them"),
            ));
        }
        if let Some(failure) = run.and_then(|run| self.why_ended(&run.ending.reason)) {
            screen.fail(&failure);
        }
        if run.is_some_and(|run| self.had_to_leave(run, counts)) {
            match taken_in.halted().await? {
                Some(halted) => {
                    let led = self.led;
                    screen.err_or_log(status::halted(&halted, led), status::halted_in_log(&halted, led));
                }
                // They are that import's now.
                None if outcome.is_taken_over => {}
                None => screen.err(tr!(
                    "rows wait behind unconfirmed rows of their services in other batches; `%{command}` looks for those",
                    command = self.command("reconcile")
                )),
            }
        }
        self.tell_counts(&outcome, taken_in.columns(), exit, screen);
        if self.work.outbox.file().is_some() {
            self.tell_of_others(outcome.info.counts.left().saturating_sub(counts.left()), screen);
        }
        taken_in.close().await?;
        Ok(exit)
    }

    /// Of a run that was refused: an earlier one may have opened some.
    fn sent_nothing(&self) -> String {
        match self.opened_before {
            0 => tr!("this run sent nothing").into_owned(),
            n => tr!("this run sent nothing, %{n} %{n|row was|rows were} opened before", n = n).into_owned(),
        }
    }

    /// Another command for the batch.
    fn command(&self, name: &str) -> String {
        Typed::now().at(self.led, name, Some(&self.batch), &[])
    }

    /// The command for what was corrected in errors.csv.
    fn corrected(&self) -> String {
        Typed::now().with_file(&self.args.file, &self.work.folder.join(ERRORS)).again()
    }

    /// The command as it was typed, but of a file that has all its rows still: errors.csv by now has only
    /// those that need somebody, and what was corrected there stands in the results.
    fn typed(&self) -> Typed {
        let (typed, errors) = (Typed::now(), self.work.folder.join(ERRORS));
        match (self.args.file.canonicalize(), errors.canonicalize()) {
            (Ok(file), Ok(errors)) if file == errors => self.of_all_rows(),
            _ => typed,
        }
    }

    /// The command for every row of the batch.
    fn of_all_rows(&self) -> Typed {
        Typed::now().with_file(&self.args.file, &self.work.folder.join(RESULTS))
    }

    /// Rows of the batch that this run had nothing to do with, and that no worker opens.
    fn tell_of_others(&self, n_rows: u64, screen: &Screen) {
        if 0 < n_rows {
            screen.note(tr!(
                "hint: %{n} other %{n|row of the batch waits|rows of the batch wait} to be opened or looked up; `%{command}` does that",
                n = n_rows,
                command = self.of_all_rows().without("sample")
            ));
        }
    }

    /// Why the run stopped itself, with the commands that go on.
    fn why_ended(&self, reason: &Reason) -> Option<Failure> {
        let failure = halts::why_ended(reason)?;
        let typed = self.typed();
        Some(match reason {
            Reason::Halted(Halt::SameRefusal { .. } | Halt::TooManyErrors { .. }) => {
                failure.with_hint(tr!(
                    "what was refused stays so until its row is another: correct it in errors.csv and run `%{corrected}`; or, once HubSoft takes it as it is, run `%{retry}`. `%{again}` goes on with the rest",
                    corrected = self.corrected(),
                    retry = self.command("retry"),
                    again = typed.again(),
                ))
            }
            Reason::Halted(Halt::Unavailable { .. } | Halt::Until | Halt::DiskFull) => {
                failure.with_hint(tr!("`%{command}` goes on where it stopped", command = typed.again()))
            }
            _ => failure,
        })
    }

    /// Whether all that a sample took was opened.
    fn is_good_sample(&self, run: &Run) -> bool {
        let stats = &run.ending.stats;
        let others = stats.rejected
            + stats.failed
            + stats.unconfirmed
            + stats.conflicts
            + stats.skipped
            + stats.invalid;
        self.args.sample.is_some() && run.ending.reason == Reason::Drained && others == 0
    }

    /// Whether rows are left that only a person can let go on.
    fn had_to_leave(&self, run: &Run, counts: &Counts) -> bool {
        let is_whole = self.args.sample.is_none() && run.ending.reason == Reason::Drained;
        is_whole && 0 < counts.pending && counts.unconfirmed == 0
    }

    fn tell_counts(&self, outcome: &Outcome, columns: &ColumnNames, exit: Exit, screen: &Screen) {
        let Outcome { counts, reasons, .. } = outcome;
        let counted = counted::in_words(counts);
        screen.note(match self.is_sandbox {
            true => tr!("in the sandbox, nothing of it real: %{counts}", counts = counted),
            false => counted.into(),
        });
        if let Some(info) = self.work.met.as_ref().filter(|_| 0 < self.opened_before) {
            let now = counts.opened.saturating_sub(self.opened_before);
            screen.note(tr!(
                "%{before} of them %{before|was|were} opened before (last active on %{when}), %{now} now",
                before = self.opened_before,
                when = when(info.active_at),
                now = now
            ));
        }
        results::tell_where(&outcome.written, &self.work.folder, screen);
        let next = Next {
            corrected: Some(self.corrected()),
            again: Some(self.typed().again()),
            led: self.led,
            batch: Some(&self.batch),
        };
        outcome::tell(counts, reasons, columns, Some(&next), screen);
        let typed = self.typed();
        match exit {
            Exit::Done if self.args.sample.is_some() && 0 < counts.pending => screen.note(tr!(
                "hint: look at the tickets in HubSoft; `%{command}` opens the rest",
                command = typed.without("sample")
            )),
            Exit::Interrupted | Exit::Terminated => {
                screen.note(tr!("hint: `%{command}` goes on where this stopped", command = typed.again()));
            }
            _ => {}
        }
    }
}
