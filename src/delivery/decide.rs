//! What an answer makes of a row: the whole policy of rows, in one place.
//!
//! Pure. The question is never "did it fail?" but "may a ticket exist?": a row whose post may have
//! left one carries a [`Doubt`] and can leave it only by a proof, by absences that can be believed,
//! or by running out of patience. No path leads from a doubt to a post but through [`absent`].

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::evidence::{Evidence, Row};
use super::retry::Retry;
use super::{
    ANSWER_AGE_MAX, Attempt, AttemptKind, Beside, Change, Claim, Doubt, Fault, Noted, OpenTickets,
    OpenedTicket, PATIENCE, Policy, Proof, Reply, RowLabel, Settle, Sighting, Verdict, WAIT_MAX, Warning,
};

/// Two absences this far apart are two; closer ones are one.
pub const ABSENCES_APART: Duration = Duration::from_secs(10);

/// The first look-up after a doubt: most posts whose answer was lost were carried out.
const FIRST_LOOK: Duration = Duration::from_millis(1500);

/// Look-ups before the settle delay is over. Few: they use up patience, and cannot show an absence. Those
/// that somebody brings on besides (a restart, a clock that is set) use up none.
const EARLY_LOOKS: u32 = 5;

/// Past the settle delay and past [`ABSENCES_APART`], so that the look-up does not come a hair early.
const MARGIN: Duration = Duration::from_millis(500);

/// Between look-ups that could not tell.
const LOOK_LONGEST: Duration = Duration::from_secs(300);

/// Between look-ups that nobody answered.
const UNANSWERED_LONGEST: Duration = Duration::from_secs(60);

const _: () = {
    let soonest = ABSENCES_APART.as_millis() + MARGIN.as_millis();
    assert!(soonest <= LOOK_LONGEST.as_millis() && LOOK_LONGEST.as_millis() < WAIT_MAX.as_millis());
    assert!(FIRST_LOOK.as_millis() <= UNANSWERED_LONGEST.as_millis());
    assert!(UNANSWERED_LONGEST.as_millis() < WAIT_MAX.as_millis());
    assert!(EARLY_LOOKS + 2 <= PATIENCE.n_answered, "two absences after the settle delay must be left");
};

/// What a decision depends on besides the row and the answer.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub policy: &'a Policy,
    pub retry: &'a Retry,
    /// When the run began: a row that lay in doubt while nothing ran has not been waited for.
    pub started: Timestamp,
    pub steady: Steady,
    /// Just before the request was made: an absence is of this time, not of the answer's.
    pub asked: Timestamp,
    pub now: Timestamp,
    /// What HubSoft's clock shows now, at least; `None`: it has told nobody in this run.
    pub hubsoft_now: Option<Timestamp>,
    /// The same at most. Where a wait begins that the next run measures: else an answer that was long on its
    /// way has it begin too early.
    pub hubsoft_latest: Option<Timestamp>,
    /// The end of the throttle; `now` or earlier without one.
    pub held_until: Timestamp,
    /// Unavailable answers in a row, over all rows.
    pub streak: u32,
    pub looks: Looks,
    pub denials: Denials,
}

/// Whether the scene's times are by a clock that nobody has set since the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steady {
    Yes,
    /// They are by the clock of a shared outbox.
    No,
}

/// Whether an answered look-up costs patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Looks {
    Count,
    /// The outage is to blame, because the breaker is open; or more may be seen later.
    Free,
    /// It is the last, once a slow server has had its time: another would not tell more.
    Last,
}

/// Whether this row was answered 403 before in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denials {
    First,
    Repeated,
}

fingerprint!(plain Looks, Denials);

/// What to do after looking before a post.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Beside these tickets.
    Post {
        beside: Vec<Beside>,
    },
    Settle(Settle),
}

