//! The outbox of the simulation keeps the promises that a real one keeps.

use mutirao::delivery::{RowId, State};
use mutirao::ticket::{Field, RawTicket, Ticket};

use crate::outbox_conformance::{Bench, Seed, Seen, at, conforms};
use crate::support::memory_outbox::MemoryOutbox;
use crate::support::world::{in_virtual_time, ticket};

impl Bench for MemoryOutbox {
    async fn insert(&mut self, rows: &[Seed]) -> Vec<RowId> {
        let insert = |seed: &Seed| {
            let service = seed.service.to_string();
            let raw = RawTicket::from([
                (Field::IdClienteServico, &*service),
                (Field::Descricao, "x"),
                (Field::Nome, "m"),
                (Field::Telefone, seed.phone),
            ]);
            let problems = Ticket::parse(&raw).err().unwrap_or_default();
            self.insert_as(ticket(seed.service, "Sem sinal"), problems, seed.priority, at(0), None)
        };
        rows.iter().map(insert).collect()
    }

    async fn look(&self, row: RowId) -> Seen {
        let row = self.row(row.0);
        Seen {
            state: row.state,
            attempts: row.attempts,
            sent_at: row.sent_at,
            available_at: row.available_at,
            doubt: row.doubt,
            protocolo: row.opening.map(|it| it.protocolo),
            error_code: row.error_code,
            warning: (!row.warnings.is_empty())
                .then(|| row.warnings.iter().map(mutirao::text::warning).collect::<Vec<_>>().join("; ")),
            n_history: row.history.len(),
        }
    }

    async fn write_state(&mut self, row: RowId, state: State) {
        self.write_state_of(row, state);
    }
}

#[test]
fn it_conforms() {
    in_virtual_time(conforms(async || MemoryOutbox::default()));
}
