//! `archivas chain`: blocks, transfers and branches as a node tells them, and the operator's word
//! about branches, which goes through the admin socket.

use archivas_core::primitives::{Address, BlockId, TxId};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::admin::OwnNodeArgs;
use crate::cli::exit::Failure;
use crate::cli::output::{Output, Reader, table};
use crate::cli::state::text;
use crate::cli::{Global, NodeUrlArgs};
use crate::config::MineTo;

/// What to do with the chain.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// A block, by height or id
    #[command(after_help = "Examples:\n  archivas chain block 7\n  archivas chain block 7 --json")]
    Block {
        /// Its height or id
        which: String,
        #[command(flatten)]
        node: NodeUrlArgs,
    },
    /// A transfer, confirmed or waiting
    Tx {
        /// Its id
        id: TxId,
        #[command(flatten)]
        node: NodeUrlArgs,
    },
    /// Known branches beside the best chain
    Forks(NodeUrlArgs),
    /// Follow the branch of this block however deep it forks, once it has the most work
    AcceptBranch(BranchArgs),
    /// Set this block and its descendants aside
    Invalidate(BranchArgs),
    /// Take such marks off this block again, and let the most work decide
    Reconsider(BranchArgs),
    /// Mine blocks at once, on networks with fixed bits
    #[command(after_help = "Example:\n  archivas chain mine --count 10 --dev")]
    Mine {
        /// How many
        #[arg(long, default_value_t = 1)]
        count: u32,
        /// Who gets the rewards [default: the published test key 2]
        #[arg(long, value_name = "ADDRESS")]
        to: Option<MineTo>,
        #[command(flatten)]
        node: OwnNodeArgs,
    },
}

/// Which branch.
#[derive(Debug, Args)]
pub struct BranchArgs {
    /// The block's id
    hash: BlockId,
    #[command(flatten)]
    node: OwnNodeArgs,
}

/// Runs `archivas chain`.
pub async fn run(command: ChainCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        ChainCommand::Block { which, node } => block(&which, &node, global, output).await,
        ChainCommand::Tx { id, node } => {
            let tx = node.client(global)?.get_ok(&format!("/tx/{id}")).await?;
            let body = tx.get("tx").cloned().unwrap_or_default();
            output.print(
                &tx,
                fields(&body, &["hash", "from", "to", "amount", "fee", "nonce"]),
            )?;
            Ok(())
        }
        ChainCommand::Forks(node) => forks(&node, global, output).await,
        ChainCommand::AcceptBranch(branch) => {
            choose("accept-branch", &branch, global, output).await
        }
        ChainCommand::Invalidate(branch) => choose("invalidate", &branch, global, output).await,
        ChainCommand::Reconsider(branch) => choose("reconsider", &branch, global, output).await,
        ChainCommand::Mine { count, to, node } => {
            let [.., miner] = archivas_core::params::networks::dev_keys();
            let to = to.map_or_else(|| miner.address(), |to| to.0);
            mine((count, to), &node, global, output).await
        }
    }
}

async fn block(
    which: &str,
    node: &NodeUrlArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    if !which.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return Err(Failure::usage(format!("`{which}` is no height and no id")));
    }
    let block = node
        .client(global)?
        .get_ok(&format!("/block/{which}"))
        .await?;
    let keys = [
        "height",
        "hash",
        "prevHash",
        "timestamp",
        "difficulty",
        "farmer",
        "txCount",
    ];
    let mut shown = fields(&block, &keys);
    for tx in block
        .get("txs")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        shown.push_str(&format!(
            "\n  {}  {} -> {}  {} (fee {})",
            text(tx, "hash"),
            text(tx, "from"),
            text(tx, "to"),
            text(tx, "amount"),
            text(tx, "fee"),
        ));
    }
    output.print(&block, shown)?;
    Ok(())
}

async fn forks(node: &NodeUrlArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let forks = node.client(global)?.get_ok("/forks").await?;
    let branches = forks.get("forks").and_then(Value::as_array);
    let keys = ["height", "forkHeight", "length", "state", "work", "hash"];
    let rows = branches.into_iter().flatten();
    let rows = rows.map(|branch| keys.map(|key| text(branch, key)).to_vec());
    output.print(
        &forks,
        table(
            &["height", "forks at", "blocks", "state", "work", "hash"],
            rows,
        ),
    )?;
    Ok(())
}

async fn choose(
    what: &str,
    branch: &BranchArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let client = branch.node.client(global)?;
    let body = json!({ "hash": branch.hash.to_string() });
    let answer = client.post_ok(&format!("/admin/v1/{what}"), &body).await?;
    let tip = format!("tip {} {}", text(&answer, "height"), text(&answer, "hash"));
    output.print(&answer, tip)?;
    Ok(())
}

async fn mine(
    (count, to): (u32, Address),
    node: &OwnNodeArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let client = node.client(global)?;
    let body = json!({ "to": to.to_string() });
    for _ in 0..count {
        let mined = client.post_ok("/admin/v1/mine", &body).await?;
        let line = format!("{} {}", text(&mined, "height"), text(&mined, "hash"));
        if output.print(&mined, line)? == Reader::Gone {
            break;
        }
    }
    Ok(())
}

/// Lines of `key value`.
fn fields(value: &Value, keys: &[&str]) -> String {
    let width = keys.iter().map(|key| key.len()).max().unwrap_or_default();
    let lines = keys
        .iter()
        .map(|key| format!("{key:width$}  {}", text(value, key)));
    lines.collect::<Vec<_>>().join("\n")
}
