//! What anybody may speak of: a small world of two branches and some transfers, and every message
//! about it.

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use archivas_core::chain::Chain;
use archivas_core::p2p::message::{GetHeaders, Hello, Item, Message, Response};
use archivas_core::params::Genesis;
use archivas_core::primitives::{
    Block, BlockId, BoundedString, BoundedVec, Height, Millis, SignedTransfer, Timestamp, Work,
};
use archivas_core::rules::check_block;
use archivas_core::storage::MemoryStorage;
use archivas_tests::differential::{Dice, Forge, network};

/// Two branches and some transfers, of which anybody may speak.
pub struct Story {
    /// Their network.
    pub genesis: Genesis,
    /// Genesis is not among them; parents before children.
    pub blocks: Vec<Block>,
    /// Those of all blocks, and others.
    pub transfers: Vec<SignedTransfer>,
    /// The end of the longer branch.
    pub best: BlockId,
    /// A time by which all of it was mined.
    pub now: Timestamp,
}

static STORY: LazyLock<Story> = LazyLock::new(|| {
    let genesis = network(0);
    let mut forge = Forge::new(genesis.clone());
    let dice = &mut Dice::new(7);
    let now = genesis.time.plus(Millis::from_secs(3_600));
    forge.now_ms = now.get();
    let mut tips = Vec::new();
    for length in [9, 12] {
        let mut tip = 0;
        for _ in 0..length {
            let order = forge.order(tip, dice);
            tip = forge.make(tip, order);
        }
        tips.push(tip);
    }
    Story {
        genesis,
        best: forge.made[tips[1]].id,
        blocks: forge.made[1..]
            .iter()
            .map(|made| made.block.clone())
            .collect(),
        transfers: forge.deck.clone(),
        now,
    }
});

/// What anybody may speak of.
pub fn story() -> &'static Story {
    &STORY
}

/// The rows of a node that has taken all of the story's blocks.
pub fn story_store() -> &'static MemoryStorage {
    static STORE: LazyLock<MemoryStorage> = LazyLock::new(|| {
        let mut chain =
            Chain::open(MemoryStorage::new(), STORY.genesis.clone()).expect("an empty store");
        for block in &STORY.blocks {
            let checked = check_block(block.clone(), chain.law()).expect("a valid block");
            let taken = chain.accept_block(STORY.now, checked);
            taken.expect("memory does not fail");
        }
        assert_eq!(chain.tip().id, STORY.best);
        chain.reader().clone()
    });
    &STORE
}

/// Something about the story.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Saying {
    Headers,
    GetHeaders,
    InvBlocks,
    InvTransfers,
    ReqBlocks,
    ReqTransfers,
    Block,
    Transfer,
    NotFound,
    Ping,
    Pong,
}

/// A greeting, with claims.
pub fn hello(height: u64, work: [u8; 32], nonce: u64) -> Message {
    Message::Hello(Hello {
        protocol: 1,
        genesis: STORY.genesis.id(),
        best: STORY.best,
        height: Height::new(height),
        chainwork: Work::from_be_bytes(work),
        oldest_body: Height::GENESIS,
        time: STORY.now,
        user_agent: BoundedString::new("\u{1b}[2Jstranger").expect("short"),
        listen_port: 9_090,
        nonce,
    })
}

impl Saying {
    /// All of them.
    pub const ALL: [Saying; 11] = [
        Saying::Headers,
        Saying::GetHeaders,
        Saying::InvBlocks,
        Saying::InvTransfers,
        Saying::ReqBlocks,
        Saying::ReqTransfers,
        Saying::Block,
        Saying::Transfer,
        Saying::NotFound,
        Saying::Ping,
        Saying::Pong,
    ];

    /// A message about things of the story, from one place on.
    pub fn message(self, from: u8, count: u8) -> Message {
        let (blocks, transfers) = (&STORY.blocks, &STORY.transfers);
        let from = usize::from(from);
        let some_blocks = || {
            blocks
                .iter()
                .cycle()
                .skip(from % blocks.len())
                .take(count.into())
        };
        let some_transfers = || {
            let skipped = transfers.iter().cycle().skip(from % transfers.len());
            skipped.take(count.into())
        };
        let block_items = || some_blocks().map(|block| Item::Block(block.id())).collect();
        let transfer_items = || {
            let id = |transfer: &SignedTransfer| Item::Transfer(transfer.id(&STORY.genesis.domain));
            some_transfers().map(id).collect()
        };
        let block = &blocks[from % blocks.len()];
        match self {
            Self::Headers => Message::Headers(some_blocks().map(|block| block.header).collect()),
            Self::GetHeaders => {
                let locator = some_blocks().map(Block::id).take(64).collect();
                Message::GetHeaders(GetHeaders {
                    locator: BoundedVec::new(locator).expect("at most 64"),
                    stop: BlockId::from_bytes([0; 32]),
                })
            }
            Self::InvBlocks => Message::Inv(block_items()),
            Self::InvTransfers => Message::Inv(transfer_items()),
            Self::ReqBlocks => Message::Req(block_items()),
            Self::ReqTransfers => Message::Req(transfer_items()),
            Self::Block => Message::Res(Response::Block(block.clone())),
            Self::Transfer => Message::Res(Response::Transfer(
                transfers[from % transfers.len()].clone(),
            )),
            Self::NotFound => Message::Res(Response::NotFound(Item::Block(block.id()))),
            Self::Ping => Message::Ping(from as u64),
            Self::Pong => Message::Pong(from as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use archivas_core::storage::{Reader, Scan, Table};

    #[test]
    fn the_story_has_two_branches_and_all_of_its_blocks_are_valid() {
        assert_eq!(STORY.blocks.len(), 21);
        assert!(!STORY.transfers.is_empty());
        for block in &STORY.blocks {
            assert!(check_block(block.clone(), &STORY.genesis.law()).is_ok());
        }
        assert!(
            !story_store()
                .scan(Table::Accounts, &Scan::all())
                .expect("rows")
                .is_empty()
        );
    }
}
