//! A disk as a power cut may leave it: what was synced is there; of the rest anything may be.
//!
//! Assumed of the disk: it honours `fsync`, and a sector of 512 bytes holds what was written to it last or
//! before, nothing between and nothing else. Nothing is assumed of order, nor that a file's name is on disk
//! because its bytes are: names are, once their folder was synced.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::record::{Record, Step};

const SECTOR_LEN: usize = 512;

/// What a file or folder is called, and where.
type Place = (PathBuf, String);

#[derive(Default)]
pub struct Disk {
    files: Vec<Bytes>,
    /// The file that has an inode now: its number comes again once it is gone.
    by_inode: HashMap<u64, usize>,
    folders: BTreeMap<PathBuf, Names>,
    /// Syncs under way: what they are of, and how much of it there was to sync when they began.
    syncing: HashMap<u64, (Target, usize)>,
    /// All that ever stood whole under a name that it was given by renaming.
    pub published: HashMap<PathBuf, Vec<Vec<u8>>>,
}

enum Target {
    File(usize),
    Folder(PathBuf),
}

/// What is on disk of a file, and what was done to it since.
#[derive(Default)]
struct Bytes {
    synced: Vec<u8>,
    since: Vec<Change>,
}

enum Change {
    Write { at: usize, data: Vec<u8> },
    Cut { len: usize },
}

/// What is on disk of a folder's names, how they are now, and what was done between.
#[derive(Default)]
struct Names {
    synced: BTreeMap<String, Entry>,
    now: BTreeMap<String, Entry>,
    since: Vec<Naming>,
}

#[derive(Clone, Copy, PartialEq)]
enum Entry {
    File(usize),
    Folder,
}

#[derive(Clone)]
enum Naming {
    Set(String, Entry),
    Remove(String),
    Rename { from: String, to: String, entry: Entry },
}

/// How much of what was not synced is there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Left {
    Nothing,
    All,
    /// Any of it, by sectors and names.
    Any,
}

/// Paths and contents.
pub type Image = BTreeMap<PathBuf, Vec<u8>>;

impl Disk {
    /// As it was before the run.
    pub fn new(record: &Record) -> Self {
        let mut disk = Self::default();
        let mut names = Names::default();
        for (name, bytes) in &record.before {
            disk.files.push(Bytes { synced: bytes.clone(), since: Vec::new() });
            names.synced.insert(name.clone(), Entry::File(disk.files.len() - 1));
        }
        names.now = names.synced.clone();
        disk.folders.insert(record.root.clone(), names);
        disk
    }

    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Write { inode, at, data } => {
                self.change(*inode, Change::Write { at: *at, data: data.clone() });
            }
            Step::Cut { inode, len } => self.change(*inode, Change::Cut { len: *len }),
            Step::SyncBegins { op, inode, path } => {
                let begun = match (self.folders.get(path), self.by_inode.get(inode)) {
                    (Some(names), _) => (Target::Folder(path.clone()), names.since.len()),
                    (None, Some(&file)) => (Target::File(file), self.files[file].since.len()),
                    (None, None) => panic!("{} was never opened", path.display()),
                };
                self.syncing.insert(*op, begun);
            }
            Step::SyncEnds { op } => match self.syncing.remove(op) {
                Some((Target::File(file), n)) => self.files[file].sync(n),
                Some((Target::Folder(path), n)) => self.folders.get_mut(&path).unwrap().sync(n),
                None => {}
            },
            Step::Opened { inode, path, is_emptied } => self.open(*inode, path, *is_emptied),
            Step::Made { path } => {
                let (folder, name) = split(path);
                self.name(&folder, Naming::Set(name, Entry::Folder));
                self.folders.entry(path.clone()).or_default();
            }
            Step::Unlinked { path } => {
                let (folder, name) = split(path);
                self.name(&folder, Naming::Remove(name));
            }
            Step::Renamed { from, to } => {
                let ((folder, from), (other, name)) = (split(from), split(to));
                assert_eq!(folder, other, "a rename within a folder");
                let entry = self.folders[&folder].now[&from];
                if let Entry::File(file) = entry {
                    let whole = self.files[file].with(usize::MAX, |_| usize::MAX);
                    self.published.entry(to.clone()).or_default().push(whole);
                }
                self.name(&folder, Naming::Rename { from, to: name, entry });
            }
            Step::Sent { .. } | Step::Received { .. } | Step::Said(_) => {}
        }
    }

    fn open(&mut self, inode: u64, path: &Path, is_emptied: bool) {
        let (folder, name) = split(path);
        let known = self.folders.get(&folder).and_then(|names| names.now.get(&name).copied());
        if known == Some(Entry::Folder) || self.folders.contains_key(path) {
            return;
        }
        if known.is_none() {
            self.files.push(Bytes::default());
            let new = self.files.len() - 1;
            self.name(&folder, Naming::Set(name, Entry::File(new)));
            self.by_inode.insert(inode, new);
        } else if let Some(Entry::File(file)) = known {
            self.by_inode.insert(inode, file);
        }
        if is_emptied {
            self.change(inode, Change::Cut { len: 0 });
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        let file = self.by_inode[&inode];
        self.files[file].since.push(change);
    }

    fn name(&mut self, folder: &Path, naming: Naming) {
        // What lies elsewhere, such as SQLite's temporary files.
        let Some(names) = self.folders.get_mut(folder) else { return };
        apply(&mut names.now, &naming);
        names.since.push(naming);
    }

    /// The files as they may be after a cut now.
    pub fn image(&self, left: Left, rng: &mut Rng) -> Image {
        let root = self.folders.keys().next().expect("there is a root");
        let mut image = Image::new();
        self.image_of(root, left, rng, &mut image);
        image
    }

    fn image_of(&self, folder: &Path, left: Left, rng: &mut Rng, image: &mut Image) {
        let Some(names) = self.folders.get(folder) else { return };
        for (name, entry) in names.left(left, rng) {
            let path = folder.join(&name);
            match entry {
                Entry::Folder => self.image_of(&path, left, rng, image),
                Entry::File(_) if name.ends_with("-shm") => {
                    // It was never more than memory: whatever is found there is not believed.
                    if rng.u8(..) < 64 {
                        image.insert(path, std::iter::repeat_with(|| rng.u8(..)).take(32 << 10).collect());
                    }
                }
                Entry::File(file) => drop(image.insert(path, self.files[file].left(left, rng))),
            }
        }
    }
}

