//! What a person is told of each fault: the exit code, and what to do next.

use std::io;

use super::exit::Exit;
use super::failure::Failure;
use super::halts::{halted, look_ups_stopped};
use super::open_hints;
use super::typed::{self, Typed};
use crate::app::address::Led;
use crate::app::fault::Fault;
use crate::app::selection::NAMES_TOLD_MAX;
use crate::app::target::SANDBOX;
use crate::app::work_folder::OUTBOX_FILE;
use crate::delivery::{OutboxError, State};
use crate::hubsoft::SetupError;
use crate::intake::{Blame, IntakeError};
use crate::language::said;
use crate::outbox::sqlite::is_of_damage;
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
            Fault::LookUps(stopped) => return look_ups_stopped(&stopped),
            Fault::Sandbox(_) => (Exit::Internal, tr!("the sandbox needs a free port on 127.0.0.1")),
            Fault::SandboxUrl(_) => (Exit::Internal, tr!("this is a defect; report it")),
            Fault::NoAddress => (
                Exit::Usage,
                tr!(
                    "write postgres://USER@HOST/DATABASE or sqlite:PATH, or leave it out: each spreadsheet then has its own outbox"
                ),
            ),
            Fault::NeedsNoMigration => {
                (Exit::Usage, tr!("it is made, and brought up to date, by the command that uses it"))
            }
            Fault::OneWorker => (
                Exit::Usage,
                tr!(
                    "end that worker to stop it, and start it to go on; `%{resume}` is for a lote that was halted",
                    resume = Typed::now().other(&["resume", &said("LOTE")])
                ),
            ),
            Fault::NoOutbox { .. } => {
                (Exit::Usage, tr!("name the spreadsheet that was imported, or its .mutirao folder"))
            }
            Fault::NoWorkFolder => (Exit::Usage, tr!("go to the folder of the spreadsheet, or name it")),
            Fault::SeveralOutboxes { ref folders } | Fault::NoneCalledSo { ref folders, .. } => {
                let first = folders.first();
                let first = first.map_or_else(|| "queda.mutirao".into(), |folder| folder.to_string_lossy());
                (Exit::Usage, tr!("name one, like `%{name}`", name = first))
            }
            Fault::NoRowName { .. } => {
                (Exit::Usage, tr!("write BATCH:LINE, like queda:17, LOTE:REFERENCIA, or the row's id"))
            }
            Fault::NoBatch { ref names, .. } => (Exit::Usage, tr!("it has: %{names}", names = listed(names))),
            Fault::SeveralBatchesOf { ref names, .. } | Fault::SeveralBatches { ref names, .. } => {
                (Exit::Usage, tr!("name one: %{names}", names = listed(names)))
            }
            Fault::EmptyOutbox { .. } => (
                Exit::Usage,
                tr!("`%{import}` fills it", import = Typed::now().other(&["import", &said("FILE")])),
            ),
            Fault::NoRow { .. } => (
                Exit::Usage,
                tr!(
                    "results.csv has the lines and references of all rows, in the columns `line` and `referencia`"
                ),
            ),
            Fault::SeveralRows { ref rows, .. } => {
                let ids: Vec<_> = rows.iter().map(|row| format!("`{}`", row.row.0)).collect();
                (Exit::Usage, tr!("write the id of the one that is meant: %{ids}", ids = ids.join(", ")))
            }
            Fault::TwoRows { ref rows, .. } => {
                let [one, other] = &**rows;
                (
                    Exit::Usage,
                    tr!(
                        "write `%{one}` for the first, `%{other}` for the second",
                        one = one.name,
                        other = other.name
                    ),
                )
            }
            Fault::OtherOutbox { .. } => {
                (Exit::Usage, tr!("give the rows of each outbox in a command of their own"))
            }
            Fault::NoProtocolo { ref typed } if typed.contains(['E', 'e', ',', '.']) => {
                (Exit::Usage, tr!("a spreadsheet has rounded it; copy it from the ticket in HubSoft"))
            }
            Fault::NoProtocolo { .. } => {
                (Exit::Usage, tr!("it has 15 to 20 digits; copy it from the ticket in HubSoft"))
            }
            Fault::OtherService(_) => (Exit::Usage, tr!("look for the ticket of the row's own service")),
            Fault::HubSoftAway { .. } => (
                Exit::Unreachable,
                tr!(
                    "check HUBSOFT_URL, the network, a proxy or firewall between, and HUBSOFT_CA_FILE for an own authority"
                ),
            ),
            Fault::OtherHost { ref bound, .. } if bound == SANDBOX => (
                Exit::Usage,
                tr!(
                    "what it says was opened is not real; give another folder with -o DIR, or another database"
                ),
            ),
            Fault::OtherHost { .. } => {
                (Exit::Usage, tr!("set HUBSOFT_URL to that host, or give another folder with -o DIR"))
            }
            Fault::StdinNeeds { .. } => (Exit::Usage, tr!("add --batch NAME and -o DIR")),
            Fault::Unanswered | Fault::GivenUp { .. } => (Exit::Internal, tr!("this is a defect; report it")),
            Fault::NotAllValid { n_invalid, file } => {
                let check = Typed::now().check_of(&file);
                let message = tr!(
                    "%{n_invalid} %{n_invalid|row is|rows are} invalid, and --strict: none was taken in",
                    n_invalid = n_invalid
                );
                return Self::new(
                    Exit::File,
                    message,
                    tr!("`%{check}` shows what is wrong with them", check = check),
                );
            }
            Fault::Changed { .. } => (Exit::Usage, tr!("run the same command again")),
            Fault::Halting { .. } => (
                Exit::Usage,
                tr!("run the same command again: it says why, and goes on with it if you say so"),
            ),
            Fault::BatchGone => (Exit::Internal, tr!("look at the disk")),
            Fault::Unreachable { .. } => (
                Exit::Unreachable,
                tr!("`%{doctor}` tries what a run needs", doctor = Typed::now().other(&["doctor"])),
            ),
            Fault::Scratch(_) => (Exit::Usage, tr!("a dry run needs a folder that it may write to")),
            Fault::OthersFile { .. } => (
                Exit::Usage,
                tr!("give another folder with -o DIR, or move that file away; nothing was sent"),
            ),
            Fault::FolderFull { .. } => (Exit::Guard, tr!("free some space and run the same command again")),
            Fault::Folder { has_outbox: false, .. } => {
                (Exit::Usage, tr!("give a folder that you may write to with -o DIR"))
            }
            Fault::Folder { has_outbox: true, ref folder, .. } => (
                Exit::Usage,
                tr!(
                    "it says what was opened: take it with you, `cp -a %{folder} DIR`, then run the same command with -o DIR",
                    folder = typed::quoted(&folder.display().to_string())
                ),
            ),
            Fault::NoRoom { .. } => (
                Exit::Guard,
                tr!(
                    "free some space and run the same command again, or give a folder on another disk with -o DIR"
                ),
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
                let show = Typed::now().other(&["show", &said("ROW")]);
                return Self::of(Exit::Usage, &error, tr!("`%{show}` tells what became of it", show = show));
            }
            ResolveError::Unknown { .. } => {
                tr!("results.csv has the lines of all rows, in the column `line`")
            }
            ResolveError::OnItsWay { .. } => {
                tr!("a worker may send it still: look into HubSoft again in two minutes, and say so then")
            }
            ResolveError::NotUnsettled { .. } => tr!("it is being looked up just now: try again in a minute"),
            ResolveError::Taken { .. } | ResolveError::OtherRows { .. } => {
                tr!("one ticket is of one row: copy the protocolo from the ticket in HubSoft")
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
        let mut hint = error.hint().into_owned();
        if let SettingsError::Value { .. } = &error {
            hint += &tr!("; `%{doctor}` tries all settings", doctor = Typed::now().other(&["doctor"]));
        }
        Self::of(Exit::Usage, &error, hint)
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let hint = match error {
            SetupError::CaFile { .. } | SetupError::NoCertificate { .. } => {
                tr!("`HUBSOFT_CA_FILE` names a readable file with `-----BEGIN CERTIFICATE-----`")
            }
            SetupError::Token => tr!("copy the token again, without quotes or line breaks"),
            SetupError::Client(_) => {
                tr!("install `ca-certificates`, or name an authority in `HUBSOFT_CA_FILE`")
            }
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
            OpenError::Damaged { .. } => Exit::Internal,
            _ => Exit::Usage,
        };
        let mut hint = open_hints::of_file(&error).into_owned();
        if let OpenError::Locked { path, .. } = &error {
            let folder = path.parent().filter(|_| path.ends_with(OUTBOX_FILE));
            let status = Typed::now().at(folder.map_or(Led::File(path), Led::Folder), "status", None, &[]);
            hint += &tr!("; `%{status}` shows how far it is", status = status);
        }
        if let OpenError::Damaged { path, .. } = &error {
            let export = Typed::now().at(Led::File(path), "export", None, &["-o", "DIR"]);
            hint += &tr!("; `%{export}` writes what can be read of it", export = export);
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
                tr!("run `%{migrate}` with the same URL", migrate = Typed::now().other(&["migrate"]))
            }
            _ => error.hint(),
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
                let hint = tr!(
                    "the owner of the schema grants it; `%{roles}` prints what each role needs",
                    roles = roles
                );
                return Self::of(Exit::Usage, &error, hint);
            }
            Full(_) => (
                Exit::Guard,
                tr!("free some space and run the same command again: it goes on where it stopped"),
            ),
            Unavailable(_) => {
                (Exit::Unreachable, tr!("run the same command again: it goes on where it stopped"))
            }
            Broken(ref damage) if is_of_damage(&error) => {
                let export = Typed::now().other(&["export", "BATCH", "-o", "DIR"]);
                let hint = tr!(
                    "keep its folder as it is; `%{export}` writes what can be read of it",
                    export = export
                );
                return Self::of(Exit::Internal, &**damage, hint);
            }
            Broken(_) => {
                (Exit::Internal, tr!("keep the outbox as it is, and look at the disk or the database"))
            }
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
                tr!(
                    "wait for it to end, or stop it; `%{status}` shows how far it is",
                    status = Typed::now().other(&["status"])
                ),
            ),
            MergeError::Taken { .. } => Self::of(
                Exit::Usage,
                &error,
                tr!("give the batch another name with --batch NAME; nothing was sent"),
            ),
            MergeError::SeveralBatches { .. } => Self::of(
                Exit::Usage,
                &error,
                tr!(
                    "make a file of each batch's rows (the column `lote` names it) and import one by one; nothing was sent"
                ),
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
            let hint = tr!("free some space and run the same command again: nothing that was opened is lost");
            return Self::of(Exit::Guard, &error, hint);
        }
        if let ReportError::Held { .. } = error {
            let hint = tr!("close it there; the next run or `export` replaces it");
            return Self::of(Exit::Guard, &error, hint);
        }
        let export = Typed::now().other(&["export", &said("BATCH"), "-o", &said("DIR")]);
        let hint = tr!(
            "check the folder and its permissions, then `%{export}` writes the results again",
            export = export
        );
        Self::of(Exit::Internal, &error, hint)
    }
}

impl From<BookFault> for Failure {
    fn from(fault: BookFault) -> Self {
        let (exit, hint) = match &fault {
            BookFault::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                (Exit::Guard, tr!("free some space and run the same command again"))
            }
            BookFault::Io { .. } => (Exit::Usage, tr!("give a folder that you may write to with -o DIR")),
            BookFault::Line { .. } => {
                (Exit::Usage, tr!("it was changed by hand; move the folder away to begin a new sandbox"))
            }
            BookFault::Busy { .. } => (Exit::Busy, tr!("wait until it has ended")),
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
                tr!(
                    "set HUBSOFT_URL to that host, or name another outbox with --database-url; nothing was sent"
                ),
            ),
            BindError::Outbox(error) => error.into(),
        }
    }
}

/// Whether there was no room left: a guard, and the command can go on once there is.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
