//! What stands in a sheet and is no row: totals, the feet of reports, notes. Passed over, and told.
//!
//! Nobody may be lost by it: a line that says something where a ticket's own columns are is a row, and has
//! its problems told.

use super::columns::Columns;
use super::header;
use super::records::Record;
use super::roles::Role;
use super::words;
use crate::ticket::{Field, is_blank, trim};

/// What was passed over so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asides {
    pub(super) n_totals: u64,
    /// Lines that a report ends its pages with, and headers that it repeats.
    pub(super) n_feet: u64,
    /// Blank ones behind the last row.
    pub(super) n_blank: u64,
    /// The line of the first total or foot.
    pub(super) first: u64,
    /// Rows that have something in a column without a name, and the line of the first.
    pub(super) n_notes: u64,
    pub(super) first_note: u64,
}

/// What a record is that is no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    Total,
    Foot,
}

impl Asides {
    /// One line a fact, for people.
    pub fn lines(self) -> Vec<String> {
        words::asides::lines(self)
    }

    pub(super) fn add(&mut self, aside: Aside, line: u64) {
        if self.n_totals + self.n_feet == 0 {
            self.first = line;
        }
        match aside {
            Aside::Total => self.n_totals += 1,
            Aside::Foot => self.n_feet += 1,
        }
    }

    pub(super) fn add_note(&mut self, line: u64) {
        if self.n_notes == 0 {
            self.first_note = line;
        }
        self.n_notes += 1;
    }
}

/// What a total begins with.
const TOTALS: [&str; 11] = [
    "total",
    "totais",
    "subtotal",
    "subtotais",
    "sub-total",
    "sub total",
    "soma",
    "quantidade",
    "qtde",
    "qtd",
    "registros",
];

/// What may stand behind such a word: `Total geral`, `Total de clientes: 24`. Of a company called `Total
/// Informática` something else does.
const BEHIND_TOTAL: [&str; 11] =
    ["geral", "gerais", "parcial", "de", "do", "da", "dos", "das", "por", "clientes", "registros"];

/// What the foot of a report begins with, all words of it.
const FEET: [&str; 14] = [
    "emitido em",
    "emitido por",
    "emissao",
    "gerado em",
    "gerado por",
    "impresso em",
    "impresso por",
    "exportado em",
    "extraido em",
    "relatorio gerado",
    "relatorio emitido",
    "pagina",
    "fim do relatorio",
    "usuario:",
];

/// What a column of numbers is called that are no amounts: each of them is somebody's.
const NO_AMOUNTS: [&str; 10] =
    ["cod", "id", "cpf", "cnpj", "contrato", "doc", "rg", "login", "matricula", "numero"];

impl Columns {
    /// What the record is if it is no row. `None`: it is one, or may be.
    pub(super) fn aside(&self, record: Record<'_>) -> Option<Aside> {
        let (at, first) = record.cells().enumerate().find(|(_, cell)| !is_blank(cell))?;
        // Most rows are known for rows at once: what happened is told there, and by no column's name.
        if let Some(told) = self.fields[Field::Descricao].0
            && told != at
            && record.cell(told).starts_with(char::is_alphabetic)
            && record.cell(told) != self.names[told]
        {
            return None;
        }
        if is_amount(first) {
            return self.is_sum(record).then_some(Aside::Total);
        }
        if self.needed(record, at).all(is_count) && !self.is_whole(record) {
            let begin = lower(first);
            if begins_with_total(&begin) || is_count_of_rows(&begin) {
                return Some(Aside::Total);
            }
            let is_foot = FEET.iter().any(|foot| begin.starts_with(foot));
            if is_foot && self.needed(record, at).all(is_blank) {
                return Some(Aside::Foot);
            }
        }
        self.is_header_again(record).then_some(Aside::Foot)
    }

    /// The cells of a record, but for one, that a ticket is made of, or that say who it is for.
    fn needed<'a>(&'a self, record: Record<'a>, but: usize) -> impl Iterator<Item = &'a str> {
        let fields = Field::required().chain([Field::Email]);
        let columns = fields.filter_map(|field| self.fields[field].0).chain(self.second_phone);
        columns.filter(move |at| *at != but).map(move |at| record.cell(at))
    }

    /// Whether nothing lacks that a ticket is made of: a company may be called `Total`.
    fn is_whole(&self, record: Record<'_>) -> bool {
        let is_said = |field: Field| {
            let (column, set) = &self.fields[field];
            set.is_some() || column.is_some_and(|at| !is_blank(record.cell(at)))
        };
        Field::required().all(is_said)
    }

    /// Whether nothing stands there but amounts, in columns of the sheet's own that may have them.
    fn is_sum(&self, record: Record<'_>) -> bool {
        let may_have_amounts = |at: usize| {
            let name = self.names.get(at).map(|name| header::normal(name)).unwrap_or_default();
            self.roles.get(at) == Some(&Role::Extra)
                && !name.is_empty()
                && !NO_AMOUNTS.iter().any(|other| name.starts_with(other))
        };
        let mut filled = record.cells().enumerate().filter(|(_, cell)| !is_blank(cell));
        filled.all(|(at, cell)| may_have_amounts(at) && is_amount(cell))
    }

    /// Whether it is the header once more, as on each page of a report.
    fn is_header_again(&self, record: Record<'_>) -> bool {
        let mut names = self.names.iter().enumerate();
        names.all(|(at, name)| trim(record.cell(at)) == trim(name))
    }
}

