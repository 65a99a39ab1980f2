//! Numbers of consensus against big integers: targets, work, time, and the root of a body.

use arbitrary::{Arbitrary, Unstructured};
use archivas_core::params::MEDIAN_TIME_BLOCKS;
use archivas_core::primitives::{
    AccountNonce, Address, Amount, CompactTarget, Header, Memo, PublicKey, Signature,
    SignedTransfer, Target, Timestamp, Work, merkle::tx_root,
};
use archivas_core::rules::retarget::{Elapsed, Schedule, asert};
use archivas_core::rules::{check_seal, median_time_past};
use archivas_model as model;
use num_bigint::BigUint;

/// The largest body of the target `merkle`: past 2^11 leaves no new shape of tree begins.
const LEAVES_MAX: usize = 2_050;
/// Most leaves of most bodies: around every power of two up to 128, at a tenth of the time.
const FEW_LEAVES: usize = 130;

fn big(bytes: &[u8; 32]) -> BigUint {
    BigUint::from_bytes_be(bytes)
}

/// Bits, a hash, two sums of work and a header, one after the other.
pub fn header_pow_work(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok((bits, one, other)) = <(u32, [u8; 32], [u8; 32])>::arbitrary(&mut input) else {
        return;
    };
    compact_targets(bits, one);
    sums_of_work(one, other);
    if let Ok(header) = <[u8; 160]>::arbitrary(&mut input) {
        headers(&header);
    }
}

fn compact_targets(bits: u32, number: [u8; 32]) {
    let ours = CompactTarget::new(bits).expand().ok();
    let theirs = model::expand(bits);
    assert_eq!(ours.map(|target| big(&target.to_be_bytes())), theirs);
    if let Some(target) = ours {
        let work = Work::of_target(target);
        assert_eq!(
            big(&work.to_be_bytes()),
            model::work(&theirs.expect("equal"))
        );
        assert_eq!(
            target.compact().get(),
            model::compact(&big(&target.to_be_bytes()))
        );
    }
    let Some(target) = Target::from_be_bytes(number) else {
        return;
    };
    let compact = target.compact();
    assert_eq!(compact.get(), model::compact(&big(&number)));
    let floor = compact.expand().expect("a compact form of a target is one");
    assert!(
        floor <= target && floor.compact() == compact,
        "rounded down, once"
    );
}

fn sums_of_work(one: [u8; 32], other: [u8; 32]) {
    let (a, b) = (Work::from_be_bytes(one), Work::from_be_bytes(other));
    let sum = big(&one) + big(&other);
    assert_eq!(a.checked_add(b).is_none(), sum.bits() > 256);
    if let Some(both) = a.checked_add(b) {
        assert_eq!(big(&both.to_be_bytes()), sum);
        assert_eq!(both.checked_sub(b), Some(a));
    }
    assert_eq!(a.checked_sub(b).is_some(), big(&one) >= big(&other));
    assert_eq!(a.to_decimal(), big(&one).to_string());
    assert_eq!(a < b, big(&one) < big(&other));
}

fn headers(bytes: &[u8; 160]) {
    let header = Header::decode(bytes);
    assert_eq!(header.encode(), *bytes);
    let theirs = model::Header::parse(bytes).expect("every 160 bytes are a header");
    assert_eq!(*header.id().as_bytes(), theirs.id());
    let ours = check_seal(&header).map_err(|why| why.code());
    assert_eq!(ours, model::judge_seal(&theirs).map_err(model::Rule::name));
}

/// A schedule, where a chain has got to, and the times of ancestors.
#[derive(Arbitrary, Debug)]
struct Retargeting {
    block_time: u32,
    half_life: u32,
    limit: u32,
    anchor: u32,
    time: i64,
    blocks: u32,
    ancestors: Vec<u64>,
}

/// A schedule with an anchor, and a list of times.
pub fn difficulty_time(bytes: &[u8]) {
    let Ok(case) = Retargeting::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    median(&case.ancestors);
    let target = |bits: u32| CompactTarget::new(bits).expand().ok();
    let (Some(anchor), Some(limit)) = (target(case.anchor), target(case.limit)) else {
        return;
    };
    let (block_time, half_life) = (case.block_time.max(1), case.half_life.max(1));
    let schedule = Schedule {
        block_time: block_time.into(),
        half_life: half_life.into(),
        limit,
    };
    let elapsed = Elapsed {
        time: case.time.into(),
        blocks: case.blocks.into(),
    };
    let ours = asert(&schedule, anchor, elapsed);
    assert!(ours <= limit, "never easier than the network allows");
    let number = |target: Target| big(&target.to_be_bytes());
    let progress = model::Progress {
        elapsed: case.time.into(),
        blocks: case.blocks.into(),
    };
    let pace = model::Pace {
        block_time: block_time.into(),
        half_life: half_life.into(),
    };
    let theirs = model::asert(&number(anchor), progress, pace, &number(limit));
    assert_eq!(number(ours), theirs);
}

fn median(ancestors: &[u64]) {
    if ancestors.is_empty() {
        return;
    }
    let ancestors = &ancestors[..ancestors.len().min(MEDIAN_TIME_BLOCKS)];
    let mut sorted = ancestors.to_vec();
    sorted.sort_unstable();
    let mut times: Vec<_> = ancestors.iter().copied().map(Timestamp::new).collect();
    assert_eq!(median_time_past(&mut times).get(), sorted[sorted.len() / 2]);
}

/// A body of mostly a few transfers, but up to 2,050, few of them alike; and one like it.
pub fn merkle(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok((size, count, salt, change, one, other)) =
        <(u8, u16, u8, u8, u16, u16)>::arbitrary(&mut input)
    else {
        return;
    };
    let most = match size % 16 {
        0 => LEAVES_MAX,
        _ => FEW_LEAVES,
    };
    let count = usize::from(count) % (most + 1);
    let leaves: Vec<_> = (0..count).map(|place| leaf(place, salt)).collect();
    let root = tx_root(&leaves);
    let naive: Vec<_> = leaves
        .iter()
        .map(archivas_tests::differential::as_model)
        .collect();
    assert_eq!(*root.as_bytes(), model::tx_root(&naive));
    if count == 0 {
        return;
    }
    let (one, other) = (usize::from(one) % count, usize::from(other) % count);
    let mut body = leaves.clone();
    match change % 4 {
        0 => body.swap(one, other),
        1 => body.truncate(one),
        2 => body.push(leaves[other].clone()),
        _ => body.extend_from_slice(&leaves[one..]),
    }
    assert_eq!(
        tx_root(&body) == root,
        body == leaves,
        "{count}, {change}, {one}, {other}"
    );
}

fn leaf(place: usize, salt: u8) -> SignedTransfer {
    // Some leaves are alike, so that repetition is tried as well.
    let number = (place as u64) % 97;
    SignedTransfer {
        to: Address::from_bytes([salt; 20]),
        amount: Amount::new(number),
        fee: Amount::ZERO,
        nonce: AccountNonce::new(number / 7),
        memo: Memo::default(),
        public_key: PublicKey::from_bytes([salt; 32]),
        signature: Signature::from_bytes([7; 64]),
    }
}
