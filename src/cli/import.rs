//! `import`: a spreadsheet becomes opened tickets, and a results file.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::args::{Global, Import, Meeting};
use super::batches::decide::Answers;
use super::batches::{self, Asking, Recognition, Wish, Work};
use super::delivering::{self, Calm, Question, Run, Sight, Target};
use super::exit::{self, Exit};
use super::failure::Failure;
use super::reading::{self, Staged, Taking};
use super::results::warn_of;
use super::room;
use super::screen::Screen;
use super::signals::Signals;
use super::status;
use super::summary;
use super::typed::Typed;

use super::watching::RowLog;
use crate::app::address::{self, Led};
use crate::app::results;
use crate::app::target::SANDBOX;
use crate::app::work_folder::{OUTBOX_FILE, make_private, sweep};
use crate::delivery::{Control, Halt, Policy, Rate, Reason};
use crate::intake::{Hashing, Intake};
use crate::outbox::{
    Address, AnyOutbox, AnyReader, BatchInfo, Counts, FirstPost, LEASE, MergeKind, MergeOptions, Merged,
    Repeats, ResultsInfo, Terms, Withdrawn,
};
use crate::registry::Registry;
use crate::report;
use crate::settings::{self, Reading, Sources};
use crate::temporary;

pub async fn import(
    args: Import,
    sources: &Sources,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let started_at = Timestamp::now();
    screen.note(format!("reading {}", reading::name_of(&args.file)));
    // Settings that are wrong are told before an hour of reading, not after it.
    let settings::Import { mut reading, sending, stopping } = sources.resolve(&args.settings)?;
    let database_url = sources.resolve(&global.database)?.url;
    let target = if args.dry_run { None } else { Some(Target::new(sources, &sending)?) };
    let rate = sending.rate;

    let source = reading::source(&args.file)?;
    let mut intake = reading::open_source(&source, &reading, Hashing::Sha256)?;
    reading::describe(&intake, screen);
    let binding = match &target {
        Some(target) => Some(target.binding.clone()),
        None => delivering::known_binding(sources, &sending),
    };
    let asking = match &target {
        Some(_) => Asking::Person { is_stdin_free: !reading::is_stdin(&args.file) },
        None => Asking::DryRun(screen),
    };
    if reading::ask_about_hidden(&intake, &mut reading, &asking, screen)? {
        drop(intake);
        intake = reading::open_source(&source, &reading, Hashing::Sha256)?;
    }
    let wish = Wish {
        file: &args.file,
        source: &source,
        reading: &reading,
        name: args.batch.name.as_deref(),
        output: args.output.as_deref(),
        database_url: database_url.as_deref(),
        binding: binding.as_deref(),
        is_sandbox: sending.sandbox,
        answers: args.meeting.answers(),
    };
    let work = wish.find(&intake, &asking, screen).await?;
    let intake = if reading::is_stdin(&args.file) {
        // The copy may have been read meanwhile.
        drop(intake);
        reading::open_source(&source, &reading, Hashing::Sha256)?
    } else {
        intake
    };
    let options = merge_options(&reading, sending.verify_first, work.answers);
    let Some(target) = target else {
        return rehearse(intake, &args, &work, binding.as_deref(), &options, screen).await;
    };
    make_private(&work.folder)?;
    let registry = Registry::at(sources.environment().state_folder());
    let mut outbox = work.outbox.open().await?;
    sweep(&work.folder);
    // Before a word is said of rows that another HubSoft knows.
    refuse_other_host(outbox.reader(), &work.outbox, &target.binding).await?;
    if target.is_sandbox() && work.outbox.file().is_some() {
        outbox.bind_host(&target.binding).await?; // Also if nothing is ever sent.
    }
    target.keep_books(&work.folder)?;
    let folder = work.folder.canonicalize().unwrap_or_else(|_| work.folder.clone());
    let results = ResultsInfo { folder, excel_safe: reading.excel_safe };
    let n_columns = intake.headers().len();
    // Where workers share the outbox, nothing is taken in before a person was asked: they would open it, and
    // what was declined would stay. A file is nobody else's, and is merged at once.
    let is_shared = database_url.is_some();
    let (first, counts) = if is_shared {
        reading::rehearse(intake, &mut outbox, &work, &args.file, &options).await?
    } else {
        let (file, taking) = (&args.file, Taking::ForGood);
        let staged =
            reading::stage(intake, &mut outbox, &work, file, &options, taking, Some(&results)).await?;
        let counts = outbox.reader().counts(staged.merged.scope()).await?;
        (staged, counts)
    };
    first.said.tell(screen);
    tell_merged(&first.merged, screen);

    let left = counts.pending + counts.in_flight + counts.in_doubt + counts.unconfirmed;
    let n_to_open = args.sample.map_or(left, |n| n.min(left));
    let is_refused = reading.strict && 0 < counts.invalid;
    let is_to_run = !is_refused && left != 0;
    // Given back at the end of the run, before its results are written.
    let mut reserve = None;
    let mut recognition = None;
    let calm = Calm::new(rate);
    if is_to_run {
        let n_rows = first.merged.counts.n_rows;
        reserve = Some(room::reserve(&work.folder, n_rows)?);
        room::tell_limits(n_columns, n_rows, screen);
        if counts.pending != 0 && !work.is_correction && !target.is_sandbox() {
            let (content, host) = (first.content.to_string(), target.binding.clone());
            let folder = results.folder.display().to_string();
            let recognised = recognition.insert(Recognition::new(&registry, &work, content, host, folder));
            recognised.ask(is_shared.then(|| outbox.reader()), &asking, screen).await?;
        }
        outbox.bind_host(&target.binding).await?;
        let known_types = delivering::ticket_types(&target, &calm).await?;
        if !args.yes {
            if !target.is_sandbox() {
                first.said.ask(&asking, screen)?;
            }
            let question = Question {
                n_tickets: n_to_open,
                n_service_orders: first.n_service_orders,
                types: &first.types,
                known_types: known_types.as_deref(),
            };
            delivering::confirm(&target, &question, !reading::is_stdin(&args.file), screen)?;
        }
        if let Some(recognition) = &mut recognition {
            recognition.note(&asking, screen)?;
        }
    }
    let staged = if is_shared {
        let taking =
            if is_refused { Taking::IfAllAreValid } else { Taking::AsAsked { sha256: &first.sha256 } };
        let intake = reading::open_source(&source, &reading, Hashing::Sha256)?;
        let mut taken =
            reading::stage(intake, &mut outbox, &work, &args.file, &options, taking, Some(&results)).await;
        if let (Ok(staged), Some(recognition)) = (&taken, &mut recognition) {
            // Somebody else may have put the same rows in while this was asked.
            if let Err(declined) = recognition.ask_anew(outbox.reader(), &asking, screen).await {
                outbox.cancel(staged.merged.batch, Timestamp::now()).await?;
                outbox.release(staged.merged.batch).await?;
                taken = Err(declined);
            }
        }
        if let (Err(_), Some(recognition)) = (&taken, &recognition) {
            recognition.forget();
        }
        taken?
    } else {
        first
    };
    // All of the file went through the log; nothing of it waits there when the disk fills up later.
    outbox.tidy().await;
    let merged = &staged.merged;
    let n_taken_in = outbox.reader().counts(merged.scope()).await?.total();
    let run = if !is_to_run {
        outbox.release(merged.batch).await?;
        None
    } else {
        if args.sample.is_none() {
            outbox.release(merged.batch).await?;
        }
        let guards = delivering::limits(&stopping, merged.counts.n_rows);
        let policy = Policy { guards, ..delivering::policy(&sending) };
        let headline = format!("opening {n_to_open} tickets at {}, {} at most", target.named, policy.rate);
        let terms = Terms { rate: policy.rate, lease: LEASE, timeout: target.timeout };
        let worker = outbox.register("import", terms).await?;
        let queue = match args.sample {
            Some(n) => worker.sample(merged.scope(), n).await?,
            None => worker.queue(merged.scope()),
        };
        room::clear(&work.folder, &args.file);
        let signals = Signals::listen()?;
        let control = Control { stop: signals.stop.clone(), ..Control::default() };
        let sight = Sight { n_rows: Some(n_to_open), outbox: &outbox, headline: &headline, screen };
        let log = RowLog::default();
        let ending = tokio::select! {
            ending = delivering::deliver(&queue, &target, &policy, control, sight, &log) => ending?,
            never = worker.heartbeat(delivering::tell_rescued(screen)) => match never {},
        };
        let mut run = Run { ending, signal: signals.asked() };
        run.ending.stats.logins += calm.n_logins();
        if let Some(recognition) = recognition.filter(|_| run.ending.stats.posts == 0) {
            recognition.forget();
        }
        if let Reason::Halted(
            halt @ (Halt::SameRefusal { .. } | Halt::Forbidden { .. } | Halt::EchoLost { .. }),
        ) = &run.ending.reason
        {
            outbox.halt(&merged.batch_name, &halt.to_string()).await?;
        }
        delivering::leave(worker).await;
        Some(run)
    };

    drop(reserve);
    let report = Report {
        args: &args,
        work: &work,
        staged: &staged,
        started_at,
        rate,
        is_excel_safe: reading.excel_safe,
        is_sandbox: target.is_sandbox(),
        database_url: database_url.as_deref(),
        opened_before: counts.opened,
        n_taken_in,
    };
    let exit = report.write(&outbox, run.as_ref(), is_refused, screen).await?;
    outbox.close().await?;
    Ok(exit)
}

