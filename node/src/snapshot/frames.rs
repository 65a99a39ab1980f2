//! The bytes of a snapshot file, read and written one frame at a time.
//!
//! `ARCVSNAP`, the version (u32), then frames: kind u8 ‖ length u32 ‖ payload ‖ checksum, where the
//! checksum is SHA3-256 of the checksum before it and of everything in the frame before it. So a
//! flipped bit, a missing, repeated or moved frame is found where it stands. Integers are
//! little-endian. One `Start`, `Headers` from height 1 on, `Accounts` by address, one `End`, and then
//! nothing more; lists are full but for the last of their kind, so that a snapshot has one encoding.

use std::io::{self, Read, Write};

use archivas_core::params::HEADER_BYTES;
use archivas_core::primitives::crypto::sha3_256;
use archivas_core::primitives::{
    Account, AccountNonce, Address, Amount, BlockId, Header, Height, LtHash,
};

/// What every snapshot begins with.
const MAGIC: &[u8; 8] = b"ARCVSNAP";
/// The layout of this module. Another one is refused.
const VERSION: u32 = 1;
/// Headers of a full frame: 320 kB.
pub const HEADERS_MAX: usize = 2_000;
/// Accounts of a full frame: 147 kB.
pub const ACCOUNTS_MAX: usize = 4_096;
const ACCOUNT_BYTES: usize = 20 + 8 + 8;
const PAYLOAD_MAX: usize = HEADERS_MAX * HEADER_BYTES;

const START: u8 = 1;
const HEADERS: u8 = 2;
const ACCOUNTS: u8 = 3;
const END: u8 = 4;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The network.
    pub genesis: BlockId,
    /// The block after which the accounts are as they are here.
    pub block: BlockId,
    /// Its height.
    pub height: Height,
    /// The height of the last header.
    pub end: Height,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// What follows.
    Start(Start),
    /// Headers, each the child of the one before.
    Headers(Vec<Header>),
    /// Accounts by address.
    Accounts(Vec<(Address, Account)>),
    /// The number of accounts, and their LtHash.
    End(u64, Box<LtHash>),
}

/// Why bytes are no snapshot, or could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The machine failed.
    #[error("{0}")]
    Io(io::Error),
    /// The file is of something else.
    #[error("it is no snapshot of Archivas")]
    Foreign,
    /// Another layout.
    #[error("it has format version {0}, and this program reads version {VERSION}")]
    Version(u32),
    /// Not what was written.
    #[error("it is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the frame begins.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

impl Frame {
    fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Start(start) => {
                let (genesis, block) = (start.genesis.as_bytes(), start.block.as_bytes());
                let (height, end) = (start.height.get(), start.end.get());
                let parts = [
                    &genesis[..],
                    block,
                    &height.to_le_bytes(),
                    &end.to_le_bytes(),
                ];
                (START, parts.concat())
            }
            Self::Headers(headers) => (HEADERS, headers.iter().flat_map(Header::encode).collect()),
            Self::Accounts(accounts) => {
                let mut bytes = Vec::with_capacity(accounts.len() * ACCOUNT_BYTES);
                for (address, account) in accounts {
                    bytes.extend(address.as_bytes());
                    bytes.extend(account.balance.get().to_le_bytes());
                    bytes.extend(account.nonce.get().to_le_bytes());
                }
                (ACCOUNTS, bytes)
            }
            Self::End(count, lthash) => {
                (END, [&count.to_le_bytes()[..], &lthash.to_bytes()].concat())
            }
        }
    }

    fn decode(kind: u8, payload: &[u8]) -> Result<Self, &'static str> {
        match kind {
            START => start(payload)
                .map(Self::Start)
                .ok_or("its start has another length"),
            HEADERS => {
                let headers = chunks::<HEADER_BYTES>(payload).ok_or("a header is cut off")?;
                Ok(Self::Headers(headers.iter().map(Header::decode).collect()))
            }
            ACCOUNTS if payload.len() > ACCOUNTS_MAX * ACCOUNT_BYTES => Err("a frame is too long"),
            ACCOUNTS => {
                let rows = chunks::<ACCOUNT_BYTES>(payload).ok_or("an account is cut off")?;
                Ok(Self::Accounts(rows.iter().map(account).collect()))
            }
            END => {
                let (count, lthash) = payload.split_first_chunk().ok_or("its end is cut off")?;
                let lthash = LtHash::from_bytes(lthash).ok_or("its end has another length")?;
                Ok(Self::End(u64::from_le_bytes(*count), Box::new(lthash)))
            }
            _ => Err("a frame is of an unknown kind"),
        }
    }
}

