//! What a text names: `/search`. A height, a block, a transfer or an account, told by its form and
//! then looked for; what is not there is 404.

use archivas_core::primitives::{Address, BlockId, Height, TxId};
use archivas_core::schema;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use super::query::{Query, malformed};
use crate::ports::{Clock, Command};
use crate::store::Snapshot;

#[derive(Serialize)]
struct Found<'a> {
    query: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    result: Place,
}

/// The route that shows what was found.
#[derive(Serialize)]
struct Place {
    redirect: String,
}

pub async fn search<C: Clock>(
    query: &Query,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let text = query.get("q").unwrap_or_default().trim();
    if text.is_empty() {
        return Err(malformed("q must name a height, a hash or an address"));
    }
    let snapshot = context.snapshot()?;
    let place = match stored(text, &snapshot)? {
        Some(place) => Some(place),
        None => waiting(text, context).await?,
    };
    let unknown = || ApiError::unknown("nothing of that name is known");
    let (kind, redirect) = place.ok_or_else(unknown)?;
    Ok(ApiAnswer::ok(&Found {
        query: text,
        kind,
        result: Place { redirect },
    }))
}

/// What the database has of that name: its kind and its route.
fn stored(text: &str, snapshot: &Snapshot) -> Result<Option<(&'static str, String)>, ApiError> {
    if let Ok(address) = text.parse::<Address>() {
        return Ok(Some(("account", format!("/account/{address}"))));
    }
    // A hash may happen to be of decimal digits only; a height has no more than 20.
    if text.len() <= 20
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(height) = text.parse()
    {
        let found = schema::best_id(snapshot, Height::new(height))?;
        return Ok(found.map(|_| ("block", format!("/block/{height}"))));
    }
    if let Ok(id) = text.parse::<BlockId>()
        && schema::has_body(snapshot, &id)?
    {
        return Ok(Some(("block", format!("/block/{id}"))));
    }
    if let Ok(id) = text.parse::<TxId>()
        && schema::tx_location(snapshot, &id)?.is_some()
    {
        return Ok(Some(("tx", format!("/tx/{id}"))));
    }
    Ok(None)
}

/// A transfer of that hash in the mempool.
async fn waiting<C: Clock>(
    text: &str,
    context: &ApiContext<C>,
) -> Result<Option<(&'static str, String)>, ApiError> {
    let Ok(id) = text.parse::<TxId>() else {
        return Ok(None);
    };
    let ask = |place| Command::Waiting(id, place);
    let found = context.ask(ANSWER_TIMEOUT, ask).await?;
    Ok(found.map(|_| ("tx", format!("/tx/{id}"))))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::{TestNode, rich};
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn whatever_has_a_name_is_found_and_its_route_answers() {
        let node = TestNode::start().await;
        let confirmed = node.pay(0).await;
        let block = node.mine().await;
        let waiting = node.pay(1).await;
        let address = rich().address().to_string();
        for (name, kind, redirect) in [
            ("1", "block", "/block/1".to_owned()),
            (&block, "block", format!("/block/{block}")),
            (&confirmed, "tx", format!("/tx/{confirmed}")),
            (&waiting, "tx", format!("/tx/{waiting}")),
            (&address, "account", format!("/account/{address}")),
        ] {
            let expected =
                json!({ "query": name, "type": kind, "result": { "redirect": redirect } });
            let answer = node.get(&format!("/search?q=+{name}%20")).await;
            assert_eq!(answer, (200, expected));
            assert_eq!(node.get(&redirect).await.0, 200);
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_names_nothing_is_404_and_no_name_400() {
        let node = TestNode::start().await;
        let zeros = "0".repeat(64);
        for name in ["2", "99999999999999999999999", "x", "arcv1", &zeros] {
            let (status, answer) = node.get(&format!("/search?q={name}")).await;
            assert_eq!((status, &answer["code"]), (404, &json!("not_found")));
        }
        for query in ["", "?q=", "?q=%20"] {
            assert_eq!(node.get(&format!("/search{query}")).await.0, 400);
        }
        node.stop().await;
    }
}
