//! Where Portuguese is spoken, no English is: what every command prints, and every file that it leaves for a
//! person.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support::parts::part;
use crate::support::postgres::Database;
use crate::support::site::{Ended, Site};

/// Words that English sentences have and Portuguese ones have not.
const ENGLISH: &str = " about all already an and another answer answered any are be been before begin by can \
    cannot column columns could does done each else empty error every file files first folder from give had \
    has have header hint how if in into is it its known lines look may must name needs none not of on \
    once one only or other out print read reads rows run runs said say says see sent set \
    shows so some stands still such take than that the them then there these they this to too until value was \
    were what when where which while who why will with without would write written yes yet you your ";

/// Words of HubSoft, of Postgres and of spreadsheets that are told as they are, and what is both languages'.
const OTHERS: [&str; 1] = ["HubSoft"];

/// What a command is asked usually, and so that it fails; a line each, run one after the other.
const RUNS: &str = "
    template modelo.csv
    template modelo.xlsx
    template modelo.csv
    template modelo.pdf
    template listas.xlsx --online
    template listas.csv --online
    check queda.csv
    check problemas.csv
    check relatorio.pdf
    check vazio.csv
    check sem-servico.csv
    check queda.csv --map X=nome
    check queda.csv --encoding nada
    check queda.csv --online
    import queda.csv --dry-run
    import queda.csv --rate unlimited
    import queda.csv --rate unlimited
    import problemas.csv --rate unlimited --yes
    import nao-existe.csv
    import queda.csv --set nada=1
    import queda.csv --rate depressa
    import queda.csv --continue --new
    import
    enqueue queda.csv
    enqueue queda.csv --database-url sqlite:fila.db
    enqueue problemas.csv --database-url sqlite:fila.db
    status
    status queda
    status nada
    show queda:2
    show queda:99
    show problemas:4
    export queda -o copia
    export nada -o copia
    reconcile queda.mutirao
    reconcile nada
    resolve queda:2 --not-opened
    resolve nada:2 --not-opened
    retry queda
    retry nada
    cancel queda
    cancel nada
    purge --older-than 1d
    purge --older-than nunca
    migrate
    pause
    resume
    resume nada
    doctor
    catalogue
    catalogue --rate depressa
    init
    init --nada
    completions nada
    man
    web --listen 0.0.0.0:8674
    sandbox --with nada=1
    help
    help nada
    nada
    worker --nada
";

/// What needs a database that is shared.
const SHARED_RUNS: &str = "
    doctor
    catalogue
    init
    migrate
    enqueue queda.csv --batch queda
    status
    pause --reason almoço
    status
    resume
    import queda.csv --batch outra --rate unlimited
    status outra
    show outra:2
    export outra -o copia
    reconcile outra
    retry outra
    cancel queda
    purge --older-than 1d
    show outra
";

/// What hardly any flag takes.
const BAD_VALUES: [&str; 3] = ["nada", "0", ""];

/// Every flag that has a value, with a command that has it. A worker speaks English once it has understood
/// what was typed, so it is the last that is asked.
fn flags(site: &Site, commands: &BTreeSet<String>) -> BTreeMap<String, String> {
    let (workers, others): (Vec<_>, Vec<_>) = commands.iter().partition(|command| *command == "worker");
    let mut found = BTreeMap::new();
    for command in others.into_iter().chain(workers) {
        let help = said(site, &[command, "--help"], None);
        let named = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let flags = named.filter_map(|line| {
            let word = line.split("--").nth(1)?.split("  ").next()?;
            Some(format!("--{}", word.contains('<').then(|| word.split([' ', '[', '=']).next())??))
        });
        for flag in flags {
            found.entry(flag).or_insert_with(|| command.clone());
        }
    }
    found
}

/// What the program says in Portuguese to `args`.
fn said(site: &Site, args: &[&str], url: Option<&str>) -> String {
    let mut command = site.command(args);
    command.env("LANG", "pt_BR.UTF-8").env("USER", "ana");
    if let Some(url) = url {
        command.env("DATABASE_URL", url);
    }
    let Ended { stdout, stderr, .. } = command.output().unwrap().into();
    format!("{stdout}\n{stderr}")
}

/// The lines of `text` with a word of English, but for what stands in backticks, flags, paths and addresses.
fn english(text: &str) -> Vec<&str> {
    let is_english = |line: &&str| {
        let mut plain = String::new();
        for (at, piece) in line.split('`').enumerate() {
            plain.push_str(if at % 2 == 0 { piece } else { "x" });
        }
        for other in OTHERS {
            plain = plain.replace(other, "x");
        }
        let mut words = plain.split_whitespace().filter(|word| !word.starts_with('-') && !word.contains('/'));
        words.any(|word| {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            !word.is_empty() && ENGLISH.contains(&format!(" {word} "))
        })
    };
    text.lines().filter(is_english).collect()
}

fn runs(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| line.split(' ').collect())
}

/// What files a person finds there, and what stands in them.
fn files(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        match path.extension().and_then(|ending| ending.to_str()) {
            _ if path.is_dir() => files(&path, found),
            Some("xlsx") => {
                let workbook = fs::read(&path).unwrap();
                let names = part(&workbook, "xl/workbook.xml").replace("<sheet ", "\n<sheet ");
                let names = names.lines().filter_map(|sheet| sheet.split_once("name=\"")?.1.split_once('"'));
                let names: Vec<_> = names.map(|(name, _)| name.to_owned()).collect();
                let texts = part(&workbook, "xl/sharedStrings.xml").replace("</t>", "\n");
                let texts = texts.lines().filter_map(|text| Some(text.rsplit_once('>')?.1.to_owned()));
                found.insert(name, names.into_iter().chain(texts).collect::<Vec<_>>().join("\n"));
            }
            Some("html") => {
                let page = fs::read_to_string(&path).unwrap();
                let (head, body) = page.split_once("</style>").unwrap();
                let title = head.split_once("<title>").unwrap().1.split('<').next().unwrap();
                let texts = body.split('>').map(|text| text.split('<').next().unwrap());
                found.insert(name, texts.chain([title]).collect::<Vec<_>>().join("\n"));
            }
            Some("csv" | "txt" | "md") => {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
            _ => {}
        }
    }
}

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

