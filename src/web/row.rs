//! One row: all that is known of it, and what a person can say of it.

use maud::{Markup, html};

use super::lead::Lead;
use super::page::{page, table};
use crate::app::show::{Story, Told};
use crate::language::said;
use crate::outbox::{RowDetails, state_name};
use crate::printable;
use crate::text;

/// `of`: what tells the row from others.
pub fn page_of(lead: &Lead, details: &RowDetails, of: &str) -> Markup {
    let row = &details.report;
    let Story { known, fields, history } = Story::of(details);
    let fields: Vec<Told> =
        fields.into_iter().map(|(field, text)| (field.to_string().into(), text)).collect();
    let title = tr!(
        "line %{line}, reference %{referencia}",
        line = row.line,
        referencia = printable::name(&row.referencia)
    );
    let body = html! {
        p { a href=(lead.href("/batch", &[])) { (printable::name(&details.batch)) } }
        p role="status" { strong { (said(text::state(row.state))) } " (" (state_name(row.state)) ")" }
        p { (text::to_do(row.state)) }
        @if row.state.takes_a_word() { (word(lead, details, of)) }
        (table(&tr!("What is known"), &known))
        (table(&tr!("The ticket"), &fields))
        (table(&tr!("What was tried"), &history))
    };
    page(&title, &body)
}

/// What became of it, where nobody but a person can know.
fn word(lead: &Lead, details: &RowDetails, of: &str) -> Markup {
    let row = details.report.row.0;
    html! {
        h2 { (tr!("What is true of it")) }
        form method="post" action="/row/opened" {
            (lead.hidden())
            input type="hidden" name="row" value=(row);
            input type="hidden" name="of" value=(of);
            p { label { (tr!("It has a ticket; its protocolo")) " "
                input name="protocolo" inputmode="numeric" autocomplete="off" required maxlength="20";
            } " " button.plain { (tr!("That is its ticket")) } }
        }
        form method="post" action="/row/not-opened" {
            (lead.hidden())
            input type="hidden" name="row" value=(row);
            input type="hidden" name="of" value=(of);
            p { button.plain { (tr!("I looked in HubSoft: it has no ticket")) } }
        }
    }
}
