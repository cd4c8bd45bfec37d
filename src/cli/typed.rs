//! The command line as it was typed, for hints: whoever copies one must not lose a `--map` or a `--rate` on
//! the way, nor come to another outbox. No secret is ever a flag.
//!
//! Only here a command is put together: a test looks through all other files for one that is written by hand.

use std::ffi::OsString;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use clap::{Arg, Command, CommandFactory};

use super::args::Cli;
use super::exit::Exit;
use super::failure::Failure;
use crate::app::address::Led;
use crate::app::sheet::is_stdin;
use crate::language::{Language, said};
use crate::platform::{self, Quoting};
use crate::printable::is_printable;

/// Flags for one time only: the answer that they gave stands.
const ANSWERS: [&str; 2] = ["new", "again"];

/// Flags that mean this one command, also where another has a flag of that name: what was answered, what is
/// meant, where it is written to, how it is printed.
const OWN: [&str; 11] =
    ["yes", "new", "again", "continue", "state", "output", "json", "quiet", "verbose", "color", "log-format"];

/// Flags that say where in a file the table stands.
const OF_THE_SHEET: [&str; 2] = ["sheet", "header-row"];

/// The arguments after the program's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed(Vec<String>);

/// What was answered to questions, as the flags that say the same.
static ANSWERED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From here on hints say by a flag what a person has typed, so that nobody is asked for it once more.
pub fn answered(flag: &str, value: &str) {
    let mut answered = ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
    answered.extend(with_value(flag, value));
}

/// A flag and its value, which is taken for no flag itself.
fn with_value(flag: &str, value: &str) -> Vec<String> {
    match value.starts_with('-') {
        true => vec![format!("{flag}={value}")],
        false => vec![flag.to_owned(), value.to_owned()],
    }
}

/// The same, as a person types it.
pub fn saying(flag: &str, value: &str) -> String {
    with_value(flag, value).iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A flag with its value as it was typed, or a word that is none.
struct Part<'a> {
    /// Its long name.
    flag: Option<&'a str>,
    words: &'a [String],
}

