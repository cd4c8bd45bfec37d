//! Imports of a page: one that does not end, one that ends in a defect, one that goes on.

use std::path::Path;
use std::sync::OnceLock;

use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tower_service::Service;

use super::super::apart::apart;
use super::super::form::Form;
use super::*;
use crate::app::place::Outboxes;
use crate::language::Language;
use crate::outbox::Address;
use crate::registry::Role;
use crate::settings::{Environment, Sources};

/// A rehearsal of a sheet.
fn order_of(sheet: &Path) -> Order {
    Order {
        number: order_number(),
        id: String::new(),
        by: Visitor { user: None, role: Role::Abrir },
        kept: sheet.to_owned(),
        name: "queda.csv".to_owned(),
        form: Form::of(vec![("sandbox".to_owned(), "true".to_owned())]),
        language: Language::English,
        agreed: None,
        batch: OnceLock::new(),
        stop: CancellationToken::new(),
        stopped: OnceLock::new(),
    }
}

/// Seen (in reading): a long sheet held up whoever asked for a page.
#[cfg(unix)]
#[tokio::test]
async fn pages_are_answered_while_a_sheet_is_read_that_has_no_end() {
    let here = tempfile::tempdir().unwrap();
    // It is read until its writer ends.
    let sheet = here.path().join("queda.csv");
    assert!(std::process::Command::new("mkfifo").arg(&sheet).status().unwrap().success());
    let outboxes =
        Outboxes { url: None, here: here.path().to_owned(), user: String::new(), way: Way::Terminal };
    let (at, stop) = ("127.0.0.1:8674".parse().unwrap(), CancellationToken::new());
    let (site, ordered) =
        super::super::Site::new(at, None, None, outboxes, Sources::default(), |_, _| 0, stop);
    let browser = async {
        let mut standing = site.desk.follow();
        assert!(site.desk.order(order_of(&sheet)));
        // Opened as soon as somebody reads it.
        let writer = spawn_blocking({
            let sheet = sheet.clone();
            move || std::fs::File::options().write(true).open(sheet).unwrap()
        });
        let writer = writer.await.unwrap();
        let mut router = super::super::answer::router(Arc::clone(&site));
        let asked = axum::extract::Request::get("/").header("Host", "127.0.0.1:8674");
        let Ok(answer) = router.call(asked.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), axum::http::StatusCode::FORBIDDEN, "nobody was let in");
        assert!(matches!(site.desk.standing().stage, Stage::Busy));
        drop(writer);
        let is_over = |standing: &super::super::desk::Standing| matches!(standing.stage, Stage::Ended(_));
        standing.wait_for(is_over).await.unwrap();
        site.stop.cancel();
    };
    let (imports, words) = (Arc::clone(&site), ordered.words);
    tokio::join!(apart(move || async move { work(&imports, words, &imports.stop).await }), browser);
}

/// Half a day after it was agreed to, what was cut off would ask.
#[tokio::test(start_paused = true)]
async fn that_an_import_goes_on_is_kept_every_ten_minutes() {
    let here = tempfile::tempdir().unwrap();
    let outboxes =
        Outboxes { url: None, here: here.path().to_owned(), user: String::new(), way: Way::Terminal };
    let environment = Environment::from([("STATE_DIRECTORY", here.path().to_str().unwrap())]);
    let sources = Sources::load(environment, None).unwrap();
    let (at, stop) = ("127.0.0.1:8674".parse().unwrap(), CancellationToken::new());
    let (site, mut ordered) = super::super::Site::new(at, None, None, outboxes, sources, |_, _| 0, stop);
    let (order, stop) = (order_of(here.path()), CancellationToken::new());
    let (words, said) = (&mut ordered.words, Vec::new());
    let mut worker = Worker { site: &site, order: &order, words, stop, said, n_asked: &mut 0, kept: None };
    let (skip_if_open, verify_first, allow_repeats) = (false, false, false);
    let [binding, rate, batch, content, tickets] = ["b", "10/s", "BBBBBBBB", "c", "t"].map(str::to_owned);
    let terms = Terms { binding, skip_if_open, verify_first, allow_repeats, rate };
    let imported_at = Timestamp::now();
    let (outbox, folder) = (Address::File(here.path().join("outbox.db")), here.path().to_owned());
    let work = Work {
        folder,
        outbox,
        batch: "queda".to_owned(),
        code: None,
        is_correction: false,
        met: None,
        left: None,
        answers: batches::Answers::default(),
    };
    worker.keep(&work, Some(BatchContent { batch, import: 7, imported_at, content, tickets, terms }), 1);
    let went_on_at = || site.unfinished.as_ref().unwrap().all().0[0].went_on_at;
    let agreed_at = went_on_at();
    let goes_on = |minutes: u64| timeout(Duration::from_secs(60 * minutes), noted(|| worker.goes_on()));
    assert!(goes_on(9).await.is_err());
    assert_eq!(went_on_at(), agreed_at);
    assert!(goes_on(11).await.is_err());
    assert!(agreed_at < went_on_at());
}

/// Seen (in reading): it ended the program, and with it the page.
#[tokio::test]
async fn an_import_that_comes_upon_a_defect_ends_and_the_next_one_begins() {
    let here = tempfile::tempdir().unwrap();
    let sheet = here.path().join("queda.csv");
    let row = "11001;Sem sinal;Ana;37999112201";
    std::fs::write(&sheet, format!("id_cliente_servico;descricao;nome;telefone\n{row}\n")).unwrap();
    let outboxes =
        Outboxes { url: None, here: here.path().to_owned(), user: String::new(), way: Way::Terminal };
    let (at, stop) = ("127.0.0.1:8674".parse().unwrap(), CancellationToken::new());
    let panics = |_: &Came, _: &_| panic!("a defect");
    let (site, ordered) = super::super::Site::new(at, None, None, outboxes, Sources::default(), panics, stop);
    let orders = async {
        for _ in 0..2 {
            let order = order_of(&sheet);
            let mut standing = site.desk.follow();
            assert!(site.desk.order(order));
            let ended = |standing: &_| match standing {
                super::super::desk::Standing { stage: Stage::Ended(ended), .. } => Some(ended.clone()),
                _ => None,
            };
            let ended = standing.wait_for(|standing| ended(standing).is_some()).await;
            let Stage::Ended(ended) = &ended.unwrap().stage else { unreachable!() };
            assert!(matches!(**ended, Err(Broken::Panicked)));
        }
        site.stop.cancel();
    };
    tokio::join!(work(&site, ordered.words, &site.stop), orders);
}
