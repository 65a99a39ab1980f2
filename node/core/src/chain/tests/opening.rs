//! Opening: empty stores, restarts, and stores that do not fit.

use super::lab::Lab;
use super::*;
use crate::chain::OpenError;
use crate::primitives::{Height, Timestamp, codec};
use crate::schema::{SCHEMA_VERSION, meta};
use crate::storage::Batch;

fn put(chain: &Chain<MemoryStorage>, table: Table, key: &[u8], value: &[u8]) -> MemoryStorage {
    let mut store = chain.reader().clone();
    let mut batch = Batch::new();
    batch.put(table, key.to_vec(), value.to_vec());
    store.commit(batch).unwrap();
    store
}

fn open_error(store: MemoryStorage, lab: &Lab) -> OpenError {
    Chain::open(store, lab.genesis.clone())
        .map(drop)
        .unwrap_err()
}

#[test]
fn an_empty_store_becomes_the_genesis_of_its_network() {
    let lab = Lab::new();
    let chain = lab.chain();
    assert_eq!(chain.tip().id, lab.root);
    assert_eq!(chain.tip().height, Height::GENESIS);
    assert_eq!(chain.best_header().id, lab.root);
    assert_eq!(accounts(&chain), lab.get(&lab.root).accounts);
    assert_eq!(chain.missing_bodies(10).unwrap(), []);
}

#[test]
fn a_restart_finds_everything_as_it_was_and_writes_nothing() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 5, 1);
    give_all(&mut chain, &lab, &line);
    let side = lab.line(line[1], 2, 2);
    give_all(&mut chain, &lab, &side);
    let again = reopen(&chain, &lab);
    assert_eq!(again.view, chain.view);
    assert_eq!(again.reader(), chain.reader());
}

#[test]
fn a_store_of_another_network_is_refused() {
    let mut lab = Lab::new();
    let chain = lab.chain();
    lab.genesis.time = Timestamp::new(1_700_000_000_001);
    let (found, ours) = (lab.root, lab.genesis.id());
    let error = open_error(chain.reader().clone(), &lab);
    assert_eq!(error, OpenError::OtherGenesis { found, ours });
}

#[test]
fn a_store_of_another_schema_is_refused() {
    let lab = Lab::new();
    let store = put(
        &lab.chain(),
        Table::Meta,
        meta::SCHEMA,
        &codec::encode(&7u32),
    );
    let error = open_error(store, &lab);
    assert_eq!(
        error,
        OpenError::OtherSchema {
            found: 7,
            ours: SCHEMA_VERSION
        }
    );
}

#[test]
fn damage_in_any_row_of_meta_is_noticed() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 3, 1);
    give_all(&mut chain, &lab, &line);
    let names = [
        meta::SCHEMA,
        meta::GENESIS,
        meta::RULES,
        meta::TIP,
        meta::BEST_HEADER,
        meta::LTHASH,
        meta::NEXT_ARRIVAL,
    ];
    for name in names {
        let store = put(&chain, Table::Meta, name, &[1, 2, 3]);
        assert!(matches!(open_error(store, &lab), OpenError::Damaged(_)));
        let mut store = chain.reader().clone();
        let mut batch = Batch::new();
        batch.delete(Table::Meta, name.to_vec());
        store.commit(batch).unwrap();
        assert!(matches!(open_error(store, &lab), OpenError::Damaged(_)));
    }
}

#[test]
fn a_tip_that_is_not_the_end_of_the_best_chain_is_noticed() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 3, 1);
    give_all(&mut chain, &lab, &line);
    let store = put(&chain, Table::Meta, meta::TIP, line[1].as_bytes());
    assert!(matches!(open_error(store, &lab), OpenError::Damaged(_)));
    let other_lanes = alloc::vec![0; 2048];
    let store = put(&chain, Table::Meta, meta::LTHASH, &other_lanes);
    assert!(matches!(open_error(store, &lab), OpenError::Damaged(_)));
}

#[test]
fn the_marks_of_older_rules_are_taken_off_and_the_blocks_judged_anew() {
    let mut lab = Lab::new();
    let mut chain = lab.chain();
    let line = lab.line(lab.root, 1, 1);
    let good = lab.line(lab.root, 3, 2);
    let bad = lab.make(
        good[2],
        lab::Order {
            wrong_root: true,
            ..lab.order()
        },
    );
    give_all(&mut chain, &lab, &line);
    // A release with other rules marked a good block, and then the bad one was never looked at.
    let headers: alloc::vec::Vec<_> = good.iter().map(|id| lab.header(id)).collect();
    chain.accept_headers(LATE, &headers).unwrap();
    chain
        .refuse_block(&good[0], &crate::rules::Invalid::BadSignature)
        .unwrap();
    assert_eq!(
        give(&mut chain, &lab, &good[0]).outcome,
        BlockOutcome::KnownInvalid
    );
    assert_eq!(chain.best_header().id, line[0]);
    let mut store = put(&chain, Table::Meta, meta::RULES, &codec::encode(&0u32));
    for id in &good {
        let mut record = schema::required_header(&store, id).unwrap();
        assert_eq!(record.status, schema::Status::Invalid { rules_version: 1 });
        record.status = schema::Status::Invalid { rules_version: 0 };
        let mut batch = Batch::new();
        batch.put(
            Table::Headers,
            id.as_bytes().to_vec(),
            codec::encode(&record),
        );
        store.commit(batch).unwrap();
    }
    let mut chain = Chain::open(store, lab.genesis.clone()).unwrap();
    assert_eq!(chain.best_header().id, good[2]);
    assert_eq!(chain.missing_bodies(9).unwrap(), good);
    give_all(&mut chain, &lab, &good);
    assert_eq!(chain.tip().id, good[2]);
    assert!(matches!(
        give(&mut chain, &lab, &bad).outcome,
        BlockOutcome::Invalid(_)
    ));
    assert_eq!(chain.tip().id, good[2]);
}

#[test]
fn without_an_index_of_transfers_its_tables_are_empty_and_the_wish_is_remembered() {
    let mut lab = Lab::new();
    let line = lab.busy_line(lab.root, 3, 1);
    let other = lab.busy_line(lab.root, 4, 2);
    let mut chain = lab.chain();
    chain.settle_tx_index(false).unwrap();
    give_all(&mut chain, &lab, &line);
    assert!(!lab.checked(&line[2]).transfers().is_empty());
    // A reorganization takes out what was never entered.
    give_all(&mut chain, &lab, &other);
    assert_eq!(chain.tip().id, other[3]);
    for table in [Table::Txs, Table::AccountTxs] {
        assert_eq!(chain.reader().count(table), 0);
    }
    let mut chain = reopen(&chain, &lab);
    chain.settle_tx_index(false).unwrap();
    let refused = chain.settle_tx_index(true);
    assert_eq!(refused, Err(OpenError::OtherIndex { kept: false }));
    let mut with = lab.chain();
    give_all(&mut with, &lab, &line);
    let refused = alloc::format!("{}", with.settle_tx_index(false).unwrap_err());
    assert!(refused.contains("leave out --no-txindex"), "{refused}");
}
