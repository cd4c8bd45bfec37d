//! The import that was ordered, in the steps of the command: between them a person is asked.

mod asking;

use std::borrow::Cow;
use std::cell::Cell;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::Site;
use super::cut_off;
use super::desk::{Answers, Broken, Came, Desk, Done, How, Note, Order, Stage, Stopped, Word, order_number};
use super::door::Visitor;
use super::looks::Looks;
use super::teller::Teller;
use crate::app::batches::{self, Answer, Earlier, Wish, Work};
use crate::app::fault::Fault;
use crate::app::import::{self, Ran, Staged, Taken, TakenIn};
use crate::app::progress::{Extent, Onlooker};
use crate::app::questions::{self, Tickets};
use crate::app::services::{Kept, Progress, find};
use crate::app::sheet::Sheet;
use crate::app::target::Target;
use crate::app::unfinished::{self, Agreed, BatchContent, Terms, Unfinished};
use crate::app::{merged, results, summary};
use crate::delivery::{Control, Ending, HUBSOFT_RATE, Halt, Policy, Reason};
use crate::intake::Hashing;
use crate::outbox::Way;
use crate::registry::{ColumnMemory, Registry};
use crate::service::RowLog;
use crate::settings;
use crate::text;

/// Between two looks at how it stands.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is kept that an import goes on: far less than the time within which it does so by itself, and
/// seldom, since it is written to disk.
const NOTED_EVERY: Duration = Duration::from_secs(10 * 60);

/// Works on what browsers order, one import after the other, until `stop`; then the one that goes on is
/// stopped cleanly.
pub async fn work(site: &Site, mut words: mpsc::Receiver<Word>, stop: &CancellationToken) {
    // Of all imports, those of an earlier process too: a window that still shows a question of one answers
    // none of a later one.
    let mut n_asked = order_number();
    let mut waiting = cut_off::that_go_on(site);
    loop {
        cut_off::go_on(site, &mut waiting);
        // Cancel-safe: a word that was not received waits.
        let Some(Some(word)) = stop.run_until_cancelled(words.recv()).await else { return };
        let Word::Order(order) = word else { continue };
        tracing::info!("`{}` has an import begun", site.called(&order.by));
        let (ends, said) = (order.stop.child_token(), Vec::new());
        let program = async {
            stop.cancelled().await;
            ends.cancel();
            std::future::pending::<Infallible>().await
        };
        let (site, order, words, n_asked, stop) = (site, &*order, &mut words, &mut n_asked, ends.clone());
        let mut worker = Worker { site, order, words, stop, said, n_asked, kept: None };
        let ended = tokio::select! {
            // The page stays, whatever defect an import comes upon.
            ended = AssertUnwindSafe(Box::pin(worker.import())).catch_unwind() => {
                ended.unwrap_or(Err(Broken::Panicked))
            }
            never = program => match never {},
        };
        if is_over(&ended, is_to_go_on(site, order)) {
            cut_off::forget(site, order);
        }
        site.desk.stands(Stage::Ended(Arc::new(ended)));
    }
}

/// Whether it was stopped to be gone on with: by the end of the program, or a person's pause.
fn is_to_go_on(site: &Site, order: &Order) -> bool {
    site.stop.is_cancelled() || order.is_paused()
}

/// Whether nobody is to go on with it. What was stopped to be gone on with, or ended for what may be gone by
/// then, is not over.
fn is_over(ended: &Result<Done, Broken>, is_to_go_on: bool) -> bool {
    match ended {
        Ok(Done { came: Came::Ran(reason), .. }) => is_over_for(reason, is_to_go_on),
        Ok(Done { came: Came::Idle | Came::Refused, .. }) => true,
        Err(Broken::Declined) => !is_to_go_on,
        Err(Broken::Fault(_) | Broken::Panicked) => false,
    }
}

