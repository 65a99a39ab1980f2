//! A look at every row of a store, in constant memory and without executing anything: links and work
//! of the headers, what is here of each block, the indexes in both directions, the accounts against
//! the state root.

use alloc::format;
use core::ops::Bound;

use super::invariants::ensure;
use crate::params::Genesis;
use crate::primitives::merkle::tx_root;
use crate::primitives::{BlockId, Height, LtHash, SignedTransfer, Work};
use crate::rules::issued;
use crate::schema::{self, HeaderRecord, Status, Tip, TxLocation};
use crate::storage::{Reader, Scan, StorageError, Table};

/// Rows that are read at once.
const PAGE: usize = 1_000;

/// How far a long task is: what it works at, how much is done, and how much there is if that is known.
pub type Progress<'a> = &'a mut dyn FnMut(&'static str, u64, Option<u64>);

/// What an audit has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Headers, on all branches.
    pub headers: u64,
    /// Blocks of the best chain with a body.
    pub bodies: u64,
    /// Transfers in them.
    pub transfers: u64,
    /// Accounts.
    pub accounts: u64,
}

/// Looks at every row.
///
/// # Errors
/// Damage, with a sentence that says what contradicts what; else the machine's.
pub fn audit(
    rows: &impl Reader,
    genesis: &Genesis,
    progress: Progress<'_>,
) -> Result<Audited, StorageError> {
    let tip = schema::tip(rows)?;
    let mut audited = Audited {
        headers: headers(rows, progress)?,
        ..Audited::default()
    };
    chain(rows, Table::BestHeaders, None, progress)?;
    chain(rows, Table::Best, Some(&tip), progress)?;
    blocks(rows, genesis, &tip, &mut audited, progress)?;
    audited.accounts = accounts(rows, genesis, &tip, progress)?;
    Ok(audited)
}

/// Hands all keys of a table to `each`, and counts them.
fn for_each_key(
    rows: &impl Reader,
    table: Table,
    mut each: impl FnMut(&[u8], u64) -> Result<(), StorageError>,
) -> Result<u64, StorageError> {
    let (mut count, mut from) = (0, Bound::Unbounded);
    loop {
        let scan = Scan {
            from,
            ..Scan::all()
        };
        let page = rows.scan(table, &scan.limit(PAGE))?;
        for (key, _) in &page {
            count += 1;
            each(key, count)?;
        }
        match page.last() {
            Some((last, _)) => from = Bound::Excluded(last.clone()),
            None => return Ok(count),
        }
    }
}

fn count(rows: &impl Reader, table: Table) -> Result<u64, StorageError> {
    for_each_key(rows, table, |_, _| Ok(()))
}

/// Every header of every branch: its place, its link, its work.
fn headers(rows: &impl Reader, progress: Progress<'_>) -> Result<u64, StorageError> {
    let all = count(rows, Table::Headers)?;
    let placed = for_each_key(rows, Table::Levels, |key, number| {
        if number % PAGE as u64 == 0 {
            progress("headers", number, Some(all));
        }
        let (height, id) = place(key)?;
        header(rows, height, &id)
    })?;
    ensure(
        all == placed,
        || "headers and levels do not hold the same blocks",
    )?;
    Ok(all)
}

fn place(key: &[u8]) -> Result<(Height, BlockId), StorageError> {
    let wrong = || StorageError::damaged(Table::Levels, key, &"the key has the wrong length");
    let (height, id) = key.split_first_chunk::<8>().ok_or_else(wrong)?;
    let id = id.try_into().map_err(|_| wrong())?;
    Ok((
        Height::new(u64::from_be_bytes(*height)),
        BlockId::from_bytes(id),
    ))
}

fn header(rows: &impl Reader, height: Height, id: &BlockId) -> Result<(), StorageError> {
    let record = schema::required_header(rows, id)?;
    ensure(record.header.id() == *id, || {
        format!("{id} is not the id of its header")
    })?;
    ensure(record.header.height == height, || {
        format!("{id} is at another height")
    })?;
    if height == Height::GENESIS {
        return Ok(());
    }
    let parent = schema::required_header(rows, &record.header.parent)?;
    let here = record.status.had_body() && parent.arrival.is_some();
    let order = match record.arrival {
        Some(_) => record.arrival > parent.arrival && parent.arrival.is_some(),
        None => !here,
    };
    ensure(order, || {
        format!("{id}: the arrival number does not fit the parent's")
    })?;
    let work = record.header.bits.expand().ok().map(Work::of_target);
    let sum = work.and_then(|work| parent.chainwork.checked_add(work));
    let sum = sum.filter(|_| parent.header.height.next() == height);
    ensure(sum == Some(record.chainwork), || {
        format!("{id} does not follow its parent: link, height or work")
    })
}

