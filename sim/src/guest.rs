//! What a world around ours may reach into: checks, faults and peers of somebody else's.

use crate::network::switchboard::Machine;
use crate::network::{NodeNetwork, address_of};
use crate::node::{SimNode, Surroundings};
use crate::world::SimWorld;

impl SimWorld {
    /// What all nodes of the run share: time, draws, the network, the digest.
    #[must_use]
    pub fn around(&self) -> &Surroundings {
        &self.around
    }

    /// The nodes, in the order of the plan.
    #[must_use]
    pub fn nodes(&self) -> &[SimNode] {
        &self.nodes
    }

    /// A machine of one's own on the network; numbers from 1,000 on are free.
    #[must_use]
    pub fn stranger(&self, number: Machine, name: &str) -> NodeNetwork {
        let net = &self.around.net;
        net.with(|board| {
            board.add(number, name, address_of(number));
            board.power_on(number)
        });
        net.at(number)
    }
}
