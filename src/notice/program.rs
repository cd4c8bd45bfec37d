//! A program that is told: JSON on its standard input, the event in its environment. It has none of our
//! secrets, and what it says goes nowhere.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use super::undelivered::{ANSWER_MAX, Undelivered};
use crate::platform;

/// Between two looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs it to its end, at most [`ANSWER_MAX`].
pub(super) async fn run(
    path: PathBuf,
    without: Vec<OsString>,
    event: &'static str,
    json: String,
) -> Result<(), Undelivered> {
    let program = path.display().to_string();
    let failed = |status: String| Undelivered::Failed { program: program.clone(), status };
    let ran = spawn_blocking(move || {
        let mut command = Command::new(path);
        for name in without {
            command.env_remove(name);
        }
        platform::apart(command.env("MUTIRAO_EVENT", event));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A notice is smaller than a pipe holds, and who does not read it need not.
            let _ = stdin.write_all(json.as_bytes());
        }
        ended(&mut child, ANSWER_MAX)
    });
    match ran.await {
        Ok(Ok(Some(status))) if status.success() => Ok(()),
        Ok(Ok(Some(status))) => Err(failed(status.to_string())),
        Ok(Ok(None)) => Err(Undelivered::Endless { program }),
        Ok(Err(error)) => Err(Undelivered::Start { program, why: error.to_string() }),
        Err(_) => Err(failed("?".to_owned())),
    }
}

/// How it ended; `None`: it had to be ended after so long, with all that it had started.
fn ended(child: &mut Child, longest: Duration) -> std::io::Result<Option<ExitStatus>> {
    let until = Instant::now() + longest;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if until <= Instant::now() {
            platform::end_all(child)?;
            return Ok(None);
        }
        sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(program: &str) -> Command {
        let mut command = Command::new(program);
        platform::apart(&mut command);
        command
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let mut hung = apart("/bin/sh").args(["-c", "sleep 600"]).spawn().unwrap();
        assert_eq!(ended(&mut hung, Duration::from_millis(50)).unwrap(), None);
        let mut quick = apart("/bin/true").spawn().unwrap();
        assert!(ended(&mut quick, ANSWER_MAX).unwrap().is_some_and(|status| status.success()));
    }
}
