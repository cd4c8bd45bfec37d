//! Windows, from 10 on. What it does not have: owners and modes (who may look into a folder of ours stands in
//! its access list, which [`close`] writes), a number of this start of the machine, a service manager that
//! listens, and a word that keeps the user's other programs from looking into this one.
#![expect(unsafe_code, reason = "the system is asked through its C interface")]

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::{Component, Path, PathBuf, Prefix};
use std::process::{Child, Command, Stdio};
use std::ptr::{null, null_mut};
use std::time::Duration;

use tempfile::TempDir;
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff,
    ctrl_shutdown,
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_CLOUD_FILE_ACCESS_DENIED, ERROR_CLOUD_FILE_AUTHENTICATION_FAILED,
    ERROR_CLOUD_FILE_IN_USE, ERROR_CLOUD_FILE_NETWORK_UNAVAILABLE, ERROR_CLOUD_FILE_NOT_IN_SYNC,
    ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING, ERROR_CLOUD_FILE_PROVIDER_TERMINATED,
    ERROR_CLOUD_FILE_REQUEST_ABORTED, ERROR_CLOUD_FILE_REQUEST_CANCELED, ERROR_CLOUD_FILE_REQUEST_TIMEOUT,
    ERROR_CLOUD_FILE_UNSUCCESSFUL, ERROR_DELETE_PENDING, ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER,
    ERROR_LOCK_VIOLATION, ERROR_NOT_SUPPORTED, ERROR_SHARING_VIOLATION, INVALID_HANDLE_VALUE, LocalFree,
    WAIT_TIMEOUT,
};
use windows_sys::Win32::Globalization::GetUserDefaultLocaleName;
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetTokenInformation, SetFileSecurityW, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_SHARE_DELETE, FILE_SHARE_READ, GetDiskFreeSpaceExW, GetDriveTypeW,
    GetVolumePathNameW,
};
use windows_sys::Win32::System::Console::{
    ENABLE_ECHO_INPUT, ENABLE_LINE_INPUT, ENABLE_PROCESSED_INPUT, GetConsoleMode, GetConsoleProcessList,
    SetConsoleMode,
};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::SystemInformation::{
    ComputerNameDnsHostname, GetComputerNameExW, GetTickCount64,
};
use windows_sys::Win32::System::SystemServices::LOCALE_NAME_MAX_LENGTH;
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, GetCurrentProcess, OpenProcess, OpenProcessToken,
    PROCESS_SYNCHRONIZE, WaitForSingleObject,
};
use windows_sys::Win32::System::WindowsProgramming::DRIVE_REMOTE;
use windows_sys::Win32::UI::Shell::ShellExecuteW;
use windows_sys::Win32::UI::WindowsAndMessaging::SW_SHOWNORMAL;

use super::terms::{Quoting, Rights, Signal, Told, Withheld};

/// Whether each who works here has a screen.
pub const HAS_SCREEN: bool = true;

/// As the system takes texts: UTF-16, up to a zero.
fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// What the system says by `0`, and why.
fn done(code: i32) -> io::Result<()> {
    if code == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn is_of(error: &io::Error, codes: &[u32]) -> bool {
    error.raw_os_error().is_some_and(|code| codes.contains(&code.cast_unsigned()))
}

/// Makes a folder, and those that it lies in, where they are missing: for their owner alone.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(around) = folder.parent().filter(|around| !around.as_os_str().is_empty()) {
        make_folder(around)?;
    }
    DirBuilder::new().create(folder)?;
    close(folder)
}

/// The path of what is there, from its drive on: links are not followed, since what does so begins with
/// `\\\\?\\`, which people do not know.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    path.try_exists()?;
    std::path::absolute(path)
}

/// Shuts a folder, in which nothing is yet, to all but its owner, the system and administrators, as a user's
/// own folders are. What is made within inherits that. A stick that keeps no lists is everybody's.
pub fn close(folder: &Path) -> io::Result<()> {
    let list = wide(format!("D:P(A;OICI;FA;;;{})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", own_sid()?));
    let mut descriptor = null_mut();
    // SAFETY: the text ends with a zero, and what is written to lives as long as the call.
    done(unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            list.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor,
            null_mut(),
        )
    })?;
    // SAFETY: the descriptor is the one just made, and given back once, behind its last use.
    let set = done(unsafe { SetFileSecurityW(wide(folder).as_ptr(), DACL_SECURITY_INFORMATION, descriptor) });
    unsafe { LocalFree(descriptor) };
    match set {
        Err(error) if is_of(&error, &[ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED]) => Ok(()),
        set => set,
    }
}

