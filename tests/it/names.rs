//! A name says what it names: nothing in `src/` is called `it`, neither in Rust nor in SQL.
//!
//! It reads the source as the compiler does, by tokens, so that the English word may stand in comments and
//! texts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

#[test]
fn nothing_is_called_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let (mut folders, mut n_files) = (vec![root.clone()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it lists") {
            let path = entry.expect("it lists").path();
            let count = match path.extension() {
                _ if path.is_dir() => {
                    folders.push(path);
                    continue;
                }
                Some(ending) if ending == "rs" => in_rust,
                Some(ending) if ending == "sql" => in_sql,
                _ => continue,
            };
            n_files += 1;
            let n = count(&fs::read_to_string(&path).expect("it reads"));
            if 0 < n {
                found.insert(path.strip_prefix(&root).expect("it is within").to_owned(), n);
            }
        }
    }
    assert!(200 < n_files, "{n_files}: it looked elsewhere");
    assert_eq!(found, BTreeMap::new(), "so often is something called `it` there: name the thing");
}

#[test]
fn a_name_is_told_from_the_word() {
    let check = |source: &str, n: usize| assert_eq!(in_rust(source), n, "{source}");
    check("/// It is it.\nfn f(row: &str) {} // it", 0);
    check("rows.map(|it| it.id);", 2);
    check("match row { Some(it) if { it.f(); true } => macro_of!(it), _ => panic!(\"where is it?\") }", 3);
    check("format!(\"{it} {it:?} {items}\")", 2);
    check("query(\"SELECT it.id FROM rows AS it\"); log(\"wait for it. Then go\");", 2);
    check("query(r#\"SELECT 'as it was' FROM row_of(it)\"#);", 0);
    assert_eq!(in_sql("-- what it is, it.id\nSELECT it.id FROM rows AS it;"), 2);
}

fn in_rust(source: &str) -> usize {
    in_tokens(source.parse().expect("it is Rust"))
}

fn in_tokens(tokens: TokenStream) -> usize {
    let in_token = |token| match token {
        TokenTree::Group(group) => in_tokens(group.stream()),
        TokenTree::Ident(name) => usize::from(name == "it"),
        TokenTree::Literal(literal) => {
            let text = literal.to_string();
            in_sql(&text) + text.matches("{it}").count() + text.matches("{it:").count()
        }
        TokenTree::Punct(_) => 0,
    };
    tokens.into_iter().map(in_token).sum()
}

/// Where something is given the name, and where it goes by it.
fn in_sql(source: &str) -> usize {
    let code = source.lines().map(|line| line.split("--").next().unwrap_or_default());
    code.map(|line| {
        let names = line.match_indices("it").filter(|(at, word)| {
            let (before, after) = (&line[..*at], &line[at + word.len()..]);
            let is_given = before.ends_with(" AS ") && !after.starts_with(is_of_name);
            let is_used = after.strip_prefix('.').is_some_and(|column| column.starts_with(is_of_name));
            !before.ends_with(is_of_name) && (is_given || is_used)
        });
        names.count()
    })
    .sum()
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