impl Typed {
    pub fn now() -> Self {
        let typed = Self(std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect());
        typed.and(&ANSWERED.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// With these flags, too: behind `--` they would be none.
    fn and(mut self, flags: &[String]) -> Self {
        let at = self.0.iter().position(|arg| arg == "--").unwrap_or(self.0.len());
        self.0.splice(at..at, flags.iter().cloned());
        self
    }

    /// The same command once more.
    pub fn again(&self) -> String {
        self.but_for(&ANSWERS)
    }

    /// The same command without a flag and its value.
    pub fn without(&self, flag: &str) -> String {
        self.but_for(&[&ANSWERS[..], &[flag]].concat())
    }

    /// The same command for a file that we wrote, in place of the one that was given: it has one sheet, and
    /// its header stands in its first line.
    pub fn with_file(&self, file: &Path, other: &Path) -> Self {
        let cli = Cli::command();
        let parts = self.parts(&cli);
        let kept = parts.iter().filter(|part| part.flag.is_none_or(|flag| !OF_THE_SHEET.contains(&flag)));
        let mut args: Vec<String> = kept.flat_map(|part| part.words).cloned().collect();
        if let Some(at) = args.iter().rposition(|arg| Path::new(arg) == file) {
            args[at] = other.to_string_lossy().into_owned();
        }
        Self(args)
    }

    /// Another command by the same settings: it has every flag that was typed and that it knows. Names stand
    /// before its flags, and none is like one.
    pub fn other(&self, args: &[&str]) -> String {
        let Some((name, args)) = args.split_first() else { return self.following("", &[], &[], &[]) };
        let n_names = args.iter().position(|arg| is_flag_like(arg)).unwrap_or(args.len());
        self.following(name, &args[..n_names], &args[n_names..], &[])
    }

    /// The command that opens the rows of FILE.
    pub fn import_of(&self, file: &Path) -> String {
        match is_stdin(file) {
            true => self.other(&["import", "-", "--batch", &said("NAME"), "-o", &said("DIR")]),
            false => self.other(&["import", &path(file)]),
        }
    }

    /// The command that shows what is wrong with FILE.
    pub fn check_of(&self, file: &Path) -> String {
        self.other(&["check", &path(file)])
    }

    /// Another command about `batch` of an outbox; without it, about what the command means by itself.
    pub fn at(&self, led: Led<'_>, name: &str, batch: Option<&str>, rest: &[&str]) -> String {
        match led {
            Led::Setting => self.following(name, batch.as_slice(), rest, &[]),
            Led::Folder(folder) => self.following(name, &[&path(folder)], rest, &[]),
            Led::File(file) => {
                let url = format!("sqlite:{}", file.display());
                let rest = [rest, &["--database-url", &url]].concat();
                self.following(name, batch.as_slice(), &rest, &["database-url"])
            }
        }
    }

    /// The command `name` about `names`, with the flags `rest` and those that were typed, but for `left`.
    fn following(&self, name: &str, names: &[&str], rest: &[&str], left: &[&str]) -> String {
        let cli = Cli::command();
        let (mut name, mut names, mut other) = (name.to_owned(), names, cli.find_subcommand(name));
        if let Some(other) = other {
            name = called(other, Language::now()).to_owned();
        }
        // Some have commands of their own.
        while let Some((first, rest)) = names.split_first()
            && let Some(own) = other.and_then(|other| other.find_subcommand(first))
        {
            name = format!("{name} {}", called(own, Language::now()));
            (names, other) = (rest, Some(own));
        }
        let goes_on = |flag: &str| {
            let is_said = rest.iter().any(|word| word.strip_prefix("--") == Some(flag));
            !OWN.contains(&flag) && !left.contains(&flag) && !is_said && known(&cli, other, flag).is_some()
        };
        let parts = self.parts(&cli);
        let kept = parts.iter().filter(|part| part.flag.is_some_and(goes_on)).flat_map(|part| part.words);
        let name = name.split(' ');
        let flags = rest.iter().copied().chain(kept.map(String::as_str));
        // What a flag would be taken for stands where there are none any more.
        if names.iter().any(|name| is_flag_like(name)) {
            command(name.chain(flags).chain(["--"]).chain(names.iter().copied()))
        } else {
            command(name.chain(names.iter().copied()).chain(flags))
        }
    }

    fn but_for(&self, flags: &[&str]) -> String {
        let cli = Cli::command();
        let parts = self.parts(&cli);
        let kept = parts.iter().filter(|part| part.flag.is_none_or(|flag| !flags.contains(&flag)));
        command(kept.flat_map(|part| part.words).map(String::as_str))
    }

    /// What was typed, as the program read it.
    fn parts<'a>(&'a self, cli: &'a Command) -> Vec<Part<'a>> {
        let (mut parts, mut rest, mut sub) = (Vec::new(), &self.0[..], None);
        while let Some(word) = rest.first() {
            if word == "--" {
                parts.extend(rest.iter().map(|word| Part { flag: None, words: std::slice::from_ref(word) }));
                break;
            }
            let (flag, is_with_next) = flag(cli, sub, word);
            let (words, others) = rest.split_at(if is_with_next { rest.len().min(2) } else { 1 });
            if flag.is_none() && sub.is_none() {
                sub = cli.find_subcommand(word);
            }
            parts.push(Part { flag, words });
            rest = others;
        }
        parts
    }
}

/// What a command is called in a language.
pub fn called(command: &Command, language: Language) -> &str {
    let translated = match language {
        Language::English => None,
        Language::Portuguese => command.get_all_aliases().next(),
    };
    translated.unwrap_or(command.get_name())
}

/// A line of help that begins with a command, by what that is called in the language of the person.
pub fn as_called(command: &Command, line: &str) -> String {
    let begun = |name: &str| format!("mutirao {name}");
    match line.strip_prefix(&begun(command.get_name())) {
        Some(rest) => begun(called(command, Language::now())) + rest,
        None => line.to_owned(),
    }
}

/// Which flag `word` is, and whether the next word is its value.
fn flag<'a>(cli: &'a Command, sub: Option<&'a Command>, word: &'a str) -> (Option<&'a str>, bool) {
    let takes_next = |arg: &Arg| arg.get_action().takes_values() && !arg.is_require_equals_set();
    if let Some(long) = word.strip_prefix("--") {
        return match long.split_once('=') {
            Some((name, _)) => (Some(name), false),
            None => (Some(long), known(cli, sub, long).is_some_and(takes_next)),
        };
    }
    // Of several in one word (`-qy`), the first says what it is; a value follows the last.
    let shorts = word.strip_prefix('-').unwrap_or_default();
    let named = |short| arguments(cli, sub).find(|arg| arg.get_short() == Some(short));
    let Some(first) = shorts.chars().next().and_then(named) else { return (None, false) };
    (first.get_long(), shorts.chars().next_back().and_then(named).is_some_and(takes_next))
}

/// The argument that is called `--long` there.
fn known<'a>(cli: &'a Command, sub: Option<&'a Command>, long: &str) -> Option<&'a Arg> {
    arguments(cli, sub).find(|arg| arg.get_long() == Some(long))
}

/// Those of a command, and those of all.
fn arguments<'a>(cli: &'a Command, sub: Option<&'a Command>) -> impl Iterator<Item = &'a Arg> {
    sub.into_iter().flat_map(Command::get_arguments).chain(cli.get_arguments())
}

fn command<'a>(args: impl Iterator<Item = &'a str>) -> String {
    args.fold("mutirao".to_owned(), |text, arg| text + " " + &quoted(arg))
}

