//! Why rows were not opened: what is alike is told once, with how often it stands.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::shared::Shared;
use crate::support::postgres::Database;
use crate::support::site::Site;

/// A batch `queda` with `rows`, in a file and at a server; the first of them is line 2.
async fn both(rows: &str) -> [(Site, Shared); 2] {
    let (at_home, at_server) = (Site::new(""), Site::new(""));
    let file = Shared::file(&at_home);
    let both = [(at_home, file), (at_server, Shared::Server(Box::new(Database::fresh().await)))];
    for (site, outbox) in &both {
        site.write("queda.csv", format!("referencia;id_cliente_servico;descricao;nome;telefone\n{rows}"));
        let taken = site.run_at(&outbox.url(), &["enqueue", "queda.csv", "--batch", "queda"]);
        assert!(matches!(taken.code, Some(0 | 3)), "{}", taken.stderr);
    }
    both
}

/// The reasons of the batch, and how often others stand.
fn told(site: &Site, outbox: &Shared) -> (Value, Value) {
    let batch =
        &mut site.run_at(&outbox.url(), &["status", "queda", "--json"]).expect(0).json()["batches"][0];
    (batch["reasons"].take(), batch["reasons_others"].take())
}

async fn refuse(outbox: &Shared, line: usize, words: &str) {
    let sql = format!(
        "UPDATE mutirao.outbox SET state = 'rejected', error_code = 'refused', error_message = '{words}' WHERE line = {line}"
    );
    outbox.sql(&sql).await;
}

#[tokio::test]
async fn rows_are_told_by_their_reasons_the_commonest_first() {
    let rows = "a;11001;Sem sinal;Ana;37999112201\nb;11002;Sem sinal;Ana;37999112202\n\
                c;11003;Sem sinal;Ana;37999112203\nd;11004;Sem sinal;Ana;37999112204\n\
                e;11005;Sem sinal;Ana;37999112205\nf;11006;Sem sinal;Ana;37999112206\n\
                g;x;Sem sinal;Bia;1\nh;11008;Sem sinal;Caio;2\ni;11009;Sem sinal;Davi;37999112209\n\
                j;11009;Sem sinal;Davi;37999112209\n";
    for (site, outbox) in &both(rows).await {
        for (line, words) in [
            (2, "Serviço 11001 não encontrado, cliente 7"),
            (3, "Serviço 11002 não encontrado, cliente 12"),
            (4, "Serviço 11003 não encontrado, cliente 9"),
            (5, "Serviço 1 não encontrado, cliente 1"),
            (6, "Limite de 10 atendimentos"),
            (7, "Limite de 10 atendimentos"),
        ] {
            refuse(outbox, line, words).await;
        }
        let (reasons, n_others) = told(site, outbox);
        let rows = |rows: &[(u64, &str)]| -> Vec<Value> {
            rows.iter().map(|(line, name)| json!({"line": line, "referencia": name})).collect()
        };
        let expected = json!([
            {
                "state": "rejected", "code": "refused", "field": null, "n_rows": 4,
                "message": "Serviço # não encontrado, cliente #", "examples": rows(&[(2, "a"), (3, "b"), (4, "c")]),
            },
            {
                "state": "rejected", "code": "refused", "field": null, "n_rows": 2,
                "message": "Limite de 10 atendimentos", "examples": rows(&[(6, "e"), (7, "f")]),
            },
            {
                "state": "invalid", "code": "phone_length", "field": "telefone", "n_rows": 2,
                "message": "a phone is a DDD (2 digits) and 8 digits (landline) or 9 digits (mobile)",
                "examples": rows(&[(8, "g"), (9, "h")]),
            },
            {
                "state": "invalid", "code": "not_an_id", "field": "id_cliente_servico", "n_rows": 1,
                "message": "not a whole number", "examples": rows(&[(8, "g")]),
            },
            {
                "state": "skipped", "code": "repeat", "field": null, "n_rows": 1,
                "message": "the same service, type and description as line 10", "examples": rows(&[(11, "j")]),
            },
        ]);
        assert_eq!((reasons, n_others), (expected, json!(0)), "{}", outbox.url());
    }
}

#[tokio::test]
async fn reasons_are_told_up_to_a_bound_and_the_others_are_counted() {
    let mut rows = String::new();
    for n in 1..=23 {
        writeln!(rows, "r{n};{};Sem sinal;Ana;37999112201", 11_000 + n).unwrap();
    }
    for (site, outbox) in &both(&rows).await {
        for n in 0..22_u8 {
            refuse(outbox, usize::from(n) + 2, &format!("motivo {}", char::from(b'a' + n))).await;
        }
        refuse(outbox, 24, "motivo v").await;
        let (reasons, n_others) = told(site, outbox);
        let reasons = reasons.as_array().unwrap();
        assert_eq!((reasons.len(), &n_others), (20, &json!(2)), "{}", outbox.url());
        assert_eq!((&reasons[0]["message"], &reasons[0]["n_rows"]), (&json!("motivo v"), &json!(2)));
        assert_eq!(reasons[19]["message"], "motivo s");
    }
}

#[test]
fn a_purge_takes_what_hubsoft_said_from_the_summary() {
    let site = Site::new("");
    site.write("queda.csv", "id_cliente_servico;descricao;nome;telefone;id_tipo_atendimento\n11001;Sem sinal;Ana;37999112201;101\n");
    site.run(&["import", "queda.csv", "--rate", "unlimited", "--yes"]).expect(3);
    let summary = || -> Value { serde_json::from_str(&site.read("queda.mutirao/summary.json")).unwrap() };
    let reason = summary()["reasons"][0].take();
    assert!(reason["message"].as_str().unwrap().contains("tipo"), "{reason}");
    site.run(&["purge", "--older-than", "0s"]).expect(0);
    let reason = summary()["reasons"][0].take();
    assert_eq!((&reason["message"], &reason["state"]), (&Value::Null, &json!("rejected")));
    assert_eq!(summary()["counts"]["rejected"], 1);
}
