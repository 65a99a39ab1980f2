//! Transfers that wait for a block: admission, replacement, eviction, following the chain
//! (protocol §6).
//!
//! Policy only. Nothing here decides what is valid in a block, and nothing here reads storage:
//! the accounts come from the caller, as of the tip.

mod admission;
mod follow;
mod select;

pub use admission::{Admitted, PoolRefusal};
pub use follow::{DropReason, Dropped};

use crate::params::pool::POOL_FLOOR_HALF_LIFE;
use crate::primitives::Account;
use crate::primitives::{AccountNonce, Address, Amount, Instant, SignedTransfer, TxId};
use crate::rules::CheckedTransfer;
use alloc::collections::{BTreeMap, BTreeSet};

/// Fee for each 1,024 bytes of a signed transfer, in base units: what transfers compete with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeeRate(u64);

impl FeeRate {
    /// The rate of a fee for a size in bytes.
    pub fn of(fee: Amount, size: usize) -> Self {
        let scaled = u128::from(fee.get()) * 1024 / (size.max(1) as u128);
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// Base units for 1,024 bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A transfer in the pool.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The transfer, with its signature checked.
    pub transfer: CheckedTransfer,
    /// When it came.
    pub added: Instant,
    /// How many came before it in this life: breaks ties, oldest first.
    pub arrival: u64,
    /// What it pays.
    pub rate: FeeRate,
}

impl Entry {
    /// Amount and fee together, in base units.
    fn cost(&self) -> u128 {
        cost_of(self.transfer.signed())
    }
}

fn cost_of(transfer: &SignedTransfer) -> u128 {
    u128::from(transfer.amount.get()) + u128::from(transfer.fee.get())
}

/// The transfers of one sender, by nonce, with its account as of the tip.
#[derive(Clone, Debug)]
struct Sender {
    account: Account,
    entries: BTreeMap<AccountNonce, Entry>,
    /// How many entries from the first on are pending: contiguous from the account's nonce, their
    /// cost together within its balance.
    pending: usize,
}

impl Sender {
    fn count_pending(&self) -> usize {
        let mut expected = Some(self.account.nonce);
        let mut left = u128::from(self.account.balance.get());
        let mut pending = 0;
        for (nonce, entry) in &self.entries {
            if expected != Some(*nonce) || entry.cost() > left {
                break;
            }
            left -= entry.cost();
            expected = nonce.next();
            pending += 1;
        }
        pending
    }

    fn cost(&self) -> u128 {
        self.entries.values().map(Entry::cost).sum()
    }

    /// What the transfers before this nonce cost together.
    fn cost_below(&self, nonce: AccountNonce) -> u128 {
        self.entries.range(..nonce).map(|(_, e)| e.cost()).sum()
    }

    /// The entry that goes first when room is needed, as its place in the order of eviction.
    fn tail(&self, address: Address) -> Option<Tail> {
        let entry = self.entries.values().next_back()?;
        Some(Tail {
            pending: self.pending == self.entries.len(),
            rate: entry.rate,
            newest_first: u64::MAX - entry.arrival,
            address,
        })
    }
}

/// Order of eviction: queued before pending, then the lowest rate, then the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tail {
    pending: bool,
    rate: FeeRate,
    newest_first: u64,
    address: Address,
}

/// The smallest rate that is admitted after evictions; it halves with time.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    rate: u64,
    since: Option<Instant>,
}

impl Floor {
    fn at(&self, now: Instant) -> FeeRate {
        let Some(since) = self.since else {
            return FeeRate::default();
        };
        let halvings = now.since(since).get() / POOL_FLOOR_HALF_LIFE.get();
        FeeRate(
            u32::try_from(halvings)
                .ok()
                .and_then(|n| self.rate.checked_shr(n))
                .unwrap_or(0),
        )
    }

