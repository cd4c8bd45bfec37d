//! Against a server that does with each request and its connection as a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mutirao::delivery::{Api, RETRY_AFTER_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What the scripted server does with a request, once it has read it whole.
#[derive(Clone)]
enum Act {
    Answer(Vec<u8>),
    AnswerAndClose(Vec<u8>),
    Close,
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

/// Of one that was closed before, not a byte left: the post goes by another one, and leaves no doubt.
#[tokio::test]
async fn a_kept_connection_that_was_closed_is_not_taken() {
    let (url, n_requests) = scripted(vec![Act::AnswerAndClose(opened())]).await;
    let (hubsoft, gate, ticket) = (client(&url, token("t")), Turnstile::default(), parsed(&raw()));
    for row in 1..=20 {
        let reply = hubsoft.open(&ticket, marker(&row.to_string()), &gate).await;
        assert_eq!(short(&reply), "answered", "row {row}");
        // The server, on this very runtime, closes it, and the system tells so.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(n_requests.load(Ordering::SeqCst), 20);
}

/// A server that has taken nothing, or a network that carries nothing, leaves the kernel with what was to be
/// sent. A connection that is reset sends none of it; one that is closed goes on.
#[tokio::test]
async fn a_post_that_nobody_waits_for_any_more_is_thrown_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("the client comes");
        assert!(read_request(&mut stream).await);
        stream.read(&mut [0; 1]).await
    };
    let hubsoft = client_with(&url, token("t"), Duration::from_millis(300));
    let (ticket, gate) = (parsed(&raw()), Turnstile::default());
    let (reply, ended) = tokio::join!(hubsoft.open(&ticket, marker("1"), &gate), server);
    assert_eq!(short(&reply), "unknown timeout");
    assert_eq!(ended.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset));
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
        (http("500 Oops\r\nRetry-After: 5", ""), "stumbled http_500"),
        (http("404 Not Found", "<html>"), "misconfigured http_404"),
        (http("401 Unauthorized", "<html>"), "unauthorized http_401"),
        (http("413 Too Large", ""), "rejected http_413"),
        // A post asks for no encoding.
        (http("200 OK\r\nContent-Encoding: gzip", "gzip"), "unknown not_json"),
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

fn logging_in(url: &str) -> HubSoft {
    let credentials = Credentials::Password {
        client_id: "1".into(),
        client_secret: "s".into(),
        username: "u".into(),
        password: "p".into(),
    };
    client(url, credentials)
}

