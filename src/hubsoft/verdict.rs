//! What an answer proves: the verdict table, as pure functions over what came back.
//!
//! The question is never "did it fail?" but "may a ticket exist?". Whatever is not surely one thing
//! or the other is [`Verdict::Unknown`].

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::wire::{Envelope, LoginAnswer, Seen, Status};
use super::words;
use crate::delivery::identity::Marker;
use crate::delivery::{Fault, Proof, RETRY_AFTER_MAX, Verdict, Warning};
use crate::printable;

/// What became of one HTTP request.
#[derive(Clone, Debug)]
pub(super) enum Exchange {
    /// Not a byte of the request was sent.
    NotSent(Fault),
    /// It may have arrived; no status came back.
    Lost(Fault),
    /// The body is whole, or the fault says what became of it.
    Answered {
        status: u16,
        retry_after: Option<Duration>,
        /// What the server's clock showed.
        date: Option<Timestamp>,
        body: Result<Bytes, Fault>,
    },
}

impl Exchange {
    /// The status, or the code of what came instead.
    pub(super) fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotSent(fault) | Self::Lost(fault) => fault.code(),
            Self::Answered { status, .. } => Cow::Owned(status.to_string()),
        }
    }
}

impl Exchange {
    pub(super) fn http_status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            Self::NotSent(_) | Self::Lost(_) => None,
        }
    }

    pub(super) fn date(&self) -> Option<Timestamp> {
        match self {
            Self::Answered { date, .. } => *date,
            Self::NotSent(_) | Self::Lost(_) => None,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Answered { retry_after, .. } => *retry_after,
            Self::NotSent(_) | Self::Lost(_) => None,
        }
    }
}

/// What was asked for, to compare the echo with.
pub(super) struct Asked<'a> {
    pub(super) service: i64,
    /// `None`: none was asked for, or the catalogue is not known.
    pub(super) type_label: Option<&'a str>,
    pub(super) abrir_os: bool,
    pub(super) marker: Marker,
}

/// Judges the answer to a post.
pub(super) fn of_open(exchange: &Exchange, asked: &Asked<'_>) -> Verdict<Proof> {
    let (status, body) = match by_status(exchange) {
        Ok(answered) => answered,
        Err(verdict) => return verdict,
    };
    if status == 413 {
        return Verdict::Rejected(Fault::http(413));
    }
    let answer = match envelope(body) {
        Ok(answer) => answer,
        Err(fault) => return Verdict::Unknown(fault),
    };
    if answer.is_exception() {
        return Verdict::Stumbled(Fault::Exception);
    }
    let ticket = answer.ticket();
    let opening = ticket.as_ref().and_then(Seen::opening);
    match (status, answer.status(), ticket, opening) {
        (200 | 201, Status::Success, Some(ticket), Some(opening)) => {
            let descricao = ticket.descricao_abertura();
            let marker_echoed = descricao.map(|text| asked.marker.is_in(&text));
            let without_os = asked.abrir_os && opening.ids_ordem_servico.is_empty();
            let warnings = echo_warnings(&ticket, asked, without_os);
            let conflict = contradiction(&answer, &ticket, asked.service);
            Verdict::Answered(Proof { opening, marker_echoed, warnings, conflict })
        }
        (200 | 201, Status::Success, ..) => Verdict::Unknown(Fault::NoProof),
        // Half a success exists: the ticket was opened and its service order failed.
        (200 | 400 | 422, Status::Error, ..) if answer.names_a_ticket() => {
            Verdict::Unknown(Fault::Contradiction)
        }
        (200 | 400 | 422, Status::Error, ..) => of_refusal(&answer).unwrap_or_else(Verdict::Rejected),
        (200 | 400 | 422, Status::Other, None, _)
            if !answer.errors().is_empty() && !answer.names_a_ticket() =>
        {
            Verdict::Rejected(refusal(&answer))
        }
        (200 | 201, ..) => Verdict::Unknown(Fault::NoProof),
        (status, ..) => Verdict::Unknown(Fault::http(status)),
    }
}

/// Judges the answer to a request that only has to work (a probe, a catalogue): its body if it did.
pub(super) fn of_read(exchange: &Exchange) -> Result<&Bytes, Verdict<()>> {
    let (status, body) = by_status(exchange)?;
    let answer = envelope(body).map_err(Verdict::Unknown)?;
    match (status, answer.status()) {
        _ if answer.is_exception() => Err(Verdict::Stumbled(Fault::Exception)),
        (200, Status::Success) => Ok(body.as_ref().expect("an envelope was read from it")),
        (200 | 400 | 422, Status::Error) => Err(of_refusal(&answer).unwrap_or_else(Verdict::Rejected)),
        (200, Status::Other) => Err(Verdict::Unknown(Fault::NotJson)),
        (status, _) => Err(Verdict::Unknown(Fault::http(status))),
    }
}

