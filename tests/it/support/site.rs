//! A folder, a sandbox, and the real binary.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use mutirao::sandbox::{Audit, RunningSandbox, Sandbox, SandboxCredentials};
use tempfile::TempDir;

/// Where one test happens.
pub struct Site {
    folder: TempDir,
    sandbox: RunningSandbox,
}

/// What a command came to.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Site {
    /// With a sandbox that behaves as `options` say, such as `latency=20ms,reset_after=0.01`.
    pub fn new(options: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sandbox = Sandbox::start(options.parse().unwrap(), listener).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), sandbox }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Neither `results.csv` in this folder nor any name beside it is free.
    pub fn leave_no_name_for_results(&self, folder: &str) {
        for beside in (2..=99).map(|n| format!("-{n}")).chain([String::new()]) {
            fs::create_dir_all(self.path(&format!("{folder}/results{beside}.csv/in the way"))).unwrap();
        }
    }

    /// Also the folders that it lies in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The records of a `;` file by column name.
    pub fn table(&self, name: &str) -> Vec<std::collections::HashMap<String, String>> {
        let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_path(self.path(name)).unwrap();
        reader.deserialize().map(|it| it.unwrap()).collect()
    }

    /// Where its HubSoft is.
    pub fn url(&self) -> String {
        self.sandbox.url()
    }

    pub fn token(&self) -> String {
        self.sandbox.sandbox().issue_token()
    }

    /// What an outbox is bound to.
    pub fn host(&self) -> String {
        self.url().trim_start_matches("http://").to_owned()
    }

    pub fn audit(&self) -> Audit {
        self.sandbox.audit()
    }

    /// Its tickets stand in `sandbox.jsonl` from now on.
    pub fn keep_book(&self) {
        self.sandbox.sandbox().keep_in(self.folder.path()).unwrap();
    }

    /// How to log in to the sandbox.
    pub fn login(&self) -> SandboxCredentials {
        self.sandbox.credentials()
    }

    /// A new token of the sandbox.
    /// `mutirao` with these arguments, in the folder, with nothing but the sandbox to talk to.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mutirao"));
        command.args(args).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("HUBSOFT_URL", self.sandbox.url());
        command.env("HUBSOFT_TOKEN", self.token());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().unwrap().into()
    }

    /// As [`Self::run`], with this outbox.
    pub fn run_at(&self, url: &str, args: &[&str]) -> Ended {
        self.command(args).env("DATABASE_URL", url).output().unwrap().into()
    }

    /// As [`Self::run`], with `input` on standard input.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Ended {
        let mut child = piped(self.command(args)).stdin(Stdio::piped()).spawn().unwrap();
        // A command that refuses its arguments leaves without reading.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap().into()
    }

    /// What a command writes to a terminal of so many columns.
    pub fn on_a_terminal(&self, args: &[&str], columns: usize) -> String {
        let plain = self.command(args);
        let line = [plain.get_program()].into_iter().chain(plain.get_args());
        let line = line.map(|it| format!("'{}'", it.to_str().unwrap())).collect::<Vec<_>>().join(" ");
        let mut command = Command::new("script");
        command.args(["-qefc", &format!("stty cols {columns} rows 24; {line}"), "/dev/null"]);
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("SHELL", "/bin/sh").env("TERM", "xterm");
        for (key, value) in plain.get_envs() {
            command.env(key, value.unwrap());
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// Starts a command and waits until its stderr has a line with `text`.
    pub fn start_until(&self, args: &[&str], text: &str) -> Started {
        Self::start(self.command(args), text)
    }

    /// The same, of a command that was made elsewhere.
    pub fn start(command: Command, text: &str) -> Started {
        let mut child = piped(command).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut started = Started { child, stderr, said: String::new() };
        started.until_it_says(text);
        started
    }
}

/// The same command within bounds: ten seconds of CPU (rather than time, since tests share the machine) and
/// 256 MiB of memory.
pub fn bounded(plain: &Command) -> Command {
    let mut bounded = Command::new("sh");
    bounded.args(["-c", "ulimit -c 0; ulimit -t 10; ulimit -d 262144; exec \"$@\"", "sh"]);
    bounded.arg(plain.get_program()).args(plain.get_args()).env_clear();
    bounded.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // What the allocator keeps ready and does not use is no memory.
    bounded.env("MIMALLOC_ARENA_EAGER_COMMIT", "0").env("PATH", "/usr/bin:/bin");
    bounded.current_dir(plain.get_current_dir().unwrap()).stdin(Stdio::null());
    bounded
}

fn piped(mut command: Command) -> Command {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A command that runs.
pub struct Started {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    /// On stderr, until it was waited for.
    pub said: String,
}

impl Started {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until its stderr has a line with `text`, since it was last waited for; returns what came.
    pub fn until_it_says(&mut self, text: &str) -> &str {
        let from = self.said.len();
        while !self.said[from..].contains(text) {
            let n = self.stderr.read_line(&mut self.said).unwrap();
            assert_ne!(n, 0, "it ended without `{text}`:\n{}", self.said);
        }
        &self.said[from..]
    }

    /// Sends a signal by its name.
    pub fn send(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Its exit code, once it has ended.
    pub fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|it| it.code())
    }

    /// Sends a signal and waits for the end.
    /// Waits for its end; what it said on stderr since it was started.
    pub fn end(mut self) -> (Option<i32>, String) {
        self.stderr.read_to_string(&mut self.said).unwrap();
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.said))
    }

    pub fn end_by(mut self, signal: rustix::process::Signal) -> Option<i32> {
        self.send(signal);
        // Read on, so that it cannot block on a full pipe.
        std::io::copy(&mut self.stderr, &mut std::io::sink()).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// It does not outlive its test.
impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Panics with what was said unless the exit code is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
