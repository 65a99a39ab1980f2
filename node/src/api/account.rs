//! Accounts: `/account/<address>` and, for old clients, `/balance/<address>`. An account that has
//! no row is an empty one; an address that is none is the caller's mistake.

use archivas_core::primitives::{Address, BadAddress};
use archivas_core::schema;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ApiContext, HEALTH_TIMEOUT};
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
        .ask(HEALTH_TIMEOUT, ask)
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
