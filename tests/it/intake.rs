//! Spreadsheets as people save them give the rows that people meant, or say why not.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use mutirao::intake::{
    Blame, Encoding, Format, Hashing, Intake, IntakeError, IntakeOptions, RESULT_COLUMNS, Repeat, Repeats,
    Source, template,
};
use mutirao::ticket::code::BatchCode;
use mutirao::ticket::{ByField, Field, Kind, Ticket};
use proptest::prelude::*;

use crate::support::site::{Ended, Site};

/// A valid row, `;`.
const HEADER: &str = "id_cliente_servico;descricao;nome;telefone";
const ROW: &str = "11000;Sem conexão;João;37999112233";

fn open_bytes(bytes: &[u8], options: &IntakeOptions) -> Result<Intake, IntakeError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    // The open file outlives its name.
    Intake::open(&Source::Path(file.path().to_owned()), options)
}

fn open(text: &str) -> Result<Intake, IntakeError> {
    open_bytes(text.as_bytes(), &IntakeOptions::default())
}

fn sample(name: &str) -> Source {
    Source::Path(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name))
}

/// The descriptions, or the codes of the problems, by line.
fn read(mut intake: Intake) -> Vec<(u64, String)> {
    let mut rows = Vec::new();
    while let Some(row) = intake.next_row().unwrap() {
        let said = match row.parse(&row.raw()) {
            Ok(parsed) => parsed.ticket.descricao.as_str().to_owned(),
            Err(problems) => problems.iter().map(|it| &*it.code).collect::<Vec<_>>().join(" "),
        };
        rows.push((row.line, said));
    }
    rows
}

#[track_caller]
fn refused(bytes: &[u8]) -> IntakeError {
    let options = IntakeOptions::default();
    let error = match open_bytes(bytes, &options) {
        Err(error) => error,
        Ok(mut intake) => loop {
            match intake.next_row() {
                Err(error) => break error,
                Ok(row) => assert!(row.is_some(), "the file was accepted"),
            }
        },
    };
    assert_eq!(error.blame(), Blame::File);
    assert!(!error.hint().is_empty());
    error
}

#[test]
fn the_sample_reads_the_same_from_utf_8_and_from_excel() {
    let tickets = |name: &str| {
        let mut intake = Intake::open(&sample(name), &IntakeOptions::default()).unwrap();
        let mut tickets = Vec::new();
        while let Some(row) = intake.next_row().unwrap() {
            let parsed = row.parse(&row.raw()).unwrap();
            assert_eq!(parsed.notices, []);
            tickets.push(parsed.ticket);
        }
        (tickets, intake.summary().format.clone())
    };
    let (plain, plain_format) = tickets("queda-de-fibra.csv");
    let (excel, excel_format) = tickets("queda-de-fibra-excel.csv");
    assert_eq!(plain, excel);
    assert_eq!(plain.len(), 24);
    assert_eq!(plain.iter().filter(|it| it.abrir_os).count(), 3);
    let format = |encoding| Format::Text { encoding, delimiter: b';', sep_line: false };
    assert_eq!(plain_format, format(Encoding::Utf8));
    assert_eq!(excel_format, format(Encoding::WINDOWS_1252));
    let mut services: Vec<_> = plain.iter().map(|it| it.id_cliente_servico).collect();
    services.sort();
    services.dedup();
    assert_eq!(services.len(), 24);
}

#[test]
fn every_kind_of_problem_is_said() {
    let mut intake = Intake::open(&sample("problemas.csv"), &IntakeOptions::default()).unwrap();
    let mut said = String::new();
    while let Some(row) = intake.next_row().unwrap() {
        let (kind, problems) = match row.parse(&row.raw()) {
            Ok(parsed) => ("notice", parsed.notices),
            Err(problems) => ("problem", problems),
        };
        if problems.is_empty() {
            said.push_str(&format!("{}: valid\n", row.line));
        }
        for problem in problems {
            said.push_str(&format!(
                "{}: {kind} {} in {}: `{}`\n    {}\n    hint: {}\n",
                row.line, problem.code, problem.field, problem.found, problem.message, problem.hint
            ));
        }
    }
    insta::assert_snapshot!(said);
}

