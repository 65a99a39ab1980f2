//! Questions about the chain that peers and the desk ask.

use alloc::vec::Vec;

use super::Chain;
use crate::params::peers::{BODY_WINDOW, LOCATOR_MAX};
use crate::primitives::{Block, BlockId, Header, Height};
use crate::schema::{self, HeaderRecord, Status};
use crate::storage::{Reader, Storage, StorageError, Table};

/// How many steps of a locator are single; after them each is twice as long as the one before.
const LOCATOR_SINGLE_STEPS: usize = 10;

/// How many rows of the best header's chain are read at once when bodies are missing.
const MISSING_PAGE: usize = 128;

impl<S: Storage> Chain<S> {
    /// The known header with that id, committed or not.
    ///
    /// # Errors
    /// The machine's only.
    pub fn header(&self, id: &BlockId) -> Result<Option<HeaderRecord>, StorageError> {
        schema::header(&self.rows(), id)
    }

    /// The committed block with that id, if its body is here.
    ///
    /// # Errors
    /// The machine's only.
    pub fn block(&self, id: &BlockId) -> Result<Option<Block>, StorageError> {
        schema::block(&self.storage, id)
    }

    /// Ids along the best header's chain by which a peer finds where we part: the best header, ten
    /// single steps, then doubling, genesis last. At most [`LOCATOR_MAX`]. They claim nothing: a
    /// header that is not committed yet may be among them.
    ///
    /// # Errors
    /// The machine's only.
    pub fn locator(&self) -> Result<Vec<BlockId>, StorageError> {
        let mut ids = Vec::new();
        let rows = &self.rows();
        let (mut height, mut step) = (self.best_header().height, 1);
        while height != Height::GENESIS {
            ids.push(named(rows, Table::BestHeaders, height)?);
            step *= if ids.len() > LOCATOR_SINGLE_STEPS {
                2
            } else {
                1
            };
            height = height.saturating_sub(step);
        }
        ids.push(self.genesis_id);
        assert!(
            ids.len() <= LOCATOR_MAX,
            "heights below 2^32 need 10 + 32 steps"
        );
        Ok(ids)
    }

    /// Headers of the committed best chain after the first id of the locator that is on it (after genesis
    /// when none is), up to and including `stop`, at most `max`.
    ///
    /// # Errors
    /// The machine's only.
    pub fn headers_after(
        &self,
        locator: &[BlockId],
        stop: &BlockId,
        max: usize,
    ) -> Result<Vec<Header>, StorageError> {
        let mut from = Height::GENESIS;
        for id in locator.iter().take(LOCATOR_MAX) {
            if let Some(height) = self.height_on_best(id)? {
                from = height;
                break;
            }
        }
        let mut headers = Vec::new();
        for id in schema::best_ids(&self.storage, from.next(), max)? {
            headers.push(schema::required_header(&self.storage, &id)?.header);
            if id == *stop {
                break;
            }
        }
        Ok(headers)
    }

    /// The height of a block if it is on the committed best chain.
    ///
    /// # Errors
    /// The machine's only.
    pub fn height_on_best(&self, id: &BlockId) -> Result<Option<Height>, StorageError> {
        let Some(record) = schema::header(&self.storage, id)? else {
            return Ok(None);
        };
        let height = record.header.height;
        Ok((schema::best_id(&self.storage, height)? == Some(*id)).then_some(height))
    }

    /// The height of the last block that the chain of a stored block shares with the best chain.
    ///
    /// # Errors
    /// The machine's only.
    pub fn shared_height(&self, id: &BlockId) -> Result<Height, StorageError> {
        fork_of(&self.storage, self.view.tip.height, id)
    }

    /// The first blocks of the best header's chain whose bodies are not here, lowest first, at most
    /// `limit`, and none more than [`BODY_WINDOW`] above the first: a body that nobody delivers must
    /// not let all the others pile up behind it. Costs as much as there are blocks between the first
    /// missing and the last returned.
    ///
    /// # Errors
    /// The machine's only.
    pub fn missing_bodies(&self, limit: usize) -> Result<Vec<BlockId>, StorageError> {
        let mut missing = Vec::new();
        let rows = &self.rows();
        let mut from = self.added.view.missing_from;
        let mut end = None;
        loop {
            let page = schema::best_header_ids(rows, from, MISSING_PAGE)?;
            if page.is_empty() {
                return Ok(missing);
            }
            for id in page {
                if missing.len() == limit || end == Some(from) {
                    return Ok(missing);
                }
                if schema::required_header(rows, &id)?.status == Status::HeaderOnly {
                    end = end.or(Some(Height::new(from.get() + BODY_WINDOW as u64)));
                    missing.push(id);
                }
                from = from.next();
            }
        }
    }
}

/// The id that one of the two chains has at a height within it.
fn named(rows: &impl Reader, table: Table, height: Height) -> Result<BlockId, StorageError> {
    let id = match table {
        Table::BestHeaders => schema::best_header_id(rows, height)?,
        _ => schema::best_id(rows, height)?,
    };
    id.ok_or_else(|| {
        StorageError::damaged(table, &height.get().to_be_bytes(), &"the row is missing")
    })
}

/// The height of the last block that a block's chain shares with the best chain, which ends at
/// `tip`. Costs as much as the branch is long on which the block stands beside both the best chain
/// and the best header's.
pub(super) fn fork_of(
    rows: &impl Reader,
    tip: Height,
    id: &BlockId,
) -> Result<Height, StorageError> {
    let mut id = *id;
    loop {
        let Header { height, parent, .. } = schema::required_header(rows, &id)?.header;
        if schema::best_id(rows, height)? == Some(id) {
            return Ok(height);
        }
        if schema::best_header_id(rows, height)? == Some(id) {
            return fork_height(rows, height.min(tip));
        }
        id = parent;
    }
}

/// Whether a block is, or descends from, another one.
pub(super) fn descends(
    rows: &impl Reader,
    id: &BlockId,
    ancestor: &BlockId,
) -> Result<bool, StorageError> {
    let height = schema::required_header(rows, ancestor)?.header.height;
    let mut id = *id;
    loop {
        let header = schema::required_header(rows, &id)?.header;
        if header.height <= height {
            return Ok(id == *ancestor);
        }
        if schema::best_header_id(rows, header.height)? == Some(id) {
            return Ok(schema::best_header_id(rows, height)? == Some(*ancestor));
        }
        id = header.parent;
    }
}

/// The height of the last block that the best chain and the best header's chain share; both reach
/// at least `highest`. Chains that have parted do not meet again, so halving finds it.
pub(super) fn fork_height(storage: &impl Reader, highest: Height) -> Result<Height, StorageError> {
    let (mut shared, mut parted) = (0, highest.next().get());
    while parted - shared > 1 {
        let height = shared + (parted - shared) / 2;
        let same = schema::best_id(storage, Height::new(height))?
            == schema::best_header_id(storage, Height::new(height))?;
        *(if same { &mut shared } else { &mut parted }) = height;
    }
    Ok(Height::new(shared))
}
