//! `archivas devnet up`: a local network of real nodes, each a process of its own, watched through
//! their APIs until Ctrl-C.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use archivas_core::params::{Genesis, networks};
use archivas_core::primitives::{Domain, Millis};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::process::{Child, ChildStdin, Command};

use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::output::{Output, Reader};
use crate::cli::state::text;
use crate::config::BlockTime;
use crate::live::clock::{self, LiveClock};
use crate::live::signals::StopSignals;
use crate::ports::Clock;

/// Pause between two looks at the nodes.
const LOOK: Millis = Millis::new(200);
/// A node answers within this after its start.
const START_TIMEOUT: Millis = Millis::from_secs(20);
/// A node that was asked to stop gets this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);
/// Where the ports of the nodes begin, when they are free.
const HTTP_PORT: u16 = 8080;
const P2P_PORT: u16 = 9090;

/// What to do with a local network.
#[derive(Debug, Subcommand)]
pub enum DevnetCommand {
    /// Start one and watch it; Ctrl-C stops all of its nodes
    Up(UpArgs),
}

/// Flags of `archivas devnet up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// How many nodes, each of which mines
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=32))]
    nodes: u16,
    /// Mean time between the network's blocks
    #[arg(long, value_name = "TIME", default_value = "3s")]
    block_time: BlockTime,
    /// Keep the network's data here and go on with what is there [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Stop, successfully, once all nodes agree on a tip of at least this height
    #[arg(long, value_name = "HEIGHT")]
    until_height: Option<u64>,
}

/// Runs `archivas devnet`.
pub async fn run(command: DevnetCommand, output: &Output) -> Result<(), Failure> {
    let DevnetCommand::Up(args) = command;
    let mut signals = StopSignals::catch()
        .map_err(|error| Failure::disk(format!("cannot catch signals: {error}")))?;
    let folder = Folder::prepare(args.data_dir.as_deref())?;
    let genesis = folder.genesis()?;
    let plan = Plan::new(&args, &folder)?;
    let mut nodes = Vec::new();
    for number in 0..plan.http.len() {
        nodes.push(plan.spawn(number)?);
    }
    let result = tokio::select! {
        biased;
        _ = signals.next() => Ok(()),
        result = watch(&mut nodes, &args, &genesis, output) => result,
    };
    stop(nodes).await;
    result
}