#[tokio::test]
async fn no_english_is_spoken_where_portuguese_is() {
    let site = Site::new("");
    let rows = |ids: std::ops::Range<u32>| {
        ids.fold(HEADER.to_owned(), |text, id| text + &format!("{id};Sem sinal;Ana {id};37999112200\n"))
    };
    site.write("queda.csv", rows(11_000..11_020));
    site.write("problemas.csv", include_str!("../../samples/problemas.csv"));
    site.write("relatorio.pdf", "%PDF-1.4\n");
    site.write("vazio.csv", "");
    site.write("sem-servico.csv", "codigo_cliente;nome\n1;Ana\n");

    let mut told: Vec<(String, String)> = Vec::new();
    let mut tell = |args: &[&str], url: Option<&str>| {
        told.push((format!("mutirao {}", args.join(" ")), said(&site, args, url)));
    };
    tell(&["--help"], None);
    // Portuguese lists them by other names.
    let commands = site.run(&["--help"]).expect(0).stdout;
    let commands = commands.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0.to_owned();
    let commands: BTreeSet<_> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' '))?.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert!(15 < commands.len(), "{commands:?}");
    let mut left = commands.clone();
    for command in &commands {
        tell(&[command, "--help"], None);
        tell(&[command, "-h"], None);
    }
    for args in runs(RUNS) {
        left.remove(args[0]);
        tell(&args, None);
    }
    assert_eq!(left, BTreeSet::new(), "commands that are not run here");
    let with_values = flags(&site, &commands);
    assert!(40 < with_values.len(), "{with_values:?}");
    for (flag, command) in with_values {
        for value in BAD_VALUES {
            // These are good: port 0 is any that is free, and nothing is none. What serves would not end.
            let is_good = match command.as_str() {
                "sandbox" => ["0", ""].contains(&value),
                "web" => value.is_empty(),
                _ => false,
            };
            if !is_good {
                tell(&[&command, &format!("{flag}={value}")], None);
            }
        }
    }
    let outbox = Database::empty().await;
    for args in runs(SHARED_RUNS) {
        tell(&args, Some(&outbox.url()));
    }
    let mut started = site.command(&["sandbox"]);
    started.env("LANG", "pt_BR.UTF-8");
    let sandbox = Site::start(started, "http://127.0.0.1");
    told.push(("mutirao sandbox".to_owned(), sandbox.said.clone()));
    drop(sandbox);

    let mut found = BTreeMap::new();
    files(&site.path(""), &mut found);
    assert!(6 < found.len(), "{found:?}");
    told.extend(found);
    let mut wrong = String::new();
    for (of, text) in &told {
        for line in english(text) {
            wrong += &format!("{of}: {line}\n");
        }
    }
    assert!(wrong.is_empty(), "English:\n{wrong}");
}

/// A worker stores in English, and so does whoever imports in it.
#[test]
fn what_was_stored_in_english_is_read_in_portuguese_and_the_other_way_round() {
    let site = Site::new("");
    let write = |phone: &str| {
        let row = |phone| format!("11000;Sem sinal;Ana;{phone}\n");
        site.write("queda.csv", [HEADER.to_owned(), row(phone), row("37999112200")].concat());
    };
    for (import, read) in [("en", "pt-BR"), ("pt-BR", "en")] {
        let _ = fs::remove_dir_all(site.path("queda.mutirao"));
        write("37999112200");
        site.run(&["import", "queda.csv", "--again", "--lang", import]).expect(3);
        write("37999112211");
        site.run(&["import", "queda.csv", "--continue", "--lang", import]).expect(3);
        let mut told = String::new();
        for args in [
            &["status", "queda"][..],
            &["show", "queda:2"],
            &["show", "queda:3"],
            &["export", "queda", "-o", "copia"],
        ] {
            let Ended { stdout, stderr, .. } = site.run(&[args, &["--lang", read]].concat()).expect(0);
            told += &(stdout + &stderr);
        }
        told += &site.read("copia/results.csv");
        let (repeat, outdated) = match read {
            "en" => ("the same service, type and description as line 2", "something else now, in `telefone`"),
            _ => ("mesmo serviço, tipo e descrição da linha 2", "agora diz outra coisa, em `telefone`"),
        };
        assert!(told.contains(repeat) && told.contains(outdated), "{read}: {told}");
        if read == "pt-BR" {
            assert_eq!(english(&told), [""; 0], "{told}");
        } else {
            let json = site.run(&["show", "queda:3", "--json"]).expect(0).stdout;
            assert!(json.contains(repeat), "{json}");
        }
    }
}

#[test]
fn english_is_told_from_portuguese() {
    for line in ["erro: the file is empty", "2 rows are hidden", "Print help"] {
        assert_eq!(english(line), [line]);
    }
    for line in ["o arquivo está vazio", "veja `the file`", "--not-opened em /tmp/the/file", "no lote, a uma"]
    {
        assert_eq!(english(line), [""; 0], "{line}");
    }
}
