//! Questions to a node's HTTP API, and their answers as the player needs them. Every error is a
//! sentence that names what was asked.

use archivas_core::primitives::Address;
use serde_json::Value;

use crate::world::{HttpRequest, NodeIndex, World};

/// GET of `path`: the status, and the JSON of the body.
pub(super) async fn ask<W: World>(
    world: &mut W,
    node: NodeIndex,
    path: &str,
) -> Result<(u16, Value), String> {
    let answer = world.http(node, HttpRequest::get(path)).await;
    let answer = answer.map_err(|why| format!("GET {path}: {why}"))?;
    match serde_json::from_slice(&answer.body) {
        Ok(value) => Ok((answer.status, value)),
        Err(_) => Err(format!("GET {path}: status {} without JSON", answer.status)),
    }
}

/// GET of `path` whose status must be 200.
pub(super) async fn get<W: World>(
    world: &mut W,
    node: NodeIndex,
    path: &str,
) -> Result<Value, String> {
    match ask(world, node, path).await? {
        (200, value) => Ok(value),
        (status, value) => Err(format!("GET {path}: status {status}, {}", error_of(&value))),
    }
}

/// The text at a key.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value
        .get(key)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("no text `{key}` in {value}"))
}

/// The number at a key, whether it is written as text or as a number.
pub(super) fn number(value: &Value, key: &str) -> Result<u64, String> {
    let found = value.get(key).and_then(|value| match value {
        Value::String(digits) => digits.parse().ok(),
        other => other.as_u64(),
    });
    found.ok_or_else(|| format!("no number `{key}` in {value}"))
}

/// The sentence of an error's answer.
pub(super) fn error_of(value: &Value) -> String {
    let part = |key| value.get(key).and_then(Value::as_str).unwrap_or("?");
    format!("{} ({})", part("error"), part("code"))
}

/// Balance and nonce of an account.
pub(super) async fn account<W: World>(
    world: &mut W,
    node: NodeIndex,
    address: &Address,
) -> Result<(u64, u64), String> {
    let value = get(world, node, &format!("/account/{address}")).await?;
    Ok((number(&value, "balance")?, number(&value, "nonce")?))
}
