//! The columns of a file: which are fields, which are ours from an earlier result, which are the
//! input's own and only kept.

use std::collections::{HashMap, HashSet};

use super::doubts::ColumnDoubt;
use super::header::{self, Map, Set, Target};
use super::records::{CELLS_MAX, Record, RowShape};
use super::roles::{Role, doubled, may_end_in_delimiters, ours, refuse_doubled, roles, two_of_one};
use super::services::Customers;
use super::words::IntakeError;
use crate::ticket::{ByField, CustomerKey, Field, is_blank};

/// Columns of a text file. Source: ten times what a person's sheet has; a delimiter that was taken for
/// another gives more.
const TEXT_COLUMNS_MAX: usize = 1024;

/// How many columns a kind of file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Text,
    /// As many as Excel has.
    Workbook,
}

impl Width {
    fn columns_max(self) -> usize {
        match self {
            Self::Text => TEXT_COLUMNS_MAX,
            Self::Workbook => CELLS_MAX,
        }
    }
}

/// How a file's columns are read. Built from its header, once.
#[derive(Debug)]
pub(super) struct Columns {
    /// All header cells, as they stand.
    pub names: Vec<String>,
    /// What each column is.
    pub roles: Vec<Role>,
    /// The columns of the input itself that have a name, in order. Those without one are not kept: a sheet
    /// with one cell in its last corner would fill a disk.
    pub own: Vec<usize>,
    /// Columns without a name between others.
    pub unnamed: Vec<usize>,
    /// Columns up to the last one with a name.
    pub n_named: usize,
    /// Whether blank cells behind the last column may be nothing but a delimiter too many.
    pub may_end_in_delimiters: bool,
    /// The headers of `own`.
    pub own_names: Vec<String>,
    /// Where each field comes from.
    pub fields: ByField<Origin>,
    /// Those that come from anywhere: a row is read by them, and most files have half of the fields.
    pub said: Vec<Field>,
    /// The keys of the two objects that have columns or values of their own.
    pub params: Vec<Param>,
    /// Where a phone is looked for if its own column has none.
    pub second_phone: Option<usize>,
    /// The service's id was found by a name that may mean something else.
    service_is_guess: bool,
    /// Where a result of ours tells the batch.
    pub referencia: Option<usize>,
    /// Where a result of ours tells what became of a row.
    pub state: Option<usize>,
    /// Where a ticket's number stands, whoever wrote it.
    pub protocolo: Option<usize>,
    /// Where customers' numbers stand, if services are found by them; the one that is sure first.
    pub customers: Vec<(CustomerKey, usize)>,
    /// We wrote the file.
    pub is_result: bool,
    pub width: Width,
}

/// The column of a field, and what is set where its cell is blank.
pub(super) type Origin = (Option<usize>, Option<String>);

#[derive(Debug)]
pub(super) struct Param {
    pub object: Field,
    pub key: String,
    pub column: Option<usize>,
    pub set: Option<String>,
}

