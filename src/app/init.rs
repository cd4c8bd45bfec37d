//! The first settings of a machine: where HubSoft is and how to log in to it, tried before they are written.

use std::fs::File;
use std::io::{self, Read, Write};
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

/// Longest file that is kept. Bytes; a settings file has some thousand.
const KEPT_MAX: u64 = 1 << 20;

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

/// Writes the settings and the files of the secrets, for this user only. What stood in them is kept beside
/// them, in the files that are returned: the old settings are of no use without their secrets.
///
/// # Errors
///
/// If the folder cannot be made or written to.
pub fn write(settings: &Path, login: &Login) -> Result<Vec<PathBuf>, Fault> {
    let folder = settings.parent().unwrap_or(Path::new(""));
    let fault = |error: io::Error| Fault::Folder { folder: folder.to_owned(), error, has_outbox: false };
    let written = || {
        let folder = std::path::absolute(folder)?;
        if !folder.is_dir() {
            temporary::make_folder(&folder)?;
        }
        let (client_secret, password) = (folder.join(CLIENT_SECRET), folder.join(PASSWORD));
        let there = [settings, &client_secret, &password].into_iter().filter(|path| path.exists());
        let kept = there.map(keep).collect::<io::Result<_>>()?;
        put(&client_secret, login.client_secret.expose_secret())?;
        put(&password, login.password.expose_secret())?;
        put(settings, &in_toml(login, &folder))?;
        Ok(kept)
    };
    written().map_err(fault)
}

/// What stands in `path`, once more in a file beside it, for this user only.
fn keep(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    let kept = PathBuf::from(name);
    let mut file = temporary::file_in(path.parent().unwrap_or(Path::new("")))?;
    io::copy(&mut File::open(path)?.take(KEPT_MAX), &mut file)?;
    temporary::publish(file, &kept)?;
    Ok(kept)
}

/// `text` is a line: what reads a secret takes the line's end from it, and nothing else.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut file = temporary::file_in(path.parent().unwrap_or(Path::new("")))?;
    writeln!(file, "{}", text.trim_end_matches('\n'))?;
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

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn login(password: &str) -> Login {
        Login {
            url: "https://api.example.com.br".parse().unwrap(),
            client_id: "2".to_owned(),
            client_secret: SecretString::from("s".to_owned()),
            username: "ana@example.com.br".to_owned(),
            password: SecretString::from(password.to_owned()),
        }
    }

    #[test]
    fn a_secret_is_written_as_it_was_tried_and_the_old_ones_are_kept_with_their_settings() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, password) = (folder.path().join("mutirao.toml"), folder.path().join("password"));
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(write(&settings, &login(" a b ")).unwrap(), [] as [PathBuf; 0]);
        assert_eq!(read(&password), " a b \n", "blanks are a part of it");
        let first = read(&settings);
        // Somebody has opened them, and one is there of an earlier time.
        fs::set_permissions(&settings, Permissions::from_mode(0o644)).unwrap();
        fs::write(folder.path().join("password.old"), "x").unwrap();

        let mut second = login("c");
        second.username = "rui@example.com.br".to_owned();
        let kept = write(&settings, &second).unwrap();
        let names = ["mutirao.toml.old", "client-secret.old", "password.old"];
        assert_eq!(kept, names.map(|name| folder.path().join(name)));
        assert_eq!((read(&kept[0]), read(&kept[2])), (first, " a b \n".to_owned()));
        assert_eq!(read(&password), "c\n");
        for path in kept.iter().chain([&settings, &password]) {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
        }
    }
}
