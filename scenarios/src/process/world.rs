//! `World` over real processes: plan time is real time times the plan's speedup, tips come from
//! `/chainTip`, blocks are mined by `/challenge`, a search for the seal here, and `/submitBlock`.

use std::collections::BTreeMap;
use std::time::Duration;

use archivas_core::params::Genesis;
use archivas_core::primitives::{BlockId, Header, Millis};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Options;
use super::binary;
use super::clock::{self, PlanClock};
use super::mining::{read_challenge, seal};
use super::node::{self, Life, Settings, last_words};
use super::proxy::Proxy;
use super::tree::Tree;
use crate::plan::{Plan, producer_key};
use crate::world::{
    Act, CheckCount, Effect, HarnessError, HttpAnswer, HttpRequest, LinkIndex, Mined, Moment,
    NodeIndex, Tip, TipMove, Unreachable, Violation, ViolationKind, World, WorldKind, WorldReport,
};

/// Real time between two looks at every node's tip.
const LOOK: Duration = Duration::from_millis(25);

/// A process that ends without being asked.
const PROCESS_ALIVE: &str = "process_alive";
/// A process that is asked to stop, and does so cleanly and in time.
const CLEAN_STOP: &str = "clean_stop";
/// A node that has lived before starts again on what it left.
const COMES_BACK: &str = "comes_back";
/// A tip must be a block that somebody mined.
const TIP_IS_KNOWN: &str = "tip_is_known";

/// Real processes on loopback.
pub struct ProcessWorld {
    plan: Plan,
    genesis: Genesis,
    clock: PlanClock,
    tree: Tree,
    nodes: Vec<Node>,
    links: Vec<Proxy>,
    moves: Vec<TipMove>,
    violations: Vec<Violation>,
    checks: BTreeMap<String, CheckCount>,
    /// Data, logs and genesis; removed when this is dropped.
    _directory: TempDir,
}

struct Node {
    settings: Settings,
    life: Option<Life>,
    /// Whether it was up before: what it left must let it start again.
    has_lived: bool,
    tip: Option<Tip>,
}

impl ProcessWorld {
    /// Finds the binary, writes the genesis, opens the links; no node runs yet.
    ///
    /// # Errors
    /// When the binary is absent or of another build, or the machine gives no files or ports.
    pub async fn launch(plan: &Plan, options: &Options) -> Result<Self, HarnessError> {
        let binary = binary::find(options.bin.as_deref())?;
        if let Some(build) = &options.build {
            binary::check(&binary, build).await?;
        }
        let failed = |error| HarnessError(format!("cannot write temporary files: {error}"));
        let directory = tempfile::Builder::new().prefix("archivas-story-").tempdir();
        let directory = directory.map_err(failed)?;
        let genesis = plan.network.genesis(clock::wall(), plan.speedup);
        let genesis_file = directory.path().join("genesis.json");
        std::fs::write(&genesis_file, genesis.to_json()).map_err(failed)?;
        let mut links = Vec::new();
        for _ in &plan.links {
            links.push(Proxy::open().await?);
        }
        let node = |at: NodeIndex| {
            let dials = plan
                .links
                .iter()
                .zip(&links)
                .filter(|(link, _)| link.dialer == at);
            let name = plan.name_of(at);
            let settings = Settings {
                binary: binary.clone(),
                genesis: genesis_file.clone(),
                data: directory.path().join(name),
                log: directory.path().join(format!("{name}.log")),
                connect: dials.map(|(_, proxy)| proxy.address()).collect(),
            };
            Node {
                settings,
                life: None,
                has_lived: false,
                tip: None,
            }
        };
        Ok(Self {
            nodes: plan.node_indices().map(node).collect(),
            tree: Tree::new(&genesis),
            plan: plan.clone(),
            genesis,
            clock: PlanClock::start(plan.speedup),
            links,
            moves: Vec::new(),
            violations: Vec::new(),
            checks: BTreeMap::new(),
            _directory: directory,
        })
    }

    /// Counts a look of one of the world's own checks; a violation when it does not hold.
    fn check(&mut self, name: &str, kind: ViolationKind, node: NodeIndex, fault: Option<String>) {
        let count = self.checks.entry(name.to_owned()).or_default();
        count.ran += 1;
        if let Some(sentence) = fault {
            count.failed += 1;
            let at_ms = self.now().get();
            let node = Some(node);
            self.violations.push(Violation {
                check: name.to_owned(),
                kind,
                at_ms,
                node,
                sentence,
            });
        }
    }

