//! From a request to an answer: what is checked before a page is made, and what every answer says.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Redirect, Response, Sse};
use axum::routing::{get, post};
use futures_util::stream::unfold;
use maud::Markup;
use serde::Deserialize;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::desk::{Order, Stage, Word, order_number};
use super::door::Refusal;
use super::form::{Form, name_of};
use super::speech::{language, not_found, spoken};
use super::{Site, batches, files, going, page, rows, sheet, work};
use crate::app::fault::Fault;
use crate::app::preview::{Preview, preview};
use crate::app::uploads::{LEN_MAX, Uploads};
use crate::language::Language;
use crate::registry::ColumnMemory;

/// Of what a form of ours says.
const BODY_LEN_MAX: usize = 64 * 1024;

/// From a head to its answer: longer than a database takes that is in trouble.
const TIME_MAX: Duration = Duration::from_secs(30);

/// What anybody may ask who asks here.
const PUBLIC: [&str; 4] = ["/enter", "/copy.js", "/live.js", "/style.css"];

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

pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/enter", get(enter))
        .route("/style.css", get(style))
        .route("/sheets", post(receive).layer(DefaultBodyLimit::max(LEN_MAX)))
        .route("/sheets/{id}", get(read))
        .route("/sheets/{id}/import", post(order))
        .route("/import", get(going))
        .route("/import/answer", post(answer))
        .route("/import/stop", post(stop))
        .route("/import/events", get(events))
        .route("/import/files/{name}", get(file))
        .route("/live.js", get(live))
        .route("/copy.js", get(copy))
        .merge(rows::routes())
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .layer(from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

/// Refuses, or answers in time; and says of either what holds of every answer.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let is_public = PUBLIC.contains(&parts.uri.path());
    let mut response = match site.door.check(&parts, is_public) {
        Err(refusal) => refused(refusal, &parts),
        Ok(()) => match timeout(TIME_MAX, next.run(Request::from_parts(parts.clone(), body))).await {
            Ok(response) => response,
            Err(_) => (StatusCode::GATEWAY_TIMEOUT, spoken(&parts.headers, page::too_slow)).into_response(),
        },
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

fn refused(refusal: Refusal, asked: &Parts) -> Response {
    let status = match refusal {
        Refusal::Foreign => StatusCode::MISDIRECTED_REQUEST,
        Refusal::Elsewhere | Refusal::Outside => StatusCode::FORBIDDEN,
        Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
    };
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

async fn home(State(site): State<Arc<Site>>, headers: HeaderMap) -> Markup {
    let looked = batches::look(&site.outboxes).await;
    spoken(&headers, || batches::page_of(&looked, &site.desk.standing().stage))
}

/// Takes a sheet, and leads to what is found in it.
async fn receive(State(site): State<Arc<Site>>, headers: HeaderMap, form: Multipart) -> Response {
    let Some(uploads) = &site.uploads else { return not_found(headers).await };
    let Ok(_turn) = site.receiving.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, spoken(&headers, page::too_many_sheets)).into_response();
    };
    match take(uploads, form).await {
        Ok(id) => Redirect::to(&format!("/sheets/{id}")).into_response(),
        Err(Untaken::Fault(fault)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, spoken(&headers, || page::not_kept(&fault))).into_response()
        }
        Err(Untaken::NoSheet(status)) => {
            let is_too_long = status == StatusCode::PAYLOAD_TOO_LARGE;
            (status, spoken(&headers, || page::no_sheet(is_too_long))).into_response()
        }
    }
}

/// Why a sheet was not taken.
enum Untaken {
    NoSheet(StatusCode),
    Fault(Fault),
}

impl From<MultipartError> for Untaken {
    fn from(error: MultipartError) -> Self {
        Self::NoSheet(error.status())
    }
}

impl From<Fault> for Untaken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

async fn take(uploads: &Uploads, mut form: Multipart) -> Result<String, Untaken> {
    while let Some(mut field) = form.next_field().await? {
        if field.name() != Some("sheet") {
            continue;
        }
        let mut upload = uploads.begin(field.file_name().unwrap_or_default())?;
        while let Some(bytes) = field.chunk().await? {
            upload.push(&bytes)?;
        }
        if 0 < upload.len {
            return Ok(upload.finish()?);
        }
    }
    Err(Untaken::NoSheet(StatusCode::BAD_REQUEST))
}

/// What is found in a sheet, read as the form says.
async fn read(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(fields): Query<Vec<(String, String)>>,
) -> Response {
    let kept = site.uploads.as_ref().and_then(|uploads| uploads.find(&id));
    let Some(kept) = kept else { return not_found(headers).await };
    let form = Form::of(fields);
    let name = name_of(&kept);
    let preview = preview_of(&site, &form, kept, language(&headers)).await;
    spoken(&headers, || sheet::page_of(&id, &name, &form, &preview)).into_response()
}

async fn preview_of(site: &Site, form: &Form, kept: PathBuf, language: Language) -> Result<Preview, Fault> {
    let reading = form.reading(&site.sources)?;
    let memory = ColumnMemory::at(site.sources.environment().state_folder());
    let file = site.outboxes.here.join(name_of(&kept));
    let turn = Arc::clone(&site.reading).acquire_owned().await;
    // Apart from what else goes on here. It holds its turn to its end, also if nobody waits for it any more.
    let seen = spawn_blocking(move || {
        let _turn = turn;
        language.speak(|| preview(file, &kept, reading, &memory))
    });
    seen.await.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()))
}

/// Orders the import of a sheet, read as the form says.
async fn order(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    axum::Form(fields): axum::Form<Vec<(String, String)>>,
) -> Response {
    let kept = site.uploads.as_ref().and_then(|uploads| uploads.find(&id));
    let Some(kept) = kept else { return not_found(headers).await };
    let (name, form, language) = (name_of(&kept), Form::of(fields), language(&headers));
    match site.desk.order(Order {
        number: order_number(),
        id,
        kept,
        name,
        form,
        language,
        agreed: None,
        stop: CancellationToken::new(),
    }) {
        true => Redirect::to("/import").into_response(),
        false => (StatusCode::CONFLICT, spoken(&headers, page::busy)).into_response(),
    }
}

async fn going(State(site): State<Arc<Site>>, headers: HeaderMap) -> Markup {
    spoken(&headers, || going::page_of(&site.desk.standing()))
}

#[derive(Deserialize)]
struct Answered {
    number: u64,
    answer: String,
}

async fn answer(
    State(site): State<Arc<Site>>,
    axum::Form(Answered { number, answer: text }): axum::Form<Answered>,
) -> Redirect {
    site.desk.say(Word::Answer { number, text }).await;
    Redirect::to("/import")
}

#[derive(Deserialize)]
struct Stopped {
    number: u64,
}

async fn stop(
    State(site): State<Arc<Site>>,
    axum::Form(Stopped { number }): axum::Form<Stopped>,
) -> Redirect {
    // Whenever the program ends from now on, nobody goes on with it.
    if let Some(order) = site.desk.stop(number) {
        work::forget(&site, &order);
    }
    Redirect::to("/import")
}

/// Tells each time that the import stands otherwise than before, until the program ends.
async fn events(State(site): State<Arc<Site>>) -> impl IntoResponse {
    let stop = site.stop.clone();
    let told = unfold((site.desk.follow(), stop), async |(mut standing, stop)| {
        // Cancel-safe: a change that was not seen is seen next.
        let changed = stop.run_until_cancelled(standing.changed()).await;
        changed?.ok()?;
        Some((Ok::<_, Infallible>(Event::default().data("changed")), (standing, stop)))
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
