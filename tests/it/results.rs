//! `results.xlsx` as people read it, correct it, and give it back.

use std::fs;

use mutirao::delivery::State;
use mutirao::intake::{Intake, IntakeOptions, Source};

use crate::support::parts::{lines, part, replaced};
use crate::support::site::{Ended, Site};

const SHEET: &str = "Nome;id_cliente_servico;descricao;telefone;Situação;referencia\n\
                     Ana;11001;Sem sinal;37999112201;antigo;a-1\n\
                     Bia;11002;Sem luz;99911-2202;;a-2\n";

fn run(site: &Site, lang: &str, args: &[&str]) -> Ended {
    site.command(args).env("LANG", lang).env("USER", "ana").output().unwrap().into()
}

/// As Windows does not let go of a file that Excel shows.
#[test]
fn results_that_cannot_be_replaced_stay_and_the_new_ones_stand_beside_them() {
    let site = Site::new("");
    site.write("queda.csv", SHEET);
    for name in ["results.csv", "errors.csv", "report.html", "results-2.csv"] {
        fs::create_dir_all(site.path("queda.mutirao").join(name).join("kept")).unwrap();
    }
    let ended = run(&site, "C", &["import", "queda.csv", "--rate", "unlimited"]).expect(6);
    for (name, columns) in [("results-3.csv", 3), ("errors-2.csv", 2), ("report-2.html", 0)] {
        let text = fs::read_to_string(site.path("queda.mutirao").join(name)).unwrap();
        assert!(columns == 0 || text.lines().count() == columns, "{name}: {text}");
        assert!(ended.stderr.contains(&format!("the new one is `queda.mutirao/{name}`")), "{}", ended.stderr);
    }
    assert!(ended.stderr.contains("results: queda.mutirao/results-3.csv; for people"), "{}", ended.stderr);
    assert!(site.path("queda.mutirao/results.csv/kept").is_dir());

    // Once nobody has them open any more, nothing stands beside that looks newer than they are.
    for name in ["results.csv", "errors.csv", "report.html"] {
        fs::remove_dir_all(site.path("queda.mutirao").join(name)).unwrap();
    }
    site.write("queda.mutirao/results-final.csv", "a person's own");
    run(&site, "C", &["import", "queda.csv", "--rate", "unlimited"]).expect(3);
    let is_there = |name: &&str| site.path("queda.mutirao").join(name).is_file();
    let names =
        ["results.csv", "results-3.csv", "errors.csv", "errors-2.csv", "report-2.html", "results-final.csv"];
    assert_eq!(
        names.into_iter().filter(is_there).collect::<Vec<_>>(),
        ["results.csv", "errors.csv", "results-final.csv"]
    );
}

