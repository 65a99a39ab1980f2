//! The node's own miner: a client of the loop like any other, which asks for a template, finds a
//! seal on a thread of its own, and submits the block. Never part of the simulator, whose miners
//! draw the time of the next block instead of spending it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use archivas_core::chain::Template;
use archivas_core::node::{Answer, Event, TipInfo};
use archivas_core::params::HEADER_BYTES;
use archivas_core::primitives::crypto::sha3_256;
use archivas_core::primitives::{Address, Block, BlockId, Header, Millis, SignedTransfer, Target};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::live::clock::LiveClock;
use crate::ports::{Clock, Command};

/// A template this old is replaced, for its time and for newer transfers.
const TEMPLATE_LIFE: Millis = Millis::from_secs(10);
/// After a refusal (the clock is behind, the node is busy) the miner rests.
const REST: Millis = Millis::from_secs(1);
/// Seals tried between two looks at whether to go on: about 20 ms.
const TRIES: u64 = 16_384;
/// Where the seal nonce stands in the 160 bytes of a header.
const NONCE_AT: usize = 24;

/// When blocks are mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as seals are found.
    Work,
    /// At this pause after each tip: a chain of one node.
    Every(Millis),
    /// After a drawn pause of this mean, as if it took work: several miners with trivial seals.
    Drawn(Millis),
    /// As soon as a transfer waits.
    OnTransfer,
}

/// A miner, ready to run.
#[derive(Debug)]
pub struct Miner {
    /// The node's loop.
    pub commands: mpsc::Sender<Command>,
    /// The node's tip.
    pub tip: watch::Receiver<TipInfo>,
    /// The node's events.
    pub events: broadcast::Receiver<Event>,
    /// Where rewards go.
    pub producer: Address,
    /// When to mine.
    pub pace: Pace,
    /// Time.
    pub clock: LiveClock,
}

/// Why no block was made.
enum Missed {
    /// The node has stopped.
    Stopped,
    /// The tip moved meanwhile, or the template grew old.
    Stale,
    /// The node refused, in these words.
    Refused(String),
}

impl Miner {
    /// Mines until the node stops.
    pub async fn run(mut self) {
        let mut said = String::new();
        while self.wait_for_turn().await {
            match self.mine().await {
                Ok(()) => said.clear(),
                Err(Missed::Stale) => {}
                Err(Missed::Stopped) => return,
                Err(Missed::Refused(sentence)) => {
                    // The same reason is not told every second.
                    if sentence != said {
                        tracing::warn!("cannot mine now: {sentence}");
                        said = sentence;
                    }
                    self.clock.sleep(REST).await;
                }
            }
        }
    }

    /// Waits until the next block may be begun; false when the node has stopped.
    async fn wait_for_turn(&mut self) -> bool {
        match self.pace {
            Pace::Work => !self.commands.is_closed(),
            Pace::Every(pause) => self.still_tip_after(pause).await,
            Pace::Drawn(mean) => self.still_tip_after(drawn(mean)).await,
            Pace::OnTransfer => self.transfer_waits().await,
        }
    }

    /// Waits until one tip has stood for `pause`.
    async fn still_tip_after(&mut self, pause: Millis) -> bool {
        self.tip.mark_unchanged();
        loop {
            tokio::select! {
                biased;
                changed = self.tip.changed() => if changed.is_err() { return false },
                () = self.clock.sleep(pause) => return true,
            }
        }
    }

    /// Waits until the pool has something for a block.
    async fn transfer_waits(&mut self) -> bool {
        loop {
            match self.template().await {
                Ok(template) if !template.transfers.is_empty() => return true,
                Err(Missed::Stopped) => return false,
                _ => {}
            }
            loop {
                match self.events.recv().await {
                    Ok(Event::TransferAdded(_) | Event::TipChanged { .. }) => break,
                    Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Err(broadcast::error::RecvError::Closed) => return false,
                    Ok(_) => {}
                }
            }
        }
    }

