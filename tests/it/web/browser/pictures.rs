//! The whole way on a phone, and its pictures: docs/pictures has them, made anew by `docs/pictures/make`.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::super::on_call::{ROWS, begun};
use super::{CHECK, Office, agrees};
use crate::support::browser::Browser;
use crate::support::site::Site;

/// Where they are put, unless they are only tried.
const FOLDER: &str = "MUTIRAO_PICTURES";

/// Of a page that is shown: as a desk has it, and a phone.
struct Pictures {
    folder: PathBuf,
    _tried: Option<TempDir>,
}

impl Pictures {
    fn new() -> Self {
        match std::env::var_os(FOLDER) {
            Some(folder) => Self { folder: folder.into(), _tried: None },
            None => {
                let tried = tempfile::tempdir().unwrap();
                Self { folder: tried.path().to_owned(), _tried: Some(tried) }
            }
        }
    }

    /// The phone is what it is before and after.
    fn of(&self, browser: &Browser, name: &str) {
        browser.runs("window.scrollTo(0, 0)", serde_json::json!([]));
        let phone = browser.picture();
        browser.is_no_phone();
        let desk = browser.picture();
        browser.is_a_phone();
        for (name, picture) in [(name.to_owned(), desk), (format!("{name}-celular"), phone)] {
            assert!(picture.starts_with(b"\x89PNG"), "{name}");
            fs::write(self.folder.join(format!("{name}.png")), picture).unwrap();
        }
    }
}

/// Nobody of these names lives at these numbers.
fn sheet() -> String {
    let names = ["Ana Moreira", "João Araújo", "Conceição Lima", "Márcio Leão", "Bia Nunes", "Davi Rocha"];
    let mut sheet = "id_cliente_servico;descricao;nome;telefone\n".to_owned();
    for n in 0..60 {
        let phone = match n {
            12 => "não tem".to_owned(),
            n if n % 20 == 3 => format!("99911-{n:04}"),
            n => format!("3799911{n:04}"),
        };
        let name = if n == 7 { "" } else { names[n % names.len()] };
        sheet += &format!("{};Queda de fibra na rua {n};{name};{phone}\n", 11_001 + 7 * n);
    }
    sheet
}

#[test]
fn from_the_sheet_to_the_protocolos_on_a_phone() {
    let (browser, pictures) = (Browser::new("pt-BR"), Pictures::new());
    let mut office = Office::at("6/s");
    browser.is_a_desk(1000, 760);
    browser.is_a_phone();
    office.lets_in(&browser, "Nada foi importado");
    office.site.write("queda-centro.csv", sheet());
    browser.chooses(&office.site.path("queda-centro.csv"));
    browser.clicks_on(CHECK);
    browser.reads("55 de 60 linhas são válidas");
    pictures.of(&browser, "pagina-planilha");
    browser.clicks_on(super::GO_ON_TO_OPEN);
    browser.reads(super::NOT_DELETED);
    pictures.of(&browser, "pagina-pergunta");
    agrees(&browser, 55);
    browser.waits("progress[value]:not([value='5'])");
    browser.reads("de 60 linhas estão prontas");
    pictures.of(&browser, "pagina-andamento");
    browser.reads("55 de 60 abertas");
    browser.goes_to(&office.address("/"));
    browser.clicks_on("queda-centro");
    browser.reads("55 de 60 abertas");
    pictures.of(&browser, "pagina-resultado");
    office.opened(55);
}

/// A day as one is: a storm in the morning, and what came after it.
const DAY: &str = "
    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, state, protocolo,
                                id_atendimento, sent_at, finished_at)
         SELECT (20000 + n)::text, 'Sem sinal', 'Davi Rocha', '37999110009', 'norte', 'opened', (90000 + n)::text,
                90000 + n, now(), now() - (random() * random() * 23) * interval '1 hour'
           FROM generate_series(1, 4000) n;
    INSERT INTO mutirao.outbox (id_cliente_servico, descricao, nome, telefone, lote, state, sent_at, finished_at)
         SELECT (30000 + n)::text, 'Sem sinal', 'Eva Nunes', '37999110020', 'norte', 'rejected', now(),
                now() - (random() * 23) * interval '1 hour'
           FROM generate_series(1, 300) n;
    INSERT INTO mutirao.worker (name, lease_until, rate, timeout_s)
         VALUES ('worker 412@servidor-1', now() + interval '1 hour', 10, 30),
                ('worker 977@servidor-2', now() + interval '1 hour', 10, 30);";

#[tokio::test]
async fn the_page_of_whoever_is_on_call_has_its_picture() {
    let site = Site::new("");
    let (_database, mut page, _) = begun(&site, &ROWS.replace("odd <answers>", "muitas recusas")).await;
    super::super::on_call::run(&_database, DAY).await;
    page.next_address();
    let (browser, pictures) = (Browser::new("pt-BR"), Pictures::new());
    browser.is_a_desk(1000, 1000);
    browser.is_a_phone();
    browser.goes_to(&format!("http://{}/enter?key={}", page.host, page.key));
    browser.reads("2 workers ativos");
    pictures.of(&browser, "pagina-servico");
}
