//! A row before anybody has judged it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ByField, Field};

/// The fields of one row as text; an absent or blank cell is `None`. A cell of an object is its JSON.
///
/// This is the form in which an outbox stores a row: lenient, because validation is the reader's
/// job and must never break a producer's transaction.
///
/// Serialized as a list in the order of [`Field::STORED`], without the blank end: names would be half of
/// what an outbox stores and reads for a row.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawTicket<'a>(ByField<Option<Cow<'a, str>>>);

impl<'a> RawTicket<'a> {
    /// Of a cell for each field.
    #[inline]
    pub fn of(cell: impl FnMut(Field) -> Option<Cow<'a, str>>) -> Self {
        Self(ByField::of(cell))
    }

    #[inline]
    pub fn get(&self, field: Field) -> Option<&str> {
        self.0[field].as_deref()
    }

    #[inline]
    pub fn get_mut(&mut self, field: Field) -> &mut Option<Cow<'a, str>> {
        &mut self.0[field]
    }
}

/// Of the fields that have a cell.
impl<'a, T: Into<Cow<'a, str>>, const N: usize> From<[(Field, T); N]> for RawTicket<'a> {
    fn from(cells: [(Field, T); N]) -> Self {
        let mut raw = Self::default();
        for (field, cell) in cells {
            *raw.get_mut(field) = Some(cell.into());
        }
        raw
    }
}

/// The service id as it stands; of everything else, the length only.
impl fmt::Debug for RawTicket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RawTicket");
        for field in Field::ALL {
            match self.get(field) {
                None => {}
                Some(cell) if field == Field::IdClienteServico => {
                    out.field(field.name(), &cell);
                }
                Some(cell) => {
                    out.field(field.name(), &format_args!("({} bytes)", cell.len()));
                }
            }
        }
        out.finish()
    }
}

impl Serialize for RawTicket<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let stored = Field::STORED.map(|field| self.get(field));
        let n_cells = stored.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        to.collect_seq(&stored[..n_cells])
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawTicket<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Cells)
    }
}

/// Serde borrows a plain `Cow`, but copies one behind an `Option`: this borrows both.
#[derive(Deserialize)]
struct Cell<'a>(#[serde(borrow)] Cow<'a, str>);

struct Cells;

impl<'de> Visitor<'de> for Cells {
    type Value = RawTicket<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cells of a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<RawTicket<'de>, A::Error> {
        let mut raw = RawTicket::default();
        for field in Field::STORED {
            let Some(cell) = cells.next_element::<Option<Cell<'de>>>()? else { break };
            *raw.get_mut(field) = cell.map(|Cell(text)| text);
        }
        Ok(raw) // More than these is refused by who reads the list.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_row_is_read_without_copying() {
        let stored = r#"[null,null,null,"Ana"]"#;
        let mut raw: RawTicket<'_> = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&raw).unwrap(), stored);
        assert!(matches!(raw.get_mut(Field::Nome), Some(Cow::Borrowed("Ana"))));
        assert_eq!(raw.get(Field::Descricao), None);
    }

    #[test]
    fn a_cell_is_stored_at_its_fields_place() {
        for field in Field::ALL {
            let raw = RawTicket::from([(field, "x")]);
            let stored = serde_json::to_string(&raw).unwrap();
            assert_eq!(stored, format!("[{}\"x\"]", "null,".repeat(field as usize)));
            assert!(serde_json::from_str::<RawTicket<'_>>(&stored).unwrap() == raw, "{stored}");
        }
    }

    #[test]
    fn a_field_of_a_later_program_is_not_passed_over() {
        let stored = format!("[{}\"x\"]", "null,".repeat(Field::ALL.len()));
        assert!(serde_json::from_str::<RawTicket<'_>>(&stored).is_err());
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let raw = RawTicket::from([(Field::Nome, "Ana")]);
        assert_eq!(format!("{raw:?}"), "RawTicket { nome: (3 bytes) }");
    }
}
