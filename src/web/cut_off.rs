//! Imports that were cut off: which of them go on when the program starts, and what a person is told of the
//! others, until they are gone on with or forgotten.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use axum::extract::{Extension, State};
use axum::response::Redirect;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::Site;
use super::desk::{Note, Order, order_number};
use super::door::Visitor;
use super::form::{Form, name_of};
use super::page::shown;
use crate::app::target::SANDBOX;
use crate::app::unfinished::{Lapse, Unfinished};
use crate::language::{Language, times};
use crate::registry::{RegistryError, Role};
use crate::settings::Sending;

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
}

/// Why it does not go on by itself.
enum Why {
    Lapse(Lapse),
    NoSheet,
    NotAllowed,
}

impl CutOffs {
    pub fn is_empty(&self) -> bool {
        self.imports.is_empty() && self.error.is_none()
    }

    /// As `visitor` is told of them, who opens tickets.
    pub fn page_of(&self, visitor: &Visitor) -> Markup {
        html! {
            @for CutOff { kept, why, order } in &self.imports {
                section {
                    h2 { (shown(&kept.name)) }
                    p.warn role="status" { (told(why.as_ref())) }
                    @if let Some(name) = &kept.by {
                        p { small { (tr!("Ordered by `%{name}`.", name = name)) } }
                    }
                    (again(order.as_ref().filter(|_| kept.by == visitor.user)))
                    (forgets(kept.batch(), kept.agreed.what.import))
                }
            }
            @if let Some(error) = &self.error {
                section {
                    p.warn role="alert" {
                        (shown(&tr!("What is kept of an import that was cut off cannot be used: %{why}", why = error)))
                    }
                    @match error {
                        RegistryError::NotOurs(found) => p { (shown(found.hint())) },
                        RegistryError::Damaged { .. } => (forgets("", 0)),
                        _ => {}
                    }
                }
            }
        }
    }
}

fn told(why: Option<&Why>) -> String {
    let told = match why {
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
        @if let Some(Order { id, form, .. }) = order {
            form method="post" action={ "/sheets/" (id) "/import" } {
                (form.hidden())
                button { (tr!("Go on")) }
            }
            form method="get" action={ "/sheets/" (id) } {
                (form.hidden())
                button.plain { (tr!("Look at the spreadsheet again")) }
            }
        }
    }
}

fn forgets(batch: &str, import: i64) -> Markup {
    html! {
        form method="post" action="/import/forget" {
            input type="hidden" name="batch" value=(batch);
            input type="hidden" name="import" value=(import);
            button.plain { (tr!("Do not go on with it")) }
        }
    }
}

/// Those that nobody goes on with, while no import goes on.
pub fn look(site: &Site) -> CutOffs {
    let (standing, Some(kept)) = (site.desk.standing(), &site.unfinished) else { return CutOffs::default() };
    if !standing.stage.is_free() {
        return CutOffs::default();
    }
    let (mut all, error) = kept.all();
    // Its own page leads on.
    all.retain(|kept| standing.order.as_ref().is_none_or(|order| !is_of(site, order, kept)));
    let of = |kept: Unfinished| {
        let (why, order) = (why(site, &kept), order_of(site, &kept));
        CutOff { kept, why, order }
    };
    CutOffs { imports: all.into_iter().map(of).collect(), error }
}

fn why(site: &Site, kept: &Unfinished) -> Option<Why> {
    if !site.door.may_open(kept.by.as_ref()) {
        return Some(Why::NotAllowed);
    }
    if order_of(site, kept).is_none() {
        return Some(Why::NoSheet);
    }
    kept.lapse(Timestamp::now()).map(Why::Lapse)
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
        stopped_by: OnceLock::new(),
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

/// Of an import as it was shown: one of the same batch that was begun since is another.
#[derive(Deserialize)]
pub struct Forgotten {
    batch: String,
    import: i64,
}

/// A person does not want it to go on. Anybody who opens tickets may say so: else it would wait for who is
/// gone.
pub async fn dismiss(
    State(site): State<Arc<Site>>,
    Extension(by): Extension<Visitor>,
    axum::Form(Forgotten { batch, import }): axum::Form<Forgotten>,
) -> Redirect {
    let is_it = |kept: &Unfinished| kept.batch() == batch && kept.agreed.what.import == import;
    // What goes on is not cut off: it can be stopped.
    if let Some(kept) = site.unfinished.as_ref().filter(|_| site.desk.standing().stage.is_free()) {
        match kept.forget(is_it) {
            Ok(()) => tracing::info!("`{}` has an import forgotten that was cut off", site.called(&by)),
            Err(error) => tracing::warn!("{error}"),
        }
    }
    Redirect::to("/import")
}
