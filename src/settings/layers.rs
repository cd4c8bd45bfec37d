//! What flags and environment say: one struct for the flags that belong together.

use std::net::SocketAddr;

use clap::Args;

use super::values::{ClockTime, MaxErrors, Span};
use crate::delivery::Rate;
use crate::hubsoft::{self, HubSoftSettings};
use crate::intake::{Delimiter, Encoding, Hidden, Map, Set};
use crate::ticket::Ddd;

/// How tickets are sent: flags of `import` and `worker`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sending")]
pub struct DeliveryLayer {
    /// Ceiling on requests: 5/s, 300/min, unlimited [default: 5/s]
    #[arg(long, value_name = "RATE", env = "MUTIRAO_RATE")]
    pub rate: Option<Rate>,
    /// Requests in flight at most [default: 8]
    #[arg(long, value_name = "N", env = "MUTIRAO_CONCURRENCY", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: Option<u16>,
    /// Attempts at a row that is certain to have left nothing [default: 8]
    #[arg(long, value_name = "N", env = "MUTIRAO_MAX_ATTEMPTS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub max_attempts: Option<u32>,
    /// How long to wait for an answer; a short one makes doubtful rows [default: 60s]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_TIMEOUT")]
    pub timeout: Option<Span>,
    /// How long to wait for a connection [default: 5s]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_CONNECT_TIMEOUT")]
    pub connect_timeout: Option<Span>,
    /// How long a slow server may still open a ticket after we stopped waiting [default: 120s]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_SETTLE_DELAY")]
    pub settle_delay: Option<Span>,
    /// Skip a row whose service has a pending ticket of the same type
    #[arg(long, env = "MUTIRAO_SKIP_IF_OPEN", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub skip_if_open: Option<bool>,
    /// Look every row up before its first post
    #[arg(long, env = "MUTIRAO_VERIFY_FIRST", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub verify_first: Option<bool>,
    /// Start a sandbox in the process and use it instead of HubSoft
    #[arg(long, env = "MUTIRAO_SANDBOX", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub sandbox: Option<bool>,
}

/// When an import stops by itself before its end.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Sending")]
pub struct EndLayer {
    /// Stop when so many rows were not opened: N, or P% of the file
    #[arg(long, value_name = "N|P%", env = "MUTIRAO_MAX_ERRORS")]
    pub max_errors: Option<MaxErrors>,
    /// Stop at this time of day (local); the next call goes on
    #[arg(long, value_name = "HH:MM", env = "MUTIRAO_UNTIL")]
    pub until: Option<ClockTime>,
}

impl DeliveryLayer {
    /// Lets what was typed win over the defaults. A time to connect that nobody named is half of a short time-out.
    pub fn set_time_outs(&self, settings: &mut HubSoftSettings) {
        settings.timeout = self.timeout.map_or(hubsoft::TIMEOUT, |it| it.0);
        let default = hubsoft::CONNECT_TIMEOUT.min(settings.timeout / 2);
        settings.connect_timeout = self.connect_timeout.map_or(default, |it| it.0);
    }
}

/// How a spreadsheet is read: flags of `import` and `check`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reading")]
pub struct FileLayer {
    /// Name of the batch [default: FILE's name without its ending]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub batch: Option<String>,
    /// utf-8, utf-16, windows-1252, macintosh, cp850, … [default: found out]
    #[arg(long, value_name = "NAME", env = "MUTIRAO_ENCODING")]
    pub encoding: Option<Encoding>,
    /// One character, or tab [default: found out]
    #[arg(long, value_name = "CHAR", env = "MUTIRAO_DELIMITER")]
    pub delimiter: Option<Delimiter>,
    /// Read FIELD from COLUMN; may be repeated
    #[arg(long, value_name = "COLUMN=FIELD")]
    pub map: Vec<Map>,
    /// Use VALUE for FIELD in every row whose cell is empty; may be repeated
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<Set>,
    /// Area code for phones that have none
    #[arg(long, value_name = "NN", env = "MUTIRAO_DEFAULT_DDD")]
    pub default_ddd: Option<Ddd>,
    /// What becomes of rows of a workbook that a filter hides: open, skip [default: asked]
    #[arg(long, value_name = "WHAT", env = "MUTIRAO_HIDDEN")]
    pub hidden: Option<Hidden>,
    /// Open also rows that repeat an earlier one
    #[arg(long, env = "MUTIRAO_ALLOW_REPEATS", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub allow_repeats: Option<bool>,
    /// Send nothing if any row is invalid
    #[arg(long, env = "MUTIRAO_STRICT", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub strict: Option<bool>,
    /// Guard cells of the results that a spreadsheet would run as a formula
    #[arg(long, env = "MUTIRAO_EXCEL_SAFE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub excel_safe: Option<bool>,
}

/// A name that is not blank.
fn name(typed: &str) -> Result<String, &'static str> {
    let name = typed.trim();
    if name.is_empty() { Err("a batch needs a name, such as queda-cto-12") } else { Ok(name.to_owned()) }
}

/// How a worker lives beside others.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Working")]
pub struct WorkerLayer {
    /// How long a worker may be silent before the others take over its rows; at least 60s [default: 60s]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_LEASE")]
    pub lease: Option<Span>,
    /// How long a clean stop waits for answers [default: 15s longer than --timeout]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_GRACE")]
    pub grace: Option<Span>,
    /// How often to look for new rows; at least 50ms [default: 1s; a fifth as often while inserts wake the worker]
    #[arg(long, value_name = "TIME", env = "MUTIRAO_POLL")]
    pub poll: Option<Span>,
    /// Answer /metrics, /livez and /readyz at this address, such as 127.0.0.1:9464 [default: nowhere]
    #[arg(long, value_name = "ADDR", env = "MUTIRAO_METRICS_LISTEN")]
    pub metrics_listen: Option<SocketAddr>,
}
