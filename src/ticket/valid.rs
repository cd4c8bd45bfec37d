//! A row that may be sent: all of its fields, and how they are read.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use super::parse::Findings;
use super::words;
use super::{Email, Field, Id, Phone, Problem, RawTicket, Text, boolean, email, id, normal, params, phone};

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
    pub id_origem_contato: Option<Id>,
    pub parametros: Option<Map<String, Json>>,
    /// Known keys have the types that HubSoft wants: an integer `id_tipo_ordem_servico`, lists of
    /// ids as arrays of strings.
    pub parametros_ordem_servico: Option<Map<String, Json>>,
}

/// What a ticket says in one field.
#[derive(Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Id(Id),
    Ids(&'a [Id]),
    Text(&'a str),
    Flag(bool),
    Object(&'a Map<String, Json>),
}

/// A valid ticket, and what was repaired or looks odd in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub ticket: Ticket,
    pub notices: Vec<Problem>,
}

impl Ticket {
    /// Reads every field and reports every problem of the row at once, in the order of [`Field`].
    pub fn parse(raw: &RawTicket<'_>) -> Result<Parsed, Vec<Problem>> {
        parse(raw)
    }

    /// What it says in a field; `None`: nothing.
    pub fn value(&self, field: Field) -> Option<Value<'_>> {
        match field {
            Field::IdClienteServico => Some(Value::Id(self.id_cliente_servico)),
            Field::IdTipoAtendimento => self.id_tipo_atendimento.map(Value::Id),
            Field::Descricao => Some(Value::Text(self.descricao.as_str())),
            Field::Nome => Some(Value::Text(self.nome.as_str())),
            Field::Telefone => Some(Value::Text(self.telefone.as_str())),
            Field::Email => self.email.as_ref().map(|email| Value::Text(email.as_str())),
            Field::AbrirOs => Some(Value::Flag(self.abrir_os)),
            Field::IdAtendimentoStatus => self.id_atendimento_status.map(Value::Id),
            Field::IdUsuarioResponsavel => match &*self.id_usuario_responsavel {
                [] => None,
                ids => Some(Value::Ids(ids)),
            },
            Field::IdOrigemContato => self.id_origem_contato.map(Value::Id),
            Field::Parametros => self.parametros.as_ref().map(Value::Object),
            Field::ParametrosOrdemServico => self.parametros_ordem_servico.as_ref().map(Value::Object),
        }
    }

    /// What "the same row" means for `repeat`: service, type and description. 0, which is no id, stands for
    /// the absent type; the description is in its normal form, as in a row's reference.
    pub fn content(&self) -> (i64, i64, Cow<'_, str>) {
        let kind = self.id_tipo_atendimento.map_or(0, Id::get);
        (self.id_cliente_servico.get(), kind, normal(self.descricao.as_str()))
    }

    /// [`Self::content`], hashed. The same on every machine, so that it can be stored.
    ///
    /// 128 bits of SHA-256: two different rows of a million share a key with a chance of 1e-27.
    pub fn repeat_key(&self) -> [u8; 16] {
        let (service, kind, text) = self.content();
        let mut hash = Sha256::new();
        hash.update(service.to_be_bytes());
        hash.update(kind.to_be_bytes());
        hash.update(text.as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        std::array::from_fn(|at| hash[at])
    }

    /// All that it says, hashed: two tickets that differ in anything differ in this. 128 bits, as
    /// [`Self::repeat_key`]; stored no longer than a person's word holds for the ticket.
    pub fn whole_key(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        // What it does not say takes nothing: each is told apart by its number, and by its length.
        let mut say = |field: Field, said: &[u8]| {
            hash.update([field as u8]);
            hash.update((said.len() as u64).to_be_bytes());
            hash.update(said);
        };
        for field in Field::ALL {
            match self.value(field) {
                None => {}
                Some(Value::Id(id)) => say(field, &id.get().to_be_bytes()),
                Some(Value::Ids(ids)) => {
                    say(field, &ids.iter().flat_map(|id| id.get().to_be_bytes()).collect::<Vec<_>>());
                }
                Some(Value::Text(text)) => say(field, text.as_bytes()),
                Some(Value::Flag(flag)) => say(field, &[u8::from(flag)]),
                Some(Value::Object(object)) => {
                    say(field, Json::Object(object.clone()).to_string().as_bytes())
                }
            }
        }
        let hash: [u8; 32] = hash.finalize().into();
        std::array::from_fn(|at| hash[at])
    }
}

fn parse(raw: &RawTicket<'_>) -> Result<Parsed, Vec<Problem>> {
    let mut to = Findings { raw, problems: Vec::new(), notices: Vec::new() };

    let id_cliente_servico = to.required(Field::IdClienteServico, id::read);
    let id_tipo_atendimento = to.optional(Field::IdTipoAtendimento, id::read_listed);
    let descricao = to.text(Field::Descricao);
    let nome = to.text(Field::Nome);
    let telefone = to.required(Field::Telefone, phone::read);
    let email = to.optional(Field::Email, email::read);
    let abrir_os = to.optional(Field::AbrirOs, boolean::read).unwrap_or(false);
    let id_atendimento_status = to.optional(Field::IdAtendimentoStatus, id::read_listed);
    let id_usuario_responsavel = to.optional(Field::IdUsuarioResponsavel, id::read_list).unwrap_or_default();
    let id_origem_contato = to.optional(Field::IdOrigemContato, id::read_listed);
    let parametros = to.optional(Field::Parametros, params::read);
    let parametros_ordem_servico = to.optional(Field::ParametrosOrdemServico, params::read_os);
    if parametros_ordem_servico.is_some() && !abrir_os {
        to.notices.push(words::OS_NOT_ASKED.problem(Field::ParametrosOrdemServico.name(), String::new()));
    }

    // A required field is `None` only together with a problem.
    match (id_cliente_servico, descricao, nome, telefone) {
        (Some(id_cliente_servico), Some(descricao), Some(nome), Some(telefone)) if to.problems.is_empty() => {
            let ticket = Ticket {
                id_cliente_servico,
                id_tipo_atendimento,
                descricao,
                nome,
                telefone,
                email,
                abrir_os,
                id_atendimento_status,
                id_usuario_responsavel,
                id_origem_contato,
                parametros,
                parametros_ordem_servico,
            };
            Ok(Parsed { ticket, notices: to.notices })
        }
        _ => Err(to.problems),
    }
}

/// Ids as they are; of a person's words and contacts the length only.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Ticket");
        for field in Field::ALL {
            let name = field.name();
            match self.value(field) {
                None => continue,
                Some(Value::Id(id)) => out.field(name, &id.get()),
                Some(Value::Ids(ids)) => out.field(name, &ids),
                Some(Value::Text(text)) => {
                    out.field(name, &format_args!("({} characters)", text.chars().count()))
                }
                Some(Value::Flag(flag)) => out.field(name, &flag),
                Some(Value::Object(map)) => out.field(name, &format_args!("({} keys)", map.len())),
            };
        }
        out.finish()
    }
}
