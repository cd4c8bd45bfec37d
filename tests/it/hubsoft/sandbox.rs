//! Against the sandbox: verdicts, tokens, look-ups.

use futures_util::future::join_all;
use mutirao::delivery::{Api, Sighting};
use mutirao::ticket::Catalogue;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;

#[tokio::test]
async fn a_ticket_is_opened_with_its_marker_and_its_service_order() {
    let sandbox = sandbox("");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    hubsoft.catalogue(Catalogue::TICKET_TYPES, &gate).await;
    let ticket = parsed(&with(Field::AbrirOs, Some("sim")));
    let reply = hubsoft.open(&ticket, marker("1"), &gate).await;
    let Verdict::Answered(proof) = &reply.verdict else { panic!("{reply:?}") };
    assert_eq!(proof.opening.protocolo.len(), 20);
    assert_eq!(proof.opening.ids_ordem_servico.len(), 1);
    assert_eq!((proof.marker_echoed, proof.warnings.len()), (Some(true), 0));
    assert_eq!(reply.http_status, Some(200));
    assert!(!reply.latency.is_zero());
    let ahead = reply.date.expect("it tells the time").duration_since(jiff::Timestamp::now());
    assert!(ahead.unsigned_abs() < Duration::from_secs(10), "{ahead}");
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
        ("exception=1", "stumbled exception", 1),
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

/// Lets posts through once it is open.
struct Late {
    is_reached: Notify,
    open: Notify,
}

impl Gate for Late {
    async fn pass(&self, kind: RequestKind) -> Result<(), Withheld> {
        if kind == RequestKind::Post {
            self.is_reached.notify_one();
            self.open.notified().await;
        }
        Ok(())
    }
}

/// Seen: all who waited for their slots met the same 401 with the old token, some of them three times over,
/// and the run was halted for rows that HubSoft denied.
#[tokio::test]
async fn who_waited_for_its_slot_goes_with_the_token_of_now() {
    let sandbox = sandbox("");
    let (hubsoft, gate, ticket) = (client_of(&sandbox), Turnstile::default(), parsed(&raw()));
    assert_eq!(short(&hubsoft.open(&ticket, marker("1"), &gate).await), "answered");
    let late = Late { is_reached: Notify::new(), open: Notify::new() };
    let waiting = async {
        let reply = hubsoft.open(&ticket, marker("2"), &late).await;
        assert_eq!(short(&reply), "answered");
    };
    let meanwhile = async {
        late.is_reached.notified().await;
        sandbox.sandbox().revoke_tokens();
        assert_eq!(short(&hubsoft.open(&ticket, marker("3"), &gate).await), "answered");
        late.open.notify_one();
    };
    tokio::join!(waiting, meanwhile);
    let audit = sandbox.stop();
    // One of the four was refused, and its row posted again.
    assert_eq!((audit.tickets, audit.requests_of("post"), audit.requests_of("login")), (3, 4, 2));
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
    let wrong = SandboxCredentials { password: "wrong".to_owned(), ..sandbox.credentials() };
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
    let Verdict::Answered(Sighting::Found { opening, others, beside: _, conflict: None }) = found else {
        panic!("{found:?}")
    };
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
    assert_eq!(short(&hubsoft.look_up(&sent("1"), &gate).await), "stumbled http_500");
    assert_eq!(short(&hubsoft.probe(&gate).await), "answered");
}

#[tokio::test]
async fn an_open_ticket_of_the_same_type_is_found() {
    let sandbox = sandbox("");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    let ticket = parsed(&raw());
    let sighted = |reply: Reply<Sighting>| match reply.verdict {
        Verdict::Answered(Sighting::AlreadyOpen { opening }) => opening.id_atendimento,
        Verdict::Answered(Sighting::Beside(beside)) => -i64::try_from(beside.len()).unwrap(),
        Verdict::Answered(Sighting::NotFound) => 0,
        other => panic!("{other:?}"),
    };
    assert_eq!(sighted(hubsoft.find_open(&ticket, &gate).await), 0);
    assert_eq!(short(&hubsoft.open(&ticket, marker("1"), &gate).await), "answered");
    assert_eq!(sighted(hubsoft.find_open(&ticket, &gate).await), 1);
    let of_default_type = parsed(&with(Field::IdTipoAtendimento, None));
    assert_eq!(sighted(hubsoft.find_open(&of_default_type, &gate).await), -1, "it is of another type");
    let unknown = parsed(&with(Field::IdTipoAtendimento, Some("999")));
    let reply = hubsoft.find_open(&unknown, &gate).await;
    assert!(matches!(reply.verdict, Verdict::Answered(Sighting::CouldNotTell(_))), "{reply:?}");
    // The catalogue is read once.
    assert_eq!(sandbox.stop().requests_of("catalogue"), 1);
}

#[tokio::test]
async fn the_catalogues_are_read_and_have_the_ids_that_a_ticket_may_ask_for() {
    let sandbox = sandbox("");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    let entries = async |which| match hubsoft.catalogue(which, &gate).await.verdict {
        Verdict::Answered(entries) => entries,
        other => panic!("{other:?}"),
    };
    let mut labels = Vec::new();
    for catalogue in Catalogue::all() {
        labels.push(entries(catalogue).await[0].label.clone());
    }
    assert_eq!(labels, ["SAC", "Aguardando Análise", "TELEFONE", "ABERTURA VIA API"]);
    for field in Field::ALL {
        let Some(catalogue) = field.catalogue() else { continue };
        let known = entries(catalogue).await[0].id;
        for (id, expected) in [(known, "answered"), (i64::MAX, "rejected validation")] {
            let ticket = parsed(&with(field, Some(&id.to_string())));
            let reply = hubsoft.open(&ticket, marker(&format!("{field} {id}")), &gate).await;
            assert_eq!(short(&reply), expected, "{field} {id}");
        }
    }
}

#[tokio::test]
async fn nobody_there_means_nothing_was_sent() {
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").port();
    let (hubsoft, gate) = (client(&format!("http://127.0.0.1:{port}"), token("t")), Turnstile::default());
    let reply = hubsoft.open(&parsed(&raw()), marker("1"), &gate).await;
    assert_eq!((short(&reply).as_str(), reply.latency), ("not_sent connect", Duration::ZERO));
    let said = mutirao::text::fault(reply.verdict.fault().expect("it says why"));
    assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
}

/// Seen: such a service could only end `unconfirmed`.
#[tokio::test]
async fn a_service_with_just_as_many_tickets_as_a_page_has_by_default_can_be_told_of() {
    let sandbox = sandbox("");
    let (hubsoft, gate) = (client_of(&sandbox), Turnstile::default());
    for n in 0..20 {
        assert_eq!(
            short(&hubsoft.open(&parsed(&raw()), marker(&format!("other {n}")), &gate).await),
            "answered"
        );
    }
    for _ in 0..2 {
        let reply = hubsoft.look_up(&sent("ours"), &gate).await;
        assert_eq!(reply.verdict, Verdict::Answered(Sighting::NotFound));
    }
    let n_look_ups = gate.passed.borrow().iter().filter(|it| **it == RequestKind::LookUp).count();
    assert_eq!(n_look_ups, 4, "the server is tried once, by two lengths");
    sandbox.stop();
}
