//! Workbooks (`.xlsx`, `.xlsb`, `.xls`, `.ods`): their sheets, row by row, in bounded memory and time.
//!
//! Our own reader and not a crate's: a file of a kilobyte can be made to unfold to gigabytes or to be read
//! for ever, and those at hand have no bound on what they unpack, repeat or allocate. This one reads no more
//! than rows of texts, and every loop consumes bytes of which there are at most so many.

mod archive;
mod binary;
mod compound;
mod numbers;
mod ods;
mod relations;
mod row;
mod sheet_name;
mod texts;
mod words;
mod xls;
mod xls_records;
mod xlsb;
mod xlsb_records;
mod xlsx;
mod xml;

use std::fs::File;
use std::io::Seek;

use archive::Archive;
use compound::Compound;
use ods::Ods;
use row::Row;
pub(super) use sheet_name::SheetName;
pub use words::Fault;
use xls::Xls;
use xlsb::Xlsb;
use xlsx::Xlsx;

use super::records::Record;
use super::words::{IntakeError, formats};

/// A workbook whose visible sheets are known.
pub(super) struct Book(Kind);

enum Kind {
    Xlsx(Archive, Xlsx),
    Xlsb(Archive, Xlsb),
    Ods(Archive, Ods),
    Xls(Xls),
}

impl Book {
    pub(super) fn open(file: File) -> Result<Self, IntakeError> {
        let kind = if Compound::is_one(&file) { Kind::compound(file) } else { Kind::archive(file) }?;
        let this = Self(kind);
        if this.sheets().is_empty() {
            return Err(whole(Fault::NoSheet).beside_hidden(this.hidden()));
        }
        Ok(this)
    }

    /// The names of the sheets that are not shown.
    pub(super) fn hidden(&self) -> &[String] {
        match &self.0 {
            Kind::Xlsx(_, book) => &book.hidden,
            Kind::Xlsb(_, book) => &book.hidden,
            Kind::Ods(_, book) => &book.hidden,
            Kind::Xls(book) => &book.hidden,
        }
    }

    /// At least one.
    pub(super) fn sheets(&self) -> &[SheetName] {
        match &self.0 {
            Kind::Xlsx(_, book) => &book.sheets,
            Kind::Xlsb(_, book) => &book.sheets,
            Kind::Ods(_, book) => &book.sheets,
            Kind::Xls(book) => &book.sheets,
        }
    }

    /// A sheet, from its first row.
    pub(super) fn read(&self, at: usize) -> Result<Sheet, IntakeError> {
        let name = self.sheets()[at].name.clone();
        let rows = match &self.0 {
            Kind::Xlsx(archive, book) => book.rows(archive, at).map(Rows::Xlsx),
            Kind::Xlsb(archive, book) => book.rows(archive, at).map(Rows::Xlsb),
            Kind::Ods(archive, book) => book.rows(archive, at).map(Rows::Ods),
            Kind::Xls(book) => book.rows(at).map(Rows::Xls),
        };
        match rows {
            Ok(rows) => Ok(Sheet { name, rows, row: Row::default() }),
            Err(fault) => Err(IntakeError::Workbook { sheet: Some(name), row: None, fault }),
        }
    }
}

impl Kind {
    fn compound(file: File) -> Result<Self, IntakeError> {
        let container = Compound::open(file).map_err(whole)?;
        let found = formats::STREAMS.into_iter().find(|(stream, _)| container.has(stream));
        if let Some((_, what)) = found {
            return Err(IntakeError::NotASpreadsheet { what });
        }
        let is_old = !container.has(xls::STREAM) && container.has("book");
        match if is_old { None } else { Xls::open(container).map_err(whole)? } {
            Some(book) => Ok(Self::Xls(book)),
            None => Err(IntakeError::NotASpreadsheet { what: formats::XLS_OF_1995 }),
        }
    }

