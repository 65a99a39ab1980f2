//! `archivas devnet up`: a local network of real nodes, each a process of its own, watched through
//! their APIs until Ctrl-C.

mod plan;
mod row;

use std::path::{Path, PathBuf};
use std::time::Duration;

use archivas_core::params::{Genesis, networks};
use archivas_core::primitives::{Instant, Millis};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::exit::Failure;
use crate::cli::output::{Output, Reader};
use crate::config::BlockTime;
use crate::live::clock::LiveClock;
use crate::live::signals::StopSignals;
use crate::ports::Clock;
use plan::{Folder, Node, Plan};
use row::Row;

/// Pause between two looks at the nodes.
const LOOK: Millis = Millis::new(200);
/// A node that says nothing for this long is given up.
const SILENCE_MAX: Millis = Millis::from_secs(20);
/// A node that was asked to stop gets this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);

/// What to do with a local network.
#[derive(Debug, Subcommand)]
pub enum DevnetCommand {
    /// Start one and watch it; Ctrl-C stops all of its nodes
    Up(UpArgs),
}

/// Flags of `archivas devnet up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// How many nodes, each of which mines
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=32))]
    nodes: u16,
    /// Mean time between the network's blocks
    #[arg(long, value_name = "TIME", default_value = "3s")]
    block_time: BlockTime,
    /// Keep the network's data here and go on with what is there [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Stop, successfully, once all nodes agree on a tip of at least this height
    #[arg(long, value_name = "HEIGHT")]
    until_height: Option<u64>,
}

/// Runs `archivas devnet`.
pub async fn run(command: DevnetCommand, output: &Output) -> Result<(), Failure> {
    let DevnetCommand::Up(args) = command;
    let mut signals = StopSignals::catch()
        .map_err(|error| Failure::disk(format!("cannot catch signals: {error}")))?;
    let folder = Folder::prepare(args.data_dir.as_deref())?;
    let genesis = folder.genesis()?;
    let plan = Plan::new(&args, &folder)?;
    let mut nodes = Vec::new();
    for number in 0..usize::from(args.nodes) {
        nodes.push(plan.spawn(number)?);
    }
    let result = tokio::select! {
        biased;
        _ = signals.next() => Ok(()),
        result = watch(&mut nodes, &args, &genesis, output) => result,
    };
    stop(nodes).await;
    result
}

/// Prints a row per change until the wanted height, a reader that has gone, or a node that died.
async fn watch(
    nodes: &mut [Node],
    args: &UpArgs,
    genesis: &Genesis,
    output: &Output,
) -> Result<(), Failure> {
    let clock = LiveClock::start();
    introduce(nodes, genesis, output)?;
    let mut shown = Vec::new();
    let mut heard = clock.now().monotonic;
    loop {
        let tips = look(nodes).await?;
        let now = clock.now().monotonic;
        if tips.iter().all(Option::is_some) {
            heard = now;
        } else if now.since(heard) > SILENCE_MAX {
            return Err(Failure::unreachable(
                "a node of the network does not answer",
            ));
        }
        if heard == now && tips != shown {
            let run_time = now.since(Instant::new(0));
            let row = Row {
                run_time,
                tips: &tips,
            };
            if output.print(&row.json(), row.text())? == Reader::Gone {
                return Ok(());
            }
            if args
                .until_height
                .is_some_and(|height| row.agreed_height() >= Some(height))
            {
                return Ok(());
            }
            shown = tips;
        }
        clock.sleep(LOOK).await;
    }
}

/// What each node says of its tip; fails when one has died.
async fn look(nodes: &mut [Node]) -> Result<Vec<Option<Value>>, Failure> {
    let mut tips = Vec::new();
    for node in nodes {
        if let Some(status) = node.child.try_wait().ok().flatten() {
            let log = std::fs::read_to_string(&node.log).unwrap_or_default();
            let last = log.lines().last().unwrap_or("its log is empty");
            let sentence = format!("the node {} died ({status}): {last}", node.url);
            return Err(Failure::refused(sentence));
        }
        tips.push(node.client.get_ok("/chainTip").await.ok());
    }
    Ok(tips)
}

fn introduce(nodes: &[Node], genesis: &Genesis, output: &Output) -> Result<(), Failure> {
    let urls: Vec<&str> = nodes.iter().map(|node| node.url.as_str()).collect();
    let logs: Vec<&Path> = nodes.iter().map(|node| node.log.as_path()).collect();
    let value = json!({ "genesisHash": genesis.id().to_string(), "nodes": urls, "logs": logs });
    let mut lines = format!("devnet of {} nodes, genesis {}", urls.len(), genesis.id());
    for (number, (url, log)) in urls.iter().zip(&logs).enumerate() {
        lines.push_str(&format!("\n  node {number}  {url}  log {}", log.display()));
    }
    for (number, key) in networks::dev_keys().iter().enumerate() {
        lines.push_str(&format!("\n  --dev-key {number}  {}", key.address()));
    }
    output.print(&value, lines)?;
    Ok(())
}

/// Ends every node's input, and every node that does not stop then.
async fn stop(mut nodes: Vec<Node>) {
    for node in &mut nodes {
        drop(node.input.take());
    }
    for mut node in nodes {
        if tokio::time::timeout(STOP_TIMEOUT, node.child.wait())
            .await
            .is_err()
        {
            // It is beyond asking; what it acknowledged is on its disk.
            let _ = node.child.kill().await;
        }
    }
}
