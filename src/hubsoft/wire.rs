//! The shapes on the wire: what is sent is strict, what comes back is read with tolerance.
//!
//! Every field of an answer is kept as raw JSON first and read when asked for, so that an odd type
//! in one field (an id as text, `[]` for an object) never hides the others, and so that a protocolo
//! of 20 digits is never a number on the way.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::delivery::OpenedTicket;
use crate::delivery::identity::Marker;
use crate::printable;
use crate::ticket::{Field, Ticket, Value};

/// Service orders of a ticket that are kept: it has one as a rule, and each row keeps its own.
pub(super) const ORDERS_MAX: usize = 100;

/// A field of an answer. `null` and absent are the same.
type Raw<'a> = Option<&'a RawValue>;

/// The body of `POST …/atendimento`. Unknown names would be ignored in silence; wrong types refused. What a
/// ticket says nothing of is left out; `abrir_os` it always says, because what a tenant's default would be is
/// nobody's to guess.
struct NewTicket<'a> {
    ticket: &'a Ticket,
    marker: Marker,
}

impl Serialize for NewTicket<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut body = to.serialize_map(None)?;
        for field in Field::ALL {
            if let Some(value) = self.ticket.value(field) {
                let marker = (field == Field::Descricao).then_some(self.marker);
                body.serialize_entry(field.name(), &Sent { value, marker })?;
            }
        }
        body.end()
    }
}

/// A value, and behind a text the marker by which the ticket is found again.
struct Sent<'a> {
    value: Value<'a>,
    marker: Option<Marker>,
}

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (self.value, self.marker) {
            (Value::Text(text), Some(marker)) => to.collect_str(&format_args!("{text}{marker}")),
            (Value::Text(text), None) => to.serialize_str(text),
            (Value::Id(id) | Value::Ids(&[id]), _) => to.serialize_i64(id.get()),
            (Value::Ids(ids), _) => {
                let ids: Vec<String> = ids.iter().map(|id| id.get().to_string()).collect();
                to.serialize_str(&ids.join(","))
            }
            (Value::Flag(flag), _) => to.serialize_bool(flag),
            (Value::Object(object), _) => object.serialize(to),
        }
    }
}

/// The request body that opens `ticket`.
pub(super) fn new_ticket(ticket: &Ticket, marker: Marker) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let body = NewTicket { ticket, marker };
    serde_json::to_writer(&mut bytes, &body).expect("writing text and numbers into memory cannot fail");
    bytes
}

/// Any answer of HubSoft.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    status: Raw<'a>,
    #[serde(borrow)]
    msg: Raw<'a>,
    #[serde(borrow)]
    message: Raw<'a>,
    #[serde(borrow)]
    errors: Raw<'a>,
    #[serde(borrow)]
    retry_after: Raw<'a>,
    #[serde(borrow)]
    file: Raw<'a>,
    #[serde(borrow)]
    line: Raw<'a>,
    #[serde(borrow)]
    trace: Raw<'a>,
    #[serde(borrow)]
    error_type: Raw<'a>,
    #[serde(borrow)]
    exception: Raw<'a>,
    #[serde(borrow)]
    id_atendimento: Raw<'a>,
    #[serde(borrow)]
    protocolo: Raw<'a>,
    #[serde(borrow)]
    atendimento: Raw<'a>,
    #[serde(borrow)]
    atendimentos: Raw<'a>,
    #[serde(borrow)]
    clientes: Raw<'a>,
    #[serde(borrow)]
    paginacao: Raw<'a>,
}

/// How HubSoft judges its own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Error,
    /// Absent, or a word we do not know.
    Other,
}

