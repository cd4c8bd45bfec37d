//! The flags of a group of settings, for clap.

use std::marker::PhantomData;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::lookup::{Group, Lookup};
use super::row::{Kind, Setting};
use super::said::Typed;
use super::table::{Database, Speaking};
use crate::outbox::has_password;

/// What was typed of the settings of `G`. Each text was tried already: [`super::Sources::resolve`] makes `G`
/// of them.
pub struct Flags<G> {
    pub(super) typed: Typed,
    group: PhantomData<G>,
}

impl<G> Flags<G> {
    /// For a command that has none of these flags.
    pub fn none() -> Self {
        Self { typed: Typed::default(), group: PhantomData }
    }
}

impl<G: Group> Flags<G> {
    /// As a form says them, which sees to it which it may say: texts by the keys of their settings. Blank is
    /// nothing; what is no key of these is left out, since other groups have more.
    pub fn of_form<'a>(said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut flags = Self::none();
        let known = flagged::<G>().collect::<Vec<_>>();
        for (key, text) in said.into_iter().filter(|(_, text)| !text.trim().is_empty()) {
            if let Some(setting) = known.iter().find(|setting| setting.key == key) {
                let new = || (format!("--{}", setting.flag()), Vec::new());
                flags.typed.0.entry(setting.key).or_insert_with(new).1.push(text.to_owned());
            }
        }
        flags
    }
}

impl Flags<Speaking> {
    /// As it was `typed`, before the command line is understood.
    pub fn typed(typed: Option<String>) -> Self {
        let said = typed.map(|text| ("lang", ("--lang".to_owned(), vec![text])));
        Self { typed: Typed(said.into_iter().collect()), group: PhantomData }
    }
}

impl Flags<Database> {
    /// Whether a password was typed where everybody sees it.
    pub fn has_password(&self) -> bool {
        self.typed.0.values().flat_map(|(_, texts)| texts).any(|url| has_password(url))
    }
}

// By hand: `G` needs none of it.
impl<G> std::fmt::Debug for Flags<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.typed.fmt(f)
    }
}

impl<G: Group> FromArgMatches for Flags<G> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::none();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in flagged::<G>() {
            if let Some(texts) = matches.get_many::<String>(setting.key) {
                let flag = format!("--{}", setting.flag());
                self.typed.0.insert(setting.key, (flag, texts.cloned().collect()));
            }
        }
        Ok(())
    }
}

impl<G: Group> Args for Flags<G> {
    fn augment_args(command: Command) -> Command {
        command.args(flagged::<G>().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flagged<G: Group>() -> impl Iterator<Item = Setting> {
    Lookup::settings_of::<G>().into_iter().filter(|setting| setting.kind != Kind::Secret)
}

fn argument(setting: Setting) -> Arg {
    let argument = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(setting.value_name)
        .help(setting.help())
        .help_heading(setting.section)
        .global(setting.section == super::table::EVERYWHERE);
    let check = setting.check;
    let tried = move |text: &str| check(text).map(|()| text.to_owned());
    match setting.kind {
        Kind::Switch => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(PossibleValuesParser::new(["true", "false"])),
        Kind::Pairs => argument.action(ArgAction::Append).value_parser(tried),
        Kind::Value | Kind::Text | Kind::Secret => argument.value_parser(tried),
    }
}
