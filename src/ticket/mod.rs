//! What a ticket is: a [`RawTicket`] (text, as a person or a program wrote it) becomes a [`Ticket`],
//! whose types cannot hold a wrong value, or all of its [`Problem`]s at once. No I/O, no clock.

mod boolean;
mod cell;
mod ddd;
mod email;
mod fields;
mod id;
mod params;
mod parse;
mod phone;
mod problem;
mod raw;
mod text;
mod words;

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub use cell::{is_blank, is_vacant, trim};
pub use ddd::Ddd;
pub use email::Email;
pub use fields::{ByField, Field, Kind};
pub use id::Id;
pub use phone::{Phone, fill_ddd};
pub use problem::Problem;
pub(crate) use problem::{cut, in_words, shown};
pub use raw::RawTicket;
pub use text::Text;
pub(crate) use words::{PHONE_DDD_FILLED, Words};

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
    pub parametros: Option<Map<String, Value>>,
    /// Known keys have the types that HubSoft wants: an integer `id_tipo_ordem_servico`, lists of
    /// ids as arrays of strings.
    pub parametros_ordem_servico: Option<Map<String, Value>>,
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
        parse::parse(raw)
    }

    /// What "the same row" means for `repeat`: service, type and description, as they are sent. The
    /// same on every machine, so that it can be stored.
    ///
    /// 128 bits of SHA-256: two different rows of a million share a key with a chance of 1e-27.
    pub fn repeat_key(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.id_cliente_servico.get().to_be_bytes());
        // 0 is no id: it stands for the absent type.
        hash.update(self.id_tipo_atendimento.map_or(0, Id::get).to_be_bytes());
        hash.update(self.descricao.as_str().as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        std::array::from_fn(|at| hash[at])
    }
}

/// Ids as they are; a person's words and contacts masked.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_keys = |map: &Option<Map<String, Value>>| map.as_ref().map(Map::len);
        f.debug_struct("Ticket")
            .field("id_cliente_servico", &self.id_cliente_servico)
            .field("id_tipo_atendimento", &self.id_tipo_atendimento)
            .field("descricao", &self.descricao)
            .field("nome", &self.nome)
            .field("telefone", &self.telefone)
            .field("email", &self.email)
            .field("abrir_os", &self.abrir_os)
            .field("id_atendimento_status", &self.id_atendimento_status)
            .field("id_usuario_responsavel", &self.id_usuario_responsavel)
            .field("parametros_keys", &n_keys(&self.parametros))
            .field("parametros_ordem_servico_keys", &n_keys(&self.parametros_ordem_servico))
            .finish()
    }
}
