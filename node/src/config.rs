//! Local knobs of a node, never a consensus number: defaults, under a TOML file, under `ARCHIVAS_…`
//! environment variables, under flags. Keys of the file are the flags' names; a key that means
//! nothing is an error that names the nearest one.

mod values;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use archivas_core::primitives::{Address, Millis};
use serde::{Deserialize, Serialize};

use crate::http::Limits;
pub use values::{BlockTime, ListenOn, LogLevel, MineTo, NetworkName};

/// One layer of knobs: the file, or the flags over the environment. Absent means "as below".
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Layer {
    /// Directory of the node's data [default: ~/.archivas/NETWORK]
    #[arg(long, env = "ARCHIVAS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Built-in network [default: archivas]
    #[arg(long, env = "ARCHIVAS_NETWORK")]
    pub network: Option<NetworkName>,
    /// Genesis file of a network that is not built in
    #[arg(long, env = "ARCHIVAS_GENESIS", value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// Address of the HTTP API, or `off` [default: 127.0.0.1:8080]
    #[arg(long, env = "ARCHIVAS_HTTP", value_name = "ADDR")]
    pub http: Option<ListenOn>,
    /// Address that serves /metrics and nothing else, or `off` [default: off; the API has it too]
    #[arg(long, env = "ARCHIVAS_METRICS", value_name = "ADDR")]
    pub metrics: Option<ListenOn>,
    /// Requests a second that one client of the API may make, ten times as many at once; 0 does not
    /// limit them [default: 100]
    #[arg(long, env = "ARCHIVAS_HTTP_RATE", value_name = "NUMBER")]
    pub http_rate: Option<u32>,
    /// Proxy whose X-Forwarded-For names the client, by its address; may be repeated or a list with
    /// commas
    #[arg(
        long,
        env = "ARCHIVAS_TRUSTED_PROXY",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub trusted_proxy: Option<Vec<IpAddr>>,
    /// Address for peers, or `off` [default: 0.0.0.0:9090; with --dev: off]
    #[arg(long, env = "ARCHIVAS_P2P", value_name = "ADDR")]
    pub p2p: Option<ListenOn>,
    /// Peer to stay connected with, HOST:PORT; may be repeated or a list with commas
    #[arg(
        long,
        env = "ARCHIVAS_CONNECT",
        value_name = "PEER",
        value_delimiter = ','
    )]
    pub connect: Option<Vec<String>>,
    /// Connect with those peers only: look for no others, whatever peers tell
    #[arg(long, env = "ARCHIVAS_CONNECT_ONLY", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    pub connect_only: Option<bool>,
    /// Mine, with the reward to this address
    #[arg(long, env = "ARCHIVAS_MINE", value_name = "ADDRESS")]
    pub mine: Option<MineTo>,
    /// Pause between mined blocks, such as 500ms, 20s or 2m, on networks with fixed bits; with
    /// --dev 0 mines when a transfer arrives [default: the network's, with --dev 2s]
    #[arg(long, env = "ARCHIVAS_BLOCK_TIME", value_name = "TIME")]
    pub block_time: Option<BlockTime>,
    /// A chain of one node that mines by itself, with three funded test keys
    #[arg(long, env = "ARCHIVAS_DEV", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    pub dev: Option<bool>,
    /// Stop when standard input ends, for programs that run a node
    #[arg(long, env = "ARCHIVAS_STOP_ON_EOF", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    pub stop_on_eof: Option<bool>,
    /// Keep no bodies of blocks that can no longer be reverted, nor what the indexes say of them
    #[arg(long, env = "ARCHIVAS_PRUNE", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    pub prune: Option<bool>,
    /// Keep no index of transfers by hash and by account; a data directory is made with it or without
    #[arg(long, env = "ARCHIVAS_NO_TXINDEX", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    pub no_txindex: Option<bool>,
    /// Log level on standard error [default: info]
    #[arg(long, env = "ARCHIVAS_LOG", value_name = "LEVEL")]
    pub log: Option<LogLevel>,
    /// Log one JSON object a line
    #[arg(long, env = "ARCHIVAS_LOG_JSON", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL")]
    pub log_json: Option<bool>,
}

/// Keys of the file, for suggestions.
pub const KEYS: [&str; 18] = [
    "data-dir",
    "network",
    "genesis",
    "http",
    "metrics",
    "http-rate",
    "trusted-proxy",
    "p2p",
    "connect",
    "connect-only",
    "mine",
    "block-time",
    "dev",
    "stop-on-eof",
    "prune",
    "no-txindex",
    "log",
    "log-json",
];

