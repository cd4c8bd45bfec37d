//! Whole rows: all problems at once, and properties of reading whatever comes.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::super::{Ddd, Id, Kind, Parsed, Ticket, Value, fill_ddd};
use super::*;

fn raw<'a>(cells: &[(Field, &'a str)]) -> RawTicket<'a> {
    let mut raw = RawTicket::default();
    for (field, cell) in cells {
        *raw.get_mut(*field) = Some(Cow::Borrowed(*cell));
    }
    raw
}

fn valid() -> RawTicket<'static> {
    raw(&[
        (Field::IdClienteServico, "11000"),
        (Field::Descricao, "Queda de fibra"),
        (Field::Nome, "Ana"),
        (Field::Telefone, "(37) 99911-2233"),
    ])
}

#[test]
fn a_row_needs_four_cells() {
    let parsed = Ticket::parse(&valid()).unwrap();
    insta::assert_snapshot!(format!("{:?}", parsed), @"Parsed { ticket: Ticket { id_cliente_servico: 11000, descricao: (14 characters), nome: (3 characters), telefone: (11 characters), abrir_os: false }, notices: [] }");
    for field in Field::ALL {
        let mut raw = valid();
        *raw.get_mut(field) = Some(Cow::Borrowed(" \u{A0}"));
        let problems = Ticket::parse(&raw).err().unwrap_or_default();
        let codes: Vec<_> = problems.iter().map(|problem| (&*problem.field, &*problem.code)).collect();
        let expected = field.is_required().then_some((field.name(), "required"));
        assert_eq!(codes, Vec::from_iter(expected));
    }
}

/// Blank it would be another ticket than the sheet was meant to ask for.
#[test]
fn a_formula_that_failed_is_a_problem_of_its_row_in_whatever_field() {
    for field in Field::ALL {
        let mut raw = valid();
        *raw.get_mut(field) = Some(Cow::Borrowed(" #N/D"));
        let problems = Ticket::parse(&raw).err().unwrap_or_default();
        let told: Vec<_> =
            problems.iter().map(|problem| (&*problem.field, &*problem.code, &*problem.found)).collect();
        assert_eq!(told, [(field.name(), "formula_error", "#N/D")]);
    }
}

#[test]
fn what_was_lost_on_the_way_explains_more_than_what_is_left() {
    for (cell, code) in [
        ("3799911\u{0}2233", "nul_character"),
        ("3799911\u{FFFD}2233", "lost_character"),
        ("3799911?2233", "phone_not_digits"),
    ] {
        let problems = Ticket::parse(&raw(&[(Field::Telefone, cell)])).unwrap_err();
        let of_phone = problems.iter().find(|problem| problem.field == Field::Telefone.name());
        assert_eq!(of_phone.map(|problem| &*problem.code), Some(code), "{cell:?}");
        assert_eq!(of_phone.map(super::super::is_without_ddd), Some(false));
    }
    let problems = Ticket::parse(&raw(&[(Field::Telefone, "99911-2233")])).unwrap_err();
    assert!(problems.iter().any(super::super::is_without_ddd));
}

#[test]
fn all_problems_of_a_row_come_at_once() {
    let problems = Ticket::parse(&raw(&[
        (Field::IdClienteServico, "11.000"),
        (Field::IdTipoAtendimento, "SAC"),
        (Field::Nome, "Ana\0"),
        (Field::Telefone, "99911-2233"),
        (Field::Email, "ana"),
        (Field::AbrirOs, "talvez"),
        (Field::IdAtendimentoStatus, "0"),
        (Field::IdUsuarioResponsavel, "1;2"),
        (Field::Parametros, "[]"),
        (Field::ParametrosOrdemServico, "{\"status\":\"x\"}"),
    ]))
    .unwrap_err();
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| format!("{} {} `{}`", problem.field, problem.code, problem.found))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    id_cliente_servico id_ambiguous `11.000`
    id_tipo_atendimento not_an_id `SAC`
    descricao required ``
    nome nul_character `A***`
    telefone phone_without_ddd `99***-**33`
    email email_without_at `a***`
    abrir_os not_a_boolean `talvez`
    id_atendimento_status id_not_positive `0`
    id_usuario_responsavel not_an_id_list `1;2`
    parametros params_not_an_object `[]`
    parametros_ordem_servico os_status_unknown `{"status":"x"}`
    "#);
}

#[test]
fn a_service_order_that_was_not_asked_for_is_said() {
    let mut raw = valid();
    *raw.get_mut(Field::ParametrosOrdemServico) = Some("{}".into());
    let notices = |raw: &RawTicket<'_>| Ticket::parse(raw).unwrap().notices;
    assert_eq!(notices(&raw)[0].code, "os_not_asked");
    *raw.get_mut(Field::AbrirOs) = Some("sim".into());
    assert_eq!(notices(&raw), []);
}