/// What the answer to a post makes of its row.
pub fn after_post(claim: &Claim, reply: &Reply<Proof>, scene: &Scene<'_>) -> Settle {
    let attempt = attempt(AttemptKind::Post, reply, scene);
    let spent = claim.attempts.saturating_add(1);
    let change = match Evidence::of(reply).row {
        Row::Answered(Proof { opening, conflict: Some(fault), warnings, .. }) => {
            conflicting(spent, opening, fault, warnings.clone())
        }
        Row::Answered(proof) => {
            let (opening, warnings) = (proof.opening.clone(), proof.warnings.clone());
            let change = Change::Opened { opening, attempts: spent, warnings };
            return settle(claim, change, None);
        }
        Row::Refused(fault) => Change::Rejected { attempts: spent, fault: fault.clone() },
        // Counted here, because after a crash nobody could tell whether an absence belongs to a post;
        // the row fails for its count only when an absence has made this one certain.
        Row::Unknown(fault) => in_doubt(spent, fault.clone(), scene.now, scene.hubsoft_latest),
        Row::Denied(fault) => match scene.denials {
            // Whether it stands alone shows when the next rows have been answered.
            Denials::First => again(claim, after(scene.now, scene.retry.ceiling(1)), Some(fault)),
            Denials::Repeated => Change::Rejected { attempts: spent, fault: fault.clone() },
        },
        Row::NotSent(fault) => again(claim, after(scene.now, scene.retry.wait(scene.streak)), Some(fault)),
        Row::Throttled => again(claim, scene.held_until.max(scene.now), None),
        Row::Blameless(fault) => again(claim, scene.now, Some(fault)),
        Row::Withheld => return release(claim),
    };
    settle(claim, change, Some(attempt))
}

/// What the answer to a look-up makes of a row in `doubt`.
pub fn after_look_up(claim: &Claim, doubt: &Doubt, reply: &Reply<Sighting>, scene: &Scene<'_>) -> Settle {
    let attempt = attempt(AttemptKind::LookUp, reply, scene);
    let change = match Evidence::of(reply).row {
        Row::Answered(Sighting::Found { opening, beside, conflict: Some(fault), .. }) => {
            conflicting(claim.attempts, opening, fault, open_beside(beside, scene).collect())
        }
        Row::Answered(Sighting::Found { opening, others, beside, conflict: None }) => {
            // A crash can have come before the post was counted. A precaution finds what was not posted here.
            let attempts = if doubt.precaution { claim.attempts } else { claim.attempts.max(1) };
            found(attempts, opening, others, beside, scene)
        }
        Row::Answered(Sighting::NotFound) => absent(claim, doubt, scene),
        Row::Answered(Sighting::AlreadyOpen { opening }) => Change::Skipped { opening: opening.clone() },
        // Of a look for other tickets than the row's own: of that it tells nothing.
        Row::Answered(Sighting::Beside(_)) => untold(claim, doubt, &Fault::UnclearList, scene),
        Row::Answered(Sighting::CouldNotTell(fault)) | Row::Refused(fault) | Row::Denied(fault) => {
            untold(claim, doubt, fault, scene)
        }
        Row::Unknown(fault) | Row::NotSent(fault) => unanswered(claim, doubt, fault, scene),
        Row::Throttled => again(claim, scene.held_until.max(scene.now), None),
        Row::Blameless(fault) => again(claim, scene.now, Some(fault)),
        Row::Withheld => return release(claim),
    };
    settle(claim, change, Some(attempt))
}

/// What looking for a ticket that makes its post needless makes of a row that may be posted. Nothing but an
/// answer that there is none lets it be.
pub fn after_looking_before(claim: &Claim, reply: &Reply<Sighting>, scene: &Scene<'_>) -> Next {
    let attempt = attempt(AttemptKind::LookUp, reply, scene);
    let change = match Evidence::of(reply).row {
        Row::Answered(Sighting::NotFound) => return Next::Post { beside: Vec::new() },
        Row::Answered(Sighting::Beside(beside)) => return Next::Post { beside: beside.clone() },
        Row::Answered(Sighting::AlreadyOpen { opening }) => {
            return Next::Settle(already_open(claim, opening.clone()));
        }
        // Its own ticket, opened from elsewhere.
        Row::Answered(Sighting::Found { opening, beside, conflict: Some(fault), .. }) => {
            conflicting(claim.attempts, opening, fault, open_beside(beside, scene).collect())
        }
        Row::Answered(Sighting::Found { opening, others, beside, conflict: None }) => {
            found(claim.attempts, opening, others, beside, scene)
        }
        // It may have been sent from elsewhere, so it waits as what may have been sent from here does.
        Row::Answered(Sighting::CouldNotTell(fault @ Fault::Blind(_))) => {
            untold(claim, &Doubt::precaution(scene.now), fault, scene)
        }
        // The operator asked not to open beside an open one, so a row that cannot be checked is tried
        // again, and fails in the end: nothing was sent for it.
        Row::Answered(Sighting::CouldNotTell(fault)) | Row::Refused(fault) => spend(claim, fault, scene),
        Row::Denied(fault) => match scene.denials {
            Denials::First => again(claim, after(scene.now, scene.retry.ceiling(1)), Some(fault)),
            Denials::Repeated => spend(claim, fault, scene),
        },
        Row::Unknown(fault) | Row::NotSent(fault) => {
            again(claim, after(scene.now, scene.retry.wait(scene.streak.max(3))), Some(fault))
        }
        Row::Throttled => again(claim, scene.held_until.max(scene.now), None),
        Row::Blameless(fault) => again(claim, scene.now, Some(fault)),
        Row::Withheld => return Next::Settle(release(claim)),
    };
    Next::Settle(settle(claim, change, Some(attempt)))
}