/// The same of a run, for why it ended: also where its results cannot be written.
fn is_over_for(reason: &Reason, is_to_go_on: bool) -> bool {
    match reason {
        Reason::Drained => true,
        Reason::Stopped => !is_to_go_on,
        Reason::Halted(halt) => !matches!(
            halt,
            Halt::NeverReached { .. }
                | Halt::Unavailable { .. }
                | Halt::OutboxUnavailable { .. }
                | Halt::DiskFull
        ),
    }
}

/// A person stops it: also where the program ends before it has, it does not go on by itself.
pub(super) fn stopped(site: &Site, order: &Order, by: &Visitor, how: How) {
    let who = site.called(by);
    match how {
        How::Stop => {
            cut_off::forget(site, order);
            tracing::info!("`{who}` stops the import");
        }
        How::Pause => {
            cut_off::pause(site, order, &who);
            tracing::info!("`{who}` pauses the import");
        }
    }
    if let Some(name) = by.owner() {
        let told = order.language.speak(|| match how {
            How::Stop => tr!("Stopped by `%{name}`.", name = name).into_owned(),
            How::Pause => tr!("Paused by `%{name}`.", name = name).into_owned(),
        });
        site.desk.tells([Note::Told(told)]);
    }
}

struct Worker<'a> {
    site: &'a Site,
    order: &'a Order,
    words: &'a mut mpsc::Receiver<Word>,
    stop: CancellationToken,
    /// What was answered of how the sheet is read, as its form would say it.
    said: Vec<(&'static str, String)>,
    n_asked: &'a mut u64,
    /// What goes on if the program is cut off.
    kept: Option<Unfinished>,
}

