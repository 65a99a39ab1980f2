//! How many transfers a second the core decodes, checks, applies and reverts, in blocks of 1,000
//! between 2,000 accounts, and how that compares with nothing but verifying their signatures in the
//! same run. `cargo bench -p archivas-core`; without `--bench` one quick sample of each.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a bench measures real time"
)]
#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use archivas_core::chain::Chain;
use archivas_core::ledger::{apply_block, revert_block};
use archivas_core::params::{Allocation, Genesis, Law, networks};
use archivas_core::primitives::{
    AccountNonce, Address, Amount, Block, LtHash, Memo, Payment, SecretKey, SignedTransfer,
    StateRoot, Timestamp,
};
use archivas_core::rules::{CheckedBlock, check_block, check_seal, check_transfer};
use archivas_core::schema;
use archivas_core::storage::{MemoryStorage, Overlay, Storage};
use ed25519_dalek::{Signature, VerifyingKey};

const TRANSFERS: usize = 1_000;

fn main() {
    let samples = match std::env::args().any(|argument| argument == "--bench") {
        true => 15,
        false => 1,
    };
    let bench = Bench::new();
    let verify = median(samples, || bench.verify());
    let rows = [
        ("verify_strict", verify),
        ("decode", median(samples, || bench.decode())),
        ("check", median(samples, || bench.check())),
        ("apply", median(samples, || bench.apply())),
        ("revert", median(samples, || bench.revert())),
        ("accept", median(samples, || bench.accept())),
    ];
    println!("{TRANSFERS} transfers a block, median of {samples} blocks, one thread");
    println!();
    println!(
        "{:<14} {:>13} {:>9} {:>24}",
        "", "transfers/s", "µs each", "time of verify_strict"
    );
    for (name, time) in rows {
        let each = time.as_secs_f64() / TRANSFERS as f64;
        let share = time.as_secs_f64() / verify.as_secs_f64();
        let (rate, micros) = (1.0 / each, each * 1e6);
        println!("{name:<14} {rate:>13.0} {micros:>9.2} {share:>23.3}x");
    }
    println!();
    println!(
        "decode: strict, from the bytes of a block. check: seal, size, tx root, ids, signatures."
    );
    println!(
        "apply, revert: accounts, state root, undo, indexes, in memory. accept: a checked block"
    );
    println!("through the chain, one commit included.");
}

/// The middle one of so many measurements.
fn median(samples: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..samples).map(|_| measure()).collect();
    times.sort_unstable();
    times[samples / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = black_box(work());
    (start.elapsed(), result)
}

/// A network, a block on its genesis, and the state around it.
struct Bench {
    genesis: Genesis,
    law: Law,
    block: Block,
    checked: CheckedBlock,
    bytes: Vec<u8>,
    /// The rows before the block and after it.
    before: MemoryStorage,
    after: MemoryStorage,
    lthash: [LtHash; 2],
    root: StateRoot,
}

impl Bench {
    fn new() -> Self {
        let genesis = crowd();
        let chain = open(MemoryStorage::default(), &genesis);
        let block = full_block(&chain);
        let law = genesis.law();
        let checked = check_block(block.clone(), &law).expect("valid");
        let before = chain.reader().clone();
        let mut lthash = schema::lthash(&before).expect("memory never fails");
        let earlier = lthash.clone();
        let mut after = before.clone();
        let mut rows = Overlay::new(&before);
        apply_block(&mut rows, &mut lthash, &law.rules, &checked).expect("valid");
        let batch = rows.into_batch();
        after.commit(batch).expect("memory never fails");
        Self {
            bytes: block.encode(),
            root: genesis.header().state_root,
            lthash: [earlier, lthash],
            genesis,
            law,
            block,
            checked,
            before,
            after,
        }
    }

    /// Nothing but the curve, from the bytes of key, hash and signature.
    fn verify(&self) -> Duration {
        let transfers = self.checked.transfers();
        let parts: Vec<_> = transfers
            .iter()
            .map(|transfer| {
                let SignedTransfer {
                    public_key,
                    signature,
                    ..
                } = transfer.signed();
                (
                    *public_key.as_bytes(),
                    *transfer.id().as_bytes(),
                    *signature.as_bytes(),
                )
            })
            .collect();
        timed(|| {
            for (key, hash, signature) in &parts {
                let key = VerifyingKey::from_bytes(key).expect("a key");
                let signature = Signature::from_bytes(signature);
                key.verify_strict(hash, &signature).expect("it holds");
            }
        })
        .0
    }

    fn decode(&self) -> Duration {
        timed(|| Block::decode(&self.bytes).expect("valid")).0
    }

    fn check(&self) -> Duration {
        let block = self.block.clone();
        timed(|| check_block(block, &self.law).expect("valid")).0
    }

    fn apply(&self) -> Duration {
        let (mut rows, mut lthash) = (Overlay::new(&self.before), self.lthash[0].clone());
        timed(|| apply_block(&mut rows, &mut lthash, &self.law.rules, &self.checked)).0
    }

    fn revert(&self) -> Duration {
        let (mut rows, mut lthash) = (Overlay::new(&self.after), self.lthash[1].clone());
        let (time, result) =
            timed(|| revert_block(&mut rows, &mut lthash, &self.checked, &self.root));
        result.expect("it leads back");
        time
    }

    fn accept(&self) -> Duration {
        let mut chain = open(self.before.clone(), &self.genesis);
        let (block, late) = (self.checked.clone(), Timestamp::new(u64::MAX));
        let (time, verdict) = timed(|| chain.accept_block(late, block));
        verdict.expect("memory never fails");
        assert_eq!(chain.tip().id, self.checked.id());
        time
    }
}

fn open(store: MemoryStorage, genesis: &Genesis) -> Chain<MemoryStorage> {
    Chain::open(store, genesis.clone()).expect("memory never fails")
}

fn sender(number: usize) -> SecretKey {
    let mut seed = [0xaa; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    SecretKey::from_seed(seed)
}

/// `dev`, where a thousand senders own something.
fn crowd() -> Genesis {
    let mut genesis = networks::dev();
    let allocation = |number| Allocation {
        address: sender(number).address(),
        amount: Amount::new(1_000_000),
    };
    genesis.allocations = (0..TRANSFERS).map(allocation).collect();
    genesis.check().expect("a network");
    genesis
}

/// Everybody pays a receiver of its own.
fn full_block(chain: &Chain<MemoryStorage>) -> Block {
    let genesis = chain.genesis();
    let law = genesis.law();
    let pay = |number: usize| {
        let mut to = [0xbb; 20];
        to[12..].copy_from_slice(
            &(number as u64)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .to_be_bytes(),
        );
        let payment = Payment {
            to: Address::from_bytes(to),
            amount: Amount::new(50_000),
            fee: Amount::new(1_000),
            nonce: AccountNonce::ZERO,
            memo: Memo::new("invoice 12345").expect("short"),
        };
        let signed = SignedTransfer::sign(&sender(number), &genesis.domain, payment);
        check_transfer(signed, &law).expect("valid")
    };
    let transfers: Vec<_> = (0..TRANSFERS).map(pay).collect();
    let producer = Address::from_bytes([9; 20]);
    let template = chain.template(genesis.time, producer, transfers);
    let template = template.expect("memory never fails").expect("valid");
    let mut header = template.header;
    while check_seal(&header).is_err() {
        header.nonce += 1;
    }
    let transfers = template.transfers.iter();
    Block {
        header,
        transfers: transfers
            .map(|transfer| transfer.signed().clone())
            .collect(),
    }
}
