//! The questions about a batch, and who answers them.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Candidate;
use super::decide::{Answer, Doubt, Plan, Situation, decide};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::screen::Screen;
use crate::cli::summary;
use crate::registry::Entry;

/// Who is there to be asked.
pub enum Asking<'a> {
    /// A person, if standard input is theirs.
    Person { is_stdin_free: bool },
    /// Nobody: it is told what would be asked.
    DryRun(&'a Screen),
}

/// One of the answers to a question.
#[derive(Clone, Copy)]
pub struct Offer {
    /// As it is typed.
    pub word: &'static str,
    pub meaning: &'static str,
    /// How a script says it.
    pub flag: &'static str,
}

impl Asking<'_> {
    /// One of `offers`, by its number; anything else ends the command, and nothing was sent.
    pub fn choose(&self, question: &str, offers: &[Offer], screen: &Screen) -> Result<usize, Failure> {
        let is_stdin_free = match self {
            Self::DryRun(screen) => {
                screen.note(format!("it would be asked: {question}; {}", flags(offers)));
                return Ok(0);
            }
            Self::Person { is_stdin_free } => *is_stdin_free,
        };
        if !(is_stdin_free && io::stdin().is_terminal()) {
            return Err(Failure::new(
                Exit::Usage,
                format!("{question}; nobody is here to be asked, and nothing was sent"),
                flags(offers),
            ));
        }
        screen.err(format!("{question}."));
        for offer in offers {
            screen.err(format!("  {:<9}{}", offer.word, offer.meaning));
        }
        let words: Vec<_> = offers.iter().map(|it| format!("`{}`", it.word)).collect();
        screen.err(format!("Type {}; anything else stops:", words.join(" or ")));
        let _ = io::stderr().flush();
        let mut typed = String::new();
        let _ = io::stdin().read_line(&mut typed);
        offers.iter().position(|it| typed.trim().eq_ignore_ascii_case(it.word)).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "declined; nothing was sent",
                "run the same command again and type the answer",
            )
        })
    }

    /// The same about a batch.
    pub fn ask(&self, question: &str, answers: &[Answer], screen: &Screen) -> Result<Answer, Failure> {
        let offers: Vec<_> = answers.iter().map(|it| offer(*it)).collect();
        let chosen = self.choose(question, &offers, screen)?;
        Ok(answers.get(chosen).copied().unwrap_or(Answer::Again))
    }
}

fn offer(answer: Answer) -> Offer {
    let (word, flag, meaning) = match answer {
        Answer::Continue => ("continue", "--continue", "it is the same outage: go on with that batch"),
        Answer::New => ("new", "--new", "it is another outage: a batch of its own, beside the other one"),
        Answer::Again => ("again", "--again", "open these tickets once more"),
    };
    Offer { word, meaning, flag }
}

fn flags(offers: &[Offer]) -> String {
    let each: Vec<_> = offers.iter().map(|it| format!("{} says: {}", it.flag, it.meaning)).collect();
    each.join("; ")
}

/// What is done with a file, after a person has said what only they know.
pub fn plan(
    situation: &mut Situation,
    found: Option<&Candidate>,
    asking: &Asking<'_>,
    screen: &Screen,
) -> Result<Plan, Failure> {
    loop {
        match decide(situation) {
            Plan::Ask(doubt, offers) => {
                let question = question(doubt, situation, found);
                match asking.ask(&question, offers, screen)? {
                    Answer::Continue => situation.answers.go_on = true,
                    Answer::New => situation.answers.new = true,
                    Answer::Again => situation.answers.again = true,
                }
            }
            plan => return Ok(plan),
        }
    }
}

/// What is asked before a file is taken in.
fn question(doubt: Doubt, situation: &Situation, found: Option<&Candidate>) -> String {
    let carried = || {
        format!(
            "{} rows of this file say that an import which is not here took them in, and {} rows that they were opened \
             or may have been: what that import opened, or will yet, would be opened once more (correct it beside its \
             work folder instead)",
            situation.n_carried,
            situation.n_settled.min(situation.n_carried)
        )
    };
    let Some(found) = found.filter(|_| doubt != Doubt::Carried) else { return carried() };
    let compared = &found.compared;
    let (name, when, counts) =
        (&found.info.name, when(found.info.active_at), summary::in_words(&found.info.counts));
    let mut rows = Vec::new();
    for (n, what) in [
        (compared.unchanged, "are known"),
        (compared.changed, "changed"),
        (compared.new, "are new"),
        (compared.reused, "have a referencia that stood beside another service"),
    ] {
        if 0 < n {
            rows.push(format!("{n} {what}"));
        }
    }
    if 0 < compared.gone {
        rows.push(format!(
            "{} of the batch are gone ({} of them not sent yet: withdrawn with `continue`)",
            compared.gone, compared.gone_unsent
        ));
    }
    let asked = match doubt {
        Doubt::Edit => "is this an edit of it?",
        Doubt::Other => "is this another outage?",
        Doubt::Old => "is it still the same outage?",
        Doubt::Carried => return carried(),
    };
    format!(
        "batch `{name}` stands in {} (last active on {when}: {counts}), and of the {} rows of this file {}: {asked}",
        found.outbox,
        compared.n_rows,
        rows.join(", ")
    )
}

/// What is asked before the same content is opened once more.
pub fn again(earlier: &Entry) -> String {
    format!(
        "the same rows were imported on {} to {}, {}: each ticket would be opened a second time",
        when(earlier.at),
        earlier.host,
        if earlier.folder.starts_with("into ") {
            earlier.folder.clone()
        } else {
            format!("with results in `{}`", earlier.folder)
        }
    )
}

/// On the clock of the person who is asked.
pub fn when(at: Timestamp) -> String {
    TimeZone::system().to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string()
}
