//! Two ways of keeping account rows, side by side on a real file with the durability of every commit
//! of ours: written with each block, or kept in a journal record a block and folded into the table
//! every 64 blocks. A third column shares one commit among 64 blocks, as a node does that catches up.
//!
//! `cargo bench -p archivas --bench account_rows`; what it decided stands in `store.rs`.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark measures real time and prints"
)]

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use archivas::store::Store;
use archivas_core::storage::{Batch, Storage, Table};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use redb::StorageBackend;
use redb::backends::FileBackend;

/// Transfers of a block, each with a sender and a receiver of its own.
const TRANSFERS: u64 = 1_000;
/// Bytes of a transfer in a body.
const TRANSFER_BYTES: usize = 150;
/// Stands for the table of a journal, which the schema does not have.
const JOURNAL: Table = Table::Mempool;
/// How many blocks are folded, or committed, together.
const TOGETHER: u64 = 64;
/// Blocks of one measurement.
const BLOCKS: u64 = 128;

/// A file that counts the bytes that are written to it.
#[derive(Debug)]
struct Counted {
    file: FileBackend,
    written: Arc<AtomicU64>,
}

impl StorageBackend for Counted {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.file.write(offset, data)
    }
}

/// When account rows reach their table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    EachBlock,
    Journal,
    Together,
}

const WAYS: [(Way, &str); 3] = [
    (Way::EachBlock, "each block"),
    (Way::Journal, "journal, folded"),
    (Way::Together, "64 blocks a commit"),
];

/// One database, and what was measured on it.
struct Contender {
    way: Way,
    store: Store,
    written: Arc<AtomicU64>,
    rng: ChaCha8Rng,
    accounts: u64,
    /// What is not in the account table yet.
    unfolded: BTreeMap<Vec<u8>, Vec<u8>>,
    shared: Batch,
    spent: Vec<Duration>,
}

/// An address that looks like a hash: the same for the same number.
fn address(number: u64) -> Vec<u8> {
    let mut key = vec![0; 20];
    ChaCha8Rng::seed_from_u64(number).fill_bytes(&mut key);
    key
}

impl Contender {
    fn new(folder: &Path, way: Way, accounts: u64) -> Self {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.join(format!("{way:?}-{accounts}")))
            .expect("an empty folder of ours");
        let written = Arc::new(AtomicU64::new(0));
        let file = FileBackend::new(file).expect("nobody else has it");
        let backend = Counted {
            file,
            written: Arc::clone(&written),
        };
        let mut store = Store::open(backend).expect("a new database");
        let mut batch = Batch::new();
        for number in 0..accounts {
            batch.put(Table::Accounts, address(number), vec![7; 10]);
        }
        store.commit(batch).expect("room on the disk");
        written.store(0, Ordering::Relaxed);
        Self {
            way,
            store,
            written,
            rng: ChaCha8Rng::seed_from_u64(accounts),
            accounts,
            unfolded: BTreeMap::new(),
            shared: Batch::new(),
            spent: Vec::new(),
        }
    }

    /// Stores the block of a height; only what the way decides is done in different ways.
    fn block(&mut self, height: u64) {
        let mut batch = std::mem::take(&mut self.shared);
        let changes = self.rows_of_block(height, &mut batch);
        let due = height % TOGETHER == TOGETHER - 1;
        let begun = Instant::now();
        if self.way == Way::Journal {
            let record: Vec<u8> = changes
                .iter()
                .flat_map(|(k, v)| [&k[..], v].concat())
                .collect();
            batch.put(JOURNAL, height.to_be_bytes().to_vec(), record);
            self.unfolded.extend(changes);
            if due {
                for (key, value) in std::mem::take(&mut self.unfolded) {
                    batch.put(Table::Accounts, key, value);
                }
                for folded in height + 1 - TOGETHER..=height {
                    batch.delete(JOURNAL, folded.to_be_bytes().to_vec());
                }
            }
        } else {
            for (key, value) in changes {
                batch.put(Table::Accounts, key, value);
            }
        }
        if self.way == Way::Together && !due {
            self.shared = batch;
        } else {
            self.store.commit(batch).expect("room on the disk");
        }
        self.spent.push(begun.elapsed());
    }

    /// The rows of a block that are the same in every way, and the accounts that it changes.
    fn rows_of_block(&mut self, height: u64, batch: &mut Batch) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut id = vec![0; 32];
        self.rng.fill_bytes(&mut id);
        let mut changes = BTreeMap::new();
        for index in 0..TRANSFERS {
            let mut tx = vec![0; 32];
            self.rng.fill_bytes(&mut tx);
            batch.put(Table::Txs, tx.clone(), [&id[..], &[7; 8]].concat());
            for _ in 0..2 {
                let account = address(self.rng.next_u64() % self.accounts);
                let mut value = vec![0; 10];
                self.rng.fill_bytes(&mut value);
                let place = [&height.to_be_bytes()[..], &index.to_be_bytes()].concat();
                batch.put(
                    Table::AccountTxs,
                    [&account[..], &place].concat(),
                    tx.clone(),
                );
                changes.insert(account, value);
            }
        }
        let body = vec![7; TRANSFER_BYTES * usize::try_from(TRANSFERS).expect("small")];
        batch.put(Table::Bodies, id.clone(), body);
        batch.put(Table::Undo, id.clone(), vec![7; 30 * changes.len()]);
        batch.put(Table::Headers, id.clone(), vec![7; 200]);
        batch.put(Table::Best, height.to_be_bytes().to_vec(), id.clone());
        batch.put(Table::Meta, b"tip".to_vec(), id);
        batch.put(Table::Meta, b"lthash".to_vec(), vec![7; 2_048]);
        changes
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn main() {
    let folder =
        tempfile::tempdir_in(std::env::current_dir().expect("a folder")).expect("room on the disk");
    println!("{TRANSFERS} transfers a block, {BLOCKS} blocks, one file each, blocks in turn");
    for accounts in [10_000, 1_000_000] {
        let mut contenders = WAYS.map(|(way, _)| Contender::new(folder.path(), way, accounts));
        for height in 0..BLOCKS {
            for contender in &mut contenders {
                contender.block(height);
            }
        }
        println!("{accounts} accounts");
        let seconds = |one: &Contender| one.spent.iter().sum::<Duration>().as_secs_f64();
        let bytes = |one: &Contender| one.written.load(Ordering::Relaxed) as f64;
        let [first, ..] = &contenders;
        for ((_, name), one) in WAYS.iter().zip(&contenders) {
            let slowest = one.spent.iter().max().expect("there were blocks");
            println!(
                "  {name:<20} {:>7.1} ms a block, slowest {:>7.1} ms, {:>6.2} MB a block; \
                 time x{:.2}, bytes x{:.2}",
                1e3 * seconds(one) / BLOCKS as f64,
                1e3 * slowest.as_secs_f64(),
                bytes(one) / BLOCKS as f64 / 1e6,
                seconds(one) / seconds(first),
                bytes(one) / bytes(first),
            );
        }
    }
}
