//! Beginning from a snapshot: a chain of which only the headers are here adopts the accounts after
//! one of its blocks, and goes on from there (`protocol.md` §5).
//!
//! It takes many commits, and between the first and the last the store is no chain: it must be filled
//! where no node finds it, and moved to its place when it is whole.

use super::{Chain, OpenError};
use crate::params::Genesis;
use crate::primitives::{Account, Address, BlockId, Height, LtHash, StateRoot};
use crate::rules::issued;
use crate::schema::{self, Arrival, HeaderRecord, Status, meta, write};
use crate::storage::{Overlay, Storage, StorageError};

/// Blocks whose headers are rewritten in one commit.
const STEP: usize = 2_000;

/// Why accounts were not adopted: they are not those after the block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Only the genesis block is there, or the block is not on the chain of the best header.
    #[error("the block is not one after genesis on the best chain of headers")]
    Block,
    /// An account comes twice or in the wrong place.
    #[error("the account {0} does not come in the order of addresses")]
    Order(Address),
    /// An account that has nothing has no row.
    #[error("the account {0} is empty")]
    Empty(Address),
    /// They are other accounts than the header commits to.
    #[error("the accounts have the state root {found}, and the block's header says {claimed}")]
    StateRoot {
        /// What the header says.
        claimed: StateRoot,
        /// What the accounts give.
        found: StateRoot,
    },
    /// The balances are not allocations and rewards: no rule allows such a block.
    #[error("the balances sum up to {found}, and {issued} were issued")]
    Supply {
        /// What the rules say, in base units.
        issued: u64,
        /// What the accounts give.
        found: u128,
    },
}

/// A store that is being filled.
#[derive(Debug)]
pub struct Adoption<S> {
    storage: S,
    genesis: Genesis,
    id: BlockId,
    record: HeaderRecord,
    lthash: LtHash,
    supply: u128,
    last: Option<Address>,
}

impl<S: Storage> Adoption<S> {
    /// Begins to adopt the accounts after a block of the best header's chain.
    ///
    /// # Errors
    /// The machine's outside; inside, why it cannot be this block.
    pub fn begin(chain: Chain<S>, id: &BlockId) -> Result<Result<Self, Unfit>, StorageError> {
        let Some(record) = chain.header(id)? else {
            return Ok(Err(Unfit::Block));
        };
        let height = record.header.height;
        let named = schema::best_header_id(&chain.storage, height)?;
        if height == Height::GENESIS || named != Some(*id) || chain.tip().id != chain.genesis_id {
            return Ok(Err(Unfit::Block));
        }
        let (mut storage, genesis) = (chain.storage, chain.genesis);
        let mut rows = Overlay::new(&storage);
        for (address, _) in genesis.accounts() {
            write::put_account(&mut rows, &address, &Account::default());
        }
        let batch = rows.into_batch();
        storage.commit(batch)?;
        Ok(Ok(Self {
            storage,
            genesis,
            id: *id,
            record,
            lthash: LtHash::EMPTY,
            supply: 0,
            last: None,
        }))
    }

    /// Takes the next accounts, in one commit.
    ///
    /// # Errors
    /// The machine's outside; inside, what is wrong with them.
    pub fn add(&mut self, page: &[(Address, Account)]) -> Result<Result<(), Unfit>, StorageError> {
        let mut rows = Overlay::new(&self.storage);
        for (address, account) in page {
            if self.last.is_some_and(|last| *address <= last) {
                return Ok(Err(Unfit::Order(*address)));
            }
            if account.is_empty() {
                return Ok(Err(Unfit::Empty(*address)));
            }
            self.last = Some(*address);
            self.supply += u128::from(account.balance.get());
            self.lthash.add(address, account);
            write::put_account(&mut rows, address, account);
        }
        let batch = rows.into_batch();
        self.storage.commit(batch)?;
        Ok(Ok(()))
    }

    /// The LtHash of the accounts so far.
    pub const fn lthash(&self) -> &LtHash {
        &self.lthash
    }

    /// Judges the accounts by the block's header and makes the block the tip: nothing below it can be
    /// reverted, and no body up to it is here.
    ///
    /// # Errors
    /// The machine's outside; inside, why these are not the accounts.
    pub fn finish(mut self) -> Result<Result<Chain<S>, Unfit>, OpenError> {
        let (claimed, found) = (self.record.header.state_root, self.lthash.root());
        if claimed != found {
            return Ok(Err(Unfit::StateRoot { claimed, found }));
        }
        let issued = issued(&self.genesis, self.record.header.height).get();
        if self.supply != u128::from(issued) {
            let found = self.supply;
            return Ok(Err(Unfit::Supply { issued, found }));
        }
        let next = self.walk_up()?;
        self.set_tip(next)?;
        Chain::open(self.storage, self.genesis).map(Ok)
    }

    /// Names the blocks up to the new tip as the best chain; gives the next arrival number.
    fn walk_up(&mut self) -> Result<Arrival, StorageError> {
        let tip = self.record.header.height;
        let mut arrival = Arrival::FIRST.next();
        let mut height = Height::GENESIS.next();
        while height <= tip {
            let mut rows = Overlay::new(&self.storage);
            for id in schema::best_header_ids(&self.storage, height, STEP)? {
                if height > tip {
                    break;
                }
                let record = HeaderRecord {
                    status: Status::Pruned,
                    arrival: Some(arrival),
                    ..schema::required_header(&self.storage, &id)?
                };
                write::put_header(&mut rows, &id, &record);
                write::set_best(&mut rows, height, Some(&id));
                (arrival, height) = (arrival.next(), height.next());
            }
            let batch = rows.into_batch();
            self.storage.commit(batch)?;
        }
        Ok(arrival)
    }

    fn set_tip(&mut self, next: Arrival) -> Result<(), StorageError> {
        let mut rows = Overlay::new(&self.storage);
        let root_id = self.genesis.id();
        let root_record = schema::required_header(&self.storage, &root_id)?;
        write::set_block_tip(&mut rows, &root_id, &root_record, false);
        let record = schema::required_header(&self.storage, &self.id)?;
        let height = record.header.height;
        write::set_block_tip(&mut rows, &self.id, &record, true);
        write::put_lthash(&mut rows, &self.lthash);
        write::put_meta(&mut rows, meta::TIP, &self.id);
        write::put_meta(&mut rows, meta::NEXT_ARRIVAL, &next);
        write::put_meta(&mut rows, meta::HORIZON, &height);
        write::put_meta(&mut rows, meta::BASE, &height);
        let batch = rows.into_batch();
        self.storage.commit(batch)
    }
}
