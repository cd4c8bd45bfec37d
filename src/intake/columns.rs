//! The columns of a file: which are fields, which are ours from an earlier result, which are the
//! input's own and only kept.

use super::header::{self, Map, RESULT_COLUMNS, Set, Target};
use super::records::RowShape;
use super::words::IntakeError;
use crate::ticket::{Field, is_blank};

/// How a file's columns are read. Built from its header, once.
#[derive(Debug)]
pub(super) struct Columns {
    /// All header cells, as they stand.
    pub names: Vec<String>,
    /// What each column is.
    pub roles: Vec<Role>,
    /// The columns of the input itself, in order.
    pub own: Vec<usize>,
    /// The headers of `own`.
    pub own_names: Vec<String>,
    /// Where each field comes from.
    pub fields: [Origin; Field::ALL.len()],
    /// The keys of the two objects that have columns or values of their own.
    pub params: Vec<Param>,
    /// Where a result of ours tells the batch.
    pub lote: Option<usize>,
    pub referencia: Option<usize>,
    /// Where a result of ours tells what became of a row.
    pub state: Option<usize>,
    /// Where a ticket's number stands, whoever wrote it.
    pub protocolo: Option<usize>,
    /// We wrote the file.
    pub is_result: bool,
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Target(Target),
    /// Kept, and not sent.
    Extra,
    /// Written by us into an earlier result; ignored.
    Ours,
}

impl Role {
    /// The field that the column is, or fills a key of.
    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Self::Target(Target::Field(field) | Target::Param { object: field, .. }) => Some(*field),
            _ => None,
        }
    }
}

impl Columns {
    pub(super) fn new(names: Vec<String>, maps: &[Map], sets: &[Set]) -> Result<Self, IntakeError> {
        let ours = ours(&names);
        let mut roles = roles(&names, &ours, maps)?;
        refuse_doubled(&names, &ours)?;
        // The reference that we wrote wins over the column that it was read from.
        let written = ours.contains(&Some("referencia"));
        for (role, ours) in roles.iter_mut().zip(&ours) {
            if written && ours.is_none() && *role == Role::Target(Target::Referencia) {
                *role = Role::Extra;
            }
        }
        refuse_two_of_one(&names, &roles)?;

        let own: Vec<usize> = (0..names.len()).filter(|it| ours[*it].is_none()).collect();
        let own_names = own.iter().map(|it| names[*it].clone()).collect();
        let at = |target: &Target| roles.iter().position(|it| matches!(it, Role::Target(it) if it == target));
        let set = |target: &Target| {
            let set = sets.iter().rev().find(|it| it.target == *target);
            set.map(|it| it.value.clone()).filter(|it| !is_blank(it))
        };
        let fields = Field::ALL.map(|it| (at(&Target::Field(it)), set(&Target::Field(it))));
        let mut params: Vec<Param> = Vec::new();
        let of_columns = roles.iter().filter_map(|it| match it {
            Role::Target(target) => Some(target),
            Role::Extra | Role::Ours => None,
        });
        for target in of_columns.chain(sets.iter().map(|it| &it.target)) {
            let Target::Param { object, key } = target else { continue };
            if params.iter().all(|it| it.object != *object || it.key != *key) {
                let (column, set) = (at(target), set(target));
                params.push(Param { object: *object, key: key.clone(), column, set });
            }
        }
        let referencia = at(&Target::Referencia);
        let our = |name| ours.iter().position(|it| *it == Some(name));
        let (lote, state) = (our("lote"), our("state"));
        let protocolo = names.iter().rposition(|it| header::normal(it) == "protocolo");
        let is_result = state.is_some();
        let columns = Self {
            names,
            roles,
            own,
            own_names,
            fields,
            params,
            lote,
            referencia,
            state,
            protocolo,
            is_result,
        };
        columns.refuse_missing()?;
        Ok(columns)
    }

    /// Whether a column may say that a row was in an outbox before.
    pub(super) fn tell_rows(&self) -> bool {
        self.referencia.is_some() || self.state.is_some() || self.protocolo.is_some()
    }

    /// By what a line is taken for a row: it reaches the last column without which no ticket is opened.
    pub(super) fn shape(&self) -> RowShape {
        let column = |field: Field| self.fields[field as usize].0;
        let last = Field::REQUIRED.into_iter().filter_map(column).max();
        RowShape { n_cells: last.unwrap_or(1).max(1) + 1, number: column(Field::IdClienteServico) }
    }

    /// The name of the column that a field is read from.
    pub(super) fn column_of(&self, field: &str) -> Option<&str> {
        let at = self.roles.iter().position(|it| it.field().is_some_and(|it| it.name() == field))?;
        Some(&self.names[at])
    }

    pub(super) fn extras(&self) -> Vec<String> {
        self.named(|role, name| *role == Role::Extra && !is_blank(name))
    }

    pub(super) fn ours(&self) -> Vec<String> {
        self.named(|role, _| *role == Role::Ours)
    }

    fn named(&self, is_it: impl Fn(&Role, &str) -> bool) -> Vec<String> {
        let all = self.names.iter().zip(&self.roles);
        all.filter(|(name, role)| is_it(role, name)).map(|(name, _)| name.clone()).collect()
    }

