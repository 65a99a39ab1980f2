//! Beginning a store from a snapshot, of which nothing is believed that was not checked.

use std::io::Read;

use archivas_core::chain::{Adoption, Chain, HeaderStop, OpenError, Unfit};
use archivas_core::params::Genesis;
use archivas_core::primitives::{Account, Address, BlockId, Header, Height, Timestamp, Work};
use archivas_core::storage::{Storage, StorageError};

use super::Progress;
use super::frames::{ACCOUNTS_MAX, Frame, FrameError, FrameReader, HEADERS_MAX, Start};

/// Blocks that stand above a snapshot's, or the operator names it: so much work was done on it.
pub const DEPTH_MIN: u64 = 100;

/// What an import must fulfil.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The network.
    pub genesis: Genesis,
    /// A chain of less work is not the network's.
    pub minimum_chainwork: Work,
    /// The block that the operator believes in.
    pub trust: Option<BlockId>,
    /// The time.
    pub now: Timestamp,
}

/// Why a snapshot was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Its bytes.
    #[error("cannot use the snapshot: {0}")]
    Frame(#[from] FrameError),
    /// Frames are not in the order of a snapshot.
    #[error("cannot use the snapshot: it is damaged: {0}")]
    Order(&'static str),
    /// Another network's.
    #[error("the snapshot belongs to another network: its genesis is {found}, ours is {ours}")]
    OtherGenesis {
        /// Its genesis.
        found: BlockId,
        /// The one that was asked for.
        ours: BlockId,
    },
    /// A header that no peer could give us either.
    #[error("cannot use the snapshot: its header at height {at} is not valid: {why}")]
    Header {
        /// Its height.
        at: Height,
        /// Why.
        why: String,
    },
    /// Not enough work.
    #[error("cannot use the snapshot: its chain has less work than the network's minimum")]
    Work,
    /// Too near the end.
    #[error(
        "cannot use the snapshot: only {above} blocks stand above its block {block}, and {DEPTH_MIN} \
         must; if you know that block to be on the best chain, pass --trust {block}"
    )]
    Depth {
        /// Its block.
        block: BlockId,
        /// What stands above it.
        above: u64,
    },
    /// Another block than the operator trusts.
    #[error("cannot use the snapshot: it is of block {found}, not of {trusted}")]
    Trust {
        /// Its block.
        found: BlockId,
        /// What `--trust` says.
        trusted: BlockId,
    },
    /// Its accounts are not those of its block.
    #[error("cannot use the snapshot: {0}")]
    Unfit(#[from] Unfit),
    /// The new database failed.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// The new database does not open.
    #[error("{0}")]
    Open(#[from] OpenError),
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The block where the node begins.
    pub block: BlockId,
    /// Its height.
    pub height: Height,
    /// The height of the last known header.
    pub end: Height,
    /// How many accounts.
    pub accounts: u64,
}

/// Fills an empty store from a snapshot. It takes many commits: until this returns, what is in the
/// store is nothing, and after an error too.
///
/// # Errors
/// [`ImportError`].
pub fn import<S: Storage>(
    from: impl Read,
    storage: S,
    plan: &Plan,
    progress: Progress<'_>,
) -> Result<Imported, ImportError> {
    let mut frames = Frames {
        reader: FrameReader::begin(from)?,
    };
    let start = frames.start()?;
    let ours = plan.genesis.id();
    if start.genesis != ours {
        let found = start.genesis;
        return Err(ImportError::OtherGenesis { found, ours });
    }
    if let Some(trusted) = plan.trust.filter(|trusted| *trusted != start.block) {
        let found = start.block;
        return Err(ImportError::Trust { found, trusted });
    }
    let mut chain = Chain::open(storage, plan.genesis.clone())?;
    let first = take_headers(&mut chain, &mut frames, &start, plan.now, progress)?;
    judge_chain(&chain, &start, plan)?;
    let mut adoption = Adoption::begin(chain, &start.block)??;
    let accounts = take_accounts(&mut adoption, &mut frames, first, progress)?;
    adoption.finish()??;
    Ok(Imported {
        block: start.block,
        height: start.height,
        end: start.end,
        accounts,
    })
}

struct Frames<R> {
    reader: FrameReader<R>,
}

impl<R: Read> Frames<R> {
    fn next(&mut self) -> Result<Frame, ImportError> {
        let frame = self.reader.read()?;
        frame.ok_or(ImportError::Order("it ends too early"))
    }

    fn start(&mut self) -> Result<Start, ImportError> {
        match self.next()? {
            Frame::Start(start) if start.height <= start.end => Ok(start),
            _ => Err(ImportError::Order("it does not begin with what it is of")),
        }
    }

    fn end(&mut self) -> Result<(), ImportError> {
        match self.reader.read()? {
            None => Ok(()),
            Some(_) => Err(ImportError::Order("something follows its end")),
        }
    }
}

/// Takes the headers, up to the announced end; gives the first accounts, which follow them.
fn take_headers<S: Storage>(
    chain: &mut Chain<S>,
    frames: &mut Frames<impl Read>,
    start: &Start,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Vec<(Address, Account)>, ImportError> {
    let mut height = 0;
    loop {
        let headers = match frames.next()? {
            Frame::Headers(headers) => headers,
            Frame::Accounts(first) if height == start.end.get() => return Ok(first),
            _ => return Err(ImportError::Order("headers are missing")),
        };
        let whole =
            headers.len() == HEADERS_MAX || height + headers.len() as u64 == start.end.get();
        if !whole || headers.is_empty() {
            return Err(ImportError::Order("a list of headers is not full"));
        }
        take(chain, height, &headers, now)?;
        height += headers.len() as u64;
        progress("headers", height, Some(start.end.get()));
    }
}

fn take<S: Storage>(
    chain: &mut Chain<S>,
    below: u64,
    headers: &[Header],
    now: Timestamp,
) -> Result<(), ImportError> {
    let Some((index, stop)) = chain.accept_headers(now, headers)?.stop else {
        return Ok(());
    };
    let why = match stop {
        HeaderStop::Invalid(why) => why.to_string(),
        HeaderStop::NotYet => "it lies in the future: set the clock".to_owned(),
        _ => "it does not follow the one before".to_owned(),
    };
    let at = Height::new(below + index as u64 + 1);
    Err(ImportError::Header { at, why })
}

/// Whether the headers show that the block is on the network's best chain.
fn judge_chain<S: Storage>(
    chain: &Chain<S>,
    start: &Start,
    plan: &Plan,
) -> Result<(), ImportError> {
    let best = chain.best_header();
    if best.height != start.end {
        return Err(ImportError::Order("its headers do not end where it says"));
    }
    if best.chainwork < plan.minimum_chainwork {
        return Err(ImportError::Work);
    }
    let known = chain.header(&start.block)?;
    if known.is_none_or(|record| record.header.height != start.height) {
        return Err(ImportError::Order("its block is not among its headers"));
    }
    let above = start.end.get() - start.height.get();
    if above < DEPTH_MIN && plan.trust.is_none() {
        let block = start.block;
        return Err(ImportError::Depth { block, above });
    }
    Ok(())
}

/// Takes the accounts, up to the end of the file; gives their number.
fn take_accounts<S: Storage>(
    adoption: &mut Adoption<S>,
    frames: &mut Frames<impl Read>,
    first: Vec<(Address, Account)>,
    progress: Progress<'_>,
) -> Result<u64, ImportError> {
    let (mut page, mut taken) = (first, 0);
    loop {
        adoption.add(&page)??;
        taken += page.len() as u64;
        progress("accounts", taken, None);
        match frames.next()? {
            Frame::Accounts(next) if page.len() < ACCOUNTS_MAX || next.is_empty() => {
                return Err(ImportError::Order("a list of accounts is not full"));
            }
            Frame::Accounts(next) => page = next,
            Frame::End(count, lthash) if count == taken && *lthash == *adoption.lthash() => {
                frames.end()?;
                return Ok(taken);
            }
            _ => return Err(ImportError::Order("its end does not fit its accounts")),
        }
    }
}