/// Standard input is called `-`.
fn is_flag_like(word: &str) -> bool {
    word.starts_with('-') && word != "-"
}

/// A path that is taken for no flag.
pub fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.starts_with('-') { format!("./{text}") } else { text.into_owned() }
}

/// As the person's shell reads it back.
pub fn quoted(arg: &str) -> String {
    match platform::quoting() {
        Quoting::Posix => posix(arg),
        Quoting::Cmd => cmd(arg),
        Quoting::PowerShell => power_shell(arg),
    }
}

/// What cannot be shown, such as a line break, is spelt as bash, zsh and ksh read it.
fn posix(arg: &str) -> String {
    if is_plain(arg, "_@%+=:,./-") {
        return arg.to_owned();
    }
    if arg.chars().all(is_printable) {
        return format!("'{}'", arg.replace('\'', r"'\''"));
    }
    let spelt = arg.chars().map(|c| match c {
        '\n' => r"\n".to_owned(),
        '\\' | '\'' => format!("\\{c}"),
        c if is_printable(c) => c.to_string(),
        c => format!("\\U{:08x}", u32::from(c)),
    });
    format!("$'{}'", spelt.collect::<String>())
}

/// The program takes its line apart itself: backslashes count only before a quotation mark. What cannot be
/// shown cannot be typed there, and a `%NAME%` that the environment has, nothing keeps `cmd` from filling in.
fn cmd(arg: &str) -> String {
    if is_plain(arg, "_@+=:,./\\-") {
        return arg.to_owned();
    }
    let (mut text, mut n_backslashes) = (String::from("\""), 0);
    for c in arg.chars() {
        if c == '"' {
            text.extend(std::iter::repeat_n('\\', n_backslashes + 1));
        }
        n_backslashes = if c == '\\' { n_backslashes + 1 } else { 0 };
        text.push(if is_printable(c) { c } else { '?' });
    }
    text.extend(std::iter::repeat_n('\\', n_backslashes));
    text + "\""
}

