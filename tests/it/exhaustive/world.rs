//! All that is: lives over one outbox, HubSoft, and what may still go wrong.

use std::hash::Hash;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;
use mutirao::delivery::State;
use mutirao::delivery::fingerprint::{Clocks, Fingerprint};

use super::hubsoft::HubSoft;
use super::life::Life;
use super::outbox::Connection;
use super::print::Printer;
use super::waits::Wait;
use super::{GRID, Setting};
use crate::support::memory_outbox::{MemoryOutbox, Row, Shelf, TESTER};
use crate::support::world::{start, ticket};

/// How many things may go wrong yet, of each kind and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    pub all: u32,
    pub crashes: u32,
    pub cuts: u32,
    pub freezes: u32,
    pub failovers: u32,
    /// Of calls of the outbox.
    pub calls: u32,
    /// Of HubSoft.
    pub answers: u32,
}

impl Faults {
    /// Any, so often in all.
    pub fn any(n: u32) -> Self {
        Self { all: n, crashes: n, cuts: n, freezes: n, failovers: n, calls: n, answers: n }
    }
}

/// A server that lacks what was committed since then.
#[derive(Clone)]
pub struct Standby {
    pub shelf: Rc<Shelf>,
    pub since: Duration,
}

#[derive(Clone)]
pub struct World {
    pub setting: &'static Setting,
    /// Since the epoch.
    pub now: Duration,
    pub shelf: Rc<Shelf>,
    pub lives: Vec<Rc<Life>>,
    pub hubsoft: HubSoft,
    pub left: Faults,
    pub standby: Option<Standby>,
    /// When somebody starts the process again that died.
    pub comes_back_at: Option<Duration>,
    pub n_born: u64,
    pub violation: Option<String>,
}

impl World {
    /// Workers that have run for long, and rows that have just come.
    pub fn new(setting: &'static Setting) -> Self {
        let outbox = MemoryOutbox::default();
        // So long ago that it is all the same when.
        outbox.see_as(TESTER, 1000, start() - Duration::from_secs(1200));
        let mut world = Self {
            setting,
            now: Duration::ZERO,
            shelf: Rc::new(outbox.standby()),
            lives: Vec::new(),
            hubsoft: HubSoft::default(),
            left: Faults::default(),
            standby: None,
            comes_back_at: None,
            n_born: 0,
            violation: None,
        };
        let insert = |world: &mut Self| {
            for (n, service) in setting.services.iter().enumerate() {
                outbox.insert(ticket(*service, &format!("sem sinal {n}")), world.time(), None);
            }
            let shelf = Rc::make_mut(&mut world.shelf);
            shelf.rows = outbox.standby().rows;
        };
        if setting.is_alone {
            insert(&mut world);
        }
        for _ in 0..setting.n_lives {
            world.is_born();
        }
        world.turn();
        while !setting.is_alone && world.now < Duration::from_secs(120) {
            let mut next = None;
            world.steps(&mut |_, _, world| next = next.take().or(Some(world)));
            world = next.expect("idle workers go on");
        }
        if !setting.is_alone {
            insert(&mut world);
            world.news_but_of(None);
            world.turn();
        }
        world.left = setting.faults;
        world
    }

    pub fn time(&self) -> Timestamp {
        start() + self.now
    }

    pub fn is_born(&mut self) {
        self.n_born += 1;
        let connection = Connection::new(self.n_born, self.setting.is_alone, &self.shelf);
        self.lives.push(Rc::new(Life::new(self.setting.policy, connection, self.now)));
    }

    /// Everybody hears that rows have changed, but for who changed them.
    pub fn news_but_of(&mut self, who: Option<usize>) {
        for (n, life) in self.lives.iter_mut().enumerate() {
            if Some(n) != who && !life.is_over && !life.has_news {
                Rc::make_mut(life).has_news = true;
            }
        }
    }

    /// Each does what is its own affair.
    pub fn turn(&mut self) {
        self.hubsoft.turn(self.now);
        for n in 0..self.lives.len() {
            let posted = Rc::make_mut(&mut self.lives[n]).turn(self.now);
            for row in posted {
                self.check_post(row);
            }
        }
        if self.left.failovers == 0 && self.standby.is_none() {
            for life in &mut self.lives {
                if !life.connection.settled.is_empty() && life.connection.has_told(&self.shelf) {
                    Rc::make_mut(life).connection.settled.clear();
                }
            }
        }
        self.check_rows();
    }

