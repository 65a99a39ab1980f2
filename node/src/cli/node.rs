//! `archivas node`: a whole node in this process, until it is told to stop.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use archivas_core::chain::Policy;
use archivas_core::params::{Genesis, Retarget, networks};
use archivas_core::primitives::{Address, Millis};
use clap::Args;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::{Global, genesis, report, version};
use crate::config::{Config, KEYS, Layer};
use crate::live::admin::AdminSocket;
use crate::live::clock::LiveClock;
use crate::live::data_dir::DataDir;
use crate::live::host::LiveHost;
use crate::live::machine::LiveMachine;
use crate::live::miner::{Miner, Pace};
use crate::live::record_file::RecordFile;
use crate::live::signals::{StopSignals, end_of_input};
use crate::live::{entropy, logging, supervisor};
use crate::ports::{Host, Spawner};
use crate::record::{RECORD_MIB_DEFAULT, Recording};
use crate::service::{self, Running, Settings};

/// A development chain's pause between blocks, unless told otherwise.
const DEV_BLOCK_TIME: Millis = Millis::from_secs(2);
/// A node stops within this, or something is wrong.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Flags of `archivas node`.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    #[command(flatten)]
    knobs: Knobs,
    /// Record everything that this node is told, for `archivas-sim replay`; no key is in it
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Where the recording ends
    #[arg(long, value_name = "MIB", requires = "record", default_value_t = RECORD_MIB_DEFAULT)]
    record_mib: u64,
}

/// Every knob of a node, as flags over the environment.
#[derive(Clone, Debug, Args)]
pub struct Knobs {
    #[command(flatten)]
    layer: Layer,
    /// Log more; twice for everything
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Log less; twice for errors only
    #[arg(short, long, action = clap::ArgAction::Count)]
    quiet: u8,
}

impl Knobs {
    /// All layers together.
    ///
    /// # Errors
    /// A usage failure when they contradict one another or the file is wrong.
    pub fn decide(&self, global: &Global) -> Result<Config, Failure> {
        let home = std::env::var_os("HOME");
        let layers = self.layer.clone().over(global.file()?);
        let mut config = Config::decide(layers, home.as_deref().map(Path::new))?;
        config.log = config.log.shifted(self.verbose, self.quiet);
        Ok(config)
    }

    /// Where each knob's value comes from, by its key: a flag, a variable, the file, or nobody.
    ///
    /// # Errors
    /// When the file is wrong.
    pub fn origins(&self, global: &Global) -> Result<BTreeMap<&'static str, String>, Failure> {
        let keys = |layer: &Layer| toml::Table::try_from(layer).expect("knobs are plain values");
        let (given, file) = (keys(&self.layer), keys(&global.file()?));
        let path = global.config.as_deref().unwrap_or(Path::new(""));
        let origin = |key: &'static str| {
            let flag = format!("--{key}");
            let variable = format!("ARCHIVAS_{}", key.replace('-', "_").to_uppercase());
            let with_value = format!("{flag}=");
            let by_flag = std::env::args().any(|arg| arg == flag || arg.starts_with(&with_value));
            let shifted = key == "log" && self.verbose + self.quiet > 0;
            match (given.contains_key(key), file.contains_key(key)) {
                _ if shifted => "flag -v or -q".to_owned(),
                (true, _) if by_flag => format!("flag {flag}"),
                (true, _) => format!("environment {variable}"),
                (false, true) => format!("file {}", path.display()),
                (false, false) => "default".to_owned(),
            }
        };
        Ok(KEYS.iter().map(|key| (*key, origin(key))).collect())
    }

    /// Who mines and when; `None` does not.
    ///
    /// # Errors
    /// A usage failure when the network leaves no choice of the pace.
    pub fn pace(
        &self,
        config: &Config,
        genesis: &Genesis,
    ) -> Result<Option<(Address, Pace)>, Failure> {
        if config.dev {
            let [_, _, miner] = networks::dev_keys();
            let pause = config.block_time.unwrap_or(DEV_BLOCK_TIME);
            let on_transfer = pause == Millis::new(0);
            let pace = if on_transfer {
                Pace::OnTransfer
            } else {
                Pace::Every(pause)
            };
            return Ok(Some((config.mine.unwrap_or_else(|| miner.address()), pace)));
        }
        let Some(producer) = config.mine else {
            return Ok(None);
        };
        match (genesis.rules.retarget, config.block_time) {
            (Retarget::Asert, None) => Ok(Some((producer, Pace::Work))),
            (Retarget::Asert, Some(_)) => Err(Failure::usage(format!(
                "on the network {} work alone paces blocks: leave out --block-time",
                genesis.network
            ))),
            (Retarget::Fixed, Some(time)) if time == Millis::new(0) => Err(Failure::usage(
                "--block-time 0 is for --dev: give a pause between blocks",
            )),
            (Retarget::Fixed, time) => {
                let mean = time.unwrap_or(genesis.rules.block_time);
                Ok(Some((producer, Pace::Drawn(mean))))
            }
        }
    }
}

