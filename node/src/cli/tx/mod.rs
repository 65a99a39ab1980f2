//! `archivas tx`: transfers, signed here and handed to a node's API.

mod batch;
mod money;
mod sign;

use std::path::PathBuf;
use std::time::Duration;

use archivas_core::primitives::wire::WireTransfer;
use archivas_core::primitives::{AccountNonce, Domain, Memo, Millis, Payment, TxId};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::output::Output;
use crate::cli::secret_input;
use crate::cli::state::text;
use crate::cli::{Global, NodeUrlArgs};
use crate::config::MineTo;
use crate::live::clock::LiveClock;
use crate::ports::Clock;
use money::{Money, digits};
use sign::{OfflineArgs, SignerArgs};

/// Pause between two looks at a transfer that is waited for.
const POLL: Millis = Millis::new(100);
/// The fee of the built-in networks' minimum, in base units.
const FEE_DEFAULT: &str = "100";

const EXAMPLES: &str = "\
Examples:
  archivas tx send --key savings --to arcv1... --amount 5RCHV --wait
  archivas tx send --dev-key 0 --to arcv1... --amount 100000000 --fee 200
  archivas tx batch payments.csv --key savings
  archivas tx sign --key savings --to arcv1... --amount 5RCHV --nonce 7 --network archivas > t.json
  archivas tx submit t.json";

/// What to do with a transfer.
#[derive(Debug, Subcommand)]
pub enum TxCommand {
    /// Sign a transfer and hand it to a node
    #[command(after_help = EXAMPLES)]
    Send {
        #[command(flatten)]
        signer: SignerArgs,
        #[command(flatten)]
        payment: PaymentArgs,
        #[command(flatten)]
        wait: WaitArgs,
        #[command(flatten)]
        node: NodeUrlArgs,
    },
    /// Sign a transfer without a node, and print it for `archivas tx submit`
    #[command(after_help = EXAMPLES)]
    Sign {
        #[command(flatten)]
        signer: SignerArgs,
        #[command(flatten)]
        payment: PaymentArgs,
        #[command(flatten)]
        offline: OfflineArgs,
    },
    /// Hand a signed transfer to a node
    #[command(after_help = EXAMPLES)]
    Submit {
        /// File with what `archivas tx sign` printed; `-` for standard input
        file: PathBuf,
        #[command(flatten)]
        wait: WaitArgs,
        #[command(flatten)]
        node: NodeUrlArgs,
    },
    /// Send a whole file of transfers, one after the other
    Batch(batch::BatchArgs),
    /// Where a transfer stands
    Status {
        /// The transfer's id
        id: TxId,
        #[command(flatten)]
        node: NodeUrlArgs,
    },
}

/// What is paid, and to whom.
#[derive(Clone, Debug, Args)]
pub struct PaymentArgs {
    /// Who receives
    #[arg(long, value_name = "ADDRESS")]
    to: MineTo,
    /// What is received: base units (100000000 are 1 RCHV), or with unit, such as 1.5RCHV
    #[arg(long)]
    amount: Money,
    /// What the producer of the block gets, as --amount
    #[arg(long, default_value = FEE_DEFAULT)]
    fee: Money,
    /// A note of at most 256 bytes, which everybody can read
    #[arg(long, default_value = "")]
    memo: String,
}

impl PaymentArgs {
    fn with(&self, nonce: AccountNonce) -> Result<Payment, Failure> {
        let memo = Memo::new(self.memo.clone());
        Ok(Payment {
            to: self.to.0,
            amount: self.amount.0,
            fee: self.fee.0,
            nonce,
            memo: memo.map_err(|_| Failure::usage("--memo has at most 256 bytes"))?,
        })
    }
}

/// Whether to wait.
#[derive(Clone, Debug, Args)]
pub struct WaitArgs {
    /// Wait until it is in a block, at most this many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true,
        default_missing_value = "120")]
    wait: Option<u64>,
}

