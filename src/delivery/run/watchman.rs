//! Keeps the deadlines of a run, and finds out when HubSoft is back.

use tokio::sync::Notify;

use super::desk::{Purpose, Sharing};
use super::gate::Pass;
use super::{Engine, Reason, sleep_until};
use crate::delivery::breaker::{Sign, Traffic};
use crate::delivery::guards::{Halt, Progress};
use crate::delivery::standing::{Finding, News};
use crate::delivery::{Api, Clock, Note, Outbox, Reply, RequestKind, Verdict, Watch};

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    /// Halts the run when a guard's time has come, and cuts off what outlasts the grace of a stop. Tells
    /// whoever looks on that the loop turns, and how it stands.
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
            self.watch.turned(&self.desk.borrow().pulse(now));
            let deadline = sleep_until(deadline.map(|it| self.instant(it)));
            let pulse = sleep_until(self.watch.pulse_every().map(|it| self.instant(now + it)));
            // Dropping any loses nothing.
            tokio::select! {
                biased;
                () = changed => {}
                () = deadline => {}
                () = pulse => {}
            }
        }
    }

    /// Probes while the breaker is open, and at once when HubSoft has `returned`. Ends when the run does.
    pub(super) async fn prober(&self, returned: &Notify) {
        loop {
            let changed = self.changed.notified();
            let probe_at = {
                let desk = self.desk.borrow();
                if desk.is_ending() {
                    return;
                }
                match desk.breaker.traffic() {
                    Traffic::Nothing { probe_at } if desk.stop.is_none() => probe_at,
                    _ => None,
                }
            };
            if probe_at.is_some_and(|at| at <= self.now()) {
                self.probe().await;
                continue;
            }
            // Dropping any loses nothing. A return during a probe is heard after it, because the probe may
            // have come too early.
            tokio::select! {
                biased;
                () = changed => {}
                () = returned.notified() => self.hurry(),
                () = sleep_until(probe_at.map(|it| self.instant(it))) => {}
            }
        }
    }

    /// Whose probe it is, the outbox says where it is shared. A login that was refused is not tried sooner.
    fn hurry(&self) {
        let mut desk = self.desk.borrow_mut();
        if desk.held.is_some() || !desk.is_dark() {
            return;
        }
        match desk.sharing {
            Sharing::Alone => desk.breaker.hurry(self.now()),
            Sharing::Shared => desk.tell(News { returned: true, ..News::default() }),
        }
        self.told.notify_one();
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
            self.halt(halt);
        }
    }

    fn hear_probe(&self, reply: &Reply<()>, pass: &Pass<'_, '_, O, A, C, W>) -> Option<Halt> {
        self.tell_answer(RequestKind::Probe, reply);
        let mut desk = self.desk.borrow_mut();
        let now = self.now();
        desk.stats.answered(reply.http_status, reply.latency);
        self.hear_date(&mut desk, reply);
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
        // A good login is all that was missing.
        let is_over =
            matches!((&desk.held, &reply.verdict), (Some(Halt::Unauthorized(_)), Verdict::Answered(())));
        if desk.held.is_none() && reply.verdict != Verdict::Withheld {
            let finding = if desk.is_dark() { Finding::Unreachable } else { Finding::Answered };
            desk.tell(finding);
            self.told.notify_one();
        }
        if is_over {
            desk.held = None;
        }
        desk.unbar();
        self.progress(&mut desk, now, progress, reply);
        drop(desk);
        if is_over {
            self.watch.note(Note::HaltOver);
        }
        halt
    }
}
