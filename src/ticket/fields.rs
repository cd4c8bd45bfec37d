//! The fields of a ticket, by their API names.

use std::fmt;
use std::str::FromStr;

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

impl Field {
    pub const ALL: [Self; 11] = [
        Self::IdClienteServico,
        Self::IdTipoAtendimento,
        Self::Descricao,
        Self::Nome,
        Self::Telefone,
        Self::Email,
        Self::AbrirOs,
        Self::IdAtendimentoStatus,
        Self::IdUsuarioResponsavel,
        Self::Parametros,
        Self::ParametrosOrdemServico,
    ];

    /// The fields without which no ticket can be opened.
    pub const REQUIRED: [Self; 4] = [Self::IdClienteServico, Self::Descricao, Self::Nome, Self::Telefone];

    /// As the API spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdClienteServico => "id_cliente_servico",
            Self::IdTipoAtendimento => "id_tipo_atendimento",
            Self::Descricao => "descricao",
            Self::Nome => "nome",
            Self::Telefone => "telefone",
            Self::Email => "email",
            Self::AbrirOs => "abrir_os",
            Self::IdAtendimentoStatus => "id_atendimento_status",
            Self::IdUsuarioResponsavel => "id_usuario_responsavel",
            Self::Parametros => "parametros",
            Self::ParametrosOrdemServico => "parametros_ordem_servico",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a field.
#[derive(Debug, thiserror::Error)]
#[error("no ticket has a field `{0}`")]
pub struct UnknownField(String);

impl FromStr for Field {
    type Err = UnknownField;

    fn from_str(name: &str) -> Result<Self, UnknownField> {
        Self::ALL.into_iter().find(|it| it.name() == name).ok_or_else(|| UnknownField(name.to_owned()))
    }
}
