//! What the player sees and keeps: the world, the nodes as they were last looked at, the tally of
//! checks, what has fired, and the rows told.

use std::collections::{BTreeMap, BTreeSet};

use archivas_core::primitives::BlockId;

use crate::checks::{self, Tally};
use crate::disturb::Disturbance;
use crate::draws::Draws;
use crate::observer::{Happening, NodeView, Observer, Row, at_height};
use crate::outcome::{NodeSummary, Outcome};
use crate::plan::Plan;
use crate::world::{
    Act, Effect, HarnessError, LinkIndex, Moment, NodeIndex, Tip, TipMove, World, WorldReport,
};

/// Everything but the script.
pub(super) struct Stage<'a, W> {
    pub plan: &'a Plan,
    pub draws: &'a Draws,
    pub world: W,
    pub nodes: Vec<NodeView>,
    pub tally: Tally,
    /// The nodes that must agree: all, or those of phase two once it has begun.
    pub judged: Vec<NodeIndex>,
    /// Links that are cut at present.
    pub cut: BTreeSet<LinkIndex>,
    /// What did not happen without which the run proves nothing.
    pub vacuous: Vec<String>,
    /// Whether agreement is worth a row when it comes.
    pub awaits_agreement: bool,
    faults: BTreeMap<String, u64>,
    observer: &'a mut dyn Observer,
    /// Violations that rows have told.
    told: usize,
    /// The block mined last, whose arrival on its miner's own chain is no news.
    last_mined: Option<(NodeIndex, BlockId)>,
}

impl<'a, W: World> Stage<'a, W> {
    pub(super) fn new(
        plan: &'a Plan,
        draws: &'a Draws,
        world: W,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self {
            plan,
            draws,
            world,
            nodes: vec![NodeView::default(); plan.nodes.len()],
            tally: Tally::default(),
            judged: plan.node_indices().collect(),
            cut: BTreeSet::new(),
            vacuous: Vec::new(),
            awaits_agreement: false,
            faults: BTreeMap::new(),
            observer,
            told: 0,
            last_mined: None,
        }
    }

    /// Tells a row.
    pub(super) fn row(&mut self, what: Happening) {
        let row = Row {
            at: self.world.now(),
            what,
        };
        self.observer.row(&row, &self.nodes);
    }

    /// Whether a check has failed: the rest of the story is not worth playing.
    pub(super) fn has_failed(&self) -> bool {
        !self.tally.violations().is_empty()
    }

    /// The nodes that are up and must agree, in the order of the plan.
    pub(super) fn up_nodes(&self) -> impl Iterator<Item = NodeIndex> {
        let judged = self.judged.iter().copied();
        judged.filter(|node| self.nodes[node.0].up)
    }

    /// Those of them that can be asked about every block.
    pub(super) fn archives(&self) -> impl Iterator<Item = NodeIndex> {
        self.up_nodes().filter(|node| self.plan.keeps_all(*node))
    }

    /// The tip that all nodes which are up share.
    pub(super) fn shared_tip(&self) -> Option<Tip> {
        let mut tips = self.up_nodes().map(|node| self.nodes[node.0].tip);
        let first = tips.next()??;
        tips.all(|tip| tip.is_some_and(|tip| tip.id == first.id))
            .then_some(first)
    }

    /// Whether all nodes that are up have a tip of the same work.
    pub(super) fn is_tied(&self) -> bool {
        let work = |node: NodeIndex| self.nodes[node.0].tip.map(|tip| tip.chainwork);
        let mut works = self.up_nodes().map(work);
        let first = works.next().flatten();
        first.is_some() && works.all(|work| work == first)
    }

