//! What the columns of a file are, by their names and a person's word.

use std::collections::HashMap;

use super::header::{self, Map, RESULT_COLUMNS, Target};
use super::headings;
use super::services::Customers;
use super::words::IntakeError;
use crate::ticket::{CustomerKey, Field, Kind, is_blank};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Target(Target),
    /// Where a phone is looked for if its own column has none: a person mapped two.
    SecondPhone,
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

/// For each column, which of ours it is, if it is one.
///
/// `referencia` says who a row is wherever it stands. The other names are common words (`state`, `lote`: a
/// piece of land, `line`): they are ours only where `state` stands beside `referencia` or `protocolo`. An
/// input that has such a column of its own has it twice in its results: the last one is ours. A workbook for
/// people calls them otherwise.
pub(super) fn ours(names: &[String]) -> Vec<Option<&'static str>> {
    if let Some(found) = headings::ours(names) {
        return found;
    }
    let mut found = vec![None; names.len()];
    let last = |wanted: &str| {
        names
            .iter()
            .rposition(|name| header::result_column(name).is_some_and(|at| RESULT_COLUMNS[at] == wanted))
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

/// `customers`: numbers of customers are needed, for the services that are to be found by them.
pub(super) fn roles(
    names: &[String],
    ours: &[Option<&str>],
    maps: &[Map],
    customers: Customers,
) -> Result<Vec<Role>, IntakeError> {
    let mut roles: Vec<Role> = names
        .iter()
        .zip(ours)
        .map(|(name, ours)| match (ours, header::of_name(name)) {
            (Some("referencia"), _) => Role::Target(Target::Referencia),
            (Some(_), _) => Role::Ours,
            (None, Some(Target::Customer(_))) if customers == Customers::Ignored => Role::Extra,
            (None, Some(target)) => Role::Target(target),
            (None, None) => Role::Extra,
        })
        .collect();
    // A name that says `id` wins over one that may be a plan's.
    let service = Role::Target(Target::Field(Field::IdClienteServico));
    let is_sure = |at: usize| roles[at] == service && !header::is_guess_of_service(&names[at]);
    if (0..names.len()).any(is_sure) {
        for (role, name) in roles.iter_mut().zip(names) {
            if *role == service && header::is_guess_of_service(name) {
                *role = Role::Extra;
            }
        }
    }
    let phone = Target::Field(Field::Telefone);
    let mut mapped: Vec<usize> = Vec::new();
    for map in maps {
        let normal = header::normal(&map.column);
        let exact = names.iter().position(|name| *name == map.column);
        let at =
            exact.or_else(|| names.iter().position(|name| header::normal(name) == normal && !is_blank(name)));
        let Some(at) = at else {
            return Err(IntakeError::NoSuchColumn {
                column: map.column.clone(),
                found: header::shown(names),
            });
        };
        if mapped.contains(&at) {
            return Err(IntakeError::MappedTwice { column: map.column.clone() });
        }
        let has_phone = mapped.iter().any(|at| roles[*at] == Role::Target(phone.clone()));
        mapped.push(at);
        if map.target == phone && has_phone && !roles.contains(&Role::SecondPhone) {
            roles[at] = Role::SecondPhone;
            continue;
        }
        // A person's word settles which of two columns is meant; two such words contradict each
        // other, and are refused as two columns of one meaning.
        let is_document = map.target == Target::Customer(CustomerKey::Document);
        for (other, role) in roles.iter_mut().enumerate().filter(|_| !is_document) {
            if *role == Role::Target(map.target.clone()) && !mapped.contains(&other) {
                *role = Role::Extra;
            }
        }
        roles[at] = Role::Target(map.target.clone());
    }
    Ok(roles)
}

/// Two columns of one name are refused where one of them is needed. Of others both are kept.
pub(super) fn refuse_doubled(
    names: &[String],
    ours: &[Option<&str>],
    roles: &[Role],
    maps: &[Map],
) -> Result<(), IntakeError> {
    for (first, second) in doubled(names, ours) {
        let normal = header::normal(&names[second]);
        let is_needed = |at: usize| matches!(roles[at], Role::Target(_));
        if is_needed(first)
            || is_needed(second)
            || maps.iter().any(|map| header::normal(&map.column) == normal)
        {
            return Err(IntakeError::DoubledHeader {
                name: header::shown(names).into_iter().find(|name| *name == names[second]),
                first_at: first + 1,
                second_at: second + 1,
            });
        }
    }
    Ok(())
}

/// The columns, ours apart, that have the same name as an earlier one: that, and they.
pub(super) fn doubled(names: &[String], ours: &[Option<&str>]) -> Vec<(usize, usize)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut doubled = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let normal = header::normal(name);
        if normal.is_empty() || ours[at].is_some() {
            continue;
        }
        match seen.get(&normal) {
            Some(first) => doubled.push((*first, at)),
            None => {
                seen.insert(normal, at);
            }
        }
    }
    doubled
}

/// Fields that two columns mean, and those columns.
pub(super) fn two_of_one(names: &[String], roles: &[Role]) -> Vec<(String, String, String)> {
    let mut seen: HashMap<&Target, usize> = HashMap::new();
    let mut pairs = Vec::new();
    for (second, role) in roles.iter().enumerate() {
        let Role::Target(target) = role else { continue };
        // CPF and CNPJ often have a column each: the first that says something is read.
        if *target == Target::Customer(CustomerKey::Document) {
            continue;
        }
        if let Some(first) = seen.insert(target, second) {
            pairs.push((target.to_string(), names[first].clone(), names[second].clone()));
        }
    }
    pairs
}

/// Whether a text that has the delimiter in it, and so moves the cells behind it on, is always noticed: a
/// service's id or a phone stands behind it, or it is the last column, so that its rest is a cell too many.
/// Then a blank cell too many is nothing but a delimiter at the line's end.
pub(super) fn may_end_in_delimiters(roles: &[Role]) -> bool {
    let is_text = |field: Field| match field.kind() {
        Kind::Text | Kind::Name | Kind::Object => true,
        Kind::Id | Kind::Ids | Kind::Phone | Kind::Email | Kind::Flag => false,
    };
    // Such a cell is never blank, and no part of a text is taken for it.
    let is_typed = |role: &Role| role.field().is_some_and(|field| field.is_required() && !is_text(field));
    let Some(typed) = roles.iter().rposition(is_typed) else { return false };
    match &roles[typed + 1..] {
        [_] => true,
        behind => behind
            .iter()
            .all(|role| !role.field().is_some_and(is_text) && *role != Role::Target(Target::Referencia)),
    }
}
