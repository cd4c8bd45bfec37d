//! `doctor`: tries everything that a run needs, one line each.

use std::net::ToSocketAddrs;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::statvfs;

use super::args::Global;
use super::delivering::{Calm, Target, halted};
use super::exit::Exit;
use super::failure::Failure;
use super::place;
use super::screen::Screen;
use crate::config::{Config, DeliveryLayer};
use crate::delivery::{Halt, Rate, Verdict};
use crate::hubsoft::Catalogue;
use crate::outbox::{Onlooker, SqliteOutbox};
use crate::report;

/// Less than this is little for an outbox and its results. Bytes.
const SPACE_MIN: u64 = 1 << 30;

/// Clocks further apart than this make the age of tickets misleading. Seconds.
const CLOCK_AHEAD_MAX_S: i64 = 60;

pub async fn doctor(mut layer: DeliveryLayer, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
    let mut config = Config::load(global.config.as_deref())?;
    config.complete_delivery(&mut layer);
    let target = Target::new(&config, &layer)?;
    screen.result(format!("settings: ok, HubSoft at {}", target.named));

    let mut exit = match global.database_url.as_deref().or(config.database_url()) {
        None => outbox(screen).await,
        Some(url) => database(url, screen).await,
    };
    let rate = layer.rate.unwrap_or(Rate::PerSecond(5.0));
    match target.address.to_socket_addrs() {
        Ok(found) => screen.result(format!("name: ok, {} addresses", found.count())),
        Err(error) => {
            screen.result(format!("name: {} cannot be resolved ({error})", target.host));
            return Err(unreachable_at(&target));
        }
    }
    match target.api.login(&Calm(rate)).await.verdict {
        Verdict::Answered(()) => screen.result("login: ok"),
        Verdict::Unauthorized(fault) => return Err(halted(&Halt::Unauthorized(fault))),
        Verdict::LoginUnavailable(fault) | Verdict::NotSent(fault) | Verdict::Unknown(fault) => {
            screen.result(format!("login: no answer ({})", fault.message));
            return Err(unreachable_at(&target));
        }
        other => screen.result(format!("login: {}", name_of(&other))),
    }
    for (catalogue, name) in [
        (Catalogue::TicketTypes, "ticket types"),
        (Catalogue::TicketStatuses, "ticket statuses"),
        (Catalogue::ServiceOrderTypes, "service order types"),
    ] {
        match target.api.catalogue(catalogue, &Calm(rate)).await.verdict {
            Verdict::Answered(entries) => screen.result(format!("{name}: ok, {} known", entries.len())),
            Verdict::Unauthorized(fault) => return Err(halted(&Halt::Unauthorized(fault))),
            Verdict::NotSent(fault) => {
                screen.result(format!("{name}: no connection ({})", fault.message));
                return Err(unreachable_at(&target));
            }
            Verdict::Forbidden(fault) => {
                screen.result(format!("{name}: no permission ({})", fault.message));
                exit = Exit::Denied;
            }
            other => screen.result(format!("{name}: not verified, {}", name_of(&other))),
        }
    }
    match target.api.clock_ahead(&Calm(rate)).await.map(|it| it.as_secs()) {
        None => screen.result("clock: not verified, HubSoft does not tell the time"),
        Some(ahead_s) if ahead_s.abs() <= CLOCK_AHEAD_MAX_S => screen.result("clock: ok"),
        Some(ahead_s) => {
            screen.result(format!("clock: {ahead_s} s ahead of HubSoft's; set this machine's clock"));
        }
    }
    Ok(exit)
}

/// Makes an outbox here, as an import would, and takes it away again.
async fn outbox(screen: &Screen) -> Exit {
    let tried = async {
        let folder = tempfile::Builder::new().prefix(&report::temporary_prefix()).tempdir_in(".")?;
        let outbox = SqliteOutbox::open(&folder.path().join("outbox.db")).await?;
        outbox.bind_host("doctor").await?;
        outbox.close().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    match tried.await {
        Ok(()) => screen.result("outbox in this folder: ok, durable"),
        Err(error) => {
            screen.result(format!(
                "outbox in this folder: {error}; go to a local folder that you may write to"
            ));
            return Exit::Usage;
        }
    }
    if let Ok(space) = statvfs(Path::new(".")) {
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        let enough = if free < SPACE_MIN { "little" } else { "ok" };
        screen.result(format!("space: {enough}, {} MiB free at {:.0}", free >> 20, Timestamp::now()));
    }
    Exit::Done
}

/// Opens the outbox at `url`, and looks at the server.
async fn database(url: &str, screen: &Screen) -> Exit {
    let opened = match place::address(url) {
        Ok(address) => address.look().await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    let health = match opened {
        Ok(Onlooker::Postgres(outbox)) => outbox.health().await.map_err(Failure::from),
        Ok(Onlooker::Sqlite(_)) => {
            screen.result("database: ok, a file");
            return Exit::Done;
        }
        Err(failure) => Err(failure),
    };
    let health = match health {
        Ok(health) => health,
        Err(failure) => {
            screen.result(format!("database: {}", failure.in_a_line()));
            return failure.exit;
        }
    };
    screen.result(format!("database: ok, PostgreSQL {}, its schema is up to date", health.version));
    let mut exit = Exit::Done;
    if !health.takes_writes {
        screen.result("database: it is read-only or a standby; name the primary in the database URL");
        exit = Exit::Usage;
    }
    screen.result(if health.is_durable {
        "durability: ok"
    } else {
        "durability: fsync or full_page_writes is off, so a power cut may forget what was sent; set both on in postgresql.conf"
    });
    exit
}

fn unreachable_at(target: &Target) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("{} cannot be reached", target.host),
        "check HUBSOFT_URL, the network, a proxy or firewall between, and HUBSOFT_CA_FILE for an own authority",
    )
}

fn name_of<T>(verdict: &Verdict<T>) -> String {
    match verdict {
        Verdict::Answered(_) => "ok".to_owned(),
        Verdict::Throttled => "HubSoft asks for patience (429)".to_owned(),
        Verdict::Withheld => "not sent".to_owned(),
        Verdict::Rejected(fault)
        | Verdict::Unknown(fault)
        | Verdict::NotSent(fault)
        | Verdict::Unauthorized(fault)
        | Verdict::LoginUnavailable(fault)
        | Verdict::Forbidden(fault)
        | Verdict::Misconfigured(fault) => fault.message.clone(),
    }
}