/// One of the two chains: each block is the parent of the next, and its end is what meta says.
fn chain(
    rows: &impl Reader,
    table: Table,
    tip: Option<&Tip>,
    progress: Progress<'_>,
) -> Result<(), StorageError> {
    let (mut height, mut last): (Height, Option<BlockId>) = (Height::GENESIS, None);
    loop {
        let ids = match table {
            Table::Best => schema::best_ids(rows, height, PAGE)?,
            _ => schema::best_header_ids(rows, height, PAGE)?,
        };
        for id in &ids {
            let header = schema::required_header(rows, id)?.header;
            let links = header.height == height && last.is_none_or(|last| header.parent == last);
            ensure(links, || {
                format!("{}: {id} does not follow the block below", table.name())
            })?;
            (height, last) = (height.next(), Some(*id));
        }
        if ids.len() < PAGE {
            break;
        }
        progress(table.name(), height.get(), None);
    }
    let ends = tip.is_none_or(|tip| Some(tip.id) == last);
    ensure(ends, || format!("{} does not end in the tip", table.name()))
}

/// What is here of each block of the best chain, and what the indexes say of it.
fn blocks(
    rows: &impl Reader,
    genesis: &Genesis,
    tip: &Tip,
    audited: &mut Audited,
    progress: Progress<'_>,
) -> Result<(), StorageError> {
    let (base, horizon) = (schema::base(rows)?, schema::horizon(rows)?);
    let indexed = schema::has_tx_index(rows)?;
    let (mut height, mut places, mut entries) = (base.next(), 0, 0);
    while height <= tip.height {
        let id = schema::required_best(rows, height)?;
        let transfers = schema::body(rows, &id)?;
        ensure(transfers.is_some(), || {
            format!("{id} is on the best chain without a body")
        })?;
        let transfers = transfers.unwrap_or_default();
        let HeaderRecord { header, status, .. } = schema::required_header(rows, &id)?;
        ensure(status == Status::Stored || !status.is_valid(), || {
            format!("{id}: the body does not fit the status")
        })?;
        ensure(header.tx_root == tx_root(&transfers), || {
            format!("the body of {id} is not the one that its header commits to")
        })?;
        if height > horizon {
            schema::undo(rows, &id)?;
        }
        if indexed {
            places += index(rows, genesis, (&id, height), &transfers)?;
            entries += transfers.len() as u64;
        }
        audited.bodies += 1;
        audited.transfers += transfers.len() as u64;
        if height.get() % 256 == 0 {
            progress("blocks", height.get(), Some(tip.height.get()));
        }
        height = height.next();
    }
    let undo = tip.height.get().saturating_sub(horizon.get());
    ensure(
        count(rows, Table::Undo)? == undo,
        || "undo does not hold exactly the best chain's blocks above the horizon",
    )?;
    ensure(
        count(rows, Table::Txs)? == entries,
        || "txs is not the list of the best chain's transfers",
    )?;
    ensure(
        count(rows, Table::AccountTxs)? == places,
        || "account_txs is not the list of the best chain's senders and receivers",
    )
}

/// Whether the indexes have a block's transfers; gives how many places in account histories they take.
fn index(
    rows: &impl Reader,
    genesis: &Genesis,
    (block, height): (&BlockId, Height),
    transfers: &[SignedTransfer],
) -> Result<u64, StorageError> {
    let mut places = 0;
    for (index, transfer) in (0u32..).zip(transfers) {
        let id = transfer.id(&genesis.domain);
        let place = TxLocation {
            block: *block,
            height,
            index,
        };
        let found = schema::tx_location(rows, &id)?;
        ensure(found == Some(place), || {
            format!("the place of transfer {id} is not the stored one")
        })?;
        let from = transfer.from();
        let both = [Some(from), Some(transfer.to).filter(|to| *to != from)];
        for address in both.into_iter().flatten() {
            let after = Some((height, index.saturating_add(1)));
            let found = schema::account_txs(rows, &address, after, 1)?;
            let here = |entry: &schema::AccountTx| (entry.height, entry.index) == (height, index);
            ensure(
                found
                    .first()
                    .is_some_and(|entry| here(entry) && entry.id == id),
                || format!("the history of {address} lacks transfer {id}"),
            )?;
            places += 1;
        }
    }
    Ok(places)
}

fn accounts(
    rows: &impl Reader,
    genesis: &Genesis,
    tip: &Tip,
    progress: Progress<'_>,
) -> Result<u64, StorageError> {
    let (mut counted, mut supply, mut lthash) = (0u64, 0u128, LtHash::EMPTY);
    let mut after = None;
    loop {
        let page = schema::accounts(rows, after.as_ref(), PAGE)?;
        for (address, account) in &page {
            ensure(!account.is_empty(), || {
                format!("{address} has a row and nothing in it")
            })?;
            supply += u128::from(account.balance.get());
            lthash.add(address, account);
        }
        counted += page.len() as u64;
        progress("accounts", counted, None);
        match page.last() {
            Some((last, _)) => after = Some(*last),
            None => break,
        }
    }
    ensure(
        lthash.root() == tip.header.state_root,
        || "the accounts do not have the state root of the tip",
    )?;
    ensure(
        schema::lthash(rows)? == lthash,
        || "the LtHash is not that of the account rows",
    )?;
    let issued = issued(genesis, tip.height);
    ensure(supply == u128::from(issued.get()), || {
        format!("the balances sum up to {supply}, and {issued} were issued")
    })?;
    Ok(counted)
}
