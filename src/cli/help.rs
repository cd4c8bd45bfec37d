//! What clap says of the command line, in the language of the person: help, and what is wrong with what was
//! typed. In English it is clap's own.

use std::borrow::Cow;
use std::fmt::Write;

use clap::builder::StyledStr;
use clap::error::Error;
use clap::error::{ContextKind, ContextValue, ErrorFormatter, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use super::args::Cli;
use super::examples::with_examples;
use super::exit::Exit;
use super::failure::Failure;
use super::typed::{as_called, called};
use crate::language::{Language, said};

/// Which of its names a command is told by.
type NameOf = fn(&Command) -> &str;

/// The command line, as it is read: by the names that the program knows.
pub fn command() -> Command {
    in_language(Command::get_name)
}

/// The command line, as help lists it: by the names that a person types.
fn as_listed() -> Command {
    in_language(|command| called(command, Language::now()))
}

fn in_language(name_of: NameOf) -> Command {
    match Language::now() {
        Language::English => with_examples(Cli::command()),
        Language::Portuguese => {
            let mut command = with_examples(Cli::command());
            command.build();
            spoken(command, name_of)
        }
    }
}

fn spoken(command: Command, name_of: NameOf) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let name = name_of(&command).to_owned();
    let all_names = [command.get_name()].into_iter().chain(command.get_all_aliases());
    let others: Vec<String> =
        all_names.filter(|other| *other != name).map(|other| format!("`{other}`")).collect();
    let mut command = command
        .subcommand_help_heading(tr!("Commands").into_owned())
        .help_template(format!(
            "{{before-help}}{{about-with-newline}}\n{} {{usage}}\n\n{{all-args}}{{after-help}}",
            tr!("Usage:")
        ))
        .mut_args(argument);
    if let Some(about) = command.get_about().map(in_words) {
        command = match &*others {
            [] => command.about(about),
            _ => command.about(
                tr!("%{about} [also: %{names}]", about = about, names = others.join(", ")).into_owned(),
            ),
        };
    }
    if let Some(long_about) = command.get_long_about().map(in_words) {
        command = command.long_about(long_about);
    }
    if let Some(after_help) = command.get_after_help().map(in_words) {
        command = command.after_help(after_help);
    }
    let usage = command.render_usage().to_string();
    // The heading is the template's.
    let usage = usage.split_once(' ').map_or(&*usage, |(_, usage)| usage).trim();
    let usage = usage.replace("[OPTIONS]", &tr!("[OPTIONS]")).replace("<COMMAND>", &tr!("<COMMAND>"));
    let usage = as_called(&command, &usage);
    command = command.override_usage(usage);
    for name in names {
        command = command.mut_subcommand(name, |command| spoken(command, name_of));
    }
    if command.get_name() == name {
        return command;
    }
    let other = command.get_name().to_owned();
    command.alias(other).name(name)
}

/// What stands for the value of an argument.
pub(super) fn value_names(argument: &Arg) -> Vec<String> {
    match argument.get_value_names() {
        _ if !argument.get_action().takes_values() => Vec::new(),
        Some(names) => names.iter().map(ToString::to_string).collect(),
        None => vec![argument.get_id().as_str().to_uppercase()],
    }
}

fn in_words(text: &StyledStr) -> StyledStr {
    said(&text.to_string()).into_owned().into()
}

fn argument(argument: Arg) -> Arg {
    let long_help = argument.get_long_help().map(in_words);
    let mut help = argument.get_help().map(in_words).unwrap_or_default().to_string();
    let values: Vec<_> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|default| said(&default.to_string_lossy()).into_owned())
        .collect();
    let is_shown = !values.is_empty() && !argument.is_hide_possible_values_set();
    if !defaults.is_empty() && !argument.is_hide_default_value_set() && argument.get_action().takes_values() {
        let _ = write!(help, " {}", tr!("[default: %{value}]", value = defaults.join(",")));
    }
    if is_shown && argument.get_action().takes_values() {
        let _ = write!(help, " {}", tr!("[possible values: %{values}]", values = values.join(", ")));
    }
    let heading = match argument.get_help_heading() {
        Some(heading) => said(heading).into_owned(),
        None if argument.is_positional() => tr!("Arguments").into_owned(),
        None => tr!("Options").into_owned(),
    };
    let names: Vec<_> = value_names(&argument).iter().map(|name| said(name).into_owned()).collect();
    let mut argument = argument.help(help.trim_start().to_owned()).help_heading(heading);
    if let Some(long_help) = long_help {
        argument = argument.long_help(long_help);
    }
    if argument.get_action().takes_values() {
        argument = argument.hide_default_value(true).hide_possible_values(true);
        if !names.is_empty() {
            argument = argument.value_names(names);
        }
    }
    argument
}

