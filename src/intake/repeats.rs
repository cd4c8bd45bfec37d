//! Finding rows that repeat an earlier one, in memory.

use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;

use foldhash::quality::RandomState;

use crate::ticket::Ticket;

/// What was seen, and on which line. For `check`; `import` asks its outbox.
///
/// A row is kept as 64 bits of a hash under a random key, and its line: 12 bytes. Two different rows
/// of a million share a hash with a chance of 3e-8. The second of them would be reported as a repeat
/// that it is not; nothing is sent or left out because of it, since `import` compares 128 bits
/// ([`Ticket::repeat_key`]).
///
/// Rows are compared at the end, part by part: a table of all rows is larger than any cache, and
/// filling it costs a wait for memory a row.
pub struct Repeats {
    hasher: RandomState,
    /// By the hash's first byte.
    parts: Vec<Part>,
}

/// A row that says what an earlier one said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub line: u64,
    pub first_line: u64,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { hasher: RandomState::default(), parts: (0..N_PARTS).map(|_| Part::default()).collect() }
    }
}

impl Repeats {
    /// Adds a row. Lines beyond 2^32 - 1 are told as that.
    pub fn add(&mut self, ticket: &Ticket, line: u64) {
        let mut hash = self.hasher.build_hasher();
        let (service, kind, text) = ticket.content();
        hash.write_i64(service);
        hash.write_i64(kind);
        hash.write(text.as_bytes());
        self.push(hash.finish(), line);
    }

    fn push(&mut self, hash: u64, line: u64) {
        let line = u32::try_from(line).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        self.parts[(hash >> 56) as usize].push(Seen { hash: [(hash >> 32) as u32, hash as u32], line });
    }

    /// The repeats, in the order of their lines.
    pub fn finish(self) -> Vec<Repeat> {
        let mut found = Vec::new();
        let mut table = Vec::new();
        for part in self.parts {
            part.compare(&mut table, &mut found);
        }
        found.sort_unstable_by_key(|repeat: &Repeat| repeat.line);
        found
    }
}

const N_PARTS: usize = 256;

/// Rows that share the first byte of their hash, in their order. In chunks, which never move.
#[derive(Default)]
struct Part {
    chunks: Vec<Vec<Seen>>,
}

const CHUNK_LEN: usize = 512;

/// 12 bytes, as an `Option` too.
#[derive(Clone, Copy)]
struct Seen {
    hash: [u32; 2],
    line: NonZeroU32,
}

impl Part {
    fn push(&mut self, seen: Seen) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK_LEN => chunk.push(seen),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK_LEN);
                chunk.push(seen);
                self.chunks.push(chunk);
            }
        }
    }

    /// Uses `table` to find rows by their hash, with linear probing. It is of the part's size, so that
    /// it stays in the cache.
    fn compare(&self, table: &mut Vec<Option<Seen>>, found: &mut Vec<Repeat>) {
        let n_slots = (self.chunks.len() * CHUNK_LEN * 2).next_power_of_two();
        table.clear();
        table.resize(n_slots, None);
        for seen in self.chunks.iter().flatten() {
            let mut at = seen.hash[1] as usize;
            let first = loop {
                match &mut table[at & (n_slots - 1)] {
                    Some(first) if first.hash == seen.hash => break Some(first.line),
                    Some(_) => at += 1,
                    free => {
                        *free = Some(*seen);
                        break None;
                    }
                }
            };
            if let Some(first_line) = first {
                let [line, first_line] = [seen.line, first_line].map(|line| line.get().into());
                found.push(Repeat { line, first_line });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::{Field, RawTicket};

    fn ticket(service: u64, descricao: &str) -> Ticket {
        let service = service.to_string();
        let raw = RawTicket::from([
            (Field::IdClienteServico, service.as_str()),
            (Field::Descricao, descricao),
            (Field::Nome, "Ana"),
            (Field::Telefone, "37999112233"),
        ]);
        Ticket::parse(&raw).unwrap().ticket
    }

    #[test]
    fn the_first_line_is_told() {
        let mut repeats = Repeats::default();
        let rows = [(1, "a a"), (2, "a a"), (1, "b"), (1, "a a"), (1, "a\u{A0} a"), (1, "A a")];
        for (line, (service, descricao)) in (2..).zip(rows) {
            repeats.add(&ticket(service, descricao), line);
        }
        let repeat = |line| Repeat { line, first_line: 2 };
        assert_eq!(repeats.finish(), [repeat(5), repeat(6)]);
    }

    #[test]
    fn every_repeat_of_many_rows_is_found_and_no_other() {
        let mut repeats = Repeats::default();
        // Spread like a hash.
        let hash = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let n_rows = 300_000;
        for line in 1..=2 * n_rows {
            repeats.push(hash(line % n_rows), line);
        }
        let found = repeats.finish();
        let expected = (n_rows + 1..=2 * n_rows).map(|line| Repeat { line, first_line: line - n_rows });
        assert!(found.into_iter().eq(expected));
    }
}
