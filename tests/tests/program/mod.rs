//! Runs the real `archivas` program and talks to it, for tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A node stops, a command ends, a block comes within this, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The program with these arguments, and none of the environment's settings.
pub fn archivas(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_archivas-under-test"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARCHIVAS_") {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 for a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Standard output as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Asserts that it failed so, with one sentence that has this in it.
    #[track_caller]
    pub fn failed(&self, code: i32, sentence: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("archivas: ") && last.contains(sentence),
            "{self:?}"
        );
    }
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Ended {
    finish(archivas(arguments).spawn().expect("the program was built"))
}

/// Runs a command that must succeed, with `--json`.
#[track_caller]
pub fn read(arguments: &[&str]) -> Value {
    let ended = run(&[arguments, &["--json"]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.json()
}

/// Waits for a process; one that does not end is killed and fails the test.
pub fn finish(mut child: Child) -> Ended {
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("our child") {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                child.kill().expect("our child");
                panic!("it did not end: {}", stderr.join().expect("read"));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let (stdout, stderr) = (stdout.join().expect("read"), stderr.join().expect("read"));
    Ended {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr,
    }
}

fn collect(from: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            from.read_to_end(&mut bytes).expect("a pipe");
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A running node.
pub struct Node {
    child: Child,
    // Kept open, or the node would find its output closed.
    _stdout: BufReader<ChildStdout>,
    /// What it announced at its start.
    pub announced: Value,
    /// The URL of its API.
    pub url: String,
}

impl Node {
    /// A development node in `dir` that mines when a transfer arrives, with more arguments.
    pub fn dev(dir: &Path, more: &[&str]) -> Self {
        Self::paced(dir, "0", more)
    }

    /// A development node in `dir` with this pause between blocks, with more arguments.
    pub fn paced(dir: &Path, block_time: &str, more: &[&str]) -> Self {
        let dir = dir.to_str().expect("a path of ours");
        let usual = [
            "node",
            "--json",
            "--dev",
            "--http",
            "127.0.0.1:0",
            "--data-dir",
            dir,
        ];
        Self::start(&[&usual, ["--block-time", block_time].as_slice(), more].concat())
    }

    /// A node with these arguments; waits until it says where it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = archivas(arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program was built");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a pipe");
        let announced: Value = serde_json::from_str(&line).expect("the node announces itself");
        let url = announced["http"].as_str().unwrap_or_default().to_owned();
        Self {
            child,
            _stdout: stdout,
            announced,
            url,
        }
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .expect("kill exists");
        assert!(sent.success());
    }

    /// Kills it, at once: no other program is started for it.
    pub fn kill(&mut self) {
        self.child.kill().expect("our child");
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Sends a signal and waits for the end: the exit code, and how long it took.
    pub fn stop(self, signal: &str) -> (i32, Duration) {
        self.signal(signal);
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> (i32, Duration) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return (status.code().unwrap_or(-1), begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the node did not stop");
    }

    /// The JSON that the API answers to a GET.
    pub fn get(&self, path: &str) -> Value {
        self.ask(&format!("GET {path}"), "")
    }

    /// The JSON that the API answers to a POST of JSON.
    pub fn post(&self, path: &str, body: &str) -> Value {
        self.ask(&format!("POST {path}"), body)
    }

    fn ask(&self, what: &str, body: &str) -> Value {
        let authority = self.url.strip_prefix("http://").expect("a URL");
        let mut stream = TcpStream::connect(authority).expect("the node listens");
        let length = body.len();
        write!(
            stream,
            "{what} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .expect("open");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a header");
        serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A test that failed leaves nothing running; one that stopped it has nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
