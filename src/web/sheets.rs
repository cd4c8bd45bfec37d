//! Sheets that browsers bring: received, read, and ordered to be imported. Each takes as long as it takes, by
//! its length and the line that it comes by; so what is bounded is how far it gets meanwhile.

use std::panic::resume_unwind;
use std::path::{Path as FilePath, PathBuf};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, Extension, Multipart, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::desk::{Order, order_number};
use super::door::{For, Visitor};
use super::form::{Form, name_of};
use super::speech::{language, not_found, spoken};
use super::turns::Turn;
use super::{Route, Site, files, page, sheet};
use crate::app::fault::Fault;
use crate::app::marked::marked;
use crate::app::preview::preview;
use crate::app::uploads::{LEN_MAX, Uploads};
use crate::language::Language;
use crate::registry::ColumnMemory;
use crate::report::PROBLEMS_XLSX;
use crate::settings::Reading;

/// So much of a sheet is to come in so long a time, or it is given up: more than any line brings that a page
/// can be used by, and what never ends holds a place no longer. Bytes.
const PIECE_MIN: usize = 32 * 1024;
const PIECE_WITHIN: Duration = Duration::from_secs(30);

/// How long a sheet is read to be looked at, from its turn on. Source: several times what the longest takes
/// on a machine that is not busy.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// What is bounded here rather than by the time that an answer takes as a whole.
pub const BY_PIECES: [&str; 3] = ["/sheets", "/sheets/{id}", "/sheets/{id}/problems.xlsx"];

pub fn routes() -> [Route; 5] {
    [
        ("/sheets", For::WhoOpens, post(receive).layer(DefaultBodyLimit::max(LEN_MAX))),
        ("/sheets/{id}", For::WhoOpens, get(read)),
        ("/sheets/{id}/read", For::WhoOpens, post(read_otherwise)),
        ("/sheets/{id}/problems.xlsx", For::WhoOpens, get(problems)),
        ("/sheets/{id}/import", For::WhoOpens, post(order)),
    ]
}

/// Takes a sheet, and leads to what is found in it.
async fn receive(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    form: Multipart,
) -> Response {
    let Some(uploads) = &site.uploads else { return not_found(headers).await };
    let Some(turn) = site.receiving.try_take(visitor.user.as_ref()) else {
        return (StatusCode::SERVICE_UNAVAILABLE, spoken(&headers, page::too_many_sheets)).into_response();
    };
    match take(uploads, &visitor, form, turn).await {
        Ok(id) => Redirect::to(&format!("/sheets/{id}")).into_response(),
        Err(Untaken::Fault(fault)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, spoken(&headers, || page::not_kept(&fault))).into_response()
        }
        Err(Untaken::Slow) => {
            (StatusCode::REQUEST_TIMEOUT, spoken(&headers, page::too_slow_a_line)).into_response()
        }
        Err(Untaken::NoSheet(status)) => {
            let is_too_long = status == StatusCode::PAYLOAD_TOO_LARGE;
            (status, spoken(&headers, || page::no_sheet(is_too_long))).into_response()
        }
    }
}

/// Why a sheet was not taken.
enum Untaken {
    NoSheet(StatusCode),
    /// No more came of it.
    Slow,
    Fault(Fault),
}

impl From<MultipartError> for Untaken {
    fn from(error: MultipartError) -> Self {
        Self::NoSheet(error.status())
    }
}

impl From<Fault> for Untaken {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

async fn take(
    uploads: &Uploads,
    visitor: &Visitor,
    mut form: Multipart,
    turn: Turn,
) -> Result<String, Untaken> {
    let mut progress = Progress::begins();
    while let Some(mut field) = progress.of(form.next_field()).await?? {
        if field.name() != Some("sheet") {
            continue;
        }
        let mut upload = uploads.begin(visitor.owner(), field.file_name().unwrap_or_default())?;
        while let Some(bytes) = progress.of(field.chunk()).await?? {
            progress.n_bytes += bytes.len();
            upload.push(&bytes)?;
        }
        if 0 < upload.len {
            // A disk takes its time, whoever waits for it.
            let kept = spawn_blocking(move || {
                let _turn = turn;
                upload.finish()
            });
            return Ok(kept.await.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()))?);
        }
    }
    Err(Untaken::NoSheet(StatusCode::BAD_REQUEST))
}

