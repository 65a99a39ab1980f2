//! What peers say to each other (protocol §4), and the strict reading of it.
//!
//! Every list carries its bound in its type, so that it is checked before memory is reserved.

use crate::p2p::address::ToldAddress;
use crate::p2p::frame::kind;
use crate::params::peers::{HEADERS_MAX, INV_MAX, LOCATOR_MAX, PEERS_MAX, USER_AGENT_BYTES_MAX};
use crate::primitives::{
    Block, BlockId, BoundedString, BoundedVec, DecodeError, Header, Height, SignedTransfer,
    Timestamp, TxId, Work, decode, encode,
};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// First on both sides, once, within five seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the peer protocol.
    pub protocol: u32,
    /// Id of the genesis block: nodes with different ids never peer.
    pub genesis: BlockId,
    /// Id of the sender's tip.
    pub best: BlockId,
    /// Height of the sender's tip.
    pub height: Height,
    /// Chainwork of the sender's tip: a claim, until its headers have shown it.
    pub chainwork: Work,
    /// Lowest height whose body the sender can serve.
    pub oldest_body: Height,
    /// The sender's wall clock. Shown to operators; never a part of any verdict.
    pub time: Timestamp,
    /// Name and version of the sender's software: a stranger's text.
    pub user_agent: BoundedString<USER_AGENT_BYTES_MAX>,
    /// Port on which the sender accepts connections, or 0.
    pub listen_port: u16,
    /// Drawn once in a node's life: finds connections to oneself and second ones to a peer.
    pub nonce: u64,
}

/// Asks for up to 2,000 headers of the best chain after the first id of the locator that the other
/// side has on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GetHeaders {
    /// Newest first: ten single steps, then doubling, genesis last.
    pub locator: BoundedVec<BlockId, LOCATOR_MAX>,
    /// The last header wanted, or zeros for as many as fit.
    pub stop: BlockId,
}

/// The id of something that can be announced and asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Item {
    /// A block.
    Block(BlockId),
    /// A transfer.
    Transfer(TxId),
}

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// The block with the id that was asked for.
    Block(Block),
    /// The transfer with the id that was asked for.
    Transfer(SignedTransfer),
    /// The sender does not have it, or no longer.
    NotFound(Item),
}

/// A message of a kind that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// First on both sides.
    Hello(Hello),
    /// Are you there?
    Ping(u64),
    /// I am.
    Pong(u64),
    /// Asks for headers.
    GetHeaders(GetHeaders),
    /// Answers `GetHeaders`; fewer than 2,000 means "no more now", never "caught up".
    Headers(Vec<Header>),
    /// Announces.
    Inv(Vec<Item>),
    /// Asks for what was announced.
    Req(Vec<Item>),
    /// Answers one item of `Req`.
    Res(Response),
    /// Asks for addresses of nodes.
    GetPeers,
    /// Answers `GetPeers`: nothing that anybody need believe.
    Peers(Vec<ToldAddress>),
}

type Headers = BoundedVec<Header, HEADERS_MAX>;
type Items = BoundedVec<Item, INV_MAX>;
type Addresses = BoundedVec<ToldAddress, PEERS_MAX>;

