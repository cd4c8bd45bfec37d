//! What is asked of the rows of a batch, and what a person has done with them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::Markup;
use tokio::time::timeout;

use super::deeds::Untold;
use super::door::{For, Visitor};
use super::form::Form;
use super::lead::Lead;
use super::lote::{self, states_of};
use super::speech::{language, not_found, spoken};
use super::{Route, Site, cut_off, files, page, row, word};
use crate::app::fault::Fault;
use crate::app::found::{self, Sought, find};
use crate::app::place::Place;
use crate::app::questions::YES;
use crate::app::resolve::{
    self, Checked, Resolved, Unsettled, note_not_opened, note_opened, protocolo, says_not_opened, says_opened,
};
use crate::app::{retry, show};
use crate::language::means;
use crate::outbox::{BatchInfo, Cursor, Resolution};
use crate::settings::{Flags, Sending};

/// How long HubSoft is asked for a ticket that a person names. Shorter than a browser waits.
const CHECK_MAX: Duration = Duration::from_secs(15);

pub(super) type Fields = Vec<(String, String)>;

pub fn routes() -> [Route; 8] {
    [
        ("/batch", For::WhoOpens, get(batch)),
        ("/batch/protocolos", For::WhoOpens, get(protocolos)),
        ("/batch/files/{name}", For::WhoOpens, get(file)),
        ("/batch/retry", For::WhoOpens, post(again)),
        ("/batch/not-opened", For::WhoOpens, post(none_opened)),
        ("/row", For::WhoOpens, get(one)),
        ("/row/opened", For::WhoOpens, post(opened)),
        ("/row/not-opened", For::WhoOpens, post(not_opened)),
    ]
}

/// The rows of a batch that are looked for.
async fn batch(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    Query(fields): Query<Fields>,
) -> Response {
    let form = Form::of(fields);
    let lead = Lead::of(&form);
    let (text, sought, after) = sought_by(&form);
    let batch = known(&site, &lead).await;
    let batch = match &*batch {
        Ok(batch) => batch,
        Err(fault) => {
            return (StatusCode::CONFLICT, spoken(&headers, || page::undone(fault))).into_response();
        }
    };
    let found = async { find(&lead.place(&site.outboxes)?, batch, sought, after).await };
    let found = found.await;
    let paused = cut_off::look(&site).of_batch(batch.code);
    shown(&headers, found, |found| lote::page_of(&lead, text, batch, &found, &paused.paused(&visitor)))
}

/// The protocolos of all of them.
async fn protocolos(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Query(fields): Query<Fields>,
) -> Response {
    let form = Form::of(fields);
    let lead = Lead::of(&form);
    let (text, sought, after) = sought_by(&form);
    let asked = (form.get("state").unwrap_or_default(), text);
    let batch = known(&site, &lead).await;
    let batch = match &*batch {
        Ok(batch) => batch,
        Err(fault) => {
            return (StatusCode::CONFLICT, spoken(&headers, || page::undone(fault))).into_response();
        }
    };
    let found = async { found::protocolos(&lead.place(&site.outboxes)?, batch, &sought, after).await };
    shown(&headers, found.await, |(all, next)| lote::protocolos_page(&lead, asked, &all, next))
}

/// What a person looks for in a batch, as they typed it and as it is understood; and behind which row.
fn sought_by(form: &Form) -> (&str, Sought, Cursor) {
    let after = form.get("after").and_then(|after| after.parse().ok()).unwrap_or_default();
    let text = form.get("text").unwrap_or_default();
    (text, Sought::new(states_of(form.get("state")), text), Cursor::of_number(after))
}

/// The batch that something leads to, and how many of its rows are in which state.
async fn known(site: &Site, lead: &Lead) -> Arc<Result<BatchInfo, Fault>> {
    let look = async { found::batch(&lead.place(&site.outboxes)?).await };
    site.batches.seen(lead.clone(), look).await
}

