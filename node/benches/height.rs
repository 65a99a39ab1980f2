//! What a long chain costs a node that has nothing to do: the time to open its database and to start,
//! after a clean stop and after SIGKILL, and the memory that it holds then, at 10,000, 100,000 and
//! 1,000,000 blocks. The rows are synthetic, written in large batches as the schema lays them out.
//!
//! On two cores: 10,000 blocks start in 97 ms, 100,000 in 46 ms, 1,000,000 (2.4 GB) in 58 ms, and in 20
//! to 72 ms after SIGKILL; redb alone opens in 1 to 11 ms; 9 MB are resident at each height.
//!
//! `cargo bench -p archivas --bench height`; a last argument names another largest height.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark measures real time and prints"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use archivas::store::Store;
use archivas_core::chain::Chain;
use archivas_core::params::{Genesis, UNDO_BLOCKS, networks};
use archivas_core::primitives::{BlockId, Header, Height, Work, encode};
use archivas_core::schema::{self, Arrival, HeaderRecord, Status, TxLocation, meta};
use archivas_core::storage::{Batch, Storage, Table};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use redb::backends::FileBackend;

const HEIGHTS: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Blocks whose rows share a commit.
const TOGETHER: u64 = 50_000;
/// Transfers of a block in the indexes.
const TRANSFERS: u32 = 2;

fn main() {
    let most = std::env::args().filter_map(|word| word.parse().ok()).next();
    let heights = HEIGHTS.map(|height| most.map_or(height, |most: u64| height.min(most)));
    println!("blocks     file MB  open ms  start ms  start ms after SIGKILL  resident MB idle");
    for height in heights {
        let folder = tempfile::tempdir_in(std::env::current_dir().expect("a folder"))
            .expect("room on the disk");
        let file = folder.path().join("archivas.redb");
        fill(&file, height);
        let bytes = std::fs::metadata(&file).expect("just written").len();
        let open = time(|| drop(store(&file)));
        let (clean, node) = start(folder.path());
        std::thread::sleep(Duration::from_secs(2));
        let resident = resident_bytes(&node);
        kill(node);
        let (killed, node) = start(folder.path());
        kill(node);
        println!(
            "{height:<9} {:>8} {:>8} {:>9} {:>23} {:>17}",
            bytes >> 20,
            open.as_millis(),
            clean.as_millis(),
            killed.as_millis(),
            resident >> 20,
        );
    }
}

fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn store(path: &Path) -> Store {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let backend = FileBackend::new(file.expect("a folder of ours")).expect("nobody else has it");
    Store::open(backend).expect("a database of ours")
}

/// A development node on the folder; how long it took until it said where it listens.
fn start(folder: &Path) -> (Duration, Child) {
    let begun = Instant::now();
    let mut node = Command::new(env!("CARGO_BIN_EXE_archivas"))
        .args(["node", "--json", "--network", "dev", "--p2p", "off"])
        .args(["--http", "127.0.0.1:0", "--data-dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program was built");
    let mut line = String::new();
    let output = node.stdout.as_mut().expect("piped");
    BufReader::new(output).read_line(&mut line).expect("a pipe");
    assert!(line.contains("http"), "the node did not start");
    (begun.elapsed(), node)
}

fn kill(mut node: Child) {
    node.kill().expect("our child");
    node.wait().expect("our child");
}

/// What the kernel says that the process holds in memory.
fn resident_bytes(node: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id()));
    let status = status.expect("this benchmark needs Linux's /proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    let kilobytes: u64 = kilobytes
        .and_then(|text| text.parse().ok())
        .expect("a number");
    kilobytes * 1_024
}

