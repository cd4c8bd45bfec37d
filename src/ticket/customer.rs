//! A customer, by the number that a sheet has in place of a service's.

use std::fmt;

use super::cell::{Scientific, is_formula_error, scientific, unwrap};
use super::problem::{Problem, cut};
use super::words::{self, Words};
use super::{Id, id};

/// Which of a customer's numbers a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CustomerKey {
    /// The short number that HubSoft shows.
    Codigo,
    /// CPF or CNPJ.
    Document,
}

impl CustomerKey {
    /// As the API spells it, where a customer is searched by it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Codigo => "codigo_cliente",
            Self::Document => "cpf_cnpj",
        }
    }

    /// What people call it besides, normalised.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::Codigo => &["codcliente", "codigodocliente"],
            Self::Document => &["cpf", "cnpj", "cnpjcpf", "cpfdocliente", "cpfcnpjdocliente"],
        }
    }

    pub const ALL: [Self; 2] = [Self::Codigo, Self::Document];

    /// Reads a cell that says something.
    ///
    /// # Errors
    ///
    /// What is wrong with it, showing no whole document.
    pub fn read(self, cell: &str) -> Result<Customer, Problem> {
        let value = unwrap(cell);
        if is_formula_error(&value) {
            return Err(words::FORMULA_ERROR.problem(self.name(), cut(cell)));
        }
        match self {
            Self::Codigo => match id::read(&value) {
                Ok((id, _)) => Ok(Customer::Codigo(id)),
                Err(problem) => Err(problem.problem(self.name(), cut(cell))),
            },
            Self::Document => {
                document(&value).map_err(|problem| problem.problem(self.name(), masked(&value)))
            }
        }
    }
}

/// Who a row is about, as it is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Customer {
    Codigo(Id),
    /// Eleven digits, the last two of which prove the others.
    Cpf([u8; CPF_LEN]),
    /// Fourteen digits or capital letters, the last two of which prove the others.
    Cnpj([u8; CNPJ_LEN]),
}

const CPF_LEN: usize = 11;
const CNPJ_LEN: usize = 14;

/// So many zeros a spreadsheet takes from the front of a number that is believed to have been a document.
const LOST_ZEROS_MAX: usize = 3;

impl Customer {
    pub fn key(self) -> CustomerKey {
        match self {
            Self::Codigo(_) => CustomerKey::Codigo,
            Self::Cpf(_) | Self::Cnpj(_) => CustomerKey::Document,
        }
    }

    /// What is searched for.
    pub fn term(&self) -> String {
        match self {
            Self::Codigo(id) => id.get().to_string(),
            Self::Cpf(document) => String::from_utf8_lossy(document).into_owned(),
            Self::Cnpj(document) => String::from_utf8_lossy(document).into_owned(),
        }
    }

    /// As a problem may show it: a document is personal.
    pub fn shown(&self) -> String {
        match self {
            Self::Codigo(id) => id.get().to_string(),
            Self::Cpf(_) | Self::Cnpj(_) => masked(&self.term()),
        }
    }
}

impl Customer {
    /// What somebody said of him, without his document: where it stands there, however it is written, all
    /// digits are masked.
    pub fn masked_in(&self, said: &str) -> String {
        let bare: String = said.chars().filter(char::is_ascii_alphanumeric).collect();
        match self.key() {
            CustomerKey::Document if bare.to_ascii_uppercase().contains(&self.term()) => {
                said.replace(|c: char| c.is_ascii_digit(), "*")
            }
            CustomerKey::Document | CustomerKey::Codigo => said.to_owned(),
        }
    }
}

/// The number stays out of it, if it is a document.
impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key().name(), self.shown())
    }
}

/// Its last two characters.
fn masked(document: &str) -> String {
    let n = document.chars().count();
    let hidden = n.saturating_sub(if 8 <= n { 2 } else { 0 });
    let hide = |(at, c): (usize, char)| if at < hidden && c.is_alphanumeric() { '*' } else { c };
    cut(&document.chars().enumerate().map(hide).collect::<String>())
}

fn document(cell: &str) -> Result<Customer, &'static Words> {
    let bare = match scientific(cell) {
        Some(Scientific::Whole(digits)) => digits,
        Some(_) => return Err(&words::DOCUMENT_LOST_DIGITS),
        None => bare(cell).ok_or(&words::DOCUMENT_FORM)?,
    };
    let is_digits = bare.bytes().all(|b| b.is_ascii_digit());
    match bare.len() {
        n if is_digits && (CPF_LEN - LOST_ZEROS_MAX..=CPF_LEN).contains(&n) => {
            padded(&bare).filter(is_cpf).map(Customer::Cpf).ok_or(&words::DOCUMENT_CHECK_DIGITS)
        }
        n if n == CNPJ_LEN || is_digits && CPF_LEN < n && n < CNPJ_LEN => {
            padded(&bare).filter(is_cnpj).map(Customer::Cnpj).ok_or(&words::DOCUMENT_CHECK_DIGITS)
        }
        _ => Err(&words::DOCUMENT_FORM),
    }
}

