//! What whoever is on call has done with all of a shared outbox, or with a batch, and looks for in it.

use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::door::{For, Visitor};
use super::form::Form;
use super::rows::{Fields, done, shown};
use super::speech::spoken;
use super::{Route, Site, overview, page, word};
use crate::app;
use crate::app::fault::Fault;
use crate::app::overview::search;
use crate::delivery::RowId;
use crate::outbox::{Address, By, Way};

pub fn routes() -> [Route; 5] {
    [
        ("/search", For::WhoOpens, get(find)),
        ("/outbox/pause", For::WhoOpens, post(pause)),
        ("/outbox/resume", For::WhoOpens, post(resume)),
        ("/batch/cancel", For::WhoOpens, post(cancel)),
        ("/batch/resume", For::WhoOpens, post(resume_lote)),
    ]
}

/// The outbox that a setting names.
fn address(site: &Site) -> Result<Address, Fault> {
    Ok(site.outboxes.at(None)?.outbox)
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    text: String,
    before: Option<i64>,
}

async fn find(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Query(Asked { text, before }): Query<Asked>,
) -> Response {
    let met = async { search(&address(&site)?, &text, before.map(RowId)).await };
    shown(&headers, met.await, |met| page::page(&tr!("Rows found"), &overview::found(&text, &met)))
}

#[derive(Deserialize)]
struct Pausing {
    reason: String,
}

async fn pause(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(Pausing { reason }): axum::Form<Pausing>,
) -> Response {
    tracing::info!("`{}` pauses all workers", site.called(&visitor));
    let who = site.called(&visitor);
    let paused = async { app::pause(&address(&site)?, by(&who), reason.trim()).await };
    led_home(&site, &headers, paused.await)
}

async fn resume(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
) -> Response {
    tracing::info!("`{}` lets all workers go on", site.called(&visitor));
    let who = site.called(&visitor);
    let resumed = async { app::resume(&address(&site)?, by(&who)).await.map(drop) };
    led_home(&site, &headers, resumed.await)
}

fn by(who: &str) -> By<'_> {
    By { who, way: Way::Page }
}

fn led_home(site: &Site, headers: &HeaderMap, done: Result<(), Fault>) -> Response {
    site.forget_looks();
    match done {
        Ok(()) => Redirect::to("/").into_response(),
        Err(fault) => (StatusCode::CONFLICT, spoken(headers, || page::undone(&fault))).into_response(),
    }
}

/// Withdraws what was certainly not sent.
async fn cancel(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(fields): axum::Form<Fields>,
) -> Response {
    let form = Form::of(fields);
    let deed = async |place| app::cancel(&place).await;
    done(&site, &visitor, &headers, &form, deed, |_, (cancelled, results)| {
        word::cancelled(&cancelled, results.as_ref())
    })
    .await
}

/// Lets a batch go on that was halted.
async fn resume_lote(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(fields): axum::Form<Fields>,
) -> Response {
    let form = Form::of(fields);
    let deed = async |place| app::resume_lote(&place).await;
    done(&site, &visitor, &headers, &form, deed, |_, resumed| word::resumed(&resumed)).await
}
