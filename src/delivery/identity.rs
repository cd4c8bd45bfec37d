//! Who a row is: its reference within a batch, and the marker by which its ticket is recognised.
//!
//! Frozen by golden vectors: a change here makes rows that were already opened look new, and opens
//! them twice. A better validator must not change it, so the reference is of raw cells, freed only of what a
//! spreadsheet changes when it saves a file again (`normal`, `normal_number`).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::ticket::normal;

/// Crockford's base32: no I, L, O or U, so that a person can read a marker out on the phone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Characters of a [`ContentKey`]: 80 bits, so that a million rows collide with a chance of 1e-12.
pub const CONTENT_KEY_LEN: usize = 16;

/// Characters of a marker: 60 bits.
pub const MARKER_LEN: usize = 12;

/// What the markers of a batch are hashed with besides the reference: random, made with the batch by its
/// outbox, in hexadecimal (128 bits or more). So no marker ever comes twice: not next month, not in another
/// folder.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct BatchKey(pub String);

/// Who knows the key can make markers that pass for ours.
impl fmt::Debug for BatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BatchKey(…)")
    }
}

/// What a row says, as a key: the normalised cells of service, type and description. A row's reference is
/// this and, from the second occurrence in the file on, `-N`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentKey([u8; CONTENT_KEY_LEN]);

impl ContentKey {
    pub fn new(id_cliente_servico: &str, id_tipo_atendimento: &str, descricao: &str) -> Self {
        let (service, kind) = (normal_number(id_cliente_servico), normal_number(id_tipo_atendimento));
        Self(base32(&digest(&["content", &service, &kind, &normal(descricao)])))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }

    /// The reference of the `occurrence`th row (from 1) with this content.
    pub fn reference(&self, occurrence: u64) -> String {
        if occurrence <= 1 { self.as_str().to_owned() } else { format!("{}-{occurrence}", self.as_str()) }
    }
}

/// What the rows of a file ask for, whatever order and form they stand in: a sum of their content keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    sum: u128,
    n_rows: u64,
}

impl Content {
    pub fn add(&mut self, key: ContentKey) {
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(key.0));
        self.n_rows += 1;
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}-{}", self.sum, self.n_rows)
    }
}