impl<'a> Envelope<'a> {
    /// `None`: not a JSON object.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        read_object(std::str::from_utf8(body).ok()?)
    }

    /// Seconds, or a date.
    pub(super) fn retry_after(&self) -> Option<Cow<'a, str>> {
        text(self.retry_after)
    }

    /// Also `suscess`, which three routes say.
    pub(super) fn status(&self) -> Status {
        let Some(word) = text(self.status) else { return Status::Other };
        match word.trim() {
            word if word.eq_ignore_ascii_case("success") || word.eq_ignore_ascii_case("suscess") => {
                Status::Success
            }
            word if word.eq_ignore_ascii_case("error") => Status::Error,
            _ => Status::Other,
        }
    }

    /// Whether it is an uncaught exception, which HubSoft renders as HTTP 200.
    pub(super) fn is_exception(&self) -> bool {
        [self.file, self.line, self.trace, self.error_type, self.exception].iter().any(Option::is_some)
    }

    pub(super) fn msg(&self) -> Option<Cow<'a, str>> {
        text(self.msg).or_else(|| text(self.message))
    }

    /// Flat, whether it came as a list, as an object of lists, as one text, or not at all.
    pub(super) fn errors(&self) -> Vec<String> {
        fn gather(value: &serde_json::Value, into: &mut Vec<String>) {
            match value {
                serde_json::Value::String(text) if text.trim().is_empty() => {}
                serde_json::Value::String(text) => into.push(text.trim().to_owned()),
                serde_json::Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
                serde_json::Value::Object(fields) => fields.values().for_each(|field| gather(field, into)),
                serde_json::Value::Number(number) => into.push(number.to_string()),
                serde_json::Value::Null | serde_json::Value::Bool(_) => {}
            }
        }
        let mut flat = Vec::new();
        if let Some(value) = self.errors.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
            gather(&value, &mut flat);
        }
        flat
    }

    /// Whether it speaks of a ticket, by any number: there may be one. So there may be by what we cannot read
    /// as a number (too long, a list), and by a ticket that cannot be read.
    pub(super) fn names_a_ticket(&self) -> bool {
        let ticket = self.ticket();
        let is_unreadable = ticket.is_none() && says_something(self.atendimento);
        let ticket = ticket.unwrap_or_default();
        let is_id = |raw| says_something(raw) && integer(raw) != Some(0);
        [self.id_atendimento, ticket.id_atendimento].into_iter().any(is_id)
            || [self.protocolo, ticket.protocolo].into_iter().any(says_something)
            || is_unreadable
    }

    pub(super) fn ticket(&self) -> Option<Seen<'a>> {
        object(self.atendimento)
    }

    /// `None`: no readable list. An item that is no object is `None` too.
    pub(super) fn tickets(&self) -> Option<Vec<Option<Seen<'a>>>> {
        Some(list(self.atendimentos)?.into_iter().map(object).collect())
    }

    /// As [`Self::tickets`], where they are those of the whole tenant, which look otherwise.
    pub(super) fn listed(&self) -> Option<Vec<Option<SeenListed<'a>>>> {
        Some(list(self.atendimentos)?.into_iter().map(object).collect())
    }

    /// Which page that is. `None`: it does not tell.
    pub(super) fn paging(&self) -> Option<Paging> {
        let told: SeenPaging<'_> = object(self.paginacao)?;
        Some(Paging {
            first: integer(told.primeira_pagina)?,
            current: integer(told.pagina_atual)?,
            total: usize::try_from(integer(told.total_registros)?).ok()?,
        })
    }

    /// As [`Self::tickets`].
    pub(super) fn customers(&self) -> Option<Vec<Option<SeenCustomer<'a>>>> {
        Some(list(self.clientes)?.into_iter().map(object).collect())
    }
}

/// A customer as a search shows him.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SeenCustomer<'a> {
    #[serde(borrow)]
    codigo_cliente: Raw<'a>,
    #[serde(borrow)]
    cpf_cnpj: Raw<'a>,
    #[serde(borrow)]
    nome_razaosocial: Raw<'a>,
    #[serde(borrow)]
    nome_fantasia: Raw<'a>,
    #[serde(borrow)]
    servicos: Raw<'a>,
}

impl<'a> SeenCustomer<'a> {
    pub(super) fn codigo(&self) -> Option<i64> {
        integer(self.codigo_cliente)
    }

    pub(super) fn document(&self) -> Option<Cow<'a, str>> {
        text(self.cpf_cnpj)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = Cow<'a, str>> {
        [self.nome_razaosocial, self.nome_fantasia].into_iter().filter_map(text)
    }

    /// `None`: no readable list.
    pub(super) fn services(&self) -> Option<Vec<Option<SeenService<'a>>>> {
        Some(list(self.servicos)?.into_iter().map(object).collect())
    }
}

/// A service of a customer.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SeenService<'a> {
    #[serde(borrow)]
    id_cliente_servico: Raw<'a>,
    #[serde(borrow)]
    nome: Raw<'a>,
    #[serde(borrow)]
    status: Raw<'a>,
    #[serde(borrow)]
    status_prefixo: Raw<'a>,
}

impl<'a> SeenService<'a> {
    pub(super) fn id(&self) -> Option<i64> {
        integer(self.id_cliente_servico)
    }

