//! The simulated world: real nodes on simulated machines, in virtual time. Implements what a story
//! needs; how a life begins and ends is in `node.rs`, what is checked in `judges.rs`.

use std::collections::{BTreeMap, BTreeSet};

use archivas::ports::Command;
use archivas::store::Snapshot;
use archivas_core::node::MempoolEntry;
use archivas_core::params::Genesis;
use archivas_core::primitives::{BlockId, Millis, TxId};
use archivas_core::schema;
use archivas_scenarios::draws::Draws;
use archivas_scenarios::plan::{Plan, producer_key};
use archivas_scenarios::world::{
    Act, Effect, HarnessError, HttpAnswer, HttpRequest, LinkIndex, Mined, Moment, NodeIndex, Tip,
    TipMove, Unreachable, Violation, World, WorldKind, WorldReport,
};
use tokio::sync::oneshot;

use crate::agenda::Agenda;
use crate::disk::Disk;
use crate::faults::FELL_IN_RECOVERY;
use crate::feed::{Feed, tip_of};
use crate::judges::{self, About, Judges};
use crate::meter::Part;
use crate::network::link::Latency;
use crate::network::switchboard::Machine;
use crate::network::{Net, NodeNetwork};
use crate::node::{EPOCH, Farewell, SimNode, Surroundings};
use crate::spawner::{Blame, Polls};
use crate::trace::{Kind, NO_NODE, Trace};
use crate::{http, miner};

/// A node that does not answer a command within this hangs, in virtual nanoseconds.
const COMMAND_NS_MAX: u64 = 60_000_000_000;
/// At the end, dropped tasks get this long to be dropped, in virtual nanoseconds.
const END_NS: u64 = 5_000_000;
/// What ends a run that was to end with a fault of a disk.
pub const ENDED_BY_FAULT: &str = "the run ends with the fault of a disk";
/// What is said of a node that goes on although its disk has failed.
pub const OUTLIVED_FAULT: &str = "runs on five seconds after its disk has failed";
/// A node whose disk has failed has stopped after this time, in milliseconds.
const STOPS_WITHIN_MS: u64 = 5_000;
/// The player looks again this often while nothing moves: every move of a tip wakes it anyway.
const GRAIN: Millis = Millis::from_secs(1);

/// The world of one run. Lives and dies on one thread, inside a madsim runtime.
#[derive(Debug)]
pub struct SimWorld {
    pub(crate) around: Surroundings,
    pub(crate) nodes: Vec<SimNode>,
    /// Both machines of each link.
    pub(crate) links: Vec<[Machine; 2]>,
    client: NodeNetwork,
    pub(crate) judges: Judges,
    ends_after_fault: Option<NodeIndex>,
    /// When that fault was first seen to have happened.
    fault_seen: Option<Millis>,
}

impl SimWorld {
    /// The world of `plan`, in which nobody is up yet.
    #[must_use]
    pub fn new(plan: &Plan, draws: Draws, agenda: Agenda, trace: Trace, blame: Blame) -> Self {
        let net = Net::new(agenda.clone(), draws.clone(), trace.clone());
        let genesis = plan.network.genesis(EPOCH, 1);
        let feed = Feed::default();
        let around = Surroundings {
            agenda,
            draws,
            trace,
            net,
            feed,
            blame,
            genesis,
            discover: plan.discover,
        };
        let nodes: Vec<SimNode> = plan
            .node_indices()
            .map(|node| place(plan, node, &around))
            .collect();
        let mut links = Vec::new();
        for link in &plan.links {
            let ends = [machine_of(link.dialer), machine_of(link.listener)];
            let nanos = |time: Millis| time.get() * 1_000_000;
            let (min_ns, max_ns) = (nanos(link.latency.0), nanos(link.latency.1));
            for [from, to] in both_ways(ends) {
                let latency = Latency { min_ns, max_ns };
                around
                    .net
                    .with(|board| board.set_latency(from, to, latency));
            }
            links.push(ends);
        }
        let client = around.net.at(NO_NODE);
        let judges = Judges::new(around.genesis.clone(), nodes.len());
        Self {
            around,
            nodes,
            links,
            client,
            judges,
            ends_after_fault: None,
            fault_seen: None,
        }
    }

    /// The disk of a node; it outlives the world.
    #[must_use]
    pub fn disk(&self, node: NodeIndex) -> &Disk {
        self.nodes[node.0].disk()
    }

    /// Ends the run, as a failed check does, as soon as a fault has happened to this node's disk.
    pub fn end_after_fault(&mut self, node: NodeIndex) {
        self.ends_after_fault = Some(node);
    }

