//! A claim at a million rows must not look at a million rows, whatever the planner believes of them.

use std::time::{Duration, Instant};

use mutirao::delivery::{Change, ClaimRequest, End, OpenedTicket, Outbox, Settle};
use mutirao::outbox::Scope;
use mutirao::outbox::postgres::PgOutbox;

use super::bench::{Fresh, register};
use crate::outbox_conformance::at;

const N_ROWS: usize = 1000;

#[tokio::test]
async fn work_costs_the_same_whatever_lies_in_the_table() {
    let it = Fresh::new().await;
    it.execute("ALTER TABLE mutirao.outbox SET (autovacuum_enabled = false)").await;
    load(&it).await;
    it.execute("VACUUM ANALYZE mutirao.outbox").await;
    work(&it, "nothing else, and statistics of rows that all wait").await;
    check(&it, "hardly anything else").await;
    it.execute("ANALYZE mutirao.outbox").await;
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at, state, protocolo,
                                     id_atendimento, attempts, sent_at, finished_at)
         SELECT n::text, 'x', 'Maria', '37999998888', '2023-01-01', 'opened', n::text, n, 1, now(), now()
           FROM generate_series(1000001, 2000000) n",
    )
    .await;
    check(&it, "a million finished rows, and statistics of before").await;
    it.execute("VACUUM ANALYZE mutirao.outbox").await;
    check(&it, "a million finished rows, and their statistics").await;
    load(&it).await;
    it.execute("VACUUM ANALYZE mutirao.outbox").await;
    work(&it, "a million finished rows, and statistics of rows that all wait").await;
}

/// A thousand rows through claim, settle, backlog and recovery.
async fn check(it: &Fresh, when: &str) {
    load(it).await;
    work(it, when).await;
}

async fn load(it: &Fresh) {
    it.execute(
        "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, available_at)
         SELECT (extract(epoch FROM clock_timestamp()) * 1000000 + n)::bigint::text, 'x', 'Maria', '37999998888', '2023-01-01'
           FROM generate_series(1, 1000) n",
    )
    .await;
}

async fn work(it: &Fresh, when: &str) {
    let before = Reads::of(it).await;
    let outbox = PgOutbox::open(&it.database.url()).await.expect("it opens");
    let worker = register(&outbox).await;
    let queue = worker.queue(Scope::All);
    assert_eq!(queue.recover(at(1)).await.expect("it recovers"), 0);
    let mut n_claimed = 0;
    loop {
        let want = ClaimRequest { now: at(1), posts: 400, look_ups: 1, end: End::Front };
        let claimed = queue.claim(want).await.expect("it claims");
        if claimed.claims.is_empty() {
            break;
        }
        n_claimed += claimed.claims.len();
        let settles: Vec<Settle> = claimed
            .claims
            .iter()
            .map(|claim| Settle {
                label: Default::default(),
                row: claim.row,
                token: claim.token,
                change: Change::Opened {
                    opening: OpenedTicket {
                        protocolo: claim.row.0.to_string(),
                        id_atendimento: 10_000_000 + claim.row.0,
                        ids_ordem_servico: vec![],
                        numeros_ordem_servico: vec![],
                    },
                    attempts: 1,
                    warnings: Vec::new(),
                },
                attempt: None,
            })
            .collect();
        queue.settle(&settles).await.expect("it settles");
    }
    assert_eq!(n_claimed, N_ROWS);
    // What a connection read is told at the latest when it ends.
    outbox.close().await;
    let after = Reads::after(it, before.updates + 2 * N_ROWS as i64).await;
    assert_eq!(after.whole_scans - before.whole_scans, 0, "{when}: the table is read from end to end");
    let n_entries = after.index_entries - before.index_entries;
    assert!(n_entries < 30 * N_ROWS as i64, "{when}: {n_entries} index entries for {N_ROWS} rows");
}

/// What was read of the outbox so far.
struct Reads {
    whole_scans: i64,
    index_entries: i64,
    updates: i64,
}

impl Reads {
    async fn of(it: &Fresh) -> Self {
        let sql = "SELECT seq_scan, n_tup_upd,
                          (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes i WHERE i.relid = t.relid)
                     FROM pg_stat_user_tables t WHERE relid = 'mutirao.outbox'::regclass";
        let (whole_scans, updates, index_entries) =
            sqlx::query_as(sql).fetch_one(&mut it.sql().await).await.expect("it counts");
        Self { whole_scans, index_entries, updates }
    }

    /// Once the server has counted so many updates.
    async fn after(it: &Fresh, updates: i64) -> Self {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let reads = Self::of(it).await;
            if updates <= reads.updates {
                return reads;
            }
            assert!(Instant::now() < deadline, "the server counts {} updates", reads.updates);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