    /// Makes one block on the present tip.
    async fn mine(&mut self) -> Result<(), Missed> {
        self.tip.mark_unchanged();
        let Template { header, transfers } = self.template().await?;
        let header = self.seal(header).await?;
        let transfers: Vec<SignedTransfer> = transfers
            .iter()
            .map(|checked| checked.signed().clone())
            .collect();
        let block = Block { header, transfers };
        match self
            .ask(|answer| Command::SubmitBlock(block, answer))
            .await?
        {
            Answer::Refused { sentence, .. } => Err(Missed::Refused(sentence)),
            Answer::Accepted(_) | Answer::BlockAccepted(_) | Answer::Done => Ok(()),
        }
    }

    async fn template(&self) -> Result<Template, Missed> {
        let producer = self.producer;
        let template = self
            .ask(|answer| Command::Template(producer, answer))
            .await?;
        template.map_err(|why| Missed::Refused(why.to_string()))
    }

    /// Finds the nonce that seals `header`, unless the tip moves or time runs out first.
    async fn seal(&mut self, header: Header) -> Result<Header, Missed> {
        let give_up = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&give_up);
        let mut grinding = tokio::task::spawn_blocking(move || grind(header, &flag));
        let sealed = tokio::select! {
            biased;
            sealed = &mut grinding => Some(sealed),
            _ = self.tip.changed() => None,
            () = self.clock.sleep(TEMPLATE_LIFE) => None,
        };
        match sealed {
            Some(sealed) => sealed.expect("grinding never panics").ok_or(Missed::Stale),
            None => {
                give_up.store(true, Ordering::Relaxed);
                Err(Missed::Stale)
            }
        }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Missed> {
        let (place, answer) = oneshot::channel();
        self.commands
            .send(command(place))
            .await
            .map_err(|_| Missed::Stopped)?;
        answer.await.map_err(|_| Missed::Stopped)
    }
}

/// Tries nonces from 0 on until one seals, or `give_up` says so.
pub fn grind(header: Header, give_up: &AtomicBool) -> Option<Header> {
    let target = header.bits.expand().expect("the chain made this header");
    let mut bytes = header.encode();
    let mut nonce = 0;
    while !give_up.load(Ordering::Relaxed) {
        if let Some(found) = try_some(&mut bytes, &target, nonce) {
            return Some(Header {
                nonce: found,
                ..header
            });
        }
        nonce = nonce.checked_add(TRIES)?;
    }
    None
}

/// Tries the next `TRIES` nonces from `first` on.
fn try_some(bytes: &mut [u8; HEADER_BYTES], target: &Target, first: u64) -> Option<u64> {
    (first..first.saturating_add(TRIES)).find(|nonce| {
        bytes[NONCE_AT..NONCE_AT + 8].copy_from_slice(&nonce.to_le_bytes());
        target.is_met_by(&BlockId::from_bytes(sha3_256(&[bytes.as_slice()])))
    })
}

/// An exponentially distributed pause, as between blocks that take work.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a pause needs no precision, is positive, and saturates"
)]
fn drawn(mean: Millis) -> Millis {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("randomness was there when the node started");
    // Uniform in (0, 1]: 53 bits, never zero.
    let uniform = ((u64::from_le_bytes(bytes) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    Millis::new((mean.get() as f64 * -uniform.ln()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use archivas_core::params::networks;

    #[test]
    fn a_ground_header_meets_its_target() {
        let header = networks::dev().header();
        let sealed = grind(header, &AtomicBool::new(false)).expect("half of all nonces do");
        let target = header.bits.expand().expect("valid");
        assert!(target.is_met_by(&sealed.id()));
    }

    #[test]
    fn grinding_stops_when_told() {
        let header = networks::archivas().header();
        assert_eq!(grind(header, &AtomicBool::new(true)), None);
    }

    #[test]
    fn drawn_pauses_have_the_mean_that_was_asked_for() {
        let sum: u64 = (0..4_000).map(|_| drawn(Millis::new(1_000)).get()).sum();
        assert!((3_600_000..4_400_000).contains(&sum), "{sum}");
    }
}