    /// Every node and its tip, in words.
    pub(super) fn describe_tips(&self) -> String {
        let words = self.plan.node_indices().map(|node| {
            let view = &self.nodes[node.0];
            let tip = view
                .tip
                .map_or_else(|| "no tip".to_owned(), |tip| at_height(&tip));
            let down = if view.up { "" } else { " (down)" };
            format!("{} {tip}{down}", self.plan.name_of(node))
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Looks at tips, lets the world judge, and tells what is new; whether any tip moved.
    pub(super) async fn look(&mut self) -> Result<bool, HarnessError> {
        let moves = self.world.tip_moves().await?;
        let moved = !moves.is_empty();
        for tip_move in moves {
            self.note_move(tip_move);
        }
        for node in self.plan.node_indices() {
            if self.nodes[node.0].up && !self.world.is_up(node) {
                self.nodes[node.0].up = false;
                self.row(Happening::Fell(node));
            }
            if self.nodes[node.0].up
                && let Some(tip) = self.world.tip(node).await?
            {
                self.nodes[node.0].tip = Some(tip);
            }
        }
        if self.awaits_agreement
            && let Some(tip) = self.shared_tip()
        {
            self.awaits_agreement = false;
            self.row(Happening::Agreed(tip));
        }
        let found = self.world.judge(Moment::Event).await;
        self.tally.add(found);
        self.tell_violations();
        Ok(moved)
    }

    fn note_move(&mut self, tip_move: TipMove) {
        let TipMove {
            node,
            from,
            to,
            left,
            ..
        } = tip_move;
        let place = (tip_move.at, Some(node));
        let gained = to.chainwork > from.chainwork;
        self.tally.check(checks::TIP_IS_BEST, gained, place, || {
            let (old, new) = (at_height(&from), at_height(&to));
            format!("the tip moved from {old} to {new}, which has no more chainwork")
        });
        let view = &mut self.nodes[node.0];
        view.tip = Some(to);
        if left > 0 {
            view.reorgs += 1;
            view.deepest_reorg = view.deepest_reorg.max(left);
            self.row(Happening::Reorganized(tip_move));
        } else if self.last_mined != Some((node, to.id)) {
            self.row(Happening::TipMoved(tip_move));
        }
    }

    /// Notes that `node` accepted its own block `id`.
    pub(super) async fn note_mined(
        &mut self,
        node: NodeIndex,
        id: BlockId,
    ) -> Result<(), HarnessError> {
        self.last_mined = Some((node, id));
        self.nodes[node.0].mined += 1;
        let tip = self.world.tip(node).await?;
        let height = tip.filter(|tip| tip.id == id).map(|tip| tip.height);
        self.row(Happening::Mined { node, id, height });
        Ok(())
    }

    /// Does `act`, counts the fault that it is, and tells it; whether it changed anything.
    pub(super) async fn act(&mut self, act: &Act) -> Result<bool, HarnessError> {
        if ends_a_life(act) || changes_a_disk(act) {
            // The last look before: what was shown must be there afterwards, or is gone with its disk.
            self.look().await?;
        }
        if self.world.act(act).await? == Effect::Nothing {
            self.row(Happening::Nothing(act.name()));
            return Ok(false);
        }
        match act {
            Act::Start(node) => self.note_start(*node).await?,
            Act::Stop(node) => self.note_end(*node, act, Happening::Stopped(*node)),
            Act::Kill(node) => self.note_end(*node, act, Happening::Killed(*node)),
            Act::PowerLoss(node) => self.note_end(*node, act, Happening::PowerLost(*node)),
            Act::Cut(links) => {
                let fresh: Vec<LinkIndex> = links
                    .iter()
                    .copied()
                    .filter(|link| self.cut.insert(*link))
                    .collect();
                self.count_fault(act.name(), fresh.len());
                self.row(Happening::Cut(fresh));
            }
            Act::Heal(links) => {
                let healed: Vec<LinkIndex> = links
                    .iter()
                    .copied()
                    .filter(|link| self.cut.remove(link))
                    .collect();
                self.awaits_agreement = true;
                self.row(Happening::Healed(healed));
            }
            Act::Disturb(disturbance) => {
                if let Disturbance::Wipe(node) | Disturbance::PutBack(node) = disturbance {
                    self.nodes[node.0].tip = None;
                }
                self.row(Happening::Disturbed(act.name(), disturbance.nodes()));
            }
        }
        Ok(true)
    }

    fn count_fault(&mut self, name: &str, times: usize) {
        let times = u64::try_from(times).expect("a count fits 64 bits");
        *self.faults.entry(name.to_owned()).or_default() += times;
    }

    fn note_end(&mut self, node: NodeIndex, act: &Act, what: Happening) {
        self.count_fault(act.name(), 1);
        self.nodes[node.0].up = false;
        self.row(what);
    }

    async fn note_start(&mut self, node: NodeIndex) -> Result<(), HarnessError> {
        let tip = self.world.tip(node).await?;
        if !self.world.is_up(node) {
            self.row(Happening::Fell(node));
            return Ok(());
        }
        let view = &mut self.nodes[node.0];
        view.up = true;
        view.lives += 1;
        let (life, before) = (view.lives, view.tip);
        view.tip = tip.or(before);
        if life > 1 {
            self.awaits_agreement = true;
            self.count_fault("restart", 1);
            self.check_durable(node, before, tip);
        }
        self.row(Happening::Started { node, life, tip });
        self.tell_violations();
        Ok(())
    }

    fn check_durable(&mut self, node: NodeIndex, before: Option<Tip>, after: Option<Tip>) {
        let Some(before) = before else { return };
        let kept =
            after.is_some_and(|after| after.id == before.id || after.chainwork > before.chainwork);
        let place = (self.world.now(), Some(node));
        self.tally.check(checks::DURABLE_TIP, kept, place, || {
            let after = after.map_or_else(|| "no tip".to_owned(), |tip| at_height(&tip));
            format!(
                "it had shown {} and came back with {after}",
                at_height(&before)
            )
        });
    }

    /// Tells violations that no row has told yet.
    pub(super) fn tell_violations(&mut self) {
        while let Some(violation) = self.tally.violations().get(self.told).cloned() {
            self.told += 1;
            self.row(Happening::Violated(violation));
        }
    }

    /// Ends the world and sums up.
    pub(super) async fn finish(mut self, harness: Option<HarnessError>) -> Outcome {
        self.row(Happening::Ended);
        let simulated = self.world.now();
        let world = self.world.kind();
        let nodes = self
            .plan
            .nodes
            .iter()
            .zip(&self.nodes)
            .map(|(node, view)| NodeSummary {
                name: node.name.clone(),
                up: view.up,
                tip: view.tip,
                lives: view.lives,
                mined: view.mined,
                reorgs: view.reorgs,
                deepest_reorg: view.deepest_reorg,
            });
        let nodes: Vec<NodeSummary> = nodes.collect();
        let WorldReport {
            checks: world_checks,
            faults,
            probes,
            digest,
        } = self.world.finish().await;
        for (name, times) in faults {
            *self.faults.entry(name).or_default() += times;
        }
        let (mut checks, violations) = self.tally.into_parts();
        for (name, count) in world_checks {
            let sum = checks.entry(name).or_default();
            sum.ran += count.ran;
            sum.failed += count.failed;
        }
        let mut outcome = Outcome {
            scenario: self.plan.name.clone(),
            world,
            seed: self.draws.seed(),
            violations,
            vacuous: self.vacuous,
            harness,
            checks,
            faults: self.faults,
            probes,
            digest,
            nodes,
            simulated,
        };
        // A run that was broken off has not told its story, and need not.
        if outcome.violations.is_empty() && outcome.harness.is_none() {
            let untold = super::vacuity::untold(self.plan, &outcome);
            outcome.vacuous.extend(untold);
        }
        outcome
    }
}

const fn ends_a_life(act: &Act) -> bool {
    matches!(act, Act::Stop(_) | Act::Kill(_) | Act::PowerLoss(_))
}

const fn changes_a_disk(act: &Act) -> bool {
    use Disturbance::{CopyImage, PutBack, Wipe};
    matches!(act, Act::Disturb(Wipe(_) | PutBack(_) | CopyImage(_)))
}
