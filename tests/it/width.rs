//! Prose wraps at one width: comments and documents. Code is rustfmt's, which has the same, and a literal or
//! a row of a table is as long as it is.

use std::fs;
use std::path::{Path, PathBuf};

/// As rustfmt.toml has it, in characters.
fn width() -> usize {
    let rules = include_str!("../../rustfmt.toml");
    let found = rules.lines().find_map(|it| it.strip_prefix("max_width = "));
    found.and_then(|it| it.parse().ok()).expect("it has one")
}

#[test]
fn prose_wraps_at_one_width() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rooms = ["benches", "docs", "migrations", "packaging", "samples", "src", "tests"];
    let (mut folders, mut n_files): (Vec<PathBuf>, _) = (rooms.map(|it| root.join(it)).into(), 0);
    let mut files: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|it| it.unwrap().path()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut long = Vec::new();
    for path in files {
        let Some(prose) = path.extension().and_then(|it| prose_of(it.to_str()?)) else { continue };
        n_files += 1;
        let mut is_fenced = false;
        for (at, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let text = line.trim_start();
            is_fenced ^= text.trim_start_matches(['/', '!', ' ']).starts_with("```");
            let is_bound =
                is_fenced || !text.contains(' ') || text.trim_start_matches("/// ").starts_with('|');
            if width() < line.chars().count() && prose(text) && !is_bound {
                long.push(format!("{}:{}", path.strip_prefix(root).unwrap().display(), at + 1));
            }
        }
    }
    assert!(200 < n_files, "{n_files}: it looked elsewhere");
    assert_eq!(long, Vec::<String>::new(), "longer than {} characters", width());
}

/// Which lines of a file with such an ending are prose.
fn prose_of(ending: &str) -> Option<fn(&str) -> bool> {
    Some(match ending {
        "rs" => |line| line.starts_with("//"),
        "sql" => |line| line.starts_with("--"),
        "toml" => |line| line.starts_with("# "),
        "md" => |line| !line.starts_with(['|', '#', '>']),
        _ => return None,
    })
}
