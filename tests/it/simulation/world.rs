//! One seed's world: rows, a server, an outbox, and processes that die.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use mutirao::delivery::{Api, Concurrency, Control, Doubt, OpenTickets, Policy, Rate, Verify};
use mutirao::ticket::Ticket;
use tokio::time::sleep;

use super::people::People;
use super::sabotage::Sabotage;
use super::server::book::{Code, Texts};
use super::server::{Server, log_in_later};
use super::weather::{Mishap, Weather};
use crate::support::breach::Breach;
use crate::support::memory_outbox::{MemoryOutbox, Trouble};
use crate::support::world::{VirtualClock, start, ticket, typed_ticket};

/// Which clock is set while the world lives. Never two ahead at once: what both say is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    None,
    OfTheMachine,
    /// Back only: ahead it ends all leases, also of those that work.
    OfTheDatabase,
    OfHubSoft,
    /// The machine's and HubSoft's at once, of which one goes only back: where both were set ahead, even one
    /// after the other, neither is left to go by.
    OfBoth,
}

impl Steps {
    fn name(self) -> &'static str {
        match self {
            Self::None => "no step",
            Self::OfTheMachine => "the machine's clock is set",
            Self::OfTheDatabase => "the database's clock is set",
            Self::OfHubSoft => "HubSoft's clock is set",
            Self::OfBoth => "the machine's clock and HubSoft's are set",
        }
    }
}

/// What a world went through.
#[derive(Debug, PartialEq)]
pub struct Tale {
    /// What broke the promise.
    pub violations: Vec<String>,
    pub seen: BTreeSet<&'static str>,
    pub posts: Vec<(Duration, Code)>,
    /// What was switched on in it.
    pub faults: Vec<String>,
}

pub struct World {
    pub seed: u64,
    pub sabotage: Sabotage,
    pub rng: Rc<RefCell<fastrand::Rng>>,
    /// Of what machines do by themselves, so that it moves no other dice.
    pub machines: RefCell<fastrand::Rng>,
    pub clock: VirtualClock,
    pub outbox: Rc<MemoryOutbox>,
    /// Another outbox with a batch of the same name and texts, which opens its tickets at the same time.
    pub neighbour: Option<Rc<MemoryOutbox>>,
    pub server: Rc<Server>,
    pub steps: Steps,
    pub policy: Policy,
    /// Chances in percent, of one life.
    pub crashes: u32,
    pub stops: u32,
    n_services: i64,
    pub people: People,
    /// Homes and rows: those that were given to a person while none was opened with a text as long.
    pub given_up: RefCell<BTreeSet<(usize, i64)>>,
    /// What had been asked of HubSoft and of the outboxes when the sky cleared.
    asked_at_calm: Cell<Option<Asked>>,
}

/// How often somebody asked.
#[derive(Clone, Copy)]
pub struct Asked {
    pub n_requests: u64,
    pub n_claims: u64,
}

/// What rows came in with. Those of the second are refused alike, in some worlds, until somebody mends that.
const LOTES: [&str; 3] = ["queda", "poste", "chuva"];

