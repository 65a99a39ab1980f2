//! What a supervisor (systemd) is told: that the node serves, that its loop still answers, and that it
//! ends. Without one nothing is told.

use std::time::Duration;

use archivas_core::primitives::Millis;
use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};

use crate::live::clock::LiveClock;
use crate::ports::{Clock, Command};

/// The node serves.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The node ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells the watchdog that the loop answers, for as long as it does: twice in the time after which the
/// supervisor would end the process. Returns at once where no watchdog waits.
pub async fn watchdog(commands: mpsc::Sender<Command>, clock: LiveClock) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let pause = Millis::new(u64::try_from(limit.as_millis() / 2).unwrap_or(u64::MAX));
    while answers(&commands, limit).await {
        tell(&[NotifyState::Watchdog]);
        clock.sleep(pause).await;
    }
}

/// Whether the loop answers in time; nobody is told when it does not, and the supervisor acts.
async fn answers(commands: &mpsc::Sender<Command>, limit: Duration) -> bool {
    let asked = async {
        let (place, answer) = oneshot::channel();
        commands.send(Command::Status(place)).await.ok()?;
        answer.await.ok()
    };
    matches!(tokio::time::timeout(limit, asked).await, Ok(Some(_)))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the supervisor cannot be told");
    }
}
