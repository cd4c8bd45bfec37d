//! The settings: one row each.
//!
//! To add one, write its row where the others of its group stand: the key, which names the flag, the variable
//! and the key in a file; what it means; its default, of a type that holds its range. Everything else
//! follows, or does not compile; the test of `cli/written.rs` writes it into the documents.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::error::SettingsError;
use super::lookup::{Group, Lookup, Secret};
use super::row::{Row, Setting};
use super::said::Place;
use super::values::{AtLeast, ClockTime, DatabaseUrl, Listen, MaxErrors, Span, Whole};
use crate::delivery::{ANSWER_AGE_MAX, CLAIM_AGE_MAX, Concurrency, Policy, Rate};
use crate::hubsoft::{BaseUrl, CONNECT_TIMEOUT, Credentials, HubSoftSettings, TIMEOUT};
use crate::intake::{Delimiter, Encoding, Hidden, Map, Set, SheetChoice};
use crate::language::Language;
use crate::notice::Recipient;
use crate::outbox::LEASE;
use crate::ticket::Ddd;

/// The heading of settings that all commands have.
pub(super) const EVERYWHERE: &str = "Global options";

type MaxAttempts = Whole<1, 1000>;
/// As many lines as a sheet has.
type HeaderRow = Whole<1, 1_048_576>;
/// Shorter, and nothing could be claimed.
type Lease = AtLeast<{ LEASE.as_millis() as u64 }>;
/// Looking more often is a load on the database that no row is opened sooner for.
type Poll = AtLeast<50>;

const MAX_ATTEMPTS: MaxAttempts = Whole::constant(Policy::MAX_ATTEMPTS);
const POLL: Poll = AtLeast::constant(Duration::from_secs(1));

/// Where the page is, so that a browser knows it again; IANA has given the port to nobody.
pub const PAGE_AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8674);

/// A clean stop waits longer than one answer may take, so that a post begun before the stop gets its answer.
const GRACE_BEYOND_TIMEOUT: Duration = Duration::from_secs(15);

/// A longer one would still be waited for when nobody is believed to wait any more.
const TIMEOUT_MAX: Duration = Duration::from_secs(9 * 60);

const _: () = assert!(CLAIM_AGE_MAX.as_secs() + TIMEOUT_MAX.as_secs() <= ANSWER_AGE_MAX.as_secs());

/// How tickets are sent.
#[derive(Clone, Debug)]
pub struct Sending {
    pub rate: Rate,
    pub concurrency: Concurrency,
    pub max_attempts: u32,
    pub timeout: Duration,
    /// Below `timeout`, so that a slow connection is known to have sent nothing.
    pub connect_timeout: Duration,
    pub settle_delay: Duration,
    pub skip_if_open: bool,
    pub verify_first: bool,
    pub sandbox: bool,
}

impl Group for Sending {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section("Sending");
        let rate =
            of.value(Row::run("rate", tr!("Ceiling on requests: 5/s, 300/min, unlimited")), Policy::RATE)?;
        let concurrency = of.value(
            Row::run("concurrency", tr!("Requests in flight at once: auto (as many as HubSoft bears), 8")),
            Policy::CONCURRENCY,
        )?;
        let max_attempts = of.value(
            Row::run("max_attempts", tr!("Attempts at a row that is certain to have left nothing")),
            MAX_ATTEMPTS,
        )?;
        let timeout = of.value(
            Row::run("timeout", tr!("How long to wait for an answer; a short one makes doubtful rows")),
            Span::constant(TIMEOUT),
        )?;
        let connect_default = Span::constant(CONNECT_TIMEOUT);
        let connect_timeout: Option<Span> = of.optional(
            Row::run("connect_timeout", tr!("How long to wait for a connection"))
                .otherwise(tr!("%{default}, or half of a shorter --timeout", default = connect_default))
                .example(connect_default),
        )?;
        let settle_delay = of.value(
            Row::run(
                "settle_delay",
                tr!("How long a slow server may still open a ticket after we stopped waiting"),
            ),
            Span::constant(Policy::SETTLE_DELAY),
        )?;
        let skip_if_open = of.switch(Row::run(
            "skip_if_open",
            tr!("Skip a row whose service has a pending ticket of the same type"),
        ))?;
        let verify_first =
            of.switch(Row::run("verify_first", tr!("Look every row up before its first post")))?;
        let sandbox = of.switch(Row::run(
            "sandbox",
            tr!("Start a sandbox in the process and use it instead of HubSoft"),
        ))?;

