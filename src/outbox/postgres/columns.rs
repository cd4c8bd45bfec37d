//! The fields of a ticket as columns of `mutirao.outbox`. That the schema has them so is a test's affair
//! (`tests/it/outbox_postgres/fields.rs`).

use crate::ticket::{Field, Kind};

/// A list of SQL with an item for each field, in the order of [`Field::ALL`].
pub(super) fn each_field(item: impl FnMut(Field) -> String) -> String {
    Field::ALL.map(item).join(", ")
}

/// As a table has it. Lenient: an object that is none is a JSON string.
pub(super) fn definition(field: Field) -> String {
    let kind = if field.kind() == Kind::Object { "jsonb" } else { "text" };
    let presence = if field.is_required() { " NOT NULL" } else { "" };
    format!("{field} {kind}{presence}")
}

/// Of `o`: its cell as a producer wrote it, or NULL.
pub(super) fn cell(field: Field) -> String {
    match field.kind() {
        Kind::Object => format!("o.{field} #>> '{{}}'"),
        _ => format!("nullif(o.{field}, '')"),
    }
}
