//! What was found stays beside the rows: a second call goes on where the first one stopped.
//!
//! It holds as long as an outage does ([`is_of_this_outage`]), and is asked for again after that: a customer
//! moves house, and what was found before a question that nobody answered may be used weeks later.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::batches::{Work, is_of_this_outage};
use crate::app::fault::Fault;
use crate::app::work_folder;
use crate::intake::{Found, Services};
use crate::platform;
use crate::ticket::{Customer, CustomerKey, Id};

/// In a work folder: a line a customer.
const FILE: &str = "services.jsonl";

/// Longest line that is read. Bytes.
const LINE_LEN_MAX: u64 = 4096;

/// What was found in earlier calls, in a work folder.
pub struct Kept {
    folder: PathBuf,
    /// Whose customers they are.
    host: String,
    /// Once something was to be written.
    file: Option<File>,
    is_read_only: bool,
    /// What was found for an earlier order is of no use.
    is_anew: bool,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// When it was found.
    at: Timestamp,
    host: String,
    /// `codigo_cliente` or `cpf_cnpj`.
    key: String,
    number: String,
    id_cliente_servico: i64,
    names: Vec<Box<str>>,
}

/// Removes what stands in a work folder, if nothing was added since.
///
/// # Errors
///
/// If it is there, and cannot be removed.
pub fn forget_before(folder: &Path, before: Timestamp) -> Result<(), Fault> {
    let written = fs::metadata(folder.join(FILE)).and_then(|found| found.modified());
    match written.map(Timestamp::try_from) {
        Ok(Ok(written)) if before < written => Ok(()),
        _ => forget(folder),
    }
}

fn forget(folder: &Path) -> Result<(), Fault> {
    match fs::remove_file(folder.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault(folder, error)),
        _ => Ok(()),
    }
}

impl Kept {
    /// In the work folder of an import, of the HubSoft `host`. The same tickets once more are of services
    /// that are looked up once more; a batch that goes on keeps its own.
    ///
    /// # Errors
    ///
    /// If the folder is somebody else's, or cannot be written to.
    pub fn of(work: &Work, host: &str) -> Result<Self, Fault> {
        work_folder::refuse_to_replace(&work.folder)?;
        work_folder::make_private(&work.folder)?;
        if work.is_ordered_anew() {
            forget(&work.folder)?;
        }
        Ok(Self { is_read_only: false, ..Self::only_read(work, host) })
    }

    /// The same of a dry run, which leaves nothing behind.
    pub fn only_read(work: &Work, host: &str) -> Self {
        Self {
            folder: work.folder.clone(),
            host: host.to_owned(),
            file: None,
            is_read_only: true,
            is_anew: work.is_ordered_anew(),
        }
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Puts what is known of `wanted` into `services`. A line that cannot be read was cut off by a crash.
    pub(super) fn read(&self, wanted: &[Customer], services: &mut Services) -> Result<(), Fault> {
        if self.is_anew {
            return Ok(());
        }
        let now = Timestamp::now();
        let file = match File::open(self.folder.join(FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(fault(&self.folder, error)),
        };
        let wanted: HashSet<&Customer> = wanted.iter().collect();
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let n = (&mut reader).take(LINE_LEN_MAX).read_until(b'\n', &mut line);
            if n.map_err(|error| fault(&self.folder, error))? == 0 {
                return Ok(());
            }
            let Ok(known) = serde_json::from_slice::<Line>(&line) else { continue };
            if known.host != self.host || !is_of_this_outage(known.at, now) {
                continue;
            }
            let Some(customer) = customer(&known) else { continue };
            if let Some(service) = Id::new(known.id_cliente_servico)
                && wanted.contains(&customer)
            {
                services.insert(customer, Found::One { service, names: known.names });
            }
        }
    }

    /// Writes down what was found; what was not is looked up again by the next call.
    pub(super) fn keep(&mut self, customer: Customer, found: &Found) -> Result<(), Fault> {
        let Found::One { service, names } = found else { return Ok(()) };
        if self.is_read_only {
            return Ok(());
        }
        let line = Line {
            at: Timestamp::now(),
            host: self.host.clone(),
            key: customer.key().name().to_owned(),
            number: customer.term(),
            id_cliente_servico: service.get(),
            names: names.clone(),
        };
        self.append(&line).map_err(|error| fault(&self.folder, error))
    }

    /// On disk, before a row is taken in for what was found.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        self.file.as_ref().map_or(Ok(()), File::sync_all).map_err(|error| fault(&self.folder, error))
    }

    fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut open = OpenOptions::new();
                let file = platform::private(open.append(true).create(true)).open(self.folder.join(FILE))?;
                // Whatever a crash cut off ends here.
                bytes.insert(0, b'\n');
                self.file.insert(file)
            }
        };
        file.write_all(&bytes)
    }
}

fn customer(known: &Line) -> Option<Customer> {
    let key = CustomerKey::ALL.into_iter().find(|key| key.name() == known.key)?;
    key.read(&known.number).ok()
}

fn fault(folder: &Path, error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Fault::FolderFull { folder: folder.to_owned() }
        }
        _ => Fault::Folder {
            folder: folder.to_owned(),
            has_outbox: folder.join(work_folder::OUTBOX_FILE).exists(),
            error,
        },
    }
}
