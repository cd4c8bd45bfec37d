//! The first view is small and bounded, however much there is.

use std::fs;
use std::time::{Duration, SystemTime};

use super::Page;
use crate::support::site::Site;

/// Of a page with all that it loads. Bytes.
const VIEW_MAX: usize = 100 * 1024;

/// Work folders that are shown at a time.
const SHOWN_MAX: usize = 20;

impl Page {
    /// The bytes of a page and of all that it loads, heads included.
    fn view(&self, cookie: &str, path: &str) -> (usize, String) {
        let (status, head, body) = self.get(path, &[cookie]);
        assert_eq!(status, 200, "{path}: {body}");
        let quoted = |attribute: &str| {
            let all = body.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
            all.filter(|path| path.ends_with(".css") || path.ends_with(".js")).collect::<Vec<_>>()
        };
        let loaded: usize = quoted("href=\"")
            .into_iter()
            .chain(quoted("src=\""))
            .map(|path| {
                let (status, head, body) = self.get(path, &[cookie]);
                assert_eq!(status, 200, "{path}");
                head.len() + body.len()
            })
            .sum();
        assert!(0 < loaded, "it has a style: {body}");
        (head.len() + body.len() + loaded, body)
    }
}

#[test]
fn a_folder_of_many_batches_is_shown_in_parts_the_latest_first() {
    let site = Site::new("");
    site.write("q.csv", "id_cliente_servico;descricao;nome;telefone\n11001;Sem sinal;Ana;37999112201\n");
    site.run(&["import", "q.csv", "--yes", "--rate", "unlimited"]).expect(0);
    let n_folders = 2 * SHOWN_MAX + 3;
    for n in 1..n_folders {
        let folder = site.path(&format!("q{n:02}.mutirao"));
        fs::create_dir(&folder).unwrap();
        let outbox = folder.join("outbox.db");
        fs::copy(site.path("q.mutirao/outbox.db"), &outbox).unwrap();
        // Later ones were written to longer ago.
        let at = SystemTime::now() - Duration::from_secs(3600 * n as u64);
        fs::File::options().write(true).open(&outbox).unwrap().set_modified(at).unwrap();
    }
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let (mut path, mut seen) = ("/".to_owned(), Vec::new());
    for n_here in [SHOWN_MAX, SHOWN_MAX, 3] {
        let (n_bytes, body) = page.view(&cookie, &path);
        assert!(n_bytes <= VIEW_MAX, "{n_bytes} bytes");
        let folders = body.split("/batch?in=").skip(1).filter_map(|rest| rest.split('&').next());
        let folders: Vec<_> = folders.map(str::to_owned).collect();
        assert_eq!(folders.len(), n_here, "{path}: {body}");
        seen.extend(folders);
        let next = body.split("<a href=\"/?before=").find(|rest| rest.contains(">Earlier batches<"));
        path = format!("/?before={}", next.and_then(|rest| rest.split('"').next()).unwrap_or_default());
    }
    let expected: Vec<_> = (0..n_folders)
        .map(|n| if n == 0 { "q.mutirao".to_owned() } else { format!("q{n:02}.mutirao") })
        .collect();
    assert_eq!(seen, expected);
    // Who asks for what is between two views gets the earlier of them, which is counted already.
    let (_, body) = page.view(&cookie, &format!("/?before={}", SHOWN_MAX - 1));
    assert!(body.contains("/batch?in=q.mutirao&"), "{body}");
}

/// Of one that has every kind of part: the page of a batch with as many rows as are shown at a time.
#[test]
fn no_view_is_larger_than_it_may_be() {
    let site = Site::new("services_max=11384");
    let mut sheet = "id_cliente_servico;descricao;nome;telefone\n".to_owned();
    for n in 1..=400 {
        let name = "Maria da Conceição Aparecida ".repeat(3);
        sheet += &format!("{};{};{name}{n};(37) 99911-{n:04}\n", 11_000 + n, "Sem sinal ".repeat(20));
    }
    site.write("queda.csv", &sheet);
    site.run(&["import", "queda.csv", "--yes", "--rate", "unlimited"]).expect(3);
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    let (_, to, _) = page.bring(&cookie, "outra.csv", &sheet);
    for path in ["/", "/batch?in=queda.mutirao&batch=queda", &to, "/import"] {
        let (n_bytes, _) = page.view(&cookie, path);
        assert!(n_bytes <= VIEW_MAX, "{path}: {n_bytes} bytes");
    }
}

/// Seen: of a sheet with 60 columns the choices of each were more than a view may have, of 1,000 a megabyte.
#[test]
fn of_many_columns_so_many_are_shown_and_any_of_them_can_be_said_to_be_something() {
    let site = Site::new("");
    let mut page = Page::start(&site, &[]);
    let cookie = page.enter();
    for n_columns in [60, 200, 1_000] {
        let names: Vec<_> = (5..=n_columns).map(|n| format!("Campo do ERP {n}")).collect();
        let mut sheet = format!("id_cliente_servico;descricao;nome;telefone;{}\n", names.join(";"));
        for n in 1..=300 {
            let cells = "Não informado;".repeat(names.len() - 1);
            // All are invalid but one.
            let phone = if n == 1 { "37999112201" } else { "9911" };
            sheet += &format!("{};Sem sinal;Ana Moreira;{phone};{cells}\n", 11_000 + n);
        }
        let (_, to, _) = page.bring(&cookie, "muitas.csv", &sheet);
        let (n_bytes, body) = page.view(&cookie, &to);
        assert!(n_bytes <= VIEW_MAX, "{n_columns}: {n_bytes} bytes");
        let n_shown = body.matches("<select name=\"map:").count();
        assert!(
            if n_columns == 60 { n_shown == 60 } else { (60..n_columns).contains(&n_shown) },
            "{n_shown}"
        );
        assert_eq!(body.contains(&format!("and {} more columns", n_columns - n_shown)), n_shown < n_columns);

        // What is something is shown among the first, and stays what it was said to be.
        let said = match body.contains(&format!("<select name=\"map:Campo do ERP {n_columns}\"")) {
            true => format!("map%3ACampo+do+ERP+{n_columns}=email"),
            false => format!("map=Campo+do+ERP+{n_columns}%3Demail"),
        };
        let (n_bytes, body) = page.view(&cookie, &page.has_read(&cookie, &to, &said));
        assert!(n_bytes <= VIEW_MAX, "{n_columns}: {n_bytes} bytes");
        let select = format!("<select name=\"map:Campo do ERP {n_columns}\"");
        let (_, select) = body.split_once(&select).unwrap_or_else(|| panic!("{select}: {body}"));
        let (select, _) = select.split_once("</select>").unwrap();
        assert!(select.contains("<option selected>email</option>"), "{select}");
        assert!(
            body.contains(&format!("value=\"Campo do ERP {n_columns}=email\"")),
            "its import says so too"
        );
    }
}