    fn archive(file: File) -> Result<Self, IntakeError> {
        let archive = Archive::open(file).map_err(whole)?;
        let not = |what| Err(IntakeError::NotASpreadsheet { what });
        if archive.has("[Content_Types].xml") {
            for (part, what) in formats::OFFICE {
                if archive.has(part) {
                    return not(what);
                }
            }
            if archive.has(xlsb::PART) {
                let book = Xlsb::open(&archive).map_err(whole)?;
                return Ok(Self::Xlsb(archive, book));
            }
            let book = Xlsx::open(&archive).map_err(whole)?;
            Ok(Self::Xlsx(archive, book))
        } else if archive.has("content.xml") {
            let book = Ods::open(&archive).map_err(whole)?;
            Ok(Self::Ods(archive, book))
        } else if archive.has("Index/Document.iwa") || archive.has("Index.zip") {
            not(formats::NUMBERS)
        } else if archive.spreadsheets().next().is_some() {
            not(formats::ZIP_OF_SPREADSHEETS)
        } else {
            not(formats::ZIP)
        }
    }
}

/// The spreadsheet that an archive is packed around, and its name there: the only one in an archive that is
/// no workbook itself.
pub(super) fn packed(file: File) -> Result<Option<(String, File)>, IntakeError> {
    let archive = Archive::open(file).map_err(whole)?;
    let is_workbook = archive.has("[Content_Types].xml") || archive.has("content.xml");
    // A text beside a table explains it, as a rule.
    let (texts, mut tables): (Vec<&str>, Vec<&str>) =
        archive.spreadsheets().partition(|name| name.ends_with(".txt"));
    if tables.is_empty() {
        tables = texts;
    }
    let [name] = tables[..] else { return Ok(None) };
    if is_workbook {
        return Ok(None);
    }
    let mut out = tempfile::tempfile().map_err(IntakeError::Spool)?;
    archive.unpack(name, &mut out)?;
    out.rewind().map_err(IntakeError::Spool)?;
    Ok(Some((name.to_owned(), out)))
}

fn whole(fault: Fault) -> IntakeError {
    IntakeError::Workbook { sheet: None, row: None, fault }
}

/// A sheet being read.
pub(super) struct Sheet {
    pub name: String,
    rows: Rows,
    row: Row,
}

enum Rows {
    Xlsx(xlsx::Rows),
    Xlsb(xlsb::Rows),
    Ods(ods::Rows),
    Xls(xls::Rows),
}

impl Sheet {
    /// Goes to the next row that is not blank. `false`: there is none.
    pub(super) fn advance(&mut self) -> Result<bool, IntakeError> {
        let before = self.row.line;
        let advanced = match &mut self.rows {
            Rows::Xlsx(rows) => rows.advance(&mut self.row),
            Rows::Xlsb(rows) => rows.advance(&mut self.row),
            Rows::Ods(rows) => rows.advance(&mut self.row),
            Rows::Xls(rows) => rows.advance(&mut self.row),
        };
        advanced.map_err(|fault| {
            // Blank rows in between are not counted: the fault is in this one or behind it.
            let is_behind = self.row.line == before && !matches!(fault, Fault::Unordered);
            let row = Some(if is_behind { before + 1 } else { self.row.line });
            IntakeError::Workbook { sheet: Some(self.name.clone()), row, fault }
        })
    }

    pub(super) fn record(&self) -> Record<'_> {
        self.row.record()
    }

    /// Whether the current row is hidden, by a filter or by hand.
    pub(super) fn is_hidden(&self) -> bool {
        self.row.is_hidden
    }
}

