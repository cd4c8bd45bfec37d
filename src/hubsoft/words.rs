//! HubSoft's own words, as a person may see them.

use std::borrow::Cow;

use crate::printable::{self, WORDS_CHARS_MAX};

/// What a page in HTML calls itself.
pub(super) fn title(body: &[u8]) -> Option<String> {
    /// A title stands near the top.
    const HEAD_LEN: usize = 16 * 1024;
    let head = String::from_utf8_lossy(&body[..body.len().min(HEAD_LEN)]);
    let lower = head.to_ascii_lowercase(); // Keeps every place where it is.
    let from = lower.find("<title")?;
    let from = from + lower[from..].find('>')? + 1;
    let len = lower[from..].find("</title")?;
    let title = head[from..from + len].trim();
    (!title.is_empty()).then(|| title.to_owned())
}

/// HubSoft's words for a person: one line, capped.
pub(super) fn capped(text: &str) -> String {
    printable::line(text.trim(), WORDS_CHARS_MAX).into_owned()
}

/// `first error; second error`.
pub(super) fn all(errors: &[String]) -> String {
    capped(&errors.join("; "))
}

/// `msg: first error; second error`. `None` when HubSoft said nothing.
pub(super) fn joined(msg: Option<Cow<'_, str>>, errors: &[String]) -> Option<String> {
    let msg = msg.map(|msg| msg.trim().to_owned()).filter(|msg| !msg.is_empty());
    let errors = errors.join("; ");
    match (msg, errors.is_empty()) {
        (Some(msg), true) => Some(capped(&msg)),
        (Some(msg), false) => Some(capped(&format!("{}: {errors}", msg.trim_end_matches([':', '.'])))),
        (None, false) => Some(capped(&errors)),
        (None, true) => None,
    }
}