        let max_attempts = max_attempts.get();
        let (timeout, settle_delay) = (timeout.get(), settle_delay.get());
        let connect_timeout = connect_timeout.map_or(CONNECT_TIMEOUT.min(timeout / 2), Span::get);
        if timeout <= connect_timeout {
            return Err(SettingsError::Contradiction {
                problem: tr!(
                    "the timeout is %{timeout}, and must be longer than the connect timeout, %{connect_timeout}",
                    timeout = format_args!("{timeout:?}"),
                    connect_timeout = format_args!("{connect_timeout:?}")
                ).into_owned(),
                hint: tr!("raise --timeout, or lower --connect-timeout"),
            });
        }
        if TIMEOUT_MAX < timeout {
            return Err(SettingsError::Contradiction {
                problem: tr!(
                    "the timeout is %{timeout}, and may be %{max} at most: a doubt begins when nobody waits any more",
                    timeout = format_args!("{timeout:?}"),
                    max = format_args!("{TIMEOUT_MAX:?}")
                ).into_owned(),
                hint: tr!("lower --timeout"),
            });
        }
        Ok(Self {
            rate,
            concurrency,
            max_attempts,
            timeout,
            connect_timeout,
            settle_delay,
            skip_if_open,
            verify_first,
            sandbox,
        })
    }
}

impl Sending {
    /// How long a clean stop waits for answers.
    pub fn grace(&self) -> Duration {
        self.timeout + GRACE_BEYOND_TIMEOUT
    }
}

/// When an import stops by itself before its end.
#[derive(Clone, Debug)]
pub struct Stopping {
    pub max_errors: Option<MaxErrors>,
    pub until: Option<ClockTime>,
}

impl Group for Stopping {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section("Sending");
        Ok(Self {
            max_errors: of.optional(
                Row::run("max_errors", tr!("Stop when so many rows were not opened: N, or P% of the file"))
                    .example("2%"),
            )?,
            until: of.optional(
                Row::run("until", tr!("Stop at this time of day (local); the next call goes on"))
                    .example("22:00"),
            )?,
        })
    }
}

/// How a spreadsheet is read, and its results are written.
#[derive(Clone, Debug)]
pub struct Reading {
    pub encoding: Option<Encoding>,
    pub delimiter: Option<Delimiter>,
    pub sheet: Option<SheetChoice>,
    pub header_row: Option<u64>,
    /// The last one for a column or a field counts.
    pub map: Vec<Map>,
    pub set: Vec<Set>,
    pub default_ddd: Option<Ddd>,
    /// `None`: a person is asked.
    pub hidden: Option<Hidden>,
    pub find_service: bool,
    pub allow_repeats: bool,
    pub strict: bool,
    pub excel_safe: bool,
}

impl Group for Reading {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section("Reading");
        Ok(Self {
            encoding: of.optional(
                Row::run("encoding", tr!("utf-8, utf-16, windows-1252, macintosh, cp850, …"))
                    .otherwise(tr!("found out"))
                    .example("windows-1252"),
            )?,
            delimiter: of.optional(
                Row::run("delimiter", tr!("One character, or tab")).otherwise(tr!("found out")).example(";"),
            )?,
            sheet: of.optional(
                Row::run("sheet", tr!("The sheet of a workbook: its name, or its number among those shown"))
                    .otherwise(tr!("that with the best header"))
                    .example("Clientes"),
            )?,
            header_row: of
                .optional(
                    Row::call(
                        "header_row",
                        tr!("The line that names the columns, counted as in the spreadsheet"),
                    )
                    .otherwise(tr!("found out")),
                )?
                .map(|line: HeaderRow| line.get().into()),
            map: of.pairs(
                Row::run("map", tr!("Read FIELD from COLUMN; may be repeated"))
                    .example("Codigo do contrato=id_cliente_servico"),
            )?,
            set: of.pairs(
                Row::run("set", tr!("Use VALUE for FIELD in every row whose cell is empty; may be repeated"))
                    .example("id_tipo_atendimento=7"),
            )?,
            default_ddd: of.optional(
                Row::run("default_ddd", tr!("Area code for phones that have none")).example("37"),
            )?,
            hidden: of.optional(
                Row::run("hidden", tr!("What becomes of rows of a workbook that a filter hides: open, skip"))
                    .otherwise(tr!("asked"))
                    .example("skip"),
            )?,
            find_service: of.switch(Row::run(
                "find_service",
                tr!(
                    "Where a row has no service: look in HubSoft for that of its codigo_cliente, CPF or CNPJ"
                ),
            ))?,
            allow_repeats: of
                .switch(Row::run("allow_repeats", tr!("Open also rows that repeat an earlier one")))?,
            strict: of.switch(Row::run("strict", tr!("Send nothing if any row is invalid")))?,
            excel_safe: of.switch(Row::run(
                "excel_safe",
                tr!("Guard cells of the results that a spreadsheet would run as a formula"),
            ))?,
        })
    }
}