/// The number of who runs this process, as access lists have it.
fn own_sid() -> io::Result<String> {
    let mut token = null_mut();
    // SAFETY: the pseudo handle is always valid, and the token that is written is closed by its owner alone.
    let token = unsafe {
        done(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token))?;
        OwnedHandle::from_raw_handle(token)
    };
    // As large as the longest (68 bytes) and what stands before it; of words, so that it is aligned.
    let (mut user, mut len, mut text) = ([0_u64; 16], 0, null_mut());
    let size = u32::try_from(size_of_val(&user)).expect("it is 128");
    // SAFETY: the buffer is as long as is said; the number within lives as long as the buffer.
    unsafe {
        let buffer = user.as_mut_ptr().cast();
        done(GetTokenInformation(token.as_raw_handle(), TokenUser, buffer, size, &raw mut len))?;
        let user: *const TOKEN_USER = buffer.cast();
        done(ConvertSidToStringSidW((*user).User.Sid, &raw mut text))?;
    }
    // SAFETY: the system's text ends with a zero, and is given back once, behind its last use.
    let said = unsafe {
        let len = (0..).take_while(|at| *text.add(*at) != 0).count();
        let said = String::from_utf16_lossy(std::slice::from_raw_parts(text, len));
        LocalFree(text.cast());
        said
    };
    Ok(said)
}

/// A temporary folder in `folder`, its owner's alone before anything is in it.
pub fn private_folder(builder: &mut tempfile::Builder<'_, '_>, folder: &Path) -> io::Result<TempDir> {
    let made = builder.tempdir_in(folder)?;
    close(made.path())?;
    Ok(made)
}

/// A file that is made with these options is its owner's alone: by the folder that it lies in.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// `None`: the system does not say it so.
pub fn rights(_found: &Metadata) -> Option<Rights> {
    None
}

/// Reading from one may wait for ever. Here they have no names among files.
pub fn is_pipe(_kind: FileType) -> bool {
    false
}

/// The file at `path`, made if it is missing, for this process alone until it is closed or the process dies.
/// Others may read it ([`open_lock`]). `None`: another process has it.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    // Not by a lock within: that would keep readers out.
    let mut options = OpenOptions::new();
    options
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_DELETE);
    match options.open(path) {
        Err(error) if is_of(&error, &[ERROR_SHARING_VIOLATION, ERROR_DELETE_PENDING]) => Ok(None),
        file => file.map(Some),
    }
}

/// To read what stands in a file that another process has.
pub fn open_lock(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Whether `path` still leads to `file`: while its holder had it, nobody else could open it.
#[expect(clippy::unnecessary_wraps, reason = "another system has to ask")]
pub fn is_named(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Whether there is such a process, of whomever. `None`: it is no number of a process.
pub fn lives(pid: u32) -> Option<bool> {
    if pid == 0 {
        return None;
    }
    // SAFETY: what is opened is closed by its owner alone.
    let process = unsafe {
        let process = OpenProcess(PROCESS_SYNCHRONIZE, 0, pid);
        if process.is_null() {
            // Another user's cannot be asked, but is there.
            return Some(!is_of(&io::Error::last_os_error(), &[ERROR_INVALID_PARAMETER]));
        }
        OwnedHandle::from_raw_handle(process)
    };
    // SAFETY: the handle is open.
    Some(unsafe { WaitForSingleObject(process.as_raw_handle(), 0) } == WAIT_TIMEOUT)
}

/// Puts the names in a folder on disk. NTFS keeps a journal of names, and so none is lost where a file system
/// refuses to be told.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(folder);
    match folder.and_then(|folder| folder.sync_all()) {
        Err(error) if is_of(&error, &[ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, ERROR_NOT_SUPPORTED]) => {
            Ok(())
        }
        synced => synced,
    }
}

/// Keeps room for so many bytes back. No byte is written.
pub fn reserve(file: &File, len: u64) -> io::Result<()> {
    file.set_len(len)
}

/// What is free on the disk of a folder for who runs this process. Bytes.
pub fn free_space(folder: &Path) -> io::Result<u64> {
    let mut free = 0;
    // SAFETY: the text ends with a zero; what is not asked for may be nowhere.
    done(unsafe { GetDiskFreeSpaceExW(wide(folder).as_ptr(), &raw mut free, null_mut(), null_mut()) })?;
    Ok(free)
}

/// The name of the network file system that `folder` is on, if it is on one: neither locks nor write-ahead
/// logs can be trusted there. By what its path comes to: a letter may stand for another machine's share.
pub fn network_file_system(folder: &Path) -> io::Result<Option<&'static str>> {
    // Some drives that live in memory do not know it.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let is_share = match folder.components().next() {
        Some(Component::Prefix(prefix)) => {
            matches!(prefix.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..))
        }
        _ => false,
    };
    let path = wide(&folder);
    let mut root = vec![0; path.len() + 1];
    // SAFETY: both texts end with a zero, and the second has room for as many letters as is said.
    let kind = unsafe {
        done(GetVolumePathNameW(path.as_ptr(), root.as_mut_ptr(), u32::try_from(root.len()).unwrap_or(0)))?;
        GetDriveTypeW(root.as_ptr())
    };
    Ok((is_share || kind == DRIVE_REMOTE).then_some("SMB"))
}

