//! The strict codec over everything that goes on the wire or to disk: what is
//! written reads back; what reads was written so; nothing panics. Messages stand in `p2p::message`.

use std::net::IpAddr;

use archivas_core::ledger::Undo;
use archivas_core::p2p::address::PeerAddress;
use archivas_core::p2p::bans::Ban;
use archivas_core::p2p::place::{Group, Place};
use archivas_core::primitives::codec::DecodeError;
use archivas_core::primitives::{
    Account, AccountNonce, Address, Amount, Block, BlockId, BoundedString, BoundedVec,
    CompactTarget, Domain, Header, Height, Memo, Millis, PublicKey, Signature, SignedHash,
    SignedTransfer, StateRoot, Timestamp, TxId, TxRoot, Work, decode, encode,
};
use archivas_core::rules::Rules;
use archivas_core::schema::{Arrival, HeaderRecord, Status, TxLocation, Walk};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

fn transfer() -> impl Strategy<Value = SignedTransfer> {
    let number = prop_oneof![0..300u64, any::<u64>(), Just(u64::MAX)];
    let numbers = [number.clone(), number.clone(), number];
    let memo = prop_oneof![Just(String::new()), "\\PC{0,64}", "[a-z]{250,256}"];
    (
        any::<[u8; 20]>(),
        numbers,
        memo,
        any::<[u8; 32]>(),
        any::<[u8; 32]>(),
    )
        .prop_map(
            |(to, [amount, fee, nonce], memo, key, half)| SignedTransfer {
                to: Address::from_bytes(to),
                amount: Amount::new(amount),
                fee: Amount::new(fee),
                nonce: AccountNonce::new(nonce),
                memo: BoundedString::truncated(&memo),
                public_key: PublicKey::from_bytes(key),
                signature: Signature::from_bytes(
                    [half, key].concat().try_into().expect("64 bytes"),
                ),
            },
        )
}

fn header() -> impl Strategy<Value = Header> {
    prop::array::uniform32(prop::array::uniform5(any::<u8>()))
        .prop_map(|bytes| Header::decode(&bytes.concat().try_into().expect("32 × 5 bytes")))
}

fn block() -> impl Strategy<Value = Block> {
    (header(), prop::collection::vec(transfer(), 0..5))
        .prop_map(|(header, transfers)| Block { header, transfers })
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::HeaderOnly),
        Just(Status::Stored),
        any::<u32>().prop_map(|rules_version| Status::Invalid { rules_version }),
        Just(Status::SetAside),
        Just(Status::Pruned),
    ]
}

/// Changes of encodings: flips, cuts, insertions, and varints made one byte longer.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, u8),
    Lengthen(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<usize>;
    prop_oneof![
        (place(), 0..8u8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        place().prop_map(Change::Cut),
        (place(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        place().prop_map(Change::Lengthen),
    ]
}

fn changed(bytes: &[u8], change: &Change) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let length = bytes.len();
    match *change {
        Change::Flip(at, bit) => bytes[at % length] ^= bit,
        Change::Cut(at) => bytes.truncate(at % length),
        Change::Insert(at, byte) => bytes.insert(at % (length + 1), byte),
        Change::Lengthen(at) => {
            bytes[at % length] |= 0x80;
            bytes.insert(at % length + 1, 0);
        }
    }
    bytes
}

/// The two laws: everything written reads back, and everything that reads was written so.
fn both_ways<T>(value: &T, changes: &[Change]) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let bytes = encode(value);
    let read = decode::<T>(&bytes);
    prop_assert_eq!(read.as_ref(), Ok(value));
    for change in changes {
        reads_only_its_own::<T>(&changed(&bytes, change))?;
    }
    Ok(())
}

fn reads_only_its_own<T>(bytes: &[u8]) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    if let Ok(value) = decode::<T>(bytes) {
        prop_assert_eq!(encode(&value), bytes);
    }
    Ok(())
}

