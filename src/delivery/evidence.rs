//! What an answer means, to everything that learns from it: one table, read by all.
//!
//! Pure, and nothing is copied: what it says of a fault is borrowed from the answer.

use super::{Fault, Reply, ThrottleCause, Verdict};

/// What one answer, or the lack of one, says.
#[derive(Debug, PartialEq, Eq)]
pub struct Evidence<'a, T> {
    /// Of the row that was asked about: for [`decide`](super::decide).
    pub row: Row<'a, T>,
    /// Of HubSoft: for the [`breaker`](super::breaker).
    pub health: Health,
    /// Of whether the run goes forward; `None`: nothing.
    pub progress: Option<Progress>,
    /// Whether everybody is to wait: for the [`pace`](super::pace).
    pub throttle: Option<ThrottleCause>,
    /// Of the run as a whole: for the [`guards`](super::guards).
    pub guard: Guard<'a>,
}

/// What is known of the request. The variants differ by what may have come of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Row<'a, T> {
    /// It was answered.
    Answered(&'a T),
    /// Nothing came of it, and the same request would be refused again.
    Refused(&'a Fault),
    /// Nothing came of it (403). Whether that is the row's fault or the run's shows when others are answered.
    Denied(&'a Fault),
    /// It may have been carried out.
    Unknown(&'a Fault),
    /// Nothing came of it: it did not leave.
    NotSent(&'a Fault),
    /// Nothing came of it: turned away unread, because of too many.
    Throttled,
    /// Nothing came of it, and what is wrong is wrong with the run.
    Blameless(&'a Fault),
    /// The gate was closed before it left.
    Withheld,
}

/// What became of a request, as far as the health of HubSoft goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It did what was asked.
    Proven,
    /// It judged the request, and did nothing.
    Judged,
    /// It is there, and does not know the route.
    NoRoute,
    /// It answered that it failed: over this row, or over all.
    Stumbled,
    /// Could not connect, timed out, or answered as something does that is falling over.
    Unavailable,
    /// Says nothing about health: turned away, or never sent.
    Neutral,
}

/// What an answer says about the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something was done, or judged.
    Good,
    /// HubSoft is there, but nothing is going forward: turned away, or only look-ups answered while
    /// posts fail.
    Stalled,
    /// No answer came.
    Unreached,
}

/// What an answer says of how the run is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard<'a> {
    /// This user may do what it asked for.
    Allowed,
    /// It may not, at least with this row.
    Denied(&'a Fault),
    /// HubSoft does not know this user.
    Unauthorized(&'a Fault),
    /// HubSoft does not know the route.
    Misconfigured(&'a Fault),
    /// Nothing.
    Silent,
}

impl<'a, T> Evidence<'a, T> {
    /// The table.
    pub fn of(reply: &'a Reply<T>) -> Self {
        let asked_to_wait = reply.retry_after.map(|_| ThrottleCause::Asked);
        let unreached = match reply.http_status {
            None => Progress::Unreached,
            Some(_) => Progress::Stalled,
        };
        match &reply.verdict {
            Verdict::Answered(answer) => Self {
                row: Row::Answered(answer),
                health: Health::Proven,
                progress: Some(Progress::Good),
                throttle: None,
                guard: Guard::Allowed,
            },
            Verdict::Rejected(fault) => Self {
                row: Row::Refused(fault),
                health: Health::Judged,
                progress: Some(Progress::Good),
                throttle: None,
                guard: Guard::Allowed,
            },
            Verdict::Forbidden(fault) => Self {
                row: Row::Denied(fault),
                health: Health::Judged,
                progress: Some(Progress::Good),
                throttle: None,
                guard: Guard::Denied(fault),
            },
            Verdict::Stumbled(fault) => Self {
                row: Row::Unknown(fault),
                health: Health::Stumbled,
                progress: Some(Progress::Stalled),
                throttle: asked_to_wait,
                guard: Guard::Silent,
            },
            Verdict::Unknown(fault) => Self {
                row: Row::Unknown(fault),
                health: Health::Unavailable,
                progress: Some(Progress::Stalled),
                throttle: match reply.http_status {
                    Some(503) => Some(ThrottleCause::Unavailable),
                    _ => asked_to_wait,
                },
                guard: Guard::Silent,
            },
            Verdict::LoginUnavailable(fault) => Self {
                row: Row::NotSent(fault),
                health: Health::Unavailable,
                progress: Some(unreached),
                throttle: match reply.http_status {
                    Some(503) => Some(ThrottleCause::Unavailable),
                    _ => asked_to_wait,
                },
                guard: Guard::Silent,
            },
            Verdict::NotSent(fault) => Self {
                row: Row::NotSent(fault),
                health: Health::Unavailable,
                progress: Some(unreached),
                throttle: None,
                guard: Guard::Silent,
            },
            Verdict::Throttled => Self {
                row: Row::Throttled,
                health: Health::Neutral,
                progress: Some(Progress::Stalled),
                throttle: Some(ThrottleCause::TooMany),
                guard: Guard::Silent,
            },
            Verdict::Unauthorized(fault) => Self {
                row: Row::Blameless(fault),
                health: Health::Neutral,
                progress: Some(Progress::Stalled),
                throttle: None,
                guard: Guard::Unauthorized(fault),
            },
            Verdict::Misconfigured(fault) => Self {
                row: Row::Blameless(fault),
                health: Health::NoRoute,
                progress: Some(Progress::Stalled),
                throttle: None,
                guard: Guard::Misconfigured(fault),
            },
            Verdict::Withheld => Self {
                row: Row::Withheld,
                health: Health::Neutral,
                progress: None,
                throttle: None,
                guard: Guard::Silent,
            },
        }
    }
}

// By hand: a reference can be copied whatever it refers to.
impl<T> Clone for Row<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Row<'_, T> {}

impl<T> Clone for Evidence<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Evidence<'_, T> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Each verdict with the statuses and waits that it can come with.
    fn replies() -> Vec<Reply<&'static str>> {
        let fault = || Fault::Timeout;
        let reply = |verdict, http_status, retry_after| Reply {
            verdict,
            http_status,
            latency: Duration::ZERO,
            retry_after,
            date: None,
        };
        let wait = Some(Duration::from_secs(7));
        vec![
            reply(Verdict::Answered("it"), Some(200), None),
            reply(Verdict::Rejected(fault()), Some(422), None),
            reply(Verdict::Forbidden(fault()), Some(403), None),
            reply(Verdict::Unknown(fault()), None, None),
            reply(Verdict::Stumbled(fault()), Some(200), None),
            reply(Verdict::Stumbled(fault()), Some(500), None),
            reply(Verdict::Stumbled(fault()), Some(500), wait),
            reply(Verdict::Unknown(fault()), Some(502), None),
            reply(Verdict::Unknown(fault()), Some(503), None),
            reply(Verdict::NotSent(fault()), None, None),
            reply(Verdict::LoginUnavailable(fault()), None, None),
            reply(Verdict::LoginUnavailable(fault()), None, wait),
            reply(Verdict::LoginUnavailable(fault()), Some(503), None),
            reply(Verdict::Throttled, Some(429), None),
            reply(Verdict::Throttled, Some(429), wait),
            reply(Verdict::Unauthorized(fault()), Some(401), None),
            reply(Verdict::Misconfigured(fault()), Some(404), None),
            reply(Verdict::Withheld, None, None),
        ]
    }

    #[test]
    fn every_verdict_means_one_thing_to_each() {
        let word =
            |part: &dyn std::fmt::Debug| format!("{part:?}").split('(').next().unwrap_or("").to_owned();
        let mut table =
            String::from("verdict           status wait row       health      progress  throttle    guard\n");
        for reply in replies() {
            let Evidence { row, health, progress, throttle, guard } = Evidence::of(&reply);
            table += &format!(
                "{:<17} {:<6} {:<4} {:<9} {:<11} {:<9} {:<11} {}\n",
                reply.verdict.name(),
                reply.http_status.map_or("-".to_owned(), |status| status.to_string()),
                reply.retry_after.map_or("-".to_owned(), |wait| wait.as_secs().to_string()),
                word(&row),
                word(&health),
                progress.map_or("-".to_owned(), |progress| word(&progress)),
                throttle.map_or("-".to_owned(), |throttle| word(&throttle)),
                word(&guard),
            );
        }
        insta::assert_snapshot!(table, @r"
        verdict           status wait row       health      progress  throttle    guard
        answered          200    -    Answered  Proven      Good      -           Allowed
        rejected          422    -    Refused   Judged      Good      -           Allowed
        forbidden         403    -    Denied    Judged      Good      -           Denied
        unknown           -      -    Unknown   Unavailable Stalled   -           Silent
        unknown           200    -    Unknown   Stumbled    Stalled   -           Silent
        unknown           500    -    Unknown   Stumbled    Stalled   -           Silent
        unknown           500    7    Unknown   Stumbled    Stalled   Asked       Silent
        unknown           502    -    Unknown   Unavailable Stalled   -           Silent
        unknown           503    -    Unknown   Unavailable Stalled   Unavailable Silent
        not_sent          -      -    NotSent   Unavailable Unreached -           Silent
        login_unavailable -      -    NotSent   Unavailable Unreached -           Silent
        login_unavailable -      7    NotSent   Unavailable Unreached Asked       Silent
        login_unavailable 503    -    NotSent   Unavailable Stalled   Unavailable Silent
        throttled         429    -    Throttled Neutral     Stalled   TooMany     Silent
        throttled         429    7    Throttled Neutral     Stalled   TooMany     Silent
        unauthorized      401    -    Blameless Neutral     Stalled   -           Unauthorized
        misconfigured     404    -    Blameless NoRoute     Stalled   -           Misconfigured
        withheld          -      -    Withheld  Neutral     -         -           Silent
        ");
    }
}