/// Reads what stands at `offset`, as much as there is and fits. Where the file stands otherwise is nobody's
/// affair: it may have moved.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.seek_read(buffer, offset)
}

/// The time since this start of the machine, also while it slept. To some 16 ms.
pub fn awake() -> Duration {
    // SAFETY: it takes nothing.
    Duration::from_millis(unsafe { GetTickCount64() })
}

/// What tells this start of the machine from others. `None`: nothing does.
pub fn boot() -> Option<String> {
    None
}

/// What stops a run: Ctrl-C and Ctrl-Break; a window that was closed, a user who leaves, a machine that is
/// shut down. The system waits some seconds for what is in flight then.
pub struct Stops {
    interrupt: CtrlC,
    break_off: CtrlBreak,
    close: CtrlClose,
    leave: CtrlLogoff,
    shut_down: CtrlShutdown,
}

impl Stops {
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            break_off: ctrl_break()?,
            close: ctrl_close()?,
            leave: ctrl_logoff()?,
            shut_down: ctrl_shutdown()?,
        })
    }

    /// Waits for the next. Dropping it loses none.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.break_off.recv() => Signal::Interrupt,
            _ = self.close.recv() => Signal::Terminate,
            _ = self.leave.recv() => Signal::Terminate,
            _ = self.shut_down.recv() => Signal::Terminate,
        }
    }
}

/// Silent for so long, a service is taken for stuck. `None`: nobody watches.
pub fn watchdog() -> Option<Duration> {
    None
}

/// Where no service manager listens, nothing is said.
#[expect(clippy::unnecessary_wraps, reason = "another system has one that listens")]
pub fn tell_service_manager(told: Told<'_>) -> io::Result<()> {
    match told {
        Told::Ready | Told::Stopping | Told::Alive => Ok(()),
        // What a person would read goes nowhere.
        Told::Status(text) => {
            let _ = text;
            Ok(())
        }
    }
}

/// A terminal that shows nothing of what is typed, and hands over key by key, the one that interrupts too.
/// As it was before when dropped.
pub struct Hidden(u32);

impl Hidden {
    pub fn begin() -> io::Result<Self> {
        let mut shown = 0;
        let mute = ENABLE_ECHO_INPUT | ENABLE_LINE_INPUT | ENABLE_PROCESSED_INPUT;
        let stdin = io::stdin().as_raw_handle();
        // SAFETY: the process has its standard input as long as it lives.
        unsafe {
            done(GetConsoleMode(stdin, &raw mut shown))?;
            done(SetConsoleMode(stdin, shown & !mute))?;
        }
        Ok(Self(shown))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nobody left to tell.
        // SAFETY: as above.
        unsafe { SetConsoleMode(io::stdin().as_raw_handle(), self.0) };
    }
}

/// What the command starts is ended with it by [`end_all`], and by nothing that ends us.
pub fn apart(command: &mut Command) -> &mut Command {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW)
}

/// Ends a child that was started [`apart`], with all that it has started.
pub fn end_all(child: &mut Child) -> io::Result<()> {
    let mut kill = Command::new("taskkill");
    kill.args(["/T", "/F", "/PID", &child.id().to_string()]);
    let _ = kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    child.kill()?;
    child.wait().map(drop)
}

