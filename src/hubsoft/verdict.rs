//! What an answer proves: the verdict table, as pure functions over what came back.
//!
//! The question is never "did it fail?" but "may a ticket exist?". Whatever is not surely one thing
//! or the other is [`Verdict::Unknown`].

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::wire::{Envelope, LoginAnswer, Seen, Status};
use super::words;
use crate::delivery::identity::Marker;
use crate::delivery::{Fault, Proof, Verdict};

/// The longest pause a server may ask for.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// What became of one HTTP request.
#[derive(Clone, Debug)]
pub(super) enum Exchange {
    /// Not a byte of the request was sent.
    NotSent(Fault),
    /// It may have arrived; no status came back.
    Lost(Fault),
    /// The body is whole, or the fault says what became of it.
    Answered { status: u16, retry_after: Option<Duration>, body: Result<Bytes, Fault> },
}

impl Exchange {
    pub(super) fn http_status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::NotSent(_) | Self::Lost(_) => None,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answered { retry_after, .. } => *retry_after,
            Self::NotSent(_) | Self::Lost(_) => None,
        }
    }
}

/// What was asked for, to compare the echo with.
pub(super) struct Asked<'a> {
    pub(super) service: i64,
    /// `None`: none was asked for, or the catalogue is not known.
    pub(super) type_label: Option<&'a str>,
    pub(super) abrir_os: bool,
    pub(super) marker: Marker,
}

/// Judges the answer to a post.
pub(super) fn of_open(exchange: &Exchange, asked: &Asked<'_>) -> Verdict<Proof> {
    let (status, body) = match told(exchange) {
        Ok(told) => told,
        Err(verdict) => return verdict,
    };
    if status == 413 {
        return Verdict::Rejected(words::http(413));
    }
    let answer = match envelope(body) {
        Ok(answer) => answer,
        Err(fault) => return Verdict::Unknown(fault),
    };
    if answer.is_exception() {
        return Verdict::Unknown(words::exception());
    }
    let ticket = answer.ticket();
    let opening = ticket.as_ref().and_then(Seen::opening);
    match (status, answer.status(), ticket, opening) {
        (200 | 201, Status::Success, Some(ticket), Some(opening)) => {
            let descricao = ticket.descricao_abertura();
            let marker_echoed = descricao.map(|it| asked.marker.is_in(&it));
            let without_os = asked.abrir_os && opening.ids_ordem_servico.is_empty();
            let warnings = echo_faults(&ticket, asked, without_os);
            Verdict::Answered(Proof { opening, marker_echoed, warnings })
        }
        (200 | 201, Status::Success, ..) => Verdict::Unknown(words::no_proof()),
        // Half a success exists: the ticket was opened and its service order failed.
        (200 | 400 | 422, Status::Error, Some(ticket), _) if ticket.id_atendimento().is_some() => {
            Verdict::Unknown(words::contradiction())
        }
        (200 | 400 | 422, Status::Error, ..) => Verdict::Rejected(refusal(&answer)),
        (200 | 400 | 422, Status::Other, None, _) if !answer.errors().is_empty() => {
            Verdict::Rejected(refusal(&answer))
        }
        (200 | 201, ..) => Verdict::Unknown(words::no_proof()),
        (status, ..) => Verdict::Unknown(words::http(status)),
    }
}

/// Judges the answer to a request that only has to work (a probe, a catalogue): its body if it did.
pub(super) fn of_read(exchange: &Exchange) -> Result<&Bytes, Verdict<()>> {
    let (status, body) = told(exchange)?;
    let answer = envelope(body).map_err(Verdict::Unknown)?;
    match (status, answer.status()) {
        _ if answer.is_exception() => Err(Verdict::Unknown(words::exception())),
        (200, Status::Success) => Ok(body.as_ref().expect("an envelope was read from it")),
        (200 | 400 | 422, Status::Error) => Err(Verdict::Rejected(refusal(&answer))),
        (200, Status::Other) => Err(Verdict::Unknown(words::not_json())),
        (status, _) => Err(Verdict::Unknown(words::http(status))),
    }
}

