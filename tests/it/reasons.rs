//! Why rows were not opened: what is alike is told once, with how often it stands.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::shared::Shared;
use crate::support::parts::{lines, part};
use crate::support::postgres::Database;
use crate::support::site::{Ended, Site};

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
                "message": "Serviço … não encontrado, cliente …", "examples": rows(&[(2, "a"), (3, "b"), (4, "c")]),
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

const HEADER: &str = "id_cliente_servico;descricao;nome;Fone;id_tipo_atendimento\n";

/// Opened, refused twice for one reason, invalid twice over, and a repeat.
const ROWS: &str = "11001;Sem sinal;Ana;37999112201;\n11002;Sem luz;Bia;37999112202;101\n\
                    11003;Sem luz;Caio;37999112203;101\n11004;=1+1;Davi;99911-2204;x\n\
                    11001;Sem sinal;Ana;37999112201;\n";

fn run(site: &Site, lang: &str, args: &[&str]) -> Ended {
    site.command(args).env("LANG", lang).output().unwrap().into()
}

/// From the line that has `text` on, but for what differs from run to run.
fn told_from(ended: &Ended, text: &str) -> String {
    let lines = ended.stderr.lines().skip_while(|line| !line.contains(text));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_end_of_an_import_tells_what_became_of_rows_why_and_what_helps() {
    let mut text = String::new();
    for (lang, headline) in [("C", " opened, "), ("pt_BR.UTF-8", " abertas, ")] {
        let site = Site::new("");
        site.write("queda.csv", format!("{HEADER}{ROWS}"));
        let ended = run(&site, lang, &["import", "queda.csv", "--rate", "unlimited"]).expect(3);
        writeln!(text, "{}", told_from(&ended, headline)).unwrap();
        let status = run(&site, lang, &["status", "queda"]).expect(0);
        writeln!(text, "{}", status.stdout).unwrap();
        let again = run(&site, lang, &["import", "queda.csv", "--rate", "unlimited"]).expect(3);
        writeln!(text, "{}\n", told_from(&again, headline)).unwrap();
    }
    insta::with_settings!({filters => [
        (r"(\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4}) \d\d:\d\d(:\d\d)?", "[when]"),
        (r"(?m)^  \[when\]: `[^`]*`", "  [when]: `[who]`"),
        (r"\d{15,}", "[protocolo]"),
    ]}, { insta::assert_snapshot!(text) });
}

#[test]
fn what_hubsoft_said_is_on_the_screen_and_in_no_log() {
    let site = Site::new("");
    site.write("queda.csv", format!("{HEADER}{ROWS}"));
    let args = ["import", "queda.csv", "--rate", "unlimited", "--log-format", "json"];
    let logged = site.run(&args).expect(3).stderr;
    assert!(logged.contains("Rejected") && logged.contains("validation: lines 3, 4"), "{logged}");
    let summary: Value = serde_json::from_str(&site.read("queda.mutirao/summary.json")).unwrap();
    let words = summary["reasons"][0]["message"].as_str().unwrap();
    assert!(!logged.contains(words), "{words}: {logged}");
}

#[tokio::test]
async fn a_worker_tells_at_its_end_why_rows_were_not_opened_and_says_nobodys_words_in_a_log() {
    let rows = "a;11001;Sem sinal;Ana;37999112201;\nb;11002;Sem luz;Bia;37999112202;101\n\
                c;11003;Sem luz;Caio;37999112203;101\n";
    let header = "referencia;id_cliente_servico;descricao;nome;telefone;id_tipo_atendimento\n";
    let site = Site::new("");
    let outbox = Shared::Server(Box::new(Database::fresh().await));
    site.write("queda.csv", format!("{header}{rows}"));
    site.run_at(&outbox.url(), &["enqueue", "queda.csv", "--batch", "queda", "--yes"]).expect(0);
    let sql = "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone) VALUES ('x', 'Sem sinal', 'Maria', '1')";
    outbox.sql(sql).await;
    let mut text = String::new();
    for args in [&[][..], &["--log-format", "json"]] {
        let args = [&["worker", "--until-empty", "--rate", "unlimited"], args].concat();
        let ended = site.run_at(&outbox.url(), &args).expect(3);
        assert!(!ended.stderr.contains("tipo de atendimento"), "{}", ended.stderr);
        writeln!(text, "{}\n", told_from(&ended, " opened, ")).unwrap();
        outbox.sql("UPDATE mutirao.outbox SET state = 'pending' WHERE state <> 'opened'").await;
    }
    insta::with_settings!({filters => [(r#""timestamp":"[^"]*""#, r#""timestamp":"[when]""#)]}, {
        insta::assert_snapshot!(text);
    });
}

#[test]
fn problems_are_written_with_what_hubsoft_refused_and_as_they_stand() {
    let site = Site::new("");
    site.write("queda.csv", format!("{HEADER}{ROWS}"));
    run(&site, "pt_BR.UTF-8", &["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    let problems = site.table("queda.mutirao/problems.csv");
    let seen: Vec<_> =
        problems.iter().map(|row| [&*row["line"], &row["column"], &row["value"], &row["code"]]).collect();
    let expected = [
        ["3", "", "", "validation"],
        ["4", "", "", "validation"],
        ["5", "id_tipo_atendimento", "x", "not_an_id"],
        ["5", "Fone", "99911-2204", "phone_without_ddd"],
    ];
    assert_eq!(seen, expected);
    assert!(problems[0]["message"].contains("tipo") && !problems[0]["hint"].is_empty(), "{problems:?}");

    let workbook = std::fs::read(site.path("queda.mutirao/problems.xlsx")).unwrap();
    let names = part(&workbook, "xl/workbook.xml");
    assert!(names.find(r#"name="Motivos""#) < names.find(r#"name="Problemas""#), "{names}");
    let rows = part(&workbook, "xl/worksheets/sheet2.xml");
    let cells: Vec<_> = rows.split("<t>").skip(1).map(|cell| cell.split('<').next().unwrap()).collect();
    let of_phone = cells.iter().position(|cell| *cell == "99911-2204").unwrap();
    assert_eq!(cells[of_phone - 3..of_phone], ["5", "D", "Fone"]);
    assert!(rows.contains("<autoFilter ref=\"A1:H5\"") && rows.contains("state=\"frozen\""), "{rows}");
    assert!(!rows.contains("<f>"), "text is never a formula");
    assert_eq!(lines(&rows), ["1", "2", "3", "4", "5"], "each once, in order");
    assert!(rows.contains(r#"ht="30""#), "two lines do not run over the next row: {rows}");
    let reasons = part(&workbook, "xl/worksheets/sheet1.xml");
    assert!(reasons.contains("<v>2</v>") && reasons.contains(r#"ht="30""#), "{reasons}");

    // Corrected, nothing is wrong any more.
    let fixed = site.read("queda.mutirao/errors.csv").replace("99911-2204;x", "3799911-2204;");
    site.write("fixed.csv", fixed.replace(";101;", ";;"));
    site.write("queda.mutirao/errors.csv", site.read("fixed.csv"));
    run(&site, "C", &["import", "queda.mutirao/errors.csv", "--rate", "unlimited"]).expect(0);
    assert_eq!(site.table("queda.mutirao/problems.csv").len(), 0);
    assert!(!site.path("queda.mutirao/problems.xlsx").exists());
}

#[test]
fn check_tells_the_reasons_in_front_of_the_problems() {
    let site = Site::new("");
    let mut rows = String::new();
    for n in 1..=600 {
        writeln!(rows, "{};Sem sinal;Ana;9911-{n:04};x", 12_000 + n).unwrap();
    }
    site.write("queda.csv", format!("{HEADER}{ROWS}{rows}"));
    let told = site.run(&["check", "queda.csv"]).expect(5).stdout;
    let mut lines = told.lines().map(str::trim_start);
    assert_eq!(
        lines.next().unwrap(),
        "601  id_tipo_atendimento: not a whole number (not_an_id): lines 5, 7, 8 and more"
    );
    assert!(lines.next().unwrap().starts_with("601  Fone: the area code (DDD) is missing"), "{told}");
    assert!(lines.next().unwrap().starts_with("1  repeats an earlier line"), "{told}");
    assert_eq!(
        lines.next().unwrap(),
        "line 5, id_tipo_atendimento, found `x`: not a whole number (not_an_id)"
    );
    // Nobody says that a person reads this alone.
    let second = lines.nth(1).unwrap();
    assert_eq!(
        second,
        "line 5, Fone, found `99***-**04`: the area code (DDD) is missing (phone_without_ddd)"
    );
    assert!(lines.next_back().unwrap().starts_with("and 203 more"), "{told}");

    let json = site.run(&["check", "queda.csv", "--json"]).expect(5).stdout;
    assert_eq!(json.lines().count(), 1 + 2 * 601 + 1);
    let end: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((&end["reasons"][0]["n_rows"], &end["reasons"][2]["code"]), (&json!(601), &json!("repeat")));
}
