//! Small files that went wrong once, through the real binary. What is right for `NAME` stands beside it in
//! `NAME.expect`:
//!
//! ```text
//! # Why the case is kept.
//! $ check --encoding macintosh      a command; FILE comes behind its name; `\ ` is a blank within an argument
//! exit 5                            its exit code
//! says line 2, nome                 what it says, on stdout or stderr
//! not Ana                           what it does not say
//! json /counts/opened 3             a value of the JSON on stdout
//! ```
//!
//! For all of them: 10 s of CPU, 256 MiB of memory, an exit code of the contract, and nothing on the terminal
//! that a terminal would obey.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use mutirao::printable::is_printable;

use crate::support::site::{Ended, Site, bounded};

/// What one command over a file must come to.
#[derive(Debug, Default)]
struct Case {
    args: Vec<String>,
    exit: i32,
    says: Vec<String>,
    not: Vec<String>,
    json: Vec<(String, String)>,
}

#[test]
fn every_case_ends_as_is_said_beside_it() {
    let mut failed = String::new();
    let mut n_cases = 0;
    for file in inputs() {
        let expected = PathBuf::from(format!("{}.expect", file.display()));
        let expected =
            fs::read_to_string(&expected).unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
        for case in cases(&expected) {
            n_cases += 1;
            let site = Site::new("");
            let name = file.file_name().and_then(OsStr::to_str).unwrap();
            site.write(name, fs::read(&file).unwrap());
            let ended = run(&site, &case, name);
            let wrong = case.wrong(&ended);
            if !wrong.is_empty() {
                let command = case.args.join(" ");
                writeln!(
                    failed,
                    "{} ({command}): {}\nstdout:\n{}stderr:\n{}",
                    file.display(),
                    wrong.join("; "),
                    ended.stdout,
                    ended.stderr
                )
                .unwrap();
            }
        }
    }
    assert!(0 < n_cases && failed.is_empty(), "{failed}");
}

/// Too large to be kept: made here.
#[test]
fn what_is_far_too_wide_or_long_ends_soon_and_small() {
    let header = "id_cliente_servico;descricao;nome;telefone";
    let row = "11000;Sem sinal;Ana;37999112200";
    let names: String = (0..100_000).map(|it| format!(";coluna{it}")).collect();
    check(
        "100_000_names.csv",
        format!("{header}{names}\n{row}\n").as_bytes(),
        "check",
        "exit 5\nsays more than 1,024 columns",
    );
    check("only_delimiters.csv", &b";".repeat(15_000_000), "check", "exit 5\nsays the file is empty");
    let far = ";".repeat(50_000);
    check(
        "blank_headers.csv",
        format!("{header}{far}\n{}", format!("{row}{far}\n").repeat(50)).as_bytes(),
        "import --sandbox --rate unlimited --yes",
        "exit 5\nsays more than 1,024 columns",
    );
    let unclosed = format!("{header}\n{}", "11000;b\"\";\"a;Ana;37999112200\n".repeat(20_000));
    check("unclosed.csv", unclosed.as_bytes(), "check", "exit 5\nsays (stray_quotation_mark)");
}

#[track_caller]
fn check(name: &str, content: &[u8], command: &str, expected: &str) -> Site {
    let site = Site::new("");
    site.write(name, content);
    let case = cases(&format!("$ {command}\n{expected}\n")).remove(0);
    let ended = run(&site, &case, name);
    let wrong = case.wrong(&ended);
    assert!(wrong.is_empty(), "{name}: {}\n{}{}", wrong.join("; "), ended.stdout, ended.stderr);
    site
}

