//! Doing it all again: the accounts, undo and indexes of a chain, made anew from its blocks in a store
//! of their own, with every rule checked. A check compares them; a repair keeps them.

use core::fmt::Display;

use super::headers::parent_context;
use super::{AccountsAt, Chain, OpenError};
use crate::ledger::{self, Fault};
use crate::params::{Genesis, UNDO_BLOCKS};
use crate::primitives::{Block, BlockId, Height, LtHash};
use crate::rules::{CheckedBlock, check_block, check_header};
use crate::schema::{self, HeaderRecord, meta, write};
use crate::storage::{Batch, Overlay, Reader, Scan, Storage, StorageError, Table};
use core::ops::Bound;

/// Blocks in one commit: at most 16 MiB of bodies.
const STEP: u64 = 16;

/// Rows that are copied or compared at once.
const PAGE: usize = 1_000;

/// The tables that blocks decide alone, and nothing else.
pub const DERIVED: [Table; 4] = [Table::Undo, Table::Accounts, Table::Txs, Table::AccountTxs];

/// A replay under way. It begins with genesis or, where bodies are not kept, with the state that undo
/// leads back to, whose root the header proves.
#[derive(Debug)]
pub struct Replay<'a, R, S> {
    source: &'a R,
    scratch: S,
    genesis: &'a Genesis,
    lthash: LtHash,
    at: Height,
    end: Height,
    horizon: Height,
}

impl<'a, R: Reader, S: Storage> Replay<'a, R, S> {
    /// Begins to replay the best chain of `source` up to a height within it, into a store whose
    /// derived tables are empty.
    ///
    /// # Errors
    /// The machine's; damage, when the first state is not what its header says.
    pub fn begin(
        source: &'a R,
        scratch: S,
        genesis: &'a Genesis,
        end: Height,
    ) -> Result<Self, StorageError> {
        let (base, horizon) = (schema::base(source)?, schema::horizon(source)?);
        let kept = schema::tip(source)?.height == end;
        let horizon = match kept {
            true => horizon,
            false => horizon.min(end.saturating_sub(UNDO_BLOCKS)),
        };
        let at = if base == Height::GENESIS {
            base
        } else {
            horizon
        };
        let mut replay = Self {
            source,
            scratch,
            genesis,
            lthash: LtHash::EMPTY,
            at,
            end,
            horizon,
        };
        if !schema::has_tx_index(source)? {
            let mut rows = Overlay::new(&replay.scratch);
            write::set_tx_index(&mut rows, false);
            let batch = rows.into_batch();
            replay.scratch.commit(batch)?;
        }
        match at {
            Height::GENESIS => replay.begin_at_genesis()?,
            _ => replay.begin_at_horizon(base)?,
        }
        Ok(replay)
    }

    fn begin_at_genesis(&mut self) -> Result<(), StorageError> {
        let mut rows = Overlay::new(&self.scratch);
        for (address, account) in self.genesis.accounts() {
            self.lthash.add(&address, &account);
            write::put_account(&mut rows, &address, &account);
        }
        let batch = rows.into_batch();
        self.scratch.commit(batch)
    }

    fn begin_at_horizon(&mut self, base: Height) -> Result<(), StorageError> {
        let mut accounts = AccountsAt::new(self.source, self.at);
        while let Some(page) = accounts.next_page()? {
            let mut rows = Overlay::new(&self.scratch);
            for (address, account) in &page {
                self.lthash.add(address, account);
                write::put_account(&mut rows, address, account);
            }
            let batch = rows.into_batch();
            self.scratch.commit(batch)?;
        }
        let id = schema::required_best(self.source, self.at)?;
        if self.lthash.root() != schema::required_header(self.source, &id)?.header.state_root {
            return Err(damaged(
                Table::Accounts,
                &id,
                &"undo leads back to another state root",
            ));
        }
        let mut height = base.next();
        while height <= self.at {
            let mut rows = Overlay::new(&self.scratch);
            for _ in 0..STEP {
                if height <= self.at {
                    let (_, block) = self.load(height)?;
                    ledger::set_index(&mut rows, &block, true)?;
                    height = height.next();
                }
            }
            let batch = rows.into_batch();
            self.scratch.commit(batch)?;
        }
        Ok(())
    }

    /// Checks and executes the next few blocks; false when none was left.
    ///
    /// # Errors
    /// The machine's; damage, when a block of the best chain breaks a rule.
    pub fn step(&mut self) -> Result<bool, StorageError> {
        if self.at >= self.end {
            return Ok(false);
        }
        let mut rows = Overlay::new(&self.scratch);
        let mut lthash = self.lthash.clone();
        let last = Height::new(self.at.get() + STEP).min(self.end);
        let mut height = self.at;
        while height < last {
            height = height.next();
            let (id, block) = self.load(height)?;
            match ledger::apply_block(&mut rows, &mut lthash, &self.genesis.rules, &block) {
                Ok(()) => {}
                Err(Fault::Storage(error)) => return Err(error),
                Err(Fault::Invalid(why)) => return Err(damaged(Table::Bodies, &id, &why)),
            }
            if height <= self.horizon {
                write::set_undo(&mut rows, &id, None);
            }
        }
        let batch = rows.into_batch();
        self.scratch.commit(batch)?;
        (self.lthash, self.at) = (lthash, height);
        Ok(true)
    }

