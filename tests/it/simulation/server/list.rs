//! What the list of all open tickets shows.

use std::time::Duration;

use mutirao::delivery::Fault;
use mutirao::hubsoft::Heard;
use tokio::time::sleep;

use super::{Server, connect, error, page};
use crate::simulation::weather::Mishap;

impl Server {
    pub(super) async fn page_of_all(&self, token: Option<u64>, query: &str) -> Heard {
        let value = |name: &str| {
            let found = query.split('&').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("{query} lacks {name}"))
        };
        let number = |name| value(name).parse::<usize>().expect("a number");
        let (nth, page_len) = (number("pagina"), number("itens_por_pagina"));
        assert_eq!(value("status_atendimento"), "1");
        assert!(value("data_inicio") < value("data_fim"));
        if self.is_out() || self.befalls(Mishap::LookUpFails) {
            sleep(self.some(super::TIMEOUT)).await;
            return match self.dice(0..5) {
                0 => Heard::NotSent(connect()),
                1 => self.throttled(),
                2 => Heard::Lost(Fault::Timeout),
                3 => self.told([200, 403, 302][self.dice(0..3) as usize], &page("Login")),
                _ => self.failed(),
            };
        }
        if !self.knows(token) {
            return self.unauthenticated();
        }
        sleep(self.some(Duration::from_secs(3))).await;
        if self.befalls(Mishap::LookUpVague) {
            return match self.dice(0..4) {
                0 => self.exception(),
                1 => self.told(200, &error("Nenhum cliente encontrado")),
                2 => self.told(200, r#"{"status":"success","atendimentos":[]}"#),
                _ => self.told(200, r#"{"status":"success","atendimentos":null,"paginacao":null}"#),
            };
        }
        let (shown, total) = self.shown_of_all(nth * page_len, page_len);
        self.saw("list of all");
        let success = self.style.success;
        let paging = format!(
            r#"{{"primeira_pagina":0,"pagina_atual":{nth},"total_registros":{total},"ultima_pagina":{}}}"#,
            total.div_ceil(page_len).saturating_sub(1)
        );
        self.told(
            200,
            &format!(r#"{{"status":"{success}","paginacao":{paging},"atendimentos":[{}]}}"#, shown.join(",")),
        )
    }

    /// From that place on, and how many there are in all.
    fn shown_of_all(&self, from: usize, page_len: usize) -> (Vec<String>, usize) {
        let now = self.clock.elapsed();
        let omits = self.weather.omits.is_some_and(|(from, to)| (from..to).contains(&now));
        let state = self.state.borrow();
        let all = state.book.tickets.iter().filter(|ticket| {
            let is_hidden = ticket.of.is_some() && (self.is_blind || omits);
            ticket.visible_from <= now && !ticket.is_closed && !is_hidden
        });
        let all: Vec<_> = all.collect();
        let shown = all.iter().skip(from).take(page_len).map(|ticket| ticket.listed());
        (shown.collect(), all.len())
    }
}
