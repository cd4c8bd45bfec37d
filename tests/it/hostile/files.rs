//! Files that are made to hurt: too large to be kept, made here. Small ones stand in `tests/cases/hostile`.

use std::fs::File;
use std::io::Write;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{HEADER, row};
use crate::support::site::{Ended, Site, bounded};

struct Nasty {
    name: &'static str,
    file: &'static str,
    make: fn(&Site, &str),
    exit: i32,
    says: &'static str,
}

const fn nasty(
    name: &'static str,
    file: &'static str,
    exit: i32,
    says: &'static str,
    make: fn(&Site, &str),
) -> Nasty {
    Nasty { name, file, make, exit, says }
}

const MEGABYTE: usize = 1 << 20;

const TABLE: &[Nasty] = &[
    nasty("four gigabytes of nothing", "a.csv", 5, "", |site, file| {
        File::create(site.path(file)).unwrap().set_len(4 << 30).unwrap();
    }),
    nasty("four gigabytes of settings", "a.csv", 2, "KiB", |site, file| {
        site.write(file, HEADER.to_owned() + &row(11_000));
        File::create(site.path("mutirao.toml")).unwrap().set_len(4 << 30).unwrap();
    }),
    nasty("settings of one key a thousand times", "a.csv", 2, "no ticket has such a field", |site, file| {
        site.write(file, HEADER.to_owned() + &row(11_000));
        let keys: String = (0..4_000).map(|n| format!("c{n}='x'\n")).collect();
        site.write("mutirao.toml", format!("[map]\n{keys}"));
    }),
    nasty("a line of forty megabytes", "a.csv", 5, "", |site, file| {
        site.write(file, [HEADER.as_bytes(), &vec![b'x'; 40 * MEGABYTE]].concat());
    }),
    nasty("a cell of brackets", "a.csv", 5, "parametros", |site, file| {
        let header = HEADER.trim_end().to_owned() + ";parametros\n";
        let cell = row(11_000).trim_end().to_owned() + ";" + &"[".repeat(60_000) + "\n";
        site.write(file, header + &cell);
    }),
    nasty("a page whose cells reach over thousands of others", "a.xls", 5, "", |site, file| {
        let reach = "<table><tr><td colspan=1024 rowspan=1024>x".to_owned() + &"<tr><td>".repeat(3_900_000);
        site.write(file, reach);
    }),
    nasty("a page of wide cells", "a.xls", 5, "", |site, file| {
        site.write(file, "<table>".to_owned() + &"<tr><td colspan=1024>x".repeat(1_400_000));
    }),
    nasty("a workbook of blanks", "a.xlsx", 5, "longer than 16 MiB", |site, file| {
        workbook(site, file, |to| (0..40).for_each(|_| to.write_all(&vec![b' '; MEGABYTE]).unwrap()));
    }),
    nasty("a workbook of tags that are not closed", "a.xlsx", 5, "nested", |site, file| {
        workbook(site, file, |to| to.write_all(&b"<c>".repeat(MEGABYTE)).unwrap());
    }),
    nasty("a workbook of one long tag", "a.xlsx", 5, "longer than 16 MiB", |site, file| {
        workbook(site, file, |to| {
            to.write_all(b"<row ").unwrap();
            (0..40).for_each(|_| to.write_all(&b"a=\"b\" ".repeat(MEGABYTE / 6)).unwrap());
        });
    }),
    nasty("an archive of thousands of parts", "a.zip", 5, "", |site, file| {
        let mut writer = ZipWriter::new(File::create(site.path(file)).unwrap());
        for n in 0..60_000 {
            writer.start_file(format!("{n}.csv"), SimpleFileOptions::default()).unwrap();
        }
        writer.finish().unwrap();
    }),
    nasty("an archive in an archive", "a.zip", 5, "", |site, file| {
        let mut bytes = HEADER.as_bytes().to_vec();
        for n in 0..5 {
            let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
            writer
                .start_file(
                    format!("{n}.{}", if n == 0 { "csv" } else { "zip" }),
                    SimpleFileOptions::default(),
                )
                .unwrap();
            writer.write_all(&bytes).unwrap();
            bytes = writer.finish().unwrap().into_inner();
        }
        site.write(file, bytes);
    }),
];

/// A workbook whose one sheet is what `write` writes.
fn workbook(site: &Site, file: &str, write: impl FnOnce(&mut dyn Write)) {
    let mut writer = ZipWriter::new(File::create(site.path(file)).unwrap());
    let book = r#"<workbook><sheets><sheet name="P" id="1"/></sheets></workbook>"#;
    let relations =
        r#"<Relationships><Relationship Id="1" Type="x/worksheet" Target="s.xml"/></Relationships>"#;
    let parts =
        [("[Content_Types].xml", ""), ("xl/workbook.xml", book), ("xl/_rels/workbook.xml.rels", relations)];
    for (name, text) in parts {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.start_file("xl/s.xml", SimpleFileOptions::default()).unwrap();
    writer.write_all(b"<worksheet><sheetData>").unwrap();
    write(&mut writer);
    writer.finish().unwrap();
}

#[test]
fn a_file_that_is_made_to_hurt_is_refused_soon_and_small() {
    for nasty in TABLE {
        let site = Site::new("");
        (nasty.make)(&site, nasty.file);
        let import = site.command(&["import", nasty.file, "--strict"]);
        let ended: Ended = bounded(&import).output().unwrap().into();
        let said = ended.stdout + &ended.stderr;
        assert_eq!(ended.code, Some(nasty.exit), "{}: {said}", nasty.name);
        assert!(said.contains(nasty.says), "{}: {said}", nasty.name);
        assert!(said.len() < 256 << 10, "{}: {} bytes", nasty.name, said.len());
        assert_eq!(site.audit().tickets, 0, "{}", nasty.name);
    }
}
