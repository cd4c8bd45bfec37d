//! Finding rows that repeat an earlier one, in memory.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};

use crate::ticket::Ticket;

/// What was seen, and on which line first. For `check`; `import` asks its outbox.
///
/// A row is kept as 64 bits of a hash under a random key, and its line: at most 27 bytes a row on
/// average, and 32 while a part grows. Two different rows of a million share a hash with a chance of
/// 3e-8. The second of them would be reported as a repeat that it is not; nothing is sent or left out
/// because of it, since `import` compares 128 bits ([`Ticket::repeat_key`]).
pub struct Repeats {
    hasher: RandomState,
    /// By the hash's first byte: one part grows at a time, so that the old and the new place of
    /// all rows never stand side by side.
    parts: Vec<Part>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { hasher: RandomState::new(), parts: (0..N_PARTS).map(|_| Part::default()).collect() }
    }
}

impl Repeats {
    /// The line on which the same service, type and description stood first; `None`: here.
    ///
    /// Lines beyond 2^32 - 1 are told as that.
    pub fn first_line(&mut self, ticket: &Ticket, line: u64) -> Option<u64> {
        let mut hash = self.hasher.build_hasher();
        ticket.id_cliente_servico.hash(&mut hash);
        ticket.id_tipo_atendimento.hash(&mut hash);
        ticket.descricao.as_str().hash(&mut hash);
        let hash = hash.finish();
        let part = &mut self.parts[(hash >> 56) as usize];
        part.insert(hash, u32::try_from(line).unwrap_or(u32::MAX)).map(u64::from)
    }

    #[cfg(test)]
    fn n_bytes(&self) -> usize {
        self.parts.iter().map(|it| it.slots.len() * size_of::<Slot>()).sum()
    }
}

const N_PARTS: usize = 256;

/// A hash table with linear probing.
#[derive(Default)]
struct Part {
    slots: Vec<Slot>,
    n_used: usize,
}

/// 12 bytes. `line` 0: free.
#[derive(Clone, Copy, Default)]
struct Slot {
    hash: [u32; 2],
    line: u32,
}

impl Part {
    /// The line under which `hash` was inserted first; `None`: now.
    fn insert(&mut self, hash: u64, line: u32) -> Option<u32> {
        // Seven eighths full: then half as many slots again, so that 20 to 14 bytes a row are used.
        if self.slots.len() * 7 <= self.n_used * 8 {
            self.grow();
        }
        let at = find(&self.slots, hash);
        let slot = &mut self.slots[at];
        if slot.line != 0 {
            return Some(slot.line);
        }
        *slot = Slot { hash: halves(hash), line: line.max(1) };
        self.n_used += 1;
        None
    }

    fn grow(&mut self) {
        let mut slots = vec![Slot::default(); self.slots.len() * 3 / 2 + 16];
        for slot in self.slots.iter().filter(|it| it.line != 0) {
            let at = find(&slots, u64::from(slot.hash[0]) << 32 | u64::from(slot.hash[1]));
            slots[at] = *slot;
        }
        self.slots = slots;
    }
}

/// The slot that holds `hash`, or the free one where it belongs. There is always a free one.
fn find(slots: &[Slot], hash: u64) -> usize {
    // The first byte chose the part; the 32 bits behind it choose the slot.
    let spread = (hash >> 24) & 0xFFFF_FFFF;
    let mut at = ((spread * slots.len() as u64) >> 32) as usize;
    while slots[at].line != 0 && slots[at].hash != halves(hash) {
        at = if at + 1 == slots.len() { 0 } else { at + 1 };
    }
    at
}

fn halves(hash: u64) -> [u32; 2] {
    [(hash >> 32) as u32, hash as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::RawTicket;

    fn ticket(service: u64, descricao: &str) -> Ticket {
        let service = service.to_string();
        let raw = RawTicket {
            id_cliente_servico: Some(service.as_str().into()),
            descricao: Some(descricao.into()),
            nome: Some("Ana".into()),
            telefone: Some("37999112233".into()),
            ..RawTicket::default()
        };
        Ticket::parse(&raw).unwrap().ticket
    }

    #[test]
    fn the_first_line_is_told() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.first_line(&ticket(1, "a"), 2), None);
        assert_eq!(repeats.first_line(&ticket(2, "a"), 3), None);
        assert_eq!(repeats.first_line(&ticket(1, "b"), 4), None);
        assert_eq!(repeats.first_line(&ticket(1, "a"), 5), Some(2));
        assert_eq!(repeats.first_line(&ticket(1, "a"), 6), Some(2));
    }

    #[test]
    fn a_row_costs_at_most_32_bytes_while_growing_too() {
        let mut repeats = Repeats::default();
        let mut part_max = 0;
        for n in 1..200_000_u64 {
            // Spread like a hash; the table takes any.
            let hash = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let part = &mut repeats.parts[(hash >> 56) as usize];
            assert_eq!(part.insert(hash, n as u32), None);
            part_max = part_max.max(part.slots.len() * size_of::<Slot>());
            if n % 997 == 0 && 20_000 < n {
                assert!(repeats.n_bytes() + part_max * 3 / 2 <= n as usize * 32, "{n} rows");
            }
        }
        for n in 1..200_000_u64 {
            let hash = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            assert_eq!(repeats.parts[(hash >> 56) as usize].insert(hash, 9), Some(n as u32));
        }
    }
}
