//! Linux, and what is like it.

use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, statvfs};
use rustix::io::Errno;
use rustix::process::{Pid, geteuid, getuid, kill_process_group, test_kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use sd_notify::NotifyState;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::terms::{Quoting, Rights, Signal, Told, Withheld};

/// Whether each who works here has a screen. One that is asked for by variables may be missing.
pub const HAS_SCREEN: bool = false;

/// Makes a folder, and those that it lies in, where they are missing: for their owner alone.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The one path of what is there, whichever way led to it.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// Shuts a folder to all but its owner.
pub fn close(folder: &Path) -> io::Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// A temporary folder in `folder`, at no moment anybody's but its owner's.
pub fn private_folder(builder: &mut tempfile::Builder<'_, '_>, folder: &Path) -> io::Result<TempDir> {
    builder.permissions(Permissions::from_mode(0o700)).tempdir_in(folder)
}

/// A file that is made with these options is its owner's alone.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// `None`: the system does not say it so.
#[expect(clippy::unnecessary_wraps, reason = "another system does not say it so")]
pub fn rights(found: &Metadata) -> Option<Rights> {
    Some(Rights { owner: found.uid(), ours: geteuid().as_raw(), mode: found.mode() & 0o7777 })
}

/// Reading from one may wait for ever.
pub fn is_pipe(kind: FileType) -> bool {
    kind.is_fifo()
}

/// Neither through a link nor, for ever, at a pipe that nobody writes to.
fn plainly(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
}

/// The file at `path`, made if it is missing, for this process alone until it is closed or the process dies.
/// Others may read it ([`open_lock`]). `None`: another process has it.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let options = private(plainly(&mut options)).create(true).truncate(false).read(true).write(true);
    let file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// To read what stands in a file that another process has.
pub fn open_lock(path: &Path) -> io::Result<File> {
    plainly(OpenOptions::new().read(true)).open(path)
}

/// Whether `path` still leads to `file`: its holder may have removed it before we had it.
pub fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(named) => Ok(named.ino() == file.metadata()?.ino()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is such a process, of whomever; one that has ended is none, also as long as nobody has asked
/// how. `None`: it is no number of a process.
pub fn lives(pid: u32) -> Option<bool> {
    let asked = test_kill_process(Pid::from_raw(i32::try_from(pid).ok()?)?);
    let has_ended = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
    };
    // Another user's cannot be asked, but is there.
    Some(matches!(asked, Ok(()) | Err(Errno::PERM)) && !has_ended())
}

/// Puts the names in a folder on disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Keeps room for so many bytes back. No byte is written.
pub fn reserve(file: &File, len: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len)?;
    #[cfg(not(target_os = "linux"))]
    file.set_len(len)?;
    Ok(())
}

/// What is free on the disk of a folder for who runs this process. Bytes.
pub fn free_space(folder: &Path) -> io::Result<u64> {
    let space = statvfs(folder)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The name of the network file system that `folder` is on, if it is on one: neither locks nor write-ahead
/// logs can be trusted there.
pub fn network_file_system(folder: &Path) -> io::Result<Option<&'static str>> {
    #[cfg(target_os = "linux")]
    {
        let kind = rustix::fs::statfs(folder)?.f_type as u64 & 0xffff_ffff;
        Ok(NETWORK_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name))
    }
    #[cfg(not(target_os = "linux"))]
    folder.metadata().map(|_| None)
}

/// Source: linux/magic.h and the file systems' own. FUSE is among them because sshfs, s3fs and
/// their like cannot be told apart; 9p, because virtual machines share folders through it.
#[cfg(target_os = "linux")]
const NETWORK_FILE_SYSTEMS: [(u64, &str); 11] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x564c, "NCP"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE"),
    (0x5346_414f, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
];

/// Reads what stands at `offset`, as much as there is and fits. Where the file stands otherwise is nobody's
/// affair: it may have moved.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buffer, offset)
}

