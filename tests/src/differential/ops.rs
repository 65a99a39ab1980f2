//! What can happen to a world, as data: lists of ops are runs that shrink.

use std::fmt;

use super::{Dice, World};

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A valid block on the tip.
    Grow,
    /// A deep branch overtakes.
    Rival,
    /// A branch that would win is invalid inside.
    Poison,
    /// A small tree in disorder.
    Bush,
    /// A block with one fault.
    Fault,
    /// A changed body before the honest one.
    Mutate,
    /// A block from the future.
    Future,
    /// Something known, or held back.
    Again,
    /// Random damage.
    Garble,
    /// The chain is opened anew.
    Restart,
    /// The operator speaks.
    Operator,
    /// A few transfers.
    Traffic,
    /// Many transfers of one sender.
    Burst,
    /// A block from the node's template.
    Template,
    /// Time passes.
    Wait,
    /// A reorganization in several commits.
    LongHaul,
}

/// An event with the seed of its details.
#[derive(Clone, Copy)]
pub struct Op {
    /// What.
    pub kind: Kind,
    /// The details.
    pub seed: u64,
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind, self.seed)
    }
}

impl Op {
    /// The kinds and how often each comes, in parts of their sum; [`Kind::LongHaul`] is not among
    /// them.
    pub const WEIGHTS: [(Kind, u32); 15] = [
        (Kind::Grow, 10),
        (Kind::Rival, 9),
        (Kind::Poison, 4),
        (Kind::Bush, 6),
        (Kind::Fault, 10),
        (Kind::Mutate, 3),
        (Kind::Future, 2),
        (Kind::Again, 12),
        (Kind::Garble, 4),
        (Kind::Restart, 1),
        (Kind::Operator, 3),
        (Kind::Traffic, 24),
        (Kind::Burst, 1),
        (Kind::Template, 6),
        (Kind::Wait, 4),
    ];

    /// Lets it happen.
    pub fn run(self, world: &mut World) {
        let dice = &mut Dice::new(self.seed);
        world.forge.now_ms = world.clock_ms;
        match self.kind {
            Kind::Grow => world.grow(dice),
            Kind::Rival => world.rival(dice),
            Kind::Poison => world.poison(dice),
            Kind::Bush => world.bush(dice),
            Kind::Fault => world.fault(dice),
            Kind::Mutate => world.mutate(dice),
            Kind::Future => world.future(dice),
            Kind::Again => world.again(dice),
            Kind::Garble => world.garble(dice),
            Kind::Restart => world.restart(),
            Kind::Operator => world.operator(dice),
            Kind::Traffic => (0..4).for_each(|_| world.traffic(dice)),
            Kind::Burst => world.burst(dice),
            Kind::Template => world.template(dice),
            Kind::Wait => world.wait(dice),
            Kind::LongHaul => world.long_haul(dice),
        }
    }
}