    /// Counts the polls of a node's tasks; it can be ended by them, and then starts again by itself.
    #[must_use]
    pub fn polls(&self, node: NodeIndex) -> &Polls {
        &self.nodes[node.0].polls
    }

    /// Starts a node again that was ended by its polls.
    async fn revive(&mut self) {
        for node in (0..self.nodes.len()).map(NodeIndex) {
            if self.nodes[node.0].polls.take_ended() {
                self.nodes[node.0].end().await;
                let _fired = self.start(node).await;
            }
        }
    }

    /// Whether the run ends because the disk's fault has happened: the node must be gone by then.
    fn judge_fault(&mut self) {
        let Some(node) = self.ends_after_fault else {
            return;
        };
        if self.disk(node).fired().is_empty() {
            return;
        }
        let now = self.now();
        let since = *self.fault_seen.get_or_insert(now);
        let gone = self.nodes[node.0].life().is_none();
        if gone || now.get() > since.get() + STOPS_WITHIN_MS {
            let why = if gone { ENDED_BY_FAULT } else { OUTLIVED_FAULT };
            let about = self.about(node);
            self.judges.judge(judges::RUNS_ON, about, Err(why.into()));
        }
    }

    pub(crate) fn about(&self, node: NodeIndex) -> About {
        About {
            node,
            at: self.now(),
        }
    }

    async fn start(&mut self, node: NodeIndex) -> Effect {
        if self.nodes[node.0].life().is_some() {
            return Effect::Nothing;
        }
        self.judge_running(node);
        let started = self.nodes[node.0].start().await;
        let about = self.about(node);
        let tip = match (started, self.nodes[node.0].life()) {
            (Ok(()), Some(life)) => Ok(tip_of(&life.tip.borrow())),
            (Ok(()), None) => Err("its loop ended as soon as it began".into()),
            (Err(why), _) => Err(why.to_string()),
        };
        if tip.is_err() && self.nodes[node.0].disk().has_failed() {
            self.around.trace.count(FELL_IN_RECOVERY);
            return Effect::Fired;
        }
        self.judges.started(about, tip);
        Effect::Fired
    }

    async fn end(&mut self, act: &Act, node: NodeIndex) -> Effect {
        if self.nodes[node.0].life().is_none() {
            return Effect::Nothing;
        }
        match act {
            Act::PowerLoss(_) => drop(self.nodes[node.0].lose_power().await),
            Act::Stop(_) => {
                let farewell = self.nodes[node.0].stop().await;
                let slow = || "was asked to stop and was still there after 5 s".into();
                let finding = (farewell == Farewell::Stopped)
                    .then_some(())
                    .ok_or_else(slow);
                let about = self.about(node);
                self.judges.judge(judges::STOPS_IN_TIME, about, finding);
            }
            _ => self.nodes[node.0].kill().await,
        }
        Effect::Fired
    }

    /// Cuts or heals both directions of these links.
    fn switch(&mut self, act: &Act, links: &[LinkIndex]) -> Effect {
        let cut = matches!(act, Act::Cut(_));
        let mut changed = false;
        for link in links {
            for [from, to] in both_ways(self.links[link.0]) {
                let turn = |cut| {
                    self.around.net.with(|board| {
                        if cut {
                            board.cut(from, to)
                        } else {
                            board.heal(from, to)
                        }
                    })
                };
                changed |= turn(cut);
            }
        }
        let list: Vec<u8> = links
            .iter()
            .flat_map(|link| (link.0 as u64).to_le_bytes())
            .collect();
        self.around
            .trace
            .record(NO_NODE, Kind::Act, u64::from(cut), &list);
        if changed {
            Effect::Fired
        } else {
            Effect::Nothing
        }
    }

    /// Judges what nodes have said since the last time, and the databases of those whose tips moved.
    fn judge_remarks(&mut self) {
        let (mut moved, mut money) = (BTreeSet::new(), BTreeSet::new());
        for remark in self.around.feed.take_remarks() {
            if self.judges.hear(&remark) {
                money.insert(remark.node);
            }
            moved.insert(remark.node);
        }
        for node in moved {
            let about = self.about(node);
            let Some(rows) = self.rows(node) else {
                continue;
            };
            self.judges.look_at_history(about, &rows);
            if money.contains(&node) {
                let _state = self.judges.look_at_money(about, &rows);
            }
        }
    }

    /// What is committed in the database of a node that is up.
    #[must_use]
    pub fn rows(&self, node: NodeIndex) -> Option<archivas::store::Snapshot> {
        self.nodes[node.0].life()?.store.snapshot().ok()
    }

    /// A node that nobody has ended is there, whatever its loop said when it ended.
    fn judge_running(&mut self, node: NodeIndex) {
        if let Some(runs) = self.nodes[node.0].runs_on() {
            let ended = || "its loop has ended, and nobody asked it to".into();
            let about = self.about(node);
            let finding = runs.then_some(()).ok_or_else(ended);
            self.judges.judge(judges::RUNS_ON, about, finding);
        }
    }