/// What a login gave.
#[derive(Debug)]
pub(super) enum Login<'a> {
    Token { token: Cow<'a, str>, expires_in: Option<Duration> },
    Refused(Fault),
    Unavailable(Fault),
    Misconfigured(Fault),
}

/// OAuth's words for "these credentials will not do" (RFC 6749, section 5.2), and HubSoft's
/// `invalid_credentials`.
fn is_refusal(error: &str) -> bool {
    error.starts_with("invalid_") || matches!(error, "unauthorized_client" | "unsupported_grant_type")
}

/// Judges the answer to a login.
pub(super) fn of_login(exchange: &Exchange) -> Login<'_> {
    let (status, body) = match exchange {
        Exchange::NotSent(fault) | Exchange::Lost(fault) => return Login::Unavailable(fault.clone()),
        Exchange::Answered { status: status @ (404 | 405), .. } => {
            return Login::Misconfigured(words::http(*status));
        }
        Exchange::Answered { body: Err(fault), .. } => return Login::Unavailable(fault.clone()),
        Exchange::Answered { status, body: Ok(body), .. } => (*status, body),
    };
    let answer = LoginAnswer::read(body);
    match (status, &answer) {
        (200 | 201, Some(answer)) if answer.access_token().is_some() => Login::Token {
            token: answer.access_token().unwrap_or_default(),
            expires_in: answer.expires_in().map(Duration::from_secs),
        },
        (200 | 201, Some(_)) => {
            Login::Unavailable(words::fault("login_no_token", "the login answer carries no access_token"))
        }
        (200 | 201, None) => Login::Unavailable(words::not_json()),
        (400 | 401, Some(answer)) if answer.error().is_some_and(|it| is_refusal(&it)) => {
            let error = answer.error().unwrap_or_default();
            let said = answer.error_description();
            let said = said.map_or_else(|| error.to_string(), |said| format!("{said} ({error})"));
            let message = format!("HubSoft refused the login: {}", words::capped(&said));
            Login::Refused(words::fault("login_refused", message))
        }
        (status, _) => {
            let message = format!("the login answered HTTP {status}");
            Login::Unavailable(words::fault(format!("login_http_{status}"), message))
        }
    }
}

/// What the status alone decides, whatever the body; else the status and the body.
pub(super) fn told<T>(exchange: &Exchange) -> Result<(u16, &Result<Bytes, Fault>), Verdict<T>> {
    let (status, body) = match exchange {
        Exchange::NotSent(fault) => return Err(Verdict::NotSent(fault.clone())),
        Exchange::Lost(fault) => return Err(Verdict::Unknown(fault.clone())),
        Exchange::Answered { status, body, .. } => (*status, body),
    };
    Err(match status {
        200 | 201 | 400 | 413 | 422 => return Ok((status, body)),
        401 => Verdict::Unauthorized(words::refused(401, None)),
        403 => Verdict::Forbidden(words::refused(403, said(body))),
        404 | 405 => Verdict::Misconfigured(words::http(status)),
        429 => Verdict::Throttled,
        _ => Verdict::Unknown(words::http(status)),
    })
}

/// The body as HubSoft's JSON, or what it is instead.
pub(super) fn envelope(body: &Result<Bytes, Fault>) -> Result<Envelope<'_>, Fault> {
    let body = body.as_ref().map_err(Fault::clone)?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(words::empty());
    }
    Envelope::read(body).ok_or_else(words::not_json)
}

/// HubSoft's reason for a refusal, if its body has one that may be shown.
fn said(body: &Result<Bytes, Fault>) -> Option<String> {
    let answer = envelope(body).ok().filter(|it| !it.is_exception())?;
    words::joined(answer.msg(), &answer.errors())
}