/// As [`normal`]; and a number in digits is without what a spreadsheet takes from it or puts to it: `="007"`,
/// `007`, `7.0` and `7,00` are `7`.
pub fn normal_number(cell: &str) -> Cow<'_, str> {
    let cell = normal(cell);
    let inner = cell.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).unwrap_or(&cell);
    let (whole, fraction) = inner.split_once(['.', ',']).unwrap_or((inner, "0"));
    let all = |text: &str, fits: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| fits(&b));
    if !all(whole, u8::is_ascii_digit) || !all(fraction, |b| *b == b'0') {
        return cell;
    }
    let digits = whole.trim_start_matches('0');
    match if digits.is_empty() { "0" } else { digits } {
        digits if digits == cell => cell,
        digits => Cow::Owned(digits.to_owned()),
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

    /// Whether `descricao` carries this marker, wherever HubSoft's own suffix stands: as it was sent, or as a
    /// server gives texts back that capitalises them, escapes them for HTML (once or twice) or breaks their
    /// lines anew.
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
    use crate::ticket::{Field, RawTicket, Ticket};

    /// Frozen. If one of these fails, the change is wrong, not the test.
    #[test]
    fn golden_vectors() {
        let key = |service, kind, text| ContentKey::new(service, kind, text).as_str().to_owned();
        let marker = |key: &str, reference| Marker::new(&BatchKey(key.to_owned()), reference).to_string();
        // Computed once by another implementation (Python's hashlib).
        assert_eq!(key("11000", "", "Sem sinal"), "EW9FFZZEGMRQN5TZ");
        assert_eq!(key("11000", "17", "Sem sinal"), "RWC7QW3YFEJV67MM");
        assert_eq!(key(" 011000.0", "", "Sem  sinal\r\n"), "EW9FFZZEGMRQN5TZ");
        assert_eq!(key("11000", "", "\u{200B}Sem \u{AD}\u{A0}si\u{FEFF}nal"), "EW9FFZZEGMRQN5TZ");
        assert_eq!(key("", "", ""), "0B94M1XJCS064T2V");
        assert_eq!(key("11000", "", "Sem conexa\u{303}o\nDesde ontem 🙂"), "V50F7DNRERXXZBVM");
        assert_eq!(key("abc", "=\"7\"", "x"), "577900SNRV8H2TN2");
        assert_eq!(key("0", "0,0", "\u{A0}"), "11FADYNGKHR9HWE9");
        assert_eq!(marker("000102030405060708090a0b0c0d0e0f", "a"), " [ref XF3CFFBWXXJ3]");
        assert_eq!(marker("000102030405060708090a0b0c0d0e0f", "a-2"), " [ref SZW998EBS537]");
        assert_eq!(marker("ffeeddccbbaa99887766554433221100", "a"), " [ref 5NN703FV8CGB]");
        assert_eq!(marker("", ""), " [ref VXEBBX5TPJNC]");
        let second = ContentKey::new("11000", "", "Sem sinal").reference(2);
        assert_eq!(second, "EW9FFZZEGMRQN5TZ-2");
    }

    /// What LibreOffice and Excel do to a file that is opened and saved.
    #[test]
    fn a_file_that_was_only_saved_again_has_the_same_rows() {
        let saved = [
            ("11000.0", "17", "Sem sinal\ndesde ontem"),
            ("11000,00", "17,0", "Sem sinal\r\ndesde ontem"),
            ("011000", "=\"17\"", "Sem sinal desde ontem "),
            (" 11000\u{A0}", "017", "\tSem  sinal\rdesde\u{2028}ontem\n"),
        ];
        for (service, kind, text) in saved {
            let key = ContentKey::new("11000", "17", "Sem sinal\ndesde ontem");
            assert_eq!(ContentKey::new(service, kind, text), key, "{service} {kind} {text}");
        }
        assert_eq!(ContentKey::new("1", "", "Conexa\u{303}o"), ContentKey::new("1", "", "Conexão"));
        for (service, kind, text) in
            [("11000.5", "17", "a"), ("1100", "17", "a"), ("11000", "", "a"), ("11000", "17", "A")]
        {
            assert_ne!(
                ContentKey::new(service, kind, text),
                ContentKey::new("11000", "17", "a"),
                "{service} {kind} {text}"
            );
        }
    }

    #[test]
    fn the_content_of_a_file_is_of_its_rows_in_any_order_and_form() {
        let content = |texts: &[&str]| {
            let mut content = Content::default();
            texts.iter().for_each(|text| content.add(ContentKey::new("1", "", text)));
            content.to_string()
        };
        let one = content(&["a", "b", "b"]);
        assert_eq!(one, content(&["b ", "a", "b\r\n"]));
        assert!(one.ends_with("-3"), "three rows: {one}");
        for other in [&["a", "b"][..], &["a", "a", "b"], &["a", "b", "c"], &[]] {
            assert_ne!(one, content(other), "{other:?}");
        }
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
        /// Rows of one file whose references say that they ask for the same are repeats of one another.
        #[test]
        fn what_has_one_reference_is_one_ticket_asked_for_again(
            one in "[a\u{301}\u{200B}\u{A0}\u{B}\u{85}\t\r\n ]{0,6}b",
            other in "[a\u{301}\u{200B}\u{A0}\u{B}\u{85}\t\r\n ]{0,6}b",
        ) {
            let repeat_key = |text: &str| {
                let raw = RawTicket::from([
                    (Field::IdClienteServico, "11000"),
                    (Field::Descricao, text),
                    (Field::Nome, "Ana"),
                    (Field::Telefone, "37999112233"),
                ]);
                Ticket::parse(&raw).unwrap().ticket.repeat_key()
            };
            let content_key = |text: &str| ContentKey::new("11000", "", text);
            prop_assert_eq!(content_key(&one) == content_key(&other), repeat_key(&one) == repeat_key(&other));
        }

        #[test]
        fn where_a_part_ends_matters(a in "[a-zà-ü#]{0,12}", b in "[a-zà-ü#]{0,12}", cut in 0_usize..12) {
            let joined: Vec<char> = a.chars().chain(b.chars()).collect();
            let cut = cut.min(joined.len());
            let left: String = joined[..cut].iter().collect();
            let right: String = joined[cut..].iter().collect();
            prop_assert_eq!(
                ContentKey::new(&a, &b, "x") == ContentKey::new(&left, &right, "x"),
                (a.as_str(), b.as_str()) == (left.as_str(), right.as_str())
            );
        }
    }
}
