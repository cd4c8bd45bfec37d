//! Row by row: what was asked for, what HubSoft opened, and what was told of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// The file, as it was asked for.
#[derive(Clone)]
pub struct Asked {
    /// The service of each line.
    pub services: BTreeMap<u64, i64>,
    /// HubSoft knows no service above it.
    pub services_max: i64,
}

/// What HubSoft opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    line: Option<u64>,
    service: i64,
    protocolo: String,
    id_atendimento: String,
}

/// What is said of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub line: u64,
    pub state: String,
    pub protocolo: String,
    pub id_atendimento: String,
    pub reason: String,
}

#[derive(Clone)]
pub struct Ledger {
    pub asked: Asked,
    pub tickets: Vec<Ticket>,
    pub outbox: Vec<Told>,
    pub results: Vec<Told>,
}

/// The tickets in the book of a sandbox, which knows nothing of what it told whom. It counts them, and their
/// protocolo is made of the time there and of that number. A row's text ends with `word` and its line.
pub fn tickets(book: &str, word: &str) -> Vec<Ticket> {
    let ticket = |(n, line): (usize, &str)| {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let at: Timestamp = entry["at"].as_str().unwrap().parse().unwrap();
        let time = jiff::tz::offset(-3).to_datetime(at).strftime("%Y%m%d%H%M%S");
        let (_, rest) = entry["descricao"].as_str().unwrap().split_once(word).unwrap_or_default();
        Ticket {
            line: rest.split_whitespace().next().and_then(|number| number.parse().ok()),
            service: entry["service"].as_i64().unwrap(),
            protocolo: format!("{time}{n:06}"),
            id_atendimento: (n + 1).to_string(),
        }
    };
    book.lines().enumerate().map(ticket).collect()
}

/// The rows of `results.csv`.
pub fn results(text: &str) -> Vec<Told> {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes());
    let rows = reader.deserialize().map(|row| {
        let mut row: BTreeMap<String, String> = row.unwrap();
        let mut cell = |name: &str| row.remove(name).unwrap_or_else(|| panic!("there is no column {name}"));
        Told {
            line: cell("line").parse().unwrap(),
            state: cell("state"),
            protocolo: cell("protocolo"),
            id_atendimento: cell("id_atendimento"),
            reason: cell("error_code"),
        }
    });
    rows.collect()
}

impl Ledger {
    /// How many rows there are in each state, with the reason where one was not opened.
    pub fn states(&self) -> BTreeMap<String, usize> {
        let mut states = BTreeMap::new();
        for row in &self.results {
            let state = [row.state.as_str(), row.reason.as_str()].join(" ").trim().to_owned();
            *states.entry(state).or_default() += 1;
        }
        states
    }

    /// All that does not hold.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut opened: BTreeMap<u64, Vec<&Ticket>> = BTreeMap::new();
        for ticket in &self.tickets {
            match ticket.line.filter(|line| self.asked.services.get(line) == Some(&ticket.service)) {
                Some(line) => opened.entry(line).or_default().push(ticket),
                None => broken.push(format!("nobody asked for {ticket:?}")),
            }
        }
        let outbox: BTreeMap<u64, &Told> = self.outbox.iter().map(|row| (row.line, row)).collect();
        let results: BTreeMap<u64, &Told> = self.results.iter().map(|row| (row.line, row)).collect();
        if results.len() != self.results.len() || outbox.len() != self.outbox.len() {
            broken.push("a line is told twice".to_owned());
        }
        let known: BTreeSet<&u64> = self.asked.services.keys().collect();
        for line in results.keys().chain(outbox.keys()).filter(|line| !known.contains(line)) {
            broken.push(format!("line {line} was never in the file"));
        }
        for (line, service) in &self.asked.services {
            let tickets = opened.remove(line).unwrap_or_default();
            let is_refused = self.asked.services_max < *service;
            let (Some(stored), Some(told)) = (outbox.get(line), results.get(line)) else {
                broken.push(format!("line {line} is lost: it is in the outbox or the results no longer"));
                continue;
            };
            let mut faults = of_row(told, &tickets, is_refused);
            let of = |row: &Told| (row.state.clone(), row.protocolo.clone(), row.id_atendimento.clone());
            if of(stored) != of(told) {
                faults.push("the results are wrong: the outbox says something else");
            }
            let whole = |fault| format!("line {line}: {fault}: {stored:?}, {told:?}, {tickets:?}");
            broken.extend(faults.into_iter().map(whole));
        }
        broken
    }

    /// Of what HubSoft would open nearly all is opened, whatever the trouble: a run has all of them as a
    /// rule, and a few may stay in doubt. Else all that is told may be right, and the work not done.
    pub fn lack(&self) -> Option<String> {
        let asked = &self.asked;
        let n_good = asked.services.values().filter(|service| **service <= asked.services_max).count();
        let n_opened = self.results.iter().filter(|row| row.state == "opened").count();
        (n_opened * 10 < n_good * 9)
            .then(|| format!("only {n_opened} of {n_good} rows are opened: {:?}", self.states()))
    }
}