impl Columns {
    pub(super) fn new(
        names: Vec<String>,
        width: Width,
        maps: &[Map],
        sets: &[Set],
        customers: Customers,
    ) -> Result<Self, IntakeError> {
        let n_named = names.iter().rposition(|name| !is_blank(name)).map_or(0, |at| at + 1);
        let n_max = width.columns_max();
        if n_max < n_named || CELLS_MAX < names.len() {
            return Err(IntakeError::TooManyColumns { n_max });
        }
        let ours = ours(&names);
        let mut roles = roles(&names, &ours, maps, customers)?;
        refuse_doubled(&names, &ours, &roles, maps)?;
        // The reference that we wrote wins over the column that it was read from.
        let written = ours.contains(&Some("referencia"));
        for (role, ours) in roles.iter_mut().zip(&ours) {
            if written && ours.is_none() && *role == Role::Target(Target::Referencia) {
                *role = Role::Extra;
            }
        }
        let pairs = two_of_one(&names, &roles);

        let is_unnamed = |at: &usize| is_blank(&names[*at]);
        let own: Vec<usize> = (0..n_named).filter(|at| ours[*at].is_none() && !is_unnamed(at)).collect();
        let own_names = own.iter().map(|at| names[*at].clone()).collect();
        let unnamed = (0..n_named).filter(is_unnamed).collect();
        let mut places: HashMap<&Target, usize> = HashMap::new();
        for (at, role) in roles.iter().enumerate() {
            if let Role::Target(target) = role {
                places.entry(target).or_insert(at);
            }
        }
        let at = |target: &Target| places.get(target).copied();
        let set = |target: &Target| {
            let set = sets.iter().rev().find(|set| set.target == *target);
            set.map(|set| set.value.clone()).filter(|value| !is_blank(value))
        };
        let fields = ByField::of(|field| (at(&Target::Field(field)), set(&Target::Field(field))));
        let said = Field::STORED.into_iter().filter(|field| fields[*field] != (None, None)).collect();
        let mut params: Vec<Param> = Vec::new();
        let mut seen = HashSet::new();
        let of_columns = roles.iter().filter_map(|role| match role {
            Role::Target(target) => Some(target),
            Role::Extra | Role::Ours | Role::SecondPhone => None,
        });
        for target in of_columns.chain(sets.iter().map(|set| &set.target)) {
            let Target::Param { object, key } = target else { continue };
            if seen.insert(target) {
                let (column, set) = (at(target), set(target));
                params.push(Param { object: *object, key: key.clone(), column, set });
            }
        }
        let customers = match customers {
            Customers::Ignored => Vec::new(),
            Customers::Asked => customers_in(&roles),
        };
        let referencia = at(&Target::Referencia);
        let state = ours.iter().position(|ours| *ours == Some("state"));
        let may_end_in_delimiters = may_end_in_delimiters(&roles[..n_named]);
        let protocolo = ours.iter().position(|ours| *ours == Some("protocolo"));
        let protocolo =
            protocolo.or_else(|| names.iter().rposition(|name| header::normal(name) == "protocolo"));
        let is_result = state.is_some();
        let second_phone = roles.iter().position(|role| *role == Role::SecondPhone);
        let service = at(&Target::Field(Field::IdClienteServico));
        let service_is_guess = service.is_some_and(|at| {
            header::is_guess_of_service(&names[at])
                && maps.iter().all(|map| header::normal(&map.column) != header::normal(&names[at]))
        });
        let columns = Self {
            second_phone,
            service_is_guess,
            names,
            roles,
            own,
            own_names,
            unnamed,
            n_named,
            may_end_in_delimiters,
            fields,
            said,
            params,
            referencia,
            state,
            protocolo,
            customers,
            is_result,
            width,
        };
        columns.refuse_missing(pairs)?;
        Ok(columns)
    }

    /// Whether a column may say that a row was in an outbox before.
    pub(super) fn tell_rows(&self) -> bool {
        self.referencia.is_some() || self.state.is_some() || self.protocolo.is_some()
    }

    /// By what a line is taken for a row: it reaches the last column without which no ticket is opened.
    pub(super) fn shape(&self) -> RowShape {
        let column = |field: Field| self.fields[field].0;
        let last = Field::required().filter_map(column).max();
        RowShape { n_cells: last.unwrap_or(1).max(1) + 1, number: column(Field::IdClienteServico) }
    }

    /// Whether something stands in a column without a name. In a row whose cells may stand in wrong columns
    /// that is the problem which is told.
    #[inline]
    pub(super) fn has_note(&self, record: Record<'_>) -> bool {
        let is_found = self.unnamed.iter().any(|at| !is_blank(record.cell(*at)))
            || self.n_named < record.len() && record.cells().skip(self.n_named).any(|cell| !is_blank(cell));
        is_found && record.stray.is_none() && !self.has_surplus(record)
    }

    /// Whether there are more cells than columns. Blank ones too, where nothing else would tell: a text that
    /// has the delimiter in it moves the cells behind it on, and only a blank one may fall over the edge,
    /// while a description has lost its end. What stands beside the table of a workbook is a note, and none
    /// of its cells.
    pub(super) fn has_surplus(&self, record: Record<'_>) -> bool {
        let n_columns = self.names.len();
        if record.len() <= self.n_named || self.width == Width::Workbook {
            return false;
        }
        if self.may_end_in_delimiters {
            return record.cells().skip(n_columns).any(|cell| !is_blank(cell));
        }
        n_columns < record.len() || record.cells().skip(self.n_named).any(|cell| !is_blank(cell))
    }

