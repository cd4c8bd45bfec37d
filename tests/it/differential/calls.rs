//! What is called, drawn from a seed: the same for all stores.

use fastrand::Rng;
use mutirao::delivery::{Change, Claim, ClaimRequest, Doubt, End, OpenedTicket, Settle, Warning};

use crate::outbox_conformance::{Seed, at, valid};
use crate::support::world::fault;

#[derive(Clone, Debug)]
pub enum Call {
    Insert(Vec<Seed>),
    /// With outcomes that it carries, or none. One that is dropped is not made once more.
    Claim {
        now: i64,
        posts: usize,
        look_ups: usize,
        end: End,
        outcomes: Vec<Outcome>,
        drop: Option<u32>,
    },
    Settle {
        outcomes: Vec<Outcome>,
        drop: Option<u32>,
    },
    Recover {
        now: i64,
        drop: Option<u32>,
    },
    LookAgain {
        now: i64,
        drop: Option<u32>,
    },
    PullIn {
        now: i64,
        drop: Option<u32>,
    },
    PostsAreLeft,
}

impl Call {
    /// What a claim asks for.
    pub fn want(&self) -> ClaimRequest {
        let Self::Claim { now, posts, look_ups, end, .. } = self else { panic!("{self:?} is no claim") };
        ClaimRequest { now: at(*now), posts: *posts, look_ups: *look_ups, end: *end }
    }

    /// After how many polls it is dropped.
    pub fn dropped_after(&self) -> Option<u32> {
        match self {
            Self::Claim { drop, .. }
            | Self::Settle { drop, .. }
            | Self::Recover { drop, .. }
            | Self::LookAgain { drop, .. }
            | Self::PullIn { drop, .. } => *drop,
            Self::Insert(_) | Self::PostsAreLeft => None,
        }
    }
}

/// What becomes of a claim, counted from the last that was handed out.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub claim: usize,
    pub kind: Kind,
    pub now: i64,
    pub wait_s: i64,
    /// The ticket that HubSoft names, where it names one.
    pub ticket: i64,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Release,
    Later,
    InDoubt,
    Opened,
    OpenedWithoutOs,
    Skipped,
    Rejected,
    Failed,
    Unconfirmed,
    Conflict,
}

const KINDS: [Kind; 12] = [
    Kind::Release,
    Kind::Later,
    Kind::InDoubt,
    Kind::InDoubt,
    Kind::Opened,
    Kind::Opened,
    Kind::OpenedWithoutOs,
    Kind::Skipped,
    Kind::Rejected,
    Kind::Failed,
    Kind::Unconfirmed,
    Kind::Conflict,
];

pub struct Dice {
    rng: Rng,
    now: i64,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), now: 1 }
    }

    pub fn calls(mut self, n_calls: usize) -> Vec<Call> {
        let first = Call::Insert(self.seeds(6));
        std::iter::once(first).chain((1..n_calls).map(|_| self.call())).collect()
    }

    fn call(&mut self) -> Call {
        self.now += [0, 1, 30, 600, 3600][self.rng.usize(..5)];
        let now = self.now;
        let drop = (self.rng.u8(..4) == 0).then(|| self.rng.u32(1..12));
        match self.rng.u8(..20) {
            0 => Call::Insert(self.seeds(2)),
            1..=7 => {
                let end = if self.rng.u8(..4) == 0 { End::Back } else { End::Front };
                let (posts, look_ups) = (self.rng.usize(..4), self.rng.usize(..4));
                let outcomes = if self.rng.bool() { self.outcomes() } else { Vec::new() };
                Call::Claim { now, posts, look_ups, end, outcomes, drop }
            }
            8..=15 => Call::Settle { outcomes: self.outcomes(), drop },
            16 => Call::Recover { now, drop },
            17 => Call::LookAgain { now, drop },
            18 => Call::PullIn { now, drop },
            _ => Call::PostsAreLeft,
        }
    }

    fn seeds(&mut self, n_max: usize) -> Vec<Seed> {
        let n_rows = self.rng.usize(1..=n_max);
        // How many invalid rows one call finds beside what it was asked for, is nobody's promise.
        let mut seed = || Seed { priority: self.rng.i64(-1..=1), ..valid(self.rng.i64(1..=4)) };
        (0..n_rows).map(|_| seed()).collect()
    }

    /// Mostly of claims that are held, sometimes of old ones.
    fn outcomes(&mut self) -> Vec<Outcome> {
        let n_outcomes = self.rng.usize(1..=3);
        let first = if self.rng.u8(..3) == 0 { self.rng.usize(..12) } else { self.rng.usize(..2) };
        let outcome = |n: usize| Outcome {
            claim: first + n,
            kind: KINDS[self.rng.usize(..KINDS.len())],
            now: self.now,
            wait_s: [0, 5, 900, 90_000][self.rng.usize(..4)],
            ticket: self.rng.i64(1..=9),
        };
        (0..n_outcomes).map(outcome).collect()
    }
}

/// Each row once a call, as the engine has it.
pub fn settles(claims: &[Claim], outcomes: &[Outcome]) -> Vec<Settle> {
    let mut settles: Vec<Settle> = Vec::new();
    for outcome in outcomes {
        let Some(claim) = claims.iter().rev().nth(outcome.claim) else { continue };
        if settles.iter().all(|it| it.row != claim.row) {
            let change = outcome.change(claim);
            settles.push(Settle {
                label: Default::default(),
                row: claim.row,
                token: claim.token,
                change,
                attempt: None,
            });
        }
    }
    settles
}

impl Outcome {
    fn change(&self, claim: &Claim) -> Change {
        let attempts = claim.attempts + 1;
        let doubt = || {
            let mut doubt = claim.doubt.clone().unwrap_or_else(|| Doubt::since(at(self.now)));
            doubt.answered += 1;
            doubt
        };
        let opening = || OpenedTicket {
            protocolo: format!("p{}", self.ticket),
            id_atendimento: self.ticket,
            ids_ordem_servico: Vec::new(),
            numeros_ordem_servico: Vec::new(),
        };
        let later = |doubt| Change::Later {
            at: at(self.now + self.wait_s),
            attempts,
            doubt,
            fault: Some(fault("connect")),
        };
        let opened = |warnings| Change::Opened { opening: opening(), attempts, warnings };
        match self.kind {
            Kind::Release => Change::Release,
            Kind::Later => later(None),
            Kind::InDoubt => later(Some(doubt())),
            Kind::Opened => opened(Vec::new()),
            Kind::OpenedWithoutOs => opened(vec![Warning::WithoutOs]),
            Kind::Skipped => Change::Skipped { opening: opening() },
            Kind::Rejected => Change::Rejected { attempts, fault: fault("refused") },
            Kind::Failed => Change::Failed { attempts, fault: fault("no_ticket") },
            Kind::Unconfirmed => Change::Unconfirmed { doubt: doubt(), fault: fault("timeout") },
            Kind::Conflict => Change::Conflict {
                opening: opening(),
                attempts,
                fault: fault("wrong_service"),
                warnings: Vec::new(),
            },
        }
    }
}
