//! Snapshot files, whole and changed: what is taken has the accounts that its block commits to, and
//! a node begins on it; everything else is refused with a sentence.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use arbitrary::{Arbitrary, Unstructured};
use archivas::snapshot::frames::{Frame, FrameReader, Writer};
use archivas::snapshot::{Plan, export, import};
use archivas_core::chain::{Chain, Thoroughness};
use archivas_core::primitives::{
    Account, AccountNonce, Address, Amount, BlockId, Header, Height, LtHash, Work,
};
use archivas_core::schema;
use archivas_core::storage::{
    Batch, MemoryStorage, Reader, Row, Scan, Storage, StorageError, Table,
};
use archivas_model as model;

use crate::story::{story, story_store};

/// More changes find nothing that fewer do not.
const EDITS_MAX: usize = 8;

/// A file and what is believed of it.
#[derive(Arbitrary, Debug)]
struct Case {
    file: File,
    /// Whether the operator names the block of the unchanged file.
    trusts: bool,
}

#[derive(Arbitrary, Debug)]
enum File {
    /// Any bytes after a right beginning.
    Bytes(Vec<u8>),
    /// Of one of the story's heights, changed frame by frame under right checksums.
    Changed {
        height: u8,
        edits: Vec<Edit>,
        /// The end is made to fit what the accounts are then, as a forger does.
        forged: bool,
    },
    /// The same, bit by bit.
    Damaged {
        height: u8,
        bits: Vec<u16>,
        cut: Option<u16>,
    },
}

#[derive(Arbitrary, Debug)]
enum Edit {
    Drop(u8),
    Twice(u8),
    Swap(u8, u8),
    Start {
        end: bool,
        by: i8,
    },
    Genesis(u8),
    Header {
        place: u8,
        bit: u16,
    },
    Account {
        place: u8,
        what: What,
    },
    End {
        count: i8,
    },
    /// The end is made to fit what the accounts are now.
    Fit,
}

#[derive(Arbitrary, Debug)]
enum What {
    Balance(u64),
    Nonce(u64),
    Address(u8),
    Drop,
    Twice,
    Moved,
}

/// The file of each height of the story's best chain, and the block that it is of.
static FILES: LazyLock<Vec<(BlockId, Vec<u8>)>> = LazyLock::new(|| {
    let rows = story_store();
    let tip = schema::tip(rows).expect("rows of a chain").height;
    let file = |height| {
        let mut file = Vec::new();
        let done = export(rows, Height::new(height), &mut file, &mut |_, _, _| {});
        (done.expect("a height of the chain").block, file)
    };
    (1..=tip.get()).map(file).collect()
});

/// A store that the importer can be given and its rows still looked at.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<MemoryStorage>>);

impl Shared {
    fn rows(&self) -> MutexGuard<'_, MemoryStorage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader for Shared {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.rows().get(table, key)
    }

    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        self.rows().scan(table, scan)
    }
}

impl Storage for Shared {
    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.rows().commit(batch)
    }
}

/// A snapshot, imported into an empty store.
pub fn snapshot_import(bytes: &[u8]) {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let (trusted, file, whole) = case.file.make();
    let plan = Plan {
        genesis: story().genesis.clone(),
        minimum_chainwork: Work::ZERO,
        trust: case.trusts.then_some(trusted),
        now: story().now,
    };
    let storage = Shared::default();
    match import(&file[..], storage.clone(), &plan, &mut |_, _, _| {}) {
        Ok(imported) => {
            assert!(plan.trust.is_some_and(|trusted| trusted == imported.block));
            judge(storage, imported.block, imported.accounts);
        }
        Err(why) => {
            assert!(
                !(whole && case.trusts),
                "an unchanged file is refused: {why}"
            );
            assert!(!why.to_string().is_empty());
        }
    }
}

/// A node begins on what was imported, and its accounts are those of the block.
fn judge(storage: Shared, block: BlockId, accounts: u64) {
    let chain = Chain::open(storage, story().genesis.clone()).expect("what was imported opens");
    assert_eq!(chain.tip().id, block);
    let checked = chain.check_invariants(Thoroughness::Full);
    checked.expect("all rows agree");
    let rows = schema::accounts(chain.reader(), None, usize::MAX).expect("memory does not fail");
    assert_eq!(rows.len() as u64, accounts);
    let found = rows.iter().map(|(address, account)| {
        (
            *address.as_bytes(),
            account.balance.get(),
            account.nonce.get(),
        )
    });
    let expected = &REPLAYS[&block];
    let expected = expected
        .iter()
        .map(|(address, account)| (*address, account.balance, account.nonce));
    assert!(found.eq(expected), "the accounts are not the block's");
}

/// The accounts after each block of the story, as the model has them.
static REPLAYS: LazyLock<BTreeMap<BlockId, model::Accounts>> = LazyLock::new(|| {
    let text = story().genesis.to_json();
    let mut model = model::Model::new(text.as_bytes()).expect("the node wrote it");
    for block in &story().blocks {
        model.submit_block(&block.encode(), story().now.get());
    }
    let ids = FILES.iter().map(|(id, _)| *id);
    let replay = |id: BlockId| (id, model.replay(id.as_bytes()).expect("a valid chain"));
    ids.map(replay).collect()
});

