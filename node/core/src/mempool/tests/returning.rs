//! Transfers of left blocks come back before whatever follows them.

use super::*;

/// A pool that moves to a tip on which one sender has this account.
fn leave(pool: &mut Mempool, left: &CheckedTransfer, owner: Account) -> Vec<(u64, &'static str)> {
    let touched = [(left.from(), owner)].into();
    let before: BTreeMap<TxId, u64> = nonces_by_id(pool);
    let dropped = pool.follow(NOW, alloc::vec![left.clone()], &[], &touched);
    pool.check_invariants();
    let own = left.signed().nonce.get();
    let named = |gone: &Dropped| (*before.get(&gone.id).unwrap_or(&own), gone.reason.code());
    dropped.iter().map(named).collect()
}

fn nonces_by_id(pool: &Mempool) -> BTreeMap<TxId, u64> {
    let signed = |entry: &Entry| (entry.transfer.id(), entry.transfer.signed().nonce.get());
    pool.entries().map(|(entry, _)| signed(entry)).collect()
}

#[test]
fn a_left_transfer_comes_back_before_followers_that_use_up_the_balance() {
    let mut pool = Mempool::default();
    let owner = account(10_000, 1);
    for nonce in 1..4 {
        pool.admit(NOW, transfer(1, nonce, 2_000, FEE), owner)
            .expect("three times 3,000");
    }
    // What the left block paid is here again, and the coins that came with it are not.
    let gone = leave(&mut pool, &transfer(1, 0, 4_000, FEE), account(10_000, 0));
    assert_eq!(gone, [(3, "made_way"), (2, "made_way")]);
    assert_eq!(nonces(&pool.select(1 << 20)), [0, 1]);
}

#[test]
fn a_left_transfer_comes_back_before_followers_that_fill_the_senders_places() {
    let mut pool = Mempool::default();
    let owner = account(u64::MAX >> 1, 1);
    for nonce in 1..=POOL_SENDER_MAX as u64 {
        pool.admit(NOW, transfer(1, nonce, 1, FEE), owner)
            .expect("as many as a sender has places");
    }
    let before = account(u64::MAX >> 1, 0);
    let gone = leave(&mut pool, &transfer(1, 0, 1, FEE), before);
    assert_eq!(gone, [(POOL_SENDER_MAX as u64, "made_way")]);
    assert_eq!(pool.select(1 << 20).len(), POOL_SENDER_MAX);
}

#[test]
fn nothing_makes_way_for_a_left_transfer_that_cannot_be_paid_or_is_not_taken() {
    let mut pool = Mempool::default();
    pool.admit(NOW, transfer(1, 1, 1_000, FEE), account(10_000, 1))
        .expect("within the balance");
    let gone = leave(&mut pool, &transfer(1, 0, 9_000, FEE), account(9_999, 0));
    assert_eq!(gone, [(0, "not_returned")]);
    // A left transfer of one nonce, and another that waits under the same.
    let gone = leave(&mut pool, &transfer(1, 1, 9_000, 900), account(9_999, 1));
    assert_eq!(gone, [(1, "not_returned")]);
    assert_eq!(pool.len(), 1);
}