    fn raise(&mut self, evicted: FeeRate, now: Instant) {
        let rate = evicted.0.saturating_add(1).max(self.at(now).0);
        *self = Self {
            rate,
            since: Some(now),
        };
    }
}

/// The pool. Senders and transfers are held once; the other maps are indexes of them.
#[derive(Clone, Debug, Default)]
pub struct Mempool {
    senders: BTreeMap<Address, Sender>,
    by_id: BTreeMap<TxId, (Address, AccountNonce)>,
    by_arrival: BTreeMap<u64, TxId>,
    tails: BTreeSet<Tail>,
    bytes: usize,
    arrivals: u64,
    floor: Floor,
}

impl Mempool {
    /// How many transfers wait, pending and queued.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no transfer waits.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Bytes of all transfers as they are on the wire.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The smallest fee rate that is admitted now.
    pub fn floor(&self, now: Instant) -> FeeRate {
        self.floor.at(now)
    }

    /// The entry with this id.
    pub fn get(&self, id: &TxId) -> Option<&Entry> {
        let (address, nonce) = self.by_id.get(id)?;
        self.senders.get(address)?.entries.get(nonce)
    }

    /// Whether a transfer with this id waits.
    pub fn contains(&self, id: &TxId) -> bool {
        self.by_id.contains_key(id)
    }

    /// All entries in the order in which they came, each with whether it is pending.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, bool)> {
        self.by_arrival.values().filter_map(|id| {
            let (address, nonce) = self.by_id.get(id)?;
            let sender = self.senders.get(address)?;
            let place = sender.entries.range(..nonce).count();
            Some((sender.entries.get(nonce)?, place < sender.pending))
        })
    }

    /// The nonce that the sender's next transfer should have, given its account at the tip.
    pub fn next_nonce(&self, address: &Address, account: &Account) -> AccountNonce {
        let Some(sender) = self.senders.get(address) else {
            return account.nonce;
        };
        let Some(before_last) = sender.pending.checked_sub(1) else {
            return account.nonce;
        };
        let last_pending = sender.entries.keys().nth(before_last);
        last_pending
            .and_then(|nonce| nonce.next())
            .unwrap_or(account.nonce)
    }

    /// Runs `change` on a sender and brings its place in every index up to date.
    fn with_sender<R>(
        &mut self,
        address: Address,
        change: impl FnOnce(&mut Sender) -> R,
    ) -> Option<R> {
        let sender = self.senders.get_mut(&address)?;
        if let Some(tail) = sender.tail(address) {
            self.tails.remove(&tail);
        }
        let result = change(sender);
        sender.pending = sender.count_pending();
        match sender.tail(address) {
            Some(tail) => {
                self.tails.insert(tail);
            }
            None => {
                self.senders.remove(&address);
            }
        }
        Some(result)
    }

    fn insert(&mut self, account: Account, entry: Entry) {
        let address = entry.transfer.from();
        let nonce = entry.transfer.signed().nonce;
        self.bytes += entry.transfer.size();
        self.by_id.insert(entry.transfer.id(), (address, nonce));
        self.by_arrival.insert(entry.arrival, entry.transfer.id());
        let sender = Sender {
            account,
            entries: BTreeMap::new(),
            pending: 0,
        };
        self.senders.entry(address).or_insert(sender);
        self.with_sender(address, |sender| {
            sender.account = account;
            sender.entries.insert(nonce, entry)
        });
    }

    fn remove(&mut self, address: Address, nonce: AccountNonce) -> Option<Entry> {
        let entry = self.with_sender(address, |sender| sender.entries.remove(&nonce))??;
        self.by_id.remove(&entry.transfer.id());
        self.by_arrival.remove(&entry.arrival);
        self.bytes -= entry.transfer.size();
        Some(entry)
    }

    /// Compares every index and counter with a recount from the entries themselves.
    ///
    /// # Panics
    /// When they differ: a bug of ours.
    pub fn check_invariants(&self) {
        let mut bytes = 0;
        let mut count = 0;
        for (address, sender) in &self.senders {
            assert!(
                !sender.entries.is_empty(),
                "a sender without transfers is forgotten"
            );
            assert_eq!(
                sender.pending,
                sender.count_pending(),
                "pending is recounted"
            );
            let tail = sender.tail(*address).expect("a sender has transfers");
            assert!(
                self.tails.contains(&tail),
                "each sender has its place in the order of eviction"
            );
            for (nonce, entry) in &sender.entries {
                bytes += entry.transfer.size();
                count += 1;
                assert_eq!(entry.transfer.from(), *address);
                assert_eq!(entry.transfer.signed().nonce, *nonce);
                assert!(
                    *nonce >= sender.account.nonce,
                    "a confirmed nonce has left the pool"
                );
                assert_eq!(
                    self.by_id.get(&entry.transfer.id()),
                    Some(&(*address, *nonce))
                );
                assert_eq!(
                    self.by_arrival.get(&entry.arrival),
                    Some(&entry.transfer.id())
                );
            }
        }
        assert_eq!(self.bytes, bytes);
        assert_eq!([self.by_id.len(), self.by_arrival.len()], [count, count]);
        assert_eq!(self.tails.len(), self.senders.len());
    }
}