fn of_row(told: &Told, tickets: &[&Ticket], is_refused: bool) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if 1 < tickets.len() {
        faults.push("it was opened twice");
    }
    let is_told = |ticket: &&&Ticket| {
        ticket.protocolo == told.protocolo && ticket.id_atendimento == told.id_atendimento
    };
    match told.state.as_str() {
        "opened" if tickets.is_empty() => faults.push("it is lost: there is no such ticket"),
        "opened" if !tickets.iter().any(|ticket| is_told(&ticket)) => {
            faults.push("the results are wrong: its ticket is another one");
        }
        "opened" => {}
        // No ticket, and the sender is told why.
        "rejected" | "failed" if !tickets.is_empty() => faults.push("its ticket is not told"),
        "rejected" if !is_refused && told.reason != "http_403" => faults.push("HubSoft would have opened it"),
        // In doubt, and seen to be.
        "rejected" | "failed" | "unconfirmed" if !told.reason.is_empty() => {}
        "rejected" | "failed" | "unconfirmed" => faults.push("nothing says why"),
        _ => faults.push("it was left alone"),
    }
    faults
}

#[test]
fn the_ledger_sees_what_is_doubled_lost_or_wrong() {
    let book = "\
        {\"at\":\"2026-11-24T03:00:00.5Z\",\"service\":1,\"tipo\":1,\"descricao\":\"Sem sinal, caso 2 [ref A]\"}\n\
        {\"at\":\"2026-11-24T03:00:01.5Z\",\"service\":1,\"tipo\":1,\"descricao\":\"Sem sinal, caso 3 [ref B]\"}\n";
    let table = "\
        line;state;protocolo;id_atendimento;error_code\n\
        2;opened;20261124000000000000;1;\n\
        3;opened;20261124000001000001;2;\n\
        4;rejected;;;refused\n\
        5;unconfirmed;;;no_answer\n";
    let services = BTreeMap::from([(2, 1), (3, 1), (4, 900), (5, 2)]);
    let asked = Asked { services, services_max: 100 };
    let ledger = |book: &str, table: &str| Ledger {
        asked: asked.clone(),
        tickets: tickets(book, "caso"),
        outbox: results(table),
        results: results(table),
    };
    assert_eq!(ledger(book, table).broken(), Vec::<String>::new());
    // Nothing is told wrong of a third of them, and it is not opened.
    for (table, is_lack) in [(table.to_owned(), true), (table.replace("5;unconfirmed", "5;opened"), false)] {
        assert_eq!(ledger(book, &table).lack().is_some(), is_lack);
    }

    let first = book.lines().next().unwrap();
    for (book, table, seen) in [
        // The audit is forged.
        (format!("{book}{first}\n"), table.to_owned(), "opened twice"),
        (format!("{book}{}\n", first.replace("caso 2", "caso 5")), table.to_owned(), "nobody asked"),
        (format!("{book}{}\n", first.replace("caso 2", "fim")), table.to_owned(), "nobody asked"),
        (format!("{first}\n"), table.to_owned(), "lost: there is no such ticket"),
        // The results are altered.
        (book.to_owned(), table.replace("0001;2;", "0000;1;"), "its ticket is another one"),
        (book.to_owned(), table.replace("3;opened;20261124000001000001;2;\n", ""), "line 3 is lost"),
        (book.to_owned(), table.replace("3;opened;20261124000001000001;2;", "3;failed;;;x"), "is not told"),
        (book.to_owned(), table.replace("3;opened", "2;opened"), "told twice"),
        (book.to_owned(), table.replace("4;rejected", "7;rejected"), "never in the file"),
        (book.to_owned(), table.replace("5;unconfirmed", "5;rejected"), "would have opened it"),
        (book.to_owned(), table.replace("no_answer", ""), "nothing says why"),
        (book.to_owned(), table.replace("5;unconfirmed", "5;in_flight"), "left alone"),
    ] {
        let broken = ledger(&book, &table).broken().join("\n");
        assert!(broken.contains(seen), "`{seen}` is seen as `{broken}`");
    }
    let altered =
        Ledger { outbox: results(&table.replace("5;unconfirmed", "5;failed")), ..ledger(book, table) };
    assert!(altered.broken().join("\n").contains("the outbox says something else"));
}