/// As a support desk reads it: `problems.csv`, and the warnings of what is sent nevertheless.
#[test]
fn every_kind_of_problem_is_said_in_portuguese() {
    let site = Site::new("");
    site.write("problemas.csv", include_str!("../../samples/problemas.csv"));
    in_portuguese(&site, &["import", "problemas.csv", "--rate", "unlimited", "--yes"]).expect(3);
    let mut said = String::new();
    for row in site.table("problemas.mutirao/problems.csv") {
        said.push_str(&format!(
            "{}: {} in {}: `{}`\n    {}\n    dica: {}\n",
            row["line"], row["code"], row["field"], row["value"], row["message"], row["hint"]
        ));
    }
    for row in site.table("problemas.mutirao/results.csv") {
        said.push_str(&format!("{}: {}; {}\n", row["line"], row["error_message"], row["warning"]));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_template_is_understood_whatever_language_it_is_in() {
    let site = Site::new("");
    in_portuguese(&site, &["template", "modelo.csv"]).expect(0);
    let template = site.read("modelo.csv");
    assert!(template.contains("# nome: obrigatório; quem pede o atendimento"), "{template}");
    let row = "11000;;Sem sinal;Ana;37999112233;;;;;;\r\n";
    site.write("modelo.csv", template + row);
    assert_eq!(site.run(&["check", "modelo.csv", "--json"]).expect(0).json()["rows"], 1);
}

fn in_portuguese(site: &Site, args: &[&str]) -> Ended {
    site.command(args).env("LANG", "pt_BR.UTF-8").output().unwrap().into()
}

#[test]
fn the_encoding_is_recognised_however_late_it_shows() {
    let text = format!("{HEADER}\n{ROW}\n");
    let utf16 = |to_bytes: fn(u16) -> [u8; 2], bom: [u8; 2]| {
        bom.into_iter().chain(text.encode_utf16().flat_map(to_bytes)).collect::<Vec<u8>>()
    };
    let windows = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let ascii = "12000;Sem sinal;Ana;37999112233\n".repeat(20_000);
    let late = windows(&format!("{HEADER}\n{ascii}{ROW}\n"));
    for (bytes, expected) in [
        (text.clone().into_bytes(), Encoding::Utf8),
        (format!("\u{FEFF}{text}").into_bytes(), Encoding::Utf8Bom),
        (utf16(u16::to_le_bytes, [0xFF, 0xFE]), Encoding::Utf16Le),
        (utf16(u16::to_be_bytes, [0xFE, 0xFF]), Encoding::Utf16Be),
        (windows(&text), Encoding::WINDOWS_1252),
        (late, Encoding::WINDOWS_1252),
        (format!("{HEADER}\n{ascii}{ROW}\n").into_bytes(), Encoding::Utf8),
    ] {
        let intake = open_bytes(&bytes, &IntakeOptions::default()).unwrap();
        let Format::Text { encoding, .. } = intake.summary().format else { panic!("not text") };
        assert_eq!(encoding, expected);
        assert_eq!(read(intake).last().unwrap().1, "Sem conexão", "{expected:?}");
    }
}

#[test]
fn a_person_may_say_the_encoding_and_is_told_when_it_is_not() {
    let options =
        |encoding: &str| IntakeOptions { encoding: Some(encoding.parse().unwrap()), ..Default::default() };
    let text = format!("{HEADER}\n{ROW}\n");
    let read_as = |encoding: &str| read(open_bytes(text.as_bytes(), &options(encoding)).unwrap());
    assert_eq!(read_as("utf-8")[0].1, "Sem conexão");
    assert_eq!(read_as("latin1")[0].1, "Sem conexÃ£o");
    let windows = encoding_rs::WINDOWS_1252.encode(&text).0.into_owned();
    let error = open_bytes(&windows, &options("utf-8")).err().unwrap();
    insta::assert_snapshot!(error, @"byte 59 of the file, in line 2, is not utf-8");
    assert!(error.hint().starts_with("leave `--encoding` out"));
}

/// The hint was to leave `--encoding` out, which nobody had given.
#[test]
fn a_file_that_ends_within_a_character_is_said_to_be_cut_off() {
    let text = format!("\u{FEFF}{HEADER}\n{ROW}\n");
    let whole: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cut = &whole[..whole.len() - 1];
    let mut intake = open_bytes(cut, &IntakeOptions::default());
    let error = loop {
        match intake {
            Err(error) => break error,
            Ok(ref mut it) => match it.next_row() {
                Err(error) => break error,
                Ok(row) => assert!(row.is_some(), "read to its end"),
            },
        }
    };
    assert!(error.to_string().ends_with("is not utf-16le"), "{error}");
    assert!(error.hint().starts_with("it was cut off or damaged on the way"), "{}", error.hint());
}

#[test]
fn line_ends_quotes_and_blank_lines_keep_the_physical_line() {
    let cell = "11000;\"a\r\nb\";Ana;37999112233";
    for (line_end, lines) in [("\n", [2, 5, 7]), ("\r\n", [2, 5, 7]), ("\r", [2, 5, 7])] {
        let text = [HEADER, cell, "", cell, "11000;c;Ana;37999112233"].join(line_end);
        let rows = read(open(&text).unwrap());
        assert_eq!(rows.iter().map(|it| it.0).collect::<Vec<_>>(), lines, "{line_end:?}");
        assert_eq!(rows[0].1, "a\nb");
    }
    // The `sep=` line and blank rows are physical lines; a blank row is no row.
    let text = format!("sep=,\r\n{}\r\n,,,\r\n{}\r\n", HEADER.replace(';', ","), ROW.replace(';', ","));
    assert_eq!(read(open(&text).unwrap()), [(4, "Sem conexão".to_owned())]);
}

#[test]
fn a_row_with_the_wrong_number_of_cells_is_its_own_problem() {
    let text = format!("{HEADER}\n{ROW};x;y\n{ROW};\n11000;Sem sinal\n");
    let rows = read(open(&text).unwrap());
    assert_eq!(rows[0], (2, "too_many_fields".to_owned()));
    // A description with `;` in it would have pushed a name into the phone: there is none.
    assert_eq!(rows[1], (3, "Sem conexão".to_owned()));
    assert_eq!(rows[2], (4, "required required".to_owned()));
    // What stands behind the last column is not lost.
    let mut intake = open(&text).unwrap();
    let row = intake.next_row().unwrap().unwrap();
    assert_eq!(row.own_cells().last().unwrap(), "37999112233;x;y");
    // Here it could have, and lost its end.
    let text =
        "id_cliente_servico;nome;telefone;descricao;cidade\n11000;Ana;37999112233;Sem sinal; urgente;\n";
    assert_eq!(read(open(text).unwrap()), [(2, "too_many_fields".to_owned())]);
}

/// It was told as a note too, which is not kept; and what stood below a blank name was not.
#[test]
fn a_row_with_too_many_cells_is_kept_and_has_no_note() {
    let text = format!("{HEADER};;\n{ROW};x;;y\n{ROW};;z\n");
    let mut intake = open(&text).unwrap();
    let row = intake.next_row().unwrap().unwrap();
    assert_eq!(row.parse(&row.raw()).unwrap_err()[0].code, "too_many_fields");
    assert_eq!(row.own_cells().last().unwrap(), "37999112233;x;;y");
    assert_eq!(intake.asides().lines(), [""; 0]);
    assert!(intake.next_row().unwrap().is_some_and(|row| row.parse(&row.raw()).is_ok()));
    insta::assert_snapshot!(intake.asides().lines().join("\n"), @"1 row has something beside the table, in a column without a name; it is neither sent nor kept (the first: line 3)");
}

/// They filled the outbox and the results: 50,000 blank cells a row.
#[test]
fn columns_without_a_name_are_told_and_not_kept() {
    let blanks = ";".repeat(5_000); // None of them has a name: no column too many.
    let mut intake = open(&format!("{HEADER}{blanks}\n{ROW}{blanks}\n{ROW};nota\n;;;;nota\n")).unwrap();
    assert_eq!(intake.headers().len(), 4);
    let mut n_cells = 0;
    while let Some(row) = intake.next_row().unwrap() {
        n_cells = row.own_cells().count();
    }
    assert_eq!(n_cells, 4);
    insta::assert_snapshot!(intake.asides().lines().join("\n"), @"2 rows have something beside the table, in a column without a name; it is neither sent nor kept (the first: line 3)");
}

/// `Total Fibra Ltda` was passed over, and nobody came.
#[test]
fn a_customer_whose_name_begins_like_a_total_is_a_row() {
    let header = "cliente;servico;fone;motivo";
    let text = format!(
        "{header}\nTotal Fibra Ltda;11000;37999112233;\nTotalmente Bom;;37999112233;\nTotal:;;;\nSUBTOTAL;;2;\n"
    );
    let mut intake = open(&text).unwrap();
    let mut names = Vec::new();
    while let Some(row) = intake.next_row().unwrap() {
        names.push(row.raw().get(Field::Nome).unwrap().to_owned());
    }
    assert_eq!(names, ["Total Fibra Ltda", "Totalmente Bom"]);
    let passed_over = intake.asides().lines().join("\n");
    assert!(passed_over.contains("left out: 2 totals"), "{passed_over}");
}

#[test]
fn a_total_below_the_table_is_no_row() {
    let text = format!("{HEADER}\n{ROW}\n11001;Total;Ana;37999112233\nTotal geral: 800;;;\n;;TOTAL;800\n");
    let mut intake = open(&text).unwrap();
    while intake.next_row().unwrap().is_some() {}
    insta::assert_snapshot!(intake.asides().lines().join("\n"), @"2 rows below or within the table are no customers, and were left out: 2 totals (the first that is not blank: line 4)");
    assert_eq!(intake.finish().n_rows, 2);
}

#[test]
fn a_file_that_is_no_spreadsheet_is_refused_with_the_reason() {
    let mut said: Vec<String> = Vec::new();
    for bytes in [
        b"".as_slice(),
        b"\xEF\xBB\xBF",
        b"\r\n  \r\n",
        HEADER.as_bytes(),
        format!("{HEADER}\r\n;;;\r\n").as_bytes(),
        &[0x7F, b'E', b'L', b'F', 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2],
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1rest",
        b"PK\x03\x04rest",
        &HEADER.bytes().flat_map(|it| [it, 0]).collect::<Vec<u8>>(),
        format!("\"{HEADER}\n{ROW}\n").as_bytes(),
        b"nome;telefone\nAna;1\n",
    ] {
        let error = refused(bytes);
        said.push(format!("{error}\n  hint: {}", error.hint()));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_path_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: PathBuf| Intake::open(&Source::Path(path), &IntakeOptions::default()).err().unwrap();
    assert!(matches!(open(folder.path().to_owned()), IntakeError::Directory { .. }));
    assert!(matches!(open(folder.path().join("none.csv")), IntakeError::Open { .. }));
}

/// It ended the reading, and every row behind it was lost.
#[test]
fn a_quotation_that_is_never_closed_is_a_problem_of_its_row() {
    let text = format!("{HEADER}\n{ROW}\n11000;\"Sem sinal;Ana;37999112233\n{ROW}\n");
    let far = format!("{text}{}", format!("{ROW}\n").repeat(600_000)); // Further than it is followed.
    for text in [text, far] {
        let rows = read(open(&text).unwrap());
        assert_eq!(rows[1], (3, "stray_quotation_mark".to_owned()));
        assert_eq!(rows[2], (4, "Sem conexão".to_owned()));
        assert_eq!(rows.len(), text.lines().count() - 1);
    }
}

#[test]
fn a_huge_cell_is_bounded() {
    let with = |n: usize| format!("{HEADER}\n{ROW}\n11000;{};Ana;37999112233\n{ROW}\n", "x".repeat(n));
    let rows = read(open(&with(64 * 1024)).unwrap());
    assert_eq!(rows[1].1.len(), 64 * 1024);
    let rows = read(open(&with(10_000_000)).unwrap());
    assert_eq!(rows[1], (3, "cell_too_long".to_owned()));
    assert_eq!(rows[2], (4, "Sem conexão".to_owned()));
    let error = refused(with(16 * 1024 * 1024).as_bytes());
    insta::assert_snapshot!(error, @"line 3: the row is longer than 16 MiB");
}

/// They counted as the record below them, which was lost without a word.
#[test]
fn a_row_below_any_number_of_blank_lines_is_read() {
    for line_end in ["\n", "\r\n", "\r"] {
        let n_blank = (17 << 20) / line_end.len();
        let text = format!("{HEADER}\n{ROW}\n{}{ROW}\n", line_end.repeat(n_blank));
        let rows = read(open(&text).unwrap());
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].0, 3 + n_blank as u64);
    }
}

#[test]
fn a_nul_character_is_a_problem_of_its_row() {
    let rows = read(open(&format!("{HEADER}\n11000;a\0b;Ana;37999112233\n{ROW}\n")).unwrap());
    assert_eq!(rows, [(2, "nul_character".to_owned()), (3, "Sem conexão".to_owned())]);
}

#[test]
fn what_intake_gives_to_be_stored_reads_the_same_later() {
    let options = IntakeOptions {
        default_ddd: Some("37".parse().unwrap()),
        set: vec!["parametros.origem=planilha".parse().unwrap(), "descricao=Queda".parse().unwrap()],
        ..IntakeOptions::default()
    };
    let header =
        "servico;fone;nome;motivo;os;parametros;parametros.lote;parametros_ordem_servico.ids_tecnicos";
    let text = format!(
        "{header}\n11000;99911-2233;Ana;;x;\"{{\"\"a\"\":1}}\";7;4 5\n11001;3732211234;Bia;Sem luz;;;;\n"
    );
    let mut intake = open_bytes(text.as_bytes(), &options).unwrap();
    // `parametros` has a column of its own, and is said whole.
    assert_eq!(intake.keys(), [(Field::ParametrosOrdemServico, vec!["ids_tecnicos".to_owned()])]);

    let row = intake.next_row().unwrap().unwrap();
    let parsed = row.parse(&row.raw()).unwrap();
    assert_eq!(parsed.notices[0].code, "phone_ddd_filled");
    let stored = serde_json::to_string(&row.raw()).unwrap();
    insta::assert_snapshot!(stored, @r#"["11000",null,"Queda","Ana","37999112233",null,"x",null,null,"{\"a\":1,\"lote\":\"7\",\"origem\":\"planilha\"}","{\"ids_tecnicos\":\"4 5\"}"]"#);
    let later = Ticket::parse(&serde_json::from_str(&stored).unwrap()).unwrap();
    assert_eq!(later.ticket, parsed.ticket);
    assert_eq!(later.notices, []);

    let row = intake.next_row().unwrap().unwrap();
    insta::assert_snapshot!(serde_json::to_string(&row.raw()).unwrap(), @r#"["11001",null,"Sem luz","Bia","3732211234",null,null,null,null,"{\"origem\":\"planilha\"}"]"#);
    assert!(intake.next_row().unwrap().is_none());
    insta::assert_snapshot!(intake.summary().lines().join("\n"), @r"
    read as utf-8, cells separated by `;`
    columns known by their names: `nome`, `parametros`, `parametros.lote`, `parametros_ordem_servico.ids_tecnicos`
    `servico` is id_cliente_servico
    `fone` is telefone
    `motivo` is descricao
    `os` is abrir_os
    parametros.origem is set where its cell is blank
    descricao is set where its cell is blank
    ");
}

/// Without `lote` every row of a `results.csv` was new, with a protocolo beside it.
#[test]
fn a_row_beside_which_a_protocolo_stands_is_told() {
    let text = format!("{HEADER};state;protocolo\n{ROW};opened;20250101\n{ROW};skipped;\n{ROW};;\n");
    let ours = open(&text).unwrap().ours().clone();
    assert_eq!((ours.n_rows, ours.n_nameless, ours.n_carried, ours.n_settled), (3, 2, 2, 2));
    let text = format!("{HEADER};Protocolo\n{ROW};20250101\n{ROW};\n");
    let ours = open(&text).unwrap().ours().clone();
    assert_eq!((ours.n_nameless, ours.n_settled), (1, 1), "whoever wrote it");
}

/// Land lots stood in a column `lote`: the file took another batch's name, and none of its guards.
#[test]
fn a_column_lote_of_the_sheet_is_its_own() {
    let intake = open(&format!("{HEADER};lote;referencia\n{ROW};24-11;7\n")).unwrap();
    assert_eq!(intake.headers().last().unwrap(), "lote");
    assert_eq!(intake.ours().batch(), None);
}

/// What a reference is made of, and what `check` takes for a repeat, is what the table of fields calls
/// identity.
#[test]
fn a_row_is_known_by_its_identity_and_by_nothing_else() {
    let cells = |kind| match kind {
        Kind::Id | Kind::Ids => ("7", "8"),
        Kind::Text | Kind::Name => ("Ana", "Bia"),
        Kind::Phone => ("37999112233", "37999112234"),
        Kind::Email => ("ana@example.com", "bia@example.com"),
        Kind::Flag => ("sim", "não"),
        Kind::Object => ("{}", "{ }"),
    };
    let header = Field::ALL.map(Field::name).join(";");
    let row = |changed: Option<Field>| {
        let cell = |field: Field| match cells(field.kind()) {
            (_, other) if Some(field) == changed => other,
            (cell, _) => cell,
        };
        Field::ALL.map(cell).join(";")
    };
    for field in Field::ALL {
        let mut intake = open(&format!("{header}\n{}\n{}\n", row(None), row(Some(field)))).unwrap();
        let (mut keys, mut repeats) = (Vec::new(), Repeats::default());
        while let Some(row) = intake.next_row().unwrap() {
            keys.push(row.content_key());
            repeats.add(&row.parse(&row.raw()).unwrap().ticket, row.line);
        }
        let is_other = (keys[0] != keys[1], repeats.finish().is_empty());
        assert_eq!(is_other, (field.is_identity(), field.is_identity()), "{field}");
    }
}

/// `--excel-safe` puts an apostrophe before `-28 dBm`, and it was posted to HubSoft.
#[test]
fn the_guard_of_our_own_files_is_undone() {
    let guarded = ROW.replace("Sem conexão", "'-28 dBm");
    let of = |text: &str| {
        let mut intake = open(text).unwrap();
        let row = intake.next_row().unwrap().unwrap();
        let text = row.raw().get(Field::Descricao).unwrap().to_owned();
        assert_eq!(row.own_cells().nth(1).unwrap(), text);
        text
    };
    assert_eq!(of(&format!("{HEADER};state;protocolo\n{guarded};rejected;\n")), "-28 dBm");
    assert_eq!(of(&format!("{HEADER}\n{guarded}\n")), "'-28 dBm", "not ours: as it stands");
}

#[test]
fn our_own_results_are_accepted_as_they_are() {
    let text = format!(
        "{HEADER};cidade;{}\n{ROW};Itaúna;2;BBBBBBBB.queda;BBBBBBBB.REF%201;rejected;;;;;1;x;y;\n",
        RESULT_COLUMNS.join(";")
    );
    let mut intake = open(&text).unwrap();
    assert_eq!(intake.headers().last().unwrap(), "cidade");
    let ours = intake.ours();
    assert_eq!((ours.batch(), ours.n_carried, ours.n_settled), (Some(BatchCode::of_bits(0)), 1, 0));
    let row = intake.next_row().unwrap().unwrap();
    let (code, referencia) = row.identity().expect("we wrote it");
    assert_eq!((code, &*referencia), (Some(BatchCode::of_bits(0)), "REF 1"));
    assert_eq!(
        row.own_cells().collect::<Vec<_>>(),
        ["11000", "Sem conexão", "João", "37999112233", "Itaúna"]
    );
}

#[test]
fn a_rows_key_is_of_the_cells_as_they_stand() {
    let key = |text: &str, options: &IntakeOptions| {
        let mut intake = open_bytes(text.as_bytes(), options).unwrap();
        intake.next_row().unwrap().unwrap().content_key()
    };
    let text = format!("{HEADER}\n{ROW}\n");
    let plain = key(&text, &IntakeOptions::default());
    let options = IntakeOptions {
        set: vec!["id_tipo_atendimento=5".parse().unwrap(), "nome=x".parse().unwrap()],
        default_ddd: Some("11".parse().unwrap()),
        ..IntakeOptions::default()
    };
    assert_eq!(key(&text, &options), plain);
    assert_eq!(key(&text.replace("João", "Maria"), &options), plain);
    assert_eq!(key(&text.replace("11000", "11000,0"), &options), plain, "as a spreadsheet saves it");
    assert_ne!(key(&text.replace("11000", "11001"), &options), plain);
}

#[test]
fn the_hash_is_of_the_whole_file() {
    use sha2::{Digest, Sha256};

    let text = format!("\u{FEFF}{HEADER}\n{}", format!("{ROW}\n").repeat(5000));
    let options = IntakeOptions { hashing: Hashing::Sha256, ..IntakeOptions::default() };
    let mut intake = open_bytes(text.as_bytes(), &options).unwrap();
    while intake.next_row().unwrap().is_some() {}
    let finish = intake.finish();
    assert_eq!(finish.n_rows, 5000);
    assert_eq!(finish.sha256.unwrap()[..], Sha256::digest(text.as_bytes())[..]);
}

#[test]
fn repeats_are_found_by_what_is_sent() {
    let text =
        format!("{HEADER}\n{ROW}\n11000,0; Sem conexão ;Ana;3732211234\n11001;Sem conexão;Ana;3732211234\n");
    let mut intake = open(&text).unwrap();
    let mut repeats = Repeats::default();
    while let Some(row) = intake.next_row().unwrap() {
        repeats.add(&row.parse(&row.raw()).unwrap().ticket, row.line);
    }
    assert_eq!(repeats.finish(), [Repeat { line: 3, first_line: 2 }]);
}

#[test]
fn a_template_has_no_rows_yet_and_takes_some() {
    let csv = template::csv();
    assert!(matches!(refused(&csv), IntakeError::NoRows));
    let columns = String::from_utf8(csv.clone()).unwrap().lines().next().unwrap().to_owned();
    let row = columns.trim_start_matches('\u{FEFF}').split(';').map(|column| match column {
        "id_cliente_servico" => "11000",
        "descricao" => "Sem conexão",
        "nome" => "Ana",
        "telefone" => "37999112233",
        "abrir_os" => "não",
        "referencia" => "A1",
        _ => "",
    });
    let mut filled = csv;
    filled.extend_from_slice(format!("{}\r\n", row.collect::<Vec<_>>().join(";")).as_bytes());
    assert_eq!(read(open_bytes(&filled, &IntakeOptions::default()).unwrap())[0].1, "Sem conexão");
    assert!(matches!(refused(&template::xlsx(&ByField::of(|_| Vec::new())).unwrap()), IntakeError::NoRows));
}

/// Nobody is opened who stands in an example, however it is left.
#[test]
fn a_templates_example_is_never_opened() {
    let csv = String::from_utf8(template::csv()).unwrap();
    let example = csv.lines().last().unwrap();
    assert!(example.starts_with("# example"), "{example}");
    let header = csv.lines().next().unwrap();
    let (_, others) = example.split_once(';').unwrap();
    let written_over = open(&format!("{header}\n11001;{others}\n")).unwrap();
    assert_eq!(read(written_over)[0].1, "phone_not_digits", "what was forgotten in it is told");
    let mine = example.replace("Maria da Silva", "Ana");
    let kept = open(&format!("{header}\n{mine}\n")).unwrap();
    assert!(read(kept)[0].1.ends_with(" phone_not_digits"), "a row, with all of its problems");
}

#[test]
fn a_workbook_gives_the_rows_that_its_csv_would() {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let date = rust_xlsxwriter::Format::new().set_num_format("dd/mm/yyyy");
    let sheet = workbook.add_worksheet();
    for (at, name) in (0..).zip(["id_cliente_servico", "descricao", "nome", "telefone", "abrir_os", "data"]) {
        sheet.write_string(1, at, name).unwrap();
    }
    sheet.write_number(2, 0, 11000.0).unwrap().write_string(2, 1, "Sem conexão").unwrap();
    sheet.write_string(2, 2, "João").unwrap().write_number(2, 3, 37_999_112_233.0).unwrap();
    sheet.write_boolean(2, 4, true).unwrap().write_number_with_format(2, 5, 45943.0, &date).unwrap();
    sheet.write_number(5, 0, 20_241_126_103_000_123_456.0).unwrap().write_string(5, 1, "x").unwrap();
    sheet.write_string(5, 2, "Ana").unwrap().write_string(5, 3, "3732211234").unwrap();
    sheet.write_string(6, 30, "longe").unwrap();
    let bytes = workbook.save_to_buffer().unwrap();

    let mut intake = open_bytes(&bytes, &IntakeOptions::default()).unwrap();
    let row = intake.next_row().unwrap().unwrap();
    assert_eq!(
        row.own_cells().collect::<Vec<_>>(),
        ["11000", "Sem conexão", "João", "37999112233", "true", "2025-10-13"]
    );
    assert!(row.parse(&row.raw()).unwrap().ticket.abrir_os);
    let rest: Vec<_> = read(intake);
    // What stands beside the table is a note.
    assert_eq!(rest, [(6, "id_lost_digits".to_owned())]);
}

#[test]
fn reading_needs_no_name_that_lasts() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("{HEADER}\n{}", format!("{ROW}\n").repeat(10_000))).unwrap();
    let intake = Intake::open(&Source::Path(file.path().to_owned()), &IntakeOptions::default()).unwrap();
    drop(file);
    assert_eq!(read(intake).len(), 10_000);
}

/// Pieces of what people and programs write, and bytes that no one does.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 22] = [
        HEADER.as_bytes(),
        ROW.as_bytes(),
        b"\n",
        b"\r\n",
        b"\r",
        b";",
        b"\"",
        b"\"\"",
        b",",
        b"\t",
        b"sep=;\n",
        b"\xEF\xBB\xBF",
        b"\xFF\xFE",
        b"\xC3",
        b"\xE7\xE3o",
        b"\x8B\x8D",
        b"\xC6\x87",
        b"\0",
        b"Total",
        b"#N/D",
        b"NULL",
        "ç�".as_bytes(),
    ];
    let pieces = pieces.map(<[u8]>::to_vec).to_vec();
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|it| it.concat())
}

proptest! {
    #[test]
    fn whatever_a_file_holds_it_is_read_or_refused(bytes in pieces(), has_header in any::<bool>()) {
        let bytes = if has_header { [HEADER.as_bytes(), b"\n", &bytes].concat() } else { bytes };
        if let Ok(mut intake) = open_bytes(&bytes, &IntakeOptions::default()) {
            let mut line = intake.summary().header_line;
            while let Ok(Some(row)) = intake.next_row() {
                prop_assert!(line < row.line, "lines go up");
                line = row.line;
                let _ = row.parse(&row.raw());
                prop_assert!(row.own_cells().count() == 4 || !has_header);
            }
        }
    }
}