#[cfg(test)]
mod tests {
    mod full;
    mod returning;

    use super::*;
    use crate::params::networks;
    use crate::params::pool::{POOL_EXPIRY, POOL_SENDER_MAX};
    use crate::primitives::{Amount, Memo, Millis, Payment, SecretKey};
    use crate::rules::check_transfer;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const NOW: Instant = Instant::new(1_000);
    const FEE: u64 = 1_000;

    fn key(number: u8) -> SecretKey {
        SecretKey::from_seed([number; 32])
    }

    fn transfer(sender: u8, nonce: u64, amount: u64, fee: u64) -> CheckedTransfer {
        let payment = Payment {
            to: key(200).address(),
            amount: Amount::new(amount),
            fee: Amount::new(fee),
            nonce: AccountNonce::new(nonce),
            memo: Memo::default(),
        };
        let law = networks::dev().law();
        let signed = SignedTransfer::sign(&key(sender), &law.domain, payment);
        check_transfer(signed, &law).expect("the transfer is valid")
    }

    fn account(balance: u64, nonce: u64) -> Account {
        Account {
            balance: Amount::new(balance),
            nonce: AccountNonce::new(nonce),
        }
    }

    fn nonces(chosen: &[CheckedTransfer]) -> Vec<u64> {
        chosen
            .iter()
            .map(|transfer| transfer.signed().nonce.get())
            .collect()
    }

    fn reasons(dropped: &[Dropped]) -> Vec<DropReason> {
        dropped.iter().map(|dropped| dropped.reason).collect()
    }

    #[test]
    fn transfers_behind_a_gap_wait_until_it_is_filled() {
        let mut pool = Mempool::default();
        let owner = account(1_000_000, 0);
        let late = pool
            .admit(NOW, transfer(1, 1, 1, FEE), owner)
            .expect("queued");
        assert!(!late.pending);
        assert!(pool.select(1 << 20).is_empty());
        assert!(
            pool.admit(NOW, transfer(1, 0, 1, FEE), owner)
                .expect("fills the gap")
                .pending
        );
        assert_eq!(nonces(&pool.select(1 << 20)), [0, 1]);
        assert_eq!(
            pool.next_nonce(&key(1).address(), &owner),
            AccountNonce::new(2)
        );
        pool.check_invariants();
    }

    #[test]
    fn the_sum_of_a_senders_transfers_stays_within_its_balance() {
        let mut pool = Mempool::default();
        let owner = account(3_000, 0);
        pool.admit(NOW, transfer(1, 0, 1_000, FEE), owner)
            .expect("within the balance");
        let refused = pool.admit(NOW, transfer(1, 1, 1, FEE), owner);
        assert_eq!(refused, Err(PoolRefusal::InsufficientBalance));
    }

