//! A person at a terminal.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use super::site::Site;

/// A command on a terminal of its own, which is answered as it asks.
pub struct Terminal {
    child: Child,
    said: String,
}

impl Terminal {
    pub fn new(site: &Site, locale: &str, args: &str) -> Self {
        let plain = site.command(&[]);
        let line = format!("'{}' {args}", plain.get_program().to_str().unwrap());
        let mut command = Command::new("script");
        command.args(["-qefc", &line, "/dev/null"]).current_dir(site.path("")).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("SHELL", "/bin/sh");
        command.env("HOME", site.path("")).env("LANG", locale);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), said: String::new() }
    }

    /// Waits for a line that ends so, and types the answer.
    pub fn answer(&mut self, prompt: &str, answer: &str) {
        let from = self.said.len();
        let out = self.child.stdout.as_mut().unwrap();
        let (mut line, mut byte) = (Vec::new(), [0]);
        loop {
            assert_eq!(out.read(&mut byte).unwrap(), 1, "no `{prompt}`: {}", self.said);
            line.push(byte[0]);
            if byte[0] == b'\n' {
                self.said += &String::from_utf8(std::mem::take(&mut line)).unwrap();
                if self.said[from..].contains(prompt) {
                    break;
                }
            }
        }
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(answer.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    /// Its exit code, and all that was seen.
    pub fn end(mut self, site: &Site) -> (Option<i32>, String) {
        // Whoever asks for more is answered by nobody.
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        let folder = site.path("").display().to_string();
        let said = format!("{}{rest}", self.said).replace("\r\n", "\n");
        let said = said.replace(site.host().split(':').next().unwrap(), "[host]");
        let said = said.replace(&format!(":{}", site.host().split(':').nth(1).unwrap()), "");
        (self.child.wait().unwrap().code(), said.replace(folder.trim_end_matches('/'), "[home]"))
    }
}
