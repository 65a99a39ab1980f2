//! What makes a block valid by itself: seal, size, tx root and every transfer (protocol §3). This is
//! the heavy work that needs no state, and so runs beside the loop.

use alloc::vec::Vec;

use super::header::check_form;
use super::seal::check_seal;
use super::transfer::check_transfer;
use super::{CheckedTransfer, Invalid};
use crate::params::{Law, Rules};
use crate::primitives::{Block, BlockId, Domain, Header};

/// A block that is valid by itself: the only kind that the chain takes. Comes only from
/// [`check_block`], or from our own store, into which only such were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBlock {
    id: BlockId,
    header: Header,
    transfers: Vec<CheckedTransfer>,
}

impl CheckedBlock {
    /// The id of the header.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// The header, sealed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The body, in the order of execution.
    pub fn transfers(&self) -> &[CheckedTransfer] {
        &self.transfers
    }

    /// The body, taken out.
    pub fn into_transfers(self) -> Vec<CheckedTransfer> {
        self.transfers
    }

    /// The block as it goes to peers and into the store; copies the body.
    pub fn block(&self) -> Block {
        let transfers = self
            .transfers
            .iter()
            .map(|checked| checked.signed().clone())
            .collect();
        Block {
            header: self.header,
            transfers,
        }
    }

    /// A block out of our own store, which was checked before it was stored.
    ///
    /// # Errors
    /// [`Invalid`] when it cannot have been: the store is damaged.
    pub(crate) fn from_store(block: Block, domain: &Domain) -> Result<Self, Invalid> {
        let Block { header, transfers } = block;
        let checked = transfers
            .into_iter()
            .map(|tx| CheckedTransfer::from_store(tx, domain));
        Ok(Self {
            id: header.id(),
            header,
            transfers: checked.collect::<Result<_, _>>()?,
        })
    }
}

/// Checks all that needs neither parent nor state, cheapest first.
///
/// # Errors
/// The first rule broken; of the transfers, the first that breaks one.
pub fn check_block(block: Block, law: &Law) -> Result<CheckedBlock, Invalid> {
    check_form(&block.header)?;
    check_seal(&block.header)?;
    check_size(&block, &law.rules)?;
    if block.tx_root() != block.header.tx_root {
        return Err(Invalid::MutatedBody);
    }
    let Block { header, transfers } = block;
    let checked = transfers
        .into_iter()
        .map(|transfer| check_transfer(transfer, law));
    Ok(CheckedBlock {
        id: header.id(),
        header,
        transfers: checked.collect::<Result<_, _>>()?,
    })
}

fn check_size(block: &Block, rules: &Rules) -> Result<(), Invalid> {
    let (size, size_max) = (block.size(), rules.block_bytes_max as usize);
    if size > size_max {
        Err(Invalid::BlockTooLarge { size, size_max })
    } else {
        Ok(())
    }
}