    /// Whether nothing stands in a column with a name.
    pub(super) fn is_beside(&self, record: Record<'_>) -> bool {
        self.width == Width::Workbook
            && (0..self.n_named).all(|at| is_blank(&self.names[at]) || is_blank(record.cell(at)))
    }

    /// The name of the column that a field is read from.
    pub(super) fn column_of(&self, field: &str) -> Option<&str> {
        let at = self.roles.iter().position(|role| match role {
            Role::Target(Target::Customer(key)) => key.name() == field,
            role => role.field().is_some_and(|of_role| of_role.name() == field),
        })?;
        Some(&self.names[at])
    }

    pub(super) fn extras(&self) -> Vec<String> {
        self.named(|role, name| *role == Role::Extra && !is_blank(name))
    }

    /// Names that several columns have.
    pub(super) fn doubled(&self) -> Vec<String> {
        let is_ours: Vec<_> = self.roles.iter().map(|role| (*role == Role::Ours).then_some("")).collect();
        doubled(&self.names, &is_ours).into_iter().map(|(_, second)| self.names[second].clone()).collect()
    }

    pub(super) fn ours(&self) -> Vec<String> {
        self.named(|role, _| *role == Role::Ours)
    }

    fn named(&self, is_wanted: impl Fn(&Role, &str) -> bool) -> Vec<String> {
        let all = self.names.iter().zip(&self.roles);
        all.filter(|(name, role)| is_wanted(role, name)).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn guessed_service(&self) -> Option<&str> {
        let at = self.fields[Field::IdClienteServico].0.filter(|_| self.service_is_guess)?;
        Some(&self.names[at])
    }

    /// What the header alone shows.
    pub(super) fn doubts(&self, maps: &[Map]) -> Vec<ColumnDoubt> {
        let mut doubts = Vec::new();
        let service = Target::Field(Field::IdClienteServico);
        for map in maps.iter().filter(|map| map.target == service && header::is_other_number(&map.column)) {
            doubts.push(ColumnDoubt::CustomersNumber { column: map.column.clone() });
        }
        if let Some(column) = self.guessed_service() {
            let mut extras = self.extras().into_iter();
            let other = extras.find(|name| header::is_guess_of_service(name) || header::may_be_service(name));
            doubts.extend(other.map(|other| ColumnDoubt::TwoFit { column: column.to_owned(), other }));
        }
        doubts
    }

    fn refuse_missing(&self, pairs: Vec<(String, String, String)>) -> Result<(), IntakeError> {
        let (mut missing, mut nearest) = (Vec::new(), Vec::new());
        for field in Field::required() {
            if self.fields[field] != (None, None)
                || field == Field::IdClienteServico && !self.customers.is_empty()
            {
                continue;
            }
            missing.push(field.name());
            if let Some(name) = self.nearest(field) {
                nearest.push((field.name(), name));
            }
        }
        if !pairs.is_empty() {
            return Err(IntakeError::TwoColumns { pairs, missing });
        }
        if missing.is_empty() {
            return Ok(());
        }
        if missing.contains(&Field::IdClienteServico.name())
            && let Some(found) = self.names.iter().find(|name| header::is_other_number(name))
        {
            let may_be_found = matches!(header::of_name(found), Some(Target::Customer(_)));
            return Err(IntakeError::NotTheService { found: found.clone(), may_be_found });
        }
        if missing == [Field::IdClienteServico.name()]
            && let Some(found) = self.names.iter().find(|name| is_document(name))
        {
            return Err(IntakeError::NotTheService { found: found.clone(), may_be_found: true });
        }
        let found = header::shown(&self.names);
        nearest.retain(|(_, name)| found.contains(name));
        Err(IntakeError::MissingColumns { missing, found, nearest })
    }

    /// The column without a meaning whose name looks most like one of the field's: at most a third of
    /// the letters differ, or one is a part of the other.
    fn nearest(&self, field: Field) -> Option<String> {
        let close = self.extras().into_iter().filter_map(|name| {
            if LIKENESS_LEN_MAX < name.len() {
                return None;
            }
            let found = header::normal(&name);
            let n_letters = found.chars().count();
            let to = |wanted: &str| {
                let is_close = |distance: usize| distance * 3 <= wanted.len();
                if 3 < found.len() && (wanted.contains(&found) || found.contains(wanted)) {
                    return Some(1).filter(|distance| is_close(*distance));
                }
                // Far fewer are compared letter by letter: so many differ at least.
                let differ = is_close(n_letters.abs_diff(wanted.chars().count()));
                differ.then(|| header::distance(&found, wanted)).filter(|distance| is_close(*distance))
            };
            Some((header::names_of(field).filter_map(|wanted| to(&wanted)).min()?, name))
        });
        close.min().map(|(_, name)| name)
    }
}

fn is_document(name: &str) -> bool {
    header::of_name(name) == Some(Target::Customer(CustomerKey::Document))
}

/// `codigo_cliente` is HubSoft's own, and goes before documents.
fn customers_in(roles: &[Role]) -> Vec<(CustomerKey, usize)> {
    let of = |key| {
        let is_of = move |role: &Role| *role == Role::Target(Target::Customer(key));
        roles.iter().enumerate().filter(move |(_, role)| is_of(role)).map(move |(at, _)| (key, at))
    };
    CustomerKey::ALL.into_iter().flat_map(of).collect()
}

/// Longest name that is compared letter by letter. Bytes.
const LIKENESS_LEN_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::super::header::RESULT_COLUMNS;
    use super::*;

