//! From a request to an answer: what is checked before a page is made, and what every answer says.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest, Path, Query, Request, State};
use axum::handler::Handler;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Redirect, Response, Sse};
use axum::routing::{get, post};
use futures_util::FutureExt;
use futures_util::stream::unfold;
use maud::Markup;
use serde::Deserialize;
use tokio::time::timeout;

use super::desk::{How, Stage, Stopped, Word};
use super::door::{For, Refusal, Visitor};
use super::logins::NotIn;
use super::speech::{not_found, spoken};
use super::{Route, Site, batches, cut_off, files, going, on_call, page, rows, sheets, work};

/// Of what a form of ours says.
const BODY_LEN_MAX: usize = 64 * 1024;

/// As what a page of ours is sent.
const HTML: &[u8] = b"text/html";

/// From a head to its answer: longer than a database takes that is in trouble.
const TIME_MAX: Duration = Duration::from_secs(30);

/// For what a login says: two lines, by whoever is a stranger still.
const LOGIN_WITHIN: Duration = Duration::from_secs(5);

/// When a browser connects again that cannot follow any more.
const FOLLOWS_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What holds of every answer. Nothing is loaded from elsewhere, nothing of ours is shown within another
/// site's page, nothing is kept. `same-origin`: with `no-referrer`, a browser would not say where a form of
/// ours comes from.
const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (VARY, HeaderValue::from_static("Accept-Language, Cookie")),
];

/// All that may be asked for, each with who may.
fn routes() -> impl Iterator<Item = Route> {
    [
        ("/", For::WhoLooks, get(home)),
        ("/enter", For::Anybody, get(enter)),
        ("/log-in", For::Anybody, post(log_in)),
        ("/log-out", For::WhoLooks, post(log_out)),
        ("/style.css", For::Anybody, get(style)),
        ("/live.js", For::Anybody, get(live)),
        ("/copy.js", For::Anybody, get(copy)),
        ("/import", For::WhoLooks, get(going)),
        ("/import/events", For::WhoLooks, get(events)),
        ("/import/answer", For::WhoOpens, post(answer)),
        ("/import/stop", For::WhoOpens, post(stop)),
        ("/import/pause", For::WhoOpens, post(pause)),
        ("/import/go-on", For::WhoOpens, post(cut_off::go_on_with)),
        ("/import/forget", For::WhoOpens, post(cut_off::dismiss)),
        ("/import/files/{name}", For::WhoOpens, get(file)),
    ]
    .into_iter()
    .chain(sheets::routes())
    .chain(rows::routes())
    .chain(on_call::routes())
}

pub fn router(site: Arc<Site>) -> Router {
    let guarded = |whom: For, time_max| from_fn_with_state((Arc::clone(&site), whom, time_max), guard);
    let router = routes().fold(Router::new(), |router, (path, whom, answers)| {
        let time_max = if sheets::BY_PIECES.contains(&path) { None } else { Some(TIME_MAX) };
        router.route(path, answers.layer(guarded(whom, time_max)))
    });
    router
        .fallback(not_found.layer(guarded(For::WhoOpens, Some(TIME_MAX))))
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .with_state(site)
}

/// For whom something is, and how long it may take; `None`: whoever answers sees to that.
type Guarded = (Arc<Site>, For, Option<Duration>);

/// Refuses, or answers in time; and says of either what holds of every answer.
async fn guard(State((site, whom, time_max)): State<Guarded>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let checked = site.door.check(&parts, whom);
    if let Ok(Some(visitor)) = &checked {
        parts.extensions.insert(visitor.clone());
    }
    let mut response = match checked {
        Err(refusal) => refused(&site, refusal, &parts),
        Ok(_) => {
            let answer = next.run(Request::from_parts(parts.clone(), body));
            let answer = async {
                match time_max {
                    Some(time_max) => timeout(time_max, answer).await,
                    None => Ok(answer.await),
                }
            };
            // Where it was is printed as it happens. It is this answer's affair, and no import's.
            match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(response)) => in_our_words(&parts.headers, response),
                Ok(Err(_)) => {
                    (StatusCode::GATEWAY_TIMEOUT, spoken(&parts.headers, page::too_slow)).into_response()
                }
                Err(_) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, spoken(&parts.headers, page::broken)).into_response()
                }
            }
        }
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

