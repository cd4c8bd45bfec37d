//! Finding rows that repeat an earlier one, in memory.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use crate::ticket::{Id, Ticket};

/// What was seen, and on which line first. For `check`; `import` asks its outbox.
///
/// A row is kept as 64 bits of a hash under a random key, and its line: 16 to 24 bytes a row, and
/// less than 32 while a part grows. Two different rows of a million share a hash with a chance of
/// 3e-8. The second of them would be reported as a repeat that it is not; nothing is sent or left out
/// because of it, since `import` compares 128 bits ([`Ticket::repeat_key`]).
pub struct Repeats {
    hasher: RandomState,
    /// By the hash's first byte: one part grows at a time, so that the old and the new place of
    /// all rows never stand side by side.
    parts: Vec<Part>,
    /// Rows that were added and not compared yet: hash and line.
    waiting: Vec<(u64, u32)>,
}

/// A row that says what an earlier one said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub line: u64,
    pub first_line: u64,
}

/// How many rows are compared together. With each one alone, most of the time of a check went into
/// waiting for memory; the waits of a batch overlap.
const BATCH_LEN: usize = 64;

impl Default for Repeats {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            parts: (0..N_PARTS).map(|_| Part::default()).collect(),
            waiting: Vec::with_capacity(BATCH_LEN),
        }
    }
}

impl Repeats {
    /// Adds a row. Now and then tells `found` of the repeats among the last 64 rows, in their order.
    ///
    /// Lines beyond 2^32 - 1 are told as that.
    pub fn add(&mut self, ticket: &Ticket, line: u64, found: impl FnMut(Repeat)) {
        let mut hash = self.hasher.build_hasher();
        hash.write_i64(ticket.id_cliente_servico.get());
        // 0 is no id: it stands for the absent type.
        hash.write_i64(ticket.id_tipo_atendimento.map_or(0, Id::get));
        hash.write(ticket.descricao.as_str().as_bytes());
        self.push(hash.finish(), line, found);
    }

    /// Tells of the repeats that are left.
    pub fn finish(mut self, found: impl FnMut(Repeat)) {
        self.compare(found);
    }

    fn push(&mut self, hash: u64, line: u64, found: impl FnMut(Repeat)) {
        self.waiting.push((hash, u32::try_from(line).unwrap_or(u32::MAX)));
        if self.waiting.len() == BATCH_LEN {
            self.compare(found);
        }
    }

    fn compare(&mut self, mut found: impl FnMut(Repeat)) {
        // Reads one slot of each row and does nothing with it: the reads do not wait for each other,
        // and the comparisons below find the slots in the cache.
        let touched = self.waiting.iter().map(|(hash, _)| self.parts[part_of(*hash)].touch(*hash));
        std::hint::black_box(touched.fold(0, |sum, it| sum ^ it));
        for (hash, line) in self.waiting.drain(..) {
            if let Some(first) = self.parts[part_of(hash)].insert(hash, line) {
                found(Repeat { line: line.into(), first_line: first.into() });
            }
        }
    }

    #[cfg(test)]
    fn n_bytes(&self) -> usize {
        self.parts.iter().map(|it| it.slots.len() * size_of::<Slot>()).sum()
    }
}

fn part_of(hash: u64) -> usize {
    (hash >> 56) as usize
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
    fn touch(&self, hash: u64) -> u32 {
        self.slots.get(home(self.slots.len(), hash)).map_or(0, |it| it.line)
    }

    /// The line under which `hash` was inserted first; `None`: now.
    fn insert(&mut self, hash: u64, line: u32) -> Option<u32> {
        // Three quarters full: then half as many slots again, so that 16 to 24 bytes a row are used.
        if self.slots.len() * 3 <= self.n_used * 4 {
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
    let mut at = home(slots.len(), hash);
    while slots[at].line != 0 && slots[at].hash != halves(hash) {
        at = if at + 1 == slots.len() { 0 } else { at + 1 };
    }
    at
}

/// Where a hash belongs among so many slots. Its first byte chose the part; the 32 bits behind that
/// choose the slot.
fn home(n_slots: usize, hash: u64) -> usize {
    let spread = (hash >> 24) & 0xFFFF_FFFF;
    ((spread * n_slots as u64) >> 32) as usize
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
        let mut found = Vec::new();
        let rows = [(1, "a"), (2, "a"), (1, "b"), (1, "a"), (1, "a")];
        for (line, (service, descricao)) in (2..).zip(rows) {
            repeats.add(&ticket(service, descricao), line, |it| found.push(it));
        }
        repeats.finish(|it| found.push(it));
        let repeat = |line| Repeat { line, first_line: 2 };
        assert_eq!(found, [repeat(5), repeat(6)]);
    }

    #[test]
    fn a_row_costs_at_most_32_bytes_while_growing_too() {
        let mut repeats = Repeats::default();
        // Spread like a hash; the table takes any.
        let hash = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for n in 1..200_000 {
            repeats.push(hash(n), n, |it| panic!("no row is a repeat: {it:?}"));
            if n % 997 == 0 && 20_000 < n {
                // While a part grows, its old and new slots stand side by side.
                let part_max = repeats.parts.iter().map(|it| it.slots.len() * size_of::<Slot>()).max();
                assert!(repeats.n_bytes() + part_max.unwrap() <= n as usize * 32, "{n} rows");
            }
        }
        let mut n_found = 0;
        for n in 1..200_000 {
            repeats.push(hash(n), 200_000 + n, |it| {
                assert_eq!(it.first_line, it.line - 200_000);
                n_found += 1;
            });
        }
        repeats.finish(|_| n_found += 1);
        assert_eq!(n_found, 199_999);
    }
}
