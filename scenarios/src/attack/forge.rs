//! What an attacker can make that is looked into: cheap chains of real seals, and transfers in the name
//! of keys that have funds.

use archivas_core::chain::Chain;
use archivas_core::params::Genesis;
use archivas_core::params::pool::POOL_NONCE_GAP_MAX;
use archivas_core::primitives::{
    AccountNonce, Address, Amount, Block, BlockId, Header, Memo, Payment, Signature,
    SignedTransfer, Timestamp,
};
use archivas_core::rules::check_block;
use archivas_core::storage::MemoryStorage;

use crate::draws::Draw;
use crate::plan::funded_key;

/// The headers of a chain on genesis as long as asked: valid, and spread evenly over the time since, so
/// that each costs as little as it can. `producer` makes it another than everybody else's.
pub(super) fn cheap_chain(
    genesis: &Genesis,
    producer: u16,
    length: usize,
    now: Timestamp,
) -> Vec<Header> {
    let Ok(mut chain) = Chain::open(MemoryStorage::new(), genesis.clone()) else {
        return Vec::new();
    };
    let mut address = [0xbb; 20];
    address[..2].copy_from_slice(&producer.to_le_bytes());
    let span = now.since(genesis.time).get() / (length as u64 + 1);
    let mut headers = Vec::new();
    for turn in 1..=length as u64 {
        let time = Timestamp::new(genesis.time.get() + span * turn);
        let producer = Address::from_bytes(address);
        let Ok(Ok(template)) = chain.template(time, producer, Vec::new()) else {
            break;
        };
        let block = Block {
            header: sealed(template.header),
            transfers: Vec::new(),
        };
        headers.push(block.header);
        let Ok(checked) = check_block(block, chain.law()) else {
            break;
        };
        if chain.accept_block(now, checked).is_err() {
            break;
        }
    }
    headers
}

/// The header with a nonce that meets its target.
pub(super) fn sealed(mut header: Header) -> Header {
    if let Ok(target) = header.bits.expand() {
        while !target.is_met_by(&header.id()) {
            header.nonce = header.nonce.wrapping_add(1);
        }
    }
    header
}

/// A header that hangs in the air, with a real seal of the easiest kind.
pub(super) fn orphan(genesis: &Genesis, draw: &mut Draw, now: Timestamp) -> Header {
    let mut parent = [0; 32];
    draw.fill(&mut parent);
    sealed(Header {
        parent: BlockId::from_bytes(parent),
        timestamp: now,
        bits: genesis.bits,
        height: genesis.header().height.next(),
        ..genesis.header()
    })
}

/// A transfer that nobody wants, of a key that has funds, so that it is looked into: its signature is
/// wrong, its fee is too low, or too many must come before it.
pub(super) fn worthless(genesis: &Genesis, draw: &mut Draw) -> SignedTransfer {
    let key = funded_key(draw.index(3));
    let kind = draw.range(0..3);
    let fee = if kind == 1 { 0 } else { 1_000_000 };
    let ahead = if kind == 2 { 2 * POOL_NONCE_GAP_MAX } else { 0 };
    let payment = Payment {
        to: Address::from_bytes([0xbb; 20]),
        amount: Amount::new(1 + draw.range(0..1_000)),
        fee: Amount::new(fee),
        nonce: AccountNonce::new(ahead + draw.range(0..8)),
        memo: Memo::default(),
    };
    let mut transfer = SignedTransfer::sign(&key, &genesis.domain, payment);
    if kind == 0 {
        let mut bytes = *transfer.signature.as_bytes();
        bytes[0] ^= 1;
        transfer.signature = Signature::from_bytes(bytes);
    }
    transfer
}
