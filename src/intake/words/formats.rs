//! What a file is instead of a spreadsheet: named in English, and told in the language of the person.

use std::borrow::Cow;

/// By its first bytes.
pub(in crate::intake) const MAGIC: [(&[u8], &str); 7] = [
    (b"%PDF", "a PDF"),
    (b"\x1F\x8B", "compressed (gzip)"),
    (b"Rar!", "compressed (rar)"),
    (b"7z\xBC\xAF", "compressed (7z)"),
    (b"\x89PNG", "a picture"),
    (b"\xFF\xD8\xFF", "a picture"),
    (b"SQLite format 3", "a database"),
];
pub(in crate::intake) const XLS_OF_1995: &str = "an Excel workbook of before 1997 (.xls)";
pub(in crate::intake) const ENCRYPTED: &str = "a workbook that is encrypted with a password";
pub(in crate::intake) const LOCK: &str = "the mark that Excel leaves beside a workbook that is open";
pub(in crate::intake) const HTML: &str = "a web page (HTML) without a table, whatever its name says";
pub(in crate::intake) const HTML_WITH_HIDDEN: &str =
    "a web page (HTML), whatever its name says, with hidden rows or columns, which may be meant or not";
pub(in crate::intake) const HTML_TOO_LONG: &str =
    "a web page (HTML), whatever its name says, of more than 32 MiB";
pub(in crate::intake) const XML_2003: &str = "an XML spreadsheet, as Excel wrote them in 2003";
pub(in crate::intake) const NUMBERS: &str = "a document of Apple Numbers (.numbers)";
pub(in crate::intake) const UTF16_WITHOUT_BOM: &str =
    "full of NUL bytes (if it is text in UTF-16, try `--encoding utf-16le`)";
pub(in crate::intake) const BINARY: &str = "binary";
pub(in crate::intake) const ZIP: &str = "a zip archive";
pub(in crate::intake) const ZIP_OF_SPREADSHEETS: &str = "a zip archive with several spreadsheets";

/// What helps, for what the file is.
pub(in crate::intake) fn hint(what: &str) -> Cow<'static, str> {
    match what {
        ENCRYPTED => {
            tr!(
                "open it and save it without a password (in Excel: File, Info, Protect Workbook, Encrypt with Password)"
            )
        }
        LOCK => tr!("give the workbook itself, whose name does not begin with `~$`"),
        ZIP | ZIP_OF_SPREADSHEETS => tr!("unpack it, and give the spreadsheet that is meant"),
        _ if what.starts_with("compressed") => tr!("unpack it, and give the spreadsheet that is in it"),
        _ => tr!("open it in a spreadsheet program, and save it as `.xlsx`, or as CSV with UTF-8"),
    }
}

/// By a part that it has.
pub(in crate::intake) const OFFICE: [(&str, &str); 2] =
    [("word/document.xml", "a Word document"), ("ppt/presentation.xml", "a presentation")];

/// By a stream that a file of Office has, in its old form.
pub(in crate::intake) const STREAMS: [(&str, &str); 3] = [
    ("encryptedpackage", ENCRYPTED),
    ("worddocument", "a Word document"),
    ("powerpoint document", "a presentation"),
];

pub(in crate::intake) const SPREADSHEETS: [&str; 7] =
    [".csv", ".tsv", ".txt", ".xls", ".xlsx", ".xlsb", ".ods"];

/// All of it, of which a person reads the one that it is.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static str> {
    let named = [XLS_OF_1995, ENCRYPTED, LOCK, HTML, HTML_WITH_HIDDEN, HTML_TOO_LONG, XML_2003, NUMBERS];
    let others = [UTF16_WITHOUT_BOM, BINARY, ZIP, ZIP_OF_SPREADSHEETS];
    MAGIC.into_iter().map(|(_, what)| what).chain(OFFICE.map(|(_, what)| what)).chain(named).chain(others)
}