/// What a login gave.
#[derive(Debug)]
pub(super) enum Login<'a> {
    Token {
        token: Cow<'a, str>,
        expires_in: Option<Duration>,
    },
    Refused(Fault),
    Unavailable(Fault),
    /// Whoever answered does not log in as HubSoft does.
    Elsewhere(Fault),
}

/// Judges the answer to a login. Whatever does not say that it may be better later is for a person.
pub(super) fn of_login(exchange: &Exchange) -> Login<'_> {
    let (status, body) = match exchange {
        Exchange::NotSent(fault) | Exchange::Lost(fault) => return Login::Unavailable(fault.clone()),
        Exchange::Answered { status: status @ (408 | 425 | 429 | 500..), .. } => {
            return Login::Unavailable(Fault::LoginUnavailable { status: *status });
        }
        Exchange::Answered { status: status @ (404 | 405 | 300..400), .. } => {
            return Login::Elsewhere(Fault::LoginElsewhere { status: *status, said: None });
        }
        Exchange::Answered { body: Err(fault), .. } => return Login::Unavailable(fault.clone()),
        Exchange::Answered { status, body: Ok(body), .. } => (*status, body),
    };
    let answer = LoginAnswer::read(body);
    match (status, answer.as_ref().map(LoginAnswer::access_token)) {
        (200 | 201, Some(Some(token))) => Login::Token {
            token,
            expires_in: answer.and_then(|answer| answer.expires_in()).map(Duration::from_secs),
        },
        // OAuth's words for "these credentials will not do" (RFC 6749, section 5.2), HubSoft's
        // `invalid_credentials`, and whatever else it says to them.
        (400 | 401 | 403 | 422, Some(_)) => {
            let said = answer.and_then(|answer| answer.said()).map(|said| words::capped(&said));
            Login::Refused(Fault::LoginRefused { status, said })
        }
        (status, _) => {
            let said = match answer {
                Some(answer) => answer.said(),
                None => words::title(body),
            };
            Login::Elsewhere(Fault::LoginElsewhere { status, said: said.map(|said| words::capped(&said)) })
        }
    }
}

/// The same verdict where another answer was asked for; an answer itself proves nothing there.
pub(super) fn unanswered<T, U>(verdict: Verdict<T>) -> Verdict<U> {
    match verdict {
        Verdict::Answered(_) => Verdict::Unknown(Fault::NotJson),
        Verdict::Rejected(fault) => Verdict::Rejected(fault),
        Verdict::Unknown(fault) => Verdict::Unknown(fault),
        Verdict::Stumbled(fault) => Verdict::Stumbled(fault),
        Verdict::NotSent(fault) => Verdict::NotSent(fault),
        Verdict::Throttled => Verdict::Throttled,
        Verdict::Unauthorized(fault) => Verdict::Unauthorized(fault),
        Verdict::LoginUnavailable(fault) => Verdict::LoginUnavailable(fault),
        Verdict::Forbidden(fault) => Verdict::Forbidden(fault),
        Verdict::Misconfigured(fault) => Verdict::Misconfigured(fault),
        Verdict::Withheld => Verdict::Withheld,
    }
}

/// What the status alone decides, whatever the body; else the status and the body.
pub(super) fn by_status<T>(exchange: &Exchange) -> Result<(u16, &Result<Bytes, Fault>), Verdict<T>> {
    let (status, body) = match exchange {
        Exchange::NotSent(fault) => return Err(Verdict::NotSent(fault.clone())),
        Exchange::Lost(fault) => return Err(Verdict::Unknown(fault.clone())),
        Exchange::Answered { status, body, .. } => (*status, body),
    };
    Err(match status {
        200 | 201 | 400 | 413 | 422 => return Ok((status, body)),
        401 => Verdict::Unauthorized(Fault::http(401)),
        403 => of_403(body),
        404 | 405 => Verdict::Misconfigured(Fault::http(status)),
        429 => Verdict::Throttled,
        500 => Verdict::Stumbled(Fault::http(500)),
        _ => Verdict::Unknown(Fault::http(status)),
    })
}

/// A 403 means a permission only where HubSoft itself says it.
fn of_403<T>(body: &Result<Bytes, Fault>) -> Verdict<T> {
    let Ok(bytes) = body else { return Verdict::Forbidden(Fault::http(403)) };
    match envelope(body) {
        Ok(answer) if answer.msg().is_some_and(|msg| is_switched_off(&msg)) => {
            Verdict::Misconfigured(Fault::SwitchedOff { said: said(body) })
        }
        Err(_) if !bytes.iter().all(u8::is_ascii_whitespace) => Verdict::Unknown(Fault::ForeignPage),
        _ => Verdict::Forbidden(Fault::Http { status: 403, said: said(body) }),
    }
}

