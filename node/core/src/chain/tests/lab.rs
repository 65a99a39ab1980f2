//! A workshop for blocks: makes valid and spoiled blocks on any parent, with a naive ledger of its
//! own — a map of accounts per block, no undo, no incremental hash.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::chain::Chain;
use crate::params::{Allocation, Genesis, Law, Retarget, Rules};
use crate::primitives::merkle::tx_root;
use crate::primitives::{
    Account, AccountNonce, Address, Amount, Block, BlockId, CompactTarget, Header, LtHash, Memo,
    Millis, Payment, SecretKey, SignedTransfer, StateRoot, Timestamp, Work,
};
use crate::rules::{self, CheckedBlock, check_block};
use crate::storage::MemoryStorage;

/// Late enough that no block of a test is from the future.
pub const LATE: Timestamp = Timestamp::new(4_000_000_000_000);

/// The reward of the lab's network.
pub const REWARD: u64 = 1_000;

/// What each key owns at genesis.
pub const FUNDS: u64 = 1_000_000;

/// A block that was made, and the accounts after it.
#[derive(Clone)]
pub struct Made {
    pub block: CheckedBlock,
    pub accounts: BTreeMap<Address, Account>,
    pub chainwork: Work,
    /// False when the block or an ancestor was spoiled.
    pub valid: bool,
}

/// Keys, a network, and every block made so far.
pub struct Lab {
    pub genesis: Genesis,
    pub law: Law,
    pub keys: Vec<SecretKey>,
    pub made: BTreeMap<BlockId, Made>,
    pub root: BlockId,
}

/// The order of a block.
#[derive(Clone)]
pub struct Order {
    pub gap: Millis,
    pub producer: Address,
    pub transfers: Vec<SignedTransfer>,
    /// Carry a state root that is not that of the accounts.
    pub wrong_root: bool,
}

impl Lab {
    pub fn new() -> Self {
        let keys: Vec<_> = (1..=4)
            .map(|seed| SecretKey::from_seed([seed; 32]))
            .collect();
        let fund = |key: &SecretKey| Allocation {
            address: key.address(),
            amount: FUNDS.amount(),
        };
        let genesis = Genesis {
            network: "lab".into(),
            domain: "Lab-TxV1".parse().unwrap(),
            time: Timestamp::new(1_700_000_000_000),
            bits: CompactTarget::new(0x207f_ffff),
            nonce: 0,
            rules: Rules {
                block_time: Millis::from_secs(20),
                half_life: Millis::from_secs(200),
                target_limit: CompactTarget::new(0x207f_ffff),
                retarget: Retarget::Asert,
                reward: REWARD.amount(),
                fee_min: Amount::new(1),
                block_bytes_max: 20_000,
                future_limit: Millis::from_secs(40),
            },
            allocations: keys.iter().map(fund).collect(),
        };
        genesis.check().unwrap();
        let header = genesis.header();
        let block = Block {
            header,
            transfers: Vec::new(),
        };
        let made = Made {
            block: CheckedBlock::from_store(block, &genesis.domain).unwrap(),
            accounts: genesis.accounts().collect(),
            chainwork: Work::of_target(header.bits.expand().unwrap()),
            valid: true,
        };
        let root = header.id();
        Self {
            law: genesis.law(),
            genesis,
            keys,
            made: BTreeMap::from([(root, made)]),
            root,
        }
    }

    pub fn chain(&self) -> Chain<MemoryStorage> {
        Chain::open(MemoryStorage::new(), self.genesis.clone()).unwrap()
    }

    pub fn get(&self, id: &BlockId) -> &Made {
        &self.made[id]
    }

    pub fn checked(&self, id: &BlockId) -> CheckedBlock {
        self.made[id].block.clone()
    }

    pub fn header(&self, id: &BlockId) -> Header {
        *self.made[id].block.header()
    }

    /// A plain order: no transfers, twenty seconds after the parent.
    pub fn order(&self) -> Order {
        let producer = Address::from_bytes([9; 20]);
        Order {
            gap: Millis::from_secs(20),
            producer,
            transfers: Vec::new(),
            wrong_root: false,
        }
    }

    /// An empty block; `variant` makes it differ from its siblings.
    pub fn empty(&mut self, parent: BlockId, variant: u8) -> BlockId {
        let producer = Address::from_bytes([variant; 20]);
        self.make(
            parent,
            Order {
                producer,
                ..self.order()
            },
        )
    }

    /// `count` empty blocks on top of each other, lowest first.
    pub fn line(&mut self, parent: BlockId, count: usize, variant: u8) -> Vec<BlockId> {
        let mut line: Vec<BlockId> = Vec::new();
        for _ in 0..count {
            let parent = *line.last().unwrap_or(&parent);
            line.push(self.empty(parent, variant));
        }
        line
    }

