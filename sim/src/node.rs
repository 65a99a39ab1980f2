//! One simulated node: its machine, its disk, and its lives, each of which is the real service on a
//! madsim node of its own. Here are the ways in which a life begins and ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use archivas::ports::{Command, Spawner};
use archivas::service::{self, Running, Settings, StartError};
use archivas::store::Store;
use archivas_core::chain::Policy;
use archivas_core::node::TipInfo;
use archivas_core::params::Genesis;
use archivas_core::primitives::Address;
use archivas_core::probes::Probes;
use archivas_core::storage::StorageError;
use archivas_scenarios::draws::Draws;
use archivas_scenarios::plan;
use archivas_scenarios::world::NodeIndex;
use madsim::runtime::{Handle, NodeHandle};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::agenda::Agenda;
use crate::checker::{NodeChecker, Slower};
use crate::clock::{NodeClock, SharedSkew, Skew};
use crate::disk::{Disk, Fault, Survival};
use crate::faults::{KILL_WHILE_WRITING, POWER_LOSS_WHILE_WRITING};
use crate::feed::{Feed, Listener};
use crate::host::NodeHost;
pub use crate::host::{EPOCH, HTTP_PORT, P2P_PORT};
use crate::miner;
use crate::network::{Net, address_of};
use crate::spawner::{Blame, NodeSpawner, Polls};
use crate::trace::{Kind, Trace};

mod knobs;

/// The bound of each node's page cache, in bytes; it grows on demand.
const CACHE_BYTES_MAX: usize = 16 << 20;
/// Kill only marks tasks; they are dropped when the executor next sees them, in drawn order.
const BURIAL_NS: u64 = 1_000_000;
/// About as many operations of a disk as a block takes to be stored: 15 to 22 were counted.
const OPERATIONS_A_BLOCK: u64 = 20;
/// A node that is asked to stop has this long (interfaces.md: 5 s).
const STOP_NS_MAX: u64 = 5_000_000_000;

/// What all nodes of a run share.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Virtual time.
    pub agenda: Agenda,
    /// The run's draws.
    pub draws: Draws,
    /// The run's digest.
    pub trace: Trace,
    /// The network.
    pub net: Net,
    /// What nodes say.
    pub feed: Feed,
    /// Who panicked.
    pub blame: Blame,
    /// The network's genesis.
    pub genesis: Genesis,
    /// Whether nodes look for others beside their links.
    pub discover: bool,
}

/// A node, alive or not.
#[derive(Debug)]
pub struct SimNode {
    around: Surroundings,
    /// Its place in the plan.
    pub index: NodeIndex,
    number: u16,
    /// Its name in the plan.
    pub name: String,
    /// The machines that it dials.
    pub dials: Vec<u16>,
    /// Where its rewards go.
    pub producer: Address,
    skew: SharedSkew,
    slower: Slower,
    cache_bytes: usize,
    policy: Policy,
    paused: bool,
    disk: Disk,
    /// Every poll of its tasks, over all lives.
    pub polls: Polls,
    /// Counts its lives, from 1.
    pub lives: u64,
    life: Option<Life>,
    /// Probes of all its lives.
    probes: Vec<Probes>,
}

/// One life of a node.
pub struct Life {
    home: NodeHandle,
    /// The service's loop.
    pub commands: mpsc::Sender<Command>,
    /// The tip that it tells.
    pub tip: watch::Receiver<TipInfo>,
    /// Its database, for judges.
    pub store: Store,
    /// Asks the loop to end.
    pub(crate) stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life").finish_non_exhaustive()
    }
}

/// Why a life did not begin.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The database cannot be opened.
    #[error("the database does not open: {0}")]
    Store(#[from] StorageError),
    /// The service did not start.
    #[error(transparent)]
    Service(#[from] StartError),
    /// The task that starts it is gone.
    #[error("it died while it was starting")]
    Died,
}

/// How a life that was asked to stop has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// In time.
    Stopped,
    /// Not within five seconds; it was killed.
    TooSlow,
}