/// One cell in the last column made a work folder of a gigabyte; a column too many for Excel held the results
/// back.
#[test]
fn a_sheet_as_wide_as_excel_has_small_results_and_has_them() {
    let table = |names: &[(u16, &str)], n_rows: u32| {
        let mut workbook = rust_xlsxwriter::Workbook::new();
        let sheet = workbook.add_worksheet();
        for (at, name) in names {
            sheet.write_string(0, *at, *name).unwrap();
        }
        for row in 1..=n_rows {
            sheet.write_number(row, 0, 11_000.0 + f64::from(row)).unwrap();
            for (at, text) in [(1, "Sem sinal"), (2, "Ana"), (3, "37999112200")] {
                sheet.write_string(row, at, text).unwrap();
            }
        }
        workbook.save_to_buffer().unwrap()
    };
    let needed = [(0, "servico"), (1, "descricao"), (2, "nome"), (3, "telefone")];
    let one = [&needed[..], &[(16_383, "obs")]].concat();
    let import = "import --sandbox --rate unlimited --yes --json";
    let site = check("canto.xlsx", &table(&one, 500), import, "exit 0\njson /counts/opened 500");
    let files = fs::read_dir(site.path("canto.sandbox.mutirao")).unwrap();
    let size: u64 = files.map(|it| it.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 4_000_000, "{size} bytes");

    let names: Vec<_> = (4..16_384).map(|it| (it, format!("c{it}"))).collect();
    let all: Vec<_> = needed.into_iter().chain(names.iter().map(|(at, name)| (*at, name.as_str()))).collect();
    let site =
        check("largo.xlsx", &table(&all, 2), import, "exit 0\njson /counts/opened 2\nsays results.xlsx");
    assert_eq!(site.table("largo.sandbox.mutirao/results.csv").len(), 2);
}

/// `import --sandbox`, errors.csv corrected, and imported: the first command of the README.
#[test]
fn what_the_sandbox_refused_is_opened_once_it_is_corrected() {
    let site = Site::new("");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/sheets/sandbox_corrigir.csv");
    site.write("queda.csv", fs::read(file).unwrap());
    let flags = ["--sandbox", "--rate", "unlimited", "--yes"];
    site.run(&[&["import", "queda.csv"], &flags[..]].concat()).expect(3);
    let errors = "queda.sandbox.mutirao/errors.csv";
    let corrected = site.read(errors).replace(";37999;", ";37999112201;");
    site.write(errors, corrected);
    site.run(&[&["import", errors], &flags[..]].concat()).expect(0);
}

fn inputs() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let folders = fs::read_dir(root).unwrap().map(|it| it.unwrap().path());
    let files = folders.flat_map(|it| fs::read_dir(it).unwrap()).map(|it| it.unwrap().path());
    let mut files: Vec<_> = files.filter(|it| it.extension() != Some(OsStr::new("expect"))).collect();
    files.sort();
    files
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|it| !it.is_empty() && !it.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap();
        if word == "$" {
            let args = words(rest);
            cases.push(Case { args, ..Case::default() });
            continue;
        }
        let case = cases.last_mut().expect("a command comes first");
        match word {
            "exit" => case.exit = rest.parse().unwrap(),
            "says" => case.says.push(rest.to_owned()),
            "not" => case.not.push(rest.to_owned()),
            "json" => {
                let (place, value) = rest.split_once(' ').unwrap();
                case.json.push((place.to_owned(), value.to_owned()));
            }
            _ => panic!("`{line}` is none of the words above"),
        }
    }
    cases
}

/// Separated by blanks; `\ ` is a blank within.
fn words(line: &str) -> Vec<String> {
    line.replace("\\ ", "\0").split(' ').map(|it| it.replace('\0', " ")).collect()
}

fn run(site: &Site, case: &Case, file: &str) -> Ended {
    let (command, flags) = case.args.split_first().unwrap();
    let mut args = vec![command.as_str(), file];
    args.extend(flags.iter().map(String::as_str));
    bounded(&site.command(&args)).output().unwrap().into()
}

impl Case {
    fn wrong(&self, ended: &Ended) -> Vec<String> {
        let said = format!("{}\n{}", ended.stdout, ended.stderr);
        let mut wrong = Vec::new();
        if ended.code != Some(self.exit) {
            wrong.push(format!("exit {:?}, not {}", ended.code, self.exit));
        }
        if let Some(char) = said.chars().find(|it| *it != '\n' && !is_printable(*it)) {
            wrong.push(format!("{char:?} on the terminal"));
        }
        wrong.extend(self.says.iter().filter(|it| !said.contains(*it)).map(|it| format!("no `{it}`")));
        wrong.extend(self.not.iter().filter(|it| said.contains(*it)).map(|it| format!("`{it}`")));
        if !self.json.is_empty() {
            let json = serde_json::from_str(&ended.stdout).unwrap_or(serde_json::Value::Null);
            let value = |place: &str| json.pointer(place).map(ToString::to_string).unwrap_or_default();
            let other = self.json.iter().filter(|(place, expected)| value(place) != *expected);
            wrong.extend(
                other.map(|(place, expected)| format!("{place} is {}, not {expected}", value(place))),
            );
        }
        wrong
    }
}
