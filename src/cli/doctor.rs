//! `doctor`: tries everything that a run needs, one line each.

use std::cell::RefCell;
use std::net::ToSocketAddrs;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::statvfs;
use serde_json::{Value, json};

use super::args::Global;
use super::clock::local;
use super::delivering::{Calm, Target};
use super::exit::Exit;
use super::failure::Failure;
use super::halts::halted;
use super::screen::Screen;
use crate::app::address;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::{Halt, Reply};
use crate::outbox::{ReadOnlyOutbox, SqliteOutbox};
use crate::settings::{Flags, Sending, Sources};
use crate::temporary;
use crate::ticket::Catalogue;

/// Less than this is little for an outbox and its results. Bytes.
const SPACE_MIN: u64 = 1 << 30;

/// Clocks further apart than this make the age of tickets misleading. Seconds.
const CLOCK_AHEAD_MAX_S: i64 = 60;

/// What was found, one line each; in JSON all at the end.
struct Findings<'a> {
    screen: &'a Screen,
    checks: RefCell<Vec<Value>>,
}

impl Findings<'_> {
    /// As it should be.
    fn ok(&self, name: &str, text: &str) {
        self.tell(name, "ok", text);
    }

    /// Nobody can say, or it is not what one would wish for.
    fn doubtful(&self, name: &str, text: &str) {
        self.tell(name, "doubtful", text);
    }

    /// A run would fail.
    fn wrong(&self, name: &str, text: &str) {
        self.tell(name, "wrong", text);
    }

    fn tell(&self, name: &str, verdict: &str, text: &str) {
        if self.screen.json {
            self.checks.borrow_mut().push(json!({"name": name, "verdict": verdict, "said": text}));
        } else {
            self.screen.result(format!("{name}: {text}"));
        }
    }
}

pub async fn doctor(
    flags: &Flags<Sending>,
    sources: &Sources,
    global: &Global,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let findings = Findings { screen, checks: RefCell::default() };
    let tried = examine(flags, sources, global, &findings).await;
    if !screen.json {
        return tried;
    }
    let exit = match tried {
        Ok(exit) => exit,
        Err(failure) => {
            screen.fail(&failure);
            findings.wrong("run", &failure.in_a_line());
            failure.exit
        }
    };
    let checks = findings.checks.into_inner();
    screen.result_json(json!({"version": 1, "checks": checks, "exit_code": exit as u8}).to_string());
    Ok(exit)
}

async fn examine(
    flags: &Flags<Sending>,
    sources: &Sources,
    global: &Global,
    findings: &Findings<'_>,
) -> Result<Exit, Failure> {
    let sending = sources.resolve(flags)?;
    let target = Target::new(sources, &sending)?;
    findings.ok("settings", &format!("ok, HubSoft at {}", target.named));

    let mut exit = match sources.resolve(&global.database)?.url {
        None => outbox(findings).await,
        Some(url) => database(&url, findings).await,
    };
    let rate = sending.rate;
    match target.address.to_socket_addrs() {
        Ok(found) => findings.ok("name", &format!("ok, {} addresses", found.count())),
        Err(error) => {
            findings.wrong("name", &format!("{} cannot be resolved ({error})", target.host));
            return Err(unreachable_at(&target));
        }
    }
    let reply = target.api.login(&Calm::new(rate)).await;
    match Evidence::of(&reply) {
        Evidence { row: Row::Answered(()), .. } => findings.ok("login", "ok"),
        Evidence { guard: Guard::Unauthorized(fault), .. } => {
            return Err(halted(&Halt::Unauthorized(fault.clone())));
        }
        Evidence { row: Row::NotSent(fault) | Row::Unknown(fault), .. } => {
            findings.wrong("login", &format!("no answer ({})", fault.message));
            return Err(unreachable_at(&target));
        }
        _ => findings.doubtful("login", &why(&reply)),
    }
    for catalogue in Catalogue::all() {
        let name = catalogue.name;
        let reply = target.api.catalogue(catalogue, &Calm::new(rate)).await;
        match Evidence::of(&reply) {
            Evidence { row: Row::Answered(entries), .. } => {
                findings.ok(name, &format!("ok, {} known", entries.len()));
            }
            Evidence { guard: Guard::Unauthorized(fault), .. } => {
                return Err(halted(&Halt::Unauthorized(fault.clone())));
            }
            Evidence { row: Row::NotSent(fault), .. } => {
                findings.wrong(name, &format!("no connection ({})", fault.message));
                return Err(unreachable_at(&target));
            }
            Evidence { guard: Guard::Denied(fault), .. } => {
                findings.wrong(name, &format!("no permission ({})", fault.message));
                exit = Exit::Denied;
            }
            _ => findings.doubtful(name, &format!("not verified, {}", why(&reply))),
        }
    }
    match target.api.clock_ahead(&Calm::new(rate)).await.map(|it| it.as_secs()) {
        None => findings.doubtful("clock", "not verified, HubSoft does not tell the time"),
        Some(ahead_s) if ahead_s.abs() <= CLOCK_AHEAD_MAX_S => findings.ok("clock", "ok"),
        Some(ahead_s) => {
            findings.doubtful("clock", &format!("{ahead_s} s ahead of HubSoft's; set this machine's clock"));
        }
    }
    Ok(exit)
}