    #[test]
    fn used_far_and_too_many_nonces_are_refused() {
        let mut pool = Mempool::default();
        let owner = account(u64::MAX >> 1, 5);
        let refused =
            |pool: &mut Mempool, nonce| pool.admit(NOW, transfer(1, nonce, 1, FEE), owner);
        assert_eq!(refused(&mut pool, 4), Err(PoolRefusal::NonceTooLow));
        assert_eq!(refused(&mut pool, 5 + 65), Err(PoolRefusal::NonceTooHigh));
        for nonce in 0..POOL_SENDER_MAX as u64 {
            refused(&mut pool, 5 + nonce).expect("within the bound of a sender");
        }
        assert_eq!(refused(&mut pool, 5 + 64), Err(PoolRefusal::SenderFull));
        pool.check_invariants();
    }

    #[test]
    fn a_replacement_pays_a_tenth_more_and_takes_the_others_place() {
        let mut pool = Mempool::default();
        let owner = account(1_000_000, 0);
        pool.admit(NOW, transfer(1, 0, 1, 1_000), owner)
            .expect("taken");
        let cheap = pool.admit(NOW, transfer(1, 0, 2, 1_050), owner);
        assert_eq!(cheap, Err(PoolRefusal::ReplacementUnderpriced));
        let admitted = pool
            .admit(NOW, transfer(1, 0, 2, 1_200), owner)
            .expect("pays enough");
        assert_eq!(reasons(&admitted.dropped), [DropReason::Replaced]);
        assert_eq!(pool.len(), 1);
        pool.check_invariants();
    }

    #[test]
    fn a_replacement_that_pays_a_hair_less_than_a_tenth_more_is_refused() {
        let mut pool = Mempool::default();
        let owner = account(1_000_000, 0);
        pool.admit(NOW, transfer(1, 0, 1, 501), owner)
            .expect("taken");
        let hair_less = pool.admit(NOW, transfer(1, 0, 2, 551), owner);
        assert_eq!(hair_less, Err(PoolRefusal::ReplacementUnderpriced));
        assert!(pool.admit(NOW, transfer(1, 0, 2, 552), owner).is_ok());
    }

    #[test]
    fn a_confirmed_transfer_and_its_rival_both_leave() {
        let mut pool = Mempool::default();
        let owner = account(1_000_000, 0);
        pool.admit(NOW, transfer(1, 0, 1, FEE), owner)
            .expect("taken");
        pool.admit(NOW, transfer(2, 0, 1, FEE), owner)
            .expect("taken");
        let joined = [transfer(1, 0, 1, FEE), transfer(2, 0, 7, FEE)];
        let touched = [
            (key(1).address(), account(1, 1)),
            (key(2).address(), account(1, 1)),
        ]
        .into();
        let dropped = pool.follow(NOW, Vec::new(), &joined, &touched);
        assert_eq!(
            reasons(&dropped),
            [DropReason::Confirmed, DropReason::Conflict]
        );
        assert!(pool.is_empty());
        pool.check_invariants();
    }

    #[test]
    fn transfers_of_left_blocks_come_back_before_those_that_follow_them() {
        let mut pool = Mempool::default();
        pool.admit(NOW, transfer(1, 2, 1, FEE), account(1_000_000, 2))
            .expect("taken");
        let left = alloc::vec![transfer(1, 0, 1, FEE), transfer(1, 1, 1, FEE)];
        let touched = [(key(1).address(), account(1_000_000, 0))].into();
        assert!(pool.follow(NOW, left, &[], &touched).is_empty());
        assert_eq!(nonces(&pool.select(1 << 20)), [0, 1, 2]);
        pool.check_invariants();
    }

