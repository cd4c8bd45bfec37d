//! The client against a HubSoft that misbehaves: what it makes of it, and how often it asks.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use mutirao::delivery::identity::{BatchIdentity, Marker};
use mutirao::delivery::{Api, Gate, LookUp, Reply, RequestKind, Sighting, Verdict, Withheld};
use mutirao::hubsoft::{Catalogue, Credentials, HubSoft, HubSoftSettings};
use mutirao::sandbox::{RunningSandbox, Sandbox, SandboxCredentials};
use mutirao::ticket::{Id, RawTicket, Ticket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Lets everything through until it has let through enough, and notes what.
#[derive(Default)]
struct Turnstile {
    passed: RefCell<Vec<RequestKind>>,
    closes_after: Option<usize>,
}

impl Gate for Turnstile {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        if self.closes_after == Some(self.passed.borrow().len()) {
            return Err(Withheld);
        }
        self.passed.borrow_mut().push(kind);
        Ok(())
    }
}

impl Turnstile {
    fn count(&self, kind: RequestKind) -> usize {
        self.passed.borrow().iter().filter(|it| **it == kind).count()
    }
}

fn sandbox(options: &str) -> RunningSandbox {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    Sandbox::start(options.parse().expect("options"), listener).expect("a sandbox")
}

fn password(of: SandboxCredentials) -> Credentials {
    Credentials::Password {
        client_id: of.client_id.into(),
        client_secret: of.client_secret.into(),
        username: of.username.into(),
        password: of.password.into(),
    }
}

fn client(url: &str, credentials: Credentials) -> HubSoft {
    client_with(url, credentials, Duration::from_secs(10))
}

fn client_with(url: &str, credentials: Credentials, timeout: Duration) -> HubSoft {
    let settings = HubSoftSettings::new(url.parse().expect("an address"), credentials);
    HubSoft::new(HubSoftSettings { timeout, ..settings }).expect("a client")
}

fn client_of(sandbox: &RunningSandbox) -> HubSoft {
    client(&sandbox.url(), password(sandbox.credentials()))
}

fn token(text: &str) -> Credentials {
    Credentials::Token(text.into())
}

fn raw() -> RawTicket<'static> {
    RawTicket {
        id_cliente_servico: Some("11000".into()),
        id_tipo_atendimento: Some("4".into()),
        descricao: Some("Sem energia na rua".into()),
        nome: Some("Ana".into()),
        telefone: Some("37999112233".into()),
        ..RawTicket::default()
    }
}

