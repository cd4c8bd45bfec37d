//! Stands before a server and makes the weather.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch::{Receiver, Sender, channel};

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

/// Has a thread of its own, so that a test may block. It goes with this value.
pub struct Proxy {
    pub address: SocketAddr,
    weather: Sender<Weather>,
}

impl Proxy {
    pub fn before(server: Server) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("it can wait");
        let address = listener.local_addr().expect("an address");
        let (weather, seen) = channel(Weather::Fair);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("there are threads").block_on(async {
                let listener = TcpListener::from_std(listener).expect("it listens");
                serve(address, listener, server, seen).await;
            });
        });
        Self { address, weather }
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

/// Ends when the proxy is dropped.
async fn serve(address: SocketAddr, first: TcpListener, server: Server, mut seen: Receiver<Weather>) {
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
                tokio::spawn(between(stream, server.clone(), seen.clone()));
            },
        }
    }
}

async fn between(mut client: TcpStream, server: Server, seen: Receiver<Weather>) {
    let passing = async {
        tokio::select! {
            biased;
            // The connection stays open, and nobody reads it.
            () = until(seen.clone(), &[Weather::Hangs]) => std::future::pending().await,
            // Who leaves early, or is not there, ends the connection; that is all.
            _ = talk(&mut client, server) => {}
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

async fn talk(client: &mut TcpStream, server: Server) -> io::Result<()> {
    match server {
        Server::Tcp(at) => relay(client, TcpStream::connect(at).await?).await,
        Server::Unix(path) => relay(client, UnixStream::connect(path).await?).await,
    }
}

async fn relay(client: &mut TcpStream, mut server: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    copy_bidirectional(client, &mut server).await.map(drop)
}
