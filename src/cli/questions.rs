//! The questions before anything is sent.

use jiff::Timestamp;

use super::asking::{Asking, CONTINUE, OPEN, Offer, SKIP, typed};
use super::exit::Exit;
use super::failure::Failure;
use crate::app::batches::{Answer, Earlier, Wish, Work};
use crate::app::import::{Plan, Staged};
use crate::app::merged;
use crate::app::questions::{self, Tickets, UNASKED_MAX};
use crate::app::sheet::Sheet;
use crate::app::target::Target;
use crate::hubsoft;
use crate::intake::{ColumnDoubt, Hashing, Hidden, Intake};
use crate::language::filled::typed_number;
use crate::language::said;
use crate::language::times;
use crate::registry::Entry;

impl Asking<'_> {
    /// Which batch a file belongs to.
    pub async fn batch(&self, wish: &Wish<'_>, intake: &Intake) -> Result<Work, Failure> {
        let ours = intake.ours();
        let mut search = match wish.by_rows(ours).await? {
            Some(search) => search,
            None => {
                let destination = wish.destination()?;
                let (base, wanted) = (&destination.base, &destination.wanted);
                if base != wanted.trim() {
                    self.screen.note(tr!(
                        "the batch is called `%{base}`: spreadsheet programs make something else of `%{wanted}`",
                        base = base,
                        wanted = wanted
                    ));
                }
                wish.by_name(destination, ours).await?
            }
        };
        while let Some(question) = search.question() {
            let answer = self.answer(&questions::batch(&question, &said(CONTINUE)), question.answers)?;
            search.answer(answer);
        }
        Ok(search.work()?)
    }

    /// What becomes of rows that nobody sees in the sheet, unless that was said. Opens the sheet again for
    /// the answer.
    pub fn hidden(&self, sheet: &mut Sheet, intake: Intake) -> Result<Intake, Failure> {
        let n_hidden = sheet.n_hidden(&intake);
        if n_hidden == 0 {
            return Ok(intake);
        }
        let offers = [
            Offer { word: SKIP, flag: "--hidden skip", meaning: tr!("leave the hidden rows out") },
            Offer { word: OPEN, flag: "--hidden open", meaning: tr!("open them like the others") },
        ];
        let question = questions::hidden(n_hidden);
        let hidden = if self.choose(&question, &offers)? == 0 { Hidden::Skip } else { Hidden::Open };
        sheet.reading.hidden = Some(hidden);
        drop(intake);
        Ok(sheet.open(Hashing::Sha256)?)
    }

    /// Whether it is right, as far as it is not said already, before real tickets are opened.
    pub fn confirm(
        &self,
        staged: &Staged<'_>,
        target: &Target,
        plan: &Plan,
        known_types: Option<&[hubsoft::Entry]>,
    ) -> Result<(), Failure> {
        if target.is_sandbox() {
            return Ok(());
        }
        self.columns(&staged.read.findings.doubts)?;
        let (n_service_orders, types) = (staged.read.n_service_orders, &staged.read.types);
        let n_tickets = plan.n_rows;
        let estimate = plan.told(times::here(Timestamp::now()));
        let tickets = Tickets { n_tickets, n_service_orders, types, known_types };
        self.count(target, &tickets, estimate.as_deref())
    }

    /// Whether doubtful columns are what they are taken for.
    pub fn columns(&self, doubts: &[ColumnDoubt]) -> Result<(), Failure> {
        if doubts.is_empty() {
            return Ok(());
        }
        let offers =
            [Offer { word: questions::YES, flag: "--yes", meaning: tr!("it is right; open these tickets") }];
        self.choose(&questions::columns(doubts), &offers).map(drop)
    }

    /// Whether what was imported `earlier` is to be opened once more.
    pub fn again(&self, earlier: &Entry) -> Result<(), Failure> {
        let question = questions::again(earlier);
        self.answer(&question, &[Answer::Again]).map(drop)
    }

    /// The same of what was found, if anything was; what is wrong with the registry is told.
    pub fn again_if_any(&self, Earlier { latest, error }: Earlier) -> Result<(), Failure> {
        if let Some(error) = error {
            self.screen.warn(merged::unrecognised(&error));
        }
        latest.map_or(Ok(()), |earlier| self.again(&earlier))
    }

    /// Notes in the registry that the rows are to be opened, and asks about what stands there since.
    pub fn note(&self, staged: &mut Staged<'_>) -> Result<(), Failure> {
        loop {
            match staged.note() {
                Ok(None) => return Ok(()),
                Ok(Some(earlier)) => self.again(&earlier)?,
                Err(error) => {
                    self.screen.warn(merged::unremembered(&error));
                    return Ok(());
                }
            }
        }
    }

    /// Whether so many real tickets are to be opened, if they are many: a person types their number.
    fn count(&self, target: &Target, tickets: &Tickets<'_>, estimate: Option<&str>) -> Result<(), Failure> {
        let n = tickets.n_tickets;
        if n <= UNASKED_MAX {
            return Ok(());
        }
        let about = questions::about(target, tickets);
        if !self.is_anybody_here() {
            return Err(Failure::new(
                Exit::Usage,
                tr!("this would open %{about}, and nobody is here to be asked", about = about),
                tr!("give --yes if that is right; nothing was sent"),
            ));
        }
        self.screen.err(tr!("This opens %{about}.", about = about));
        if let Some(estimate) = estimate {
            self.screen.err(tr!("Estimate: %{estimate}.", estimate = estimate));
        }
        self.screen.err(tr!("They cannot be deleted. To go on, type the number of tickets:"));
        if typed_number(&typed()) == Some(n) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Usage,
            tr!("declined; nothing was sent"),
            tr!("run the same command again and type the number"),
        ))
    }
}

/// On the clock of the person who is asked.
pub fn when(at: Timestamp) -> String {
    times::local_minute(at)
}
