//! What a column is called, and what it means.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::words::BadOption;
use crate::ticket::{CustomerKey, Field, Kind};

/// What the cells of a column, or a value given for all rows, are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Field(Field),
    /// A key of `parametros` or `parametros_ordem_servico`.
    Param {
        object: Field,
        key: String,
    },
    /// Who the row is.
    Referencia,
    /// Whose service it is about, where the row does not name the service.
    Customer(CustomerKey),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => field.fmt(f),
            Self::Param { object, key } => write!(f, "{object}.{key}"),
            Self::Referencia => f.write_str("referencia"),
            Self::Customer(key) => f.write_str(key.name()),
        }
    }
}

impl FromStr for Target {
    type Err = BadOption;

    fn from_str(text: &str) -> Result<Self, BadOption> {
        of_name(text).ok_or(BadOption::Field)
    }
}

/// `--map COLUMN=FIELD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    pub column: String,
    pub target: Target,
}

impl FromStr for Map {
    type Err = BadOption;

    fn from_str(text: &str) -> Result<Self, BadOption> {
        // A column may have `=` in its name, a field has none.
        let Some((column, target)) = text.rsplit_once('=') else {
            return Err(BadOption::Form { form: "COLUMN=FIELD" });
        };
        Ok(Self { column: column.to_owned(), target: target.parse()? })
    }
}

/// `--set FIELD=VALUE`: for the rows whose cell is blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    pub target: Target,
    pub value: String,
}

impl FromStr for Set {
    type Err = BadOption;

    fn from_str(text: &str) -> Result<Self, BadOption> {
        let Some((target, value)) = text.split_once('=') else {
            return Err(BadOption::Form { form: "FIELD=VALUE" });
        };
        match target.parse()? {
            Target::Referencia => Err(BadOption::Identity),
            Target::Customer(_) => Err(BadOption::OneCustomer),
            target => Ok(Self { target, value: value.to_owned() }),
        }
    }
}

/// The columns that we append to results, in their order. Part of the contract.
pub const RESULT_COLUMNS: [&str; 12] = [
    "line",
    "lote",
    "referencia",
    "state",
    "protocolo",
    "id_atendimento",
    "ids_ordem_servico",
    "numeros_ordem_servico",
    "attempts",
    "error_code",
    "error_message",
    "warning",
];