impl World {
    /// Within a runtime: the world has a clock. Its weather is bad for less than `bad_max`.
    pub fn new(seed: u64, sabotage: Sabotage, bad_max: Duration) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut clock = VirtualClock::new();
        clock.sets_awake = sabotage == Sabotage::SetWaits;
        let outbox = Rc::new(MemoryOutbox::default());
        let key = if sabotage == Sabotage::NamedKeys { "test" } else { "test, of November" };
        let neighbour = Rc::new(MemoryOutbox::keyed(key));
        let has_neighbour = rng.u32(0..3) == 0 || sabotage == Sabotage::NamedKeys;
        let n_rows = rng.i64(1..40);
        let n_services = rng.i64(1..=n_rows);
        let precautions = if rng.u32(0..4) == 0 { rng.u64(0..100) } else { 0 };
        let n_lotes = [1, 1, 2, 3][rng.usize(0..4)];
        for n in 0..n_rows {
            let lote = rng.usize(0..n_lotes);
            let row = draw_ticket(&mut rng, LOTES[lote], n, n_services);
            let doubt = (rng.u64(0..100) < precautions).then(|| Doubt::precaution(start()));
            outbox.insert_into(LOTES[lote], row.clone(), start(), doubt.clone());
            if has_neighbour {
                neighbour.insert_into(LOTES[lote], row, start(), doubt);
            }
        }
        let mut weather = Weather::draw(&mut rng, bad_max);
        weather.need(sabotage);
        let clears_at = weather.clears_at;
        let crashes = if rng.u32(0..4) == 0 { 0 } else { rng.u32(0..95) };
        let crashes = match sabotage {
            Sabotage::OneClock | Sabotage::HubSoftsClock | Sabotage::SetWaits => crashes.max(60),
            _ => crashes,
        };
        let stops = if rng.u32(0..3) == 0 { 0 } else { rng.u32(0..40) };
        let mut policy = Policy {
            rate: match rng.u32(0..3) {
                0 => Rate::Unlimited,
                1 => Rate::PerSecond(50.0),
                _ => Rate::PerSecond(4.0),
            },
            concurrency: match rng.usize(1..12) {
                1..4 => Concurrency::Auto,
                n => Concurrency::Fixed(n),
            },
            max_attempts: rng.u32(1..9),
            grace: Duration::from_secs(rng.u64(0..90)),
            open_tickets: if rng.u32(0..8) == 0 { OpenTickets::Skip } else { OpenTickets::Ignore },
            verify: if rng.u32(0..8) == 0 { Verify::First } else { Verify::Never },
            seed,
            ..Policy::default()
        };
        let outbox_crawls = draw_crawls(&mut rng);
        if sabotage == Sabotage::ShortDelay {
            policy.settle_delay = Duration::from_secs(5);
        }
        let steps = match rng.u32(0..6) {
            _ if matches!(sabotage, Sabotage::SetWaits | Sabotage::OneClock | Sabotage::OldTickets) => {
                Steps::OfTheMachine
            }
            _ if sabotage == Sabotage::Breach(Breach::KeepLeases) => Steps::OfTheDatabase,
            _ if sabotage == Sabotage::HubSoftsClock => Steps::OfHubSoft,
            0 => Steps::OfTheMachine,
            1 => Steps::OfHubSoft,
            _ => Steps::None,
        };
        let mut machines = fastrand::Rng::with_seed(rng.clone().u64(..));
        let steps = match (steps, sabotage) {
            (Steps::None, Sabotage::None) if machines.u32(0..6) == 0 => Steps::OfBoth,
            (steps, _) => steps,
        };
        let neighbour = has_neighbour.then_some(neighbour);
        let homes: Vec<_> = [outbox.clone()].into_iter().chain(neighbour.clone()).collect();
        // What its clock was set to shows on tickets as well, where all of a service stand on one page: else
        // it is outside the promise.
        let n_of_service = n_rows * homes.len() as i64;
        let slow_disk = rng.u64(1..30);
        let mut server = Server::new(clock, homes, weather, rng.u64(..));
        server.sabotage = sabotage;
        server.clocks_are_set = steps != Steps::None;
        server.stamps_by_it = n_of_service < 15;
        server.is_blind = rng.u32(0..20) == 0;
        server.refused_services = (1..=n_services).filter(|_| rng.u32(0..12) == 0).collect();
        server.draw_vague(n_services, &mut rng);
        server.refuses_poste_until = if rng.u32(0..3) == 0 { clears_at } else { Duration::ZERO };
        match sabotage {
            Sabotage::BelieveTheBlind => server.is_blind = true,
            Sabotage::AnySight => {
                server.style.texts = Texts::Cut(100);
                outbox.breach(Breach::OverstateSights);
            }
            Sabotage::CompareBytes => server.style.texts = Texts::Capitals,
            Sabotage::CompareEscaped => server.style.texts = Texts::Escaped,
            Sabotage::Breach(breach) => outbox.breach(breach),
            _ => {}
        }
        if !matches!(steps, Steps::OfHubSoft | Steps::OfBoth) || !server.stamps_by_it {
            server.add_history(n_services);
        }
        let server = Rc::new(server);
        // These are believed whatever they see.
        if matches!(sabotage, Sabotage::BelieveTheBlind | Sabotage::CompareBytes | Sabotage::CompareEscaped) {
            outbox.see_as(&log_in_later(&server, 0).who(), 10_000, start());
        }
        let rng = Rc::new(RefCell::new(rng));
        let (dice, of) = (rng.clone(), server.weather.clone());
        outbox.set_weather(move || {
            let mut dice = dice.borrow_mut();
            let calm = clears_at <= clock.elapsed();
            let befalls = |dice: &mut fastrand::Rng, mishap| {
                let chance = of.chance_of(mishap);
                !calm && chance != 0 && dice.u32(0..100) < chance
            };
            let trouble = if befalls(&mut dice, Mishap::OutboxBefore) {
                Trouble::Before
            } else if befalls(&mut dice, Mishap::OutboxAfter) {
                Trouble::After
            } else if befalls(&mut dice, Mishap::OutboxFull) {
                Trouble::Full
            } else {
                Trouble::None
            };
            let is_slow = !calm && outbox_crawls.iter().any(|it| it.contains(&clock.elapsed()));
            let longest = if is_slow { 15_000 } else { slow_disk };
            let mut wait = || Duration::from_millis(dice.u64(0..longest));
            (trouble, wait(), wait())
        });
        Self {
            seed,
            sabotage,
            rng,
            machines: RefCell::new(machines),
            clock,
            outbox,
            neighbour,
            server,
            steps,
            policy,
            crashes,
            stops,
            n_services,
            people: People::new(seed, sabotage),
            given_up: RefCell::default(),
            asked_at_calm: Cell::new(None),
        }
    }

    /// What is on in it.
    pub fn faults(&self) -> Vec<String> {
        let mut told = self.server.weather.told();
        told.push(format!("crashes {} %, stops {} %, {}", self.crashes, self.stops, self.steps.name()));
        told.push(format!("people: {:?}", self.people.does));
        told.push(format!("{:?}", self.server.style));
        told
    }

    /// Somebody does something, now and then. Returns whether rows came in.
    pub fn let_people_act(&self, home: usize, outbox: &MemoryOutbox) -> bool {
        !self.is_calm() && self.people.act(home, outbox, self)
    }

    pub fn lote(&self, rng: &mut fastrand::Rng) -> &'static str {
        LOTES[rng.usize(0..LOTES.len())]
    }

    pub fn draw_ticket(&self, rng: &mut fastrand::Rng, lote: &str) -> Ticket {
        draw_ticket(rng, lote, self.outbox.n_rows(), self.n_services)
    }

    /// Notes what was asked until the sky clears.
    pub async fn await_calm(&self) {
        sleep(self.server.weather.clears_at).await;
        self.asked_at_calm.set(Some(self.asked()));
        std::future::pending().await
    }

    fn asked(&self) -> Asked {
        let n_claims = self.server.homes.iter().map(|it| it.n_claims.get()).sum();
        Asked { n_requests: self.server.n_requests(), n_claims }
    }

    /// How often somebody asked since the sky cleared.
    pub fn asked_in_calm(&self) -> Option<Asked> {
        let (before, all) = (self.asked_at_calm.get()?, self.asked());
        let (n_requests, n_claims) = (all.n_requests - before.n_requests, all.n_claims - before.n_claims);
        Some(Asked { n_requests, n_claims })
    }

    /// Each time that HubSoft takes connections again, whoever looks out for that tells the process.
    pub async fn tell_returns<T>(&self, control: &Control) -> T {
        let ends = self.server.weather.outages.iter().map(|(_, end)| *end);
        let mut ends: Vec<_> = ends.filter(|end| self.clock.elapsed() < *end).collect();
        ends.sort();
        for end in ends {
            sleep(end - self.clock.elapsed()).await;
            control.returned.notify_one();
        }
        std::future::pending().await
    }

    /// Sets clocks now and then, until the sky is blue.
    pub async fn step_clocks(&self) {
        loop {
            sleep(match self.sabotage {
                // While most is done.
                Sabotage::SlotsAnew => self.some(Duration::from_secs(20)),
                _ => Duration::from_secs(60) + self.some(Duration::from_secs(600)),
            })
            .await;
            if self.is_calm() || self.steps == Steps::None {
                std::future::pending::<()>().await;
            }
            let by_s = self.rng.borrow_mut().i64(-1200..=1200);
            // Mostly minutes, sometimes days.
            let far_s = if self.rng.borrow_mut().u32(0..4) == 0 { by_s * 216 } else { by_s };
            match self.steps {
                Steps::OfTheMachine => self.clock.step(far_s),
                Steps::OfTheDatabase => self.clock.step(-by_s.abs()),
                Steps::OfHubSoft => {
                    self.server.ahead_s.set(self.server.ahead_s.get() + far_s);
                    // What only one of them is asked for, the other says as well.
                    if self.sabotage == Sabotage::HubSoftsClock {
                        self.clock.step(far_s);
                    }
                }
                Steps::OfBoth => {
                    let back_s = self.machines.borrow_mut().i64(-1200..=0);
                    let is_hubsoft_back = self.seed.is_multiple_of(2);
                    let (of_machine, of_hubsoft) =
                        if is_hubsoft_back { (far_s, back_s) } else { (back_s, far_s) };
                    self.clock.step(of_machine);
                    self.server.ahead_s.set(self.server.ahead_s.get() + of_hubsoft);
                }
                Steps::None => {}
            }
            self.server.saw(self.steps.name());
        }
    }

    /// Other people work in HubSoft as well: they open tickets, and close what is done.
    pub async fn others_work(&self) {
        loop {
            sleep(Duration::from_secs(30) + self.some(Duration::from_secs(600))).await;
            if self.is_calm() {
                std::future::pending::<()>().await;
            }
            let service = self.rng.borrow_mut().i64(1..=self.n_services);
            let (closes, n) = (self.roll(30), self.rng.borrow_mut().u32(0..20));
            match closes {
                true => self.server.close_all(service),
                false => self.server.open_by_hand(service, &format!("Sem sinal {n}")),
            }
        }
    }

    /// The time of day on the machine of one more worker: mostly the database's, sometimes far from it.
    pub fn clock_of_a_machine(&self) -> VirtualClock {
        let mut dice = self.machines.borrow_mut();
        if self.sabotage != Sabotage::None || dice.u32(0..3) != 0 {
            return self.clock;
        }
        self.server.saw("a machine has another time");
        let ahead_s = dice.i64(-1200..=1200);
        self.clock.of_another(if dice.bool() { ahead_s } else { ahead_s * 216 })
    }

    /// When one more worker stands still, and until when: mostly for longer than its lease.
    pub fn stands_still(&self) -> Option<(Duration, Duration)> {
        let mut dice = self.machines.borrow_mut();
        if self.sabotage != Sabotage::None || self.is_calm() || dice.u32(0..4) != 0 {
            return None;
        }
        self.server.saw("a process stands still");
        let from = self.clock.elapsed() + Duration::from_millis(dice.u64(0..60_000));
        Some((from, from + Duration::from_millis(dice.u64(1_000..300_000))))
    }

    pub fn is_calm(&self) -> bool {
        self.server.weather.clears_at <= self.clock.elapsed()
    }

    pub fn roll(&self, percent: u32) -> bool {
        !self.is_calm() && self.rng.borrow_mut().u32(0..100) < percent
    }

    /// Up to `longest`, mostly short.
    pub fn some(&self, longest: Duration) -> Duration {
        let part = self.rng.borrow_mut().f64();
        longest.mul_f64(part * part)
    }
}

fn draw_ticket(rng: &mut fastrand::Rng, lote: &str, n: i64, n_services: i64) -> Ticket {
    let service = rng.i64(1..=n_services);
    let text = match (rng.u32(0..10), lote) {
        (0, _) => "x".repeat(300),
        (_, "poste") => format!("Poste {n}"),
        _ => format!("Sem sinal {n}"),
    };
    if rng.u32(0..8) == 0 { typed_ticket(service, &text, 5) } else { ticket(service, &text) }
}

/// Between these times a commit may take as long as one is waited for.
fn draw_crawls(rng: &mut fastrand::Rng) -> Vec<std::ops::Range<Duration>> {
    let crawls = (0..rng.u32(0..3)).map(|_| {
        let from = Duration::from_secs(rng.u64(0..1200));
        from..from + Duration::from_secs(rng.u64(60..400))
    });
    crawls.collect()
}