/// There is a ticket that makes a post needless.
pub fn already_open(claim: &Claim, opening: OpenedTicket) -> Settle {
    settle(claim, Change::Skipped { opening }, None)
}

/// Nothing was sent under this claim.
pub fn release(claim: &Claim) -> Settle {
    settle(claim, Change::Release, None)
}

/// We stop waiting for the answer to a post that may have left. No outcome, so nothing is counted.
pub fn given_up(claim: &Claim, now: Timestamp, hubsoft_latest: Option<Timestamp>) -> Settle {
    let fault = Fault::Stopped;
    let attempt = Attempt {
        at: now,
        kind: AttemptKind::Post,
        verdict: "unknown",
        http_status: None,
        latency: Duration::ZERO,
        note: Noted::Fault(fault.clone()),
    };
    settle(claim, in_doubt(claim.attempts, fault, now, hubsoft_latest), Some(attempt))
}

/// The gate closed after the post was turned away unread (a 401 whose repetition was withheld): the
/// row was sent, and left nothing.
pub fn turned_away(claim: &Claim, now: Timestamp) -> Settle {
    settle(claim, again(claim, now, None), None)
}

fn in_doubt(attempts: u32, fault: Fault, now: Timestamp, hubsoft_latest: Option<Timestamp>) -> Change {
    let doubt = Doubt { hubsoft_at: hubsoft_latest, ..Doubt::since(now) };
    Change::Later { at: after(now, FIRST_LOOK), attempts, doubt: Some(doubt), fault: Some(fault) }
}

/// There is a ticket that carries the row's marker, and it may not be the row's.
fn conflicting(attempts: u32, opening: &OpenedTicket, fault: &Fault, warnings: Vec<Warning>) -> Change {
    Change::Conflict { opening: opening.clone(), attempts, fault: fault.clone(), warnings }
}

fn found(
    attempts: u32,
    opening: &OpenedTicket,
    others: &[OpenedTicket],
    beside: &[Beside],
    scene: &Scene<'_>,
) -> Change {
    let others: Vec<String> = others.iter().map(|other| other.protocolo.clone()).collect();
    let mut warnings = if others.is_empty() { Vec::new() } else { vec![Warning::Duplicate { others }] };
    warnings.extend(open_beside(beside, scene));
    Change::Opened { opening: opening.clone(), attempts, warnings }
}

/// Who did not ask for it is not warned of what is no wonder.
fn open_beside(beside: &[Beside], scene: &Scene<'_>) -> impl Iterator<Item = Warning> {
    let is_asked_for = scene.policy.open_tickets == OpenTickets::Skip;
    beside.iter().filter(move |_| is_asked_for).cloned().map(Warning::Beside)
}

/// HubSoft says that there is no such ticket, to eyes that see ([`eyes`](super::eyes)). Believed when it says
/// so twice, far enough apart, after a slow server has had its time: one that lacks the latest for a moment
/// is not believed. Of a mere precaution at once.
fn absent(claim: &Claim, doubt: &Doubt, scene: &Scene<'_>) -> Change {
    if doubt.precaution {
        return Change::Later { at: scene.now, attempts: claim.attempts, doubt: None, fault: None };
    }
    // Until then it is no wonder that there is none yet.
    let is_settled = unsettled_for(doubt, scene).is_zero();
    // An absence that an earlier run saw was not waited out here: clocks may have been set since.
    let apart =
        doubt.last_absence.is_none_or(|last| ABSENCES_APART <= between(last.max(scene.started), scene.asked));
    let counts = is_settled && apart;
    if counts && doubt.last_absence.is_some() {
        if claim.is_outdated {
            return Change::Failed { attempts: claim.attempts, fault: Fault::CorrectedMeanwhile };
        }
        return go_on(claim.attempts, Fault::NoTicket, scene);
    }
    let mut doubt = answered(doubt, scene);
    if counts {
        doubt.absences = doubt.absences.saturating_add(1);
        // The request may have waited for its slot: it is of this moment at the latest.
        doubt.last_absence = Some(scene.now);
    }
    let at = match next_early_look(&doubt, scene) {
        Some(at) => at,
        None => after(doubt.last_absence.unwrap_or(scene.now), ABSENCES_APART + MARGIN).max(scene.now),
    };
    Change::Later { at, attempts: claim.attempts, doubt: Some(doubt), fault: None }
}

