//! Writing a snapshot from one committed state, of a stopped or a running node.

use std::io::{self, Write};

use archivas_core::chain::AccountsAt;
use archivas_core::primitives::{Account, Address, BlockId, Header, Height, LtHash};
use archivas_core::schema;
use archivas_core::storage::{Reader, StorageError};

use super::Progress;
use super::frames::{ACCOUNTS_MAX, Frame, HEADERS_MAX, Start, Writer};

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The height is none that can be exported.
    #[error("height {height} cannot be exported: heights from {from} to {to} can")]
    Height {
        /// What was asked for.
        height: Height,
        /// The lowest that can be.
        from: Height,
        /// The tip.
        to: Height,
    },
    /// The database failed.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// The file cannot be written.
    #[error("cannot write the snapshot: {0}")]
    Write(#[from] io::Error),
    /// The accounts are not those that the header commits to: never written to its end.
    #[error(
        "the database is damaged: the accounts at height {0} do not have the state root of the \
         block; run `archivas db check`"
    )]
    WrongState(Height),
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The block after which the accounts are.
    pub block: BlockId,
    /// Its height.
    pub height: Height,
    /// The height of the last header.
    pub end: Height,
    /// How many accounts.
    pub accounts: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Writes the snapshot of exactly this height. `rows` must be one committed state.
///
/// # Errors
/// [`ExportError`]; what was written then is no whole snapshot.
pub fn export(
    rows: &impl Reader,
    height: Height,
    out: impl Write,
    progress: Progress<'_>,
) -> Result<Exported, ExportError> {
    let tip = schema::tip(rows)?;
    let from = schema::horizon(rows)?.max(Height::GENESIS.next());
    if height < from || height > tip.height {
        let to = tip.height;
        return Err(ExportError::Height { height, from, to });
    }
    let block = schema::required_best(rows, height)?;
    let genesis = schema::required_best(rows, Height::GENESIS)?;
    let end = tip.height;
    let mut writer = Writer::begin(out)?;
    writer.write(&Frame::Start(Start {
        genesis,
        block,
        height,
        end,
    }))?;
    write_headers(rows, end, &mut writer, progress)?;
    let (accounts, lthash) = write_accounts(rows, height, &mut writer, progress)?;
    if lthash.root() != schema::required_header(rows, &block)?.header.state_root {
        return Err(ExportError::WrongState(height));
    }
    writer.write(&Frame::End(accounts, Box::new(lthash)))?;
    let (mut out, bytes) = writer.finish();
    out.flush()?;
    Ok(Exported {
        block,
        height,
        end,
        accounts,
        bytes,
    })
}

fn write_headers(
    rows: &impl Reader,
    end: Height,
    writer: &mut Writer<impl Write>,
    progress: Progress<'_>,
) -> Result<(), ExportError> {
    let mut next = Height::GENESIS.next();
    while next <= end {
        let ids = schema::best_ids(rows, next, HEADERS_MAX)?;
        let header = |id| schema::required_header(rows, id).map(|record| record.header);
        let headers: Vec<Header> = ids.iter().map(header).collect::<Result<_, _>>()?;
        next = Height::new(next.get() + headers.len() as u64);
        writer.write(&Frame::Headers(headers))?;
        progress("headers", next.get() - 1, Some(end.get()));
    }
    Ok(())
}

fn write_accounts(
    rows: &impl Reader,
    height: Height,
    writer: &mut Writer<impl Write>,
    progress: Progress<'_>,
) -> Result<(u64, LtHash), ExportError> {
    let (mut written, mut lthash) = (0, LtHash::EMPTY);
    let mut waiting: Vec<(Address, Account)> = Vec::new();
    let mut pages = AccountsAt::new(rows, height);
    while let Some(page) = pages.next_page()? {
        for (address, account) in &page {
            lthash.add(address, account);
        }
        written += page.len() as u64;
        waiting.extend(page);
        while waiting.len() > ACCOUNTS_MAX {
            let rest = waiting.split_off(ACCOUNTS_MAX);
            writer.write(&Frame::Accounts(std::mem::replace(&mut waiting, rest)))?;
        }
        progress("accounts", written, None);
    }
    // One list at least, were it empty.
    writer.write(&Frame::Accounts(waiting))?;
    Ok((written, lthash))
}