/// A file of the results of a batch, as its import wrote it.
async fn file(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(fields): Query<Fields>,
) -> Response {
    let lead = Lead::of(&Form::of(fields));
    let folder = async {
        let batch = known(&site, &lead).await;
        found::folder(&lead.place(&site.outboxes).ok()?, batch.as_ref().as_ref().ok()?).await.ok()?
    };
    let sent = match folder.await {
        Some(folder) => files::sent(&folder, &name).await,
        None => None,
    };
    match sent {
        Some(sent) => sent,
        None => not_found(headers).await,
    }
}

/// One row's whole story.
async fn one(State(site): State<Arc<Site>>, headers: HeaderMap, Query(fields): Query<Fields>) -> Response {
    let form = Form::of(fields);
    let lead = Lead::of(&form);
    let details = async { show::show(&lead.place(&site.outboxes)?.row(number_of(&form))).await };
    shown(&headers, details.await, |(details, of)| row::page_of(&lead, &details, &of))
}

/// The row that a form is about; none has the number of what is no number.
fn number_of(form: &Form) -> i64 {
    form.get("row").and_then(|row| row.parse().ok()).unwrap_or_default()
}

/// Makes finished rows pending again.
async fn again(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(fields): axum::Form<Fields>,
) -> Response {
    let form = Form::of(fields);
    let states = form.said().filter(|(name, _)| *name == "state");
    let states = states.flat_map(|(_, state)| states_of(Some(state)).unwrap_or_default());
    let states = states.filter(|state| retry::STATES.contains(state)).collect::<Vec<_>>();
    let deed = async move |place: Place| retry::retry(&place, &states).await;
    done(&site, &visitor, &headers, &form, deed, |_, retried| word::retried(&retried)).await
}

/// What came of a person's word on rows.
enum Heard {
    Settled(Box<Resolved>),
    /// Not of what is there: that is not what was shown.
    Other,
    /// It is to be typed that this is so. With what tells the rows that it is said of.
    Asked(String, String),
}

/// That no row of a batch in a state has a ticket.
async fn none_opened(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(fields): axum::Form<Fields>,
) -> Response {
    let form = Form::of(fields);
    let state = form.get("state").unwrap_or_default();
    let states = states_of(Some(state)).unwrap_or_default();
    // Of the rows that it was asked of: others may have come since.
    let meant = form.get("of").filter(|_| is_so(&form)).map(str::to_owned);
    let (who, language) = (site.called(&visitor), language(&headers));
    let deed = async move |place: Place| {
        let unsettled = Unsettled::in_states(place, &states).await?;
        let n_rows = unsettled.n_rows();
        if meant.as_deref() != Some(unsettled.of()) {
            let question = language.speak(|| says_not_opened(n_rows).into_owned());
            return Ok(Heard::Asked(question, unsettled.of().to_owned()));
        }
        let note = language.speak(|| note_not_opened(&who));
        Ok(Heard::Settled(Box::new(unsettled.settle(Resolution::NotOpened, &note).await?)))
    };
    let asked = [("state", state)];
    let page = |lead: &Lead, heard| match heard {
        Heard::Settled(resolved) => word::not_opened(&resolved),
        Heard::Other => word::other_row(),
        Heard::Asked(question, of) => word::ask("/batch/not-opened", lead, &asked, &question, &of),
    };
    done(&site, &visitor, &headers, &form, deed, page).await
}

/// That a row has no ticket.
async fn not_opened(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(fields): axum::Form<Fields>,
) -> Response {
    let form = Form::of(fields);
    let (who, language, row) = (site.called(&visitor), language(&headers), number_of(&form));
    let meant = form.get("of").map(str::to_owned);
    let deed = async move |place: Place| {
        let unsettled = Unsettled::named(&[place.row(row)]).await?;
        if meant.as_deref() != Some(unsettled.of()) {
            return Ok(None);
        }
        let note = language.speak(|| note_not_opened(&who));
        unsettled.settle(Resolution::NotOpened, &note).await.map(Some)
    };
    let page = |_: &Lead, resolved: Option<Resolved>| match resolved {
        Some(resolved) => word::not_opened(&resolved),
        None => word::other_row(),
    };
    done(&site, &visitor, &headers, &form, deed, page).await
}

