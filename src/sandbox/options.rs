//! What the sandbox does besides working: how slow it is, what it limits, and how it fails.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use super::limit::Limit;

/// How a sandbox behaves. The default is fast and never fails.
///
/// As text: `key=value` pairs behind commas, such as `seed=7,latency=20ms,reset_after=0.01`.
#[derive(Clone, Debug, PartialEq)]
pub struct SandboxOptions {
    /// The same seed gives request number N the same fault and the same jitter.
    pub seed: u64,
    /// What every answer of the API takes, and up to how much more.
    pub latency: Duration,
    pub jitter: Duration,
    /// How much `latency` varies: it is the median of a log-normal distribution whose logarithm has this
    /// standard deviation. 0: always the same. Answers of a busy server have some 0.6.
    pub sigma: f64,
    /// From when on answers take so many times as long, counted from the start, and for how long.
    pub slow_from: Duration,
    pub slow_for: Duration,
    pub slow_by: u32,
    /// Requests worked on at once; 0: without limit.
    pub workers: usize,
    /// Requests that may wait for a worker; those beyond get 503.
    pub queue: usize,
    /// Requests per second that are taken, and so many at once; `rate` 0: without limit, `burst` 0: as many
    /// at once as in a second.
    pub rate: u32,
    pub burst: u32,
    /// Logins per minute that are taken, [`LOGINS_AT_ONCE`] at once if there are so many; 0: without limit.
    pub logins: u32,
    /// What becomes of a request beyond that.
    pub refusal: Refusal,
    /// After how many seconds a 429 or 503 says that one may ask again; `None`: it says nothing.
    pub retry_after: Option<u64>,
    /// How long a token lives.
    pub token_life: Duration,
    /// A ticket becomes visible to look-ups only so long after it was opened.
    pub look_up_delay: Duration,
    /// When the ticket of a late commit appears.
    pub late_commit_after: Duration,
    /// Service ids above this do not exist.
    pub services_max: i64,
    /// Tickets that a page of the list of all tickets may have: a longer one is answered 504, as what took
    /// too long. 0: this user may not read the list, and is answered 403.
    pub list_max: usize,
    /// How a look-up says that there is nothing.
    pub nothing: Nothing,
    pub faults: Faults,
}

/// The two shapes of a look-up without tickets: both were seen in the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    EmptyList,
    Error,
}

/// What a request beyond the limit comes to: a 429, which tells `retry_after` in its way, or some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As a key of its JSON.
    Body,
    Header,
    /// Not at all: it is another server's page.
    Html,
    /// It is taken as soon as the limit allows.
    Delay,
}

/// More would make answers of hours beside such of microseconds.
const SIGMA_MAX: f64 = 3.0;

/// Source: the burst that HubSoft documents beside its 30 logins a minute.
const LOGINS_AT_ONCE: u32 = 20;

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            latency: Duration::ZERO,
            jitter: Duration::ZERO,
            sigma: 0.0,
            slow_from: Duration::ZERO,
            slow_for: Duration::ZERO,
            slow_by: 1,
            workers: 0,
            queue: 1_000,
            rate: 0,
            burst: 0,
            logins: 0,
            refusal: Refusal::Body,
            retry_after: None,
            token_life: Duration::from_secs(2_592_000),
            look_up_delay: Duration::ZERO,
            late_commit_after: Duration::from_secs(3),
            services_max: 999_999_999,
            list_max: 500,
            nothing: Nothing::EmptyList,
            faults: Faults::default(),
        }
    }
}

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $field:ident => $variant:ident,)+) => {
        /// How probable each fault is, from 0 to 1.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Faults { $($(#[doc = $doc])+ pub $field: f64,)+ }

        /// A fault, as it happened to one request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FaultKind { $($(#[doc = $doc])+ $variant,)+ }

        impl Faults {
            fn set(&mut self, name: &str, probability: f64) -> bool {
                match name {
                    $(stringify!($field) => self.$field = probability,)+
                    _ => return false,
                }
                true
            }

            pub(super) fn probability(&self, of: FaultKind) -> f64 {
                match of { $(FaultKind::$variant => self.$field,)+ }
            }

            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];
        }

        impl FaultKind {
            /// The option that asks for it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)+ }
            }
        }
    };
}

