//! A workshop for the tests of this folder: a small network, and blocks and transfers for it, good
//! ones and bad ones. Knows only what the crate shows to everybody.
#![allow(
    dead_code,
    reason = "every test of this folder is a crate and uses a part"
)]
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

pub mod fullest;

use archivas_core::chain::{BlockOutcome, BlockVerdict, Chain, Thoroughness};
use archivas_core::params::{Allocation, Genesis, Retarget, Rules};
use archivas_core::primitives::merkle::tx_root;
use archivas_core::primitives::{
    Account, AccountNonce, Address, Amount, Block, CompactTarget, Header, LtHash, Memo, Millis,
    Payment, SecretKey, SignedTransfer, StateRoot, Timestamp,
};
use archivas_core::rules::{CheckedTransfer, check_block, check_seal, check_transfer};
use archivas_core::schema;
use archivas_core::storage::{MemoryStorage, Storage};

/// Late enough that no block is from the future.
pub const LATE: Timestamp = Timestamp::new(4_000_000_000_000);

/// What each of the four keys owns at genesis.
pub const FUNDS: u64 = 1_000_000;

/// What a block gives its producer.
pub const REWARD: u64 = 50;

/// A network of a few keys with money, whose blocks take two tries to seal.
pub fn network() -> Genesis {
    funded(&[FUNDS; 4])
}

/// The same, where key number n owns the n-th sum.
pub fn funded(sums: &[u64]) -> Genesis {
    let allocation = |(number, sum): (u8, &u64)| Allocation {
        address: address(number),
        amount: Amount::new(*sum),
    };
    let genesis = Genesis {
        network: "workshop".into(),
        domain: "Workshop-TxV1".parse().unwrap(),
        time: Timestamp::new(1_700_000_000_000),
        bits: CompactTarget::new(0x207f_ffff),
        nonce: 0,
        rules: Rules {
            block_time: Millis::from_secs(20),
            half_life: Millis::from_secs(200),
            target_limit: CompactTarget::new(0x207f_ffff),
            retarget: Retarget::Fixed,
            reward: Amount::new(REWARD),
            fee_min: Amount::new(1),
            block_bytes_max: 1_048_576,
            future_limit: Millis::from_secs(40),
        },
        allocations: (0u8..).zip(sums).map(allocation).collect(),
    };
    genesis.check().unwrap();
    genesis
}

pub fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

pub fn address(number: u8) -> Address {
    key(number).address()
}

/// A new chain that checks itself after every change.
pub fn chain(genesis: &Genesis) -> Chain<MemoryStorage> {
    let mut chain = Chain::open(MemoryStorage::default(), genesis.clone()).unwrap();
    chain.set_self_checks(Some(Thoroughness::Full));
    chain
}

/// What to sign: a fee of 2, no memo.
pub fn payment(to: Address, amount: u64, nonce: u64) -> Payment {
    Payment {
        to,
        amount: Amount::new(amount),
        fee: Amount::new(2),
        nonce: AccountNonce::new(nonce),
        memo: Memo::default(),
    }
}

/// A transfer with a fee of 2.
pub fn pay(genesis: &Genesis, from: u8, to: Address, amount: u64, nonce: u64) -> SignedTransfer {
    SignedTransfer::sign(&key(from), &genesis.domain, payment(to, amount, nonce))
}

pub fn checked(genesis: &Genesis, transfers: &[SignedTransfer]) -> Vec<CheckedTransfer> {
    let law = genesis.law();
    let transfers = transfers.iter().cloned();
    transfers
        .map(|transfer| check_transfer(transfer, &law).unwrap())
        .collect()
}

pub fn sealed(mut header: Header) -> Header {
    while check_seal(&header).is_err() {
        header.nonce += 1;
    }
    header
}

/// A valid block on the tip.
pub fn valid<S: Storage>(chain: &Chain<S>, producer: Address, body: &[SignedTransfer]) -> Block {
    let executed = checked(chain.genesis(), body);
    let template = chain.template(chain.tip().header.timestamp, producer, executed);
    let template = template.unwrap().expect("the transfers fit the state");
    Block {
        header: sealed(template.header),
        transfers: body.to_vec(),
    }
}

/// A block on the tip with any body, sealed, under any state root.
pub fn forged<S: Storage>(
    chain: &Chain<S>,
    transfers: Vec<SignedTransfer>,
    state_root: StateRoot,
) -> Block {
    let empty = valid(chain, address(9), &[]);
    let header = Header {
        tx_root: tx_root(&transfers),
        state_root,
        ..empty.header
    };
    Block {
        header: sealed(header),
        transfers,
    }
}

pub fn give<S: Storage>(chain: &mut Chain<S>, block: &Block) -> BlockVerdict {
    let checked = check_block(block.clone(), chain.law()).unwrap();
    chain.accept_block(LATE, checked).unwrap()
}

/// Gives a block that must become the tip.
pub fn take<S: Storage>(chain: &mut Chain<S>, block: &Block) {
    let verdict = give(chain, block);
    assert_eq!(verdict.outcome, BlockOutcome::Stored);
    assert_eq!(chain.tip().id, block.id());
}

/// All accounts, by address.
pub fn accounts<S: Storage>(chain: &Chain<S>) -> Vec<(Address, Account)> {
    schema::accounts(chain.reader(), None, usize::MAX).unwrap()
}

pub fn supply<S: Storage>(chain: &Chain<S>) -> u64 {
    let balances = accounts(chain);
    balances
        .iter()
        .map(|(_, account)| account.balance.get())
        .sum()
}

/// The state root of these accounts, from scratch.
pub fn root_of(accounts: &[(Address, Account)]) -> StateRoot {
    let mut lthash = LtHash::EMPTY;
    for (address, account) in accounts {
        lthash.add(address, account);
    }
    lthash.root()
}
