//! What is known of a setting besides its type. Its names follow from its key.

use std::borrow::Cow;

use super::values::{self, Value};

/// A setting, as [`super::table`] writes it down.
pub struct Row {
    key: &'static str,
    help: Cow<'static, str>,
    trust: Trust,
    otherwise: Option<String>,
    example: Option<String>,
}

/// How far a settings file is trusted; of a setting, how far a file has to be to say something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// How a run goes: any file.
    Run,
    /// Where logins and secrets are sent, and who may listen. A file in the current folder may come with
    /// somebody else's spreadsheet: it must not decide that.
    Machine,
    /// No file: it is said of one call.
    Call,
}

impl Row {
    /// How a run goes.
    pub fn run(key: &'static str, help: impl Into<Cow<'static, str>>) -> Self {
        Self { key, help: help.into(), trust: Trust::Run, otherwise: None, example: None }
    }

    /// What a folder that came from others must not say.
    pub fn machine(key: &'static str, help: impl Into<Cow<'static, str>>) -> Self {
        Self { trust: Trust::Machine, ..Self::run(key, help) }
    }

    /// What no settings file says.
    pub fn call(key: &'static str, help: impl Into<Cow<'static, str>>) -> Self {
        Self { trust: Trust::Call, ..Self::run(key, help) }
    }

    /// What holds without it, for people, where no constant says it.
    pub fn otherwise(self, text: impl Into<String>) -> Self {
        Self { otherwise: Some(text.into()), ..self }
    }

    /// What somebody might write, where a default does not show it.
    pub fn example(self, value: impl ToString) -> Self {
        Self { example: Some(value.to_string()), ..self }
    }
}

/// How a setting is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `--flag VALUE`
    Value,
    /// The same, but not tried before it is needed: who is told better need not mind what is wrong in a file.
    Text,
    /// `--flag`, or `--flag=false` over a file that says true.
    Switch,
    /// `--flag KEY=VALUE`, again and again; a table in a file; no variable.
    Pairs,
    /// No flag. A variable, or another one that names a file; in a settings file only the latter.
    Secret,
}

/// A setting, complete: for the command line, settings files and documents.
#[derive(Clone, Debug)]
pub struct Setting {
    pub key: &'static str,
    pub section: &'static str,
    pub trust: Trust,
    pub kind: Kind,
    /// What it is, and its range.
    pub meaning: String,
    /// What stands for the value in `--help`.
    pub value_name: &'static str,
    pub default: Option<String>,
    /// A value that is allowed: the default, where that is one.
    #[cfg_attr(not(test), expect(dead_code, reason = "for documents, which a test writes"))]
    pub example: String,
    /// What is wrong with a text as its value.
    pub check: fn(&str) -> Result<(), String>,
}

impl Setting {
    pub(super) fn of<T: Value>(row: Row, section: &'static str, kind: Kind, default: Option<String>) -> Self {
        let Row { key, help, trust, otherwise, example } = row;
        let meaning = match T::range() {
            Some(range) => format!("{help}, {range}"),
            None => help.into_owned(),
        };
        let example = example.or_else(|| default.clone()).unwrap_or_default();
        let check: fn(&str) -> _ = match kind {
            Kind::Text => |_| Ok(()),
            Kind::Value | Kind::Switch | Kind::Pairs | Kind::Secret => values::check::<T>,
        };
        let (value_name, default) = (T::NAME, default.or(otherwise));
        Self { key, section, trust, kind, meaning, value_name, default, example, check }
    }

    /// Such as `skip-if-open`, behind two dashes.
    pub fn flag(&self) -> String {
        self.key.replace('_', "-")
    }

    /// The environment's name for it.
    pub fn variable(&self) -> Option<String> {
        (self.kind != Kind::Pairs).then(|| variable(self.key))
    }

    /// Its key in a settings file.
    pub fn file_key(&self) -> Option<String> {
        match (self.trust, self.kind) {
            (Trust::Call, _) => None,
            (_, Kind::Secret) => Some(file_of(self.key)),
            (_, Kind::Value | Kind::Text | Kind::Switch | Kind::Pairs) => Some(self.key.to_owned()),
        }
    }

    /// As `--help` tells it.
    pub fn help(&self) -> String {
        let mut help = self.meaning.clone();
        if let Some(default) = &self.default {
            help += &format!(" {}", tr!("[default: %{value}]", value = default));
        }
        if let Some(variable) = self.variable() {
            help += &format!("\n[env: {variable}]");
        }
        help
    }
}

/// Two names are older than this program.
pub(super) fn variable(key: &str) -> String {
    let upper = key.to_uppercase();
    if key.starts_with("hubsoft_") || key == "database_url" { upper } else { format!("MUTIRAO_{upper}") }
}

/// What names the file that a secret stands in.
pub(super) fn file_of(key: &str) -> String {
    format!("{key}_file")
}

/// What systemd calls a secret that it hands over.
pub(super) fn credential(key: &str) -> String {
    variable(key).to_lowercase().replace('_', "-")
}
