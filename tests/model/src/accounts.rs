//! Accounts: a map, a block applied to a copy of it, its hash from scratch (protocol §§1, 2).

use std::collections::BTreeMap;

use crate::block::Block;
use crate::genesis::Genesis;
use crate::hash::{Hash, LaneSum, blake2b_32};
use crate::rule::Rule;
use crate::transfer::Transfer;

/// What an address owns and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Base units.
    pub balance: u64,
    /// How many transfers it has made.
    pub nonce: u64,
}

/// Exactly the accounts that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts(BTreeMap<[u8; 20], Account>);

impl Accounts {
    /// An account; empty when it is not there.
    pub fn get(&self, address: &[u8; 20]) -> Account {
        self.0.get(address).copied().unwrap_or_default()
    }

    /// All accounts that are not empty.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8; 20], &Account)> {
        self.0.iter()
    }

    /// The sum of all balances.
    pub fn supply(&self) -> u128 {
        self.0
            .values()
            .map(|account| u128::from(account.balance))
            .sum()
    }

    /// The state root, from all accounts anew.
    pub fn root(&self) -> Hash {
        let mut sum = LaneSum::new();
        for (address, account) in &self.0 {
            let (balance, nonce) = (account.balance.to_le_bytes(), account.nonce.to_le_bytes());
            sum.add(&blake2b_32(&[b"account", address, &balance, &nonce]));
        }
        sum.root()
    }

    /// Gives somebody money.
    pub fn credit(&mut self, address: &[u8; 20], amount: u64) {
        let account = self.0.entry(*address).or_default();
        account.balance = account
            .balance
            .checked_add(amount)
            .expect("genesis bounds the supply");
        self.forget_if_empty(address);
    }

    /// The accounts after the transfers and the producer's income.
    ///
    /// # Errors
    /// The rule that a transfer breaks on the accounts as it finds them.
    pub fn after(&self, block: &Block, genesis: &Genesis) -> Result<Self, Rule> {
        let mut next = self.clone();
        let mut income = genesis.reward;
        for transfer in &block.transfers {
            next.pay(transfer)?;
            income += transfer.fee;
        }
        next.credit(&block.header.producer, income);
        Ok(next)
    }

    /// Judges a transfer on these accounts.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn judge(&self, transfer: &Transfer) -> Result<(), Rule> {
        let sender = self.get(&transfer.from());
        if transfer.nonce < sender.nonce {
            return Err(Rule::NonceUsed);
        }
        if transfer.nonce > sender.nonce {
            return Err(Rule::NonceGap);
        }
        let cost = u128::from(transfer.amount) + u128::from(transfer.fee);
        match u128::from(sender.balance) >= cost {
            true => Ok(()),
            false => Err(Rule::BalanceTooLow),
        }
    }

    fn pay(&mut self, transfer: &Transfer) -> Result<(), Rule> {
        self.judge(transfer)?;
        let from = transfer.from();
        let sender = self.0.entry(from).or_default();
        sender.balance -= transfer.amount + transfer.fee;
        sender.nonce += 1;
        self.credit(&transfer.to, transfer.amount);
        Ok(())
    }

    fn forget_if_empty(&mut self, address: &[u8; 20]) {
        if self.get(address) == Account::default() {
            self.0.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_of_nothing_has_no_row() {
        let mut accounts = Accounts::default();
        let empty = accounts.root();
        accounts.credit(&[1; 20], 0);
        assert_eq!(accounts, Accounts::default());
        accounts.credit(&[1; 20], 5);
        assert_eq!(accounts.supply(), 5);
        assert_ne!(accounts.root(), empty);
    }

    #[test]
    fn a_transfer_to_oneself_only_pays_the_fee() {
        let mut transfer = Transfer {
            to: [0; 20],
            amount: 50,
            fee: 7,
            nonce: 0,
            memo: String::new(),
            public_key: [9; 32],
            signature: [0; 64],
        };
        transfer.to = transfer.from();
        let mut accounts = Accounts::default();
        accounts.credit(&transfer.to, 100);
        assert_eq!(accounts.pay(&transfer), Ok(()));
        assert_eq!(
            accounts.get(&transfer.to),
            Account {
                balance: 93,
                nonce: 1
            }
        );
        assert_eq!(accounts.pay(&transfer), Err(Rule::NonceUsed));
    }
}
