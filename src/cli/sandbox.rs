//! `sandbox`: a HubSoft on loopback, until it is told to stop.

use std::net::{Ipv4Addr, TcpListener};

use serde_json::json;

use super::args;
use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::platform::Stops;
use crate::sandbox::{Sandbox, SandboxOptions};

pub async fn sandbox(args: args::Sandbox, screen: &Screen) -> Result<Exit, Failure> {
    let options = SandboxOptions::with_known_limit().with(&args.with).map_err(|fault| {
        Failure::of(Exit::Usage, &fault, tr!("write options like --with latency=50ms,reset_after=0.01"))
    })?;
    let failed = |error: std::io::Error| {
        Failure::of(Exit::Usage, &error, tr!("choose another port with --port, or 0 for a free one"))
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).map_err(failed)?;
    let running = Sandbox::start(options, listener).map_err(failed)?;
    let (url, login, token) = (running.url(), running.credentials(), running.sandbox().issue_token());
    if screen.json {
        screen.result_json(
            json!({
                "version": 1, "url": url, "token": token, "client_id": login.client_id,
                "client_secret": login.client_secret, "username": login.username, "password": login.password,
                "audit": format!("{url}/sandbox/audit"),
            })
            .to_string(),
        );
    } else {
        screen.result(format!("export HUBSOFT_URL={url} HUBSOFT_TOKEN={token}"));
        screen.note(tr!(
            "a sandbox: nothing is real; what it opened is at %{url}/sandbox/audit; Ctrl-C ends it",
            url = url
        ));
    }
    Stops::listen().map_err(failed)?.next().await;
    let audit = running.stop();
    if screen.json {
        screen.result_json(serde_json::to_string(&audit).unwrap_or_default());
    }
    Ok(Exit::Done)
}
