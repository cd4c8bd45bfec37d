//! What a person said of the columns of a file with the same names.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::header::{self, Map};
use super::roles;

/// Which columns were said to be which fields, in files with these names of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What [`Intake::headers_key`](super::Intake::headers_key) gave.
    pub headers: String,
    pub maps: Vec<Map>,
}

/// What was said of files with these names.
pub(super) fn of_names<'a>(remembered: &'a [Remembered], names: &[String]) -> &'a [Map] {
    if remembered.is_empty() {
        return &[];
    }
    let key = key(names);
    remembered.iter().rfind(|known| known.headers == key).map_or(&[], |known| &known.maps)
}

/// A hash of the names of all columns, whatever their order: where the header is missing, persons stand
/// there. Without those that we add to results, so that a corrected file is known again too.
pub(super) fn key(names: &[String]) -> String {
    let is_ours = roles::ours(names);
    let own = names.iter().zip(is_ours).filter(|(_, ours)| ours.is_none());
    let mut normal: Vec<String> = own.map(|(name, _)| header::normal(name)).collect();
    normal.retain(|name| !name.is_empty());
    normal.sort_unstable();
    let hash = Sha256::digest(normal.join("\n").as_bytes());
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Writing to a string does not fail.
        text
    })
}

#[cfg(test)]
mod tests {
    use super::super::header::RESULT_COLUMNS;
    use super::*;

    #[test]
    fn files_are_of_one_kind_by_all_their_names() {
        let key = |names: &str| key(&names.split(';').map(str::to_owned).collect::<Vec<_>>());
        let ours = RESULT_COLUMNS.join(";");
        let known = key("Contrato;Assinante;Fone");
        for same in [
            "fone;CONTRATO ;assinante",
            "Contrato;;Assinante;Fone;",
            &format!("Contrato;Assinante;Fone;{ours}"),
        ] {
            assert_eq!(key(same), known, "{same}");
        }
        for other in ["Contrato;Assinante", "Contrato;Assinante;Fone;Fone", "Contrato;Assinante;Fone 2"] {
            assert_ne!(key(other), known, "{other}");
        }
    }
}
