//! Tests of the chain, over blocks from a workshop and beside a naive model.

mod adding;
mod blocks;
mod failing_disk;
pub(super) mod lab;
mod marks;
mod opening;
mod pruning;
mod random_trees;
mod reorganizing;
mod repairing;
mod restarts;
mod serving;
mod template;
mod window;

use alloc::collections::BTreeMap;

use super::{BlockOutcome, BlockVerdict, Chain};
use crate::primitives::{Account, Address, BlockId};
use crate::schema;
use crate::storage::{MemoryStorage, Reader, Row, Scan, Storage, Table};
use lab::{LATE, Lab};

/// Hands a block of the lab to the chain.
fn give<S: Storage>(chain: &mut Chain<S>, lab: &Lab, id: &BlockId) -> BlockVerdict {
    chain.accept_block(LATE, lab.checked(id)).unwrap()
}

/// Hands over blocks that must all be stored.
pub(super) fn give_all<S: Storage>(chain: &mut Chain<S>, lab: &Lab, ids: &[BlockId]) {
    for id in ids {
        let verdict = give(chain, lab, id);
        assert_eq!(
            (verdict.outcome, verdict.walk.invalid),
            (BlockOutcome::Stored, alloc::vec![])
        );
    }
}

/// All accounts as the rows have them.
fn accounts(chain: &Chain<MemoryStorage>) -> BTreeMap<Address, Account> {
    schema::accounts(chain.reader(), None, usize::MAX)
        .unwrap()
        .into_iter()
        .collect()
}

/// The rows that the best chain alone decides.
fn best_chain_rows(chain: &Chain<MemoryStorage>) -> alloc::vec::Vec<alloc::vec::Vec<Row>> {
    let tables = [
        Table::Best,
        Table::Undo,
        Table::Accounts,
        Table::Txs,
        Table::AccountTxs,
    ];
    tables
        .map(|table| chain.reader().scan(table, &Scan::all()).unwrap())
        .into()
}

/// The same store, opened anew.
fn reopen(chain: &Chain<MemoryStorage>, lab: &Lab) -> Chain<MemoryStorage> {
    Chain::open(chain.reader().clone(), lab.genesis.clone()).unwrap()
}
