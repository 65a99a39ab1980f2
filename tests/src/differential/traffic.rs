//! Transfers for the mempool, and blocks out of it.

use archivas_core::chain::NoTemplate;
use archivas_core::primitives::{
    AccountNonce, Address, Amount, Block, Memo, Payment, Timestamp, encode,
};

use super::forge::{as_model, sealed};
use super::{Dice, World};

impl World {
    /// A transfer of any kind, good or bad, new or old.
    pub fn traffic(&mut self, dice: &mut Dice) {
        self.even_ms += dice.below(20_000);
        if dice.once_in(6) && !self.forge.deck.is_empty() {
            let again = dice.pick(&self.forge.deck).clone();
            return self.deliver_transfer(&encode(&again));
        }
        if dice.once_in(5) {
            return self.replace(dice);
        }
        let key = dice.place(self.forge.keys.len());
        let owner = self.account(&self.forge.keys[key].address());
        let ahead = match dice.below(16) {
            0 => 60 + dice.below(8),
            1..=3 => dice.below(12),
            _ => self.waiting_of(key),
        };
        let nonce = match dice.below(24) {
            0 => owner.nonce.saturating_sub(1),
            1 => u64::MAX - dice.below(2),
            _ => owner.nonce + ahead,
        };
        let amount = match dice.below(20) {
            0 => owner.balance,
            1 => u64::MAX - dice.below(200),
            2 => 0,
            3 => owner.balance / 2,
            _ => 1 + dice.below(3_000),
        };
        let fee_min = self.forge.genesis.rules.fee_min.get();
        let fee = match dice.below(20) {
            0 => fee_min.saturating_sub(1),
            _ => fee_min + dice.below(400),
        };
        let payment = Payment {
            to: self.forge.anybody(dice),
            amount: Amount::new(amount),
            fee: Amount::new(fee),
            nonce: AccountNonce::new(nonce),
            memo: Memo::new("\u{1f}\"".repeat(dice.place(5))).expect("short"),
        };
        self.send(key, payment, dice);
    }

    /// A rival of a transfer that waits, about a tenth dearer.
    fn replace(&mut self, dice: &mut Dice) {
        let waiting: Vec<_> = self.mempool.entries().map(|(entry, _)| entry).collect();
        if waiting.is_empty() {
            return;
        }
        let old = dice.pick(&waiting).transfer.signed().clone();
        let dearer = old.fee.get() + old.fee.get().div_ceil(10);
        let owner = self
            .forge
            .keys
            .iter()
            .position(|key| key.address() == old.from());
        let payment = Payment {
            to: self.forge.anybody(dice),
            amount: Amount::new(old.amount.get().saturating_add(dice.below(40))),
            fee: Amount::new((dearer + 2).saturating_sub(dice.below(5))),
            nonce: old.nonce,
            memo: old.memo,
        };
        self.send(owner.expect("only keys of ours pay"), payment, dice);
    }

    /// More transfers of one sender than the mempool keeps.
    pub fn burst(&mut self, dice: &mut Dice) {
        let owner = self.account(&self.forge.keys[0].address());
        let first = owner.nonce + self.waiting_of(0);
        for nonce in first..first + 20 + dice.below(60) {
            let payment = super::faults::payment(self.forge.anybody(dice), 1, 1_000, nonce);
            self.send(0, payment, dice);
        }
    }

    fn send(&mut self, key: usize, payment: Payment, dice: &mut Dice) {
        let mut bytes = encode(&self.forge.sign(key, payment));
        if dice.once_in(30) {
            let at = dice.place(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        }
        self.deliver_transfer(&bytes);
    }

    /// The node's own next block out of its mempool: valid for both sides.
    pub fn template(&mut self, dice: &mut Dice) {
        if self.chain.is_walking() {
            return;
        }
        let room = self.forge.genesis.rules.block_bytes_max as usize - 160 - 2;
        let chosen = self.mempool.select(room);
        let producer = self.forge.anybody(dice);
        let now = Timestamp::new(self.clock_ms);
        let template = match self.chain.template(now, producer, chosen).expect("memory") {
            Ok(template) => template,
            Err(NoTemplate::ClockBehind) => return self.clock_ms += 60_000,
            Err(other) => panic!("the mempool's choice makes no block: {other}"),
        };
        let signed = template
            .transfers
            .iter()
            .map(|checked| checked.signed().clone());
        let block = Block {
            header: sealed(template.header),
            transfers: signed.collect(),
        };
        let (parent, bytes) = (self.tip(), block.encode());
        let read = archivas_model::Block {
            header: archivas_model::Header::parse(&block.header.encode()).expect("160 bytes"),
            transfers: block.transfers.iter().map(as_model).collect(),
        };
        let before = self.forge.made[parent]
            .accounts
            .as_ref()
            .expect("the tip is valid");
        let accounts = before
            .after(&read, &self.forge.rules)
            .expect("a valid block");
        self.forge.keep(parent, block, Some(accounts));
        let outcome = self.deliver_bytes(&bytes);
        assert_eq!(outcome, "stored", "our own block is valid");
        self.counts.templates += 1;
    }

    /// Time passes, now and then enough for transfers to expire or for the tip to be old.
    pub fn wait(&mut self, dice: &mut Dice) {
        self.even_ms += match dice.below(4) {
            0 => dice.below(4 * 3_600_000),
            _ => dice.below(600_000),
        };
        self.clock_ms += match dice.below(15) {
            0 => 25 * 3_600_000,
            _ => dice.below(30_000),
        };
        self.expire();
    }

    fn waiting_of(&self, key: usize) -> u64 {
        let address = self.forge.keys[key].address();
        let own = |sender: Address| sender == address;
        let entries = self.mempool.entries();
        entries
            .filter(|(entry, _)| own(entry.transfer.from()))
            .count() as u64
    }

    fn account(&self, address: &Address) -> archivas_model::Account {
        let accounts = self.model.accounts_at(&self.model.tip());
        accounts
            .expect("the tip was judged")
            .get(address.as_bytes())
    }
}
