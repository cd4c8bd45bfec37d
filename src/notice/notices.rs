//! What is to be told yet, and to whom.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::message::{Event, Message};
use super::program;
use super::recipient::Recipient;
use super::undelivered::{BEFORE_END_MAX, END_MAX, Undelivered};
use super::web::Web;

/// Notices that wait at most: if more come, the oldest are dropped.
const WAITING_MAX: usize = 32;

/// Who is told, and what is to be told yet.
#[derive(Default)]
pub struct Notices {
    way: Option<Rc<Way>>,
    waiting: RefCell<VecDeque<Message>>,
    /// What is being told just now. It goes on where somebody else waits for it then, lest it be told twice.
    telling: RefCell<Option<Telling>>,
    came: Notify,
}

type Telling = Pin<Box<dyn Future<Output = Result<(), Undelivered>>>>;

/// How a notice gets there.
enum Way {
    Web(Web),
    /// A program, and what of our environment is not its business.
    Program {
        path: PathBuf,
        without: Vec<OsString>,
    },
    #[cfg(test)]
    Made(Box<dyn Fn(Event) -> Telling>),
}

impl Notices {
    /// `None`: nobody is told. A program gets our environment without the variables `without`.
    pub fn new(recipient: Option<Recipient>, without: Vec<OsString>) -> Result<Self, Undelivered> {
        let way = match recipient {
            None => None,
            Some(Recipient::Url(url)) => Some(Way::Web(Web::new(url)?)),
            Some(Recipient::Program(path)) => Some(Way::Program { path, without }),
        };
        Ok(Self { way: way.map(Rc::new), ..Self::default() })
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
        // Dropped in the midst of a notice, that is not lost: the end goes on with it.
        tokio::select! {
            done = run => done,
            () = told => unreachable!("it tells for ever"),
        }
    }

    /// The last one, which is told within [`END_MAX`]; before it what waits, within [`BEFORE_END_MAX`], but
    /// no pauses: they are over.
    pub async fn end(&self, message: Message, fail: impl Fn(&Undelivered)) {
        self.waiting.borrow_mut().retain(|waiting| waiting.event != Event::Paused);
        if timeout(BEFORE_END_MAX, self.tell_all(&fail)).await.is_err() {
            self.waiting.take();
            self.telling.take();
            fail(&Undelivered::NoTime { longest: BEFORE_END_MAX });
        }
        self.add(message);
        if timeout(END_MAX, self.tell_all(&fail)).await.is_err() {
            fail(&Undelivered::NoTime { longest: END_MAX });
        }
    }

    async fn tell_all(&self, fail: &impl Fn(&Undelivered)) {
        while self.begins() {
            // Dropped, it leaves what is told where it is.
            let told = poll_fn(|context| match &mut *self.telling.borrow_mut() {
                Some(telling) => telling.as_mut().poll(context),
                None => Poll::Ready(Ok(())),
            });
            let told = told.await;
            self.telling.take();
            if let Err(why) = told {
                fail(&why);
            }
        }
    }

    /// Whether something is being told, once this has begun with the next.
    fn begins(&self) -> bool {
        let mut telling = self.telling.borrow_mut();
        if telling.is_none() {
            let next = self.waiting.borrow_mut().pop_front();
            *telling = next.zip(self.way.clone()).map(|(message, way)| way.tell(message));
        }
        telling.is_some()
    }
}

impl Way {
    fn tell(self: Rc<Self>, message: Message) -> Telling {
        Box::pin(async move {
            match &*self {
                Self::Web(web) => web.post(message.json()).await,
                Self::Program { path, without } => {
                    program::run(path.clone(), without.clone(), message.event.name(), message.json()).await
                }
                #[cfg(test)]
                Self::Made(tell) => tell(message.event).await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

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
        assert!(began.elapsed() <= (BEFORE_END_MAX + END_MAX).mul_f64(1.1), "{:?}", began.elapsed());
        let told = told.into_inner();
        assert!(!told.is_empty() && told.iter().all(|why| !why.contains("secret")), "{told:?}");
    }

    /// What was told, of a recipient who takes so long for a halt; and what was not delivered.
    async fn told(n_halts: usize, takes: Duration) -> (Vec<Event>, Vec<String>) {
        let (told, failed) = (Rc::new(RefCell::new(Vec::new())), RefCell::new(Vec::new()));
        let heard = Rc::clone(&told);
        let tell = move |event| -> Telling {
            heard.borrow_mut().push(event);
            Box::pin(async move {
                if event == Event::Halted {
                    sleep(takes).await;
                }
                Ok(())
            })
        };
        let notices = Notices { way: Some(Rc::new(Way::Made(Box::new(tell)))), ..Notices::default() };
        (0..n_halts).for_each(|_| notices.add(Message::now(Event::Halted)));
        let fail = |why: &Undelivered| failed.borrow_mut().push(why.to_string());
        notices.beside(sleep(Duration::from_secs(1)), fail).await;
        notices.end(Message::now(Event::Finished), fail).await;
        (told.take(), failed.take())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_told_when_the_run_ends_is_told_once() {
        let (told, failed) = told(2, Duration::from_secs(3)).await;
        assert_eq!((told, failed), (vec![Event::Halted, Event::Halted, Event::Finished], vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_told_although_what_stands_before_it_hangs() {
        let (told, failed) = told(5, Duration::from_secs(3600)).await;
        assert_eq!(told, [Event::Halted, Event::Finished]);
        assert_eq!(failed, ["the run does not wait for it longer than 10 s"]);
    }
}
