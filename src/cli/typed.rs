//! The command line as it was typed, for hints: whoever follows one must not lose a `--map` or a `--rate` on
//! the way. No secret is ever a flag.

use std::path::Path;

/// Flags of an outbox and its settings, which a hint for another command repeats; all take a value.
const OF_PLACE: [&str; 2] = ["--database-url", "--config"];

/// Flags for one time only: the answer that they gave stands.
const ANSWERS: [&str; 2] = ["--new", "--again"];

/// The arguments after the program's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed(Vec<String>);

impl Typed {
    pub fn now() -> Self {
        Self(std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect())
    }

    /// The same command once more.
    pub fn again(&self) -> String {
        let is_answer = |it: &&String| ANSWERS.contains(&it.as_str());
        command(self.0.iter().filter(|it| !is_answer(it)))
    }

    /// The same command without a flag and its value.
    pub fn without(&self, flag: &str) -> String {
        let (mut kept, mut args) = (Vec::new(), self.0.iter());
        while let Some(arg) = args.next() {
            match arg.strip_prefix(flag) {
                Some("") => drop(args.next()),
                Some(rest) if rest.starts_with('=') => {}
                _ => kept.push(arg.clone()),
            }
        }
        Self(kept).again()
    }

    /// The same command for another file.
    pub fn with_file(&self, file: &Path, other: &Path) -> String {
        let mut args = self.0.clone();
        if let Some(at) = args.iter().rposition(|it| Path::new(it) == file) {
            args[at] = other.to_string_lossy().into_owned();
        }
        Self(args).again()
    }

    /// Another command at the same outbox.
    pub fn other(&self, name: &[&str]) -> String {
        let mut all: Vec<&str> = name.to_vec();
        let mut args = self.0.iter();
        while let Some(arg) = args.next() {
            let flag = arg.split_once('=').map_or(arg.as_str(), |it| it.0);
            if OF_PLACE.contains(&flag) {
                all.push(arg);
                all.extend(args.next().filter(|_| flag == arg).map(String::as_str));
            }
        }
        command(all.into_iter())
    }
}

fn command(args: impl Iterator<Item = impl AsRef<str>>) -> String {
    args.fold("mutirao".to_owned(), |text, it| text + " " + &quoted(it.as_ref()))
}

/// As a shell reads it back.
fn quoted(arg: &str) -> String {
    let is_plain = |it: char| it.is_alphanumeric() || "_@%+=:,./-".contains(it);
    if !arg.is_empty() && arg.chars().all(is_plain) {
        return arg.to_owned();
    }
    format!("'{}'", arg.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(args: &[&str]) -> Typed {
        Typed(args.iter().map(|it| (*it).to_owned()).collect())
    }

    #[test]
    fn a_hint_repeats_what_was_typed() {
        let args =
            ["import", "sem sinal.csv", "--map", "Cód. Serviço=id_cliente_servico", "--new", "--rate=2/s"];
        let it = typed(&args);
        let rest = "--map 'Cód. Serviço=id_cliente_servico' --rate=2/s";
        assert_eq!(it.again(), format!("mutirao import 'sem sinal.csv' {rest}"));
        let errors = it.with_file(Path::new("sem sinal.csv"), Path::new("sem sinal.mutirao/errors.csv"));
        assert_eq!(errors, format!("mutirao import 'sem sinal.mutirao/errors.csv' {rest}"));
    }

    #[test]
    fn a_flag_is_left_out_with_its_value() {
        for flag in [&["--sample", "4"][..], &["--sample=4"]] {
            let it = typed(&[&["import", "a.csv"], flag, &["--yes"]].concat());
            assert_eq!(it.without("--sample"), "mutirao import a.csv --yes");
        }
    }

    #[test]
    fn another_command_finds_the_same_outbox() {
        let it = typed(&["import", "a.csv", "--database-url", "postgres://db/x?a=b c", "--config=m.toml"]);
        let retry = it.other(&["retry", "a's"]);
        assert_eq!(retry, r"mutirao retry 'a'\''s' --database-url 'postgres://db/x?a=b c' --config=m.toml");
    }
}
