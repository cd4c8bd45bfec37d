//! `web`: the page, until it is told to stop.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::json;
use tokio::net::TcpListener;

use super::args;
use super::exit::{self, Exit};
use super::failure::Failure;
use super::screen::Screen;
use super::signals::Signals;
use super::typed::Typed;
use crate::app::place::Outboxes;
use crate::language::said;
use crate::outbox::Counts;
use crate::platform;
use crate::registry::{Role, Users};
use crate::settings::{self, PAGE_AT, Sources};
use crate::web::{self, Came, Site};

/// Leads a browser to the page, in the state folder.
const WAY_IN: &str = "web.html";

pub async fn web(
    args: &args::Web,
    outboxes: Outboxes,
    sources: Sources,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let settings::Paging { listen: asked, page_url } = sources.resolve(&args.settings)?;
    let users = Users::at(sources.environment().state_folder());
    let users = if users.all()?.is_empty() { None } else { Some(users) };
    let asked_at = asked.unwrap_or(PAGE_AT);
    let is_ours_alone = asked_at.ip().is_loopback() && page_url.is_none();
    if !is_ours_alone && users.is_none() {
        let add = Typed::now().other(&["web", "user", "add", &said("NAME"), "--role", Role::Abrir.name()]);
        return Err(Failure::new(
            Exit::Usage,
            tr!("the page can be reached from other machines, and nobody may log in yet"),
            tr!("`%{add}` lets somebody in", add = add),
        ));
    }
    if !asked_at.ip().is_loopback() && page_url.is_none() {
        return Err(Failure::new(
            Exit::Usage,
            tr!(
                "%{at} can be reached from other machines, and passwords are not to be read on the way",
                at = asked_at
            ),
            tr!(
                "put a proxy before it that speaks TLS, and say by --page-url what people type: docs/operating.md tells how"
            ),
        ));
    }
    let listener = listen(asked).await?;
    let at = listener.local_addr().map_err(|error| unheard(PAGE_AT, &error))?;
    let signals = Signals::listen()?;
    let way_in = match args.no_open || !screen.is_terminal() || !sources.environment().has_display() {
        true => None,
        false => sources.environment().state_folder().map(|folder| folder.join(WAY_IN)),
    };
    let has_users = users.is_some();
    let (site, words) = Site::new(
        at,
        page_url.map(|url| url.to_string()),
        users,
        outboxes,
        sources,
        ends_with,
        signals.stop.clone(),
    );
    let opened = std::cell::Cell::new(false);
    let tell = |address: &str| {
        match screen.json {
            true => screen.result_json(json!({"version": 1, "url": address}).to_string()),
            false => screen.result(address),
        }
        if let Some(way_in) = way_in.as_deref().filter(|_| !opened.replace(true)) {
            open(way_in, address);
        }
    };
    screen.note(match has_users {
        true => tr!("the page is at the next address, where users log in; Ctrl-C ends it"),
        false => tr!("the page is at the next address, which lets one browser in, once; Ctrl-C ends it"),
    });
    tokio::select! {
        () = web::serve(listener, site.clone(), words) => {}
        never = site.tell_addresses(tell) => match never {},
    }
    if let Some(way_in) = way_in {
        let _ = std::fs::remove_file(way_in);
    }
    Ok(Exit::Done)
}

fn ends_with(came: &Came, counts: &Counts) -> u8 {
    let exit = match came {
        Came::Refused => Exit::File,
        Came::Idle => exit::of_counts(counts),
        Came::Ran(reason) => exit::of_run(reason, None, counts),
    };
    exit as u8
}

/// At `asked`; else where it usually is, or beside that if somebody is there.
async fn listen(asked: Option<SocketAddr>) -> Result<TcpListener, Failure> {
    let at = asked.unwrap_or(PAGE_AT);
    match TcpListener::bind(at).await {
        Err(error) if asked.is_none() && error.kind() == ErrorKind::AddrInUse => {
            let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            TcpListener::bind(free).await.map_err(|error| unheard(free, &error))
        }
        bound => bound.map_err(|error| unheard(at, &error)),
    }
}

fn unheard(at: SocketAddr, error: &std::io::Error) -> Failure {
    // Who is there may go, and then it is right to have tried again.
    let exit = if error.kind() == ErrorKind::AddrInUse { Exit::Busy } else { Exit::Usage };
    let why = crate::language::os_error(&error.to_string()).into_owned();
    Failure::new(
        exit,
        tr!("cannot listen at %{at}: %{why}", at = at, why = why),
        tr!("give --listen a free address of this machine, such as %{usual}", usual = PAGE_AT),
    )
}

/// Opens a browser, by a file that leads it on: everybody on the machine can read arguments, and the first
/// who brings the key is let in. Where that fails, there is the address on the screen.
fn open(way_in: &Path, address: &str) {
    let lead = || {
        let folder = way_in.parent().unwrap_or(Path::new("/"));
        std::fs::DirBuilder::new().recursive(true).create(folder)?;
        let _ = std::fs::remove_file(way_in);
        let mut file = platform::private(File::options().write(true).create_new(true)).open(way_in)?;
        write!(file, "<!DOCTYPE html><meta http-equiv=\"refresh\" content=\"0; url={address}\">")
    };
    let _ = lead().and_then(|()| platform::open(way_in));
}
