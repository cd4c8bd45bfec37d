//! What the answer to a search for a customer says. Pure.

use super::verdict::{Exchange, by_status, envelope, folded, of_refusal};
use super::wire::{Envelope, SeenCustomer, SeenService, Status};
use crate::delivery::{Fault, Verdict};
use crate::printable;
use crate::ticket::{Customer, Id};

/// A customer as HubSoft shows him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCustomer {
    /// By which people know him: his name, and that of his business.
    pub names: Vec<String>,
    pub services: Vec<ShownService>,
}

/// A service of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownService {
    pub id: Id,
    /// What the plan is called; may be shown.
    pub plan: String,
    /// What its status is called; may be shown.
    pub status: String,
    /// It is switched on. Neither what is suspended, nor what awaits its installation.
    pub is_active: bool,
}

/// The prefix of the status of a service that is switched on.
const ACTIVE: &str = "servicohabilitado";

/// Judges the answer: the customers with exactly that number, several only where HubSoft has them twice.
/// What HubSoft shows besides (its searches may be for a part of a number) is passed over.
pub(super) fn of_customers(
    exchange: &Exchange,
    asked: Customer,
    limit: usize,
) -> Verdict<Vec<ShownCustomer>> {
    if let Exchange::Answered { status, body, .. } = exchange
        && is_of_the_term(*status)
        && let Ok(answer) = envelope(body)
        && answer.status() == Status::Error
        && !answer.is_exception()
    {
        if *status == 404 && says_none(&answer) {
            return Verdict::Answered(Vec::new());
        }
        return of_refusal(&answer).unwrap_or_else(Verdict::Rejected);
    }
    let (status, body) = match by_status(exchange) {
        Ok(answered) => answered,
        Err(verdict) => return verdict,
    };
    let answer = match envelope(body) {
        Ok(answer) => answer,
        Err(fault) => return Verdict::Unknown(fault),
    };
    match answer.status() {
        _ if answer.is_exception() => Verdict::Stumbled(Fault::Exception),
        Status::Success if status == 200 => shown(&answer, asked, limit),
        Status::Error if says_none(&answer) => Verdict::Answered(Vec::new()),
        Status::Error => of_refusal(&answer).unwrap_or_else(Verdict::Rejected),
        Status::Success | Status::Other => Verdict::Unknown(Fault::http(status)),
    }
}

/// Statuses that speak of what was asked for, where HubSoft's own words stand beside them. Of all others the
/// status alone decides.
fn is_of_the_term(status: u16) -> bool {
    matches!(status, 402 | 404 | 406..=424 | 426..=428 | 430..=499) && status != 408
}

fn shown(answer: &Envelope<'_>, asked: Customer, limit: usize) -> Verdict<Vec<ShownCustomer>> {
    let Some(all) = answer.customers().and_then(|all| all.into_iter().collect::<Option<Vec<_>>>()) else {
        return Verdict::Unknown(Fault::NoCustomers);
    };
    let n_shown = all.len();
    let mut found = Vec::new();
    for customer in all.iter().filter(|customer| is_asked(customer, asked)) {
        let Some(services) = customer.services() else { return Verdict::Unknown(Fault::NoCustomers) };
        let Some(services) = services.iter().map(service).collect() else {
            return Verdict::Unknown(Fault::NoCustomers);
        };
        let names = customer.names().map(|name| name.into_owned()).collect();
        found.push(ShownCustomer { names, services });
    }
    // Others filled the page, and he, or another customer with his document, may stand behind them.
    let may_be_more = found.is_empty() || !matches!(asked, Customer::Codigo(_));
    if may_be_more && limit <= n_shown {
        return Verdict::Unknown(Fault::NoCustomers);
    }
    Verdict::Answered(found)
}

fn is_asked(customer: &SeenCustomer<'_>, asked: Customer) -> bool {
    match asked {
        Customer::Codigo(id) => customer.codigo() == Some(id.get()),
        Customer::Cpf(_) | Customer::Cnpj(_) => {
            let bare = |text: &str| -> String {
                text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
            };
            let wanted = asked.term();
            customer.document().is_some_and(|found| {
                let found = bare(&found);
                // As a number it lost its zeros.
                !found.is_empty() && format!("{found:0>width$}", width = wanted.len()) == wanted
            })
        }
    }
}

/// `None`: it has no id.
fn service(seen: &Option<SeenService<'_>>) -> Option<ShownService> {
    let seen = seen.as_ref()?;
    let id = Id::new(seen.id()?)?;
    let name = |text: Option<std::borrow::Cow<'_, str>>| {
        text.map(|text| printable::name(&text).into_owned()).unwrap_or_default()
    };
    let status = name(seen.status());
    let status_of_code = seen.status_prefix().unwrap_or(std::borrow::Cow::Borrowed(&status));
    let is_active = folded(&status_of_code).filter(|c| c.is_alphanumeric()).eq(ACTIVE.chars());
    Some(ShownService { id, plan: name(seen.plan()), status, is_active })
}