    /// Asks every node that is up for its tip.
    async fn look(&mut self) {
        for at in self.plan.node_indices() {
            self.look_at(at).await;
        }
    }

    async fn look_at(&mut self, at: NodeIndex) {
        let Some(life) = &self.nodes[at.0].life else {
            return;
        };
        // A node that does not answer now is asked again; one that is gone is found by `judge`.
        let Ok(answer) = life.http(HttpRequest::get("/chainTip")).await else {
            return;
        };
        let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id: Option<BlockId> = value["hash"].as_str().and_then(|hash| hash.parse().ok());
        if let Some(id) = id {
            self.note_tip(at, id);
        }
    }

    fn note_tip(&mut self, node: NodeIndex, id: BlockId) {
        let old = self.nodes[node.0].tip;
        if old.is_some_and(|old| old.id == id) {
            return;
        }
        let tip = self.tree.tip(&id);
        let fault = tip
            .is_none()
            .then(|| format!("the tip {id} is a block that nobody mined"));
        self.check(TIP_IS_KNOWN, ViolationKind::Safety, node, fault);
        if let (Some(from), Some(to)) = (old, tip) {
            let (left, joined) = self.tree.distance(&from.id, &to.id);
            self.moves.push(TipMove {
                at: self.now(),
                node,
                from,
                to,
                left,
                joined,
            });
        }
        self.nodes[node.0].tip = tip.or(old);
    }

    async fn start(&mut self, at: NodeIndex) -> Result<Effect, HarnessError> {
        if self.nodes[at.0].life.is_some() {
            return Ok(Effect::Nothing);
        }
        let started = node::start(&self.nodes[at.0].settings).await;
        if self.nodes[at.0].has_lived {
            let fault = started.as_ref().err().map(ToString::to_string);
            self.check(COMES_BACK, ViolationKind::Safety, at, fault);
            if started.is_err() {
                return Ok(Effect::Nothing);
            }
        }
        let life = started?;
        self.nodes[at.0].has_lived = true;
        self.point_links_at(at, Some(&life));
        let tip = life.tip;
        self.nodes[at.0].life = Some(life);
        self.note_tip(at, tip);
        Ok(Effect::Fired)
    }

    fn point_links_at(&self, at: NodeIndex, life: Option<&Life>) {
        let links = self.plan.links.iter().zip(&self.links);
        for (_, proxy) in links.filter(|(link, _)| link.listener == at) {
            proxy.set_target(life.map(|life| life.p2p));
        }
    }

    /// Takes the life of a node that is about to end; its tip belongs to that life.
    fn take_life(&mut self, at: NodeIndex) -> Option<Life> {
        let life = self.nodes[at.0].life.take()?;
        self.nodes[at.0].tip = None;
        self.point_links_at(at, None);
        Some(life)
    }

    async fn kill(&mut self, at: NodeIndex) -> Result<Effect, HarnessError> {
        let Some(life) = self.take_life(at) else {
            return Ok(Effect::Nothing);
        };
        life.kill().await?;
        Ok(Effect::Fired)
    }

    async fn stop(&mut self, at: NodeIndex) -> Result<Effect, HarnessError> {
        let Some(life) = self.take_life(at) else {
            return Ok(Effect::Nothing);
        };
        let fault = match life.stop().await? {
            Some(status) if status.success() => None,
            Some(status) => {
                let words = last_words(&self.nodes[at.0].settings.log);
                Some(format!(
                    "asked to stop, it ended with {status}; it last said: {words}"
                ))
            }
            None => Some("asked to stop, it did not end in time".to_owned()),
        };
        self.check(CLEAN_STOP, ViolationKind::Safety, at, fault);
        Ok(Effect::Fired)
    }

    fn set_links(&self, links: &[LinkIndex], open: bool) -> Effect {
        let mut effect = Effect::Nothing;
        for link in links {
            let proxy = &self.links[link.0];
            if proxy.is_open() != open {
                effect = Effect::Fired;
                proxy.set_open(open);
            }
        }
        effect
    }

    /// What the node would mine, and the template's name; else why there is nothing.
    async fn challenge(&mut self, node: NodeIndex) -> Result<(Header, String), String> {
        let producer = producer_key(self.plan.name_of(node)).address();
        let request = HttpRequest::get(format!("/challenge?producer={producer}"));
        let answer = self.http(node, request).await;
        read_challenge(&answer.map_err(|why| why.to_string())?)
    }