faults! {
    /// A connection is reset before anything of it is read. Per connection; all others are per request.
    refuse => Refuse,
    /// A post is read and the connection reset: no ticket.
    reset_before => ResetBefore,
    /// The ticket is opened and the connection reset.
    reset_after => ResetAfter,
    /// A post is never answered: no ticket.
    hang => Hang,
    /// A post's connection is reset and its ticket appears later.
    late_commit => LateCommit,
    /// A post is answered 500, 502, 503 or 504: no ticket.
    error_before => ErrorBefore,
    /// The same, and the ticket is opened.
    error_after => ErrorAfter,
    /// A post is answered by a maintenance page, with HTTP 200: no ticket.
    html => Html,
    /// The ticket is opened and the answer breaks off in its middle.
    cut_body => CutBody,
    /// An exception as HTTP 200, traces and all: the ticket is opened on every second such request.
    exception => Exception,
    /// All tokens are revoked just before this post.
    token_revoked => TokenRevoked,
    /// A post is answered 403.
    forbid => Forbid,
    /// A look-up is answered 500.
    look_up_failure => LookUpFailure,
    /// A login is answered 503.
    login_failure => LoginFailure,
}

/// What was not understood in the options' text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionFault {
    #[error("{}", tr!("`%{text}` is not `key=value`", text = _0))]
    NotAPair(String),
    #[error(
        "{}",
        tr!(
            "the sandbox has no option `%{option}`; it has %{known}",
            option = _0, known = known_options()
        )
    )]
    Unknown(String),
    #[error(
        "{}",
        tr!(
            "`%{value}` will not do for `%{key}`: %{expected}",
            value = value, key = key, expected = expected
        )
    )]
    Value { key: String, value: String, expected: Cow<'static, str> },
}

const OPTIONS: &[&str] = &[
    "seed",
    "latency",
    "jitter",
    "sigma",
    "slow_from",
    "slow_for",
    "slow_by",
    "workers",
    "queue",
    "rate",
    "burst",
    "logins",
    "refusal",
    "retry_after",
    "token_life",
    "look_up_delay",
    "late_commit_after",
    "services_max",
    "list_max",
    "nothing",
];

fn known_options() -> String {
    let names: Vec<&str> = OPTIONS.iter().chain(Faults::NAMES).copied().collect();
    names.join(", ")
}

impl FromStr for SandboxOptions {
    type Err = OptionFault;

    fn from_str(text: &str) -> Result<Self, OptionFault> {
        Self::default().with(text)
    }
}

impl SandboxOptions {
    /// With the limit that HubSoft documents.
    pub fn with_known_limit() -> Self {
        Self { rate: 20, burst: 200, logins: 30, retry_after: Some(1), ..Self::default() }
    }

