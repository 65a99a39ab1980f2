//! The player: takes a plan's events and the drawn block times in the order of time, looks at tips,
//! runs the checks, lets the network settle, and says what came of it. It works on any `World` and
//! waits for nothing else. `stage.rs` is what it sees, `miners.rs` when blocks come,
//! `transfers.rs` the workload, `audit.rs` the questions to the API at the end.

mod api;
mod audit;
mod miners;
mod stage;
#[cfg(test)]
mod tests;
mod transfers;
mod vacuity;

use archivas_core::primitives::{BlockId, Millis};

use self::miners::Miners;
use self::stage::Stage;
use self::transfers::Transfers;
use crate::checks;
use crate::disturb::Disturbance;
use crate::draws::Draws;
use crate::observer::{Happening, Observer};
use crate::outcome::Outcome;
use crate::plan::{Event, Plan, What};
use crate::world::{Act, HarnessError, Mined, Moment, NodeIndex, World};

/// The longest that the player sleeps without looking.
const PAUSE_MAX: Millis = Millis::from_secs(5);
/// Two ties in a row may be chance; nobody mines any more who could make a third.
const TIES_MAX: u64 = 3;
/// In phase two so many blocks are mined for the transfers that wait: each has room for thousands.
const ROUNDS_MAX: u64 = 4;
/// How often a block that the plan demands is tried.
const MINE_TRIES: u32 = 8;

/// Plays `plan` in `world`, with every decision drawn from `draws`, and tells `observer`.
pub async fn play<W: World>(
    plan: &Plan,
    draws: &Draws,
    world: W,
    observer: &mut dyn Observer,
) -> Outcome {
    let kind = world.kind();
    let mut player = Player {
        miners: Miners::new(plan, draws),
        transfers: Transfers::new(plan),
        events: plan
            .events
            .iter()
            .filter(|event| event.worlds.contains(&kind))
            .collect(),
        next_event: 0,
        must_agree_by: None,
        stage: Stage::new(plan, draws, world, observer),
    };
    let harness = player.play().await.err();
    player.stage.finish(harness).await
}

struct Player<'a, W> {
    stage: Stage<'a, W>,
    miners: Miners<'a>,
    transfers: Transfers,
    /// The plan's events of this world, by time.
    events: Vec<&'a Event>,
    next_event: usize,
    /// When all nodes must have shared a tip after the last event; `None` before it and after that.
    must_agree_by: Option<Millis>,
}

