//! Faults on our side, for the checker to see: what the client would make of an answer that it misreads. The
//! answer is changed on its way, so that the real client comes to that.

use jiff::SignedDuration;
use mutirao::delivery::{Clock, State};
use mutirao::hubsoft::Heard;

use super::book::{PAGE_LEN_DEFAULT, Ticket};
use super::{Server, connect};
use crate::simulation::sabotage::Sabotage;

impl Server {
    /// Any answer.
    pub(super) fn misread(&self, path: &str, heard: Heard) -> Heard {
        if self.sabotage == Sabotage::None {
            return heard;
        }
        let is_post = path.ends_with("integracao/atendimento");
        let is_look_up = path.ends_with("cliente/atendimento");
        let text = match &heard {
            Heard::Answered { body: Ok(body), .. } => String::from_utf8_lossy(body).into_owned(),
            _ => String::new(),
        };
        let is_error = text.starts_with(r#"{"status":"error""#);
        match (self.sabotage, &heard) {
            (Sabotage::BelieveErrors, Heard::Answered { .. }) if is_look_up && is_error => {
                self.told(200, r#"{"status":"success","atendimentos":[]}"#)
            }
            (Sabotage::BelieveRefusals, Heard::Answered { status: 429, .. }) if is_look_up => {
                self.told(200, r#"{"status":"success","atendimentos":[]}"#)
            }
            (Sabotage::BelieveOthers, Heard::Answered { .. })
                if is_look_up && (text.contains("B-1") || text.contains("B-2")) =>
            {
                self.told(200, r#"{"status":"success","atendimentos":[]}"#)
            }
            (Sabotage::RefuseUnclear, Heard::Answered { status: 200 | 201, .. })
                if is_post && !is_error && !text.ends_with("null}}") =>
            {
                self.told(200, r#"{"status":"error","msg":"?"}"#)
            }
            (Sabotage::RefuseHalf, Heard::Answered { .. }) if is_post && is_error => {
                self.told(200, r#"{"status":"error","msg":"?"}"#)
            }
            (Sabotage::ResendErrors, Heard::Answered { status: 500.., .. }) if is_post => {
                Heard::NotSent(connect())
            }
            (Sabotage::ResendLost, Heard::Lost(_)) if is_post => Heard::NotSent(connect()),
            _ => heard,
        }
    }

    /// A page of tickets, as JSON with commas between.
    pub(super) fn misread_page(&self, mut page: Vec<&Ticket>, home: usize, service: i64) -> String {
        let mut asked_for = None;
        match self.sabotage {
            Sabotage::OldTickets => {
                let youngest = self.clock.now() - SignedDuration::from_hours(1);
                page.retain(|ticket| youngest < ticket.at);
            }
            Sabotage::BelieveFullPages if PAGE_LEN_DEFAULT <= page.len() => drop(page.pop()),
            Sabotage::AdoptAny => {
                let rows = self.homes[home].rows();
                let mut rows = rows.into_iter().map(|(_, row)| row);
                let is_asked_for = |state| state == State::InFlight;
                asked_for = rows
                    .find(|it| is_asked_for(it.state) && it.ticket.id_cliente_servico.get() == service)
                    .map(|row| row.marker.as_str().to_owned());
            }
            _ => {}
        }
        let compares_bytes = matches!(self.sabotage, Sabotage::CompareBytes | Sabotage::CompareEscaped);
        let mut json = String::new();
        for ticket in page {
            if !json.is_empty() {
                json.push(',');
            }
            match (&ticket.of, &asked_for) {
                (Some((_, code)), _)
                    if compares_bytes && !ticket.shown().contains(&format!("[ref {code}]")) =>
                {
                    json += &ticket.shown().replace(code, "000000000000");
                }
                (None, Some(code)) => {
                    json += &format!(r#"{{"descricao_abertura":"[ref {code}]",{}"#, &ticket.textless()[1..]);
                }
                _ => json += ticket.shown(),
            }
        }
        json
    }
}