impl Bytes {
    fn sync(&mut self, n: usize) {
        let behind = self.since.split_off(n.min(self.since.len()));
        self.synced = self.with(usize::MAX, |_| usize::MAX);
        self.since = behind;
    }

    fn left(&self, left: Left, rng: &mut Rng) -> Vec<u8> {
        match left {
            Left::Nothing => self.synced.clone(),
            Left::All => self.with(usize::MAX, |_| usize::MAX),
            Left::Any => {
                // Nearly all, nearly nothing, or half of it.
                let kept = [0.03, 0.5, 0.97][rng.usize(..3)];
                let n = self.since.len();
                let until = |rng: &mut Rng| match rng.f64() < kept {
                    true => usize::MAX,
                    false if rng.bool() => 0,
                    false => rng.usize(..=n),
                };
                let len_until = until(rng);
                let mut sectors = HashMap::new();
                self.with(len_until, |sector| *sectors.entry(sector).or_insert_with(|| until(rng)))
            }
        }
    }

    /// The length as after the first `len_until` changes, each sector as after so many as `until` says.
    fn with(&self, len_until: usize, mut until: impl FnMut(usize) -> usize) -> Vec<u8> {
        let (mut bytes, mut len) = (self.synced.clone(), self.synced.len());
        for (n, change) in self.since.iter().enumerate() {
            match change {
                Change::Cut { len: to } if n < len_until => {
                    bytes.resize(*to, 0);
                    len = *to;
                }
                Change::Cut { .. } => {}
                Change::Write { at, data } => {
                    let end = at + data.len();
                    bytes.resize(bytes.len().max(end), 0);
                    if n < len_until {
                        len = len.max(end);
                    }
                    for sector in at / SECTOR_LEN..end.div_ceil(SECTOR_LEN) {
                        let from = (sector * SECTOR_LEN).max(*at);
                        let to = ((sector + 1) * SECTOR_LEN).min(end);
                        if n < until(sector) {
                            bytes[from..to].copy_from_slice(&data[from - at..to - at]);
                        }
                    }
                }
            }
        }
        bytes.resize(len, 0);
        bytes
    }
}

impl Names {
    fn sync(&mut self, n: usize) {
        let behind = self.since.split_off(n.min(self.since.len()));
        for naming in std::mem::replace(&mut self.since, behind) {
            apply(&mut self.synced, &naming);
        }
    }

    fn left(&self, left: Left, rng: &mut Rng) -> BTreeMap<String, Entry> {
        let mut names = self.synced.clone();
        for naming in &self.since {
            if left == Left::All || (left == Left::Any && rng.bool()) {
                apply(&mut names, naming);
            }
        }
        names
    }
}

fn apply(names: &mut BTreeMap<String, Entry>, naming: &Naming) {
    match naming {
        Naming::Set(name, entry) => drop(names.insert(name.clone(), *entry)),
        Naming::Remove(name) => drop(names.remove(name)),
        Naming::Rename { from, to, entry } => {
            names.remove(from);
            names.insert(to.clone(), *entry);
        }
    }
}

fn split(path: &Path) -> Place {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    (path.parent().expect("a folder").to_owned(), name.to_owned())
}

/// Lays the files of an image, whose root was `root`, below `folder`.
pub fn lay(image: &Image, root: &Path, folder: &Path) {
    for (path, bytes) in image {
        let path = folder.join(path.strip_prefix(root).unwrap());
        let parent = path.parent().unwrap();
        if !parent.is_dir() {
            fs::create_dir_all(parent).unwrap();
        }
        fs::write(path, bytes).unwrap();
    }
}
