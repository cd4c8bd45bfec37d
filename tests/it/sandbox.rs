//! The sandbox as a stranger meets it: over HTTP, by hand.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use std::time::{Duration, Instant};

use mutirao::sandbox::{RunningSandbox, Sandbox};

use crate::support::site::Site;

fn sandbox(options: &str) -> RunningSandbox {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    Sandbox::start(options.parse().expect("options"), listener).expect("a sandbox")
}

fn request(sandbox: &RunningSandbox, line: &str, headers: &str, body: &str) -> String {
    request_at(&sandbox.url(), line, headers, body)
}

/// Sends one request and reads until the sandbox closes; `""`: it reset the connection.
fn request_at(url: &str, line: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
    let len = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n{body}"
    );
    let _ = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("UTF-8")
}

fn with_token(sandbox: &RunningSandbox, line: &str, body: &str) -> String {
    let token = sandbox.sandbox().issue_token();
    let headers = format!("Accept: application/json\r\nAuthorization: Bearer {token}\r\n");
    request(sandbox, line, &headers, body)
}

fn post(sandbox: &RunningSandbox, body: &str) -> String {
    with_token(sandbox, "POST /api/v1/integracao/atendimento", body)
}

const VALID: &str = r#"{"id_cliente_servico":"11000","descricao":"Sem luz [ref 0123456789AB]","nome":"Ana","telefone":"37999112233"}"#;

