use super::*;
use crate::delivery::identity::{BatchKey, Marker};
use crate::delivery::{RowId, Token};
use crate::ticket::{Field, RawTicket, Ticket};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("within range")
}

fn claim(attempts: u32) -> Claim {
    let raw = RawTicket::from([
        (Field::IdClienteServico, "11000"),
        (Field::Descricao, "Sem sinal"),
        (Field::Nome, "Maria"),
        (Field::Telefone, "37999998888"),
    ]);
    let Ok(parsed) = Ticket::parse(&raw) else { panic!("the ticket is valid") };
    Claim {
        row: RowId(1),
        token: Token(4),
        line: 2,
        ticket: parsed.ticket,
        lote: "queda".into(),
        referencia: "a".into(),
        marker: Marker::new(&BatchKey("queda".to_owned()), "a"),
        attempts,
        sent_at: at(-60),
        doubt: None,
        is_outdated: false,
    }
}

fn fault(code: &str) -> Fault {
    match code {
        "timeout" => Fault::Timeout,
        "full_page" => Fault::FullPage { n_tickets: 50 },
        "refused" => Fault::Refused { said: None },
        "wrong_service" => Fault::WrongService { asked: 1, found: 2 },
        "login_no_token" => Fault::LoginNoToken,
        http => Fault::http(http[5..].parse().expect("a status")),
    }
}

fn opening(id: i64) -> OpenedTicket {
    OpenedTicket {
        protocolo: format!("p{id}"),
        id_atendimento: id,
        ids_ordem_servico: vec![],
        numeros_ordem_servico: vec![],
    }
}

fn doubt(since: i64) -> Doubt {
    Doubt {
        since: at(since),
        hubsoft_at: None,
        precaution: false,
        absences: 0,
        last_absence: None,
        answered: 0,
    }
}

fn reply<T>(verdict: Verdict<T>) -> Reply<T> {
    Reply {
        verdict,
        http_status: Some(200),
        latency: Duration::from_millis(80),
        retry_after: None,
        date: None,
    }
}

/// It is `now` seconds, asked a second before; the rest as in a quiet run.
fn with_scene<T>(now: i64, change: impl FnOnce(&mut Scene<'_>), then: impl FnOnce(&Scene<'_>) -> T) -> T {
    let policy = Policy::default();
    // Without jitter to speak of: a retry waits for less than a microsecond.
    let retry = Retry::new(Duration::from_nanos(1), Duration::from_nanos(1), 0);
    let mut scene = Scene {
        policy: &policy,
        retry: &retry,
        started: at(-1000),
        steady: Steady::Yes,
        asked: at(now - 1),
        now: at(now),
        hubsoft_now: None,
        hubsoft_latest: None,
        held_until: at(now),
        streak: 0,
        looks: Looks::Count,
        denials: Denials::First,
    };
    change(&mut scene);
    then(&scene)
}

/// In a word what a change is: where the row goes, after how many seconds, with how many attempts.
fn short(change: &Change, now: i64) -> String {
    match change {
        Change::Release => "release".to_owned(),
        Change::Later { at: due, attempts, doubt, .. } => {
            let wait = due.duration_since(at(now)).as_millis() as f64 / 1000.0;
            let doubt = doubt
                .as_ref()
                .map(|doubt| format!(", in doubt ({} absent, {} answered)", doubt.absences, doubt.answered));
            format!("after {wait} s, {attempts} spent{}", doubt.unwrap_or_default())
        }
        Change::Opened { opening, attempts, warnings } => {
            format!("opened {}, {attempts} spent, {warnings:?}", opening.protocolo)
        }
        Change::Skipped { opening } => format!("skipped for {}", opening.protocolo),
        Change::Rejected { attempts, fault } => format!("rejected {}, {attempts} spent", fault.code()),
        Change::Failed { attempts, fault } => format!("failed {}, {attempts} spent", fault.code()),
        Change::Unconfirmed { doubt, fault } => {
            format!("unconfirmed {}, {} answered", fault.code(), doubt.answered)
        }
        Change::Conflict { opening, attempts, fault, warnings } => {
            format!("conflict {} with {}, {attempts} spent, {warnings:?}", fault.code(), opening.protocolo)
        }
    }
}