/// Runs a node until a signal, the end of standard input where asked for, or a failure of the disk.
pub async fn run(args: NodeArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let mut signals = StopSignals::catch()
        .map_err(|error| Failure::disk(format!("cannot catch signals: {error}")))?;
    let config = args.knobs.decide(global)?;
    let genesis = genesis::load(&config.network)?;
    let mining = args.knobs.pace(&config, &genesis)?;
    logging::start(config.log.name(), config.log_json);

    let directory = DataDir::lock(&config.data_dir)?;
    let store = directory.open_store()?;
    let mut settings = settings(&config, &genesis).await?;
    settings.record = recording(&args)?;
    let host = LiveHost::start();
    let socket = admin_socket(&config.data_dir)?;
    let about = |failure: Failure| failure.about(&config.data_dir);
    let started = service::start(host.clone(), store, settings).await;
    let mut running = started.map_err(|error| about(error.into()))?;
    host.spawner().spawn(socket.serve(running.admin.clone()));
    announce(&config, &genesis, &running, output)?;
    supervisor::ready();
    host.spawner().spawn(supervisor::watchdog(
        running.commands.clone(),
        host.clock().clone(),
    ));
    host.spawner()
        .spawn(report::log_events(running.events.resubscribe()));
    if let Some((producer, pace)) = mining {
        host.spawner()
            .spawn(miner(&running, host.clock().clone(), producer, pace).run());
    }

    tokio::select! {
        biased;
        result = &mut running.done => {
            let result = result.expect("a panic ends the process before this");
            return result.map_err(|error| about(error.into()));
        }
        signal = signals.next() => tracing::info!("{signal}: stopping"),
        () = end_of_input(), if config.stop_on_eof => tracing::info!("end of input: stopping"),
    }
    supervisor::stopping();
    running.stop.cancel();
    // Further signals change nothing: the end is near in any case.
    match tokio::time::timeout(STOP_TIMEOUT, running.done).await {
        Ok(result) => {
            let result = result.expect("a panic ends the process before this");
            result.map_err(|error| about(error.into()))?;
        }
        Err(_) => {
            return Err(Failure::refused(
                "the node did not stop in time and was ended; what it acknowledged is saved",
            ));
        }
    }
    tracing::info!("stopped; everything is saved");
    drop(directory);
    Ok(())
}

fn admin_socket(data_dir: &Path) -> Result<AdminSocket, Failure> {
    AdminSocket::bind(data_dir).map_err(|error| {
        Failure::disk(format!(
            "cannot open the admin socket in {}: {error}; if the path is longer than about 90 bytes, \
             pass a shorter --data-dir",
            data_dir.display()
        ))
    })
}

fn recording(args: &NodeArgs) -> Result<Option<Arc<dyn Recording>>, Failure> {
    let Some(path) = &args.record else {
        return Ok(None);
    };
    let file = RecordFile::create(path, args.record_mib.saturating_mul(1 << 20));
    let file = file.map_err(|error| {
        let path = path.display();
        Failure::disk(format!(
            "cannot begin the recording {path}: {error}; a recording needs a new file"
        ))
    })?;
    Ok(Some(Arc::new(file)))
}