    pub(super) fn plan(&self) -> Option<Cow<'a, str>> {
        text(self.nome)
    }

    pub(super) fn status(&self) -> Option<Cow<'a, str>> {
        text(self.status)
    }

    pub(super) fn status_prefix(&self) -> Option<Cow<'a, str>> {
        text(self.status_prefixo)
    }
}

/// A ticket as HubSoft shows it, after a post and in a look-up.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Seen<'a> {
    #[serde(borrow)]
    id_atendimento: Raw<'a>,
    #[serde(borrow)]
    protocolo: Raw<'a>,
    #[serde(borrow)]
    descricao_abertura: Raw<'a>,
    #[serde(borrow)]
    tipo_atendimento: Raw<'a>,
    #[serde(borrow)]
    data_cadastro: Raw<'a>,
    #[serde(borrow)]
    data_fechamento: Raw<'a>,
    #[serde(borrow)]
    servico: Raw<'a>,
    #[serde(borrow)]
    ordens_servico: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service<'a> {
    #[serde(borrow)]
    id_cliente_servico: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServiceOrder<'a> {
    #[serde(borrow)]
    id_ordem_servico: Raw<'a>,
    #[serde(borrow)]
    numero_ordem_servico: Raw<'a>,
}

impl<'a> Seen<'a> {
    /// `None` without an id and a protocolo: then it proves nothing. What is text in it may be shown.
    pub(super) fn opening(&self) -> Option<OpenedTicket> {
        let id_atendimento = self.id()?;
        let protocolo = self.protocolo()?.into_owned();
        let orders = list(self.ordens_servico).unwrap_or_default().into_iter().filter_map(object);
        let orders: Vec<ServiceOrder<'_>> = orders.take(ORDERS_MAX).collect();
        Some(OpenedTicket {
            protocolo,
            id_atendimento,
            ids_ordem_servico: orders.iter().filter_map(|order| integer(order.id_ordem_servico)).collect(),
            numeros_ordem_servico: orders
                .iter()
                .filter_map(|order| Some(printable::name(&text(order.numero_ordem_servico)?).into_owned()))
                .collect(),
        })
    }

    pub(super) fn id(&self) -> Option<i64> {
        integer(self.id_atendimento).filter(|id| 0 < *id)
    }

    pub(super) fn protocolo(&self) -> Option<Cow<'a, str>> {
        shown_protocolo(self.protocolo)
    }

    pub(super) fn descricao_abertura(&self) -> Option<Cow<'a, str>> {
        text(self.descricao_abertura)
    }

    pub(super) fn tipo_atendimento(&self) -> Option<Cow<'a, str>> {
        text(self.tipo_atendimento)
    }

    pub(super) fn data_cadastro(&self) -> Option<Cow<'a, str>> {
        text(self.data_cadastro)
    }

    pub(super) fn is_closed(&self) -> bool {
        is_closed(self.data_fechamento)
    }

    /// `None`: not told, which old versions do.
    pub(super) fn id_cliente_servico(&self) -> Option<i64> {
        integer(object::<Service<'_>>(self.servico)?.id_cliente_servico)
    }
}

/// Where a page stands among all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging {
    /// The number of the first page.
    pub(super) first: i64,
    pub(super) current: i64,
    /// Items of all pages.
    pub(super) total: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SeenPaging<'a> {
    #[serde(borrow)]
    primeira_pagina: Raw<'a>,
    #[serde(borrow)]
    pagina_atual: Raw<'a>,
    #[serde(borrow)]
    total_registros: Raw<'a>,
}

/// A ticket as the list of the tenant shows it: with ids, and without its text.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SeenListed<'a> {
    #[serde(borrow)]
    id_atendimento: Raw<'a>,
    #[serde(borrow)]
    protocolo: Raw<'a>,
    #[serde(borrow)]
    id_tipo_atendimento: Raw<'a>,
    #[serde(borrow)]
    id_cliente_servico: Raw<'a>,
    #[serde(borrow)]
    data_fechamento: Raw<'a>,
}

impl<'a> SeenListed<'a> {
    pub(super) fn id(&self) -> Option<i64> {
        integer(self.id_atendimento).filter(|id| 0 < *id)
    }

    pub(super) fn protocolo(&self) -> Option<Cow<'a, str>> {
        shown_protocolo(self.protocolo)
    }

    pub(super) fn type_id(&self) -> Option<i64> {
        integer(self.id_tipo_atendimento)
    }

    /// `None`: it is of none, or does not tell.
    pub(super) fn service(&self) -> Option<i64> {
        integer(self.id_cliente_servico)
    }

    pub(super) fn is_closed(&self) -> bool {
        is_closed(self.data_fechamento)
    }
}

