//! One node as a process: started on its data directory, asked for its ports, stopped by SIGTERM or
//! ended by SIGKILL. It ends with us: it stops when its standard input closes, and is killed when
//! this value is dropped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use archivas_core::primitives::BlockId;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::http::exchange;
use crate::world::{HarnessError, HttpAnswer, HttpRequest, Unreachable};

/// A node announces its ports within this after its start, also on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A node that was asked to stop has 5 s (interfaces §3); the rest is for busy machines.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// A whole request takes at most this.
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// What is the same in every life of a node.
pub(super) struct Settings {
    /// The binary.
    pub binary: PathBuf,
    /// The genesis file.
    pub genesis: PathBuf,
    /// The data directory.
    pub data: PathBuf,
    /// Where standard error goes, life after life.
    pub log: PathBuf,
    /// Whom it dials: the near ends of its links.
    pub connect: Vec<SocketAddr>,
}

/// One life of a node.
pub(super) struct Life {
    child: Child,
    /// Where its API is.
    pub http: SocketAddr,
    /// Where peers reach it.
    pub p2p: SocketAddr,
    /// The tip that it opened with.
    pub tip: BlockId,
}

/// The line that `archivas --json node` prints once it listens.
#[derive(Deserialize)]
struct Announcement {
    http: String,
    p2p: String,
    tip: AnnouncedTip,
}

#[derive(Deserialize)]
struct AnnouncedTip {
    hash: BlockId,
}

/// Starts a node and waits until it listens.
pub(super) async fn start(settings: &Settings) -> Result<Life, HarnessError> {
    let failed = |why: String| {
        let log = last_words(&settings.log);
        HarnessError(format!("a node did not start: {why}; it last said: {log}"))
    };
    let mut child = command(settings)
        .and_then(|mut command| command.spawn())
        .map_err(|error| failed(error.to_string()))?;
    let output = child.stdout.take().expect("standard output is a pipe");
    let mut line = String::new();
    let mut output = BufReader::new(output);
    match timeout(START_TIMEOUT, output.read_line(&mut line)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(failed(error.to_string())),
        Err(_) => return Err(failed("it announced nothing in time".to_owned())),
    }
    let announced: Announcement =
        serde_json::from_str(&line).map_err(|error| failed(format!("{error} in `{line}`")))?;
    let address = |text: &str| {
        let bare = text.strip_prefix("http://").unwrap_or(text);
        bare.parse::<SocketAddr>()
            .map_err(|_| failed(format!("`{text}` is no address")))
    };
    let (http, p2p) = (address(&announced.http)?, address(&announced.p2p)?);
    Ok(Life {
        child,
        http,
        p2p,
        tip: announced.tip.hash,
    })
}

fn command(settings: &Settings) -> std::io::Result<Command> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&settings.log)?;
    let mut command = Command::new(&settings.binary);
    command.args(["--json", "node", "--stop-on-eof"]);
    command.arg("--data-dir").arg(&settings.data);
    command.arg("--genesis").arg(&settings.genesis);
    command.args(["--http", "127.0.0.1:0", "--p2p", "127.0.0.1:0"]);
    // The links are the plan's and no others.
    command.arg("--connect-only");
    for peer in &settings.connect {
        command.arg("--connect").arg(peer.to_string());
    }
    // What was meant for a node of one's own is not meant for these.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARCHIVAS_") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    Ok(command)
}

/// The last line of a log.
pub(super) fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("nothing").to_owned()
}

impl Life {
    /// How it ended, if it did by itself.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGKILL, and waits until it is gone.
    pub(super) async fn kill(mut self) -> Result<(), HarnessError> {
        let killed = self.child.kill().await;
        killed.map_err(|error| HarnessError(format!("a node could not be killed: {error}")))
    }

    /// SIGTERM, and waits until it is gone: how it ended, `None` if it had to be killed.
    pub(super) async fn stop(mut self) -> Result<Option<ExitStatus>, HarnessError> {
        let pid = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)
                .map_err(|error| HarnessError(format!("a node takes no SIGTERM: {error}")))?;
        }
        match timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) => Ok(Some(status)),
            Ok(Err(error)) => Err(HarnessError(format!(
                "a node cannot be waited for: {error}"
            ))),
            Err(_) => self.kill().await.map(|()| None),
        }
    }

    /// One request to its API.
    pub(super) async fn http(&self, request: HttpRequest) -> Result<HttpAnswer, Unreachable> {
        let exchange = async {
            let stream = TcpStream::connect(self.http).await;
            let stream = stream.map_err(|error| Unreachable(format!("cannot connect: {error}")))?;
            exchange(stream, &self.http.to_string(), request).await
        };
        let late = |_| Unreachable(format!("no answer within {} s", HTTP_TIMEOUT.as_secs()));
        timeout(HTTP_TIMEOUT, exchange).await.map_err(late)?
    }
}