/// The time since this start of the machine, also while it slept.
pub fn awake() -> Duration {
    // Linux's CLOCK_MONOTONIC stands still while the machine sleeps; this one does not. A Mac's goes on.
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What tells this start of the machine from others. `None`: nothing does.
pub fn boot() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

/// What stops a run: Ctrl-C; `kill`, and a terminal that was closed, unless `nohup` was to keep that away.
pub struct Stops {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: Option<tokio::signal::unix::Signal>,
}

impl Stops {
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if ignores_hang_ups() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Waits for the next. Dropping it loses none.
    pub async fn next(&mut self) -> Signal {
        let hung_up = async {
            match self.hang_up.as_mut() {
                Some(hang_up) => drop(hang_up.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            () = hung_up => Signal::Terminate,
        }
    }
}

/// Whether the process was started with hang-ups ignored, as `nohup` does. Where the kernel does not say: no.
fn ignores_hang_ups() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignored(&status, SignalKind::hangup()))
}

/// Reads `SigIgn` of proc(5): a bit a signal, in hexadecimal, the first signal's being the lowest.
fn ignored(status: &str, kind: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

/// Silent for so long, a service is taken for stuck. `None`: nobody watches.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

/// Where no service manager listens, nothing is said.
pub fn tell_service_manager(told: Told<'_>) -> io::Result<()> {
    sd_notify::notify(&[match told {
        Told::Ready => NotifyState::Ready,
        Told::Stopping => NotifyState::Stopping,
        Told::Alive => NotifyState::Watchdog,
        Told::Status(text) => NotifyState::Status(text),
    }])
}

/// A terminal that shows nothing of what is typed, and hands over key by key, the one that interrupts too.
/// As it was before when dropped.
pub struct Hidden(Termios);

impl Hidden {
    pub fn begin() -> io::Result<Self> {
        let hidden = Self(tcgetattr(io::stdin())?);
        let mut mute = hidden.0.clone();
        mute.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Now, &mute)?;
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// What the command starts is ended with it by [`end_all`], and by nothing that ends us.
pub fn apart(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Ends a child that was started [`apart`], with all that it has started.
pub fn end_all(child: &mut Child) -> io::Result<()> {
    let _ = kill_process_group(Pid::from_child(child), rustix::process::Signal::KILL);
    child.wait().map(drop)
}

/// Shows a file in the program that the user has for its kind.
pub fn open(file: &Path) -> io::Result<()> {
    let mut opener = Command::new("xdg-open");
    opener.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It ends by itself once the other program has it; nobody waits for that.
    opener.spawn().map(drop)
}

/// Whether the window is this process's alone, and closes with it.
pub fn has_own_window() -> bool {
    false
}

/// Does `work` with room for what a command keeps while it waits: the first thread has 8 MiB.
pub fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    work()
}

/// How a command that is typed here is quoted.
pub fn quoting() -> Quoting {
    Quoting::Posix
}

/// What the system's number of a fault says of a file, where no other system has a like.
pub fn withheld(_code: i32) -> Option<Withheld> {
    None
}

/// The language of the user where no variable says it, as `pt-BR`.
pub fn locale() -> Option<String> {
    None
}

/// What this machine is called.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Who runs this process, where no variable says it.
pub fn user() -> String {
    format!("user {}", getuid().as_raw())
}

/// No core of this process is written, and no other program of the user's attaches to it. Where the kernel
/// does not know how, it goes without.
pub fn refuse_dumps() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hang_ups_that_nohup_had_ignored_stay_ignored() {
        for (status, expected) in [
            ("Name:\tmutirao\nSigIgn:\t0000000000000001\n", true),
            ("SigIgn:\t0000000000001001\n", true),
            ("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", false), // SIGPIPE, as Rust has it.
            ("SigIgn:\twhat\n", false),
            ("", false),
        ] {
            assert_eq!(ignored(status, SignalKind::hangup()), expected, "{status}");
        }
    }
}
