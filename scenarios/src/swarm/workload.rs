//! The transfers of a swarm. *Valid* ones enter at nodes of the core, each key always at the same
//! node: the node must take them, and phase two must confirm them. *Wild* ones enter anywhere: gaps,
//! replacements, double spends, emptied accounts, dust; nobody must take them, and no check may fail.

use crate::draws::Draw;
use crate::plan::{ActDoc, EventDoc, Seconds};

use super::{LAST_S, Maker, name};

/// Keys with funds: the valid transfers' first, then the wild ones'.
pub(super) const FUNDED_KEYS: usize = 10;
/// Keys of valid transfers.
const VALID_KEYS: usize = 4;
/// Keys that wild transfers pay to, of which the last have nothing at genesis.
const WILD_TO: usize = 20;
/// A fee that is enough for any size.
const FEE: u64 = 100_000;

impl Maker {
    pub(super) fn workload(&self) -> Vec<EventDoc> {
        let mut events: Vec<EventDoc> = Vec::new();
        events.extend((0..45).map(|n| self.valid(n)));
        events.extend((0..30).flat_map(|n| self.wild(n)));
        events
    }

    fn valid(&self, n: u64) -> EventDoc {
        let mut draw = self.draw("swarm.valid", n);
        let from = draw.index(VALID_KEYS);
        let node = self.core[from % self.core.len()];
        let burst = draw.range(0..10) == 0;
        EventDoc {
            to: Some(draw.index(VALID_KEYS)),
            count: Some(1 + draw.range(0..if burst { 20 } else { 5 })),
            ..self.transfer((node, from), &mut draw)
        }
    }

    /// One wild happening: a transfer or two.
    fn wild(&self, n: u64) -> Vec<EventDoc> {
        let mut draw = self.draw("swarm.wild", n);
        let node = draw.index(self.count);
        let from = VALID_KEYS + draw.index(WILD_TO - VALID_KEYS);
        let first = EventDoc {
            to: Some(VALID_KEYS + draw.index(WILD_TO - VALID_KEYS)),
            nonce_ahead: Some(0),
            ..self.transfer((node, from), &mut draw)
        };
        match draw.index(6) {
            // A burst of nonces.
            0 => vec![EventDoc {
                count: Some(2 + draw.range(0..20)),
                ..first
            }],
            // A gap, filled a little later or never.
            1 => {
                let gap = EventDoc {
                    nonce_ahead: Some(1 + draw.range(0..3)),
                    ..first.clone()
                };
                let filled = later(first, &mut draw);
                if draw.range(0..3) == 0 {
                    vec![gap]
                } else {
                    vec![gap, filled]
                }
            }
            // A replacement, better paid or not.
            2 => {
                let fee = Some(FEE + draw.range(0..FEE));
                let second = EventDoc {
                    fee,
                    ..later(first.clone(), &mut draw)
                };
                vec![first, second]
            }
            // The same nonce at another node, perhaps on the other side of a partition.
            3 => {
                let second = EventDoc {
                    node: Some(name(draw.index(self.count))),
                    to: Some(from),
                    ..first.clone()
                };
                vec![first, second]
            }
            // Everything that is there.
            4 => vec![EventDoc {
                empties: Some(true),
                ..first
            }],
            // Dust.
            _ => vec![EventDoc {
                amount: Some(1),
                count: Some(1 + draw.range(0..10)),
                ..first
            }],
        }
    }

    fn transfer(&self, (node, from): (usize, usize), draw: &mut Draw) -> EventDoc {
        EventDoc {
            at_s: Seconds::whole(20 + draw.range(0..LAST_S - 20)),
            act: ActDoc::Transfer,
            node: Some(name(node)),
            from: Some(from),
            amount: Some(1 + draw.range(0..1_000_000)),
            fee: Some(FEE),
            ..EventDoc::default()
        }
    }
}

/// The same, up to a minute later.
fn later(event: EventDoc, draw: &mut Draw) -> EventDoc {
    let at = event.at_s.millis().get() / 1_000 + draw.range(0..60);
    EventDoc {
        at_s: Seconds::whole(at),
        ..event
    }
}
