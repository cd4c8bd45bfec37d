//! The first settings of a machine: where HubSoft is and how to log in to it, tried before they are written.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::deliver::Calm;
use super::fault::Fault;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::{self, Policy};
use crate::hubsoft::{BaseUrl, CONNECT_TIMEOUT, Credentials, HubSoft, HubSoftSettings, TIMEOUT};
use crate::temporary;
use crate::text;
use crate::ticket::Catalogue;

/// The files of the secrets, beside the settings.
const CLIENT_SECRET: &str = "client-secret";
const PASSWORD: &str = "password";

/// How to log in, as it was typed.
pub struct Login {
    pub url: BaseUrl,
    pub client_id: String,
    pub client_secret: SecretString,
    pub username: String,
    pub password: SecretString,
}

/// What a login came to.
#[derive(Debug)]
pub enum Tried {
    /// It works; so many ticket types can be read, or why they cannot.
    Works(Result<usize, String>),
    /// Nothing answers there, or something else than HubSoft, for this reason.
    Address(String),
    /// HubSoft does not know the client, or its secret.
    Client(String),
    /// HubSoft does not know the user, or the password.
    User(String),
    /// It is there, and could not tell.
    Doubtful(String),
}

/// Logs in, and reads the ticket types.
pub async fn try_login(login: &Login) -> Result<Tried, Fault> {
    let credentials = Credentials::Password {
        client_id: login.client_id.clone(),
        client_secret: login.client_secret.clone(),
        username: login.username.clone(),
        password: login.password.clone(),
    };
    let base_url = login.url.clone();
    let (timeout, connect_timeout) = (TIMEOUT, CONNECT_TIMEOUT);
    let api =
        HubSoft::new(HubSoftSettings { base_url, credentials, ca_file: None, timeout, connect_timeout })?;
    let reply = api.login(&Calm::new(Policy::RATE)).await;
    match Evidence::of(&reply) {
        Evidence { row: Row::Answered(()), .. } => {}
        Evidence { guard: Guard::Unauthorized(fault), .. } => return Ok(refused(fault)),
        Evidence { row: Row::NotSent(fault), .. } if reply.http_status.is_none() => {
            return Ok(Tried::Address(text::fault(fault)));
        }
        _ => {
            let why = reply.verdict.trouble().map(|fault| text::fault(&fault)).unwrap_or_default();
            return Ok(Tried::Doubtful(why));
        }
    }
    let types = api.catalogue(Catalogue::TICKET_TYPES, &Calm::new(Policy::RATE)).await;
    Ok(Tried::Works(match Evidence::of(&types) {
        Evidence { row: Row::Answered(entries), .. } => Ok(entries.len()),
        _ => Err(types.verdict.trouble().map(|fault| text::fault(&fault)).unwrap_or_default()),
    }))
}

fn refused(fault: &delivery::Fault) -> Tried {
    let why = text::fault(fault);
    match fault {
        delivery::Fault::LoginRefused { said: Some(said), .. } if said.contains("invalid_client") => {
            Tried::Client(why)
        }
        delivery::Fault::LoginRefused { .. } => Tried::User(why),
        _ => Tried::Address(why),
    }
}

/// The files that are there already, of those that would be written.
pub fn existing(settings: &Path) -> Vec<PathBuf> {
    let folder = settings.parent().unwrap_or(Path::new(""));
    let all = [settings.to_owned(), folder.join(CLIENT_SECRET), folder.join(PASSWORD)];
    all.into_iter().filter(|path| path.symlink_metadata().is_ok()).collect()
}

/// Writes the settings and the files of the secrets, for this user only. What stood in the settings is kept
/// beside them, in the file that is returned.
///
/// # Errors
///
/// If the folder cannot be made or written to.
pub fn write(settings: &Path, login: &Login) -> Result<Option<PathBuf>, Fault> {
    let folder = settings.parent().unwrap_or(Path::new(""));
    let fault = |error: io::Error| Fault::Folder { folder: folder.to_owned(), error, has_outbox: false };
    let written = || {
        let folder = std::path::absolute(folder)?;
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        }
        put(&folder.join(CLIENT_SECRET), login.client_secret.expose_secret())?;
        put(&folder.join(PASSWORD), login.password.expose_secret())?;
        let kept = settings.exists().then(|| settings.with_extension("toml.old"));
        if let Some(kept) = &kept {
            fs::rename(settings, kept)?;
            fs::set_permissions(kept, Permissions::from_mode(0o600))?;
        }
        put(settings, &in_toml(login, &folder))?;
        Ok(kept)
    };
    written().map_err(fault)
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut file = temporary::file_in(path.parent().unwrap_or(Path::new("")))?;
    writeln!(file, "{}", text.trim_end())?;
    temporary::publish(file, path)
}

fn in_toml(login: &Login, folder: &Path) -> String {
    // A text of JSON is one of TOML.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let file = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let lines = [
        ("hubsoft_url", quoted(&login.url.to_string())),
        ("hubsoft_client_id", quoted(&login.client_id)),
        ("hubsoft_client_secret_file", file(CLIENT_SECRET)),
        ("hubsoft_username", quoted(&login.username)),
        ("hubsoft_password_file", file(PASSWORD)),
    ];
    lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}
