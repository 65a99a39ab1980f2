//! Accounts: `/account/<address>` and, for old clients, `/balance/<address>`. An account that has
//! no row is an empty one; an address that is none is the caller's mistake.

use archivas_core::primitives::{Address, BadAddress};
use archivas_core::schema;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ApiContext, HINT_TIMEOUT};
use crate::ports::{Clock, Command};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountBody {
    address: Address,
    balance: String,
    nonce: String,
    pending_nonce: String,
}

pub async fn account<C: Clock>(text: &str, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let address = parse(text)?;
    let account = schema::account(&context.snapshot()?, &address)?;
    // A hint for wallets: a busy loop leaves the hint out, it does not hold up the balance.
    let ask = |place| Command::NextNonce(address, place);
    let pending = context
        .ask(HINT_TIMEOUT, ask)
        .await
        .unwrap_or(account.nonce);
    Ok(ApiAnswer::ok(&AccountBody {
        address,
        balance: account.balance.to_string(),
        nonce: account.nonce.to_string(),
        pending_nonce: pending.max(account.nonce).to_string(),
    }))
}

#[derive(Serialize)]
struct BalanceBody {
    address: Address,
    balance: u64,
    nonce: u64,
}

pub fn balance<C: Clock>(text: &str, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let address = parse(text)?;
    let account = schema::account(&context.snapshot()?, &address)?;
    let (balance, nonce) = (account.balance.get(), account.nonce.get());
    Ok(ApiAnswer::ok(&BalanceBody {
        address,
        balance,
        nonce,
    }))
}

/// An address in a path or query.
pub fn parse(text: &str) -> Result<Address, ApiError> {
    text.parse()
        .map_err(|error: BadAddress| ApiError::malformed("malformed_address", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::{TestNode, rich};
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn an_account_has_its_balance_and_the_nonce_after_what_waits() {
        let node = TestNode::start().await;
        let address = rich().address().to_string();
        let expected = json!({
            "address": address, "balance": "1000000", "nonce": "0", "pendingNonce": "0",
        });
        let account = format!("/account/{address}");
        assert_eq!(node.get(&account).await, (200, expected));
        node.pay(0).await;
        node.pay(1).await;
        let expected = json!({
            "address": address, "balance": "1000000", "nonce": "0", "pendingNonce": "2",
        });
        assert_eq!(node.get(&account).await, (200, expected));
        node.mine().await;
        let expected = json!({
            "address": address, "balance": "2000999980", "nonce": "2", "pendingNonce": "2",
        });
        assert_eq!(node.get(&account).await, (200, expected));
        let expected = json!({ "address": address, "balance": 2_000_999_980_u64, "nonce": 2 });
        assert_eq!(
            node.get(&format!("/balance/{address}")).await,
            (200, expected)
        );
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_address_is_an_empty_account() {
        let node = TestNode::start().await;
        let address = "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p";
        let expected = json!({
            "address": address, "balance": "0", "nonce": "0", "pendingNonce": "0",
        });
        assert_eq!(
            node.get(&format!("/account/{address}")).await,
            (200, expected)
        );
        let expected = json!({ "address": address, "balance": 0, "nonce": 0 });
        assert_eq!(
            node.get(&format!("/balance/{address}")).await,
            (200, expected)
        );
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_malformed_address_is_400() {
        let node = TestNode::start().await;
        let upper = rich().address().to_string().to_uppercase();
        for text in [
            "",
            "x",
            "0x5ff4a2b0339fcdaaff6e94b6a55348aa0e3ae83f",
            &upper,
        ] {
            for route in ["account", "balance"] {
                let (status, answer) = node.get(&format!("/{route}/{text}")).await;
                assert_eq!(
                    (status, &answer["code"]),
                    (400, &json!("malformed_address"))
                );
                assert_eq!(answer["ok"], false);
            }
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_does_not_answer_leaves_the_balance_standing() {
        let node = TestNode::start().await;
        let (stalled, began) = (node.with_stalled_loop(), node.host.clock.now().monotonic);
        let address = rich().address().to_string();
        let (status, answer) = stalled.get(&format!("/account/{address}")).await;
        assert_eq!((status, &answer["balance"]), (200, &json!("1000000")));
        assert_eq!(answer["pendingNonce"], "0");
        assert_eq!(node.host.clock.now().monotonic.since(began), HINT_TIMEOUT);
    }
}
