//! Who a row is: its reference within a batch, and the marker by which its ticket is recognised.
//!
//! Frozen by golden vectors: a change here makes rows that were already opened look new, and opens
//! them twice. A better validator must not change it, so the reference is of raw cells.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Crockford's base32: no I, L, O or U, so that a person can read a marker out on the phone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a [`ContentKey`]: 80 bits, so that a million rows collide with a chance of 1e-12.
pub const CONTENT_KEY_LEN: usize = 16;

/// Characters of a marker: 60 bits.
pub const MARKER_LEN: usize = 12;

/// What the markers of a batch are hashed with besides the reference: random, made with the batch by its
/// outbox, in hexadecimal (128 bits or more). So no marker ever comes twice: not next month, not in another folder.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct BatchKey(pub String);

/// Who knows the key can make markers that pass for ours.
impl fmt::Debug for BatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchKey(…)")
    }
}

/// What a row says, as a key: the raw cells of service, type and description, as they stand in the
/// file. A row's reference is this and, from the second occurrence in the file on, `-N`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentKey([u8; CONTENT_KEY_LEN]);

impl ContentKey {
    pub fn new(id_cliente_servico: &str, id_tipo_atendimento: &str, descricao: &str) -> Self {
        Self(base32(&digest(&["content", id_cliente_servico, id_tipo_atendimento, descricao])))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }

    /// The reference of the `occurrence`th row (from 1) with this content.
    pub fn reference(&self, occurrence: u64) -> String {
        if occurrence <= 1 { self.as_str().to_owned() } else { format!("{}-{occurrence}", self.as_str()) }
    }
}

/// The twelve characters in ` [ref XXXXXXXXXXXX]` at the end of `descricao`, the only field that is
/// both sent and read back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Marker([u8; MARKER_LEN]);

impl Marker {
    pub fn new(key: &BatchKey, reference: &str) -> Self {
        Self(base32(&digest(&["marker", &key.0, reference])))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }

    /// Whether `descricao` carries this marker, wherever HubSoft's own suffix stands: as it was sent, or as a server
    /// gives texts back that capitalises them, escapes them for HTML (once or twice) or breaks their lines anew.
    pub fn is_in(&self, descricao: &str) -> bool {
        let marker = self.to_string();
        let marker = marker.trim_start();
        if descricao.contains(marker) {
            return true;
        }
        // Most texts that lack it have nothing to undo.
        let once = html_escape::decode_html_entities(descricao);
        let twice = html_escape::decode_html_entities(&once);
        let words = twice.split_whitespace().collect::<Vec<_>>().join(" ");
        words.to_ascii_uppercase().contains(&marker.to_ascii_uppercase())
    }
}

/// As it is appended to `descricao`, with the blank that separates it.
impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " [ref {}]", self.as_str())
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Marker({})", self.as_str())
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentKey({})", self.as_str())
    }
}

/// SHA-256 over parts, each behind its length, so that no two lists of parts hash the same bytes.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// The first `5 * N` bits of `hash`.
fn base32<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    const { assert!(5 * N <= 256) };
    std::array::from_fn(|at| {
        let (byte, shift) = (at * 5 / 8, at * 5 % 8);
        let pair = u16::from(hash[byte]) << 8 | u16::from(*hash.get(byte + 1).unwrap_or(&0));
        ALPHABET[usize::from(pair >> (11 - shift) & 31)]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frozen. If one of these fails, the change is wrong, not the test.
    #[test]
    fn golden_vectors() {
        let key = |service, kind, text| ContentKey::new(service, kind, text).as_str().to_owned();
        let marker = |key: &str, reference| Marker::new(&BatchKey(key.to_owned()), reference).to_string();
        // Computed once by another implementation (Python's hashlib).
        assert_eq!(key("11000", "", "Sem sinal"), "EW9FFZZEGMRQN5TZ");
        assert_eq!(key("11000", "17", "Sem sinal"), "RWC7QW3YFEJV67MM");
        assert_eq!(key(" 11000", "", "Sem sinal"), "WX0GE07RKEXXYVHV");
        assert_eq!(key("", "", ""), "0B94M1XJCS064T2V");
        assert_eq!(key("11000", "", "Sem conexão\nDesde ontem 🙂"), "D7GX3Q2QPHBXK65E");
        assert_eq!(marker("000102030405060708090a0b0c0d0e0f", "a"), " [ref XF3CFFBWXXJ3]");
        assert_eq!(marker("000102030405060708090a0b0c0d0e0f", "a-2"), " [ref SZW998EBS537]");
        assert_eq!(marker("ffeeddccbbaa99887766554433221100", "a"), " [ref 5NN703FV8CGB]");
        assert_eq!(marker("", ""), " [ref VXEBBX5TPJNC]");
        let second = ContentKey::new("11000", "", "Sem sinal").reference(2);
        assert_eq!(second, "EW9FFZZEGMRQN5TZ-2");
    }

    #[test]
    fn the_first_bits_of_the_hash_in_order() {
        let mut hash = [0_u8; 32];
        // 00001 00010 00011 00100, and what follows.
        hash[..3].copy_from_slice(&[0b0000_1000, 0b1000_0110, 0b0100_1111]);
        assert_eq!(base32::<4>(&hash), *b"1234");
        assert_eq!(base32::<12>(&[0xFF; 32]), *b"ZZZZZZZZZZZZ");
    }

    #[test]
    fn a_marker_is_found_wherever_it_stands() {
        let marker = Marker::new(&BatchKey("queda".to_owned()), "a");
        assert!(marker.is_in(&format!("Sem sinal{marker} | ATENDIMENTO ABERTO VIA API")));
        assert!(marker.is_in(&format!("Sem sinal\n{}", marker.to_string().trim())));
        assert!(!marker.is_in("Sem sinal | ATENDIMENTO ABERTO VIA API"));
        let sent = format!("Sem sinal{marker} | ATENDIMENTO ABERTO VIA API");
        assert!(marker.is_in(&sent.to_uppercase()));
        assert!(marker.is_in(&sent.to_lowercase()));
        assert!(marker.is_in(&sent.replace('[', "&#91;").replace(']', "&#x5D;")));
        assert!(marker.is_in(&sent.replace('[', "&amp;lbrack;").replace(']', "&amp;rbrack;")));
        assert!(marker.is_in(&sent.replace(' ', "&nbsp;")));
        assert!(marker.is_in(&sent.replace("[ref ", "[ref\r\n")));
        let other = Marker::new(&BatchKey("queda".to_owned()), "b");
        assert!(!other.is_in(&sent.to_uppercase()), "another row's");
        assert!(!marker.is_in(marker.as_str()), "without its brackets it may be anything");
    }

    proptest! {
        #[test]
        fn where_a_part_ends_matters(a in ".{0,12}", b in ".{0,12}", cut in 0_usize..12) {
            let joined: Vec<char> = a.chars().chain(b.chars()).collect();
            let cut = cut.min(joined.len());
            let (left, right): (String, String) = (joined[..cut].iter().collect(), joined[cut..].iter().collect());
            prop_assert_eq!(
                ContentKey::new(&a, &b, "x") == ContentKey::new(&left, &right, "x"),
                (a.as_str(), b.as_str()) == (left.as_str(), right.as_str())
            );
        }
    }
}
