//! A secret, typed without being shown.

use std::io::{self, Read, Write};

use crate::platform::Hidden;

/// Longest secret that is read. Bytes.
const LEN_MAX: usize = 4096;

const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACE: [u8; 2] = [8, 127];
const KILL_LINE: u8 = 21;

/// A line that was typed hidden has not ended on the screen.
struct Line;

impl Drop for Line {
    fn drop(&mut self) {
        let _ = io::stderr().write_all(b"\n");
    }
}

/// Asks by `prompt` and reads a line of the terminal that shows nothing of it. `None`: interrupted.
///
/// Keys come one by one, the one that interrupts too: the process would be gone, and the terminal mute.
pub fn typed_hidden(prompt: impl FnOnce()) -> io::Result<Option<String>> {
    let _hidden = Hidden::begin()?;
    let _line = Line;
    prompt();
    io::stderr().flush()?;
    let (mut typed, mut byte) = (Vec::new(), [0]);
    let mut stdin = io::stdin().lock();
    loop {
        if stdin.read(&mut byte)? == 0 {
            break;
        }
        match byte[0] {
            b'\n' | b'\r' | END => break,
            INTERRUPT => return Ok(None),
            KILL_LINE => typed.clear(),
            key if BACKSPACE.contains(&key) => {
                // A letter may have several bytes.
                while typed.pop().is_some_and(|last: u8| last & 0xC0 == 0x80) {}
            }
            key if typed.len() < LEN_MAX => typed.push(key),
            _ => {}
        }
    }
    Ok(Some(String::from_utf8_lossy(&typed).into_owned()))
}
