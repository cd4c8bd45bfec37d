//! `--skip-if-open`: one list for many rows, and a look-up a row where there is none.

use std::fmt::Write;

use mutirao::sandbox::Audit;

use crate::support::postgres::Database;
use crate::support::site::Site;

/// For services from 11001 on.
fn rows(services: impl Iterator<Item = u32>, text: &str) -> String {
    let mut rows = "id_cliente_servico;descricao;nome;telefone\n".to_owned();
    for service in services {
        writeln!(rows, "{service};{text};Cliente {service};(37) 99911-2233").unwrap();
    }
    rows
}

/// Yesterday tickets of another type were opened for some services.
fn another_type(site: &Site) {
    let rows =
        rows(11_001..=11_005, "Sem conexão").replace("nome;telefone", "nome;telefone;id_tipo_atendimento");
    let (header, rows) = rows.split_once('\n').unwrap();
    site.write("ontem.csv", format!("{header}\n{}", rows.replace("2233\n", "2233;5\n")));
    site.run(&["import", "ontem.csv", "--rate", "unlimited", "--yes"]).expect(0);
}

/// Each row of today's that was opened warns of yesterday's ticket of its service, if there is one.
fn warns_of_another_type(site: &Site) {
    let of_yesterday = site.table("ontem.mutirao/results.csv");
    for row in site.table("hoje.mutirao/results.csv") {
        let there = of_yesterday.iter().find(|it| it["id_cliente_servico"] == row["id_cliente_servico"]);
        let expected = there.map(|open| {
            let protocolo = &open["protocolo"];
            format!(
                "beside: its service has another open ticket, `{protocolo}` of the type `ROMPIMENTO DE FIBRA`"
            )
        });
        assert_eq!(row["state"], "opened");
        assert_eq!(row["warning"], expected.unwrap_or_default(), "{}", row["id_cliente_servico"]);
    }
}

/// How many requests of a kind were made between.
fn between(before: &Audit, after: &Audit, kind: &str) -> u64 {
    after.requests_of(kind) - before.requests_of(kind)
}

#[test]
fn many_rows_are_compared_with_one_list_of_what_is_open() {
    // Pages of more than 120 take too long there.
    let site = Site::new("list_max=120");
    site.write("ontem.csv", rows(11_001..=11_040, "Sem conexão"));
    site.run(&["import", "ontem.csv", "--rate", "unlimited", "--yes"]).expect(0);
    let before = site.audit();

    // The last row is of a service of which this very run opens a ticket.
    let mut today = rows((11_001..=11_300).rev(), "Caiu de novo");
    today.push_str("11250;E outra vez;Cliente 11250;(37) 99911-2233\n");
    site.write("hoje.csv", today);
    let ended = site.run(&["import", "hoje.csv", "--skip-if-open", "--rate", "200/s", "--yes", "--json"]);
    let counts = &ended.expect(3).json()["counts"];
    assert_eq!((&counts["opened"], &counts["skipped"]), (&260.into(), &41.into()));
    let of = |kind| between(&before, &site.audit(), kind);
    assert_eq!(of("post"), 260);
    // Pages of 500, 250, and 125 tickets, and of 100 as many as there are by then.
    assert!((4..=9).contains(&of("list")), "{} pages", of("list"));
    assert!(of("look_up") < 100, "{} look-ups for 301 rows", of("look_up"));

    let results = site.table("hoje.mutirao/results.csv");
    let of_yesterday = site.table("ontem.mutirao/results.csv");
    for row in results.iter().filter(|row| row["state"] == "skipped" && row["id_cliente_servico"] != "11250")
    {
        let service = &row["id_cliente_servico"];
        let open = of_yesterday.iter().find(|it| it["id_cliente_servico"] == *service).expect(service);
        assert_eq!(
            (&row["protocolo"], &row["id_atendimento"]),
            (&open["protocolo"], &open["id_atendimento"])
        );
    }
}

#[test]
fn each_row_is_looked_up_where_the_list_is_refused() {
    let site = Site::new("list_max=0");
    site.write("ontem.csv", rows(11_001..=11_005, "Sem conexão"));
    site.run(&["import", "ontem.csv", "--rate", "unlimited", "--yes"]).expect(0);
    let before = site.audit();
    site.write("hoje.csv", rows(11_001..=11_100, "Caiu de novo"));
    let ended = site.run(&["import", "hoje.csv", "--skip-if-open", "--rate", "200/s", "--yes", "--json"]);
    let said = "each row is looked up by itself, since HubSoft gives no list of all open tickets: ";
    assert_eq!(ended.stderr.matches(said).count(), 1, "{}", ended.stderr);
    let counts = &ended.expect(3).json()["counts"];
    assert_eq!((&counts["opened"], &counts["skipped"]), (&95.into(), &5.into()));
    let of = |kind| between(&before, &site.audit(), kind);
    assert_eq!((of("post"), of("look_up"), of("list")), (95, 100, 1));
}

/// By the list, by a look-up a row, and where the answer to the post was lost.
#[test]
fn a_row_is_opened_beside_a_ticket_of_another_type_and_says_so() {
    for options in ["", "list_max=0", "reset_after=0.5"] {
        let site = Site::new(options);
        another_type(&site);
        site.write("hoje.csv", rows(11_001..=11_040, "Caiu de novo"));
        let run = ["import", "hoje.csv", "--skip-if-open", "--rate", "200/s", "--yes", "--json"];
        let counts = &site.run(&run).expect(0).json()["counts"];
        assert_eq!((&counts["opened"], &counts["opened_beside"]), (&40.into(), &5.into()), "{options}");
        warns_of_another_type(&site);
        let status = site.run(&["status"]).stdout;
        assert!(status.contains("5 of them beside an open ticket of another type"), "{status}");
    }
}

#[tokio::test]
async fn a_worker_says_it_too() {
    let site = Site::new("");
    another_type(&site);
    let database = Database::fresh().await;
    site.write("hoje.csv", rows(11_001..=11_010, "Caiu de novo"));
    site.run_at(&database.url(), &["enqueue", "hoje.csv", "--batch", "hoje"]).expect(0);
    site.run_at(&database.url(), &["worker", "--until-empty", "--skip-if-open", "--rate", "unlimited"])
        .expect(0);
    let status = site.run_at(&database.url(), &["status", "hoje", "--json"]).json();
    let counts = &status["batches"][0]["counts"];
    assert_eq!((&counts["opened"], &counts["opened_beside"]), (&10.into(), &5.into()));
    site.run_at(&database.url(), &["export", "hoje", "-o", "hoje.mutirao"]).expect(0);
    warns_of_another_type(&site);
}
