//! An import as whoever has no terminal makes it.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::{Order, Ran, Staged, Taken};
use crate::app::batches::{Answer, Answers, Doubt, Wish};
use crate::app::fault::Fault;
use crate::app::sheet::Sheet;
use crate::app::target::Target;
use crate::delivery::{Control, Rate};
use crate::intake::Hashing;
use crate::outbox::Way;
use crate::report::Summary;
use crate::settings::{self, Flags, Sending, Sources};

/// Imports `file` into the sandbox, and answers as `answer` says to what is asked of it.
async fn import(file: &Path, answer: impl Fn(Doubt) -> Answer) -> Summary {
    let (started_at, sources) = (Timestamp::now(), Sources::default());
    let settings: settings::Import = sources.resolve(&Flags::none()).unwrap();
    let sending = Sending { sandbox: true, rate: Rate::Unlimited, ..settings.sending };
    let target = Target::new(&sources, &sending).unwrap();
    let sheet = Sheet::kept(file.to_owned(), settings.reading).unwrap();
    let intake = sheet.open(Hashing::Sha256).unwrap();
    let wish = Wish {
        sheet: &sheet,
        name: None,
        output: None,
        database_url: None,
        binding: Some(&target.binding),
        is_sandbox: false, // Nothing is asked of what is not real.
        answers: Answers::default(),
    };
    let search = async || wish.by_name(wish.destination().unwrap(), intake.ours()).await.unwrap();
    let mut searched = search().await;
    if searched.question().is_some() {
        assert!(matches!(search().await.work(), Err(Fault::Unanswered)));
    }
    while let Some(doubt) = searched.question().map(|question| question.doubt) {
        searched.answer(answer(doubt));
    }
    let work = searched.work().unwrap();
    let order = Order {
        sheet: &sheet,
        work: &work,
        target: &target,
        verify_first: false,
        is_shared: false,
        holds_rest: false,
        user: "",
        way: Way::Page,
        people: Default::default(),
    };
    let mut staged = Staged::new(order, intake, sending.rate).await.unwrap();
    assert_eq!(staged.reserve().unwrap(), None);
    assert!(staged.bind().await.unwrap().is_some());

    let policy = staged.policy(&sending, &settings.stopping);
    let Taken::In(mut taken_in) = staged.take_in(|| false).await.unwrap() else {
        panic!("it is nobody else's")
    };
    taken_in.release().await.unwrap();
    let worker = taken_in.worker(&policy).await.unwrap();
    let ending = taken_in.deliver(worker, None, &policy, Control::default(), &()).await.unwrap();
    let mut outcome = taken_in.write_results().await.unwrap();
    let settings = std::collections::BTreeMap::new();
    let ran = Ran {
        started_at,
        rate: sending.rate,
        stats: Some(&ending.stats),
        settings,
        customers: None,
        exit_code: 0,
    };
    let summary = taken_in.finish(&mut outcome, &ran).await.unwrap();
    taken_in.close().await.unwrap();
    summary
}

#[tokio::test]
async fn a_question_stands_between_two_steps() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("queda.csv");
    let write = |third: &str| {
        let rows = ["11001", "11008", third].map(|id| format!("{id};Sem sinal;Ana Moreira;37999112201\n"));
        fs::write(&file, format!("id_cliente_servico;descricao;nome;telefone\n{}", rows.concat())).unwrap();
    };
    write("11015");
    let first = import(&file, |doubt| panic!("of the first one nothing is asked, but {doubt:?}")).await;
    assert_eq!((first.counts.opened, first.api.posts), (3, 3));
    write("11022");
    let edited = import(&file, |doubt| {
        assert_eq!(doubt, Doubt::Edit);
        Answer::Continue
    });
    let edited = edited.await;
    assert_eq!((edited.counts.opened, edited.counts.opened_before, edited.api.posts), (3, Some(2), 1));
    assert!(here.path().join("queda.mutirao/results.csv").is_file());
}
