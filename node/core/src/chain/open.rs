//! Opening a store: an empty one becomes the genesis of its network, any other must fit.

use super::added::Added;
use super::draft::View;
use super::invariants::Thoroughness;
use super::verdict::OpenError;
use super::{Chain, Policy, headers, queries};
use crate::params::{Genesis, REORG_STEP_BLOCKS, RULES_VERSION};
use crate::primitives::{Block, BlockId, LtHash, Work};
use crate::schema::{self, Arrival, HeaderRecord, SCHEMA_VERSION, Status, meta, write};
use crate::storage::{Batch, Overlay, Reader, Scan, Storage, StorageError, Table};

impl<S: Storage> Chain<S> {
    /// Opens a store for a network, and makes the genesis rows in an empty one.
    ///
    /// # Errors
    /// [`OpenError`]: the store failed, is damaged, or is another network's or layout's.
    ///
    /// # Panics
    /// For a genesis that was not checked.
    pub fn open(mut storage: S, genesis: Genesis) -> Result<Self, OpenError> {
        let header = genesis.header();
        if is_empty(&storage)? {
            let block = Block {
                header,
                transfers: alloc::vec![],
            };
            let batch = genesis_rows(&storage, &genesis, &block);
            storage.commit(batch)?;
        }
        let mut chain = Self::load(storage, genesis)?;
        chain.check_invariants(Thoroughness::Quick)?;
        chain.judge_old_marks_anew()?;
        Ok(chain)
    }

    /// As `open`, for a store that is no empty one and need not be a chain at rest.
    pub(super) fn load(storage: S, genesis: Genesis) -> Result<Self, OpenError> {
        let genesis_id = genesis.id();
        check_identity(&storage, genesis_id)?;
        let view = view(&storage)?;
        let self_checks = cfg!(test).then_some(Thoroughness::Full);
        let law = genesis.law();
        Ok(Self {
            storage,
            genesis,
            genesis_id,
            law,
            added: Added::nothing(&view),
            view,
            self_checks,
            policy: Policy::default(),
            step_moves: 2 * REORG_STEP_BLOCKS + 1,
        })
    }
}

impl<S: Storage> Chain<S> {
    /// Makes sure that the index of transfers is kept, or not, as wished. A store without blocks
    /// remembers the wish; any other must have been made so.
    ///
    /// # Errors
    /// `OtherIndex`, and the machine's.
    pub fn settle_tx_index(&mut self, wished: bool) -> Result<(), OpenError> {
        let kept = schema::has_tx_index(&self.storage)?;
        if kept == wished {
            return Ok(());
        }
        if self.view.tip.id != self.genesis_id || self.is_walking() {
            return Err(OpenError::OtherIndex { kept });
        }
        let mut rows = Overlay::new(&self.storage);
        write::set_tx_index(&mut rows, wished);
        let batch = rows.into_batch();
        Ok(self.storage.commit(batch)?)
    }
}

fn is_empty(storage: &impl Reader) -> Result<bool, StorageError> {
    for table in Table::ALL {
        if !storage.scan(table, &Scan::all().limit(1))?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The rows of a chain that ends in its genesis block, which nobody checks: its id is the network.
fn genesis_rows(storage: &impl Reader, genesis: &Genesis, block: &Block) -> Batch {
    let (id, header) = (block.id(), block.header);
    let rows = &mut Overlay::new(storage);
    let mut lthash = LtHash::EMPTY;
    for (address, account) in genesis.accounts() {
        lthash.add(&address, &account);
        write::put_account(rows, &address, &account);
    }
    let target = header
        .bits
        .expand()
        .expect("a checked genesis has a target");
    let record = HeaderRecord {
        header,
        chainwork: Work::of_target(target),
        status: Status::Stored,
        arrival: Some(Arrival::FIRST),
    };
    write::put_header(rows, &id, &record);
    write::put_level(rows, header.height, &id);
    write::put_body(rows, &id, &block.transfers);
    write::set_header_tip(rows, &id, &record, true);
    write::set_block_tip(rows, &id, &record, true);
    write::set_best(rows, header.height, Some(&id));
    write::set_best_header(rows, header.height, Some(&id));
    write::put_lthash(rows, &lthash);
    write::put_meta(rows, meta::SCHEMA, &SCHEMA_VERSION);
    write::put_meta(rows, meta::RULES, &RULES_VERSION);
    write::put_meta(rows, meta::GENESIS, &id);
    write::put_meta(rows, meta::TIP, &id);
    write::put_meta(rows, meta::BEST_HEADER, &id);
    write::put_meta(rows, meta::NEXT_ARRIVAL, &Arrival::FIRST.next());
    core::mem::replace(rows, Overlay::new(storage)).into_batch()
}

fn check_identity(storage: &impl Reader, ours: BlockId) -> Result<(), OpenError> {
    let found: u32 = schema::required_meta_row(storage, meta::SCHEMA)?;
    if found != SCHEMA_VERSION {
        return Err(OpenError::OtherSchema {
            found,
            ours: SCHEMA_VERSION,
        });
    }
    let found: BlockId = schema::required_meta_row(storage, meta::GENESIS)?;
    if found != ours {
        return Err(OpenError::OtherGenesis { found, ours });
    }
    Ok(())
}

/// What memory holds, derived from the rows.
fn view(storage: &impl Reader) -> Result<View, StorageError> {
    let tip = schema::tip(storage)?;
    let id: BlockId = schema::required_meta_row(storage, meta::BEST_HEADER)?;
    let best_header = headers::point(&id, &schema::required_header(storage, &id)?);
    Ok(View {
        missing_from: queries::fork_height(storage, tip.height.min(best_header.height))?.next(),
        tip,
        best_header,
        lthash: schema::lthash(storage)?,
        walk: schema::meta_row(storage, meta::WALK)?,
        next_arrival: schema::required_meta_row(storage, meta::NEXT_ARRIVAL)?,
        horizon: schema::horizon(storage)?,
        base: schema::base(storage)?,
    })
}
