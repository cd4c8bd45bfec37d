//! Where an import is ordered and followed: one at a time. Browsers send words and read how it stands; who
//! works ([`super::work`]) reads the words and says how it stands. So it goes on whoever looks.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::door::Visitor;
use super::form::Form;
use crate::app::fault::Fault;
use crate::app::progress;
use crate::app::unfinished::Agreed;
use crate::delivery::Reason;
use crate::language::Language;
use crate::outbox::{Counts, Reasons};
use crate::ticket::code::BatchCode;

/// Words that wait for who works.
const WORDS_MAX: usize = 8;

/// Notes that are shown of an import: more than any has.
const NOTES_MAX: usize = 200;

/// Who works hears a word at once, unless the machine is very busy.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// What is to be imported.
pub struct Order {
    /// Of all orders, those of an earlier process too: a page of another one stops nothing.
    pub number: u64,
    pub id: String,
    pub by: Visitor,
    /// Where its sheet is kept.
    pub kept: PathBuf,
    pub name: String,
    /// How it is read, and where it goes.
    pub form: Form,
    /// Of who ordered it.
    pub language: Language,
    /// What a person said yes to before the program was cut off: with that it goes on without a word.
    pub agreed: Option<Agreed>,
    /// What its batch turned out to be.
    pub batch: OnceLock<BatchCode>,
    /// A person stops it: who, and how.
    pub stop: CancellationToken,
    pub stopped: OnceLock<Stopped>,
}

pub struct Stopped {
    pub who: String,
    pub how: How,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Nobody goes on with it by a word that was given before.
    Stop,
    /// Until a person goes on with it.
    Pause,
}

impl Order {
    pub fn is_paused(&self) -> bool {
        self.stopped.get().is_some_and(|stopped| stopped.how == How::Pause)
    }
}

/// A number that no order or question had before: the clock's, in microseconds.
pub fn order_number() -> u64 {
    u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default()
}

/// What a browser says to who works.
pub enum Word {
    Order(Arc<Order>),
    /// To the question of this number.
    Answer {
        number: u64,
        text: String,
    },
}

/// What a person should know of the import, as it came to be known.
#[derive(Clone)]
pub enum Note {
    Told(String),
    Warning(String),
}

/// How the import stands.
#[derive(Clone, Default)]
pub struct Standing {
    /// `None`: nothing was ordered yet.
    pub order: Option<Arc<Order>>,
    pub notes: Vec<Note>,
    pub stage: Stage,
    /// Whether tickets of it were opened, or could have been.
    pub has_opened: bool,
}

impl Standing {
    /// Whether anybody who opens tickets may know of it: there are tickets of it, or it came to its end.
    pub fn has_begun(&self) -> bool {
        self.has_opened || matches!(&self.stage, Stage::Ended(ended) if ended.is_ok())
    }

    /// The number of the question that is asked.
    fn asked(&self) -> Option<u64> {
        match &self.stage {
            Stage::Asked(question) => Some(question.number),
            _ => None,
        }
    }

    /// The same, if this word ends it.
    fn asked_by(&self, word: &Word) -> Option<u64> {
        self.asked().filter(|asked| match word {
            Word::Order(_) => false,
            Word::Answer { number, .. } => number == asked,
        })
    }

    /// Whether it was ordered by this visitor; nobody's is everybody's.
    pub fn is_of(&self, visitor: &Visitor) -> bool {
        self.order.as_ref().is_none_or(|order| order.by.user == visitor.user)
    }
}

#[derive(Clone, Default)]
pub enum Stage {
    #[default]
    Idle,
    /// It reads, looks up or writes.
    Busy,
    /// It looks for the services of customers.
    Finding {
        n_done: u64,
        n: u64,
    },
    Asked(Arc<Question>),
    Opening {
        /// Of the rows of its file.
        counts: Counts,
        run: Arc<progress::Standing>,
        is_sandbox: bool,
    },
    Ended(Arc<Result<Done, Broken>>),
}

impl Stage {
    /// Whether another one may be ordered.
    pub fn is_free(&self) -> bool {
        matches!(self, Self::Idle | Self::Ended(_))
    }
}

pub struct Question {
    pub number: u64,
    pub text: String,
    pub answers: Answers,
}

/// What answers a question; anything else ends the import.
pub enum Answers {
    /// One of these, by its place.
    OneOf(Vec<String>),
    /// This number, typed.
    Typed(u64),
}

/// What came of an import.
pub struct Done {
    pub lote: String,
    pub folder: PathBuf,
    pub counts: Counts,
    pub reasons: Reasons,
    pub is_sandbox: bool,
    pub came: Came,
}