/// Nothing but a quotation mark of one stroke, which it knows in five shapes, means anything within two of
/// them. Of those of two strokes it takes none to the program by itself, before version 7.3.
fn power_shell(arg: &str) -> String {
    let is_flag_that_it_parts = arg.starts_with('-') && arg.contains(['.', ':']);
    if is_plain(arg, "_+=:./\\-") && !is_flag_that_it_parts {
        return arg.to_owned();
    }
    if arg.chars().all(is_printable) {
        let spelt = arg.chars().map(|c| match c {
            '\'' | '\u{2018}'..='\u{201b}' => format!("{c}{c}"),
            '"' => "\\\"".to_owned(),
            c => c.to_string(),
        });
        return format!("'{}'", spelt.collect::<String>());
    }
    let spelt = arg.chars().map(|c| match c {
        '`' | '$' | '\u{201c}'..='\u{201e}' => format!("`{c}"),
        '"' => "\\`\"".to_owned(),
        c if is_printable(c) => c.to_string(),
        c => format!("$([char]::ConvertFromUtf32({}))", u32::from(c)),
    });
    format!("\"{}\"", spelt.collect::<String>())
}

/// Whether it needs no quotation marks: letters, digits, and these signs.
fn is_plain(arg: &str, signs: &str) -> bool {
    !arg.is_empty() && arg.chars().all(|c| c.is_alphanumeric() || signs.contains(c))
}