impl File {
    /// The block it is of, its bytes, and whether nothing was changed.
    fn make(&self) -> (BlockId, Vec<u8>, bool) {
        match self {
            Self::Bytes(bytes) => {
                let (block, file) = &FILES[0];
                (*block, [&file[..12], bytes].concat(), false)
            }
            Self::Changed {
                height,
                edits,
                forged,
            } => {
                let (block, original) = &FILES[usize::from(*height) % FILES.len()];
                let mut frames = frames(original);
                let edits = edits.iter().take(EDITS_MAX);
                edits.for_each(|edit| edit.apply(&mut frames));
                if *forged {
                    fit(&mut frames);
                }
                let file = sealed(&frames);
                let whole = file == *original;
                (*block, file, whole)
            }
            Self::Damaged { height, bits, cut } => {
                let (block, original) = &FILES[usize::from(*height) % FILES.len()];
                let mut file = original.clone();
                for bit in bits.iter().take(EDITS_MAX) {
                    let at = usize::from(bit / 8) % file.len();
                    file[at] ^= 1 << (bit % 8);
                }
                file.truncate(cut.map_or(file.len(), usize::from));
                let whole = file == *original;
                (*block, file, whole)
            }
        }
    }
}

fn frames(file: &[u8]) -> Vec<Frame> {
    let mut reader = FrameReader::begin(file).expect("we wrote it");
    std::iter::from_fn(|| reader.read().expect("we wrote it")).collect()
}

/// A file of these frames, with right checksums.
fn sealed(frames: &[Frame]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new()).expect("memory");
    let write = |frame: &Frame| writer.write(frame).expect("memory");
    frames.iter().for_each(write);
    writer.finish().0
}

/// As a forger does who knows how the end is made.
fn fit(frames: &mut [Frame]) {
    let (mut number, mut sum) = (0, LtHash::EMPTY);
    for frame in frames {
        match frame {
            Frame::Accounts(accounts) => {
                number += accounts.len() as u64;
                accounts
                    .iter()
                    .for_each(|(address, account)| sum.add(address, account));
            }
            Frame::End(count, lthash) => (*count, **lthash) = (number, sum.clone()),
            _ => {}
        }
    }
}

impl Edit {
    fn apply(&self, frames: &mut Vec<Frame>) {
        let count = frames.len().max(1);
        let at = |place: u8| usize::from(place) % count;
        match self {
            _ if frames.is_empty() => {}
            Self::Drop(place) => drop(frames.remove(at(*place))),
            Self::Twice(place) => frames.push(frames[at(*place)].clone()),
            Self::Swap(one, other) => frames.swap(at(*one), at(*other)),
            other => frames.iter_mut().for_each(|frame| other.change(frame)),
        }
    }

    /// Changes a frame of the kind that this is about.
    fn change(&self, frame: &mut Frame) {
        match (self, frame) {
            (Self::Start { end, by }, Frame::Start(start)) => {
                let height = match end {
                    true => &mut start.end,
                    false => &mut start.height,
                };
                *height = Height::new(height.get().wrapping_add_signed((*by).into()));
            }
            (Self::Genesis(byte), Frame::Start(start)) => {
                start.genesis = BlockId::from_bytes([*byte; 32]);
            }
            (Self::Header { place, bit }, Frame::Headers(headers)) => {
                let length = headers.len().max(1);
                if let Some(header) = headers.get_mut(usize::from(*place) % length) {
                    let mut bytes = header.encode();
                    bytes[usize::from(bit / 8) % bytes.len()] ^= 1 << (bit % 8);
                    *header = Header::decode(&bytes);
                }
            }
            (Self::Account { place, what }, Frame::Accounts(accounts)) if !accounts.is_empty() => {
                what.change(accounts, usize::from(*place) % accounts.len());
            }
            (Self::End { count: by }, Frame::End(count, _)) => {
                *count = count.wrapping_add_signed((*by).into());
            }
            _ => {}
        }
    }
}

impl What {
    fn change(&self, accounts: &mut Vec<(Address, Account)>, at: usize) {
        match self {
            Self::Balance(balance) => accounts[at].1.balance = Amount::new(*balance),
            Self::Nonce(nonce) => accounts[at].1.nonce = AccountNonce::new(*nonce),
            Self::Address(byte) => accounts[at].0 = Address::from_bytes([*byte; 20]),
            Self::Drop => drop(accounts.remove(at)),
            Self::Twice => accounts.insert(at, accounts[at]),
            Self::Moved => accounts.swap(0, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_is_taken_and_one_of_another_state_is_not() {
        let whole = |account: Option<What>| {
            let edits = account.map(|what| Edit::Account { place: 0, what });
            let (block, file, whole) = File::Changed {
                height: 8,
                edits: edits.into_iter().collect(),
                forged: true,
            }
            .make();
            let plan = Plan {
                genesis: story().genesis.clone(),
                minimum_chainwork: Work::ZERO,
                trust: Some(block),
                now: story().now,
            };
            let taken = import(&file[..], Shared::default(), &plan, &mut |_, _, _| {});
            (whole, taken.is_ok())
        };
        assert_eq!(whole(None), (true, true));
        assert_eq!(whole(Some(What::Balance(1))), (false, false));
        assert_eq!(whole(Some(What::Nonce(1 << 40))), (false, false));
    }
}