#[cfg(test)]
mod binary_tests;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    /// An archive of these parts.
    fn archive(parts: &[(&str, &str)], method: CompressionMethod) -> File {
        let mut writer = ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, text) in parts {
            let options = SimpleFileOptions::default().compression_method(method);
            writer.start_file(*name, options).unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        let mut file = writer.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    fn xlsx(rows: &str) -> File {
        let book = r#"<workbook><sheets><sheet name="P" id="1"/></sheets></workbook>"#;
        let relations = r#"<Relationships><Relationship Id="1" Type="x/worksheet" Target="s.xml"/><Relationship Id="2" Type="x/sharedStrings" Target="t.xml"/></Relationships>"#;
        let texts =
            "<sst><si><t>zero</t></si><si><r><t>o</t></r><rPh><t>x</t></rPh><r><t>ne</t></r></si></sst>";
        let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        let parts = [
            ("[Content_Types].xml", ""),
            ("xl/workbook.xml", book),
            ("xl/_rels/workbook.xml.rels", relations),
            ("xl/t.xml", texts),
            ("xl/s.xml", &sheet),
        ];
        archive(&parts, CompressionMethod::Deflated)
    }

    fn ods(rows: &str) -> File {
        let content = format!(
            r#"<d><s><style:style style:name="h"><style:table-properties table:display="false"/></style:style></s>
            <table:table table:name="hidden" table:style-name="h"><table:table-row/></table:table>
            <table:table table:name="P">{rows}</table:table></d>"#
        );
        archive(&[("content.xml", &content)], CompressionMethod::Stored)
    }

    /// The lines, whether they are hidden, and their cells.
    fn read(file: File) -> Result<Vec<(u64, bool, Vec<String>)>, IntakeError> {
        let mut sheet = Book::open(file)?.read(0)?;
        let mut rows = Vec::new();
        while sheet.advance()? {
            let record = sheet.record();
            rows.push((record.line, sheet.is_hidden(), record.cells().map(str::to_owned).collect()));
        }
        Ok(rows)
    }

    #[track_caller]
    fn check(file: File, expected: &[(u64, bool, &[&str])]) {
        let found = read(file).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|(line, is_hidden, cells)| {
                (*line, *is_hidden, cells.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(line, is_hidden, cells)| (*line, *is_hidden, cells.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sheet_of_excel_is_read_as_it_is_seen() {
        check(
            xlsx(
                r#"<row><c t="s"><v>1</v></c><c r="C1"><v>2.5</v></c></row>
                <row r="3" hidden="1"><c r="A3" t="inlineStr"><is><t>a &lt;b&#233;</t><t> c</t></is></c></row>
                <row r="4"/><row r="5"><c r="B5" t="b"><v>1</v></c><c t="e"><v>#N/A</v></c><c t="str"><f>A1</f><v>x_x000D_</v></c></row>
                <row><c t="d"><v>2025-10-13T00:00:00</v></c><c><v/></c><c><v>3.7999112233E+10</v></c></row>"#,
            ),
            &[
                (1, false, &["one", "", "2.5"]),
                (3, true, &["a <bé c"]),
                (5, false, &["", "true", "#N/A", "x\r"]),
                (6, false, &["2025-10-13", "", "37999112233"]),
            ],
        );
    }

    #[test]
    fn a_sheet_of_libreoffice_is_read_as_it_is_seen() {
        let cell = |rest: &str, text: &str| format!("<table:table-cell {rest}>{text}</table:table-cell>");
        let text =
            cell("", "<text:p>a<text:s text:c=\"2\"/>b</text:p><text:p>c<text:span>d</text:span></text:p>");
        let rows = [
            format!(
                "<table:table-row table:visibility=\"filter\">{text}{}{}</table:table-row>",
                cell(r#"office:value-type="float" office:value="11000""#, "<text:p>11.000</text:p>"),
                cell("", "<office:annotation><text:p>note</text:p></office:annotation><text:p>e</text:p>"),
            ),
            format!("<table:table-row table:number-rows-repeated=\"7\">{}</table:table-row>", cell("", "")),
            format!(
                "<table:table-header-rows><table:table-row table:number-rows-repeated=\"2\">{}{}{}{}</table:table-row></table:table-header-rows>",
                cell(r#"table:number-columns-repeated="2""#, "<text:p>x</text:p>"),
                "<table:covered-table-cell><text:p>under</text:p></table:covered-table-cell>",
                cell(r#"office:value-type="date" office:date-value="2025-10-13T12:00:00""#, ""),
                cell(r#"office:value-type="string" calcext:value-type="error""#, "<text:p>#N/D</text:p>"),
            ),
        ];
        check(
            ods(&rows.concat()),
            &[
                (1, true, &["a  b\ncd", "11000", "e"]),
                (9, false, &["x", "x", "", "2025-10-13 12:00:00", "#N/D"]),
                (10, false, &["x", "x", "", "2025-10-13 12:00:00", "#N/D"]),
            ],
        );
    }

    /// They became the cell's text.
    #[test]
    fn what_lies_upon_a_cell_of_libreoffice_is_no_text_of_it() {
        let note = "<text:p>note</text:p>";
        for shape in [
            format!("<draw:custom-shape>{note}</draw:custom-shape>"),
            format!("<draw:g><draw:line/><draw:rect>{note}</draw:rect></draw:g>"),
            format!("<draw:frame><draw:text-box>{note}</draw:text-box></draw:frame>"),
            format!(
                "<draw:frame><table:table><table:table-row><table:table-cell>{note}</table:table-cell></table:table-row></table:table></draw:frame>"
            ),
        ] {
            let cells = format!(
                "<table:table-cell>{shape}<text:p>Sem sinal</text:p></table:table-cell><table:table-cell><text:p>x</text:p></table:table-cell>"
            );
            check(
                ods(&format!("<table:table-row>{cells}</table:table-row>")),
                &[(1, false, &["Sem sinal", "x"])],
            );
        }
    }

    #[test]
    fn a_number_that_libreoffice_shows_as_another_cannot_pass_for_it() {
        let cells = [
            ("percentage", "110", "11000%"),
            ("float", "11000000", "11000"),
            ("float", "999112233", "(37) 99911-2233"),
            ("float", "11000", "11.000,00"),
            ("currency", "11000", "R$ 11.000"),
            ("float", "1.5", "2"),
        ];
        let cell = |(kind, value, shown): &(&str, &str, &str)| {
            format!(
                r#"<table:table-cell office:value-type="{kind}" office:value="{value}"><text:p>{shown}</text:p></table:table-cell>"#
            )
        };
        let cells: String = cells.iter().map(cell).collect();
        check(
            ods(&format!("<table:table-row>{cells}</table:table-row>")),
            &[(
                1,
                false,
                &["11000%", "11000 = 11000000", "(37) 99911-2233 = 999112233", "11000", "11000", "1.5"],
            )],
        );
    }

    /// Both were sent as they stood in the file: as 0, or as another customer's number.
    #[test]
    fn a_formula_that_failed_shows_no_value_whatever_is_kept_of_it() {
        let of_excel = xlsx(
            r#"<row><c t="e"><v>90012</v></c><c t="e"><v>#N/A</v></c><c t="e"/><c t="n"><v>#REF!</v></c><c t="b"><v>#N/A</v></c></row>"#,
        );
        check(of_excel, &[(1, false, &["#ERROR!", "#N/A", "#ERROR!", "#REF!", "#N/A"])]);

        let float = |value: &str, rest: &str, shown: &str| {
            format!(
                r#"<table:table-cell office:value-type="float" office:value="{value}" {rest}><text:p>{shown}</text:p></table:table-cell>"#
            )
        };
        let cells = [
            float("0", "", "#DIV/0!"),
            float("0", "", " Err:508"),
            float("90012", "", "#REF!"),
            float("90012", "", "###"), // Its column is narrow.
            float("90012", r#"calcext:value-type="error""#, "90.012"),
        ];
        check(
            ods(&format!("<table:table-row>{}</table:table-row>", cells.concat())),
            &[(1, false, &["#DIV/0!", " Err:508", "#REF!", "90012", "#ERROR!"])],
        );
    }

    #[track_caller]
    fn refused(file: File) -> String {
        let all = || {
            let mut sheet = Book::open(file)?.read(0)?;
            while sheet.advance()? {}
            Ok(())
        };
        let fault: Result<(), IntakeError> = all();
        fault.unwrap_err().to_string()
    }

    #[test]
    fn what_no_spreadsheet_program_writes_has_bounds() {
        let cell = |text: &str| format!("<row><c t=\"str\"><v>{text}</v></c></row>");
        assert!(refused(xlsx(&"<a>".repeat(1000))).contains("nested more than 256 times"));
        assert!(
            refused(xlsx(&cell(&"x".repeat(17 << 20)))).contains("a piece of its XML is longer than 16 MiB")
        );
        assert!(
            refused(xlsx("<row r=\"2\"><c><v>1</v></c></row><row r=\"2\"/>"))
                .contains("row 2: its rows are not in order")
        );
        assert!(
            refused(xlsx("<row r=\"2\"><c><v>1</v></c></row><row r=\"1\"/>"))
                .contains("row 1: its rows are not in order")
        );
        assert!(refused(xlsx("<row><c r=\"XFE1\"><v>1</v></c></row>")).contains("row 1: a cell's place"));
        assert!(refused(xlsx("<row r=\"1048577\"><c><v>1</v></c></row>")).contains("a cell's place"));
        assert!(
            refused(xlsx("<row><c t=\"s\"><v>2</v></c></row>"))
                .contains("a text that the workbook does not have")
        );
        let far = "<row><c r=\"XFD\"><v>1</v></c></row>";
        assert!(refused(xlsx(&far.repeat(20_000))).contains("far apart"));
        assert!(
            refused(xlsx("<row></c></row>")).contains("row 1: its part `xl/s.xml` is damaged at byte 27")
        );
        // One text, in each of a row's cells, and in many rows.
        let long = "x".repeat(60_000);
        let row = format!(
            "<table:table-row table:number-rows-repeated=\"1000\"><table:table-cell table:number-columns-repeated=\"N\"><text:p>{long}</text:p></table:table-cell></table:table-row>"
        );
        assert!(refused(ods(&row.replace('N', "16384"))).contains("the row is longer than 16 MiB"));
        assert!(refused(ods(&row.replace('N', "200"))).contains("unpacked it has more than 1,024 MiB"));
    }

    #[test]
    fn a_damaged_archive_is_noticed() {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut ods("<table:table-row><table:table-cell><text:p>Ana</text:p></table:table-cell></table:table-row>"), &mut bytes).unwrap();
        let at = memchr::memmem::find(&bytes, b"Ana").unwrap();
        bytes[at] = b'E';
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        assert!(refused(file).contains("damaged"));
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "<row>",
            "<row r=\"2\">",
            "<row hidden=\"1\" r=\"\">",
            "</row>",
            "<c>",
            "<c r=\"B2\" t=\"s\">",
            "<c r=\"é\">",
            "</c>",
            "<v>",
            "</v>",
            "<is>",
            "<t>",
            "</t>",
            "1",
            "1e400",
            "&amp;",
            "&x;",
            "&#0;",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "é",
            "<",
            ">",
            "<table:table-row>",
            "</table:table-row>",
            "<table:table-row table:number-rows-repeated=\"18446744073709551615\">",
            "<table:table-cell table:number-columns-repeated=\"18446744073709551615\">",
            "<table:table-cell>",
            "</table:table-cell>",
            "<text:p>",
            "</text:p>",
            "<text:s text:c=\"9\"/>",
            "<office:annotation>",
            "</office:annotation>",
            "<draw:g>",
            "</draw:g>",
            "</table:table>",
        ]);
        prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_a_sheet_holds_it_is_read_or_refused(rows in pieces()) {
            let _ = read(xlsx(&rows));
            let _ = read(ods(&rows));
        }
    }
}
