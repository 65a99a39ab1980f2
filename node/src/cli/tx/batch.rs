//! `archivas tx batch`: a file of payments, sent in order under consecutive nonces. Nothing is sent
//! before every line has been read. When the node has no room it is asked again; when it refuses a
//! line the batch ends there, and says which lines are sent.

use std::path::PathBuf;
use std::time::Duration;

use archivas_core::primitives::wire::WireTransfer;
use archivas_core::primitives::{AccountNonce, Millis, TxId};
use clap::Args;
use serde_json::{Value, json};

use super::{PaymentArgs, SignerArgs, WaitArgs, confirmed, domain, next_nonce};
use crate::cli::client::{Answer, Client};
use crate::cli::exit::Failure;
use crate::cli::output::{Output, Reader};
use crate::cli::state::text;
use crate::cli::{Global, NodeUrlArgs};
use crate::live::clock::LiveClock;
use crate::ports::Clock;

/// Pause before a node that has no room is asked again.
const PAUSE: Millis = Millis::new(500);
/// How often it is asked: two minutes in all.
const TRIES: u32 = 240;
/// Codes of refusals that pass by themselves.
const PASSING: [&str; 6] = [
    "busy",
    "node_busy",
    "rate_limited",
    "sender_full",
    "nonce_too_high",
    "mempool_full",
];

const AFTER: &str = "\
Each line of the file is ADDRESS,AMOUNT[,FEE[,MEMO]]; empty lines and lines that begin with # are
skipped. Examples of lines:
  arcv17zjef55h3k5gq0mfvvj75z422pzu7t55emhkn8,5RCHV
  arcv17zjef55h3k5gq0mfvvj75z422pzu7t55emhkn8,150000000,200,rent for May";

/// Flags of `archivas tx batch`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct BatchArgs {
    /// File of payments, a line each
    file: PathBuf,
    /// Begin with this line of the file, to go on after a failure
    #[arg(long, default_value_t = 1, value_name = "LINE")]
    from_line: usize,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    node: NodeUrlArgs,
}

/// One payment and where it stands in the file.
#[derive(Debug)]
struct Line {
    number: usize,
    payment: PaymentArgs,
}

/// Sends the payments of a file.
pub async fn run(args: BatchArgs, global: &Global, output: &Output) -> Result<(), Failure> {
    let file = std::fs::read_to_string(&args.file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", args.file.display())))?;
    let lines = parse(&file, args.from_line)?;
    let client = args.node.client(global)?;
    let signer = args.signer.unlock()?;
    let domain = domain(&client).await?;
    let mut nonce = next_nonce(&client, &signer.address()).await?;
    let mut last = None;
    for line in &lines {
        let transfer = signer.sign(&domain, line.payment.with(nonce)?);
        let id = transfer.id(&domain);
        let wire = WireTransfer::from_signed(&transfer, &domain);
        hand_in(&client, wire).await.map_err(|failure| Failure {
            sentence: format!(
                "line {} was not sent: {}; the lines before it were: go on with --from-line {}",
                line.number, failure.sentence, line.number
            ),
            ..failure
        })?;
        let value =
            json!({ "line": line.number, "nonce": nonce.to_string(), "hash": id.to_string() });
        // What was begun is finished, whether anybody reads on or not.
        let _: Reader =
            output.print(&value, format!("line {}  nonce {nonce}  {id}", line.number))?;
        nonce = AccountNonce::new(nonce.get() + 1);
        last = Some(id);
    }
    match (last, args.wait.wait) {
        (Some(id), Some(seconds)) => settle(&client, id, seconds, output).await,
        _ => Ok(()),
    }
}

/// The last nonce is confirmed after all others.
async fn settle(client: &Client, id: TxId, seconds: u64, output: &Output) -> Result<(), Failure> {
    let status = confirmed(client, id, Duration::from_secs(seconds)).await?;
    let value = json!({ "confirmed": true, "height": status.get("height") });
    output.print(
        &value,
        format!("all are confirmed by block {}", text(&status, "height")),
    )?;
    Ok(())
}

async fn hand_in(client: &Client, wire: String) -> Result<(), Failure> {
    let clock = LiveClock::start();
    let mut tries = 0;
    loop {
        let answer = client.post("/submit", wire.clone()).await?;
        if answer.status == 200 && answer.body.get("ok") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        if code(&answer) == Some("already_known") {
            // An earlier try arrived after all.
            return Ok(());
        }
        tries += 1;
        if !passes(&answer) || tries > TRIES {
            return Err(answer.refusal());
        }
        clock.sleep(PAUSE).await;
    }
}

fn passes(answer: &Answer) -> bool {
    code(answer).is_some_and(|code| PASSING.contains(&code))
}

fn code(answer: &Answer) -> Option<&str> {
    answer.body.get("code").and_then(Value::as_str)
}

fn parse(file: &str, from_line: usize) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for (index, text) in file.lines().enumerate() {
        let number = index + 1;
        if number < from_line || text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let payment = payment(text)
            .map_err(|why| Failure::usage(format!("line {number}: {why}; nothing was sent")))?;
        payment.with(AccountNonce::new(0))?;
        lines.push(Line { number, payment });
    }
    Ok(lines)
}

fn payment(text: &str) -> Result<PaymentArgs, String> {
    let mut parts = text.splitn(4, ',').map(str::trim);
    let to = parts.next().unwrap_or_default().parse()?;
    let amount = parts.next().ok_or("the amount is missing")?.parse()?;
    let fee = parts.next().filter(|fee| !fee.is_empty());
    Ok(PaymentArgs {
        to,
        amount,
        fee: fee.unwrap_or(super::FEE_DEFAULT).parse()?,
        memo: parts.next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "arcv17zjef55h3k5gq0mfvvj75z422pzu7t55emhkn8";

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let file = format!("# pay\n{TO},5\n\n{TO}, 1.5RCHV ,200, for, tea\n{TO},7,,x\n");
        let lines = parse(&file, 1).expect("good lines");
        let read: Vec<_> = lines
            .iter()
            .map(|line| {
                (
                    line.number,
                    line.payment.amount.0.get(),
                    line.payment.fee.0.get(),
                )
            })
            .collect();
        assert_eq!(read, [(2, 5, 100), (4, 150_000_000, 200), (5, 7, 100)]);
        assert_eq!(lines[1].payment.memo, "for, tea");
        assert_eq!(parse(&file, 5).expect("the last").len(), 1);
        for bad in ["x,5", TO, &format!("{TO},x"), &format!("{TO},5,x")] {
            let refused = parse(&format!("{TO},5\n{bad}\n"), 1).expect_err(bad);
            assert!(
                refused.sentence.starts_with("line 2: "),
                "{}",
                refused.sentence
            );
        }
    }
}
