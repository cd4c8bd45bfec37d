//! Words for people stand in `src/text`: the rooms that decide and store speak in codes with parameters.
//!
//! It reads the source as text: every literal that is a sentence, and every one within SQL. What developers
//! read does not count: errors by `#[error]`, what is expected or asserted, and log lines; nor do tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms without words.
const ROOMS: [&str; 3] = ["src/delivery", "src/hubsoft", "src/outbox"];

/// What is for developers, and what is spoken in the language of the person.
const DEVELOPERS: [&str; 8] =
    ["error", "expect", "panic!", "unreachable!", "assert", "debug_assert", "tracing", "tr!"];

/// How many sentences still stand elsewhere, by file. It only grows shorter.
const LEFT: [(&str, usize); 1] = [
    // How a pooler begins an error, by which that is known.
    ("src/outbox/postgres/error.rs", 1),
];

#[test]
fn words_for_people_stand_in_one_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in ROOMS.iter().flat_map(|room| sources(&root.join(room))) {
        let text = fs::read_to_string(&path).expect("it reads");
        let file = path.strip_prefix(root).expect("it is within").to_string_lossy().into_owned();
        let said = match path.extension() {
            Some(ending) if ending == "sql" => of_sql(&text),
            _ => sentences(&text),
        };
        found.entry(file).or_default().extend(said);
    }
    assert!(100 < found.len(), "it looked elsewhere");
    for (file, told) in found {
        let n_left = LEFT.iter().find(|(of, _)| *of == file).map_or(0, |(_, n)| *n);
        assert_eq!(told.len(), n_left, "sentences in {file}: {told:#?}");
    }
}

#[test]
fn a_sentence_is_known_from_sql_and_from_what_developers_read() {
    let check = |source: &str, expected: &[&str]| assert_eq!(sentences(source), expected, "{source}");
    check(r#"let it = "the answer broke off";"#, &["the answer broke off"]);
    check(r#"format!("row {id} is held by {who}")"#, &["row {id} is held by {who}"]);
    check(r#"f("ORDER BY x"); g("created_at"); h("a.csv not here")"#, &[]);
    check("\"UPDATE t SET said = 'no longer in the file', code = 'gone'\"", &["no longer in the file"]);
    check("r\"SELECT 'as it was before'\"", &["as it was before"]);
    check("#[error(\"the outbox did not answer\")] x.expect(\"a lock is never held here\");", &[]);
    check("tracing::info!(row.id = id, \"row {id} is not there any more\");", &[]);
    check(
        "// a \"comment that is not code\"\nlet c = '\"'; let d = \"the words of a person\";",
        &["the words of a person"],
    );
    assert_eq!(
        of_sql("-- what it's for, in words\nUPDATE t SET said = 'no longer in the file' -- so it's told"),
        ["no longer in the file"]
    );
    check("#[cfg(test)]\nmod tests { const A: &str = \"a sentence of a test\"; }", &[]);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it lists") {
            let path = entry.expect("it lists").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(ending) if ending == "rs" && !path.ends_with("tests.rs") => found.push(path),
                Some(ending) if ending == "sql" => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The sentences in a source, but what is for developers.
fn sentences(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    // What each bracket that is open belongs to.
    let mut open: Vec<String> = Vec::new();
    let mut rest = source;
    let mut before = String::new();
    while let Some(next) = rest.chars().next() {
        let len = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => {
                let literal = literal(rest);
                let is_for_developers =
                    open.iter().any(|opener| DEVELOPERS.iter().any(|of| opener.starts_with(of)));
                if !is_for_developers {
                    found.extend(told(&literal.1));
                }
                literal.0
            }
            'r' if rest.starts_with("r\"") || rest.starts_with("r#\"") => {
                let hash = if rest.starts_with("r#") { "#" } else { "" };
                let from = 2 + hash.len();
                let len = rest[from..].find(&format!("\"{hash}")).unwrap_or(rest.len() - from);
                found.extend(told(&rest[from..from + len]));
                from + len + 1 + hash.len()
            }
            // A character; a lifetime has no end.
            '\'' if rest[1..].starts_with('\\') => rest[2..].find('\'').map_or(1, |len| len + 3).max(4),
            '\'' if rest.chars().nth(2) == Some('\'') => {
                rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at)
            }
            '(' | '[' | '{' => {
                let name = before.rsplit(|c: char| !(c.is_alphanumeric() || "_!:".contains(c))).next();
                open.push(name.unwrap_or_default().to_owned());
                1
            }
            ')' | ']' | '}' => {
                open.pop();
                1
            }
            c => c.len_utf8(),
        };
        before.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    found
}

/// The sentences in a file of SQL.
fn of_sql(source: &str) -> Vec<String> {
    let code: Vec<&str> = source.lines().filter_map(|line| line.split("--").next()).collect();
    told(&code.join("\n"))
}

/// How long a literal is, with its quotes, and what it says.
fn literal(source: &str) -> (usize, String) {
    let (mut said, mut is_escaped) = (String::new(), false);
    for (at, c) in source.char_indices().skip(1) {
        match c {
            _ if is_escaped => {
                is_escaped = false;
                said.push(if c == '"' { '"' } else { ' ' });
            }
            '\\' => is_escaped = true,
            '"' => return (at + 1, said),
            c => said.push(c),
        }
    }
    (source.len(), said)
}

/// The sentences of a literal: itself, or those within its SQL.
fn told(literal: &str) -> Vec<String> {
    const SQL: [&str; 13] = [
        "CREATE", "SELECT", "UPDATE", "INSERT", "DELETE", "FROM", "WHERE", "CASE", "AND", "SET", "VALUES",
        "ORDER", "NULL",
    ];
    let line = literal.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_sql = line.split(|c: char| !c.is_alphabetic()).any(|word| SQL.contains(&word))
        || ["||", "coalesce(", "'{"].iter().any(|sign| line.contains(sign))
        || line.starts_with('\'');
    match is_sql {
        true => {
            line.split('\'').skip(1).step_by(2).filter(|text| is_sentence(text)).map(str::to_owned).collect()
        }
        false => Some(line).filter(|text| is_sentence(text)).into_iter().collect(),
    }
}

/// Three words or more, one after another.
fn is_sentence(text: &str) -> bool {
    let is_word = |word: &str| {
        let word = word.trim_matches([',', ';', ':', '.', '(', ')', '`']);
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '\'')
    };
    let words: Vec<bool> = text.split(' ').map(is_word).collect();
    words.windows(3).any(|three| three.iter().all(|is_word| *is_word))
}
