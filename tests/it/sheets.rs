//! What a person says of a spreadsheet's columns, and whether it is still known the next day.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::site::Site;
use crate::support::terminal::Terminal;

const MEMORY: &str = ".local/state/mutirao/columns.jsonl";
const HEADER: &str = "Contrato;Assinante;Contato;Ocorrência";
const ROW: &str = "11000;Ana;37999112200;Sem sinal";
const MAPS: [&str; 8] = [
    "--map",
    "Contrato=id_cliente_servico",
    "--map",
    "Assinante=nome",
    "--map",
    "Contato=telefone",
    "--map",
    "Ocorrência=descricao",
];

fn check(site: &Site, file: &str, rest: &[&str], code: i32) -> String {
    let ended = site.run(&[&["check", file], rest].concat());
    assert_eq!(ended.code, Some(code), "{}{}", ended.stdout, ended.stderr);
    ended.stderr
}

#[test]
fn what_was_said_of_columns_holds_for_the_next_file_with_the_same_names() {
    let site = Site::new("");
    site.write("segunda.csv", format!("{HEADER}\n{ROW}\n"));
    check(&site, "segunda.csv", &[], 5);
    let said = check(&site, "segunda.csv", &MAPS, 0);
    assert!(!said.contains("as last time"), "{said}");

    // In another order, below a title, and of another day.
    let turned = "Relatório\n\nCONTATO;Ocorrencia;Contrato ;Assinante\n37999112201;Sem luz;11001;Bia\n";
    site.write("terça.csv", turned);
    let said = check(&site, "terça.csv", &[], 0);
    assert!(
        said.contains("columns as last time: `Contrato` is id_cliente_servico, `Assinante` is nome"),
        "{said}"
    );
    assert!(said.contains(MEMORY), "where it may be deleted: {said}");
    assert!(said.contains("1 of 1 row is valid"), "{said}");
    let ended = site.run(&["import", "terça.csv", "--sandbox", "--rate", "unlimited"]);
    ended.expect(0);

    // One name more, less, or another: nothing is known of it.
    for (n, header) in [
        "Contrato;Assinante;Contato",
        "Contrato;Assinante;Contato;Ocorrência;Plano",
        "Contrato;Assinante;Contato;Queixa",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("outra{n}.csv");
        site.write(&name, format!("{header}\n{ROW};x\n"));
        let said = check(&site, &name, &[], 5);
        assert!(!said.contains("as last time"), "{said}");
    }

    // What is said now counts, and is what is remembered from now on.
    let other = [
        "--map",
        "Contrato=referencia",
        "--map",
        "Assinante=nome",
        "--map",
        "Contato=id_cliente_servico",
        "--map",
        "Ocorrência=descricao",
        "--set",
        "telefone=37999112200",
    ];
    let said = check(&site, "segunda.csv", &other, 0);
    assert!(!said.contains("as last time"), "{said}");
    let said = check(&site, "terça.csv", &["--set", "telefone=37999112200"], 0);
    assert!(said.contains("`Contato` is id_cliente_servico"), "{said}");

    let mode = fs::metadata(site.path(MEMORY)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let kept = site.read(MEMORY);
    assert!(!kept.contains("Ana") && kept.lines().count() == 1, "{kept}");
    fs::remove_file(site.path(MEMORY)).unwrap();
    let said = check(&site, "terça.csv", &[], 5);
    assert!(!said.contains("as last time"), "{said}");
}

/// The header of `errors.csv` has columns of ours behind the file's own: it was another one, and the way to
/// correct a file ended there.
#[test]
fn a_corrected_file_is_read_by_what_was_said_of_the_first() {
    let site = Site::new("");
    site.write("queda.csv", format!("Relatório da queda\n{HEADER}\n{ROW}\n11001;Bia;3799;Sem sinal\n"));
    let flags = ["--sandbox", "--rate", "unlimited"];
    let ended = site.run(&[&["import", "queda.csv", "--header-row", "2"], &MAPS[..], &flags].concat());
    ended.expect(3);
    let errors = "queda.sandbox.mutirao/errors.csv";
    site.write(errors, site.read(errors).replace(";3799;", ";37999112201;"));
    let ended = site.run(&[&["import", errors], &flags[..]].concat());
    assert!(ended.stderr.contains("columns as last time"), "{}", ended.stderr);
    ended.expect(0);
}

#[test]
fn a_rehearsal_remembers_nothing_and_a_damaged_memory_is_told() {
    let site = Site::new("");
    site.write("queda.csv", format!("{HEADER}\n{ROW}\n"));
    site.run(&[&["import", "queda.csv", "--dry-run"], &MAPS[..]].concat()).expect(0);
    assert!(!site.path(MEMORY).exists());
    site.write(MEMORY, "not what we write\n");
    let said = check(&site, "queda.csv", &[], 5);
    assert!(said.contains("columns.jsonl` is not as this program writes it"), "{said}");
}

/// A workbook: each sheet's name and rows.
fn workbook(sheets: &[(&str, &[&str])]) -> Vec<u8> {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    for (name, rows) in sheets {
        let sheet = workbook.add_worksheet();
        sheet.set_name(*name).unwrap();
        for (row, line) in (0..).zip(*rows) {
            for (column, cell) in (0..).zip(line.split(';')) {
                sheet.write_string(row, column, cell).unwrap();
            }
        }
    }
    workbook.save_to_buffer().unwrap()
}

/// The copy of the template in front has the same header, and no customer.
#[test]
fn of_sheets_with_the_same_header_one_that_has_rows_is_read() {
    let site = Site::new("");
    let header = "id_cliente_servico;nome;telefone;descricao";
    let rows = [header, "11000;Ana;37999112200;Sem sinal"];
    site.write("queda.xlsx", workbook(&[("Modelo", &[header]), ("2", &rows), ("Notas", &["ligar"])]));
    let said = check(&site, "queda.xlsx", &[], 0);
    assert!(
        said.contains("read from sheet `2` (1 row), whose header is the best; not read: `Modelo` (0 rows), `Notas` (0 rows)"),
        "{said}"
    );
    // A name goes before a number.
    assert!(check(&site, "queda.xlsx", &["--sheet", "2"], 0).contains("read from sheet `2`"));
    assert!(check(&site, "queda.xlsx", &["--sheet", "1"], 5).contains("has a header and no rows"));
    assert!(check(&site, "queda.xlsx", &["--sheet", "notas"], 5).contains("is the header missing?"));
    assert!(check(&site, "queda.xlsx", &["--sheet", " "], 2).contains("a sheet has a name"));
}

/// A part of an archive: its name, and what stands in it.
type Part<'a> = (&'a str, &'a [u8]);

#[test]
fn a_spreadsheet_in_an_archive_is_read_and_of_several_none() {
    let site = Site::new("");
    let csv = "id_cliente_servico;nome;telefone;descricao\n11000;Ana;37999112200;Sem sinal\n";
    let page = "<table><tr><td>Relatório</td></tr><tr><th>ID Serviço<th>Nome<th>Telefone<th>Motivo\
                <tr><td>11000<td>Ana &amp; Bia<td>37999112200<td>Sem sinal</table>";
    let xlsx = workbook(&[("Dados", &csv.lines().collect::<Vec<_>>())]);
    let cases: [(&str, &[Part], i32, &str); 6] = [
        (
            "uma.zip",
            &[("pasta/queda.csv", csv.as_bytes())],
            0,
            "unpacked from a zip archive: `pasta/queda.csv`",
        ),
        ("mac.zip", &[("queda.xlsx", &xlsx), ("__MACOSX/._queda.xlsx", b"x")], 0, "read from sheet `Dados`"),
        ("pagina.zip", &[("queda.xls", page.as_bytes())], 0, "the rows of its tables are read"),
        ("com_nota.zip", &[("queda.csv", csv.as_bytes()), ("leia.txt", b"x")], 0, "`queda.csv`"),
        ("duas.zip", &[("a.csv", csv.as_bytes()), ("b.csv", csv.as_bytes())], 5, "with several spreadsheets"),
        ("numbers.zip", &[("Index/Document.iwa", b"x")], 5, "Apple Numbers"),
    ];
    for (name, parts, code, expected) in cases {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in parts {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut zip, bytes).unwrap();
        }
        site.write(name, zip.finish().unwrap().into_inner());
        let said = check(&site, name, &[], code);
        assert!(said.contains(expected), "{name}: {said}");
    }
}

