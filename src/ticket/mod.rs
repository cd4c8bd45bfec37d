//! What a ticket is: a [`RawTicket`] (text, as a person or a program wrote it) becomes a [`Ticket`],
//! whose types cannot hold a wrong value, or all of its [`Problem`]s at once. No I/O, no clock.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A field of a ticket, by its API name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    IdClienteServico,
    IdTipoAtendimento,
    Descricao,
    Nome,
    Telefone,
    Email,
    AbrirOs,
    IdAtendimentoStatus,
    IdUsuarioResponsavel,
    Parametros,
    ParametrosOrdemServico,
}

/// The fields of one row as text; an absent or blank cell is `None`.
///
/// This is the form in which an outbox stores a row: lenient, because validation is the reader's
/// job and must never break a producer's transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawTicket<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub id_cliente_servico: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub id_tipo_atendimento: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub descricao: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub nome: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub telefone: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub email: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub abrir_os: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub id_atendimento_status: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub id_usuario_responsavel: Option<Cow<'a, str>>,
    /// JSON text of one object.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub parametros: Option<Cow<'a, str>>,
    /// JSON text of one object.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub parametros_ordem_servico: Option<Cow<'a, str>>,
}

/// A positive id of the API that fits 63 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(i64); // Invariant: 1..=i64::MAX.

impl Id {
    /// `None` unless `value` is positive.
    pub fn new(value: i64) -> Option<Self> {
        (0 < value).then_some(Self(value))
    }

    pub fn get(self) -> i64 {
        self.0
    }
}

/// Text that is not blank: NFC, without control characters but for line breaks and tabs.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

/// A requester's phone: area code, then number. `Debug` masks it.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String); // Invariant: 10 or 11 ASCII digits.

/// An address by the rule of HTML's `<input type=email>`. `Debug` masks it.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

/// A row that may be sent.
#[derive(Clone, PartialEq)]
pub struct Ticket {
    pub id_cliente_servico: Id,
    pub id_tipo_atendimento: Option<Id>,
    pub descricao: Text,
    pub nome: Text,
    pub telefone: Phone,
    pub email: Option<Email>,
    pub abrir_os: bool,
    pub id_atendimento_status: Option<Id>,
    /// Empty when absent.
    pub id_usuario_responsavel: Vec<Id>,
    pub parametros: Option<serde_json::Map<String, serde_json::Value>>,
    pub parametros_ordem_servico: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A valid ticket, and what was repaired or looks odd in it.
#[derive(Clone, PartialEq)]
pub struct Parsed {
    pub ticket: Ticket,
    pub notices: Vec<Problem>,
}

/// One thing that is wrong with a row, or (as a notice) that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub field: Cow<'static, str>,
    /// Stable, `snake_case`: `phone_without_ddd`.
    pub code: Cow<'static, str>,
    /// What was found; masked where personal, cut where long.
    pub found: String,
    /// What is wrong and what is allowed.
    pub message: String,
    /// What to do next.
    pub hint: Cow<'static, str>,
}

impl Ticket {
    /// Reads every field and reports every problem of the row at once.
    pub fn parse(raw: &RawTicket<'_>) -> Result<Parsed, Vec<Problem>> {
        let _ = raw;
        unimplemented!()
    }
}
