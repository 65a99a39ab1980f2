//! Apply beside revert, over drawn blocks and over the known traps (checks O1–O4).

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{Fault, apply_block, revert_block, state_root_after};
use crate::params::{Rules, networks};
use crate::primitives::merkle::tx_root;
use crate::primitives::{
    Account, AccountNonce, Address, Amount, Block, BlockId, Domain, Header, Height, LtHash, Memo,
    PublicKey, Signature, SignedTransfer,
};
use crate::rules::{CheckedBlock, Invalid};
use crate::schema::{self, AccountTx, TxLocation, write};
use crate::storage::{MemoryStorage, Overlay, Reader, Storage, Table};

/// A state in memory, with its LtHash.
#[derive(Clone, Debug, PartialEq)]
struct State {
    store: MemoryStorage,
    lthash: LtHash,
    height: Height,
}

fn rules() -> Rules {
    Rules {
        reward: Amount::new(50),
        fee_min: Amount::new(0),
        ..networks::dev().rules
    }
}

fn domain() -> Domain {
    Domain::archivas()
}

/// Signatures are not the ledger's business: any bytes are a key.
fn key(name: u8) -> PublicKey {
    PublicKey::from_bytes([name; 32])
}

fn address(name: u8) -> Address {
    key(name).address()
}

fn account(balance: u64, nonce: u64) -> Account {
    Account {
        balance: Amount::new(balance),
        nonce: AccountNonce::new(nonce),
    }
}

fn transfer(from: u8, to: u8, amount: u64, nonce: u64) -> SignedTransfer {
    SignedTransfer {
        to: address(to),
        amount: Amount::new(amount),
        fee: Amount::new(1),
        nonce: AccountNonce::new(nonce),
        memo: Memo::default(),
        public_key: key(from),
        signature: Signature::from_bytes([0; 64]),
    }
}

impl State {
    fn new(accounts: &[(u8, Account)]) -> Self {
        let base = MemoryStorage::new();
        let mut rows = Overlay::new(&base);
        let mut lthash = LtHash::EMPTY;
        for (name, account) in accounts {
            write::put_account(&mut rows, &address(*name), account);
            lthash.add(&address(*name), account);
        }
        let batch = rows.into_batch();
        let mut store = base;
        store.commit(batch).unwrap();
        Self {
            store,
            lthash,
            height: Height::GENESIS,
        }
    }

    fn account(&self, name: u8) -> Account {
        schema::account(&self.store, &address(name)).unwrap()
    }

    fn supply(&self) -> u64 {
        let rows = schema::accounts(&self.store, None, usize::MAX).unwrap();
        rows.iter().map(|(_, account)| account.balance.get()).sum()
    }

    /// A block of these transfers with the right state root, where there is one.
    fn block(&self, producer: u8, transfers: Vec<SignedTransfer>) -> CheckedBlock {
        let mut header = Header {
            version: 1,
            height: self.height.next(),
            tx_root: tx_root(&transfers),
            producer: address(producer),
            ..Header::default()
        };
        let checked = |header, transfers| {
            CheckedBlock::from_store(Block { header, transfers }, &domain()).unwrap()
        };
        let draft = checked(header, transfers.clone());
        let (producer, lthash) = (address(producer), &self.lthash);
        let executed = draft.transfers();
        if let Ok(root) = state_root_after(&self.store, lthash, &rules(), &producer, executed) {
            header.state_root = root;
        }
        checked(header, transfers)
    }

    fn apply(&mut self, block: &CheckedBlock) -> Result<(), Fault> {
        let mut rows = Overlay::new(&self.store);
        apply_block(&mut rows, &mut self.lthash, &rules(), block)?;
        let batch = rows.into_batch();
        self.store.commit(batch).unwrap();
        self.height = self.height.next();
        Ok(())
    }

    fn revert(&mut self, block: &CheckedBlock, before: &LtHash) {
        let mut rows = Overlay::new(&self.store);
        revert_block(&mut rows, &mut self.lthash, block, &before.root()).unwrap();
        let batch = rows.into_batch();
        self.store.commit(batch).unwrap();
        self.height = self.height.parent().unwrap();
    }
}

/// Applies and reverts, and gives the state in between.
fn there_and_back(before: &State, producer: u8, transfers: Vec<SignedTransfer>) -> State {
    let block = before.block(producer, transfers);
    let mut state = before.clone();
    state.apply(&block).unwrap();
    let after = state.clone();
    state.revert(&block, &before.lthash);
    assert_eq!(state, *before);
    after
}

