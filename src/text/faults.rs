//! What went wrong, in words.

use std::borrow::Cow;

use crate::delivery::{Blindness, Fault, Noted};
use crate::language::os_error;

/// Of what is kept of an answer in a row's history. Characters.
const NOTE_LEN: usize = 300;

/// What went wrong, as one sentence without a full stop.
pub fn fault(fault: &Fault) -> String {
    in_words(fault).into_owned()
}

fn in_words(fault: &Fault) -> Cow<'_, str> {
    match fault {
        Fault::Request => tr!("the request could not be put together"),
        Fault::Connect { at, cause: None } => tr!("could not connect to %{host} in time", host = host(at)),
        Fault::Connect { at, cause: Some(cause) } => {
            tr!("could not connect to %{host}: %{cause}", host = host(at), cause = os_error(cause))
        }
        Fault::Dns { at, cause } => {
            tr!("the name of %{host} was not found: %{cause}", host = host(at), cause = os_error(cause))
        }
        Fault::Tls { at, cause } => {
            tr!("no safe connection to %{host}: %{cause}", host = host(at), cause = os_error(cause))
        }
        Fault::Timeout => tr!("HubSoft did not answer in time"),
        Fault::Reset => tr!("the connection broke before the answer came"),
        Fault::Cut => tr!("the answer broke off"),
        Fault::TooLarge => tr!("the answer is too large to be HubSoft's"),
        Fault::Empty => tr!("the answer has no body"),
        Fault::NotJson => tr!("the answer is not JSON; a proxy or a maintenance page may have sent it"),
        Fault::NoProof => tr!("the answer carries no id_atendimento and protocolo"),
        Fault::Contradiction => tr!("the answer says error and yet names a ticket"),
        Fault::Exception => tr!("HubSoft failed inside while it worked on the request"),
        Fault::Http { said: Some(said), .. } => said.into(),
        Fault::Http { status, said: None } => http(*status),
        Fault::ForeignPage => {
            tr!("a page that is not HubSoft's answered HTTP 403; a firewall or a CDN may have sent it")
        }
        Fault::SwitchedOff { said } => or(said, || tr!("the method is switched off")),
        Fault::Stopped => tr!("the run stopped before HubSoft answered"),
        Fault::LoginRefused { status, said } => {
            let said = said.clone().unwrap_or_else(|| format!("HTTP {status}"));
            tr!(
                "HubSoft refused the login: %{said}; look at HUBSOFT_CLIENT_ID and its secret, then at user and password",
                said = said
            )
        }
        Fault::LoginElsewhere { status, said } => {
            let answered = match (status, said) {
                (_, Some(said)) => format!("HTTP {status}, `{said}`"),
                (300..400, None) => tr!("HTTP %{status}, a redirect", status = status).into_owned(),
                _ => format!("HTTP {status}"),
            };
            tr!(
                "the login answered something else than a token (%{answered}); is `HUBSOFT_URL` the address of the API?",
                answered = answered
            )
        }
        Fault::LoginUnavailable { status } => tr!("the login answered HTTP %{status}", status = status),
        Fault::LoginNoToken => tr!("the token that HubSoft gave cannot stand in a header"),
        Fault::TokensRefused => {
            tr!("HubSoft gives tokens and refuses them (HTTP 401); may the API user use the API?")
        }
        Fault::Validation { said } | Fault::Refused { said } => {
            or(said, || tr!("HubSoft refused the ticket and gave no reason"))
        }
        Fault::WrongService { asked, found } => tr!(
            "asked for id_cliente_servico %{asked}, but the ticket is of %{found}",
            asked = asked,
            found = found
        ),
        Fault::SuccessWithErrors { said } => tr!("HubSoft says success and errors: %{said}", said = said),
        Fault::Taken { protocolo, owner } => {
            tr!("ticket `%{protocolo}` belongs to row %{row} already", protocolo = protocolo, row = owner)
        }
        Fault::NoList => tr!("the answer has no list of tickets"),
        Fault::NoCustomers => tr!("the answer has no list of customers and their services"),
        Fault::UnreadableTicket => tr!("an entry of the list is not a ticket"),
        Fault::NoText => tr!("a ticket of the list has no descricao_abertura"),
        Fault::FullPage { n_tickets } => {
            tr!("all %{n} newest tickets of the service are younger than the send", n = n_tickets)
        }
        Fault::OtherService => tr!("the list has tickets of another service than the one asked for"),
        Fault::UnclearList => tr!("the list of pending tickets is cut or unreadable"),
        Fault::UnknownType { id } => {
            tr!("id_tipo_atendimento %{id} is not in HubSoft's catalogue", id = id)
        }
        Fault::UnreadableCatalogue => tr!("the catalogue is unreadable"),
        Fault::Blind(why) => tr!("not found, but %{why}", why = blindness(*why)),
        Fault::NoTicket => {
            tr!("HubSoft gave no usable answer, and look-ups showed that no ticket was opened")
        }
        Fault::CorrectedMeanwhile => tr!(
            "no ticket was opened, and the row was corrected before that was known: import the file with the correction again"
        ),
        Fault::AlreadyOpen => tr!("a ticket of this service and type is open already"),
        Fault::NotOpened => tr!("a person found that no ticket was opened"),
        Fault::Gone => tr!("no longer in the file"),
        Fault::Repeat { line, protocolo } => match (line, protocolo) {
            (Some(line), Some(protocolo)) => tr!(
                "the same service, type and description as line %{line}, opened as `%{protocolo}`",
                line = line,
                protocolo = protocolo
            ),
            (Some(line), None) => {
                tr!("the same service, type and description as line %{line}", line = line)
            }
            (None, Some(protocolo)) => tr!(
                "the same service, type and description as a row that is no longer in the file, opened as `%{protocolo}`",
                protocolo = protocolo
            ),
            (None, None) => {
                tr!("the same service, type and description as a row that is no longer in the file")
            }
        },
        Fault::Edited { protocolo: Some(protocolo) } => tr!(
            "opened as `%{protocolo}` from a row of this service that is no longer in the file (was its description edited?)",
            protocolo = protocolo
        ),
        Fault::Edited { protocolo: None } => tr!(
            "possibly opened from a row of this service that is no longer in the file (was its description edited?)"
        ),
    }
}

