//! Where blocks are made: valid ones on any block made before, with transfers that its accounts
//! allow. The state roots are the model's.

use std::collections::BTreeMap;

use archivas_core::params::{Allocation, Genesis, Retarget, networks};
use archivas_core::primitives::{
    Amount, Block, BlockId, CompactTarget, Header, Height, Millis, SecretKey, SignedTransfer,
    StateRoot, Timestamp, TxRoot, encode,
};
use archivas_model as model;

use super::Order;

const KEYS: u8 = 6;

/// A block that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The block.
    pub block: Block,
    /// Its id.
    pub id: BlockId,
    /// The place of its parent among the blocks made.
    pub parent: usize,
    /// How many blocks lie below it, whatever its header says.
    pub depth: u64,
    /// The accounts after it; none when it or an ancestor breaks a rule.
    pub accounts: Option<model::Accounts>,
}

/// A workshop for one network.
#[derive(Debug)]
pub struct Forge {
    /// The network.
    pub genesis: Genesis,
    /// The network as the model reads it.
    pub rules: model::Genesis,
    /// The senders.
    pub keys: Vec<SecretKey>,
    /// Everything made so far, genesis first; parents before children.
    pub made: Vec<Made>,
    /// Transfers that were signed, to be used again.
    pub deck: Vec<SignedTransfer>,
    /// The world's clock, for blocks that are mined now.
    pub now_ms: u64,
    places: BTreeMap<BlockId, usize>,
}

/// One of four small networks: fixed bits or the schedule, blocks small or smaller, reward or none.
pub fn network(variant: u64) -> Genesis {
    let mut genesis = networks::dev();
    "model".clone_into(&mut genesis.network);
    genesis.domain = "Archivas-Model-TxV1".parse().expect("a domain");
    genesis.rules.block_bytes_max = if variant & 1 == 0 { 20_000 } else { 1_200 };
    genesis.rules.reward = Amount::new([5_000, 0, 7, 5_000][(variant & 3) as usize]);
    genesis.rules.fee_min = Amount::new([10, 0, 10, 1][(variant & 3) as usize]);
    if variant & 2 != 0 {
        genesis.rules.retarget = Retarget::Asert;
        genesis.rules.half_life = Millis::from_secs(240);
        genesis.bits = CompactTarget::new(0x201f_ffff);
    }
    let funded = (0..KEYS - 1).map(|number| Allocation {
        address: key(number).address(),
        amount: Amount::new(if number == 0 { 1 << 60 } else { 1_000_000 }),
    });
    genesis.allocations = funded.collect();
    genesis.check().expect("the network is valid");
    genesis
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number + 1; 32])
}

impl Forge {
    /// A workshop in which only genesis exists.
    pub fn new(genesis: Genesis) -> Self {
        let text = genesis.to_json();
        let rules = model::Genesis::parse(text.as_bytes()).expect("the node wrote it");
        let header = genesis.header();
        let root = Made {
            id: header.id(),
            block: Block {
                header,
                transfers: Vec::new(),
            },
            parent: 0,
            depth: 0,
            accounts: Some(rules.accounts()),
        };
        Forge {
            places: [(root.id, 0)].into(),
            keys: (0..KEYS).map(key).collect(),
            made: vec![root],
            deck: Vec::new(),
            now_ms: 0,
            genesis,
            rules,
        }
    }

    /// The place of a block that was made here.
    pub fn place_of(&self, id: &BlockId) -> usize {
        self.places[id]
    }

    /// The height that a block should have.
    pub fn height(&self, place: usize) -> u64 {
        self.made[place].depth
    }

    /// The block so many below; genesis when there are fewer.
    pub fn ancestor(&self, mut place: usize, below: u64) -> usize {
        for _ in 0..below {
            place = self.made[place].parent;
        }
        place
    }

    /// How many blocks of the first block's branch are not on the second's.
    pub fn apart(&self, mut from: usize, mut other: usize) -> u64 {
        let mut count = 0;
        while from != other {
            if self.height(from) >= self.height(other) {
                from = self.made[from].parent;
                count += 1;
            } else {
                other = self.made[other].parent;
            }
        }
        count
    }

    /// The time that a child must be later than.
    pub fn median_time_past(&self, place: usize) -> u64 {
        let mut places = vec![place];
        while places.len() < 11 && places[places.len() - 1] != 0 {
            places.push(self.made[places[places.len() - 1]].parent);
        }
        let time = |place: &usize| self.made[*place].block.header.timestamp.get();
        let mut times: Vec<u64> = places.iter().map(time).collect();
        times.sort_unstable();
        times[times.len() / 2]
    }

    /// The header of a valid child, but for its seal, and the accounts after it.
    pub fn header(&self, parent: usize, order: &Order) -> (Header, Option<model::Accounts>) {
        let under = &self.made[parent];
        let mut above = model::Header::parse(&under.block.header.encode()).expect("160 bytes");
        above.height = under.depth;
        let transfers: Vec<model::Transfer> = order.transfers.iter().map(as_model).collect();
        let mut header = Header {
            version: 1,
            bits: CompactTarget::new(self.rules.next_bits(&above)),
            height: Height::new(above.height + 1),
            timestamp: Timestamp::new(order.timestamp),
            nonce: 0,
            parent: under.id,
            tx_root: TxRoot::from_bytes(model::tx_root(&transfers)),
            state_root: StateRoot::ZERO,
            producer: order.producer,
            reserved: [0; 12],
        };
        let block = model::Block {
            header: model::Header::parse(&header.encode()).expect("160 bytes"),
            transfers,
        };
        let before = under.accounts.as_ref();
        let accounts = before.and_then(|before| before.after(&block, &self.rules).ok());
        if let Some(accounts) = &accounts {
            header.state_root = StateRoot::from_bytes(accounts.root());
        }
        (header, accounts)
    }

    /// Makes a child that breaks no rule, unless its parent does.
    pub fn make(&mut self, parent: usize, order: Order) -> usize {
        let (header, accounts) = self.header(parent, &order);
        let block = Block {
            header: sealed(header),
            transfers: order.transfers,
        };
        self.keep(parent, block, accounts)
    }

    /// Remembers a block.
    pub fn keep(
        &mut self,
        parent: usize,
        block: Block,
        accounts: Option<model::Accounts>,
    ) -> usize {
        let id = block.id();
        self.made.push(Made {
            block,
            id,
            parent,
            depth: self.made[parent].depth + 1,
            accounts,
        });
        let place = self.made.len() - 1;
        self.places.insert(id, place);
        place
    }
}

/// Seeks a nonce under which the id meets the target that the header names.
pub fn sealed(mut header: Header) -> Header {
    let target = header.bits.expand().expect("the bits are a target");
    while !target.is_met_by(&header.id()) {
        header.nonce += 1;
    }
    header
}

/// A transfer as the model reads it.
pub fn as_model(transfer: &SignedTransfer) -> model::Transfer {
    model::Transfer::parse(&encode(transfer)).expect("the node wrote it")
}