fn refusal(state: &State, transfers: Vec<SignedTransfer>) -> Invalid {
    let mut same = state.clone();
    let fault = same.apply(&state.block(9, transfers)).unwrap_err();
    assert_eq!(same, *state);
    match fault {
        Fault::Invalid(why) => why,
        Fault::Storage(error) => panic!("{error}"),
    }
}

#[test]
fn an_account_touched_three_times_is_reverted_to_before_the_block() {
    let before = State::new(&[(1, account(100, 4))]);
    let transfers = vec![
        transfer(1, 2, 10, 4),
        transfer(1, 3, 10, 5),
        transfer(1, 1, 10, 6),
    ];
    let after = there_and_back(&before, 1, transfers);
    assert_eq!(after.account(1), account(100 - 20 - 3 + 3 + 50, 7));
}

#[test]
fn money_that_goes_there_and_back_within_a_block_costs_only_fees() {
    let before = State::new(&[(1, account(100, 0)), (2, account(1, 0))]);
    let after = there_and_back(
        &before,
        9,
        vec![transfer(1, 2, 99, 0), transfer(2, 1, 99, 0)],
    );
    assert_eq!(after.account(1), account(99, 1));
    assert_eq!(after.account(2), account(0, 1));
    assert_eq!(after.account(9), account(52, 0));
}

