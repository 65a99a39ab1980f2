//! `archivas miner`: a miner beside the node, through `/challenge` and `/submitBlock` as anybody's
//! would be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use archivas_core::primitives::{Header, Millis};
use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Output, Reader};
use crate::cli::state::text;
use crate::cli::{Global, NodeUrlArgs};
use crate::config::MineTo;
use crate::live::clock::LiveClock;
use crate::live::miner::grind;
use crate::ports::Clock;

/// Pause after a refusal, or while the node cannot be reached.
const REST: Millis = Millis::from_secs(1);

/// Flags of `archivas miner`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  archivas miner --to arcv1... --node http://127.0.0.1:8080")]
pub struct MinerArgs {
    /// Who gets the rewards
    #[arg(long, value_name = "ADDRESS")]
    to: MineTo,
    /// Stop after so many blocks [default: never]
    #[arg(long)]
    count: Option<u64>,
    #[command(flatten)]
    node: NodeUrlArgs,
}

/// Mines until it has as many blocks as were wanted.
pub async fn run(args: MinerArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let client = args.node.client(global)?;
    let clock = LiveClock::start();
    let path = format!("/challenge?producer={}", args.to.0);
    // That nobody is there is told at once; one that goes away later may come back.
    client.get(&path).await?;
    let mut found = 0;
    while args.count.is_none_or(|count| found < count) {
        match attempt(&client, &path).await {
            Ok(None) => {}
            Ok(Some(mined)) => {
                found += 1;
                let line = format!("{} {}", text(&mined, "height"), text(&mined, "hash"));
                if output.print(&mined, line)? == Reader::Gone {
                    return Ok(());
                }
            }
            Err(failure) if failure.exit == Exit::Usage => return Err(failure),
            Err(failure) => {
                crate::cli::output::complain(&failure.sentence);
                clock.sleep(REST).await;
            }
        }
    }
    Ok(())
}

/// Works on one template for as long as it is fresh; the block, if one was found and taken.
async fn attempt(client: &Client, path: &str) -> Result<Option<Value>, Failure> {
    let challenge = client.get_ok(path).await?;
    let header = header(&challenge).ok_or_else(|| {
        Failure::refused("what the node calls a challenge is none: is it an Archivas node?")
    })?;
    let fresh = challenge["expires_ms"].as_u64().unwrap_or(1_000).max(250);
    let Some(nonce) = seal(header, Duration::from_millis(fresh)).await else {
        return Ok(None);
    };
    let body = json!({ "template_id": challenge["template_id"], "nonce": nonce.to_string() });
    let answer = client.post("/submitBlock", body.to_string()).await?;
    let code = answer.body.get("code").and_then(Value::as_str);
    match (answer.body.get("ok"), code) {
        (Some(Value::Bool(true)), _) => Ok(Some(json!({
            "height": challenge["height"], "hash": answer.body["hash"],
        }))),
        // Another block came first.
        (_, Some("stale_template")) => Ok(None),
        _ => Err(answer.refusal()),
    }
}

fn header(challenge: &Value) -> Option<Header> {
    let bytes = const_hex::decode_to_array(challenge["header"].as_str()?).ok()?;
    let header = Header::decode(&bytes);
    header.bits.expand().ok().map(|_| header)
}

/// The nonce that seals `header`, if one is found in time.
async fn seal(header: Header, at_most: Duration) -> Option<u64> {
    let give_up = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&give_up);
    let grinding = tokio::task::spawn_blocking(move || grind(header, &flag));
    let sealed = tokio::time::timeout(at_most, grinding).await;
    give_up.store(true, Ordering::Relaxed);
    Some(sealed.ok()?.ok()??.nonce)
}