    /// The same, but for what `text` says.
    ///
    /// # Errors
    ///
    /// If a part of the text is no option, or not a value of its option.
    pub fn with(mut self, text: &str) -> Result<Self, OptionFault> {
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| OptionFault::NotAPair(pair.to_owned()))?;
            self.set(key.trim(), value.trim())?;
        }
        Ok(self)
    }

    /// `None`: there is none.
    pub(super) fn request_limit(&self) -> Option<Limit> {
        let each = Duration::from_secs(1).checked_div(self.rate)?;
        Some(Limit { each, at_once: if self.burst == 0 { self.rate } else { self.burst } })
    }

    /// `None`: there is none.
    pub(super) fn login_limit(&self) -> Option<Limit> {
        let each = Duration::from_secs(60).checked_div(self.logins)?;
        Some(Limit { each, at_once: self.logins.min(LOGINS_AT_ONCE) })
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), OptionFault> {
        let will_not_do =
            |expected| OptionFault::Value { key: key.to_owned(), value: value.to_owned(), expected };
        let number = || value.parse::<u64>().map_err(|_| will_not_do(tr!("a whole number")));
        let count = || value.parse::<u32>().map_err(|_| will_not_do(tr!("a whole number")));
        let size = || value.parse::<usize>().map_err(|_| will_not_do(tr!("a whole number")));
        let duration =
            || duration(value).ok_or_else(|| will_not_do(tr!("a duration such as `20ms`, `3s` or `5m`")));
        match key {
            "seed" => self.seed = number()?,
            "latency" => self.latency = duration()?,
            "jitter" => self.jitter = duration()?,
            "sigma" => {
                let sigma = value.parse().ok().filter(|sigma| (0.0..=SIGMA_MAX).contains(sigma));
                self.sigma = sigma.ok_or_else(|| will_not_do(tr!("from 0 to %{max}", max = SIGMA_MAX)))?;
            }
            "slow_from" => self.slow_from = duration()?,
            "slow_for" => self.slow_for = duration()?,
            "slow_by" => self.slow_by = count()?,
            "workers" => self.workers = size()?,
            "queue" => self.queue = size()?,
            "rate" => {
                let per_second = value.trim_end_matches("/s").parse();
                self.rate = per_second.map_err(|_| will_not_do(tr!("a rate such as `50/s`")))?;
            }
            "burst" => self.burst = count()?,
            "logins" => {
                let per_minute = value.trim_end_matches("/min").parse();
                self.logins = per_minute.map_err(|_| will_not_do(tr!("a rate such as `30/min`")))?;
            }
            "refusal" => {
                self.refusal = match value {
                    "body" => Refusal::Body,
                    "header" => Refusal::Header,
                    "html" => Refusal::Html,
                    "delay" => Refusal::Delay,
                    _ => return Err(will_not_do(tr!("`body`, `header`, `html` or `delay`"))),
                }
            }
            "retry_after" => self.retry_after = Some(number()?),
            "token_life" => self.token_life = duration()?,
            "look_up_delay" => self.look_up_delay = duration()?,
            "late_commit_after" => self.late_commit_after = duration()?,
            "services_max" => {
                self.services_max = value.parse().map_err(|_| will_not_do(tr!("a whole number")))?
            }
            "list_max" => self.list_max = size()?,
            "nothing" => {
                self.nothing = match value {
                    "list" => Nothing::EmptyList,
                    "error" => Nothing::Error,
                    _ => return Err(will_not_do(tr!("`list` or `error`"))),
                }
            }
            _ => {
                let probability = value.parse().ok().filter(|chance| (0.0..=1.0).contains(chance));
                if !Faults::NAMES.contains(&key) {
                    return Err(OptionFault::Unknown(key.to_owned()));
                }
                let probability = probability.ok_or_else(|| will_not_do(tr!("a probability from 0 to 1")))?;
                self.faults.set(key, probability);
            }
        }
        Ok(())
    }
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(3_600)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_text() {
        let read = "seed=7, latency=20ms,rate=50/s,retry_after=2,reset_after=0.01,nothing=error".parse();
        let expected = SandboxOptions {
            seed: 7,
            latency: Duration::from_millis(20),
            rate: 50,
            retry_after: Some(2),
            nothing: Nothing::Error,
            faults: Faults { reset_after: 0.01, ..Faults::default() },
            ..SandboxOptions::default()
        };
        assert_eq!(read, Ok(expected));
        assert_eq!("".parse(), Ok(SandboxOptions::default()));
    }

    #[test]
    fn what_is_said_of_a_limit_counts_before_what_is_known_of_it() {
        let limits = |text: &str| {
            let options = SandboxOptions::with_known_limit().with(text).expect(text);
            let limit = |limit: Option<Limit>| limit.map(|limit| (limit.each.as_millis(), limit.at_once));
            (limit(options.request_limit()), limit(options.login_limit()))
        };
        assert_eq!(limits(""), (Some((50, 200)), Some((2_000, 20))));
        assert_eq!(limits("rate=10,logins=6/min"), (Some((100, 200)), Some((10_000, 6))));
        assert_eq!(limits("rate=10/s,burst=0"), (Some((100, 10)), Some((2_000, 20))));
        assert_eq!(limits("rate=0,logins=0"), (None, None));
        let unlimited = SandboxOptions::default();
        assert_eq!((unlimited.request_limit(), unlimited.login_limit()), (None, None));
    }

    #[test]
    fn what_is_wrong_with_options_is_named() {
        let fault = |text: &str| text.parse::<SandboxOptions>().expect_err(text).to_string();
        assert_eq!(fault("hang"), "`hang` is not `key=value`");
        assert_eq!(fault("hang=2"), "`2` will not do for `hang`: a probability from 0 to 1");
        assert_eq!(fault("hang=NaN"), "`NaN` will not do for `hang`: a probability from 0 to 1");
        assert_eq!(
            fault("latency=5"),
            "`5` will not do for `latency`: a duration such as `20ms`, `3s` or `5m`"
        );
        assert_eq!(fault("sigma=-1"), "`-1` will not do for `sigma`: from 0 to 3");
        assert_eq!(
            fault("refusal=no"),
            "`no` will not do for `refusal`: `body`, `header`, `html` or `delay`"
        );
        assert!(fault("hangs=1").starts_with("the sandbox has no option `hangs`; it has seed, latency,"));
    }
}