    fn refuse_missing(&self) -> Result<(), IntakeError> {
        let (mut missing, mut nearest) = (Vec::new(), Vec::new());
        for field in Field::REQUIRED {
            if self.fields[field as usize] != (None, None) {
                continue;
            }
            missing.push(field.name());
            if let Some(name) = self.nearest(field) {
                nearest.push((field.name(), name));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        if missing.contains(&Field::IdClienteServico.name())
            && let Some(found) = self.names.iter().find(|it| header::is_other_number(it))
        {
            return Err(IntakeError::NotTheService { found: found.clone() });
        }
        let found = header::shown(&self.names);
        nearest.retain(|(_, name)| found.contains(name));
        Err(IntakeError::MissingColumns { missing, found, nearest })
    }

    /// The column without a meaning whose name looks most like one of the field's: at most a third of
    /// the letters differ, or one is a part of the other.
    fn nearest(&self, field: Field) -> Option<String> {
        let close = self.extras().into_iter().filter_map(|name| {
            let found = header::normal(&name);
            let to = |wanted: &&str| {
                let is_part = 3 < found.len() && (wanted.contains(&found) || found.contains(wanted));
                let distance = if is_part { 1 } else { header::distance(&found, wanted) };
                (distance * 3 <= wanted.len()).then_some(distance)
            };
            Some((header::names_of(field).iter().filter_map(to).min()?, name))
        });
        close.min().map(|it| it.1)
    }
}

/// For each column, which of ours it is, if it is one.
///
/// `referencia` says who a row is wherever it stands. The other names are common words (`state`, `lote`: a
/// piece of land, `line`): they are ours only where `state` stands beside `referencia` or `protocolo`. An input
/// that has such a column of its own has it twice in its results: the last one is ours.
fn ours(names: &[String]) -> Vec<Option<&'static str>> {
    let mut found = vec![None; names.len()];
    let last = |wanted: &str| {
        names.iter().rposition(|it| header::result_column(it).is_some_and(|it| RESULT_COLUMNS[it] == wanted))
    };
    let is_result = last("state").is_some() && (last("referencia").is_some() || last("protocolo").is_some());
    for name in RESULT_COLUMNS {
        if (is_result || name == "referencia")
            && let Some(at) = last(name)
        {
            found[at] = Some(name);
        }
    }
    found
}

fn roles(names: &[String], ours: &[Option<&str>], maps: &[Map]) -> Result<Vec<Role>, IntakeError> {
    let mut roles: Vec<Role> = names
        .iter()
        .zip(ours)
        .map(|(name, ours)| match (ours, header::of_name(name)) {
            (Some("referencia"), _) => Role::Target(Target::Referencia),
            (Some(_), _) => Role::Ours,
            (None, Some(target)) => Role::Target(target),
            (None, None) => Role::Extra,
        })
        .collect();
    let mut mapped: Vec<usize> = Vec::new();
    for map in maps {
        let normal = header::normal(&map.column);
        let exact = names.iter().position(|it| *it == map.column);
        let at = exact.or_else(|| names.iter().position(|it| header::normal(it) == normal && !is_blank(it)));
        let Some(at) = at else {
            return Err(IntakeError::NoSuchColumn {
                column: map.column.clone(),
                found: header::shown(names),
            });
        };
        if mapped.contains(&at) {
            return Err(IntakeError::MappedTwice { column: map.column.clone() });
        }
        mapped.push(at);
        // A person's word settles which of two columns is meant; two such words contradict each
        // other, and are refused as two columns of one meaning.
        for (other, role) in roles.iter_mut().enumerate() {
            if *role == Role::Target(map.target.clone()) && !mapped.contains(&other) {
                *role = Role::Extra;
            }
        }
        roles[at] = Role::Target(map.target.clone());
    }
    Ok(roles)
}

fn refuse_doubled(names: &[String], ours: &[Option<&str>]) -> Result<(), IntakeError> {
    let mut seen: Vec<(String, usize)> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let normal = header::normal(name);
        if normal.is_empty() || ours[at].is_some() {
            continue;
        }
        if let Some((_, first)) = seen.iter().find(|it| it.0 == normal) {
            return Err(IntakeError::DoubledHeader {
                name: header::shown(names).into_iter().find(|it| it == name),
                first_at: first + 1,
                second_at: at + 1,
            });
        }
        seen.push((normal, at));
    }
    Ok(())
}

fn refuse_two_of_one(names: &[String], roles: &[Role]) -> Result<(), IntakeError> {
    for (second, role) in roles.iter().enumerate() {
        let Role::Target(target) = role else { continue };
        if let Some(first) = roles[..second].iter().position(|it| it == role) {
            return Err(IntakeError::TwoColumns {
                field: target.to_string(),
                first: names[first].clone(),
                second: names[second].clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str, maps: &[&str], sets: &[&str]) -> Result<Columns, IntakeError> {
        let names = header.split(';').map(str::to_owned).collect();
        let maps: Vec<Map> = maps.iter().map(|it| it.parse().unwrap()).collect();
        let sets: Vec<Set> = sets.iter().map(|it| it.parse().unwrap()).collect();
        Columns::new(names, &maps, &sets)
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

    #[test]
    fn a_header_that_cannot_be_used_is_explained() {
        let cases = [
            refused("servico;motivo;nome;Telefone;TELEFONE", &[]),
            refused("servico;motivo;nome;fone;celular", &[]),
            refused("codigo_cliente;descricao;nome;telefone", &[]),
            refused("id_servic;descricao;nome;telefone_1;cidade", &[]),
            refused("servico;motivo;nome;fone", &["x=nome"]),
            refused("servico;motivo;nome;fone", &["nome=nome", "nome=email"]),
            refused("servico;motivo;nome;fone", &["nome=nome", "motivo=nome"]),
        ];
        insta::assert_snapshot!(cases.join("\n\n"));
    }
}
