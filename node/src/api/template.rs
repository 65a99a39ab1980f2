//! The block templates that miners work on, kept until the tip moves on. Asking twice within a few
//! seconds gives the same template, so that many miners cost the loop one block building.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archivas_core::primitives::{Address, Block, BlockId, Header, Instant, Millis, SignedTransfer};

/// How long a template is handed out again; after that the mempool deserves another look.
pub const FRESH: Millis = Millis::from_secs(5);
/// The most templates remembered, for as many producers or ages. Each holds at most one block of
/// transfers, 1 MiB on the wire: 16 MiB and some.
const TEMPLATES_MAX: usize = 16;

/// A block without its seal.
#[derive(Clone, Debug)]
pub struct Unsealed {
    /// The header with nonce 0, whose id names the template.
    pub header: Header,
    /// The body.
    pub transfers: Arc<Vec<SignedTransfer>>,
    /// When it was made.
    pub made: Instant,
}

impl Unsealed {
    /// The template's name: miners give it back with the nonce.
    pub fn id(&self) -> BlockId {
        self.header.id()
    }

    /// The block with the seal that a miner found.
    pub fn seal(&self, nonce: u64, timestamp_ms: Option<u64>) -> Block {
        let mut header = self.header;
        header.nonce = nonce;
        if let Some(timestamp) = timestamp_ms {
            header.timestamp = archivas_core::primitives::Timestamp::new(timestamp);
        }
        Block {
            header,
            transfers: self.transfers.to_vec(),
        }
    }
}

/// The templates handed out for the current tip, newest last.
#[derive(Debug, Default)]
pub struct Templates {
    known: Mutex<VecDeque<Unsealed>>,
}

impl Templates {
    /// A template for that tip and producer that is still fresh.
    pub fn fresh(&self, tip: &BlockId, producer: &Address, now: Instant) -> Option<Unsealed> {
        let known = self.known();
        let fits = |template: &&Unsealed| {
            template.header.parent == *tip
                && template.header.producer == *producer
                && now.since(template.made) < FRESH
        };
        known.iter().rev().find(fits).cloned()
    }

    /// Remembers a template; those of other tips and the oldest over the bound are forgotten.
    pub fn remember(&self, template: Unsealed) {
        let mut known = self.known();
        known.retain(|other| other.header.parent == template.header.parent);
        known.push_back(template);
        while known.len() > TEMPLATES_MAX {
            known.pop_front();
        }
    }

    /// The template of that name.
    pub fn get(&self, id: &BlockId) -> Option<Unsealed> {
        self.known()
            .iter()
            .find(|template| template.id() == *id)
            .cloned()
    }

    fn known(&self) -> MutexGuard<'_, VecDeque<Unsealed>> {
        // No code panics half-way through a change of the queue.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(parent: u8, producer: u8, made: u64) -> Unsealed {
        let header = Header {
            parent: BlockId::from_bytes([parent; 32]),
            producer: Address::from_bytes([producer; 20]),
            timestamp: archivas_core::primitives::Timestamp::new(made),
            ..Header::default()
        };
        Unsealed {
            header,
            transfers: Arc::default(),
            made: Instant::new(made),
        }
    }

    #[test]
    fn a_template_is_handed_out_again_only_to_its_producer_on_its_tip_while_fresh() {
        let (templates, first) = (Templates::default(), template(1, 1, 0));
        templates.remember(first.clone());
        let fresh = |parent: u8, producer: u8, now: u64| {
            let (parent, producer) = ([parent; 32], [producer; 20]);
            let (parent, producer) = (BlockId::from_bytes(parent), Address::from_bytes(producer));
            templates
                .fresh(&parent, &producer, Instant::new(now))
                .is_some()
        };
        assert!(fresh(1, 1, 4_999));
        assert!(!fresh(1, 1, 5_000));
        assert!(!fresh(1, 2, 0));
        assert!(!fresh(2, 1, 0));
        assert!(templates.get(&first.id()).is_some());
    }

    #[test]
    fn a_new_tip_forgets_the_templates_of_the_old_one() {
        let (templates, old) = (Templates::default(), template(1, 1, 0));
        templates.remember(old.clone());
        templates.remember(template(2, 1, 1));
        assert!(templates.get(&old.id()).is_none());
    }

    #[test]
    fn the_oldest_templates_go_when_there_are_too_many() {
        let templates = Templates::default();
        for made in 0..=TEMPLATES_MAX as u64 {
            templates.remember(template(1, 1, made));
        }
        assert!(templates.get(&template(1, 1, 0).id()).is_none());
        assert!(templates.get(&template(1, 1, 1).id()).is_some());
    }

    #[test]
    fn a_seal_changes_nonce_and_time_only() {
        let unsealed = template(1, 1, 7);
        let sealed = unsealed.seal(9, Some(8));
        let mut header = sealed.header;
        assert_eq!((header.nonce, header.timestamp.get()), (9, 8));
        (header.nonce, header.timestamp) = (0, unsealed.header.timestamp);
        assert_eq!(header, unsealed.header);
        assert_eq!(unsealed.seal(9, None).header.timestamp.get(), 7);
    }
}