fn every_type_reads_only_its_own(bytes: &[u8]) -> Result<(), TestCaseError> {
    reads_only_its_own::<SignedTransfer>(bytes)?;
    reads_only_its_own::<Block>(bytes)?;
    reads_only_its_own::<Header>(bytes)?;
    reads_only_its_own::<BoundedVec<SignedTransfer, 3>>(bytes)?;
    reads_only_its_own::<BoundedVec<BlockId, 3>>(bytes)?;
    reads_only_its_own::<Memo>(bytes)?;
    reads_only_its_own::<Account>(bytes)?;
    reads_only_its_own::<HeaderRecord>(bytes)?;
    reads_only_its_own::<Undo>(bytes)?;
    reads_only_its_own::<TxLocation>(bytes)?;
    reads_only_its_own::<Walk>(bytes)?;
    reads_only_its_own::<(Place, Ban)>(bytes)?;
    reads_only_its_own::<(Group, BoundedVec<PeerAddress, 2>, u64, SignedTransfer)>(bytes)?;
    reads_only_its_own::<Work>(bytes)?;
    reads_only_its_own::<CompactTarget>(bytes)?;
    reads_only_its_own::<Domain>(bytes)?;
    reads_only_its_own::<(TxId, TxRoot)>(bytes)?;
    reads_only_its_own::<(StateRoot, SignedHash)>(bytes)?;
    reads_only_its_own::<(Address, PublicKey, Signature)>(bytes)?;
    reads_only_its_own::<(Height, Timestamp, Millis)>(bytes)?;
    if let Ok(block) = Block::decode(bytes) {
        prop_assert_eq!(block.encode(), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn transfers_have_one_encoding(
        transfer in transfer(), changes in prop::collection::vec(change(), 1..20)
    ) {
        both_ways(&transfer, &changes)?;
        prop_assert_eq!(transfer.size(), encode(&transfer).len());
    }

    #[test]
    fn blocks_have_one_encoding(
        block in block(), changes in prop::collection::vec(change(), 1..20)
    ) {
        both_ways(&block, &changes)?;
        prop_assert_eq!(block.encode(), encode(&block));
        prop_assert_eq!(block.size(), block.encode().len());
    }

    #[test]
    fn headers_have_one_encoding(
        header in header(), changes in prop::collection::vec(change(), 1..20)
    ) {
        both_ways(&header, &changes)?;
        prop_assert_eq!(encode(&header).len(), 160);
    }

    #[test]
    fn small_things_have_one_encoding(
        numbers: (u64, u64, u32), bytes: [u8; 32], changes in prop::collection::vec(change(), 1..20)
    ) {
        let (a, b, c) = numbers;
        let account = Account { balance: Amount::new(a), nonce: AccountNonce::new(b) };
        both_ways(&account, &changes)?;
        both_ways(&Work::from_be_bytes(bytes), &changes)?;
        both_ways(&CompactTarget::new(c), &changes)?;
        both_ways(&BlockId::from_bytes(bytes), &changes)?;
        both_ways(&(Height::new(a), Timestamp::new(b)), &changes)?;
    }

    #[test]
    fn stored_rows_have_one_encoding(
        header in header(), status in status(), arrived: bool, numbers: (u64, u64, u32),
        ids: ([u8; 32], [u8; 32]), changes in prop::collection::vec(change(), 1..20)
    ) {
        let (a, b, index) = numbers;
        let (one, other) = (BlockId::from_bytes(ids.0), BlockId::from_bytes(ids.1));
        let chainwork = Work::from_be_bytes(ids.0);
        let arrival = arrived.then(|| Arrival::FIRST.next());
        both_ways(&HeaderRecord { header, chainwork, status, arrival }, &changes)?;
        both_ways(&TxLocation { block: one, height: Height::new(a), index }, &changes)?;
        both_ways(&Walk { home: one, target: other }, &changes)?;
        let account = Account { balance: Amount::new(a), nonce: AccountNonce::new(b) };
        let address = |byte| Address::from_bytes([byte; 20]);
        let before = vec![(address(1), account), (address(2), Account::default())];
        both_ways(&Undo { before }, &changes)?;
        let reason = BoundedString::new("undecodable").expect("a code of ours is short");
        both_ways(&Ban { until: Timestamp::new(a), reason }, &changes)?;
        both_ways(&Place::of(IpAddr::from(ids.0.first_chunk::<16>().copied().expect("32 bytes"))), &changes)?;
    }

    #[test]
    fn no_bytes_at_all_make_the_codec_panic_or_accept_twice(
        bytes in prop::collection::vec(any::<u8>(), 0..400)
    ) {
        every_type_reads_only_its_own(&bytes)?;
    }

    #[test]
    fn bytes_near_the_small_numbers_neither(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0x80), Just(0xff)], 0..64)
    ) {
        every_type_reads_only_its_own(&bytes)?;
    }

    #[test]
    fn a_varint_one_byte_longer_is_refused(transfer in transfer()) {
        let bytes = encode(&transfer);
        // The first varint begins after the 20 bytes of the address.
        let end = 20 + bytes[20..].iter().position(|byte| byte & 0x80 == 0).expect("it ends");
        prop_assume!(end < 20 + 9);
        let longer = changed(&bytes, &Change::Lengthen(end));
        prop_assert_eq!(decode::<SignedTransfer>(&longer), Err(DecodeError::NotCanonical));
    }
}

#[test]
fn rules_are_written_in_the_order_of_their_fields() {
    // The genesis id hangs on these bytes.
    let rules: Rules = archivas_core::params::networks::archivas().rules;
    // The eight varints, computed apart from this code.
    let hex = "a09c0180c8df02ffff83f8010080a8d6b90764808040c0b802";
    assert_eq!(const_hex::encode(encode(&rules)), hex);
}
