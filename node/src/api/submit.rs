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
        Ok(Answer::BlockAccepted(_)) => context.metrics.observe_submit_ignored("other"),
        Err(error) => context.metrics.observe_submit_ignored(error.code),
    }
    match outcome? {
        Answer::Accepted(hash) => Ok(ApiAnswer::ok(&Accepted { ok: true, hash })),
        Answer::Refused { code, sentence } => Ok(refused(code, &sentence)),
        Answer::BlockAccepted(_) => unreachable!("a transfer is never answered as a block"),
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