/// What axum refuses by itself (a query, a form or a path that is none, a body that is too long, a method),
/// as a page: it says so in English, or not at all.
fn in_our_words(headers: &HeaderMap, mut response: Response) -> Response {
    let is_page = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(HTML));
    if !response.status().is_client_error() || is_page {
        return response;
    }
    let page = spoken(headers, || match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => page::refused(Refusal::Method),
        StatusCode::PAYLOAD_TOO_LARGE => page::too_long(),
        _ => page::not_understood(),
    });
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    *response.body_mut() = Body::from(page.into_string());
    response
}

fn refused(site: &Site, refusal: Refusal, asked: &Parts) -> Response {
    let status = match refusal {
        Refusal::Foreign => StatusCode::MISDIRECTED_REQUEST,
        Refusal::Elsewhere | Refusal::Outside | Refusal::Role => StatusCode::FORBIDDEN,
        Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
    };
    if refusal == Refusal::Outside && site.door.has_users() {
        return (status, spoken(&asked.headers, || page::log_in(None))).into_response();
    }
    (status, spoken(&asked.headers, || page::refused(refusal))).into_response()
}

#[derive(Deserialize)]
struct Entering {
    #[serde(default)]
    key: String,
}

/// A page of its own rather than a redirect: a browser that was led here by a link brings its new cookie only
/// to what our own page leads to.
async fn enter(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Query(Entering { key }): Query<Entering>,
) -> Response {
    match site.door.enter(&key) {
        Some(cookie) => ([(SET_COOKIE, cookie)], spoken(&headers, page::entered)).into_response(),
        None => (StatusCode::FORBIDDEN, spoken(&headers, || page::refused(Refusal::Outside))).into_response(),
    }
}

#[derive(Deserialize)]
struct LoggingIn {
    name: String,
    password: String,
}

/// As [`enter`], by name and password.
async fn log_in(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let said = axum::Form::from_request(Request::from_parts(parts.clone(), body), &site);
    let Ok(said) = timeout(LOGIN_WITHIN, said).await else {
        return (StatusCode::REQUEST_TIMEOUT, spoken(&parts.headers, page::too_slow)).into_response();
    };
    let Ok(axum::Form(LoggingIn { name, password })) = said else {
        return (StatusCode::BAD_REQUEST, spoken(&parts.headers, || page::log_in(None))).into_response();
    };
    let not_in = match site.door.log_in(&name, password.into(), &parts).await {
        Ok(cookie) => return ([(SET_COOKIE, cookie)], spoken(&parts.headers, page::entered)).into_response(),
        Err(not_in) => not_in,
    };
    let page = spoken(&parts.headers, || page::log_in(Some(not_in)));
    match not_in {
        NotIn::Unknown => (StatusCode::FORBIDDEN, page).into_response(),
        NotIn::Later(wait) => {
            let seconds = wait.as_secs() + 1;
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds.to_string())], page).into_response()
        }
    }
}