#[test]
fn an_account_emptied_and_funded_again_keeps_its_nonce() {
    let before = State::new(&[(1, account(11, 0)), (2, account(50, 0))]);
    let after = there_and_back(
        &before,
        9,
        vec![transfer(1, 2, 10, 0), transfer(2, 1, 5, 0)],
    );
    assert_eq!(after.account(1), account(5, 1));
    let emptied = there_and_back(&before, 9, vec![transfer(1, 2, 10, 0)]);
    assert_eq!(emptied.account(1), account(0, 1));
    assert!(
        emptied
            .store
            .get(Table::Accounts, address(1).as_bytes())
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_new_account_has_no_row_again_after_the_revert() {
    let before = State::new(&[(1, account(100, 0))]);
    let after = there_and_back(&before, 9, vec![transfer(1, 7, 10, 0)]);
    assert_eq!(after.account(7), account(10, 0));
    assert_eq!(before.store.count(Table::Accounts), 1);
    assert_eq!(after.store.count(Table::Accounts), 3);
}

#[test]
fn a_block_without_transfers_pays_its_producer() {
    let before = State::new(&[(1, account(100, 0))]);
    assert_eq!(
        there_and_back(&before, 9, vec![]).account(9),
        account(50, 0)
    );
    assert_eq!(
        there_and_back(&before, 1, vec![]).account(1),
        account(150, 0)
    );
}

#[test]
fn the_highest_nonce_that_sends_leaves_the_last_number_behind() {
    let before = State::new(&[(1, account(100, u64::MAX - 1))]);
    let after = there_and_back(&before, 9, vec![transfer(1, 2, 10, u64::MAX - 1)]);
    assert_eq!(after.account(1).nonce, AccountNonce::MAX);
}

#[test]
fn amounts_at_the_edges_neither_wrap_nor_mint() {
    let rich = State::new(&[(1, account(i64::MAX as u64 - 100, 0)), (2, account(40, 0))]);
    let all = i64::MAX as u64 - 101;
    let after = there_and_back(&rich, 9, vec![transfer(1, 2, all, 0)]);
    assert_eq!(after.account(1), account(0, 1));
    assert_eq!(after.supply(), rich.supply() + 50);
    for amount in [all + 1, i64::MAX as u64, u64::MAX - 1] {
        let why = refusal(&rich, vec![transfer(1, 2, amount, 0)]);
        assert!(matches!(why, Invalid::BalanceTooLow { .. }), "{amount}");
        let why = refusal(&rich, vec![transfer(1, 1, amount, 0)]);
        assert!(matches!(why, Invalid::BalanceTooLow { .. }), "{amount}");
    }
}

#[test]
fn one_invalid_transfer_leaves_the_state_of_the_whole_block_untouched() {
    let state = State::new(&[(1, account(100, 0))]);
    let good = transfer(1, 2, 10, 0);
    let nonces = |nonce, expected| (AccountNonce::new(nonce), AccountNonce::new(expected));
    let (nonce, expected) = nonces(0, 1);
    let why = refusal(&state, vec![good.clone(), good.clone()]);
    assert_eq!(why, Invalid::NonceUsed { nonce, expected });
    let (nonce, expected) = nonces(2, 1);
    let why = refusal(&state, vec![good.clone(), transfer(1, 2, 10, 2)]);
    assert_eq!(why, Invalid::NonceGap { nonce, expected });
    let why = refusal(&state, vec![good, transfer(1, 2, 89, 1)]);
    let (balance, cost) = (Amount::new(89), Amount::new(90));
    assert_eq!(why, Invalid::BalanceTooLow { balance, cost });
}

#[test]
fn a_state_root_of_other_accounts_is_refused() {
    let state = State::new(&[(1, account(100, 0))]);
    let other = State::new(&[(1, account(101, 0))]);
    let block = other.block(9, vec![]);
    let fault = state.clone().apply(&block).unwrap_err();
    assert!(matches!(
        fault,
        Fault::Invalid(Invalid::WrongStateRoot { .. })
    ));
}

#[test]
fn an_undo_row_that_leads_elsewhere_is_damage() {
    let before = State::new(&[(1, account(100, 0))]);
    let block = before.block(9, vec![transfer(1, 2, 10, 0)]);
    let mut state = before.clone();
    state.apply(&block).unwrap();
    let mut undo = schema::undo(&state.store, &block.id()).unwrap();
    assert_eq!(undo.before.len(), 3);
    undo.before.pop();
    let mut rows = Overlay::new(&state.store);
    write::set_undo(&mut rows, &block.id(), Some(&undo));
    let mut lthash = state.lthash.clone();
    let root = before.lthash.root();
    let error = revert_block(&mut rows, &mut lthash, &block, &root).unwrap_err();
    assert_eq!(error.kind, crate::storage::StorageErrorKind::Damaged);
}

#[test]
fn the_indexes_say_where_a_transfer_stands_and_whose_it_is() {
    let before = State::new(&[(1, account(100, 0))]);
    let transfers = vec![transfer(1, 2, 10, 0), transfer(1, 1, 10, 1)];
    let ids: Vec<_> = transfers.iter().map(|tx| tx.id(&domain())).collect();
    let block: BlockId = before.block(9, transfers.clone()).id();
    let after = there_and_back(&before, 9, transfers);
    let height = Height::new(1);
    for (index, id) in (0..).zip(&ids) {
        let location = schema::tx_location(&after.store, id).unwrap();
        assert_eq!(
            location,
            Some(TxLocation {
                block,
                height,
                index
            })
        );
    }
    let history = |name| {
        let rows = schema::account_txs(&after.store, &address(name), None, 9).unwrap();
        rows.iter()
            .map(|AccountTx { index, id, .. }| (*index, *id))
            .collect::<Vec<_>>()
    };
    assert_eq!(history(1), [(1, ids[1]), (0, ids[0])]);
    assert_eq!(history(2), [(0, ids[0])]);
    assert_eq!(history(9), []);
    let below = schema::account_txs(&after.store, &address(1), Some((height, 1)), 9).unwrap();
    assert_eq!(below.len(), 1);
}

/// Blocks of wishes; what does not fit the state when its turn comes is left out.
fn wishes() -> impl Strategy<Value = Vec<Vec<(u8, u8, u64)>>> {
    let wish = (0u8..5, 0u8..7, prop_oneof![1u64..50, 1u64..3_000]);
    prop::collection::vec(prop::collection::vec(wish, 0..12), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_block_reverts_byte_for_byte_and_issues_exactly_the_reward(blocks in wishes()) {
        let funds: Vec<_> = (0..4).map(|name| (name, account(1_000, 0))).collect();
        let mut state = State::new(&funds);
        let mut trail = Vec::new();
        for (producer, wishes) in (0u8..).zip(blocks) {
            let mut transfers: Vec<SignedTransfer> = Vec::new();
            for (from, to, amount) in wishes {
                let sent = transfers.iter().filter(|tx| tx.public_key == key(from)).count() as u64;
                let nonce = state.account(from).nonce.get() + sent;
                transfers.push(transfer(from, to, amount, nonce));
                if state.clone().apply(&state.block(producer % 6, transfers.clone())).is_err() {
                    transfers.pop();
                }
            }
            let block = state.block(producer % 6, transfers);
            let before = state.clone();
            state.apply(&block).unwrap();
            prop_assert_eq!(state.supply(), before.supply() + 50);
            trail.push((before, block));
        }
        for (before, block) in trail.into_iter().rev() {
            state.revert(&block, &before.lthash);
            prop_assert_eq!(&state, &before);
        }
    }
}