#[track_caller]
fn check_post(attempts: u32, verdict: Verdict, change: impl FnOnce(&mut Scene<'_>), expected: &str) {
    let settle = with_scene(0, change, |scene| after_post(&claim(attempts), &reply(verdict), scene));
    assert_eq!((settle.row, settle.token), (RowId(1), Token(4)));
    assert_eq!(short(&settle.change, 0), expected);
}

fn proof(warnings: Vec<Warning>) -> Verdict {
    Verdict::Answered(Proof { opening: opening(7), marker_echoed: Some(true), warnings, conflict: None })
}

#[test]
fn a_post_is_judged_by_what_its_answer_proves() {
    let as_is = |_: &mut Scene<'_>| {};
    check_post(0, proof(vec![]), as_is, "opened p7, 1 spent, []");
    let warned = "opened p7, 3 spent, [WithoutOs]";
    check_post(2, proof(vec![Warning::WithoutOs]), as_is, warned);
    let another = Proof {
        opening: opening(7),
        marker_echoed: Some(true),
        warnings: vec![],
        conflict: Some(fault("wrong_service")),
    };
    check_post(2, Verdict::Answered(another), as_is, "conflict wrong_service with p7, 3 spent, []");
    check_post(0, Verdict::Rejected(fault("refused")), as_is, "rejected refused, 1 spent");
    let unknown = "after 1.5 s, 1 spent, in doubt (0 absent, 0 answered)";
    check_post(0, Verdict::Unknown(fault("timeout")), as_is, unknown);
    // Also the last attempt is looked up before it counts as failed.
    let last = "after 1.5 s, 8 spent, in doubt (0 absent, 0 answered)";
    check_post(7, Verdict::Unknown(fault("timeout")), as_is, last);
    check_post(7, Verdict::NotSent(fault("refused")), as_is, "after 0 s, 7 spent");
    check_post(7, Verdict::LoginUnavailable(fault("login_no_token")), as_is, "after 0 s, 7 spent");
    check_post(7, Verdict::Throttled, |scene| scene.held_until = at(30), "after 30 s, 7 spent");
    check_post(7, Verdict::Unauthorized(fault("http_401")), as_is, "after 0 s, 7 spent");
    check_post(7, Verdict::Misconfigured(fault("http_404")), as_is, "after 0 s, 7 spent");
    check_post(0, Verdict::Forbidden(fault("http_403")), as_is, "after 0 s, 0 spent");
    let repeated = |scene: &mut Scene<'_>| scene.denials = Denials::Repeated;
    check_post(0, Verdict::Forbidden(fault("http_403")), repeated, "rejected http_403, 1 spent");
    check_post(0, Verdict::Withheld, as_is, "release");
}

#[test]
fn a_doubt_begins_when_we_stop_waiting_by_both_clocks() {
    let settle = with_scene(
        0,
        |scene| scene.hubsoft_latest = Some(at(-40)),
        |scene| after_post(&claim(0), &reply(Verdict::Unknown(fault("timeout"))), scene),
    );
    let Change::Later { doubt: Some(doubt), .. } = settle.change else { panic!("it is in doubt") };
    assert_eq!((doubt.since, doubt.hubsoft_at), (at(0), Some(at(-40))));
    let attempt = settle.attempt.expect("a doubt is history");
    assert_eq!((attempt.verdict, attempt.note), ("unknown", Noted::Fault(Fault::Timeout)));
}

#[test]
fn a_plain_success_is_no_history() {
    with_scene(
        0,
        |_| {},
        |scene| {
            assert_eq!(after_post(&claim(0), &reply(proof(vec![])), scene).attempt, None);
        },
    );
}

#[track_caller]
fn check_look(now: i64, doubt: Doubt, verdict: Verdict<Sighting>, expected: &str) {
    check_look_with(now, doubt, verdict, |_| {}, expected);
}

#[track_caller]
fn check_look_with(
    now: i64,
    doubt: Doubt,
    verdict: Verdict<Sighting>,
    change: impl FnOnce(&mut Scene<'_>),
    expected: &str,
) {
    let claim = Claim { doubt: Some(doubt.clone()), ..claim(1) };
    let settle = with_scene(now, change, |scene| after_look_up(&claim, &doubt, &reply(verdict), scene));
    assert_eq!(short(&settle.change, now), expected);
}

fn absent() -> Verdict<Sighting> {
    Verdict::Answered(Sighting::NotFound)
}

fn vague() -> Verdict<Sighting> {
    Verdict::Answered(Sighting::CouldNotTell(fault("full_page")))
}

#[test]
fn an_absence_is_believed_twice_apart_and_late_enough() {
    // Asked a second before `now`: the settle delay of 120 s is over for questions from 120 on.
    let once = |last: i64| Doubt { absences: 1, last_absence: Some(at(last)), answered: 1, ..doubt(0) };
    // Before that it is no wonder that there is none, and it does not count.
    check_look(3, doubt(0), absent(), "after 3 s, 1 spent, in doubt (0 absent, 1 answered)");
    check_look(100, doubt(0), absent(), "after 20.5 s, 1 spent, in doubt (0 absent, 1 answered)");
    check_look(120, doubt(0), absent(), "after 0.5 s, 1 spent, in doubt (0 absent, 1 answered)"); // Asked at 119.
    check_look(121, doubt(0), absent(), "after 10.5 s, 1 spent, in doubt (1 absent, 1 answered)");
    check_look(500, doubt(0), absent(), "after 10.5 s, 1 spent, in doubt (1 absent, 1 answered)");
    check_look(130, once(121), absent(), "after 1.5 s, 1 spent, in doubt (1 absent, 2 answered)"); // Too close.
    check_look(131, once(121), absent(), "after 0.5 s, 1 spent, in doubt (1 absent, 2 answered)");
    check_look(132, once(121), absent(), "after 0 s, 1 spent");
    let early = Doubt { answered: 5, ..doubt(0) };
    check_look(10, early, absent(), "after 110.5 s, 1 spent, in doubt (0 absent, 5 answered)"); // Enough early ones.
    let precaution = Doubt { precaution: true, ..doubt(0) };
    check_look(1, precaution, absent(), "after 0 s, 1 spent");
}

#[test]
fn the_last_attempt_fails_once_its_absence_is_believed() {
    let doubt = Doubt { absences: 1, last_absence: Some(at(2)), ..doubt(0) };
    let claim = Claim { doubt: Some(doubt.clone()), ..claim(8) };
    let settle = with_scene(200, |_| {}, |scene| after_look_up(&claim, &doubt, &reply(absent()), scene));
    assert_eq!(short(&settle.change, 200), "failed no_ticket, 8 spent");
}

#[test]
fn a_row_that_was_corrected_while_in_doubt_is_not_posted_as_it_was() {
    let doubt = Doubt { absences: 1, last_absence: Some(at(2)), ..doubt(0) };
    let claim = Claim { doubt: Some(doubt.clone()), is_outdated: true, ..claim(1) };
    let settle = with_scene(200, |_| {}, |scene| after_look_up(&claim, &doubt, &reply(absent()), scene));
    assert_eq!(short(&settle.change, 200), "failed corrected_meanwhile, 1 spent");
}

#[test]
fn what_is_found_is_adopted() {
    let found = |others| {
        Verdict::Answered(Sighting::Found { opening: opening(7), others, beside: Vec::new(), conflict: None })
    };
    check_look(3, doubt(0), found(vec![]), "opened p7, 1 spent, []");
    let doubled = r#"opened p7, 1 spent, [Duplicate { others: ["p8", "p9"] }]"#;
    check_look(3, doubt(0), found(vec![opening(8), opening(9)]), doubled);
    let beside = vec![Beside { protocolo: None, label: "SAC".to_owned() }];
    let skip = Policy { open_tickets: OpenTickets::Skip, ..Policy::default() };
    for (conflict, became) in [
        (None, "opened p7, 1 spent, "),
        // Whoever has to tell whose ticket it is wants to know of the others.
        (Some(fault("wrong_service")), "conflict wrong_service with p7, 1 spent, "),
    ] {
        let beside =
            Sighting::Found { opening: opening(7), others: vec![], beside: beside.clone(), conflict };
        let beside = Verdict::Answered(beside);
        check_look(3, doubt(0), beside.clone(), &format!("{became}[]"));
        let settle = with_scene(
            3,
            |_| {},
            |scene| {
                let scene = Scene { policy: &skip, ..*scene };
                after_look_up(&claim(1), &doubt(0), &reply(beside), &scene)
            },
        );
        let told = format!(r#"{became}[Beside(Beside {{ protocolo: None, label: "SAC" }})]"#);
        assert_eq!(short(&settle.change, 3), told);
    }
}

#[test]
fn patience_is_for_the_row_and_not_for_the_outage() {
    let asked = |answered| Doubt { answered, ..doubt(0) };
    check_look(3, asked(0), vague(), "after 3 s, 1 spent, in doubt (0 absent, 1 answered)");
    check_look(122, asked(5), vague(), "after 10.5 s, 1 spent, in doubt (0 absent, 6 answered)");
    check_look(200, asked(8), vague(), "after 79 s, 1 spent, in doubt (0 absent, 9 answered)");
    check_look(200, asked(9), vague(), "unconfirmed full_page, 10 answered");
    check_look(200, asked(9), Verdict::Rejected(fault("refused")), "unconfirmed refused, 10 answered");
    check_look(200, asked(9), Verdict::Forbidden(fault("http_403")), "unconfirmed http_403, 10 answered");
    let free = |scene: &mut Scene<'_>| scene.looks = Looks::Free;
    check_look_with(200, asked(9), vague(), free, "after 79 s, 1 spent, in doubt (0 absent, 9 answered)");
    let last = |scene: &mut Scene<'_>| scene.looks = Looks::Last;
    check_look_with(200, asked(1), vague(), last, "unconfirmed full_page, 2 answered");
    // An absence goes on towards being believed.
    check_look(200, asked(9), absent(), "after 10.5 s, 1 spent, in doubt (1 absent, 10 answered)");
    for verdict in [
        Verdict::Unknown(fault("timeout")),
        Verdict::NotSent(fault("timeout")),
        Verdict::LoginUnavailable(fault("timeout")),
    ] {
        check_look(200, asked(9), verdict, "after 60 s, 1 spent, in doubt (0 absent, 9 answered)");
    }
    let held = |scene: &mut Scene<'_>| scene.held_until = at(230);
    check_look_with(
        200,
        asked(9),
        Verdict::Throttled,
        held,
        "after 30 s, 1 spent, in doubt (0 absent, 9 answered)",
    );
    check_look(200, asked(9), Verdict::Withheld, "release");
}

#[test]
fn a_day_is_enough_but_only_of_this_run() {
    let day = 24 * 3600;
    let unanswered = || Verdict::Unknown(fault("timeout"));
    check_look(day - 1, doubt(0), unanswered(), "after 60 s, 1 spent, in doubt (0 absent, 0 answered)");
    check_look(day, doubt(0), unanswered(), "unconfirmed timeout, 0 answered");
    check_look(day, doubt(0), vague(), "unconfirmed full_page, 1 answered");
    let just_started = |scene: &mut Scene<'_>| scene.started = at(day - 5);
    let goes_on = "after 60 s, 1 spent, in doubt (0 absent, 0 answered)";
    check_look_with(day, doubt(0), unanswered(), just_started, goes_on);
}

/// What a run has waited itself is certain; of what was before, the more careful clock is believed.
#[test]
fn the_settle_delay_is_over_on_both_clocks() {
    // The run began at 1000; the doubt is of 0. What HubSoft's clock showed then, and what it shows now.
    #[track_caller]
    fn check(steady: Steady, now: i64, hubsoft: (Option<i64>, Option<i64>), is_over: bool) {
        let doubt = Doubt {
            absences: 1,
            last_absence: Some(at(now - 60)),
            hubsoft_at: hubsoft.0.map(at),
            ..doubt(0)
        };
        let scene = |scene: &mut Scene<'_>| {
            scene.started = at(1000);
            scene.steady = steady;
            scene.hubsoft_now = hubsoft.1.map(at);
            scene.hubsoft_latest = scene.hubsoft_now;
        };
        let settle =
            with_scene(now, scene, |scene| after_look_up(&claim(1), &doubt, &reply(absent()), scene));
        let Change::Later { doubt, .. } = settle.change else { panic!("{:?}", settle.change) };
        assert_eq!(doubt.is_none(), is_over, "{steady:?} {now} {hubsoft:?}");
    }
    for steady in [Steady::Yes, Steady::No] {
        check(steady, 1061, (Some(0), Some(130)), true);
        check(steady, 1061, (Some(0), Some(110)), false); // This machine's clock was set ahead.
        check(steady, 1061, (Some(0), Some(-5000)), false); // HubSoft's was set back.
        check(steady, 1061, (None, Some(2000)), false);
        check(steady, 1061, (Some(0), None), false);
        check(steady, 1061, (None, None), false);
        check(steady, 1122, (None, None), true);
    }
    // Two minutes of its own are enough, whatever clocks say; the clock of a shared outbox may be set
    // meanwhile.
    check(Steady::Yes, 1122, (Some(0), Some(-5000)), true);
    check(Steady::No, 1122, (Some(0), Some(-5000)), false);
}

#[test]
fn a_clock_set_back_believes_nothing_early() {
    let doubt = Doubt { absences: 1, last_absence: Some(at(110)), ..doubt(100) };
    // Not each other second until then.
    check_look(50, doubt, absent(), "after 50 s, 1 spent, in doubt (1 absent, 1 answered)");
}

/// Seen: a person wrote `pending` over a row whose post was still waited for. Its first absence began the
/// settle delay at once, and the second was believed while HubSoft could still open the ticket.
#[test]
fn a_doubt_that_begins_later_is_waited_for() {
    let seen = with_scene(0, |_| {}, |scene| after_look_up(&claim(1), &doubt(300), &reply(absent()), scene));
    let Change::Later { doubt: Some(first), .. } = seen.change else { panic!("{:?}", seen.change) };
    assert_eq!(first.since, at(300));
    let twice = with_scene(200, |_| {}, |scene| after_look_up(&claim(1), &first, &reply(absent()), scene));
    assert!(matches!(twice.change, Change::Later { doubt: Some(_), .. }), "{:?}", twice.change);
    // Nobody waits for a day: that is a clock that was set. Of a shared outbox it may be set while somebody
    // waits.
    for (steady, since) in [(Steady::Yes, 0), (Steady::No, 600)] {
        let day = doubt(24 * 3600);
        let scene = |scene: &mut Scene<'_>| scene.steady = steady;
        let seen = with_scene(0, scene, |scene| after_look_up(&claim(1), &day, &reply(absent()), scene));
        let Change::Later { doubt: Some(first), .. } = seen.change else { panic!("{:?}", seen.change) };
        assert_eq!(first.since, at(since), "{steady:?}");
    }
}

/// As far as this moment tells: what HubSoft's clock showed then, and when an absence was seen.
#[test]
fn what_a_clock_set_back_left_to_come_is_of_now() {
    let seen = |doubt: &Doubt| {
        let scene = |scene: &mut Scene<'_>| scene.hubsoft_latest = Some(at(50));
        let settle = with_scene(0, scene, |scene| after_look_up(&claim(1), doubt, &reply(vague()), scene));
        let Change::Later { doubt: Some(seen), .. } = settle.change else { panic!("{:?}", settle.change) };
        seen
    };
    let ahead = seen(&Doubt { hubsoft_at: Some(at(500)), last_absence: Some(at(700)), ..doubt(0) });
    assert_eq!((ahead.hubsoft_at, ahead.last_absence), (Some(at(50)), Some(at(-1))));
    let latest = ANSWER_AGE_MAX.as_secs() as i64;
    assert_eq!(seen(&doubt(latest)).since, at(latest), "somebody may wait for it yet");
    assert_eq!(seen(&doubt(latest + 1)).since, at(0), "nobody does");
}

#[test]
fn an_open_ticket_skips_and_its_absence_posts() {
    #[track_caller]
    fn check(attempts: u32, verdict: Verdict<Sighting>, expected: &str) {
        let next =
            with_scene(0, |_| {}, |scene| after_looking_before(&claim(attempts), &reply(verdict), scene));
        match next {
            Next::Post { beside } => assert_eq!(format!("post {beside:?}"), expected),
            Next::Settle(settle) => assert_eq!(short(&settle.change, 0), expected),
        }
    }
    check(0, absent(), "post []");
    let there = vec![Beside { protocolo: Some("p4".to_owned()), label: "SAC".to_owned() }];
    let expected = r#"post [Beside { protocolo: Some("p4"), label: "SAC" }]"#;
    check(0, Verdict::Answered(Sighting::Beside(there)), expected);
    check(0, Verdict::Answered(Sighting::AlreadyOpen { opening: opening(3) }), "skipped for p3");
    let own = |conflict| {
        Verdict::Answered(Sighting::Found {
            opening: opening(3),
            others: vec![],
            beside: Vec::new(),
            conflict,
        })
    };
    check(0, own(None), "opened p3, 0 spent, []");
    check(0, own(Some(fault("wrong_service"))), "conflict wrong_service with p3, 0 spent, []");
    check(0, vague(), "after 0 s, 1 spent");
    check(7, vague(), "failed full_page, 8 spent");
    check(7, Verdict::Unknown(fault("timeout")), "after 0 s, 7 spent");
    // What is not answered is no absence.
    check(0, Verdict::Throttled, "after 0 s, 0 spent");
    check(0, Verdict::Withheld, "release");
}