impl SimNode {
    /// A node without a life, on a machine that is on the network.
    #[must_use]
    pub fn new(
        around: Surroundings,
        index: NodeIndex,
        plan: &plan::Node,
        dials: Vec<u16>,
        producer: Address,
    ) -> Self {
        let name = plan.name.as_str();
        let number = u16::try_from(index.0).expect("plans have far fewer nodes");
        around
            .net
            .with(|board| board.add(number, name, address_of(number)));
        let disk = Disk::new(number, name, around.draws.clone(), around.trace.clone());
        let net = around.net.clone();
        disk.on_end(move |fault| {
            net.with(|board| match fault {
                Fault::PowerLoss => board.power_off(number),
                _ => board.end_process(number),
            });
        });
        let usual = Skew::draw(&around.draws, name);
        let skew = Skew {
            offset_ms: plan.offset_ms.unwrap_or(usual.offset_ms),
            drift_ppm: plan.drift_ppm.unwrap_or(usual.drift_ppm),
        };
        let (name, skew) = (name.into(), skew.into());
        Self {
            around,
            index,
            number,
            name,
            dials,
            producer,
            skew,
            slower: Slower::default(),
            cache_bytes: CACHE_BYTES_MAX,
            policy: Policy::default(),
            paused: false,
            disk,
            polls: Polls::default(),
            lives: 0,
            life: None,
            probes: Vec::new(),
        }
    }

    /// Its number in traces and on the network.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Its disk.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The life it is living; `None` as well when its loop has ended by itself.
    #[must_use]
    pub fn life(&self) -> Option<&Life> {
        self.life.as_ref().filter(|life| !life.commands.is_closed())
    }

    /// Whether the loop of the life that it should be living is there; `None` when it should be down,
    /// or its disk excuses the end.
    #[must_use]
    pub fn runs_on(&self) -> Option<bool> {
        let life = self.life.as_ref().filter(|_| !self.disk.has_failed());
        life.map(|life| !life.commands.is_closed())
    }

