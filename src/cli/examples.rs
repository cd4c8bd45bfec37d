//! What each command is typed like: a few lines for its help and its manual page. A test holds that they are
//! understood.

use clap::Command;

use super::typed::as_called;
use crate::language::said;

/// Of one command: what to type, and what that does.
type Examples = &'static [(&'static str, &'static str)];

/// Names of files and batches are as in the samples.
const EXAMPLES: &[(&str, Examples)] = &[
    (
        "import",
        &[
            ("mutirao import queda.csv --sandbox", "try it, nothing is real"),
            ("mutirao import queda.csv --sample 5", "open the first 5, and look at them in HubSoft"),
            ("mutirao import queda.csv", "open the rest; the same again after an interruption"),
            ("mutirao import queda.mutirao/errors.csv", "what was corrected there"),
        ],
    ),
    (
        "check",
        &[
            ("mutirao check queda.csv", "all problems at once"),
            ("mutirao check queda.xlsx --online", "compare the ids with HubSoft's, too"),
            ("mutirao check queda.csv --map Contrato=id_cliente_servico", "say what a column is"),
        ],
    ),
    (
        "enqueue",
        &[(
            "mutirao enqueue queda.csv --batch queda-cto-12",
            "for the workers of the database, under this name",
        )],
    ),
    (
        "worker",
        &[
            ("mutirao worker", "until it is told to stop"),
            ("mutirao worker --until-empty --rate 2/s", "what is there, at most 2 requests a second"),
        ],
    ),
    (
        "template",
        &[
            ("mutirao template atendimentos.xlsx", "a workbook to fill in"),
            ("mutirao template atendimentos.xlsx --online", "the same, with HubSoft's types to choose from"),
            ("mutirao template", "a CSV on the screen"),
        ],
    ),
    (
        "status",
        &[
            ("mutirao status", "every batch in this folder"),
            ("mutirao status queda", "one batch"),
            ("mutirao status --watch=5", "again every 5 seconds, until it is done"),
        ],
    ),
    (
        "show",
        &[
            ("mutirao show queda:12", "the row at line 12 of the file"),
            ("mutirao show queda:12 --json", "the same for a program"),
        ],
    ),
    ("export", &[("mutirao export queda -o copia", "results.csv and the others, in the folder copia")]),
    ("reconcile", &[("mutirao reconcile queda", "what became of rows in doubt")]),
    (
        "resolve",
        &[
            ("mutirao resolve queda:12 --opened 20261127140000123", "it was found in HubSoft"),
            ("mutirao resolve queda:12 --not-opened", "it is not there"),
            ("mutirao resolve queda --state unconfirmed --not-opened", "none of them is there"),
        ],
    ),
    (
        "retry",
        &[
            ("mutirao retry queda", "once HubSoft takes what it refused"),
            ("mutirao retry queda --state cancelled", "what was withdrawn is to be opened after all"),
        ],
    ),
    ("cancel", &[("mutirao cancel queda", "the outage is over: open no more of it")]),
    ("pause", &[("mutirao pause --reason \"HubSoft maintenance\"", "nobody sends anything until `resume`")]),
    (
        "resume",
        &[
            ("mutirao resume", "all workers go on"),
            ("mutirao resume queda", "a batch that was halted goes on"),
        ],
    ),
    (
        "purge",
        &[
            ("mutirao purge --older-than 90d", "of all that finished 90 days ago"),
            ("mutirao purge queda --older-than 0s", "of this batch, now"),
        ],
    ),
    (
        "migrate",
        &[
            ("mutirao migrate --check", "whether the database is up to date"),
            ("mutirao migrate --print", "the SQL, for the owner of the database to read"),
        ],
    ),
    ("init", &[("mutirao init", "once on each machine; it asks, and tries what it is told")]),
    ("catalogue", &[("mutirao catalogue", "for id_tipo_atendimento and the other ids of the sheet")]),
    ("doctor", &[("mutirao doctor", "before the first import, and when something is wrong")]),
    (
        "web",
        &[
            ("mutirao web", "prints where the page is, and opens a browser"),
            ("mutirao web --listen 127.0.0.1:8080 --no-open", "there, and you open it"),
            ("mutirao web user add ana --role abrir", "lets ana in, from now on by name and password"),
        ],
    ),
    (
        "sandbox",
        &[
            ("mutirao sandbox", "prints where it is and how to log in"),
            (
                "mutirao sandbox --port 8080 --with latency=50ms,reset_after=0.01",
                "slow, and now and then no answer",
            ),
        ],
    ),
    (
        "completions",
        &[
            ("mutirao completions bash > /etc/bash_completion.d/mutirao", "for all who use this machine"),
            ("mutirao completions fish > ~/.config/fish/completions/mutirao.fish", "for you"),
        ],
    ),
    (
        "man",
        &[
            ("mutirao man import", "the page of one command"),
            ("mutirao man --output /usr/local/share/man/man1", "all pages, as files"),
        ],
    ),
];

/// The same command line, whose commands say at the end of their help what they are typed like.
pub fn with_examples(mut command: Command) -> Command {
    for (name, examples) in EXAMPLES {
        command = command.mut_subcommand(name, |command| {
            let text = text(&command, examples);
            command.after_help(text)
        });
    }
    command
}

fn text(command: &Command, examples: Examples) -> String {
    let examples: Vec<_> = examples.iter().map(|(line, what)| (as_called(command, line), what)).collect();
    let width = examples.iter().map(|(line, _)| line.chars().count()).max().unwrap_or_default();
    let lines = examples.iter().map(|(line, what)| format!("  {line:width$}  {}", said(what)));
    [tr!("Examples:").into_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

/// What the examples do, in English.
#[cfg(test)]
pub fn sentences() -> impl Iterator<Item = &'static str> {
    EXAMPLES.iter().flat_map(|(_, examples)| *examples).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::args::Cli;
    use super::*;

    /// As a shell takes a line apart, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" > ").next().unwrap();
        let parts = line.split('"').enumerate().flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        parts.collect()
    }

    #[test]
    fn every_command_has_examples_and_each_is_understood() {
        let command = Cli::command();
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
        let names: Vec<_> = shown.map(|command| command.get_name().to_owned()).collect();
        let told: Vec<_> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        assert!(names.iter().all(|name| told.contains(&name.as_str())), "{names:?} {told:?}");
        for (name, examples) in EXAMPLES {
            for (line, what) in *examples {
                assert!(line.starts_with(&format!("mutirao {name}")), "{line}");
                let parsed = Cli::try_parse_from(words(line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                assert!(line.chars().count() + what.chars().count() <= 106, "too long: {line}  {what}");
            }
        }
    }
}
