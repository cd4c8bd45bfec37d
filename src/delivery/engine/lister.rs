//! When the list of what is open is read, and what it says of a row.

use std::sync::Arc;

use super::errand::Pass;
use super::listing::{AGAIN_AFTER, AGE_MAX, Asked, Held, MANY, MANY_WITHIN, RENEWED_AFTER};
use super::messages::{Action, Request, RequestId, Told};
use super::slots::Purpose;
use super::state::Engine;
use super::times::Now;
use crate::delivery::decide::Looks;
use crate::delivery::{Change, Claim, Fault, OpenList, OpenTickets, Reply, RequestKind, Sighting, Verdict};

impl Engine<'_> {
    /// What the list says of a row that is to be posted; `None`: it is to be looked up by itself.
    pub(super) fn listed(&mut self, now: &Now, claim: &Claim) -> Option<Sighting> {
        let moment = self.moment(now);
        let listing = &mut self.listing;
        let age = listing.age(moment);
        if age.is_some_and(|age| AGE_MAX < age) {
            listing.held = None;
        }
        listing.is_wanted |= age.is_some_and(|age| RENEWED_AFTER <= age);
        if listing.held.is_none() || listing.is_full() {
            let (n_rows, since) = &mut listing.unlisted;
            if *since + MANY_WITHIN < now.run {
                (*n_rows, *since) = (0, now.run);
            }
            *n_rows = n_rows.saturating_add(1);
            listing.is_wanted |= MANY < *n_rows;
        }
        let held = listing.held.as_ref()?;
        let is_known = listing.knows(claim.ticket.id_cliente_servico.get());
        is_known.then(|| held.list.sight(&claim.ticket)).flatten()
    }

    /// Asks for the list, when a row had use for it.
    pub(super) fn read_list(&mut self, now: &Now) {
        if self.policy.open_tickets == OpenTickets::Ignore {
            return;
        }
        if let Some(asked) = &self.listing.reading {
            // It only reads.
            if self.is_ending() {
                let id = asked.id;
                self.slots.forget(id);
                self.does(Action::Abandon(id));
                self.listing.reading = None;
            }
            return;
        }
        let is_due = self.listing.is_wanted && self.listing.not_before <= now.run;
        if !is_due || self.is_ending() || self.rows_are_barred(now) {
            return;
        }
        if self.sharing.has_company {
            return self.tell_lack(None);
        }
        let id = self.next_id(self.list_seat());
        let asked = Asked { id, pass: Pass::new(Purpose::List, None), at: self.moment(now), is_void: false };
        self.listing.reading = Some(asked);
        self.listing.is_wanted = false;
        self.listing.changed.rotate_left(1);
        self.listing.changed[1].clear();
        self.does(Action::Send(id, Request::OpenList));
    }

    pub(super) fn list_read(&mut self, now: &Now, id: RequestId, reply: Reply<OpenList>) {
        let Some(asked) = self.listing.reading.take_if(|asked| asked.id == id) else { return };
        // Rows that came meanwhile had use for this one.
        self.listing.is_wanted = false;
        self.tell_answer(RequestKind::LookUp, &reply);
        self.hear(now, &reply, asked.pass.sent, Looks::Count);
        match reply.verdict {
            Verdict::Answered(_) if asked.is_void => {}
            Verdict::Answered(list) => {
                self.listing.held = Some(Held { list: Arc::new(list), asked: asked.at });
                self.listing.unlisted = (0, now.run);
            }
            // Of what was cut off in its midst all pages are asked for anew.
            Verdict::Withheld if asked.pass.has_begun => self.listing.not_before = now.run + AGAIN_AFTER,
            Verdict::Withheld => {}
            verdict => {
                self.listing.not_before = now.run + AGAIN_AFTER;
                // An older one that there is stays, and is tried to be renewed.
                if self.listing.held.is_none() {
                    self.tell_lack(verdict.trouble().map(Box::new));
                }
            }
        }
    }

    fn tell_lack(&mut self, why: Option<Box<Fault>>) {
        if !std::mem::replace(&mut self.listing.is_lack_told, true) {
            self.tell(Told::Unlisted(why));
        }
    }

    /// What became of a row may be that a ticket of its service was opened, or will be.
    pub(super) fn service_changed(&mut self, claim: &Claim, change: &Change) {
        let may_be = match change {
            Change::Opened { .. }
            | Change::Later { .. }
            | Change::Unconfirmed { .. }
            | Change::Conflict { .. } => true,
            Change::Release | Change::Skipped { .. } | Change::Rejected { .. } | Change::Failed { .. } => {
                false
            }
        };
        if may_be && self.policy.open_tickets == OpenTickets::Skip && !self.listing.is_full() {
            self.listing.changed[1].insert(claim.ticket.id_cliente_servico.get());
        }
    }
}
