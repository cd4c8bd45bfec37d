//! The faults of this room: stable codes, and what a person reads. Together in one place, so that
//! they can be translated.

use std::borrow::Cow;

use crate::delivery::Fault;
use crate::printable::{self, WORDS_CHARS_MAX};

pub(super) fn fault(code: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { code: code.into(), message: message.into() }
}

pub(super) fn timeout() -> Fault {
    fault("timeout", "HubSoft did not answer in time")
}

pub(super) fn reset() -> Fault {
    fault("reset", "the connection broke before the answer came")
}

pub(super) fn cut() -> Fault {
    fault("cut", "the answer broke off")
}

pub(super) fn too_large() -> Fault {
    fault("too_large", "the answer is too large to be HubSoft's")
}

pub(super) fn not_json() -> Fault {
    fault("not_json", "the answer is not JSON; a proxy or a maintenance page may have sent it")
}

pub(super) fn empty() -> Fault {
    fault("empty", "the answer has no body")
}

pub(super) fn no_proof() -> Fault {
    fault("no_proof", "the answer carries no id_atendimento and protocolo")
}

pub(super) fn contradiction() -> Fault {
    fault("contradiction", "the answer says error and yet names a ticket")
}

pub(super) fn wrong_service(asked: i64, found: i64) -> Fault {
    fault("wrong_service", format!("asked for id_cliente_servico {asked}, but the ticket is of {found}"))
}

/// A success that carries errors.
pub(super) fn success_with_errors(errors: &[String]) -> Fault {
    fault("success_with_errors", format!("HubSoft says success and errors: {}", capped(&errors.join("; "))))
}

/// A 403 in something else than HubSoft's JSON: a firewall or a CDN stands before it.
pub(super) fn page_403() -> Fault {
    fault(
        "http_403_page",
        "a page that is not HubSoft's answered HTTP 403; a firewall or a CDN may have sent it",
    )
}

/// HubSoft's words for a method that was switched off.
pub(super) fn switched_off(said: Option<String>) -> Fault {
    fault("switched_off", said.unwrap_or_else(|| "the method is switched off".to_owned()))
}

/// Its `trace`, `file` and text may hold paths and queries: none of it is kept.
pub(super) fn exception() -> Fault {
    fault("exception", "HubSoft failed inside while it worked on the request")
}

pub(super) fn http(status: u16) -> Fault {
    let message = match status {
        300..400 => format!("HubSoft redirected elsewhere (HTTP {status}); redirects are not followed"),
        404 | 405 => format!("HubSoft does not know this route (HTTP {status}); is `HUBSOFT_URL` right?"),
        413 => "HubSoft found the request too large (HTTP 413)".to_owned(),
        503 => "HubSoft is not available now (HTTP 503)".to_owned(),
        500.. => format!("HubSoft failed (HTTP {status})"),
        _ => format!("HubSoft answered HTTP {status}"),
    };
    fault(format!("http_{status}"), message)
}

/// A refusal that HubSoft may have put into words.
pub(super) fn refused(status: u16, said: Option<String>) -> Fault {
    let message = match (status, said) {
        (_, Some(said)) => said,
        (401, None) => "HubSoft refused the token (HTTP 401)".to_owned(),
        (403, None) => {
            "the API user may not do this (HTTP 403); its permissions are set in HubSoft".to_owned()
        }
        (status, None) => return http(status),
    };
    fault(format!("http_{status}"), message)
}

/// Whoever answered the login is not HubSoft, or not its API.
pub(super) fn no_login(status: u16, said: Option<String>) -> Fault {
    let found = match (status, said) {
        (_, Some(said)) => format!(", `{}`", capped(&said)),
        (300..400, None) => ", a redirect".to_owned(),
        _ => String::new(),
    };
    let message = format!(
        "the login answered something else than a token (HTTP {status}{found}); is `HUBSOFT_URL` the address \
         of the API?"
    );
    fault("login_not_here", message)
}

pub(super) fn login_refused(status: u16, said: Option<String>) -> Fault {
    let said = said.map_or_else(|| format!("HTTP {status}"), |it| capped(&it));
    let message = format!(
        "HubSoft refused the login: {said}; look at HUBSOFT_CLIENT_ID and its secret, then at user and password"
    );
    fault("login_refused", message)
}

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
pub(super) fn capped(words: &str) -> String {
    printable::line(words.trim(), WORDS_CHARS_MAX).into_owned()
}

/// `msg: first error; second error`. `None` when HubSoft said nothing.
pub(super) fn joined(msg: Option<Cow<'_, str>>, errors: &[String]) -> Option<String> {
    let msg = msg.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
    let errors = errors.join("; ");
    match (msg, errors.is_empty()) {
        (Some(msg), true) => Some(capped(&msg)),
        (Some(msg), false) => Some(capped(&format!("{}: {errors}", msg.trim_end_matches([':', '.'])))),
        (None, false) => Some(capped(&errors)),
        (None, true) => None,
    }
}
