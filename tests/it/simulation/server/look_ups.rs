//! What a look-up shows.

use std::time::Duration;

use mutirao::delivery::Fault;
use mutirao::hubsoft::Heard;
use tokio::time::sleep;

use super::book::{Nothing, PAGE_LEN_DEFAULT, Ticket};
use super::posts::Vague;
use super::{Server, TIMEOUT, connect, error, page};
use crate::simulation::weather::Mishap;
use crate::support::replay::tell;

impl Server {
    pub(super) async fn look_up(&self, home: usize, token: Option<u64>, query: &str) -> Heard {
        // What it sees is of the moment at which it was asked.
        let asked = Asked::read(home, query);
        let shown = self.show(&asked);
        tell(self.clock, || format!("{} is looked up, and shows {} bytes", asked.service, shown.len()));
        let vague = self.vague_services.get(&asked.service).copied();
        if self.is_out() || self.befalls(Mishap::LookUpFails) {
            sleep(self.some(TIMEOUT)).await;
            return match self.dice(0..7) {
                0 => Heard::NotSent(connect()),
                1 => self.throttled(),
                2 => Heard::Lost(Fault::Timeout),
                3 => self.answered(200, None, Err(Fault::Cut)),
                4 => self.told(200, &shown[..shown.len() / 2]),
                5 => self.told([200, 403, 302][self.dice(0..3) as usize], &page("Login")),
                _ => self.failed(),
            };
        }
        if !self.knows(token) {
            sleep(self.some(Duration::from_secs(3))).await;
            return self.unauthenticated();
        }
        sleep(self.some(Duration::from_secs(3))).await;
        let vague = vague.or_else(|| {
            let befalls = self.befalls(Mishap::LookUpVague);
            befalls.then(|| Vague::ALL[self.dice(0..Vague::ALL.len() as u32) as usize])
        });
        if let Some(vague) = vague {
            return self.vaguely(vague, &asked, &shown);
        }
        let status = if shown.is_empty() && self.style.nothing == Nothing::NotFound { 404 } else { 200 };
        match (shown.is_empty(), self.style.nothing) {
            (true, Nothing::Error | Nothing::NotFound) => {
                self.told(status, &error("Nenhum atendimento encontrado"))
            }
            _ => self.told(status, &self.list(&shown)),
        }
    }

    fn list(&self, tickets: &str) -> String {
        let success = self.style.success;
        format!(
            r#"{{"status":"{success}","msg":"Dados consultados com sucesso","atendimentos":[{tickets}]}}"#
        )
    }

    /// The tickets as JSON, with commas between.
    fn show(&self, asked: &Asked) -> String {
        let now = self.clock.elapsed();
        let omits = self.weather.omits.is_some_and(|(from, to)| (from..to).contains(&now));
        let shows = |ticket: &Ticket| {
            let is_ours = ticket.of.is_some();
            ticket.visible_from <= now
                && !(is_ours && (self.is_blind || omits))
                && !(asked.pending && ticket.is_closed)
        };
        let state = self.state.borrow();
        let page = state.book.page(asked.service, asked.limit, &self.style, shows);
        let is_full = PAGE_LEN_DEFAULT <= page.len();
        let shown = self.misread_page(page, asked.home, asked.service);
        drop(state);
        for (is_so, name) in [(omits, "look-up omits"), (is_full, "full page")] {
            if is_so {
                self.saw(name);
            }
        }
        shown
    }

    fn vaguely(&self, vague: Vague, asked: &Asked, shown: &str) -> Heard {
        let and = |more: &str| match shown {
            "" => self.list(more),
            shown => self.list(&format!("{more},{shown}")),
        };
        match vague {
            Vague::Refused => {
                let msg = "Favor preencher o atributo (busca)";
                self.told(400, &format!(r#"{{"status":"error","msg":"{msg}","errors":["O campo busca"]}}"#))
            }
            Vague::Exception => self.exception(),
            Vague::NoCustomer => self.told(200, &error("Nenhum cliente encontrado")),
            Vague::NoList => self.told(200, r#"{"status":"success","atendimentos":null}"#),
            Vague::Unreadable => self.told(200, &and("null")),
            // It may be ours.
            Vague::Textless => self.told(200, &self.list(r#"{"id_atendimento":999999,"protocolo":"B-1"}"#)),
            Vague::OtherService => {
                let other = format!(
                    r#"{{"id_atendimento":999998,"protocolo":"B-2","descricao_abertura":"Lento","servico":{{"id_cliente_servico":{}}}}}"#,
                    asked.service + 1_000
                );
                self.told(200, &self.list(&other))
            }
        }
    }
}

/// What a look-up asks for.
struct Asked {
    home: usize,
    service: i64,
    pending: bool,
    limit: usize,
}

impl Asked {
    fn read(home: usize, query: &str) -> Self {
        let value = |name: &str| {
            let found = query.split('&').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("{query} lacks {name}"))
        };
        assert_eq!(value("busca"), "id_cliente_servico");
        Self {
            home,
            service: value("termo_busca").parse().expect("a number"),
            pending: value("apenas_pendente") == "sim",
            limit: value("limit").parse().expect("a number"),
        }
    }
}
