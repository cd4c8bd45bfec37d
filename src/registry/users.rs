//! Who may log in to the page: names, roles, and passwords as Argon2 hashes.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use argon2::{Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::kept::{Lines, RegistryError};

const FILE: &str = "users.jsonl";
const LOCK: &str = "users.lock";

/// Longest name. Bytes.
const NAME_LEN_MAX: usize = 32;

/// Shortest password. Characters: a login is slowed so much that twelve cannot be guessed.
const PASSWORD_CHARS_MIN: usize = 12;

/// Longest password. Bytes: more is no password, and hashing it costs whoever is asked.
pub const PASSWORD_LEN_MAX: usize = 1024;

/// What a hash of the file may cost: memory in KiB, passes, lanes. Ours cost 19 MiB and 2 passes, which is
/// the crate's default and what OWASP's password storage cheat sheet asks for.
const COST_MAX: (u32, u32, u32) = (64 * 1024, 8, 4);

/// A hash that costs as much as one of ours, and that no known password has.
const OF_NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What somebody may do on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Abrir,
    /// Look at how batches stand, and at nothing of customers.
    Acompanhar,
}

impl Role {
    /// As it is typed, and stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abrir => "abrir",
            Self::Acompanhar => "acompanhar",
        }
    }
}

/// What somebody logs in as.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String); // Invariant: see its `FromStr`. So it can stand in a path and in a log.

impl FromStr for UserName {
    type Err = Cow<'static, str>;

    fn from_str(typed: &str) -> Result<Self, Cow<'static, str>> {
        let is_inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        let is_name = typed.len() <= NAME_LEN_MAX
            && typed.starts_with(|first: char| first.is_ascii_lowercase())
            && typed.bytes().all(is_inner);
        match is_name {
            true => Ok(Self(typed.to_owned())),
            false => Err(tr!(
                "a name has a to z, 0 to 9, `.`, `_` and `-`, begins with a letter and has %{n_max} characters at most",
                n_max = NAME_LEN_MAX
            )),
        }
    }
}

impl UserName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserName {
    type Error = Cow<'static, str>;

    fn try_from(text: String) -> Result<Self, Cow<'static, str>> {
        text.parse()
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A password that somebody may have.
pub struct Password(SecretString);

impl TryFrom<String> for Password {
    type Error = Cow<'static, str>;

    fn try_from(typed: String) -> Result<Self, Cow<'static, str>> {
        if typed.chars().count() < PASSWORD_CHARS_MIN {
            return Err(tr!("a password has %{n_min} characters at least", n_min = PASSWORD_CHARS_MIN));
        }
        if PASSWORD_LEN_MAX < typed.len() {
            return Err(tr!("a password has %{n_max} bytes at most", n_max = PASSWORD_LEN_MAX));
        }
        Ok(Self(typed.into()))
    }
}

/// A password as it is kept: a hash in PHC's format, whose cost is bounded.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Hash(String);

impl Hash {
    fn of(password: &Password) -> Self {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).expect("a system gives random numbers to everybody once it has booted");
        let hash = Argon2::default().hash_password_with_salt(password.0.expose_secret().as_bytes(), &salt);
        Self(hash.expect("the lengths of salt and password are allowed").to_string())
    }

    fn is_of(&self, typed: &str) -> bool {
        let is_of = |hash| Argon2::default().verify_password(typed.as_bytes(), &hash).is_ok();
        typed.len() <= PASSWORD_LEN_MAX && PasswordHash::new(&self.0).is_ok_and(is_of)
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let hash = PasswordHash::new(&text).map_err(|_| "no hash")?;
        let params = Params::try_from(&hash).map_err(|_| "no hash of Argon2")?;
        let (m_max, t_max, p_max) = COST_MAX;
        let is_bounded = params.m_cost() <= m_max && params.t_cost() <= t_max && params.p_cost() <= p_max;
        let is_whole = hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some();
        if is_bounded && is_whole { Ok(Self(text)) } else { Err("no hash of ours") }
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.0
    }
}

/// Somebody who may log in. Two are equal if nothing was changed of one since the other was read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: UserName,
    pub role: Role,
    password: Hash,
}

impl User {
    pub fn new(name: UserName, role: Role, password: &Password) -> Self {
        Self { name, role, password: Hash::of(password) }
    }

    /// Of `users`, the one of this name and password. That there is nobody of that name takes as long to say
    /// as that the password is wrong.
    pub fn known(users: &[Self], name: &str, password: &str) -> Option<Self> {
        let named = users.iter().find(|user| user.name.0 == name);
        let nobodys = Hash(OF_NOBODY.to_owned());
        let is_right = named.map_or(&nobodys, |user| &user.password).is_of(password);
        named.filter(|_| is_right).cloned()
    }
}

/// The users of the page.
#[derive(Clone)]
pub struct Users(Lines<User>);

impl Users {
    /// In `folder`, which may not be there yet.
    pub fn at(folder: Option<PathBuf>) -> Self {
        Self(Lines::new(folder, FILE, LOCK))
    }

    pub fn path(&self) -> Option<PathBuf> {
        self.0.path()
    }

