//! The binary forms of workbooks: read as the other ones are, and never believed.

use std::io::{Read, Seek, Write};

use proptest::prelude::*;

use super::*;

const XLSX: &[u8] = include_bytes!("../../../tests/cases/sheets/formas.xlsx");
const XLSB: &[u8] = include_bytes!("../../../tests/cases/sheets/formas.xlsb");
const XLS: &[u8] = include_bytes!("../../../tests/cases/sheets/formas.xls");
/// Another program's, with a stream above the bound of small ones.
const XLS_OF_LIBREOFFICE: &[u8] = include_bytes!("../../../tests/cases/sheets/formas_libreoffice.xls");
const XLS_OF_1995: &[u8] = include_bytes!("../../../tests/cases/sheets/excel95.xls");

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// Of each sheet its name and rows: their lines, whether they are hidden, and their cells.
fn read(file: File) -> Result<Vec<String>, IntakeError> {
    let book = Book::open(file)?;
    let mut rows = vec![format!("hidden: {:?}", book.hidden())];
    for (at, sheet) in book.sheets().iter().enumerate() {
        rows.push(format!("{sheet:?}"));
        let mut sheet = book.read(at)?;
        while sheet.advance()? {
            let record = sheet.record();
            let cells: Vec<&str> = record.cells().collect();
            let is_hidden = if sheet.is_hidden() { " hidden" } else { "" };
            rows.push(format!("{}{is_hidden}: {}", record.line, cells.join("|")));
        }
    }
    Ok(rows)
}

#[test]
fn a_workbook_is_the_same_in_whatever_form_excel_saved_it() {
    let rows = read(file(XLSX)).unwrap();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    hidden: ["Antigos"]
    SheetName { name: "Capa", is_active: true }
    1: Provedor Exemplo LTDA
    2: Emitido em|2026-11-26
    SheetName { name: "Clientes", is_active: false }
    1: Clientes afetados
    3: ID Serviço|Nome|Telefone|Descrição|Data|Abrir OS
    4: 11000|João Açaí|37999112200|Sem sinal desde ontem|2026-11-26|true
    5: 11001.5|Ana €|37 99911-2201|Sem conexão|2026-11-26 12:00:00|false
    6 hidden: 11002|Bia|37999112202|Lento|0.5|true
    7: 12345|Caio|#N/A|Sem sinal|-3|true
    "#);
    for bytes in [XLSB, XLS_OF_LIBREOFFICE] {
        assert_eq!(read(file(bytes)).unwrap(), rows);
    }
    // Written by a program that says nothing of rows.
    let all_shown: Vec<_> = rows.iter().map(|row| row.replace("6 hidden", "6")).collect();
    assert_eq!(read(file(XLS)).unwrap(), all_shown);
}

/// The bytes of an `.xls` with the record of `kind` that comes first changed.
fn with_record(bytes: &[u8], kind: u16, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // Its stream lies in one piece: it begins with the first record of all.
    let start = memchr::memmem::find(&bytes, b"\x09\x08\x10\x00\x00\x06").unwrap();
    let mut at = start;
    loop {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let len = usize::from(word(at + 2));
        if word(at) == kind {
            change(&mut bytes[at..at + 4 + len]);
            return bytes;
        }
        at += 4 + len;
    }
}

#[track_caller]
fn refused(bytes: &[u8]) -> String {
    read(file(bytes)).unwrap_err().to_string()
}

#[test]
fn a_damaged_xls_says_what_is_wrong_with_it() {
    assert!(refused(XLS_OF_1995).contains("before 1997"));
    assert!(refused(&XLS[..300]).contains("ends too early"));
    for len in [600, 1500, 3000] {
        refused(&XLS_OF_LIBREOFFICE[..len]);
    }
    // The name of a sheet that is longer than its record.
    assert!(refused(&with_record(XLS, 0x0085, |record| record[10] = 255)).contains("is damaged at byte"));
    // A sheet that begins outside the stream, and one in the middle of another.
    assert!(refused(&with_record(XLS, 0x0085, |record| record[4..8].fill(0xFF))).contains("damaged"));
    // A password.
    let locked = with_record(XLS, 0x0042, |record| record[0] = 0x2F);
    assert!(refused(&locked).contains("password"), "{}", refused(&locked));
    // A shared text that is not there.
    let nowhere = with_record(XLS_OF_LIBREOFFICE, 0x00FC, |record| record[0] = 0xFB);
    assert!(refused(&nowhere).contains("a text that the workbook does not have"));
}

#[test]
fn what_leads_in_a_circle_is_followed_once() {
    // Every sector is behind itself: the table, the directory and all streams.
    let mut bytes = XLS_OF_LIBREOFFICE.to_vec();
    let table = 512 * (1 + u32::from_le_bytes(bytes[0x4C..0x50].try_into().unwrap()) as usize);
    for at in 0..128_u32 {
        bytes[table + 4 * at as usize..][..4].copy_from_slice(&at.to_le_bytes());
    }
    refused(&bytes);
    // The table goes on in a sector that goes on in itself.
    let mut bytes = XLS.to_vec();
    bytes[0x4C..0x200].fill(0xFF);
    bytes[0x44..0x48].fill(0);
    refused(&bytes);
}

/// Some of its bytes are others.
fn damaged(bytes: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let place = 0..bytes.len();
    let byte = prop_oneof![Just(0_u8), Just(0xFF), Just(0x7F), Just(1), any::<u8>()];
    (prop::collection::vec((place, byte), 1..12), 0..=bytes.len()).prop_map(move |(changes, len)| {
        let mut bytes = bytes.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        // Most are whole.
        if len % 4 == 0 {
            bytes.truncate(len);
        }
        bytes
    })
}

/// A part of an `.xlsb`, damaged, in an archive that is sound.
fn damaged_part() -> impl Strategy<Value = Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(XLSB)).unwrap();
    let mut parts = Vec::new();
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).unwrap();
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).unwrap();
        parts.push((part.name().unwrap().into_owned(), bytes));
    }
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>());
    prop::collection::vec(change, 1..12).prop_map(move |changes| {
        let mut parts = parts.clone();
        let binary: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].0.ends_with(".bin")).collect();
        for (part, at, byte) in changes {
            let bytes = &mut parts[binary[part.index(binary.len())]].1;
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in &parts {
            writer.start_file(name.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    })
}

proptest! {
    #[test]
    fn whatever_an_xls_holds_it_is_read_or_refused(
        bytes in prop_oneof![damaged(XLS), damaged(XLS_OF_LIBREOFFICE)],
    ) {
        let _ = read(file(&bytes));
    }

    #[test]
    fn random_bytes_behind_the_mark_of_an_xls_are_refused(
        rest in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let _ = read(file(&[b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", rest.as_slice()].concat()));
    }

    #[test]
    fn whatever_an_xlsb_holds_it_is_read_or_refused(bytes in damaged_part()) {
        let _ = read(file(&bytes));
    }
}
