//! A HubSoft that is not one: whatever it answers, the program stays within its bounds, believes what proves,
//! and posts nothing twice. And files that are made to hurt.

mod answers;
mod files;
mod server;

use answers::{ANSWERS, Ends};
use server::Server;

use crate::support::site::{Ended, Site, bounded};

const HEADER: &str = "id_cliente_servico;descricao;nome;telefone\n";

fn row(service: usize) -> String {
    format!("{service};Sem sinal {service};Ana;37 99911-2233\n")
}

/// Imports the rows of these services, within bounds, until each is settled.
fn import(site: &Site, server: &Server, services: impl Iterator<Item = usize>) -> Ended {
    site.write("queda.csv", HEADER.to_owned() + &services.map(row).collect::<String>());
    // Two at once, so that something good comes between any five bad answers: else HubSoft counts as away.
    let flags =
        ["--rate", "unlimited", "--concurrency", "2", "--timeout", "4s", "--settle-delay", "1s", "--yes"];
    let mut command = site.command(&[&["import", "queda.csv"], &flags[..]].concat());
    command.env("HUBSOFT_URL", server.url());
    let mut command = bounded(&command);
    command.output().unwrap().into()
}

/// What became of the row of a service: its state, and the kinds and notes of its history.
fn told(site: &Site, service: usize) -> (String, String) {
    let rows = site.table("queda.mutirao/results.csv");
    let row = rows.iter().find(|it| it["id_cliente_servico"] == service.to_string()).unwrap();
    let shown = site.run(&["show", &format!("queda:{}", row["line"]), "--json"]).expect(0).json();
    let history = shown["history"].as_array().unwrap();
    let each =
        history.iter().map(|it| format!("{} {}", it["kind"].as_str().unwrap(), it["note"].as_str().unwrap()));
    (row["state"].clone(), each.collect::<Vec<_>>().join("; "))
}

/// Each kind of answer to a post, a good one behind each so that HubSoft counts as there.
#[test]
fn whatever_answers_a_post_no_row_is_opened_twice_and_none_is_lost() {
    let (site, server) = (Site::new(""), Server::start());
    let services = (0..ANSWERS.len()).flat_map(|at| [server::GOOD + at, server::HOSTILE + at]);
    let ended = import(&site, &server, services);
    let n_refused = ANSWERS.iter().filter(|it| it.ends == Ends::Rejected).count();
    assert_eq!(ended.code, Some(if n_refused == 0 { 0 } else { 3 }), "{}", ended.stderr);
    for (at, answer) in ANSWERS.iter().enumerate() {
        let service = server::HOSTILE + at;
        assert_eq!(server.n_posts(service), 1, "{}", answer.name);
        assert_eq!(server.n_posts(server::GOOD + at), 1, "beside {}", answer.name);
        let (state, history) = told(&site, service);
        let expected = if answer.ends == Ends::Rejected { "rejected" } else { "opened" };
        assert_eq!(state, expected, "{}: {history}", answer.name);
        // The last post is the one that arrived: one before it may have met a connection just closed, a doubt
        // as well. On a machine that is busy elsewhere any answer may come too late.
        let post = history.split("; ").filter(|it| it.starts_with("post ")).last().unwrap_or_default();
        let is_said = post.contains(answer.said) || post.contains("in time");
        assert!(is_said, "{}: {history}", answer.name);
    }
    assert_eq!(server.n_elsewhere(), 0, "a redirect was followed");
}

/// A post fails, and then to the first look-up something else comes than an answer.
#[test]
fn whatever_answers_a_look_up_the_ticket_is_found_in_the_end() {
    let (site, server) = (Site::new(""), Server::start());
    let answers: Vec<_> = answers::of_look_ups().collect();
    let services =
        (0..answers.len()).flat_map(|at| [server::LOST + at, server::GOOD + at, server::SEEN + at]);
    let ended = import(&site, &server, services);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for (at, answer) in answers.iter().enumerate() {
        let (service, name) = (server::LOST + at, answer.name);
        let (state, history) = told(&site, service);
        assert_eq!((server.n_posts(service), state.as_str()), (1, "opened"), "{name}: {history}");
        assert!(2 <= server.n_look_ups(service), "{name} was believed: {history}");
    }
    assert_eq!(server.n_elsewhere(), 0, "a redirect was followed");
}
