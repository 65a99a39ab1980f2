//! The pool at its caps: who has to leave, who must not, and what nobody can do for free
//! (the attacks called DETER).

use std::sync::LazyLock;

use super::*;
use crate::params::pool::{POOL_COUNT_MAX, POOL_FLOOR_HALF_LIFE};
use crate::primitives::{PublicKey, Signature, SignedTransfer};
use alloc::collections::BTreeSet;

/// Enough for everything that one sender can have in the pool.
const RICH: u64 = 1_000_000_000;

/// Signatures are not the pool's business: any bytes are a key.
fn unsigned(sender: u32, nonce: u64, fee: u64) -> CheckedTransfer {
    let mut key = [7; 32];
    key[..4].copy_from_slice(&sender.to_be_bytes());
    let signed = SignedTransfer {
        to: Address::from_bytes([8; 20]),
        amount: Amount::new(1),
        fee: Amount::new(fee),
        nonce: AccountNonce::new(nonce),
        memo: Memo::default(),
        public_key: PublicKey::from_bytes(key),
        signature: Signature::from_bytes([0; 64]),
    };
    CheckedTransfer::from_store(signed, &networks::dev().domain).expect("a small cost")
}

/// Adds 64 pending transfers of each sender, until the pool is full.
fn fill(pool: &mut Mempool, senders: core::ops::Range<u32>, fee: u64) {
    for sender in senders {
        for nonce in 0..POOL_SENDER_MAX as u64 {
            if pool.len() == POOL_COUNT_MAX {
                return;
            }
            let admitted = pool.admit(NOW, unsigned(sender, nonce, fee), account(RICH, 0));
            assert!(admitted.expect("there is room").pending);
        }
    }
}

const CHEAP: u64 = 1_000;
const PLAIN: u64 = 2_000;
const DEAR: u64 = 1_000_000;

/// A full pool in which sender 0 pays least; filled once for all tests.
static FULL: LazyLock<Mempool> = LazyLock::new(|| {
    let mut pool = Mempool::default();
    fill(&mut pool, 0..1, CHEAP);
    fill(&mut pool, 1..1_000, PLAIN);
    assert_eq!(pool.len(), POOL_COUNT_MAX);
    pool.check_invariants();
    pool
});

/// Sender and nonce of everything that waits, so that losses can be named.
fn waiting(pool: &Mempool) -> BTreeSet<(Address, u64)> {
    let entries = pool.entries();
    entries
        .map(|(entry, _)| (entry.transfer.from(), entry.transfer.nonce().get()))
        .collect()
}

#[test]
fn at_the_cap_only_an_executable_transfer_that_pays_more_makes_another_leave() {
    let pool = &*FULL;
    let before = waiting(pool);
    let newcomer = 5_000;
    let refused = |transfer: CheckedTransfer, owner: Account| {
        let mut pool = pool.clone();
        let refusal = pool.admit(NOW, transfer, owner);
        assert_eq!(waiting(&pool), before);
        refusal
    };
    // Paying no more, or beyond the balance, or for a nonce whose turn has not come.
    let rich = account(RICH, 0);
    let full = Err(PoolRefusal::PoolFull);
    assert_eq!(refused(unsigned(newcomer, 0, CHEAP), rich), full);
    assert_eq!(refused(unsigned(newcomer, 1, DEAR), rich), full);
    assert_eq!(refused(unsigned(newcomer, 64, DEAR), rich), full);
    let overdrawn = refused(unsigned(newcomer, 0, DEAR), account(DEAR, 0));
    assert_eq!(overdrawn, Err(PoolRefusal::InsufficientBalance));
    // An own earlier transfer is never the price of a later one.
    let own = refused(unsigned(0, 64, DEAR), rich);
    assert_eq!(own, Err(PoolRefusal::SenderFull));

    let mut pool = pool.clone();
    let admitted = pool.admit(NOW, unsigned(newcomer, 0, CHEAP + 1), rich);
    let dropped = admitted.expect("it pays more").dropped;
    assert_eq!(reasons(&dropped), [DropReason::Evicted]);
    let after = waiting(&pool);
    let gone: Vec<_> = before.difference(&after).copied().collect();
    let cheapest = unsigned(0, 0, CHEAP).from();
    assert_eq!(gone, [(cheapest, 63)], "the last one of who pays least");
    pool.check_invariants();
}

#[test]
fn what_cannot_be_executed_yet_leaves_first_however_much_it_pays() {
    let mut pool = FULL.clone();
    pool.remove(unsigned(0, 0, CHEAP).from(), AccountNonce::new(63))
        .expect("it is there");
    let gapped = unsigned(7_000, 5, DEAR);
    pool.admit(NOW, gapped.clone(), account(RICH, 0))
        .expect("there is room");
    assert_eq!(pool.len(), POOL_COUNT_MAX);
    let admitted = pool.admit(NOW, unsigned(8_000, 0, CHEAP), account(RICH, 0));
    let dropped = admitted.expect("a queued one makes room").dropped;
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].id, gapped.id());
    // It offered much and would never have paid: nobody has to outbid it.
    assert_eq!(pool.floor(NOW), FeeRate::default());
    let admitted = pool.admit(NOW, unsigned(9_000, 0, PLAIN), account(RICH, 0));
    assert_eq!(reasons(&admitted.expect("it pays more").dropped).len(), 1);
    pool.check_invariants();
}

#[test]
fn the_floor_rises_with_each_eviction_and_halves_with_time() {
    let mut pool = FULL.clone();
    let rich = account(RICH, 0);
    assert_eq!(pool.floor(NOW), FeeRate::default());
    pool.admit(NOW, unsigned(5_000, 0, DEAR), rich)
        .expect("it pays more");
    let floor = pool.floor(NOW);
    assert!(floor > FeeRate::of(Amount::new(CHEAP), unsigned(0, 0, CHEAP).size()));
    // Room or not: below the floor nothing comes in, so evicting and refilling is not free.
    pool.remove(unsigned(1, 0, PLAIN).from(), AccountNonce::new(63))
        .expect("it is there");
    let cheap = pool.admit(NOW, unsigned(6_000, 0, CHEAP), rich);
    assert_eq!(cheap, Err(PoolRefusal::PoolFull));
    let later = NOW.plus(POOL_FLOOR_HALF_LIFE);
    assert_eq!(pool.floor(later).get(), floor.get() / 2);
    pool.admit(later, unsigned(6_000, 0, CHEAP), rich)
        .expect("the floor has sunk");
    pool.check_invariants();
}

#[test]
fn a_replacement_that_its_followers_could_not_be_paid_beside_is_refused() {
    let mut pool = Mempool::default();
    let owner = account(10_000, 0);
    for (nonce, amount) in [(0, 1_000), (1, 5_000)] {
        pool.admit(NOW, transfer(1, nonce, amount, FEE), owner)
            .expect("within the balance");
    }
    // 10,000 are there, 6,000 of them are spoken for by the follower.
    let dear = pool.admit(NOW, transfer(1, 0, 2_801, 1_200), owner);
    assert_eq!(dear, Err(PoolRefusal::InsufficientBalance));
    assert_eq!(pool.select(1 << 20).len(), 2);
    let fits = pool.admit(NOW, transfer(1, 0, 2_800, 1_200), owner);
    assert!(fits.expect("exactly the balance").pending);
    assert_eq!(pool.select(1 << 20).len(), 2);
    pool.check_invariants();
}
