//! A HubSoft that lives on loopback: for trying, demos and tests. It behaves as the real one is known
//! to, is as slow and as faulty as asked for, and keeps books that tell whether a ticket was opened
//! twice.
//!
//! [`Sandbox::serve`] runs on the caller's runtime; [`Sandbox::start`] on a thread of its own.

mod book;
mod books;
mod credentials;
mod customers;
mod dice;
mod http;
mod limit;
mod list;
mod new_ticket;
mod options;
mod routes;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::task::JoinSet;

pub use book::{BookFault, forget};
pub use books::Audit;
pub use credentials::SandboxCredentials;
#[cfg(feature = "inside")]
pub use options::Nothing;
pub use options::{FaultKind, SandboxOptions};

use books::Books;
use credentials::random;
use http::{Connection, Next, Response};
use routes::Kind;

/// Faults of a post, in the order in which they are thrown for.
const POST_FAULTS: &[FaultKind] = &[
    FaultKind::ResetBefore,
    FaultKind::ResetAfter,
    FaultKind::Hang,
    FaultKind::LateCommit,
    FaultKind::ErrorBefore,
    FaultKind::ErrorAfter,
    FaultKind::Html,
    FaultKind::CutBody,
    FaultKind::Exception,
    FaultKind::TokenRevoked,
    FaultKind::Forbid,
];

/// A sandbox; its clones are the same sandbox.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    options: SandboxOptions,
    login: SandboxCredentials,
    /// What its tokens are made with.
    token_key: u64,
    start: Instant,
    books: Mutex<Books>,
    workers: Semaphore,
    n_waiting: AtomicUsize,
}

/// A sandbox on a thread of its own; it ends when this is dropped.
pub struct RunningSandbox {
    sandbox: Sandbox,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    pub fn new(options: SandboxOptions) -> Self {
        let workers = match options.workers {
            0 => Semaphore::MAX_PERMITS,
            workers => workers.min(Semaphore::MAX_PERMITS),
        };
        Self(Arc::new(Inner {
            options,
            login: SandboxCredentials::random(),
            token_key: random(),
            start: Instant::now(),
            books: Mutex::default(),
            workers: Semaphore::new(workers),
            n_waiting: AtomicUsize::new(0),
        }))
    }

    /// Starts a sandbox on a thread of its own, so that it takes no time from the caller's runtime.
    ///
    /// # Errors
    ///
    /// If `listener` is not on loopback, or no thread or runtime can be had.
    pub fn start(options: SandboxOptions, listener: std::net::TcpListener) -> io::Result<RunningSandbox> {
        let address = listener.local_addr()?;
        only_loopback(address)?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().event_interval(8).enable_all().build()?;
        let sandbox = Self::new(options);
        let serving = sandbox.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            // Told to stop, or left alone: both end it.
            let shutdown = async move { drop(stopped.await) };
            if let Err(error) = runtime.block_on(serving.serve(listener, shutdown)) {
                tracing::error!(%error, "the sandbox ended");
            }
        })?;
        Ok(RunningSandbox { sandbox, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Serves until `shutdown`; then drops the connections there are.
    ///
    /// # Errors
    ///
    /// If `listener` is not on loopback.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        only_loopback(listener.local_addr()?)?;
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            // Cancel-safe: `accept` and `join_next` lose nothing when dropped.
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let inner = Arc::clone(&self.0);
                        connections.spawn(async move { inner.connection(Connection::new(stream)).await });
                    }
                    // Out of file descriptors, most likely: wait for connections to end.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
            }
        }
        connections.shutdown().await;
        Ok(())
    }

    /// Keeps its tickets in `folder` from now on, in [`book::BOOK_FILE`], and knows those that stand there:
    /// as if the sandbox that wrote them had never ended. A ticket stands there before it is answered.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or written, is not a sandbox's, or another sandbox keeps it.
    pub fn keep_in(&self, folder: &Path) -> Result<(), BookFault> {
        self.0.books().keep_in(folder)
    }

    /// What happened so far.
    pub fn audit(&self) -> Audit {
        self.0.books().audit()
    }

    #[cfg(feature = "inside")]
    /// When each request was there, in the order of arrival.
    pub fn arrivals(&self) -> Vec<Instant> {
        let arrivals = self.0.books().arrivals.clone();
        arrivals.into_iter().map(|nanos| self.0.start + Duration::from_nanos(nanos)).collect()
    }

    pub fn credentials(&self) -> SandboxCredentials {
        self.0.login.clone()
    }

    /// A token as if obtained elsewhere.
    pub fn issue_token(&self) -> String {
        let until = self.0.now() + self.0.options.token_life;
        self.0.books().issue_token(self.0.token_key, until)
    }

    #[cfg(feature = "inside")]
    /// Ends all tokens at once, as system updates do.
    pub fn revoke_tokens(&self) {
        self.0.books().revoke_tokens();
    }
}