fn parsed(raw: &RawTicket<'_>) -> Ticket {
    match Ticket::parse(raw) {
        Ok(parsed) => parsed.ticket,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn marker(reference: &str) -> Marker {
    Marker::new(BatchIdentity::File { batch: "queda" }, reference)
}

fn sent(reference: &str) -> LookUp {
    let service = Id::new(11_000).expect("positive");
    let sent_at = Some(jiff::Timestamp::now());
    LookUp { service, marker: marker(reference), sent_at, not_before: None }
}

/// The verdict's name and the fault's code.
fn short<T>(reply: &Reply<T>) -> String {
    match &reply.verdict {
        Verdict::Answered(_) => "answered".into(),
        Verdict::Rejected(fault) => format!("rejected {}", fault.code),
        Verdict::Unknown(fault) => format!("unknown {}", fault.code),
        Verdict::NotSent(fault) => format!("not_sent {}", fault.code),
        Verdict::Throttled => "throttled".into(),
        Verdict::Unauthorized(fault) => format!("unauthorized {}", fault.code),
        Verdict::LoginUnavailable(fault) => format!("login_unavailable {}", fault.code),
        Verdict::Forbidden(fault) => format!("forbidden {}", fault.code),
        Verdict::Misconfigured(fault) => format!("misconfigured {}", fault.code),
        Verdict::Withheld => "withheld".into(),
    }
}

#[tokio::test]
async fn a_ticket_is_opened_with_its_marker_and_its_service_order() {
    let sandbox = sandbox("");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    hubsoft.catalogue(Catalogue::TicketTypes, &gate).await;
    let ticket = parsed(&RawTicket { abrir_os: Some("sim".into()), ..raw() });
    let reply = hubsoft.open(&ticket, marker("1"), &gate).await;
    let Verdict::Answered(proof) = &reply.verdict else { panic!("{reply:?}") };
    assert_eq!(proof.opening.protocolo.len(), 20);
    assert_eq!(proof.opening.ids_ordem_servico.len(), 1);
    assert_eq!((proof.marker_echoed, proof.warnings.len()), (Some(true), 0));
    assert_eq!(reply.http_status, Some(200));
    assert!(!reply.latency.is_zero());
    let audit = sandbox.stop();
    assert_eq!((audit.tickets, audit.markers, audit.service_orders), (1, 1, 1));
    assert_eq!(*gate.passed.borrow(), [RequestKind::Login, RequestKind::Probe, RequestKind::Post]);
}

#[tokio::test]
async fn every_fault_of_the_server_has_its_verdict_and_is_sent_once() {
    let table = [
        ("refuse=1", "unknown reset", 0),
        ("reset_before=1", "unknown reset", 0),
        ("reset_after=1", "unknown reset", 1),
        ("hang=1", "unknown timeout", 0),
        ("late_commit=1", "unknown reset", 0),
        ("error_before=1", "unknown http_502", 0),
        ("error_after=1", "unknown http_502", 1),
        ("html=1", "unknown not_json", 0),
        ("cut_body=1", "unknown cut", 1),
        ("exception=1", "unknown exception", 1),
        ("forbid=1", "forbidden http_403", 0),
        ("services_max=10999", "rejected validation", 0),
        ("latency=9s", "unknown timeout", 0),
    ];
    for (options, expected, n_tickets) in table {
        let sandbox = sandbox(options);
        let given = token(&sandbox.sandbox().issue_token());
        let hubsoft = client_with(&sandbox.url(), given, Duration::from_secs(1));
        let gate = Turnstile::default();
        let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
        assert_eq!(short(&reply), expected, "{options}");
        let audit = sandbox.stop();
        assert_eq!(audit.tickets, n_tickets, "{options}");
        assert_eq!(gate.passed.borrow().len(), 1, "{options}");
        assert!(audit.connections <= 1 && audit.requests_of("post") <= 1, "{options}: {audit:?}");
    }
}

#[tokio::test]
async fn refusals_that_pass_carry_how_long_to_wait() {
    let throttling = sandbox("rate=1,retry_after=7");
    let given = token(&throttling.sandbox().issue_token());
    let (hubsoft, gate) = (client(&throttling.url(), given), Turnstile::default());
    assert_eq!(short(&hubsoft.open(&parsed(&raw()), marker("1"), &gate).await), "answered");
    let reply = hubsoft.open(&parsed(&raw()), marker("2"), &gate).await;
    assert_eq!((short(&reply).as_str(), reply.retry_after), ("throttled", Some(Duration::from_secs(7))));

    let full = sandbox("workers=1,queue=0,latency=200ms,retry_after=3");
    let given = token(&full.sandbox().issue_token());
    let hubsoft = client(&full.url(), given);
    let ticket = parsed(&raw());
    let replies = join_all(["1", "2"].map(|it| hubsoft.open(&ticket, marker(it), &gate))).await;
    let full = replies.iter().find(|it| it.http_status == Some(503)).expect("one found no place");
    assert_eq!((short(full).as_str(), full.retry_after), ("unknown http_503", Some(Duration::from_secs(3))));
}

#[tokio::test]
async fn a_token_is_obtained_and_renewed_by_one_for_all() {
    let sandbox = sandbox("latency=5ms");
    let (hubsoft, gate, ticket) = (client_of(&sandbox), Turnstile::default(), parsed(&raw()));
    let references: Vec<String> = (0..32).map(|it| it.to_string()).collect();
    for n_logins in [1, 2] {
        let replies = join_all(references.iter().map(|it| hubsoft.open(&ticket, marker(it), &gate))).await;
        assert!(replies.iter().all(|it| short(it) == "answered"));
        assert_eq!(sandbox.audit().requests_of("login"), n_logins);
        sandbox.sandbox().revoke_tokens();
    }
    assert_eq!(gate.count(RequestKind::Login), 2);
    let audit = sandbox.stop();
    assert_eq!(audit.tickets, 64);
    // Every post took its slot, also the second of a row.
    assert_eq!(audit.requests_of("post"), gate.count(RequestKind::Post) as u64);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let sandbox = sandbox("token_life=0s");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    // It expires at once, so it is refused, renewed and refused again: three fresh ones, no more.
    let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
    assert_eq!(short(&reply), "unauthorized http_401");
    assert_eq!(sandbox.audit().requests_of("login"), 3);
    // A later row asks anew, and gives up at the first refusal.
    let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
    assert_eq!(short(&reply), "unauthorized http_401");
    assert_eq!(sandbox.audit().requests_of("login"), 4);
    assert_eq!(sandbox.stop().tickets, 0);
}

#[tokio::test]
async fn revoked_amid_work_the_row_is_sent_again_with_a_new_token() {
    let sandbox = sandbox("seed=3,token_revoked=0.3");
    let (hubsoft, gate, ticket) = (client_of(&sandbox), Turnstile::default(), parsed(&raw()));
    for row in 0..30 {
        let reply = hubsoft.open(&ticket, marker(&row.to_string()), &gate).await;
        assert_eq!(short(&reply), "answered");
    }
    let audit = sandbox.stop();
    assert!(audit.faults["token_revoked"] > 3, "{audit:?}");
    assert_eq!((audit.tickets, audit.markers), (30, 30));
}

#[tokio::test]
async fn a_given_token_halts_at_its_first_confirmed_401() {
    let sandbox = sandbox("");
    let given = token(&sandbox.sandbox().issue_token());
    sandbox.sandbox().revoke_tokens();
    let (hubsoft, gate) = (client(&sandbox.url(), given), Turnstile::default());
    let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
    assert_eq!(short(&reply), "unauthorized http_401");
    let audit = sandbox.stop();
    assert_eq!((audit.requests_of("post"), audit.requests_of("login"), audit.tickets), (2, 0, 0));
}

#[tokio::test]
async fn a_refused_login_is_tried_once_for_all_who_wait() {
    let sandbox = sandbox("latency=5ms");
    let wrong = SandboxCredentials { password: "wrong", ..sandbox.credentials() };
    let (hubsoft, gate, ticket) =
        (client(&sandbox.url(), password(wrong)), Turnstile::default(), parsed(&raw()));
    let replies = join_all((0..8).map(|_| hubsoft.open(&ticket, marker("1"), &gate))).await;
    assert!(replies.iter().all(|it| short(it) == "unauthorized login_refused"), "{replies:?}");
    assert!(!format!("{replies:?}").contains("wrong"), "no secret in what is told");
    let audit = sandbox.stop();
    assert_eq!((audit.requests_of("login"), audit.requests_of("post")), (1, 0));
}

#[tokio::test]
async fn a_login_out_of_reach_is_no_refusal() {
    let sandbox = sandbox("login_failure=1");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
    assert_eq!(short(&reply), "login_unavailable login_http_503");
    assert_eq!(short(&hubsoft.login(&gate).await), "login_unavailable login_http_503");
    assert_eq!(sandbox.stop().requests_of("post"), 0);
}

#[tokio::test]
async fn nothing_is_sent_through_a_closed_gate() {
    let sandbox = sandbox("");
    for (closes_after, n_logins) in [(0, 0), (1, 1)] {
        let hubsoft = client_of(&sandbox);
        let gate = Turnstile { closes_after: Some(closes_after), ..Turnstile::default() };
        let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
        assert_eq!((short(&reply).as_str(), reply.latency), ("withheld", Duration::ZERO));
        assert_eq!(sandbox.audit().requests_of("login"), n_logins);
    }
    assert_eq!(sandbox.stop().requests_of("post"), 0);
}

#[tokio::test]
async fn what_an_answer_did_not_prove_a_look_up_does() {
    let sandbox = sandbox("reset_after=1");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
    assert_eq!(short(&reply), "unknown reset");
    let found = hubsoft.look_up(&sent("1"), &gate).await.verdict;
    let Verdict::Answered(Sighting::Found { opening, others }) = found else { panic!("{found:?}") };
    assert_eq!((opening.id_atendimento, others.len()), (1, 0));
    let other = hubsoft.look_up(&sent("2"), &gate).await.verdict;
    assert_eq!(other, Verdict::Answered(Sighting::NotFound));
}

#[tokio::test]
async fn a_late_commit_is_not_found_and_then_found() {
    let sandbox = sandbox("late_commit=1,late_commit_after=1s,nothing=error");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    assert_eq!(short(&hubsoft.open(&parsed(&raw()), marker("1"), &gate).await), "unknown reset");
    let early = hubsoft.look_up(&sent("1"), &gate).await.verdict;
    assert_eq!(early, Verdict::Answered(Sighting::NotFound));
    while sandbox.audit().tickets == 0 {
        hubsoft.probe(&gate).await;
    }
    let late = hubsoft.look_up(&sent("1"), &gate).await.verdict;
    assert!(matches!(late, Verdict::Answered(Sighting::Found { .. })), "{late:?}");
}

#[tokio::test]
async fn a_failing_look_up_is_an_outage() {
    let sandbox = sandbox("look_up_failure=1");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    assert_eq!(short(&hubsoft.look_up(&sent("1"), &gate).await), "unknown http_500");
    assert_eq!(short(&hubsoft.probe(&gate).await), "answered");
}

#[tokio::test]
async fn an_open_ticket_of_the_same_type_is_found() {
    let sandbox = sandbox("");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    let ticket = parsed(&raw());
    let sighted = |reply: Reply<Sighting>| match reply.verdict {
        Verdict::Answered(Sighting::Found { opening, .. }) => opening.id_atendimento,
        Verdict::Answered(Sighting::NotFound) => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!(sighted(hubsoft.find_open(&ticket, &gate).await), 0);
    assert_eq!(short(&hubsoft.open(&ticket, marker("1"), &gate).await), "answered");
    assert_eq!(sighted(hubsoft.find_open(&ticket, &gate).await), 1);
    let of_default_type = parsed(&RawTicket { id_tipo_atendimento: None, ..raw() });
    assert_eq!(sighted(hubsoft.find_open(&of_default_type, &gate).await), 0);
    let unknown = parsed(&RawTicket { id_tipo_atendimento: Some("999".into()), ..raw() });
    let reply = hubsoft.find_open(&unknown, &gate).await;
    assert!(matches!(reply.verdict, Verdict::Answered(Sighting::CouldNotTell(_))), "{reply:?}");
    // The catalogue is read once.
    assert_eq!(sandbox.stop().requests_of("catalogue"), 1);
}

#[tokio::test]
async fn the_catalogues_are_read() {
    let sandbox = sandbox("");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    let first = async |which| match hubsoft.catalogue(which, &gate).await.verdict {
        Verdict::Answered(entries) => entries[0].label.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(first(Catalogue::TicketTypes).await, "SAC");
    assert_eq!(first(Catalogue::TicketStatuses).await, "Aguardando Análise");
    assert_eq!(first(Catalogue::ServiceOrderTypes).await, "ABERTURA VIA API");
}

#[tokio::test]
async fn nobody_there_means_nothing_was_sent() {
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").port();
    let (hubsoft, gate) = (client(&format!("http://127.0.0.1:{port}"), token("t")), Turnstile::default());
    let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
    assert_eq!((short(&reply).as_str(), reply.latency), ("not_sent connect", Duration::ZERO));
}

/// What the scripted server does with a request, once it has read it whole.
#[derive(Clone)]
enum Act {
    Answer(Vec<u8>),
    AnswerAndClose(Vec<u8>),
    Close,
}

fn http(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn opened() -> Vec<u8> {
    http("200 OK", r#"{"status":"success","atendimento":{"id_atendimento":1,"protocolo":"1"}}"#)
}

/// A server that acts on request N by `acts[N]`, on all later ones by the last act. Counts requests.
async fn scripted(acts: Vec<Act>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let n_requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&n_requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(follow(stream, acts.clone(), Arc::clone(&counter)));
        }
    });
    (url, n_requests)
}

async fn follow(mut stream: TcpStream, acts: Vec<Act>, n_requests: Arc<AtomicUsize>) {
    while read_request(&mut stream).await {
        let number = n_requests.fetch_add(1, Ordering::SeqCst);
        match &acts[number.min(acts.len() - 1)] {
            Act::Answer(bytes) => stream.write_all(bytes).await.expect("the client reads"),
            Act::AnswerAndClose(bytes) => return drop(stream.write_all(bytes).await),
            Act::Close => return,
        }
    }
}

/// `false`: the client closed.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_lowercase();
            let len = lower.lines().find_map(|it| it.strip_prefix("content-length: ")).map_or("0", str::trim);
            if len.parse::<usize>().expect("a number") <= body.len() {
                return true;
            }
        }
        if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
            return false;
        }
    }
}

