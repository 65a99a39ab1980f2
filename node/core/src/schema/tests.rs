//! Layouts as literals, so that a change of one is a change of the schema version.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::primitives::{
    Account, AccountNonce, Address, Amount, BlockId, Header, Height, TxId, Work, codec,
};
use crate::storage::{Batch, MemoryStorage, Overlay, Scan, Storage, StorageErrorKind, Table};

fn work(last: u8) -> Work {
    let mut bytes = [0; 32];
    bytes[31] = last;
    Work::from_be_bytes(bytes)
}

fn record(chainwork: Work, arrival: Option<Arrival>) -> HeaderRecord {
    HeaderRecord {
        header: Header::default(),
        chainwork,
        status: Status::Stored,
        arrival,
    }
}

fn stored(write: impl FnOnce(&mut Overlay<'_, MemoryStorage>)) -> MemoryStorage {
    let mut store = MemoryStorage::new();
    let base = store.clone();
    let mut rows = Overlay::new(&base);
    write(&mut rows);
    store.commit(rows.into_batch()).unwrap();
    store
}

fn hex_rows(store: &MemoryStorage, table: Table) -> Vec<(alloc::string::String, Vec<u8>)> {
    let rows = crate::storage::Reader::scan(store, table, &Scan::all()).unwrap();
    rows.into_iter()
        .map(|(key, value)| (const_hex::encode(key), value))
        .collect()
}

#[test]
fn keys_hold_heights_big_endian_and_end_in_ids() {
    let id = BlockId::from_bytes([0xaa; 32]);
    let height = Height::new(0x0102);
    let store = stored(|rows| {
        write::set_best(rows, height, Some(&id));
        write::put_level(rows, height, &id);
        write::set_header_tip(rows, &id, &record(work(7), None), true);
        write::set_block_tip(
            rows,
            &id,
            &record(work(7), Some(Arrival::FIRST.next())),
            true,
        );
    });
    let id_hex = "aa".repeat(32);
    let height_hex = "0000000000000102";
    let work_hex = "0".repeat(63) + "7";
    assert_eq!(
        hex_rows(&store, Table::Best),
        [(height_hex.to_string(), [0xaa; 32].to_vec())]
    );
    let level = height_hex.to_string() + &id_hex;
    assert_eq!(hex_rows(&store, Table::Levels), [(level, Vec::new())]);
    let tip = work_hex.clone() + &id_hex;
    assert_eq!(hex_rows(&store, Table::HeaderTips), [(tip, Vec::new())]);
    let tip = work_hex + "fffffffffffffffe" + &id_hex;
    assert_eq!(hex_rows(&store, Table::BlockTips), [(tip, Vec::new())]);
}

#[test]
fn an_account_row_is_balance_and_nonce_as_varints_and_the_empty_one_has_none() {
    let (rich, empty) = (Address::from_bytes([1; 20]), Address::from_bytes([2; 20]));
    let account = Account {
        balance: Amount::new(300),
        nonce: AccountNonce::new(1),
    };
    let store = stored(|rows| {
        write::put_account(rows, &rich, &account);
        write::put_account(rows, &empty, &Account::EMPTY);
    });
    let rows = hex_rows(&store, Table::Accounts);
    assert_eq!(rows, [("01".repeat(20), alloc::vec![0xac, 0x02, 0x01])]);
    assert_eq!(super::account(&store, &rich).unwrap(), account);
    assert_eq!(super::account(&store, &empty).unwrap(), Account::EMPTY);
}

#[test]
fn a_header_record_begins_with_the_raw_header() {
    let record = record(work(9), Some(Arrival::FIRST));
    let bytes = codec::encode(&record);
    assert_eq!(bytes[..160], record.header.encode());
    assert_eq!(bytes[160..192], work(9).to_be_bytes());
    assert_eq!(bytes[192..], [1, 1, 0]);
}

#[test]
fn the_best_candidate_has_the_most_work_and_then_the_lowest_arrival() {
    let ids = [1, 2, 3, 4].map(|byte| BlockId::from_bytes([byte; 32]));
    let (first, second) = (Arrival::FIRST, Arrival::FIRST.next());
    let third = second.next();
    let store = stored(|rows| {
        write::set_block_tip(rows, &ids[0], &record(work(1), Some(first)), true);
        write::set_block_tip(rows, &ids[3], &record(work(2), Some(third)), true);
        write::set_block_tip(rows, &ids[1], &record(work(2), Some(second)), true);
        write::set_block_tip(rows, &ids[2], &record(work(9), None), true);
    });
    assert_eq!(best_candidate(&store).unwrap(), Some(ids[1]));
    assert_eq!(block_tips(&store).unwrap(), [ids[1], ids[3], ids[0]]);
}

#[test]
fn bytes_that_we_did_not_write_are_damage_that_names_table_and_key() {
    let mut store = MemoryStorage::new();
    let mut batch = Batch::new();
    batch.put(
        Table::Accounts,
        alloc::vec![1; 20],
        alloc::vec![0x80, 0x00, 0x00],
    );
    batch.put(Table::Accounts, alloc::vec![2; 19], alloc::vec![1, 1]);
    batch.put(Table::Txs, alloc::vec![3; 32], alloc::vec![0; 5]);
    batch.put(Table::HeaderTips, alloc::vec![4; 31], Vec::new());
    batch.put(Table::AccountTxs, alloc::vec![5; 31], alloc::vec![0; 32]);
    batch.put(Table::Bodies, alloc::vec![6; 32], alloc::vec![1]);
    store.commit(batch).unwrap();
    let errors = [
        super::account(&store, &Address::from_bytes([1; 20])).unwrap_err(),
        accounts(&store, Some(&Address::from_bytes([1; 20])), 9).unwrap_err(),
        tx_location(&store, &TxId::from_bytes([3; 32])).unwrap_err(),
        heaviest_header(&store).unwrap_err(),
        account_txs(&store, &Address::from_bytes([5; 20]), None, 9).unwrap_err(),
        body(&store, &BlockId::from_bytes([6; 32])).unwrap_err(),
    ];
    let places = [("accounts", "01"), ("accounts", "02"), ("txs", "03")];
    let more = [
        ("header_tips", "04"),
        ("account_txs", "05"),
        ("bodies", "06"),
    ];
    for (error, (table, byte)) in errors.iter().zip(places.iter().chain(&more)) {
        assert_eq!(error.kind, StorageErrorKind::Damaged);
        let place = alloc::format!("table {table}, key {}", byte.repeat(19));
        assert!(error.what.contains(&place), "{error}");
    }
}
