//! What went wrong, in words.

use crate::delivery::{Blindness, Fault, Noted};

/// Of what is kept of an answer in a row's history. Characters.
const NOTE_LEN: usize = 300;

/// What went wrong, as one sentence without a full stop.
pub fn fault(fault: &Fault) -> String {
    match fault {
        Fault::Request => "the request could not be put together".to_owned(),
        Fault::Connect { at, cause: None } => format!("could not connect to {} in time", host(at)),
        Fault::Connect { at, cause: Some(cause) } => format!("could not connect to {}: {cause}", host(at)),
        Fault::Dns { at, cause } => format!("the name of {} was not found: {cause}", host(at)),
        Fault::Tls { at, cause } => format!("no safe connection to {}: {cause}", host(at)),
        Fault::Timeout => "HubSoft did not answer in time".to_owned(),
        Fault::Reset => "the connection broke before the answer came".to_owned(),
        Fault::Cut => "the answer broke off".to_owned(),
        Fault::TooLarge => "the answer is too large to be HubSoft's".to_owned(),
        Fault::Empty => "the answer has no body".to_owned(),
        Fault::NotJson => "the answer is not JSON; a proxy or a maintenance page may have sent it".to_owned(),
        Fault::NoProof => "the answer carries no id_atendimento and protocolo".to_owned(),
        Fault::Contradiction => "the answer says error and yet names a ticket".to_owned(),
        Fault::Exception => "HubSoft failed inside while it worked on the request".to_owned(),
        Fault::Http { said: Some(said), .. } => said.clone(),
        Fault::Http { status, said: None } => http(*status),
        Fault::ForeignPage => {
            "a page that is not HubSoft's answered HTTP 403; a firewall or a CDN may have sent it".to_owned()
        }
        Fault::SwitchedOff { said } => or(said, "the method is switched off"),
        Fault::Stopped => "the run stopped before HubSoft answered".to_owned(),
        Fault::LoginRefused { status, said } => {
            let said = said.clone().unwrap_or_else(|| format!("HTTP {status}"));
            format!(
                "HubSoft refused the login: {said}; look at HUBSOFT_CLIENT_ID and its secret, then at user \
                 and password"
            )
        }
        Fault::LoginElsewhere { status, said } => {
            let found = match (status, said) {
                (_, Some(said)) => format!(", `{said}`"),
                (300..400, None) => ", a redirect".to_owned(),
                _ => String::new(),
            };
            format!(
                "the login answered something else than a token (HTTP {status}{found}); is `HUBSOFT_URL` the \
                 address of the API?"
            )
        }
        Fault::LoginUnavailable { status } => format!("the login answered HTTP {status}"),
        Fault::LoginNoToken => "the token that HubSoft gave cannot stand in a header".to_owned(),
        Fault::TokensRefused => {
            "HubSoft gives tokens and refuses them (HTTP 401); may the API user use the API?".to_owned()
        }
        Fault::Validation { said } | Fault::Refused { said } => {
            or(said, "HubSoft refused the ticket and gave no reason")
        }
        Fault::WrongService { asked, found } => {
            format!("asked for id_cliente_servico {asked}, but the ticket is of {found}")
        }
        Fault::SuccessWithErrors { said } => format!("HubSoft says success and errors: {said}"),
        Fault::Taken { protocolo, owner } => {
            format!("ticket `{protocolo}` belongs to row {owner} already")
        }
        Fault::NoList => "the answer has no list of tickets".to_owned(),
        Fault::UnreadableTicket => "an entry of the list is not a ticket".to_owned(),
        Fault::NoText => "a ticket of the list has no descricao_abertura".to_owned(),
        Fault::FullPage { n_tickets } => {
            format!("all {n_tickets} newest tickets of the service are younger than the send")
        }
        Fault::OtherService => "the list has tickets of another service than the one asked for".to_owned(),
        Fault::UnclearList => "the list of pending tickets is cut or unreadable".to_owned(),
        Fault::UnknownType { id } => format!("id_tipo_atendimento {id} is not in HubSoft's catalogue"),
        Fault::UnreadableCatalogue => "the catalogue is unreadable".to_owned(),
        Fault::Blind(why) => format!("not found, but {}", blindness(*why)),
        Fault::NoTicket => {
            "HubSoft gave no usable answer, and look-ups showed that no ticket was opened".to_owned()
        }
        Fault::CorrectedMeanwhile => {
            "no ticket was opened, and the row was corrected before that was known: \
                                      import the file with the correction again"
                .to_owned()
        }
        Fault::AlreadyOpen => "a ticket of this service and type is open already".to_owned(),
        Fault::NotOpened => "a person found that no ticket was opened".to_owned(),
        Fault::Gone => "no longer in the file".to_owned(),
        Fault::Repeat { line, protocolo } => {
            let first = match line {
                Some(line) => format!("line {line}"),
                None => "a row that is no longer in the file".to_owned(),
            };
            let opened =
                protocolo.as_ref().map_or_else(String::new, |protocolo| format!(", opened as `{protocolo}`"));
            format!("the same service, type and description as {first}{opened}")
        }
        Fault::Edited { protocolo } => {
            let opened = match protocolo {
                Some(protocolo) => format!("opened as `{protocolo}`"),
                None => "possibly opened".to_owned(),
            };
            format!(
                "{opened} from a row of this service that is no longer in the file (was its description edited?)"
            )
        }
    }
}

/// Why an absence cannot be believed.
pub fn blindness(why: Blindness) -> &'static str {
    match why {
        Blindness::Unknown => {
            "no look-up of this user has shown a ticket of ours yet with a text as long, so HubSoft may hide \
             such tickets from it"
        }
        Blindness::Unseen => {
            "tickets of ours that were opened are not found either: this user may not see them, or HubSoft \
             alters their texts; look for one of them as this user, and see that it shows, marker and all"
        }
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

fn http(status: u16) -> String {
    match status {
        300..=399 => format!("HubSoft redirected elsewhere (HTTP {status}); redirects are not followed"),
        401 => "HubSoft refused the token (HTTP 401)".to_owned(),
        403 => "the API user may not do this (HTTP 403); its permissions are set in HubSoft".to_owned(),
        404 | 405 => format!("HubSoft does not know this route (HTTP {status}); is `HUBSOFT_URL` right?"),
        413 => "HubSoft found the request too large (HTTP 413)".to_owned(),
        429 => "HubSoft answered 429 (too many requests)".to_owned(),
        503 => "HubSoft is not available now (HTTP 503)".to_owned(),
        500.. => format!("HubSoft failed (HTTP {status})"),
        _ => format!("HubSoft answered HTTP {status}"),
    }
}

/// The address that was tried.
fn host(at: &Option<Box<str>>) -> &str {
    at.as_deref().unwrap_or("HubSoft")
}

fn or(said: &Option<String>, otherwise: &str) -> String {
    said.clone().unwrap_or_else(|| otherwise.to_owned())
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
