//! What a transfer should pay: `/estimateFee`.

use archivas_core::mempool::FeeRate;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use super::query::Query;
use crate::ports::{Clock, Command};

/// Bytes of a transfer when the caller names none, as the wallets assume.
const BYTES_DEFAULT: usize = 256;
/// The most bytes that anybody may ask for: what `/submit` reads.
const BYTES_MAX: usize = super::BODY_BYTES_MAX;
/// The rate of a pool that is not under pressure, in base units for 1,024 bytes.
const RATE_AT_REST: u64 = 100;

#[derive(Serialize)]
struct Estimate {
    fee: String,
}

/// The least fee that the mempool takes now for that many bytes.
pub async fn estimate<C: Clock>(
    query: &Query,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let bytes = query.count("bytes", BYTES_DEFAULT, BYTES_MAX)?;
    let floor = context.ask(ANSWER_TIMEOUT, Command::FeeFloor).await?;
    let fee = fee(bytes as u64, floor, context.genesis.rules.fee_min.get());
    Ok(ApiAnswer::ok(&Estimate {
        fee: fee.to_string(),
    }))
}

/// Under pressure the fee is rounded up, so that its rate is not below the floor.
fn fee(bytes: u64, floor: FeeRate, fee_min: u64) -> u64 {
    let under_pressure = (u128::from(bytes) * u128::from(floor.get())).div_ceil(1_024);
    let under_pressure = u64::try_from(under_pressure).unwrap_or(u64::MAX);
    fee_min
        .max(bytes * RATE_AT_REST / 1_024)
        .max(under_pressure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::TestNode;
    use archivas_core::primitives::Amount;
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn the_estimate_is_the_least_fee_or_the_rate_at_rest() {
        let node = TestNode::start().await;
        for (query, fee) in [
            ("", "100"),
            ("?bytes=256", "100"),
            ("?bytes=1", "100"),
            ("?bytes=2048", "200"),
            ("?bytes=65536", "6400"),
        ] {
            let answer = node.get(&format!("/estimateFee{query}")).await;
            assert_eq!(answer, (200, json!({ "fee": fee })), "{query}");
        }
        for bytes in ["0", "65537", "-1", "x", ""] {
            let (status, answer) = node.get(&format!("/estimateFee?bytes={bytes}")).await;
            assert_eq!((status, &answer["code"]), (400, &json!("malformed_query")));
        }
        node.stop().await;
    }

    #[test]
    fn under_pressure_the_fee_reaches_the_floor() {
        let floor = FeeRate::of(Amount::new(5_000), 333);
        let fee = fee(256, floor, 100);
        assert!(FeeRate::of(Amount::new(fee), 256) >= floor);
        assert!(FeeRate::of(Amount::new(fee - 1), 256) < floor);
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_loop_there_is_no_estimate() {
        let node = TestNode::start().await;
        let (status, answer) = node.with_stalled_loop().get("/estimateFee").await;
        assert_eq!((status, &answer["code"]), (503, &json!("node_busy")));
    }
}
