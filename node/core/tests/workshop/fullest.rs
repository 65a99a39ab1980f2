//! The largest legal block: as many transfers as fit, each between two accounts of its own, and the
//! last byte used.

use archivas_core::params::{
    Allocation, BLOCK_BYTES_MAX, BLOCK_TRANSFERS_MAX, Genesis, SIGNED_TRANSFER_BYTES_MIN,
};
use archivas_core::primitives::block::size_of_block;
use archivas_core::primitives::{
    AccountNonce, Address, Amount, Memo, Payment, SecretKey, SignedTransfer,
};

use super::network;

fn sender(number: usize) -> SecretKey {
    let mut seed = [0xaa; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    SecretKey::from_seed(seed)
}

fn receiver(number: usize) -> Address {
    let mut bytes = [0xbb; 20];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Address::from_bytes(bytes)
}

/// As many rich senders as a block has room for transfers.
pub fn crowd() -> Genesis {
    let mut genesis = network();
    let allocation = |number| Allocation {
        address: sender(number).address(),
        amount: Amount::new(1_000),
    };
    genesis.allocations = (0..BLOCK_TRANSFERS_MAX).map(allocation).collect();
    genesis.check().unwrap();
    genesis
}

/// Pays somebody of whom nobody has heard; the least size, but for the memo.
pub fn pays(genesis: &Genesis, number: usize, memo: usize) -> SignedTransfer {
    let payment = Payment {
        to: receiver(number),
        amount: Amount::new(1),
        fee: Amount::new(1),
        nonce: AccountNonce::ZERO,
        memo: Memo::new("m".repeat(memo)).unwrap(),
    };
    SignedTransfer::sign(&sender(number), &genesis.domain, payment)
}

/// Everybody pays, and the first memo takes what room is left.
pub fn fullest_body(genesis: &Genesis) -> Vec<SignedTransfer> {
    let everybody = (0..BLOCK_TRANSFERS_MAX).map(|number| pays(genesis, number, 0));
    let mut body: Vec<SignedTransfer> = everybody.collect();
    assert_eq!(body[1].size(), SIGNED_TRANSFER_BYTES_MIN);
    let spare = BLOCK_BYTES_MAX - size_of_block(&body);
    body[0] = pays(genesis, 0, spare);
    body
}
