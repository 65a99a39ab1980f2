//! Mining on demand: a node's own template, a real seal, and the node's own judgement. The player
//! draws when; the hashes are few, because simulation networks have easy targets.

use archivas::ports::Command;
use archivas_core::chain::Template;
use archivas_core::node::Answer;
use archivas_core::primitives::{Address, Block, Header};
use archivas_scenarios::world::{HarnessError, Mined};
use tokio::sync::{mpsc, oneshot};

use crate::meter::{Meter, Part};

/// The most hashes that a seal is tried with: 2^15 times what the hardest first block takes.
const HASHES_MAX: u64 = 1 << 24;

/// Mines one block at the node behind `commands`, for `producer`.
///
/// # Errors
/// When the target is too hard for a simulation.
pub async fn mine(
    commands: &mpsc::Sender<Command>,
    producer: Address,
    meter: &Meter,
) -> Result<Mined, HarnessError> {
    let gone = || Ok(Mined::Nothing("the node has stopped".into()));
    let Some(template) = ask(commands, |answer| Command::Template(producer, answer)).await else {
        return gone();
    };
    let Template { header, transfers } = match template {
        Ok(template) => template,
        Err(reason) => return Ok(Mined::Nothing(reason.to_string())),
    };
    let header = seal(header, meter)?;
    let transfers = transfers
        .iter()
        .map(|transfer| transfer.signed().clone())
        .collect();
    let block = Block { header, transfers };
    match ask(commands, |answer| Command::SubmitBlock(block, answer)).await {
        None => gone(),
        Some(Answer::BlockAccepted(id)) => Ok(Mined::Block(id)),
        Some(Answer::Refused { code, sentence }) => Ok(Mined::Refused {
            code: code.into(),
            sentence,
        }),
        Some(other @ (Answer::Accepted(_) | Answer::Done)) => {
            Err(HarnessError(format!("a block was answered by {other:?}")))
        }
    }
}

/// Sends a command and waits for its answer; `None` when the node's loop has ended.
async fn ask<T>(
    commands: &mpsc::Sender<Command>,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    commands.send(command(answer)).await.ok()?;
    answered.await.ok()
}

/// Tries nonces from 0 until the header's id meets its target.
///
/// # Errors
/// When none of the first 2^24 does.
pub fn seal(mut header: Header, meter: &Meter) -> Result<Header, HarnessError> {
    let _sealing = meter.time(Part::Sealing);
    let target = header.bits.expand();
    let target = target.map_err(|error| HarnessError(format!("a template's bits: {error}")))?;
    for nonce in 0..HASHES_MAX {
        header.nonce = nonce;
        if target.is_met_by(&header.id()) {
            return Ok(header);
        }
    }
    Err(HarnessError(format!(
        "no seal within {HASHES_MAX} hashes: the target is too hard"
    )))
}
