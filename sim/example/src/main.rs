//! The simulator as a library, seen from a crate of its own: a *check*, a *fault* and a *peer* that
//! the simulator does not have, added around its world. Run it at the top of the repository:
//!
//!     cargo run --manifest-path sim/example/Cargo.toml
//!
//! A world around ours passes everything on and does its own beside it. All of that stays
//! deterministic as long as time, draws and streams come from `SimWorld::around`.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use archivas::ports::Network;
use archivas_core::params::Genesis;
use archivas_core::primitives::Millis;
use archivas_scenarios::outcome::{Outcome, Verdict};
use archivas_scenarios::plan::{self, Overrides, Plan};
use archivas_scenarios::world::{
    Act, CheckCount, Effect, HarnessError, HttpAnswer, HttpRequest, Mined, Moment, NodeIndex, Tip,
    TipMove, Unreachable, Violation, ViolationKind, World, WorldKind, WorldReport,
};
use archivas_sim::host::P2P_PORT;
use archivas_sim::network::{NodeNetwork, address_of};
use archivas_sim::runner::{Options, run_in};
use archivas_sim::world::SimWorld;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The check: no reorganization leaves more blocks than this.
const CHECK: &str = "reorganizations_are_short";
const LEFT_MAX: u64 = 100;
/// The fault: whoever reorganizes loses all its connections at that moment.
const FAULT: &str = "reset_at_a_reorganization";
/// The peer: it says nonsense to every node, again and again, and must always be hung up on.
const PEER: u16 = 1_000;

/// Our world: the simulator's, and what is ours.
struct Ours {
    world: SimWorld,
    peer: Pin<Box<dyn Future<Output = ()>>>,
    hung_up: Rc<Cell<u64>>,
    check: CheckCount,
    found: Vec<Violation>,
    resets: u64,
}

impl Ours {
    fn around(world: SimWorld) -> Self {
        let hung_up = Rc::new(Cell::new(0));
        let network = world.stranger(PEER, "nonsense");
        let nodes = world.nodes().iter();
        let nodes = nodes.map(|node| SocketAddr::new(address_of(node.number()), P2P_PORT));
        let agenda = world.around().agenda.clone();
        let (nodes, counted) = (nodes.collect::<Vec<_>>(), Rc::clone(&hung_up));
        let peer = async move {
            loop {
                for node in &nodes {
                    // A node that is down refuses the connection.
                    if let Ok(()) = say_nonsense(&network, *node).await {
                        counted.set(counted.get() + 1);
                    }
                }
                agenda.sleep(20_000_000_000).await;
            }
        };
        Self {
            world,
            peer: Box::pin(peer),
            hung_up,
            check: CheckCount::default(),
            found: Vec::new(),
            resets: 0,
        }
    }

    /// The check and the fault, both at each change of a tip.
    fn look(&mut self, change: &TipMove) {
        self.check.ran += 1;
        if change.left > LEFT_MAX {
            self.check.failed += 1;
            self.found.push(Violation {
                check: CHECK.into(),
                kind: ViolationKind::Safety,
                at_ms: change.at.get(),
                node: Some(change.node),
                sentence: format!("{} blocks were left, more than {LEFT_MAX}", change.left),
            });
        }
        if change.left > 0 {
            let nodes = self.world.nodes();
            let ours = nodes[change.node.0].number();
            let others: Vec<u16> = nodes.iter().map(|node| node.number()).collect();
            let reset = self.world.around().net.with(|board| {
                let others = others.iter().filter(|other| **other != ours);
                others
                    .map(|other| board.reset_line([ours, *other]))
                    .sum::<usize>()
            });
            self.resets += reset as u64;
        }
    }
}

/// Connects, says what is no frame, and waits until the node hangs up.
async fn say_nonsense(network: &NodeNetwork, node: SocketAddr) -> io::Result<()> {
    let mut stream = network.dial(node).await?;
    stream.write_all(&[0xff; 64]).await?;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Ok(())
}

impl World for Ours {
    fn kind(&self) -> WorldKind {
        self.world.kind()
    }

    fn genesis(&self) -> &Genesis {
        self.world.genesis()
    }

    fn now(&self) -> Millis {
        self.world.now()
    }

    /// Our peer lives while the player sleeps.
    async fn sleep_until(&mut self, at: Millis) {
        tokio::select! {
            biased;
            () = self.world.sleep_until(at) => {}
            () = &mut self.peer => {}
        }
    }

    fn grain(&self) -> Millis {
        self.world.grain()
    }

    async fn act(&mut self, act: &Act) -> Result<Effect, HarnessError> {
        self.world.act(act).await
    }

    fn is_up(&self, node: NodeIndex) -> bool {
        self.world.is_up(node)
    }

    fn excuse(&mut self, core: &[NodeIndex]) -> Option<String> {
        self.world.excuse(core)
    }

    async fn tip(&mut self, node: NodeIndex) -> Result<Option<Tip>, HarnessError> {
        self.world.tip(node).await
    }

    async fn tip_moves(&mut self) -> Result<Vec<TipMove>, HarnessError> {
        let moves = self.world.tip_moves().await?;
        for change in &moves {
            self.look(change);
        }
        Ok(moves)
    }

    async fn mine(&mut self, node: NodeIndex) -> Result<Mined, HarnessError> {
        self.world.mine(node).await
    }

    async fn http(
        &mut self,
        node: NodeIndex,
        request: HttpRequest,
    ) -> Result<HttpAnswer, Unreachable> {
        self.world.http(node, request).await
    }

    async fn judge(&mut self, moment: Moment) -> Vec<Violation> {
        let mut found = self.world.judge(moment).await;
        found.append(&mut self.found);
        found
    }

    async fn finish(self) -> WorldReport {
        let mut report = self.world.finish().await;
        report.checks.insert(CHECK.into(), self.check);
        report.faults.insert(FAULT.into(), self.resets);
        report
            .faults
            .insert("hung_up_on_nonsense".into(), self.hung_up.get());
        report
    }
}

fn play(plan: &Plan, seed: u64) -> (Outcome, String) {
    let report = run_in(plan, seed, &mut (), Options::default(), Ours::around);
    (report.outcome, report.digest.to_string())
}

fn main() {
    let scenario = plan::find("partition-heals", Overrides::default()).expect("it is built in");
    for seed in 1..=3 {
        let plan = scenario.plan(seed).expect("its ranges are right");
        let (outcome, digest) = play(&plan, seed);
        let count = |fault: &str| outcome.faults.get(fault).copied().unwrap_or_default();
        let (ran, resets) = (outcome.checks[CHECK].ran, count(FAULT));
        let hung_up = count("hung_up_on_nonsense");
        println!(
            "seed {seed}: {digest}, {CHECK} looked {ran} times, {resets} connections reset, \
             {hung_up} times hung up"
        );
        assert_eq!(outcome.verdict(), Verdict::Pass, "{:?}", outcome.violations);
        assert!(
            ran > 0 && resets > 0 && hung_up > 0,
            "something of ours did nothing"
        );
        assert_eq!(
            play(&plan, seed).1,
            digest,
            "one seed is one run with ours in it, too"
        );
    }
}
