//! Tries everything that a run needs, and tells of each as it is found.

use std::error::Error;
use std::io;
use std::net::ToSocketAddrs;
use std::path::Path;

use super::address;
use super::deliver::Calm;
use super::fault::Fault;
use super::target::Target;
use super::work_folder::OUTBOX_FILE;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::{self, Halt, Rate, Reply};
use crate::outbox::{Address, Health};
use crate::platform;
use crate::temporary;
use crate::text;
use crate::ticket::Catalogue;

/// Less than this is little for an outbox and its results. Bytes.
const SPACE_MIN: u64 = 1 << 30;

/// Clocks further apart than this make the age of tickets misleading. Seconds.
const CLOCK_AHEAD_MAX_S: i64 = 60;

/// What was found, each at most once but for catalogues, in this order.
pub enum Found {
    /// Whether an outbox can be made in this folder.
    Outbox(Result<(), Box<dyn Error>>),
    /// On the disk of this folder. Bytes.
    Space {
        free: u64,
        is_little: bool,
    },
    /// The outbox that a setting names. `None`: a file.
    Database(Result<Option<Health>, Fault>),
    /// So many addresses has the name of HubSoft's host; or the host, and why it has none.
    Name(Result<usize, (String, io::Error)>),
    Login(Answer<()>),
    /// How many entries a catalogue has.
    Catalogue {
        name: &'static str,
        answer: Answer<usize>,
    },
    /// How far this machine's clock is ahead of HubSoft's. `None`: HubSoft does not tell the time.
    Clock {
        ahead_s: Option<i64>,
        is_right: bool,
    },
}

/// What HubSoft answered.
pub enum Answer<T> {
    Right(T),
    /// None came, for this reason.
    Away(String),
    /// This user may not ask, for this reason.
    Denied(String),
    /// It proves nothing, for this reason.
    Doubtful(String),
}

/// Tries the outbox at `url`, or one in this folder, and the HubSoft of `target`. What makes further tries
/// idle ends it.
pub async fn doctor(
    target: &Target,
    rate: Rate,
    url: Option<&str>,
    found: impl Fn(Found),
) -> Result<(), Fault> {
    match url {
        None => outbox_here(&found).await,
        Some(url) => found(Found::Database(database(url).await)),
    }
    let away = || Fault::HubSoftAway { host: target.host.clone() };
    let addresses = target.address.to_socket_addrs().map(Iterator::count);
    let addresses = addresses.map_err(|error| (target.host.clone(), error));
    let has_name = addresses.is_ok();
    found(Found::Name(addresses));
    if !has_name {
        return Err(away());
    }

    let reply = target.api.login(&Calm::new(rate)).await;
    let login = match Evidence::of(&reply) {
        Evidence { row: Row::Answered(()), .. } => Answer::Right(()),
        Evidence { guard: Guard::Unauthorized(fault), .. } => return Err(unauthorized(fault)),
        Evidence { row: Row::NotSent(fault) | Row::Unknown(fault), .. } => Answer::Away(text::fault(fault)),
        _ => Answer::Doubtful(why(&reply)),
    };
    let is_away = matches!(login, Answer::Away(_));
    found(Found::Login(login));
    if is_away {
        return Err(away());
    }
    for catalogue in Catalogue::all() {
        let name = catalogue.name;
        let reply = target.api.catalogue(catalogue, &Calm::new(rate)).await;
        let answer = match Evidence::of(&reply) {
            Evidence { row: Row::Answered(entries), .. } => Answer::Right(entries.len()),
            Evidence { guard: Guard::Unauthorized(fault), .. } => return Err(unauthorized(fault)),
            Evidence { row: Row::NotSent(fault), .. } => Answer::Away(text::fault(fault)),
            Evidence { guard: Guard::Denied(fault), .. } => Answer::Denied(text::fault(fault)),
            _ => Answer::Doubtful(why(&reply)),
        };
        let is_away = matches!(answer, Answer::Away(_));
        found(Found::Catalogue { name, answer });
        if is_away {
            return Err(away());
        }
    }
    let ahead_s = target.api.clock_ahead(&Calm::new(rate)).await.map(|ahead| ahead.as_secs());
    let is_right = ahead_s.is_some_and(|ahead_s| ahead_s.abs() <= CLOCK_AHEAD_MAX_S);
    found(Found::Clock { ahead_s, is_right });
    Ok(())
}

/// Makes an outbox here, as an import would, and takes it away again.
async fn outbox_here(found: &impl Fn(Found)) {
    let tried = async {
        let folder = temporary::folder_in(Path::new(""))?;
        let outbox = Address::File(folder.path().join(OUTBOX_FILE)).open().await?;
        outbox.bind_host("doctor").await?;
        outbox.close().await?;
        Ok::<_, Box<dyn Error>>(())
    };
    let tried = tried.await;
    let is_made = tried.is_ok();
    found(Found::Outbox(tried));
    if is_made && let Ok(free) = platform::free_space(Path::new(".")) {
        found(Found::Space { free, is_little: free < SPACE_MIN });
    }
}

/// Opens the outbox at `url`, and looks at the server.
async fn database(url: &str) -> Result<Option<Health>, Fault> {
    let outbox = address::at(url)?.look().await?;
    Ok(outbox.reader().health().await?)
}

fn unauthorized(fault: &delivery::Fault) -> Fault {
    Fault::Halted(Halt::Unauthorized(fault.clone()))
}

/// Why there is no answer.
fn why<T>(reply: &Reply<T>) -> String {
    reply.verdict.trouble().map_or_else(|| "not sent".to_owned(), |fault| text::fault(&fault))
}
