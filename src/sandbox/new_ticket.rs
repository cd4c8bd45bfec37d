//! A ticket that was asked for.

use serde::{Deserialize, Serialize};

use crate::delivery::identity::MARKER_LEN;

/// What a valid request asks for. So it stands in the book, with the time.
#[derive(Serialize, Deserialize)]
pub(super) struct NewTicket {
    pub(super) service: i64,
    pub(super) tipo: i64,
    pub(super) descricao: String,
    pub(super) abrir_os: bool,
    pub(super) closed: bool,
}

/// The characters between the last `[ref ` and `]`.
pub(super) fn marker_in(descricao: &str) -> Option<[u8; MARKER_LEN]> {
    let (_, rest) = descricao.rsplit_once("[ref ")?;
    let (marker, _) = rest.split_once(']')?;
    marker.as_bytes().try_into().ok()
}
