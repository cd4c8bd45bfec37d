//! What goes wrong in a world, and how often. Each seed switches some of it on (a swarm): few things at full
//! strength show other faults than everything a little.

use std::time::Duration;

use super::sabotage::Sabotage;
use crate::support::breach::Breach;

/// What may become of one request, or of one call of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    RefuseConnect,
    ResetBefore,
    ResetAfter,
    LateCommit,
    Hang,
    ErrorBefore,
    ErrorAfter,
    ExceptionBefore,
    ExceptionAfter,
    /// A page of somebody else's, with HTTP 200, though the ticket was opened.
    ForeignAnswer,
    CutAnswer,
    EmptyAnswer,
    /// A success that does not say which ticket.
    NoProof,
    /// An error that names the ticket which was opened.
    HalfSuccess,
    /// A success with errors beside the ticket.
    ErrorsBeside,
    /// The answer to another row's post.
    DoubledAnswer,
    Throttle,
    Unauthorized,
    Forbidden,
    Firewall,
    NoRoute,
    SwitchedOff,
    SlowAnswer,
    LookUpFails,
    LookUpVague,
    LoginFails,
    OutboxBefore,
    OutboxAfter,
    OutboxFull,
}

impl Mishap {
    /// Each with its name, and its chance in percent where many are on.
    pub const ALL: [(Self, &'static str, u32); 29] = [
        (Self::RefuseConnect, "connect refused", 15),
        (Self::ResetBefore, "reset before", 15),
        (Self::ResetAfter, "reset after", 15),
        (Self::LateCommit, "late commit", 15),
        (Self::Hang, "hang", 10),
        (Self::ErrorBefore, "5xx before", 15),
        (Self::ErrorAfter, "5xx after", 15),
        (Self::ExceptionBefore, "exception before", 10),
        (Self::ExceptionAfter, "exception after", 10),
        (Self::ForeignAnswer, "foreign answer", 8),
        (Self::CutAnswer, "cut answer", 8),
        (Self::EmptyAnswer, "empty answer", 8),
        (Self::NoProof, "success without a ticket", 8),
        (Self::HalfSuccess, "error with a ticket", 8),
        (Self::ErrorsBeside, "success with errors", 4),
        (Self::DoubledAnswer, "doubled answer", 3),
        (Self::Throttle, "429", 15),
        (Self::Unauthorized, "401", 10),
        (Self::Forbidden, "403", 6),
        (Self::Firewall, "firewall", 6),
        (Self::NoRoute, "404", 3),
        (Self::SwitchedOff, "switched off", 3),
        (Self::SlowAnswer, "slow answer", 15),
        (Self::LookUpFails, "look-up failed", 40),
        (Self::LookUpVague, "look-up vague", 40),
        (Self::LoginFails, "login failed", 20),
        (Self::OutboxBefore, "outbox failed before", 6),
        (Self::OutboxAfter, "outbox failed after", 8),
        (Self::OutboxFull, "outbox full", 8),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

#[derive(Clone, Debug)]
pub struct Weather {
    /// In percent, by [`Mishap`].
    chances: [u32; Mishap::ALL.len()],
    /// Nobody is there between these times.
    pub outages: Vec<(Duration, Duration)>,
    /// Its look-ups leave out what was opened lately, once, for less than the time between two absences that
    /// count.
    pub omits: Option<(Duration, Duration)>,
    /// Until then its users lack the permission to open anything.
    pub denied_until: Duration,
    /// From here on the sky is blue.
    pub clears_at: Duration,
}

/// A chance where few mishaps are on is so many times as high.
const FULL: u32 = 3;

/// And not higher: most rows are to be opened some day.
const CHANCE_MAX: u32 = 60;

/// Two absences count that are 10 s apart.
const OMITS_MAX: Duration = Duration::from_millis(9_500);

impl Weather {
    /// Bad for less than `longest`.
    pub fn draw(rng: &mut fastrand::Rng, longest: Duration) -> Self {
        let clears_at = Duration::from_secs(rng.u64(60..longest.as_secs()));
        let mut chances = [0; Mishap::ALL.len()];
        let (n_on, full) = match rng.u32(0..4) {
            0 => (rng.usize(0..=3), FULL),
            1 => (rng.usize(3..=8), 2),
            _ => (Mishap::ALL.len() / 2, 1),
        };
        for _ in 0..n_on {
            let at = rng.usize(0..Mishap::ALL.len());
            let most = (Mishap::ALL[at].2 * full).min(CHANCE_MAX);
            chances[at] = rng.u32(1..=most);
        }
        let mut within = |from: u64, lasts: std::ops::Range<u64>| {
            let from = Duration::from_secs(rng.u64(0..from));
            (from, from + Duration::from_millis(rng.u64(lasts.start * 1000..lasts.end * 1000)))
        };
        let omits = within(600, 1..9);
        let outages = [within(1200, 1..400), within(1200, 1..400)];
        Self {
            chances,
            outages: outages.into_iter().take(rng.usize(0..3)).collect(),
            omits: (rng.u32(0..3) == 0).then_some((omits.0, omits.1.min(omits.0 + OMITS_MAX))),
            denied_until: Duration::ZERO,
            clears_at,
        }
    }

    /// What a sabotage needs to strike.
    pub fn need(&mut self, sabotage: Sabotage) {
        let needed: &[Mishap] = match sabotage {
            Sabotage::BelieveErrors | Sabotage::BelieveOthers => &[Mishap::LookUpVague, Mishap::ResetAfter],
            Sabotage::BelieveFullPages | Sabotage::AdoptAny => &[Mishap::ResetAfter],
            Sabotage::RefuseUnclear => &[Mishap::EmptyAnswer],
            Sabotage::RefuseHalf => &[Mishap::HalfSuccess],
            Sabotage::ResendErrors => &[Mishap::ErrorAfter],
            Sabotage::ResendLost => &[Mishap::ResetAfter],
            Sabotage::BelieveRefusals => &[Mishap::ResetAfter, Mishap::LookUpFails],
            Sabotage::OldTickets => &[Mishap::ResetAfter],
            Sabotage::Breach(breach) => match breach {
                Breach::BeRestless => &[Mishap::ResetBefore],
                Breach::ForgetConflicts => &[Mishap::DoubledAnswer],
                Breach::RetryDoubts | Breach::WithdrawDoubts => &[Mishap::ResetAfter, Mishap::LookUpVague],
                Breach::LoseOutcomes => &[Mishap::OutboxBefore],
                Breach::DoubtFromClaim => &[Mishap::LateCommit],
                Breach::SayOldClaims | Breach::KeepEarlierClaims => &[Mishap::Throttle, Mishap::ResetAfter],
                Breach::KeepWhatWasDone => &[Mishap::ResetBefore, Mishap::ResetAfter],
                Breach::ForgetTheForgotten => &[Mishap::ResetAfter],
                _ => &[],
            },
            Sabotage::OneClock | Sabotage::HubSoftsClock | Sabotage::SetWaits => &[Mishap::LateCommit],
            _ => &[],
        };
        for mishap in needed {
            let chance = &mut self.chances[*mishap as usize];
            *chance = (*chance).max(Mishap::ALL[*mishap as usize].2);
        }
        if sabotage == Sabotage::Breach(Breach::BeRestless) {
            self.clears_at = Duration::from_secs(60);
        }
        if sabotage == Sabotage::Breach(Breach::DoubleAbsences) {
            self.omits = Some((Duration::from_secs(120), Duration::from_secs(129)));
        }
    }

    pub fn chance_of(&self, mishap: Mishap) -> u32 {
        self.chances[mishap as usize]
    }

    /// What is on, for whoever replays a seed.
    pub fn told(&self) -> Vec<String> {
        let on = Mishap::ALL.iter().zip(self.chances).filter(|(_, chance)| *chance != 0);
        let mut told: Vec<String> = on.map(|((_, name, _), chance)| format!("{name} {chance} %")).collect();
        told.extend(self.outages.iter().map(|(from, to)| format!("away from {from:?} to {to:?}")));
        told.extend(self.omits.map(|(from, to)| format!("omits from {from:?} to {to:?}")));
        told
    }
}
