//! Which outbox is meant: by a batch's name, its spreadsheet, or its `.mutirao` folder.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::address::{self, Led};
use super::fault::Fault;
use super::names;
use super::work_folder::{OUTBOX_FILE, folder_of, sandbox_folder_of};
use crate::outbox::{Address, By, Way};
use crate::ticket::code::BatchCode;

/// So many of the colons in ROW may be the one before its name.
const SPLITS_MAX: usize = 16;

/// Where an outbox is, and which of its batches is meant.
#[derive(Clone, Debug)]
pub struct Place {
    /// Results go here; `None`: nowhere by themselves.
    pub folder: Option<PathBuf>,
    pub outbox: Address,
    /// As typed, if it may be a batch of this outbox. `None`: the latest one.
    pub batch: Option<String>,
    /// Who asks: results that are written again say so, and so does what is kept of their acts.
    pub user: String,
    way: Way,
    /// Whether a setting named it.
    named: Named,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Setting,
    Folder,
}

impl Place {
    /// The same, asked for by a user of the page.
    pub fn asked_by(self, user: &str) -> Self {
        Self { user: user.to_owned(), ..self }
    }

    /// Whose act it is that is done there.
    pub fn by(&self) -> By<'_> {
        By { who: &self.user, way: self.way }
    }

    /// What its work folder is called, by which [`Outboxes::at`] finds it again; `None`: a setting named it.
    pub fn folder_name(&self) -> Option<String> {
        let folder = self.folder.as_ref().filter(|_| self.named == Named::Folder)?;
        Some(folder.file_name()?.to_string_lossy().into_owned())
    }

    /// The batch of this name in it.
    pub fn batch(self, name: &str) -> Self {
        Self { batch: Some(name.to_owned()), ..self }
    }

    /// The row of this number in it.
    pub fn row(self, row: i64) -> NamedRow {
        NamedRow { typed: row.to_string(), meanings: vec![(self, RowName::Id(row))] }
    }

    /// How a batch of it is found again; the latest one is what its folder means.
    pub fn led(&self, is_latest: bool) -> Led<'_> {
        match (self.named, &self.folder, &self.outbox) {
            (Named::Folder, Some(folder), _) if is_latest => Led::Folder(folder),
            (Named::Folder, _, Address::File(path)) => Led::File(path),
            _ => Led::Setting,
        }
    }
}

/// Where outboxes are looked for.
pub struct Outboxes {
    /// The one that a setting names. `None`: in work folders.
    pub url: Option<String>,
    pub here: PathBuf,
    /// Who asks, and from where.
    pub user: String,
    pub way: Way,
}

impl Outboxes {
    /// The one outbox that `typed` means.
    pub fn find(&self, typed: Option<&str>) -> Result<Place, Fault> {
        let mut found = self.all(typed)?;
        match found.pop() {
            Some(only) if found.is_empty() => Ok(only),
            last => {
                let all = found.into_iter().chain(last);
                Err(Fault::SeveralOutboxes { folders: all.filter_map(|place| place.folder).collect() })
            }
        }
    }

    /// The outboxes that `typed` may mean; without it, all that are here. At least one.
    pub fn all(&self, typed: Option<&str>) -> Result<Vec<Place>, Fault> {
        if let Some(url) = &self.url {
            let outbox = address::at(url)?;
            let folder = outbox.file().map(|file| file.parent().unwrap_or(Path::new("")).to_owned());
            let (batch, named) = (typed.map(str::to_owned), Named::Setting);
            return Ok(vec![Place { folder, outbox, batch, user: self.user.clone(), way: self.way, named }]);
        }
        let in_folder = |folder: PathBuf, batch: Option<&str>| Place {
            outbox: Address::File(folder.join(OUTBOX_FILE)),
            folder: Some(folder),
            batch: batch.map(str::to_owned),
            user: self.user.clone(),
            way: self.way,
            named: Named::Folder,
        };
        let named = typed.map(|typed| folders_of(&self.here.join(typed))).unwrap_or_default();
        if !named.is_empty() {
            return Ok(named.into_iter().map(|folder| in_folder(folder, None)).collect());
        }
        let mut folders = folders_in(&self.here);
        match (&mut folders[..], typed) {
            ([only], _) => Ok(vec![in_folder(std::mem::take(only), typed)]),
            ([], Some(typed)) => Err(Fault::NoOutbox { typed: typed.to_owned() }),
            ([], None) => Err(Fault::NoWorkFolder),
            (_, Some(typed)) => Err(Fault::NoneCalledSo { typed: typed.to_owned(), folders }),
            (_, None) => Ok(folders.into_iter().map(|folder| in_folder(folder, None)).collect()),
        }
    }

    /// At most `n` of the outboxes here behind the first `skip`, those that were written to last first; and
    /// whether there are more.
    pub fn lately(&self, skip: usize, n: usize) -> Result<(Vec<Place>, bool), Fault> {
        let mut places = match self.all(None) {
            Err(Fault::NoWorkFolder) => Vec::new(),
            places => places?,
        };
        places.sort_by_cached_key(|place| Reverse(place.outbox.file().and_then(written_at)));
        let is_more = skip.saturating_add(n) < places.len();
        Ok((places.into_iter().skip(skip).take(n).collect(), is_more))
    }