/// How far it got within the time that is running.
struct Progress {
    ends_at: Instant,
    n_bytes: usize,
}

impl Progress {
    fn begins() -> Self {
        Self { ends_at: Instant::now() + PIECE_WITHIN, n_bytes: 0 }
    }

    /// What is to come next, unless nothing comes of it any more.
    async fn of<T>(&mut self, next: impl Future<Output = T>) -> Result<T, Untaken> {
        let mut next = pin!(next);
        loop {
            // It is not dropped: what comes of it then is waited for once more.
            match timeout_at(self.ends_at, &mut next).await {
                Ok(came) => return Ok(came),
                Err(_) if self.n_bytes < PIECE_MIN => return Err(Untaken::Slow),
                Err(_) => *self = Self::begins(),
            }
        }
    }
}

/// Keeps how a sheet is to be read, and leads to what is found in it then.
async fn read_otherwise(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    axum::Form(fields): axum::Form<Vec<(String, String)>>,
) -> Response {
    let kept = site.uploads.as_ref().and_then(|uploads| uploads.find(visitor.owner(), &id));
    if kept.is_none() {
        return not_found(headers).await;
    }
    let read = site.readings.keep(visitor.user.as_ref(), Form::of(fields));
    Redirect::to(&format!("/sheets/{id}?read={read}")).into_response()
}

/// What a sheet is read as.
#[derive(Deserialize)]
struct ReadAs {
    /// As [`Readings::keep`] called it. `None`: as it is recognised.
    ///
    /// [`Readings::keep`]: super::readings::Readings::keep
    read: Option<String>,
}

impl ReadAs {
    /// `None`: that is not kept any more.
    fn form(&self, site: &Site, visitor: &Visitor) -> Option<Form> {
        match &self.read {
            Some(read) => site.readings.find(visitor.user.as_ref(), read),
            None => Some(Form::default()),
        }
    }
}

fn forgotten(headers: &HeaderMap, id: &str) -> Response {
    (StatusCode::GONE, spoken(headers, || sheet::forgotten(id))).into_response()
}

/// What is found in a sheet.
async fn read(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Query(read_as_said): Query<ReadAs>,
) -> Response {
    let kept = site.uploads.as_ref().and_then(|uploads| uploads.find(visitor.owner(), &id));
    let Some(kept) = kept else { return not_found(headers).await };
    let Some(form) = read_as_said.form(&site, &visitor) else { return forgotten(&headers, &id) };
    let name = name_of(&kept);
    let preview = |file, kept: &FilePath, reading, memory: &_, goes_on: GoesOn<'_>| {
        preview(file, kept, reading, memory, goes_on)
    };
    let preview = read_as(&site, &visitor, &form, kept, language(&headers), preview).await;
    let read = read_as_said.read.as_deref();
    spoken(&headers, || sheet::page_of(&id, &name, read, &form, &preview)).into_response()
}

/// What is wrong with it, as a workbook.
async fn problems(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    Query(read_as_said): Query<ReadAs>,
) -> Response {
    let kept = site.uploads.as_ref().and_then(|uploads| uploads.find(visitor.owner(), &id));
    let Some(kept) = kept else { return not_found(headers).await };
    let Some(form) = read_as_said.form(&site, &visitor) else { return forgotten(&headers, &id) };
    let user = site.called(&visitor);
    let marked = |file, kept: &FilePath, reading, memory: &_, goes_on: GoesOn<'_>| {
        marked(file, kept, reading, memory, user, goes_on)
    };
    match read_as(&site, &visitor, &form, kept, language(&headers), marked).await {
        Ok(marked) => {
            let folder = marked.folder().to_owned();
            match files::sent_of(&folder, PROBLEMS_XLSX, marked).await {
                Some(sent) => sent,
                None => not_found(headers).await,
            }
        }
        Err(fault) => (StatusCode::CONFLICT, spoken(&headers, || page::undone(&fault))).into_response(),
    }
}