pub(super) async fn info_of(outbox: &AnyOutbox, batch: &str) -> Result<BatchInfo, Failure> {
    let info = outbox.reader().batch_info(batch).await?;
    info.ok_or_else(|| Failure::new(Exit::Internal, "the batch is gone", "look at the disk"))
}

impl Meeting {
    pub(super) fn answers(self) -> Answers {
        let Self { go_on, new, again } = self;
        Answers { go_on, new, again }
    }
}

/// How rows are merged, as the flags say.
pub(super) fn merge_options(
    reading: &Reading,
    verify_first: bool,
    answers: Answers,
) -> MergeOptions<'static> {
    MergeOptions {
        now: Timestamp::now(),
        sha256: "",
        content: "",
        withdrawn: if answers.again { Withdrawn::Reopen } else { Withdrawn::Stay },
        repeats: if reading.allow_repeats { Repeats::Allow } else { Repeats::Skip },
        first_post: if verify_first { FirstPost::VerifyFirst } else { FirstPost::AtOnce },
    }
}

/// `--dry-run`: tells what an import would do.
async fn rehearse(
    intake: Intake,
    args: &Import,
    work: &Work,
    binding: Option<&str>,
    options: &MergeOptions<'_>,
    screen: &Screen,
) -> Result<Exit, Failure> {
    // A file is copied, so that nothing is left behind, not even an empty one.
    let scratch = match &work.outbox {
        Address::File(path) => Some(work.scratch_copy(path).await?),
        Address::Postgres(_) => None,
    };
    let mut outbox = scratch.as_ref().map_or(&work.outbox, |it| &it.outbox).open().await?;
    if let Some(binding) = binding {
        refuse_other_host(outbox.reader(), &work.outbox, binding).await?;
    }
    let (would_be, counts) = reading::rehearse(intake, &mut outbox, work, &args.file, options).await?;
    outbox.close().await?;
    would_be.said.tell(screen);
    would_be.said.ask(&Asking::DryRun(screen), screen)?;
    tell_merged(&would_be.merged, screen);
    screen.note(format!("dry run: {} tickets would be opened; nothing was sent", counts.pending));
    Ok(if 0 < counts.invalid { Exit::File } else { Exit::Done })
}

