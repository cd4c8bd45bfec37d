//! The sandbox' customers: who he is, and which services he has, follows from his number.

use serde_json::{Value, json};

use super::http::{Response, parameter};
use super::options::{Nothing, SandboxOptions};
use super::routes::refusal;

/// Of the customers whose numbers end in these: the others have one service each, and no name.
const FAILS: i64 = 92;
const UNREADABLE: i64 = 93;
const REFUSED: i64 = 94;
const NAMED: i64 = 95;
const WITHOUT_SERVICE: i64 = 96;
const CANCELLED: i64 = 97;
const WITH_TWO: i64 = 98;
const WITH_A_CANCELLED: i64 = 99;

/// What the second service of a customer has more than the first, whose number is the customer's.
const SECOND: i64 = 500_000_000;

/// Answers `GET …/cliente`.
pub(super) fn search(query: &str, options: &SandboxOptions) -> Response {
    let asked = |name| parameter(query, name).filter(|value| !value.is_empty());
    let Some(busca) = asked("busca") else {
        let body = json!({"status": "error", "msg": "Favor preencher o atributo (busca)"});
        return Response::json(400, body.to_string());
    };
    let mut errors = Vec::new();
    let term = asked("termo_busca").unwrap_or_default();
    if term.is_empty() {
        errors.push("O campo termo_busca é obrigatório.".to_owned());
    }
    if !["codigo_cliente", "cpf_cnpj"].contains(&busca.as_str()) {
        errors.push("O campo busca não contém um valor válido.".to_owned());
    }
    if asked("limit").is_some_and(|limit| !limit.parse().is_ok_and(|n| (1..=100).contains(&n))) {
        errors.push("O limite máximo de resultados é de 100 itens".to_owned());
    }
    if !errors.is_empty() {
        return refusal("Favor preencher os campos obrigatórios de acordo com as especificações", &errors);
    }
    let with_cancelled = asked("cancelado").is_some_and(|value| value == "sim");
    let codigo = if busca == "codigo_cliente" { term.parse().ok() } else { of_document(&term) };
    let found = codigo.filter(|codigo| (1..=options.services_max).contains(codigo));
    match found.map(|codigo| codigo % 100) {
        Some(REFUSED) => return refusal("Cliente bloqueado para consulta", &[]),
        Some(FAILS) => return Response::json(500, r#"{"message":"Server Error"}"#.to_owned()),
        _ => {}
    }
    let body = match found {
        None if options.nothing == Nothing::Error => {
            json!({"status": "error", "msg": "Nenhum cliente encontrado"})
        }
        None => json!({"status": "success", "msg": "Dados consultados com sucesso", "clientes": []}),
        Some(codigo) => {
            let document = if busca == "cpf_cnpj" { term } else { cpf(codigo) };
            let clientes = [customer(codigo, &document, with_cancelled)];
            json!({"status": "success", "msg": "Dados consultados com sucesso", "clientes": clientes})
        }
    };
    Response::json(200, body.to_string())
}

fn customer(codigo: i64, document: &str, with_cancelled: bool) -> Value {
    let kind = codigo % 100;
    let mut services = vec![service(codigo, 1, "FIBRA 500MB", kind != CANCELLED)];
    match kind {
        WITHOUT_SERVICE => services.clear(),
        WITH_TWO => services.push(service(codigo + SECOND, 2, "FIBRA 300MB", true)),
        UNREADABLE => services.push(json!({"nome": "FIBRA 300MB"})),
        WITH_A_CANCELLED => services.push(service(codigo + SECOND, 2, "FIBRA 300MB", false)),
        _ => {}
    }
    services.retain(|service| with_cancelled || service["status_prefixo"] != "cancelado");
    let name = (kind == NAMED).then_some("JOSÉ DA CONCEIÇÃO GONÇALVES");
    json!({
        "id_cliente": codigo + 1_000, "codigo_cliente": codigo, "nome_razaosocial": name, "nome_fantasia": null,
        "tipo_pessoa": if document.len() == 14 { "pj" } else { "pf" }, "cpf_cnpj": document,
        "servicos": services,
    })
}

fn service(id: i64, number: i64, plan: &str, is_active: bool) -> Value {
    let (status, prefix) =
        if is_active { ("Serviço Habilitado", "servico_habilitado") } else { ("Cancelado", "cancelado") };
    json!({
        "id_cliente_servico": id, "numero_plano": number, "nome": plan, "valor": 99.9, "status": status,
        "status_prefixo": prefix,
    })
}

/// Whose document it is: the customer's number stands in its first nine digits, or eight of a CNPJ.
fn of_document(document: &str) -> Option<i64> {
    let n_own = match document.len() {
        11 => 9,
        14 => 8,
        _ => return None,
    };
    document.get(..n_own)?.parse().ok()
}

/// The customer's CPF: his number, and the two digits that prove it.
fn cpf(codigo: i64) -> String {
    let mut digits = format!("{:09}", codigo % 1_000_000_000);
    for _ in 0..2 {
        let weights = 2..=digits.len() + 1;
        let sum: usize =
            digits.bytes().rev().zip(weights).map(|(b, weight)| usize::from(b - b'0') * weight).sum();
        digits.push_str(
            &match sum % 11 {
                0 | 1 => 0,
                rest => 11 - rest,
            }
            .to_string(),
        );
    }
    digits
}
