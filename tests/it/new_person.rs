//! The first day of somebody of the office, in Portuguese: each file of `cases/people` from its name to
//! `results.xlsx`, at a terminal, with the real binary. The snapshots are what that person reads.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::site::Site;
use crate::support::terminal::Terminal;

/// A question, by how it ends, and what is typed.
type Answer<'a> = (&'a str, &'a str);

/// Of phones that lack it.
const DDD: Answer<'_> = ("para corrigir depois", "37");

struct Person {
    site: Site,
    read: String,
}

impl Person {
    fn with(file: &str) -> Self {
        let site = Site::new("");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/people").join(file);
        site.write(file, fs::read(from).unwrap());
        // What `init` writes; and a pace that a test can wait for.
        let token = site.path("token");
        site.write("token", site.token());
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
        site.write(
            ".config/mutirao/mutirao.toml",
            format!("hubsoft_url = {:?}\nhubsoft_token_file = {token:?}\nrate = \"unlimited\"\n", site.url()),
        );
        Self { site, read: String::new() }
    }

    /// Types a command, and the answers as it asks.
    fn types(&mut self, line: &str, answers: &[Answer<'_>]) -> &mut Self {
        let mut terminal = Terminal::new(&self.site, "pt_BR.UTF-8", line);
        for (question, answer) in answers {
            terminal.answer(question, answer);
        }
        let (code, said) = terminal.end(&self.site);
        write!(self.read, "$ mutirao {line}\n{said}[{}]\n\n", code.unwrap()).unwrap();
        self
    }

    /// Corrects the cells of errors.csv, as the file stands in a spreadsheet program.
    fn corrects(&mut self, folder: &str, change: impl Fn(&str) -> String) -> &mut Self {
        let errors = format!("{folder}/errors.csv");
        // As the sheet was, so are its results: in Windows-1252.
        let bytes = fs::read(self.site.path(&errors)).unwrap();
        let text = encoding_rs::WINDOWS_1252.decode(&bytes).0;
        let changed: String = text.lines().map(|line| change(line) + "\r\n").collect();
        self.site.write(&errors, encoding_rs::WINDOWS_1252.encode(&changed).0);
        self
    }

    /// All that was read, but for what differs from run to run.
    #[track_caller]
    fn ends(&self, name: &str, folder: &str, n_opened: u64) {
        insta::with_settings!({filters => [
            (r"\d\d/\d\d/\d{4}( \d\d:\d\d(:\d\d)?)?", "[data]"),
            (r"\b\d\d:\d\d(:\d\d)?\b", "[hora]"),
            (r"\d{15,}", "[protocolo]"),
        ]}, { insta::assert_snapshot!(name, self.read) });
        assert_eq!(self.site.audit().tickets, n_opened);
        assert!(self.site.path(folder).join("results.xlsx").exists());
    }
}

#[test]
fn a_list_as_excel_saves_it() {
    let mut person = Person::with("clientes_queda_cto12.csv");
    person.types("conferir clientes_queda_cto12.csv", &[]);
    person
        .types("importar clientes_queda_cto12.csv --find-service", &[DDD, ("número de atendimentos", "800")]);
    person.ends("list", "clientes_queda_cto12.mutirao", 800);
}

#[test]
fn a_report_with_customers_and_no_services() {
    let mut person = Person::with("Clientes afetados CTO 12.xlsx");
    person.types("conferir 'Clientes afetados CTO 12.xlsx' --find-service", &[]);
    let answers =
        [("linha vazia encerra", "Sem sinal: queda na CTO 12"), DDD, ("número de atendimentos", "372")];
    person.types("importar 'Clientes afetados CTO 12.xlsx' --find-service", &answers);
    person.types("situacao 'Clientes afetados CTO 12'", &[]);
    person.ends("report", "Clientes afetados CTO 12.mutirao", 372);
}

#[test]
fn a_workbook_of_two_sheets() {
    let mut person = Person::with("duas abas.xlsx");
    person.types("importar 'duas abas.xlsx' --find-service", &[DDD, ("número de atendimentos", "800")]);
    person.ends("two_sheets", "duas abas.mutirao", 800);
}

#[test]
fn a_sheet_with_a_title() {
    let mut person = Person::with("sem sinal.xlsx");
    person.types("importar 'sem sinal.xlsx' --find-service", &[DDD, ("número de atendimentos", "800")]);
    person.ends("title", "sem sinal.mutirao", 800);
}

#[test]
fn two_services_in_a_cell() {
    let mut person = Person::with("dois servicos.csv");
    person.types("importar 'dois servicos.csv' --find-service", &[DDD]);
    // A row for each; into the new one go the columns of the sheet.
    person.corrects("dois servicos.mutirao", |line| {
        let Some((first, rest)) = line.split_once(" / ") else { return line.to_owned() };
        let (second, rest) = rest.split_once(';').unwrap();
        let own: Vec<_> = rest.split(';').take(3).collect();
        format!("{first};{rest}\r\n{second};{}{}", own.join(";"), ";".repeat(rest.matches(';').count() - 2))
    });
    person.types("importar 'dois servicos.mutirao/errors.csv' --find-service", &[DDD]);
    person.ends("two_services", "dois servicos.mutirao", 20);
}

#[test]
fn phones_of_every_kind() {
    let mut person = Person::with("telefones.csv");
    person.types("conferir telefones.csv", &[]);
    person.types("importar telefones.csv --find-service", &[DDD]);
    let errors = |line: &str| {
        let line = line.replace(";não tem;", ";37 99911-2203;").replace(";00000000000;", ";37 99911-2204;");
        line.replace("Silva;;", "Silva;37 99911-2205;")
    };
    person.corrects("telefones.mutirao", errors);
    person.types("importar telefones.mutirao/errors.csv --find-service", &[]);
    person.types("importar telefones.mutirao/errors.csv --find-service", &[]);
    person.types("situacao telefones", &[]);
    person.ends("phones", "telefones.mutirao", 14);
}

#[test]
fn phones_abroad() {
    let mut person = Person::with("exterior.csv");
    person.types("importar exterior.csv --find-service", &[("para corrigir depois", "")]);
    person.ends("abroad", "exterior.mutirao", 2);
}

#[test]
fn the_same_row_with_other_blanks() {
    let mut person = Person::with("espacos.csv");
    person.types("importar espacos.csv --find-service", &[]);
    person.ends("blanks", "espacos.mutirao", 2);
}
