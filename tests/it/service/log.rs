//! `--log-format json`: for machines, all of it, and nothing of people.

use serde_json::Value;

use crate::support::postgres::Database;
use crate::support::site::Site;

/// Rows of a program: one that is opened, one that is invalid, one that HubSoft refuses.
const ROWS: &str = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, email) VALUES
    ('11', 'Sem sinal na rua Ipiranga', 'Maria Aparecida', '37999112201', 'maria@example.com'),
    ('12', 'Sem sinal na rua Ipiranga', 'Maria Aparecida', '9112201', 'maria@example.com'),
    ('5000', 'Sem sinal na rua Ipiranga', 'Maria Aparecida', '37999112201', 'maria@example.com')";

#[tokio::test]
async fn every_line_is_json_and_a_rows_lines_are_found_by_its_id() {
    let (site, database) = (Site::new("services_max=100"), Database::fresh().await);
    let mut conn = database.connect().await;
    sqlx::raw_sql(ROWS).execute(&mut conn).await.unwrap();
    let url = database.url();
    let mut command =
        site.command(&["worker", "--until-empty", "-vv", "--log-format", "json", "--database-url", &url]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");

    let lines: Vec<Value> = said.lines().map(|it| serde_json::from_str(it).expect(it)).collect();
    assert!(lines.iter().all(|it| it["message"].is_string() && it["level"].is_string()), "{said}");
    let rows: Vec<(i64, String, String, String)> =
        sqlx::query_as("SELECT id, state, lote, referencia FROM mutirao.outbox ORDER BY id")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    let states: Vec<&str> = rows.iter().map(|it| &*it.1).collect();
    assert_eq!(states, ["opened", "invalid", "rejected"]);
    for (id, state, lote, referencia) in &rows {
        let of_row: Vec<&Value> = lines.iter().filter(|it| it["row.id"] == *id).collect();
        assert_eq!(of_row.last().map(|it| &it["state"]), Some(&Value::from(&**state)), "{said}");
        let named = |it: &&Value| it["lote"] == lote.as_str() && it["referencia"] == referencia.as_str();
        assert!(of_row.iter().all(named), "a producer knows its row by lote and referencia: {said}");
    }
    let token = command.get_envs().find(|it| it.0 == "HUBSOFT_TOKEN").unwrap().1.unwrap().to_str().unwrap();
    for secret in ["Ipiranga", "Aparecida", "9112201", "maria@example.com", token] {
        assert!(!said.contains(secret), "`{secret}` is in the log: {said}");
    }
}

#[test]
fn a_failure_is_a_line_too() {
    let ended = Site::new("").run(&["worker", "--log-format", "json"]).expect(2);
    let line: Value = serde_json::from_str(ended.stderr.trim()).unwrap();
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().unwrap().contains("no outbox is named"), "{line}");
}

/// Seen: nothing was said of it, and the run ended as if all was well.
#[tokio::test]
async fn a_row_that_may_have_a_ticket_and_cannot_be_read_any_more_has_its_line() {
    let (site, database) = (Site::new(""), Database::fresh().await);
    let (mut conn, url) = (database.connect().await, database.url());
    sqlx::raw_sql(ROWS).execute(&mut conn).await.unwrap();
    let run = || {
        site.run_at(&url, &["worker", "--until-empty", "-v", "--log-format", "json", "--rate", "unlimited"])
    };
    run().expect(3);
    let blank = "UPDATE mutirao.outbox SET descricao = '', state = 'pending' WHERE service = 11";
    sqlx::raw_sql(blank).execute(&mut conn).await.unwrap();
    // Each start looks again at what is unconfirmed.
    for _ in 0..2 {
        let said = run().expect(7).stderr;
        let lines: Vec<Value> = said.lines().map(|it| serde_json::from_str(it).expect(it)).collect();
        let line = lines.iter().find(|it| it["row.id"] == 1).unwrap_or_else(|| panic!("no line: {said}"));
        assert_eq!((&line["state"], &line["code"]), (&"unconfirmed".into(), &"unreadable".into()), "{said}");
        assert!(said.contains("1 unconfirmed"), "{said}");
    }
    // As the runbook says.
    let protocolo = "SELECT protocolo FROM mutirao.outbox WHERE id = 1 AND state = 'unconfirmed'";
    let protocolo: String = sqlx::query_scalar(protocolo).fetch_one(&mut conn).await.unwrap();
    site.run_at(&url, &["resolve", "1", "--opened", &protocolo]).expect(0);
    assert_eq!(site.audit().tickets, 2);
}

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

/// They may tell of a customer. On a screen a person sees them.
#[test]
fn hubsofts_words_at_a_halt_are_not_in_the_log() {
    let site = Site::new("services_max=100");
    let rows: String = (0..6).map(|n| format!("50{n:02};Sem sinal {n};Ana;37 99911-22{n:02}\n")).collect();
    site.write("queda.csv", format!("{HEADER}{rows}"));
    let log = site.run(&["import", "queda.csv", "--log-format", "json"]).expect(6);
    let words = site.table("queda.mutirao/results.csv")[0]["error_message"].clone();
    assert!(10 < words.len(), "{words}");
    assert!(log.stderr.contains("same_refusal") && !log.stderr.contains(&words), "{}", log.stderr);
    site.write("outra.csv", format!("{HEADER}{}", rows.replace("sinal", "luz")));
    let seen = site.run(&["import", "outra.csv"]).expect(6);
    assert!(seen.stderr.contains(&words), "{}", seen.stderr);
}

#[test]
fn each_v_says_what_help_says_and_a_pipe_has_no_colours() {
    let site = Site::new("");
    for (name, flags, rows, requests) in [
        ("a", &[][..], false, false),
        ("b", &["-v"], true, false),
        ("c", &["-vv", "--color", "never"], true, true),
    ] {
        site.write(&format!("{name}.csv"), format!("{HEADER}11000;Sem sinal {name};Ana;37 99911-2233\n"));
        let file = format!("{name}.csv");
        let args = [&["import", &file][..], flags].concat();
        let said = site.run(&args).expect(0).stderr;
        assert_eq!(said.contains(" is opened"), rows, "{said}");
        assert_eq!(said.contains("POST /") && said.contains(": 200 after "), requests, "{said}");
        assert!(!said.contains('\u{1B}'), "{said:?}");
    }
}
