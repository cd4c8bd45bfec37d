//! How an outbox stands: rows by state, what is due, what holds a batch back; of a shared one, who works on
//! it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::acts;
use super::address::Led;
use super::fault::Fault;
use super::place::Place;
use super::selection::{batch_of, latest_name};
use crate::language::times::local;
use crate::outbox::sqlite::Holder;
use crate::outbox::{Act, BatchInfo, Crew, Halted, Imports, Reasons, Scope, Status};
use crate::text;

pub struct OutboxStatus {
    /// The one that was named; without a name, all of a file. Each with why its rows were not opened.
    pub batches: Vec<(BatchInfo, Status, Reasons)>,
    /// What persons had done with those that were named, the latest first; by what they are called.
    pub acts: BTreeMap<String, Vec<Act>>,
    /// Of a database, unless a batch was named.
    pub whole: Option<Status>,
    pub crew: Option<Crew>,
    pub halted: Vec<Halted>,
    /// The process that works on a file.
    pub holder: Option<Holder>,
    /// The HubSoft that it belongs to, once something was sent.
    pub host: Option<String>,
    /// Who had its batches imported last; of a look at the latest alone.
    pub imports: Imports,
    /// The batch imported last.
    latest: Option<String>,
}

/// Who works on a shared outbox, and what holds them back, in words. What a person can do about it, is for
/// who tells.
pub struct CrewTold {
    /// `None`: nobody.
    pub works: Option<Cow<'static, str>>,
    /// Why a person stopped all of them.
    pub stopped: Option<String>,
    pub held_back: Vec<Cow<'static, str>>,
}

impl CrewTold {
    pub fn of(crew: &Crew) -> Self {
        let works = match (crew.n_workers, crew.rate_per_s) {
            (0, _) => None,
            (n, None) => Some(tr!("%{n} %{n|worker|workers}, without a rate limit", n = n)),
            (n, Some(rate)) => {
                Some(tr!("%{n} %{n|worker|workers}, %{rate}/s together at most", n = n, rate = rate))
            }
        };
        let works = works.map(|works| match crew.at_once {
            Some(n) => tr!("%{works}; %{n} %{n|request|requests} at a time at most", works = works, n = n),
            None => works,
        });
        let lowered = crew.lowered_per_s.filter(|_| 0 < crew.n_workers).map(|rate| {
            let rate = (10.0 * rate).round() / 10.0;
            tr!("%{rate}/s for now: HubSoft refused a faster pace", rate = rate)
        });
        let throttled = crew.throttled.as_ref().map(|(until, reason)| {
            tr!("they pause until %{until}: %{why}", until = local(*until), why = text::throttle(reason))
        });
        let away = || tr!("HubSoft does not answer: one of them tries again and again");
        let away = (!crew.is_breaker_closed).then(away);
        let stopped = crew.paused.as_ref().map(text::pause);
        Self { works, stopped, held_back: lowered.into_iter().chain(throttled).chain(away).collect() }
    }
}

impl OutboxStatus {
    /// Whether rows go on by themselves, or a file is still being read.
    pub fn is_anything_left(&self) -> bool {
        let mut known = self.batches.iter().map(|(_, status, _)| status).chain(&self.whole);
        let is_being_read = self.holder.is_some() && self.batches.is_empty();
        is_being_read || known.any(|status| 0 < status.counts.left())
    }

    /// How a batch of the outbox at `place` is found again.
    pub fn led<'a>(&self, place: &'a Place, batch: &str) -> Led<'a> {
        place.led(self.latest.as_deref() == Some(batch))
    }
}

/// What of an outbox is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    All,
    /// What a person called by its name.
    Named,
    /// At most so many batches of a file: those that something was imported into last.
    Latest(usize),
}

pub async fn status(place: &Place, asked: Asked) -> Result<OutboxStatus, Fault> {
    let outbox = place.outbox.look().await?;
    let reader = outbox.reader();
    let (mut infos, mut whole) = (Vec::new(), None);
    if place.batch.is_some() {
        infos.push(batch_of(reader, place).await?);
    } else if place.outbox.file().is_some() {
        let of_file = match asked {
            Asked::Latest(n) => reader.latest_batches(n).await?,
            Asked::All | Asked::Named => reader.batch_names(usize::MAX).await?,
        };
        for name in of_file {
            infos.extend(reader.batch_info(&name).await?);
        }
    } else {
        whole = Some(reader.status(Scope::All, Timestamp::now()).await?);
    }
    let crew = reader.crew().await?;
    let mut halted = reader.halted().await?;
    if whole.is_none() {
        halted.retain(|batch| infos.iter().any(|info| info.name == batch.lote));
    }
    let holder = place.outbox.holder();
    let latest = latest_name(reader).await?;
    let mut batches = Vec::new();
    for info in infos {
        let scope = Scope::Batch(info.id);
        let status = reader.status(scope, Timestamp::now()).await?;
        let reasons = reader.reasons(scope).await?;
        batches.push((info, status, reasons));
    }
    let host = reader.host().await?;
    let names = |(info, ..): &(BatchInfo, _, _)| info.name.clone();
    let imports = match asked {
        Asked::Latest(_) => reader.latest_imports(&batches.iter().map(names).collect::<Vec<_>>()).await?,
        Asked::All | Asked::Named => Imports::new(),
    };
    let mut acts = BTreeMap::new();
    for (info, ..) in batches.iter().filter(|_| asked == Asked::Named) {
        acts.insert(info.name.clone(), reader.acts(&info.name, acts::TOLD_MAX).await?);
    }
    outbox.close().await?;
    Ok(OutboxStatus { batches, acts, whole, crew, halted, holder, host, imports, latest })
}
