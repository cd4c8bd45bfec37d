//! A row before anybody has judged it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Field;

/// The fields of one row as text; an absent or blank cell is `None`.
///
/// This is the form in which an outbox stores a row: lenient, because validation is the reader's
/// job and must never break a producer's transaction.
///
/// Serialized as a list in the order of [`Field::ALL`], without the blank end: names would be half of
/// what an outbox stores and reads for a row.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RawTicket<'a> {
    #[serde(borrow, deserialize_with = "borrowed")]
    pub id_cliente_servico: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed")]
    pub id_tipo_atendimento: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed")]
    pub descricao: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed")]
    pub nome: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed")]
    pub telefone: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed")]
    pub email: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed")]
    pub abrir_os: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed")]
    pub id_atendimento_status: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "borrowed")]
    pub id_usuario_responsavel: Option<Cow<'a, str>>,
    /// JSON text of one object.
    #[serde(borrow, deserialize_with = "borrowed")]
    pub parametros: Option<Cow<'a, str>>,
    /// JSON text of one object.
    #[serde(borrow, deserialize_with = "borrowed")]
    pub parametros_ordem_servico: Option<Cow<'a, str>>,
}

impl<'a> RawTicket<'a> {
    /// Of a cell for each field.
    #[inline]
    pub fn of(mut cell: impl FnMut(Field) -> Option<Cow<'a, str>>) -> Self {
        Self {
            id_cliente_servico: cell(Field::IdClienteServico),
            id_tipo_atendimento: cell(Field::IdTipoAtendimento),
            descricao: cell(Field::Descricao),
            nome: cell(Field::Nome),
            telefone: cell(Field::Telefone),
            email: cell(Field::Email),
            abrir_os: cell(Field::AbrirOs),
            id_atendimento_status: cell(Field::IdAtendimentoStatus),
            id_usuario_responsavel: cell(Field::IdUsuarioResponsavel),
            parametros: cell(Field::Parametros),
            parametros_ordem_servico: cell(Field::ParametrosOrdemServico),
        }
    }

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

impl Serialize for RawTicket<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let n_fields = Field::ALL.iter().rposition(|it| self.get(*it).is_some()).map_or(0, |last| last + 1);
        to.collect_seq(Field::ALL[..n_fields].iter().map(|it| self.get(*it)))
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
        let stored = r#"[null,null,null,"Ana"]"#;
        let raw: RawTicket<'_> = serde_json::from_str(stored).unwrap();
        assert!(matches!(raw.nome, Some(Cow::Borrowed("Ana"))));
        assert_eq!(raw.descricao, None);
        assert_eq!(serde_json::to_string(&raw).unwrap(), stored);
    }

    #[test]
    fn what_is_stored_is_in_the_order_of_the_fields() {
        for field in Field::ALL {
            let mut raw = RawTicket::default();
            *raw.get_mut(field) = Some("x".into());
            let stored = serde_json::to_string(&raw).unwrap();
            assert!(serde_json::from_str::<RawTicket<'_>>(&stored).unwrap() == raw, "{stored}");
        }
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let raw = RawTicket { nome: Some("Ana".into()), ..RawTicket::default() };
        assert_eq!(format!("{raw:?}"), "RawTicket { nome: (3 bytes) }");
    }
}
