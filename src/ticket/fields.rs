//! The fields of a ticket, and all that is known of each, in one table.
//!
//! Names of columns, the template, storage, grants, purge and requests follow it: what is generated, by this
//! table; what is written by hand (the schema of Postgres and its roles, the README), by a test.

use std::fmt;
use std::ops::{Index, IndexMut};

/// A field of a ticket. Its number is its place in what an outbox stores of a row, and is frozen: a field
/// that comes later takes the next number, wherever it stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    IdClienteServico = 0,
    IdTipoAtendimento = 1,
    Descricao = 2,
    Nome = 3,
    Telefone = 4,
    Email = 5,
    AbrirOs = 6,
    IdAtendimentoStatus = 7,
    IdUsuarioResponsavel = 8,
    Parametros = 9,
    ParametrosOrdemServico = 10,
    IdOrigemContato = 11,
}

/// What a field's cell says, and so how it is stored, shown and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent as a number.
    Id,
    /// One is sent as a number, several as the text `1,2`.
    Ids,
    Text,
    /// A text that names a person.
    Name,
    Phone,
    Email,
    /// Sent as a boolean.
    Flag,
    /// One JSON object; each of its keys may be a column of its own.
    Object,
}

/// A list of the tenant's own, each entry with an id: `GET …/configuracao/ROUTE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// For people.
    pub name: &'static str,
    pub route: &'static str,
    /// The list in the answer.
    pub list: &'static str,
    /// The id in an entry.
    pub id: &'static str,
}

impl Catalogue {
    pub const TICKET_TYPES: Self = Self {
        name: "ticket types",
        route: "tipo_atendimento",
        list: "tipos_atendimento",
        id: "id_tipo_atendimento",
    };
    pub const TICKET_STATUSES: Self = Self {
        name: "ticket statuses",
        route: "status_atendimento",
        list: "status_atendimento",
        id: "id_atendimento_status",
    };
    const CONTACT_ORIGINS: Self = Self {
        name: "contact origins",
        route: "origem_contato",
        list: "origem_contatos",
        id: "id_origem_contato",
    };
    /// Of a key of `parametros_ordem_servico`.
    const SERVICE_ORDER_TYPES: Self = Self {
        name: "service order types",
        route: "tipo_ordem_servico",
        list: "tipo_ordem_servicos",
        id: "id_tipo_ordem_servico",
    };

    pub fn all() -> impl Iterator<Item = Self> {
        Field::ALL.into_iter().filter_map(Field::catalogue).chain([Self::SERVICE_ORDER_TYPES])
    }
}

struct Row {
    field: Field,
    /// As the API spells it.
    name: &'static str,
    /// What people call it besides, normalised: without case, accents, blanks and punctuation.
    aliases: &'static [&'static str],
    kind: Kind,
    /// Without it no ticket can be opened.
    required: bool,
    /// It says something of a person: a purge takes it.
    personal: bool,
    /// Rows that are equal in these ask for the same ticket.
    identity: bool,
    /// Where its ids are from.
    catalogue: Option<Catalogue>,
    /// For who fills in a template.
    explanation: &'static str,
    /// What stands in a template's example. Some are none that a ticket could be opened with: who fills in
    /// the rest of that line and forgets them is told.
    example: &'static str,
}

/// In the order in which people meet them.
static TABLE: [Row; 12] = [
    Row {
        field: Field::IdClienteServico,
        name: "id_cliente_servico",
        aliases: &["idservico", "codservico", "codigoservico", "servico", "iddoservico"],
        kind: Kind::Id,
        required: true,
        personal: false,
        identity: true,
        catalogue: None,
        explanation: "required; the service's id in HubSoft, digits only; not codigo_cliente and not id_cliente",
        example: "11001",
    },
    Row {
        field: Field::IdTipoAtendimento,
        name: "id_tipo_atendimento",
        aliases: &["tipoatendimento", "idtipo", "codtipoatendimento"],
        kind: Kind::Id,
        required: false,
        personal: false,
        identity: true,
        catalogue: Some(Catalogue::TICKET_TYPES),
        explanation: "the ticket type's id in HubSoft; blank: HubSoft's default, SAC",
        example: "5",
    },
    Row {
        field: Field::Descricao,
        name: "descricao",
        aliases: &["mensagem", "motivo", "relato", "texto", "problema"],
        kind: Kind::Text,
        required: true,
        personal: true,
        identity: true,
        catalogue: None,
        explanation: "required; any text, line breaks allowed",
        example: "Sem sinal desde as 14h",
    },
    Row {
        field: Field::Nome,
        name: "nome",
        aliases: &[
            "nomesolicitante",
            "solicitante",
            "cliente",
            "nomecliente",
            "nomedocliente",
            "nomerazaosocial",
        ],
        kind: Kind::Name,
        required: true,
        personal: true,
        identity: false,
        catalogue: None,
        explanation: "required; who asks",
        example: "Maria da Silva",
    },
    Row {
        field: Field::Telefone,
        name: "telefone",
        aliases: &[
            "fone",
            "celular",
            "telefonecontato",
            "telefonecliente",
            "telefonedecontato",
            "telefonedocliente",
            "telefoneprimario",
            "whatsapp",
        ],
        kind: Kind::Phone,
        required: true,
        personal: true,
        identity: false,
        catalogue: None,
        explanation: "required; DDD and number: 37999112233",
        example: "(37) 9xxxx-xxxx",
    },
    Row {
        field: Field::Email,
        name: "email",
        aliases: &["emailprincipal"],
        kind: Kind::Email,
        required: false,
        personal: true,
        identity: false,
        catalogue: None,
        explanation: "user@dominio.com; may be blank",
        example: "maria@exemplo.com.br",
    },
    Row {
        field: Field::AbrirOs,
        name: "abrir_os",
        aliases: &["os", "geraros", "ordemdeservico"],
        kind: Kind::Flag,
        required: false,
        personal: false,
        identity: false,
        catalogue: None,
        explanation: "sim or não: whether a service order (a visit) is opened too; blank: não",
        example: "não",
    },
    Row {
        field: Field::IdAtendimentoStatus,
        name: "id_atendimento_status",
        aliases: &[],
        kind: Kind::Id,
        required: false,
        personal: false,
        identity: false,
        catalogue: Some(Catalogue::TICKET_STATUSES),
        explanation: "the status' id in HubSoft; blank: HubSoft's default",
        example: "",
    },
    Row {
        field: Field::IdUsuarioResponsavel,
        name: "id_usuario_responsavel",
        aliases: &[],
        kind: Kind::Ids,
        required: false,
        personal: false,
        identity: false,
        catalogue: None,
        explanation: "one id, or several separated by commas; blank: HubSoft's default",
        example: "",
    },
    Row {
        field: Field::IdOrigemContato,
        name: "id_origem_contato",
        aliases: &[],
        kind: Kind::Id,
        required: false,
        personal: false,
        identity: false,
        catalogue: Some(Catalogue::CONTACT_ORIGINS),
        explanation: "the id in HubSoft of how the customer got in touch; blank: HubSoft's default",
        example: "",
    },
    Row {
        field: Field::Parametros,
        name: "parametros",
        aliases: &[],
        kind: Kind::Object,
        required: false,
        personal: true,
        identity: false,
        catalogue: None,
        explanation: "any number of columns of this form: further values stored with the ticket",
        example: "",
    },
    Row {
        field: Field::ParametrosOrdemServico,
        name: "parametros_ordem_servico",
        aliases: &[],
        kind: Kind::Object,
        required: false,
        personal: true,
        identity: false,
        catalogue: None,
        explanation: "KEY is id_tipo_ordem_servico, status (pendente or aguardando_agendamento) or ids_tecnicos \
                      (separated by blanks)",
        example: "",
    },
];