/// How a worker lives beside others.
#[derive(Clone, Debug)]
pub struct Working {
    pub lease: Duration,
    pub grace: Duration,
    pub poll: Duration,
    pub metrics_listen: Option<SocketAddr>,
    pub until_empty: bool,
}

impl Working {
    fn read(of: &mut Lookup<'_>, sending: &Sending) -> Result<Self, SettingsError> {
        of.section("Working");
        let lease: Lease = of.value(
            Row::run("lease", tr!("How long a worker may be silent before the others take over its rows")),
            AtLeast::constant(LEASE),
        )?;
        let grace: Option<Span> = of.optional(
            Row::run("grace", tr!("How long a clean stop waits for answers"))
                .otherwise(tr!("%{span} longer than --timeout", span = Span::constant(GRACE_BEYOND_TIMEOUT)))
                .example(Span::constant(TIMEOUT.saturating_add(GRACE_BEYOND_TIMEOUT))),
        )?;
        let poll = of.value(
            Row::run(
                "poll",
                tr!("How often to look for new rows (a fifth as often while inserts wake the worker)"),
            ),
            POLL,
        )?;
        let metrics_listen: Option<Listen> = of.optional(
            Row::machine(
                "metrics_listen",
                tr!("Answer /metrics, /livez and /readyz at this address, such as 127.0.0.1:9464"),
            )
            .otherwise(tr!("nowhere"))
            .example("127.0.0.1:9464"),
        )?;
        let until_empty = of.switch(Row::call(
            "until_empty",
            tr!("End when no row is pending, in flight or waiting; exit codes are those of import"),
        ))?;
        Ok(Self {
            lease: lease.get(),
            grace: grace.map_or(sending.grace(), Span::get),
            poll: poll.get(),
            metrics_listen: metrics_listen.map(|at| at.0),
            until_empty,
        })
    }
}

/// Of `import`.
#[derive(Clone, Debug)]
pub struct Import {
    pub reading: Reading,
    pub sending: Sending,
    pub stopping: Stopping,
}

impl Group for Import {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        Ok(Self { reading: Reading::read(of)?, sending: Sending::read(of)?, stopping: Stopping::read(of)? })
    }
}

/// Of `worker`.
#[derive(Clone, Debug)]
pub struct Worker {
    pub sending: Sending,
    pub working: Working,
}

impl Group for Worker {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        let sending = Sending::read(of)?;
        Ok(Self { working: Working::read(of, &sending)?, sending })
    }
}

/// Where rows wait, if not beside each spreadsheet.
pub struct Database {
    pub url: Option<String>,
}

impl Group for Database {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section(EVERYWHERE);
        let url: Option<(DatabaseUrl, Place)> = of.text(
            Row::machine(
                "database_url",
                tr!("Outbox to use instead of the file's own: postgres://…, without a password, or sqlite:PATH"),
            )
            .example("postgres://mutirao@db.example.com.br/provedor"),
        )?;
        Ok(Self { url: url.map(|(url, _)| url.0) })
    }
}

/// Who is told of the end of a run.
pub struct Notifying {
    pub recipient: Option<Recipient>,
}

impl Group for Notifying {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section("Sending");
        let recipient = of.text(
            Row::machine(
                "notify",
                tr!("Tell this web hook, or this program, of the end, a halt and a long pause"),
            )
            .otherwise(tr!("nobody"))
            .example("/etc/mutirao/notify-telegram.sh"),
        )?;
        Ok(Self { recipient: recipient.map(|(recipient, _)| recipient) })
    }
}

/// Where the page is.
pub struct Paging {
    /// `None`: at the usual address, or beside it.
    pub listen: Option<SocketAddr>,
    /// `None`: there.
    pub page_url: Option<BaseUrl>,
}

impl Group for Paging {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section("Page");
        let listen: Option<Listen> = of.optional(
            Row::machine("listen", tr!("Show the page at this address; others reach it only as users"))
                .otherwise(tr!("%{usual}, or a free port", usual = PAGE_AT))
                .example(PAGE_AT),
        )?;
        let page_url: Option<(BaseUrl, Place)> = of.text(
            Row::machine(
                "page_url",
                tr!("The address of the page as people type it, of a proxy that speaks TLS"),
            )
            .otherwise(tr!("that of --listen"))
            .example("https://atendimentos.example.com.br"),
        )?;
        Ok(Self { listen: listen.map(|at| at.0), page_url: page_url.map(|(url, _)| url) })
    }
}

/// How a person is spoken to.
pub struct Speaking {
    /// `None`: as the system says.
    pub language: Option<Language>,
}

impl Group for Speaking {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section(EVERYWHERE);
        Ok(Self {
            language: of.optional(
                Row::run("lang", tr!("Language of what a person reads: en, pt-BR"))
                    .otherwise(tr!("as LC_ALL, LC_MESSAGES or LANG has it"))
                    .example("pt-BR"),
            )?,
        })
    }
}

