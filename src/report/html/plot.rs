//! Rows over time, as a picture that needs no script.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

use super::Course;
use crate::language::filled::{duration, whole};
use crate::report::Pause;
use crate::report::clock::short;

/// Of the picture, in its own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 26.0;

/// Pauses that are drawn at most.
const PAUSES_MAX: usize = 200;

/// Times beneath the picture.
const N_TICKS: i64 = 5;

/// The picture, as SVG. All its texts are numbers and times.
pub(super) fn svg(course: &Course, pauses: &[Pause], title: &str) -> String {
    let frame = Frame::of(course);
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        out,
        r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{}">"#,
        html_escape::encode_double_quoted_attribute(title)
    );
    for pause in pauses.iter().take(PAUSES_MAX) {
        let (from, to) = (frame.x(pause.at), frame.x_after(pause.at, pause.seconds));
        if from < WIDTH && LEFT < to {
            rect(&mut out, "pause", from.max(LEFT), TOP, to.min(WIDTH) - from.max(LEFT), frame.high());
        }
    }
    for bar in &course.spans {
        let x = LEFT + bar.at as f64 * frame.step;
        let (opened, refused) = (frame.len(bar.n_opened), frame.len(bar.n_refused));
        let gap = (frame.step * 0.12).min(2.0);
        rect(&mut out, "opened", x, TOP + frame.high() - opened, frame.step - gap, opened);
        rect(&mut out, "refused", x, TOP + frame.high() - opened - refused, frame.step - gap, refused);
    }
    let base = TOP + frame.high();
    let _ = write!(out, r#"<line class="axis" x1="{LEFT}" y1="{base}" x2="{WIDTH}" y2="{base}"/>"#);
    for (y, n) in [(TOP, frame.most), (base, 0)] {
        let _ =
            write!(out, r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#, LEFT - 8.0, y + 4.0, whole(n));
    }
    for tick in 0..=N_TICKS {
        let at = frame.at(tick as f64 / N_TICKS as f64);
        let anchor = match tick {
            0 => "start",
            N_TICKS => "end",
            _ => "middle",
        };
        let x = LEFT + (WIDTH - LEFT) * tick as f64 / N_TICKS as f64;
        let time = short(at, frame.lasts);
        let _ = write!(out, r#"<text x="{x:.1}" y="{}" text-anchor="{anchor}">{time}</text>"#, HEIGHT - 6.0);
    }
    out.push_str("</svg>");
    out
}

/// How long a bar lasts, in words.
pub(super) fn bar_lasts(course: &Course) -> String {
    duration(course.length)
}

fn rect(out: &mut String, class: &str, x: f64, y: f64, width: f64, height: f64) {
    if 0.0 < height && 0.0 < width {
        let _ = write!(
            out,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.2}" height="{height:.1}"/>"#
        );
    }
}

struct Frame {
    from: Timestamp,
    /// What the picture shows, whole spans.
    lasts: Duration,
    /// The width of a span.
    step: f64,
    /// The most rows in one span; at least 1.
    most: u64,
}

impl Frame {
    fn of(course: &Course) -> Self {
        let length = course.length.max(Duration::from_secs(1));
        let lasted = u128::try_from(course.to.duration_since(course.from).as_millis()).unwrap_or(0);
        let last = course.spans.last().map_or(0, |bar| bar.at);
        let n_spans = u64::try_from(lasted / length.as_millis()).unwrap_or(0).max(last) + 1;
        let most = course.spans.iter().map(|bar| bar.n_opened + bar.n_refused).max().unwrap_or(0).max(1);
        Self {
            from: course.from,
            lasts: length.saturating_mul(u32::try_from(n_spans).unwrap_or(u32::MAX)),
            step: (WIDTH - LEFT) / n_spans as f64,
            most,
        }
    }

    fn high(&self) -> f64 {
        HEIGHT - TOP - BOTTOM
    }

    fn len(&self, n: u64) -> f64 {
        self.high() * n as f64 / self.most as f64
    }

    fn x(&self, at: Timestamp) -> f64 {
        self.x_after(at, 0.0)
    }

    fn x_after(&self, at: Timestamp, seconds: f64) -> f64 {
        let s = at.duration_since(self.from).as_secs_f64() + seconds;
        LEFT + (WIDTH - LEFT) * s / self.lasts.as_secs_f64()
    }

    /// The time at a part of the picture.
    fn at(&self, part: f64) -> Timestamp {
        self.from.saturating_add(self.lasts.mul_f64(part)).unwrap_or(Timestamp::MAX)
    }
}