impl<W: World> Player<'_, W> {
    async fn play(&mut self) -> Result<(), HarnessError> {
        for node in self.stage.plan.node_indices() {
            if self.stage.plan.nodes[node.0].starts {
                self.stage.act(&Act::Start(node)).await?;
            }
        }
        self.mine_and_act().await?;
        if !self.stage.has_failed() {
            self.settle().await?;
        }
        Ok(())
    }

    /// From the beginning to the plan's duration: events and mining.
    async fn mine_and_act(&mut self) -> Result<(), HarnessError> {
        let mut pause = self.stage.world.grain();
        self.miners.aim(&self.stage);
        while !self.stage.has_failed() {
            let now = self.stage.world.now();
            if now >= self.stage.plan.duration {
                break;
            }
            let acted = self.run_due_events(now).await?;
            let mined = self.mine_if_due().await?;
            let sent = self.transfers.step(&mut self.stage).await;
            self.check_agreement(now);
            self.miners.aim(&self.stage);
            if acted || mined || sent {
                pause = self.stage.world.grain();
            }
            let now = self.stage.world.now();
            let wake = self.next_wake(now.plus(pause));
            if wake > now {
                self.stage.world.sleep_until(wake).await;
            }
            self.miners.advance(self.stage.world.now());
            let moved = self.stage.look().await?;
            pause = if moved {
                self.stage.world.grain()
            } else {
                pause.times(2).min(PAUSE_MAX)
            };
        }
        Ok(())
    }

    /// The earliest time at which there is something to do, at the latest `look`.
    fn next_wake(&self, look: Millis) -> Millis {
        let event = self.events.get(self.next_event).map(|event| event.at);
        let times = [
            event,
            self.miners.next(),
            self.transfers.next(),
            self.must_agree_by,
        ];
        let earliest = times.into_iter().flatten().min().unwrap_or(look);
        earliest.min(look).min(self.stage.plan.duration)
    }

    /// Runs the events whose time has come; whether there was one.
    async fn run_due_events(&mut self, now: Millis) -> Result<bool, HarnessError> {
        let mut ran = false;
        while let Some(event) = self.events.get(self.next_event).copied() {
            if event.at > now {
                break;
            }
            self.next_event += 1;
            ran = true;
            match &event.what {
                What::Act(act) => {
                    let fired = self.stage.act(act).await?;
                    if !fired && !event.undoes && !self.stage.plan.expect.may_miss {
                        let sentence = format!("`{}` changed nothing", event.id);
                        self.stage.vacuous.push(sentence);
                    }
                }
                What::HealAll => {
                    let cut = self.stage.cut.iter().copied().collect();
                    self.stage.act(&Act::Heal(cut)).await?;
                }
                What::Mine { node, count } => {
                    for _ in 0..*count {
                        if self.mine_surely(*node).await?.is_none() {
                            self.stage
                                .vacuous
                                .push(format!("`{}` made no block", event.id));
                        }
                    }
                }
                What::Transfer(workload) => self.transfers.add(workload, now),
            }
        }
        let one_phase = self.stage.plan.expect.core.is_empty();
        if ran && one_phase && self.next_event == self.events.len() {
            let by = self
                .stage
                .world
                .now()
                .plus(self.stage.plan.expect.agree_within);
            self.must_agree_by = Some(by);
        }
        Ok(ran)
    }

    /// Once the last event is over, the nodes must agree in time although they go on mining.
    fn check_agreement(&mut self, now: Millis) {
        let Some(by) = self.must_agree_by else { return };
        let shared = self.stage.shared_tip().is_some();
        if shared || now >= by {
            self.must_agree_by = None;
            let within = self.stage.plan.expect.agree_within;
            let views = self.stage.describe_tips();
            self.stage
                .tally
                .check(checks::CONVERGENCE, shared, (now, None), || {
                    format!(
                        "{within} ms after the last event the nodes do not share a tip: {views}"
                    )
                });
            self.stage.tell_violations();
        }
    }

    async fn mine_if_due(&mut self) -> Result<bool, HarnessError> {
        let Some(node) = self.miners.due() else {
            return Ok(false);
        };
        self.miners.spent(node);
        self.mine(node).await?;
        Ok(true)
    }

    /// One try of one node.
    async fn mine(&mut self, node: NodeIndex) -> Result<Option<BlockId>, HarnessError> {
        let mined = self.stage.world.mine(node).await?;
        self.miners.advance(self.stage.world.now());
        let place = (self.stage.world.now(), Some(node));
        let id = match mined {
            Mined::Block(id) => {
                self.stage
                    .tally
                    .check(checks::OWN_TEMPLATE, true, place, String::new);
                self.stage.note_mined(node, id).await?;
                Some(id)
            }
            Mined::Nothing(why) => {
                self.stage.row(Happening::NotMined { node, why });
                None
            }
            Mined::Refused { code, sentence } => {
                self.stage
                    .tally
                    .check(checks::OWN_TEMPLATE, false, place, || {
                        format!("its own block was refused with {code}: {sentence}")
                    });
                None
            }
        };
        self.stage.look().await?;
        Ok(id)
    }

    /// A block that the story needs: tried again while the node's tip moves under it.
    async fn mine_surely(&mut self, node: NodeIndex) -> Result<Option<BlockId>, HarnessError> {
        for _ in 0..MINE_TRIES {
            if let Some(id) = self.mine(node).await? {
                return Ok(Some(id));
            }
            if !self.stage.nodes[node.0].up || self.stage.has_failed() {
                break;
            }
            let soon = self.stage.world.now().plus(self.stage.world.grain());
            self.stage.world.sleep_until(soon).await;
        }
        Ok(None)
    }

    /// Quiet time, one last block, agreement, and then every question to the API.
    async fn settle(&mut self) -> Result<(), HarnessError> {
        self.stage.row(Happening::Quiet);
        if !self.stage.plan.expect.core.is_empty() {
            self.calm().await?;
        }
        // Two sides of a tie may stand until the next block: no verdict here.
        self.wait_for_agreement().await?;
        let Some(miner) = self.last_miner() else {
            self.stage
                .vacuous
                .push("no node was up at the end".to_owned());
            return Ok(());
        };
        self.stage.awaits_agreement = true;
        let mut agreed = self.agree_on_a_block(miner).await?;
        if agreed && !self.stage.plan.expect.core.is_empty() {
            agreed = self.mine_what_waits().await?;
        }
        if !agreed && let Some(why) = self.excuse() {
            self.stage.row(Happening::Excused(why));
            return Ok(());
        }
        self.check_height();
        let views = self.stage.describe_tips();
        let place = (self.stage.world.now(), None);
        self.stage
            .tally
            .check(checks::CONVERGENCE, agreed, place, || {
                format!("after quiet time and one block the nodes do not share a tip: {views}")
            });
        if agreed && !self.stage.has_failed() {
            self.audit().await;
        }
        let found = self.stage.world.judge(Moment::Quiet).await;
        self.stage.tally.add(found);
        self.stage.tell_violations();
        Ok(())
    }

    /// A block after which the nodes agree. Where another came at the same time, from a node that need
    /// not agree, they may stand on two sides of a tie until the next one: then the miner makes that.
    async fn agree_on_a_block(&mut self, miner: NodeIndex) -> Result<bool, HarnessError> {
        for _ in 0..TIES_MAX {
            let mined = self.mine_surely(miner).await?;
            let place = (self.stage.world.now(), Some(miner));
            self.stage
                .tally
                .check(checks::PROGRESS, mined.is_some(), place, || {
                    "in a quiet network the node could not mine one more block".to_owned()
                });
            if self.wait_for_agreement().await? {
                return Ok(true);
            }
            if !self.stage.is_tied() {
                break;
            }
        }
        Ok(false)
    }

    /// Phase two begins: every fault ends for the core, whose nodes come up and must agree from now on.
    async fn calm(&mut self) -> Result<(), HarnessError> {
        let core = self.stage.plan.expect.core.clone();
        self.stage
            .act(&Act::Disturb(Disturbance::Calm(core.clone())))
            .await?;
        self.stage.look().await?;
        for node in &core {
            if !self.stage.nodes[node.0].up {
                self.stage.act(&Act::Start(*node)).await?;
            }
        }
        self.stage.judged = core;
        Ok(())
    }

    /// Blocks of the core until every transfer that it took is confirmed, or it should have been;
    /// whether the core agrees after each.
    async fn mine_what_waits(&mut self) -> Result<bool, HarnessError> {
        for round in 1..=ROUNDS_MAX {
            let waiting = self.transfers.unconfirmed(&mut self.stage).await;
            let miner = self.miner_of_round(round);
            let (false, Some(miner)) = (waiting.is_empty(), miner) else {
                break;
            };
            if !self.agree_on_a_block(miner).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Why the core need not agree, if that can be proven.
    fn excuse(&mut self) -> Option<String> {
        let core = self.stage.plan.expect.core.clone();
        if core.is_empty() || self.stage.has_failed() {
            return None;
        }
        self.stage.world.excuse(&core)
    }

    /// The chain has become as long as the plan demands.
    fn check_height(&mut self) {
        let Some(least) = self.stage.plan.expect.min_height else {
            return;
        };
        let tips = self.stage.nodes.iter().filter_map(|view| view.tip);
        let height = tips.map(|tip| tip.height.get()).max().unwrap_or(0);
        let place = (self.stage.world.now(), None);
        self.stage
            .tally
            .check(checks::PROGRESS, height >= least, place, || {
                format!("the chain has reached height {height} of at least {least}")
            });
    }

    /// Looks until the nodes agree, for as long as the plan allows; whether they do.
    async fn wait_for_agreement(&mut self) -> Result<bool, HarnessError> {
        let deadline = self
            .stage
            .world
            .now()
            .plus(self.stage.plan.expect.agree_within);
        let mut pause = self.stage.world.grain();
        loop {
            self.stage.look().await?;
            if self.stage.shared_tip().is_some() {
                return Ok(true);
            }
            let now = self.stage.world.now();
            if now >= deadline || self.stage.has_failed() {
                return Ok(false);
            }
            self.stage
                .world
                .sleep_until(now.plus(pause).min(deadline))
                .await;
            pause = pause.times(2).min(Millis::from_secs(1));
        }
    }

    /// Who mines the block after which all must agree: drawn among those that are up.
    fn last_miner(&self) -> Option<NodeIndex> {
        self.miner_of_round(0)
    }

    fn miner_of_round(&self, round: u64) -> Option<NodeIndex> {
        let up: Vec<NodeIndex> = self.stage.up_nodes().collect();
        if up.is_empty() {
            return None;
        }
        let mut draw = self.stage.draws.draw("player.last_miner", &[], round);
        Some(up[draw.index(up.len())])
    }

    async fn audit(&mut self) {
        let confirmed = self.transfers.confirmed_everywhere(&mut self.stage).await;
        audit::audit(&mut self.stage, &confirmed).await;
        self.stage.tell_violations();
    }
}