fn miner(running: &Running, clock: LiveClock, producer: Address, pace: Pace) -> Miner {
    let commands = running.commands.clone();
    let events = running.events.resubscribe();
    Miner {
        commands,
        tip: running.tip.clone(),
        events,
        producer,
        pace,
        clock,
    }
}

async fn settings(config: &Config, genesis: &Genesis) -> Result<Settings, Failure> {
    let mut connect = Vec::new();
    for peer in &config.connect {
        connect.push(resolve(peer).await?);
    }
    let seed = entropy::seed()
        .map_err(|error| Failure::disk(format!("the system gives no randomness: {error}")))?;
    Ok(Settings {
        genesis: genesis.clone(),
        p2p: config.p2p.address(),
        http: config.http.address(),
        metrics: config.metrics.address(),
        connect,
        discover: !config.connect_only,
        policy: Policy {
            prune: config.prune,
            tx_index: !config.no_txindex,
            ..Policy::default()
        },
        build: version::build_info(),
        seed,
        limits: config.limits.clone(),
        record: None,
        machine: Some(Arc::new(LiveMachine::new(config.data_dir.clone()))),
    })
}

/// The first address of a peer's name.
async fn resolve(peer: &str) -> Result<SocketAddr, Failure> {
    let found = tokio::net::lookup_host(peer)
        .await
        .map(|mut found| found.next());
    match found {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(Failure::usage(format!("the peer `{peer}` has no address"))),
        Err(error) => Err(Failure::usage(format!(
            "cannot find the peer `{peer}`: {error}; a peer is HOST:PORT"
        ))),
    }
}

/// Prints where to look. A supervisor reads this (with `--json`) to learn the bound ports.
fn announce(
    config: &Config,
    genesis: &Genesis,
    running: &Running,
    output: &Output,
) -> Result<(), Failure> {
    let tip = *running.tip.borrow();
    let keys = if config.dev {
        networks::dev_keys().to_vec()
    } else {
        Vec::new()
    };
    let value = json!({
        "network": genesis.network,
        "genesisHash": genesis.id().to_string(),
        "http": running.http_addr.map(|address| format!("http://{address}")),
        "metrics": running.metrics_addr.map(|address| format!("http://{address}/metrics")),
        "p2p": running.p2p_addr.map(|address| address.to_string()),
        "dataDir": config.data_dir,
        "tip": { "height": tip.height.get(), "hash": tip.id.to_string() },
        "devKeys": keys.iter().map(|key| key.address().to_string()).collect::<Vec<_>>(),
    });
    let mut text = format!(
        "archivas node on network {} (genesis {})\n  API    {}\n  peers  {}\n  data   {}\n  tip    \
         {} {}",
        genesis.network,
        genesis.id(),
        running
            .http_addr
            .map_or_else(|| "off".into(), |address| format!("http://{address}")),
        running
            .p2p_addr
            .map_or_else(|| "off".into(), |address| address.to_string()),
        config.data_dir.display(),
        tip.height.get(),
        tip.id,
    );
    for (number, key) in keys.iter().enumerate() {
        text.push_str(&format!("\n  --dev-key {number}  {}", key.address()));
    }
    if config.dev {
        text.push_str(
            "\nThe test keys are published and sign for `archivas` too: never hold anything with \
             them elsewhere.\nTry: archivas tx send --dev-key 0 --to ",
        );
        text.push_str(&format!("{} --amount 5RCHV --wait", keys[1].address()));
        if let Some(address) = running
            .http_addr
            .filter(|http| *http != crate::config::HTTP_DEFAULT)
        {
            text.push_str(&format!(" --node http://{address}"));
        }
    }
    // Whether anybody reads this is no business of the node.
    output.print(&value, text)?;
    Ok(())
}
