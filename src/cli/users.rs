//! `web user`: who may log in to the page.

use std::io::{self, BufRead, IsTerminal, Read};

use secrecy::ExposeSecret;
use serde_json::json;

use super::args::{self, AboutUsers};
use super::exit::Exit;
use super::failure::Failure;
use super::login::secret;
use super::screen::Screen;
use super::typed::Typed;
use crate::language::said;
use crate::registry::{PASSWORD_LEN_MAX, Password, RegistryError, Role, User, Users};
use crate::settings::Sources;

pub fn users(about: AboutUsers, sources: &Sources, screen: &Screen) -> Result<Exit, Failure> {
    let users = Users::at(sources.environment().state_folder());
    match about {
        AboutUsers::Add { name, role } => {
            let is_known = users.all()?.iter().any(|user| user.name == name);
            if is_known {
                screen.note(tr!("`%{name}` is known: password and role are changed", name = name));
            }
            let role = match role {
                args::Role::Abrir => Role::Abrir,
                args::Role::Acompanhar => Role::Acompanhar,
            };
            users.put(User::new(name.clone(), role, &password(screen)?))?;
            screen.note(match is_known {
                true => tr!("`%{name}` logs in with the new password alone", name = name),
                false => tr!(
                    "`%{name}` may log in; a page that was started before there were users is to be started again",
                    name = name
                ),
            });
        }
        AboutUsers::List => list(&users.all()?, screen),
        AboutUsers::Remove { name } => {
            if !users.remove(&name)? {
                return Err(Failure::new(
                    Exit::Usage,
                    tr!("nobody is called `%{name}`", name = name),
                    tr!(
                        "`%{list}` lists who may log in",
                        list = Typed::now().other(&["web", "user", "list"])
                    ),
                ));
            }
            screen.note(tr!("`%{name}` is let in no more", name = name));
        }
    }
    Ok(Exit::Done)
}

fn list(users: &[User], screen: &Screen) {
    if screen.json {
        let users: Vec<_> = users
            .iter()
            .map(|user| json!({"name": user.name.to_string(), "role": user.role.name()}))
            .collect();
        return screen.result_json(json!({"version": 1, "users": users}).to_string());
    }
    for user in users {
        screen.result(format!("{} {}", user.name, user.role.name()));
    }
    if users.is_empty() {
        let add = Typed::now().other(&["web", "user", "add", &said("NAME"), "--role", Role::Abrir.name()]);
        screen
            .note(tr!("nobody may log in: a key opens the page, on this machine alone; `%{add}`", add = add));
    }
}

/// Typed twice, or the first line of what another program gives.
fn password(screen: &Screen) -> Result<Password, Failure> {
    let unfit =
        |why: String| Failure::new(Exit::Usage, why, tr!("choose another password; nothing was written"));
    let typed = match io::stdin().is_terminal() {
        true => {
            let typed = secret(screen, &tr!("Password (what you type is not shown):"))?;
            let again = secret(screen, &tr!("The same once more:"))?;
            if typed.expose_secret() != again.expose_secret() {
                return Err(unfit(tr!("the two passwords are not the same").into_owned()));
            }
            typed.expose_secret().to_owned()
        }
        false => {
            // One byte more than fits, and its end.
            let mut line = Vec::new();
            let most = PASSWORD_LEN_MAX as u64 + 2;
            let read = io::stdin().lock().take(most).read_until(b'\n', &mut line);
            read.map_err(|error| Failure::of(Exit::Internal, &error, tr!("give the password as one line")))?;
            let line = String::from_utf8(line);
            let line = line.map_err(|_| unfit(tr!("the password is not UTF-8").into_owned()))?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    Password::try_from(typed).map_err(|why| unfit(why.into_owned()))
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let (exit, hint) = match &error {
            RegistryError::NoFolder => (Exit::Usage, tr!("set HOME, or STATE_DIRECTORY for a service")),
            RegistryError::Damaged { .. } => {
                (Exit::Internal, tr!("take that line out, and add the user again if one is missing"))
            }
            RegistryError::NotOurs(_) => {
                (Exit::Usage, tr!("only you may own it and write to it: `chown`, `chmod 600`"))
            }
            RegistryError::Locked { .. } => (Exit::Busy, tr!("try again once the other one is through")),
            RegistryError::Io { .. } | RegistryError::TooLong { .. } => {
                (Exit::Internal, tr!("look at that file; nothing was changed"))
            }
        };
        Self::of(exit, &error, hint)
    }
}
