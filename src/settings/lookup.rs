//! Flags over the environment over files over defaults.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::error::SettingsError;
use super::private::{self, Protection};
use super::row::{self, Kind, Row, Setting};
use super::said::{Place, Said, Typed};
use super::sources::{Sources, if_there};
use super::values::Value;

/// Settings that belong together: a struct whose fields are complete and right.
///
/// [`Self::read`] is the table of its settings. It makes the struct field by field, so that a field without a
/// row, or a row without a field, does not compile. What it asks for is also what the command line, settings
/// files and documents know; so it asks for everything, whatever it is told.
pub trait Group: Sized {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError>;
}

/// What was said, and by whom; and the settings that were asked for.
pub struct Lookup<'a> {
    sources: &'a Sources,
    typed: &'a Typed,
    section: &'static str,
    asked: Vec<Setting>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(sources: &'a Sources, typed: &'a Typed) -> Self {
        Self { sources, typed, section: "", asked: Vec::new() }
    }

    /// All settings of `G`.
    pub(super) fn settings_of<G: Group>() -> Vec<Setting> {
        let (sources, typed) = (Sources::default(), Typed::default());
        let mut lookup = Lookup::new(&sources, &typed);
        // Nothing was said, so nothing can be wrong.
        let _ = G::read(&mut lookup);
        lookup.asked
    }

    /// The heading of the settings that follow.
    pub fn section(&mut self, title: &'static str) {
        self.section = title;
    }

    fn ask<T: Value>(&mut self, row: Row, kind: Kind, default: Option<String>) -> &'static str {
        let setting = Setting::of::<T>(row, self.section, kind, default);
        let key = setting.key;
        self.asked.push(setting);
        key
    }

    /// What holds unless somebody says something else.
    pub fn value<T: Value + fmt::Display>(&mut self, row: Row, default: T) -> Result<T, SettingsError> {
        let key = self.ask::<T>(row, Kind::Value, Some(default.to_string()));
        self.said(key)?.map_or(Ok(default), parse)
    }

    /// What somebody may say.
    pub fn optional<T: Value>(&mut self, row: Row) -> Result<Option<T>, SettingsError> {
        let key = self.ask::<T>(row, Kind::Value, None);
        self.said(key)?.map(parse).transpose()
    }

    pub fn switch(&mut self, row: Row) -> Result<bool, SettingsError> {
        let key = self.ask::<bool>(row.example("true"), Kind::Switch, None);
        self.said(key)?.map_or(Ok(false), parse)
    }

    /// `KEY=VALUE`s, those that weigh more behind the others.
    pub fn pairs<T: Value>(&mut self, row: Row) -> Result<Vec<T>, SettingsError> {
        let key = self.ask::<T>(row, Kind::Pairs, None);
        let mut pairs = Vec::new();
        for file in self.sources.files.iter().rev() {
            pairs.extend(file.all(key));
        }
        pairs.extend(self.typed.all(key));
        pairs.into_iter().map(parse).collect()
    }

    /// What somebody may say, with its place. Blank is as good as nothing, also above a file that says more.
    pub fn text<T: Value>(&mut self, row: Row) -> Result<Option<(T, Place)>, SettingsError> {
        let key = self.ask::<T>(row, Kind::Text, None);
        self.said(key)?
            .filter(Said::is_something)
            .map(|said| {
                let place = said.place.clone();
                Ok((parse(Said { text: said.text.trim().to_owned(), ..said })?, place))
            })
            .transpose()
    }

    /// Where a secret is. It is read by [`Secret::read`], if it is needed.
    pub fn secret(&mut self, row: Row) -> Result<Secret, SettingsError> {
        let key = self.ask::<PathBuf>(row, Kind::Secret, None);
        let here = self.in_environment(key)?.filter(Said::is_something);
        let named = self.said(&row::file_of(key))?.filter(Said::is_something);
        let handed = self.sources.environment.credentials();
        Ok(Secret {
            key,
            here: here.map(|said| said.text.trim().into()),
            named: named.map(|said| said.text.trim().into()),
            handed: handed.map(|folder| folder.join(row::credential(key))),
        })
    }

    /// The first word: a flag's, the environment's, a file's.
    fn said(&self, key: &str) -> Result<Option<Said>, SettingsError> {
        if let Some(said) = self.typed.all(key).pop() {
            return Ok(Some(said));
        }
        if let Some(said) = self.in_environment(key)? {
            return Ok(Some(said));
        }
        Ok(self.sources.files.iter().find_map(|file| file.all(key).pop()))
    }

    fn in_environment(&self, key: &str) -> Result<Option<Said>, SettingsError> {
        let variable = row::variable(key);
        let Some(value) = self.sources.environment.any(&variable) else { return Ok(None) };
        let place = Place::Variable(variable);
        match value.to_str() {
            Some(text) => Ok(Some(Said { text: text.to_owned(), place })),
            None => Err(SettingsError::Value { place, problem: tr!("this is not UTF-8").into_owned() }),
        }
    }
}

