//! What a person sees in a browser: pages that are made here, of what the use cases say. It has no rule of
//! its own.
//!
//! [`serve`] answers at an address; who is let in: [`door`].

mod answer;
mod apart;
mod batches;
mod bring;
mod cut_off;
mod deeds;
mod desk;
mod door;
mod files;
mod followers;
mod form;
mod going;
mod hints;
mod lead;
mod logins;
mod looks;
mod lote;
mod on_call;
mod overview;
mod page;
#[cfg(test)]
mod parity;
mod plot;
mod readings;
mod row;
mod rows;
mod secret;
mod sheet;
mod sheets;
mod speech;
mod teller;
mod turns;
mod word;
mod work;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::routing::MethodRouter;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::app::fault::Fault;
use crate::app::place::Outboxes;
use crate::app::unfinished::Kept;
use crate::app::uploads::Uploads;
use crate::outbox::{BatchInfo, Counts, Way};
use crate::registry::Users;
use crate::service::server::{self, Bounds};
use crate::settings::Sources;
use apart::apart;
use deeds::{Asked, Deeds};
pub use desk::Came;
use desk::{Desk, Word};
use door::{Door, For, Visitor};
use followers::Followers;
use lead::Lead;
use looks::Looks;
use readings::Readings;
use turns::Turns;

/// At a time; a browser has six.
const CONNECTIONS_MAX: usize = 64;

/// Of these such as follow an import, and stay open. And of one person's: a browser has six.
const FOLLOWERS_MAX: usize = 40;
const FOLLOWERS_OF_ONE_MAX: usize = 8;
const _: () = assert!(FOLLOWERS_OF_ONE_MAX < FOLLOWERS_MAX && FOLLOWERS_MAX < CONNECTIONS_MAX);

/// Sheets that are received at a time: each may be as long as one may be. And of one person's.
const RECEIVED_MAX: usize = 8;
const RECEIVED_OF_ONE_MAX: usize = 2;

/// Sheets that are read at a time to be looked at: each may need much memory. And of one person's.
const READ_MAX: usize = 2;
const READ_OF_ONE_MAX: usize = 1;

const BOUNDS: Bounds = Bounds { n_connections_max: CONNECTIONS_MAX, one_answer_within: None };

/// What there is to show.
pub struct Site {
    door: Door,
    outboxes: Outboxes,
    sources: Sources,
    /// `None`: there is no folder for them.
    uploads: Option<Uploads>,
    /// `None`: another page has it, or there is no folder for it.
    unfinished: Option<Kept>,
    receiving: Turns,
    reading: Turns,
    readings: Readings,
    desk: Desk,
    followers: Followers,
    deeds: Deeds,
    /// The first page, by what comes before it.
    home: Looks<usize, batches::Looked>,
    batches: Looks<Lead, Result<BatchInfo, Fault>>,
    ends_with: EndsWith,
    stop: CancellationToken,
}

/// The exit code of a command that imports what came to this: its summary says it.
pub type EndsWith = fn(&Came, &Counts) -> u8;

/// Where, for whom, and what answers there.
type Route = (&'static str, For, MethodRouter<Arc<Site>>);

impl Site {
    /// Of these outboxes, shown at `at` until `stop`; `public` and `users`: see [`Door::new`].
    pub fn new(
        at: SocketAddr,
        public: Option<String>,
        users: Option<Users>,
        outboxes: Outboxes,
        sources: Sources,
        ends_with: EndsWith,
        stop: CancellationToken,
    ) -> (Arc<Self>, Ordered) {
        let outboxes = Outboxes { way: Way::Page, ..outboxes };
        let uploads = sources.environment().state_folder().map(|folder| Uploads::at(&folder));
        let state_folder = sources.environment().state_folder();
        let unfinished = state_folder.and_then(|folder| Kept::of(&folder, &outboxes));
        let door = Door::new(at, public, users);
        let receiving = Turns::new(RECEIVED_MAX, RECEIVED_OF_ONE_MAX);
        let reading = Turns::new(READ_MAX, READ_OF_ONE_MAX);
        let ((desk, words), (deeds, asked)) = (Desk::new(), Deeds::new());
        let site = Self {
            door,
            outboxes,
            sources,
            uploads,
            unfinished,
            receiving,
            reading,
            readings: Readings::default(),
            desk,
            followers: Followers::new(FOLLOWERS_MAX, FOLLOWERS_OF_ONE_MAX),
            deeds,
            home: Looks::default(),
            batches: Looks::default(),
            ends_with,
            stop,
        };
        (Arc::new(site), Ordered { words, deeds: asked })
    }

    /// What a visitor is called where it is kept who did something.
    fn called(&self, visitor: &Visitor) -> String {
        visitor.user.as_ref().map_or_else(|| self.outboxes.user.clone(), ToString::to_string)
    }

    /// What a browser had done: who asks from now on sees it.
    fn forget_looks(&self) {
        self.home.forget();
        self.batches.forget();
    }

    /// Tells the address that lets a browser in, and, each time that one came in, that of the next; as long
    /// as it is polled.
    pub async fn tell_addresses(&self, tell: impl Fn(&str)) -> Infallible {
        self.door.tell_addresses(tell).await
    }
}

/// What browsers order.
pub struct Ordered {
    words: mpsc::Receiver<Word>,
    deeds: Asked,
}

/// Answers browsers, and does what they order, until the site is told to stop: an import that goes on then is
/// stopped cleanly.
pub async fn serve(listener: TcpListener, site: Arc<Site>, ordered: Ordered) {
    let answering = TowerToHyperService::new(answer::router(Arc::clone(&site)));
    let (Ordered { words, deeds }, imports, stop) = (ordered, Arc::clone(&site), site.stop.clone());
    tokio::join!(
        server::serve(listener, BOUNDS, answering, &site.stop),
        apart(move || async move { work::work(&imports, words, &imports.stop).await }),
        apart(move || async move { deeds.work(&stop).await }),
    );
}