/// How an import went.
pub enum Came {
    /// Rows are invalid, and it was said that none is to be opened then.
    Refused,
    /// Nothing had to be sent.
    Idle,
    Ran(Reason),
}

/// Why nothing came of it.
pub enum Broken {
    Declined,
    Fault(Fault),
    /// It came upon a defect of ours.
    Panicked,
}

impl<F: Into<Fault>> From<F> for Broken {
    fn from(fault: F) -> Self {
        Self::Fault(fault.into())
    }
}

/// The side of the browsers.
pub struct Desk {
    words: mpsc::Sender<Word>,
    standing: watch::Sender<Standing>,
}

impl Desk {
    /// And the words of browsers, for who works.
    pub fn new() -> (Self, mpsc::Receiver<Word>) {
        let (words, heard) = mpsc::channel(WORDS_MAX);
        (Self { words, standing: watch::Sender::default() }, heard)
    }

    /// Orders an import, unless another one goes on.
    pub fn order(&self, order: Order) -> bool {
        // Its place among the words comes first: what was taken must be heard.
        let Ok(place) = self.words.try_reserve() else { return false };
        let order = Arc::new(order);
        let is_taken = self.standing.send_if_modified(|standing| {
            let is_free = standing.stage.is_free();
            if is_free {
                let order = Some(Arc::clone(&order));
                *standing = Standing { order, stage: Stage::Busy, ..Standing::default() };
            }
            is_free
        });
        if is_taken {
            place.send(Word::Order(order));
        }
        is_taken
    }

    /// A person stops the order of this number, unless somebody has already, it has ended, or another one
    /// stands; what opens nothing yet cannot be paused. Returns it; its page says so at once.
    pub fn stop(&self, number: u64, stopped: Stopped) -> Option<Arc<Order>> {
        let Standing { order, stage, .. } = self.standing();
        let may_be = match stopped.how {
            How::Stop => !stage.is_free(),
            How::Pause => matches!(stage, Stage::Opening { .. }),
        };
        let order = order.filter(|order| order.number == number && may_be)?;
        // Before who works hears of it, who asks then how it is stopped.
        order.stopped.set(stopped).ok()?;
        order.stop.cancel();
        self.standing.send_modify(|_| {});
        Some(order)
    }

    /// Says something to who works. Where too much was said already, it is not heard. What ends a question is
    /// waited for: the page that is shown next would ask it again.
    pub async fn say(&self, word: Word) {
        let mut standing = self.standing.subscribe();
        let asked = standing.borrow().asked_by(&word);
        let _ = self.words.try_send(word);
        if let Some(number) = asked {
            let is_over = |standing: &Standing| standing.asked() != Some(number);
            let _ = timeout(HEARD_WITHIN, standing.wait_for(is_over)).await;
        }
    }

    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// How it stands, and from now on each time that it changes: since the page of who asks was made, it may
    /// have.
    pub fn follow(&self) -> watch::Receiver<Standing> {
        let mut following = self.standing.subscribe();
        following.mark_changed();
        following
    }

    pub(super) fn tells(&self, notes: impl IntoIterator<Item = Note>) {
        self.standing.send_modify(|standing| {
            let n_more = NOTES_MAX.saturating_sub(standing.notes.len());
            standing.notes.extend(notes.into_iter().take(n_more));
        });
    }

    pub(super) fn stands(&self, stage: Stage) {
        self.standing.send_modify(|standing| {
            standing.has_opened |= matches!(stage, Stage::Opening { .. });
            standing.stage = stage;
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// Seen: a question that came before its page listened was never shown.
    #[test]
    fn who_begins_to_follow_is_told_at_once() {
        let (desk, _words) = Desk::new();
        assert!(desk.follow().has_changed().unwrap());
    }

    /// Seen in a browser: a question that was just answered was asked again, by a page that does not follow.
    #[tokio::test(start_paused = true)]
    async fn who_answered_is_not_shown_the_question_again() {
        let (desk, mut words) = Desk::new();
        let asks = |number| {
            let answers = Answers::OneOf(Vec::new());
            desk.stands(Stage::Asked(Arc::new(Question { number, text: String::new(), answers })));
        };
        let answer = |number| desk.say(Word::Answer { number, text: String::new() });
        let works = async {
            words.recv().await;
            sleep(HEARD_WITHIN / 2).await;
            desk.stands(Stage::Busy);
        };
        asks(1);
        tokio::join!(works, async {
            answer(1).await;
            assert!(matches!(desk.standing().stage, Stage::Busy));
        });
        // What ends no question is waited for by nobody, and who is not heard does not wait for ever.
        asks(2);
        let begun = Instant::now();
        answer(1).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        answer(2).await;
        assert_eq!(begun.elapsed(), HEARD_WITHIN);
    }
}