    /// The outbox in the work folder of this very name here; `None`: that of the setting.
    pub fn at(&self, folder: Option<&str>) -> Result<Place, Fault> {
        let is_meant = |place: &Place| match (&self.url, place.folder_name()) {
            (Some(_), _) => folder.is_none(),
            (None, name) => folder.is_some() && name.as_deref() == folder,
        };
        let typed = || folder.unwrap_or_default().to_owned();
        self.all(None)?.into_iter().find(is_meant).ok_or_else(|| Fault::NoOutbox { typed: typed() })
    }

    /// What `typed` may mean as the name of a row: `BATCH:LINE`, or an id. Names of batches and references
    /// may have colons.
    pub fn find_row(&self, typed: &str) -> Result<NamedRow, Fault> {
        let bad = || Fault::NoRowName { typed: typed.to_owned() };
        let named = |meanings| NamedRow { typed: typed.to_owned(), meanings };
        if !typed.contains(':') {
            let id = typed.parse().map_err(|_| bad())?;
            return Ok(named(vec![(self.find(None)?, RowName::Id(id))]));
        }
        let splits = typed.rmatch_indices(':').map(|(at, _)| (&typed[..at], &typed[at + 1..]));
        let splits = splits.filter(|(batch, name)| !batch.is_empty() && !name.is_empty()).take(SPLITS_MAX);
        let (mut found, mut missed) = (Vec::<(Place, RowName)>::new(), None);
        for (batch, name) in splits {
            match self.find(Some(batch)) {
                Ok(place)
                    if found.first().is_none_or(|first| first.0.outbox.file() == place.outbox.file()) =>
                {
                    found.push((place, RowName::of_batch(name)));
                }
                Ok(_) => {}
                Err(fault) => drop(missed.get_or_insert(fault)),
            }
        }
        match missed {
            _ if !found.is_empty() => Ok(named(found)),
            missed => Err(missed.unwrap_or_else(bad)),
        }
    }
}

/// What a person typed for a row.
#[derive(Clone, Debug)]
pub struct NamedRow {
    pub typed: String,
    /// All that it may be, of one outbox. At least one.
    pub meanings: Vec<(Place, RowName)>,
}

impl NamedRow {
    /// Where its outbox is.
    pub fn place(&self) -> &Place {
        &self.meanings[0].0
    }
}

/// The work folders that `path` means: the one that it is; else that of a batch whose name it is, or of the
/// spreadsheet, with those of the batches beside it (`--new`); else the sandbox's.
fn folders_of(path: &Path) -> Vec<PathBuf> {
    let holds = |folder: &PathBuf| folder.join(OUTBOX_FILE).is_file();
    if holds(&path.to_owned()) {
        return vec![path.to_owned()];
    }
    let mut named = path.to_owned().into_os_string();
    named.push(".mutirao");
    let beside = names::with_code(path).into_iter().flat_map(|(base, code)| {
        [folder_of(&base), sandbox_folder_of(&base)].map(|folder| vec![names::folder_beside(&folder, code)])
    });
    let of_sheet = [named.into(), folder_of(path), sandbox_folder_of(path)];
    let families = beside.chain(of_sheet.iter().map(|folder| names::folders_of(folder)));
    let mut found = families.map(|family| family.into_iter().filter(holds).collect::<Vec<_>>());
    found.find(|family| !family.is_empty()).unwrap_or_default()
}

/// The work folders with an outbox in `here`, by name.
fn folders_in(here: &Path) -> Vec<PathBuf> {
    let folders = names::work_folders_in(here);
    folders.into_iter().filter(|folder| folder.join(OUTBOX_FILE).is_file()).collect()
}

/// When an outbox was written to last: it, or its log.
fn written_at(outbox: &Path) -> Option<SystemTime> {
    let mut log = outbox.to_owned().into_os_string();
    log.push("-wal");
    let at = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    at(outbox).max(at(Path::new(&log)))
}

/// How a person names a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowName {
    /// The line of the input file; or a reference that looks like one.
    Line(u64),
    Reference(String),
    Id(i64),
}

