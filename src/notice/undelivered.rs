//! Why a notice does not reach who should have it.

use std::time::Duration;

/// The longest wait for an answer to a notice, and for a program that takes one.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How long the end of a run waits for what is to be told before it.
pub(super) const BEFORE_END_MAX: Duration = Duration::from_secs(10);

/// How long a run waits until its end was told.
pub(super) const END_MAX: Duration = Duration::from_secs(20);
const _: () = assert!(ANSWER_MAX.as_nanos() < END_MAX.as_nanos());

/// Why a notice was not delivered. It has nothing of an address but its host.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    #[error("{}", tr!("cannot set up HTTPS; does this machine have certificate authorities?"))]
    Setup,
    #[error("{}", tr!("`%{host}` answered %{status}", host = host, status = status))]
    Refused { host: String, status: u16 },
    #[error("{}", tr!("`%{host}` cannot be reached", host = host))]
    Unreached { host: String },
    #[error("{}", tr!("`%{host}` did not answer within %{s} s", host = host, s = ANSWER_MAX.as_secs()))]
    Late { host: String },
    #[error("{}", tr!("`%{program}` cannot be started: %{why}", program = program, why = why))]
    Start { program: String, why: String },
    #[error("{}", tr!("`%{program}` ended with %{status}", program = program, status = status))]
    Failed { program: String, status: String },
    #[error("{}", tr!("`%{program}` took longer than %{s} s, and was ended", program = program, s = ANSWER_MAX.as_secs()))]
    Endless { program: String },
    #[error("{}", tr!("the run does not wait for it longer than %{s} s", s = longest.as_secs()))]
    NoTime { longest: Duration },
}