#[test]
fn it_refuses_with_hubsofts_words_and_http_200() {
    let sandbox = sandbox("services_max=20000");
    let table = [
        (VALID.to_owned(), "Atendimento aberto com sucesso. Anote o protocolo: "),
        (
            "{}".to_owned(),
            r#""errors":["O campo id cliente servico é obrigatório.","O campo descricao é obrigatório.""#,
        ),
        ("no json".to_owned(), "O campo nome é obrigatório."),
        (VALID.replace("Ana", " "), "O campo nome é obrigatório."),
        (VALID.replace("37999112233", "379"), "O campo telefone deverá conter no mínimo 10 caracteres"),
        (VALID.replace("\"11000\"", "\"abc\""), "O campo id_cliente_servico deve ser do tipo integer"),
        (VALID.replace("11000", "20001"), "O valor selecionado para o campo id cliente servico é inválido."),
        (VALID.replace('}', r#","abrir_os":"false"}"#), "O campo abrir os deverá ser verdadeiro ou falso."),
        (
            VALID.replace('}', r#","id_tipo_atendimento":101}"#),
            "O valor selecionado para o campo id tipo atendimento",
        ),
        (VALID.replace('}', r#","email":"ana"}"#), "O campo email"),
    ];
    for (body, expected) in table {
        let answer = post(&sandbox, &body);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains(expected), "{body}: {answer}");
    }
    assert_eq!(sandbox.stop().tickets, 1);
}

#[test]
fn a_ticket_is_shown_as_hubsoft_shows_it() {
    let sandbox = sandbox("");
    let answer = post(&sandbox, &VALID.replace('}', r#","abrir_os":true,"id_tipo_atendimento":2}"#));
    let body = answer.split("\r\n\r\n").nth(1).expect("a body");
    let answer: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let ticket = &answer["atendimento"];
    assert_eq!(ticket["descricao_abertura"], "Sem luz [ref 0123456789AB] | ATENDIMENTO ABERTO VIA API");
    assert_eq!(ticket["tipo_atendimento"], "SUPORTE TÉCNICO");
    assert_eq!(ticket["protocolo"].as_str().map(str::len), Some(20));
    assert_eq!(ticket["data_cadastro"].as_str().map(str::len), Some("24/11/2026".len()));
    assert_eq!(ticket["servico"]["id_cliente_servico"], 11_000);
    assert_eq!(ticket["ordens_servico"][0]["numero_ordem_servico"], "1");
}

#[test]
fn look_ups_have_the_defaults_that_hurt() {
    let sandbox = sandbox("");
    for n in 0..25 {
        post(&sandbox, &VALID.replace("Sem luz", &format!("Nr. {n}.")));
    }
    post(&sandbox, &VALID.replace('}', r#","parametros_fechamento":{"status_fechamento":"x"}}"#));
    let look_up = |rest: &str| {
        let route = "GET /api/v1/integracao/cliente/atendimento?busca=id_cliente_servico&termo_busca=11000";
        let answer = with_token(&sandbox, &format!("{route}{rest}"), "");
        let body = answer.split("\r\n\r\n").nth(1).expect("a body").to_owned();
        serde_json::from_str::<serde_json::Value>(&body).expect("JSON")
    };
    let ids = |answer: &serde_json::Value| -> Vec<i64> {
        let tickets = answer["atendimentos"].as_array().expect("a list").iter();
        tickets.map(|it| it["id_atendimento"].as_i64().expect("a number")).collect()
    };
    let by_default = look_up("");
    assert_eq!(by_default["status"], "suscess");
    assert_eq!(ids(&by_default), (1..=20).collect::<Vec<i64>>(), "twenty, the oldest first, no closed one");
    assert_eq!(by_default["atendimentos"][0]["servico"]["id_cliente_servico"], "11000");
    let asked_well = look_up("&apenas_pendente=nao&order_by=data_cadastro&order_type=desc&limit=50");
    assert_eq!(ids(&asked_well), (1..=26).rev().collect::<Vec<i64>>());
    assert_eq!(ids(&look_up("&limit=50")).len(), 25);
    assert_eq!(ids(&look_up("&data_inicio=2999-01-01")).len(), 0);
    assert_eq!(look_up("&limit=51")["status"], "error");
    assert_eq!(look_up("&order_type=down")["status"], "error");
}

#[test]
fn a_stranger_gets_401_or_the_login_page() {
    let sandbox = sandbox("");
    let route = "GET /api/v1/integracao/configuracao/tipo_atendimento";
    let json = request(&sandbox, route, "Accept: application/json\r\n", "");
    assert!(
        json.starts_with("HTTP/1.1 401") && json.ends_with(r#"{"message":"Unauthenticated."}"#),
        "{json}"
    );
    assert!(request(&sandbox, route, "", "").starts_with("HTTP/1.1 302"));
    let login = request(&sandbox, "POST /oauth/token", "", r#"{"grant_type":"password","client_id":1}"#);
    assert!(login.starts_with("HTTP/1.1 401") && login.contains("invalid_client"), "{login}");
    assert!(with_token(&sandbox, "GET /nowhere", "").starts_with("HTTP/1.1 404"));
}

#[test]
fn the_audit_finds_what_was_opened_twice() {
    let sandbox = sandbox("");
    for marker in ["0123456789AB", "0123456789AB", "0123456789AC"] {
        post(&sandbox, &VALID.replace("0123456789AB", marker));
    }
    post(&sandbox, &VALID.replace(" [ref 0123456789AB]", ""));
    let audit = request(&sandbox, "GET /sandbox/audit", "", "");
    assert!(audit.contains(r#""tickets":4,"service_orders":0,"late_commits_pending":0,"markers":2,"tickets_without_marker":1,"duplicates":{"0123456789AB":2}"#), "{audit}");
    let audit = sandbox.stop();
    assert_eq!(audit.duplicates.into_iter().collect::<Vec<_>>(), [("0123456789AB".to_owned(), 2)]);
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let run = |seed: u32| {
        let options = format!("seed={seed},reset_before=0.2,reset_after=0.2,error_after=0.2,cut_body=0.1");
        let sandbox = sandbox(&options);
        let firsts = (0..40).map(|_| post(&sandbox, VALID).lines().next().unwrap_or_default().to_owned());
        (firsts.collect::<Vec<_>>(), sandbox.stop().faults)
    };
    let (one, other) = (run(1), run(1));
    assert_eq!(one, other);
    assert_ne!(one, run(2));
    assert_eq!(one.1.len(), 4, "{:?}", one.1);
}

#[test]
fn what_is_beyond_the_limit_is_refused_in_the_way_that_was_chosen() {
    for (refusal, in_header, in_body) in
        [("body", false, true), ("header", true, false), ("html", false, false)]
    {
        let sandbox = sandbox(&format!("rate=1,burst=3,retry_after=30,refusal={refusal}"));
        let answers: Vec<String> = (0..40).map(|_| post(&sandbox, VALID)).collect();
        let (taken, refused): (Vec<_>, Vec<_>) =
            answers.iter().partition(|it| it.starts_with("HTTP/1.1 200"));
        assert_eq!(sandbox.stop().tickets, taken.len() as u64);
        assert!(3 <= taken.len() && !refused.is_empty(), "{refusal}: {} were taken", taken.len());
        for answer in refused {
            assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
            assert_eq!(head.contains("Retry-After: 30"), in_header, "{answer}");
            assert_eq!(body.contains(r#""retry_after":30"#), in_body, "{answer}");
            assert_eq!(body.starts_with("<html>"), refusal == "html", "{answer}");
        }
    }
}

#[test]
fn a_limit_that_delays_refuses_nothing() {
    let sandbox = sandbox("rate=50,burst=5,refusal=delay");
    let start = Instant::now();
    assert!((0..20).all(|_| post(&sandbox, VALID).starts_with("HTTP/1.1 200")));
    assert!(Duration::from_millis(300) <= start.elapsed(), "fifteen at 20 ms each: {:?}", start.elapsed());
    assert_eq!(sandbox.stop().answers, [(200, 20)].into());
}

#[test]
fn a_sandbox_that_a_person_starts_has_the_limit_that_hubsoft_documents() {
    let site = Site::new("");
    for (with, is_limited) in [("", true), ("logins=0", false)] {
        let started = site.start_until(&["sandbox", "--with", with], "/sandbox/audit");
        let url = started.said.split(' ').find_map(|it| it.strip_suffix("/sandbox/audit;")).expect("its URL");
        // 20 at once and one more each two seconds: 60 would have to take more than a minute.
        let logins = (0..60).map(|_| request_at(url, "POST /oauth/token", "", "{}"));
        let n_refused = logins.filter(|it| it.starts_with("HTTP/1.1 429")).count();
        assert_eq!(0 < n_refused, is_limited, "{n_refused} with `{with}`");
    }
}

#[test]
fn a_sandbox_is_for_loopback_only() {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let refused = Sandbox::start("".parse().expect("options"), listener);
    assert!(refused.is_err_and(|it| it.to_string().contains("is for loopback")));
}