/// Where the network's files are.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn prepare(wanted: Option<&Path>) -> Result<Self, Failure> {
        let path = wanted.map_or_else(
            || std::env::temp_dir().join(format!("archivas-devnet-{}", std::process::id())),
            Path::to_owned,
        );
        std::fs::create_dir_all(&path)
            .map_err(|error| Failure::disk(format!("cannot create {}: {error}", path.display())))?;
        Ok(Self {
            path,
            temporary: wanted.is_none(),
        })
    }

    fn genesis_file(&self) -> PathBuf {
        self.path.join("genesis.json")
    }

    /// The genesis that is there, or a new one of this moment, which it writes.
    fn genesis(&self) -> Result<Genesis, Failure> {
        let file = self.genesis_file();
        if file.exists() {
            return super::genesis::load(&crate::config::Chosen::File(file));
        }
        let time = clock::wall();
        // A domain of its own: nothing signed here is worth anything elsewhere.
        let domain = format!("Archivas-Devnet-{}", time.as_secs());
        let domain: Domain = domain
            .parse()
            .expect("letters, digits and dashes, at most 32");
        let genesis = Genesis {
            network: "devnet".into(),
            domain,
            time,
            ..networks::dev()
        };
        std::fs::write(&file, genesis.to_json())
            .map_err(|error| Failure::disk(format!("cannot write {}: {error}", file.display())))?;
        Ok(genesis)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // Left-overs in the temporary directory hurt nobody.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Who listens where, and how a node is started.
struct Plan {
    program: PathBuf,
    folder: PathBuf,
    genesis: PathBuf,
    http: Vec<SocketAddr>,
    p2p: Vec<SocketAddr>,
    /// The mean pause of each miner: all of them together make the network's.
    pause: Millis,
}

/// One started node. It stops when its standard input ends, so also when we die.
struct Node {
    child: Child,
    input: Option<ChildStdin>,
    client: Client,
    url: String,
    log: PathBuf,
}

impl Plan {
    fn new(args: &UpArgs, folder: &Folder) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::disk(format!("cannot find this program: {error}")))?;
        Ok(Self {
            program,
            folder: folder.path.clone(),
            genesis: folder.genesis_file(),
            http: free_addresses(HTTP_PORT, args.nodes)?,
            p2p: free_addresses(P2P_PORT, args.nodes)?,
            pause: args.block_time.0.times(u64::from(args.nodes)),
        })
    }

    fn spawn(&self, number: usize) -> Result<Node, Failure> {
        let data = self.folder.join(format!("node-{number}"));
        let log = self.folder.join(format!("node-{number}.log"));
        let file = std::fs::File::create(&log)
            .map_err(|error| Failure::disk(format!("cannot create {}: {error}", log.display())))?;
        let miner = networks::dev_keys()[number % 3].address();
        let mut command = Command::new(&self.program);
        command
            .arg("node")
            .arg("--stop-on-eof")
            .arg("--genesis")
            .arg(&self.genesis);
        command
            .arg("--data-dir")
            .arg(data)
            .arg("--http")
            .arg(self.http[number].to_string());
        command
            .arg("--p2p")
            .arg(self.p2p[number].to_string())
            .arg("--mine");
        command
            .arg(miner.to_string())
            .arg("--block-time")
            .arg(format!("{}ms", self.pause.get()));
        for earlier in &self.p2p[..number] {
            command.arg("--connect").arg(earlier.to_string());
        }
        // What was meant for a node of one's own is not meant for these.
        for name in super::variables() {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            Failure::disk(format!("cannot start {}: {error}", self.program.display()))
        })?;
        let url = format!("http://{}", self.http[number]);
        Ok(Node {
            input: child.stdin.take(),
            child,
            client: Client::new(&url)?,
            url,
            log,
        })
    }
}

/// `count` loopback addresses with free ports: the usual ones if all of them are free, else any.
fn free_addresses(first: u16, count: u16) -> Result<Vec<SocketAddr>, Failure> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let usual: Result<Vec<_>, _> = (first..first + count).map(bind).collect();
    let bound = usual.or_else(|_| (0..count).map(|_| bind(0)).collect::<Result<Vec<_>, _>>());
    bound
        .and_then(|sockets| sockets.iter().map(TcpListener::local_addr).collect())
        .map_err(|error| Failure::refused(format!("no ports are free on loopback: {error}")))
}

/// Prints a row per change until the wanted height, a reader that has gone, or a node that died.
async fn watch(
    nodes: &mut [Node],
    args: &UpArgs,
    genesis: &Genesis,
    output: &Output,
) -> Result<(), Failure> {
    let clock = LiveClock::start();
    introduce(nodes, genesis, output)?;
    let mut shown = Vec::new();
    loop {
        let mut tips = Vec::new();
        for node in nodes.iter_mut() {
            if let Some(status) = node.child.try_wait().ok().flatten() {
                let log = std::fs::read_to_string(&node.log).unwrap_or_default();
                let last = log.lines().last().unwrap_or("its log is empty").to_owned();
                return Err(Failure::refused(format!(
                    "the node {} died ({status}): {last}",
                    node.url
                )));
            }
            tips.push(node.client.get_ok("/chainTip").await.ok());
        }
        let run_time = clock
            .now()
            .monotonic
            .since(archivas_core::primitives::Instant::new(0));
        if tips.iter().any(Option::is_none) {
            if run_time > START_TIMEOUT {
                return Err(Failure::unreachable(
                    "a node of the network does not answer",
                ));
            }
        } else if tips != shown {
            let row = Row {
                run_time,
                tips: &tips,
            };
            if output.print(&row.json(), row.text())? == Reader::Gone {
                return Ok(());
            }
            if args
                .until_height
                .is_some_and(|height| row.agreed_height() >= Some(height))
            {
                return Ok(());
            }
            shown = tips;
        }
        clock.sleep(LOOK).await;
    }
}

