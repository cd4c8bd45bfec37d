//! What is to be told yet, and to whom.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::message::{Event, Message};
use super::program;
use super::recipient::Recipient;
use super::undelivered::{END_MAX, Undelivered};
use super::web::Web;

/// Notices that wait at most: if more come, the oldest are dropped.
const WAITING_MAX: usize = 32;

/// Who is told, and what is to be told yet.
#[derive(Default)]
pub struct Notices {
    way: Option<Way>,
    waiting: RefCell<VecDeque<Message>>,
    came: Notify,
}

/// How a notice gets there.
enum Way {
    Web(Web),
    /// A program, and what of our environment is not its business.
    Program {
        path: PathBuf,
        without: Vec<OsString>,
    },
}

impl Notices {
    /// `None`: nobody is told. A program gets our environment without the variables `without`.
    pub fn new(recipient: Option<Recipient>, without: Vec<OsString>) -> Result<Self, Undelivered> {
        let way = match recipient {
            None => None,
            Some(Recipient::Url(url)) => Some(Way::Web(Web::new(url)?)),
            Some(Recipient::Program(path)) => Some(Way::Program { path, without }),
        };
        Ok(Self { way, ..Self::default() })
    }

    pub fn is_for_nobody(&self) -> bool {
        self.way.is_none()
    }

    /// To be told as soon as can be.
    pub fn add(&self, message: Message) {
        if self.is_for_nobody() {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        if WAITING_MAX <= waiting.len() {
            waiting.pop_front();
        }
        waiting.push_back(message);
        self.came.notify_one();
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> Vec<Message> {
        self.waiting.borrow().iter().cloned().collect()
    }

    /// Tells beside `run`, as long as it goes; what could not be told, `fail` hears.
    pub async fn beside<T>(&self, run: impl Future<Output = T>, fail: impl Fn(&Undelivered)) -> T {
        let told = async {
            loop {
                self.tell_all(&fail).await;
                self.came.notified().await;
            }
        };
        // Dropped in the midst of a notice, it stands in front still, and is told again at the end.
        tokio::select! {
            done = run => done,
            () = told => unreachable!("it tells for ever"),
        }
    }

    /// The last one: tells what waits, within [`END_MAX`], but no pauses: they are over.
    pub async fn end(&self, message: Message, fail: impl Fn(&Undelivered)) {
        self.waiting.borrow_mut().retain(|waiting| waiting.event != Event::Paused);
        self.add(message);
        if timeout(END_MAX, self.tell_all(&fail)).await.is_err() {
            fail(&Undelivered::NoTime);
        }
    }

    async fn tell_all(&self, fail: &impl Fn(&Undelivered)) {
        loop {
            let Some(message) = self.waiting.borrow().front().cloned() else { return };
            if let Err(why) = self.tell(&message).await {
                fail(&why);
            }
            // While it was told, others may have pushed it out.
            self.waiting.borrow_mut().retain(|waiting| waiting.number != message.number);
        }
    }

    async fn tell(&self, message: &Message) -> Result<(), Undelivered> {
        match &self.way {
            None => Ok(()),
            Some(Way::Web(web)) => web.post(message.json()).await,
            Some(Way::Program { path, without }) => {
                program::run(path.clone(), without.clone(), message.event.name(), message.json()).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::time::Instant;

    use super::*;

    /// The clock of the test goes on by itself while everybody waits.
    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_run_waits_within_a_bound_for_who_never_answers() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://user:secret@{}/secret", silent.local_addr().unwrap());
        let notices = Notices::new(Some(url.parse().unwrap()), Vec::new()).unwrap();
        (0..100).for_each(|_| notices.add(Message::now(Event::Paused)));
        assert_eq!(notices.waiting().len(), WAITING_MAX, "no more are kept");
        let (began, told) = (Instant::now(), RefCell::new(Vec::new()));
        let run = notices.beside(async { 7 }, |_| {}).await;
        notices.end(Message::now(Event::Finished), |why| told.borrow_mut().push(why.to_string())).await;
        assert_eq!(run, 7);
        assert!(began.elapsed() <= END_MAX + END_MAX / 10, "{:?}", began.elapsed());
        let told = told.into_inner();
        assert!(!told.is_empty() && told.iter().all(|why| !why.contains("secret")), "{told:?}");
    }
}
