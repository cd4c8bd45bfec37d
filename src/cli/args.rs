//! Arguments as typed. Those that are settings stand in [`crate::settings`].

use std::borrow::Cow;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::numbers;
use crate::app::batches::Answers;
use crate::registry::UserName;
use crate::service::log::LogFormat;
use crate::settings::{self, Database, Flags, Notifying, Reading, Sending, Span, Speaking};

/// Opens support tickets in HubSoft in bulk: none lost, none opened twice.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Start with: mutirao template tickets.csv, then mutirao check tickets.csv")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What it says goes to a program or into a log.
    pub fn is_read_by_programs(&self) -> bool {
        let Global { json, log_format, .. } = self.global;
        json || log_format == LogFormat::Json || matches!(self.command, Command::Worker(_))
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Settings file [default: ./mutirao.toml, then the user's and the system's]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub database: Flags<Database>,
    #[command(flatten)]
    pub speaking: Flags<Speaking>,
    /// Print the result as one line of JSON on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say what becomes of each row; twice: also every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Validate FILE, open a ticket for every valid row, write the results
    ///
    /// The same command on the same file goes on where it stopped and never opens a row twice.
    #[command(alias = "importar")]
    Import(Import),
    /// Show every problem of every row at once; nothing is sent
    #[command(alias = "conferir")]
    Check(Check),
    /// Put the rows of FILE into the outbox for workers to open; nothing is sent
    #[command(alias = "enfileirar")]
    Enqueue(Enqueue),
    /// Write an empty spreadsheet with the columns, explained (.csv or .xlsx)
    #[command(alias = "modelo")]
    Template(Template),
    /// Count rows by state, and say what is due
    #[command(alias = "situacao")]
    Status {
        /// Only this batch [default: every batch of this folder, or of the database]
        batch: Option<String>,
        /// Look again every so many seconds (2, or 1 to 3600), until nothing is left to do
        #[arg(
            long,
            value_name = "SECONDS",
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "2",
            value_parser = numbers::seconds
        )]
        watch: Option<u16>,
    },
    /// Show one row: its fields, its state, every attempt
    #[command(alias = "mostrar")]
    Show {
        /// BATCH:LINE, LOTE:REFERENCIA, or the row's id
        row: String,
    },
    /// Write results and errors of a batch again, in input order
    #[command(alias = "exportar")]
    Export {
        /// Of this batch [default: the latest]
        batch: Option<String>,
        /// Folder to write to
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Guard cells that a spreadsheet would run as a formula
        #[arg(long)]
        excel_safe: bool,
        /// Name customers in report.html, and what HubSoft says of them
        #[arg(long)]
        with_people: bool,
    },
    /// Look up every row that may have a ticket again, and settle what can be proved
    #[command(alias = "reconciliar")]
    Reconcile {
        /// Only of this batch [default: all of a database; the latest of a file]
        batch: Option<String>,
        #[command(flatten)]
        settings: Flags<Sending>,
    },
    /// Settle rows that may have a ticket by a person's word
    ///
    /// For rows that are in_doubt, unconfirmed or in conflict. A protocolo is looked up in HubSoft first.
    #[command(alias = "resolver")]
    Resolve(Resolve),
    /// Make finished rows pending again; one that was ever sent is looked up first
    #[command(alias = "repetir")]
    Retry {
        /// Only of this batch [default: all of a database; the latest of a file]
        batch: Option<String>,
        /// States to take, separated by commas
        #[arg(long, value_delimiter = ',', default_value = "failed,rejected", value_name = "STATES")]
        state: Vec<RetryState>,
    },
    /// Power is back: what was not sent becomes `cancelled`
    #[command(alias = "cancelar")]
    Cancel {
        /// Its name, its spreadsheet, or its .mutirao folder
        batch: String,
    },
    /// Open what is in the outbox, and what comes, until told to stop
    ///
    /// Any number of workers share one Postgres outbox, and one rate: the lowest of theirs.
    Worker(Worker),
    /// Bring a spreadsheet to a browser, and open its tickets there; see how batches stand
    ///
    /// The page is for this machine alone. The address that is printed lets one browser in, once.
    #[command(alias = "painel")]
    Web(Web),
    /// Stop all workers of a shared outbox, until `resume`
    #[command(alias = "pausar")]
    Pause {
        /// Why, for whoever looks
        #[arg(long, value_name = "TEXT", default_value = "paused by a person")]
        reason: String,
    },
    /// Let all workers go on; with LOTE: let a lote that was halted go on
    #[command(alias = "retomar")]
    Resume {
        /// A batch that was halted [default: all workers]
        lote: Option<String>,
    },
    /// Remove personal data of rows that finished long ago; their counts and tickets stay known
    #[command(alias = "expurgar")]
    Purge {
        /// Only of this batch [default: all of a database; all of a file]
        batch: Option<String>,
        /// How long ago a row must have finished: 90d, 12h
        #[arg(long, value_name = "TIME")]
        older_than: Span,
    },
    /// Create or update the outbox in a Postgres database
    #[command(alias = "migrar")]
    Migrate(Migrate),
    /// Try everything that a run needs
    #[command(alias = "diagnostico")]
    Doctor {
        #[command(flatten)]
        settings: Flags<Sending>,
    },
    /// List the ids that HubSoft knows: ticket types, statuses, contact origins, service order types
    #[command(alias = "catalogo")]
    Catalogue {
        #[command(flatten)]
        settings: Flags<Sending>,
    },
    /// Ask where HubSoft is and how to log in, try it, and write the settings
    #[command(alias = "iniciar")]
    Init,
    /// Run a HubSoft on loopback, with latency, limits and faults to choose
    Sandbox(Sandbox),
    /// Print completions for a shell
    Completions {
        /// Which shell is to complete commands
        shell: Shell,
    },
    /// Print a manual page, or write all of them
    Man {
        /// Of this command [default: of the program]
        command: Option<String>,
        /// Write the pages of all commands to this folder
        #[arg(short, long, value_name = "DIR", conflicts_with = "command")]
        output: Option<PathBuf>,
    },
    /// Print the names of batches, for completions
    #[command(hide = true)]
    Batches,
    /// Print help
    #[command(alias = "ajuda", hide = true)]
    Help { command: Option<String> },
}