/// A configuration that cannot be used; the sentence says where and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl Layer {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key or value that means nothing.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(format!(
                "cannot read the configuration {}: {error}",
                path.display()
            ))
        })?;
        Self::from_toml(&text).map_err(|error| {
            ConfigError(format!("the configuration {}, {}", path.display(), error.0))
        })
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// As `from_file`, with the line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let before = error
                .span()
                .and_then(|span| text.get(..span.start))
                .unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let message = error.message().lines().next().unwrap_or("not TOML");
            let known = toml::from_str::<toml::Table>(text).ok();
            let unknown = known.iter().flat_map(toml::Table::keys).find_map(|key| {
                (!KEYS.contains(&key.as_str()))
                    .then(|| format!("unknown key `{key}`{}", suggestion(key, &KEYS)))
            });
            ConfigError(format!(
                "line {line}: {}",
                unknown.unwrap_or_else(|| message.to_owned())
            ))
        })
    }

    /// This layer where it says something, `below` elsewhere. The three ways to choose a network
    /// hide one another as one.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let chosen = self.network.is_some() || self.genesis.is_some() || self.dev == Some(true);
        let below_network = if chosen {
            (None, None, None)
        } else {
            (below.network, below.genesis, below.dev)
        };
        Self {
            network: self.network.or(below_network.0),
            genesis: self.genesis.or(below_network.1),
            dev: self.dev.or(below_network.2),
            data_dir: self.data_dir.or(below.data_dir),
            http: self.http.or(below.http),
            metrics: self.metrics.or(below.metrics),
            http_rate: self.http_rate.or(below.http_rate),
            trusted_proxy: self.trusted_proxy.or(below.trusted_proxy),
            p2p: self.p2p.or(below.p2p),
            connect: self.connect.or(below.connect),
            connect_only: self.connect_only.or(below.connect_only),
            mine: self.mine.or(below.mine),
            block_time: self.block_time.or(below.block_time),
            stop_on_eof: self.stop_on_eof.or(below.stop_on_eof),
            prune: self.prune.or(below.prune),
            no_txindex: self.no_txindex.or(below.no_txindex),
            log: self.log.or(below.log),
            log_json: self.log_json.or(below.log_json),
        }
    }
}

/// ` (did you mean …?)` when one of `known` is near.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .min();
    match near {
        Some((distance, name)) if distance <= 3 => format!(" (did you mean `{name}`?)"),
        _ => format!(" (known are {})", known.join(", ")),
    }
}

/// Which network a node joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// A built-in one.
    BuiltIn(NetworkName),
    /// That of a genesis file.
    File(PathBuf),
}

/// Every knob, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the data is.
    pub data_dir: PathBuf,
    /// The network.
    pub network: Chosen,
    /// A chain of one node.
    pub dev: bool,
    /// For HTTP clients.
    pub http: ListenOn,
    /// For whoever reads metrics only.
    pub metrics: ListenOn,
    /// How much each of them may take.
    pub limits: Limits,
    /// For peers.
    pub p2p: ListenOn,
    /// Peers to stay connected with, unresolved.
    pub connect: Vec<String>,
    /// Look for no others.
    pub connect_only: bool,
    /// Where rewards go, when mining.
    pub mine: Option<Address>,
    /// Pause between mined blocks, if not the network's.
    pub block_time: Option<Millis>,
    /// Stop with standard input.
    pub stop_on_eof: bool,
    /// Whether old bodies are let go of.
    pub prune: bool,
    /// Keep no index of transfers.
    pub no_txindex: bool,
    /// How much is logged.
    pub log: LogLevel,
    /// As JSON.
    pub log_json: bool,
}

/// Where the API listens unless told otherwise.
pub const HTTP_DEFAULT: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
/// Where peers connect unless told otherwise.
pub const P2P_DEFAULT: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 9090);

impl Config {
    /// Fills the gaps of the layers with defaults and refuses what contradicts itself. `home` is
    /// the user's directory, if there is one.
    ///
    /// # Errors
    /// A sentence that says which knobs contradict one another, or which is missing.
    pub fn decide(layer: Layer, home: Option<&Path>) -> Result<Self, ConfigError> {
        let dev = layer.dev.unwrap_or(false);
        let network = match (dev, layer.network, layer.genesis) {
            (true, None | Some(NetworkName::Dev), None) => Chosen::BuiltIn(NetworkName::Dev),
            (false, network, None) => Chosen::BuiltIn(network.unwrap_or(NetworkName::Archivas)),
            (false, None, Some(file)) => Chosen::File(file),
            _ => {
                return Err(ConfigError(
                    "`dev`, `network` and `genesis` each choose the network: give one of them"
                        .into(),
                ));
            }
        };
        if layer.block_time.is_some() && layer.mine.is_none() && !dev {
            return Err(ConfigError(
                "`block-time` paces mining: give `mine` or `dev` with it, or leave it out".into(),
            ));
        }
        let data_dir = match (layer.data_dir, home, &network) {
            (Some(dir), _, _) => dir,
            (None, Some(home), Chosen::BuiltIn(name)) => home.join(".archivas").join(name.name()),
            (None, _, Chosen::File(_)) => {
                return Err(ConfigError(
                    "a network from a genesis file has no usual place: pass --data-dir".into(),
                ));
            }
            (None, None, _) => {
                return Err(ConfigError(
                    "there is no home directory: pass --data-dir".into(),
                ));
            }
        };
        let p2p = if dev {
            ListenOn::Off
        } else {
            ListenOn::At(P2P_DEFAULT)
        };
        Ok(Self {
            data_dir,
            network,
            dev,
            http: layer.http.unwrap_or(ListenOn::At(HTTP_DEFAULT)),
            metrics: layer.metrics.unwrap_or(ListenOn::Off),
            limits: Limits {
                rate: layer.http_rate.unwrap_or(Limits::default().rate),
                trusted_proxies: layer.trusted_proxy.unwrap_or_default(),
            },
            p2p: layer.p2p.unwrap_or(p2p),
            connect: layer.connect.unwrap_or_default(),
            connect_only: layer.connect_only.unwrap_or(dev),
            mine: layer.mine.map(|to| to.0),
            block_time: layer.block_time.map(|time| time.0),
            prune: layer.prune.unwrap_or(false),
            no_txindex: layer.no_txindex.unwrap_or(false),
            stop_on_eof: layer.stop_on_eof.unwrap_or(false),
            log: layer.log.unwrap_or(LogLevel::Info),
            log_json: layer.log_json.unwrap_or(false),
        })
    }

