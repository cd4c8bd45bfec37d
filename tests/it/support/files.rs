//! The words in which tests fill an outbox from a file.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use mutirao::delivery::identity::ContentKey;
use mutirao::outbox::{
    AnyOutbox, AnyStaging, FirstPost, MergeError, MergeOptions, Merged, NewRow, NewSource, Rehearsal,
    Repeats, Withdrawn,
};
use mutirao::ticket::code::BatchCode;
use mutirao::ticket::{Field, Id, Problem, RawTicket};

use crate::outbox_conformance::at;

/// One line of a made-up file; the first is line 2.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// 0: none was found.
    pub service: i64,
    /// Whom the line names in place of the service.
    pub customer: Option<&'a str>,
    pub text: &'a str,
    pub phone: &'a str,
    pub email: Option<&'a str>,
    pub kind: Option<&'a str>,
    pub params: Option<&'a str>,
    pub code: Option<BatchCode>,
    pub referencia: Option<&'a str>,
    pub is_trusted: bool,
    /// Has more cells than there are columns, as far as its file goes.
    pub is_shifted: bool,
}

impl Default for Line<'_> {
    fn default() -> Self {
        Self {
            service: 1,
            customer: None,
            text: "x",
            phone: "37999998888",
            email: None,
            kind: None,
            params: None,
            code: None,
            referencia: None,
            is_trusted: false,
            is_shifted: false,
        }
    }
}

pub fn line(service: i64, text: &str) -> Line<'_> {
    Line { service, text, ..Line::default() }
}

pub struct File<'a> {
    pub batch: &'a str,
    pub lines: &'a [Line<'a>],
    pub headers: &'a [&'a str],
    pub lacks: &'a [Field],
    pub keys: &'a [(Field, Vec<String>)],
    pub repeats: Repeats,
    pub first_post: FirstPost,
    pub withdrawn: Withdrawn,
    pub now: Timestamp,
}

impl<'a> File<'a> {
    pub fn of(batch: &'a str, lines: &'a [Line<'a>]) -> Self {
        let (repeats, first_post) = (Repeats::Skip, FirstPost::AtOnce);
        let withdrawn = Withdrawn::Stay;
        let headers = &["servico", "texto", "fone"];
        let (lacks, keys, now) = (&[], &[], at(0));
        Self { batch, lines, headers, lacks, keys, repeats, first_post, withdrawn, now }
    }
}

pub async fn import(outbox: &mut AnyOutbox, file: &File<'_>) -> Merged {
    try_import(outbox, file).await.expect("it merges")
}

pub async fn try_import(outbox: &mut AnyOutbox, file: &File<'_>) -> Result<Merged, MergeError> {
    let staging = stage(outbox, file).await;
    let (merge, rehearsal) = staging.merge(&options(file, &sha256(file))).await?;
    merge.commit().await?;
    Ok(rehearsal.merged)
}

pub async fn rehearse(outbox: &mut AnyOutbox, file: &File<'_>) -> Rehearsal {
    let staging = stage(outbox, file).await;
    staging.rehearse(&options(file, &sha256(file))).await.expect("it would merge")
}

async fn stage<'a>(outbox: &'a mut AnyOutbox, file: &File<'_>) -> AnyStaging<'a> {
    let headers: Vec<String> = file.headers.iter().map(|it| (*it).to_owned()).collect();
    let source = NewSource {
        batch: file.batch,
        code: None,
        file_name: "file.csv",
        encoding: "UTF-8",
        delimiter: ";",
        headers: &headers,
        lacks: file.lacks,
        keys: file.keys,
        results: None,
    };
    let mut staging = outbox.begin(&source).await.expect("it begins");
    let services: Vec<String> = file.lines.iter().map(|it| it.service.to_string()).collect();
    for (n, (it, service)) in file.lines.iter().zip(&services).enumerate() {
        staging.push(&[new_row(n as u64 + 2, it, service, file.headers)]).await.expect("it stages");
    }
    staging
}

fn sha256(file: &File<'_>) -> String {
    let mut hash = DefaultHasher::new();
    format!("{:?}", file.lines).hash(&mut hash);
    format!("{:064x}", hash.finish())
}

fn options<'a>(file: &File<'_>, sha256: &'a str) -> MergeOptions<'a> {
    let File { now, repeats, first_post, withdrawn, .. } = *file;
    MergeOptions { now, sha256, content: sha256, repeats, first_post, withdrawn }
}

pub fn new_row<'a>(line: u64, it: &'a Line<'a>, service: &'a str, headers: &[&str]) -> NewRow<'a> {
    let mut fields = RawTicket::from([
        (Field::IdClienteServico, service),
        (Field::Descricao, it.text),
        (Field::Nome, "Maria"),
        (Field::Telefone, it.phone),
    ]);
    *fields.get_mut(Field::Email) = it.email.map(Into::into);
    *fields.get_mut(Field::IdTipoAtendimento) = it.kind.map(Into::into);
    *fields.get_mut(Field::Parametros) = it.params.map(Into::into);
    let problems = if it.is_shifted {
        vec![Problem {
            field: "row".into(),
            code: "too_many_fields".into(),
            found: String::new(),
            message: "".into(),
            hint: "".into(),
        }]
    } else if it.is_trusted {
        Vec::new()
    } else {
        mutirao::ticket::Ticket::parse(&fields).err().unwrap_or_default()
    };
    let key = ContentKey::new(it.customer.unwrap_or(service), it.kind.unwrap_or_default(), it.text);
    let cell = |header: &&str| match *header {
        "servico" => it.customer.unwrap_or(service),
        "texto" => it.text,
        "fone" => it.phone,
        _ => "",
    };
    NewRow {
        line,
        cells: headers.iter().map(|it| cell(it).into()).collect(),
        content_key: key,
        code: it.code,
        referencia: it.referencia.map(Into::into),
        service: Id::new(it.service),
        customer: it.customer.map(|customer| ContentKey::new(customer, "", "")),
        repeat_key: problems.is_empty().then(|| key.as_str().as_bytes().try_into().unwrap()),
        problems,
        warning: None,
        fields,
    }
}