#[test]
fn a_web_page_is_read_or_named_for_what_keeps_it_from_that() {
    let site = Site::new("");
    let row = "<tr STYLE><td>11000</td><td>Ana</td><td>37999112200</td><td>Sem conex&atilde;o</td></tr>";
    let page = |rest: &str| {
        format!(
            "<html><head>{rest}</head><table><tr><td colspan=4>Relatório</td></tr><tr><td>ID Serviço</td>\
             <td>Nome</td><td>Telefone</td><td>Descrição</td></tr>{row}</table></html>"
        )
    };
    let latin = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let said_latin = "<meta http-equiv=Content-Type content=\"text/html; charset=ISO-8859-1\">";
    for (name, bytes, code, expected) in [
        ("utf8.xls", page("").into_bytes(), 0, "the names of the columns are in line 2"),
        ("bom.xls", format!("\u{FEFF}{}", page("")).into_bytes(), 0, "1 of 1 row is valid"),
        ("latin.xls", latin(&page(said_latin)), 0, "1 of 1 row is valid"),
        (
            "oculta.xls",
            page("").replace("STYLE", "style='display: none'").into_bytes(),
            5,
            "with hidden rows",
        ),
        (
            // A statement without a brace, and an address in a comment, stand before the rule.
            "oculta-classe.xls",
            page("<style>@import url(x.css); /* a@b.com { */ .h{display:none}</style>")
                .replace("STYLE", "class=h")
                .into_bytes(),
            5,
            "with hidden rows",
        ),
        ("vazia.xls", b"<html><body>Sem dados</body></html>".to_vec(), 5, "without a table"),
        (
            "xml.xls",
            b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\"/>"
                .to_vec(),
            5,
            "an XML spreadsheet",
        ),
    ] {
        site.write(name, bytes);
        let said = check(&site, name, &[], code);
        assert!(said.contains(expected) && !said.contains('<'), "{name}: {said}");
    }
    site.run(&["import", "latin.xls", "--sandbox", "--rate", "unlimited"]).expect(0);
    let results = site.table("latin.sandbox.mutirao/results.csv");
    assert_eq!((results[0]["Descrição"].as_str(), results[0]["line"].as_str()), ("Sem conexão", "3"));
}