/// `validation` when fields are named, `refused` for a business rule.
pub(super) fn refusal(answer: &Envelope<'_>) -> Fault {
    let errors = answer.errors();
    let code = if errors.is_empty() { "refused" } else { "validation" };
    let message = words::joined(answer.msg(), &errors);
    words::fault(code, message.unwrap_or_else(|| "HubSoft refused the ticket and gave no reason".to_owned()))
}

/// The API ignores what it does not understand and still says success: so the echo is compared.
fn echo_faults(ticket: &Seen<'_>, asked: &Asked<'_>, without_os: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(echoed) = ticket.id_cliente_servico().filter(|it| *it != asked.service) {
        let message = format!("asked for id_cliente_servico {}, opened for {echoed}", asked.service);
        faults.push(words::fault("wrong_service", message));
    }
    if let (Some(label), Some(echoed)) = (asked.type_label, ticket.tipo_atendimento())
        && !same_label(label, &echoed)
    {
        let message = format!("asked for the type `{label}`, opened as `{}`", words::capped(&echoed));
        faults.push(words::fault("wrong_type", message));
    }
    if without_os {
        let message = "opened, but the service order that was asked for is missing";
        faults.push(words::fault("without_os", message));
    }
    faults
}

/// Labels come back in capitals and with or without accents.
pub(super) fn same_label(one: &str, other: &str) -> bool {
    fn folded(label: &str) -> impl Iterator<Item = char> {
        label.nfkd().filter(|it| !is_combining_mark(*it) && !it.is_whitespace()).flat_map(char::to_lowercase)
    }
    one == other || folded(one).eq(folded(other))
}

