//! The mempool of an earlier life, as rows that may be anything: the node starts whatever they hold,
//! takes from them what the model's pool takes, and its rows are its pool again.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use archivas_core::chain::Policy;
use archivas_core::params::pool::{POOL_SAVE_INTERVAL, SAVED_CHECKS_MAX};
use archivas_core::primitives::{
    AccountNonce, Address, Amount, Memo, Millis, Payment, SecretKey, SignedTransfer, decode, encode,
};
use archivas_core::schema;
use archivas_core::storage::{Batch, MemoryStorage, Reader, Row, Scan, Storage, Table};
use archivas_model::{Admission, Model, Pool};

use crate::desk::Desk;
use crate::story::{story, story_store};

/// All of them are at the checker before the first is judged, so that the order is theirs.
const ROWS_MAX: usize = 40;
const _: () = assert!(ROWS_MAX <= SAVED_CHECKS_MAX);

/// A row.
#[derive(Arbitrary, Debug)]
struct Kept {
    arrival: u8,
    transfer: Which,
    /// Bits that are turned around in its bytes.
    damage: Vec<u16>,
    /// Under another key than its id.
    misplaced: Option<u8>,
}

#[derive(Arbitrary, Debug)]
enum Which {
    /// One that the story knows: mostly spent.
    Old(u8),
    /// A fresh one.
    New {
        key: u8,
        ahead: u8,
        amount: u32,
        fee: u16,
    },
    /// None.
    Bytes(Vec<u8>),
}

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let story = story();
    let text = story.genesis.to_json();
    let mut model = Model::new(text.as_bytes()).expect("the node wrote it");
    for block in &story.blocks {
        model.submit_block(&block.encode(), story.now.get());
    }
    model
});

/// Rows, and a start on them.
pub fn mempool_file(bytes: &[u8]) {
    let Ok(rows) = Vec::<Kept>::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let mut storage = story_store().clone();
    let mut batch = Batch::new();
    for row in rows.iter().take(ROWS_MAX) {
        let (key, value) = row.bytes(&storage);
        batch.put(Table::Mempool, key, value);
    }
    storage.commit(batch).expect("memory does not fail");
    let expected = expected(&storage);

    let mut desk = start(storage);
    assert_eq!(pool(&desk), expected, "what was taken again");
    desk.wait(POOL_SAVE_INTERVAL.plus(Millis::new(1)));
    desk.settle();
    let saved = mempool_rows(desk.node.chain().reader());
    let mut kept: Vec<_> = expected.iter().map(|(bytes, _)| bytes.clone()).collect();
    let mut found = Vec::new();
    for (key, value) in &saved {
        let (_, transfer) = decode::<(u64, SignedTransfer)>(value).expect("the node wrote it");
        assert_eq!(transfer.id(&story().genesis.domain).as_bytes(), &key[..]);
        found.push(encode(&transfer));
    }
    kept.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, kept, "the rows are the pool");
    let again = start(desk.node.chain().reader().clone());
    assert_eq!(pool(&again), expected, "the next life's pool");
}

impl Kept {
    fn bytes(&self, rows: &MemoryStorage) -> Row {
        let domain = &story().genesis.domain;
        let transfer = match &self.transfer {
            Which::Old(which) => {
                let known = &story().transfers;
                known[usize::from(*which) % known.len()].clone()
            }
            Which::New {
                key,
                ahead,
                amount,
                fee,
            } => {
                let key = SecretKey::from_seed([key % 5 + 1; 32]);
                let owner = schema::account(rows, &key.address()).expect("memory does not fail");
                let payment = Payment {
                    to: Address::from_bytes([9; 20]),
                    amount: Amount::new((*amount).into()),
                    fee: Amount::new((*fee).into()),
                    nonce: AccountNonce::new(owner.nonce.get() + u64::from(ahead % 70)),
                    memo: Memo::default(),
                };
                SignedTransfer::sign(&key, domain, payment)
            }
            Which::Bytes(bytes) => {
                let key = self.misplaced.unwrap_or(self.arrival);
                return (vec![key; 32], bytes.clone());
            }
        };
        let mut value = encode(&(u64::from(self.arrival), &transfer));
        for bit in &self.damage {
            let at = usize::from(bit / 8) % value.len();
            value[at] ^= 1 << (bit % 8);
        }
        let id = transfer.id(domain).as_bytes().to_vec();
        (self.misplaced.map_or(id, |key| vec![key; 32]), value)
    }
}

/// What the model's pool takes of the rows that hold what their key says, by arrival and key.
fn expected(storage: &MemoryStorage) -> Vec<(Vec<u8>, bool)> {
    let mut rows = Vec::new();
    for (key, value) in mempool_rows(storage) {
        let Ok((arrival, transfer)) = decode::<(u64, SignedTransfer)>(&value) else {
            continue;
        };
        if transfer.id(&story().genesis.domain).as_bytes() == &key[..] {
            rows.push((arrival, encode(&transfer)));
        }
    }
    rows.sort_by_key(|(arrival, _)| *arrival);
    let mut pool = Pool::default();
    for (_, bytes) in rows {
        let _: Admission = pool.submit(&MODEL, &bytes, 1);
    }
    let contents = pool.contents(&MODEL);
    let entry =
        |(transfer, pending): &(&archivas_model::Transfer, bool)| (transfer.bytes(), *pending);
    contents.iter().map(entry).collect()
}

fn mempool_rows(storage: &MemoryStorage) -> Vec<Row> {
    storage
        .scan(Table::Mempool, &Scan::all())
        .expect("memory does not fail")
}

/// A node that has judged everything that was saved.
fn start(storage: MemoryStorage) -> Desk {
    let mut desk = Desk::open(storage, Policy::default(), story().now);
    desk.settle();
    while desk.find() {
        desk.settle();
    }
    desk
}

fn pool(desk: &Desk) -> Vec<(Vec<u8>, bool)> {
    let entries = desk.node.mempool().entries();
    entries
        .map(|(entry, pending)| (encode(entry.transfer.signed()), pending))
        .collect()
}
