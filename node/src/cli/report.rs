//! What a running node says in its log: one line a tip, and what an operator may want to know.

use archivas_core::primitives::{Instant, Millis};

use archivas_core::node::Event;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::live::clock::LiveClock;
use crate::ports::Clock;

/// Lines that strangers can cause at once, after silence.
const STRANGERS_BURST: u32 = 60;
/// After that one more each so many seconds.
const STRANGERS_PAUSE: Millis = Millis::from_secs(2);

/// Logs events until the node stops.
pub async fn log_events(mut events: broadcast::Receiver<Event>) {
    let mut quota = Quota::default();
    let clock = LiveClock::start();
    loop {
        match events.recv().await {
            Ok(event) if is_strangers(&event) => match quota.take(clock.now().monotonic) {
                Some(0) => log(&event),
                Some(left_out) => {
                    tracing::info!("{left_out} lines about peers were left out");
                    log(&event);
                }
                None => {}
            },
            Ok(event) => log(&event),
            Err(RecvError::Lagged(lost)) => tracing::warn!("{lost} events came too fast to log"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Whether anybody from outside can cause that event, as often as he likes.
const fn is_strangers(event: &Event) -> bool {
    matches!(
        event,
        Event::PeerReady { .. }
            | Event::PeerLost { .. }
            | Event::PeerMisbehaved { .. }
            | Event::Banned { .. }
            | Event::BlockRefused { .. }
    )
}

/// So many lines, and then one after each pause.
#[derive(Debug)]
struct Quota {
    lines: u32,
    refilled: Instant,
    left_out: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            lines: STRANGERS_BURST,
            refilled: Instant::new(0),
            left_out: 0,
        }
    }
}

impl Quota {
    /// Whether a line may be logged at `now`, and how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        while self.lines < STRANGERS_BURST && self.refilled.plus(STRANGERS_PAUSE) <= now {
            self.lines += 1;
            self.refilled = self.refilled.plus(STRANGERS_PAUSE);
        }
        if self.lines == STRANGERS_BURST {
            self.refilled = now;
        }
        match self.lines.checked_sub(1) {
            Some(left) => {
                self.lines = left;
                Some(std::mem::take(&mut self.left_out))
            }
            None => {
                self.left_out += 1;
                None
            }
        }
    }
}

/// What concerns a peer; a stranger's text is escaped.
fn log_peer(event: &Event) {
    match event {
        Event::PeerReady {
            peer,
            addr,
            direction,
            user_agent,
        } => {
            tracing::info!(
                "peer {} ready: {addr} ({direction:?}, {user_agent:?})",
                peer.0
            );
        }
        Event::PeerLost { peer, addr, reason } => {
            let reason = reason.map_or("connection ended", |reason| reason.code());
            tracing::info!("peer {} lost: {addr} ({reason})", peer.0);
        }
        Event::PeerMisbehaved {
            peer,
            addr,
            what,
            score,
        } => tracing::warn!(
            "peer {} at {addr} misbehaved: {} ({score} points left)",
            peer.0,
            what.code()
        ),
        Event::Banned { place } => tracing::warn!("{place} is banned"),
        _ => {}
    }
}

/// Logs one event.
pub fn log(event: &Event) {
    match event {
        Event::TipChanged {
            to,
            left_blocks: 0,
            joined_blocks,
            ..
        } => {
            let blocks = if *joined_blocks == 1 {
                "block"
            } else {
                "blocks"
            };
            tracing::info!(
                "tip {} {} (+{joined_blocks} {blocks})",
                to.height.get(),
                to.id
            );
        }
        Event::TipChanged {
            to,
            fork_height,
            left_blocks,
            joined_blocks,
            ..
        } => tracing::info!(
            "tip {} {} (reorganized from height {}: -{left_blocks} +{joined_blocks} blocks)",
            to.height.get(),
            to.id,
            fork_height.get(),
        ),
        Event::TransferAdded(id) => tracing::debug!("transfer {id} waits for a block"),
        Event::TransferDropped(dropped) => tracing::debug!("transfer left the pool: {dropped:?}"),
        Event::BlockRefused { id, code } => tracing::warn!("block {id} refused: {code}"),
        Event::BranchHeld { id } => tracing::error!(
            "a branch with more work, up to block {id}, forks too deep below our tip to be followed: \
             compare with other operators, then: archivas chain accept-branch {id}"
        ),
        Event::ForkSuspected { apart, refused } => tracing::error!(
            "we and others may be on two chains: {apart} peers go on with another one, and \
             peers of {refused} groups served blocks that we refuse; compare tips and versions with \
             other operators"
        ),
        Event::ForkOver => tracing::info!("our peers and we are on one chain again"),
        Event::RowDropped { table, key } => tracing::warn!(
            "a row of the table {} cannot be read and is dropped: key {}",
            table.name(),
            const_hex::encode(key),
        ),
        Event::SavedTransferDropped { id, code } => {
            tracing::debug!("transfer {id} of the saved pool was not taken again: {code}");
        }
        Event::PeerReady { .. }
        | Event::PeerLost { .. }
        | Event::PeerMisbehaved { .. }
        | Event::Banned { .. } => log_peer(event),
        Event::OwnTransferDropped { id, code } => {
            tracing::warn!("own transfer {id} was not taken again: {code}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cause_so_many_lines_and_then_one_after_each_pause_which_says_what_was_left_out() {
        let mut quota = Quota::default();
        let now = Instant::new(1_000_000);
        for _ in 0..STRANGERS_BURST {
            assert_eq!(quota.take(now), Some(0));
        }
        for _ in 0..500 {
            assert_eq!(quota.take(now), None);
        }
        assert_eq!(quota.take(now.plus(STRANGERS_PAUSE)), Some(500));
        assert_eq!(quota.take(now.plus(STRANGERS_PAUSE)), None);
    }
}