/// HubSoft's other way of saying "an empty list", if what there is none of is customers.
fn says_none(answer: &Envelope<'_>) -> bool {
    if answer.status() != Status::Error || answer.is_exception() || !answer.errors().is_empty() {
        return false;
    }
    let said = folded(&answer.msg().unwrap_or_default()).collect::<String>();
    ["cliente", "registro", "resultado"].iter().any(|noun| {
        [
            format!("nenhum{noun}encontrado"),
            format!("nenhum{noun}foiencontrado"),
            format!("{noun}naoencontrado"),
        ]
        .iter()
        .any(|none| said.starts_with(none))
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::ticket::CustomerKey;

    const LIMIT: usize = 3;

    fn judged(key: CustomerKey, number: &str, status: u16, body: &str) -> String {
        let answered = Exchange::Answered {
            status,
            retry_after: None,
            date: None,
            body: Ok(Bytes::copy_from_slice(body.as_bytes())),
        };
        match of_customers(&answered, key.read(number).unwrap(), LIMIT) {
            Verdict::Answered(found) => {
                let all = found.iter().flat_map(|customer| &customer.services);
                let each = all.map(|service| {
                    format!("{}{}", service.id.get(), if service.is_active { "" } else { "-" })
                });
                format!("{}: {}", found.len(), each.collect::<Vec<_>>().join(" "))
            }
            other => other.trouble().map_or("nothing".into(), |fault| fault.code()).into_owned(),
        }
    }

    #[test]
    fn only_the_very_customer_counts_and_what_does_not_tell_is_not_none() {
        let one = |customers: &str| format!(r#"{{"status":"success","clientes":[{customers}]}}"#);
        let ana = |services: &str| {
            one(&format!(
                r#"{{"codigo_cliente":421,"cpf_cnpj":"529.982.247-25","nome_razaosocial":"ANA","servicos":[{services}]}}"#
            ))
        };
        let active = r#"{"id_cliente_servico":7,"nome":"500M","status":"Serviço Habilitado","status_prefixo":"servico_habilitado"}"#;
        let by_label = r#"{"id_cliente_servico":"8","status":"Serviço Habilitado"}"#;
        let suspended =
            r#"{"id_cliente_servico":9,"status":"Suspenso por Débito","status_prefixo":"suspenso_debito"}"#;
        let other = r#"{"codigo_cliente":4210,"servicos":[]}"#;
        for (body, expected) in [
            (ana(active), "1: 7"),
            (ana(&[active, by_label, suspended].join(",")), "1: 7 8 9-"),
            (ana(""), "1: "),
            (one(""), "0: "),
            (one(other), "0: "),
            (one(&[other, other, other].join(",")), "no_customers"),
            (one(r#"{"codigo_cliente":"421"}"#), "no_customers"),
            (ana(r#"{"nome":"500M"}"#), "no_customers"),
            (one("7"), "no_customers"),
            (r#"{"status":"success"}"#.to_owned(), "no_customers"),
            (r#"{"status":"error","msg":"Nenhum cliente encontrado"}"#.to_owned(), "0: "),
            (r#"{"status":"error","msg":"Cliente não encontrado."}"#.to_owned(), "0: "),
            (r#"{"status":"error","msg":"Favor preencher o atributo (busca)"}"#.to_owned(), "refused"),
            (r#"{"status":"error","msg":"x","trace":[]}"#.to_owned(), "exception"),
            ("<html>".to_owned(), "not_json"),
        ] {
            assert_eq!(judged(CustomerKey::Codigo, "421", 200, &body), expected, "{body}");
        }
        assert_eq!(judged(CustomerKey::Document, "52998224725", 200, &ana(active)), "1: 7");
        assert_eq!(judged(CustomerKey::Document, "11222333000181", 200, &ana(active)), "0: ");
        let none = r#"{"status":"error","msg":"Nenhum registro encontrado"}"#;
        assert_eq!(judged(CustomerKey::Codigo, "421", 404, none), "0: ");
        assert_eq!(judged(CustomerKey::Codigo, "421", 404, "{}"), "http_404");
        let refused = r#"{"status":"error","msg":"Cliente bloqueado para consulta"}"#;
        for status in [400, 404, 409, 422] {
            assert_eq!(judged(CustomerKey::Codigo, "421", status, refused), "refused", "{status}");
        }
        for (status, code) in [(401, "http_401"), (403, "http_403"), (408, "http_408"), (429, "http_429")] {
            assert_eq!(judged(CustomerKey::Codigo, "421", status, refused), code);
        }
        assert_eq!(judged(CustomerKey::Codigo, "421", 500, none), "http_500");
    }
}