    /// The block of that height, judged like a peer's.
    fn load(&self, height: Height) -> Result<(BlockId, CheckedBlock), StorageError> {
        let id = schema::required_best(self.source, height)?;
        let HeaderRecord { header, .. } = schema::required_header(self.source, &id)?;
        let parent = schema::required_header(self.source, &header.parent)?.header;
        let context = parent_context(self.source, self.genesis, &header.parent, &parent)?;
        check_header(&header, &context).map_err(|why| damaged(Table::Headers, &id, &why))?;
        let transfers = schema::body(self.source, &id)?;
        let transfers =
            transfers.ok_or_else(|| damaged(Table::Bodies, &id, &"the row is missing"))?;
        let block = check_block(Block { header, transfers }, &self.genesis.law())
            .map_err(|why| damaged(Table::Bodies, &id, &why))?;
        match block.id() == id {
            true => Ok((id, block)),
            false => Err(damaged(
                Table::Headers,
                &id,
                &"it is another block's header",
            )),
        }
    }

    /// The height that it has come to.
    pub const fn height(&self) -> Height {
        self.at
    }

    /// The store, and the LtHash of its accounts.
    pub fn finish(self) -> (S, LtHash) {
        (self.scratch, self.lthash)
    }
}

fn damaged(table: Table, id: &BlockId, why: &dyn Display) -> StorageError {
    StorageError::damaged(table, id.as_bytes(), why)
}

/// The first key of a table under which two stores hold different things.
///
/// # Errors
/// The machine's only.
pub fn first_difference(
    one: &impl Reader,
    other: &impl Reader,
    table: Table,
) -> Result<Option<Key>, StorageError> {
    let mut after = Bound::Unbounded;
    loop {
        let scan = Scan {
            from: after,
            ..Scan::all()
        };
        let (a, b) = (
            one.scan(table, &scan.clone().limit(PAGE))?,
            other.scan(table, &scan.limit(PAGE))?,
        );
        if let Some(at) = (0..a.len().max(b.len())).find(|at| a.get(*at) != b.get(*at)) {
            let keys = [a.get(at), b.get(at)].into_iter().flatten();
            return Ok(keys.map(|(key, _)| key.clone()).min());
        }
        match a.last() {
            Some((key, _)) if a.len() == PAGE => after = Bound::Excluded(key.clone()),
            _ => return Ok(None),
        }
    }
}

/// A key of a table.
pub type Key = alloc::vec::Vec<u8>;

/// Copies all rows that are not derived into an empty store.
///
/// # Errors
/// The machine's only.
pub fn copy_underived(source: &impl Reader, target: &mut impl Storage) -> Result<(), StorageError> {
    for table in Table::ALL
        .into_iter()
        .filter(|table| !DERIVED.contains(table))
    {
        let mut after = Bound::Unbounded;
        loop {
            let scan = Scan {
                from: after,
                ..Scan::all()
            };
            let rows = source.scan(table, &scan.limit(PAGE))?;
            let Some((last, _)) = rows.last() else {
                break;
            };
            after = Bound::Excluded(last.clone());
            let mut batch = Batch::new();
            rows.into_iter()
                .for_each(|(key, value)| batch.put(table, key, value));
            target.commit(batch)?;
        }
    }
    Ok(())
}

/// Opens a store that was rebuilt up to a height, and makes the block there its tip. The store must
/// hold the underived rows of `source` and the derived ones of a replay.
///
/// # Errors
/// [`OpenError`], when it is no chain after that.
pub fn open_rebuilt<S: Storage>(
    mut store: S,
    genesis: Genesis,
    tip: Height,
    lthash: &LtHash,
) -> Result<Chain<S>, OpenError> {
    let old = schema::tip(&store)?;
    let id = schema::required_best(&store, tip)?;
    let mut rows = Overlay::new(&store);
    let mut height = tip.next();
    while height <= old.height {
        write::set_best(&mut rows, height, None);
        height = height.next();
    }
    if tip < old.height {
        write::set_walk(&mut rows, None);
        let horizon = schema::horizon(&store)?.min(tip.saturating_sub(UNDO_BLOCKS));
        write::put_meta(&mut rows, meta::HORIZON, &horizon);
    }
    write::put_meta(&mut rows, meta::TIP, &id);
    write::put_lthash(&mut rows, lthash);
    let batch = rows.into_batch();
    store.commit(batch)?;
    let mut chain = Chain::load(store, genesis)?;
    if tip < old.height {
        chain.roll_back(tip, &mut |_| {})?;
    }
    Chain::open(chain.storage, chain.genesis)
}
