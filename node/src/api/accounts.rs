//! All accounts, page by page: `/accounts`.

use archivas_core::primitives::Address;
use archivas_core::schema;
use serde::Serialize;

use super::account::parse;
use super::answer::{ApiAnswer, ApiError};
use super::context::ApiContext;
use super::query::Query;
use crate::ports::Clock;

/// Accounts of a page when the caller names no number.
const PAGE_DEFAULT: usize = 100;
/// The most accounts of a page: about 100 KB of answer.
const PAGE_MAX: usize = 1_000;

#[derive(Serialize)]
struct Accounts {
    count: usize,
    accounts: Vec<AccountBody>,
    /// What `after` must be for the next page; null on the last one.
    next: Option<Address>,
}

/// Numbers, as `/balance` has them: this is an old route.
#[derive(Serialize)]
struct AccountBody {
    address: Address,
    balance: u64,
    nonce: u64,
}

/// Accounts in the order of the bytes of their addresses, those after `after`.
pub fn accounts<C: Clock>(query: &Query, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let limit = query.count("limit", PAGE_DEFAULT, PAGE_MAX)?;
    let after = query.get("after").map(parse).transpose()?;
    let mut rows = schema::accounts(&context.snapshot()?, after.as_ref(), limit + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(address, _)| *address);
    let accounts: Vec<AccountBody> = rows
        .into_iter()
        .map(|(address, account)| AccountBody {
            address,
            balance: account.balance.get(),
            nonce: account.nonce.get(),
        })
        .collect();
    Ok(ApiAnswer::ok(&Accounts {
        count: accounts.len(),
        accounts,
        next,
    }))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::{TestNode, rich};
    use serde_json::{Value, json};

    #[tokio::test(start_paused = true)]
    async fn accounts_come_page_by_page_with_their_balances() {
        let node = TestNode::start().await;
        let payer = rich().address().to_string();
        let only = json!({ "address": payer, "balance": 1_000_000, "nonce": 0 });
        let expected = json!({ "count": 1, "accounts": [only], "next": null });
        assert_eq!(node.get("/accounts").await, (200, expected));
        node.pay(0).await;
        node.mine().await;
        let (_, all) = node.get("/accounts?limit=2").await;
        assert_eq!((&all["count"], &all["next"]), (&json!(2), &Value::Null));
        let (_, first) = node.get("/accounts?limit=1").await;
        assert_eq!(first["accounts"][0], all["accounts"][0]);
        let next = first["next"].as_str().unwrap();
        assert_eq!(next, first["accounts"][0]["address"]);
        let (_, second) = node.get(&format!("/accounts?limit=1&after={next}")).await;
        assert_eq!(second["accounts"][0], all["accounts"][1]);
        assert_eq!(second["next"], Value::Null);
        let receiver = json!({
            "address": "arcv1tl629vpnnlx64lmwjjm2256g4g8r46plfgym0p", "balance": 10, "nonce": 0,
        });
        assert!(all["accounts"].as_array().unwrap().contains(&receiver));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_out_of_bounds_or_after_no_address_is_400() {
        let node = TestNode::start().await;
        for query in ["limit=0", "limit=1001", "after=", "after=x"] {
            let (status, _) = node.get(&format!("/accounts?{query}")).await;
            assert_eq!(status, 400, "{query}");
        }
        node.stop().await;
    }
}