    /// POST of a found seal: the JSON of the answer, or why there is none.
    async fn submit(
        &mut self,
        node: NodeIndex,
        template: &str,
        nonce: u64,
    ) -> Result<Value, String> {
        let body = json!({ "template_id": template, "nonce": nonce }).to_string();
        let answer = self
            .http(node, HttpRequest::post("/submitBlock", body))
            .await;
        let answer = answer.map_err(|why| why.to_string())?;
        serde_json::from_slice(&answer.body)
            .map_err(|_| format!("/submitBlock answered {} without JSON", answer.status))
    }
}

impl World for ProcessWorld {
    fn kind(&self) -> WorldKind {
        WorldKind::Processes
    }

    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }

    fn grain(&self) -> Millis {
        self.clock.span(LOOK)
    }

    async fn sleep_until(&mut self, at: Millis) {
        while self.moves.is_empty() && self.now() < at {
            self.clock.sleep_until(at, LOOK).await;
            self.look().await;
        }
    }

    async fn act(&mut self, act: &Act) -> Result<Effect, HarnessError> {
        match act {
            Act::Start(node) => self.start(*node).await,
            Act::Stop(node) => self.stop(*node).await,
            Act::Kill(node) => self.kill(*node).await,
            Act::PowerLoss(_) => Err(HarnessError(
                "real processes have no disk whose power fails".to_owned(),
            )),
            Act::Cut(links) => Ok(self.set_links(links, false)),
            Act::Heal(links) => Ok(self.set_links(links, true)),
            Act::Disturb(disturbance) => Err(HarnessError(format!(
                "only the simulator can play `{}`",
                disturbance.name()
            ))),
        }
    }

    async fn tip(&mut self, node: NodeIndex) -> Result<Option<Tip>, HarnessError> {
        Ok(self.nodes[node.0].tip)
    }

    async fn tip_moves(&mut self) -> Result<Vec<TipMove>, HarnessError> {
        self.look().await;
        Ok(std::mem::take(&mut self.moves))
    }

    async fn mine(&mut self, node: NodeIndex) -> Result<Mined, HarnessError> {
        let nothing = |why: String| Ok(Mined::Nothing(why));
        let (header, template) = match self.challenge(node).await {
            Ok(challenge) => challenge,
            Err(why) => return nothing(why),
        };
        let Some(sealed) = seal(header) else {
            return nothing(format!("no seal was found for {}", header.bits));
        };
        // Known before it is handed in: its answer may be lost and the block still be there.
        if !self.tree.add(sealed) {
            return nothing(format!(
                "the template's parent {} was never mined",
                header.parent
            ));
        }
        let value = match self.submit(node, &template, sealed.nonce).await {
            Ok(value) => value,
            Err(why) => return nothing(why),
        };
        if value["ok"] == true {
            self.look_at(node).await;
            return Ok(Mined::Block(sealed.id()));
        }
        let part = |key: &str| value[key].as_str().unwrap_or("?").to_owned();
        let (code, sentence) = (part("code"), part("error"));
        match code.as_str() {
            "stale_template" | "busy" | "not_ready" => nothing(sentence),
            _ => Ok(Mined::Refused { code, sentence }),
        }
    }

    async fn http(
        &mut self,
        node: NodeIndex,
        request: HttpRequest,
    ) -> Result<HttpAnswer, Unreachable> {
        match &self.nodes[node.0].life {
            Some(life) => life.http(request).await,
            None => Err(Unreachable("the node is down".to_owned())),
        }
    }

    async fn judge(&mut self, _moment: Moment) -> Vec<Violation> {
        for at in self.plan.node_indices() {
            let node = &mut self.nodes[at.0];
            let Some(status) = node.life.as_mut().map(Life::ended) else {
                continue;
            };
            let fault = status.map(|status| {
                let words = last_words(&node.settings.log);
                format!("the process ended by itself with {status}; it last said: {words}")
            });
            let gone = fault.is_some();
            self.check(PROCESS_ALIVE, ViolationKind::Panic, at, fault);
            if gone {
                self.take_life(at);
            }
        }
        std::mem::take(&mut self.violations)
    }

    async fn finish(mut self) -> WorldReport {
        for at in self.plan.node_indices() {
            // Whatever cannot be killed now is killed when it is dropped.
            let _ = self.kill(at).await;
        }
        WorldReport {
            checks: self.checks,
            ..WorldReport::default()
        }
    }
}