impl Message {
    /// The kind's byte and the payload.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Hello(hello) => (kind::HELLO, encode(hello)),
            Self::Ping(number) => (kind::PING, encode(number)),
            Self::Pong(number) => (kind::PONG, encode(number)),
            Self::GetHeaders(get) => (kind::GET_HEADERS, encode(get)),
            Self::Headers(headers) => (kind::HEADERS, encode(headers)),
            Self::Inv(items) => (kind::INV, encode(items)),
            Self::Req(items) => (kind::REQ, encode(items)),
            Self::Res(response) => (kind::RES, encode(response)),
            Self::GetPeers => (kind::GET_PEERS, Vec::new()),
            Self::Peers(addresses) => (kind::PEERS, encode(addresses)),
        }
    }

    /// The protocol version at the head of a `Hello` that does not decode: of a later version it may
    /// well look otherwise.
    pub fn hello_version(payload: &[u8]) -> Option<u32> {
        let (version, _) = postcard::take_from_bytes(payload).ok()?;
        Some(version)
    }

    /// Reads a payload strictly; `None` for a kind that this version does not know.
    pub fn decode(kind: u8, payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            kind::HELLO => Self::Hello(decode(payload)?),
            kind::PING => Self::Ping(decode(payload)?),
            kind::PONG => Self::Pong(decode(payload)?),
            kind::GET_HEADERS => Self::GetHeaders(decode(payload)?),
            kind::HEADERS => Self::Headers(decode::<Headers>(payload)?.into_vec()),
            kind::INV => Self::Inv(decode::<Items>(payload)?.into_vec()),
            kind::REQ => Self::Req(decode::<Items>(payload)?.into_vec()),
            kind::RES => Self::Res(decode(payload)?),
            kind::GET_PEERS => {
                decode::<()>(payload)?;
                Self::GetPeers
            }
            kind::PEERS => Self::Peers(decode::<Addresses>(payload)?.into_vec()),
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p2p::frame::payload_max;
    use crate::params::networks;
    use alloc::vec;
    use proptest::prelude::*;

    fn samples() -> Vec<Message> {
        let genesis = networks::dev();
        let id = genesis.id();
        let hello = Hello {
            protocol: 1,
            genesis: id,
            best: id,
            height: Height::new(u64::MAX),
            chainwork: Work::ZERO,
            oldest_body: Height::GENESIS,
            time: Timestamp::new(u64::MAX),
            user_agent: BoundedString::new("x".repeat(USER_AGENT_BYTES_MAX)).expect("the bound"),
            listen_port: u16::MAX,
            nonce: u64::MAX,
        };
        let locator = BoundedVec::new(vec![id; LOCATOR_MAX]).expect("the bound");
        let block = Block {
            header: genesis.header(),
            transfers: Vec::new(),
        };
        let addr = core::net::SocketAddr::from(([255; 16], u16::MAX));
        let told = ToldAddress {
            address: addr.into(),
            seen: Timestamp::new(u64::MAX),
        };
        let items = vec![Item::Transfer(TxId::from_bytes([7; 32])); INV_MAX];
        vec![
            Message::Hello(hello),
            Message::Ping(u64::MAX),
            Message::Pong(0),
            Message::GetHeaders(GetHeaders { locator, stop: id }),
            Message::Headers(vec![genesis.header(); HEADERS_MAX]),
            Message::Inv(items.clone()),
            Message::Req(items),
            Message::Res(Response::Block(block)),
            Message::Res(Response::NotFound(Item::Block(id))),
            Message::GetPeers,
            Message::Peers(vec![told; PEERS_MAX]),
        ]
    }

    #[test]
    fn the_largest_message_of_each_kind_is_within_its_bound_and_reads_back() {
        for message in samples() {
            let (kind, payload) = message.encode();
            assert!(
                payload.len() <= payload_max(kind),
                "kind {kind}: {} bytes",
                payload.len()
            );
            assert_eq!(Message::decode(kind, &payload), Ok(Some(message)));
        }
    }

    #[test]
    fn a_list_one_above_its_bound_is_refused() {
        let genesis = networks::dev();
        let headers = encode(&vec![genesis.header(); HEADERS_MAX + 1]);
        assert!(Message::decode(kind::HEADERS, &headers).is_err());
        let items = encode(&vec![Item::Block(genesis.id()); INV_MAX + 1]);
        assert!(Message::decode(kind::INV, &items).is_err());
        assert!(Message::decode(kind::REQ, &items).is_err());
    }

    proptest! {
        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(
            kind in 0_u8..=11,
            sample in 0_usize..11,
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            noise in proptest::collection::vec(any::<u8>(), 0..80),
            from_sample in any::<bool>(),
        ) {
            let (kind, bytes) = if from_sample {
                let (kind, mut bytes) = samples().swap_remove(sample).encode();
                let flips = if bytes.is_empty() { Vec::new() } else { flips };
                for (at, value) in flips {
                    let at = at.index(bytes.len());
                    bytes[at] ^= value;
                }
                (kind, bytes)
            } else {
                (kind, noise)
            };
            if let Ok(Some(message)) = Message::decode(kind, &bytes) {
                prop_assert_eq!(message.encode(), (kind, bytes));
            }
        }
    }
}
