//! How many rows were settled in each hour of a day: a picture that is read without colours, and the same as
//! a table.

use maud::{Markup, html};

use super::page::scrolling;
use crate::language::filled::whole;
use crate::language::times::{here, hour_and_minute};
use crate::outbox::{Course, Span};

/// Of the picture, in its own units.
const WIDTH: u64 = 960;
const HEIGHT: u64 = 180;
const LEFT: u64 = 56;
const BASE: u64 = HEIGHT - 24;
const TOP: u64 = 14;

/// Between two times beneath it.
const TICK_EVERY: u64 = 3;

pub fn plot(course: &Course) -> Markup {
    let most = course.spans.iter().map(|span| span.n_opened + span.n_refused).max().unwrap_or(0).max(1);
    let length = course.length.as_secs().max(1);
    let n_spans = course.to.duration_since(course.from).as_secs().unsigned_abs() / length + 1;
    let step = (WIDTH - LEFT) / n_spans.max(1);
    let x = |at: u64| LEFT + at * step;
    let high = |n: u64| (BASE - TOP) * n / most;
    let begins = |at: u64| {
        let seconds = i64::try_from(at.saturating_mul(length)).unwrap_or(i64::MAX);
        let at = course.from.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(course.from);
        hour_and_minute(here(at))
    };
    let totals = course
        .spans
        .iter()
        .fold((0, 0), |(opened, refused), span| (opened + span.n_opened, refused + span.n_refused));
    let title = tr!(
        "The last 24 hours: %{opened} opened, %{refused} not opened",
        opened = totals.0,
        refused = totals.1
    );
    html! {
        h2 { (title) }
        svg.day viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
            defs { pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                line.hatch x1="0" y1="0" x2="0" y2="6" {}
            } }
            @for Span { at, n_opened, n_refused } in &course.spans {
                @let (opened, refused) = (high(*n_opened), high(*n_refused));
                rect.opened x=(x(*at) + 2) y=(BASE - opened) width=(step.saturating_sub(4)) height=(opened) {}
                rect.refused x=(x(*at) + 2) y=(BASE - opened - refused) width=(step.saturating_sub(4)) height=(refused) {}
            }
            line.axis x1=(LEFT) y1=(BASE) x2=(WIDTH) y2=(BASE) {}
            text x=(LEFT - 6) y=(TOP + 4) text-anchor="end" { (whole(most)) }
            text x=(LEFT - 6) y=(BASE) text-anchor="end" { "0" }
            @for at in (0..n_spans).step_by(TICK_EVERY as usize) {
                text x=(x(at) + 2) y=(HEIGHT - 6) { (begins(at)) }
            }
        }
        p { small { (tr!("Filled: opened. Hatched: not opened. A bar is an hour.")) } }
        details {
            summary { (tr!("The same as a table")) }
            (scrolling(&title, &html! {
                table {
                    thead { tr {
                        th scope="col" { (tr!("From")) }
                        th.n scope="col" { (tr!("Opened")) }
                        th.n scope="col" { (tr!("Not opened")) }
                    } }
                    tbody { @for Span { at, n_opened, n_refused } in &course.spans {
                        tr { th scope="row" { (begins(*at)) } td.n { (whole(*n_opened)) } td.n { (whole(*n_refused)) } }
                    } }
                }
            }))
        }
    }
}