    /// Every mempool against its node's accounts; a node that is just changing both is left out.
    async fn judge_pools(&mut self) {
        for node in (0..self.nodes.len()).map(NodeIndex) {
            let Some((tip, pool)) = self.pool(node).await else {
                continue;
            };
            let rows = self.rows(node);
            let at_tip = |rows: &Snapshot| schema::tip(rows).is_ok_and(|stored| stored.id == tip);
            let Some(rows) = rows.filter(at_tip) else {
                continue;
            };
            let about = self.about(node);
            let finding = judges::pool::is_right(&rows, &pool);
            self.judges.judge(judges::POOL_IS_RIGHT, about, finding);
        }
    }

    /// What waits in the pool of a node that answers, is not walking, and whose tip is committed.
    async fn pool(&self, node: NodeIndex) -> Option<(BlockId, Vec<MempoolEntry>)> {
        let node = &self.nodes[node.0];
        let life = node.life().filter(|_| !node.is_paused())?;
        let ask = async {
            let (answer, status) = oneshot::channel();
            life.commands.send(Command::Status(answer)).await.ok()?;
            let status = status.await.ok().filter(|status| !status.walking)?;
            let (answer, pool) = oneshot::channel();
            life.commands.send(Command::Mempool(answer)).await.ok()?;
            Some((status.tip.id, pool.await.ok()?))
        };
        tokio::select! {
            biased;
            pool = ask => pool,
            () = self.around.agenda.sleep(COMMAND_NS_MAX) => None,
        }
    }

    fn judge_everything(&mut self) {
        for node in (0..self.nodes.len()).map(NodeIndex) {
            self.judge_running(node);
        }
        let all: Vec<_> = (0..self.nodes.len())
            .map(NodeIndex)
            .filter_map(|node| Some((node, self.rows(node)?)))
            .collect();
        self.judges.look_at_everything(self.now(), &all);
    }
}

impl World for SimWorld {
    fn kind(&self) -> WorldKind {
        WorldKind::Sim
    }

    fn genesis(&self) -> &Genesis {
        &self.around.genesis
    }

    fn now(&self) -> Millis {
        Millis::new(self.around.agenda.now() / 1_000_000)
    }

    fn grain(&self) -> Millis {
        GRAIN
    }

    async fn sleep_until(&mut self, at: Millis) {
        self.revive().await;
        let deadline = at.get().saturating_mul(1_000_000);
        tokio::select! {
            biased;
            () = self.around.feed.moved() => {}
            () = self.around.agenda.sleep_until(deadline) => {}
        }
    }

    async fn act(&mut self, act: &Act) -> Result<Effect, HarnessError> {
        self.revive().await;
        Ok(match act {
            Act::Start(node) => self.start(*node).await,
            Act::Stop(node) | Act::Kill(node) | Act::PowerLoss(node) => self.end(act, *node).await,
            Act::Cut(links) | Act::Heal(links) => self.switch(act, links),
            Act::Disturb(disturbance) => self.disturb(disturbance),
        })
    }

    fn is_up(&self, node: NodeIndex) -> bool {
        self.nodes[node.0].life().is_some() || !self.nodes[node.0].disk().has_failed()
    }

    fn excuse(&mut self, core: &[NodeIndex]) -> Option<String> {
        let stores: Vec<_> = core.iter().filter_map(|node| self.rows(*node)).collect();
        judges::history::missing_everywhere(&stores)
    }

    async fn tip(&mut self, node: NodeIndex) -> Result<Option<Tip>, HarnessError> {
        let tip = self.nodes[node.0]
            .life()
            .map(|life| tip_of(&life.tip.borrow()));
        if let Some(tip) = tip {
            self.judges.told(node, tip);
        }
        Ok(tip)
    }

    async fn tip_moves(&mut self) -> Result<Vec<TipMove>, HarnessError> {
        Ok(self.around.feed.take_moves())
    }

    async fn mine(&mut self, node: NodeIndex) -> Result<Mined, HarnessError> {
        self.revive().await;
        let miner = &self.nodes[node.0];
        if miner.is_paused() {
            return Ok(Mined::Nothing("its process stands still".into()));
        }
        let Some(life) = miner.life() else {
            return Ok(Mined::Nothing("the node is down".into()));
        };
        let mined = tokio::select! {
            biased;
            mined = miner::mine(&life.commands, miner.producer, self.around.trace.meter()) => Some(mined?),
            () = self.around.agenda.sleep(COMMAND_NS_MAX) => None,
        };
        let silent = || "a miner's command was not answered within a minute".into();
        let finding = mined.is_some().then_some(()).ok_or_else(silent);
        let about = self.about(node);
        self.judges.judge(judges::CORE_ANSWERS, about, finding);
        Ok(mined.unwrap_or_else(|| Mined::Nothing("the node does not answer".into())))
    }