impl RowName {
    /// As our files have it, or as its program does.
    fn of_batch(name: &str) -> Self {
        let reference = || {
            BatchCode::of_cell(name)
                .map_or_else(|| name.to_owned(), |(_, referencia)| referencia.into_owned())
        };
        name.parse().map_or_else(|_| Self::Reference(reference()), Self::Line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_found_by_its_name_its_spreadsheet_or_its_folder() {
        let here = tempfile::tempdir().unwrap();
        let outboxes =
            Outboxes { url: None, here: here.path().to_owned(), user: String::new(), way: Way::Terminal };
        let folder = here.path().join("queda.mutirao");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(OUTBOX_FILE), "").unwrap();
        for typed in [Some("queda"), Some("queda.csv"), Some("queda.mutirao"), None] {
            let place = outboxes.find(typed).unwrap();
            let outbox = place.outbox.file().map(Path::to_owned);
            let found = (place.folder, outbox, place.batch);
            assert_eq!(found, (Some(folder.clone()), Some(folder.join(OUTBOX_FILE)), None), "{typed:?}");
        }
        // A batch of another name (`--batch`) in the only outbox there is.
        let place = outboxes.find(Some("novembro")).unwrap();
        assert_eq!(place.batch.as_deref(), Some("novembro"));

        // The sandbox's, only where it is named or the only one.
        let sandbox = here.path().join("queda.sandbox.mutirao");
        std::fs::create_dir(&sandbox).unwrap();
        std::fs::write(sandbox.join(OUTBOX_FILE), "").unwrap();
        for (typed, expected) in [("queda", &folder), ("queda.csv", &folder), ("queda.sandbox", &sandbox)] {
            let place = outboxes.find(Some(typed)).unwrap();
            assert_eq!(place.folder.as_ref(), Some(expected), "{typed}");
        }
        std::fs::rename(&folder, here.path().join("away")).unwrap();
        assert_eq!(outboxes.find(Some("queda.csv")).unwrap().folder, Some(sandbox));
        std::fs::rename(here.path().join("away"), &folder).unwrap();

        // Batches beside it (`--new`): each by its name or its folder, and the sheet is of all of them.
        let code = names::random();
        let beside = here.path().join(format!("queda.{code}.mutirao"));
        std::fs::create_dir(&beside).unwrap();
        std::fs::write(beside.join(OUTBOX_FILE), "").unwrap();
        for typed in [format!("queda-{code}"), format!("queda.{code}.mutirao"), format!("queda.{code}")] {
            let place = outboxes.find(Some(&typed)).unwrap();
            assert_eq!(place.folder.as_ref(), Some(&beside), "{typed}");
        }
        assert_eq!(outboxes.find(Some("queda.mutirao")).unwrap().folder, Some(folder.clone()));
        for typed in ["queda", "queda.csv"] {
            let refused = outboxes.find(Some(typed)).unwrap_err().to_string();
            assert!(refused.contains("queda.mutirao") && refused.contains(&*code.to_string()), "{refused}");
            assert_eq!(outboxes.all(Some(typed)).unwrap().len(), 2);
        }
        std::fs::remove_dir_all(&beside).unwrap();

        let other = here.path().join("outra.mutirao");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(OUTBOX_FILE), "").unwrap();
        let refused = outboxes.find(None);
        assert!(matches!(refused, Err(Fault::SeveralOutboxes { .. })), "{refused:?}");
        assert!(outboxes.find(Some("queda")).is_ok());
        let refused = outboxes.find(Some("quedas")).unwrap_err().to_string();
        for part in ["is called `quedas`", "queda.mutirao", "outra.mutirao"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }

    #[test]
    fn a_database_url_names_a_path_or_a_server_and_is_never_repeated() {
        assert_eq!(address::at("sqlite:/var/x.db").unwrap().file(), Some(Path::new("/var/x.db")));
        assert_eq!(address::at("sqlite://x.db").unwrap().file(), Some(Path::new("x.db")));
        for url in ["postgres://user:hunter2@db/x", "postgresql://user:hunter2@db/x"] {
            let outboxes = Outboxes {
                url: Some(url.to_owned()),
                here: ".".into(),
                user: String::new(),
                way: Way::Terminal,
            };
            let place = outboxes.find(Some("queda")).unwrap();
            assert_eq!((&place.folder, place.batch.as_deref()), (&None, Some("queda")));
            assert!(!format!("{place:?} {}", place.outbox).contains("hunter2"));
        }
        let fault = address::at("mysql://user:hunter2@db/x").unwrap_err();
        assert!(!format!("{fault:?} {fault}").contains("hunter2"));
    }

    #[test]
    fn a_row_is_a_line_of_a_batch_or_an_id() {
        let outboxes = Outboxes {
            url: Some("sqlite:x.db".to_owned()),
            here: ".".into(),
            user: String::new(),
            way: Way::Terminal,
        };
        let names = |typed: &str| {
            let found = outboxes.find_row(typed).unwrap().meanings.into_iter();
            found.map(|(place, name)| (place.batch.unwrap_or_default(), name)).collect::<Vec<_>>()
        };
        let named = |batch: &str, name| (batch.to_owned(), name);
        let reference = |text: &str| RowName::Reference(text.to_owned());
        assert_eq!(names("queda:17"), [named("queda", RowName::Line(17))]);
        assert_eq!(names("42"), [named("", RowName::Id(42))]);
        assert_eq!(names("a:b"), [named("a", reference("b"))]);
        assert_eq!(names("a:b:7"), [named("a:b", RowName::Line(7)), named("a", reference("b:7"))]);
        assert_eq!(names(&":x".repeat(99)).len(), SPLITS_MAX);
        for bad in ["queda:", "queda", ":b", ":b:", ""] {
            let refused = outboxes.find_row(bad);
            assert!(matches!(refused, Err(Fault::NoRowName { .. })), "{bad}: {refused:?}");
        }
    }
}