/// How a cell begins, without capitals and accents.
fn lower(cell: &str) -> String {
    const CHARS_MAX: usize = 60;

    let plain = unicode_normalization::UnicodeNormalization::nfd(trim(cell).chars().take(CHARS_MAX));
    let plain = plain.filter(|c| !unicode_normalization::char::is_combining_mark(*c));
    plain.map(|c| if is_blank_char(c) { ' ' } else { c.to_ascii_lowercase() }).collect()
}

fn is_blank_char(c: char) -> bool {
    c.is_whitespace() || c == '\u{A0}'
}

fn begins_with_total(begin: &str) -> bool {
    // The longer word first: `sub total` is not `sub`.
    let Some(rest) = TOTALS.iter().find_map(|word| {
        let rest = begin.strip_prefix(word)?;
        (!rest.starts_with(char::is_alphanumeric)).then_some(rest)
    }) else {
        return false;
    };
    let rest = rest.trim_start_matches(|c: char| !c.is_alphabetic());
    let word = rest.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    word.is_empty() || BEHIND_TOTAL.contains(&word)
}

/// Whether it says how many there are: `24 registros encontrados`.
fn is_count_of_rows(begin: &str) -> bool {
    const COUNTED: [&str; 6] = ["registro", "cliente", "linha", "contrato", "servico", "assinante"];

    let rest = begin.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    rest.len() < begin.len() && COUNTED.iter().any(|word| rest.trim_start().starts_with(word))
}

/// A number, or nothing: `24`, `R$ 1.234,50`, `12 %`.
fn is_amount(cell: &str) -> bool {
    trim(cell)
        .trim_start_matches("R$")
        .chars()
        .all(|c| c.is_ascii_digit() || is_blank_char(c) || "+-.,%".contains(c))
}

/// An amount that is too short for a phone.
fn is_count(cell: &str) -> bool {
    const DIGITS_MAX: usize = 7;

    is_amount(cell) && cell.chars().filter(char::is_ascii_digit).count() <= DIGITS_MAX
}

#[cfg(test)]
mod tests {
    use super::super::columns::Width;
    use super::super::header::Set;
    use super::super::records::{Found, Rest, Splitter};
    use super::super::services::Customers;
    use super::*;

    const NAMES: &str = "Código;Serviço;Descrição;Nome;Telefone;E-mail;Valor;Bairro";

    #[track_caller]
    fn check(line: &str, expected: Option<Aside>) {
        check_with(line, &[], expected);
    }

    #[track_caller]
    fn check_with(line: &str, sets: &[&str], expected: Option<Aside>) {
        let names = NAMES.split(';').map(str::to_owned).collect();
        let sets: Vec<Set> = sets.iter().map(|set| set.parse().unwrap()).collect();
        let columns = Columns::new(names, Width::Text, &[], &sets, Customers::Ignored).unwrap();
        let (mut spans, mut unescaped) = (Vec::new(), String::new());
        let splitter = Splitter::new(b';');
        let found = splitter.split(line, 0, Rest::Nothing, &mut spans, &mut unescaped);
        assert!(matches!(found, Found::Record { .. }));
        let record = Record { line: 1, text: line, unescaped: &unescaped, spans: &spans, stray: None };
        assert_eq!(columns.aside(record), expected, "{line}");
    }

    #[test]
    fn totals_and_feet_are_no_rows() {
        for total in [
            "Total: 24",
            "TOTAL GERAL;;;;;;1.234,50",
            "Total de clientes;24",
            "Totais:;;;12;;;R$ 99,90",
            "Sub total;;;;;;99.9",
            "Qtd. registros: 24",
            ";Total;;;;;;",
            ";;;;;;1.234,50;",
            ";;;;;;0.30000000000000004",
            "TOTAL\u{A0}GERAL = 24",
            "24 registros encontrados;;;",
            "1.024 clientes",
        ] {
            check(total, Some(Aside::Total));
        }
        for foot in [
            "Emitido em 26/11/2026 14:03;;;;;;;Página 1",
            "Página 1 de 3",
            "Relatório gerado por Maria;;;;;;;",
            NAMES,
        ] {
            check(foot, Some(Aside::Foot));
        }
    }

    #[test]
    fn what_may_be_somebody_is_a_row() {
        for row in [
            "7;11000;Sem sinal;Total Informática;37999112200;;;",
            // The service's id was forgotten, and nothing else.
            ";;Sem sinal;Total;37999112200;;;",
            ";;;Total Informática;;;;",
            ";;;Total;37999112200;;;",
            ";;;Total;37999112200,0;;;",
            ";;;Total;;ana@example.com;;",
            "Total;;Sem sinal;;;;;",
            "Total;;;Ana;;;;",
            // Somebody's number, or where somebody lives.
            "1234;;;;;;;",
            "1234;;;;;;99,90;",
            ";;;;;;;Centro",
            ";;;;;;99,90;Centro",
            ";;;;37999112200;;;",
            "Totalmente sem sinal;;;;;;;",
            "24 horas sem sinal;;;;;;;",
            "24 clientes;;Sem sinal;;;;;",
        ] {
            check(row, None);
        }
        let sets = ["telefone=37999112200", "descricao=Sem sinal"];
        check_with(";11000;;Total;;;;", &sets, None);
        check_with("Total;24;;;;;;", &sets, Some(Aside::Total));
    }
}
