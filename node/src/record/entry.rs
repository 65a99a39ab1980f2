//! What stands in a recording, and how it is cut into entries.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;

use archivas_core::chain::Policy;
use archivas_core::node::{JobId, Node, NodeConfig, Order, Ticket};
use archivas_core::p2p::peer::{Direction, PeerId};
use archivas_core::primitives::{
    Address, Block, BlockId, Height, Now, SignedTransfer, StateRoot, codec, decode,
};
use archivas_core::schema;
use archivas_core::storage::{Storage, StorageError};
use serde::{Deserialize, Serialize};

/// The first bytes of every recording; the number is the version of all that follows.
pub const MAGIC: &[u8] = b"archivas recording 1\n";

/// What makes a life what it is, beside the database that it begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beginning {
    /// Version and commit of the program.
    pub build: String,
    /// The network, as a genesis file.
    pub genesis: String,
    /// The node's local settings.
    pub config: NodeConfig,
    /// The seed of its draws.
    pub seed: [u8; 32],
    /// When it was opened.
    pub now: Now,
    /// What the database held then.
    pub mark: Mark,
}

/// Where a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Height of the tip.
    pub height: Height,
    /// The tip.
    pub tip: BlockId,
    /// The root of all accounts, computed from their rows.
    pub root: StateRoot,
}

impl Mark {
    /// Of what the node has committed.
    ///
    /// # Errors
    /// Storage's.
    pub fn of<S: Storage>(node: &Node<S>) -> Result<Self, StorageError> {
        let tip = node.chain().tip();
        Ok(Self {
            height: tip.height,
            tip: tip.id,
            root: schema::lthash(node.chain().reader())?.root(),
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { height, tip, root } = self;
        write!(f, "height {}, tip {tip}, state root {root}", height.get())
    }
}

/// One entry after the beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    /// The loop calls the node.
    Call {
        /// How often it has asked for an action since the last call.
        polls: u64,
        /// Digest of all actions so far.
        actions: u64,
        now: Now,
        call: Call<'a>,
    },
    /// The last action that was asked for told of a new tip.
    Tip(Mark),
}

/// What changes the node, with everything that it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Call<'a> {
    Timeout,
    Connected(PeerId, SocketAddr, Direction),
    DialFailed(SocketAddr),
    Frame(PeerId, u8, Cow<'a, [u8]>),
    Congestion(PeerId, bool),
    Closed(PeerId),
    /// With the name of the rule that is broken: the checker is a pure function of the job.
    Checked(JobId, Option<Cow<'a, str>>),
    Submit(Ticket, Cow<'a, SignedTransfer>),
    Block(Ticket, Cow<'a, Block>),
    Order(Ticket, Order),
    Template(Address),
    Stop,
}

/// An entry with its length before it.
pub(super) fn framed(entry: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    codec::encode_into(entry, &mut bytes);
    let length = u32::try_from(bytes.len() - 4).expect("an entry holds at most a block");
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// Takes the next whole entry from the front of `rest`; `None` when there is none.
pub(super) fn next_entry<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (entry, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(entry)
}

/// Reads an entry.
pub(super) fn parse<T: Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    decode(bytes).ok()
}

impl Beginning {
    /// Of a node that was just opened.
    pub(super) fn framed(&self) -> Vec<u8> {
        [MAGIC, &framed(self)].concat()
    }

    /// What its node follows by itself.
    pub const fn policy(&self) -> Policy {
        self.config.policy
    }
}