/// What a script says where a person would be asked.
#[derive(Clone, Copy, Debug, Args)]
pub struct Meeting {
    /// FILE is an edit of the batch that is there; what it lacks and was not sent is withdrawn
    #[arg(long = "continue", conflicts_with = "new")]
    pub go_on: bool,
    /// FILE is another outage: a batch of its own, beside the one that is there
    #[arg(long)]
    pub new: bool,
    /// Open the same content once more
    #[arg(long)]
    pub again: bool,
}

impl Meeting {
    pub fn answers(self) -> Answers {
        let Self { go_on, new, again } = self;
        Answers { go_on, new, again }
    }
}

/// What a batch is called.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub struct Batch {
    /// Name of the batch [default: FILE's name without its ending]
    #[arg(long = "batch", value_name = "NAME", value_parser = name_of_batch)]
    pub name: Option<String>,
}

/// A name that is not blank.
fn name_of_batch(typed: &str) -> Result<String, Cow<'static, str>> {
    let name = Some(typed.trim()).filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| tr!("a batch needs a name, such as queda-cto-12"))
}

#[derive(Debug, Args)]
pub struct Import {
    /// Spreadsheet (.csv, .xlsx, .xls, .xlsb, .ods, .tsv, .txt), or - for standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub batch: Batch,
    #[command(flatten)]
    pub settings: Flags<settings::Import>,
    #[command(flatten)]
    pub notify: Flags<Notifying>,
    #[command(flatten)]
    pub meeting: Meeting,
    /// Open the first N tickets, then stop; the next call goes on
    #[arg(long, value_name = "N", value_parser = numbers::tickets)]
    pub sample: Option<u64>,
    /// Do not ask before opening real tickets
    #[arg(short, long)]
    pub yes: bool,
    /// Folder for the outbox and the results [default: FILE's name with .mutirao]
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Validate and show what would be done; send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Name customers in report.html, and what HubSoft says of them
    #[arg(long)]
    pub with_people: bool,
}

