//! What a list of transfers does to accounts, worked out before any row is written.

use alloc::collections::BTreeMap;

use super::apply::Fault;
use super::undo::Undo;
use crate::params::Rules;
use crate::primitives::{Account, Address, Amount, LtHash};
use crate::rules::{CheckedTransfer, check_on_state, producer_income};
use crate::schema;
use crate::storage::{Reader, StorageError};

/// An account that a block touches.
#[derive(Clone, Copy, Debug)]
struct Change {
    before: Account,
    after: Account,
}

/// All accounts that a block touches, each once, with the value before and after the whole block.
#[derive(Debug, Default)]
pub(super) struct Changes {
    accounts: BTreeMap<Address, Change>,
}

impl Changes {
    /// Executes the transfers in their order and then pays the producer.
    ///
    /// # Errors
    /// The first transfer that the state does not allow; `Storage` when the state cannot be read.
    pub(super) fn of(
        rows: &impl Reader,
        rules: &Rules,
        producer: &Address,
        transfers: &[CheckedTransfer],
    ) -> Result<Self, Fault> {
        let mut changes = Self::default();
        let mut fees = Amount::ZERO;
        for transfer in transfers {
            changes.execute(rows, transfer)?;
            fees = sum(fees, transfer.fee());
        }
        changes.credit(rows, producer, producer_income(rules, fees))?;
        Ok(changes)
    }

    /// Debits the sender, then credits the receiver — one after the other, so that a transfer to
    /// oneself only pays the fee.
    fn execute(&mut self, rows: &impl Reader, transfer: &CheckedTransfer) -> Result<(), Fault> {
        let sender = self.account(rows, &transfer.from())?;
        check_on_state(transfer, sender)?;
        let left = sender.balance.checked_sub(transfer.cost());
        sender.balance = left.expect("the state covers the cost");
        sender.nonce = sender.nonce.next().expect("the last nonce sends nothing");
        Ok(self.credit(rows, &transfer.to(), transfer.amount())?)
    }

    fn credit(
        &mut self,
        rows: &impl Reader,
        to: &Address,
        amount: Amount,
    ) -> Result<(), StorageError> {
        let account = self.account(rows, to)?;
        account.balance = sum(account.balance, amount);
        Ok(())
    }

    /// The account as it is now in the middle of the block, read from the state the first time.
    fn account(
        &mut self,
        rows: &impl Reader,
        address: &Address,
    ) -> Result<&mut Account, StorageError> {
        if !self.accounts.contains_key(address) {
            let before = schema::account(rows, address)?;
            self.accounts.insert(
                *address,
                Change {
                    before,
                    after: before,
                },
            );
        }
        let change = self
            .accounts
            .get_mut(address)
            .expect("it was just put there");
        Ok(&mut change.after)
    }

    /// Replaces the old accounts by the new ones in the LtHash.
    pub(super) fn fold_into(&self, lthash: &mut LtHash) {
        for (address, change) in &self.accounts {
            lthash.remove(address, &change.before);
            lthash.add(address, &change.after);
        }
    }

    /// The accounts after the block.
    pub(super) fn after(&self) -> impl Iterator<Item = (&Address, &Account)> {
        self.accounts
            .iter()
            .map(|(address, change)| (address, &change.after))
    }

    /// The way back.
    pub(super) fn undo(&self) -> Undo {
        let accounts = self.accounts.iter();
        Undo {
            before: accounts
                .map(|(address, change)| (*address, change.before))
                .collect(),
        }
    }
}

/// Sums of existing money, and of a transfer that was checked, cannot overflow: a genesis is refused
/// unless everything that will ever be issued stays below 2^63.
fn sum(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).expect("the whole supply stays below 2^63")
}
