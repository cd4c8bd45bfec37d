//! What a person is told of each fault: the exit code, and what to do next.

use std::io;

use super::exit::Exit;
use super::failure::Failure;
use super::halts::halted;
use super::open_hints;
use super::typed::{self, Typed};
use crate::app::address::Led;
use crate::app::fault::Fault;
use crate::app::selection::NAMES_TOLD_MAX;
use crate::app::target::SANDBOX;
use crate::delivery::{OutboxError, State};
use crate::hubsoft::SetupError;
use crate::intake::{Blame, IntakeError};
use crate::outbox::{BindError, MergeError, OpenError, OpenFault, ResolveError, postgres};
use crate::report::ReportError;
use crate::sandbox::BookFault;
use crate::settings::SettingsError;

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let (exit, hint) = match fault {
            Fault::Settings(error) => return error.into(),
            Fault::Setup(error) => return error.into(),
            Fault::Books(error) => return error.into(),
            Fault::Outbox(error) => return error.into(),
            Fault::Bind(error) => return error.into(),
            Fault::Open(fault) => return fault.into(),
            Fault::Report(error) => return error.into(),
            Fault::Intake(error) => return error.into(),
            Fault::Merge(error) => return error.into(),
            Fault::Resolve(error) => return error.into(),
            Fault::Halted(halt) => return halted(&halt),
            Fault::Sandbox(_) => (Exit::Internal, "the sandbox needs a free port on 127.0.0.1".to_owned()),
            Fault::SandboxUrl(_) => (Exit::Internal, "this is a defect; report it".to_owned()),
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
            Fault::SeveralOutboxes { ref folders } | Fault::NoneCalledSo { ref folders, .. } => {
                let first = folders.first();
                let first = first.map_or_else(|| "queda.mutirao".into(), |folder| folder.to_string_lossy());
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
                let ids: Vec<_> = rows.iter().map(|row| format!("`{}`", row.row.0)).collect();
                (Exit::Usage, format!("write the id of the one that is meant: {}", ids.join(", ")))
            }
            Fault::TwoRows { ref rows, .. } => {
                let [one, other] = &**rows;
                (Exit::Usage, format!("write `{}` for the first, `{}` for the second", one.name, other.name))
            }
            Fault::OtherOutbox { .. } => {
                (Exit::Usage, "give the rows of each outbox in a command of their own".to_owned())
            }
            Fault::NoProtocolo { ref typed } if typed.contains(['E', 'e', ',', '.']) => {
                (Exit::Usage, "a spreadsheet has rounded it; copy it from the ticket in HubSoft".to_owned())
            }
            Fault::NoProtocolo { .. } => {
                (Exit::Usage, "it has 15 to 20 digits; copy it from the ticket in HubSoft".to_owned())
            }
            Fault::OtherService(_) => {
                (Exit::Usage, "look for the ticket of the row's own service".to_owned())
            }
            Fault::HubSoftAway { .. } => (
                Exit::Unreachable,
                "check HUBSOFT_URL, the network, a proxy or firewall between, and HUBSOFT_CA_FILE for an own authority".to_owned(),
            ),
            Fault::OtherHost { ref bound, .. } if bound == SANDBOX => (
                Exit::Usage,
                "what it says was opened is not real; give another folder with -o DIR, or another database".to_owned(),
            ),
            Fault::OtherHost { .. } => (
                Exit::Usage,
                "set HUBSOFT_URL to that host, or give another folder with -o DIR".to_owned(),
            ),
            Fault::StdinNeeds { .. } => (Exit::Usage, "add --batch NAME and -o DIR".to_owned()),
            Fault::Unanswered => (Exit::Internal, "this is a defect; report it".to_owned()),
            Fault::NotAllValid { n_invalid, file } => {
                let check = Typed::now().check_of(&file);
                let message = format!("{n_invalid} rows are invalid, and --strict: none was taken in");
                return Self::new(Exit::File, message, format!("`{check}` shows what is wrong with them"));
            }
            Fault::Changed { .. } => (Exit::Usage, "run the same command again".to_owned()),
            Fault::BatchGone => (Exit::Internal, "look at the disk".to_owned()),
            Fault::Unreachable { .. } => {
                (Exit::Unreachable, format!("`{}` tries what a run needs", Typed::now().other(&["doctor"])))
            }
            Fault::Scratch(_) => (Exit::Usage, "a dry run needs a folder that it may write to".to_owned()),
            Fault::OthersFile { .. } => (
                Exit::Usage,
                "give another folder with -o DIR, or move that file away; nothing was sent".to_owned(),
            ),
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
            Fault::NoRoom { .. } => (
                Exit::Guard,
                "free some space and run the same command again, or give a folder on another disk with -o DIR".to_owned(),
            ),
        };
        Self::of(exit, &fault, hint)
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let hint = match error {
            ResolveError::Outbox(error) => return error.into(),
            ResolveError::NotUnsettled { state, .. } if state != State::InFlight => {
                let show = Typed::now().other(&["show", "ROW"]);
                return Self::of(Exit::Usage, &error, format!("`{show}` tells what became of it"));
            }
            ResolveError::Unknown { .. } => "results.csv has the lines of all rows, in the column `line`",
            ResolveError::NotUnsettled { .. } => "it is being looked up just now: try again in a minute",
            ResolveError::Taken { .. } | ResolveError::OtherRows { .. } => {
                "one ticket is of one row: copy the protocolo from the ticket in HubSoft"
            }
        };
        Self::of(Exit::Usage, &error, hint)
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

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let hint = match error {
            SetupError::CaFile { .. } | SetupError::NoCertificate { .. } => {
                "`HUBSOFT_CA_FILE` names a readable file with `-----BEGIN CERTIFICATE-----`"
            }
            SetupError::Token => "copy the token again, without quotes or line breaks",
            SetupError::Client(_) => "install `ca-certificates`, or name an authority in `HUBSOFT_CA_FILE`",
        };
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
        let mut hint = open_hints::of_file(&error).to_owned();
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
        use OutboxError::{Broken, Denied, Full, Unavailable};
        let (exit, hint) = match error {
            Denied(_) => {
                let roles = Typed::now().other(&["migrate", "--print-roles"]);
                let hint =
                    format!("the owner of the schema grants it; `{roles}` prints what each role needs");
                return Self::of(Exit::Usage, &error, hint);
            }
            Full(_) => {
                (Exit::Guard, "free some space and run the same command again: it goes on where it stopped")
            }
            Unavailable(_) => (Exit::Unreachable, "run the same command again: it goes on where it stopped"),
            Broken(_) => (Exit::Internal, "keep the outbox as it is, and look at the disk or the database"),
        };
        Self::of(exit, &error, hint)
    }
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Busy { .. } => Self::of(
                Exit::Busy,
                &error,
                format!(
                    "wait for it to end, or stop it; `{}` shows how far it is",
                    Typed::now().other(&["status"])
                ),
            ),
            MergeError::Taken { .. } => Self::of(
                Exit::Usage,
                &error,
                "give the batch another name with --batch NAME; nothing was sent",
            ),
            MergeError::SeveralBatches { .. } => Self::of(
                Exit::Usage,
                &error,
                "make a file of each batch's rows (the column `lote` names it) and import one by one; nothing was sent",
            ),
            MergeError::Outbox(error) => error.into(),
        }
    }
}

impl From<IntakeError> for Failure {
    fn from(error: IntakeError) -> Self {
        let exit = match error.blame() {
            Blame::File => Exit::File,
            Blame::Usage => Exit::Usage,
        };
        Self::of(exit, &error, error.hint())
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

impl From<BookFault> for Failure {
    fn from(fault: BookFault) -> Self {
        let (exit, hint) = match &fault {
            BookFault::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                (Exit::Guard, "free some space and run the same command again")
            }
            BookFault::Io { .. } => (Exit::Usage, "give a folder that you may write to with -o DIR"),
            BookFault::Line { .. } => {
                (Exit::Usage, "it was changed by hand; move the folder away to begin a new sandbox")
            }
            BookFault::Busy { .. } => (Exit::Busy, "wait until it has ended"),
        };
        Self::of(exit, &fault, hint)
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
