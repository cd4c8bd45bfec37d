//! What a person is asked between the steps of an import, and what the answer does.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::desk::{Answers, Broken, Question, Stage, Word};
use super::Worker;
use crate::app::batches::Answer;
use crate::app::import::{Plan, Staged};
use crate::app::merged;
use crate::app::questions::{self, Tickets, UNASKED_MAX};
use crate::app::sheet::Sheet;
use crate::app::target::Target;
use crate::intake::{Hashing, Hidden};
use crate::language::filled::typed_number;
use crate::language::times;
use crate::registry::Entry;

impl Worker<'_> {
    /// Which of several sheets is meant, that are as good.
    pub(super) async fn which_sheet(&mut self, sheet: &mut Sheet) -> Result<(), Broken> {
        let intake = sheet.open(Hashing::Off)?;
        let rivals = intake.summary().rivals();
        if rivals.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = rivals.iter().map(|(name, _)| (*name).to_owned()).collect();
        let text = self.speak(|| {
            tr!("several sheets have a table of tickets, each as good: which one is meant?").into_owned()
        });
        let at = self.ask(text, Answers::OneOf(names.clone())).await?;
        sheet.reading.sheet = names.get(at).and_then(|name| name.parse().ok());
        self.said.extend(names.get(at).map(|name| ("sheet", name.clone())));
        Ok(())
    }

    /// What becomes of rows that nobody sees in the sheet.
    pub(super) async fn hidden(&mut self, sheet: &mut Sheet, n_hidden: u64) -> Result<(), Broken> {
        if n_hidden == 0 {
            return Ok(());
        }
        let text = self.speak(|| questions::hidden(n_hidden).into_owned());
        let answers = self.speak(|| [tr!("leave the hidden rows out"), tr!("open them like the others")]);
        let answers = answers.map(|answer| answer.into_owned()).to_vec();
        let at = self.ask(text, Answers::OneOf(answers)).await?;
        let (hidden, said) = if at == 0 { (Hidden::Skip, "skip") } else { (Hidden::Open, "open") };
        sheet.reading.hidden = Some(hidden);
        self.said.push(("hidden", said.to_owned()));
        Ok(())
    }

    /// Notes in the registry that the rows are to be opened, and asks about what stands there since.
    pub(super) async fn note(&mut self, staged: &mut Staged<'_>) -> Result<(), Broken> {
        loop {
            match staged.note() {
                Ok(None) => return Ok(()),
                Ok(Some(earlier)) => self.again(&earlier).await?,
                // It blocks nothing.
                Err(error) => {
                    self.warn(|| merged::unremembered(&error));
                    return Ok(());
                }
            }
        }
    }

    pub(super) async fn again(&mut self, earlier: &Entry) -> Result<(), Broken> {
        let text = self.speak(|| questions::again(earlier).into_owned());
        self.answer(text, &[Answer::Again]).await.map(drop)
    }

    /// Whether so many real tickets are to be opened: many are typed, as at a terminal.
    pub(super) async fn confirm(
        &mut self,
        target: &Target,
        tickets: &Tickets<'_>,
        plan: &Plan,
    ) -> Result<(), Broken> {
        if target.is_sandbox() {
            return Ok(());
        }
        let n = tickets.n_tickets;
        let text = self.speak(|| {
            let about = questions::about(target, tickets);
            let opens = tr!("This opens %{about}. They cannot be deleted.", about = about);
            match plan.told(times::here(Timestamp::now())) {
                Some(estimate) => format!("{opens} {}", tr!("Estimate: %{estimate}.", estimate = estimate)),
                None => opens.into_owned(),
            }
        });
        let answers = match n <= UNASKED_MAX {
            true => {
                Answers::OneOf(vec![self.speak(|| tr!("Open %{n} %{n|ticket|tickets}", n = n).into_owned())])
            }
            false => Answers::Typed(n),
        };
        self.ask(text, answers).await.map(drop)
    }

    pub(super) async fn answer(&mut self, text: String, answers: &[Answer]) -> Result<Answer, Broken> {
        let meanings = self.speak(|| answers.iter().map(|answer| meaning(*answer)).collect());
        let at = self.ask(text, Answers::OneOf(meanings)).await?;
        answers.get(at).copied().ok_or(Broken::Declined)
    }

    /// Asks, and waits for the answer: its place, or 0 for what was typed right.
    pub(super) async fn ask(&mut self, text: String, answers: Answers) -> Result<usize, Broken> {
        *self.n_asked += 1;
        let number = *self.n_asked;
        let question = Arc::new(Question { number, text, answers });
        self.site.desk.stands(Stage::Asked(Arc::clone(&question)));
        // Cancel-safe: a word that was not received waits.
        while let Some(Some(word)) = self.stop.run_until_cancelled(self.words.recv()).await {
            match word {
                Word::Answer { number, text } if number == question.number => {
                    let said = typed_number(&text);
                    let at = match &question.answers {
                        Answers::OneOf(all) => said.filter(|at| *at < all.len() as u64),
                        Answers::Typed(n) => said.filter(|typed| typed == n).map(|_| 0),
                    };
                    self.site.desk.stands(Stage::Busy);
                    return at.map(|at| at as usize).ok_or(Broken::Declined);
                }
                Word::Order(_) | Word::Answer { .. } => {}
            }
        }
        Err(Broken::Declined)
    }
}

/// What a person chooses by it.
pub(super) fn meaning(answer: Answer) -> String {
    let meaning = match answer {
        Answer::Continue => tr!("it is the same outage: go on with that batch"),
        Answer::New => tr!("it is another outage: a batch of its own, beside the other one"),
        Answer::Again => tr!("open these tickets once more"),
    };
    meaning.into_owned()
}
