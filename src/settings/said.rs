//! What was said of settings, and where.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// A value as it was written, and where.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub text: String,
    pub place: Place,
}

impl Said {
    /// Blank is as good as nothing, where a value may be any text.
    pub(super) fn is_something(&self) -> bool {
        !self.text.trim().is_empty()
    }
}

/// Where a setting was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Flag(String),
    Variable(String),
    File { path: PathBuf, line: usize, column: usize, key: String },
}

impl Place {
    /// For people who look for it: a flag, a variable, or a file.
    pub fn short(&self) -> String {
        match self {
            Self::Flag(name) | Self::Variable(name) => name.clone(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File { path, line, column, key } => {
                let place = tr!(
                    "`%{path}`, line %{line}, column %{column}: `%{key}`",
                    path = path.display(),
                    line = line,
                    column = column,
                    key = key
                );
                f.write_str(&place)
            }
        }
    }
}

/// Texts by the keys of their settings, as often as they were typed.
#[derive(Debug, Default)]
pub(super) struct Typed(pub(super) BTreeMap<&'static str, (String, Vec<String>)>);

impl Typed {
    pub(super) fn all(&self, key: &str) -> Vec<Said> {
        let Some((flag, texts)) = self.0.get(key) else { return Vec::new() };
        texts.iter().map(|text| Said { text: text.clone(), place: Place::Flag(flag.clone()) }).collect()
    }
}
