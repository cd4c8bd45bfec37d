use super::*;
use crate::delivery::identity::BatchKey;
use crate::text;

fn marker() -> Marker {
    Marker::new(&BatchKey("queda".to_owned()), "1")
}

fn asked() -> Asked<'static> {
    Asked { service: 11_000, type_label: Some("Suporte Técnico"), abrir_os: false, marker: marker() }
}

fn answer(status: u16, body: &str) -> Exchange {
    let body = Ok(Bytes::copy_from_slice(body.as_bytes()));
    Exchange::Answered { status, retry_after: None, date: None, body }
}

/// The verdict in short: its name and its code; for an opening its protocolo and warnings.
fn short(verdict: &Verdict<Proof>) -> String {
    match verdict {
        Verdict::Answered(proof) => {
            let warnings: Vec<_> = proof.warnings.iter().map(|warning| warning.code().into()).collect();
            let warnings: Vec<_> =
                warnings.into_iter().chain(proof.conflict.as_ref().map(Fault::code)).collect();
            format!("opened {} {}", proof.opening.protocolo, warnings.join(" ")).trim_end().to_owned()
        }
        Verdict::Rejected(fault) => format!("rejected {}", fault.code()),
        Verdict::Unknown(fault) => format!("unknown {}", fault.code()),
        Verdict::Stumbled(fault) => format!("stumbled {}", fault.code()),
        Verdict::NotSent(fault) => format!("not_sent {}", fault.code()),
        Verdict::Throttled => "throttled".to_owned(),
        Verdict::Unauthorized(fault) => format!("unauthorized {}", fault.code()),
        Verdict::LoginUnavailable(fault) => format!("login_unavailable {}", fault.code()),
        Verdict::Forbidden(fault) => format!("forbidden {}", fault.code()),
        Verdict::Misconfigured(fault) => format!("misconfigured {}", fault.code()),
        Verdict::Withheld => "withheld".to_owned(),
    }
}

