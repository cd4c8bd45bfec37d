//! What the page takes: `cargo bench --bench page -- [first] [rows] [going] [shared] [full]`.
//!
//! The real binary on loopback, asked as a browser asks, the connection anew each time. `full`: `rows` with a
//! million of them. Prints figures beside their bars and asserts nothing: machines differ. (That the first
//! view is small, a test holds.)

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::cluster::Cluster;
use support::{MUTIRAO, Server, import_command, run, spreadsheet};

mod support;

const N_ROUNDS: usize = 20;

fn main() {
    // `cargo bench` adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let is_full = asked.iter().any(|it| it == "full");
    let wanted = |name: &str| asked.iter().all(|it| it == "full") || asked.iter().any(|it| it == name);
    for (name, bench) in [
        ("first", first as fn(&Path)),
        ("rows", if is_full { |folder| rows(folder, 1_000_000) } else { |folder| rows(folder, 20_000) }),
        ("going", going),
        ("shared", shared),
    ] {
        if wanted(name) {
            println!("== {name}");
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
            bench(folder.path());
        }
    }
}

/// The first view, of an empty folder and of fifty batches.
fn first(folder: &Path) {
    let server = Server::start("");
    let web = Web::start(folder, None);
    web.tell("nothing yet, first view", &["/", "/style.css"]);
    let sheet = spreadsheet(folder, 11_000..11_300);
    let outbox = folder.join("queda.mutirao");
    run(import_command(&server, &sheet, &outbox).arg("--rate").arg("unlimited"));
    for n in 1..50 {
        let beside = folder.join(format!("queda{n}.mutirao"));
        fs::create_dir(&beside).expect("a folder");
        fs::copy(outbox.join("outbox.db"), beside.join("outbox.db")).expect("a copy");
    }
    web.tell("50 batches of 300 rows, first view (bar: 100 KiB, 100 ms)", &["/", "/style.css"]);
}

/// A batch of so many rows that is done.
fn rows(folder: &Path, n_rows: u64) {
    let server = Server::start("");
    let sheet = spreadsheet(folder, 1_000_000..1_000_000 + n_rows);
    let used =
        run(import_command(&server, &sheet, &folder.join("queda.mutirao")).args(["--rate", "unlimited"]));
    println!("{n_rows} rows imported in {:.0} s", used.wall_s);
    let web = Web::start(folder, None);
    let name = sheet.file_stem().expect("it has a name").to_string_lossy().into_owned();
    let batch = format!("/batch?in=queda.mutirao&batch={name}");
    web.tell("the first page", &["/"]);
    web.tell("its rows", &[&batch]);
    web.tell("rows that nobody has (100,000 are looked at)", &[&format!("{batch}&text=nobody")]);
    web.tell("the last rows by a link", &[&format!("{batch}&state=all&after={}", n_rows - 10)]);
    let begun = Instant::now();
    let n_bytes = web.get(&format!("/batch/files/results.csv?in=queda.mutirao&batch={name}"));
    println!(
        "results.csv: {:.1} MiB in {:.2} s",
        n_bytes as f64 / f64::from(1 << 20),
        begun.elapsed().as_secs_f64()
    );
    println!("peak memory of the page: {:.0} MiB", web.peak_mib());
}