/// What HubSoft refuses whatever is asked, by its words: an error that is of the row comes back as it is.
pub(super) fn of_refusal<T>(answer: &Envelope<'_>) -> Result<Verdict<T>, Fault> {
    let msg = answer.msg().unwrap_or_default();
    let said = || words::joined(answer.msg(), &answer.errors());
    if is_switched_off(&msg) {
        return Ok(Verdict::Misconfigured(Fault::SwitchedOff { said: said() }));
    }
    if is_permission(&msg) {
        return Ok(Verdict::Forbidden(Fault::Http { status: 403, said: said() }));
    }
    Err(refusal(answer))
}

/// `Método store não disponível`, `Método/endpoint não disponível`.
fn is_switched_off(msg: &str) -> bool {
    let msg = folded(msg).collect::<String>();
    msg.starts_with("metodo") && msg.contains("naodisponivel")
}

/// `O Usuário não possui a permissão desejada!`
fn is_permission(msg: &str) -> bool {
    let msg = folded(msg).collect::<String>();
    msg.contains("usuario") && msg.contains("naopossuiapermissao")
}

/// The body as HubSoft's JSON, or what it is instead.
pub(super) fn envelope(body: &Result<Bytes, Fault>) -> Result<Envelope<'_>, Fault> {
    let body = body.as_ref().map_err(Fault::clone)?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::Empty);
    }
    Envelope::read(body).ok_or(Fault::NotJson)
}

/// HubSoft's reason for a refusal, if its body has one that may be shown.
fn said(body: &Result<Bytes, Fault>) -> Option<String> {
    let answer = envelope(body).ok().filter(|answer| !answer.is_exception())?;
    words::joined(answer.msg(), &answer.errors())
}

/// `validation` when fields are named, `refused` for a business rule.
pub(super) fn refusal(answer: &Envelope<'_>) -> Fault {
    let errors = answer.errors();
    let said = words::joined(answer.msg(), &errors);
    if errors.is_empty() { Fault::Refused { said } } else { Fault::Validation { said } }
}

/// Why the ticket of a success may not be the one that was asked for.
fn contradiction(answer: &Envelope<'_>, ticket: &Seen<'_>, service: i64) -> Option<Fault> {
    let other = ticket.id_cliente_servico().filter(|found| *found != service);
    let errors = answer.errors();
    other
        .map(|found| Fault::WrongService { asked: service, found })
        .or_else(|| (!errors.is_empty()).then(|| Fault::SuccessWithErrors { said: words::all(&errors) }))
}

/// The API ignores what it does not understand and still says success: so the echo is compared.
fn echo_warnings(ticket: &Seen<'_>, asked: &Asked<'_>, without_os: bool) -> Vec<Warning> {
    let mut warnings = Vec::new();
    // Labels are printable, as the catalogue's are.
    if let (Some(label), Some(echoed)) = (asked.type_label, ticket.tipo_atendimento())
        && let echoed = printable::name(&echoed)
        && !same_label(label, &echoed)
    {
        warnings.push(Warning::WrongType { asked: label.to_owned(), opened: echoed.into_owned() });
    }
    if without_os {
        warnings.push(Warning::WithoutOs);
    }
    warnings
}

/// Labels come back in capitals and with or without accents.
pub(super) fn same_label(one: &str, other: &str) -> bool {
    one == other || folded(one).eq(folded(other))
}

/// Without case, accents and blanks.
pub(super) fn folded(text: &str) -> impl Iterator<Item = char> {
    text.nfkd().filter(|c| !is_combining_mark(*c) && !c.is_whitespace()).flat_map(char::to_lowercase)
}

/// `Retry-After` in both its forms (RFC 9110, section 10.2.3), or as a date in ISO 8601, capped. A date
/// counts from the server's own `date` if it gave one: its clock may differ from ours.
pub(super) fn retry_after(header: &str, date: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
        // Too many digits for a number are more than the cap as well.
        let wait = header.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs);
        return Some(wait.min(RETRY_AFTER_MAX));
    }
    let until = http_date(header).or_else(|| header.parse().ok())?;
    let wait = Duration::try_from(until.duration_since(date.unwrap_or(now))).unwrap_or(Duration::ZERO);
    Some(wait.min(RETRY_AFTER_MAX))
}

/// The same, as a key of the body of a refusal that passes; whole or broken seconds, or a date.
///
/// Source: HubSoft's documentation names `retry_after`, and does not say where it stands.
pub(super) fn retry_after_of_body(
    status: u16,
    body: &[u8],
    date: Option<Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    if !matches!(status, 429 | 500..) {
        return None;
    }
    let asked = Envelope::read(body)?.retry_after()?;
    match asked.trim().parse::<f64>() {
        Ok(seconds) if 0.0 <= seconds => {
            Some(Duration::from_secs_f64(seconds.ceil().min(RETRY_AFTER_MAX.as_secs_f64())))
        }
        Ok(_) => None,
        Err(_) => retry_after(&asked, date, now),
    }
}

pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests;