impl RunningSandbox {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn credentials(&self) -> SandboxCredentials {
        self.sandbox.credentials()
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    #[cfg(feature = "inside")]
    pub fn audit(&self) -> Audit {
        self.sandbox.audit()
    }

    /// Ends it, waits for its thread, and returns the last audit.
    pub fn stop(mut self) -> Audit {
        self.end();
        self.sandbox.audit()
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed already.
            let _ = thread.join();
        }
    }
}

impl Drop for RunningSandbox {
    fn drop(&mut self) {
        self.end();
    }
}

fn only_loopback(address: SocketAddr) -> io::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("a sandbox is for loopback, not for `{address}`"),
    ))
}

/// What to do with a request.
enum Deed {
    Answer(Response),
    AnswerHalf(Response),
    Reset,
    Hang,
    /// Reset, and open the ticket later.
    CommitLate(new_ticket::NewTicket),
}

/// A place among the workers.
struct Working<'a> {
    inner: &'a Inner,
    _permit: SemaphorePermit<'a>,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.inner.books().n_working -= 1;
    }
}

/// Counts who waits for a worker, also if the client leaves meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inner {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    async fn connection(self: Arc<Self>, mut connection: Connection) {
        let number = {
            let mut books = self.books();
            books.n_connections += 1;
            books.n_connections
        };
        if self.fault("connection", number, &[FaultKind::Refuse]).is_some() {
            return connection.reset_first().await;
        }
        loop {
            match connection.next().await {
                Ok(Next::Request) => {}
                Ok(Next::TooLarge) => {
                    // Whether the client reads it or has left, the connection ends here.
                    let _ = connection.answer(&Response::html(413, "<html>413</html>")).await;
                    return;
                }
                Ok(Next::End) | Err(_) => return,
            }
            let deed = self.deed(&connection).await;
            let written = match deed {
                Deed::Answer(response) => {
                    self.books().count_answer(response.status);
                    connection.answer(&response).await
                }
                Deed::AnswerHalf(response) => {
                    let _ = connection.answer_half(&response).await;
                    return;
                }
                Deed::Reset => return connection.reset(),
                Deed::Hang => return connection.hang().await,
                Deed::CommitLate(ticket) => {
                    self.books().late_commits_pending += 1;
                    connection.reset();
                    tokio::time::sleep(self.options.late_commit_after).await;
                    let mut books = self.books();
                    books.late_commits_pending -= 1;
                    if let Err(error) = books.open(ticket, self.now(), &self.options) {
                        tracing::warn!(%error, "the sandbox cannot keep a ticket, so there is none");
                    }
                    return;
                }
            };
            if written.is_err() {
                return;
            }
        }
    }

    fn fault(&self, what: &str, number: u64, among: &[FaultKind]) -> Option<FaultKind> {
        let fault = dice::fault(&self.options, what, number, among)?;
        self.books().count_fault(fault);
        Some(fault)
    }

    async fn deed(&self, connection: &Connection) -> Deed {
        let Some(request) = connection.request() else { return Deed::Reset };
        let kind = Kind::of(&request);
        if kind == Kind::Audit {
            let audit = serde_json::to_string(&self.books().audit()).unwrap_or_default();
            return Deed::Answer(Response::json(200, audit));
        }
        let login_limit = self.options.login_limit().filter(|_| kind == Kind::Login);
        let limits = [self.options.request_limit(), login_limit];
        let (number, early) = {
            let (mut books, now) = (self.books(), self.now());
            (books.count(kind.name(), now), books.too_early(now, limits, self.options.refusal))
        };
        if !early.is_zero() {
            match routes::too_many(&self.options) {
                Some(refusal) => return Deed::Answer(refusal),
                None => tokio::time::sleep(early).await,
            }
        }
        let fault = self.fault(
            kind.name(),
            number,
            match kind {
                Kind::Post => POST_FAULTS,
                Kind::LookUp | Kind::Customer | Kind::List => &[FaultKind::LookUpFailure],
                Kind::Login => &[FaultKind::LoginFailure],
                Kind::Catalogue | Kind::Audit | Kind::Other => &[],
            },
        );
        match fault {
            Some(FaultKind::ResetBefore) => return Deed::Reset,
            Some(FaultKind::Hang) => return Deed::Hang,
            _ => {}
        }
        let Some(_working) = self.worker().await else {
            let busy = Response::html(503, "<html>503 Service Unavailable</html>");
            return Deed::Answer(Response { retry_after: self.options.retry_after, ..busy });
        };
        let latency = dice::latency(&self.options, kind.name(), number, self.now());
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        self.work(&request, kind, fault, number)
    }

    /// Waits for a free worker. `None`: too many wait already.
    async fn worker(&self) -> Option<Working<'_>> {
        let permit = match self.workers.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let n_waiting = self.n_waiting.fetch_add(1, Ordering::Relaxed);
                let _waiting = Waiting(&self.n_waiting);
                if self.options.queue <= n_waiting {
                    return None;
                }
                self.workers.acquire().await.ok()?
            }
        };
        self.books().begin_work();
        Some(Working { inner: self, _permit: permit })
    }

    fn work(&self, request: &http::Request<'_>, kind: Kind, fault: Option<FaultKind>, number: u64) -> Deed {
        let now = self.now();
        let mut books = self.books();
        let failure = |status| Response::html(status, "<html><h1>Server Error</h1></html>");
        match fault {
            Some(FaultKind::TokenRevoked) => books.revoke_tokens(),
            Some(FaultKind::LookUpFailure) => return Deed::Answer(failure(500)),
            Some(FaultKind::LoginFailure) => return Deed::Answer(failure(503)),
            Some(FaultKind::ErrorBefore) => return Deed::Answer(failure(server_error(number))),
            Some(FaultKind::Forbid) => {
                return Deed::Answer(Response::json(403, r#"{"message":"This action is unauthorized."}"#));
            }
            Some(FaultKind::Html) => {
                return Deed::Answer(Response::html(200, "<html><h1>Estamos em manutenção</h1></html>"));
            }
            _ => {}
        }
        if kind == Kind::Login {
            let life = self.options.token_life;
            let token = || books.issue_token(self.token_key, now + life);
            return Deed::Answer(routes::login(request, &self.login, token, life));
        }
        if let Some(response) = routes::stranger(request, &books, now) {
            return Deed::Answer(response);
        }
        Deed::Answer(match kind {
            Kind::LookUp => routes::look_up(request.query, &books, &self.options, now),
            Kind::List => list::page(request.query, &books, &self.options, now),
            Kind::Customer => customers::search(request.query, &self.options),
            Kind::Catalogue => routes::catalogue(request.path),
            Kind::Post => {
                let ticket = match routes::read_ticket(request.body, &self.options) {
                    Ok(ticket) => ticket,
                    Err(refusal) => return Deed::Answer(refusal),
                };
                match fault {
                    Some(FaultKind::LateCommit) => return Deed::CommitLate(ticket),
                    Some(FaultKind::Exception) if number.is_multiple_of(2) => {
                        return Deed::Answer(routes::exception());
                    }
                    _ => {}
                }
                let index = match books.open(ticket, now, &self.options) {
                    Ok(index) => index,
                    Err(error) => {
                        tracing::warn!(%error, "the sandbox cannot keep a ticket, so there is none");
                        return Deed::Answer(failure(500));
                    }
                };
                match fault {
                    Some(FaultKind::ResetAfter) => return Deed::Reset,
                    Some(FaultKind::ErrorAfter) => failure(server_error(number)),
                    Some(FaultKind::Exception) => routes::exception(),
                    Some(FaultKind::CutBody) => {
                        return Deed::AnswerHalf(routes::opened(index, books.ticket(index)));
                    }
                    _ => routes::opened(index, books.ticket(index)),
                }
            }
            Kind::Login | Kind::Audit | Kind::Other => routes::unknown_route(),
        })
    }
}

/// One of the four, by the request's number.
fn server_error(number: u64) -> u16 {
    [500, 502, 503, 504][(number % 4) as usize]
}
