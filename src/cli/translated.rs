//! Holds that everything a person reads stands in every language, with the same parameters; and that
//! `locales/` has nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use proc_macro2::{TokenStream, TokenTree};

use super::args::Cli;
use super::examples;
use super::help;
use crate::delivery::State;
use crate::intake;
use crate::language::Language;
use crate::text;
use crate::ticket::{self, Catalogue, Field};

/// Each language's sentences by the English ones.
fn translations(language: Language) -> BTreeMap<String, String> {
    let ending = format!("{}.toml", language.tag());
    let files =
        files(Path::new("locales")).into_iter().filter(|path| path.to_string_lossy().ends_with(&ending));
    let mut all = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let table = toml::de::DeTable::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        for (english, translated) in table.get_ref() {
            let translated = translated.get_ref().as_str().expect("a text").to_owned();
            let twice = all.insert(english.get_ref().to_string(), translated);
            assert_eq!(twice, None, "{english:?} stands twice, also in {}", file.display());
        }
    }
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The sentences in `tr!`, each with the names of its parameters.
fn spoken() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for file in files(Path::new("src"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
    {
        let source: TokenStream = fs::read_to_string(&file).unwrap().parse().unwrap();
        in_tokens(source, &mut found);
    }
    found
}

fn in_tokens(tokens: TokenStream, found: &mut BTreeMap<String, BTreeSet<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let before = tokens[..at].iter().rev().take(2).map(ToString::to_string).collect::<Vec<_>>();
        let arguments: Vec<TokenTree> = group.stream().into_iter().collect();
        if before == ["!", "tr"]
            && let Some(TokenTree::Literal(literal)) = arguments.first()
        {
            let sentence: syn::LitStr = syn::parse_str(&literal.to_string()).expect("a sentence");
            let names = arguments.windows(3).filter_map(|window| match window {
                [TokenTree::Punct(comma), TokenTree::Ident(name), TokenTree::Punct(is)] => {
                    (comma.as_char() == ',' && is.as_char() == '=').then(|| name.to_string())
                }
                _ => None,
            });
            let known = found.entry(sentence.value()).or_default();
            known.extend(names);
        }
        in_tokens(group.stream(), found);
    }
}

/// The sentences of tables: what clap and the settings say of the command line, of each problem
/// and of each column.
fn of_tables() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut command = Cli::command();
    command.build();
    of_command(&command, &mut found);
    let problems = ticket::WORDS.iter().copied().chain(intake::WORDS);
    found.extend(problems.flat_map(|words| [words.message, words.hint]).map(str::to_owned));
    found.extend(examples::sentences().map(str::to_owned));
    found.insert(ticket::NOT_A_DDD.to_owned());
    found.extend(Field::ALL.map(|field| field.explanation().to_owned()));
    found.extend([intake::EXAMPLE, intake::KEY, intake::REFERENCIA].map(str::to_owned));
    found.extend(intake::HEADINGS.map(str::to_owned));
    found.extend(State::ALL.map(|state| text::state(state).to_owned()));
    found.insert(text::ROW.to_owned());
    found.extend(super::asking::WORDS.map(str::to_owned));
    found.extend(intake::names().map(str::to_owned));
    found.extend(Catalogue::all().map(|catalogue| catalogue.name.to_owned()));
    found.into_iter().filter(|text| text.contains(char::is_alphabetic)).collect()
}

fn of_command(command: &Command, found: &mut BTreeSet<String>) {
    let texts = [command.get_about(), command.get_long_about(), command.get_after_help()];
    found.extend(texts.into_iter().flatten().map(ToString::to_string));
    for argument in command.get_arguments() {
        found.extend(argument.get_help_heading().map(str::to_owned));
        found.extend(help::value_names(argument));
        // Those that are sentences: the others are values of a closed set, or numbers.
        let defaults = argument.get_default_values().iter().map(|default| default.to_string_lossy());
        found.extend(defaults.filter(|default| default.contains(' ')).map(|default| default.into_owned()));
        let texts = [argument.get_help(), argument.get_long_help()].into_iter().flatten();
        // What settings say is in `tr!`, and has its variable behind it.
        found.extend(texts.map(ToString::to_string).filter(|text| !text.contains("[env: ")));
    }
    for command in command.get_subcommands() {
        of_command(command, found);
    }
}

/// The parameters of a sentence: `%{name}`, and `%{name|one|many}`.
fn parameters(sentence: &str) -> BTreeSet<String> {
    let parts = sentence.split("%{").skip(1);
    parts.map(|part| part.split_once(['}', '|']).expect("it ends").0.to_owned()).collect()
}

#[test]
fn every_sentence_stands_in_every_language_with_the_same_parameters() {
    let (spoken, of_tables) = (spoken(), of_tables());
    assert!(spoken.len() > 20, "it looked elsewhere");
    for language in Language::ALL.into_iter().filter(|language| *language != Language::English) {
        let known = translations(language);
        let all: BTreeSet<&String> = spoken.keys().chain(&of_tables).collect();
        let missing: Vec<_> = all.iter().filter(|sentence| !known.contains_key(**sentence)).collect();
        assert!(missing.is_empty(), "not in {}:\n{missing:#?}", language.tag());
        let unused: Vec<_> = known.keys().filter(|sentence| !all.contains(sentence)).collect();
        assert!(unused.is_empty(), "in {}, and nowhere said:\n{unused:#?}", language.tag());
        for (english, translated) in &known {
            assert_eq!(parameters(english), parameters(translated), "{english:?}: {translated:?}");
        }
    }
    for (sentence, given) in &spoken {
        assert_eq!(parameters(sentence), *given, "what {sentence:?} says, and what it is given");
    }
}