    fn check_post(&mut self, row: i64) {
        if self.hubsoft.has(row) {
            self.violation = Some(format!("row {row} is posted although it has a ticket, or will have"));
        }
        let service = |row: i64| self.shelf.rows[&row].ticket.id_cliente_servico;
        let on_the_wire = self.lives.iter().flat_map(|life| &life.waits).filter_map(Wait::posts);
        let beside = on_the_wire.filter(|other| service(*other) == service(row)).count();
        if 1 < beside {
            self.violation = Some(format!("row {row} is posted beside another of its service, or itself"));
        }
    }

    fn check_rows(&mut self) {
        for (id, row) in &self.shelf.rows {
            let violation = match (row.state, &row.opening) {
                (State::Opened, Some(opening)) if opening.id_atendimento / 100 == *id => continue,
                (State::Opened, _) => format!("row {id} has the ticket of another"),
                (State::Rejected | State::Failed | State::Skipped | State::Cancelled, _)
                    if self.hubsoft.has(*id) =>
                {
                    format!("row {id} is {:?}, and has a ticket or will have", row.state)
                }
                _ => continue,
            };
            self.violation = Some(violation);
        }
    }

    /// Whether all is settled or shown to a person, and nothing comes any more.
    pub fn is_at_rest(&self) -> bool {
        let is_visible =
            |row: &Row| State::DONE_WITH.contains(&row.state) || State::NEEDS_A_PERSON.contains(&row.state);
        self.shelf.rows.values().all(is_visible)
            && !self.hubsoft.is_late()
            && self.lives.iter().all(|life| life.rests())
    }

    /// When something is due by the clock alone.
    pub fn due(&self) -> Option<Duration> {
        let lives = self.lives.iter().filter_map(|life| life.due(self.now)).min();
        let due = [lives, self.hubsoft.due(), self.comes_back_at].into_iter().flatten().min()?;
        // A machine looks when its grid says so.
        let n_steps = due.as_nanos().div_ceil(GRID.as_nanos());
        Some(GRID * u32::try_from(n_steps).expect("no world is so old"))
    }

    /// Whether nobody's lease has run out.
    pub fn all_live(&self) -> bool {
        let now = self.time();
        self.shelf
            .board
            .seats
            .values()
            .all(|seat| now <= seat.lease_until && seat.server == self.shelf.server)
    }

    /// What tells this world from others. Which of two workers did it does not.
    pub fn print(&self) -> u128 {
        let now = Clocks { run: self.now, awake: self.now, wall: self.time() };
        let may_be_forgotten = 0 < self.left.failovers
            || self.standby.is_some()
            || !self.lives.iter().all(|life| life.is_over || life.connection.has_told(&self.shelf));
        let mut lives: Vec<(u128, u64)> = Vec::new();
        for life in self.lives.iter().filter(|life| !life.is_over || !life.rests()) {
            let mut to = Printer::default();
            life.print(self.now, may_be_forgotten, &mut to);
            lives.push((to.printed(), life.connection.id));
        }
        lives.sort_unstable();
        let rank = |id: u64| match lives.iter().position(|(_, other)| *other == id) {
            Some(rank) => rank as u64,
            None => 9 + id,
        };
        let mut to = Printer::default();
        lives.iter().for_each(|(print, _)| print.hash(&mut to));
        print_shelf(&self.shelf, &now, rank, &mut to);
        self.hubsoft.print(&now, rank, &mut to);
        self.left.hash(&mut to);
        self.standby.as_ref().map(|standby| standby.since).print(&now, &mut to);
        if let Some(standby) = &self.standby {
            print_shelf(&standby.shelf, &now, rank, &mut to);
        }
        self.comes_back_at.print(&now, &mut to);
        to.printed()
    }
}

fn print_shelf(shelf: &Shelf, now: &Clocks, rank: impl Fn(u64) -> u64, to: &mut Printer) {
    shelf.server.hash(to);
    for row in shelf.rows.values() {
        print_row(row, now, &rank, to);
    }
    let mut seats: Vec<_> = shelf.board.seats.iter().map(|(id, seat)| (rank(*id), seat)).collect();
    seats.sort_unstable_by_key(|(rank, _)| *rank);
    for (rank, seat) in seats {
        (rank, seat.n_renewals, seat.server).hash(to);
        seat.lease_until.print(now, to);
    }
}

/// Of a row that is done its times tell nothing.
fn print_row(row: &Row, now: &Clocks, rank: impl Fn(u64) -> u64, to: &mut Printer) {
    (row.state, row.token, rank(row.worker), row.attempts, row.is_claimed, row.first_claim).hash(to);
    row.opening.as_ref().map(|opening| opening.id_atendimento).hash(to);
    if row.state.waits() || row.state == State::InFlight {
        (row.available_at, row.sent_at, &row.doubt).print(now, to);
    }
}