impl Worker<'_> {
    async fn import(&mut self) -> Result<Done, Broken> {
        let started_at = Timestamp::now();
        let (sources, order) = (&self.site.sources, self.order);
        let settings::Import { reading, sending, stopping } = sources.resolve(&order.form.flags())?;
        let target = Target::new(sources, &sending)?;
        let outboxes = &self.site.outboxes;
        let mut sheet = Sheet::copied(outboxes.here.join(&order.name), order.kept.clone(), reading);
        let state_folder = || sources.environment().state_folder();
        let memory = ColumnMemory::at(state_folder());
        if let Some(error) = sheet.recall(&memory) {
            self.warn(|| tr!("%{error}: what was said of columns before is not known", error = error));
        }
        self.which_sheet(&mut sheet).await?;
        let intake = sheet.open(Hashing::Sha256)?;
        if let Err(error) = sheet.remember(&intake, &memory) {
            self.warn(|| tr!("%{error}: what was said of columns will not be remembered", error = error));
        }
        let n_hidden = sheet.n_hidden(&intake);
        drop(intake);
        self.hidden(&mut sheet, n_hidden).await?;
        let intake = sheet.open(Hashing::Sha256)?;
        let wish = Wish {
            sheet: &sheet,
            name: None,
            output: None,
            database_url: outboxes.url.as_deref(),
            binding: Some(&target.binding),
            is_sandbox: sending.sandbox,
            answers: batches::Answers::default(),
        };
        let searching = async {
            Ok(match wish.by_rows(intake.ours()).await? {
                Some(search) => search,
                None => wish.by_name(wish.destination()?, intake.ours()).await?,
            })
        };
        let mut search = self.unless_stopped(searching).await?;
        while let Some(question) = search.question() {
            let text = self.speak(|| questions::batch(&question, &asking::meaning(Answer::Continue)));
            let answer = self.answer(text, question.answers).await?;
            search.answer(answer);
        }
        let work = search.work()?;
        if let Some(code) = work.code {
            let _ = order.batch.set(code);
        }
        drop(intake);
        let customers = match sheet.reading.find_service {
            true => {
                let kept = Kept::of(&work, &target.binding)?;
                let (desk, looked_at) = (&self.site.desk, Cell::new(None::<Instant>));
                let told = |progress| match progress {
                    Progress::Begins { n, .. } => desk.stands(Stage::Finding { n_done: 0, n }),
                    Progress::Done { n_done, n } => {
                        if looked_at.get().is_none_or(|at| LOOK_EVERY <= at.elapsed()) {
                            looked_at.set(Some(Instant::now()));
                            desk.stands(Stage::Finding { n_done, n });
                        }
                    }
                };
                let find = find(&mut sheet, &target, &sending, Some(&work.outbox), Some(kept), told);
                let tally = self.unless_stopped(find).await?;
                self.tell(|| tally.lines());
                Some(tally)
            }
            false => None,
        };
        let intake = sheet.open(Hashing::Sha256)?;
        let user = &self.site.called(&order.by);
        let is_shared = outboxes.url.is_some();
        let verify_first = sending.verify_first;
        let people = results::people(false);
        let (sheet, work) = (&sheet, &work);
        let (target, holds_rest) = (&target, false);
        let of = import::Order {
            sheet,
            work,
            target,
            verify_first,
            is_shared,
            holds_rest,
            user,
            way: Way::Page,
            people,
        };
        let mut staged = self.unless_stopped(Staged::new(of, intake, sending.rate)).await?;
        self.tell(|| {
            staged.read.findings.lines().into_iter().chain(merged::lines(&staged.read.merged)).collect()
        });
        let (is_refused, n_left) = (staged.is_refused(), staged.n_left());
        let policy = staged.policy(&sending, &stopping);
        let terms = Terms {
            binding: target.binding.clone(),
            skip_if_open: sending.skip_if_open,
            verify_first,
            allow_repeats: sheet.reading.allow_repeats,
            rate: sending.rate.to_string(),
        };
        let agreed = match &order.agreed {
            // What was halted since, a person is to see.
            Some(agreed)
                if !staged.is_halted() && agreed.covers(staged.met(&terms).await?.as_ref(), n_left) =>
            {
                Some(agreed)
            }
            _ => None,
        };
        let is_agreed = agreed.is_some();
        if is_agreed && let Some(what) = staged.merged(&terms).await? {
            // It is the latest import by now: cut off here, it still goes on.
            self.keep(work, Some(what), n_left);
        }
        if n_left != 0 {
            if sending.skip_if_open {
                self.tell(|| vec![questions::skips_open().into_owned()]);
            }
            for halted in self.speak(|| merged::halted(&staged.halted, &staged.read.merged, holds_rest)) {
                self.warn(|| halted);
            }
            if let Some(lack) = staged.reserve()? {
                self.warn(|| merged::lack(lack));
            }
            let Earlier { latest, error } =
                self.unless_stopped(staged.earlier(Registry::at(state_folder()))).await?;
            if let Some(error) = error {
                self.warn(|| merged::unrecognised(&error));
            }
            if let Some(earlier) = latest {
                self.again(&earlier).await?;
            }
            if target.is_remote() && sending.rate.is_above(HUBSOFT_RATE) {
                self.warn(|| {
                    tr!(
                        "the rate, %{rate}, is more than the %{most} that HubSoft documents as its limit for all programs together: what is beyond it may be refused (429), and holds up everybody",
                        rate = sending.rate,
                        most = HUBSOFT_RATE
                    )
                });
            }
            let known_types = self.unless_stopped(staged.bind()).await?;
            let doubts = &staged.read.findings.doubts;
            if !target.is_sandbox() && !is_agreed && !doubts.is_empty() {
                let text = self.speak(|| questions::columns(doubts).into_owned());
                let right = self.speak(|| tr!("it is right; open these tickets").into_owned());
                self.ask(text, Answers::OneOf(vec![right])).await?;
            }
            let (n_service_orders, types) = (staged.read.n_service_orders, &staged.read.types);
            let known_types = known_types.as_deref();
            let tickets = Tickets { n_tickets: n_left, n_service_orders, types, known_types };
            if !is_agreed {
                self.confirm(target, &tickets, &staged.plan(n_left, &policy)).await?;
            }
        }
        let mut taken_in = loop {
            if n_left != 0 {
                self.note(&mut staged).await?;
            }
            self.site.desk.stands(Stage::Busy);
            self.unless_stopped(async { Ok(()) }).await?;
            // A person stops it until other workers may open its rows. Where the program ends they may: it
            // was agreed to.
            match staged.take_in(|| order.stop.is_cancelled()).await? {
                Taken::In(taken_in) => break *taken_in,
                Taken::Asks(again, earlier) => {
                    staged = *again;
                    self.again(&earlier).await?;
                }
                Taken::Stopped => return Err(Broken::Declined),
            }
        };
        if n_left != 0 {
            let (read, merged) = (&taken_in.read, &taken_in.read.merged);
            let import = (merged.import, merged.at);
            let what = unfinished::batch_content(taken_in.outbox(), read, import, &terms).await?;
            self.keep(work, what, n_left);
        }
        let ending = match n_left {
            0 => None,
            _ => {
                taken_in.release().await?;
                Some(self.open(&taken_in, &policy, target.is_sandbox()).await?)
            }
        };
        let reason = ending.as_ref().map(|ending| ending.reason.clone());
        if reason.as_ref().is_some_and(|reason| is_over_for(reason, is_to_go_on(self.site, order))) {
            cut_off::forget(self.site, order);
        }
        let done = async {
            self.site.desk.stands(Stage::Busy);
            let mut outcome = taken_in.write_results().await?;
            if outcome.is_taken_over {
                let told = || tr!("another import took over rows of this one: counts are of the whole batch");
                self.warn(told);
            }
            let came = match &ending {
                _ if is_refused => Came::Refused,
                None => Came::Idle,
                Some(ending) => Came::Ran(ending.reason.clone()),
            };
            let ran = Ran {
                started_at,
                rate: sending.rate,
                stats: ending.as_ref().map(|ending| &ending.stats),
                settings: summary::settings(&sending, &stopping),
                customers,
                exit_code: (self.site.ends_with)(&came, &outcome.counts),
            };
            taken_in.finish(&mut outcome, &ran).await?;
            for missing in &outcome.written.missing {
                self.warn(|| missing.in_words(&missing.why.to_string()));
            }
            taken_in.close().await?;
            Ok(Done {
                lote: outcome.info.name,
                folder: outcome.written.folder,
                counts: outcome.counts,
                reasons: outcome.reasons,
                is_sandbox: target.is_sandbox(),
                came,
            })
        };
        let done = done.await;
        if let (Err(_), Some(Reason::Halted(halt))) = (&done, &reason) {
            // What is wrong with the results is not why it stopped.
            self.warn(|| tr!("It stopped by itself: %{why}", why = text::halt(halt)));
        }
        done
    }

    /// Opens what was taken in, and says how it stands, until it ends or a person stops it.
    async fn open(
        &mut self,
        taken_in: &TakenIn<'_>,
        policy: &Policy,
        is_sandbox: bool,
    ) -> Result<Ending, Broken> {
        let worker = taken_in.worker(policy).await?;
        let (desk, stop) = (&self.site.desk, self.stop.clone());
        let onlooker = Onlooker::new(Some(Extent::of_batch(&taken_in.before)), policy);
        let control = Control { stop, ..Control::default() };
        let watch = (&onlooker, &(&RowLog, &Teller { desk, language: self.order.language }));
        let run = Box::pin(taken_in.deliver(worker, None, policy, control, &watch));
        let look = look_on(desk, taken_in, &onlooker, is_sandbox);
        // Dropping any of them is safe: the run ends first.
        let ending = tokio::select! {
            ending = run => ending?,
            never = look => match never {},
            never = noted(|| self.goes_on()) => match never {},
        };
        if let (Reason::Stopped, Some(Stopped { who, how })) = (&ending.reason, self.order.stopped.get()) {
            match how {
                How::Stop => taken_in.note_stop(Some(who)).await,
                How::Pause => taken_in.note_pause(who).await,
            }
        }
        Ok(ending)
    }

    /// From now on it goes on also if the program is cut off.
    fn keep(&mut self, work: &Work, what: Option<BatchContent>, n_tickets: u64) {
        let Order { id, name, by, form, language, .. } = self.order;
        let said = self.said.iter().map(|(name, text)| (*name, text.as_str()));
        let folder = work.folder.file_name().map(|name| name.to_string_lossy().into_owned());
        // What was answered was asked because the form does not say it.
        let form = form.given().chain(said).map(|(name, text)| (name.to_owned(), text.to_owned()));
        self.kept = what.map(|what| Unfinished {
            sheet: id.clone(),
            name: name.clone(),
            by: by.user.clone(),
            folder: folder.filter(|_| self.site.outboxes.url.is_none()),
            lote: work.batch.clone(),
            form: form.collect(),
            language: language.tag().to_owned(),
            agreed: Agreed { what, n_tickets },
            went_on_at: Timestamp::now(),
            paused_by: None,
        });
        let (Some(unfinished), Some(kept)) = (&self.kept, &self.site.unfinished) else {
            return self.warn(|| {
                tr!(
                    "cut off, this import will not go on by itself: another page of this folder is open, or there is no state folder"
                )
            });
        };
        if let Err(error) = kept.write(unfinished, || self.order.stop.is_cancelled()) {
            self.warn(|| tr!("%{fault}: cut off, it will not go on by itself", fault = error));
        }
    }

    /// It goes on: how long it has not is counted from now.
    fn goes_on(&self) {
        if let (Some(unfinished), Some(kept)) = (&self.kept, &self.site.unfinished) {
            let unfinished = Unfinished { went_on_at: Timestamp::now(), ..unfinished.clone() };
            // Else it is counted from before.
            let _ = kept.write(&unfinished, || self.order.stop.is_cancelled());
        }
    }

    /// What comes of `going`, of which nothing is lost where it is dropped, unless it is stopped.
    async fn unless_stopped<T>(&self, going: impl Future<Output = Result<T, Fault>>) -> Result<T, Broken> {
        let done = self.stop.run_until_cancelled(going).await;
        Ok(done.ok_or(Broken::Declined)??)
    }

    /// Shows what is known by now.
    fn tell(&self, say: impl FnOnce() -> Vec<String>) {
        self.site.desk.tells(self.speak(say).into_iter().map(Note::Told));
    }

    /// Shows what a person should know.
    fn warn(&self, say: impl FnOnce() -> Cow<'static, str>) {
        self.site.desk.tells([Note::Warning(self.speak(say).into_owned())]);
    }

    /// Makes a text for who ordered it.
    fn speak<T>(&self, say: impl FnOnce() -> T) -> T {
        self.order.language.speak(say)
    }
}

/// Says how it stands, to browsers and to those who look at the outbox from outside.
async fn look_on(desk: &Desk, taken_in: &TakenIn<'_>, onlooker: &Onlooker, is_sandbox: bool) -> Infallible {
    let mut ticks = interval(LOOK_EVERY);
    let (looks, mut last) = (Looks::default(), None);
    loop {
        ticks.tick().await;
        let run = Arc::new(onlooker.look_and_say(taken_in.outbox()));
        let counts = taken_in.outbox().reader().counts(taken_in.read.merged.scope());
        // While it cannot be read, it stands as it was seen last.
        last = looks.seen((), counts).await.as_ref().as_ref().ok().copied().or(last);
        if let Some(counts) = last {
            desk.stands(Stage::Opening { counts, run, is_sandbox });
        }
    }
}

/// Has it kept that it goes on, as long as it does.
async fn noted(goes_on: impl Fn()) -> Infallible {
    loop {
        sleep(NOTED_EVERY).await;
        goes_on();
    }
}

#[cfg(test)]
mod tests;
