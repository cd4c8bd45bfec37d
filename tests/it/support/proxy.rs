//! Stands before a server and makes the weather.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep_until};

/// So many parts of what somebody says are on their way at once, at most.
const PARTS_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Fair,
    /// Connections are cut, and new ones refused.
    Refuses,
    /// Connections are cut, also new ones. Nobody else can get the port meanwhile.
    Cuts,
    /// Connections stay, and new ones are taken; nothing passes over any of them, now or later.
    Hangs,
}

/// Where the server is.
#[derive(Clone)]
pub enum Server {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// To the server.
#[derive(Clone)]
struct Way {
    server: Server,
    /// One way.
    takes: Duration,
}

/// Has a thread of its own, so that a test may block. It goes with this value.
pub struct Proxy {
    pub address: SocketAddr,
    weather: Sender<Weather>,
}

impl Proxy {
    pub fn before(server: Server) -> Self {
        Self::far_from(server, Duration::ZERO)
    }

    /// It takes so long there and back.
    pub fn far_from(server: Server, round_trip: Duration) -> Self {
        let way = Way { server, takes: round_trip / 2 };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("it can wait");
        let address = listener.local_addr().expect("an address");
        let (weather, seen) = channel(Weather::Fair);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("there are threads").block_on(async {
                let listener = TcpListener::from_std(listener).expect("it listens");
                serve(address, listener, way, seen).await;
            });
        });
        Self { address, weather }
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

/// Ends when the proxy is dropped.
async fn serve(address: SocketAddr, first: TcpListener, way: Way, mut seen: Receiver<Weather>) {
    let mut listener = Some(first);
    loop {
        match (*seen.borrow_and_update(), &listener) {
            (Weather::Refuses, _) => listener = None,
            (_, None) => listener = Some(TcpListener::bind(address).await.expect("the port is free still")),
            _ => {}
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = seen.changed() => if changed.is_err() { return },
            accepted = accepted => if let Ok((stream, _)) = accepted {
                tokio::spawn(between(stream, way.clone(), seen.clone()));
            },
        }
    }
}

async fn between(client: TcpStream, way: Way, seen: Receiver<Weather>) {
    let passing = async {
        tokio::select! {
            biased;
            // The connection stays open, and nobody reads it.
            () = until(seen.clone(), &[Weather::Hangs]) => std::future::pending().await,
            // Who leaves early, or is not there, ends the connection; that is all.
            _ = talk(client, way) => {}
        }
    };
    tokio::select! {
        () = passing => {}
        () = until(seen.clone(), &[Weather::Refuses, Weather::Cuts]) => {}
    }
}

/// Also ends when the proxy does.
async fn until(mut seen: Receiver<Weather>, weather: &[Weather]) {
    let _ = seen.wait_for(|it| weather.contains(it)).await;
}

async fn talk(client: TcpStream, way: Way) -> io::Result<()> {
    match way.server {
        Server::Tcp(at) => relay(client, TcpStream::connect(at).await?, way.takes).await,
        Server::Unix(path) => relay(client, UnixStream::connect(path).await?, way.takes).await,
    }
}

async fn relay(client: TcpStream, server: impl AsyncRead + AsyncWrite, takes: Duration) -> io::Result<()> {
    let ((asked, answers), (heard, told)) = (split(client), split(server));
    tokio::try_join!(carry(asked, told, takes), carry(heard, answers, takes)).map(drop)
}

/// Passes on what is said, each part so much later, until no more is.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    takes: Duration,
) -> io::Result<()> {
    let (parts, mut under_way) = mpsc::channel(PARTS_MAX);
    let hear = async move {
        loop {
            let mut part = vec![0; 16 << 10];
            let n_bytes = from.read(&mut part).await?;
            part.truncate(n_bytes);
            let is_end = part.is_empty() || parts.send((Instant::now() + takes, part)).await.is_err();
            if is_end {
                return Ok(());
            }
        }
    };
    let tell = async {
        while let Some((at, part)) = under_way.recv().await {
            sleep_until(at).await;
            to.write_all(&part).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(hear, tell).map(drop)
}