/// The answer to a login. The token stays inside until it is taken.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoginAnswer<'a> {
    #[serde(borrow)]
    access_token: Raw<'a>,
    #[serde(borrow)]
    expires_in: Raw<'a>,
    #[serde(borrow)]
    error: Raw<'a>,
    #[serde(borrow)]
    error_description: Raw<'a>,
    #[serde(borrow)]
    msg: Raw<'a>,
    #[serde(borrow)]
    message: Raw<'a>,
}

impl<'a> LoginAnswer<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        read_object(std::str::from_utf8(body).ok()?)
    }

    pub(super) fn access_token(&self) -> Option<Cow<'a, str>> {
        text(self.access_token).filter(|token| !token.is_empty())
    }

    /// Seconds.
    pub(super) fn expires_in(&self) -> Option<u64> {
        integer(self.expires_in).and_then(|seconds| u64::try_from(seconds).ok())
    }

    /// In its own words, and by its code.
    pub(super) fn said(&self) -> Option<String> {
        let message = [self.error_description, self.message, self.msg].into_iter().find_map(text);
        match (message, text(self.error)) {
            (Some(message), Some(error)) => Some(format!("{message} ({error})")),
            (message, error) => message.or(error).map(Cow::into_owned),
        }
    }
}

/// The rows of a catalogue: ids and labels (which may be shown), under whatever names this route uses.
pub(super) fn catalogue(body: &[u8], list_key: &str, id_key: &str) -> Option<Vec<(i64, String)>> {
    let answer: std::collections::HashMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body).ok()?;
    let items = list(answer.get(list_key).copied())?;
    let entry = |item: Raw<'_>| {
        let fields: std::collections::HashMap<Cow<'_, str>, &RawValue> =
            serde_json::from_str(item?.get()).ok()?;
        let id = integer(fields.get(id_key).copied())?;
        Some((id, printable::name(&text(fields.get("descricao").copied())?).into_owned()))
    };
    items.into_iter().map(entry).collect()
}

/// The ids of the statuses of tickets that are not done with; `None`: no readable catalogue.
///
/// Source: HubSoft's documentation names one prefix of tickets that are closed, `resolvido`.
pub(super) fn open_statuses(body: &[u8], list_key: &str) -> Option<Vec<i64>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct SeenStatus<'a> {
        #[serde(borrow)]
        id_atendimento_status: Raw<'a>,
        #[serde(borrow)]
        prefixo: Raw<'a>,
    }
    let answer: std::collections::HashMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body).ok()?;
    let statuses = list(answer.get(list_key).copied())?.into_iter().map(object::<SeenStatus<'_>>);
    let ids = statuses.map(|status| {
        let status = status?;
        let is_done = text(status.prefixo).is_some_and(|prefix| prefix.trim() == "resolvido");
        Some((integer(status.id_atendimento_status)?, is_done))
    });
    let ids: Option<Vec<(i64, bool)>> = ids.collect();
    Some(ids?.into_iter().filter(|(_, is_done)| !is_done).map(|(id, _)| id).collect())
}

fn shown_protocolo(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let protocolo = text(raw)?;
    let trimmed = protocolo.trim();
    match printable::name(trimmed) {
        shown if shown.is_empty() => None,
        shown if shown.len() == protocolo.len() && *shown == *protocolo => Some(protocolo),
        shown => Some(Cow::Owned(shown.into_owned())),
    }
}

fn is_closed(data_fechamento: Raw<'_>) -> bool {
    text(data_fechamento).is_some_and(|date| !date.trim().is_empty())
}

/// A text, or the digits of a number.
fn text(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str::<Text<'_>>(raw).ok().map(|text| text.0),
        b'0'..=b'9' | b'-' => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A whole number, or a text that holds one.
fn integer(raw: Raw<'_>) -> Option<i64> {
    text(raw)?.trim().parse().ok()
}

/// Whether it is more than a word of PHP's for nothing.
fn says_something(raw: Raw<'_>) -> bool {
    let is_empty = |raw: &RawValue| match text(Some(raw)) {
        Some(text) => text.trim().is_empty(),
        None => matches!(raw.get(), "false" | "[]" | "{}"),
    };
    raw.is_some_and(|raw| !is_empty(raw))
}

fn object<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<T> {
    read_object(raw?.get())
}

/// serde would fill a struct from a list as well.
fn read_object<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    let json = json.trim_start_matches('\u{feff}').trim_start();
    json.starts_with('{').then(|| serde_json::from_str(json).ok()).flatten()
}

