//! A client of a node's HTTP API: one request, one connection, bounded in time and size.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};

use crate::cli::exit::Failure;
use crate::live::admin::SOCKET;
use crate::ports::LocalStream;

/// A node on a sane network answers by then.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A node's API.
#[derive(Clone, Debug)]
pub struct Client {
    door: Door,
}

/// Where a node listens.
#[derive(Clone, Debug)]
enum Door {
    /// Its API, at `host:port`.
    Api(String),
    /// Its admin socket.
    Admin(PathBuf),
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: Value,
}

impl Client {
    /// A client of the node at `url` (`http://host:port`).
    ///
    /// # Errors
    /// A usage failure when the URL is of another form.
    pub fn new(url: &str) -> Result<Self, Failure> {
        let wanted = || Failure::usage(format!("`{url}` is not of the form http://HOST:PORT"));
        let rest = url.strip_prefix("http://").ok_or_else(wanted)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => host,
            _ => return Err(wanted()),
        };
        if host.is_empty() || host.contains(['/', '@', '?', '#', ' ']) {
            return Err(wanted());
        }
        Ok(Self {
            door: Door::Api(authority.to_owned()),
        })
    }

    /// The operator's own client: through the admin socket in a node's data directory.
    pub fn admin(data_dir: &Path) -> Self {
        Self {
            door: Door::Admin(data_dir.join(SOCKET)),
        }
    }

    /// GETs `path`, whatever the status.
    ///
    /// # Errors
    /// `Unreachable` when no JSON answer came.
    pub async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.request(Method::GET, path, Bytes::new()).await
    }

    /// GETs `path` and takes nothing but 200.
    ///
    /// # Errors
    /// `Unreachable` when no answer came, `Refused` with the API's sentence otherwise.
    pub async fn get_ok(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.get(path).await?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(answer.refusal())
        }
    }

    /// POSTs a JSON body to `path` and takes nothing but 200.
    ///
    /// # Errors
    /// `Unreachable` when no answer came, `Refused` with the API's sentence otherwise.
    pub async fn post_ok(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.post(path, body.to_string()).await?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(answer.refusal())
        }
    }

    /// POSTs a JSON body to `path`, whatever the status.
    ///
    /// # Errors
    /// `Unreachable` when no JSON answer came.
    pub async fn post(&self, path: &str, body: String) -> Result<Answer, Failure> {
        self.request(Method::POST, path, Bytes::from(body)).await
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.host())
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .body(Full::new(body))
            .map_err(|_| Failure::usage(format!("`{path}` cannot be part of a URL")))?;
        let why = match tokio::time::timeout(TIMEOUT, self.exchange(request)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
        };
        Err(Failure::unreachable(match &self.door {
            Door::Api(authority) => format!(
                "cannot reach a node at http://{authority}: {why}; start one with `archivas node`, \
                 or pass --node URL"
            ),
            Door::Admin(path) => format!(
                "cannot reach a node through {}: {why}; run this as the node's user, with the \
                 --data-dir (or --network, --dev) that the node has",
                path.display()
            ),
        }))
    }

    fn host(&self) -> &str {
        match &self.door {
            Door::Api(authority) => authority,
            Door::Admin(_) => "admin",
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn LocalStream>> {
        Ok(match &self.door {
            Door::Api(authority) => Box::new(TcpStream::connect(authority).await?),
            Door::Admin(path) => Box::new(UnixStream::connect(path).await?),
        })
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let answer = async move {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await?;
            let body = serde_json::from_slice(&body.to_bytes())
                .map_err(|_| format!("what answers (status {status}) is not an Archivas node"))?;
            Ok(Answer { status, body })
        };
        // The connection works while the answer is waited for, and ends with it.
        tokio::join!(connection, answer).1
    }
}

impl Answer {
    /// What the API said against it, as a failure.
    pub fn refusal(&self) -> Failure {
        let error = self.body.get("error").and_then(Value::as_str);
        Failure::refused(match error {
            Some(sentence) => sentence.to_owned(),
            None => format!("the node answered with status {}", self.status),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn only_plain_http_urls_with_a_port_are_taken() {
        for good in [
            "http://127.0.0.1:8080",
            "http://node:1/",
            "http://[::1]:8080",
        ] {
            assert!(Client::new(good).is_ok(), "{good}");
        }
        for bad in [
            "127.0.0.1:8080",
            "https://a:1",
            "http://a",
            "http://:1",
            "http://a/b:1",
        ] {
            assert_eq!(Client::new(bad).expect_err(bad).exit, Exit::Usage);
        }
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback binds");
        let address = free.local_addr().expect("bound");
        drop(free);
        let client = Client::new(&format!("http://{address}")).expect("a URL");
        assert_eq!(
            client.get("/chainTip").await.expect_err("closed").exit,
            Exit::Unreachable
        );
    }
}
