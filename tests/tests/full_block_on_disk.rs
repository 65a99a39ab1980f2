//! The largest legal block through the real database: stored, applied, read back after reopening,
//! left in a reorganization and joined again; and through the API of a node that has it. No bound of
//! either is smaller than consensus has.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real processes live in real time, and are waited for by threads"
)]

#[path = "../../node/core/tests/workshop/mod.rs"]
mod workshop;

#[expect(dead_code, reason = "shared with the tests of the command line")]
mod program;

use std::path::Path;

use archivas::store::Store;
use archivas_core::chain::{BlockOutcome, Chain};
use archivas_core::params::{BLOCK_BYTES_MAX, BLOCK_TRANSFERS_MAX, Genesis};
use archivas_core::storage::MemoryStorage;
use program::Node;
use redb::backends::FileBackend;
use workshop::fullest::*;
use workshop::*;

fn open(path: &Path, genesis: &Genesis) -> Chain<Store> {
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let store = Store::open(FileBackend::new(file.unwrap()).unwrap()).unwrap();
    Chain::open(store, genesis.clone()).unwrap()
}

#[test]
fn the_fullest_block_is_kept_left_and_joined_again_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chain.redb");
    let genesis = crowd();
    let mut chain = open(&path, &genesis);
    let full = valid(&chain, address(9), &fullest_body(&genesis));
    assert_eq!(full.size(), BLOCK_BYTES_MAX);
    let others = {
        let mut theirs = Chain::open(MemoryStorage::default(), genesis.clone()).unwrap();
        [0, 0].map(|_| {
            let block = valid(&theirs, address(2), &[]);
            take(&mut theirs, &block);
            block
        })
    };
    let before = accounts(&chain);
    take(&mut chain, &full);
    let after = accounts(&chain);
    drop(chain);

    let mut chain = open(&path, &genesis);
    assert_eq!(chain.tip().id, full.id());
    assert_eq!(chain.block(&full.id()).unwrap(), Some(full.clone()));
    assert_eq!(accounts(&chain), after);
    assert_eq!(give(&mut chain, &others[0]).outcome, BlockOutcome::Stored);
    take(&mut chain, &others[1]);
    assert_eq!(accounts(&chain).len(), before.len() + 1);
    // The operator sets the other branch aside: back to the full block.
    let moved = chain.invalidate(LATE, &others[0].id()).unwrap();
    assert!(moved.unwrap().tip_change.is_some());
    assert_eq!(chain.tip().id, full.id());
    assert_eq!(accounts(&chain), after);
}

#[test]
fn the_fullest_block_is_answered_by_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let genesis = crowd();
    let mut chain = open(&folder.path().join("archivas.redb"), &genesis);
    let full = valid(&chain, address(9), &fullest_body(&genesis));
    take(&mut chain, &full);
    drop(chain);
    let rules = folder.path().join("genesis.json");
    std::fs::write(&rules, genesis.to_json()).unwrap();
    let [rules, dir] = [&rules, folder.path()].map(|path| path.to_str().unwrap());
    let node = Node::start(&[
        "node",
        "--json",
        "--genesis",
        rules,
        "--data-dir",
        dir,
        "--http",
        "127.0.0.1:0",
        "--p2p",
        "127.0.0.1:0",
    ]);
    let block = node.get("/block/1");
    assert_eq!(block["hash"], full.id().to_string());
    assert_eq!(block["txs"].as_array().unwrap().len(), BLOCK_TRANSFERS_MAX);
}