    /// All of them, or why nobody may come in: a line that cannot be read may be the one that matters.
    pub fn all(&self) -> Result<Vec<User>, RegistryError> {
        match self.0.read() {
            Ok((users, None)) => Ok(users),
            // Without a folder nobody was ever let in.
            Err(RegistryError::NoFolder) => Ok(Vec::new()),
            Ok((_, Some(error))) | Err(error) => Err(error),
        }
    }

    /// Lets somebody in from now on, by this role and password alone.
    pub fn put(&self, user: User) -> Result<(), RegistryError> {
        self.all()?;
        self.0.change(|users| {
            users.retain(|other| other.name != user.name);
            users.push(user);
        })
    }

    /// Lets somebody in no more. Returns whether there was one of that name.
    pub fn remove(&self, name: &UserName) -> Result<bool, RegistryError> {
        if self.all()?.iter().all(|user| user.name != *name) {
            return Ok(false);
        }
        self.0.change(|users| users.retain(|user| user.name != *name))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn user(name: &str, role: Role, password: &str) -> User {
        let password = Password::try_from(password.to_owned()).unwrap();
        User::new(name.parse().unwrap(), role, &password)
    }

    #[test]
    fn a_name_can_stand_anywhere_and_a_password_is_long_enough() {
        for (name, is_name) in [
            ("ana", true),
            ("a", true),
            ("joao.2-x_y", true),
            (&*"a".repeat(NAME_LEN_MAX), true),
            (&*"a".repeat(NAME_LEN_MAX + 1), false),
            ("", false),
            ("Ana", false),
            ("joão", false),
            ("2ana", false),
            ("-ana", false),
            (".", false),
            ("a/b", false),
            ("a b", false),
            ("a\n", false),
        ] {
            assert_eq!(name.parse::<UserName>().is_ok(), is_name, "{name:?}");
        }
        for (n, is_password) in [(0, false), (11, false), (12, true), (1024, true), (1025, false)] {
            assert_eq!(Password::try_from("x".repeat(n)).is_ok(), is_password, "{n}");
        }
        assert!(Password::try_from("ã".repeat(11)).is_err(), "characters, not bytes");
    }

    #[test]
    fn who_was_put_there_is_known_by_the_last_password_until_removed() {
        let here = tempfile::tempdir().unwrap();
        let users = Users::at(Some(here.path().join("state")));
        let known = |name: &str, password: &str| User::known(&users.all().unwrap(), name, password);
        assert!(users.all().unwrap().is_empty() && Users::at(None).all().unwrap().is_empty());
        users.put(user("ana", Role::Abrir, "correct horse")).unwrap();
        users.put(user("bia", Role::Acompanhar, "battery staple")).unwrap();
        let text = fs::read_to_string(users.path().unwrap()).unwrap();
        assert!(!text.contains("correct") && text.lines().count() == 2, "{text}");
        let mode = fs::metadata(users.path().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(known("ana", "correct horse").unwrap().role, Role::Abrir);
        assert!(known("bia", "battery staple").is_some());
        for (name, password) in
            [("ana", "battery staple"), ("ana", ""), ("ana", "correct horse "), ("caio", "correct horse")]
        {
            assert!(known(name, password).is_none(), "{name} {password}");
        }
        let before = known("ana", "correct horse").unwrap();
        users.put(user("ana", Role::Acompanhar, "another password")).unwrap();
        assert!(known("ana", "correct horse").is_none());
        assert!(known("ana", "another password").unwrap() != before);
        assert!(users.remove(&"ana".parse().unwrap()).unwrap());
        assert!(!users.remove(&"ana".parse().unwrap()).unwrap());
        assert_eq!(users.all().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_line_lets_nobody_in_and_is_left_as_it_is() {
        let here = tempfile::tempdir().unwrap();
        let users = Users::at(Some(here.path().to_owned()));
        users.put(user("ana", Role::Abrir, "correct horse")).unwrap();
        let path = users.path().unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        let dear = whole.replace("m=19456", "m=4000000");
        for damaged in
            ["{}", "x", &dear, &whole.replace("argon2id", "argon2i"), &whole.replace("abrir", "tudo")]
        {
            let text = format!("{whole}{damaged}");
            fs::write(&path, &text).unwrap();
            let damaged = |error: RegistryError| matches!(error, RegistryError::Damaged { line: 2, .. });
            assert!(users.all().is_err_and(damaged), "{text}");
            assert!(users.put(user("bia", Role::Abrir, "battery staple")).is_err_and(damaged));
            assert!(users.remove(&"ana".parse().unwrap()).is_err_and(damaged));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    /// Else the time that an answer takes would tell which names there are.
    #[test]
    fn nobodys_hash_costs_what_ours_cost() {
        let ours = PasswordHash::new(&user("ana", Role::Abrir, "correct horse").password.0).unwrap();
        let nobodys = PasswordHash::new(OF_NOBODY).unwrap();
        assert_eq!((ours.algorithm, ours.version), (nobodys.algorithm, nobodys.version));
        assert_eq!(ours.params, nobodys.params);
        assert!(Hash::try_from(OF_NOBODY.to_owned()).is_ok());
    }
}
