//! Who answers questions, and how.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app::batches::Answer;

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

/// One of the answers to a question.
#[derive(Clone)]
pub struct Offer {
    /// As it is typed.
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
                "it would be asked: %{question}; %{flags}",
                question = question,
                flags = flags(offers)
            ));
            return Ok(0);
        }
        if !self.is_anybody_here() {
            return Err(Failure::new(
                Exit::Usage,
                tr!("%{question}; nobody is here to be asked, and nothing was sent", question = question),
                flags(offers),
            ));
        }
        screen.err(format!("{question}."));
        for offer in offers {
            screen.err(format!("  {:<9}{}", offer.word, offer.meaning));
        }
        let words: Vec<_> = offers.iter().map(|offer| format!("`{}`", offer.word)).collect();
        screen.err(tr!("Type %{words}; anything else stops:", words = words.join(&tr!(" or "))));
        let typed = typed();
        offers.iter().position(|offer| typed.trim().eq_ignore_ascii_case(offer.word)).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                tr!("declined; nothing was sent"),
                tr!("run the same command again and type the answer"),
            )
        })
    }
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
        Answer::Continue => ("continue", "--continue", tr!("it is the same outage: go on with that batch")),
        Answer::New => {
            ("new", "--new", tr!("it is another outage: a batch of its own, beside the other one"))
        }
        Answer::Again => ("again", "--again", tr!("open these tickets once more")),
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
