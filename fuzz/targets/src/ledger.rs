//! The chain and the mempool beside the naive model, with the events chosen by the input.

use archivas_tests::differential::{Kind, Op, World};

use crate::reach;

/// More events find nothing that fewer do not, and cost a fuzzer its speed: each is several blocks or
/// transfers, and most of the time goes into their signatures.
const EVENTS_MAX: usize = 24;
/// A second burst of one sender meets only a full place.
const BURSTS_MAX: usize = 1;

/// Good and bad blocks, one after the other.
pub fn ledger_model(bytes: &[u8]) {
    let kinds = [
        Kind::Grow,
        Kind::Fault,
        Kind::Traffic,
        Kind::Template,
        Kind::Again,
        Kind::Restart,
    ];
    play(bytes, &kinds);
}

/// Branches in disorder.
pub fn block_tree(bytes: &[u8]) {
    let kinds = [
        Kind::Bush,
        Kind::Rival,
        Kind::Poison,
        Kind::Fault,
        Kind::Mutate,
        Kind::Future,
        Kind::Again,
        Kind::Garble,
        Kind::Restart,
        Kind::Operator,
        Kind::Grow,
    ];
    play(bytes, &kinds);
}

/// Transfers, and blocks that take them.
pub fn mempool_sim(bytes: &[u8]) {
    let kinds = [
        Kind::Traffic,
        Kind::Template,
        Kind::Burst,
        Kind::Traffic,
        Kind::Wait,
        Kind::Traffic,
        Kind::Grow,
    ];
    play(bytes, &kinds);
}

/// Transfers, and branches that take and leave them.
pub fn mempool_reorg(bytes: &[u8]) {
    let kinds = [
        Kind::Traffic,
        Kind::Rival,
        Kind::Template,
        Kind::Poison,
        Kind::Bush,
        Kind::Wait,
        Kind::Operator,
    ];
    play(bytes, &kinds);
}

/// The first byte chooses the network, every three further ones an event and its details.
fn play(bytes: &[u8], kinds: &[Kind]) {
    let Some((variant, events)) = bytes.split_first() else {
        return;
    };
    let mut world = World::new(u64::from(variant % 16), false);
    let mut bursts = 0;
    for event in events.chunks_exact(3).take(EVENTS_MAX) {
        let kind = kinds[usize::from(event[0]) % kinds.len()];
        bursts += usize::from(kind == Kind::Burst);
        if kind == Kind::Burst && bursts > BURSTS_MAX {
            continue;
        }
        let seed = u64::from(u16::from_le_bytes([event[1], event[2]]));
        Op { kind, seed }.run(&mut world);
    }
    world.compare_all();
    let counts = &world.counts;
    for tally in [&counts.outcomes, &counts.culprits, &counts.pool] {
        tally.keys().copied().for_each(reach::verdict);
    }
}
