//! Who answers questions, and how.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use super::typed::{answered, saying};
use crate::app::batches::Answer;
use crate::intake::{Set, SheetChoice, Target};
use crate::language::filled::typed_number;
use crate::language::{means, said};
use crate::printable;
use crate::ticket::{Ddd, Field};

/// Who is there to be asked, and where they are asked.
pub struct Asking<'a> {
    pub screen: &'a Screen,
    pub who: Who,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A person, if standard input is theirs.
    Person { is_stdin_free: bool },
    /// Nobody, in a dry run: it is told what would be asked, and goes on as the first answer says.
    Nobody,
}

/// The words that answer, as a person who reads English types them. Those of other languages are taken, too.
pub const SKIP: &str = "skip";
pub const OPEN: &str = "open";
pub const CONTINUE: &str = "continue";
const NEW: &str = "new";
const AGAIN: &str = "again";

#[cfg(test)]
pub const WORDS: [&str; 6] = [crate::app::questions::YES, SKIP, OPEN, CONTINUE, NEW, AGAIN];

/// One of the answers to a question.
#[derive(Clone)]
pub struct Offer {
    /// As it is typed, one of ours.
    pub word: &'static str,
    pub meaning: Cow<'static, str>,
    /// How a script says it.
    pub flag: &'static str,
}

impl Asking<'_> {
    pub fn is_anybody_here(&self) -> bool {
        self.who == Who::Person { is_stdin_free: true } && io::stdin().is_terminal()
    }

    /// One of the answers about a batch.
    pub fn answer(&self, question: &str, answers: &[Answer]) -> Result<Answer, Failure> {
        let offers: Vec<_> = answers.iter().map(|answer| offer(*answer)).collect();
        let chosen = self.choose(question, &offers)?;
        Ok(answers.get(chosen).copied().unwrap_or(Answer::Again))
    }

    /// One of `offers`, by its number; anything else ends the command, and nothing was sent.
    pub fn choose(&self, question: &str, offers: &[Offer]) -> Result<usize, Failure> {
        let screen = self.screen;
        if self.who == Who::Nobody {
            screen.note(tr!(
                "it would be asked: %{question} (%{flags})",
                question = question,
                flags = flags(offers)
            ));
            return Ok(0);
        }
        if !self.is_anybody_here() {
            return Err(Failure::new(
                Exit::Usage,
                tr!("nobody is here to be asked, and nothing was sent: %{question}", question = question),
                flags(offers),
            ));
        }
        screen.err(if question.ends_with('?') { question.to_owned() } else { format!("{question}.") });
        for offer in offers {
            screen.err(format!("  {:<11}{}", said(offer.word), offer.meaning));
        }
        let words: Vec<_> = offers.iter().map(|offer| format!("`{}`", said(offer.word))).collect();
        screen.err(tr!("Type %{words}; anything else stops:", words = words.join(&tr!(" or "))));
        let typed = typed();
        offers.iter().position(|offer| means(&typed, offer.word)).ok_or_else(declined)
    }

    /// What all tickets are to say, where no column says it of each: it is the one field that an outage gives
    /// all of them. A text that is left blank ends the command.
    pub fn description(&self) -> Result<Set, Failure> {
        self.screen
            .err(tr!("No column says what the tickets are about (`descricao`): all can say the same."));
        self.screen.err(tr!("Type it, as `No signal since the fibre cut at CTO 12`; an empty line stops:"));
        let value = typed().trim().to_owned();
        if value.is_empty() {
            return Err(declined());
        }
        self.screen.note(tr!("the same without a question: `%{flag}`", flag = "--set descricao=…"));
        answered("--set", &format!("descricao={value}"));
        Ok(Set { target: Target::Field(Field::Descricao), value })
    }

    /// The area code of phones that lack it, if one is right for all of them. `None`: those rows are left as
    /// they are.
    pub fn area_code(&self, n_rows: u64) -> Option<Ddd> {
        self.screen
            .err(tr!("%{n} %{n|row has a phone|rows have a phone} without its area code (DDD).", n = n_rows));
        loop {
            self.screen.err(tr!(
                "If one is right for all of them, type it, as `37`; an empty line leaves them out, to be corrected later:"
            ));
            let typed = typed();
            let typed = typed.trim();
            if typed.is_empty() {
                return None;
            }
            match typed.parse() {
                Ok(ddd) => {
                    answered("--default-ddd", typed);
                    self.screen.note(tr!(
                        "the same without a question: `%{flag}`",
                        flag = format!("--default-ddd {typed}")
                    ));
                    return Some(ddd);
                }
                Err(error) => self.screen.err(format!("{error}")),
            }
        }
    }

    /// Which of several sheets is meant: by its number, since none is better than another. `None`: no other
    /// than the one that is read.
    pub fn sheet(&self, rivals: &[(&str, u64)]) -> Result<Option<SheetChoice>, Failure> {
        if rivals.is_empty() {
            return Ok(None);
        }
        let flag = |name: &str| saying("--sheet", name);
        let each = |(name, n_rows): &(&str, u64)| {
            tr!("`%{flag}` (%{n} %{n|row|rows})", flag = flag(name), n = *n_rows).into_owned()
        };
        let question = tr!("several sheets have a table of tickets, each as good: which one is meant?");
        let flags = rivals.iter().map(each).collect::<Vec<_>>().join(&tr!(" or "));
        if self.who == Who::Nobody {
            self.screen.note(tr!(
                "it would be asked: %{question} (%{flags})",
                question = question,
                flags = flags
            ));
            return Ok(None);
        }
        if !self.is_anybody_here() {
            return Err(Failure::new(
                Exit::Usage,
                tr!("nobody is here to be asked, and nothing was sent: %{question}", question = question),
                flags,
            ));
        }
        self.screen.err(tr!("Several sheets have a table of tickets, each as good. Which one is meant?"));
        for (at, (name, n_rows)) in rivals.iter().enumerate() {
            self.screen.err(tr!(
                "  %{number}  `%{name}` (%{n} %{n|row|rows})",
                number = (at + 1).to_string(),
                name = printable::name(name),
                n = *n_rows
            ));
        }
        self.screen.err(tr!("Type its number; anything else stops:"));
        let at = typed_number(&typed()).and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
        let (name, _) = at.and_then(|at| rivals.get(at)).ok_or_else(declined)?;
        answered("--sheet", name);
        self.screen.note(tr!("the same without a question: `%{flag}`", flag = flag(name)));
        name.parse().map(Some).map_err(|_| declined())
    }
}

fn declined() -> Failure {
    Failure::new(
        Exit::Usage,
        tr!("declined; nothing was sent"),
        tr!("run the same command again and type the answer"),
    )
}

/// A line of standard input.
pub fn typed() -> String {
    let _ = io::stderr().flush();
    let mut typed = String::new();
    let _ = io::stdin().read_line(&mut typed);
    typed
}

fn offer(answer: Answer) -> Offer {
    let (word, flag, meaning) = match answer {
        Answer::Continue => (CONTINUE, "--continue", tr!("it is the same outage: go on with that batch")),
        Answer::New => (NEW, "--new", tr!("it is another outage: a batch of its own, beside the other one")),
        Answer::Again => (AGAIN, "--again", tr!("open these tickets once more")),
    };
    Offer { word, meaning, flag }
}

fn flags(offers: &[Offer]) -> String {
    let each: Vec<_> = offers
        .iter()
        .map(|offer| tr!("%{flag} says: %{meaning}", flag = offer.flag, meaning = offer.meaning))
        .collect();
    each.join("; ")
}