impl Work {
    /// A copy of the outbox that a dry run may write to, or an empty one.
    async fn scratch_copy(&self, outbox: &Path) -> Result<Scratch, Failure> {
        let folder = self.folder.parent().unwrap_or(Path::new(""));
        let failed = |error: std::io::Error| {
            Failure::of(Exit::Usage, &error, "a dry run needs a folder that it may write to")
        };
        let scratch = temporary::folder_in(folder).map_err(failed)?;
        let path = scratch.path().join(OUTBOX_FILE);
        if outbox.is_file() {
            // Opened and closed, so that nothing waits in its log and nobody else writes to it.
            self.outbox.open().await?.close().await?;
            fs::copy(outbox, &path).map_err(failed)?;
        }
        Ok(Scratch { outbox: Address::File(path), _folder: scratch })
    }
}

struct Scratch {
    outbox: Address,
    /// Removed when dropped.
    _folder: tempfile::TempDir,
}

/// An outbox that belongs to another HubSoft says nothing of what is open at this one.
pub(super) async fn refuse_other_host(
    reader: AnyReader<'_>,
    outbox: &Address,
    asked: &str,
) -> Result<(), Failure> {
    let Some(bound) = reader.host().await?.filter(|it| it != asked) else { return Ok(()) };
    let hint = if bound == SANDBOX {
        "what it says was opened is not real; give another folder with -o DIR, or another database"
    } else {
        "set HUBSOFT_URL to that host, or give another folder with -o DIR"
    };
    Err(Failure::new(
        Exit::Usage,
        format!("the outbox `{outbox}` belongs to `{bound}`, not to `{asked}`; nothing was sent"),
        hint,
    ))
}