/// HubSoft answered, and we are no wiser.
fn untold(claim: &Claim, doubt: &Doubt, fault: &Fault, scene: &Scene<'_>) -> Change {
    let fault = fault.clone();
    let doubt = answered(doubt, scene);
    let is_last = scene.looks == Looks::Last && unsettled_for(&doubt, scene).is_zero();
    if scene.policy.patience.n_answered <= doubt.answered || too_old(&doubt, scene) || is_last {
        return Change::Unconfirmed { doubt, fault };
    }
    let at = next_early_look(&doubt, scene).unwrap_or_else(|| {
        let settled_for = waited(&doubt, scene).saturating_sub(scene.policy.settle_delay);
        after(scene.now, settled_for.clamp(ABSENCES_APART + MARGIN, LOOK_LONGEST))
    });
    Change::Later { at, attempts: claim.attempts, doubt: Some(doubt), fault: Some(fault) }
}

/// Nobody answered: that is the outage's fault, not the row's.
fn unanswered(claim: &Claim, doubt: &Doubt, fault: &Fault, scene: &Scene<'_>) -> Change {
    let fault = fault.clone();
    let doubt = seen_from_here(doubt, scene);
    if too_old(&doubt, scene) {
        return Change::Unconfirmed { doubt, fault };
    }
    let wait = between(doubt.since, scene.now).clamp(FIRST_LOOK, UNANSWERED_LONGEST);
    Change::Later {
        at: after(scene.now, wait),
        attempts: claim.attempts,
        doubt: Some(doubt),
        fault: Some(fault),
    }
}

/// An outcome that is certain to have left nothing, and counts.
fn spend(claim: &Claim, fault: &Fault, scene: &Scene<'_>) -> Change {
    go_on(claim.attempts.saturating_add(1), fault.clone(), scene)
}

/// Certain to have left nothing: once more, unless that was the last attempt.
fn go_on(attempts: u32, fault: Fault, scene: &Scene<'_>) -> Change {
    if scene.policy.max_attempts <= attempts {
        return Change::Failed { attempts, fault };
    }
    let at = after(scene.now, scene.retry.wait(attempts));
    Change::Later { at, attempts, doubt: None, fault: Some(fault) }
}

/// The row goes back as it is, doubt and count untouched.
fn again(claim: &Claim, at: Timestamp, fault: Option<&Fault>) -> Change {
    Change::Later { at, attempts: claim.attempts, doubt: claim.doubt.clone(), fault: fault.cloned() }
}

fn answered(doubt: &Doubt, scene: &Scene<'_>) -> Doubt {
    let doubt = seen_from_here(doubt, scene);
    let is_early = !unsettled_for(&doubt, scene).is_zero();
    let cost = match scene.looks {
        _ if is_early && EARLY_LOOKS <= doubt.answered => 0,
        Looks::Count | Looks::Last => 1,
        Looks::Free => 0,
    };
    Doubt { answered: doubt.answered.saturating_add(cost), ..doubt }
}

/// Its times as they can be, as far as this moment tells: a clock that was set back leaves times that are yet
/// to come. But a doubt may begin when somebody stops waiting: a worker that was cut off, or this very run,
/// whose row a person has set back.
fn seen_from_here(doubt: &Doubt, scene: &Scene<'_>) -> Doubt {
    let latest = after(scene.now, ANSWER_AGE_MAX);
    let since = match scene.steady {
        // Nothing of this run begins so late: it is of one that has ended, and nobody waits any more.
        Steady::Yes if latest < doubt.since => scene.now,
        Steady::Yes | Steady::No => doubt.since.min(latest),
    };
    let hubsoft_latest = scene.hubsoft_latest.map(|now| after(now, between(scene.now, since)));
    Doubt {
        since,
        hubsoft_at: match (doubt.hubsoft_at, hubsoft_latest) {
            (Some(known), Some(latest)) => Some(known.min(latest)),
            (known, latest) => known.or(latest),
        },
        last_absence: doubt.last_absence.map(|absence| absence.min(scene.asked)),
        ..doubt.clone()
    }
}

