//! Persons and programs that do something to rows while the world lives: which of it, each seed chooses.

use std::cell::RefCell;
use std::time::Duration;

use mutirao::delivery::{Clock, OpenedTicket, RowId, State};

use super::sabotage::Sabotage;
use super::server::Server;
use super::world::World;
use crate::support::breach::Breach;
use crate::support::memory_commands::{cancel, import_again, purge, resolve, resume_lotes, retry};
use crate::support::memory_outbox::{MemoryOutbox, Row};
use crate::support::replay::tell;
use crate::support::world::ticket;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The file comes again without one of its lines.
    LoseLine,
    /// With it again.
    BringLine,
    /// With another text in it.
    Correct,
    /// A program inserts a row.
    Insert,
    /// Rows that were refused are tried again.
    Retry,
    /// All that are finished without a ticket are.
    RetryAll,
    Cancel,
    Resolve,
    Purge,
    ResumeLotes,
    /// In SQL, whatever the row was.
    WritePending,
}

impl Deed {
    const ALL: [Self; 11] = [
        Self::LoseLine,
        Self::BringLine,
        Self::Correct,
        Self::Insert,
        Self::Retry,
        Self::RetryAll,
        Self::Cancel,
        Self::Resolve,
        Self::Purge,
        Self::ResumeLotes,
        Self::WritePending,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::LoseLine => "a line is lost",
            Self::BringLine => "a line comes again",
            Self::Correct => "a line is corrected",
            Self::Insert => "a program inserts a row",
            Self::Retry => "retry",
            Self::RetryAll => "retry of all states",
            Self::Cancel => "cancel",
            Self::Resolve => "resolve",
            Self::Purge => "purge",
            Self::ResumeLotes => "lotes are resumed",
            Self::WritePending => "pending is written into rows",
        }
    }
}

pub struct People {
    /// Their own: what they do moves no other dice.
    rng: RefCell<fastrand::Rng>,
    pub does: Vec<Deed>,
}

/// Nobody says that there is no ticket before a slow server has had its time.
const WORD_AFTER: Duration = Duration::from_secs(240);

impl People {
    pub fn new(seed: u64, sabotage: Sabotage) -> Self {
        let mut rng = fastrand::Rng::with_seed(!seed);
        let mut does = match rng.u32(0..3) {
            0 => Vec::new(),
            1 => vec![Deed::ALL[rng.usize(0..Deed::ALL.len())]],
            _ => Deed::ALL.into_iter().filter(|_| rng.bool()).collect(),
        };
        does.extend(match sabotage {
            Sabotage::Breach(Breach::ClaimWithoutDoubt | Breach::DoubtFromClaim) => Some(Deed::WritePending),
            Sabotage::Breach(Breach::ForgetConflicts | Breach::RetryDoubts) => Some(Deed::RetryAll),
            Sabotage::Breach(Breach::KeepWhatWasDone) => Some(Deed::Retry),
            Sabotage::Breach(Breach::WithdrawDoubts) => Some(Deed::LoseLine),
            _ => None,
        });
        Self { rng: RefCell::new(rng), does }
    }

    /// One deed, if anybody answers. Returns whether rows came in.
    pub fn act(&self, home: usize, outbox: &MemoryOutbox, world: &World) -> bool {
        let rng = &mut *self.rng.borrow_mut();
        if self.does.is_empty() || outbox.is_down() {
            return false;
        }
        let deed = self.does[rng.usize(0..self.does.len())];
        let now = world.clock.now();
        let n_rows = outbox.n_rows();
        let row = RowId(rng.i64(1..=n_rows));
        tell(world.clock, || format!("{} ({})", deed.name(), row.0));
        let text = format!("Corrigido {}", rng.u32(0..3));
        let is_done = match deed {
            Deed::LoseLine => {
                outbox.lose_line(row);
                true
            }
            Deed::BringLine => outbox.at_once(|it| {
                import_again(it, row, None, now);
                true
            }),
            Deed::Correct => outbox.at_once(|it| {
                let service = it.rows[&row.0].ticket.id_cliente_servico.get();
                import_again(it, row, Some(ticket(service, &text)), now);
                true
            }),
            Deed::Insert => {
                let lote = world.lote(rng);
                outbox.insert_in(lote, world.draw_ticket(rng, lote), now);
                true
            }
            Deed::Retry => outbox.at_once(|it| 0 < retry(it, &[State::Rejected, State::Failed], now)),
            Deed::RetryAll => outbox.at_once(|it| 0 < retry(it, &State::RETRYABLE, now)),
            Deed::Cancel => outbox.at_once(|it| 0 < cancel(it, world.lote(rng))),
            Deed::Resolve => outbox.at_once(|it| {
                let found = it.rows.iter().find(|(_, it)| it.state.takes_a_word());
                let Some((id, row)) = found else { return false };
                let Some(opening) = truth(&world.server, home, row) else { return false };
                let id = RowId(*id);
                resolve(it, id, opening, now)
            }),
            Deed::Purge => outbox.at_once(|it| {
                purge(it);
                true
            }),
            Deed::ResumeLotes => outbox.at_once(|it| !resume_lotes(it).is_empty()),
            // Over what seems stuck, or whatever it is.
            Deed::WritePending => outbox.at_once(|it| {
                let stuck = it.rows.iter_mut().filter(|(id, it)| it.state.is_live() || **id == row.0);
                0 < stuck.map(|(_, row)| row.write_pending(now)).filter(|it| *it).count()
            }),
        };
        if is_done {
            world.server.saw(deed.name());
        }
        deed == Deed::Insert
    }
}

/// What who looks into HubSoft sees of a row; `None`: it is too early to tell.
fn truth(server: &Server, home: usize, row: &Row) -> Option<Option<OpenedTicket>> {
    server.truth(home, row.marker.as_str(), WORD_AFTER)
}