    fn columns(header: &str, maps: &[&str], sets: &[&str]) -> Result<Columns, IntakeError> {
        let names = header.split(';').map(str::to_owned).collect();
        let maps: Vec<Map> = maps.iter().map(|map| map.parse().unwrap()).collect();
        let sets: Vec<Set> = sets.iter().map(|set| set.parse().unwrap()).collect();
        Columns::new(names, Width::Text, &maps, &sets, Customers::Ignored)
    }

    fn refused(header: &str, maps: &[&str]) -> String {
        let error = columns(header, maps, &[]).unwrap_err();
        format!("{error}\nhint: {}", error.hint())
    }

    #[test]
    fn own_columns_and_ours_are_told_apart() {
        let found = columns("servico;motivo;cliente;fone;cidade;state", &[], &[]).unwrap();
        assert_eq!(found.own_names, ["servico", "motivo", "cliente", "fone", "cidade", "state"]);
        assert_eq!(found.extras(), ["cidade", "state"]);
        assert_eq!(found.column_of("telefone"), Some("fone"));

        // The same file as we give it back, its own `state` before ours.
        let header = format!("servico;motivo;cliente;fone;cidade;state;{}", RESULT_COLUMNS.join(";"));
        let found = columns(&header, &[], &[]).unwrap();
        assert_eq!(found.own_names, ["servico", "motivo", "cliente", "fone", "cidade", "state"]);
        assert_eq!(found.ours().len(), 11);
        assert_eq!((found.referencia, found.state), (Some(8), Some(9)));

        // A piece of land is no batch.
        let found = columns("lote;referencia;servico;motivo;cliente;fone", &[], &[]).unwrap();
        assert_eq!(found.own_names[0], "lote");
        assert_eq!((found.is_result, found.referencia), (false, Some(1)));

        // Its reference came from a column of its own.
        let header = format!("id externo;servico;motivo;cliente;fone;{}", RESULT_COLUMNS.join(";"));
        let found = columns(&header, &[], &[]).unwrap();
        assert_eq!(found.own_names[0], "id externo");
        assert_eq!(found.referencia, Some(7));
    }

    #[test]
    fn a_person_may_say_what_a_column_is() {
        let found = columns("n;servico;motivo;fone;celular", &["N=nome", "celular=telefone"], &[]).unwrap();
        assert_eq!(found.column_of("telefone"), Some("celular"));
        assert_eq!(found.column_of("nome"), Some("n"));
        assert_eq!(found.extras(), ["fone"]);
        assert!(columns("servico;fone;nome", &[], &["descricao=Queda"]).is_ok());
        assert!(columns("servico;fone;nome", &[], &["descricao= "]).is_err());
    }

