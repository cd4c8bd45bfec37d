use bytes::Bytes;
use jiff::Timestamp;

use super::*;
use crate::delivery::Beside;
use crate::delivery::identity::{BatchKey, Marker};
use crate::ticket::{Field, Id, RawTicket, Ticket};

/// Noon in UTC; nine in the morning where HubSoft is.
const SENT_AT: &str = "2026-11-24T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn marker() -> Marker {
    Marker::new(&BatchKey("queda".to_owned()), "1")
}

fn sent() -> LookUp {
    let service = Id::new(11_000).expect("positive");
    LookUp { service, marker: marker(), sent_at: Some(at(SENT_AT)) }
}

fn ticket(id: i64, protocolo: &str, descricao: &str) -> String {
    format!(
        r#"{{"id_atendimento":{id},"protocolo":"{protocolo}","descricao_abertura":"{descricao} | ATENDIMENTO ABERTO VIA API"}}"#
    )
}

fn ours(id: i64, protocolo: &str) -> String {
    ticket(id, protocolo, &format!("Sem luz{}", marker()))
}

fn page(tickets: &[String]) -> String {
    format!(r#"{{"status":"suscess","atendimentos":[{}]}}"#, tickets.join(","))
}

fn answer(status: u16, body: &str) -> Exchange {
    Exchange::Answered {
        status,
        retry_after: None,
        date: None,
        body: Ok(Bytes::copy_from_slice(body.as_bytes())),
    }
}

fn told(beside: &[Beside]) -> String {
    let each = |open: &Beside| format!(" beside {} {}", open.protocolo.as_deref().unwrap_or("?"), open.label);
    beside.iter().map(each).collect()
}

fn short(verdict: &Verdict<Sighting>) -> String {
    match verdict {
        Verdict::Answered(Sighting::Found { opening, others, beside, conflict }) => {
            let ids =
                std::iter::once(opening).chain(others).map(|opening| opening.id_atendimento.to_string());
            let conflict = conflict.as_ref().map(|fault| format!(" {}", fault.code())).unwrap_or_default();
            format!("found {}{conflict}{}", ids.collect::<Vec<_>>().join(" "), told(beside))
        }
        Verdict::Answered(Sighting::AlreadyOpen { opening }) => {
            format!("already_open {}", opening.id_atendimento)
        }
        Verdict::Answered(Sighting::Beside(beside)) => {
            assert_ne!(*beside, [], "beside nothing there is none");
            format!("not_found{}", told(beside))
        }
        Verdict::Answered(Sighting::NotFound) => "not_found".to_owned(),
        Verdict::Answered(Sighting::CouldNotTell(fault)) => format!("could_not_tell {}", fault.code()),
        Verdict::Unknown(fault) => format!("unknown {}", fault.code()),
        Verdict::Stumbled(fault) => format!("stumbled {}", fault.code()),
        Verdict::Throttled => "throttled".to_owned(),
        Verdict::Unauthorized(_) => "unauthorized".to_owned(),
        Verdict::Forbidden(_) => "forbidden".to_owned(),
        Verdict::Misconfigured(_) => "misconfigured".to_owned(),
        other => format!("{other:?}"),
    }
}

#[track_caller]
fn check(status: u16, body: &str, what: &LookUp, expected: &str) {
    assert_eq!(short(&of_look_up(&answer(status, body), what, Limit::Unproven)), expected, "{status} {body}");
}

#[test]
fn the_look_up_table() {
    let other = || ticket(1, "20261124090500000001", "Sem luz [ref 000000000000]");
    let table: &[(u16, String, &str)] = &[
        (200, page(&[ours(7, "20261124090001000007")]), "found 7"),
        (200, page(&[other(), ours(7, "20261124090001000007")]), "found 7"),
        (200, page(&[ours(9, "20261124090900000009"), ours(7, "20261124090001000007")]), "found 7 9"),
        (200, page(&[ours(9, "no date"), ours(7, "no date")]), "found 7 9"),
        (200, page(&[ours(9, "")]), "could_not_tell no_proof"),
        (200, page(&[]), "not_found"),
        (200, page(&[other()]), "not_found"),
        (200, r#"{"status":"success","atendimentos":[]}"#.into(), "not_found"),
        (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado"}"#.into(), "not_found"),
        (404, r#"{"status":"error","msg":"Nenhum registro encontrado."}"#.into(), "not_found"),
        (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado para o cliente","errors":[]}"#.into(), "not_found"),
        (200, r#"{"status":"error","msg":"Nenhum atendimento foi encontrado."}"#.into(), "not_found"),
        (200, r#"{"status":"error","msg":"Nenhum cliente encontrado"}"#.into(), "could_not_tell refused"),
        (200, r#"{"status":"error","msg":"Nenhum servico encontrado. Nao e possivel listar os atendimentos"}"#.into(), "could_not_tell refused"),
        (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado: nenhum servico com este id"}"#.into(), "could_not_tell refused"),
        // Who says that there is none says nothing else.
        (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado","errors":["x"]}"#.into(), "could_not_tell validation"),
        (404, r#"{"status":"error","msg":"Nenhum registro encontrado.","errors":["x"]}"#.into(), "misconfigured"),
        (404, r#"{"status":"error","msg":"Nenhum registro encontrado.","trace":[]}"#.into(), "misconfigured"),
        (404, r#"{"msg":"Nenhum registro encontrado."}"#.into(), "misconfigured"),
        (201, page(&[]), "could_not_tell http_201"),
        (422, page(&[]), "could_not_tell http_422"),
        (200, r#"{"status":"error","msg":"Método index não disponível"}"#.into(), "misconfigured"),
        (200, r#"{"status":"error","msg":"O Usuário não possui a permissão desejada!"}"#.into(), "forbidden"),
        (403, "<html>Attention Required!</html>".into(), "unknown http_403_page"),
        // Found, but where it should not be.
        (200, page(&[ours(7, "20261124090001000007").replace('{', r#"{"servico":{"id_cliente_servico":5},"#)]), "found 7 wrong_service"),
        // The filter was ignored: what is missing may stand elsewhere.
        (200, page(&[other().replace('{', r#"{"servico":{"id_cliente_servico":5},"#), other()]), "could_not_tell other_service"),
        (200, r#"{"status":"error","msg":"Serviço não encontrado"}"#.into(), "could_not_tell refused"),
        (200, r#"{"status":"error","msg":"x","errors":["O campo limit não contém um valor válido."]}"#.into(), "could_not_tell validation"),
        (422, r#"{"status":"error","msg":"x"}"#.into(), "could_not_tell refused"),
        (200, r#"{"status":"error","msg":"Nenhum atendimento encontrado","trace":[]}"#.into(), "could_not_tell exception"),
        (200, r#"{"status":"success"}"#.into(), "could_not_tell no_list"),
        (200, r#"{"status":"success","atendimentos":null}"#.into(), "could_not_tell no_list"),
        (200, r#"{"status":"success","atendimentos":{}}"#.into(), "could_not_tell no_list"),
        (200, r#"{"status":"success","atendimentos":[null]}"#.into(), "could_not_tell unreadable_ticket"),
        (200, r#"{"status":"success","atendimentos":[{}]}"#.into(), "could_not_tell no_text"),
        (200, r#"{"atendimentos":[]}"#.into(), "could_not_tell http_200"),
        // An old ticket without its text was there before ours; it does not stand in the way.
        (200, r#"{"status":"success","atendimentos":[{"protocolo":"20261101000000000001"}]}"#.into(), "not_found"),
        (200, r#"{"status":"success","atendimentos":[{"descricao_abertura":"x","servico":{"id_cliente_servico":"5"}}]}"#.into(),
         "could_not_tell other_service"),
        // An outage is not an answer.
        (200, "<html>".into(), "unknown not_json"),
        (200, String::new(), "unknown empty"),
        (302, String::new(), "unknown http_302"),
        (500, page(&[]), "stumbled http_500"),
        (503, String::new(), "unknown http_503"),
        (401, String::new(), "unauthorized"),
        (403, String::new(), "forbidden"),
        (404, "<html>".into(), "misconfigured"),
        (429, String::new(), "throttled"),
    ];
    for (status, body, expected) in table {
        check(*status, body, &sent(), expected);
    }
    let broken = Exchange::Answered { status: 200, retry_after: None, date: None, body: Err(Fault::Cut) };
    assert_eq!(short(&of_look_up(&broken, &sent(), Limit::Unproven)), "unknown cut");
}

/// `n` foreign tickets, the newest first, `step_min` minutes apart, the first at 09:59 local.
fn foreign(n: usize, step_min: usize) -> Vec<String> {
    let newest = jiff::civil::date(2026, 11, 24).at(9, 59, 0, 0);
    let time = |at: usize| {
        let back = jiff::Span::new().minutes(i64::try_from(at * step_min).expect("small"));
        newest.checked_sub(back).expect("a time").strftime("%Y%m%d%H%M%S").to_string()
    };
    (0..n).map(|nth| ticket(1_000 - nth as i64, &format!("{}000001", time(nth)), "x")).collect()
}

#[test]
fn a_full_page_proves_absence_only_if_it_reaches_back_beyond_the_send() {
    check(200, &page(&foreign(50, 1)), &sent(), "could_not_tell full_page");
    check(200, &page(&foreign(51, 1)), &sent(), "could_not_tell full_page");
    let proven = of_look_up(&answer(200, &page(&foreign(49, 1))), &sent(), Limit::Heeded);
    assert_eq!(short(&proven), "not_found");
    check(200, &page(&foreign(50, 10)), &sent(), "not_found");
    // Were `limit` ignored, a page would end at 20, or wherever that server ends its pages.
    check(200, &page(&foreign(19, 1)), &sent(), "not_found");
    check(200, &page(&foreign(20, 1)), &sent(), "could_not_tell full_page");
    check(200, &page(&foreign(49, 1)), &sent(), "could_not_tell full_page");
    check(200, &page(&foreign(20, 60)), &sent(), "not_found");
    for (n, limit, expected) in [
        (20, Limit::Heeded, "not_found"),
        (20, Limit::Ignored, "could_not_tell full_page"),
        (50, Limit::Heeded, "could_not_tell full_page"),
    ] {
        let found = of_look_up(&answer(200, &page(&foreign(n, 1))), &sent(), limit);
        assert_eq!(short(&found), expected, "{n} {limit:?}");
    }
    // Just older than the send is not enough: clocks differ.
    check(200, &page(&foreign(50, 2)), &sent(), "could_not_tell full_page");
    // The order was ignored: the newest may be missing.
    let mut ascending = foreign(50, 10);
    ascending.reverse();
    check(200, &page(&ascending), &sent(), "could_not_tell full_page");
    // And where all are as old, there is none to be seen.
    check(200, &page(&foreign(50, 0)), &sent(), "could_not_tell full_page");
    // Ours stands among them.
    let mut with_ours = foreign(49, 1);
    with_ours.push(ours(7, "20261124090001000007"));
    check(200, &page(&with_ours), &sent(), "found 7");
    // Nobody knows when it was sent: it may be as old as it will.
    let sent_once = LookUp { sent_at: None, ..sent() };
    check(200, &page(&foreign(50, 10)), &sent_once, "could_not_tell full_page");
}

#[test]
fn a_full_page_of_dates_only_is_read_to_the_end_of_the_day() {
    let dated = |day: &str| {
        format!(r#"{{"id_atendimento":1,"protocolo":"1","descricao_abertura":"x","data_cadastro":"{day}"}}"#)
    };
    let full = |oldest: &str| {
        let mut tickets = vec![dated("24/11/2026"); 49];
        tickets.push(dated(oldest));
        page(&tickets)
    };
    check(200, &full("22/11/2026"), &sent(), "not_found");
    check(200, &full("2026-11-22 23:59:59"), &sent(), "not_found");
    check(200, &full("24/11/2026"), &sent(), "could_not_tell full_page");
    check(200, &full("2026-11-24 08:00:00"), &sent(), "could_not_tell full_page");
    check(200, &full("?"), &sent(), "could_not_tell full_page");
    // Of one day, long before: an order cannot be seen in them.
    check(200, &page(&vec![dated("01/11/2026"); 50]), &sent(), "could_not_tell full_page");
}

/// HubSoft's clock may be two hours from ours, and two more in Acre. Older than that is older, to the second
/// that it shows: a ticket may be from the end of it.
#[test]
fn a_ticket_without_a_text_stands_in_the_way_unless_it_is_surely_older() {
    let without_text =
        |time: &str| page(&[format!(r#"{{"id_atendimento":1,"protocolo":"20261124{time}0001"}}"#)]);
    check(200, &without_text("050000"), &sent(), "could_not_tell no_text");
    check(200, &without_text("045959"), &sent(), "not_found");
    let within_that_second = LookUp { sent_at: Some(at("2026-11-24T12:00:00.5Z")), ..sent() };
    check(200, &without_text("050000"), &within_that_second, "could_not_tell no_text");
}

#[test]
fn what_is_open_beside_a_rows_own_ticket_is_told_of_its_service_alone() {
    let of_type = |ticket: String, kind: &str, more: &str| {
        ticket.replacen('{', &format!(r#"{{"tipo_atendimento":"{kind}",{more}"#), 1)
    };
    let own = || of_type(ours(7, "7"), "QUEDA", "");
    let other = |kind, more| of_type(ticket(5, "5", "x"), kind, more);
    for (beside, expected) in [
        (other("SAC", ""), "found 7 beside 5 SAC"),
        (other("SAC", r#""servico":{"id_cliente_servico":11000},"#), "found 7 beside 5 SAC"),
        (other("SAC", r#""servico":{"id_cliente_servico":11001},"#), "found 7"),
        (other("SAC", r#""data_fechamento":"24/11/2026","#), "found 7"),
        (other("queda", ""), "found 7"),
    ] {
        check(200, &page(&[own(), beside.clone()]), &sent(), expected);
        check(200, &page(&[beside, own()]), &sent(), expected);
    }
}

#[test]
fn a_protocolo_is_found_where_it_stands_and_nowhere_else() {
    let one = |id: i64, protocolo: &str, more: &str| {
        format!(r#"{{"id_atendimento":{id},"protocolo":"{protocolo}"{more}}}"#)
    };
    let of_service = r#","servico":{"id_cliente_servico":"11000"}"#;
    let shown = |id_atendimento, service| Verdict::Answered(Some(Shown { id_atendimento, service }));
    for (status, body, expected) in [
        (200, page(&[one(3, "77", ""), one(4, "78", of_service)]), shown(4, Some(11_000))),
        (200, page(&[one(4, "78", ""), one(3, "77", "")]), shown(4, None)),
        (200, page(&[one(3, "77", "")]), Verdict::Answered(None)),
        (200, page(&[]), Verdict::Answered(None)),
        (404, r#"{"status":"error","msg":"Nenhum atendimento encontrado"}"#.into(), Verdict::Answered(None)),
        (200, page(&["null".into(), one(4, "78", "")]), shown(4, None)),
        (200, page(&[one(0, "78", "")]), Verdict::Unknown(Fault::NoProof)),
        (200, r#"{"status":"success"}"#.into(), Verdict::Unknown(Fault::NoList)),
        (503, String::new(), Verdict::Unknown(Fault::http(503))),
        (429, String::new(), Verdict::Throttled),
    ] {
        assert_eq!(of_protocolo(&answer(status, &body), "78"), expected, "{status} {body}");
    }
}

#[test]
fn a_page_is_as_long_as_it_has_tickets() {
    for (status, body, expected) in [
        (200, page(&[]), Some(0)),
        (200, page(&foreign(3, 1)), Some(3)),
        (200, page(&["null".into(), ours(7, "7")]), None),
        (200, r#"{"status":"success"}"#.into(), None),
        (200, "<html>".into(), None),
        (503, page(&foreign(3, 1)), None),
    ] {
        assert_eq!(page_len(&answer(status, &body)), expected, "{status} {body}");
    }
}

/// Markers never come twice, and a machine's clock may be days ahead.
#[test]
fn a_ticket_that_looks_older_than_its_row_is_ours() {
    check(200, &page(&[ours(7, "20261024090000000007")]), &sent(), "found 7");
    check(200, &page(&[ours(7, "77")]), &sent(), "found 7");
}

#[test]
fn before_a_first_post_a_ticket_of_the_same_text_makes_it_needless() {
    let raw = RawTicket::from([
        (Field::IdClienteServico, "11000"),
        (Field::Descricao, "Sem conexão\ndesde  <ontem>"),
        (Field::Nome, "Ana"),
        (Field::Telefone, "37999112233"),
    ]);
    let Ok(parsed) = Ticket::parse(&raw) else { panic!("it is valid") };
    let what = Verification { ticket: &parsed.ticket, marker: marker(), opened_since: at(SENT_AT) };
    let seen = |protocolo: &str, kind: &str, text: &str| {
        page(&[ticket(7, protocolo, text).replacen('{', &format!(r#"{{"tipo_atendimento":"{kind}","#), 1)])
    };
    let (young, old) = ("20261124090001000007", "20261120090000000007");
    let with = |marker: &str| format!("Sem conexão\\ndesde <ontem> [ref {marker}]");
    let table = [
        (page(&[ours(7, old)]), "found 7"),
        (seen(young, "SAC", &with("0123456789AB")), "already_open 7"),
        (seen(young, "sac", "SEM CONEXAO DESDE &lt;ONTEM&gt;"), "already_open 7"),
        (seen(young, "SAC", "Sem conexao desde &amp;lt;ontem&amp;gt; [REF 0123456789AB]"), "already_open 7"),
        (seen("77", "SAC", &with("0123456789AB")), "already_open 7"),
        (seen(old, "SAC", &with("0123456789AB")), "not_found"),
        (seen(young, "QUEDA", &with("0123456789AB")), "not_found"),
        (seen(young, "SAC", "Sem conexão desde anteontem"), "not_found"),
        // What is no marker belongs to the text.
        (seen(young, "SAC", &with("0123456789ABC")), "not_found"),
        (seen(young, "SAC", &with("0123456789A-")), "not_found"),
        (seen("", "SAC", &with("0123456789AB")), "could_not_tell no_proof"),
        (page(&foreign(50, 1)), "could_not_tell full_page"),
        (page(&[]), "not_found"),
        (r#"{"status":"success"}"#.to_owned(), "could_not_tell no_list"),
    ];
    for (body, expected) in table {
        assert_eq!(
            short(&of_verification(&answer(200, &body), &what, "SAC", Limit::Unproven)),
            expected,
            "{body}"
        );
    }
    assert_eq!(short(&of_verification(&answer(429, ""), &what, "SAC", Limit::Unproven)), "throttled");
}

#[test]
fn only_a_pending_ticket_of_the_type_counts_as_open() {
    let seen = |id: i64, label: &str, closed: &str, service: &str| {
        format!(
            r#"{{"id_atendimento":{id},"protocolo":"{id}","tipo_atendimento":{label},"data_fechamento":{closed},"servico":{{"id_cliente_servico":{service}}}}}"#
        )
    };
    let label = r#""QUEDA DE ENÉRGIA""#;
    let table = [
        (page(&[seen(5, label, "null", "\"11000\"")]), "already_open 5"),
        (page(&[seen(5, label, "null", "11000"), seen(3, label, "null", "11000")]), "already_open 3"),
        (page(&[seen(5, r#""SAC""#, "null", "11000")]), "not_found beside 5 SAC"),
        (page(&[seen(5, r#""SAC""#, "null", "11000"), seen(3, label, "null", "11000")]), "already_open 3"),
        (page(&[seen(5, r#""SAC""#, "\"24/11/2026\"", "11000")]), "not_found"),
        (page(&[seen(5, r#""SAC""#, "null", "11001")]), "not_found"),
        (
            page(&[seen(5, r#""SAC""#, "null", "11000"), seen(5, "null", "null", "11000")]),
            "could_not_tell unclear_list",
        ),
        (page(&[seen(5, label, "\"24/11/2026\"", "11000")]), "not_found"),
        (page(&[seen(5, label, "null", "11001")]), "not_found"),
        (page(&[seen(5, "null", "null", "11000")]), "could_not_tell unclear_list"),
        (page(&vec![seen(5, r#""SAC""#, "null", "11000"); 50]), "could_not_tell unclear_list"),
        (page(&[]), "not_found"),
    ];
    for (body, expected) in table {
        let verdict = of_find_open(&answer(200, &body), 11_000, "Queda de Energia", Limit::Unproven);
        assert_eq!(short(&verdict), expected, "{body}");
    }
}

/// What a page gives, a row keeps for good.
#[test]
fn of_a_page_of_thousands_a_row_keeps_few() {
    let orders = r#"{"id_ordem_servico":1,"numero_ordem_servico":"1"},"#.repeat(1000);
    let with_orders = |id: i64| {
        let orders = format!(r#","ordens_servico":[{}]}}"#, orders.trim_end_matches(','));
        ours(id, "1").strip_suffix('}').expect("an object").to_owned() + &orders
    };
    let tickets: Vec<String> = (1..=1000).rev().map(|id| ours(id, "1")).collect();
    let verdict = of_look_up(&answer(200, &page(&tickets)), &sent(), Limit::Heeded);
    let Verdict::Answered(Sighting::Found { opening, others, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!((opening.id_atendimento, others.len()), (1, 50));
    let verdict = of_look_up(&answer(200, &page(&[with_orders(1)])), &sent(), Limit::Heeded);
    let Verdict::Answered(Sighting::Found { opening, .. }) = verdict else { panic!("{verdict:?}") };
    assert_eq!((opening.ids_ordem_servico.len(), opening.numeros_ordem_servico.len()), (100, 100));
}
