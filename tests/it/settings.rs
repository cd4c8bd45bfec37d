//! Settings: who may say what, and what is never repeated.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

use crate::support::site::{Ended, Site};

const ROWS: &str = "id_cliente_servico;descricao;nome;telefone\n11000;sem sinal;Ana;37 99911-2233\n";

/// A settings file came with a spreadsheet, and the login went to a stranger.
#[test]
fn a_folder_from_others_cannot_say_where_to_log_in() {
    let (site, stranger) = (Site::new(""), Site::new(""));
    site.write("queda.csv", ROWS);
    let url = stranger
        .command(&[])
        .get_envs()
        .find_map(|(key, url)| (key == "HUBSOFT_URL").then_some(url?.to_owned()));
    let settings = format!("hubsoft_url = \"{}\"\n", url.unwrap().to_str().unwrap());
    site.write("mutirao.toml", &settings);
    for command in ["import", "check", "status", "doctor"] {
        let args = &[command, "queda.csv"][..if command == "doctor" { 1 } else { 2 }];
        let mut command = site.command(args);
        let ended = Ended::from(command.env_remove("HUBSOFT_URL").output().unwrap()).expect(2);
        assert!(
            ended.stderr.contains("`hubsoft_url`") && ended.stderr.contains("~/.config/"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!((site.audit().tickets, stranger.audit().tickets), (0, 0));

    // In a place of one's own it holds, and so does a file that was named; either is told.
    fs::remove_file(site.path("mutirao.toml")).unwrap();
    fs::create_dir_all(site.path(".config/mutirao")).unwrap();
    site.write(".config/mutirao/mutirao.toml", &settings);
    site.write("other.toml", "rate = \"unlimited\"\n");
    let mut command = site.command(&["import", "queda.csv", "--config", "other.toml"]);
    command.env_remove("HUBSOFT_URL").env("HUBSOFT_TOKEN", stranger.token());
    let ended = Ended::from(command.output().unwrap()).expect(0);
    assert!(ended.stderr.contains("/.config/mutirao/mutirao.toml)"), "{}", ended.stderr);
    assert_eq!(stranger.audit().tickets, 1);
    let ended = site.run(&["import", "queda.csv", "-o", "again"]).expect(0);
    assert!(ended.stderr.contains(" (HUBSOFT_URL)"), "{}", ended.stderr);
}

#[test]
fn a_password_in_a_flag_is_refused_and_not_repeated() {
    let site = Site::new("");
    site.write("queda.csv", ROWS);
    let url = "postgres://u:hunter2@db.example.com.br/x";
    let ended = site.run(&["import", "queda.csv", "--database-url", url]).expect(2);
    assert!(ended.stderr.contains("PGPASSFILE") && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
    let help = site.run(&["import", "--help"]).expect(0);
    assert!(help.stdout.contains("[env: DATABASE_URL]"), "{}", help.stdout);
}

#[test]
fn a_short_time_out_alone_is_no_contradiction() {
    let site = Site::new("");
    site.write(
        "queda.csv",
        "id_cliente_servico;descricao;nome;telefone\n11001;Sem luz;Ana;(37) 99911-0001\n",
    );
    site.run(&["import", "queda.csv", "--timeout", "5s", "--sample", "1"]).expect(0);
    let both = site.run(&["import", "queda.csv", "--timeout", "5s", "--connect-timeout", "5s"]).expect(2);
    assert!(both.stderr.contains("longer than the connect timeout"), "{}", both.stderr);
}

#[test]
fn an_empty_database_url_is_none() {
    let site = Site::new("");
    site.write("queda.csv", ROWS);
    site.run_at("", &["import", "queda.csv"]).expect(0);
    assert!(site.path("queda.mutirao/outbox.db").exists());
}

/// Seen: the hint was to write it into a settings file, where secrets are refused.
#[test]
fn a_secret_that_is_missing_is_asked_for_where_it_may_stand() {
    let site = Site::new("");
    let login = [("CLIENT_ID", "1"), ("CLIENT_SECRET", "a"), ("USERNAME", "api@example.com")];
    site.write("queda.csv", ROWS);
    let mut command = site.command(&["import", "queda.csv"]);
    command.env_remove("HUBSOFT_TOKEN").envs(login.map(|(key, it)| (format!("HUBSOFT_{key}"), it)));
    let said = Ended::from(command.output().unwrap()).expect(2).stderr;
    assert!(said.contains("HUBSOFT_PASSWORD is not set"), "{said}");
    assert!(said.contains("HUBSOFT_PASSWORD_FILE") && !said.contains("mutirao.toml"), "{said}");
}

#[test]
fn a_secret_that_others_may_read_is_not_used() {
    let site = Site::new("");
    site.write("queda.csv", ROWS);
    site.write("token", format!("\u{feff}{}\r\n", site.token()));
    let import = |mode: u32| {
        fs::set_permissions(site.path("token"), Permissions::from_mode(mode)).unwrap();
        let mut command = site.command(&["import", "queda.csv"]);
        command.env_remove("HUBSOFT_TOKEN").env("HUBSOFT_TOKEN_FILE", "token");
        Ended::from(command.output().unwrap())
    };
    let ended = import(0o644).expect(2);
    assert!(ended.stderr.contains("0644") && ended.stderr.contains("chmod 600 'token'"), "{}", ended.stderr);
    import(0o600).expect(0);
    assert_eq!(site.audit().tickets, 1);
}

/// Debian's `nobody`: what root becomes, because all of root's processes look alike.
const NOBODY: u32 = 65534;

#[test]
fn memory_with_secrets_is_not_dumped() {
    let site = Site::new("");
    fs::set_permissions(site.path(""), Permissions::from_mode(0o755)).unwrap();
    let mut command = site.command(&["sandbox"]);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let started = Site::start(command, "a sandbox");
    // proc(5): of a process that is not dumped, these files belong to root.
    let owner = fs::metadata(format!("/proc/{}/environ", started.pid())).unwrap().uid();
    assert_eq!(owner, 0);
}

/// Another user of this machine could log in, and put tickets among those of a run.
#[test]
fn each_sandbox_has_a_login_of_its_own() {
    let (one, other) = (Site::new(""), Site::new(""));
    let (one, other) = (one.login(), other.login());
    assert_ne!(one.password, other.password);
    assert_ne!(one.client_secret, other.client_secret);
    assert!(16 <= one.password.len());
}
