//! Imports that were cut off, or paused: which of them go on when the program starts, and what a person is
//! told of the others, until they are gone on with or forgotten.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::Site;
use super::desk::{Note, Order, order_number};
use super::door::Visitor;
use super::form::{Form, name_of};
use super::page::{self, shown};
use super::speech::{language, not_found, spoken};
use crate::app::target::SANDBOX;
use crate::app::unfinished::{self, Kept, Lapse, Unfinished};
use crate::language::{Language, times};
use crate::registry::{RegistryError, Role};
use crate::settings::Sending;
use crate::ticket::code::BatchCode;

/// What a person can do something about.
#[derive(Default)]
pub struct CutOffs {
    imports: Vec<CutOff>,
    /// What is wrong with others, which nobody knows then.
    error: Option<RegistryError>,
}

struct CutOff {
    kept: Unfinished,
    /// `None`: it goes on by itself when the program starts again.
    why: Option<Why>,
    /// Of the same sheet, once it is gone on with; if that is there.
    order: Option<Order>,
    /// It was ordered last: its own page tells of it, too.
    is_latest: bool,
}

/// Why it does not go on by itself.
enum Why {
    Lapse(Lapse),
    NoSheet,
    NotAllowed,
    Paused(Option<Lapse>),
}

impl CutOff {
    fn is_paused(&self) -> bool {
        matches!(self.why, Some(Why::Paused(_)))
    }

    fn section(&self, visitor: &Visitor) -> Markup {
        let Self { kept, why, order, .. } = self;
        html! {
            section {
                h2 { (shown(&kept.name)) }
                p.warn role="status" { (shown(&told(kept, why.as_ref()))) }
                @if let Some(name) = &kept.by {
                    p { small { (tr!("Ordered by `%{name}`.", name = name)) } }
                }
                @if let Some(order) = order.as_ref().filter(|_| kept.by == visitor.user) {
                    (meant("/import/go-on", kept, &html! { button { (tr!("Go on")) } }))
                    (looks_again(order))
                }
                (meant("/import/forget", kept, &html! { button.plain { (tr!("Do not go on with it")) } }))
            }
        }
    }
}

impl CutOffs {
    /// Whether any was cut off rather than paused.
    pub fn is_any_cut_off(&self) -> bool {
        self.error.is_some() || self.imports.iter().any(|import| !import.is_paused())
    }

    /// Whether the import that was ordered last is among them.
    pub fn has_latest(&self) -> bool {
        self.imports.iter().any(|import| import.is_latest)
    }

    /// Of the batch of this code alone.
    pub fn of_batch(mut self, code: Option<BatchCode>) -> Self {
        let code = code.map(|code| code.to_string());
        self.imports.retain(|import| code.as_deref() == Some(import.kept.batch()));
        self
    }

    /// Those that were paused, as `visitor` is told of them, who opens tickets.
    pub fn paused(&self, visitor: &Visitor) -> Markup {
        html! {
            @for import in self.imports.iter().filter(|import| import.is_paused()) { (import.section(visitor)) }
        }
    }

    /// As `visitor` is told of all of them, who opens tickets.
    pub fn page_of(&self, visitor: &Visitor) -> Markup {
        html! {
            @for import in &self.imports { (import.section(visitor)) }
            @if let Some(error) = &self.error {
                section {
                    p.warn role="alert" {
                        (shown(&tr!("What is kept of an import that was cut off cannot be used: %{why}", why = error)))
                    }
                    @match error {
                        RegistryError::NotOurs(found) => p { (shown(found.hint())) },
                        RegistryError::Damaged { .. } => form method="post" action="/import/forget" {
                            (names("", 0))
                            button.plain { (tr!("Do not go on with it")) }
                        },
                        _ => {}
                    }
                }
            }
        }
    }
}

fn told(kept: &Unfinished, why: Option<&Why>) -> String {
    let paused = || {
        tr!(
            "`%{who}` paused this import on %{at}: nothing more of it is opened from here until somebody goes on with it.",
            who = kept.paused_by.as_deref().unwrap_or_default(),
            at = times::local_minute(kept.went_on_at)
        )
    };
    let told = match why {
        Some(Why::Paused(None)) => paused(),
        Some(Why::Paused(Some(_))) => {
            format!("{} {}", paused(), tr!("Is it still the same outage? Going on asks once more.")).into()
        }
        None => tr!("This import was cut off; it goes on by itself when the program starts again."),
        Some(Why::Lapse(Lapse::Late(long))) => tr!(
            "This import was cut off, and went on last %{time} ago. Is it still the same outage?",
            time = times::rounded(*long)
        ),
        Some(Why::Lapse(Lapse::ClockSet)) => tr!(
            "This import was cut off, and the clock was set back since: how long ago that was is not known. Is it still the same outage?"
        ),
        Some(Why::NoSheet) => {
            tr!("This import was cut off, and its spreadsheet is not kept any more: bring it again to go on.")
        }
        Some(Why::NotAllowed) => tr!(
            "This import was cut off, and who ordered it may not open tickets any more: somebody who may brings its spreadsheet to go on."
        ),
    };
    told.into_owned()
}