fn introduce(nodes: &[Node], genesis: &Genesis, output: &Output) -> Result<(), Failure> {
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    let logs: Vec<&Path> = nodes.iter().map(|node| node.log.as_path()).collect();
    let value = json!({ "genesisHash": genesis.id().to_string(), "nodes": urls, "logs": logs });
    let mut lines = format!("devnet of {} nodes, genesis {}", urls.len(), genesis.id());
    for (number, (url, log)) in urls.iter().zip(&logs).enumerate() {
        lines.push_str(&format!("\n  node {number}  {url}  log {}", log.display()));
    }
    for (number, key) in networks::dev_keys().iter().enumerate() {
        lines.push_str(&format!("\n  --dev-key {number}  {}", key.address()));
    }
    output.print(&value, lines)?;
    Ok(())
}

/// What the nodes say at one time.
struct Row<'a> {
    run_time: Millis,
    tips: &'a [Option<Value>],
}

impl Row<'_> {
    fn column(&self, key: &str) -> Vec<String> {
        let tips = self.tips.iter();
        tips.map(|tip| {
            tip.as_ref()
                .map_or_else(|| "-".into(), |tip| text(tip, key))
        })
        .collect()
    }

    fn agree(&self) -> bool {
        self.column("hash")
            .windows(2)
            .all(|pair| pair[0] == pair[1])
    }

    /// The height that all nodes agree on, if they do.
    fn agreed_height(&self) -> Option<u64> {
        self.agree()
            .then(|| self.column("height").first()?.parse().ok())
            .flatten()
    }

    fn json(&self) -> Value {
        json!({
            "ms": self.run_time.get(),
            "heights": self.column("height"),
            "hashes": self.column("hash"),
            "agree": self.agree(),
        })
    }

    fn text(&self) -> String {
        let hashes = self.column("hash");
        let mut row = format!("{:>7.1}s", self.run_time.get() as f64 / 1_000.0);
        for (height, hash) in self.column("height").iter().zip(&hashes) {
            let short = hash.get(..8).unwrap_or(hash);
            row.push_str(&format!("  {height:>6} {short}"));
        }
        row + if self.agree() { "  agree" } else { "  differ" }
    }
}

/// Ends every node's input, and every node that does not stop then.
async fn stop(mut nodes: Vec<Node>) {
    for node in &mut nodes {
        drop(node.input.take());
    }
    for mut node in nodes {
        if tokio::time::timeout(STOP_TIMEOUT, node.child.wait())
            .await
            .is_err()
        {
            // It is beyond asking; what it acknowledged is on its disk.
            let _ = node.child.kill().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(height: &str, hash: &str) -> Option<Value> {
        Some(json!({ "height": height, "hash": hash }))
    }

    #[test]
    fn nodes_agree_when_their_hashes_do() {
        let same = [tip("7", "aa"), tip("7", "aa")];
        let row = Row {
            run_time: Millis::new(1_500),
            tips: &same,
        };
        assert_eq!(row.agreed_height(), Some(7));
        assert!(row.text().ends_with("agree"), "{}", row.text());
        let fork = [tip("7", "aa"), tip("7", "bb")];
        let row = Row {
            run_time: Millis::new(1_500),
            tips: &fork,
        };
        assert_eq!(row.agreed_height(), None);
        assert!(row.text().ends_with("differ"), "{}", row.text());
    }

    #[test]
    fn free_addresses_are_all_different() {
        let mut found = free_addresses(HTTP_PORT, 8).expect("loopback has ports");
        found.dedup();
        assert_eq!(found.len(), 8);
    }

    #[test]
    fn a_new_network_has_a_domain_of_its_own() {
        let folder = Folder::prepare(None).expect("a temporary directory");
        let genesis = folder.genesis().expect("written");
        assert_ne!(genesis.domain, networks::dev().domain);
        assert_eq!(folder.genesis().expect("read back"), genesis);
    }
}