/// Whether somebody waits for it still.
type GoesOn<'a> = &'a (dyn Fn() -> bool + 'a);

/// What `read` makes of a sheet that is kept, read as the form says.
async fn read_as<T: Send + 'static>(
    site: &Site,
    visitor: &Visitor,
    form: &Form,
    kept: PathBuf,
    language: Language,
    read: impl FnOnce(PathBuf, &FilePath, Reading, &ColumnMemory, GoesOn<'_>) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let reading = site.sources.resolve(&form.flags())?;
    let memory = ColumnMemory::at(site.sources.environment().state_folder());
    let file = site.outboxes.here.join(name_of(&kept));
    let turn = site.reading.take(visitor.user.as_ref()).await;
    // Once nobody waits for it any more, it is read no further, and its turn is another one's.
    let gone = CancellationToken::new();
    let _leaves = gone.clone().drop_guard();
    // Apart from what else goes on here.
    let seen = spawn_blocking(move || {
        let (_turn, ends_at) = (turn, Instant::now() + READ_WITHIN);
        let goes_on = || !gone.is_cancelled() && Instant::now() < ends_at;
        language.speak(|| read(file, &kept, reading, &memory, &goes_on))
    });
    seen.await.unwrap_or_else(|panicked| resume_unwind(panicked.into_panic()))
}

/// Orders the import of a sheet, read as the form says.
async fn order(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Extension(by): Extension<Visitor>,
    Path(id): Path<String>,
    axum::Form(fields): axum::Form<Vec<(String, String)>>,
) -> Response {
    let kept = site.uploads.as_ref().and_then(|uploads| uploads.find(by.owner(), &id));
    let Some(kept) = kept else { return not_found(headers).await };
    let (name, form, language) = (name_of(&kept), Form::of(fields), language(&headers));
    match site.desk.order(Order {
        number: order_number(),
        id,
        by,
        kept,
        name,
        form,
        language,
        agreed: None,
        batch: OnceLock::new(),
        stop: CancellationToken::new(),
        stopped: OnceLock::new(),
    }) {
        true => Redirect::to("/import").into_response(),
        false => (StatusCode::CONFLICT, spoken(&headers, page::busy)).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc;

    use axum::body::Body;
    use axum::extract::Request;
    use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
    use bytes::Bytes;
    use futures_util::FutureExt;
    use futures_util::stream::unfold;
    use tokio::time::sleep;
    use tower_service::Service;

    use super::super::answer::router;
    use super::*;
    use crate::app::place::Outboxes;
    use crate::outbox::Way;
    use crate::settings::{Environment, Sources};

    const HERE: &str = "127.0.0.1:8674";
    const HEAD: &[u8] =
        b"--b\r\nContent-Disposition: form-data; name=\"sheet\"; filename=\"q.csv\"\r\n\r\nid_cliente_servico\n";
    const TAIL: &[u8] = b"\r\n--b--\r\n";

    /// A page that keeps what it has in `here`, and the cookie of a browser that is inside.
    async fn begun(here: &FilePath) -> (Arc<Site>, String) {
        let outboxes = Outboxes { url: None, here: here.to_owned(), user: String::new(), way: Way::Terminal };
        let environment = Environment::from([("STATE_DIRECTORY", here.to_str().unwrap())]);
        let sources = Sources::load(environment, None).unwrap();
        let (at, stop) = (HERE.parse().unwrap(), CancellationToken::new());
        let (site, _ordered) = Site::new(at, None, None, outboxes, sources, |_, _| 0, stop);
        let address = RefCell::new(String::new());
        let tell = |told: &str| told.clone_into(&mut address.borrow_mut());
        assert!(site.tell_addresses(tell).now_or_never().is_none());
        let entered = Request::get(address.take()).header(HOST, HERE).body(Body::empty()).unwrap();
        let Ok(entered) = router(Arc::clone(&site)).call(entered).await;
        let cookie = entered.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        (site, cookie)
    }

    /// The answer to a sheet that comes so.
    async fn brought(site: &Arc<Site>, cookie: &str, comes: Body) -> Response {
        let request = Request::post("/sheets").header(HOST, HERE).header(ORIGIN, format!("http://{HERE}"));
        let request = request.header(COOKIE, cookie).header(CONTENT_TYPE, "multipart/form-data; boundary=b");
        let Ok(answer) = router(Arc::clone(site)).call(request.body(comes).unwrap()).await;
        answer
    }

    /// The answer to one that comes in so many pieces of so many bytes, one each so many seconds.
    async fn upload(n_pieces: usize, len: usize, seconds: u64) -> Response {
        let here = tempfile::tempdir().unwrap();
        let (site, cookie) = begun(here.path()).await;
        let comes = unfold(0, move |n| async move {
            let piece = match n {
                0 => Bytes::from_static(HEAD),
                n if n <= n_pieces => Bytes::from(vec![b'1'; len]),
                n if n == n_pieces + 1 => Bytes::from_static(TAIL),
                _ => return None,
            };
            sleep(Duration::from_secs(seconds)).await;
            Some((Ok::<_, std::io::Error>(piece), n + 1))
        });
        let answer = brought(&site, &cookie, Body::from_stream(comes)).await;
        let kept = std::fs::read_dir(here.path().join("sheets")).map_or(0, Iterator::count);
        assert_eq!(
            kept,
            usize::from(answer.headers().contains_key(LOCATION)),
            "of the others nothing is left"
        );
        answer
    }

    /// Seen (in reading): a sheet that took more than half a minute was cut off, however well it came.
    #[tokio::test(start_paused = true)]
    async fn a_sheet_may_take_its_time_as_long_as_it_comes() {
        for (n_pieces, len, seconds, expected) in [
            (3, 1, 0, StatusCode::SEE_OTHER),
            (40, 64 * 1024, 14, StatusCode::SEE_OTHER),
            (3, 1, 8, StatusCode::REQUEST_TIMEOUT),
            (1_000, 1, 1, StatusCode::REQUEST_TIMEOUT),
            (10, 64 * 1024, 100, StatusCode::REQUEST_TIMEOUT),
        ] {
            let answer = upload(n_pieces, len, seconds).await;
            assert_eq!(answer.status(), expected, "{n_pieces} of {len} bytes each {seconds} s");
        }
    }

    /// Seen (in reading): while a sheet was put to the disk, nobody was answered.
    #[tokio::test]
    async fn pages_are_answered_while_a_sheet_is_kept() {
        let here = tempfile::tempdir().unwrap();
        let (site, cookie) = begun(here.path()).await;
        let ((held, is_held), (answered, waits)) = (mpsc::channel(), mpsc::channel());
        let uploads = site.uploads.clone().unwrap();
        let disk = std::thread::spawn(move || {
            let _held = uploads.held();
            held.send(()).unwrap();
            waits.recv_timeout(Duration::from_secs(20)).is_ok()
        });
        is_held.recv().unwrap();
        let browser = async {
            let asked = Request::get("/style.css").header(HOST, HERE).body(Body::empty()).unwrap();
            let Ok(answer) = router(Arc::clone(&site)).call(asked).await;
            assert_eq!(answer.status(), StatusCode::OK);
            let _ = answered.send(());
        };
        let comes = Body::from([HEAD, TAIL].concat());
        let (kept, ()) = tokio::join!(brought(&site, &cookie, comes), browser);
        assert_eq!(kept.status(), StatusCode::SEE_OTHER);
        assert!(disk.join().unwrap(), "others waited for it");
    }

    /// Seen (in reading): it was read to its end, with the turn of all others, after its reader had left.
    #[test]
    fn what_nobody_waits_for_is_read_no_further() {
        let here = tempfile::tempdir().unwrap();
        let sheet = here.path().join("q.csv");
        std::fs::write(&sheet, "id_cliente_servico;descricao;nome;telefone\n1;a;b;37999112201\n".repeat(9))
            .unwrap();
        let memory = || ColumnMemory::at(None);
        let read = |goes_on: &dyn Fn() -> bool| {
            let reading = Sources::default().resolve(&crate::settings::Flags::none()).unwrap();
            preview(sheet.clone(), &sheet, reading, &memory(), goes_on)
        };
        assert!(read(&|| true).is_ok());
        let n_left = std::cell::Cell::new(3);
        let given_up = read(&|| n_left.replace(n_left.get() - 1) != 0);
        assert!(matches!(given_up, Err(Fault::GivenUp { n_rows: 3 })));
    }
}