async fn log_out(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    ([(SET_COOKIE, site.door.leave(&headers))], Redirect::to("/")).into_response()
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

async fn live() -> Response {
    script(include_str!("live.js"))
}

async fn copy() -> Response {
    script(include_str!("copy.js"))
}

fn script(text: &'static str) -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], text).into_response()
}

#[derive(Deserialize)]
struct Before {
    /// What comes before the first that is shown.
    #[serde(default)]
    before: usize,
}

async fn home(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Query(Before { before }): Query<Before>,
) -> Markup {
    // As the links have it: what is between two of them would be counted once more.
    let before = before - before % batches::SHOWN_MAX;
    let looked = site.home.seen(before, batches::look(&site.outboxes, before)).await;
    let cut_off = cut_off::look(&site);
    spoken(&headers, || batches::page_of(&looked, &site.desk.standing().stage, &cut_off, &visitor))
}

async fn going(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Markup {
    let (standing, cut_off) = (site.desk.standing(), cut_off::look(&site));
    spoken(&headers, || going::page_of(&standing, &cut_off, &visitor))
}

#[derive(Deserialize)]
struct Answered {
    number: u64,
    answer: String,
}

async fn answer(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(Answered { number, answer: text }): axum::Form<Answered>,
) -> Response {
    if !site.desk.standing().is_of(&visitor) {
        return not_found(headers).await;
    }
    site.desk.say(Word::Answer { number, text }).await;
    Redirect::to("/import").into_response()
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

/// Anybody who opens tickets may stop what another one ordered: else it would wait for who is gone.
async fn stop(
    State(site): State<Arc<Site>>,
    Extension(by): Extension<Visitor>,
    axum::Form(Numbered { number }): axum::Form<Numbered>,
) -> Redirect {
    stopped(&site, number, &by, How::Stop)
}

/// The same, until somebody goes on with it.
async fn pause(
    State(site): State<Arc<Site>>,
    Extension(by): Extension<Visitor>,
    axum::Form(Numbered { number }): axum::Form<Numbered>,
) -> Redirect {
    stopped(&site, number, &by, How::Pause)
}

fn stopped(site: &Site, number: u64, by: &Visitor, how: How) -> Redirect {
    // Whenever the program ends from now on, it does not go on by itself.
    if let Some(order) = site.desk.stop(number, Stopped { who: site.called(by), how }) {
        work::stopped(site, &order, by, how);
    }
    Redirect::to("/import")
}

/// Tells each time that the import stands otherwise than before, until the program ends or others follow.
async fn events(State(site): State<Arc<Site>>, Extension(visitor): Extension<Visitor>) -> impl IntoResponse {
    let ends = site.stop.child_token();
    site.followers.add(visitor.user.as_ref(), &ends);
    // Over as well once nobody listens any more.
    let held = ends.clone().drop_guard();
    let told = unfold((site.desk.follow(), ends, held), async |(mut standing, ends, held)| {
        // Cancel-safe: a change that was not seen is seen next.
        let changed = ends.run_until_cancelled(standing.changed()).await;
        changed?.ok()?;
        let event = Event::default().retry(FOLLOWS_AGAIN_AFTER).data("changed");
        Some((Ok::<_, Infallible>(event), (standing, ends, held)))
    });
    Sse::new(told).keep_alive(KeepAlive::default())
}

/// A file of the results of the import that ended.
async fn file(State(site): State<Arc<Site>>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let sent = match site.desk.standing().stage {
        Stage::Ended(ended) => match &*ended {
            Ok(done) => files::sent(&done.folder, &name).await,
            Err(_) => None,
        },
        _ => None,
    };
    match sent {
        Some(sent) => sent,
        None => not_found(headers).await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::panic::resume_unwind;

    use axum::http::Method;
    use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, HOST, ORIGIN};
    use futures_util::StreamExt;
    use futures_util::stream::pending;
    use tokio::task::spawn_blocking;
    use tokio_util::sync::CancellationToken;
    use tower_service::Service;

    use super::*;
    use crate::app::place::Outboxes;
    use crate::outbox::Way;
    use crate::registry::{Password, Role, User, Users};
    use crate::settings::Sources;

    const HERE: &str = "127.0.0.1:8674";

    /// The page of a folder with a user of each role; one works on what they order as long as it is held.
    fn begun(here: &std::path::Path) -> (Router, super::super::Ordered) {
        let users = Users::at(Some(here.to_owned()));
        for (name, role) in [("ana", Role::Abrir), ("bia", Role::Acompanhar)] {
            let password = Password::try_from(format!("{name} likes horses")).unwrap();
            users.put(User::new(name.parse().unwrap(), role, &password)).unwrap();
        }
        let outboxes = Outboxes { url: None, here: here.to_owned(), user: String::new(), way: Way::Terminal };
        let (at, stop) = (HERE.parse().unwrap(), CancellationToken::new());
        let (site, ordered) = Site::new(at, None, Some(users), outboxes, Sources::default(), |_, _| 0, stop);
        (router(site), ordered)
    }

    async fn ask(router: &mut Router, method: Method, path: &str, cookie: &str, body: &str) -> Response {
        let request = Request::builder().method(method).uri(path).header(HOST, HERE);
        let request = request.header(ORIGIN, format!("http://{HERE}")).header(COOKIE, cookie);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let Ok(answer) = router.call(request.body(Body::from(body.to_owned())).unwrap()).await;
        answer
    }

    /// What is asked for at no route is among it: whoever may see nothing is not told what there is.
    #[tokio::test]
    async fn each_route_is_for_whom_its_table_says() {
        let here = tempfile::tempdir().unwrap();
        let (mut router, _ordered) = begun(here.path());
        let mut cookies = Vec::new();
        for name in ["ana", "bia"] {
            cookies.push(log_in(&mut router, name).await);
        }
        let paths = routes().map(|(path, whom, _)| (path, whom)).chain([("/nothing", For::WhoOpens)]);
        for (path, whom) in paths.filter(|(path, _)| *path != "/log-out") {
            for method in [Method::GET, Method::POST] {
                let visitors =
                    [("", For::Anybody), (&cookies[1], For::WhoLooks), (&cookies[0], For::WhoOpens)];
                for (cookie, is) in visitors {
                    let refused = match (whom, is) {
                        (For::WhoOpens, For::WhoLooks) => Some(Refusal::Role),
                        (For::WhoLooks | For::WhoOpens, For::Anybody) => Some(Refusal::Outside),
                        _ => None,
                    };
                    let answer = ask(&mut router, method.clone(), path, cookie, "").await;
                    // A login that is none, and a key that is none, are refused by what is there.
                    let is_refused = answer.status() == StatusCode::FORBIDDEN;
                    let lets_in = ["/enter", "/log-in"].contains(&path);
                    assert!(is_refused == refused.is_some() || lets_in, "{method} {path} {is:?}");
                    assert!(answer.headers().contains_key(CONTENT_SECURITY_POLICY), "{method} {path}");
                }
            }
        }
    }

    /// The line of a browser in which this user has logged in.
    async fn log_in(router: &mut Router, name: &str) -> String {
        let said = format!("name={name}&password={name}+likes+horses");
        let answer = ask(router, Method::POST, "/log-in", "", &said).await;
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Seen: a line of English without anything around it, which no person can do anything with.
    #[tokio::test]
    async fn what_no_page_of_ours_asks_is_answered_by_one() {
        let here = tempfile::tempdir().unwrap();
        let (mut router, _ordered) = begun(here.path());
        let cookie = log_in(&mut router, "ana").await;
        let form = "application/x-www-form-urlencoded";
        let long = "x".repeat(BODY_LEN_MAX + 1);
        let mut seen = BTreeMap::new();
        for (path, ..) in routes().filter(|(path, ..)| *path != "/log-out") {
            let path = path.replace("{name}", "%FF").replace("{id}", "%FF");
            for (method, query, kind, body) in [
                (Method::GET, "?before=x&in=%FF&=", form, ""),
                (Method::GET, "?before=-1&before=2&text=x&text=y", form, ""),
                (Method::POST, "?before=x", form, "number=x&import=x"),
                (Method::POST, "", form, "reason=a&reason=b&batch=a&batch=b&import=1&number=1&number=2"),
                (Method::POST, "", "text/plain", "number=1"),
                (Method::POST, "", "multipart/form-data", "--"),
                (Method::POST, "", form, long.as_str()),
            ] {
                let asked = Request::builder().method(&method).uri(format!("{path}{query}"));
                let asked = asked.header(HOST, HERE).header(ORIGIN, format!("http://{HERE}"));
                let asked = asked.header(COOKIE, &cookie).header(CONTENT_TYPE, kind);
                let asked = asked.header(ACCEPT_LANGUAGE, "pt-BR").body(Body::from(body.to_owned())).unwrap();
                let Ok(answer) = router.call(asked).await;
                let (told, status) = (format!("{method} {path}{query} {kind}"), answer.status());
                if !status.is_client_error() {
                    continue;
                }
                *seen.entry(status.as_u16()).or_insert(0) += 1;
                let kind = answer.headers()[CONTENT_TYPE].as_bytes().to_owned();
                let page = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
                let page = String::from_utf8(page.to_vec()).unwrap();
                assert!(kind.starts_with(HTML), "{told}: {status} {page}");
                for part in ["<html lang=\"pt-BR\">", "<h1>", "href=\"/style.css\""] {
                    assert!(page.contains(part), "{told}: {part}: {page}");
                }
            }
        }
        for status in [400, 405, 413, 415, 422] {
            assert!(seen.contains_key(&status), "{status}: {seen:?}");
        }
    }

    /// Seen (in reading): it ended the program, and the import that went on.
    #[tokio::test]
    async fn a_defect_that_an_answer_comes_upon_is_told_as_one() {
        let here = tempfile::tempdir().unwrap();
        let outboxes =
            Outboxes { url: None, here: here.path().to_owned(), user: String::new(), way: Way::Terminal };
        let (at, stop) = (HERE.parse().unwrap(), CancellationToken::new());
        let (site, _ordered) = Site::new(at, None, None, outboxes, Sources::default(), |_, _| 0, stop);
        let guarded = from_fn_with_state((Arc::clone(&site), For::Anybody, None), guard);
        let blocking = async || -> Response {
            let found = spawn_blocking(|| panic!("a defect")).await;
            found.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()))
        };
        let here = async || -> Response { panic!("a defect") };
        let routes = [("/here", get(here)), ("/blocking", get(blocking)), ("/well", get(style))];
        let add = |router: Router, (path, answers): (&str, axum::routing::MethodRouter)| {
            router.route(path, answers.layer(guarded.clone()))
        };
        let mut router = routes.into_iter().fold(Router::new(), add);
        for (path, expected) in [("/here", 500), ("/blocking", 500), ("/well", 200)] {
            let answer = ask(&mut router, Method::GET, path, "", "").await;
            assert_eq!(answer.status().as_u16(), expected, "{path}");
            assert!(answer.headers().contains_key(CONTENT_SECURITY_POLICY), "{path}");
        }
    }

    /// Seen (in reading): each of 64 strangers whose login never ended held a connection for half a minute.
    #[tokio::test(start_paused = true)]
    async fn a_login_that_does_not_come_is_not_waited_for_long() {
        let here = tempfile::tempdir().unwrap();
        let (mut router, _ordered) = begun(here.path());
        let never = pending::<Result<bytes::Bytes, Infallible>>();
        let request = Request::post("/log-in").header(HOST, HERE).header(ORIGIN, format!("http://{HERE}"));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let begun = tokio::time::Instant::now();
        let Ok(answer) = router.call(request.body(Body::from_stream(never)).unwrap()).await;
        assert_eq!((answer.status(), begun.elapsed()), (StatusCode::REQUEST_TIMEOUT, LOGIN_WITHIN));
    }

    /// The same of those who follow an import: of too many of one person the first ends, and is told when to
    /// come back.
    #[tokio::test]
    async fn who_follows_too_often_is_cut_off_and_comes_back_later() {
        let here = tempfile::tempdir().unwrap();
        let (mut router, _ordered) = begun(here.path());
        let answer =
            ask(&mut router, Method::POST, "/log-in", "", "name=bia&password=bia+likes+horses").await;
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut following = Vec::new();
        for _ in 0..super::super::CONNECTIONS_MAX {
            let answer = ask(&mut router, Method::GET, "/import/events", &cookie, "").await;
            assert_eq!(answer.status(), StatusCode::OK);
            let mut told = answer.into_body().into_data_stream();
            assert_eq!(told.next().await.unwrap().unwrap(), "retry: 10000\ndata: changed\n\n");
            following.push(told);
        }
        assert!(following[0].next().await.is_none());
        let last = following.last_mut().unwrap();
        assert!(last.next().now_or_never().is_none(), "it goes on");
    }

    /// A list apart from the table on purpose: one more is to be thought about.
    #[test]
    fn who_only_looks_finds_nothing_of_customers() {
        let looked: Vec<_> = routes().filter(|(_, whom, _)| *whom == For::WhoLooks).collect();
        let paths: Vec<_> = looked.iter().map(|(path, ..)| *path).collect();
        assert_eq!(paths, ["/", "/log-out", "/import", "/import/events"]);
    }
}