/// Its digits and letters; `None` if anything else stands in it than what a document is written with.
fn bare(cell: &str) -> Option<String> {
    // `12345678909.0`: a spreadsheet's number.
    let cell = match cell.split_once(['.', ',']) {
        Some((whole, fraction))
            if CPF_LEN - LOST_ZEROS_MAX <= whole.len() && fraction.bytes().all(|b| b == b'0') =>
        {
            whole
        }
        _ => cell,
    };
    let mut bare = String::with_capacity(CNPJ_LEN);
    for c in cell.chars() {
        match c {
            '.' | '-' | '/' | ' ' => {}
            c if c.is_ascii_alphanumeric() => bare.push(c.to_ascii_uppercase()),
            _ => return None,
        }
    }
    Some(bare)
}

/// With the zeros in front that a spreadsheet took.
fn padded<const N: usize>(bare: &str) -> Option<[u8; N]> {
    let mut all = [b'0'; N];
    let from = N.checked_sub(bare.len())?;
    all[from..].copy_from_slice(bare.as_bytes());
    Some(all)
}

/// Source of both: Receita Federal; weights from 2 on, from the right. One digit repeated passes, and is
/// nobody's.
fn is_cpf(all: &[u8; CPF_LEN]) -> bool {
    let digit = |n: usize| check_digit(&all[..n], usize::MAX);
    all[9] == digit(9) && all[10] == digit(10) && all.iter().any(|b| *b != all[0])
}

/// Letters count by their place in ASCII, as of July 2026 (Instrução Normativa RFB 2.229/2024).
fn is_cnpj(all: &[u8; CNPJ_LEN]) -> bool {
    let digit = |n: usize| check_digit(&all[..n], 9);
    all[12] == digit(12) && all[13] == digit(13) && all.iter().any(|b| *b != all[0])
}

/// Weights go from 2 to `weight_max`, and begin again.
fn check_digit(of: &[u8], weight_max: usize) -> u8 {
    let weights = (2..=weight_max.min(of.len() + 1)).cycle();
    let sum: usize = of.iter().rev().zip(weights).map(|(b, weight)| usize::from(b - b'0') * weight).sum();
    match sum % 11 {
        0 | 1 => b'0',
        rest => b'0' + (11 - rest) as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_a_customer_survives_the_ways_people_write_it() {
        let codigo = |cell| CustomerKey::Codigo.read(cell);
        for cell in ["421", "00421", "421.0", "=\"421\"", " 421 "] {
            assert_eq!(codigo(cell).unwrap().term(), "421", "{cell}");
        }
        for (cell, expected) in [
            ("529.982.247-25", "52998224725"),
            ("52998224725", "52998224725"),
            ("529982247-25", "52998224725"),
            ("=\"52998224725\"", "52998224725"),
            ("5,2998224725E+10", "52998224725"),
            ("52998224725.0", "52998224725"),
            ("191", "id"), // The CPF 000.000.001-91 lost too much.
            ("1234567890", "01234567890"),
            ("01234567890", "01234567890"),
            ("11.222.333/0001-81", "11222333000181"),
            ("11222333000181", "11222333000181"),
            ("2558157000162", "02558157000162"),
            ("416968000101", "00416968000101"),
            ("191000000100", "len"),
            ("52998224725.5", "len"),
            ("112223330001810", "len"),
            ("12.ABC.345/01DE-35", "12ABC34501DE35"),
            ("12.abc.345/01de-35", "12ABC34501DE35"),
        ] {
            match CustomerKey::Document.read(cell) {
                Ok(customer) => assert_eq!(customer.term(), expected, "{cell}"),
                Err(problem) => assert!(expected.len() < 11, "{cell}: {}", problem.code),
            }
        }
    }

    #[test]
    fn what_is_no_document_is_told_without_showing_it() {
        for (cell, code, found) in [
            ("529.982.247-26", "document_check_digits", "***.***.***-26"),
            ("111.111.111-11", "document_check_digits", "***.***.***-11"),
            ("11.222.333/0001-82", "document_check_digits", "**.***.***/****-82"),
            ("5,29982E+10", "document_lost_digits", "*,******+10"),
            ("00.000.000/0000-00", "document_check_digits", "**.***.***/****-00"),
            ("11.222.333/0001-8?", "document_form", "**.***.***/****-8?"),
            ("12345678.0", "document_check_digits", "********.0"),
            ("123", "document_form", "***"),
            ("não tem", "document_form", "*** ***"),
            ("#N/D", "formula_error", "#N/D"),
        ] {
            let problem = CustomerKey::Document.read(cell).unwrap_err();
            assert_eq!((&*problem.code, &*problem.found), (code, found), "{cell}");
        }
        let customer = CustomerKey::Document.read("529.982.247-25").unwrap();
        assert_eq!(format!("{customer:?}"), "cpf_cnpj *********25");
        for (said, expected) in [
            ("CPF 52998224725 bloqueado", "CPF *********** bloqueado"),
            ("CPF 529.982.247-25 bloqueado", "CPF ***.***.***-** bloqueado"),
            ("Limite de 100 itens", "Limite de 100 itens"),
        ] {
            assert_eq!(customer.masked_in(said), expected);
        }
    }
}
