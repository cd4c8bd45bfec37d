//! Which batch a file belongs to, at which HubSoft, and what a person is asked before anything is sent.

mod hosts;
mod same;
mod shared;

use std::fmt::Write;

use crate::support::site::Site;

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone;abrir_os\n";

/// Lines for these services.
fn rows(services: impl IntoIterator<Item = u32>) -> String {
    let mut text = HEADER.to_owned();
    for n in services {
        writeln!(text, "{};Sem conexão na rua {n};Cliente {n};(37) 99911-{n:04};não", 11_000 + n).unwrap();
    }
    text
}

/// How many tickets there are, and how many of them are second ones.
fn tickets(site: &Site) -> (usize, usize) {
    let audit = site.audit();
    (audit.tickets as usize, audit.duplicates.len())
}