#[derive(Debug, Args)]
pub struct Worker {
    #[command(flatten)]
    pub settings: Flags<settings::Worker>,
    #[command(flatten)]
    pub notify: Flags<Notifying>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Web {
    #[command(subcommand)]
    pub about: Option<AboutWeb>,
    #[command(flatten)]
    pub settings: Flags<settings::Paging>,
    /// Do not open a browser
    #[arg(long)]
    pub no_open: bool,
}

/// What is said about the page instead of showing it.
#[derive(Debug, Subcommand)]
pub enum AboutWeb {
    /// Say who may log in to the page
    #[command(subcommand, alias = "usuario", disable_help_subcommand = true)]
    User(AboutUsers),
}

#[derive(Debug, Subcommand)]
pub enum AboutUsers {
    /// Let somebody log in; of somebody known, change password and role
    ///
    /// The password is asked for twice, or is the first line of standard input.
    #[command(alias = "incluir")]
    Add {
        /// What they log in as: a to z, 0 to 9, `.`, `_` and `-`
        name: UserName,
        /// What they may do: open tickets, or only look at how batches stand
        #[arg(long)]
        role: Role,
    },
    /// List who may log in, and what they may do
    #[command(alias = "listar")]
    List,
    /// Let somebody in no more, at once
    #[command(alias = "remover")]
    Remove {
        /// What they log in as
        name: UserName,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    Abrir,
    Acompanhar,
}

#[derive(Debug, Args)]
pub struct Template {
    /// Where to write it; it must not exist yet [default: a .csv on standard output]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Log in, and offer the tenant's ticket types, statuses and contact origins by name (.xlsx)
    #[arg(long)]
    pub online: bool,
    /// With --online: use a sandbox instead of HubSoft
    #[arg(long, requires = "online")]
    pub sandbox: bool,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Spreadsheet (.csv, .xlsx, .xls, .xlsb, .ods, .tsv, .txt), or - for standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub batch: Batch,
    #[command(flatten)]
    pub settings: Flags<Reading>,
    /// Also log in and check the ids against the tenant's catalogues
    #[arg(long)]
    pub online: bool,
    /// With --online or --find-service: use a sandbox instead of HubSoft
    #[arg(long)]
    pub sandbox: bool,
}

#[derive(Debug, Args)]
pub struct Enqueue {
    /// Spreadsheet (.csv, .xlsx, .xls, .xlsb, .ods, .tsv, .txt), or - for standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub batch: Batch,
    #[command(flatten)]
    pub settings: Flags<Reading>,
    /// Look every row up before its first post
    #[arg(long)]
    pub verify_first: bool,
    #[command(flatten)]
    pub meeting: Meeting,
    /// Do not ask whether doubtful columns are what they are taken for
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct Resolve {
    /// BATCH:LINE, LOTE:REFERENCIA, or the row's id; several with --not-opened; with --state: BATCH
    #[arg(required = true, value_name = "ROW")]
    pub rows: Vec<String>,
    /// The ticket exists, under this protocolo
    #[arg(long, value_name = "PROTOCOLO", required_unless_present = "not_opened")]
    pub opened: Option<String>,
    /// No ticket exists
    #[arg(long, conflicts_with = "opened")]
    pub not_opened: bool,
    /// With --not-opened: all rows of BATCH in these states, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "STATES", requires = "not_opened")]
    pub state: Vec<DoubtState>,
    /// Do not ask, also where HubSoft could not be asked
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub settings: Flags<Sending>,
}

/// States of rows that may have a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum DoubtState {
    InDoubt,
    Unconfirmed,
    Conflict,
}

#[derive(Debug, Args)]
pub struct Migrate {
    /// Print the SQL that makes an outbox; nothing is changed
    #[arg(long, conflicts_with = "check")]
    pub print: bool,
    /// Print the SQL that makes roles for owner, producers, workers and readers; nothing is changed
    #[arg(long, conflicts_with_all = ["print", "check", "no_notify"])]
    pub print_roles: bool,
    /// Only see whether the outbox is up to date
    #[arg(long)]
    pub check: bool,
    /// Workers poll and are not woken, for programs that prepare transactions (two-phase commit)
    #[arg(long, conflicts_with = "check")]
    pub no_notify: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RetryState {
    Failed,
    Rejected,
    Cancelled,
    Unconfirmed,
    Skipped,
}

#[derive(Debug, Args)]
pub struct Sandbox {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0, value_parser = numbers::port)]
    pub port: u16,
    /// Options, separated by commas, such as seed=7,latency=20ms: docs/cli.md has all
    #[arg(long, value_name = "KEY=VALUE,…", default_value = "")]
    pub with: String,
}
