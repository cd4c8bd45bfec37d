//! The list of all tickets of the tenant, page by page: ids instead of labels, and no texts.

use std::fmt::Write;
use std::time::Duration;

use super::books::{Books, Ticket};
use super::http::{Response, parameter};
use super::options::SandboxOptions;
use super::routes::{STATUSES, refusal};

/// The longest page, whatever the options.
const PAGE_LEN_MAX: usize = 500;

/// Of tickets that are open, and of those that are closed.
const OPEN: i64 = STATUSES[0].0;
const CLOSED: i64 = STATUSES[2].0;

pub(super) fn page(query: &str, books: &Books, options: &SandboxOptions, at: Duration) -> Response {
    if options.list_max == 0 {
        return Response::json(403, r#"{"message":"This action is unauthorized."}"#);
    }
    let asked = |name| parameter(query, name).filter(|value| !value.is_empty());
    let number = |name| asked(name).and_then(|value| value.parse::<usize>().ok());
    let page_len = number("itens_por_pagina").filter(|len| (1..=PAGE_LEN_MAX).contains(len));
    let (Some(page), Some(page_len), Some(from), Some(to)) =
        (number("pagina"), page_len, asked("data_inicio"), asked("data_fim"))
    else {
        let said = "O campo pagina, itens_por_pagina, data_inicio ou data_fim não contém um valor válido.";
        return refusal("Os dados fornecidos são inválidos", &[said.to_owned()]);
    };
    if options.list_max < page_len {
        return Response::html(504, "<html>504 Gateway Time-out</html>");
    }
    let ids = |name| asked(name).map(|ids| ids.split(',').filter_map(|id| id.trim().parse().ok()).collect());
    let (types, statuses): (Option<Vec<i64>>, Option<Vec<i64>>) =
        (ids("tipo_atendimento"), ids("status_atendimento"));
    let wanted = |(_, ticket): &(usize, &Ticket)| {
        let day = ticket.local().date().to_string();
        let status = if ticket.closed { CLOSED } else { OPEN };
        (from.as_str()..=to.as_str()).contains(&day.as_str())
            && types.as_ref().is_none_or(|types| types.contains(&ticket.tipo))
            && statuses.as_ref().is_none_or(|statuses| statuses.contains(&status))
    };
    let all: Vec<(usize, &Ticket)> = books.all(at).filter(wanted).collect();
    let last = all.len().div_ceil(page_len).saturating_sub(1);
    let mut body = format!(
        r#"{{"status":"success","msg":"Dados consultados com sucesso","paginacao":{{"primeira_pagina":0,"ultima_pagina":{last},"pagina_atual":{page},"total_registros":{}}},"atendimentos":["#,
        all.len()
    );
    let shown = all.into_iter().skip(page.saturating_mul(page_len)).take(page_len);
    for (n_written, (index, ticket)) in shown.enumerate() {
        if n_written != 0 {
            body.push(',');
        }
        write_ticket(&mut body, index, ticket);
    }
    body.push_str("]}");
    Response::json(200, body)
}

fn write_ticket(body: &mut String, index: usize, ticket: &Ticket) {
    let (id, protocolo, local) = (index + 1, ticket.protocolo(index), ticket.local());
    let at = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let closed = if ticket.closed { format!("\"{at}\"") } else { "null".to_owned() };
    let status = if ticket.closed { CLOSED } else { OPEN };
    let (tipo, service, n_orders) = (ticket.tipo, ticket.service, usize::from(ticket.abrir_os));
    let written = write!(
        body,
        r#"{{"id_atendimento":{id},"id_atendimento_status":{status},"id_tipo_atendimento":{tipo},"id_cliente_servico":{service},"id_usuario_responsavel":null,"protocolo":"{protocolo}","data_cadastro":"{at}","data_fechamento":{closed},"rascunho":false,"status_fechamento":null,"descricao_fechamento":null,"ordem_servico_count":{n_orders},"status":{{"id_atendimento_status":{status}}}}}"#
    );
    written.expect("writing into memory cannot fail");
}