#[test]
fn the_same_row_is_the_same_service_type_and_description() {
    let key = |raw: &RawTicket<'_>| Ticket::parse(raw).unwrap().ticket.repeat_key();
    let first = key(&valid());
    let with = |field: Field, cell: &'static str| {
        let mut raw = valid();
        *raw.get_mut(field) = Some(cell.into());
        key(&raw)
    };
    assert_eq!(first, with(Field::IdClienteServico, "11000,00"));
    for text in
        [" Queda de fibra ", "Queda  de\u{A0}fibra", "Queda\nde fibra", "Que\u{AD}da de \u{200B} fibra"]
    {
        assert_eq!(first, with(Field::Descricao, text), "{text:?}");
    }
    for field in Field::ALL {
        assert_eq!(first != with(field, other(field)), field.is_identity(), "{field}");
    }
    assert_ne!(first, with(Field::Descricao, "queda de fibra"));
    // Stored by an outbox: it must stay what it is.
    insta::assert_snapshot!(first.map(|byte| format!("{byte:02x}")).concat(), @"d935f25057d8752b0051d0e27933958d");
}

/// What a field says, and that of a valid row does not.
fn other(field: Field) -> &'static str {
    match field.kind() {
        Kind::Id | Kind::Ids => "7",
        Kind::Text | Kind::Name => "Bia",
        Kind::Phone => "37 3221-1234",
        Kind::Email => "bia@example.com",
        Kind::Flag => "sim",
        Kind::Object => "{}",
    }
}

/// By this it is known whether a sheet still comes to the tickets that a person agreed to.
#[test]
fn the_same_ticket_says_the_same_in_all_fields_however_that_is_written() {
    let key = |raw: &RawTicket<'_>| Ticket::parse(raw).unwrap().ticket.whole_key();
    let with = |pairs: &[(Field, &'static str)]| {
        let mut raw = valid();
        pairs.iter().for_each(|(field, cell)| *raw.get_mut(*field) = Some((*cell).into()));
        key(&raw)
    };
    let first = with(&[]);
    let mut keys: Vec<_> = Field::ALL.map(|field| with(&[(field, other(field))])).into();
    keys.push(first);
    // The same word in another place, another word, and one more.
    let (of_one, of_other) = (Field::IdAtendimentoStatus, Field::IdOrigemContato);
    let list = Field::IdUsuarioResponsavel;
    for pairs in [
        &[(of_one, "12")][..],
        &[(of_other, "12")],
        &[(of_one, "1"), (of_other, "2")],
        &[(of_one, "2"), (of_other, "1")],
        &[(list, "1,2")],
        &[(list, "12")],
        &[(list, "2,1")],
        &[(Field::Descricao, "queda de fibra")],
        &[(Field::Parametros, "{\"a\":1}")],
        &[(Field::Parametros, "{\"a\":\"1\"}")],
        &[(Field::ParametrosOrdemServico, "{\"a\":1}")],
    ] {
        keys.push(with(pairs));
    }
    let n_keys = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), n_keys, "two tickets that differ have one key");
    for pairs in [(Field::IdClienteServico, "11000,00"), (Field::AbrirOs, "não"), (Field::Email, " ")] {
        assert_eq!(with(&[pairs]), first, "{pairs:?}");
    }
}

/// A ticket as cells, the way it is sent.
fn cells_of(ticket: &Ticket) -> RawTicket<'static> {
    let list = |ids: &[Id]| ids.iter().map(|id| id.get().to_string()).collect::<Vec<_>>().join(",");
    RawTicket::of(|field| {
        Some(Cow::Owned(match ticket.value(field)? {
            Value::Id(id) => id.get().to_string(),
            Value::Ids(ids) => list(ids),
            Value::Text(text) => text.to_owned(),
            Value::Flag(flag) => flag.to_string(),
            Value::Object(map) => Json::Object(map.clone()).to_string(),
        }))
    })
}

/// Text that comes near to what the rules look for.
fn tricky() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9.,eE+\\-]{0,24}",
        "[=\"\u{A0}\u{200B} 0-9a-z\u{301}\u{0}\u{1}\r\n]{0,16}",
        "(\\+?55)?0?[0-9() -]{8,16}",
        "[a-z.]{1,8}@[a-z.-]{1,8}",
        "\\{\"(status|ids_tecnicos|x)\":(1|\"7 8\"|\"pendente\"|\\[1,\"2\"\\])\\}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(cells in proptest::collection::vec(tricky(), Field::ALL.len())) {
        let mut raw = RawTicket::default();
        for (field, cell) in Field::ALL.into_iter().zip(&cells) {
            *raw.get_mut(field) = Some(Cow::Borrowed(cell.as_str()));
        }
        if let Err(problems) = Ticket::parse(&raw) {
            prop_assert!(!problems.is_empty());
        }
        for ddd in [11, 55, 99] {
            let _ = fill_ddd(&cells[0], Ddd::new(ddd).unwrap());
        }
    }

    /// One odd cell in a valid row: where it is accepted, its sent form reads as the same ticket.
    #[test]
    fn what_was_read_once_reads_the_same_again(at in 0..Field::ALL.len(), cell in tricky()) {
        let mut raw = valid();
        *raw.get_mut(Field::ALL[at]) = Some(Cow::Borrowed(cell.as_str()));
        if let Ok(Parsed { ticket, .. }) = Ticket::parse(&raw) {
            let again = Ticket::parse(&cells_of(&ticket));
            prop_assert_eq!(again.map(|parsed| parsed.ticket), Ok(ticket));
        }
    }

    #[test]
    fn a_filled_phone_is_valid(cell in "[0-9 ().-]{7,14}") {
        if let Some(filled) = fill_ddd(&cell, Ddd::new(37).unwrap()) {
            let mut raw = valid();
            *raw.get_mut(Field::Telefone) = Some(filled.into());
            prop_assert!(Ticket::parse(&raw).is_ok());
        }
    }
}
