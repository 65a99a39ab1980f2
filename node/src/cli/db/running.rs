//! The running node that has a database, asked over its admin socket.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::client::{Answer, Client};
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Meter;
use crate::live::clock::LiveClock;
use crate::ports::Clock;
use archivas_core::primitives::{Height, Millis};

/// How often a node is asked how far it is.
const PAUSE: Millis = Millis::new(100);

/// Whoever has the lock of a data directory, by its socket.
#[derive(Debug)]
pub struct RunningNode {
    client: Client,
    /// What is said when nobody answers there: then it is no node that has the lock.
    in_use: Failure,
}

impl RunningNode {
    /// The one that uses `data_dir`, which cannot be locked.
    pub fn new(data_dir: &Path, in_use: Failure) -> Self {
        let client = Client::admin(data_dir);
        Self { client, in_use }
    }

    /// What the node says at a path.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.take(self.client.get(path).await)
    }

    /// Has the node write a snapshot into a file, to its end.
    pub async fn export(&self, height: Height, file: &Path) -> Result<Value, Failure> {
        let file = std::path::absolute(file)
            .map_err(|error| Failure::refused(format!("cannot name the file: {error}")))?;
        let Some(file) = file.to_str() else {
            return Err(Failure::usage("the file's path is not Unicode"));
        };
        let wish = json!({ "height": height.get(), "file": file }).to_string();
        let mut answer = self.take(self.client.post("/admin/v1/snapshot", wish).await)?;
        let (mut meter, clock) = (Meter::new(), LiveClock::start());
        while answer["running"] == true {
            let phase = match answer["phase"].as_str() {
                Some("accounts") => "accounts",
                _ => "headers",
            };
            let done = answer["done"].as_u64().unwrap_or_default();
            meter.show(phase, done, answer["total"].as_u64());
            clock.sleep(PAUSE).await;
            answer = self.get("/admin/v1/snapshot/progress").await?;
        }
        Ok(answer)
    }

    fn take(&self, answer: Result<Answer, Failure>) -> Result<Value, Failure> {
        let answer = answer.map_err(|failure| match failure.exit {
            Exit::Unreachable => self.in_use.clone(),
            _ => failure,
        })?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let exit = match answer.body["code"].as_str() {
            Some("file" | "storage_failed") => Exit::Disk,
            Some("damaged") => Exit::Damaged,
            _ => Exit::Refused,
        };
        let sentence = answer.refusal().sentence;
        Err(Failure { exit, sentence })
    }
}