    async fn http(
        &mut self,
        node: NodeIndex,
        request: HttpRequest,
    ) -> Result<HttpAnswer, Unreachable> {
        self.revive().await;
        let answers = &self.nodes[node.0];
        if answers.is_paused() || answers.life().is_none() {
            // A real client would wait half a minute to learn this; nothing would come of it.
            return Err(Unreachable("the node does not run".into()));
        }
        let server = answers.http_address();
        let about_account = request.path.starts_with("/account/");
        let answer = http::request(&self.client, &self.around.agenda, server, request).await;
        let (status, body) = match &answer {
            Ok(answer) => (answer.status, answer.body.as_slice()),
            Err(Unreachable(why)) => (0, why.as_bytes()),
        };
        if let (Some(tape), Some(id)) = (self.disk(node).tape(), accepted(body)) {
            tape.accept(id);
        }
        if about_account {
            self.judges.answered(node, body);
        }
        let number = self.nodes[node.0].number();
        self.around
            .trace
            .record(number, Kind::Answer, u64::from(status), body);
        answer
    }

    async fn judge(&mut self, moment: Moment) -> Vec<Violation> {
        let meter = self.around.trace.meter().clone();
        let _judges = meter.time(Part::Judges);
        self.revive().await;
        self.judge_remarks();
        if moment == Moment::Quiet {
            self.judge_everything();
            self.judge_pools().await;
        }
        self.judge_fault();
        self.judges.take_found()
    }

    async fn finish(mut self) -> WorldReport {
        for node in &mut self.nodes {
            node.end().await;
        }
        self.around.agenda.sleep(END_NS).await;
        let tally = self.around.trace.tally();
        let faults: BTreeMap<String, u64> = tally
            .into_iter()
            .map(|(name, count)| (name.into(), count))
            .collect();
        let mut probes = faults.clone();
        for node in &self.nodes {
            node.add_probes(&mut probes);
        }
        // Whatever is dropped after this is no part of the run.
        self.around.trace.freeze();
        WorldReport {
            checks: self.judges.counts(),
            faults,
            probes,
            digest: Some(self.around.trace.digest().to_bytes()),
        }
    }
}

/// The transfer that an answer of the API promises, if it does.
fn accepted(body: &[u8]) -> Option<TxId> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let hash = answer.get("hash")?.as_str()?;
    (answer.get("ok")? == true).then(|| hash.parse().ok())?
}

/// A node of the plan, on its machine, with the machines that it dials.
fn place(plan: &Plan, node: NodeIndex, around: &Surroundings) -> SimNode {
    let name = plan.name_of(node);
    let dialled = plan.links.iter().filter(|link| link.dialer == node);
    let dials = dialled.map(|link| machine_of(link.listener)).collect();
    SimNode::new(
        around.clone(),
        node,
        &plan.nodes[node.0],
        dials,
        producer_key(name).address(),
    )
}

pub(crate) fn machine_of(node: NodeIndex) -> Machine {
    Machine::try_from(node.0).expect("plans have far fewer nodes")
}

pub(crate) fn both_ways([a, b]: [Machine; 2]) -> [[Machine; 2]; 2] {
    [[a, b], [b, a]]
}

#[cfg(test)]
mod tests {
    use archivas_scenarios::plan::{Overrides, load};

    use super::*;
    use crate::thread::simulate;

    fn world() -> SimWorld {
        let plan = load("three-nodes-agree", Overrides::default()).unwrap();
        let agenda = Agenda::new();
        let clock = agenda.clone();
        let trace = Trace::new(move || clock.now());
        let blame = Blame::new(trace.clone());
        SimWorld::new(&plan, Draws::new(1), agenda, trace, blame)
    }

    #[test]
    fn a_node_whose_loop_ends_unasked_is_found_even_if_it_says_that_all_is_well() {
        simulate(1, async || {
            let mut world = world();
            let node = NodeIndex(1);
            world.act(&Act::Start(node)).await.unwrap();
            assert_eq!(world.judge(Moment::Quiet).await, []);
            world.nodes[1].life().unwrap().stop.cancel();
            world.around.agenda.sleep(10_000_000_000).await;
            let found = world.judge(Moment::Quiet).await;
            let named: Vec<_> = found.iter().map(|v| (v.check.as_str(), v.node)).collect();
            assert_eq!(named, [("runs_on", Some(node))]);
            world.finish().await;
        });
    }
}