fn start(payload: &[u8]) -> Option<Start> {
    let (genesis, rest) = payload.split_first_chunk()?;
    let (block, rest) = rest.split_first_chunk()?;
    let (height, rest) = rest.split_first_chunk()?;
    let end = rest.try_into().ok()?;
    Some(Start {
        genesis: BlockId::from_bytes(*genesis),
        block: BlockId::from_bytes(*block),
        height: Height::new(u64::from_le_bytes(*height)),
        end: Height::new(u64::from_le_bytes(end)),
    })
}

/// The payload in pieces of one length.
fn chunks<const N: usize>(payload: &[u8]) -> Option<&[[u8; N]]> {
    let (pieces, rest) = payload.as_chunks();
    rest.is_empty().then_some(pieces)
}

fn account(row: &[u8; ACCOUNT_BYTES]) -> (Address, Account) {
    let number = |at: usize| {
        let bytes = row[at..at + 8]
            .try_into()
            .expect("eight bytes within the row");
        u64::from_le_bytes(bytes)
    };
    let address = row[..20].try_into().expect("twenty bytes within the row");
    let (balance, nonce) = (Amount::new(number(20)), AccountNonce::new(number(28)));
    (Address::from_bytes(address), Account { balance, nonce })
}

/// Writes frames.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    checksum: [u8; 32],
    bytes: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a snapshot on `out`.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(mut out: W) -> io::Result<Self> {
        let version = VERSION.to_le_bytes();
        out.write_all(MAGIC)?;
        out.write_all(&version)?;
        let checksum = sha3_256(&[MAGIC, &version]);
        Ok(Self {
            out,
            checksum,
            bytes: 12,
        })
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let (kind, payload) = frame.encode();
        let length = u32::try_from(payload.len()).expect("a full frame has 320 kB");
        let length = length.to_le_bytes();
        self.checksum = sha3_256(&[&self.checksum, &[kind], &length, &payload]);
        for part in [&[kind], &length[..], &payload, &self.checksum] {
            self.out.write_all(part)?;
            self.bytes += part.len() as u64;
        }
        Ok(())
    }

    /// What it wrote to, and how many bytes.
    pub fn finish(self) -> (W, u64) {
        (self.out, self.bytes)
    }
}

/// Reads frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    from: R,
    checksum: [u8; 32],
    at: u64,
}

impl<R: Read> FrameReader<R> {
    /// Reads the beginning of a snapshot.
    ///
    /// # Errors
    /// `Foreign`, `Version`, or what `from` says.
    pub fn begin(mut from: R) -> Result<Self, FrameError> {
        let mut opening = [0; 12];
        let read = fill(&mut from, &mut opening)?;
        let (magic, version) = opening.split_at(8);
        if read < 12 || magic != MAGIC {
            return Err(FrameError::Foreign);
        }
        let version: [u8; 4] = version.try_into().expect("four of twelve bytes");
        match u32::from_le_bytes(version) {
            VERSION => {}
            other => return Err(FrameError::Version(other)),
        }
        let checksum = sha3_256(&[MAGIC, &version]);
        Ok(Self {
            from,
            checksum,
            at: 12,
        })
    }

    /// The next frame; `None` where the file ends between two.
    ///
    /// # Errors
    /// `Damaged`, or what `from` says.
    pub fn read(&mut self) -> Result<Option<Frame>, FrameError> {
        let damaged = |what| FrameError::Damaged { at: self.at, what };
        let mut head = [0; 5];
        match fill(&mut self.from, &mut head)? {
            0 => return Ok(None),
            5 => {}
            _ => return Err(damaged("it ends too early")),
        }
        let [kind, length @ ..] = head;
        let bytes = u32::from_le_bytes(length) as usize;
        if bytes > PAYLOAD_MAX {
            return Err(damaged("a frame is too long"));
        }
        let mut rest = vec![0; bytes + 32];
        if fill(&mut self.from, &mut rest)? < rest.len() {
            return Err(damaged("it ends too early"));
        }
        let (payload, checksum) = rest.split_at(bytes);
        let expected = sha3_256(&[&self.checksum, &[kind], &length, payload]);
        if *checksum != expected {
            return Err(damaged("a checksum does not fit"));
        }
        let frame = Frame::decode(kind, payload).map_err(damaged)?;
        self.checksum = expected;
        self.at += 5 + rest.len() as u64;
        Ok(Some(frame))
    }

    /// How many bytes were read.
    pub const fn position(&self) -> u64 {
        self.at
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<usize, FrameError> {
    let mut read = 0;
    while read < buffer.len() {
        match from.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::Io(error)),
        }
    }
    Ok(read)
}