/// The one that happened to be in front was opened.
#[test]
fn a_person_says_which_of_two_sheets_is_meant() {
    let site = Site::new("");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/sheets/aba_ativa.xlsx");
    site.write("queda.xlsx", fs::read(file).unwrap());
    for (lang, answer, code) in [("C", "", 2), ("C", "3", 2), ("pt_BR.UTF-8", "2", 0)] {
        let mut terminal = Terminal::new(&site, lang, "import queda.xlsx --sandbox");
        terminal.answer(if lang == "C" { "anything else stops" } else { "qualquer outra coisa" }, answer);
        let (ended, said) = terminal.end(&site);
        assert_eq!(ended, Some(code), "{said}");
        assert_eq!(said.contains("--sheet Outubro"), code == 0, "{said}");
    }
    assert_eq!(site.table("queda.sandbox.mutirao/results.csv").len(), 1);
    let told = site.run(&["import", "queda.xlsx", "--dry-run"]).expect(0).stderr;
    assert!(told.contains("it would be asked: several sheets have a table of tickets"), "{told}");
}

#[test]
fn errors_without_rows_are_nothing_to_correct() {
    let site = Site::new("");
    site.write("queda.csv", "id_cliente_servico;descricao;nome;telefone\n901;Sem sinal;Ana;37999112201\n");
    let errors = "queda.sandbox.mutirao/errors.csv";
    site.run(&["import", "queda.csv", "--sandbox"]).expect(0);
    for args in
        [&["import", errors, "--sandbox"][..], &["import", errors, "--sandbox", "--json"], &["check", errors]]
    {
        let ended = site.run(args).expect(0);
        assert!(ended.stderr.contains("has no rows: there is nothing to correct"), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}
