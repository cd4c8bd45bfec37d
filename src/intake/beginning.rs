//! Where in a file the table begins: the line that names its columns, below titles, dates and filters.

use std::collections::HashSet;

use super::header::{self, Map};
use super::records::Record;
use crate::ticket::{Field, is_blank};

/// Records among which the one that names the columns is looked for.
pub(super) const LOOKED_AT_MAX: u64 = 30;

/// So many known names make a header; one may be the title `Cliente`.
pub(super) const KNOWN_MIN: usize = 2;

/// Longest cell that may be a column's name. Bytes.
const NAME_LEN_MAX: usize = 400;

/// What the names of columns are: those that are known, and those that a person maps.
pub(super) struct Names(HashSet<String>);

/// How much a record looks like a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Likeness {
    /// Names that are known, each counted once.
    pub n_known: usize,
    /// Fields without which no ticket is opened.
    n_required: usize,
}

/// Where a table begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// Records above the header that are not blank.
    pub n_above: u64,
    /// The header's line; of two, the upper one.
    pub line: u64,
    /// Records that the header has: two, where names of groups stand above names, or a cell reaches over
    /// both.
    pub n_lines: u64,
    pub names: Vec<String>,
    pub likeness: Likeness,
}

/// Looks through the first records of a file for its header.
pub(super) struct Search<'a> {
    names: &'a Names,
    best: Option<Beginning>,
    /// The record before, as a header.
    before: Option<Beginning>,
    pub n_read: u64,
}

impl Names {
    pub(super) fn new<'a>(maps: impl Iterator<Item = &'a Map>) -> Self {
        let mapped = maps.map(|map| header::normal(&map.column));
        Self(mapped.filter(|name| !name.is_empty()).collect())
    }

    /// How much cells look like a header.
    pub(super) fn likeness<'a>(&self, cells: impl Iterator<Item = &'a str>) -> Likeness {
        let mut seen = HashSet::new();
        let mut likeness = Likeness::default();
        let mut has_data = false;
        for cell in cells.filter(|cell| cell.len() <= NAME_LEN_MAX && !is_blank(cell)) {
            has_data |= header::is_data(cell);
            let name = header::normal(cell);
            let target = header::of_normal(cell, &name);
            let is_ours = target.as_ref().is_some_and(header::makes_a_header);
            let is_known = is_ours || header::is_known_otherwise(cell, &name) || self.0.contains(&name);
            if !is_known || !seen.insert(name) {
                continue;
            }
            likeness.n_known += 1;
            let is_required = target
                .is_some_and(|target| matches!(target, header::Target::Field(field) if field.is_required()));
            likeness.n_required += usize::from(is_required);
        }
        // A row whose texts are names of columns by chance.
        let is_row = has_data && likeness.n_known < header::BESIDE_DATA_MIN;
        if is_row { Likeness::default() } else { likeness }
    }
}

impl Beginning {
    pub(super) fn at(record: Record<'_>, n_above: u64, names: &Names) -> Self {
        Self {
            n_above,
            line: record.line,
            n_lines: 1,
            names: record.cells().map(|name| name.trim_start_matches('\u{FEFF}').to_owned()).collect(),
            likeness: names.likeness(record.cells()),
        }
    }