#[test]
fn the_workbook_speaks_the_language_of_the_person_and_is_understood_when_it_comes_back() {
    for (lang, sheets, headings, said) in [
        (
            "pt_BR.UTF-8",
            [r#"name="Resumo""#, r#"name="Linhas""#],
            "Linha;Situação;Protocolo;Explicação;Aviso;Id do atendimento;Números das OS;Ids das OS;Tentativas",
            ["queda: 1 de 2 atendimentos abertos", "Por que não abriram", "Gerado por"],
        ),
        (
            "C",
            [r#"name="Summary""#, r#"name="Rows""#],
            "Line;State;Protocolo;Explanation;Warning;Ticket id;Service order numbers;Service order ids;Attempts",
            ["queda: 1 of 2 tickets are open", "Why not opened", "Written by"],
        ),
    ] {
        let site = Site::new("");
        site.write("queda.csv", SHEET);
        run(&site, lang, &["import", "queda.csv", "--rate", "unlimited"]).expect(3);
        let workbook = fs::read(site.path("queda.mutirao/results.xlsx")).unwrap();
        let names = part(&workbook, "xl/workbook.xml");
        let places = sheets.map(|name| names.find(name).unwrap_or_else(|| panic!("{name}: {names}")));
        assert!(places[0] < places[1], "the summary comes first: {names}");
        let texts = part(&workbook, "xl/sharedStrings.xml");
        assert!(said.iter().all(|text| texts.contains(text)) && texts.contains("ana"), "{texts}");
        let rows = part(&workbook, "xl/worksheets/sheet2.xml");
        assert_eq!(lines(&rows), ["1", "2", "3"], "each once, in order");
        let head = rows.split("</row>").next().unwrap();
        let head: Vec<_> = head.split("<t>").skip(1).map(|cell| cell.split('<').next().unwrap()).collect();
        assert!(head.join(";").starts_with(headings), "{head:?}");
        assert!(rows.contains(r#"orientation="landscape""#) && rows.contains(r#"fitToHeight="0""#), "{rows}");

        // Corrected where it stands, and given back.
        let corrected = replaced(&workbook, "99911-2202", "(37) 99911-2202");
        site.write("queda.mutirao/results.xlsx", &corrected);
        let mut intake =
            Intake::open(&Source::Path(site.path("queda.mutirao/results.xlsx")), &IntakeOptions::default())
                .unwrap();
        assert_eq!(intake.headers().join(";"), "Nome;id_cliente_servico;descricao;telefone;Situação");
        let mut states = Vec::new();
        while let Some(row) = intake.next_row().unwrap() {
            let (code, referencia) = row.identity().unwrap();
            assert!(code.is_some());
            states.push((referencia.into_owned(), row.state(), row.has_protocolo()));
        }
        let expected = [("a-1", State::Opened, true), ("a-2", State::Invalid, false)];
        assert_eq!(states, expected.map(|(name, state, has)| (name.to_owned(), Some(state), has)));
        run(&site, lang, &["import", "queda.mutirao/results.xlsx", "--rate", "unlimited"]).expect(0);
        let audit = site.audit();
        assert_eq!((audit.tickets, audit.duplicates.len()), (2, 0), "{lang}");
        let results = site.table("queda.mutirao/results.csv");
        assert!(results.iter().all(|row| row["state"] == "opened"), "{results:?}");
    }
}

#[test]
fn the_report_is_one_page_that_loads_nothing_and_names_nobody() {
    for (lang, said) in [
        ("pt_BR.UTF-8", ["lista: 1 de 3 atendimentos abertos", "Linhas que precisam de alguém", "Recusada"]),
        ("C", ["lista: 1 of 3 tickets are open", "Rows that need somebody", "Rejected"]),
    ] {
        let site = Site::new("services_max=11002");
        let sheet = "Nome;id_cliente_servico;descricao;telefone;referencia\n\
                     Ana Souza;11001;Sem sinal;37999112201;a-1\n\
                     Bia <b>Lima</b>;11003;Sem luz;37999112202;\"<script>alert(1)</script>\"\n\
                     Caio Reis;11002;Queda;99911-2203;a-3\n";
        site.write("lista.csv", sheet);
        run(&site, lang, &["import", "lista.csv", "--rate", "unlimited"]).expect(3);
        let report = site.path("lista.mutirao/report.html");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&report).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let page = fs::read_to_string(&report).unwrap();
        for text in said.iter().chain(&[
            "<svg ",
            "DDD",
            "a-3",
            "&lt;script&gt;",
            "<td class=\"k soft\">rate</td><td>unlimited</td>",
        ]) {
            assert!(page.contains(text), "{text}: {page}");
        }
        for never in [
            "<script",
            "http:",
            "https:",
            "src=",
            "url(",
            "@import",
            "Ana",
            "Bia",
            "Caio",
            "Sem luz",
            "99911",
            "dados fornecidos",
        ] {
            assert!(!page.contains(never), "{never}: {page}");
        }

        // The same of an export, which knows the run, too; and with people, where that is asked for.
        run(&site, lang, &["export", "-o", "copia"]).expect(0);
        let copy = site.read("copia/report.html");
        assert!(copy.contains("<td class=\"k soft\">rate</td>") && !copy.contains("Bia"), "{copy}");
        run(&site, lang, &["export", "-o", "copia", "--with-people"]).expect(0);
        let named = site.read("copia/report.html");
        assert!(named.contains("Bia &lt;b&gt;Lima&lt;/b&gt;") && named.contains("Caio Reis"), "{named}");
        assert!(named.contains("dados fornecidos"), "what HubSoft said: {named}");
        assert!(!named.contains("Ana Souza"), "of those that need nobody there is only a count");
    }
}
