//! With Postgres: no byte of a ticket leaves before the server has said that its claim is committed. (That
//! such a commit waits for the server's disk whatever its default: `outbox_postgres::pins`.)

use std::collections::HashMap;
use std::fmt::Write;

use memchr::memmem::{find, rfind};

use super::record::{self, Step, record};
use crate::support::postgres::Database;
use crate::support::site::Site;

const N_ROWS: usize = 60;

/// What a session answers to `COMMIT`.
const COMMITTED: &[u8] = b"COMMIT\0";

/// Stands in the text of a row and of no other.
fn name(n: usize) -> String {
    format!("caso {n:04} fim")
}

#[tokio::test]
async fn no_byte_of_a_ticket_leaves_before_its_claim_is_committed() {
    if !record::is_possible() {
        return;
    }
    let (site, database) = (Site::new(""), Database::fresh().await);
    let mut sheet = "id_cliente_servico;descricao;nome;telefone\n".to_owned();
    for n in 1..=N_ROWS {
        writeln!(sheet, "{};Sem sinal, {};Cliente;37999112201", 11_000 + n, name(n)).unwrap();
    }
    site.write("queda.csv", sheet);
    let mut command = site.command(&["import", "queda.csv", "--yes", "--rate", "unlimited"]);
    command.env("DATABASE_URL", database.url());
    let (ended, record) = record(&site, command);
    ended.expect(0);
    assert_eq!(record.steps.iter().filter(|step| step.is_post()).count(), N_ROWS);
    assert_eq!(too_early(&record.steps, COMMITTED), Vec::<usize>::new());
    // A worker that does not wait for it is seen: one whose server never said so.
    assert_eq!(too_early(&record.steps, b"NOTHING\0").len(), N_ROWS);
}

/// What a session of the database has said so far, and when how much of it had come.
#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    came: Vec<(usize, usize)>,
}

/// The rows that left when their session had not told of a commit since it handed them out.
fn too_early(steps: &[Step], committed: &[u8]) -> Vec<usize> {
    let mut sessions: HashMap<u64, Said> = HashMap::new();
    let mut early = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Received { socket, data } => {
                let said = sessions.entry(*socket).or_default();
                said.bytes.extend(data);
                said.came.push((said.bytes.len(), at));
            }
            Step::Sent { data } if step.is_post() => {
                let n = (1..=N_ROWS).find(|n| find(data, name(*n).as_bytes()).is_some()).expect("a row");
                let handed_out = sessions.values().filter_map(|said| {
                    let from = rfind(&said.bytes, name(n).as_bytes())?;
                    let (_, came) = said.came.iter().find(|(len, _)| from < *len)?;
                    Some((came, &said.bytes[from..]))
                });
                let (_, since) = handed_out.max_by_key(|(came, _)| **came).expect("the database had it");
                if find(since, committed).is_none() {
                    early.push(n);
                }
            }
            _ => {}
        }
    }
    early
}