/// Makes an outbox here, as an import would, and takes it away again.
async fn outbox(findings: &Findings<'_>) -> Exit {
    let tried = async {
        let folder = temporary::folder_in(Path::new(""))?;
        let outbox = SqliteOutbox::open(&folder.path().join("outbox.db")).await?;
        outbox.bind_host("doctor").await?;
        outbox.close().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    match tried.await {
        Ok(()) => findings.ok("outbox in this folder", "ok, durable"),
        Err(error) => {
            findings.wrong(
                "outbox in this folder",
                &format!("{error}; go to a local folder that you may write to"),
            );
            return Exit::Usage;
        }
    }
    if let Ok(space) = statvfs(Path::new(".")) {
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let text = format!("{} MiB free at {}", free >> 20, local(Timestamp::now()));
        match free < SPACE_MIN {
            true => findings.doubtful("space", &format!("little, {text}")),
            false => findings.ok("space", &format!("ok, {text}")),
        }
    }
    Exit::Done
}

/// Opens the outbox at `url`, and looks at the server.
async fn database(url: &str, findings: &Findings<'_>) -> Exit {
    let opened = match address::at(url) {
        Ok(address) => address.look().await.map_err(Failure::from),
        Err(fault) => Err(fault.into()),
    };
    let health = match opened {
        Ok(ReadOnlyOutbox::Postgres(outbox)) => outbox.health().await.map_err(Failure::from),
        Ok(ReadOnlyOutbox::Sqlite(_)) => {
            findings.ok("database", "ok, a file");
            return Exit::Done;
        }
        Err(failure) => Err(failure),
    };
    let health = match health {
        Ok(health) => health,
        Err(failure) => {
            findings.wrong("database", &failure.in_a_line());
            return failure.exit;
        }
    };
    findings.ok("database", &format!("ok, PostgreSQL {}, its schema is up to date", health.version));
    let mut exit = Exit::Done;
    if !health.takes_writes {
        findings.wrong("database", "it is read-only or a standby; name the primary in the database URL");
        exit = Exit::Usage;
    }
    match health.is_durable {
        true => findings.ok("durability", "ok"),
        false => findings.wrong("durability", "fsync or full_page_writes is off, so a power cut may forget what was sent; set both on in postgresql.conf"),
    }
    if let Some(what) = health.not_ours {
        findings.doubtful("triggers", &not_ours(&what));
    }
    exit
}

/// What hangs on the tables of an outbox, and what that may do.
pub(super) fn not_ours(what: &str) -> String {
    format!(
        "not ours: {what}; they may keep rows from being claimed, or tickets from being written: see what for"
    )
}

fn unreachable_at(target: &Target) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("{} cannot be reached", target.host),
        "check HUBSOFT_URL, the network, a proxy or firewall between, and HUBSOFT_CA_FILE for an own authority",
    )
}

/// Why there is no answer.
fn why<T>(reply: &Reply<T>) -> String {
    reply.verdict.trouble().map_or_else(|| "not sent".to_owned(), |it| it.message)
}
