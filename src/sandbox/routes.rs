//! What the sandbox answers: HubSoft's routes, its habits and its wording. No sockets here.

use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::books::{Books, Ticket};
use super::credentials::SandboxCredentials;
use super::http::{Request, Response, parameter};
use super::new_ticket::NewTicket;
use super::options::{Nothing, Refusal, SandboxOptions};

/// Ticket types 1 to 100 exist; the first have names.
const TYPES_MAX: i64 = 100;
const TYPE_NAMES: [&str; 5] =
    ["SAC", "SUPORTE TÉCNICO", "FINANCEIRO", "QUEDA DE ENERGIA", "ROMPIMENTO DE FIBRA"];
pub(super) const STATUSES: [(i64, &str, &str); 3] = [
    (1, "Aguardando Análise", "aguardando_analise"),
    (2, "Pendente", "pendente"),
    (3, "Resolvido", "resolvido"),
];
const ORIGINS: [(i64, &str); 3] = [(1, "TELEFONE"), (2, "WHATSAPP"), (3, "PRESENCIAL")];
const SUFFIX: &str = " | ATENDIMENTO ABERTO VIA API";

/// What a request is, for counting and for choosing its faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Post,
    LookUp,
    List,
    Customer,
    Login,
    Catalogue,
    Audit,
    Other,
}

impl Kind {
    pub(super) fn of(request: &Request<'_>) -> Self {
        match (request.method, request.path) {
            ("POST", "/api/v1/integracao/atendimento") => Self::Post,
            ("GET", "/api/v1/integracao/cliente/atendimento") => Self::LookUp,
            ("GET", "/api/v1/integracao/atendimento/todos") => Self::List,
            ("GET", "/api/v1/integracao/cliente") => Self::Customer,
            ("POST", "/oauth/token") => Self::Login,
            ("GET", path) if path.starts_with("/api/v1/integracao/configuracao/") => Self::Catalogue,
            ("GET", "/sandbox/audit") => Self::Audit,
            _ => Self::Other,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::LookUp => "look_up",
            Self::List => "list",
            Self::Customer => "customer",
            Self::Login => "login",
            Self::Catalogue => "catalogue",
            Self::Audit => "audit",
            Self::Other => "other",
        }
    }
}

