//! Byzantine peers: one program over byte streams, whatever carries them. It speaks the real wire
//! protocol, or breaks it, and never touches a node's memory. Its world gives it connections and
//! time (`Ground`), and counts what it does.
//!
//! *Strangers* (`stranger.rs`) make up what they say. *Middlemen* (`middleman.rs`) stand between a node
//! and one that they learn from, pass on what both say, and change one thing.

mod forge;
mod middleman;
mod stranger;
mod wire;

use std::future::Future;
use std::io;

use archivas_core::params::Genesis;
use archivas_core::primitives::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::draws::Draws;

/// A way to be a bad peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// Connects and says nothing.
    HalfOpenFlood,
    /// Says `Hello`, and later everything else, one byte a second.
    Slowloris,
    /// Sends noise, broken frames, and frames that hold noise.
    GarbageFrames,
    /// Announces lengths and counts that no memory holds.
    UnboundedInput,
    /// Asks for much and reads nothing.
    NeverReads,
    /// Claims the most work, and shows long chains of the least.
    HeaderFlood,
    /// Sends headers and announcements of blocks without parents.
    OrphanFlood,
    /// Announces transfers without end, and hands over worthless ones.
    TxFlood,
    /// Connects from a few networks and tells of none but its own.
    Eclipse,
    /// Claims much work, and answers nothing.
    Stalling,
    /// Claims the greatest height there is, and has no more headers.
    LiarHeight,
    /// Claims nothing, little or everything by turns, and answers with empty lists.
    EmptyAnswers,
    /// Announces the newest blocks first, and never hands them over.
    WithheldBlock,
    /// Hands over other blocks than it was asked for.
    ServesOther,
    /// Answers everything three times.
    Duplicates,
    /// Hands over blocks with changed bodies.
    MutatedBodies,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::HalfOpenFlood,
        Self::Slowloris,
        Self::GarbageFrames,
        Self::UnboundedInput,
        Self::NeverReads,
        Self::HeaderFlood,
        Self::OrphanFlood,
        Self::TxFlood,
        Self::Eclipse,
        Self::Stalling,
        Self::LiarHeight,
        Self::EmptyAnswers,
        Self::WithheldBlock,
        Self::ServesOther,
        Self::Duplicates,
        Self::MutatedBodies,
    ];

    /// Its word in documents; also the name of the fault that is counted when it fires.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfOpenFlood => "half_open_flood",
            Self::Slowloris => "slowloris",
            Self::GarbageFrames => "garbage_frames",
            Self::UnboundedInput => "unbounded_input",
            Self::NeverReads => "never_reads",
            Self::HeaderFlood => "header_flood",
            Self::OrphanFlood => "orphan_flood",
            Self::TxFlood => "tx_flood",
            Self::Eclipse => "eclipse",
            Self::Stalling => "stalling",
            Self::LiarHeight => "liar_height",
            Self::EmptyAnswers => "empty_answers",
            Self::WithheldBlock => "withheld_block",
            Self::ServesOther => "serves_other",
            Self::Duplicates => "duplicates",
            Self::MutatedBodies => "mutated_bodies",
        }
    }

    /// What it counts when it fires.
    pub const fn about(self) -> &'static str {
        match self {
            Self::HalfOpenFlood => "somebody connected and said nothing",
            Self::Slowloris => "somebody spoke a byte a second",
            Self::GarbageFrames => "somebody sent noise",
            Self::UnboundedInput => "somebody announced more than memory holds",
            Self::NeverReads => "somebody asked for much and read nothing",
            Self::HeaderFlood => "somebody showed long chains of little work",
            Self::OrphanFlood => "somebody sent headers without parents",
            Self::TxFlood => "somebody offered worthless transfers",
            Self::Eclipse => "somebody told of none but his own addresses",
            Self::Stalling => "somebody claimed much and answered nothing",
            Self::LiarHeight => "somebody claimed the greatest height there is",
            Self::EmptyAnswers => "somebody answered with empty lists",
            Self::WithheldBlock => "somebody announced a block and kept it",
            Self::ServesOther => "somebody handed over another block",
            Self::Duplicates => "somebody answered three times",
            Self::MutatedBodies => "somebody handed over a changed body",
        }
    }

    /// Whether it learns from another node.
    pub const fn is_between(self) -> bool {
        matches!(
            self,
            Self::WithheldBlock | Self::ServesOther | Self::Duplicates | Self::MutatedBodies
        )
    }
}

/// Which of an attacker's two neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who is attacked.
    Victim,
    /// Who knows the true chain.
    Source,
}

/// What an attacker gets from its world.
pub trait Ground: Send + Sync {
    /// Bytes to and from a node.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;

    /// A connection to a node, from an address of the attacker's own.
    fn dial(&self, side: Side) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Waits in the time of the plan.
    fn sleep(&self, time: Millis) -> impl Future<Output = ()> + Send;

    /// What a clock on the wall shows.
    fn wall(&self) -> Timestamp;

    /// Harm was done once more (strangers: once a visit), and not merely a connection made: counted as a
    /// fault that fired.
    fn fired(&self);
}

/// Who attacks: what he knows, and his own draws.
#[derive(Clone, Debug)]
pub struct Attacker {
    /// What he does.
    pub attack: Attack,
    /// The network.
    pub genesis: Genesis,
    /// The run's draws.
    pub draws: Draws,
    /// His number among all of the run.
    pub number: u16,
}

impl Attacker {
    /// Attacks until it is dropped: visit after visit, whatever becomes of each.
    pub async fn run(self, ground: impl Ground) {
        let (mut visit, mut chain) = (0, Vec::new());
        loop {
            // Whatever ends a visit, the victim is free to end it.
            let _ended = match self.attack.is_between() {
                true => middleman::visit(&self, &ground, visit).await,
                false => stranger::visit(&self, &ground, visit, &mut chain).await,
            };
            visit += 1;
            ground.sleep(self.pause()).await;
        }
    }

    /// Between two visits.
    const fn pause(&self) -> Millis {
        match self.attack {
            Attack::HalfOpenFlood | Attack::GarbageFrames | Attack::UnboundedInput => {
                Millis::from_secs(2)
            }
            _ => Millis::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests;