    /// The header that this line and the next one make together: the names of the lower one, and where it
    /// has none, those that stand above.
    fn and(&self, lower: &Self, names: &Names) -> Self {
        let name = |at: usize| {
            let of = |line: &Self| line.names.get(at).filter(|name| !is_blank(name)).cloned();
            of(lower).or_else(|| of(self)).unwrap_or_default()
        };
        let both: Vec<String> = (0..self.names.len().max(lower.names.len())).map(name).collect();
        let likeness = names.likeness(both.iter().map(String::as_str));
        Self { n_lines: 2, names: both, likeness, ..*self }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(names: &'a Names) -> Self {
        Self { names, best: None, before: None, n_read: 0 }
    }

    /// Takes the next record that is not blank. `false`: no better header can come.
    pub(super) fn take(&mut self, record: Record<'_>) -> bool {
        let this = Beginning::at(record, self.n_read, self.names);
        self.n_read += 1;
        // A line that has all that is needed needs no other above it.
        if let Some(before) = self.before.as_ref().filter(|_| this.likeness.n_required < n_required()) {
            let both = before.and(&this, self.names);
            // Each of them has names that the other lacks: no row of data does that to a header.
            if before.likeness < both.likeness && this.likeness < both.likeness {
                self.offer(both);
            }
        }
        self.offer(this.clone());
        self.before = Some(this);
        let has_all = self.best.as_ref().is_some_and(|best| best.likeness.n_required == n_required());
        !has_all && self.n_read < LOOKED_AT_MAX
    }

    fn offer(&mut self, other: Beginning) {
        let is_header = KNOWN_MIN <= other.likeness.n_known;
        if self.best.as_ref().is_none_or(|best| is_header && best.likeness < other.likeness) {
            self.best = Some(other);
        }
    }

    /// The record that has most names which are known; the first one, if none has enough. `None`: all are
    /// blank.
    pub(super) fn best(self) -> Option<Beginning> {
        self.best
    }
}

fn n_required() -> usize {
    Field::required().count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::records::{Found, Rest, Splitter};

    /// The lines above the header, its lines, and its names.
    fn found(text: &str, maps: &[&str]) -> (u64, u64, String) {
        let maps: Vec<Map> = maps.iter().map(|map| map.parse().unwrap()).collect();
        let names = Names::new(maps.iter());
        let mut search = Search::new(&names);
        let (mut spans, mut unescaped, mut at) = (Vec::new(), String::new(), 0);
        let splitter = Splitter::new(b';');
        while let Found::Record { next, .. } =
            splitter.split(text, at, Rest::Nothing, &mut spans, &mut unescaped)
        {
            at = next;
            let record = Record { line: 1, text, unescaped: &unescaped, spans: &spans, stray: None };
            if !record.cells().all(is_blank) && !search.take(record) {
                break;
            }
        }
        let best = search.best().unwrap();
        (best.n_above, best.n_lines, best.names.join(";"))
    }

    #[track_caller]
    fn check(text: &str, n_above: u64, n_lines: u64, names: &str) {
        assert_eq!(found(text, &[]), (n_above, n_lines, names.to_owned()));
    }

    const HEADER: &str = "ID Serviço;Nome;Telefone;Descrição";

    #[test]
    fn the_header_is_found_below_what_a_report_has_above_it() {
        for above in [
            "",
            "Relatório de clientes afetados\n",
            "Provedor Exemplo LTDA;;;\n;;;\nEmitido em 26/11/2026 14:03;;;Página 1\n",
            // Words that are names of columns too, in titles and filters.
            "Serviço\n",
            "Cliente;Serviço\n",
            "Filtros:;Cliente;Todos;Serviço\nCliente;Todos;Serviço;Fibra\n",
            "Cliente;Cliente;Cliente;Cliente;Cliente\n",
        ] {
            let n_above = above.lines().filter(|line| line.chars().any(|c| c != ';')).count() as u64;
            check(&format!("{above}{HEADER}\n11000;Ana;37999112200;Sem sinal\n"), n_above, 1, HEADER);
        }
        let spelt = "\"ID\nServiço \";\" NOME\u{A0}\";TELEFONE;Descric\u{327}a\u{303}o";
        assert_eq!(found(&format!("Relatório\n{spelt}\n1;Ana;3;x\n"), &[]).0, 1);
    }

    #[test]
    fn a_header_of_two_lines_is_one() {
        // A cell that reaches over both lines, and a group above two columns.
        check(
            "ID Serviço;Nome;Contato;;Descrição\n;;Telefone;E-mail;\n1;Ana;3;a@b;x\n",
            0,
            2,
            "ID Serviço;Nome;Telefone;E-mail;Descrição",
        );
        // Only groups above: the lower line says all.
        check(&format!("Cliente;;Contato;\n{HEADER}\n1;Ana;3;x\n"), 1, 1, HEADER);
        // Most names stand in the lower line.
        check(
            "Relatório\nCódigo Serviço;Dados do cliente;;\n;Nome;Telefone;Motivo\n1;Ana;3;x\n",
            1,
            2,
            "Código Serviço;Nome;Telefone;Motivo",
        );
        // A row of data adds nothing, whatever it says.
        check(&format!("{HEADER};\n1;Ana;3;Cliente;OS\n"), 0, 1, &format!("{HEADER};"));
        check("Serviço;Nome\n1;Ana\n", 0, 1, "Serviço;Nome");
    }

    #[test]
    fn a_file_without_a_header_begins_with_its_first_line() {
        check(
            "11000;Ana;37999112200;Sem sinal\n11001;Cliente;3;x\n",
            0,
            1,
            "11000;Ana;37999112200;Sem sinal",
        );
        assert_eq!(found("a;b\nc;d\n", &["C=nome", "d=telefone"]).0, 1, "a person says what they are");
    }
}