pub(super) fn tell_merged(merged: &Merged, screen: &Screen) {
    let counts = &merged.counts;
    let mut parts = vec![format!("{} rows", counts.n_rows)];
    for (n, what) in [
        (counts.new, "new"),
        (counts.updated, "corrected"),
        (
            counts.outdated,
            "known already, which the file says something else of now (`warning` names the columns)",
        ),
        (counts.revived, "to be opened again"),
        (counts.unchanged - counts.outdated, "known already"),
        (counts.invalid, "invalid"),
        (counts.repeats, "repeats, skipped"),
        (counts.gone - counts.withdrawn, "no longer in the file"),
        (counts.withdrawn, "no longer in the file and withdrawn"),
    ] {
        if 0 < n {
            parts.push(format!("{n} {what}"));
        }
    }
    screen.note(format!("batch {}: {}", merged.batch_name, parts.join(", ")));
    if merged.kind == MergeKind::Correction {
        screen.note("these rows correct an earlier import: the others of its batch stay as they are");
    }
    if 0 < counts.foreign {
        screen.note(format!(
            "{} rows come from another outbox: each is looked up before it is opened",
            counts.foreign
        ));
    }
}

/// What is written at the end of a run.
struct Report<'a> {
    args: &'a Import,
    work: &'a Work,
    staged: &'a Staged,
    started_at: Timestamp,
    rate: Rate,
    is_excel_safe: bool,
    is_sandbox: bool,
    database_url: Option<&'a str>,
    opened_before: u64,
    /// Rows of the file, once it was merged. Another import of the batch has them since, if they are fewer
    /// now.
    n_taken_in: u64,
}