    /// Where its API is.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        SocketAddr::new(address_of(self.number), HTTP_PORT)
    }

    /// Begins a life on whatever is on the disk, in the place of one that has ended by itself.
    ///
    /// # Errors
    /// When the database or the service does not start; the node then has no life.
    pub async fn start(&mut self) -> Result<(), NotStarted> {
        self.end().await;
        self.lives += 1;
        self.note("start");
        self.around.net.with(|board| board.power_on(self.number));
        let name = format!("{}-{}", self.name, self.lives);
        let home = Handle::current().create_node().name(name).build();
        let host = self.host(&home);
        let (began, begun) = oneshot::channel();
        let (disk, settings, cache) = (self.disk.clone(), self.settings(), self.cache_bytes);
        host.spawner.clone().spawn(async move {
            // Whoever waits for it lives as long as the run.
            let _ = began.send(begin(host, &disk, settings, cache).await);
        });
        let result = begun.await.unwrap_or(Err(NotStarted::Died));
        match result {
            Ok((running, store)) => {
                self.probes.push(running.probes.clone());
                self.life = Some(self.watch(home, running, store));
                Ok(())
            }
            Err(error) => {
                self.bury(&home).await;
                Err(error)
            }
        }
    }

    /// Ends the life as SIGKILL does, often in the middle of writing a block: at this instant, and
    /// with nothing said or written after it.
    pub async fn kill(&mut self) {
        self.note("kill");
        self.end_while_writing(Fault::Kill).await;
        self.end().await;
    }

    /// Ends the life at this instant, if there is one.
    pub async fn end(&mut self) {
        self.pause(false);
        if let Some(life) = self.life.take() {
            self.bury(&life.home).await;
        }
    }

    /// Ends the life as a power failure does, often in the middle of writing a block: the machine is
    /// silent from then on, and of what was not synced only some is left.
    pub async fn lose_power(&mut self) -> Survival {
        self.note("power_loss");
        self.end_while_writing(Fault::PowerLoss).await;
        let struck = self.disk.take_struck();
        let survival = struck.unwrap_or_else(|| self.disk.lose_power());
        self.around.net.with(|board| board.power_off(self.number));
        self.end().await;
        survival
    }

    /// A node that waits has nothing in doubt: to be hit where it hurts, three times of four it mines
    /// a block and is hit at a drawn operation of storing it, or just after.
    async fn end_while_writing(&self, fault: Fault) {
        let mut draw = self
            .around
            .draws
            .draw("node.end", self.name.as_bytes(), self.lives);
        let (at_once, operation) = (draw.range(0..4) == 0, draw.range(0..OPERATIONS_A_BLOCK));
        let Some(life) = self.life().filter(|_| !at_once && !self.paused) else {
            return;
        };
        let operation = self.disk.operations() + operation;
        self.disk.arm(operation, fault);
        tokio::select! {
            biased;
            // Whether a block came of it is the draw's business.
            _ = miner::mine(&life.commands, self.producer, self.around.trace.meter()) => {}
            () = self.around.agenda.sleep(STOP_NS_MAX) => {}
        }
        self.disk.disarm_at(operation);
        if self.disk.has_failed() {
            self.around.trace.count(match fault {
                Fault::PowerLoss => POWER_LOSS_WHILE_WRITING,
                _ => KILL_WHILE_WRITING,
            });
        }
    }

    /// Asks the node to stop, and waits until it and all that it holds are gone.
    pub async fn stop(&mut self) -> Farewell {
        self.note("stop");
        self.pause(false);
        let Some(life) = self.life.take() else {
            return Farewell::Stopped;
        };
        let Life {
            home,
            store,
            stop,
            ended,
            ..
        } = life;
        stop.cancel();
        let farewell = tokio::select! {
            biased;
            _ = ended => Farewell::Stopped,
            () = self.around.agenda.sleep(STOP_NS_MAX) => Farewell::TooSlow,
        };
        // The last hold on the database: it closes here, while its disk still listens.
        drop(store);
        self.bury(&home).await;
        farewell
    }

    /// Cuts a life off from disk and network, in this instant, and then drops its tasks.
    async fn bury(&self, home: &NodeHandle) {
        self.disk.unplug();
        self.around.net.with(|board| board.end_process(self.number));
        Handle::current().kill(home.id());
        self.around.agenda.sleep(BURIAL_NS).await;
    }

    /// Listens to a life that has begun.
    fn watch(&self, home: NodeHandle, running: Running, store: Store) -> Life {
        let Surroundings {
            agenda,
            trace,
            feed,
            ..
        } = self.around.clone();
        let (node, number, life) = (self.index, self.number, self.lives);
        let disk = self.disk.clone();
        disk.listen_to(running.tip.clone());
        let listener = Listener {
            feed,
            agenda,
            trace,
            disk,
            node,
            number,
            life,
            current: self.around.blame.current.clone(),
        };
        let Running {
            commands,
            tip,
            events,
            stop,
            done,
            ..
        } = running;
        let (over, ended) = oneshot::channel();
        drop(madsim::task::spawn(async move {
            listener.hear(events, done).await;
            // Nobody may be waiting.
            let _ = over.send(());
        }));
        Life {
            home,
            commands,
            tip,
            store,
            stop,
            ended,
        }
    }

    fn host(&self, home: &NodeHandle) -> NodeHost {
        let Surroundings {
            agenda,
            draws,
            trace,
            net,
            blame,
            ..
        } = self.around.clone();
        let (disk, board, number, id) = (self.disk.clone(), net.clone(), self.number, home.id());
        let end = move || {
            disk.unplug();
            board.with(|board| board.end_process(number));
            Handle::current().kill(id);
        };
        let spawner = NodeSpawner::new(home.clone(), number, blame);
        let spawner = spawner.counted(self.polls.clone(), end);
        let skew = self.skew.clone();
        let clock = NodeClock::new(agenda.clone(), trace.clone(), number, skew, EPOCH);
        let (around, life) = ((agenda, draws, trace), (self.name.as_str(), self.lives));
        let checker = NodeChecker::new(around, spawner.clone(), number, life, self.slower.clone());
        NodeHost {
            clock,
            network: net.at(self.number),
            spawner,
            checker,
            disk: self.disk.clone(),
        }
    }

    fn settings(&self) -> Settings {
        let anywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let peer = |machine: &u16| SocketAddr::new(address_of(*machine), P2P_PORT);
        let mut seed = [0; 32];
        self.around
            .draws
            .draw("node.seed", self.name.as_bytes(), self.lives)
            .fill(&mut seed);
        Settings {
            genesis: self.around.genesis.clone(),
            p2p: Some(SocketAddr::new(anywhere, P2P_PORT)),
            http: Some(SocketAddr::new(anywhere, HTTP_PORT)),
            connect: self.dials.iter().map(peer).collect(),
            discover: self.around.discover,
            policy: self.policy,
            build: crate::host::constant_build(),
            seed,
            machine: None,
            record: None,
            limits: archivas::http::Limits::default(),
            metrics: None,
        }
    }

    fn note(&self, what: &str) {
        self.around
            .trace
            .record(self.number, Kind::Act, self.lives, what.as_bytes());
    }
}

/// Opens the database, first creating it where there is none, and starts the service on it.
async fn begin(
    host: NodeHost,
    disk: &Disk,
    settings: Settings,
    cache_bytes: usize,
) -> Result<(Running, Store), NotStarted> {
    if !disk.is_published() {
        Store::create(disk.plug())?;
        disk.publish();
    }
    let store = Store::open_with_cache(disk.plug(), cache_bytes)?;
    let running = service::start(host, store.clone(), settings).await?;
    Ok((running, store))
}