fn a_token(expires_in: u64) -> Act {
    Act::Answer(http("200 OK", &format!(r#"{{"access_token":"t","expires_in":{expires_in}}}"#)))
}

/// Seen: each request logged in.
#[tokio::test]
async fn a_token_that_expires_at_once_is_used_until_it_is_refused() {
    let (url, n_requests) = scripted(vec![a_token(0), Act::Answer(opened())]).await;
    let (hubsoft, gate) = (logging_in(&url), Turnstile::default());
    for row in 0..10 {
        let reply = hubsoft.open(&parsed(&raw()), marker(&row.to_string()), &gate).await;
        assert_eq!(short(&reply), "answered");
    }
    assert_eq!((gate.count(RequestKind::Login), n_requests.load(Ordering::SeqCst)), (1, 11));
}

/// Seen: seven logins in half a minute, exit 8, the cause never shown.
#[tokio::test]
async fn a_login_at_a_wrong_address_is_tried_once() {
    let found = http("302 Found", "");
    for answer in [http("200 OK", "<html><title>Loja</title>"), http("404 Not Found", ""), found] {
        let (url, n_requests) = scripted(vec![Act::Answer(answer)]).await;
        let (hubsoft, gate) = (logging_in(&url), Turnstile::default());
        let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
        assert_eq!(short(&reply), "unauthorized login_not_here");
        assert_eq!(n_requests.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn where_a_login_has_worked_a_page_in_its_place_is_an_outage() {
    let page = Act::Answer(http("200 OK", "<html><title>Em manutencao</title>"));
    let denied = Act::Answer(http("401 Unauthorized", ""));
    let (url, _) = scripted(vec![a_token(3600), Act::Answer(opened()), denied, page]).await;
    let (hubsoft, gate) = (logging_in(&url), Turnstile::default());
    assert_eq!(short(&hubsoft.open(&parsed(&raw()), marker("1"), &gate).await), "answered");
    let reply = hubsoft.open(&parsed(&raw()), marker("2"), &gate).await;
    assert_eq!(short(&reply), "login_unavailable login_not_here");
}

#[tokio::test]
async fn a_wish_to_wait_is_read_from_the_body_too() {
    let body = http("429 Too Many Requests", r#"{"message":"Too Many Attempts.","retry_after":17}"#);
    let (url, _) = scripted(vec![Act::Answer(body)]).await;
    let reply = open_on(&url).await;
    assert_eq!((short(&reply).as_str(), reply.retry_after), ("throttled", Some(Duration::from_secs(17))));
}

/// Of a server that gives twenty, or thirty, whatever it is asked for, they may not be all.
#[tokio::test]
async fn a_server_that_heeds_no_limit_is_believed_no_absence() {
    for n_tickets in [20, 30] {
        let (url, n_requests) = scripted(vec![Act::Answer(http("200 OK", &tickets(n_tickets, "")))]).await;
        let hubsoft = client(&url, token("x"));
        for n in [2, 3] {
            assert_eq!(looked_up_code(&hubsoft).await, "full_page");
            assert_eq!(n_requests.load(Ordering::SeqCst), n);
        }
    }
}

/// Seen: what could not be read made its page longer than it ends by itself, so the limit was taken for
/// heeded and a ticket that stood on no page for absent.
#[tokio::test]
async fn a_page_that_cannot_be_read_proves_no_limit() {
    let odd = Act::Answer(http("200 OK", &tickets(20, ",null")));
    let (url, n_requests) = scripted(vec![odd, Act::Answer(http("200 OK", &tickets(20, "")))]).await;
    let hubsoft = client(&url, token("x"));
    assert_eq!(looked_up_code(&hubsoft).await, "unreadable_ticket");
    assert_eq!(looked_up_code(&hubsoft).await, "full_page");
    assert_eq!(n_requests.load(Ordering::SeqCst), 3);
}

/// Seen: a page that lacked a ticket for a moment was just as long as it was asked to be, so the limit was
/// taken for heeded.
#[tokio::test]
async fn a_page_that_lacks_a_ticket_for_a_moment_proves_no_limit() {
    let page_of = |n_tickets| Act::Answer(http("200 OK", &tickets(n_tickets, "")));
    for (pages, n_asked, why) in [
        ([20, 19, 20], 3, "it is there again"),
        ([20, 19, 19], 3, "it is gone"),
        ([20, 10, 20], 2, "half of them are gone, and that was not asked for"),
    ] {
        let (url, n_requests) = scripted(pages.map(page_of).to_vec()).await;
        assert_eq!(looked_up_code(&client(&url, token("x"))).await, "full_page", "{why}");
        assert_eq!(n_requests.load(Ordering::SeqCst), n_asked, "{why}");
    }
}

/// A page of so many, and what else stands on it.
fn tickets(n: usize, and: &str) -> String {
    let ticket = |id| format!(r#"{{"id_atendimento":{id},"protocolo":"{id}","descricao_abertura":"x"}}"#);
    let tickets = (1..=n).map(ticket).collect::<Vec<_>>().join(",");
    format!(r#"{{"status":"success","atendimentos":[{tickets}{and}]}}"#)
}

async fn looked_up_code(hubsoft: &HubSoft) -> String {
    let reply = hubsoft.look_up(&sent("ours"), &Turnstile::default()).await;
    match reply.verdict {
        Verdict::Answered(mutirao::delivery::Sighting::CouldNotTell(fault)) => fault.code().into_owned(),
        _ => panic!("{reply:?}"),
    }
}

/// Whatever number or day it names, in whatever year its own clock is.
#[tokio::test]
async fn no_wish_to_wait_is_longer_than_we_wait() {
    for (wish, waited) in [
        ("Retry-After: 1000000000000000000", Some(RETRY_AFTER_MAX)),
        ("Retry-After: 99999999999999999999999999", Some(RETRY_AFTER_MAX)),
        ("Retry-After: Thu, 01 Jan 9998 00:00:00 GMT", Some(RETRY_AFTER_MAX)),
        ("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("Retry-After: Mon, 01 Jan 0001 00:00:00 GMT", Some(Duration::ZERO)),
        ("Date: Fri, 31 Dec 9999 23:59:59 GMT\r\nRetry-After: 7", Some(Duration::from_secs(7))),
        ("Retry-After: 1e18", None),
        ("Retry-After: -1", None),
        ("Retry-After: \u{661}", None),
    ] {
        let answer = http(&format!("429 Too Many Requests\r\n{wish}"), "");
        let (url, _) = scripted(vec![Act::Answer(answer)]).await;
        let reply = open_on(&url).await;
        assert_eq!((short(&reply).as_str(), reply.retry_after), ("throttled", waited), "{wish}");
    }
}