/// Runs `archivas tx`.
pub async fn run(command: TxCommand, global: &Global, output: &Output) -> Result<(), Failure> {
    match command {
        TxCommand::Send {
            signer,
            payment,
            wait,
            node,
        } => {
            let client = node.client(global)?;
            let signer = signer.unlock()?;
            let domain = domain(&client).await?;
            let nonce = next_nonce(&client, &signer.address()).await?;
            let transfer = signer.sign(&domain, payment.with(nonce)?);
            let wire = WireTransfer::from_signed(&transfer, &domain);
            let id = transfer.id(&domain);
            submit(&client, wire).await?;
            follow(&client, id, &wait, output).await
        }
        TxCommand::Sign {
            signer,
            payment,
            offline,
        } => {
            let domain = offline.domain(global)?;
            let payment = payment.with(offline.nonce())?;
            let transfer = signer.unlock()?.sign(&domain, payment);
            let wire = WireTransfer::from_signed(&transfer, &domain);
            let value: Value = serde_json::from_str(&wire).expect("our own JSON");
            output.print(&value, wire)?;
            Ok(())
        }
        TxCommand::Submit { file, wait, node } => {
            let from = Some(file.as_path()).filter(|file| *file != std::path::Path::new("-"));
            let wire = secret_input::backup(from)?;
            let read: Option<Value> = serde_json::from_str(&wire).ok();
            let id = read.and_then(|wire| wire.get("hash")?.as_str()?.parse().ok());
            let id = id.ok_or_else(|| Failure::usage("that is no signed transfer"))?;
            let client = node.client(global)?;
            submit(&client, wire.trim().to_owned()).await?;
            follow(&client, id, &wait, output).await
        }
        TxCommand::Batch(args) => batch::run(args, global, output).await,
        TxCommand::Status { id, node } => {
            let status = node.client(global)?.get_ok(&format!("/tx/{id}")).await?;
            output.print(&status, standing(&status))?;
            Ok(())
        }
    }
}

/// Hands a transfer in; the node has it on disk when this succeeds.
async fn submit(client: &Client, wire: String) -> Result<(), Failure> {
    let answer = client.post("/submit", wire).await?;
    match answer.status == 200 && answer.body.get("ok") == Some(&Value::Bool(true)) {
        true => Ok(()),
        false => Err(answer.refusal()),
    }
}

/// Says what was sent, at once or when it is in a block.
async fn follow(
    client: &Client,
    id: TxId,
    wait: &WaitArgs,
    output: &Output,
) -> Result<(), Failure> {
    let Some(seconds) = wait.wait else {
        output.print(&json!({ "hash": id.to_string(), "confirmed": false }), id)?;
        return Ok(());
    };
    let status = confirmed(client, id, Duration::from_secs(seconds)).await?;
    let value = json!({
        "hash": id.to_string(), "confirmed": true, "height": status.get("height"),
    });
    output.print(&value, format!("{id} {}", standing(&status)))?;
    Ok(())
}

/// For which network the node signs.
async fn domain(client: &Client) -> Result<Domain, Failure> {
    let version = client.get_ok("/version").await?;
    text(&version, "txDomain").parse().map_err(|error| {
        Failure::refused(format!(
            "the node does not say for which network to sign: {error}"
        ))
    })
}

/// The nonce of the account's next transfer: what already waits in the pool comes before.
async fn next_nonce(
    client: &Client,
    address: &archivas_core::primitives::Address,
) -> Result<AccountNonce, Failure> {
    let account = client.get_ok(&format!("/account/{address}")).await?;
    let next = if account.get("pendingNonce").is_some() {
        "pendingNonce"
    } else {
        "nonce"
    };
    digits(&text(&account, next))
        .map(AccountNonce::new)
        .ok_or_else(|| Failure::refused("the node does not tell the sender's nonce"))
}

/// Asks until the transfer is in a block.
async fn confirmed(client: &Client, id: TxId, at_most: Duration) -> Result<Value, Failure> {
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
