//! What `doctor` finds, a line each.

use std::cell::{Cell, RefCell};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app::doctor::{Answer, Found};
use crate::language::times::local;
use crate::language::{os_error, said};
use crate::outbox::Health;

/// Tells what was found, one line each; in JSON all at the end.
pub struct Checkup<'a> {
    screen: &'a Screen,
    checks: RefCell<Vec<Value>>,
    exit: Cell<Exit>,
}

impl<'a> Checkup<'a> {
    pub fn new(screen: &'a Screen) -> Self {
        Self { screen, checks: RefCell::default(), exit: Cell::new(Exit::Done) }
    }

    /// What it calls for, so far.
    pub fn exit(&self) -> Exit {
        self.exit.get()
    }

    pub fn json(self, exit: Exit) -> String {
        json!({"version": 1, "checks": self.checks.into_inner(), "exit_code": exit as u8}).to_string()
    }

    pub fn tell(&self, found: Found) {
        match found {
            Found::Outbox(Ok(())) => self.ok(&tr!("outbox in this folder"), &tr!("ok, durable")),
            Found::Outbox(Err(error)) => {
                self.exit.set(Exit::Usage);
                let text = tr!("%{error}; go to a local folder that you may write to", error = error);
                self.wrong(&tr!("outbox in this folder"), &text);
            }
            Found::Space { free, is_little } => {
                let (free, at) = (free >> 20, local(Timestamp::now()));
                match is_little {
                    true => self.doubtful(
                        &tr!("space"),
                        &tr!("little, %{free} MiB free at %{at}", free = free, at = at),
                    ),
                    false => {
                        self.ok(&tr!("space"), &tr!("ok, %{free} MiB free at %{at}", free = free, at = at));
                    }
                }
            }
            Found::Database(Ok(None)) => self.ok(&tr!("database"), &tr!("ok, a file")),
            Found::Database(Ok(Some(health))) => self.tell_health(&health),
            Found::Database(Err(fault)) => {
                let failure = Failure::from(fault);
                self.exit.set(failure.exit);
                self.wrong(&tr!("database"), &failure.in_a_line());
            }
            Found::Name(Ok(n)) => self.ok(&tr!("name"), &tr!("ok, %{n} %{n|address|addresses}", n = n)),
            Found::Name(Err((host, error))) => {
                self.wrong(
                    &tr!("name"),
                    &tr!(
                        "%{host} cannot be resolved (%{error})",
                        host = host,
                        error = os_error(&error.to_string())
                    ),
                );
            }
            Found::Login(answer) => match answer {
                Answer::Right(()) => self.ok(&tr!("login"), &tr!("ok")),
                Answer::Away(why) => self.wrong(&tr!("login"), &tr!("no answer (%{why})", why = why)),
                Answer::Denied(why) | Answer::Doubtful(why) => self.doubtful(&tr!("login"), &why),
            },
            Found::Catalogue { name, answer } => self.tell_catalogue(&said(name), answer),
            Found::Clock { ahead_s: None, .. } => {
                self.doubtful(&tr!("clock"), &tr!("not verified, HubSoft does not tell the time"));
            }
            Found::Clock { is_right: true, .. } => self.ok(&tr!("clock"), &tr!("ok")),
            Found::Clock { ahead_s: Some(ahead_s), .. } => {
                self.doubtful(
                    &tr!("clock"),
                    &tr!("%{n} s ahead of HubSoft's; set this machine's clock", n = ahead_s),
                );
            }
        }
    }

    fn tell_catalogue(&self, name: &str, answer: Answer<usize>) {
        match answer {
            Answer::Right(n) => self.ok(name, &tr!("ok, %{n} known", n = n)),
            Answer::Away(why) => self.wrong(name, &tr!("no connection (%{why})", why = why)),
            Answer::Denied(why) => {
                self.exit.set(Exit::Denied);
                self.wrong(name, &tr!("no permission (%{why})", why = why));
            }
            Answer::Doubtful(why) => self.doubtful(name, &tr!("not verified, %{why}", why = why)),
        }
    }

    fn tell_health(&self, health: &Health) {
        let version = &health.version;
        self.ok(
            &tr!("database"),
            &tr!("ok, PostgreSQL %{version}, its schema is up to date", version = version),
        );
        if !health.takes_writes {
            self.exit.set(Exit::Usage);
            self.wrong(
                &tr!("database"),
                &tr!("it is read-only or a standby; name the primary in the database URL"),
            );
        }
        match health.is_durable {
            true => self.ok(&tr!("durability"), &tr!("ok")),
            false => self.wrong(&tr!("durability"), &tr!("fsync or full_page_writes is off, so a power cut may forget what was sent; set both on in postgresql.conf")),
        }
        if let Some(what) = &health.not_ours {
            self.doubtful(&tr!("triggers"), &not_ours(what));
        }
    }

    /// As it should be.
    pub fn ok(&self, name: &str, text: &str) {
        self.say(name, "ok", text);
    }

    /// Nobody can say, or it is not what one would wish for.
    fn doubtful(&self, name: &str, text: &str) {
        self.say(name, "doubtful", text);
    }

    /// A run would fail.
    pub fn wrong(&self, name: &str, text: &str) {
        self.say(name, "wrong", text);
    }

    fn say(&self, name: &str, verdict: &str, text: &str) {
        if self.screen.json {
            self.checks.borrow_mut().push(json!({"name": name, "verdict": verdict, "said": text}));
        } else {
            self.screen.result(format!("{name}: {text}"));
        }
    }
}

/// What hangs on the tables of an outbox, and what that may do.
pub fn not_ours(what: &str) -> String {
    tr!(
        "not ours: %{what}; they may keep rows from being claimed, or tickets from being written: see what for",
        what = what
    )
    .into_owned()
}