    /// The same as a layer that says everything, for `config show`.
    pub fn to_layer(&self) -> Layer {
        let (network, genesis) = match &self.network {
            Chosen::BuiltIn(_) if self.dev => (None, None),
            Chosen::BuiltIn(name) => (Some(*name), None),
            Chosen::File(file) => (None, Some(file.clone())),
        };
        Layer {
            data_dir: Some(self.data_dir.clone()),
            network,
            genesis,
            http: Some(self.http),
            metrics: Some(self.metrics),
            http_rate: Some(self.limits.rate),
            trusted_proxy: Some(self.limits.trusted_proxies.clone()),
            p2p: Some(self.p2p),
            connect: Some(self.connect.clone()),
            connect_only: Some(self.connect_only),
            mine: self.mine.map(MineTo),
            block_time: self.block_time.map(BlockTime),
            dev: Some(self.dev),
            prune: Some(self.prune),
            no_txindex: Some(self.no_txindex),
            stop_on_eof: Some(self.stop_on_eof),
            log: Some(self.log),
            log_json: Some(self.log_json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(text: &str, flags: Layer) -> Result<Config, ConfigError> {
        let file = Layer::from_toml(text)?;
        Config::decide(flags.over(file), Some(Path::new("/home/me")))
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let flags = Layer {
            http: Some("127.0.0.1:1".parse().expect("ok")),
            ..Layer::default()
        };
        let config = decided("http = '127.0.0.1:2'\np2p = 'off'", flags).expect("ok");
        assert_eq!(config.http, "127.0.0.1:1".parse().expect("ok"));
        assert_eq!(config.p2p, ListenOn::Off);
        assert_eq!(config.log, LogLevel::Info);
        assert_eq!(config.data_dir, Path::new("/home/me/.archivas/archivas"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_key() {
        let error = decided("p2p = 'off'\ndatadir = 'x'", Layer::default()).expect_err("unknown");
        assert_eq!(
            error.0,
            "line 2: unknown key `datadir` (did you mean `data-dir`?)"
        );
    }

    #[test]
    fn a_bad_value_is_refused_with_its_line() {
        let error = decided("\nhttp = 'here'", Layer::default()).expect_err("no address");
        assert!(
            error.0.starts_with("line 2: `here` is not IP:PORT"),
            "{}",
            error.0
        );
    }

    #[test]
    fn a_network_chosen_by_flag_replaces_the_choice_of_the_file() {
        let flags = Layer {
            network: Some(NetworkName::Testnet),
            ..Layer::default()
        };
        let config = decided("genesis = 'g.json'", flags).expect("the flag decides");
        assert_eq!(config.network, Chosen::BuiltIn(NetworkName::Testnet));
        decided("genesis = 'g.json'\nnetwork = 'dev'", Layer::default()).expect_err("two choices");
    }

    #[test]
    fn a_block_time_without_mining_is_refused() {
        decided("block-time = '2s'", Layer::default()).expect_err("it would have no effect");
        let config = decided("block-time = '2s'\ndev = true", Layer::default()).expect("paces dev");
        assert_eq!(config.block_time, Some(Millis::from_secs(2)));
    }

    #[test]
    fn every_key_of_the_file_is_a_field_and_what_is_shown_reads_back() {
        let config = decided("dev = true\nblock-time = '0'", Layer::default()).expect("ok");
        let shown = toml::to_string(&config.to_layer()).expect("plain values");
        assert_eq!(
            decided(&shown, Layer::default()).expect("reads back"),
            config
        );
        for key in KEYS {
            let error = Layer::from_toml(&format!("{key} = {{}}")).expect_err("no table");
            assert!(!error.0.contains("unknown"), "{key}: {}", error.0);
        }
    }
}
