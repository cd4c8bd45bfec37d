//! The HubSoft that a use case is for: a tenant's, or a sandbox in this process.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use super::fault::Fault;
use crate::hubsoft::{BaseUrl, Credentials, HubSoft, HubSoftSettings};
use crate::outbox::{Address, AnyReader};
use crate::sandbox::{RunningSandbox, Sandbox, SandboxOptions};
use crate::settings::{Sending, Sources, Tenant};

/// What an outbox is bound to whose tickets are not real.
pub const SANDBOX: &str = "sandbox";

/// HubSoft, ready to be asked, and what it is for people.
pub struct Target {
    pub api: HubSoft,
    /// For people: `erp.example.com.br`.
    pub host: String,
    /// For people, at the start of a run: the host, and where it was said:
    /// `erp.example.com.br (HUBSOFT_URL)`.
    pub named: String,
    /// What the outbox is bound to: [`SANDBOX`], or the host; on loopback with its port, since tunnels to
    /// several HubSofts differ in nothing else.
    pub binding: String,
    /// `host:port`, as a name to resolve.
    pub address: String,
    /// How long an answer is waited for.
    pub timeout: Duration,
    is_remote: bool,
    /// Stops with the target.
    sandbox: Option<RunningSandbox>,
}

impl Target {
    /// Starts a sandbox if asked to, else reads where HubSoft is. Sends nothing.
    pub fn new(sources: &Sources, sending: &Sending) -> Result<Self, Fault> {
        let (settings, sandbox, host, named, binding) = if sending.sandbox {
            let (settings, sandbox) = sandbox(sending)?;
            let host = tr!("the sandbox").into_owned();
            (settings, Some(sandbox), host.clone(), host, SANDBOX.to_owned())
        } else {
            let Tenant { settings, said_in } = sources.tenant(sending)?;
            let (host, binding) = (settings.base_url.host(), binding(&settings.base_url));
            let named = format!("{host} ({said_in})");
            (settings, None, host, named, binding)
        };
        let address = settings.base_url.address();
        let (timeout, is_remote) = (settings.timeout, !settings.base_url.is_loopback());
        Ok(Self { api: HubSoft::new(settings)?, host, named, binding, address, timeout, is_remote, sandbox })
    }

    pub fn is_sandbox(&self) -> bool {
        self.sandbox.is_some()
    }

    /// Whether it is another machine's; also a sandbox of another process is not.
    pub fn is_remote(&self) -> bool {
        self.is_remote
    }

    /// A sandbox keeps its tickets in `folder` from now on, and knows those that stand there: what it opened
    /// is still there when the command is repeated. Whoever calls it holds the outbox of the folder.
    pub fn keep_books(&self, folder: &Path) -> Result<(), Fault> {
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        Ok(sandbox.sandbox().keep_in(folder)?)
    }
}

/// What an outbox would be bound to, where the settings say so: a dry run goes without them.
pub fn known_binding(sources: &Sources, sending: &Sending) -> Option<String> {
    if sending.sandbox {
        return Some(SANDBOX.to_owned());
    }
    sources.tenant(sending).ok().map(|tenant| binding(&tenant.settings.base_url))
}

/// An outbox that belongs to another HubSoft says nothing of what is open at this one.
pub async fn refuse_other_host(reader: AnyReader<'_>, outbox: &Address, asked: &str) -> Result<(), Fault> {
    match reader.host().await? {
        Some(bound) if bound != asked => {
            Err(Fault::OtherHost { outbox: outbox.to_string(), bound, asked: asked.to_owned() })
        }
        _ => Ok(()),
    }
}

/// What an outbox that belongs to the HubSoft at `url` is bound to.
fn binding(url: &BaseUrl) -> String {
    if url.is_loopback() { url.address() } else { url.host() }
}

/// A sandbox in this process, and how to reach it.
fn sandbox(sending: &Sending) -> Result<(HubSoftSettings, RunningSandbox), Fault> {
    let start = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Sandbox::start(SandboxOptions::default(), listener)
    };
    let sandbox = start().map_err(Fault::Sandbox)?;
    let base_url: BaseUrl = sandbox.url().parse().map_err(Fault::SandboxUrl)?;
    let login = sandbox.credentials();
    let credentials = Credentials::Password {
        client_id: login.client_id,
        client_secret: login.client_secret.into(),
        username: login.username,
        password: login.password.into(),
    };
    let Sending { timeout, connect_timeout, .. } = *sending;
    let settings = HubSoftSettings { base_url, credentials, ca_file: None, timeout, connect_timeout };
    Ok((settings, sandbox))
}
