//! The first commands on a machine, with the real binary: `init` and `catalogue`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::parts::{part, replaced};
use crate::support::site::Site;
use crate::support::terminal::Terminal;

/// Answers everything, each login part wrong once.
fn converse(site: &Site, locale: &str) -> (Option<i32>, String) {
    let login = site.login();
    let (client, secret, user, password) = match locale {
        "C" => ("Client id", "Client secret", "User (", "Password"),
        _ => ("Client id", "Client secret", "Usuário (", "Senha"),
    };
    let mut terminal = Terminal::new(site, locale, "init");
    terminal.answer("API", &site.url());
    terminal.answer(client, &login.client_id);
    terminal.answer(secret, "wrong-secret");
    terminal.answer(user, &login.username);
    terminal.answer(password, "wrong-password");
    terminal.answer(client, &login.client_id);
    terminal.answer(secret, &login.client_secret);
    terminal.answer(user, &login.username);
    terminal.answer(password, &login.password);
    terminal.end(site)
}

#[test]
fn the_first_settings_are_asked_for_tried_and_written() {
    for (locale, name) in [("C", "init"), ("pt_BR.UTF-8", "init_in_portuguese")] {
        let site = Site::new("");
        let login = site.login();
        let (code, said) = converse(&site, locale);
        assert_eq!(code, Some(0), "{said}");
        for secret in ["wrong-secret", "wrong-password", &login.client_secret, &login.password] {
            assert!(!said.contains(secret), "{secret} is shown: {said}");
        }
        insta::with_settings!({filters => [(login.username.as_str(), "[user]"), (r"(?m)^\d+$", "[id]")]}, {
            insta::assert_snapshot!(name, said);
        });
        for (name, mode) in
            [("", 0o700), ("mutirao.toml", 0o600), ("client-secret", 0o600), ("password", 0o600)]
        {
            let found = fs::metadata(site.path(".config/mutirao").join(name)).unwrap();
            assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
        }
        // By nothing but what was written a command finds its way.
        let mut doctor = site.command(&["catalogue"]);
        doctor.env_remove("HUBSOFT_URL").env_remove("HUBSOFT_TOKEN");
        let ended = doctor.output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn what_is_there_is_replaced_by_a_persons_word_only() {
    let site = Site::new("");
    site.write(".config/mutirao/mutirao.toml", "rate = \"3/s\"\n");
    let mut terminal = Terminal::new(&site, "C", "init");
    terminal.answer("anything else", "no");
    let (code, said) = terminal.end(&site);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(site.read(".config/mutirao/mutirao.toml"), "rate = \"3/s\"\n");
    let mut terminal = Terminal::new(&site, "C", "init");
    terminal.answer("anything else", "yes");
    terminal.answer("API", &site.url());
    terminal.answer("Client id", &site.login().client_id);
    terminal.answer("Client secret", &site.login().client_secret);
    terminal.answer("User (", &site.login().username);
    terminal.answer("Password", "\u{3}");
    let (code, said) = terminal.end(&site);
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(site.read(".config/mutirao/mutirao.toml"), "rate = \"3/s\"\n");
}

#[test]
fn without_a_terminal_the_settings_are_named() {
    let site = Site::new("");
    let ended = site.run(&["init"]).expect(2);
    assert!(ended.stderr.contains("HUBSOFT_CLIENT_SECRET_FILE"), "{}", ended.stderr);
    assert!(!site.path(".config").exists());
}

#[test]
fn a_catalogue_is_told_in_the_language_of_the_person() {
    let site = Site::new("");
    for (locale, name) in [("C", "catalogue"), ("pt_BR.UTF-8", "catalogue_in_portuguese")] {
        let output = site.command(&["catalogue"]).env("LANG", locale).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // Of the hundred types of the sandbox the first ones tell enough.
        let few: Vec<_> = said.lines().filter(|line| !line.contains("TIPO ")).collect();
        insta::assert_snapshot!(name, few.join("\n").replace(&site.host(), "[host]"));
    }
}

/// What an outage gives all tickets, a person says once; the same command again is answered the same.
#[test]
fn what_all_tickets_say_is_asked_for_where_no_column_says_it() {
    let site = Site::new("");
    site.write("queda.csv", "id_cliente_servico;nome;telefone\n901;Ana;37999112201\n902;Bia;37999112202\n");
    for _ in 0..2 {
        let mut terminal = Terminal::new(&site, "pt_BR.UTF-8", "import queda.csv --sandbox");
        terminal.answer("linha vazia encerra", "Sem sinal: queda na CTO 12");
        let (code, said) = terminal.end(&site);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("--set descricao="), "{said}");
    }
    let opened = fs::read_to_string(site.path("queda.sandbox.mutirao/sandbox.jsonl")).unwrap();
    assert_eq!(opened.matches("Sem sinal: queda na CTO 12").count(), 2, "{opened}");

    // It is not asked for once more where a row is corrected.
    site.write("outra.csv", "id_cliente_servico;nome;telefone\n903;Ana;37999112201\n904;Bia;379\n");
    let mut terminal = Terminal::new(&site, "C", "import outra.csv --sandbox");
    terminal.answer("empty line stops", "Sem sinal");
    let (code, said) = terminal.end(&site);
    let hint = "mutirao import outra.sandbox.mutirao/errors.csv --sandbox --set 'descricao=Sem sinal'";
    assert!(code == Some(3) && said.contains(hint), "{said}");

    let mut terminal = Terminal::new(&site, "C", "import queda.csv --sandbox");
    terminal.answer("empty line stops", " ");
    let (code, said) = terminal.end(&site);
    assert!(code == Some(2) && said.contains("declined; nothing was sent"), "{said}");
}

/// Types, statuses and origins are chosen by name; a person who types the id still may.
#[test]
fn a_template_offers_what_hubsoft_knows_and_is_read_as_ids() {
    let site = Site::new("");
    site.run(&["template", "modelo.xlsx", "--online"]).expect(0);
    let workbook = fs::read(site.path("modelo.xlsx")).unwrap();
    let names = part(&workbook, "xl/workbook.xml");
    assert!(names.contains("name=\"Lists\"") && names.contains("state=\"hidden\""), "{names}");
    let rows = part(&workbook, "xl/worksheets/sheet1.xml");
    let lists: Vec<_> = rows.split("<formula1>").skip(1).map(|it| it.split('<').next().unwrap()).collect();
    assert_eq!(lists, ["'Lists'!$A$2:$A$101", "\"yes,no\"", "'Lists'!$B$2:$B$4", "'Lists'!$C$2:$C$4"]);
    let texts = part(&workbook, "xl/sharedStrings.xml");
    assert!(texts.contains("<t>TIPO 42 (id 42)</t>"), "{texts}");

    // As a person fills in the line of the example.
    let filled = [
        ("# example: 11001 (left out)", "11001"),
        ("<t>5</t>", "<t>TIPO 42 (id 42)</t>"),
        ("(37) 9xxxx-xxxx", "37 99911-2200"),
    ];
    let filled = filled.iter().fold(workbook, |workbook, (from, to)| replaced(&workbook, from, to));
    site.write("queda.xlsx", &filled);
    let checked = site.run(&["check", "queda.xlsx", "--online"]).expect(0);
    let said = checked.stdout + &checked.stderr;
    assert!(said.contains("Explanations") && !said.contains("Lists"), "nobody hid rows there: {said}");
    site.run(&["import", "queda.xlsx", "--sandbox"]).expect(0);
    let opened = site.read("queda.sandbox.mutirao/sandbox.jsonl");
    assert!(opened.contains("\"tipo\":42"), "{opened}");
    let results = site.table("queda.sandbox.mutirao/results.csv");
    assert_eq!(results[0]["id_tipo_atendimento"], "TIPO 42 (id 42)", "as it stood in the sheet");

    site.write("outro.xlsx", replaced(&filled, "TIPO 42 (id 42)", "TIPO 999 (id 999)"));
    let unknown = site.run(&["check", "outro.xlsx", "--online"]).expect(5);
    assert!(unknown.stdout.contains("found `999`"), "{}", unknown.stdout);
}

#[test]
fn where_hubsoft_cannot_be_asked_a_template_says_so_and_is_plain() {
    let site = Site::new("");
    let plain = site.run(&["template", "plain.xlsx"]).expect(0);
    assert!(!plain.stderr.contains("warning"), "{}", plain.stderr);
    let sheets = |name: &str| part(&fs::read(site.path(name)).unwrap(), "xl/workbook.xml");
    for (name, key, value) in [
        ("away.xlsx", "HUBSOFT_URL", "http://127.0.0.1:9"),
        ("refused.xlsx", "HUBSOFT_TOKEN", "wrong"),
        ("nowhere.xlsx", "HUBSOFT_URL", ""),
    ] {
        let mut command = site.command(&["template", name, "--online"]);
        let ended = command.env(key, value).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success() && said.contains("without names to choose from"), "{name}: {said}");
        assert_eq!(sheets(name), sheets("plain.xlsx"), "{name}");
    }
    let ended = site.run(&["template", "modelo.csv", "--online"]).expect(2);
    assert!(ended.stderr.contains("nothing to choose from"), "{}", ended.stderr);
    assert!(!site.path("modelo.csv").exists());
}
