//! What a person is told of each fault: the exit code, and what to do next.

use std::io;

use super::exit::Exit;
use super::failure::Failure;
use super::typed::{self, Typed};
use crate::app::address::Led;
use crate::app::fault::Fault;
use crate::app::named::NAMES_TOLD_MAX;
use crate::delivery::OutboxError;
use crate::outbox::{BindError, OpenError, OpenFault, is_lack_of_rights, postgres};
use crate::report::ReportError;
use crate::settings::SettingsError;

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let (exit, hint) = match fault {
            Fault::Outbox(error) => return error.into(),
            Fault::Bind(error) => return error.into(),
            Fault::Open(fault) => return fault.into(),
            Fault::Report(error) => return error.into(),
            Fault::Books(fault) => return fault.into(),
            Fault::NoAddress => (
                Exit::Usage,
                "write postgres://USER@HOST/DATABASE or sqlite:PATH, or leave it out: each spreadsheet then has its own outbox".to_owned(),
            ),
            Fault::NeedsNoMigration => (
                Exit::Usage,
                "it is made, and brought up to date, by the command that uses it".to_owned(),
            ),
            Fault::OneWorker => (
                Exit::Usage,
                format!(
                    "end that worker to stop it, and start it to go on; `{}` is for a lote that was halted",
                    Typed::now().other(&["resume", "LOTE"])
                ),
            ),
            Fault::NoOutbox { .. } => {
                (Exit::Usage, "name the spreadsheet that was imported, or its .mutirao folder".to_owned())
            }
            Fault::NoWorkFolder => {
                (Exit::Usage, "go to the folder of the spreadsheet, or name it".to_owned())
            }
            Fault::SeveralOutboxes { ref folders } => {
                let first = folders.first().map_or_else(|| "queda.mutirao".into(), |it| it.to_string_lossy());
                (Exit::Usage, format!("name one, like `{first}`"))
            }
            Fault::NoRowName { .. } => (
                Exit::Usage,
                "write BATCH:LINE, like queda:17, LOTE:REFERENCIA, or the row's id".to_owned(),
            ),
            Fault::NoBatch { ref names, .. } => (Exit::Usage, format!("it has: {}", listed(names))),
            Fault::SeveralBatchesOf { ref names, .. } | Fault::SeveralBatches { ref names, .. } => {
                (Exit::Usage, format!("name one: {}", listed(names)))
            }
            Fault::EmptyOutbox { .. } => {
                (Exit::Usage, format!("`{}` fills it", Typed::now().other(&["import", "FILE"])))
            }
            Fault::NoRow { .. } => (
                Exit::Usage,
                "results.csv has the lines and references of all rows, in the columns `line` and `referencia`"
                    .to_owned(),
            ),
            Fault::SeveralRows { ref rows, .. } => {
                let ids: Vec<_> = rows.iter().map(|it| format!("`{}`", it.row.0)).collect();
                (Exit::Usage, format!("write the id of the one that is meant: {}", ids.join(", ")))
            }
            Fault::TwoRows { ref rows, .. } => {
                let [one, other] = &**rows;
                (Exit::Usage, format!("write `{}` for the first, `{}` for the second", one.name, other.name))
            }
            Fault::FolderFull { .. } => {
                (Exit::Guard, "free some space and run the same command again".to_owned())
            }
            Fault::Folder { has_outbox: false, .. } => {
                (Exit::Usage, "give a folder that you may write to with -o DIR".to_owned())
            }
            Fault::Folder { has_outbox: true, ref folder, .. } => (
                Exit::Usage,
                format!(
                    "it says what was opened: take it with you, `cp -a {} DIR`, then run the same command with -o DIR",
                    typed::quoted(&folder.display().to_string())
                ),
            ),
        };
        Self::of(exit, &fault, hint)
    }
}

/// As many names as are told at a time.
pub fn listed(names: &[String]) -> String {
    let more = if NAMES_TOLD_MAX < names.len() { ", …" } else { "" };
    format!("{}{more}", names.iter().take(NAMES_TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join(", "))
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let mut hint = error.hint();
        if let SettingsError::Value { .. } = &error {
            hint += &format!("; `{}` tries all settings", Typed::now().other(&["doctor"]));
        }
        Self::of(Exit::Usage, &error, hint)
    }
}

impl From<OpenFault> for Failure {
    fn from(fault: OpenFault) -> Self {
        match fault {
            OpenFault::File(error) => error.into(),
            OpenFault::Postgres(error) => error.into(),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Locked { .. } => Exit::Busy,
            OpenError::Outbox { source: OutboxError::Full(_), .. } => Exit::Guard,
            OpenError::Io { source, .. } if is_full(source) => Exit::Guard,
            _ => Exit::Usage,
        };
        let mut hint = error.hint().to_owned();
        if let OpenError::Locked { path, .. } = &error {
            let status = Typed::now().at(Led::File(path), "status", None, &[]);
            hint += &format!("; `{status}` shows how far it is");
        }
        Self::of(exit, &error, hint)
    }
}

impl From<postgres::OpenError> for Failure {
    fn from(error: postgres::OpenError) -> Self {
        let exit = match error {
            postgres::OpenError::Unreachable(_) => Exit::Unreachable,
            _ => Exit::Usage,
        };
        let hint = match error {
            postgres::OpenError::NoSchema | postgres::OpenError::Older { .. } => {
                format!("run `{}` with the same URL", Typed::now().other(&["migrate"]))
            }
            _ => error.hint().to_owned(),
        };
        Self::of(exit, &error, hint)
    }
}

impl From<OutboxError> for Failure {
    fn from(error: OutboxError) -> Self {
        use OutboxError::{Broken, Full, Unavailable};
        if is_lack_of_rights(&error) {
            let roles = Typed::now().other(&["migrate", "--print-roles"]);
            let hint = format!("the owner of the schema grants it; `{roles}` prints what each role needs");
            return Self::of(Exit::Usage, &error, hint);
        }
        let (exit, hint) = match error {
            Full(_) => {
                (Exit::Guard, "free some space and run the same command again: it goes on where it stopped")
            }
            Unavailable(_) => (Exit::Unreachable, "run the same command again: it goes on where it stopped"),
            Broken(_) => (Exit::Internal, "keep the outbox as it is, and look at the disk or the database"),
        };
        Self::of(exit, &error, hint)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        if error.is_disk_full() {
            let hint = "free some space and run the same command again: nothing that was opened is lost";
            return Self::of(Exit::Guard, &error, hint);
        }
        let export = Typed::now().other(&["export", "BATCH", "-o", "DIR"]);
        let hint = format!("check the folder and its permissions, then `{export}` writes the results again");
        Self::of(Exit::Internal, &error, hint)
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        match error {
            BindError::OtherHost { .. } => Self::of(
                Exit::Usage,
                &error,
                "set HUBSOFT_URL to that host, or name another outbox with --database-url; nothing was sent",
            ),
            BindError::Outbox(error) => error.into(),
        }
    }
}

/// Whether there was no room left: a guard, and the command can go on once there is.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