/// That a protocolo is that of a row's ticket. HubSoft is asked first.
async fn opened(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(fields): axum::Form<Fields>,
) -> Response {
    let form = Form::of(fields);
    let (language, row, is_so) = (language(&headers), number_of(&form), is_so(&form));
    let typed = form.get("protocolo").unwrap_or_default();
    let (asking, said, who) = (Arc::clone(&site), typed.to_owned(), site.called(&visitor));
    let meant = form.get("of").map(str::to_owned);
    let deed = async move |place: Place| {
        let said = protocolo(&said)?;
        let sending: Sending = asking.sources.resolve(&Flags::none())?;
        let unsettled = Unsettled::named(&[place.row(row)]).await?;
        if meant.as_deref() != Some(unsettled.of()) {
            return Ok(Heard::Other);
        }
        // Sooner than the browser is told that it takes a while: it is to be asked.
        let checked = timeout(CHECK_MAX, unsettled.check(said, &sending, &asking.sources)).await;
        let checked = checked.unwrap_or(Ok(Checked::Untold(resolve::Untold::NoAnswer { why: None })))?;
        let (id_atendimento, why) = match checked {
            Checked::Agrees { id_atendimento } => (Some(id_atendimento), None),
            Checked::Untold(untold) => {
                let why = language.speak(|| untold.to_string());
                if !is_so {
                    let question = language.speak(|| says_opened(said, &why).into_owned());
                    return Ok(Heard::Asked(question, unsettled.of().to_owned()));
                }
                (None, Some(why))
            }
        };
        let note = language.speak(|| note_opened(&who, said, why.as_deref()));
        let says = Resolution::Opened { protocolo: said, id_atendimento };
        Ok(Heard::Settled(Box::new(unsettled.settle(says, &note).await?)))
    };
    let row = row.to_string();
    let asked = [("row", row.as_str()), ("protocolo", typed)];
    let page = |lead: &Lead, heard| match heard {
        Heard::Settled(resolved) => word::opened(&resolved),
        Heard::Other => word::other_row(),
        Heard::Asked(question, of) => word::ask("/row/opened", lead, &asked, &question, &of),
    };
    done(&site, &visitor, &headers, &form, deed, page).await
}

/// Whether it was typed that it is so.
fn is_so(form: &Form) -> bool {
    form.get("said").is_some_and(|said| means(said, YES))
}

/// Does it in the outbox that the form is about, and tells what came of it.
pub(super) async fn done<T: Send + 'static, D>(
    site: &Site,
    visitor: &Visitor,
    headers: &HeaderMap,
    form: &Form,
    deed: impl FnOnce(Place) -> D + Send + 'static,
    page: impl FnOnce(&Lead, T) -> Markup,
) -> Response
where
    D: Future<Output = Result<T, Fault>> + 'static,
{
    let lead = Lead::of(form);
    let done = match lead.place(&site.outboxes) {
        Ok(place) => {
            let place = place.asked_by(&site.called(visitor));
            site.deeds.done(move || deed(place)).await
        }
        Err(fault) => Ok(Err(fault)),
    };
    // Who asks from now on sees what was done.
    site.forget_looks();
    match done {
        Ok(done) => shown(headers, done, |came_of| word::page_of(&lead, &page(&lead, came_of))),
        Err(untold) => {
            let status = match untold {
                Untold::Full | Untold::Ending => StatusCode::SERVICE_UNAVAILABLE,
                Untold::Late => StatusCode::OK,
                Untold::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, spoken(headers, || word::page_of(&lead, &word::untold(untold)))).into_response()
        }
    }
}

pub(super) fn shown<T>(
    headers: &HeaderMap,
    found: Result<T, Fault>,
    page: impl FnOnce(T) -> Markup,
) -> Response {
    match found {
        Ok(found) => spoken(headers, || page(found)).into_response(),
        Err(fault) => (StatusCode::CONFLICT, spoken(headers, || page::undone(&fault))).into_response(),
    }
}