/// `Retry-After` in both its forms (RFC 9110, section 10.2.3), capped. A date counts from the
/// server's own `date` if it gave one: its clock may differ from ours.
pub(super) fn retry_after(header: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|it| it.is_ascii_digit()) {
        // Too many digits for a number are more than the cap as well.
        let wait = header.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs);
        return Some(wait.min(RETRY_AFTER_MAX));
    }
    let until = http_date(header)?;
    let from = date.and_then(http_date).unwrap_or(now);
    let wait = Duration::try_from(until.duration_since(from)).unwrap_or(Duration::ZERO);
    Some(wait.min(RETRY_AFTER_MAX))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|it| it.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::identity::BatchIdentity;

    fn marker() -> Marker {
        Marker::new(BatchIdentity::File { batch: "queda" }, "1")
    }

    fn asked() -> Asked<'static> {
        Asked { service: 11_000, type_label: Some("Suporte Técnico"), abrir_os: false, marker: marker() }
    }

    fn answer(status: u16, body: &str) -> Exchange {
        let body = Ok(Bytes::copy_from_slice(body.as_bytes()));
        Exchange::Answered { status, retry_after: None, body }
    }

    /// The verdict in short: its name and its code; for an opening its protocolo and warnings.
    fn short(verdict: &Verdict<Proof>) -> String {
        match verdict {
            Verdict::Answered(proof) => {
                let warnings: Vec<&str> = proof.warnings.iter().map(|it| it.code.as_str()).collect();
                format!("opened {} {}", proof.opening.protocolo, warnings.join(" ")).trim_end().to_owned()
            }
            Verdict::Rejected(fault) => format!("rejected {}", fault.code),
            Verdict::Unknown(fault) => format!("unknown {}", fault.code),
            Verdict::NotSent(fault) => format!("not_sent {}", fault.code),
            Verdict::Throttled => "throttled".to_owned(),
            Verdict::Unauthorized(fault) => format!("unauthorized {}", fault.code),
            Verdict::LoginUnavailable(fault) => format!("login_unavailable {}", fault.code),
            Verdict::Forbidden(fault) => format!("forbidden {}", fault.code),
            Verdict::Misconfigured(fault) => format!("misconfigured {}", fault.code),
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
            (413, "<html>", "rejected http_413"),
            // Refusals that are none.
            (200, exception, "unknown exception"),
            (400, exception, "unknown exception"),
            (422, exception, "unknown exception"),
            (200, r#"{"status":"error","msg":"x","error_type":"QueryException"}"#, "unknown exception"),
            (
                200,
                r#"{"status":"success","trace":[],"atendimento":{"id_atendimento":1,"protocolo":"1"}}"#,
                "unknown exception",
            ),
            (
                200,
                r#"{"status":"error","msg":"OS","atendimento":{"id_atendimento":1,"protocolo":"1"}}"#,
                "unknown contradiction",
            ),
            (201, invalid, "unknown no_proof"),
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
            (500, invalid, "unknown http_500"),
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
        let broken = |status, fault| Exchange::Answered { status, retry_after: None, body: Err(fault) };
        let table = [
            (broken(200, words::cut()), "unknown cut"),
            (broken(200, words::timeout()), "unknown timeout"),
            (broken(422, words::too_large()), "unknown too_large"),
            // The status alone tells.
            (broken(429, words::cut()), "throttled"),
            (broken(401, words::cut()), "unauthorized http_401"),
            (broken(403, words::cut()), "forbidden http_403"),
            (broken(413, words::cut()), "rejected http_413"),
            (broken(500, words::timeout()), "unknown http_500"),
            (Exchange::Lost(words::timeout()), "unknown timeout"),
            (Exchange::Lost(words::reset()), "unknown reset"),
            (Exchange::NotSent(words::fault("dns", "")), "not_sent dns"),
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
            Verdict::Rejected(fault) | Verdict::Unknown(fault) | Verdict::Forbidden(fault) => fault.message,
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
    fn the_login_table() {
        let table: &[(u16, &str, &str)] = &[
            (200, r#"{"access_token":"t","expires_in":2592000}"#, "token 2592000"),
            (200, r#"{"access_token":"t","expires_in":"60"}"#, "token 60"),
            (200, r#"{"access_token":"t"}"#, "token"),
            (200, r#"{"access_token":""}"#, "unavailable login_no_token"),
            (200, "<html>", "unavailable not_json"),
            (401, r#"{"error":"invalid_credentials"}"#, "refused login_refused"),
            (400, r#"{"error":"invalid_grant"}"#, "refused login_refused"),
            (401, r#"{"error":"invalid_client"}"#, "refused login_refused"),
            (400, "<html>", "unavailable login_http_400"),
            (401, r#"{"message":"Unauthenticated."}"#, "unavailable login_http_401"),
            (403, "", "unavailable login_http_403"),
            (404, "", "misconfigured http_404"),
            (429, "", "unavailable login_http_429"),
            (500, r#"{"error":"invalid_grant"}"#, "unavailable login_http_500"),
            (503, "", "unavailable login_http_503"),
        ];
        for (status, body, expected) in table {
            let exchange = answer(*status, body);
            let found = match of_login(&exchange) {
                Login::Token { expires_in, .. } => {
                    format!("token {}", expires_in.map_or(String::new(), |it| it.as_secs().to_string()))
                }
                Login::Refused(fault) => format!("refused {}", fault.code),
                Login::Unavailable(fault) => format!("unavailable {}", fault.code),
                Login::Misconfigured(fault) => format!("misconfigured {}", fault.code),
            };
            assert_eq!(found.trim_end(), *expected, "{status} {body}");
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
            ("-5", None, None),
            ("soon", None, None),
            ("", None, None),
        ];
        for (header, date, expected) in table {
            let found = retry_after(header, date, now).map(|it| it.as_secs());
            assert_eq!(found, expected, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(status in 100_u16..600, body in ".{0,200}") {
            let _ = of_open(&answer(status, &body), &asked());
            let _ = super::super::look_up::of_find_open(&answer(status, &body), 1, "SAC");
            let _ = of_login(&answer(status, &body));
        }
    }
}
