//! Attackers who stand between the victim and a node that knows the true chain: they pass on what
//! both say, and change one thing.

use std::io;

use archivas_core::p2p::message::{Hello, Item, Message, Response};
use archivas_core::primitives::{Block, Work};
use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{Wire, hello};
use super::{Attack, Attacker, Ground, Side, forge};
use crate::draws::Draw;

/// One pair of connections, until somebody ends one.
pub(super) async fn visit(attacker: &Attacker, ground: &impl Ground, turn: u64) -> io::Result<()> {
    let genesis = &attacker.genesis;
    let dial = async |side| -> io::Result<_> {
        Ok(Wire::new(ground.dial(side).await?, genesis.network_magic()))
    };
    let nonce = u64::from(attacker.number) << 32 | turn;
    let ours = hello(genesis.id(), ground.wall(), nonce, (0, Work::ZERO));
    let mut source = dial(Side::Source).await?;
    source.say(&Message::Hello(ours.clone())).await?;
    let theirs = loop {
        if let Message::Hello(theirs) = source.hear().await? {
            break theirs;
        }
    };
    let mut victim = dial(Side::Victim).await?;
    let claim = Hello {
        nonce: !nonce,
        time: ground.wall(),
        listen_port: 0,
        ..theirs
    };
    victim.say(&Message::Hello(claim)).await?;
    let mut middleman = Middleman {
        attacker,
        draw: attacker
            .draws
            .draw("attack.between", &attacker.number.to_le_bytes(), turn),
        last: None,
    };
    middleman.pass(ground, &mut source, &mut victim).await
}

struct Middleman<'a> {
    attacker: &'a Attacker,
    draw: Draw,
    /// The last block that was handed over.
    last: Option<Block>,
}

impl Middleman<'_> {
    async fn pass<S>(
        &mut self,
        ground: &impl Ground,
        source: &mut Wire<S>,
        victim: &mut Wire<S>,
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            tokio::select! {
                biased;
                word = source.hear() => match word? {
                    Message::Ping(number) => source.say(&Message::Pong(number)).await?,
                    Message::GetPeers => source.say(&Message::Peers(Vec::new())).await?,
                    Message::Pong(_) | Message::Hello(_) => {}
                    word => {
                        let (words, changed) = self.change(word);
                        if changed {
                            ground.fired();
                        }
                        for word in &words {
                            victim.say(word).await?;
                        }
                    }
                },
                word = victim.hear() => match word? {
                    Message::Ping(number) => victim.say(&Message::Pong(number)).await?,
                    Message::GetPeers => victim.say(&Message::Peers(Vec::new())).await?,
                    Message::Pong(_) | Message::Hello(_) => {}
                    Message::Req(items) if self.attacker.attack == Attack::WithheldBlock => {
                        let (blocks, others): (Vec<Item>, Vec<Item>) = items
                            .into_iter()
                            .partition(|item| matches!(item, Item::Block(_)));
                        blocks.iter().for_each(|_| ground.fired());
                        if !others.is_empty() {
                            source.say(&Message::Req(others)).await?;
                        }
                    }
                    word => source.say(&word).await?,
                },
            }
        }
    }

    /// What the victim hears instead, and whether that is something else.
    fn change(&mut self, word: Message) -> (Vec<Message>, bool) {
        match (self.attacker.attack, word) {
            (Attack::Duplicates, word @ (Message::Res(_) | Message::Headers(_))) => {
                (vec![word; 3], true)
            }
            (Attack::ServesOther, Message::Res(Response::Block(block))) => {
                let other = self.last.replace(block);
                let words = other.map(|block| Message::Res(Response::Block(block)));
                let changed = words.is_some();
                (words.into_iter().collect(), changed)
            }
            (Attack::MutatedBodies, Message::Res(Response::Block(mut block))) => {
                if block.transfers.pop().is_none() {
                    let genesis = &self.attacker.genesis;
                    block
                        .transfers
                        .push(forge::worthless(genesis, &mut self.draw));
                }
                (vec![Message::Res(Response::Block(block))], true)
            }
            (_, word) => (vec![word], false),
        }
    }
}
