//! What a plan can turn at a node: its process, clocks and checker now, cache and policy from the next
//! life on.

use std::collections::BTreeMap;

use archivas_core::chain::Policy;
use archivas_core::probes::Probes;
use madsim::runtime::Handle;

use super::SimNode;
use crate::checker::Slower;
use crate::clock::SharedSkew;

impl SimNode {
    /// Whether its process stands still.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Lets the process stand still, or go on. False when that changes nothing.
    pub fn pause(&mut self, paused: bool) -> bool {
        let Some(life) = self.life.as_ref().filter(|_| self.paused != paused) else {
            return false;
        };
        self.paused = paused;
        let handle = Handle::current();
        if paused {
            handle.pause(life.home.id());
        } else {
            handle.resume(life.home.id());
        }
        self.note(if paused { "pause" } else { "resume" });
        true
    }

    /// Adds the hits of its lives' probes to a sum by name.
    pub fn add_probes(&self, sum: &mut BTreeMap<String, u64>) {
        for (name, hits) in self.probes.iter().flat_map(Probes::hits) {
            *sum.entry(name.into()).or_default() += hits;
        }
    }

    /// Its clocks' skew.
    #[must_use]
    pub fn skew(&self) -> &SharedSkew {
        &self.skew
    }

    /// How much longer its findings take.
    #[must_use]
    pub fn slower(&self) -> &Slower {
        &self.slower
    }

    /// Gives its next lives a page cache of so many bytes. False when that changes nothing.
    pub fn set_cache(&mut self, bytes: usize) -> bool {
        std::mem::replace(&mut self.cache_bytes, bytes) != bytes
    }

    /// Lets its next lives let go of what lies more than so many blocks below the tip. False when that
    /// changes nothing.
    pub fn set_kept(&mut self, blocks: u64) -> bool {
        let policy = Policy {
            undo_blocks: blocks,
            reorg_depth_max: blocks - 1,
            prune: true,
            ..self.policy
        };
        std::mem::replace(&mut self.policy, policy) != policy
    }
}