/// Writes a chain of so many blocks on the genesis of the development network. Nothing in it would
/// pass a check; it has the rows that a chain of this length has.
fn fill(path: &Path, height: u64) {
    let genesis: Genesis = networks::dev();
    let chain = Chain::open(store(path), genesis.clone()).expect("a new chain");
    drop(chain);
    let mut store = store(path);
    let mut row = Rows {
        rng: ChaCha8Rng::seed_from_u64(height),
        parent: genesis.header(),
        chainwork: schema::tip(&store).expect("just opened").chainwork,
        undo_above: height.saturating_sub(UNDO_BLOCKS),
    };
    let mut batch = Batch::new();
    let before = schema::tip(&store).expect("just opened");
    let arrival = [&before.chainwork.to_be_bytes()[..], &(!0_u64).to_be_bytes()].concat();
    batch.delete(
        Table::BlockTips,
        [&arrival[..], before.id.as_bytes()].concat(),
    );
    batch.delete(Table::HeaderTips, tip_key(&before.chainwork, &before.id));
    let mut arrival = Arrival::FIRST;
    for number in 1..=height {
        arrival = arrival.next();
        row.block(&mut batch, Height::new(number), arrival);
        if number % TOGETHER == 0 {
            store
                .commit(std::mem::take(&mut batch))
                .expect("room on the disk");
        }
    }
    row.ends(&mut batch, arrival);
    store.commit(batch).expect("room on the disk");
}

fn tip_key(chainwork: &Work, id: &BlockId) -> Vec<u8> {
    [&chainwork.to_be_bytes()[..], id.as_bytes()].concat()
}

/// Makes the rows of one block after another.
struct Rows {
    rng: ChaCha8Rng,
    parent: Header,
    chainwork: Work,
    undo_above: u64,
}

impl Rows {
    fn block(&mut self, batch: &mut Batch, height: Height, arrival: Arrival) {
        let header = Header {
            height,
            parent: self.parent.id(),
            ..self.parent
        };
        let work = Work::of_target(header.bits.expand().expect("genesis has a target"));
        self.chainwork = self.chainwork.checked_add(work).expect("far below 2^256");
        let record = HeaderRecord {
            header,
            chainwork: self.chainwork,
            status: Status::Stored,
            arrival: Some(arrival),
        };
        let (id, key) = (header.id(), height.get().to_be_bytes().to_vec());
        let id_key = id.as_bytes().to_vec();
        batch.put(Table::Headers, id_key.clone(), encode(&record));
        batch.put(Table::Levels, [&key[..], &id_key].concat(), Vec::new());
        batch.put(Table::Best, key.clone(), encode(&id));
        batch.put(Table::BestHeaders, key.clone(), encode(&id));
        batch.put(Table::Bodies, id_key.clone(), vec![0]);
        if height.get() > self.undo_above {
            batch.put(Table::Undo, id_key, vec![0]);
        }
        for index in 0..TRANSFERS {
            let mut names = [0; 52];
            self.rng.fill_bytes(&mut names);
            let (tx, account) = names.split_at(32);
            let place = TxLocation {
                block: id,
                height,
                index,
            };
            batch.put(Table::Txs, tx.to_vec(), encode(&place));
            let entry = [account, &key[..], &index.to_be_bytes()].concat();
            batch.put(Table::AccountTxs, entry, tx.to_vec());
        }
        self.parent = header;
    }

    /// The rows that say where the chain ends.
    fn ends(&self, batch: &mut Batch, arrival: Arrival) {
        let id = self.parent.id();
        let inverted = (!arrival.get()).to_be_bytes();
        let block_tip = [&self.chainwork.to_be_bytes()[..], &inverted, id.as_bytes()].concat();
        batch.put(Table::BlockTips, block_tip, Vec::new());
        batch.put(Table::HeaderTips, tip_key(&self.chainwork, &id), Vec::new());
        let mut say = |name: &[u8], value| batch.put(Table::Meta, name.to_vec(), value);
        say(meta::TIP, encode(&id));
        say(meta::BEST_HEADER, encode(&id));
        say(meta::NEXT_ARRIVAL, encode(&arrival.next()));
        if self.undo_above > 0 {
            say(meta::HORIZON, encode(&Height::new(self.undo_above)));
        }
    }
}
