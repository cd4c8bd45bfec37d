//! A person at a browser: Chromium without a screen, by WebDriver (<https://www.w3.org/TR/webdriver2/>). What
//! is not there yet is waited for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// By what the protocol calls an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const TAB: char = '\u{E004}';
pub const ENTER: char = '\u{E007}';

pub struct Browser {
    driver: Child,
    /// `127.0.0.1:PORT`
    host: String,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Of somebody who reads `language`, such as `pt-BR`.
    pub fn new(language: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").env("HOME", profile.path()).process_group(0);
        driver.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().unwrap_or_else(|error| {
            panic!("chromedriver: {error}; tests/run installs what these tests need (chromium-driver)")
        });
        let said = BufReader::new(driver.stdout.take().unwrap());
        // From here on it does not outlive its test.
        let mut browser = Self { driver, host: String::new(), session: String::new(), _profile: profile };
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        browser.host = format!("127.0.0.1:{}", port.expect("it says where it listens"));
        let profile = browser._profile.path().join("chromium");
        let options = json!({
            // As root it has no sandbox of its own, and a container may have little shared memory.
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     format!("--user-data-dir={}", profile.display()), format!("--lang={language}")],
            "prefs": {"intl": {"accept_languages": language}},
        });
        let wanted = json!({"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "timeouts": {"implicit": LONG.as_millis() as u64},
        }});
        let begun = browser.ask("POST", "/session", json!({"capabilities": wanted}));
        let begun = begun.unwrap_or_else(|error| panic!("{error}; tests/run installs Chromium"));
        browser.session = begun["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// One command of the protocol.
    fn ask(&self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(&self.host).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(LONG * 2)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.host,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).map_err(|error| error.to_string())?;
        let mut reader = BufReader::new(stream);
        let mut len = 0;
        for line in reader.by_ref().lines() {
            let line = line.map_err(|error| error.to_string())?.to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(n) = line.strip_prefix("content-length:") {
                len = n.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; len];
        reader.read_exact(&mut answer).map_err(|error| format!("{path}: {error}"))?;
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
            None => Ok(value),
        }
    }

    #[track_caller]
    fn tell(&self, command: &str, body: Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        let told = self.ask("POST", &path, body);
        told.unwrap_or_else(|error| panic!("{command}: {error}\n{}", self.text()))
    }

    fn get(&self, command: &str) -> Result<Value, String> {
        self.ask("GET", &format!("/session/{}/{command}", self.session), Value::Null)
    }

    /// Goes to an address.
    #[track_caller]
    pub fn goes_to(&self, url: &str) {
        self.tell("url", json!({"url": url}));
    }

    #[track_caller]
    pub fn reloads(&self) {
        self.tell("refresh", json!({}));
    }

    /// Does something with an element, by a selector of CSS or, from `/` on, a path of XPath, once it is
    /// there. It may be gone before: a page that follows changes by itself.
    #[track_caller]
    fn with(&self, selector: &str, command: &str, body: &Value) {
        let (begun, using) =
            (Instant::now(), if selector.starts_with('/') { "xpath" } else { "css selector" });
        loop {
            let found = self.tell("element", json!({"using": using, "value": selector}));
            let id = found[ELEMENT].as_str().unwrap();
            let path = format!("/session/{}/element/{id}/{command}", self.session);
            match self.ask("POST", &path, body.clone()) {
                Ok(_) => return,
                Err(error) if error.starts_with("stale element") && begun.elapsed() < LONG => {}
                Err(error) => panic!("{command} {selector}: {error}\n{}", self.text()),
            }
        }
    }

    #[track_caller]
    pub fn clicks(&self, selector: &str) {
        self.with(selector, "click", &json!({}));
    }

    /// Clicks the button, or the link, that says so.
    #[track_caller]
    pub fn clicks_on(&self, said: &str) {
        self.clicks(&format!("//*[self::a or self::button][normalize-space()=\"{said}\"]"));
    }

    /// Writes into a field, behind what stands there.
    #[track_caller]
    pub fn writes(&self, selector: &str, text: &str) {
        self.with(selector, "value", &json!({"text": text}));
    }

    /// Chooses a file in the field for files.
    #[track_caller]
    pub fn chooses(&self, file: &Path) {
        self.writes("input[type=file]", file.to_str().unwrap());
    }

    /// Presses keys, one after the other, wherever the focus is.
    #[track_caller]
    pub fn presses(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|stroke| json!({"type": stroke, "value": key.to_string()}))
        });
        let strokes: Vec<_> = strokes.collect();
        self.tell("actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]}));
    }

    /// What a function with this body returns, in the page.
    #[track_caller]
    pub fn runs(&self, script: &str, args: Value) -> Value {
        self.tell("execute/sync", json!({"script": script, "args": args}))
    }

    /// The same of one that returns a promise.
    #[track_caller]
    pub fn awaits(&self, script: &str, args: Value) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async (...args) => {{ {script} }})(...arguments).then(done, error => done(String(error)));"
        );
        self.tell("execute/async", json!({"script": script, "args": args}))
    }

    /// What a person reads.
    pub fn text(&self) -> String {
        let script = json!({"script": "return document.body.innerText", "args": []});
        let path = format!("/session/{}/execute/sync", self.session);
        self.ask("POST", &path, script)
            .map_or_else(|error| error, |text| text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page says so.
    #[track_caller]
    pub fn reads(&self, text: &str) {
        let path = format!("//main[contains(normalize-space(), \"{text}\")]");
        self.tell("element", json!({"using": "xpath", "value": path}));
    }

    /// Waits until something is there.
    #[track_caller]
    pub fn waits(&self, selector: &str) {
        self.tell("element", json!({"using": "css selector", "value": selector}));
    }

    /// How many there are by now.
    #[track_caller]
    pub fn count(&self, selector: &str) -> u64 {
        let n = self.runs("return document.querySelectorAll(arguments[0]).length", json!([selector]));
        n.as_u64().unwrap()
    }

    /// The window that it looks at.
    pub fn window(&self) -> String {
        self.get("window").unwrap().as_str().unwrap().to_owned()
    }

    /// Opens a window beside this one, and looks at it from now on.
    #[track_caller]
    pub fn opens_a_window(&self, url: &str) -> String {
        let new = self.tell("window/new", json!({"type": "window"}))["handle"].as_str().unwrap().to_owned();
        self.looks_at(&new);
        self.goes_to(url);
        new
    }

    #[track_caller]
    pub fn looks_at(&self, window: &str) {
        self.tell("window", json!({"handle": window}));
    }

    /// A command of Chromium's own, for what the protocol lacks.
    #[track_caller]
    fn devtools(&self, command: &str, params: Value) {
        self.tell("goog/cdp/execute", json!({"cmd": command, "params": params}));
    }

    /// A phone's screen, held upright.
    #[track_caller]
    pub fn is_a_phone(&self) {
        let screen = json!({"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", screen);
    }

    /// A window of so many points, where it is no phone.
    #[track_caller]
    pub fn is_a_desk(&self, width: u32, height: u32) {
        self.tell("window/rect", json!({"width": width, "height": height}));
    }

    /// What is seen of the page, as PNG.
    #[track_caller]
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.get("screenshot").unwrap();
        of_base64(picture.as_str().unwrap())
    }

    #[track_caller]
    pub fn is_no_phone(&self) {
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({}));
    }

    /// Who prefers dark pages, or light ones.
    #[track_caller]
    pub fn prefers(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features);
    }
}

/// Six bits a letter (RFC 4648, section 4).
fn of_base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = text.bytes().filter_map(|letter| LETTERS.iter().position(|known| *known == letter));
    let (mut bytes, mut held, mut n_held) = (Vec::new(), 0_usize, 0);
    for six in bits {
        (held, n_held) = (held << 6 | six, n_held + 6);
        if 8 <= n_held {
            n_held -= 8;
            bytes.push((held >> n_held) as u8);
            held &= (1 << n_held) - 1;
        }
    }
    bytes
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.ask("DELETE", &format!("/session/{}", self.session), Value::Null);
        }
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}
