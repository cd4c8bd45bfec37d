//! Keeps the deadlines of a run, and finds out when HubSoft is back.

use super::desk::Purpose;
use super::gate::Pass;
use super::{Engine, Reason};
use crate::delivery::breaker::{Sign, Traffic};
use crate::delivery::guards::{Halt, Progress};
use crate::delivery::{Api, Clock, Outbox, Reply, Verdict, Watch};

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    /// Halts the run when a guard's time has come, and cuts off what outlasts the grace of a stop.
    pub(super) async fn watchman(&self) {
        loop {
            let changed = self.changed.notified();
            let now = self.now();
            let (deadline, halt) = {
                let desk = self.desk.borrow();
                match desk.ending {
                    Some((_, at)) if at + self.policy.grace <= now => {
                        self.cut.cancel();
                        return;
                    }
                    Some((_, at)) => (Some(at + self.policy.grace), None),
                    None => (desk.guards.deadline(), desk.guards.overdue(now)),
                }
            };
            if let Some(halt) = halt {
                self.end(Reason::Halted(halt));
                continue;
            }
            let deadline = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(self.instant(at)).await,
                    None => std::future::pending().await,
                }
            };
            // Dropping either loses nothing.
            tokio::select! {
                biased;
                () = changed => {}
                () = deadline => {}
            }
        }
    }

    /// Probes while the breaker is open. Ends when the run does.
    pub(super) async fn prober(&self) {
        loop {
            let changed = self.changed.notified();
            let traffic = {
                let desk = self.desk.borrow();
                if desk.is_ending() {
                    return;
                }
                desk.breaker.traffic()
            };
            match traffic {
                Traffic::Nothing { probe_at } if probe_at <= self.now() => self.probe().await,
                // Dropping either loses nothing.
                Traffic::Nothing { probe_at } => tokio::select! {
                    biased;
                    () = changed => {}
                    () = tokio::time::sleep_until(self.instant(probe_at)) => {}
                },
                Traffic::All | Traffic::OneTrial(_) => changed.await,
            }
        }
    }

    async fn probe(&self) {
        let pass = Pass::new(self, Purpose::Probe, None);
        // A probe that is cut off left nothing behind: it only reads.
        let reply = tokio::select! {
            biased;
            () = pass.shut() => return,
            reply = self.api.probe(&pass) => reply,
        };
        let halt = self.hear_probe(&reply, &pass);
        self.wake();
        if let Some(halt) = halt {
            self.end(Reason::Halted(halt));
        }
    }

    fn hear_probe(&self, reply: &Reply<()>, pass: &Pass<'_, '_, O, A, C, W>) -> Option<Halt> {
        let mut desk = self.desk.borrow_mut();
        let now = self.now();
        desk.stats.answered(reply.http_status, reply.latency);
        self.pause_if_refused(&mut desk, reply, pass.sent());
        let (sign, progress, halt) = match &reply.verdict {
            // Also a route that this user may not see shows that HubSoft is there.
            Verdict::Answered(())
            | Verdict::Rejected(_)
            | Verdict::Forbidden(_)
            | Verdict::Misconfigured(_) => (Sign::Judged, Some(Progress::Stalled), None),
            Verdict::Unauthorized(fault) => {
                (Sign::Neutral, Some(Progress::Stalled), Some(Halt::Unauthorized(fault.clone())))
            }
            Verdict::NotSent(_) | Verdict::LoginUnavailable(_) if reply.http_status.is_none() => {
                (Sign::Unavailable, Some(Progress::Unreached), None)
            }
            Verdict::NotSent(_) | Verdict::LoginUnavailable(_) | Verdict::Unknown(_) => {
                (Sign::Unavailable, Some(Progress::Stalled), None)
            }
            Verdict::Throttled => (Sign::Neutral, Some(Progress::Stalled), None),
            Verdict::Withheld => (Sign::Neutral, None, None),
        };
        desk.breaker.probed(now, sign);
        desk.unbar();
        self.progress(&mut desk, now, progress);
        halt
    }
}
