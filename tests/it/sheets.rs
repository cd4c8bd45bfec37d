//! What a person says of a spreadsheet's columns, and whether it is still known the next day.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::site::Site;

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
    assert!(said.contains("1 of 1 rows are valid"), "{said}");
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