/// Goes on where it stopped: the same sheet once more, read in the same way.
pub fn again(order: Option<&Order>) -> Markup {
    html! {
        @if let Some(order) = order {
            form method="post" action={ "/sheets/" (order.id) "/import" } {
                (order.form.hidden())
                button { (tr!("Go on")) }
            }
            (looks_again(order))
        }
    }
}

fn looks_again(Order { id, form, .. }: &Order) -> Markup {
    html! {
        form method="post" action={ "/sheets/" (id) "/read" } {
            (form.hidden())
            button.plain { (tr!("Look at the spreadsheet again")) }
        }
    }
}

/// What a person wants of the very import that is shown.
fn meant(path: &str, kept: &Unfinished, button: &Markup) -> Markup {
    html! { form method="post" action=(path) { (names(kept.batch(), kept.agreed.what.import)) (button) } }
}

fn names(batch: &str, import: i64) -> Markup {
    html! {
        input type="hidden" name="batch" value=(batch);
        input type="hidden" name="import" value=(import);
    }
}

/// Those that nobody goes on with. While another import goes on, of those that were cut off nothing is known
/// yet: they may be next.
pub fn look(site: &Site) -> CutOffs {
    let (standing, Some(kept)) = (site.desk.standing(), &site.unfinished) else { return CutOffs::default() };
    let (is_free, (all, error)) = (standing.stage.is_free(), kept.all());
    let of = |kept: Unfinished| {
        let (why, order) = (why(site, &kept), order_of(site, &kept));
        let is_latest = standing.order.as_ref().is_some_and(|order| is_of(site, order, &kept));
        CutOff { kept, why, order, is_latest }
    };
    let mut imports: Vec<_> = all.into_iter().map(of).collect();
    // What goes on is neither, and of what was cut off its own page leads on.
    imports.retain(|import| match import.is_latest {
        true => is_free && import.is_paused(),
        false => is_free || import.is_paused(),
    });
    CutOffs { imports, error: error.filter(|_| is_free) }
}

fn why(site: &Site, kept: &Unfinished) -> Option<Why> {
    if !site.door.may_open(kept.by.as_ref()) {
        return Some(Why::NotAllowed);
    }
    if order_of(site, kept).is_none() {
        return Some(Why::NoSheet);
    }
    let lapse = kept.lapse(Timestamp::now());
    match &kept.paused_by {
        Some(_) => Some(Why::Paused(lapse)),
        None => lapse.map(Why::Lapse),
    }
}

/// What goes on with it, after a word of a person; `None`: its sheet is not kept any more.
fn order_of(site: &Site, kept: &Unfinished) -> Option<Order> {
    let by = Visitor { user: kept.by.clone(), role: Role::Abrir };
    let sheet = site.uploads.as_ref()?.find(by.owner(), &kept.sheet)?;
    Some(Order {
        number: order_number(),
        id: kept.sheet.clone(),
        by,
        name: name_of(&sheet),
        kept: sheet,
        form: Form::of(kept.form.clone()),
        language: Language::of_locale(&kept.language).unwrap_or_else(Language::now),
        agreed: None,
        batch: OnceLock::new(),
        stop: CancellationToken::new(),
        stopped: OnceLock::new(),
    })
}

/// The batches of those that go on by themselves when the program starts.
pub fn that_go_on(site: &Site) -> VecDeque<String> {
    let (all, error) = site.unfinished.as_ref().map(|kept| kept.all()).unwrap_or_default();
    if let Some(error) = error {
        tracing::warn!("what is kept of an import that was cut off cannot be used: {error}");
    }
    let goes_on = |kept: &&Unfinished| why(site, kept).is_none();
    all.iter().filter(goes_on).map(|kept| kept.batch().to_owned()).collect()
}

/// Goes on with the first of `waiting` that is there still, unless a person was faster.
pub fn go_on(site: &Site, waiting: &mut VecDeque<String>) {
    while let Some(batch) = waiting.pop_front() {
        let all = site.unfinished.as_ref().map(|kept| kept.all().0).unwrap_or_default();
        let Some(kept) = all.into_iter().find(|kept| kept.batch() == batch) else { continue };
        let order = order_of(site, &kept).filter(|_| why(site, &kept).is_none());
        let Some(order) = order.map(|order| Order { agreed: Some(kept.agreed), ..order }) else { continue };
        if !site.desk.order(order) {
            waiting.push_front(batch);
        }
        return;
    }
}

