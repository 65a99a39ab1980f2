//! Applying a block to the state, and reverting it: two functions that undo one another, byte for
//! byte (`protocol.md` §2; checks O3 and O4).

use super::changes::Changes;
use super::undo::Undo;
use crate::params::Rules;
use crate::primitives::{Address, BlockId, LtHash, StateRoot};
use crate::rules::{CheckedBlock, CheckedTransfer, Invalid};
use crate::schema::{self, AccountTx, TxLocation, write};
use crate::storage::{Overlay, Reader, StorageError, Table};

/// Why a block could not be applied: its own fault, or the machine's. Never confused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The block breaks a rule.
    Invalid(Invalid),
    /// The state could not be read; says nothing about the block.
    Storage(StorageError),
}

impl From<Invalid> for Fault {
    fn from(why: Invalid) -> Self {
        Fault::Invalid(why)
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Fault::Storage(error)
    }
}

/// Applies a block to the state of its parent. Writes nothing unless the whole block is valid.
///
/// # Errors
/// `Invalid` when a transfer does not fit the state, or the state root is not what the header says.
pub fn apply_block<R: Reader>(
    rows: &mut Overlay<'_, R>,
    lthash: &mut LtHash,
    rules: &Rules,
    block: &CheckedBlock,
) -> Result<(), Fault> {
    let header = block.header();
    let changes = Changes::of(rows, rules, &header.producer, block.transfers())?;
    let mut after = lthash.clone();
    changes.fold_into(&mut after);
    let (claimed, computed) = (header.state_root, after.root());
    if claimed != computed {
        return Err(Invalid::WrongStateRoot { claimed, computed }.into());
    }
    *lthash = after;
    for (address, account) in changes.after() {
        write::put_account(rows, address, account);
    }
    write::set_undo(rows, &block.id(), Some(&changes.undo()));
    set_index(rows, block, true)?;
    Ok(())
}

/// Takes back the block that was applied last, so that every row is as it was before it.
///
/// # Errors
/// Damage, when the undo row is missing or does not lead back to `parent_root`.
pub fn revert_block<R: Reader>(
    rows: &mut Overlay<'_, R>,
    lthash: &mut LtHash,
    block: &CheckedBlock,
    parent_root: &StateRoot,
) -> Result<(), StorageError> {
    let id = block.id();
    let Undo { before } = schema::undo(rows, &id)?;
    for (address, account) in &before {
        lthash.remove(address, &schema::account(rows, address)?);
        lthash.add(address, account);
        write::put_account(rows, address, account);
    }
    if lthash.root() != *parent_root {
        let why = "it does not lead back to the parent's state root";
        return Err(StorageError::damaged(Table::Undo, id.as_bytes(), &why));
    }
    write::set_undo(rows, &id, None);
    set_index(rows, block, false)?;
    Ok(())
}

/// The state root that a block with these transfers must carry; for templates.
///
/// # Errors
/// `Invalid` when a transfer does not fit the state.
pub fn state_root_after(
    rows: &impl Reader,
    lthash: &LtHash,
    rules: &Rules,
    producer: &Address,
    transfers: &[CheckedTransfer],
) -> Result<StateRoot, Fault> {
    let mut after = lthash.clone();
    Changes::of(rows, rules, producer, transfers)?.fold_into(&mut after);
    Ok(after.root())
}

/// Enters a block's transfers into the indexes by id and by account, or takes them out again; not in
/// a store that keeps none.
///
/// # Errors
/// The machine's only.
pub fn set_index<R: Reader>(
    rows: &mut Overlay<'_, R>,
    block: &CheckedBlock,
    present: bool,
) -> Result<(), StorageError> {
    if !schema::has_tx_index(rows)? {
        return Ok(());
    }
    let (id, height): (BlockId, _) = (block.id(), block.header().height);
    for (index, transfer) in (0u32..).zip(block.transfers()) {
        let location = TxLocation {
            block: id,
            height,
            index,
        };
        write::set_tx(rows, &transfer.id(), present.then_some(&location));
        let entry = AccountTx {
            height,
            index,
            id: transfer.id(),
        };
        // A transfer to oneself is one row: the second write repeats the first.
        for address in [transfer.from(), transfer.to()] {
            write::set_account_tx(rows, &address, &entry, present);
        }
    }
    Ok(())
}