impl Report<'_> {
    /// Writes the files, tells the counts, and chooses the exit code.
    async fn write(
        &self,
        outbox: &AnyOutbox,
        run: Option<&Run>,
        is_refused: bool,
        screen: &Screen,
    ) -> Result<Exit, Failure> {
        let folder = &self.work.folder;
        let info = info_of(outbox, &self.staged.merged.batch_name).await?;
        let guard = results::guard(self.is_excel_safe);
        // Of a disk that is full, the results need what the log took.
        outbox.tidy().await;
        make_private(folder)?;
        let form = results::Form { source: &info.source, columns: &self.staged.columns, guard };
        let written = results::write(outbox.reader(), self.staged.merged.results(), &form, folder).await?;
        warn_of(&written, screen);

        let mut counts = outbox.reader().counts(self.staged.merged.scope()).await?;
        if counts.total() < self.n_taken_in {
            screen.warn("another import took over rows of this one: counts are of the whole batch");
            counts = outbox.reader().counts(self.staged.merged.results()).await?;
        }
        let exit = match run {
            _ if is_refused => Exit::File,
            None => exit::of_counts(&counts),
            Some(run) if self.is_good_sample(run) => Exit::Done,
            Some(run) if self.had_to_leave(run, &counts) => Exit::Guard,
            Some(run) => exit::of_run(&run.ending.reason, run.signal, &counts),
        };
        let summary = summary::of_run(summary::Facts {
            batch: &info.name,
            file: &reading::name_of(&self.args.file),
            sha256: &self.staged.sha256,
            source: &info.source,
            n_rows: self.staged.merged.counts.n_rows,
            counts: &counts,
            opened_before: self.opened_before,
            started_at: self.started_at,
            rate: self.rate,
            stats: run.map(|it| &it.ending.stats),
            exit,
            host: outbox.reader().host().await?,
        });
        report::write_summary(&folder.join("summary.json"), &summary)?;
        let json = serde_json::to_string(&summary).unwrap_or_default();
        if counts.pending + counts.in_flight == 0 {
            outbox.finish_run(info.id, Timestamp::now(), &json).await?;
        }

        if screen.json {
            screen.result_json(&json);
        }
        if is_refused {
            screen.fail(&Failure::new(
                Exit::File,
                format!("{} invalid rows, and --strict: {}", counts.invalid, self.sent_nothing()),
                "problems.csv says what is wrong with them",
            ));
        }
        if let Some(failure) = run.and_then(|it| self.why_ended(&it.ending.reason)) {
            screen.fail(&failure);
        }
        if run.is_some_and(|it| self.had_to_leave(it, &counts)) {
            let halted = outbox.reader().halted().await?;
            match halted.iter().find(|it| it.lote == info.name) {
                Some(it) => {
                    screen.err_or_log(status::halted(it, self.led()), status::halted_in_log(it, self.led()));
                }
                None => screen.err(format!(
                    "rows wait behind unconfirmed rows of their services in other batches; `{}` looks for those",
                    self.command("reconcile")
                )),
            }
        }
        self.tell(&counts, exit, screen);
        if self.work.outbox.file().is_some() {
            self.tell_of_others(info.counts.left().saturating_sub(counts.left()), screen);
        }
        Ok(exit)
    }

    /// Of a run that was refused: an earlier one may have opened some.
    fn sent_nothing(&self) -> String {
        match self.opened_before {
            0 => "this run sent nothing".to_owned(),
            n => format!("this run sent nothing, {n} rows were opened before"),
        }
    }

    /// How other commands find the batch.
    fn led(&self) -> Led<'_> {
        let named = self.database_url.map(|url| address::at(url).ok());
        match (&self.work.outbox, named) {
            (Address::Postgres(_), _) => Led::Setting,
            (Address::File(_), None) => Led::Folder(&self.work.folder),
            (Address::File(path), Some(named)) => match named.as_ref().and_then(Address::file) {
                Some(named) if named == path => Led::Setting,
                // Of a correction: it belongs where its rows came from.
                _ => Led::File(path),
            },
        }
    }

    /// Another command for the batch.
    fn command(&self, name: &str) -> String {
        Typed::now().at(self.led(), name, Some(&self.staged.merged.batch_name), &[])
    }

    /// The command for what was corrected in errors.csv.
    fn corrected(&self) -> String {
        Typed::now().with_file(&self.args.file, &self.work.folder.join(report::ERRORS)).again()
    }

    /// The command as it was typed, but of a file that has all its rows still: errors.csv by now has only
    /// those that need somebody, and what was corrected there stands in the results.
    fn typed(&self) -> Typed {
        let (typed, errors) = (Typed::now(), self.work.folder.join(report::ERRORS));
        match (self.args.file.canonicalize(), errors.canonicalize()) {
            (Ok(file), Ok(errors)) if file == errors => self.of_all_rows(),
            _ => typed,
        }
    }

    /// The command for every row of the batch.
    fn of_all_rows(&self) -> Typed {
        Typed::now().with_file(&self.args.file, &self.work.folder.join(report::RESULTS))
    }

    /// Rows of the batch that this run had nothing to do with, and that no worker opens.
    fn tell_of_others(&self, n_rows: u64, screen: &Screen) {
        if 0 < n_rows {
            screen.note(format!(
                "hint: {n_rows} other rows of the batch wait to be opened or looked up; `{}` does that",
                self.of_all_rows().without("sample")
            ));
        }
    }

    /// Why the run stopped itself, with the commands that go on.
    fn why_ended(&self, reason: &Reason) -> Option<Failure> {
        let failure = delivering::why_ended(reason)?;
        let typed = self.typed();
        Some(match reason {
            Reason::Halted(Halt::SameRefusal { .. } | Halt::TooManyErrors { .. }) => {
                failure.with_hint(format!(
                    "what was refused stays so until its row is another: correct it in errors.csv and run `{}`; or, once HubSoft takes it as it is, run `{}`. `{}` goes on with the rest",
                    self.corrected(),
                    self.command("retry"),
                    typed.again(),
                ))
            }
            Reason::Halted(Halt::Unavailable { .. } | Halt::Until | Halt::DiskFull) => {
                failure.with_hint(format!("`{}` goes on where it stopped", typed.again()))
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

    fn tell(&self, counts: &Counts, exit: Exit, screen: &Screen) {
        let real = if self.is_sandbox { "in the sandbox, nothing of it real: " } else { "" };
        screen.note(format!("{real}{}", summary::in_words(counts)));
        if let Some(info) = self.work.met.as_ref().filter(|_| 0 < self.opened_before) {
            let now = counts.opened.saturating_sub(self.opened_before);
            screen.note(format!(
                "{} of them were opened before (last active on {}), {now} now",
                self.opened_before,
                batches::when(info.active_at)
            ));
        }
        screen.note(format!("results: {}", self.work.folder.join("results.csv").display()));
        let n_in_doubt = counts.in_doubt + counts.in_flight;
        if 0 < n_in_doubt && exit != Exit::Unconfirmed {
            screen.note(format!(
                "{n_in_doubt} rows may have been opened: do not open them by hand, the next run looks them up first"
            ));
        }
        let typed = self.typed();
        match exit {
            Exit::Done if self.args.sample.is_some() && 0 < counts.pending => screen.note(format!(
                "hint: look at the tickets in HubSoft; `{}` opens the rest",
                typed.without("sample")
            )),
            Exit::NotAllOpened if results::n_needing_a_person(counts) == 0 => {
                screen.note("hint: results.csv says why rows were skipped or withdrawn");
                if 0 < counts.cancelled {
                    let retry = Typed::now();
                    let batch = &self.staged.merged.batch_name;
                    let retry = retry.at(self.led(), "retry", Some(batch), &["--state", "cancelled"]);
                    screen.note(format!("hint: `{retry}` takes back that rows were withdrawn"));
                }
            }
            Exit::NotAllOpened | Exit::File => screen.note(format!(
                "hint: errors.csv has the rows that need you, problems.csv says what is wrong; fix them there and run `{}`",
                self.corrected()
            )),
            Exit::Unconfirmed if counts.unconfirmed == 0 => screen.note(format!(
                "hint: `{}` looks up the rows that may have been opened; do not open them by hand",
                typed.again()
            )),
            Exit::Unconfirmed => screen.note(format!(
                "hint: `{}` looks again for the {} rows that may have been opened",
                self.command("reconcile"),
                counts.unconfirmed
            )),
            Exit::Interrupted | Exit::Terminated => {
                screen.note(format!("hint: `{}` goes on where this stopped", typed.again()));
            }
            _ => {}
        }
    }
}
