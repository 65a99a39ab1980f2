//! `archivas tx send | status`: transfers, through a node's API.

use std::str::FromStr;
use std::time::Duration;

use archivas_core::params::networks;
use archivas_core::primitives::wire::WireTransfer;
use archivas_core::primitives::{
    AccountNonce, Amount, Domain, Memo, Payment, SecretKey, SignedTransfer, TxId,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::state::text;
use crate::cli::{Global, NodeUrlArgs};
use crate::config::MineTo;
use crate::live::clock::LiveClock;
use crate::ports::Clock;

/// Pause between two looks at a transfer that is waited for.
const POLL: archivas_core::primitives::Millis = archivas_core::primitives::Millis::new(100);
/// The fee of the built-in networks' minimum, in base units.
const FEE_DEFAULT: &str = "100";
/// Base units in one RCHV.
const UNITS: u64 = 100_000_000;
/// Digits after the point of an amount in RCHV.
const DECIMALS: usize = 8;

/// What to do with a transfer.
#[derive(Debug, Subcommand)]
pub enum TxCommand {
    /// Sign a transfer and hand it to a node
    Send(SendArgs),
    /// Where a transfer stands
    Status {
        /// The transfer's id
        id: TxId,
        #[command(flatten)]
        node: NodeUrlArgs,
    },
}

/// Flags of `archivas tx send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// Sign with a published test key of development networks: 0, 1 or 2
    #[arg(long, value_name = "0..2", value_parser = clap::value_parser!(u8).range(0..=2))]
    dev_key: u8,
    /// Who receives
    #[arg(long, value_name = "ADDRESS")]
    to: MineTo,
    /// What is received: base units (100000000 are 1 RCHV), or with unit, such as 1.5RCHV
    #[arg(long)]
    amount: Money,
    /// What the producer of the block gets, as --amount
    #[arg(long, default_value = FEE_DEFAULT)]
    fee: Money,
    /// A note of at most 256 bytes
    #[arg(long, default_value = "")]
    memo: String,
    /// Wait until it is in a block, at most this many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
        default_missing_value = "120")]
    wait: Option<u64>,
    #[command(flatten)]
    node: NodeUrlArgs,
}

/// An amount on the command line, in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Money(Amount);

impl FromStr for Money {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no amount: give base units, or RCHV such as 1.5RCHV");
        let units = match text.strip_suffix("RCHV") {
            None => digits(text).ok_or_else(wanted)?,
            Some(coins) => {
                let (whole, part) = coins
                    .trim_end()
                    .split_once('.')
                    .unwrap_or((coins.trim_end(), "0"));
                if part.is_empty() || part.len() > DECIMALS {
                    return Err(wanted());
                }
                let part = digits(&format!("{part:0<DECIMALS$}")).ok_or_else(wanted)?;
                let whole = digits(whole).and_then(|whole| whole.checked_mul(UNITS));
                whole
                    .and_then(|whole| whole.checked_add(part))
                    .ok_or_else(wanted)?
            }
        };
        Ok(Self(Amount::new(units)))
    }
}

/// Plain decimal digits, no sign.
fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Runs `archivas tx`.
pub async fn run(command: TxCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        TxCommand::Send(args) => send(args, global, output).await,
        TxCommand::Status { id, node } => {
            let status = node.client(global)?.get_ok(&format!("/tx/{id}")).await?;
            output.print(&status, standing(&status))?;
            Ok(())
        }
    }
}

async fn send(args: SendArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let client = args.node.client(global)?;
    let key = &networks::dev_keys()[usize::from(args.dev_key)];
    let (transfer, domain) = sign(&client, key, &args).await?;
    let id = transfer.id(&domain);
    let answer = client
        .post("/submit", WireTransfer::from_signed(&transfer, &domain))
        .await?;
    if answer.status != 200 || answer.body.get("ok") != Some(&Value::Bool(true)) {
        return Err(answer.refusal());
    }
    let Some(seconds) = args.wait else {
        output.print(&json!({ "hash": id.to_string(), "confirmed": false }), id)?;
        return Ok(());
    };
    let status = wait(&client, id, Duration::from_secs(seconds)).await?;
    let value = json!({
        "hash": id.to_string(), "confirmed": true, "height": status.get("height"),
    });
    output.print(&value, format!("{id} {}", standing(&status)))?;
    Ok(())
}

/// Signs for the node's network: its domain, and the sender's next nonce there.
async fn sign(
    client: &Client,
    key: &SecretKey,
    args: &SendArgs,
) -> Result<(SignedTransfer, Domain), Failure> {
    let version = client.get_ok("/version").await?;
    let domain: Domain = text(&version, "txDomain").parse().map_err(|error| {
        Failure::refused(format!(
            "the node does not say for which network to sign: {error}"
        ))
    })?;
    let account = client
        .get_ok(&format!("/account/{}", key.address()))
        .await?;
    // What already waits in the pool comes before.
    let next = if account.get("pendingNonce").is_some() {
        "pendingNonce"
    } else {
        "nonce"
    };
    let nonce = digits(&text(&account, next))
        .ok_or_else(|| Failure::refused("the node does not tell the sender's nonce"))?;
    let memo =
        Memo::new(args.memo.clone()).map_err(|_| Failure::usage("--memo has at most 256 bytes"))?;
    let payment = Payment {
        to: args.to.0,
        amount: args.amount.0,
        fee: args.fee.0,
        nonce: AccountNonce::new(nonce),
        memo,
    };
    Ok((SignedTransfer::sign(key, &domain, payment), domain))
}

/// Asks until the transfer is in a block.
async fn wait(client: &Client, id: TxId, at_most: Duration) -> Result<Value, Failure> {
    let clock = LiveClock::start();
    let confirmed = async {
        loop {
            let answer = client.get(&format!("/tx/{id}")).await?;
            if answer.body.get("confirmed") == Some(&Value::Bool(true)) {
                return Ok(answer.body);
            }
            clock.sleep(POLL).await;
        }
    };
    tokio::time::timeout(at_most, confirmed)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::refused(format!(
                "the transfer {id} was accepted, but is in no block after {} s; look again with \
             `archivas tx status {id}`",
                at_most.as_secs()
            )))
        })
}

fn standing(status: &Value) -> String {
    if status.get("confirmed") == Some(&Value::Bool(true)) {
        format!("confirmed in block {}", text(status, "height"))
    } else {
        "waits for a block".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_base_units_or_say_their_unit() {
        let units = |text: &str| text.parse::<Money>().map(|money| money.0.get());
        assert_eq!(units("12"), Ok(12));
        assert_eq!(units("1.5RCHV"), Ok(150_000_000));
        assert_eq!(units("0.00000001RCHV"), Ok(1));
        assert_eq!(units("184467440737.09551615RCHV"), Ok(u64::MAX));
        for bad in [
            "",
            "1.5",
            "-1",
            "+1",
            "1e3",
            "RCHV",
            ".5RCHV",
            "1.RCHV",
            "0.000000001RCHV",
            "184467440737.09551616RCHV",
            "18446744073709551616",
        ] {
            assert!(units(bad).is_err(), "{bad}");
        }
    }
}