    #[test]
    fn what_waits_too_long_is_forgotten_with_a_reason() {
        let mut pool = Mempool::default();
        pool.admit(NOW, transfer(1, 0, 1, FEE), account(1_000_000, 0))
            .expect("taken");
        assert_eq!(pool.next_expiry(), Some(NOW.plus(POOL_EXPIRY)));
        assert!(
            pool.expire(NOW.plus(POOL_EXPIRY).plus(Millis::new(0)))
                .len()
                == 1
        );
        assert!(pool.is_empty() && pool.next_expiry().is_none());
    }

    #[test]
    fn the_best_rate_is_chosen_first_and_what_does_not_fit_is_passed_over() {
        let mut pool = Mempool::default();
        for (sender, fee) in [(1, 1_000), (2, 3_000), (3, 2_000)] {
            pool.admit(NOW, transfer(sender, 0, 1, fee), account(1_000_000, 0))
                .expect("taken");
        }
        let chosen = pool.select(1 << 20);
        let fees: Vec<u64> = chosen
            .iter()
            .map(|transfer| transfer.signed().fee.get())
            .collect();
        assert_eq!(fees, [3_000, 2_000, 1_000]);
        assert_eq!(pool.select(chosen[0].size()).len(), 1);
        assert!(pool.select(1).is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Admit {
            sender: u8,
            nonce: u64,
            amount: u64,
            fee: u64,
        },
        Confirm {
            sender: u8,
        },
        Leave {
            sender: u8,
        },
        Expire {
            after: u64,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0..4_u8, 0..6_u64, 1..5_000_u64, 1_000..4_000_u64)
                .prop_map(|(sender, nonce, amount, fee)| Step::Admit { sender, nonce, amount, fee }),
            2 => (0..4_u8).prop_map(|sender| Step::Confirm { sender }),
            1 => (0..4_u8).prop_map(|sender| Step::Leave { sender }),
            1 => (0..8_000_000_u64).prop_map(|after| Step::Expire { after }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn counters_and_indexes_equal_a_recount_after_any_steps(
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let mut pool = Mempool::default();
            let mut accounts = [account(20_000, 0); 4];
            let mut confirmed: [Vec<CheckedTransfer>; 4] = Default::default();
            let mut now = NOW;
            for step in steps {
                match step {
                    Step::Admit { sender, nonce, amount, fee } => {
                        let owner = accounts[usize::from(sender)];
                        let _ = pool.admit(now, transfer(sender, nonce, amount, fee), owner);
                    }
                    Step::Confirm { sender } => {
                        let owner = &mut accounts[usize::from(sender)];
                        let block = transfer(sender, owner.nonce.get(), 1, 1_000);
                        owner.nonce = owner.nonce.next().expect("far from the end");
                        let touched = [(key(sender).address(), *owner)].into();
                        pool.follow(now, Vec::new(), core::slice::from_ref(&block), &touched);
                        confirmed[usize::from(sender)].push(block);
                    }
                    Step::Leave { sender } => {
                        let Some(block) = confirmed[usize::from(sender)].pop() else { continue };
                        let owner = &mut accounts[usize::from(sender)];
                        owner.nonce = block.signed().nonce;
                        let touched = [(key(sender).address(), *owner)].into();
                        pool.follow(now, alloc::vec![block], &[], &touched);
                    }
                    Step::Expire { after } => {
                        now = now.plus(Millis::new(after));
                        pool.expire(now);
                    }
                }
                pool.check_invariants();
                let mut next: BTreeMap<Address, u64> = BTreeMap::new();
                for chosen in pool.select(1 << 20) {
                    let owner = accounts.iter().enumerate().find(|(number, _)| {
                        key(u8::try_from(*number).expect("small")).address() == chosen.from()
                    });
                    let first = owner.expect("a sender of ours").1.nonce.get();
                    let expected = next.entry(chosen.from()).or_insert(first);
                    prop_assert_eq!(chosen.signed().nonce.get(), *expected);
                    *expected += 1;
                }
            }
        }
    }
}
