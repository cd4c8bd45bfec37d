//! What can be seen of an outbox, by anybody who may read it.
//!
//! A lote that only programs wrote to, and that nobody has said anything of, has no row in `batch`:
//! its number is then its first row's, negated. So looking writes nothing, also on a standby.

mod batches;
mod course;
mod filter;
mod overview;
mod pages;
mod reasons;
mod row;
mod search;
mod status;

use crate::ticket::Field;

pub(super) use batches::imports_of;
pub(super) use filter::ReadFilter;
pub(super) use status::{Waiting, counts, counts_staged, halts};

/// A time in milliseconds, or NULL. What no clock shows becomes the end of times.
pub(super) fn ms(column: &str) -> String {
    format!(
        "CASE WHEN isfinite({column}) THEN floor(extract(epoch FROM {column}) * 1000)::bigint
              WHEN {column} > now() THEN {} WHEN {column} < now() THEN {} END",
        i64::MAX,
        i64::MIN + 1,
    )
}

/// The columns of results of rows that came from programs.
pub(super) fn field_names() -> Vec<String> {
    Field::ALL.map(|field| field.name().to_owned()).to_vec()
}