async fn open_on(url: &str) -> Reply {
    client(url, token("t")).open(&parsed(&raw()), marker("1"), &Turnstile::default()).await
}

#[tokio::test]
async fn a_post_is_never_repeated_after_a_connection_died() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"status\":".to_vec();
    let table = [
        (Act::Close, "unknown reset"),
        (Act::AnswerAndClose(b"HTTP/1.1 2".to_vec()), "unknown reset"),
        (Act::AnswerAndClose(b"not HTTP at all\r\n\r\n".to_vec()), "unknown reset"),
        (Act::AnswerAndClose(half), "unknown cut"),
    ];
    for (act, expected) in table {
        let (url, n_requests) = scripted(vec![act]).await;
        assert_eq!(short(&open_on(&url).await), expected);
        assert_eq!(n_requests.load(Ordering::SeqCst), 1, "{expected}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_at_the_next_request_leaves_a_doubt_and_no_repeat() {
    let (url, n_requests) = scripted(vec![Act::Answer(opened()), Act::Close, Act::Answer(opened())]).await;
    let (hubsoft, gate, ticket) = (client(&url, token("t")), Turnstile::default(), parsed(&raw()));
    let mut found = Vec::new();
    for row in ["1", "2", "3"] {
        found.push(short(&hubsoft.open(&ticket, marker(row), &gate).await));
    }
    assert_eq!(found, ["answered", "unknown reset", "answered"]);
    assert_eq!(n_requests.load(Ordering::SeqCst), 3);
}

/// nginx closes an idle connection just as the next request comes: whichever side wins the race, no
/// request is seen twice, and one that was answered was seen.
#[tokio::test]
async fn racing_a_server_that_closes_after_each_answer_repeats_nothing() {
    let (url, n_requests) = scripted(vec![Act::AnswerAndClose(opened())]).await;
    let (hubsoft, gate, ticket) = (client(&url, token("t")), Turnstile::default(), parsed(&raw()));
    for row in 1..=300 {
        let before = n_requests.load(Ordering::SeqCst);
        let reply = hubsoft.open(&ticket, marker(&row.to_string()), &gate).await;
        let n_seen = n_requests.load(Ordering::SeqCst) - before;
        match reply.verdict {
            Verdict::Answered(_) => assert_eq!(n_seen, 1),
            Verdict::Unknown(_) => assert!(n_seen <= 1),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn answers_that_are_no_answers() {
    let huge = "x".repeat(1024 * 1024 + 1);
    let redirect = http("302 Found\r\nLocation: /elsewhere", "");
    let table = [
        (http("200 OK", &huge), "unknown too_large"),
        (redirect, "unknown http_302"),
        (http("307 Temporary Redirect\r\nLocation: /api/v1/integracao/atendimento", ""), "unknown http_307"),
        (http("500 Oops\r\nRetry-After: 5", ""), "unknown http_500"),
        (http("404 Not Found", "<html>"), "misconfigured http_404"),
        (http("401 Unauthorized", "<html>"), "unauthorized http_401"),
        (http("413 Too Large", ""), "rejected http_413"),
        (http("200 OK\r\nContent-Encoding: gzip", "no gzip"), "unknown cut"),
    ];
    for (answer, expected) in table {
        let (url, n_requests) = scripted(vec![Act::Answer(answer)]).await;
        assert_eq!(short(&open_on(&url).await), expected);
        // A given token is confirmed to be refused; nothing else is sent twice.
        let n_expected = if expected.starts_with("unauthorized") { 2 } else { 1 };
        assert_eq!(n_requests.load(Ordering::SeqCst), n_expected, "{expected}");
    }
}

/// Has the token accepted for something else just before each post.
struct Proving<'a>(&'a HubSoft);

impl Gate for Proving<'_> {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        if kind == RequestKind::Post {
            assert_eq!(short(&self.0.probe(&Turnstile::default()).await), "answered");
        }
        Ok(())
    }
}