/// Where a worker hears of inserts, if a pooler stands before the database: past it.
pub struct Listening {
    pub url: Option<SecretString>,
}

impl Group for Listening {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section(EVERYWHERE);
        let url = of.secret(
            Row::machine(
                "listen_url",
                tr!("The URL of the same database past a pooler, to be woken by inserts"),
            )
            .example("/etc/mutirao/listen-url"),
        )?;
        Ok(Self { url: url.read()? })
    }
}

/// Where HubSoft is and how to log in to it, as far as it was said.
pub struct Login {
    url: Option<(BaseUrl, Place)>,
    token: Secret,
    client_id: Option<String>,
    client_secret: Secret,
    username: Option<String>,
    password: Secret,
    ca_file: Option<PathBuf>,
}

impl Group for Login {
    fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
        of.section("HubSoft");
        let value = |text: Option<(String, Place)>| text.map(|(value, _)| value);
        Ok(Self {
            url: of.text(
                Row::machine(
                    "hubsoft_url",
                    tr!("Where HubSoft is: https://host[:port], plain http only to loopback"),
                )
                .example("https://erp.example.com.br"),
            )?,
            token: of.secret(
                Row::machine("hubsoft_token", tr!("A bearer token obtained elsewhere, instead of a login"))
                    .example("/etc/mutirao/token"),
            )?,
            client_id: value(
                of.text(Row::machine("hubsoft_client_id", tr!("The login's client")).example("2"))?,
            ),
            client_secret: of.secret(
                Row::machine("hubsoft_client_secret", tr!("The client's secret"))
                    .example("/etc/mutirao/client-secret"),
            )?,
            username: value(
                of.text(
                    Row::machine("hubsoft_username", tr!("The login's user; the token is renewed by itself"))
                        .example("integracao@example.com.br"),
                )?,
            ),
            password: of.secret(
                Row::machine("hubsoft_password", tr!("The user's password")).example("/etc/mutirao/password"),
            )?,
            ca_file: of
                .text(
                    Row::machine(
                        "hubsoft_ca_file",
                        tr!("An extra certificate authority; verification cannot be switched off"),
                    )
                    .example("/etc/mutirao/ca.pem"),
                )?
                .map(|(path, _)| path),
        })
    }
}

/// A HubSoft that can be logged in to.
pub struct Tenant {
    pub settings: HubSoftSettings,
    /// Where it was said where it is, for people.
    pub said_in: String,
}

impl Login {
    /// Reads the secrets that are needed, and no others.
    pub(super) fn tenant(self, sending: &Sending) -> Result<Tenant, SettingsError> {
        let missing = |key: &str, why| SettingsError::Missing { key: key.to_owned(), why };
        let (base_url, place) = self.url.ok_or_else(|| {
            missing("HUBSOFT_URL", tr!("where HubSoft is, like https://example.hubsoft.com.br"))
        })?;
        let needed = |key: &str| missing(key, tr!("needed to log in, unless HUBSOFT_TOKEN is given"));
        let credentials = match self.token.read()? {
            Some(token) => Credentials::Token(token),
            None => {
                let secret = |secret: Secret| {
                    let missing = || SettingsError::MissingSecret { key: secret.variable() };
                    secret.read()?.ok_or_else(missing)
                };
                Credentials::Password {
                    client_id: self.client_id.ok_or_else(|| needed("HUBSOFT_CLIENT_ID"))?,
                    client_secret: secret(self.client_secret)?,
                    username: self.username.ok_or_else(|| needed("HUBSOFT_USERNAME"))?,
                    password: secret(self.password)?,
                }
            }
        };
        let settings = HubSoftSettings {
            base_url,
            credentials,
            ca_file: self.ca_file,
            timeout: sending.timeout,
            connect_timeout: sending.connect_timeout,
        };
        Ok(Tenant { settings, said_in: place.short() })
    }
}

/// Every setting once, those of a section together, in the order of the documents.
pub fn all() -> Vec<Setting> {
    struct All;
    impl Group for All {
        fn read(of: &mut Lookup<'_>) -> Result<Self, SettingsError> {
            Login::read(of)?;
            Database::read(of)?;
            Listening::read(of)?;
            Speaking::read(of)?;
            Worker::read(of)?;
            Import::read(of)?;
            Notifying::read(of)?;
            Paging::read(of)?;
            Ok(Self)
        }
    }
    let mut all: Vec<Setting> = Vec::new();
    for setting in Lookup::settings_of::<All>() {
        if all.iter().all(|known| known.key != setting.key) {
            let of_section = all.iter().rposition(|known| known.section == setting.section);
            all.insert(of_section.map_or(all.len(), |last| last + 1), setting);
        }
    }
    all
}
