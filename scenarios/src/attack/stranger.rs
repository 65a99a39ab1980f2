//! Attackers who make up what they say.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use archivas_core::p2p::address::ToldAddress;
use archivas_core::p2p::frame::{FrameHeader, frame, kind};
use archivas_core::p2p::message::{GetHeaders, Item, Message, Response};
use archivas_core::params::peers::PEERS_MAX;
use archivas_core::primitives::{BlockId, BoundedVec, Header, Millis, SignedTransfer, TxId, Work};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};

use super::wire::{Wire, hello};
use super::{Attack, Attacker, Ground, Side, forge};
use crate::draws::Draw;

/// Between two things that an attacker says unasked.
const VOLUNTEERS_EVERY: Millis = Millis::from_secs(2);
/// Headers of a cheap chain: quickly made, and more than a node keeps of a peer that has shown nothing.
const CHAIN_LENGTH: usize = 100;
/// More than any chain has.
const MOST_WORK: Work = Work::from_be_bytes([0xff; 32]);
/// Orphans, and worthless transfers, at a time.
const LOT: usize = 20;

/// One connection to the victim, until somebody ends it.
/// `chain` is what it has made to show, kept from visit to visit.
pub(super) async fn visit(
    attacker: &Attacker,
    ground: &impl Ground,
    turn: u64,
    chain: &mut Vec<Header>,
) -> io::Result<()> {
    let stream = ground.dial(Side::Victim).await?;
    let wire = Wire::new(stream, attacker.genesis.network_magic());
    let draws = &attacker.draws;
    let mut visit = Visit {
        draw: draws.draw("attack.visit", &attacker.number.to_le_bytes(), turn),
        attacker,
        ground,
        wire,
        turn,
        chain,
        offered: BTreeMap::new(),
        harmed: false,
    };
    match attacker.attack {
        Attack::HalfOpenFlood => {
            visit.harm();
            visit.wire.hear_out().await
        }
        Attack::Slowloris => visit.drip().await,
        Attack::GarbageFrames => visit.sputter().await,
        Attack::UnboundedInput => visit.boast().await,
        Attack::NeverReads => visit.order_without_end().await,
        _ => visit.converse().await,
    }
}

struct Visit<'a, G: Ground> {
    attacker: &'a Attacker,
    ground: &'a G,
    wire: Wire<G::Stream>,
    draw: Draw,
    turn: u64,
    /// The chain that it shows.
    chain: &'a mut Vec<Header>,
    /// The transfers that it has announced.
    offered: BTreeMap<TxId, SignedTransfer>,
    harmed: bool,
}

impl<G: Ground> Visit<'_, G> {
    /// Something of what this attacker is there for was done.
    fn harm(&mut self) {
        if !self.harmed {
            self.harmed = true;
            self.ground.fired();
        }
    }
}

/// Those who break the protocol.
impl<G: Ground> Visit<'_, G>
where
    G::Stream: AsyncRead + AsyncWrite,
{
    /// Whole and right frames, a byte a second.
    async fn drip(&mut self) -> io::Result<()> {
        let words = [self.hello(), Message::Ping(1), Message::GetPeers];
        for (kind, payload) in words.iter().map(Message::encode) {
            for byte in frame(self.attacker.genesis.network_magic(), kind, &payload) {
                self.wire.stream.write_all(&[byte]).await?;
                self.harm();
                self.ground.sleep(Millis::from_secs(1)).await;
            }
        }
        self.wire.hear_out().await
    }

    /// Noise; frames with a wrong checksum; right frames with noise in them.
    async fn sputter(&mut self) -> io::Result<()> {
        let magic = self.attacker.genesis.network_magic();
        if self.draw.range(0..2) == 0 {
            self.wire.say(&self.hello()).await?;
        }
        loop {
            let length = self.draw.index(400);
            let mut noise = vec![0; length];
            self.draw.fill(&mut noise);
            let of_kind = self.draw.bits().to_le_bytes()[0] % 12;
            let bytes = match self.draw.range(0..3) {
                0 => noise,
                1 => {
                    let mut bytes = frame(magic, of_kind, &noise);
                    let last = bytes.len() - 1;
                    bytes[last] ^= 1;
                    bytes
                }
                _ => frame(magic, of_kind, &noise),
            };
            self.wire.stream.write_all(&bytes).await?;
            self.harm();
            self.ground.sleep(Millis::new(200)).await;
        }
    }

    /// A header that announces 4 GiB, or a list that counts more than there are atoms.
    async fn boast(&mut self) -> io::Result<()> {
        let magic = self.attacker.genesis.network_magic();
        let of_kind = self.draw.bits().to_le_bytes()[0] % 12;
        if self.draw.range(0..2) == 0 {
            let mut header = FrameHeader::of(magic, of_kind, &[]);
            header.length = u32::MAX - u32::from(self.draw.bits().to_le_bytes()[0]);
            self.wire.stream.write_all(&header.encode()).await?;
        } else {
            self.wire.say(&self.hello()).await?;
            // A varint of 2^63 and more, where a list's length stands.
            let count = [0xff; 9].into_iter().chain([0x01]).collect::<Vec<u8>>();
            let kinds = [
                kind::HEADERS,
                kind::INV,
                kind::REQ,
                kind::PEERS,
                kind::GET_HEADERS,
            ];
            let of_kind = kinds[self.draw.index(kinds.len())];
            self.wire
                .stream
                .write_all(&frame(magic, of_kind, &count))
                .await?;
        }
        self.harm();
        loop {
            self.wire.stream.write_all(&[0; 4_096]).await?;
            self.ground.sleep(Millis::new(100)).await;
        }
    }

    /// Questions with long answers, and nobody who reads them.
    async fn order_without_end(&mut self) -> io::Result<()> {
        self.wire.say(&self.hello()).await?;
        let genesis = self.attacker.genesis.id();
        let headers = Message::GetHeaders(GetHeaders {
            locator: BoundedVec::new(vec![genesis]).expect("one"),
            stop: BlockId::ZERO,
        });
        let block = Message::Req(vec![Item::Block(genesis); 16]);
        loop {
            for question in [&headers, &block, &Message::GetPeers, &Message::Ping(7)] {
                self.wire.say(question).await?;
            }
            self.harm();
            self.ground.sleep(Millis::new(50)).await;
        }
    }
}