    /// Every one was compared with every other.
    #[test]
    fn many_columns_are_refused_and_as_many_as_excel_has_are_read_in_no_time() {
        let header = |n: usize| {
            let names = (0..n).map(|n| format!("parametros.coluna{n}"));
            ["servico", "motivo", "nome", "fone"].map(str::to_owned).into_iter().chain(names).collect()
        };
        let names: Vec<String> = header(CELLS_MAX - 4);
        assert_eq!(
            Columns::new(names, Width::Workbook, &[], &[], Customers::Ignored).unwrap().params.len(),
            CELLS_MAX - 4
        );
        let names: Vec<String> = header(100_000);
        assert!(matches!(
            Columns::new(names, Width::Text, &[], &[], Customers::Ignored),
            Err(IntakeError::TooManyColumns { n_max: 1024 })
        ));
        assert!(Columns::new(header(1020), Width::Text, &[], &[], Customers::Ignored).is_ok());
    }

    #[test]
    fn a_doubled_column_is_in_the_way_only_where_it_is_needed() {
        let found = columns("servico;motivo;nome;fone;status;Status", &[], &[]).unwrap();
        assert_eq!(found.doubled(), ["Status"]);
        assert!(columns("servico;motivo;nome;fone;status;status", &["status=email"], &[]).is_err());
    }

    #[test]
    fn what_is_not_sure_of_the_service_is_told() {
        let doubts = |header: &str, maps: &[&str]| {
            let parsed: Vec<Map> = maps.iter().map(|map| map.parse().unwrap()).collect();
            let found = columns(header, maps, &[]).unwrap().doubts(&parsed);
            found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(doubts("codigo cliente;motivo;nome;fone", &["codigo cliente=id_cliente_servico"]), @"`codigo cliente` is a customer's number by its name, and is taken for the service's (`id_cliente_servico`): those are different numbers");
        insta::assert_snapshot!(doubts("Código;Serviço;motivo;nome;fone", &[]), @"`Serviço` is taken for `id_cliente_servico`, and `Código` could be it too");
        assert_eq!(
            doubts("id servico;servico;codigo;motivo;nome;fone", &[]),
            "",
            "it says that it is the id"
        );
        assert_eq!(
            doubts("codigo;servico;motivo;nome;fone", &["servico=id_cliente_servico"]),
            "",
            "a person says so"
        );
    }

    #[test]
    fn a_second_phone_stands_in_for_the_first() {
        let maps = ["fone=telefone", "celular=telefone"];
        let found = columns("servico;motivo;nome;fone;celular", &maps, &[]).unwrap();
        assert_eq!((found.fields[Field::Telefone].0, found.second_phone), (Some(3), Some(4)));
        let maps = ["fone=telefone", "celular=telefone", "nome=telefone"];
        assert!(columns("servico;motivo;nome;fone;celular", &maps, &[]).is_err());
    }

    #[test]
    fn a_delimiter_too_many_is_nothing_where_a_moved_text_would_be_noticed() {
        for (header, expected) in [
            ("servico;motivo;nome;fone", true),
            ("servico;motivo;nome;fone;cidade;abrir_os", true),
            ("servico;nome;fone;motivo", true),
            ("servico;nome;fone;motivo;cidade", false),
            ("servico;nome;fone;cidade;motivo", false),
        ] {
            assert_eq!(columns(header, &[], &[]).unwrap().may_end_in_delimiters, expected, "{header}");
        }
    }

    #[test]
    fn a_column_without_a_name_is_not_kept() {
        let found = columns(";servico;motivo; ;nome;fone;;", &[], &[]).unwrap();
        assert_eq!(found.own_names, ["servico", "motivo", "nome", "fone"]);
        assert_eq!((found.n_named, &found.unnamed[..]), (6, [0, 3].as_slice()));
    }

    #[test]
    fn a_header_that_cannot_be_used_is_explained() {
        let cases = [
            refused("servico;motivo;nome;Telefone;TELEFONE", &[]),
            refused("servico;motivo;nome;fone;celular", &[]),
            refused("id servico;servico;codigo;nome;fone;celular;e-mail;email principal", &[]),
            refused("codigo_cliente;descricao;nome;telefone", &[]),
            refused("id_cliente;descricao;nome;telefone", &[]),
            refused("cpf/cnpj;descricao;nome;telefone", &[]),
            refused("id_servic;descricao;nome;telefone_1;cidade", &[]),
            refused("servico;motivo;nome;fone", &["x=nome"]),
            refused("servico;motivo;nome;fone", &["nome=nome", "nome=email"]),
            refused("servico;motivo;nome;fone", &["nome=nome", "motivo=nome"]),
        ];
        insta::assert_snapshot!(cases.join("\n\n"));
    }
}