fn parse<T: Value>(said: Said) -> Result<T, SettingsError> {
    let Said { text, place } = said;
    text.parse().map_err(|fault: T::Err| SettingsError::Value { place, problem: fault.to_string() })
}

/// Where a secret is: in the environment, in a file that was named, or handed over by systemd.
pub struct Secret {
    key: &'static str,
    here: Option<SecretString>,
    named: Option<PathBuf>,
    handed: Option<PathBuf>,
}

impl Secret {
    pub fn variable(&self) -> String {
        row::variable(self.key)
    }

    pub fn read(&self) -> Result<Option<SecretString>, SettingsError> {
        if self.here.is_some() {
            return Ok(self.here.clone());
        }
        let path = match (&self.named, &self.handed) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(handed)) => if_there(handed.clone())?,
            (None, None) => None,
        };
        let Some(path) = path else { return Ok(None) };
        let folder = self.handed.as_deref().and_then(|handed| handed.parent());
        let is_handed = folder.is_some_and(|folder| path.starts_with(folder));
        let text = private::read(&path, if is_handed { Protection::Systemd } else { Protection::Mode })?;
        if text.is_empty() {
            let place = Place::Variable(row::variable(&row::file_of(self.key)));
            let problem = tr!("`%{path}` is empty", path = path.display()).into_owned();
            return Err(SettingsError::Value { place, problem });
        }
        Ok(Some(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use clap::{Args, Command, FromArgMatches};
    use secrecy::ExposeSecret;

    use super::*;
    use crate::hubsoft::Credentials;
    use crate::settings::file::SettingsFile;
    use crate::settings::table::{Import, Login, Reading, Sending, Worker};
    use crate::settings::{Environment, Flags};

    /// What a command with the flags of `G` makes of what was said.
    fn resolve<G: Group, const N: usize>(
        flags: &[&str],
        variables: [(&str, &str); N],
        files: &[&str],
    ) -> Result<G, String> {
        let matches = Flags::<G>::augment_args(Command::new("x"))
            .try_get_matches_from([&["x"], flags].concat())
            .map_err(|error| error.to_string())?;
        let flags = Flags::from_arg_matches(&matches).unwrap();
        let environment = Environment::from(variables);
        let files =
            files.iter().map(|text| SettingsFile::of(text, &crate::settings::all()).unwrap()).collect();
        Sources { environment, files }.resolve(&flags).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_word_counts() {
        let files = ["rate = \"3/s\"", "rate = \"4/s\"\nconcurrency = 4"];
        let rate = |flags: &[&str], variables| resolve::<Sending, 1>(flags, variables, &files).unwrap().rate;
        assert_eq!(rate(&["--rate", "1/s"], [("MUTIRAO_RATE", "2/s")]).to_string(), "1/s");
        assert_eq!(rate(&[], [("MUTIRAO_RATE", "2/s")]).to_string(), "2/s");
        assert_eq!(rate(&[], [("x", "y")]).to_string(), "3/s");
        let sending: Sending = resolve(&[], [], &files).unwrap();
        assert_eq!((sending.concurrency, sending.max_attempts), (crate::delivery::Concurrency::Fixed(4), 8));
        let sending: Sending = resolve(&["--sandbox=false"], [("MUTIRAO_SANDBOX", "true")], &[]).unwrap();
        assert!(!sending.sandbox);
    }

    /// A file that weighs less was asked first.
    #[test]
    fn the_last_value_for_a_field_is_of_whom_counts_most() {
        let [above, below] = ["id_tipo_atendimento = \"2\"", "id_tipo_atendimento = \"3\"\nnome = \"x\""]
            .map(|pairs| format!("[set]\n{pairs}"));
        let flags = ["--set", "id_tipo_atendimento=1", "--set", "email=a"];
        let reading: Reading = resolve(&flags, [], &[&above, &below]).unwrap();
        let values: Vec<&str> = reading.set.iter().map(|set| set.value.as_str()).collect();
        assert_eq!(values, ["3", "x", "2", "1", "a"]);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_with_what_is_allowed_and_never_repeated() {
        let error =
            |variable, value| resolve::<Worker, 1>(&[], [(variable, value)], &[]).map(|_| ()).unwrap_err();
        assert_eq!(error("MUTIRAO_CONCURRENCY", "0"), "MUTIRAO_CONCURRENCY: allowed is `auto`, or 1 to 1024");
        assert_eq!(error("MUTIRAO_POLL", "1ms"), "MUTIRAO_POLL: too short; allowed is 50ms or more");
        assert_eq!(
            error("MUTIRAO_LEASE", ""),
            "MUTIRAO_LEASE: not a duration; write it like 500ms, 2s, 5m, 90d"
        );
        for setting in crate::settings::all() {
            let fault = (setting.check)("hunter2").err().unwrap_or_default();
            assert!(!fault.contains("hunter2"), "{}: {fault}", setting.key);
            let Some(variable) = setting.variable() else { continue };
            let said = [(variable.as_str(), "hunter2")];
            for error in [
                resolve::<Import, 1>(&[], said, &[]).err(),
                resolve::<Worker, 1>(&[], said, &[]).err(),
                resolve::<Login, 1>(&[], said, &[]).err(),
            ] {
                let error = error.unwrap_or_else(|| variable.clone());
                assert!(error.contains(&variable) && !error.contains("hunter2"), "{error}");
            }
        }
        let typed = resolve::<Worker, 0>(&["--poll", "1ms"], [], &[]).map(|_| ()).unwrap_err();
        assert!(typed.contains("'1ms' for '--poll <TIME>': too short; allowed is 50ms or more"), "{typed}");
    }

    #[test]
    fn a_variable_without_a_value_takes_back_what_a_file_says() {
        let tenant = |url| {
            let file = "hubsoft_url = \"https://erp.example.com.br\"";
            let variables = [("HUBSOFT_URL", url), ("HUBSOFT_TOKEN", "t")];
            let login: Login = resolve(&[], variables, &[file]).unwrap();
            login.tenant(&resolve::<Sending, 0>(&[], [], &[]).unwrap())
        };
        assert_eq!(tenant("https://other.example.com.br").unwrap().said_in, "HUBSOFT_URL");
        assert!(tenant(" ").err().unwrap().to_string().starts_with("HUBSOFT_URL is not set"));
    }

    /// A file of all users names a password that this one may not read.
    #[test]
    fn a_secret_that_is_not_needed_is_not_read() {
        let file =
            "hubsoft_url = \"https://erp.example.com.br\"\nhubsoft_password_file = \"/nowhere/password\"";
        let login: Login = resolve(&[], [("HUBSOFT_TOKEN", "t")], &[file]).unwrap();
        login.tenant(&resolve::<Sending, 0>(&[], [], &[]).unwrap()).unwrap();
    }

    #[test]
    fn a_secret_is_taken_from_where_it_was_put_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        path("hubsoft-token", "handed");
        let (variable, file) = (path("variable", "variable"), path("file", "file"));
        let (empty, handed) = (path("empty", "\n"), folder.path().to_str().unwrap());
        let (url, file) = (("HUBSOFT_URL", "https://erp"), format!("hubsoft_token_file = \"{file}\""));
        let token = |here, named: &str, files: &[&str]| {
            let said = [
                url,
                ("HUBSOFT_TOKEN", here),
                ("CREDENTIALS_DIRECTORY", handed),
                if named.is_empty() { url } else { ("HUBSOFT_TOKEN_FILE", named) },
            ];
            let login: Login = resolve(&[], said, files).unwrap();
            let tenant = login.tenant(&resolve::<Sending, 0>(&[], [], &[]).unwrap());
            match tenant.map_err(|error| error.to_string())?.settings.credentials {
                Credentials::Token(token) => Ok(token.expose_secret().to_owned()),
                Credentials::Password { .. } => unreachable!("a token was given"),
            }
        };
        assert_eq!(token("here", &variable, &[&file]), Ok("here".to_owned()));
        assert_eq!(token("", &variable, &[&file]), Ok("variable".to_owned()));
        assert_eq!(token("", "", &[&file]), Ok("file".to_owned()));
        assert_eq!(token("", "", &[]), Ok("handed".to_owned()));
        assert_eq!(token("", &empty, &[]), Err(format!("HUBSOFT_TOKEN_FILE: `{empty}` is empty")));
    }

    #[test]
    fn numbers_that_depend_on_each_other_do_so() {
        let worker = |flags: &[&str]| resolve::<Worker, 0>(flags, [], &[]);
        let short = worker(&["--timeout", "4s"]).unwrap();
        assert_eq!(short.sending.connect_timeout.as_secs(), 2);
        assert_eq!(short.working.grace.as_secs(), 19);
        assert_eq!(worker(&["--grace", "1s"]).unwrap().working.grace.as_secs(), 1);
        let refused = |flags: &[&str]| worker(flags).map(drop).unwrap_err();
        assert_eq!(
            refused(&["--timeout", "5s", "--connect-timeout", "7s"]),
            "the timeout is 5s, and must be longer than the connect timeout, 7s"
        );
        assert!(refused(&["--timeout", "10m"]).starts_with("the timeout is 600s, and may be 540s at most"));
        assert_eq!(worker(&[]).unwrap().working.grace, crate::delivery::Policy::default().grace);
    }

    #[test]
    fn what_the_sample_shows_is_allowed() {
        let sample = include_str!("../../samples/mutirao.toml");
        let settings: Vec<&str> = sample
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.contains(" = ") || line.starts_with('['))
            .collect();
        assert!(30 < settings.len());
        SettingsFile::of(&settings.join("\n"), &crate::settings::all()).unwrap();
    }
}