fn list<'a>(raw: Raw<'a>) -> Option<Vec<Raw<'a>>> {
    serde_json::from_str::<Vec<&'a RawValue>>(raw?.get())
        .ok()
        .map(|items| items.into_iter().map(Some).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::identity::BatchKey;
    use crate::ticket::{Kind, RawTicket};

    fn body(raw: &RawTicket<'_>) -> String {
        let parsed = Ticket::parse(raw).map_err(|problems| format!("{problems:?}")).expect("valid");
        let marker = Marker::new(&BatchKey("queda".to_owned()), "1");
        String::from_utf8(new_ticket(&parsed.ticket, marker)).expect("UTF-8")
    }

    #[test]
    fn a_request_has_strict_types_and_nothing_that_is_absent() {
        let least = RawTicket::from([
            (Field::IdClienteServico, "11000"),
            (Field::Descricao, "Sem \"luz\"\nna rua"),
            (Field::Nome, "Ana"),
            (Field::Telefone, "(37) 99911-2233"),
        ]);
        insta::assert_snapshot!(body(&least), @r#"{"id_cliente_servico":11000,"descricao":"Sem \"luz\"\nna rua [ref WHQXBJ4VFWYF]","nome":"Ana","telefone":"37999112233","abrir_os":false}"#);
        let with = |cells: &[(Field, &'static str)]| {
            let mut raw = least.clone();
            for (field, cell) in cells {
                *raw.get_mut(*field) = Some((*cell).into());
            }
            raw
        };
        let most = with(&[
            (Field::IdTipoAtendimento, "5"),
            (Field::Email, "ana@example.com"),
            (Field::AbrirOs, "sim"),
            (Field::IdAtendimentoStatus, "24"),
            (Field::IdUsuarioResponsavel, "7"),
            (Field::Parametros, r#"{"origem":"csv"}"#),
            (Field::ParametrosOrdemServico, r#"{"status":"pendente"}"#),
        ]);
        insta::assert_snapshot!(body(&most), @r#"{"id_cliente_servico":11000,"id_tipo_atendimento":5,"descricao":"Sem \"luz\"\nna rua [ref WHQXBJ4VFWYF]","nome":"Ana","telefone":"37999112233","email":"ana@example.com","abrir_os":true,"id_atendimento_status":24,"id_usuario_responsavel":7,"parametros":{"origem":"csv"},"parametros_ordem_servico":{"status":"pendente"}}"#);
        let several = with(&[(Field::IdUsuarioResponsavel, "1, 2")]);
        assert!(body(&several).contains(r#""id_usuario_responsavel":"1,2""#));
    }

    /// A field that is read and not sent would be missing from the ticket without a word.
    #[test]
    fn every_field_is_sent_under_its_name() {
        let cell = |field: Field| match field.kind() {
            Kind::Id => ("7", "7"),
            Kind::Ids => ("1, 2", r#""1,2""#),
            Kind::Text => ("Sem luz", r#""Sem luz [ref WHQXBJ4VFWYF]""#),
            Kind::Name => ("Ana", r#""Ana""#),
            Kind::Phone => ("(37) 99911-2233", r#""37999112233""#),
            Kind::Email => ("ana@example.com", r#""ana@example.com""#),
            Kind::Flag => ("sim", "true"),
            Kind::Object => (r#"{"status":"pendente"}"#, r#"{"status":"pendente"}"#),
        };
        let raw = RawTicket::of(|field| Some(cell(field).0.into()));
        let sent = Field::ALL.map(|field| format!(r#""{field}":{}"#, cell(field).1));
        assert_eq!(body(&raw), format!("{{{}}}", sent.join(",")));
    }

    #[test]
    fn what_hubsoft_names_may_be_shown() {
        let body = r#"{"atendimento":{"id_atendimento":7,"protocolo":" 2024\u001b[2J\n1 ",
            "ordens_servico":[{"id_ordem_servico":1,"numero_ordem_servico":"=\u202e9"}]}}"#;
        let opening = Envelope::read(body.as_bytes()).unwrap().ticket().unwrap().opening().unwrap();
        assert_eq!(opening.protocolo, "2024?[2J 1");
        assert_eq!(opening.numeros_ordem_servico, ["=?9"]);
        let types = r#"{"tipos":[{"id":5,"descricao":"a\u001b]0;x\u0007"}]}"#;
        assert_eq!(catalogue(types.as_bytes(), "tipos", "id").unwrap(), [(5, "a?]0;x?".to_owned())]);
    }
}
