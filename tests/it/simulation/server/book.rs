//! The tickets of the simulated HubSoft: ours, other outboxes', and other people's, as it shows them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz};
use mutirao::delivery::OpenedTicket;

/// The twelve characters of a marker.
pub type Code = String;

/// How the texts of tickets are given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    AsSent,
    Capitals,
    Escaped,
    /// Only so many characters of them.
    Cut(usize),
}

impl Texts {
    /// As a look-up shows what came in as `descricao`.
    pub fn of(self, descricao: &str) -> String {
        let text = format!("{descricao} | ATENDIMENTO ABERTO VIA API");
        match self {
            Self::AsSent => text,
            Self::Capitals => text.to_uppercase(),
            Self::Escaped => text.replace('[', "&#91;").replace(']', "&#93;").replace(' ', "&nbsp;"),
            Self::Cut(len) => text.chars().take(len).collect(),
        }
    }
}

/// What a protocolo is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocolos {
    /// Twenty digits: the local time, and a number.
    Timed,
    Plain,
}

/// How a page says that there is nothing on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    Empty,
    Error,
    NotFound,
}

/// How this HubSoft writes its answers.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub texts: Texts,
    /// Whether the answer to a post shows the text as look-ups do; else as it was sent.
    pub echoes_so: bool,
    pub protocolos: Protocolos,
    /// Of `data_cadastro`.
    pub dates: &'static str,
    /// Local time is so many hours from UTC.
    pub zone_h: i8,
    pub names_service: bool,
    pub success: &'static str,
    pub nothing: Nothing,
    /// It gives as many tickets as it is asked for; else twenty.
    pub heeds_limit: bool,
    /// The newest first, as it is asked; else the oldest.
    pub heeds_order: bool,
    /// Seconds.
    pub token_life: u64,
}

impl Style {
    pub fn draw(rng: &mut fastrand::Rng) -> Self {
        Self {
            texts: match rng.u32(0..8) {
                0 => Texts::Capitals,
                1 => Texts::Escaped,
                2 => Texts::Cut(200),
                _ => Texts::AsSent,
            },
            echoes_so: rng.u32(0..4) == 0,
            protocolos: if rng.u32(0..3) == 0 { Protocolos::Plain } else { Protocolos::Timed },
            dates: ["%d/%m/%Y", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d"][rng.usize(0..3)],
            zone_h: rng.i8(-5..=-1),
            names_service: rng.u32(0..3) != 0,
            success: ["success", "suscess", "Success"][rng.usize(0..3)],
            nothing: [Nothing::Empty, Nothing::Error, Nothing::NotFound][rng.usize(0..3)],
            heeds_limit: rng.u32(0..5) != 0,
            heeds_order: rng.u32(0..6) != 0,
            token_life: [2_592_000, 2_592_000, 600, 0][rng.usize(0..4)],
        }
    }
}

/// A ticket that is opened.
pub struct New<'a> {
    /// The outbox whose user opens it, and the marker; `None`: somebody else does.
    pub of: Option<(usize, Code)>,
    pub service: i64,
    /// As it came in.
    pub descricao: &'a str,
    pub label: &'a str,
    pub at: Timestamp,
    /// From when on a look-up sees it.
    pub visible_from: Duration,
    pub has_text: bool,
}

/// As a ticket says so that is not closed.
const OPEN: &str = r#""data_fechamento":null"#;

#[derive(Clone, Debug)]
pub struct Ticket {
    pub of: Option<(usize, Code)>,
    pub service: i64,
    pub opening: OpenedTicket,
    pub visible_from: Duration,
    pub at: Timestamp,
    pub is_closed: bool,
    label: String,
    /// What follows is JSON: the ticket as look-ups and as the answer to its post show it.
    shown: String,
    echoed: String,
    /// The same without a text.
    textless: String,
}

#[derive(Default)]
pub struct Book {
    pub tickets: Vec<Ticket>,
    by_service: BTreeMap<i64, Vec<usize>>,
}

