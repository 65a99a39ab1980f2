//! What a local network is made of: its folder, its genesis, its addresses, its processes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use archivas_core::params::{Genesis, networks};
use archivas_core::primitives::{Domain, Millis};
use tokio::process::{Child, ChildStdin, Command};

use super::UpArgs;
use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::{genesis, variables};
use crate::config::Chosen;
use crate::live::clock;

/// Where the ports of the nodes begin, when they are free.
const HTTP_PORT: u16 = 8080;
const P2P_PORT: u16 = 9090;

/// Where the network's files are.
pub struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    /// Creates it where needed: `wanted`, which stays, or a temporary one, which goes.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn prepare(wanted: Option<&Path>) -> Result<Self, Failure> {
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
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn genesis(&self) -> Result<Genesis, Failure> {
        let file = self.genesis_file();
        if file.exists() {
            return genesis::load(&Chosen::File(file));
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
pub struct Plan {
    program: PathBuf,
    folder: PathBuf,
    genesis: PathBuf,
    http: Vec<SocketAddr>,
    p2p: Vec<SocketAddr>,
    /// The mean pause of each miner: all of them together make the network's.
    pause: Millis,
}

/// One started node. It stops when its standard input ends, so also when we die.
pub struct Node {
    /// The process.
    pub child: Child,
    /// Its standard input, until it is to stop.
    pub input: Option<ChildStdin>,
    /// Its API.
    pub client: Client,
    /// The API's URL.
    pub url: String,
    /// What it logs.
    pub log: PathBuf,
}

impl Plan {
    /// Decides on addresses and pace.
    ///
    /// # Errors
    /// When no ports are free, or the pace makes no sense.
    pub fn new(args: &UpArgs, folder: &Folder) -> Result<Self, Failure> {
        if args.block_time.0 == Millis::new(0) {
            return Err(Failure::usage("--block-time must not be 0"));
        }
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

    /// Starts the node of this number.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn spawn(&self, number: usize) -> Result<Node, Failure> {
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
        for name in variables() {
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

#[cfg(test)]
mod tests {
    use super::*;

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