/// Among tokens that work, a lone 401 is the row's affair and not the run's; nor does it renew forever.
#[tokio::test]
async fn a_request_that_no_good_token_helps_is_forbidden() {
    let login = Act::Answer(http("200 OK", r#"{"access_token":"t","expires_in":2592000}"#));
    let catalogue = Act::Answer(http("200 OK", r#"{"status":"success","tipos_atendimento":[]}"#));
    let refusal = Act::Answer(http("401 Unauthorized", r#"{"message":"Unauthenticated."}"#));
    let (url, n_requests) =
        scripted([login, catalogue, refusal].into_iter().cycle().take(15).collect()).await;
    let hubsoft = client(&url, password(sandbox("").credentials()));
    let reply = hubsoft.open(&parsed(&raw()), marker("1"), &Proving(&hubsoft)).await;
    assert_eq!(short(&reply), "forbidden http_401");
    assert_eq!(n_requests.load(Ordering::SeqCst), 12);
}

// ---- TLS. The authority and the certificate in `tls/` are for this test only, until 2126.

/// Answers every connection with an opened ticket, over TLS.
fn tls_server() -> u16 {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("they fit");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut tls = rustls::StreamOwned::new(connection, stream);
            let mut request = [0; 4_096];
            if tls.read(&mut request).is_ok_and(|n_read| n_read != 0) {
                let _ = tls.write_all(&opened());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
    });
    port
}

#[tokio::test]
async fn only_a_trusted_certificate_will_do() {
    let ca_file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/ca.pem");
    let port = tls_server();
    let open = async |host: &str, ca_file: &str| {
        let url = format!("https://{host}:{port}").parse().expect("an address");
        let settings =
            HubSoftSettings { ca_file: Some(ca_file.into()), ..HubSoftSettings::new(url, token("t")) };
        let hubsoft = HubSoft::new(settings).expect("a client");
        hubsoft.open(&parsed(&raw()), marker("1"), &Turnstile::default()).await
    };
    assert_eq!(short(&open("127.0.0.1", ca_file).await), "answered");
    // An authority that did not sign it.
    let foreign = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/tls/server.pem");
    let refused = open("127.0.0.1", foreign).await;
    assert_eq!((short(&refused).as_str(), refused.latency), ("not_sent tls", Duration::ZERO));
}

#[test]
fn an_authority_file_that_is_none_is_refused() {
    let url: mutirao::hubsoft::BaseUrl = "https://erp.example.com.br".parse().expect("an address");
    for (file, words) in [("Cargo.toml", "holds no certificate in PEM form"), ("nowhere.pem", "cannot read")]
    {
        let settings = HubSoftSettings::new(url.clone(), token("t"));
        let refused = HubSoft::new(HubSoftSettings { ca_file: Some(file.into()), ..settings });
        let message = refused.err().map(|it| it.to_string()).unwrap_or_default();
        assert!(message.contains(words), "{message}");
    }
}