impl Book {
    /// Returns its place.
    pub fn add(&mut self, new: New<'_>, style: &Style) -> usize {
        let index = self.tickets.len();
        let id = index as i64 + 1;
        let zone = tz::offset(style.zone_h);
        let local = zone.to_datetime(new.at);
        let protocolo = match style.protocolos {
            Protocolos::Timed => format!("{}{id:06}", local.strftime("%Y%m%d%H%M%S")),
            Protocolos::Plain => format!("A-{id}"),
        };
        let day = local.strftime(style.dates).to_string();
        let render = |text: Option<&str>| {
            let mut json = format!(r#"{{"id_atendimento":{id},"protocolo":"{protocolo}","#);
            if let Some(text) = text {
                let text = serde_json::to_string(text).expect("a text can be written");
                write!(json, r#""descricao_abertura":{text},"#).expect("memory takes it");
            }
            let (label, service) = (new.label, new.service);
            write!(json, r#""tipo_atendimento":"{label}","data_cadastro":"{day}",{OPEN},"#)
                .expect("memory takes it");
            if style.names_service {
                write!(json, r#""servico":{{"id_cliente_servico":"{service}"}},"#).expect("memory takes it");
            }
            json + r#""ordens_servico":[],"rascunho":null}"#
        };
        let shown_text = style.texts.of(new.descricao);
        let shown = render(new.has_text.then_some(&*shown_text));
        let echoed = match style.echoes_so {
            true => shown.clone(),
            false => render(Some(&Texts::AsSent.of(new.descricao))),
        };
        let textless = render(None);
        let opening = OpenedTicket {
            id_atendimento: id,
            ids_ordem_servico: Vec::new(),
            numeros_ordem_servico: Vec::new(),
            protocolo,
        };
        self.by_service.entry(new.service).or_default().push(index);
        self.tickets.push(Ticket {
            of: new.of,
            service: new.service,
            opening,
            visible_from: new.visible_from,
            at: new.at,
            is_closed: false,
            label: new.label.to_owned(),
            textless,
            shown,
            echoed,
        });
        index
    }

    /// All of a service that can be seen are done with.
    pub fn close(&mut self, service: i64) {
        for index in self.by_service.get(&service).into_iter().flatten() {
            let ticket = &mut self.tickets[*index];
            ticket.is_closed = true;
            for json in [&mut ticket.shown, &mut ticket.textless] {
                *json = json.replace(OPEN, r#""data_fechamento":"31/12/2023""#);
            }
        }
    }

    pub fn of_row<'b>(&'b self, home: usize, code: &'b str) -> impl Iterator<Item = &'b Ticket> {
        self.tickets.iter().filter(move |it| it.of.as_ref().is_some_and(|of| of.0 == home && of.1 == code))
    }

    pub fn of_service(&self, service: i64) -> impl Iterator<Item = &Ticket> {
        self.by_service.get(&service).into_iter().flatten().map(|index| &self.tickets[*index])
    }

    /// As a page of at most `limit` shows a service.
    pub fn page(
        &self,
        service: i64,
        limit: usize,
        style: &Style,
        shows: impl Fn(&Ticket) -> bool,
    ) -> Vec<&Ticket> {
        let mut page: Vec<&Ticket> = self.of_service(service).filter(|it| shows(it)).collect();
        page.sort_by_key(|it| (it.at, it.opening.id_atendimento));
        if style.heeds_order {
            page.reverse();
        }
        page.truncate(if style.heeds_limit { limit } else { PAGE_LEN_DEFAULT });
        page
    }
}

/// Tickets on a page of a HubSoft that heeds no limit.
pub const PAGE_LEN_DEFAULT: usize = 20;

impl Ticket {
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn echoed(&self) -> &str {
        &self.echoed
    }

    pub fn has_text(&self) -> bool {
        self.shown.len() != self.textless.len()
    }

    /// As the list of all shows it.
    pub fn listed(&self) -> String {
        let type_id = match &*self.label {
            "SAC" => 1,
            "Suporte" => 5,
            // The catalogue does not have it.
            _ => 9,
        };
        let (id, protocolo, service) = (self.opening.id_atendimento, &self.opening.protocolo, self.service);
        let closed = if self.is_closed { r#""2023-12-31 10:00:00""# } else { "null" };
        format!(
            r#"{{"id_atendimento":{id},"id_tipo_atendimento":{type_id},"id_cliente_servico":{service},"protocolo":"{protocolo}","data_fechamento":{closed}}}"#
        )
    }

    pub fn textless(&self) -> &str {
        &self.textless
    }
}

/// So long before the test begins.
pub fn before(start: Timestamp, hours: i64) -> Timestamp {
    start - SignedDuration::from_hours(hours)
}