/// 20,000 rows that are opened by the page itself, while two windows follow it.
fn going(folder: &Path) {
    let server = Server::start("");
    let sheet = spreadsheet(folder, 1_000_000..1_020_000);
    let web = Web::start(folder, Some((&server, &[("MUTIRAO_RATE", "unlimited")])));
    let to = web.bring(&sheet);
    web.tell("the sheet, checked", &[&to]);
    web.post(&format!("{to}/import"), "");
    let number = loop {
        let page = web.text("/import");
        if let Some((_, rest)) = page.split_once("name=\"number\" value=\"")
            && page.contains("action=\"/import/answer\"")
        {
            break rest.split('"').next().unwrap_or_default().to_owned();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    web.post("/import/answer", &format!("number={number}&answer=20000"));
    let (begun, mut times) = (Instant::now(), Vec::new());
    loop {
        let asked = Instant::now();
        let page = web.text("/import");
        times.push(asked.elapsed());
        if page.contains("results.xlsx") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("20,000 rows opened and their results written in {:.1} s", begun.elapsed().as_secs_f64());
    println!("its page meanwhile: {}", told(times));
    println!("peak memory of the page: {:.0} MiB", web.peak_mib());
}

/// A shared outbox with two million rows that are done with: all but 20,000 of them long ago.
fn shared(folder: &Path) {
    let cluster = Cluster::start();
    let url = cluster.url();
    let migrated = Command::new(MUTIRAO).args(["migrate", "-q"]).env("DATABASE_URL", &url).status();
    assert!(migrated.expect("mutirao starts").success());
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        use sqlx::{AssertSqlSafe, Connection};
        let mut conn = sqlx::PgConnection::connect(&url).await.expect("it is there");
        for (from, to, age) in [(1, 1_980_000, "9 days"), (1_980_001, 2_000_000, "2 hours")] {
            let sql = format!(
                "INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, state, protocolo,
                                             id_atendimento, attempts, sent_at, finished_at)
                 SELECT n::text, 'Sem sinal', 'Cliente ' || n, '37999998888', 'opened', n::text, n, 1,
                        now() - interval '{age}', now() - interval '{age}'
                   FROM generate_series({from}, {to}) n"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("rows");
        }
        let more = support::cluster::insert(3_000_001, 3_020_000);
        sqlx::raw_sql(AssertSqlSafe(more)).execute(&mut conn).await.expect("rows");
        sqlx::raw_sql("VACUUM (ANALYZE) mutirao.outbox").execute(&mut conn).await.expect("it is swept");
    });
    let web = Web::start(folder, None).at(&url, folder);
    web.tell("2,000,000 rows done with, 20,000 that wait: the first page", &["/"]);
    web.tell("a search for a service that nobody has (200,000 are looked at)", &["/search?text=77"]);
    web.tell("a search for a name that nobody has", &["/search?text=nobody"]);
    println!("peak memory of the page: {:.0} MiB", web.peak_mib());
}

/// A page, and a browser that was let in.
struct Web {
    child: Child,
    host: String,
    cookie: String,
}

impl Web {
    fn start(folder: &Path, with: Option<(&Server, &[(&str, &str)])>) -> Self {
        let mut command = Self::command(folder);
        if let Some((server, settings)) = with {
            command.env("HUBSOFT_URL", &server.url).env("HUBSOFT_TOKEN", &server.token);
            command.envs(settings.iter().copied());
        }
        Self::of(command)
    }

    /// The same of a database, in place of this one.
    fn at(self, url: &str, folder: &Path) -> Self {
        drop(self);
        let mut command = Self::command(folder);
        command.env("DATABASE_URL", url);
        Self::of(command)
    }

    fn command(folder: &Path) -> Command {
        let mut command = Command::new(MUTIRAO);
        command.args(["web", "--no-open", "--listen", "127.0.0.1:0"]).current_dir(folder);
        command.env("XDG_STATE_HOME", folder.join("state")).stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("mutirao starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it is");
        let (host, key) = line.trim().trim_start_matches("http://").split_once('/').expect("an address");
        let mut web = Self { child, host: host.to_owned(), cookie: String::new() };
        let (head, _) = web.ask(&format!("GET /{key} HTTP/1.1\r\n"), b"");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("it lets in");
        web.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        web
    }

    fn ask(&self, line: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).expect("it answers");
        let head = format!(
            "{line}Host: {host}\r\nOrigin: http://{host}\r\nCookie: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.cookie,
            body.len(),
            host = self.host,
        );
        stream.write_all(&[head.as_bytes(), body].concat()).expect("it listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        let at = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
        let body = answer.split_off(at + 4);
        (String::from_utf8_lossy(&answer).into_owned(), body)
    }

    fn get(&self, path: &str) -> usize {
        let (head, body) = self.ask(&format!("GET {path} HTTP/1.1\r\n"), b"");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        head.len() + body.len()
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.ask(&format!("GET {path} HTTP/1.1\r\n"), b"").1).into_owned()
    }

    fn post(&self, path: &str, fields: &str) -> String {
        let line = format!("POST {path} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        self.ask(&line, fields.as_bytes()).0
    }

    /// Where a sheet is found that was brought.
    fn bring(&self, sheet: &PathBuf) -> String {
        let head = "--b\r\nContent-Disposition: form-data; name=\"sheet\"; filename=\"queda.csv\"\r\n\r\n";
        let content = fs::read(sheet).expect("it was written");
        let body = [head.as_bytes(), &content, b"\r\n--b--\r\n"].concat();
        let line = "POST /sheets HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n";
        let (head, _) = self.ask(line, &body);
        head.lines().find_map(|line| line.strip_prefix("location: ")).expect("it is taken").to_owned()
    }

    /// How long these take together, and how much is sent.
    fn tell(&self, what: &str, paths: &[&str]) {
        let (mut times, mut n_bytes) = (Vec::new(), 0);
        for _ in 0..N_ROUNDS {
            let begun = Instant::now();
            n_bytes = paths.iter().map(|path| self.get(path)).sum();
            times.push(begun.elapsed());
        }
        let first = times[0].as_secs_f64() * 1e3;
        println!("{what}: {:.1} KiB, {first:.1} ms the first time; {}", n_bytes as f64 / 1024.0, told(times));
    }

    fn peak_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
        peak.unwrap_or(f64::NAN) / 1024.0
    }
}

fn told(mut times: Vec<Duration>) -> String {
    times.sort();
    let ms = |at: usize| times[at].as_secs_f64() * 1e3;
    format!("median {:.1} ms, longest {:.1} ms of {}", ms(times.len() / 2), ms(times.len() - 1), times.len())
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