/// Prints help, of the command called `name` or of all.
pub fn print(name: Option<&str>) -> Result<Exit, Failure> {
    drop(find_in(as_listed(), name)?.print_long_help());
    Ok(Exit::Done)
}

/// Prints the help that was asked for by a flag; whatever else clap prints, where that is not it.
pub fn print_asked(error: &clap::Error) {
    let asked = || as_listed().try_get_matches().err().filter(|again| again.kind() == error.kind());
    drop(match error.kind() {
        ErrorKind::DisplayHelp => asked().as_ref().unwrap_or(error).print(),
        _ => error.print(),
    });
}

/// The command called `name`; without a name, the program.
pub fn find(name: Option<&str>) -> Result<Command, Failure> {
    find_in(command(), name)
}

fn find_in(mut command: Command, name: Option<&str>) -> Result<Command, Failure> {
    command.build();
    let found = match name {
        None => Some(&command),
        Some(name) => command.find_subcommand(name),
    };
    let unknown = || {
        let problem = tr!("there is no command %{name}", name = format!("`{}`", name.unwrap_or_default()));
        Failure::new(Exit::Usage, problem, tr!("`mutirao --help` has all commands"))
    };
    found.cloned().ok_or_else(unknown)
}

/// What is wrong with what was typed.
pub fn refusal(error: clap::Error) -> String {
    match Language::now() {
        Language::English => error.render().to_string(),
        Language::Portuguese => error.apply::<Spoken>().render().to_string(),
    }
}

/// See [`refusal`].
struct Spoken;

impl ErrorFormatter for Spoken {
    fn format_error(error: &Error<Self>) -> StyledStr {
        let mut text = format!("{} {}\n", tr!("error:"), problem(error));
        for (kind, tip) in [
            (ContextKind::SuggestedSubcommand, tr!("a similar command exists:")),
            (ContextKind::SuggestedArg, tr!("a similar flag exists:")),
            (ContextKind::SuggestedValue, tr!("a similar value exists:")),
        ] {
            if let Some(known) = error.get(kind) {
                let _ = write!(text, "\n  {} {tip} {}", tr!("hint:"), listed(known));
            }
        }
        if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
            let usage = usage.to_string();
            let usage =
                usage.strip_prefix("Usage:").unwrap_or(&usage).trim().replace("[OPTIONS]", &tr!("[OPTIONS]"));
            let _ = write!(text, "\n{} {usage}\n", tr!("Usage:"));
        }
        let _ = write!(text, "\n{}\n", tr!("For more, try `--help`."));
        text.into()
    }
}

fn listed(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => format!("`{text}`"),
        ContextValue::Strings(texts) => {
            texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn problem(error: &Error<Spoken>) -> Cow<'static, str> {
    let of = |kind| error.get(kind).map(listed);
    let argument = || of(ContextKind::InvalidArg).unwrap_or_default();
    let value = || of(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => tr!("there is no flag or argument %{name}", name = argument()),
        ErrorKind::InvalidSubcommand => {
            let name = of(ContextKind::InvalidSubcommand).unwrap_or_default();
            tr!("there is no command %{name}", name = name)
        }
        ErrorKind::InvalidValue if value() == "``" => {
            tr!("%{name} needs a value", name = argument())
        }
        ErrorKind::InvalidValue => {
            let values = of(ContextKind::ValidValue).unwrap_or_default();
            tr!(
                "%{value} is no value of %{name}; allowed are %{values}",
                value = value(),
                name = argument(),
                values = values
            )
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            tr!("%{value} is no value of %{name}: %{why}", value = value(), name = argument(), why = why)
        }
        ErrorKind::ArgumentConflict => match of(ContextKind::PriorArg) {
            Some(prior) if prior != argument() => {
                tr!("%{name} cannot be used together with %{other}", name = argument(), other = prior)
            }
            _ => tr!("%{name} can be given only once", name = argument()),
        },
        ErrorKind::NoEquals => tr!("%{name} needs `=` before its value", name = argument()),
        ErrorKind::MissingRequiredArgument => tr!("missing: %{names}", names = argument()),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            tr!("a command is missing")
        }
        ErrorKind::TooManyValues => {
            tr!("%{value} is one value too many for %{name}", value = value(), name = argument())
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            tr!("%{name} needs more values", name = argument())
        }
        ErrorKind::InvalidUtf8 => tr!("what was typed is not UTF-8"),
        _ => tr!("what was typed cannot be understood"),
    }
}
