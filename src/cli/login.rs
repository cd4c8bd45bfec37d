//! Asks how to log in, until that works.

use secrecy::SecretString;

use super::asking::typed;
use super::exit::Exit;
use super::failure::Failure;
use super::hidden::typed_hidden;
use super::screen::Screen;
use crate::app::init::{Login, Tried, try_login};
use crate::hubsoft::BaseUrl;

/// So often a login is tried.
const TRIES_MAX: u32 = 3;

/// What failed is asked for again, and nothing else.
pub async fn ask(screen: &Screen) -> Result<Login, Failure> {
    let url = address(screen)?;
    let (client_id, client_secret) = client(screen)?;
    let (username, password) = user(screen)?;
    let mut login = Login { url, client_id, client_secret, username, password };
    for n_tries in 1.. {
        screen.note(tr!("trying to log in at %{host}", host = login.url.host()));
        let tried = try_login(&login).await?;
        let why = match &tried {
            Tried::Works(types) => {
                match types {
                    Ok(n) => {
                        screen.note(tr!("the login works; %{n} ticket %{n|type|types} can be read", n = n))
                    }
                    Err(why) => {
                        screen.warn(tr!(
                            "the login works, and the ticket types cannot be read: %{why}",
                            why = why
                        ));
                    }
                }
                return Ok(login);
            }
            Tried::Doubtful(why) => {
                let hint = tr!("try again later; nothing was written");
                return Err(Failure::new(Exit::Unreachable, why, hint));
            }
            Tried::Address(why) => tr!("the address is not right: %{why}", why = why),
            Tried::Client(why) => tr!("client id or client secret are not right: %{why}", why = why),
            Tried::User(why) => tr!("user or password are not right: %{why}", why = why),
        };
        if n_tries == TRIES_MAX {
            let exit = if matches!(tried, Tried::Address(_)) { Exit::Unreachable } else { Exit::Denied };
            return Err(Failure::new(exit, why, tr!("ask who gave it to you; nothing was written")));
        }
        screen.err(why);
        match tried {
            Tried::Client(_) => (login.client_id, login.client_secret) = client(screen)?,
            Tried::User(_) => (login.username, login.password) = user(screen)?,
            Tried::Address(_) | Tried::Works(_) | Tried::Doubtful(_) => login.url = address(screen)?,
        }
    }
    Err(declined())
}

/// Where HubSoft is, asked until it can be an address.
fn address(screen: &Screen) -> Result<BaseUrl, Failure> {
    loop {
        let text =
            line(screen, &tr!("Address of HubSoft's API, most often https://api.NAME.hubsoft.com.br:"))?;
        let full = if text.contains("://") { text } else { format!("https://{text}") };
        match full.parse() {
            Ok(url) => return Ok(url),
            Err(fault) => screen.err(tr!("the address is not right: %{why}", why = fault)),
        }
    }
}

fn client(screen: &Screen) -> Result<(String, SecretString), Failure> {
    let id = line(
        screen,
        &tr!(
            "Client id (HubSoft's support gives it and its secret, or who looks after HubSoft in your company):"
        ),
    )?;
    Ok((id, secret(screen, &tr!("Client secret (what you type is not shown):"))?))
}

fn user(screen: &Screen) -> Result<(String, SecretString), Failure> {
    let name = line(
        screen,
        &tr!(
            "User (the e-mail of a user of the API: in HubSoft's panel the page `Usuários da API`, with the permission `Criar atendimento`):"
        ),
    )?;
    Ok((name, secret(screen, &tr!("Password (what you type is not shown):"))?))
}

fn line(screen: &Screen, prompt: &str) -> Result<String, Failure> {
    screen.err(prompt);
    Some(typed().trim().to_owned()).filter(|text| !text.is_empty()).ok_or_else(declined)
}

pub fn secret(screen: &Screen, prompt: &str) -> Result<SecretString, Failure> {
    let typed = typed_hidden(|| screen.err(prompt)).map_err(|error| {
        Failure::of(Exit::Internal, &error, tr!("use a terminal that can hide what is typed"))
    })?;
    let Some(typed) = typed else {
        let hint = tr!("run the same command again and type the answer");
        return Err(Failure::new(Exit::Interrupted, tr!("interrupted; nothing was written"), hint));
    };
    Some(typed).filter(|text| !text.is_empty()).map(SecretString::from).ok_or_else(declined)
}

/// A question was not answered.
pub fn declined() -> Failure {
    Failure::new(
        Exit::Usage,
        tr!("declined; nothing was written"),
        tr!("run the same command again and type the answer"),
    )
}