/// Those who keep to the protocol.
impl<G: Ground> Visit<'_, G> {
    async fn converse(&mut self) -> io::Result<()> {
        self.wire.say(&self.hello()).await?;
        let ground = self.ground;
        // However much it hears, its time to speak comes.
        let mut silence = Box::pin(ground.sleep(VOLUNTEERS_EVERY));
        loop {
            let heard = tokio::select! {
                biased;
                () = &mut silence => None,
                message = self.wire.hear() => Some(message?),
            };
            let words = match heard {
                Some(message) => self.answer(&message),
                None => {
                    silence = Box::pin(ground.sleep(VOLUNTEERS_EVERY));
                    self.volunteer()
                }
            };
            for word in &words {
                self.wire.say(word).await?;
            }
        }
    }

    fn hello(&self) -> Message {
        let claim = match self.attacker.attack {
            Attack::HeaderFlood | Attack::Stalling => (1_000_000, MOST_WORK),
            Attack::LiarHeight => (u64::MAX, MOST_WORK),
            Attack::EmptyAnswers => match self.turn % 3 {
                0 => (0, Work::ZERO),
                1 => (1, Work::ZERO),
                _ => (u64::MAX, MOST_WORK),
            },
            _ => (0, Work::ZERO),
        };
        let genesis = self.attacker.genesis.id();
        let nonce = u64::from(self.attacker.number) << 32 | self.turn;
        Message::Hello(hello(genesis, self.ground.wall(), nonce, claim))
    }

    fn answer(&mut self, message: &Message) -> Vec<Message> {
        let attack = self.attacker.attack;
        match message {
            Message::Ping(number) => vec![Message::Pong(*number)],
            Message::GetHeaders(_) => self.show_headers(),
            _ if attack == Attack::Stalling => Vec::new(),
            Message::GetPeers if attack == Attack::Eclipse => vec![self.own_addresses()],
            Message::GetPeers => vec![Message::Peers(Vec::new())],
            Message::Req(items) => items.iter().map(|item| self.hand_over(*item)).collect(),
            _ => Vec::new(),
        }
    }

    fn volunteer(&mut self) -> Vec<Message> {
        match self.attacker.attack {
            Attack::OrphanFlood => vec![self.orphans(), self.unknown_blocks()],
            Attack::TxFlood => vec![self.offer_transfers()],
            Attack::Eclipse => vec![self.own_addresses()],
            _ => Vec::new(),
        }
    }

    fn show_headers(&mut self) -> Vec<Message> {
        match self.attacker.attack {
            Attack::HeaderFlood => vec![self.cheap_chain()],
            Attack::OrphanFlood => vec![self.orphans()],
            Attack::Stalling => {
                self.harm();
                Vec::new()
            }
            attack => {
                if matches!(attack, Attack::LiarHeight | Attack::EmptyAnswers) {
                    self.harm();
                }
                vec![Message::Headers(Vec::new())]
            }
        }
    }

    fn cheap_chain(&mut self) -> Message {
        if self.chain.is_empty() {
            let (genesis, now) = (&self.attacker.genesis, self.ground.wall());
            let producer = self.attacker.number;
            *self.chain = forge::cheap_chain(genesis, producer, CHAIN_LENGTH, now);
        }
        if !self.chain.is_empty() {
            self.harm();
        }
        Message::Headers(self.chain.clone())
    }

    fn orphans(&mut self) -> Message {
        self.harm();
        let (genesis, now) = (&self.attacker.genesis, self.ground.wall());
        let orphan = |_| forge::orphan(genesis, &mut self.draw, now);
        Message::Headers((0..LOT).map(orphan).collect())
    }

    fn unknown_blocks(&mut self) -> Message {
        let id = |_| {
            let mut id = [0; 32];
            self.draw.fill(&mut id);
            Item::Block(BlockId::from_bytes(id))
        };
        Message::Inv((0..LOT).map(id).collect())
    }

    fn offer_transfers(&mut self) -> Message {
        let genesis = &self.attacker.genesis;
        self.offered = (0..LOT)
            .map(|_| forge::worthless(genesis, &mut self.draw))
            .map(|transfer| (transfer.id(&genesis.domain), transfer))
            .collect();
        Message::Inv(self.offered.keys().copied().map(Item::Transfer).collect())
    }

    fn hand_over(&mut self, item: Item) -> Message {
        let offered = match item {
            Item::Transfer(id) => self.offered.get(&id).cloned(),
            Item::Block(_) => None,
        };
        Message::Res(match offered {
            Some(transfer) => {
                self.harm();
                Response::Transfer(transfer)
            }
            None => Response::NotFound(item),
        })
    }

    /// Addresses in a few networks, where nobody of ours is.
    fn own_addresses(&mut self) -> Message {
        self.harm();
        let address = |_| {
            let [a, b, ..] = self.draw.bits().to_le_bytes();
            let ip = Ipv4Addr::new(66, a % 4, b, 1);
            ToldAddress {
                address: SocketAddr::from((ip, 9_090)).into(),
                seen: self.ground.wall(),
            }
        };
        Message::Peers((0..PEERS_MAX).map(address).collect())
    }
}