/// Whether `order` is, or would be, the import that is kept. Where its batch is not known yet, it would be by
/// its sheet, unless one of them is a rehearsal.
fn is_of(site: &Site, order: &Order, kept: &Unfinished) -> bool {
    let code = order.batch.get().map(ToString::to_string);
    let agreed = order.agreed.as_ref().map(|agreed| agreed.what.batch.clone());
    if code.is_some() || agreed.is_some() {
        return [code, agreed].into_iter().flatten().any(|batch| batch == kept.batch());
    }
    let sending = site.sources.resolve::<Sending>(&order.form.flags());
    let is_rehearsal = sending.is_ok_and(|sending| sending.sandbox);
    let is_same_sheet = order.id == kept.sheet && order.by.user == kept.by;
    is_same_sheet && is_rehearsal == (kept.agreed.what.terms.binding == SANDBOX)
}

/// Nobody goes on with it by itself.
pub fn forget(site: &Site, order: &Order) {
    let forgotten = site.unfinished.as_ref().map(|all| all.forget(|kept| is_of(site, order, kept)));
    if let Some(Err(error)) = forgotten {
        let told = order.language.speak(|| error.to_string());
        site.desk.tells([Note::Warning(told)]);
    }
}

/// It waits for a person from now on.
pub fn pause(site: &Site, order: &Order, who: &str) {
    let pause = |all: &Kept| all.pause(|kept| is_of(site, order, kept), who, Timestamp::now());
    if let Some(Err(error)) = site.unfinished.as_ref().map(pause) {
        let told = order.language.speak(|| error.to_string());
        site.desk.tells([Note::Warning(told)]);
    }
}

/// An import as it was shown: one of the same batch that was begun since is another.
#[derive(Deserialize)]
pub struct Meant {
    batch: String,
    import: i64,
}

impl Meant {
    fn is(&self, kept: &Unfinished) -> bool {
        kept.batch() == self.batch && kept.agreed.what.import == self.import
    }
}

/// Who ordered it goes on with it: with what was agreed to, unless that was too long ago.
pub async fn go_on_with(
    State(site): State<Arc<Site>>,
    Extension(by): Extension<Visitor>,
    headers: HeaderMap,
    axum::Form(meant): axum::Form<Meant>,
) -> Response {
    let all = site.unfinished.as_ref().map(|kept| kept.all().0).unwrap_or_default();
    let kept = all.into_iter().find(|kept| meant.is(kept) && kept.by == by.user);
    let met = kept.and_then(|kept| Some((order_of(&site, &kept)?, kept)));
    let Some((order, kept)) = met else { return not_found(headers).await };
    let agreed = kept.lapse(Timestamp::now()).is_none().then_some(kept.agreed);
    match site.desk.order(Order { language: language(&headers), agreed, ..order }) {
        true => Redirect::to("/import").into_response(),
        false => (StatusCode::CONFLICT, spoken(&headers, page::busy)).into_response(),
    }
}

/// A person does not want it to go on. Anybody who opens tickets may say so: else it would wait for who is
/// gone.
pub async fn dismiss(
    State(site): State<Arc<Site>>,
    Extension(by): Extension<Visitor>,
    axum::Form(meant): axum::Form<Meant>,
) -> Redirect {
    let standing = site.desk.standing();
    // What goes on can be stopped.
    let goes_on = |kept: &Unfinished| {
        let order = standing.order.as_ref().filter(|_| !standing.stage.is_free());
        order.is_some_and(|order| is_of(&site, order, kept))
    };
    let Some(kept) = &site.unfinished else { return Redirect::to("/import") };
    let who = site.called(&by);
    let dismissed = kept.all().0.into_iter().find(|kept| meant.is(kept) && !goes_on(kept));
    match kept.forget(|kept| meant.is(kept) && !goes_on(kept)) {
        Ok(()) => tracing::info!("`{who}` has an import forgotten that was cut off, or paused"),
        Err(error) => tracing::warn!("{error}"),
    }
    if let Some(kept) = dismissed {
        // Where it is not kept, that is logged: by then it is forgotten.
        let place = site.outboxes.at(kept.folder.as_deref()).map(|place| place.batch(&kept.lote));
        if let Ok(place) = place.map(|place| place.asked_by(&who)) {
            let _ = site.deeds.done(async move || unfinished::note_dismissal(&place).await).await;
        }
        site.forget_looks();
    }
    Redirect::to("/import")
}