/// Without case, accents, blanks, punctuation and invisible characters.
pub(super) fn normal(name: &str) -> String {
    if name.is_ascii() {
        return name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    }
    name.nfd()
        .filter(|c| c.is_alphanumeric() && !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// What a column of this name means, if its name tells.
pub(super) fn of_name(name: &str) -> Option<Target> {
    of_normal(name, &normal(name))
}

/// The same of a name and its [`normal`] form.
pub(super) fn of_normal(name: &str, normal_name: &str) -> Option<Target> {
    if let Some((object, key)) = name.split_once('.') {
        let object = field_called(&normal(object)).filter(|field| field.kind() == Kind::Object);
        let key = crate::ticket::trim(key);
        if let Some(object) = object.filter(|_| !key.is_empty()) {
            return Some(Target::Param { object, key: known_key(object, key) });
        }
    }
    match normal_name {
        "referencia" | "ref" | "idexterno" => Some(Target::Referencia),
        _ => field_called(normal_name)
            .map(Target::Field)
            .or_else(|| customer_key_called(normal_name).map(Target::Customer)),
    }
}

/// The number of a customer that people call so.
fn customer_key_called(normal: &str) -> Option<CustomerKey> {
    CustomerKey::ALL.into_iter().find(|key| {
        let is_own = key.name().bytes().filter(|b| *b != b'_').eq(normal.bytes());
        is_own || key.aliases().contains(&normal)
    })
}

/// The field that people call so.
fn field_called(normal: &str) -> Option<Field> {
    let is_own = |field: Field| field.name().bytes().filter(|b| *b != b'_').eq(normal.bytes());
    Field::ALL.into_iter().find(|field| is_own(*field) || field.aliases().contains(&normal))
}

/// What the field may be called, normalised; its own name first.
pub(super) fn names_of(field: Field) -> impl Iterator<Item = Cow<'static, str>> {
    let own = Cow::Owned(field.name().replace('_', ""));
    std::iter::once(own).chain(field.aliases().iter().map(|alias| Cow::Borrowed(*alias)))
}

/// Whether a header cell is a name that we know, ours included.
pub(super) fn is_known(name: &str) -> bool {
    let normal = normal(name);
    of_normal(name, &normal).as_ref().is_some_and(makes_a_header) || is_known_otherwise(name, &normal)
}

/// Whether its name is a sign of a table of tickets. A document is none: registers of all kinds have one.
pub(super) fn makes_a_header(target: &Target) -> bool {
    !matches!(target, Target::Customer(_))
}

/// Whether it is a name that we know, but no field's.
pub(super) fn is_known_otherwise(name: &str, normal: &str) -> bool {
    result_column(name).is_some() || is_other(normal)
}

/// Those of `names` that an error may repeat. Where none is known the header may be missing, and what stands
/// in its place is a person; so it is where few are known, and something of a person stands beside them.
pub(super) fn shown(names: &[String]) -> Vec<String> {
    let n_known = names.iter().filter(|name| is_known(name)).count();
    let has_data = names.iter().any(|name| is_data(name));
    let is_header = 0 < n_known && !(has_data && n_known < BESIDE_DATA_MIN);
    let is_name = |name: &&String| !normal(name).is_empty() && !is_data(name);
    names.iter().filter(|_| is_header).filter(is_name).cloned().collect()
}

/// So many known names make a header though something stands beside them that is no name.
pub(super) const BESIDE_DATA_MIN: usize = 3;

/// Whether a cell has the digits of a number or the `@` of an address, and so is the name of no column.
pub(super) fn is_data(cell: &str) -> bool {
    const DIGITS_MIN: usize = 5;

    DIGITS_MIN <= cell.chars().filter(char::is_ascii_digit).count() || cell.contains('@')
}

/// The column of ours that has exactly this name.
pub(super) fn result_column(name: &str) -> Option<usize> {
    let name = crate::ticket::trim(name);
    RESULT_COLUMNS.iter().position(|column| column.eq_ignore_ascii_case(name))
}

/// Whether the name is of a number that is constantly confused with `id_cliente_servico`.
pub(super) fn is_other_number(name: &str) -> bool {
    is_other(&normal(name))
}

fn is_other(normal: &str) -> bool {
    matches!(normal, "codigocliente" | "idcliente" | "codcliente" | "codigodocliente" | "iddocliente")
}

/// Whether a name that is taken for the service's id may as well mean a product, a plan or its code.
pub(super) fn is_guess_of_service(name: &str) -> bool {
    matches!(normal(name).as_str(), "servico" | "codservico" | "codigoservico")
}

/// Whether a name that is taken for nothing may mean the service's id.
pub(super) fn may_be_service(name: &str) -> bool {
    matches!(
        normal(name).as_str(),
        "id" | "codigo"
            | "cod"
            | "contrato"
            | "idcontrato"
            | "codcontrato"
            | "codigocontrato"
            | "numerocontrato"
    )
}

/// How much two names look alike: the letters to change, by Levenshtein.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (n_a, of_a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = n_a + 1;
        for (n_b, of_b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(of_a != *of_b);
            diagonal = row[n_b + 1];
            row[n_b + 1] = changed.min(diagonal + 1).min(row[n_b] + 1);
        }
    }
    row[b.len()]
}