#[test]
fn the_verdict_table() {
    let opened =
        r#"{"status":"success","atendimento":{"id_atendimento":300,"protocolo":"20181116105821000006"}}"#;
    let invalid = r#"{"status":"error","msg":"Os dados fornecidos são inválidos","errors":["O campo nome é obrigatório."]}"#;
    let exception = r#"{"status":"error","msg":"SQLSTATE","file":"/var/www/x.php","line":3,"trace":[]}"#;
    let table: &[(u16, &str, &str)] = &[
        // Proof.
        (200, opened, "opened 20181116105821000006"),
        (201, opened, "opened 20181116105821000006"),
        (
            200,
            r#"{"status":"SUSCESS","atendimento":{"id_atendimento":"300","protocolo":20181116105821000006}}"#,
            "opened 20181116105821000006",
        ),
        (
            200,
            "\u{feff}{\"status\":\"Success\",\"x\":1,\"atendimento\":{\"id_atendimento\":3,\"protocolo\":\" 1 \",\"servico\":[],\"ordens_servico\":null}}",
            "opened 1",
        ),
        // A success that proves nothing.
        (200, r#"{"status":"success"}"#, "unknown no_proof"),
        (200, r#"{"status":"success","atendimento":null}"#, "unknown no_proof"),
        (200, r#"{"status":"success","atendimento":[]}"#, "unknown no_proof"),
        (
            200,
            r#"{"status":"success","atendimento":{"id_atendimento":300,"protocolo":""}}"#,
            "unknown no_proof",
        ),
        (
            200,
            r#"{"status":"success","atendimento":{"id_atendimento":300,"protocolo":"  "}}"#,
            "unknown no_proof",
        ),
        (200, r#"{"status":"success","atendimento":{"id_atendimento":300}}"#, "unknown no_proof"),
        (200, r#"{"status":"success","atendimento":{"protocolo":"1"}}"#, "unknown no_proof"),
        (
            200,
            r#"{"status":"success","atendimento":{"id_atendimento":0,"protocolo":"1"}}"#,
            "unknown no_proof",
        ),
        (200, r#"{"status":"success","id_atendimento":300,"protocolo":"1"}"#, "unknown no_proof"),
        (200, r#"{"atendimento":{"id_atendimento":300,"protocolo":"1"}}"#, "unknown no_proof"),
        (202, opened, "unknown http_202"),
        // Refusals.
        (200, invalid, "rejected validation"),
        (400, invalid, "rejected validation"),
        (422, invalid, "rejected validation"),
        (200, r#"{"status":"ERROR","msg":"Serviço cancelado"}"#, "rejected refused"),
        (200, r#"{"status":"error","msg":"Serviço cancelado","errors":[]}"#, "rejected refused"),
        (200, r#"{"status":"error","errors":{}}"#, "rejected refused"),
        (
            422,
            r#"{"message":"The given data was invalid.","errors":{"nome":["obrigatório"]}}"#,
            "rejected validation",
        ),
        (400, r#"{"message":"Bad Request"}"#, "unknown http_400"),
        // A word that nobody knows is no refusal.
        (200, r#"{"status":"processing","msg":"Na fila"}"#, "unknown no_proof"),
        (422, r#"{"status":"processing","msg":"Na fila"}"#, "unknown http_422"),
        (413, "<html>", "rejected http_413"),
        // Refusals that are none.
        (200, exception, "stumbled exception"),
        (400, exception, "stumbled exception"),
        (422, exception, "stumbled exception"),
        (200, r#"{"status":"error","msg":"x","error_type":"QueryException"}"#, "stumbled exception"),
        (
            200,
            r#"{"status":"success","trace":[],"atendimento":{"id_atendimento":1,"protocolo":"1"}}"#,
            "stumbled exception",
        ),
        (
            200,
            r#"{"status":"error","msg":"OS","atendimento":{"id_atendimento":1,"protocolo":"1"}}"#,
            "unknown contradiction",
        ),
        (200, r#"{"status":"error","msg":"OS","atendimento":{"protocolo":"1"}}"#, "unknown contradiction"),
        (200, r#"{"status":"error","msg":"OS","protocolo":"1"}"#, "unknown contradiction"),
        (422, r#"{"status":"error","msg":"OS","id_atendimento":7}"#, "unknown contradiction"),
        // A number that is none of ours, and a ticket that cannot be read, may be one all the same.
        (200, r#"{"status":"error","id_atendimento":99999999999999999999}"#, "unknown contradiction"),
        (200, r#"{"status":"error","id_atendimento":[7]}"#, "unknown contradiction"),
        (200, r#"{"status":"error","protocolo":["1"]}"#, "unknown contradiction"),
        (200, r#"{"status":"error","atendimento":[{"id_atendimento":7}]}"#, "unknown contradiction"),
        (
            200,
            r#"{"status":"error","atendimento":{"protocolo":"1","protocolo":"2"}}"#,
            "unknown contradiction",
        ),
        // Also where it does not say that it is an error.
        (200, r#"{"errors":["OS"],"atendimento":{"protocolo":"1","protocolo":"2"}}"#, "unknown no_proof"),
        (200, r#"{"errors":["OS"],"protocolo":"1"}"#, "unknown no_proof"),
        (
            200,
            r#"{"status":"error","id_atendimento":0,"protocolo":" ","atendimento":[]}"#,
            "rejected refused",
        ),
        (200, r#"{"status":"error","id_atendimento":null,"atendimento":{}}"#, "rejected refused"),
        (200, r#"{"status":"error","id_atendimento":"0","atendimento":false}"#, "rejected refused"),
        (200, r#"{"status":"error","msg":"OS","protocolo":"","id_atendimento":null}"#, "rejected refused"),
        (201, invalid, "unknown no_proof"),
        // Another ticket than was asked for, perhaps.
        (
            200,
            r#"{"status":"success","errors":["OS não aberta"],"atendimento":{"id_atendimento":1,"protocolo":"1"}}"#,
            "opened 1 success_with_errors",
        ),
        (
            200,
            r#"{"status":"success","errors":[],"atendimento":{"id_atendimento":1,"protocolo":"1"}}"#,
            "opened 1",
        ),
        (
            200,
            r#"{"status":"success","errors":[" "],"atendimento":{"id_atendimento":1,"protocolo":"1"}}"#,
            "opened 1",
        ),
        // What is refused whatever is asked.
        (200, r#"{"status":"error","msg":"Método store não disponível"}"#, "misconfigured switched_off"),
        (403, r#"{"status":"error","msg":"Método/endpoint não disponível"}"#, "misconfigured switched_off"),
        (
            200,
            r#"{"status":"error","msg":"O Usuário não possui a permissão desejada!"}"#,
            "forbidden http_403",
        ),
        (200, r#"{"status":"error","msg":"Método de pagamento inválido"}"#, "rejected refused"),
        (200, r#"{"status":"error","msg":"Usuário inválido"}"#, "rejected refused"),
        (403, "<html>Attention Required! | Cloudflare</html>", "unknown http_403_page"),
        // Halts and pauses.
        (401, r#"{"message":"Unauthenticated."}"#, "unauthorized http_401"),
        (401, "<html>", "unauthorized http_401"),
        (403, "", "forbidden http_403"),
        (404, "<html>", "misconfigured http_404"),
        (405, invalid, "misconfigured http_405"),
        (429, "", "throttled"),
        (429, invalid, "throttled"),
        // Whatever else may have done its work.
        (408, invalid, "unknown http_408"),
        (409, invalid, "unknown http_409"),
        (418, invalid, "unknown http_418"),
        (301, "", "unknown http_301"),
        (302, opened, "unknown http_302"),
        (500, invalid, "stumbled http_500"),
        (502, "<html>", "unknown http_502"),
        (503, "", "unknown http_503"),
        (504, opened, "unknown http_504"),
        (204, "", "unknown http_204"),
        (200, "", "unknown empty"),
        (200, " \r\n", "unknown empty"),
        (200, "<html>ok</html>", "unknown not_json"),
        (200, "[]", "unknown not_json"),
        (200, "null", "unknown not_json"),
        (200, "\"success\"", "unknown not_json"),
        (200, r#"{"status":"success","atendimento":{"id_atend"#, "unknown not_json"),
        (200, "<br />Notice{\"status\":\"error\"}", "unknown not_json"),
        (422, "<html>", "unknown not_json"),
    ];
    for (status, body, expected) in table {
        assert_eq!(short(&of_open(&answer(*status, body), &asked())), *expected, "{status} {body}");
    }
}

#[test]
fn a_body_that_never_came_whole_is_no_refusal_and_no_proof() {
    let broken =
        |status, fault| Exchange::Answered { status, retry_after: None, date: None, body: Err(fault) };
    let table = [
        (broken(200, Fault::Cut), "unknown cut"),
        (broken(200, Fault::Timeout), "unknown timeout"),
        (broken(422, Fault::TooLarge), "unknown too_large"),
        // The status alone tells.
        (broken(429, Fault::Cut), "throttled"),
        (broken(401, Fault::Cut), "unauthorized http_401"),
        (broken(403, Fault::Cut), "forbidden http_403"),
        (broken(413, Fault::Cut), "rejected http_413"),
        (broken(500, Fault::Timeout), "stumbled http_500"),
        (Exchange::Lost(Fault::Timeout), "unknown timeout"),
        (Exchange::Lost(Fault::Reset), "unknown reset"),
        (Exchange::NotSent(Fault::Dns { at: None, cause: "".into() }), "not_sent dns"),
    ];
    for (exchange, expected) in table {
        assert_eq!(short(&of_open(&exchange, &asked())), expected, "{exchange:?}");
    }
}

#[test]
fn the_echo_is_compared_with_what_was_asked_for() {
    let with = |fields: &str| {
        let body = format!(
            r#"{{"status":"success","atendimento":{{"id_atendimento":1,"protocolo":"1",{fields}}}}}"#
        );
        answer(200, &body)
    };
    let os = r#""ordens_servico":[{"id_ordem_servico":"340","numero_ordem_servico":320}]"#;
    let table = [
        (
            with(r#""servico":{"id_cliente_servico":"11000"},"tipo_atendimento":"SUPORTE TECNICO""#),
            false,
            "opened 1",
        ),
        (with(r#""servico":{"id_cliente_servico":11001}"#), false, "opened 1 wrong_service"),
        (with(r#""servico":{"nome":"FIBRA"},"tipo_atendimento":null"#), false, "opened 1"),
        (with(r#""tipo_atendimento":"SAC""#), false, "opened 1 wrong_type"),
        (with(r#""ordens_servico":[]"#), true, "opened 1 without_os"),
        (with(r#""x":1"#), true, "opened 1 without_os"),
        (with(os), true, "opened 1"),
    ];
    for (exchange, abrir_os, expected) in table {
        assert_eq!(short(&of_open(&exchange, &Asked { abrir_os, ..asked() })), expected, "{exchange:?}");
    }
    let Verdict::Answered(proof) = of_open(&with(os), &asked()) else { panic!("it proves") };
    assert_eq!(proof.opening.ids_ordem_servico, [340]);
    assert_eq!(proof.opening.numeros_ordem_servico, ["320"]);
}

#[test]
fn the_marker_comes_back_or_not_or_nobody_knows() {
    let echoed = |text: Option<String>| {
        let text = serde_json::to_string(&text).expect("text");
        let body = format!(
            r#"{{"status":"success","atendimento":{{"id_atendimento":1,"protocolo":"1","descricao_abertura":{text}}}}}"#
        );
        match of_open(&answer(200, &body), &asked()) {
            Verdict::Answered(proof) => proof.marker_echoed,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(echoed(Some(format!("Sem luz{} | ATENDIMENTO ABERTO VIA API", marker()))), Some(true));
    assert_eq!(echoed(Some("Sem luz | ATENDIMENTO ABERTO VIA API".into())), Some(false));
    assert_eq!(echoed(None), None);
}

#[test]
fn hubsofts_own_words_are_shown_and_its_insides_never() {
    let message = |status, body: &str| match of_open(&answer(status, body), &asked()) {
        Verdict::Rejected(fault)
        | Verdict::Unknown(fault)
        | Verdict::Stumbled(fault)
        | Verdict::Forbidden(fault) => text::fault(&fault),
        other => panic!("{other:?}"),
    };
    let both = r#"{"status":"error","msg":"Dados inválidos.","errors":["nome é obrigatório.","a\nb"]}"#;
    assert_eq!(message(200, both), "Dados inválidos: nome é obrigatório.; a b");
    let nested = r#"{"message":"Inválido","errors":{"nome":["n1","n2"],"email":"e"}}"#;
    assert_eq!(message(422, nested), "Inválido: e; n1; n2");
    assert_eq!(message(200, r#"{"status":"error"}"#), "HubSoft refused the ticket and gave no reason");
    let long = format!(r#"{{"status":"error","msg":"{}"}}"#, "é".repeat(10_000));
    assert_eq!(message(200, &long).chars().count(), 501);
    for status in [200, 400, 403, 422, 500] {
        let insides = r#"{"status":"error","msg":"SECRET","file":"SECRET","line":1,"trace":["SECRET"]}"#;
        assert!(!message(status, insides).contains("SECRET"), "{status}");
    }
}

#[test]
fn a_permission_that_is_missing_is_told_in_hubsofts_words() {
    for (status, body) in [
        (200, r#"{"status":"error","msg":"O usuário não possui a permissão desejada"}"#),
        (403, r#"{"status":"error","msg":"O usuário não possui a permissão desejada"}"#),
        (403, r#"{"message":"O usuário não possui a permissão desejada"}"#),
    ] {
        let said = Some("O usuário não possui a permissão desejada".to_owned());
        let verdict = of_open(&answer(status, body), &asked());
        assert_eq!(verdict, Verdict::Forbidden(Fault::Http { status: 403, said }), "{status} {body}");
    }
    let nothing = of_open(&answer(403, r#"{"status":"error","msg":"SQL","trace":[]}"#), &asked());
    assert_eq!(nothing, Verdict::Forbidden(Fault::http(403)));
}

#[test]
fn a_request_that_only_has_to_work_is_judged_as_strictly() {
    let table = [
        (200, r#"{"status":"success"}"#, "it worked"),
        (201, r#"{"status":"success"}"#, "unknown http_201"),
        (422, r#"{"status":"success"}"#, "unknown http_422"),
        (200, r#"{"status":"success","trace":[]}"#, "stumbled exception"),
        (200, r#"{"status":"error","msg":"x","trace":[]}"#, "stumbled exception"),
        (200, r#"{"status":"error","msg":"x"}"#, "rejected refused"),
        (422, r#"{"status":"error","msg":"x"}"#, "rejected refused"),
        (201, r#"{"status":"error","msg":"x"}"#, "unknown http_201"),
        (200, r#"{"status":"error","msg":"Método index não disponível"}"#, "misconfigured switched_off"),
        (200, r#"{"status":"processing"}"#, "unknown not_json"),
        (400, r#"{"status":"processing"}"#, "unknown http_400"),
        (200, "<html>", "unknown not_json"),
        (401, "", "unauthorized http_401"),
    ];
    for (status, body, expected) in table {
        let found = match of_read(&answer(status, body)) {
            Ok(read) => {
                assert_eq!(read, body);
                "it worked".to_owned()
            }
            Err(verdict) => short(&unanswered(verdict)),
        };
        assert_eq!(found, expected, "{status} {body}");
    }
}

#[test]
fn what_a_server_tells_of_itself_is_of_an_answer_alone() {
    let (date, wait) = (http_date("Tue, 24 Nov 2026 11:00:00 GMT"), Some(Duration::from_secs(7)));
    assert_ne!(date, None);
    let answered =
        Exchange::Answered { status: 503, retry_after: wait, date, body: Ok(Bytes::from_static(b"x")) };
    for (exchange, code, status, date, wait) in [
        (answered, "503", Some(503), date, wait),
        (Exchange::Lost(Fault::Timeout), "timeout", None, None, None),
        (Exchange::NotSent(Fault::Reset), "reset", None, None, None),
    ] {
        let told = (exchange.code(), exchange.http_status(), exchange.date(), exchange.retry_after());
        assert_eq!(told, (code.into(), status, date, wait));
    }
}

#[test]
fn the_login_table() {
    let table: &[(u16, &str, &str)] = &[
        (200, r#"{"access_token":"t","expires_in":2592000}"#, "token 2592000"),
        (200, r#"{"access_token":"t","expires_in":"60"}"#, "token 60"),
        (200, r#"{"access_token":"t"}"#, "token"),
        (200, r#"{"access_token":""}"#, "elsewhere login_not_here"),
        (200, "<html>", "elsewhere login_not_here"),
        (401, r#"{"error":"invalid_credentials"}"#, "refused login_refused"),
        (400, r#"{"error":"invalid_grant"}"#, "refused login_refused"),
        (401, r#"{"error":"invalid_client"}"#, "refused login_refused"),
        (400, "<html>", "elsewhere login_not_here"),
        (401, r#"{"message":"Unauthenticated."}"#, "refused login_refused"),
        (403, "", "elsewhere login_not_here"),
        (302, "", "elsewhere login_not_here"),
        (419, "<html>", "elsewhere login_not_here"),
        (422, r#"{"errors":["client_id"]}"#, "refused login_refused"),
        (404, "", "elsewhere login_not_here"),
        (429, "", "unavailable login_http_429"),
        (500, r#"{"error":"invalid_grant"}"#, "unavailable login_http_500"),
        (503, "", "unavailable login_http_503"),
    ];
    for (status, body, expected) in table {
        let exchange = answer(*status, body);
        let found = match of_login(&exchange) {
            Login::Token { expires_in, .. } => {
                format!("token {}", expires_in.map_or(String::new(), |wait| wait.as_secs().to_string()))
            }
            Login::Refused(fault) => format!("refused {}", fault.code()),
            Login::Unavailable(fault) => format!("unavailable {}", fault.code()),
            Login::Elsewhere(fault) => format!("elsewhere {}", fault.code()),
        };
        assert_eq!(found.trim_end(), *expected, "{status} {body}");
    }
}

#[test]
fn a_login_elsewhere_tells_what_was_found_and_what_to_look_at() {
    let table = [
        (
            200,
            "<!DOCTYPE html><html><TITLE>\n Painel\u{1b}[2J do provedor </TITLE>",
            "the login answered something else than a token (HTTP 200, `Painel?[2J do provedor`); is \
             `HUBSOFT_URL` the address of the API?",
        ),
        (
            200,
            r#"{"status":"error","msg":"Rota desativada"}"#,
            "the login answered something else than a token (HTTP 200, `Rota desativada`); is \
             `HUBSOFT_URL` the address of the API?",
        ),
        (
            302,
            "",
            "the login answered something else than a token (HTTP 302, a redirect); is `HUBSOFT_URL` the \
             address of the API?",
        ),
        (
            400,
            r#"{"error":"unsupported_grant_type","error_description":"Check the grant"}"#,
            "HubSoft refused the login: Check the grant (unsupported_grant_type); look at HUBSOFT_CLIENT_ID \
             and its secret, then at user and password",
        ),
    ];
    for (status, body, expected) in table {
        let exchange = answer(status, body);
        match of_login(&exchange) {
            Login::Elsewhere(fault) | Login::Refused(fault) => assert_eq!(text::fault(&fault), expected),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn retry_after_in_the_body() {
    let table = [
        (429, r#"{"retry_after":30}"#, Some(30)),
        (429, r#"{"message":"Too Many Attempts.","retry_after":"12"}"#, Some(12)),
        (429, r#"{"retry_after":1.2}"#, Some(2)),
        (503, r#"{"retry_after":"Tue, 24 Nov 2026 12:00:30 GMT"}"#, Some(30)),
        (429, r#"{"retry_after":"2026-11-24T09:00:30-03:00"}"#, Some(30)),
        (429, r#"{"retry_after":"2026-11-24 12:00:30"}"#, None), // In whose zone?
        (429, r#"{"retry_after":1e99}"#, Some(900)),
        (429, r#"{"retry_after":-5}"#, None),
        (429, r#"{"retry_after":null}"#, None),
        (429, "<html>", None),
        (200, r#"{"retry_after":30}"#, None), // It was served.
    ];
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
    for (status, body, expected) in table {
        let found = retry_after_of_body(status, body.as_bytes(), None, now).map(|wait| wait.as_secs());
        assert_eq!(found, expected, "{status} {body}");
    }
}

#[test]
fn retry_after_in_both_forms() {
    let now: Timestamp = "2026-11-24T12:00:00Z".parse().expect("a time");
    let date = Some("Tue, 24 Nov 2026 11:00:00 GMT");
    let table = [
        ("0", None, Some(0)),
        (" 120 ", None, Some(120)),
        ("901", None, Some(900)),
        ("99999999999999999999999", None, Some(900)),
        ("Tue, 24 Nov 2026 12:00:30 GMT", None, Some(30)),
        ("Tue, 24 Nov 2026 11:00:10 GMT", date, Some(10)),
        ("Tue, 24 Nov 2026 11:00:00 GMT", None, Some(0)),
        ("Wed, 24 Nov 2027 11:00:00 GMT", None, Some(900)),
        ("2026-11-24T12:00:30Z", None, Some(30)),
        ("-5", None, None),
        ("soon", None, None),
        ("", None, None),
    ];
    for (header, date, expected) in table {
        let found = retry_after(header, date.and_then(http_date), now).map(|wait| wait.as_secs());
        assert_eq!(found, expected, "{header}");
    }
}

proptest::proptest! {
    #[test]
    fn no_answer_makes_it_panic(status in 100_u16..600, body in ".{0,200}") {
        let _ = of_open(&answer(status, &body), &asked());
        let _ = super::super::look_up::of_find_open(&answer(status, &body), 1, "SAC", super::super::page::Limit::Unproven);
        let _ = of_login(&answer(status, &body));
    }
}
