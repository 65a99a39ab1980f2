//! What a running node says in its log: one line a tip, and what an operator may want to know.

use archivas_core::node::Event;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Logs events until the node stops.
pub async fn log_events(mut events: broadcast::Receiver<Event>) {
    loop {
        match events.recv().await {
            Ok(event) => log(&event),
            Err(RecvError::Lagged(lost)) => tracing::warn!("{lost} events came too fast to log"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn log(event: &Event) {
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
        Event::RowDropped { table, key } => tracing::warn!(
            "a row of the table {} cannot be read and is dropped: key {}",
            table.name(),
            const_hex::encode(key),
        ),
        Event::SavedTransferDropped { id, code } => {
            tracing::debug!("transfer {id} of the saved pool was not taken again: {code}");
        }
        Event::OwnTransferDropped { id, code } => {
            tracing::warn!("own transfer {id} was not taken again: {code}");
        }
    }
}
