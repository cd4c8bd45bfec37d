//! Answers posts and look-ups by the service that they are about.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::answers::{self, ANSWERS, json};

/// Services whose posts are answered by [`ANSWERS`].
pub const HOSTILE: usize = 10_000;
/// Those whose posts are answered by a failure, and their first look-up by [`answers::of_look_ups`].
pub const LOST: usize = 20_000;
/// The same, whose first look-up is answered well.
pub const SEEN: usize = 30_000;
/// Those with which all is well.
pub const GOOD: usize = 40_000;

/// Ends with the test's process.
pub struct Server {
    url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    rows: Mutex<HashMap<usize, Row>>,
    n_elsewhere: AtomicUsize,
}

#[derive(Clone, Default)]
struct Row {
    n_posts: usize,
    n_look_ups: usize,
    descricao: String,
}

impl Server {
    pub fn start() -> Self {
        LazyLock::force(&answers::BOMB);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&shared);
                // Who hangs up ends the connection; that is all.
                thread::spawn(move || drop(serve(stream, &seen)));
            }
        });
        Self { url, seen }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn n_posts(&self, service: usize) -> usize {
        self.row(service).n_posts
    }

    pub fn n_look_ups(&self, service: usize) -> usize {
        self.row(service).n_look_ups
    }

    /// Requests to where HubSoft is not.
    pub fn n_elsewhere(&self) -> usize {
        self.seen.n_elsewhere.load(Ordering::SeqCst)
    }

    fn row(&self, service: usize) -> Row {
        self.seen.rows.lock().unwrap().get(&service).cloned().unwrap_or_default()
    }
}

fn serve(stream: TcpStream, seen: &Seen) -> io::Result<()> {
    let mut to = stream.try_clone()?;
    let mut from = BufReader::new(stream);
    while let Some((target, body)) = request(&mut from)? {
        if !target.starts_with("/api/v1/integracao/") {
            seen.n_elsewhere.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        if target.contains("/configuracao/") {
            let types = [json!({"id_tipo_atendimento": 1, "descricao": "SAC"})];
            json(&mut to, &json!({"status": "success", "tipos_atendimento": types}).to_string())?;
            continue;
        }
        let posted: Option<Value> = serde_json::from_slice(&body).ok();
        let service = match &posted {
            Some(posted) => posted["id_cliente_servico"].as_u64().unwrap() as usize,
            None => target.split_once("termo_busca=").unwrap().1.split('&').next().unwrap().parse().unwrap(),
        };
        let row = {
            let mut rows = seen.rows.lock().unwrap();
            let row = rows.entry(service).or_default();
            match &posted {
                Some(posted) => {
                    row.n_posts += 1;
                    row.descricao = posted["descricao"].as_str().unwrap().to_owned();
                }
                None => row.n_look_ups += 1,
            }
            row.clone()
        };
        match (posted.is_some(), service) {
            (true, HOSTILE..LOST) => return (ANSWERS[service - HOSTILE].send)(&mut to),
            (true, LOST..GOOD) => to.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")?,
            (false, LOST..SEEN) if row.n_look_ups == 1 => {
                return (answers::of_look_ups().nth(service - LOST).unwrap().send)(&mut to);
            }
            (true, _) => {
                json(
                    &mut to,
                    &json!({"status": "success", "atendimento": ticket(service, &row)}).to_string(),
                )?;
            }
            (false, _) => {
                let page = json!({"status": "success", "atendimentos": [ticket(service, &row)]});
                json(&mut to, &page.to_string())?;
            }
        }
    }
    Ok(())
}

fn ticket(service: usize, row: &Row) -> Value {
    json!({
        "id_atendimento": service,
        "protocolo": format!("20261128{service:07}"),
        "descricao_abertura": row.descricao,
        "servico": {"id_cliente_servico": service},
    })
}

/// Its target and its body; `None`: the client has hung up.
fn request(from: &mut BufReader<TcpStream>) -> io::Result<Option<(String, Vec<u8>)>> {
    let (mut target, mut len) = (None, 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        target = target.or_else(|| line.split(' ').nth(1).map(str::to_owned));
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            len = text.parse().unwrap();
        }
    }
    let mut body = vec![0; len];
    from.read_exact(&mut body)?;
    Ok(target.map(|target| (target, body)))
}
