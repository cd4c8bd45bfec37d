//! A first look at a file whose name some batch has: which of the batch's rows it has, before anything is
//! changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::decide::Comparison;
use crate::app::fault::Fault;
use crate::app::staging::hexadecimal;
use crate::delivery::State;
use crate::delivery::identity::{Content, normal_number};
use crate::intake::Intake;
use crate::outbox::{AnyReader, BatchInfo, Cursor, Scope};
use crate::ticket::Field;

/// Rows read from the outbox at a time.
const PAGE_ROWS: usize = 1000;

/// What a file has, by hashes: some 50 bytes a row are kept.
pub struct Look {
    pub content: Content,
    pub sha256: String,
    headers: Vec<String>,
    /// The column of the service.
    service: Option<String>,
    n_rows: u64,
    rows: HashMap<u64, Line>,
}

#[derive(Clone, Copy)]
struct Line {
    number: u64,
    cells: u64,
    service: u64,
    /// Whether the batch that is being compared has it.
    is_known: bool,
}

impl Look {
    /// Reads a file whole.
    pub fn of(mut intake: Intake) -> Result<Self, Fault> {
        let headers = intake.headers().to_vec();
        let service = intake.column_of(Field::IdClienteServico.name()).map(str::to_owned);
        let service_at =
            service.as_ref().and_then(|service| headers.iter().position(|header| header == service));
        let mut look = Self {
            content: Content::default(),
            sha256: String::new(),
            headers,
            service,
            n_rows: 0,
            rows: HashMap::new(),
        };
        let mut occurrences: HashMap<u64, u64> = HashMap::new();
        while let Some(row) = intake.next_row()? {
            let key = row.content_key();
            look.content.add(key);
            look.n_rows += 1;
            // As the merge has it: a row of another outbox keeps its code.
            let referencia = match row.identity() {
                Some((Some(code), referencia)) => format!("{}.{referencia}", code.number()),
                Some((None, referencia)) => referencia.into_owned(),
                None => {
                    let n = occurrences.entry(hash(key.as_str())).or_default();
                    *n += 1;
                    key.reference(*n)
                }
            };
            let mut reference = hash(&*referencia);
            if look.rows.contains_key(&reference) {
                reference = hash(&*format!("{referencia}#{}", row.line));
            }
            let cells: Vec<_> = row.own_cells().collect();
            let service = service_at.and_then(|at| cells.get(at)).map_or(0, |cell| hash_cell(cell));
            let line = Line { number: row.line, cells: hash_cells(&cells), service, is_known: false };
            look.rows.insert(reference, line);
        }
        look.sha256 = intake.finish().sha256.map(hexadecimal).unwrap_or_default();
        Ok(look)
    }

    /// The rows of the file beside those of a batch.
    pub async fn compare(&mut self, reader: AnyReader<'_>, batch: &BatchInfo) -> Result<Comparison, Fault> {
        for line in self.rows.values_mut() {
            line.is_known = false;
        }
        let source = &batch.source;
        let is_alike = source.headers == self.headers;
        let service_at = self
            .service
            .as_ref()
            .and_then(|service| source.headers.iter().position(|header| header == service));
        let mut found = Comparison { n_rows: self.n_rows, ..Comparison::default() };
        let mut after = Cursor::default();
        loop {
            let page = reader.rows_page(Scope::Batch(batch.id), after, PAGE_ROWS).await?;
            let (rows, next) = page.rows()?;
            for row in &rows {
                let Some(line) = self.line_of(&row.referencia) else {
                    if row.is_gone {
                        continue; // It was so before.
                    }
                    found.gone += 1;
                    found.gone_unsent += u64::from(matches!(row.state, State::Pending));
                    continue;
                };
                line.is_known = true;
                if row.is_corrected {
                    found.unchanged += 1; // Its cells are a correction's, which stands.
                    continue;
                }
                let service = service_at.and_then(|at| row.cells.get(at)).map_or(0, |cell| hash_cell(cell));
                if service != 0 && line.service != 0 && service != line.service {
                    found.reused += 1;
                } else if is_alike && hash_cells(&row.cells) == line.cells {
                    found.unchanged += 1;
                } else {
                    found.changed += 1;
                }
            }
            let Some(next) = next else { break };
            after = next;
        }
        found.new = self.rows.values().filter(|line| !line.is_known).count() as u64;
        // A purged batch keeps no cells: they tell nothing.
        if source.sha256 == self.sha256 && !self.sha256.is_empty() {
            found = Comparison { unchanged: found.unchanged + found.changed, changed: 0, ..found };
        }
        Ok(found)
    }

    /// The line that a row of the batch is. One that was refused for its reference has its line behind that.
    fn line_of(&mut self, referencia: &str) -> Option<&mut Line> {
        let mut key = hash(referencia);
        if !self.rows.contains_key(&key) {
            let (referencia, number) = referencia.rsplit_once('#')?;
            let number: u64 = number.parse().ok()?;
            key = hash(referencia);
            self.rows.get(&key).filter(|line| line.number == number)?;
        }
        self.rows.get_mut(&key)
    }
}

fn hash<T: Hash + ?Sized>(hashed: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    hashed.hash(&mut hasher);
    hasher.finish()
}

fn hash_cells<T: AsRef<str>>(cells: &[T]) -> u64 {
    // A short row is filled up with blanks.
    let n = cells.iter().rposition(|cell| !cell.as_ref().trim().is_empty()).map_or(0, |last| last + 1);
    let mut hasher = DefaultHasher::new();
    for cell in &cells[..n] {
        hash_cell(cell.as_ref()).hash(&mut hasher);
    }
    hasher.finish()
}

/// Of a cell as it survives being saved by a spreadsheet program.
fn hash_cell(cell: &str) -> u64 {
    hash(&*normal_number(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mere_re_save_changes_no_cell() {
        for (one, other) in [
            ("11000", "11000.0"),
            ("Sem sinal\r\ndesde ontem", "Sem sinal\ndesde ontem "),
            ("São João", "Sa\u{303}o Joa\u{303}o"),
        ] {
            assert_eq!(hash_cell(one), hash_cell(other), "{one}");
        }
        for (one, other) in [("11000", "11001"), ("1.5", "15"), ("a b", "ab")] {
            assert_ne!(hash_cell(one), hash_cell(other), "{one}");
        }
        assert_eq!(hash_cells(&["a", "b", ""]), hash_cells(&["a", "b"]));
        assert_ne!(hash_cells(&["a", "", "b"]), hash_cells(&["a", "b"]));
    }
}
