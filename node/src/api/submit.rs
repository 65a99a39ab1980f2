//! Transfers from wallets: `/submit` and its old name `/broadcast`. What cannot be read is 400;
//! what can be read but is not taken is 200 with `ok: false`, as the wallets expect.

use archivas_core::node::Answer;
use archivas_core::primitives::TxId;
use archivas_core::primitives::wire::WireTransfer;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError, refused};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use crate::ports::{Clock, Command};

#[derive(Serialize)]
struct Accepted {
    ok: bool,
    hash: TxId,
}

pub async fn submit<C: Clock>(body: &[u8], context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    context.metrics.observe_submit_received();
    let outcome = admit(body, context).await;
    match &outcome {
        Ok(Answer::Accepted(_)) => context.metrics.observe_submit_accepted(),
        Ok(Answer::Refused { code, .. }) => context.metrics.observe_submit_ignored(code),
        Ok(Answer::BlockAccepted(_) | Answer::Done) => {
            context.metrics.observe_submit_ignored("other")
        }
        Err(error) => context.metrics.observe_submit_ignored(error.code),
    }
    match outcome? {
        Answer::Accepted(hash) => Ok(ApiAnswer::ok(&Accepted { ok: true, hash })),
        Answer::Refused { code, sentence } => Ok(refused(code, &sentence)),
        Answer::BlockAccepted(_) | Answer::Done => {
            unreachable!("a transfer is never answered as a block")
        }
    }
}

async fn admit<C: Clock>(body: &[u8], context: &ApiContext<C>) -> Result<Answer, ApiError> {
    let wire = WireTransfer::parse(body)
        .map_err(|error| ApiError::malformed(error.code, error.sentence))?;
    let signed = match wire.into_signed(&context.genesis.domain) {
        Ok(signed) => signed,
        Err(error) => {
            return Ok(Answer::Refused {
                code: error.code,
                sentence: error.sentence,
            });
        }
    };
    context
        .ask(ANSWER_TIMEOUT, |place| Command::Submit(signed, place))
        .await
}

#[cfg(test)]
mod tests {
    use crate::tests::world::{TestNode, payment};
    use serde_json::{Value, json};

    #[tokio::test(start_paused = true)]
    async fn a_good_transfer_is_accepted_under_both_names() {
        let node = TestNode::start().await;
        for (nonce, route) in [(0, "/submit"), (1, "/broadcast")] {
            let wire: Value = serde_json::from_str(&payment(nonce)).unwrap();
            let expected = json!({ "ok": true, "hash": wire["hash"] });
            assert_eq!(node.post(route, &payment(nonce)).await, (200, expected));
        }
        let text = node.metrics().await;
        assert!(
            text.contains("\narchivas_submit_received_total 2\n"),
            "{text}"
        );
        assert!(
            text.contains("\narchivas_submit_accepted_total 2\n"),
            "{text}"
        );
        assert!(text.contains("\narchivas_mempool_transfers 2\n"), "{text}");
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_but_not_taken_is_200_with_the_reason() {
        let node = TestNode::start().await;
        let spoilt = payment(0).replace("\"amount\":10,", "\"amount\":11,");
        let (status, answer) = node.post("/submit", &spoilt).await;
        assert_eq!((status, &answer["ok"]), (200, &json!(false)));
        assert_eq!(answer["code"], "hash_mismatch");
        let mut wire: Value = serde_json::from_str(&payment(0)).unwrap();
        let other: Value = serde_json::from_str(&payment(1)).unwrap();
        wire["sig"] = other["sig"].clone();
        let (status, answer) = node.post("/submit", &wire.to_string()).await;
        assert_eq!((status, &answer["ok"]), (200, &json!(false)));
        assert!(answer["error"].as_str().unwrap().len() > 10);
        let text = node.metrics().await;
        assert!(
            text.contains("\narchivas_submit_ignored_total 2\n"),
            "{text}"
        );
        let reason = "archivas_submit_refused_total{reason=\"hash_mismatch\"} 1";
        assert!(text.contains(reason), "{text}");
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_400() {
        let node = TestNode::start().await;
        let float = payment(0).replace("\"amount\":10,", "\"amount\":10.0,");
        let extra = payment(0).replace("{\"tx\"", "{\"x\":1,\"tx\"");
        for body in ["", "null", "[]", "{}", &float, &extra] {
            let (status, answer) = node.post("/submit", body).await;
            assert_eq!((status, &answer["ok"]), (400, &json!(false)), "{body}");
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_503_and_never_yes() {
        let node = TestNode::start().await;
        let stalled = node.with_stalled_loop();
        let (status, answer) = stalled.post("/submit", &payment(0)).await;
        assert_eq!((status, &answer["code"]), (503, &json!("node_busy")));
        assert_eq!(answer["ok"], false);
    }
}