/// `None`: the token is good. Without `Accept: application/json` a stranger is sent to the login page.
pub(super) fn stranger(request: &Request<'_>, books: &Books, at: Duration) -> Option<Response> {
    if request.bearer.is_some_and(|token| books.is_valid(token, at)) {
        return None;
    }
    Some(match request.wants_json {
        true => Response::json(401, r#"{"message":"Unauthenticated."}"#),
        false => {
            Response { location: Some("/login"), ..Response::html(302, "<html>Redirecting to /login</html>") }
        }
    })
}

/// `token` is made if it is the right login, and lives so long.
pub(super) fn login(
    request: &Request<'_>,
    login: &SandboxCredentials,
    token: impl FnOnce() -> String,
    life: Duration,
) -> Response {
    let grant: Value = serde_json::from_slice(request.body).unwrap_or_default();
    let said = |key: &str| match &grant[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    if said("grant_type") != "password" {
        let body = json!({"error": "unsupported_grant_type", "error_description":
            "The authorization grant type is not supported by the authorization server."});
        return Response::json(400, body.to_string());
    }
    if said("client_id") != login.client_id || said("client_secret") != login.client_secret {
        let body = json!({"error": "invalid_client", "error_description": "Client authentication failed",
            "message": "Client authentication failed"});
        return Response::json(401, body.to_string());
    }
    if said("username") != login.username || said("password") != login.password {
        let message = "The user credentials were incorrect.";
        let body = json!({"error": "invalid_credentials", "error_description": message, "message": message});
        return Response::json(401, body.to_string());
    }
    let body = json!({"token_type": "Bearer", "expires_in": life.as_secs(), "access_token": token()});
    Response::json(200, body.to_string())
}

/// What a request beyond the limit is answered; `None`: it waits.
pub(super) fn too_many(options: &SandboxOptions) -> Option<Response> {
    let retry_after = options.retry_after;
    let mut said = json!({"message": "Too Many Attempts."});
    Some(match options.refusal {
        Refusal::Delay => return None,
        Refusal::Html => Response::html(429, "<html>429 Too Many Requests</html>"),
        Refusal::Header => Response { retry_after, ..Response::json(429, said.to_string()) },
        Refusal::Body => {
            if let Some(seconds) = retry_after {
                said["retry_after"] = seconds.into();
            }
            Response::json(429, said.to_string())
        }
    })
}

pub(super) fn catalogue(path: &str) -> Response {
    let (list, items) = match path.rsplit('/').next().unwrap_or_default() {
        "tipo_atendimento" => {
            let label = |id| json!({"id_tipo_atendimento": id, "descricao": type_label(id)});
            ("tipos_atendimento", (1..=TYPES_MAX).map(label).collect::<Vec<_>>())
        }
        "status_atendimento" => {
            let status = |(id, descricao, prefixo): &(i64, &str, &str)| json!({"id_atendimento_status": id, "descricao": descricao, "prefixo": prefixo});
            ("status_atendimento", STATUSES.iter().map(status).collect())
        }
        "origem_contato" => {
            let origin = |(id, descricao)| json!({"id_origem_contato": id, "descricao": descricao});
            ("origem_contatos", ORIGINS.map(origin).to_vec())
        }
        "tipo_ordem_servico" => {
            let kind = json!({"id_tipo_ordem_servico": 1, "descricao": "ABERTURA VIA API", "destino": "cliente_servico"});
            ("tipo_ordem_servicos", vec![kind])
        }
        _ => return unknown_route(),
    };
    let body =
        json!({"status": "success", "msg": "Dados consultados com sucesso", list: items, "encrypted": false});
    Response::json(200, body.to_string())
}

pub(super) fn unknown_route() -> Response {
    Response::json(404, r#"{"message":"The route could not be found."}"#)
}

fn type_label(id: i64) -> String {
    let name = usize::try_from(id - 1).ok().and_then(|at| TYPE_NAMES.get(at));
    name.map_or_else(|| format!("TIPO {id}"), |name| (*name).to_owned())
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Fields {
    id_cliente_servico: Value,
    id_tipo_atendimento: Value,
    id_atendimento_status: Value,
    id_origem_contato: Value,
    descricao: Value,
    nome: Value,
    telefone: Value,
    email: Value,
    abrir_os: Value,
    parametros_fechamento: Value,
}

/// Reads a post as HubSoft does: `Err` is its refusal, which it sends with HTTP 200.
pub(super) fn read_ticket(body: &[u8], options: &SandboxOptions) -> Result<NewTicket, Response> {
    let fields: Fields = serde_json::from_slice(body).unwrap_or_default();
    let mut errors = Vec::new();
    let required = [
        (&fields.id_cliente_servico, "id cliente servico"),
        (&fields.descricao, "descricao"),
        (&fields.nome, "nome"),
        (&fields.telefone, "telefone"),
    ];
    for (value, name) in required {
        if text(value).is_none_or(|text| text.trim().is_empty()) {
            errors.push(format!("O campo {name} é obrigatório."));
        }
    }
    let mut wrong_type = |value: &Value, name: &str| {
        if !value.is_null() && integer(value).is_none() {
            errors.push(format!("O campo {name} deve ser do tipo integer"));
        }
    };
    wrong_type(&fields.id_cliente_servico, "id_cliente_servico");
    wrong_type(&fields.id_tipo_atendimento, "id_tipo_atendimento");
    wrong_type(&fields.id_atendimento_status, "id_atendimento_status");
    wrong_type(&fields.id_origem_contato, "id_origem_contato");
    if text(&fields.telefone).is_some_and(|phone| !phone.trim().is_empty() && phone.chars().count() < 10) {
        errors.push("O campo telefone deverá conter no mínimo 10 caracteres".to_owned());
    }
    if text(&fields.email).is_some_and(|address| !address.contains('@')) {
        errors.push("O campo email deverá conter um endereço de e-mail válido.".to_owned());
    }
    let abrir_os = match fields.abrir_os {
        Value::Null => false,
        Value::Bool(asked) => asked,
        _ => {
            errors.push("O campo abrir os deverá ser verdadeiro ou falso.".to_owned());
            false
        }
    };
    if !errors.is_empty() {
        return Err(refusal(
            "Favor preencher os campos obrigatórios de acordo com as especificações",
            &errors,
        ));
    }
    let service = integer(&fields.id_cliente_servico).unwrap_or_default();
    let tipo = integer(&fields.id_tipo_atendimento).unwrap_or(1);
    let status = integer(&fields.id_atendimento_status).unwrap_or(1);
    let origin = integer(&fields.id_origem_contato);
    let unknown = [
        ((1..=options.services_max).contains(&service), "id cliente servico"),
        ((1..=TYPES_MAX).contains(&tipo), "id tipo atendimento"),
        (STATUSES.iter().any(|(id, ..)| *id == status), "id atendimento status"),
        (origin.is_none_or(|asked| ORIGINS.iter().any(|(id, _)| *id == asked)), "id origem contato"),
    ];
    for (_, name) in unknown.into_iter().filter(|(known, _)| !known) {
        errors.push(format!("O valor selecionado para o campo {name} é inválido."));
    }
    if !errors.is_empty() {
        return Err(refusal("Os dados fornecidos são inválidos", &errors));
    }
    let descricao = text(&fields.descricao).unwrap_or_default();
    Ok(NewTicket { service, tipo, descricao, abrir_os, closed: !fields.parametros_fechamento.is_null() })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn refusal(msg: &str, errors: &[String]) -> Response {
    Response::json(200, json!({"status": "error", "msg": msg, "errors": errors}).to_string())
}

pub(super) fn opened(index: usize, ticket: &Ticket) -> Response {
    let also = if ticket.abrir_os {
        " Foi aberto também uma ordem de serviço e encaminhada ao sertor responsável"
    } else {
        ""
    };
    let mut body = String::with_capacity(1_024);
    let protocolo = ticket.protocolo(index);
    body.push_str(r#"{"status":"success","msg":"Atendimento aberto com sucesso. Anote o protocolo: "#);
    body.extend([&*protocolo, ".", also, r#"","atendimento":"#]);
    write_ticket(&mut body, index, &protocolo, ticket, "");
    body.push('}');
    Response::json(200, body)
}

/// `quote` stands around the service's id: HubSoft shows it as text in look-ups.
fn write_ticket(body: &mut String, index: usize, protocolo: &str, ticket: &Ticket, quote: &str) {
    let text = serde_json::to_string(&format!("{}{SUFFIX}", ticket.descricao)).unwrap_or_default();
    let (id, local, service) = (index + 1, ticket.local(), ticket.service);
    let day = local.strftime("%d/%m/%Y").to_string();
    let closed = if ticket.closed { format!("\"{day}\"") } else { "null".to_owned() };
    let label = type_label(ticket.tipo);
    let orders = if ticket.abrir_os {
        let at = local.strftime("%d/%m/%Y %H:%M:%S");
        format!(
            r#"{{"id_ordem_servico":{id},"numero_ordem_servico":"{id}","data_cadastro":"{at}","tipo":"ABERTURA VIA API","descricao_abertura":{text},"status":"aguardando_agendamento"}}"#
        )
    } else {
        String::new()
    };
    let written = write!(
        body,
        r#"{{"id_atendimento":{id},"protocolo":"{protocolo}","descricao_abertura":{text},"descricao_fechamento":null,"tipo_atendimento":"{label}","usuario_abertura":"SANDBOX","usuario_responsavel":"SAC (Atendimento)","usuario_fechamento":null,"data_cadastro":"{day}","data_fechamento":{closed},"setor_responsavel":null,"status_fechamento":null,"motivo_fechamento":null,"status":"Aguardando Análise","rascunho":null,"cliente":{{"codigo_cliente":{service},"nome_razaosocial":"CLIENTE {service}","cpf_cnpj":"00000000000"}},"servico":{{"id_cliente_servico":{quote}{service}{quote},"numero_plano":1,"nome":"FIBRA 500MB","valor":99.9,"status":"Serviço Habilitado","status_prefixo":"servico_habilitado"}},"ordens_servico":[{orders}]}}"#
    );
    written.expect("writing into memory cannot fail");
}

pub(super) fn look_up(query: &str, books: &Books, options: &SandboxOptions, at: Duration) -> Response {
    let asked = |name| parameter(query, name).filter(|value| !value.is_empty());
    let or = |name, default: &str| asked(name).unwrap_or_else(|| default.to_owned());
    let mut errors = Vec::new();
    let term = asked("termo_busca").unwrap_or_else(|| {
        errors.push("O campo termo_busca é obrigatório.".to_owned());
        String::new()
    });
    let limit = or("limit", "20").parse().ok().filter(|n| (1..=50).contains(n)).unwrap_or_else(|| {
        errors.push("O campo limit não contém um valor válido.".to_owned());
        20
    });
    let (busca, pending, order) = (or("busca", ""), or("apenas_pendente", "sim"), or("order_type", "asc"));
    let allowed = [
        (&busca, "busca", &["id_cliente_servico", "codigo_cliente", "cpf_cnpj", "protocolo"][..]),
        (&pending, "apenas_pendente", &["sim", "nao"]),
        (&order, "order_type", &["asc", "desc"]),
        (&or("order_by", "data_cadastro"), "order_by", &["data_cadastro", "data_fechamento"]),
    ];
    for (_, name, _) in allowed.into_iter().filter(|(value, _, known)| !known.contains(&value.as_str())) {
        errors.push(format!("O campo {name} não contém um valor válido."));
    }
    if !errors.is_empty() {
        return refusal("Favor preencher os campos obrigatórios de acordo com as especificações", &errors);
    }
    let (from, to) = (asked("data_inicio"), asked("data_fim"));
    let wanted = |(_, ticket): &(usize, &Ticket)| {
        let day = ticket.local().date().to_string();
        !(pending == "sim" && ticket.closed)
            && from.as_ref().is_none_or(|from| *from <= day)
            && to.as_ref().is_none_or(|to| day <= *to)
    };
    let mut found: Vec<(usize, &Ticket)> = match busca.as_str() {
        "protocolo" => books.by_protocolo(&term, at).into_iter().filter(wanted).collect(),
        // Here every customer has one service, of the same number.
        _ => books.of_service(term.parse().unwrap_or_default(), at).filter(wanted).collect(),
    };
    if order == "asc" {
        found.reverse();
    }
    found.truncate(limit);
    if found.is_empty() && options.nothing == Nothing::Error {
        return Response::json(200, r#"{"status":"error","msg":"Nenhum atendimento encontrado"}"#);
    }
    // The vendor's own spelling on this route.
    let mut body =
        String::from(r#"{"status":"suscess","msg":"Dados consultados com sucesso","atendimentos":["#);
    for (n_written, (index, ticket)) in found.into_iter().enumerate() {
        if n_written != 0 {
            body.push(',');
        }
        write_ticket(&mut body, index, &ticket.protocolo(index), ticket, "\"");
    }
    body.push_str("]}");
    Response::json(200, body)
}

/// An exception that HubSoft's own handler did not catch.
pub(super) fn exception() -> Response {
    let body = json!({
        "status": "error", "msg": "Ocorreu um erro inesperado", "code": 0, "line": 215,
        "description": "SQLSTATE[40P01]: Deadlock detected", "file": "/var/www/hubsoft/app/Atendimento.php",
        "error_type": "QueryException", "trace": [{"file": "/var/www/hubsoft/vendor/x.php", "line": 1}],
    });
    Response::json(200, body.to_string())
}
