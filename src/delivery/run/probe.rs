//! Finds out when HubSoft is back.

use tokio::sync::Notify;

use super::engine::{Engine, sleep_until};
use super::gate::Pass;
use super::state::{Purpose, Sharing};
use crate::delivery::breaker::Traffic;
use crate::delivery::coordination::{News, Reachability};
use crate::delivery::decide::Looks;
use crate::delivery::evidence::{Evidence, Guard, Row};
use crate::delivery::{Api, Clock, Halt, Note, Outbox, Reply, RequestKind, Watch};

impl<O: Outbox, A: Api, C: Clock, W: Watch> Engine<'_, O, A, C, W> {
    /// Probes while the breaker is open, and at once when HubSoft has `returned`. Ends when the run does.
    pub(super) async fn prober(&self, returned: &Notify) {
        loop {
            let changed = self.changed.notified();
            let probe_at = {
                let state = self.state.borrow();
                if state.is_ending() {
                    return;
                }
                match state.breaker.traffic() {
                    Traffic::Nothing { probe_at } if state.pause.is_none() => probe_at,
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
                () = sleep_until(probe_at.map(|at| self.instant(at))) => {}
            }
        }
    }

    /// Whose probe it is, the outbox says where it is shared. A login that was refused is not tried sooner.
    fn hurry(&self) {
        let mut state = self.state.borrow_mut();
        if state.halted.is_some() || !state.is_dark() {
            return;
        }
        match state.sharing {
            Sharing::Alone => state.breaker.hurry(self.now()),
            Sharing::Shared => state.tell(News { returned: true, ..News::default() }),
        }
        self.share_now.notify_one();
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
        let evidence = Evidence::of(reply);
        let mut state = self.state.borrow_mut();
        // It shows no more than that HubSoft is there.
        self.hear(&mut state, reply, pass.sent(), Looks::Free);
        let halt = match evidence.guard {
            Guard::Unauthorized(fault) => Some(Halt::Unauthorized(fault.clone())),
            Guard::Allowed | Guard::Denied(_) | Guard::Misconfigured(_) | Guard::Silent => None,
        };
        state.breaker.probed(self.now(), evidence.health);
        // A good login is all that was missing.
        let is_over =
            matches!((&state.halted, evidence.row), (Some(Halt::Unauthorized(_)), Row::Answered(())));
        if state.halted.is_none() && evidence.row != Row::Withheld {
            let reachability =
                if state.is_dark() { Reachability::Unreachable } else { Reachability::Answered };
            state.tell(reachability);
            self.share_now.notify_one();
        }
        if is_over {
            state.halted = None;
        }
        state.unbar();
        drop(state);
        if is_over {
            self.watch.note(Note::HaltOver);
        }
        halt
    }
}
