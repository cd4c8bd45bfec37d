//! `status`: counts by state, what is due, the oldest pending row, what holds a batch back; and of a
//! shared outbox, who works on it and what holds them back.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::after::{Desk, batch_of};
use super::exit::Exit;
use super::failure::Failure;
use super::summary;
use crate::outbox::{Address, Crew, Halted, Scope, Status};

impl Desk<'_> {
    pub async fn status(&self, batch: Option<&str>) -> Result<Exit, Failure> {
        let place = self.place(batch)?;
        let outbox = place.outbox.look().await?;
        let reader = outbox.reader();
        let mut infos = Vec::new();
        let mut whole = None;
        match (&place.batch, &place.outbox) {
            (Some(_), _) => infos.push(batch_of(reader, &place).await?),
            (None, Address::File(_)) => {
                for name in reader.batch_names(usize::MAX).await? {
                    infos.extend(reader.batch_info(&name).await?);
                }
            }
            (None, Address::Postgres(_)) => whole = Some(reader.status(Scope::All, Timestamp::now()).await?),
        }
        let crew = reader.crew().await?;
        let mut halted = reader.halted().await?;
        if whole.is_none() {
            halted.retain(|it| infos.iter().any(|info| info.name == it.lote));
        }
        let mut all = Vec::new();
        for info in &infos {
            let status = reader.status(Scope::Batch(info.id), Timestamp::now()).await?;
            if self.screen.json {
                let mut told = as_json(&status);
                told["batch"] = json!(info.name);
                told["finished_at"] = json!(info.finished_at);
                all.push(told);
            } else {
                self.tell_status(&info.name, &status);
            }
        }
        if self.screen.json {
            let mut told = json!({"version": 1, "batches": all, "halted": halted_as_json(&halted)});
            if let Some(whole) = &whole {
                told["outbox"] = as_json(whole);
            }
            if let Some(crew) = &crew {
                told["workers"] = crew_as_json(crew);
            }
            self.screen.result_json(told.to_string());
        } else {
            if let Some(whole) = &whole {
                self.tell_status("all batches", whole);
            }
            for line in crew.iter().flat_map(in_lines) {
                self.screen.result(line);
            }
            for it in &halted {
                self.screen.result(self::halted(it));
            }
        }
        outbox.close().await?;
        Ok(Exit::Done)
    }

    fn tell_status(&self, name: &str, status: &Status) {
        let mut lines = vec![format!("{name}: {}", summary::in_words(&status.counts))];
        if 0 < status.counts.in_flight {
            lines.push(format!("  {} in flight: they may have been sent", status.counts.in_flight));
        }
        if 0 < status.counts.in_doubt {
            lines.push(format!("  {} in doubt: looked up before anything else", status.counts.in_doubt));
        }
        if let Some(oldest) = status.oldest_pending {
            lines.push(format!("  {} due now, the oldest pending since {oldest:.0}", status.due_now));
        }
        for line in lines {
            self.screen.result(line);
        }
    }
}

fn as_json(status: &Status) -> Value {
    json!({
        "counts": summary::counts(&status.counts), "due_now": status.due_now,
        "oldest_pending": status.oldest_pending,
    })
}

fn crew_as_json(crew: &Crew) -> Value {
    json!({
        "alive": crew.n_workers, "rate_per_s": crew.rate_per_s, "stopped": crew.stopped,
        "paused_until": crew.paused.as_ref().map(|it| it.0), "pause_reason": crew.paused.as_ref().map(|it| &it.1),
        "is_breaker_closed": crew.is_breaker_closed,
    })
}

fn halted_as_json(halted: &[Halted]) -> Value {
    halted.iter().map(|it| json!({"batch": it.lote, "reason": it.reason, "waiting": it.n_waiting})).collect()
}

/// [`halted()`], for a log: HubSoft's words may tell of a customer.
pub(super) fn halted_in_log(it: &Halted) -> String {
    let Halted { lote, n_waiting, .. } = it;
    format!("`{lote}` is halted, {n_waiting} rows wait; `mutirao status` says why")
}

/// A lote that waits for a person, and what lets it go on.
pub(super) fn halted(it: &Halted) -> String {
    let Halted { lote, reason, n_waiting } = it;
    format!("`{lote}` is halted, {n_waiting} rows wait: {reason}; `mutirao resume {lote}` lets it go on")
}

fn in_lines(crew: &Crew) -> Vec<String> {
    let mut lines = vec![match (crew.n_workers, crew.rate_per_s) {
        (0, _) => "no worker is alive; `mutirao worker` opens what is due".to_owned(),
        (n, None) => format!("{n} workers, without a rate limit"),
        (n, Some(rate)) => format!("{n} workers, {rate}/s together at most"),
    }];
    if let Some(reason) = &crew.stopped {
        lines.push(format!("  all are stopped ({reason}); `mutirao resume` lets them go on"));
    }
    if let Some((until, reason)) = &crew.paused {
        lines.push(format!("  they pause until {until:.0}: {reason}"));
    }
    if !crew.is_breaker_closed {
        lines.push("  HubSoft does not answer: one of them tries again and again".to_owned());
    }
    lines
}