/// Refuses what no hint could repeat, nor any of our files name.
pub fn refuse_unreadable(args: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let Some(odd) = args.into_iter().find(|arg| arg.to_str().is_none()) else { return Ok(()) };
    Err(Failure::new(
        Exit::Usage,
        tr!("`%{name}` is not UTF-8", name = odd.to_string_lossy()),
        tr!("rename that file, or its folder: `ls -b` shows it, and the Tab key types it"),
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn as_typed(args: &[&str]) -> Typed {
        Typed(args.iter().map(|arg| (*arg).to_owned()).collect())
    }

    #[test]
    fn a_hint_repeats_what_was_typed() {
        let args =
            ["import", "sem sinal.csv", "--map", "Cód. Serviço=id_cliente_servico", "--new", "--rate=2/s"];
        let typed = as_typed(&args);
        let rest = "--map 'Cód. Serviço=id_cliente_servico' --rate=2/s";
        assert_eq!(typed.again(), format!("mutirao import 'sem sinal.csv' {rest}"));
        let errors = typed.with_file(Path::new("sem sinal.csv"), Path::new("sem sinal.mutirao/errors.csv"));
        assert_eq!(errors.again(), format!("mutirao import 'sem sinal.mutirao/errors.csv' {rest}"));
        let of_the_sheet = [&args[..], &["--header-row=4", "--sheet", "Aba 2"]].concat();
        let errors = as_typed(&of_the_sheet).with_file(Path::new("sem sinal.csv"), Path::new("errors.csv"));
        assert_eq!(errors.again(), format!("mutirao import errors.csv {rest}"), "it has a header of its own");
    }

    #[test]
    fn what_was_answered_is_said_by_a_flag() {
        let answered = ["--set", "descricao=Sem sinal", "--sheet", "Aba 2"].map(str::to_owned);
        let flags = "--set 'descricao=Sem sinal' --sheet 'Aba 2'";
        let typed = as_typed(&["import", "a.xlsx", "--yes"]).and(&answered);
        assert_eq!(typed.again(), format!("mutirao import a.xlsx --yes {flags}"));
        let typed = as_typed(&["import", "--", "-a.xlsx"]).and(&answered);
        assert_eq!(typed.again(), format!("mutirao import {flags} -- -a.xlsx"));
        let errors = typed.with_file(Path::new("-a.xlsx"), Path::new("errors.csv"));
        assert_eq!(errors.again(), "mutirao import --set 'descricao=Sem sinal' -- errors.csv");
    }

    #[test]
    fn a_value_like_a_flag_is_taken_for_none() {
        assert_eq!(saying("--sheet", "-12 CTO"), "'--sheet=-12 CTO'");
        let typed = as_typed(&["import", "a.xlsx"]).and(&with_value("--sheet", "-12 CTO"));
        assert_eq!(typed.again(), "mutirao import a.xlsx '--sheet=-12 CTO'");
        let errors = typed.with_file(Path::new("a.xlsx"), Path::new("errors.csv"));
        assert_eq!(errors.again(), "mutirao import errors.csv");
    }

    #[test]
    fn a_flag_is_left_out_with_its_value() {
        for flag in [&["--sample", "4"][..], &["--sample=4"]] {
            let typed = as_typed(&[&["import", "a.csv"], flag, &["--yes"]].concat());
            assert_eq!(typed.without("sample"), "mutirao import a.csv --yes");
        }
    }

    #[test]
    fn another_command_has_the_flags_that_it_knows_and_answers_nothing() {
        let url = ["--database-url", "postgres://db/x?a=b c"];
        let all = [
            &url[..],
            &[
                "check",
                "a.csv",
                "--map",
                "A=nome",
                "--set=email=x y",
                "--online",
                "--sandbox",
                "--config=m.toml",
            ],
            &["--batch", "queda"],
        ]
        .concat();
        let typed = as_typed(&all);
        let place = "--database-url 'postgres://db/x?a=b c'";
        assert_eq!(
            typed.other(&["import", "a.csv"]),
            format!(
                "mutirao import a.csv {place} --map A=nome '--set=email=x y' --sandbox --config=m.toml --batch queda"
            )
        );
        assert_eq!(
            typed.other(&["retry", "a's"]),
            format!(r"mutirao retry 'a'\''s' {place} --config=m.toml")
        );

        let typed = as_typed(&[
            "import",
            "a.csv",
            "-qy",
            "-o",
            "out",
            "--rate",
            "2/s",
            "--skip-if-open",
            "--json",
            "--again",
        ]);
        assert_eq!(typed.other(&["reconcile", "out"]), "mutirao reconcile out --rate 2/s --skip-if-open");
        assert_eq!(typed.other(&["status", "--config", "x"]), "mutirao status --config x");
        assert_eq!(typed.again(), "mutirao import a.csv -qy -o out --rate 2/s --skip-if-open --json");
        // What has commands of its own: what it knows, they do not.
        let typed = as_typed(&["web", "--listen", "0.0.0.0:80", "--config", "m.toml"]);
        assert_eq!(
            typed.other(&["web", "user", "add", "ana", "--role", "abrir"]),
            "mutirao web user add ana --role abrir --config m.toml"
        );
        // A switch has no value in the next word, and what was typed after it is no part of it.
        let typed = as_typed(&["import", "--strict", "a.csv"]);
        assert_eq!(typed.other(&["check", "a.csv"]), "mutirao check a.csv --strict");
    }

    #[test]
    fn another_command_is_led_to_the_same_outbox() {
        let (folder, path) = (Path::new("a b.mutirao"), Path::new("a b.mutirao/outbox.db"));
        let typed = as_typed(&["import", "a b.csv", "--database-url=postgres://db/x"]);
        let said = |led| typed.at(led, "resume", Some("a b"), &[]);
        assert_eq!(said(Led::Setting), "mutirao resume 'a b' --database-url=postgres://db/x");
        assert_eq!(
            said(Led::File(path)),
            "mutirao resume 'a b' --database-url 'sqlite:a b.mutirao/outbox.db'"
        );
        let typed = as_typed(&["import", "a b.csv"]);
        assert_eq!(typed.at(Led::Folder(folder), "resume", Some("a b"), &[]), "mutirao resume 'a b.mutirao'");
    }

    #[test]
    fn a_name_is_no_flag_and_no_second_line() {
        let typed = as_typed(&["cancel", "--config", "m.toml", "--", "-queda"]);
        let said = |name, batch| typed.at(Led::Setting, name, Some(batch), &["--state", "failed"]);
        assert_eq!(said("retry", "-y"), "mutirao retry --state failed --config m.toml -- -y");
        assert_eq!(typed.again(), "mutirao cancel --config m.toml -- -queda");
        assert_eq!(typed.check_of(Path::new("-x.csv")), "mutirao check ./-x.csv --config m.toml");
        let folder = Led::Folder(Path::new("-x.mutirao"));
        assert_eq!(typed.at(folder, "resume", None, &[]), "mutirao resume ./-x.mutirao --config m.toml");
        for (arg, expected) in
            [("a\nb", r"$'a\nb'"), ("a\t'b\\", r"$'a\U00000009\'b\\'"), ("\u{202e}csv", r"$'\U0000202ecsv'")]
        {
            assert_eq!(quoted(arg), expected);
            let told =
                std::process::Command::new("bash").args(["-c", &format!("printf %s {expected}")]).output();
            if let Ok(told) = told {
                assert_eq!(String::from_utf8_lossy(&told.stdout), arg, "bash reads it");
            }
        }
    }

    #[test]
    fn each_shell_reads_back_what_was_typed() {
        for (arg, in_cmd, in_power_shell) in [
            (r"Pasta\queda.csv", r"Pasta\queda.csv", r"Pasta\queda.csv"),
            ("queda 27.csv", r#""queda 27.csv""#, "'queda 27.csv'"),
            ("--rate=2/s", "--rate=2/s", "--rate=2/s"),
            ("--config=m.toml", "--config=m.toml", "'--config=m.toml'"),
            ("", r#""""#, "''"),
            ("a,b", "a,b", "'a,b'"),
            ("R$50 & c", r#""R$50 & c""#, "'R$50 & c'"),
            ("d'água", r#""d'água""#, "'d''água'"),
            ("Sant\u{2019}Ana", "\"Sant\u{2019}Ana\"", "'Sant\u{2019}\u{2019}Ana'"),
            (r#"o "b""#, r#""o \"b\"""#, r#"'o \"b\"'"#),
            (r"a b\", r#""a b\\""#, r"'a b\'"),
            ("a\nb$", r#""a?b$""#, r#""a$([char]::ConvertFromUtf32(10))b`$""#),
        ] {
            assert_eq!((&*cmd(arg), &*power_shell(arg)), (in_cmd, in_power_shell), "{arg}");
        }
    }

    /// A command that is written by hand loses what was typed, and breaks at a name with a blank.
    #[test]
    fn no_command_is_written_by_hand() {
        // Where nothing that was typed could be lost.
        const ALLOWED: [(&str, &str); 5] = [
            ("cli/typed.rs", "here they are made"),
            ("cli/args.rs", "help, before anything was typed"),
            ("cli/examples.rs", "help, where nothing was typed yet"),
            ("intake/words.rs", "`template FILE`: it has no settings, and FILE is to be made up"),
            ("outbox/postgres/schema.rs", "comments in the database, for all who read them"),
        ];
        let names: Vec<_> = Cli::command().get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let is_by_hand = |line: &str| {
            let mut after = line.split("mutirao ").skip(1);
            let is_name = |text: &str| {
                names.iter().any(|name| text.starts_with(name.as_str())) || text.starts_with('{')
            };
            !line.trim_start().starts_with("//") && after.any(is_name)
        };
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut found) = (vec![src.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&src).unwrap().display().to_string();
                if path.is_dir() {
                    folders.push(path);
                } else if name.ends_with(".rs") && ALLOWED.iter().all(|(allowed, _)| *allowed != name) {
                    let text = fs::read_to_string(&path).unwrap();
                    let lines = text.lines().filter(|line| is_by_hand(line));
                    found.extend(lines.map(|line| format!("{name}: {}", line.trim())));
                }
            }
        }
        assert!(found.is_empty(), "let `Typed` make these:\n{}", found.join("\n"));
    }
}