/// Shows a file in the program that the user has for its kind.
pub fn open(file: &Path) -> io::Result<()> {
    let (verb, file) = (wide("open"), wide(file));
    // SAFETY: the texts end with a zero; what is not said may be nowhere.
    let opened =
        unsafe { ShellExecuteW(null_mut(), verb.as_ptr(), file.as_ptr(), null(), null(), SW_SHOWNORMAL) };
    // So the system has it: up to 32 are faults.
    if (opened as usize) <= 32 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether the window is this process's alone, and closes with it: it was started by a double click.
pub fn has_own_window() -> bool {
    let mut processes = [0; 2];
    // SAFETY: the buffer is as long as is said.
    unsafe { GetConsoleProcessList(processes.as_mut_ptr(), 2) == 1 }
}

/// Does `work` with room for what a command keeps while it waits: the first thread has 1 MiB, which a debug
/// build has overflowed.
pub fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|threads| {
        let deep = std::thread::Builder::new().stack_size(8 << 20);
        let done = deep.spawn_scoped(threads, work).expect("a program may have a second thread");
        done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How a command that is typed here is quoted: the program that has started this one.
pub fn quoting() -> Quoting {
    match starter().unwrap_or_default().to_ascii_lowercase().as_str() {
        "powershell.exe" | "powershell_ise.exe" | "pwsh.exe" => Quoting::PowerShell,
        "bash.exe" | "sh.exe" | "zsh.exe" | "fish.exe" => Quoting::Posix,
        _ => Quoting::Cmd,
    }
}

/// What the program is called that has started this one, if it still runs.
fn starter() -> Option<String> {
    // SAFETY: a snapshot that was taken is closed by its owner alone, behind its last use.
    let processes = unsafe {
        let processes = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
        (processes != INVALID_HANDLE_VALUE).then(|| OwnedHandle::from_raw_handle(processes))?
    };
    let of = |pid: u32| {
        let size = u32::try_from(size_of::<PROCESSENTRY32W>()).ok()?;
        let mut entry = PROCESSENTRY32W { dwSize: size, ..Default::default() };
        // SAFETY: the handle is open, and the entry says how long it is.
        let mut is_there = unsafe { Process32FirstW(processes.as_raw_handle(), &raw mut entry) };
        while is_there != 0 && entry.th32ProcessID != pid {
            is_there = unsafe { Process32NextW(processes.as_raw_handle(), &raw mut entry) };
        }
        (is_there != 0).then_some(entry)
    };
    let name = of(of(std::process::id())?.th32ParentProcessID)?.szExeFile;
    let len = name.iter().position(|unit| *unit == 0)?;
    Some(String::from_utf16_lossy(&name[..len]))
}

/// What the system's number of a fault says of a file, where no other system has a like.
pub fn withheld(code: i32) -> Option<Withheld> {
    match code.cast_unsigned() {
        ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION => Some(Withheld::InUse),
        ERROR_CLOUD_FILE_ACCESS_DENIED
        | ERROR_CLOUD_FILE_AUTHENTICATION_FAILED
        | ERROR_CLOUD_FILE_IN_USE
        | ERROR_CLOUD_FILE_NETWORK_UNAVAILABLE
        | ERROR_CLOUD_FILE_NOT_IN_SYNC
        | ERROR_CLOUD_FILE_PROVIDER_NOT_RUNNING
        | ERROR_CLOUD_FILE_PROVIDER_TERMINATED
        | ERROR_CLOUD_FILE_REQUEST_ABORTED
        | ERROR_CLOUD_FILE_REQUEST_CANCELED
        | ERROR_CLOUD_FILE_REQUEST_TIMEOUT
        | ERROR_CLOUD_FILE_UNSUCCESSFUL => Some(Withheld::Elsewhere),
        _ => None,
    }
}

/// The language of the user where no variable says it, as `pt-BR`.
pub fn locale() -> Option<String> {
    let mut name = [0; LOCALE_NAME_MAX_LENGTH as usize];
    // SAFETY: the buffer is as long as is said.
    let len = unsafe { GetUserDefaultLocaleName(name.as_mut_ptr(), LOCALE_NAME_MAX_LENGTH.cast_signed()) };
    // With the zero behind it.
    String::from_utf16(name.get(..usize::try_from(len).ok()?.checked_sub(1)?)?).ok()
}

/// What this machine is called.
pub fn host_name() -> String {
    let mut name = [0; 256];
    let mut len = 256;
    // SAFETY: the buffer is as long as is said.
    let found = unsafe { GetComputerNameExW(ComputerNameDnsHostname, name.as_mut_ptr(), &raw mut len) };
    match done(found) {
        Ok(()) => String::from_utf16_lossy(&name[..(len as usize).min(name.len())]),
        Err(_) => String::new(),
    }
}

/// Who runs this process, where no variable says it.
pub fn user() -> String {
    own_sid().unwrap_or_default()
}

/// No core of this process is written, and no other program of the user's attaches to it: not here.
pub fn refuse_dumps() {}
