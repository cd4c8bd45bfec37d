//! A row before anybody has judged it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::Field;

/// The fields of one row as text; an absent or blank cell is `None`.
///
/// This is the form in which an outbox stores a row: lenient, because validation is the reader's
/// job and must never break a producer's transaction.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawTicket<'a> {
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub id_cliente_servico: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub id_tipo_atendimento: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub descricao: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub nome: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub telefone: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub email: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub abrir_os: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub id_atendimento_status: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub id_usuario_responsavel: Option<Cow<'a, str>>,
    /// JSON text of one object.
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub parametros: Option<Cow<'a, str>>,
    /// JSON text of one object.
    #[serde(borrow, deserialize_with = "borrowed", skip_serializing_if = "Option::is_none")]
    pub parametros_ordem_servico: Option<Cow<'a, str>>,
}

impl<'a> RawTicket<'a> {
    pub fn get(&self, field: Field) -> Option<&str> {
        let cell = match field {
            Field::IdClienteServico => &self.id_cliente_servico,
            Field::IdTipoAtendimento => &self.id_tipo_atendimento,
            Field::Descricao => &self.descricao,
            Field::Nome => &self.nome,
            Field::Telefone => &self.telefone,
            Field::Email => &self.email,
            Field::AbrirOs => &self.abrir_os,
            Field::IdAtendimentoStatus => &self.id_atendimento_status,
            Field::IdUsuarioResponsavel => &self.id_usuario_responsavel,
            Field::Parametros => &self.parametros,
            Field::ParametrosOrdemServico => &self.parametros_ordem_servico,
        };
        cell.as_deref()
    }

    pub fn get_mut(&mut self, field: Field) -> &mut Option<Cow<'a, str>> {
        match field {
            Field::IdClienteServico => &mut self.id_cliente_servico,
            Field::IdTipoAtendimento => &mut self.id_tipo_atendimento,
            Field::Descricao => &mut self.descricao,
            Field::Nome => &mut self.nome,
            Field::Telefone => &mut self.telefone,
            Field::Email => &mut self.email,
            Field::AbrirOs => &mut self.abrir_os,
            Field::IdAtendimentoStatus => &mut self.id_atendimento_status,
            Field::IdUsuarioResponsavel => &mut self.id_usuario_responsavel,
            Field::Parametros => &mut self.parametros,
            Field::ParametrosOrdemServico => &mut self.parametros_ordem_servico,
        }
    }
}

/// The service id as it stands; of everything else, the length only.
impl fmt::Debug for RawTicket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RawTicket");
        for field in Field::ALL {
            match self.get(field) {
                None => {}
                Some(cell) if field == Field::IdClienteServico => {
                    out.field(field.name(), &cell);
                }
                Some(cell) => {
                    out.field(field.name(), &format_args!("({} bytes)", cell.len()));
                }
            }
        }
        out.finish()
    }
}

/// Serde borrows a plain `Cow`, but copies one behind an `Option`: this borrows both.
fn borrowed<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Cell<'a>(#[serde(borrow)] Cow<'a, str>);

    Ok(Option::<Cell<'de>>::deserialize(from)?.map(|it| it.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_row_is_read_without_copying() {
        let raw: RawTicket<'_> = serde_json::from_str(r#"{"nome":"Ana","descricao":null}"#).unwrap();
        assert!(matches!(raw.nome, Some(Cow::Borrowed("Ana"))));
        assert_eq!(raw.descricao, None);
        assert_eq!(serde_json::to_string(&raw).unwrap(), r#"{"nome":"Ana"}"#);
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let raw = RawTicket { nome: Some("Ana".into()), ..RawTicket::default() };
        assert_eq!(format!("{raw:?}"), "RawTicket { nome: (3 bytes) }");
    }
}
