//! What all pages have around them, and those that only say something.

use std::borrow::Cow;
use std::time::Duration;

use maud::{DOCTYPE, Markup, html};

use super::door::Refusal;
use super::logins::NotIn;
use crate::app::fault::Fault;
use crate::app::show::Told;
use crate::app::uploads::LEN_MAX;
use crate::language::Language;
use crate::language::filled::duration;
use crate::printable::{self, LINE_CHARS_MAX};
use crate::registry::Role;

/// A text from outside as it may stand in a page: one line. That nothing in it is markup, maud sees to.
pub fn shown(text: &str) -> Cow<'_, str> {
    printable::line(text, LINE_CHARS_MAX)
}

/// What a browser does with a page besides showing it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Course {
    Stays,
    /// It goes home from it by itself.
    LeadsHome,
    /// It shows what changes as it changes.
    Follows,
    /// It looks again every few seconds.
    LooksAgain,
    /// It has something to be copied.
    Copies,
}

pub fn whole(title: &str, course: Course, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(Language::now().tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @match course {
                    Course::Stays => {}
                    Course::LeadsHome => meta http-equiv="refresh" content="0; url=/";,
                    Course::LooksAgain => script type="module" src="/live.js" {},
                    Course::Copies => script type="module" src="/copy.js" {},
                    Course::Follows => {
                        script type="module" src="/live.js" {}
                        noscript { meta http-equiv="refresh" content="3"; }
                    }
                }
                title { (title) " · Mutirão" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#content" { (tr!("to the content")) }
                header { a href="/" { "Mutirão" } }
                main #content tabindex="-1" {
                    h1 { (title) }
                    @if matches!(course, Course::Follows | Course::LooksAgain) {
                        p #lost.warn role="status" data-says=(tr!(
                            "Not connected: what stands here is from before. It tries again by itself."
                        )) {}
                    }
                    (body)
                }
            }
        }
    }
}

pub fn page(title: &str, body: &Markup) -> Markup {
    whole(title, Course::Stays, body)
}

/// One that changes while it is looked at.
pub fn live(title: &str, body: &Markup) -> Markup {
    whole(title, Course::Follows, body)
}

/// One with something to be copied.
pub fn copying(title: &str, body: &Markup) -> Markup {
    whole(title, Course::Copies, body)
}

/// A table that may be wider than a phone: it scrolls by itself, also by keys.
pub fn scrolling(label: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// Things that are known, each with what it is called.
pub fn table(title: &str, told: &[Told]) -> Markup {
    html! {
        @if !told.is_empty() {
            h2 { (title) }
            table { tbody {
                @for (name, text) in told { tr { th scope="row" { (shown(name)) } td { (shown(text)) } } }
            } }
        }
    }
}

/// What was asked for, and could be neither shown nor done.
pub fn undone(fault: &Fault) -> Markup {
    let body = html! { (failed(fault)) p { a href="/" { (tr!("To the first page")) } } };
    page(&tr!("That did not work"), &body)
}

/// What could not be done.
pub fn failed(fault: &Fault) -> Markup {
    html! { p.warn role="alert" { (shown(&fault.to_string())) } }
}

pub fn entered() -> Markup {
    whole(&tr!("You are in"), Course::LeadsHome, &html! { p { a href="/" { (tr!("go on")) } } })
}

/// Who is there; `not_in`: why the login before let nobody in.
pub fn log_in(not_in: Option<NotIn>) -> Markup {
    let body = html! {
        @match not_in {
            None => {}
            // Which of them is wrong, it does not tell.
            Some(NotIn::Unknown) => p.warn role="alert" { (tr!("Name or password is not right.")) },
            Some(NotIn::Later(wait)) => p.warn role="alert" {
                (tr!("That was tried too often: try again in %{time}.", time = duration(wait.max(Duration::from_secs(1)))))
            },
        }
        form method="post" action="/log-in" {
            p { label { (tr!("Name")) " "
                input name="name" autocomplete="username" autocapitalize="none" required autofocus;
            } }
            p { label { (tr!("Password")) " "
                input name="password" type="password" autocomplete="current-password" required;
            } }
            p { button { (tr!("Log in")) } }
        }
    };
    page(&tr!("Log in"), &body)
}

/// Where somebody leaves who came in.
pub fn log_out(name: &str) -> Markup {
    html! {
        form method="post" action="/log-out" {
            p { (tr!("You are `%{name}`.", name = name)) " " button.plain { (tr!("Log out")) } }
        }
    }
}

pub fn not_found() -> Markup {
    said(&tr!("There is no such page"), &tr!("the first page leads to all others"))
}

pub fn too_slow() -> Markup {
    said(&tr!("It took too long"), &tr!("load the page again; nothing was changed by looking"))
}

/// A request that no page of ours makes.
pub fn not_understood() -> Markup {
    said(
        &tr!("That was not understood"),
        &tr!("nothing was done: go to the first page, and do it again from there"),
    )
}

/// A form with more in it than one of ours may have.
pub fn too_long() -> Markup {
    said(&tr!("That is too long"), &tr!("nothing was done: write less, and do it again"))
}

/// A defect of ours.
pub fn broken() -> Markup {
    said(
        &tr!("An error of the program itself"),
        &tr!(
            "nothing that was opened is lost; report the line that the program printed, and load the page again"
        ),
    )
}

pub fn refused(refusal: Refusal) -> Markup {
    match refusal {
        Refusal::Foreign => said(
            &tr!("This page is not here"),
            &tr!("use the address that the program shows where it was started"),
        ),
        Refusal::Elsewhere => said(
            &tr!("Refused: another page asked for this"),
            &tr!("do it from a page that you opened by the address that the program shows"),
        ),
        Refusal::Outside => said(
            &tr!("This browser was not let in"),
            &tr!(
                "open the address that the program shows where it was started; each lets one browser in, once"
            ),
        ),
        Refusal::Role => said(
            &tr!("That is not for you to see or do"),
            &tr!("you may look at how batches stand; who opens tickets may do more"),
        ),
        Refusal::Method => said(&tr!("There is no such page"), &tr!("the first page leads to all others")),
    }
}

pub fn not_kept(fault: &Fault) -> Markup {
    page(&tr!("The sheet was not taken"), &failed(fault))
}

/// Another import goes on.
pub fn busy() -> Markup {
    let what_next = tr!("one import goes on at a time; its own page tells how far it is");
    let way = html! { p { (what_next) } p { a href="/import" { (tr!("To the import that goes on")) } } };
    page(&tr!("Another import goes on"), &way)
}

/// Nothing more came of it.
pub fn too_slow_a_line() -> Markup {
    said(&tr!("The sheet was not taken"), &tr!("nothing more of it came: bring it again, by a better line"))
}

/// Others are being received.
pub fn too_many_sheets() -> Markup {
    said(
        &tr!("The sheet was not taken"),
        &tr!("other sheets are just being received: bring it again in a moment"),
    )
}

/// Of what a browser sent as a sheet.
pub fn no_sheet(is_too_long: bool) -> Markup {
    let why = match is_too_long {
        true => tr!("a sheet has %{n_mib} MiB at most", n_mib = LEN_MAX >> 20),
        false => tr!("choose a file first"),
    };
    said(&tr!("The sheet was not taken"), &why)
}

fn said(title: &str, what_next: &str) -> Markup {
    page(title, &html! { p { (what_next) } })
}

/// HubSoft's words may name somebody.
pub fn reason<'a>(role: Role, why: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    match role {
        Role::Abrir => why.into(),
        Role::Acompanhar => tr!("who opens tickets sees why"),
    }
}
