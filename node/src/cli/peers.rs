//! `archivas peers`: whom a node talks to. Reading goes over the API or the admin socket, changes
//! over the admin socket only.

use std::net::{IpAddr, SocketAddr};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::admin::OwnNodeArgs;
use crate::cli::exit::Failure;
use crate::cli::output::{Output, table};
use crate::cli::state::text;

/// What to do with peers.
#[derive(Debug, Subcommand)]
pub enum PeersCommand {
    /// Who is connected
    List(OwnNodeArgs),
    /// Stay connected with the node at this address, until the node ends
    #[command(after_help = "Example:\n  archivas peers add 203.0.113.5:9090")]
    Add(PeerArgs),
    /// End the connection with this address, and do not dial it again
    Remove(PeerArgs),
    /// Have nothing to do with an IP address for a while
    #[command(after_help = "Example:\n  archivas peers ban 203.0.113.5 --hours 48")]
    Ban {
        /// Which
        ip: IpAddr,
        /// For how long
        #[arg(long, default_value_t = 24)]
        hours: u32,
        #[command(flatten)]
        node: OwnNodeArgs,
    },
    /// Take a ban back
    Unban {
        /// Of which IP address
        ip: IpAddr,
        #[command(flatten)]
        node: OwnNodeArgs,
    },
}

/// Which peer.
#[derive(Debug, Args)]
pub struct PeerArgs {
    /// Its address, as IP:PORT
    address: SocketAddr,
    #[command(flatten)]
    node: OwnNodeArgs,
}

/// Runs `archivas peers`.
pub async fn run(command: PeersCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        PeersCommand::List(node) => list(&node, global, output).await,
        PeersCommand::Add(peer) => change("add", &peer, global, output).await,
        PeersCommand::Remove(peer) => change("remove", &peer, global, output).await,
        PeersCommand::Ban { ip, hours, node } => {
            let body = json!({ "ip": ip, "seconds": u64::from(hours) * 3_600 });
            let client = node.client(global)?;
            let answer = client.post_ok("/admin/v1/peers/ban", &body).await?;
            output.print(&answer, format!("banned for {hours} h: {ip}"))?;
            Ok(())
        }
        PeersCommand::Unban { ip, node } => {
            let client = node.client(global)?;
            let body = json!({ "ip": ip });
            let answer = client.post_ok("/admin/v1/peers/unban", &body).await?;
            output.print(&answer, format!("banned no longer: {ip}"))?;
            Ok(())
        }
    }
}

async fn list(node: &OwnNodeArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let peers = node.client(global)?.get_ok("/admin/v1/peers").await?;
    let connected = peers.get("connected").and_then(Value::as_array);
    let rows = connected.into_iter().flatten().map(|peer| {
        ["address", "direction", "height", "agent"]
            .map(|key| text(peer, key))
            .to_vec()
    });
    let shown = table(&["address", "direction", "height", "agent"], rows);
    output.print(&peers, shown)?;
    Ok(())
}

async fn change(
    what: &str,
    peer: &PeerArgs,
    global: &Global,
    output: &Output,
) -> Result<(), Failure> {
    let client = peer.node.client(global)?;
    let body = json!({ "address": peer.address.to_string() });
    let answer = client
        .post_ok(&format!("/admin/v1/peers/{what}"), &body)
        .await?;
    output.print(&answer, format!("{what}: {}", peer.address))?;
    Ok(())
}
