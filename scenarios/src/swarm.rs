//! The swarm: a whole plan from nothing but a seed. A few nodes on drawn links, half an hour of virtual
//! time, some hundred transfers of every kind, and of all faults a random half, each at a rate of its
//! own (swarm testing: a run in which everything happens at once hides what two things do together).
//! Then the faults end for a drawn core of nodes, and these must agree and confirm what they took.

mod faults;
mod workload;

use crate::draws::{Draw, Draws};
use crate::plan::{
    ActDoc, Document, EventDoc, ExpectDoc, LinksDoc, NetworkDoc, NodeDoc, ProcessesDoc,
    RetargetDoc, Seconds, ShapeDoc, VERSION,
};
use crate::world::WorldKind;

/// How it is called.
pub(crate) const NAME: &str = "swarm";
/// What it is.
pub(crate) const ABOUT: &str = "\
    Three to five nodes live through half an hour that is drawn from the seed alone: hash power, \
    links, transfers of every kind, and a random half of all faults at random rates. Then the faults \
    end for a random core of nodes, which must agree, go on, and confirm what they accepted.";

/// How long faults and transfers come, in seconds.
const DURATION_S: u64 = 1_500;
/// The time that a core has to agree in phase two, in seconds.
const AGREE_S: u64 = 300;
/// Nothing is placed later than this many seconds before the end, so that it can be undone.
const LAST_S: u64 = 1_300;

/// The plan of a seed, as a document.
pub(crate) fn document(seed: u64) -> Document {
    let maker = Maker::new(seed);
    let mut events = maker.faults();
    events.extend(maker.workload());
    let (nodes, links) = (maker.nodes(), maker.links());
    let names = |is: &dyn Fn(usize) -> bool| {
        let chosen = (0..maker.count).filter(|at| is(*at));
        chosen.map(name).collect::<Vec<String>>()
    };
    let core = names(&|at| maker.core.contains(&at));
    Document {
        version: VERSION,
        name: NAME.to_owned(),
        aliases: Vec::new(),
        about: ABOUT.to_owned(),
        worlds: vec![WorldKind::Sim],
        duration_s: Seconds::whole(DURATION_S),
        network: maker.network(),
        nodes,
        node_count: None,
        links,
        events,
        expect: ExpectDoc {
            agree_within_s: Seconds::whole(AGREE_S),
            core,
            may_miss: true,
            min_height: None,
            reorgs: None,
            keeps_tip: Vec::new(),
            relayed_within_s: None,
            confirmed_within_s: None,
        },
        must_fire: Vec::new(),
        processes: ProcessesDoc::default(),
    }
}

/// The name of the node at a place.
fn name(at: usize) -> String {
    char::from(b'a' + u8::try_from(at).expect("a swarm has few nodes")).to_string()
}

/// What the parts of one plan are made from.
struct Maker {
    draws: Draws,
    /// How many nodes.
    count: usize,
    /// Pairs of linked nodes.
    pairs: Vec<(usize, usize)>,
    shape: ShapeDoc,
    /// The nodes of phase two: linked among themselves, in order.
    core: Vec<usize>,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let draws = Draws::new(seed);
        let mut draw = draws.draw("swarm.shape", &[], 0);
        let count = 3 + draw.index(3);
        // A mesh as often as all else: partitions are richest there.
        let shape = match draw.index(6) {
            0 => ShapeDoc::Line,
            1 => ShapeDoc::Ring,
            2 => ShapeDoc::Star,
            _ => ShapeDoc::Mesh,
        };
        let pairs = pairs(shape, count);
        let mut core = vec![draw.index(count)];
        let size = 2 + draw.index(count - 1);
        while core.len() < size {
            let near = |at: &usize| {
                let linked = |other| pairs.contains(&(*at, other)) || pairs.contains(&(other, *at));
                !core.contains(at) && core.iter().any(|other| linked(*other))
            };
            let candidates: Vec<usize> = (0..count).filter(near).collect();
            core.push(candidates[draw.index(candidates.len())]);
        }
        core.sort_unstable();
        Self {
            draws,
            count,
            pairs,
            shape,
            core,
        }
    }

    fn draw(&self, site: &str, n: u64) -> Draw {
        self.draws.draw(site, &[], n)
    }

    fn is_core(&self, at: usize) -> bool {
        self.core.contains(&at)
    }

    fn network(&self) -> NetworkDoc {
        let mut draw = self.draw("swarm.network", 0);
        NetworkDoc {
            block_time_s: Seconds::whole(10 + draw.range(0..3) * 10),
            half_life_s: Seconds::whole(150 << draw.range(0..4)),
            retarget: RetargetDoc::Asert,
            start_hashes: (draw.range(0..2) == 0).then(|| 2 + draw.range(0..511)),
            funded_keys: workload::FUNDED_KEYS,
            funds: 1_000_000_000_000,
        }
    }

    fn links(&self) -> LinksDoc {
        let mut draw = self.draw("swarm.links", 0);
        let least = draw.range(1..50);
        let most = least + draw.range(1..300);
        LinksDoc {
            shape: Some(self.shape),
            pairs: None,
            latency_ms: Some([least, most]),
            discover: false,
        }
    }

    fn nodes(&self) -> Vec<NodeDoc> {
        let far = self.draw("swarm.far_clocks", 0).range(0..3) == 0;
        let node = |at: usize| {
            let mut draw = self.draws.draw("swarm.node", name(at).as_bytes(), 0);
            let power = draw.range(5..60);
            // One in five does not mine, but somebody of the core always does.
            let mines = draw.range(0..5) > 0 || self.core[0] == at;
            let offset = faults::offset(&mut draw, far && !self.is_core(at));
            let drift = draw.range(0..1_001);
            NodeDoc {
                name: name(at),
                hash_power: if mines { tenths(power) } else { 0.0 },
                offset_s: Some(offset),
                drift_ppm: i32::try_from(drift).ok().map(|drift| drift - 500),
                starts: true,
            }
        };
        (0..self.count).map(node).collect()
    }

    /// An event of this kind at a node, at a drawn time.
    fn event(&self, act: ActDoc, node: usize, draw: &mut Draw) -> EventDoc {
        EventDoc {
            at_s: Seconds::whole(20 + draw.range(0..LAST_S - 20)),
            act,
            node: Some(name(node)),
            ..EventDoc::default()
        }
    }
}

