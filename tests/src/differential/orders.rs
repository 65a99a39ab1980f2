//! What blocks are to say: a time, a producer, transfers that the accounts allow.

use std::collections::BTreeMap;

use archivas_core::primitives::{
    AccountNonce, Address, Amount, Domain, Memo, Payment, SecretKey, SignedTransfer,
};
use archivas_model as model;

use super::{Dice, Forge};

const DECK_MAX: usize = 300;

/// What a block should say.
#[derive(Clone, Debug)]
pub struct Order {
    /// When.
    pub timestamp: u64,
    /// For whom.
    pub producer: Address,
    /// With what.
    pub transfers: Vec<SignedTransfer>,
}

impl Forge {
    /// A time for a child: mostly the pace of the network after its parent.
    pub fn time_after(&self, place: usize, dice: &mut Dice) -> u64 {
        let parent = self.made[place].block.header.timestamp.get();
        let time = match dice.below(9) {
            8 => parent.max(self.now_ms),
            0 => parent.saturating_sub(dice.below(30_000)),
            1 => parent + dice.below(60_000),
            _ => parent + 15_000 + dice.below(10_000),
        };
        time.max(self.median_time_past(place) + 1)
    }

    /// Somebody: a sender or a stranger.
    pub fn anybody(&self, dice: &mut Dice) -> Address {
        let strangers = [1, 2, 3].map(|number| Address::from_bytes([number; 20]));
        let keys = self.keys.iter().map(SecretKey::address);
        let all: Vec<Address> = keys.chain(strangers).collect();
        *dice.pick(&all)
    }

    /// Signs a payment for this network and keeps it for later.
    pub fn sign(&mut self, key: usize, payment: Payment) -> SignedTransfer {
        let domain = self.genesis.domain.clone();
        let signed = self.sign_for(key, &domain, payment);
        if self.deck.len() == DECK_MAX {
            self.deck.remove(0);
        }
        self.deck.push(signed.clone());
        signed
    }

    /// Signs a payment for any network.
    pub fn sign_for(&self, key: usize, domain: &Domain, payment: Payment) -> SignedTransfer {
        SignedTransfer::sign(&self.keys[key], domain, payment)
    }

    /// An order for a child that breaks no rule, unless its parent does.
    pub fn order(&mut self, parent: usize, dice: &mut Dice) -> Order {
        let timestamp = self.time_after(parent, dice);
        Order {
            timestamp,
            producer: self.anybody(dice),
            transfers: self.body(parent, dice),
        }
    }

    /// Transfers that the accounts after a block allow in this order.
    fn body(&mut self, parent: usize, dice: &mut Dice) -> Vec<SignedTransfer> {
        let Some(accounts) = self.made[parent].accounts.clone() else {
            return Vec::new();
        };
        let mut purses = Purses::new(accounts);
        let mut room = self.genesis.rules.block_bytes_max as usize - 170;
        let mut body = Vec::new();
        for _ in 0..[0, 1, 2, 4][dice.place(4)] {
            let again = (0..3).find_map(|_| {
                let used = self.deck.get(dice.place(self.deck.len().max(1)))?;
                purses.allows(used).then(|| used.clone())
            });
            let Some(transfer) = again.or_else(|| self.payment(&purses, dice)) else {
                continue;
            };
            if transfer.size() > room {
                break;
            }
            room -= transfer.size();
            purses.pay(&transfer);
            body.push(transfer);
        }
        body
    }

    fn payment(&mut self, purses: &Purses, dice: &mut Dice) -> Option<SignedTransfer> {
        let key = dice.place(self.keys.len());
        let owner = purses.get(&self.keys[key].address());
        let fee = self.genesis.rules.fee_min.get() + dice.below(50);
        let most = owner.balance.checked_sub(fee).filter(|most| *most > 0)?;
        let amount = match dice.below(12) {
            0 if key > 0 => most,
            1 if key > 0 => most.div_ceil(2),
            _ => most.min(1 + dice.below(2_000)),
        };
        let memo = "é".repeat(dice.place(4));
        let payment = Payment {
            to: self.anybody(dice),
            amount: Amount::new(amount),
            fee: Amount::new(fee),
            nonce: AccountNonce::new(owner.nonce),
            memo: Memo::new(memo).expect("short"),
        };
        Some(self.sign(key, payment))
    }
}

/// Accounts while a block is being filled.
pub struct Purses {
    before: model::Accounts,
    changed: BTreeMap<Address, model::Account>,
}

impl Purses {
    /// Accounts that nothing has changed.
    pub const fn new(before: model::Accounts) -> Self {
        Self {
            before,
            changed: BTreeMap::new(),
        }
    }

    /// An account as it is now.
    pub fn get(&self, address: &Address) -> model::Account {
        let changed = self.changed.get(address).copied();
        changed.unwrap_or_else(|| self.before.get(address.as_bytes()))
    }

    /// Whether a transfer could be next.
    pub fn allows(&self, transfer: &SignedTransfer) -> bool {
        let owner = self.get(&transfer.from());
        let cost = transfer.amount.get().checked_add(transfer.fee.get());
        owner.nonce == transfer.nonce.get() && cost.is_some_and(|cost| cost <= owner.balance)
    }

    /// Makes an allowed transfer.
    pub fn pay(&mut self, transfer: &SignedTransfer) {
        let mut from = self.get(&transfer.from());
        from.balance -= transfer.amount.get() + transfer.fee.get();
        from.nonce += 1;
        self.changed.insert(transfer.from(), from);
        let mut to = self.get(&transfer.to);
        to.balance += transfer.amount.get();
        self.changed.insert(transfer.to, to);
    }
}