/// Whether what is said of a row with this code is, or may be, in HubSoft's words.
pub fn is_said_by_hubsoft(code: &str) -> bool {
    const CODES: [&str; 6] =
        ["validation", "refused", "switched_off", "login_refused", "login_not_here", "success_with_errors"];
    CODES.contains(&code) || code.starts_with("http_")
}

/// Why an absence cannot be believed.
pub fn blindness(why: Blindness) -> Cow<'static, str> {
    match why {
        Blindness::Unknown => tr!(
            "no look-up of this user has shown a ticket of ours yet with a text as long, so HubSoft may hide such tickets from it"
        ),
        Blindness::Unseen => tr!(
            "tickets of ours that were opened are not found either: this user may not see them, or HubSoft alters their texts; look for one of them as this user, and see that it shows, marker and all"
        ),
    }
}

/// What a row's history says beside a verdict.
pub fn noted(note: &Noted) -> String {
    let whole = match note {
        Noted::Nothing => return String::new(),
        Noted::Fault(why) => fault(why),
        Noted::Ticket(protocolo) => protocolo.clone(),
    };
    whole.chars().take(NOTE_LEN).collect()
}

fn http(status: u16) -> Cow<'static, str> {
    match status {
        300..=399 => {
            tr!("HubSoft redirected elsewhere (HTTP %{status}); redirects are not followed", status = status)
        }
        401 => tr!("HubSoft refused the token (HTTP 401)"),
        403 => tr!("the API user may not do this (HTTP 403); its permissions are set in HubSoft"),
        404 | 405 => {
            tr!("HubSoft does not know this route (HTTP %{status}); is `HUBSOFT_URL` right?", status = status)
        }
        413 => tr!("HubSoft found the request too large (HTTP 413)"),
        429 => tr!("HubSoft answered 429 (too many requests)"),
        503 => tr!("HubSoft is not available now (HTTP 503)"),
        500.. => tr!("HubSoft failed (HTTP %{status})", status = status),
        _ => tr!("HubSoft answered HTTP %{status}", status = status),
    }
}

/// The address that was tried.
fn host(at: &Option<Box<str>>) -> &str {
    at.as_deref().unwrap_or("HubSoft")
}

fn or<'a>(said: &'a Option<String>, otherwise: impl FnOnce() -> Cow<'a, str>) -> Cow<'a, str> {
    said.as_deref().map_or_else(otherwise, Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_capped() {
        let long = Fault::Refused { said: Some("ã".repeat(5000)) };
        assert_eq!(noted(&Noted::Fault(long)).chars().count(), NOTE_LEN);
    }
}