/// The pairs that a shape links.
fn pairs(shape: ShapeDoc, count: usize) -> Vec<(usize, usize)> {
    let all = (1..count).flat_map(|a| (0..a).map(move |b| (a, b)));
    let linked = |(a, b): &(usize, usize)| match shape {
        ShapeDoc::Mesh => true,
        ShapeDoc::Line => a - b == 1,
        ShapeDoc::Ring => a - b == 1 || (*b == 0 && *a == count - 1),
        ShapeDoc::Star => *b == 0,
    };
    all.filter(linked).collect()
}

/// A tenth of a whole number; divisions of small integers are exact everywhere.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn tenths(value: u64) -> f64 {
    value as f64 / 10.0
}

/// A thousandth of a whole number.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn thousandths(value: u64) -> f64 {
    value as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::{Nonces, Plan, What};

    #[test]
    fn every_seed_gives_a_plan_and_always_the_same() {
        for seed in 0..300 {
            let plan = Plan::resolve(document(seed), "swarm").unwrap_or_else(|e| panic!("{e}"));
            assert!((3..=5).contains(&plan.nodes.len()));
            assert!(plan.expect.core.len() >= 2);
            assert_eq!(document(seed), document(seed));
        }
    }

    #[test]
    fn every_act_of_the_format_is_drawn_for_some_seed_and_none_for_all() {
        let mut seeds: BTreeMap<&str, u64> = BTreeMap::new();
        for seed in 0..200 {
            let acts = document(seed)
                .events
                .into_iter()
                .map(|event| event.act.name());
            let acts: std::collections::BTreeSet<&str> = acts.collect();
            acts.into_iter()
                .for_each(|act| *seeds.entry(act).or_default() += 1);
        }
        for act in [
            "kill",
            "power_loss",
            "stop",
            "pause",
            "cut",
            "weather",
            "reset",
            "half_open",
            "clock",
            "wipe",
            "copy_image",
            "put_back",
            "disk",
            "slow_disk",
            "slow_checker",
            "slow_reader",
            "cache",
        ] {
            let count = seeds.get(act).copied().unwrap_or(0);
            assert!((20..200).contains(&count), "{act} in {count} of 200 seeds");
        }
        assert_eq!(seeds["transfer"], 200);
    }

    #[test]
    fn the_core_keeps_its_disks_and_its_clocks_near_the_truth() {
        for seed in 0..200 {
            let document = document(seed);
            let core = &document.expect.core;
            for node in document
                .nodes
                .iter()
                .filter(|node| core.contains(&node.name))
            {
                assert!(node.offset_s.unwrap().abs() <= 10.0);
            }
            for event in &document.events {
                let of_core = event.node.as_ref().is_some_and(|node| core.contains(node));
                let destroys = matches!(event.act, ActDoc::Wipe | ActDoc::PutBack);
                let far = event.offset_s.is_some_and(|offset| offset.abs() > 10.0);
                assert!(!(of_core && (destroys || far)), "{event:?}");
            }
        }
    }

    #[test]
    fn there_are_about_three_hundred_transfers_of_both_kinds() {
        let (mut valid, mut wild) = (0, 0);
        for seed in 0..50 {
            let plan = Plan::resolve(document(seed), "swarm").unwrap();
            for event in &plan.events {
                let What::Transfer(workload) = &event.what else {
                    continue;
                };
                match workload.nonces {
                    Nonces::Successive => {
                        valid += workload.count;
                        assert!(plan.expect.core.contains(&workload.node));
                    }
                    Nonces::Wild { .. } => wild += workload.count,
                }
            }
        }
        assert!((100..300).contains(&(valid / 50)), "{valid}");
        assert!((50..200).contains(&(wild / 50)), "{wild}");
    }
}