/// How long a slow server has had since we stopped waiting, up to the moment at which it was asked.
///
/// What this run has waited itself, by a clock that nobody sets, is certain. Of what was before, two clocks
/// tell, the outbox's and HubSoft's, and either may have been set: the more careful one is believed.
fn waited(doubt: &Doubt, scene: &Scene<'_>) -> Duration {
    let here = between(doubt.since.max(scene.started), scene.asked);
    let by_hubsoft = match (doubt.hubsoft_at, scene.hubsoft_now) {
        (Some(then), Some(now)) => between(then, now).saturating_sub(between(scene.asked, scene.now)),
        _ => here,
    };
    let by_both = between(doubt.since, scene.asked).min(by_hubsoft);
    match scene.steady {
        Steady::Yes => here.max(by_both),
        Steady::No => by_both,
    }
}

/// How long until an absence can first be believed; zero if it can.
fn unsettled_for(doubt: &Doubt, scene: &Scene<'_>) -> Duration {
    if doubt.precaution {
        return Duration::ZERO;
    }
    let ahead = between(scene.asked, doubt.since);
    (ahead + scene.policy.settle_delay).saturating_sub(waited(doubt, scene))
}

fn too_old(doubt: &Doubt, scene: &Scene<'_>) -> bool {
    scene.policy.patience.age <= between(doubt.since.max(scene.started), scene.now)
}

/// The next look-up of those up to the end of the settle delay: each after twice the time, and one
/// just after it. `None`: it is over.
fn next_early_look(doubt: &Doubt, scene: &Scene<'_>) -> Option<Timestamp> {
    let left = unsettled_for(doubt, scene);
    if left.is_zero() {
        return None;
    }
    // A settle delay may be longer than any row is put off.
    let settled = after(scene.asked, left + MARGIN).max(scene.now).min(after(scene.now, WAIT_MAX));
    if EARLY_LOOKS <= doubt.answered {
        return Some(settled);
    }
    // One that has yet to begin, or did by a clock that was set back since, is not looked at all the time.
    let away = between(doubt.since, scene.now).max(between(scene.now, doubt.since));
    Some(after(scene.now, away.max(FIRST_LOOK)).min(settled))
}

fn settle(claim: &Claim, change: Change, attempt: Option<Attempt>) -> Settle {
    let label = RowLabel { lote: Arc::clone(&claim.lote), referencia: Arc::clone(&claim.referencia) };
    Settle { row: claim.row, label, token: claim.token, change, attempt: attempt.map(Box::new) }
}

/// Names what an answer is, for the history.
trait Named {
    fn name_and_note(&self) -> (&'static str, Noted);
}

impl Named for Proof {
    fn name_and_note(&self) -> (&'static str, Noted) {
        ("opened", Noted::Nothing)
    }
}

impl Named for Sighting {
    fn name_and_note(&self) -> (&'static str, Noted) {
        match self {
            Self::Found { opening, .. } => ("found", Noted::Ticket(opening.protocolo.clone())),
            Self::AlreadyOpen { opening } => ("already_open", Noted::Ticket(opening.protocolo.clone())),
            Self::Beside(_) | Self::NotFound => ("not_found", Noted::Nothing),
            Self::CouldNotTell(fault) => ("could_not_tell", Noted::Fault(fault.clone())),
        }
    }
}

fn attempt<T: Named>(kind: AttemptKind, reply: &Reply<T>, scene: &Scene<'_>) -> Attempt {
    let (verdict, note) = match &reply.verdict {
        Verdict::Answered(answer) => answer.name_and_note(),
        other => (other.name(), other.fault().cloned().map_or(Noted::Nothing, Noted::Fault)),
    };
    Attempt { at: scene.asked, kind, verdict, http_status: reply.http_status, latency: reply.latency, note }
}

/// `at` and `wait`, or the end of time.
pub fn after(at: Timestamp, wait: Duration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// From `earlier` to `later`; nothing if the clock was set back between.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