/// HubSoft's spelling of a key that it knows; any other key as it was written.
fn known_key(object: Field, key: &str) -> String {
    const KNOWN: [&str; 4] = ["id_tipo_ordem_servico", "status", "ids_tecnicos", "id_disponibilidade"];
    let known =
        KNOWN.iter().find(|name| object == Field::ParametrosOrdemServico && normal(name) == normal(key));
    known.map_or(key, |name| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_recognised_however_it_is_written() {
        let rows: [(Field, &[&str]); 7] = [
            (
                Field::IdClienteServico,
                &[
                    "id_cliente_servico",
                    "ID cliente_servico",
                    "id cliente servico",
                    "id servico",
                    "cod servico",
                    "Código Serviço",
                    "servico",
                    "id do serviço",
                    "\u{A0}ID\u{200B} CLIENTE SERVIÇO ",
                ],
            ),
            (Field::IdTipoAtendimento, &["tipo atendimento", "id tipo", "cod tipo atendimento"]),
            (
                Field::Descricao,
                &["descrição", "DESCRIC\u{327}A\u{303}O", "mensagem", "motivo", "relato", "texto"],
            ),
            (
                Field::Nome,
                &[
                    "nome",
                    "nome solicitante",
                    "solicitante",
                    "cliente",
                    "nome cliente",
                    "Nome / Razão social",
                    "nome_razaosocial",
                ],
            ),
            (
                Field::Telefone,
                &["fone", "celular", "telefone contato", "telefone cliente", "telefone primario", "WhatsApp"],
            ),
            (Field::Email, &["e-mail", "e mail", "email principal", "E-Mail"]),
            (Field::AbrirOs, &["abrir os", "os", "O.S.", "gerar os", "ordem de serviço"]),
        ];
        for (field, names) in rows {
            for name in names {
                assert_eq!(of_name(name), Some(Target::Field(field)), "{name}");
            }
        }
        for field in Field::ALL {
            assert_eq!(of_name(field.name()), Some(Target::Field(field)));
        }
        for name in ["referencia", "ref", "Referência", "id externo"] {
            assert_eq!(of_name(name), Some(Target::Referencia), "{name}");
        }
        for name in ["", "codigo_cliente", "id_cliente", "cidade", "parametros."] {
            let found = of_name(name);
            let is_none =
                matches!(found, None | Some(Target::Field(Field::Parametros) | Target::Customer(_)));
            assert!(is_none, "{name}");
        }
    }

    #[test]
    fn no_name_means_two_fields() {
        let mut seen = std::collections::HashSet::new();
        for name in Field::ALL.into_iter().flat_map(names_of) {
            assert_eq!(normal(&name), name, "it is never met otherwise");
            assert!(seen.insert(name.clone()), "{name}");
        }
    }

    #[test]
    fn docs_have_every_field_and_its_names() {
        let page = include_str!("../../docs/sheets.md");
        let (_, rows) = page.split_once("| Field | Required |").expect("a table of fields");
        let told = rows.lines().skip(2).take_while(|line| line.starts_with("| `")).map(|line| {
            let cells: Vec<_> = line.split(" |").map(|cell| cell.trim_matches(['|', ' ', '`'])).collect();
            let aliases: Vec<_> = cells[3].split(", ").map(normal).filter(|name| !name.is_empty()).collect();
            (cells[0].to_owned(), cells[1] == "yes", aliases)
        });
        let known = Field::ALL.into_iter().map(|field| {
            (
                field.name().to_owned(),
                field.is_required(),
                names_of(field).skip(1).map(Cow::into_owned).collect(),
            )
        });
        let own = |(name, is_required, mut aliases): (String, bool, Vec<String>)| {
            aliases.retain(|alias| *alias != normal(&name)); // It may be told how it is written with blanks.
            (name, is_required, aliases)
        };
        assert_eq!(told.map(own).collect::<Vec<_>>(), known.collect::<Vec<_>>());

        let page = include_str!("../../docs/integration.md");
        for field in Field::ALL {
            assert!(page.contains(field.name()), "docs/integration.md does not tell of {field}");
        }
    }

    #[test]
    fn a_key_of_an_object_is_a_column() {
        let param = |object, key: &str| Some(Target::Param { object, key: key.to_owned() });
        assert_eq!(of_name("parametros.Lote"), param(Field::Parametros, "Lote"));
        assert_eq!(
            of_name("Parametros Ordem Servico.IDs Tecnicos"),
            param(Field::ParametrosOrdemServico, "ids_tecnicos")
        );
        assert_eq!(of_name("parametros_ordem_servico.x y"), param(Field::ParametrosOrdemServico, "x y"));
    }

    #[test]
    fn options_are_read() {
        let map: Map = "a=b=nome".parse().unwrap();
        assert_eq!((map.column.as_str(), map.target), ("a=b", Target::Field(Field::Nome)));
        let set: Set = "descricao=a=b".parse().unwrap();
        assert_eq!((set.target, set.value.as_str()), (Target::Field(Field::Descricao), "a=b"));
        insta::assert_snapshot!("nome".parse::<Map>().unwrap_err(), @"not of the form `COLUMN=FIELD`");
        insta::assert_snapshot!("cpf=1".parse::<Set>().unwrap_err(), @"a number of one customer cannot be the same for all");
        insta::assert_snapshot!("referencia=x".parse::<Set>().unwrap_err(), @"a `referencia` says who a row is, and cannot be the same for all");
        let error = "a=b".parse::<Map>().unwrap_err().to_string();
        let all = error.strip_prefix("no ticket has such a field; it has ").expect("all that it may be");
        let all: Vec<_> = all.split(", ").collect();
        assert!(all.starts_with(&Field::ALL.map(Field::name)), "{error}");
        let others = ["parametros.KEY", "parametros_ordem_servico.KEY", "codigo_cliente", "cpf_cnpj"];
        assert_eq!(all[Field::ALL.len()..], others);
    }

    #[test]
    fn likeness_is_counted_in_letters() {
        assert_eq!(distance("telefone", "telefone"), 0);
        assert_eq!(distance("telefon", "telefone"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