    /// Blocks that each move money between the keys and to a new address.
    pub fn busy_line(&mut self, parent: BlockId, count: usize, variant: u8) -> Vec<BlockId> {
        let mut line: Vec<BlockId> = Vec::new();
        for step in 0..count {
            let parent = *line.last().unwrap_or(&parent);
            let (from, to) = (step % 4, self.address((step + usize::from(variant)) % 4));
            let first = self.next_pay(&parent, from, to, 10 + u64::from(variant));
            let nonce = first.nonce.get();
            let second = self.pay(from, Address::from_bytes([variant; 20]), 3, nonce + 1);
            let producer = self.address(variant.into());
            let transfers = alloc::vec![first, second];
            let order = Order {
                producer,
                transfers,
                ..self.order()
            };
            line.push(self.make(parent, order));
        }
        line
    }

    /// A transfer of one of the keys, with any nonce.
    pub fn pay(&self, from: usize, to: Address, amount: u64, nonce: u64) -> SignedTransfer {
        let payment = Payment {
            to,
            amount: amount.amount(),
            fee: Amount::new(2),
            nonce: AccountNonce::new(nonce),
            memo: Memo::default(),
        };
        SignedTransfer::sign(&self.keys[from], &self.genesis.domain, payment)
    }

    pub fn address(&self, key: usize) -> Address {
        self.keys[key].address()
    }

    /// A transfer that is right after `parent`.
    pub fn next_pay(
        &self,
        parent: &BlockId,
        from: usize,
        to: Address,
        amount: u64,
    ) -> SignedTransfer {
        let account = self.get(parent).accounts.get(&self.address(from)).copied();
        self.pay(from, to, amount, account.unwrap_or_default().nonce.get())
    }

    /// Makes and seals a block, and keeps it.
    pub fn make(&mut self, parent: BlockId, order: Order) -> BlockId {
        let above = self.get(&parent);
        let accounts = execute(&above.accounts, &order);
        let last = above.block.header();
        let mut header = Header {
            version: 1,
            bits: rules::next_bits(&self.genesis, last.height, last.timestamp),
            height: last.height.next(),
            timestamp: last.timestamp.plus(order.gap).max(self.earliest(&parent)),
            nonce: 0,
            parent,
            tx_root: tx_root(&order.transfers),
            state_root: root_of(&accounts),
            producer: order.producer,
            reserved: [0; 12],
        };
        if order.wrong_root {
            header.state_root = StateRoot::from_bytes([0xee; 32]);
        }
        let target = header.bits.expand().unwrap();
        while !target.is_met_by(&header.id()) {
            header.nonce += 1;
        }
        let valid = above.valid && !order.wrong_root;
        let chainwork = above
            .chainwork
            .checked_add(Work::of_target(target))
            .unwrap();
        let block = check_block(
            Block {
                header,
                transfers: order.transfers,
            },
            &self.law,
        )
        .unwrap();
        let id = block.id();
        self.made.insert(
            id,
            Made {
                block,
                accounts,
                chainwork,
                valid,
            },
        );
        id
    }

    /// One millisecond after the median of the last eleven.
    fn earliest(&self, parent: &BlockId) -> Timestamp {
        let mut times: Vec<_> = self
            .ancestry(parent)
            .iter()
            .rev()
            .take(11)
            .copied()
            .collect();
        times.sort_unstable();
        times[times.len() / 2].plus(Millis::new(1))
    }

    fn ancestry(&self, id: &BlockId) -> Vec<Timestamp> {
        self.path(id)
            .iter()
            .map(|id| self.header(id).timestamp)
            .collect()
    }

    /// The ids from genesis to a block, both included.
    pub fn path(&self, id: &BlockId) -> Vec<BlockId> {
        let mut path = alloc::vec![*id];
        while let Some(made) = self.made.get(&self.header(path.last().unwrap()).parent) {
            path.push(made.block.id());
        }
        path.reverse();
        path
    }
}

/// The accounts after an order, by wrapping arithmetic that checks nothing.
fn execute(before: &BTreeMap<Address, Account>, order: &Order) -> BTreeMap<Address, Account> {
    let mut after = before.clone();
    let mut income = REWARD;
    for transfer in &order.transfers {
        let from = after.entry(transfer.from()).or_default();
        let cost = transfer.amount.get().wrapping_add(transfer.fee.get());
        from.balance = from.balance.get().wrapping_sub(cost).amount();
        from.nonce = AccountNonce::new(from.nonce.get().wrapping_add(1));
        let to = after.entry(transfer.to).or_default();
        to.balance = to
            .balance
            .get()
            .wrapping_add(transfer.amount.get())
            .amount();
        income = income.wrapping_add(transfer.fee.get());
    }
    let producer = after.entry(order.producer).or_default();
    producer.balance = producer.balance.get().wrapping_add(income).amount();
    after.retain(|_, account| !account.is_empty());
    after
}

fn root_of(accounts: &BTreeMap<Address, Account>) -> StateRoot {
    let mut lthash = LtHash::EMPTY;
    accounts
        .iter()
        .for_each(|(address, account)| lthash.add(address, account));
    lthash.root()
}

/// `5.amount()` instead of `Amount::new(5)`.
pub trait IntoAmount {
    fn amount(self) -> Amount;
}

impl IntoAmount for u64 {
    fn amount(self) -> Amount {
        Amount::new(self)
    }
}