const N: usize = TABLE.len();

/// Of each place, the row of the table. Every place has one, and no place has two.
const ROWS: [usize; N] = {
    let mut rows = [N; N];
    let mut at = 0;
    while at < N {
        let place = TABLE[at].field as usize;
        assert!(rows[place] == N, "two rows of the table are of one field");
        rows[place] = at;
        at += 1;
    }
    rows
};

impl Field {
    /// In the order of the table.
    pub const ALL: [Self; N] = {
        let mut all = [TABLE[0].field; N];
        let mut at = 0;
        while at < N {
            all[at] = TABLE[at].field;
            at += 1;
        }
        all
    };

    /// In the order of their places in what is stored.
    pub const STORED: [Self; N] = {
        let mut all = Self::ALL;
        let mut place = 0;
        while place < N {
            all[place] = TABLE[ROWS[place]].field;
            place += 1;
        }
        all
    };

    /// Its place in what is stored.
    pub fn place(self) -> usize {
        self as usize
    }

    fn row(self) -> &'static Row {
        &TABLE[ROWS[self.place()]]
    }

    /// As the API spells it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    pub fn kind(self) -> Kind {
        self.row().kind
    }

    /// Whether no ticket can be opened without it.
    pub fn is_required(self) -> bool {
        self.row().required
    }

    /// The fields without which no ticket can be opened.
    pub fn required() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|field| field.is_required())
    }

    /// Whether it says something of a person.
    pub fn is_personal(self) -> bool {
        self.row().personal
    }

    /// Whether rows that differ in it ask for different tickets.
    pub fn is_identity(self) -> bool {
        self.row().identity
    }

    /// Where its ids are from.
    pub fn catalogue(self) -> Option<Catalogue> {
        self.row().catalogue
    }

    /// For who fills in a template.
    pub fn explanation(self) -> &'static str {
        self.row().explanation
    }

    /// What stands in a template's example; blank: nothing.
    pub fn example(self) -> &'static str {
        self.row().example
    }

    /// What people call it besides, normalised: without case, accents, blanks and punctuation.
    pub fn aliases(self) -> &'static [&'static str] {
        self.row().aliases
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something for each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByField<T>([T; N]); // By their places.

impl<T> ByField<T> {
    #[inline]
    pub fn of(what: impl FnMut(Field) -> T) -> Self {
        Self(Field::STORED.map(what))
    }
}

impl<T> Index<Field> for ByField<T> {
    type Output = T;

    #[inline]
    fn index(&self, field: Field) -> &T {
        &self.0[field.place()]
    }
}

impl<T> IndexMut<Field> for ByField<T> {
    #[inline]
    fn index_mut(&mut self, field: Field) -> &mut T {
        &mut self.0[field.place()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: outboxes that live store rows by these places. A later field adds a line.
    #[test]
    fn golden_places() {
        let mut places: Vec<_> = Field::ALL.iter().map(|field| (*field as usize, field.name())).collect();
        places.sort_unstable();
        let frozen = [
            "id_cliente_servico",
            "id_tipo_atendimento",
            "descricao",
            "nome",
            "telefone",
            "email",
            "abrir_os",
            "id_atendimento_status",
            "id_usuario_responsavel",
            "parametros",
            "parametros_ordem_servico",
            "id_origem_contato",
        ];
        assert_eq!(places, frozen.into_iter().enumerate().collect::<Vec<_>>());
    }
}
