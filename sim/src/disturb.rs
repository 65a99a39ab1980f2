//! What plans do to a simulated world beyond starting and ending nodes and cutting links: each
//! disturbance reaches the layer that it concerns, and is counted when it changes something. What
//! happens to segments, disk operations and findings is counted there, when it happens.

use archivas_core::primitives::Millis;
use archivas_scenarios::disturb::{Disturbance, Way, Weather};
use archivas_scenarios::world::{Effect, LinkIndex, NodeIndex};

use crate::network::switchboard::Machine;
use crate::trace::{Kind, NO_NODE};
use crate::world::{SimWorld, both_ways, machine_of};

/// How far the clocks of the core may be off when phase two begins, in milliseconds either way.
pub const CORE_OFFSET_MS_MAX: i64 = 10_000;

impl SimWorld {
    /// Does it; whether it changed anything.
    pub(crate) fn disturb(&mut self, disturbance: &Disturbance) -> Effect {
        let text = format!("{disturbance:?}");
        self.around
            .trace
            .record(NO_NODE, Kind::Act, 2, text.as_bytes());
        let fired = self.apply(disturbance);
        let counted_elsewhere = matches!(
            disturbance,
            Disturbance::Disk { .. }
                | Disturbance::DiskSpeed(..)
                | Disturbance::CheckerSpeed(..)
                | Disturbance::ReaderSpeed(..)
                | Disturbance::Resume(_)
                | Disturbance::CopyImage(_)
                | Disturbance::Calm(_)
        );
        if fired && !counted_elsewhere && *disturbance != self.fair(disturbance) {
            self.around.trace.count(disturbance.name());
        }
        if fired {
            Effect::Fired
        } else {
            Effect::Nothing
        }
    }

    /// The same disturbance as it ends: no fault is counted for it.
    fn fair(&self, disturbance: &Disturbance) -> Disturbance {
        match disturbance {
            Disturbance::Weather(ways, _) => Disturbance::Weather(ways.clone(), Weather::default()),
            Disturbance::Clock(node, _) => Disturbance::Clock(*node, 0),
            _ => Disturbance::Calm(Vec::new()),
        }
    }

    fn apply(&mut self, disturbance: &Disturbance) -> bool {
        match disturbance {
            Disturbance::CutOneWay(ways) => self.cut_ways(ways),
            Disturbance::Weather(ways, weather) => {
                self.set_weather(ways, *weather);
                true
            }
            Disturbance::Reset(links) => self.reset(links),
            Disturbance::HalfOpen(node, links) => self.half_open(*node, links),
            Disturbance::Pause(node) => self.nodes[node.0].pause(true),
            Disturbance::Resume(node) => self.nodes[node.0].pause(false),
            Disturbance::Clock(node, offset_ms) => {
                self.nodes[node.0].skew().set_offset_ms(*offset_ms)
            }
            Disturbance::Wipe(node) => {
                let wiped = self.nodes[node.0].disk().wipe();
                if wiped {
                    self.judges.forget(*node);
                }
                wiped
            }
            Disturbance::CopyImage(node) => {
                let copied = self.nodes[node.0].disk().copy();
                if copied {
                    self.judges.remember_copy(*node);
                }
                copied
            }
            Disturbance::PutBack(node) => {
                let back = self.nodes[node.0].disk().put_back();
                if back {
                    self.judges.put_back(*node);
                }
                back
            }
            Disturbance::Disk { node, fault, after } => {
                self.nodes[node.0].disk().plan(*after, *fault);
                true
            }
            Disturbance::DiskSpeed(node, by) => {
                self.nodes[node.0].disk().set_slower(*by);
                true
            }
            Disturbance::CheckerSpeed(node, by) => {
                self.nodes[node.0].slower().set(*by);
                true
            }
            Disturbance::ReaderSpeed(node, rate) => {
                let (machine, rate) = (machine_of(*node), Some(*rate).filter(|rate| *rate > 0));
                self.around
                    .net
                    .with(|board| board.set_reader(machine, rate));
                true
            }
            Disturbance::Cache(node, kib) => {
                let bytes = usize::try_from(kib << 10).unwrap_or(usize::MAX);
                self.nodes[node.0].set_cache(bytes)
            }
            Disturbance::Prune(node, kept) => self.nodes[node.0].set_kept(*kept),
            Disturbance::Import {
                node,
                source,
                height,
            } => self.import(*node, *source, *height),
            Disturbance::Calm(core) => {
                self.calm(core);
                true
            }
        }
    }

    fn cut_ways(&self, ways: &[Way]) -> bool {
        let mut changed = false;
        for way in ways {
            let (from, to) = (machine_of(way.from), machine_of(way.to));
            changed |= self.around.net.with(|board| board.cut(from, to));
        }
        changed
    }

    fn set_weather(&self, ways: &[Way], weather: Weather) {
        for way in ways {
            let (from, to) = (machine_of(way.from), machine_of(way.to));
            self.around
                .net
                .with(|board| board.set_weather(from, to, weather));
        }
    }

    fn reset(&self, links: &[LinkIndex]) -> bool {
        let reset = |link: &LinkIndex| {
            let ends = self.links[link.0];
            self.around.net.with(|board| board.reset_line(ends))
        };
        links.iter().map(reset).sum::<usize>() > 0
    }

    fn half_open(&self, node: NodeIndex, links: &[LinkIndex]) -> bool {
        let machine = machine_of(node);
        let forget = |link: &LinkIndex| {
            let [a, b] = self.links[link.0];
            let other = if a == machine { b } else { a };
            self.around
                .net
                .with(|board| board.forget_line(machine, other))
        };
        links.iter().map(forget).sum::<usize>() > 0
    }

    /// Phase two begins: no fault is left on these nodes and on the lines among them, and their clocks
    /// are about right. Whoever is down is started by the player.
    fn calm(&mut self, core: &[NodeIndex]) {
        let machines: Vec<Machine> = core.iter().copied().map(machine_of).collect();
        for ends in &self.links {
            if !ends.iter().all(|end| machines.contains(end)) {
                continue;
            }
            for [from, to] in both_ways(*ends) {
                self.around.net.with(|board| {
                    board.heal(from, to);
                    board.set_weather(from, to, Weather::default());
                });
            }
        }
        for node in core {
            let machine = machine_of(*node);
            self.around
                .net
                .with(|board| board.set_reader(machine, None));
            let node = &mut self.nodes[node.0];
            node.pause(false);
            node.disk().disarm();
            node.disk().set_slower(Millis::ZERO);
            node.slower().set(Millis::ZERO);
            let offset_ms = node.skew().offset_ms();
            let near = offset_ms.clamp(-CORE_OFFSET_MS_MAX, CORE_OFFSET_MS_MAX);
            let _changed = node.skew().set_offset_ms(near);
        }
    }
}
