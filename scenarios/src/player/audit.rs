//! The questions to every node's API at the end, when all tips agree and nothing moves: does the
//! API tell of the tip that the core has, does the chain link, is all money there, are nonces
//! counts, do the nodes answer alike.

use std::collections::BTreeMap;

use archivas_core::primitives::Address;
use archivas_core::rules::issued;
use serde_json::Value;

use super::api;
use super::stage::Stage;
use crate::checks::{self, Check};
use crate::plan::{funded_key, producer_key};
use crate::world::{NodeIndex, Tip, World};

/// How many blocks below the tip are compared.
const BLOCKS: u64 = 20;

/// Asks every node that is up. `confirmed` is how many transfers each funded key has confirmed.
pub(super) async fn audit<W: World>(stage: &mut Stage<'_, W>, confirmed: &BTreeMap<usize, u64>) {
    let mut first_blocks = None;
    let mut first_accounts = None;
    let up: Vec<NodeIndex> = stage.up_nodes().collect();
    for node in up {
        let Some(tip) = stage.nodes[node.0].tip else {
            continue;
        };
        let result = api_agrees(stage, node, &tip).await;
        check(stage, checks::API_AGREES, node, result);
        let blocks = match blocks(stage, node, &tip).await {
            Ok(blocks) => blocks,
            Err(why) => {
                check(stage, checks::CHAIN_LINKS, node, Err(why));
                continue;
            }
        };
        check(stage, checks::CHAIN_LINKS, node, chain_links(&blocks, &tip));
        let accounts = match accounts(stage, node).await {
            Ok(accounts) => accounts,
            Err(why) => {
                check(stage, checks::SUPPLY, node, Err(why));
                continue;
            }
        };
        let result = supply(stage, &accounts, &tip);
        check(stage, checks::SUPPLY, node, result);
        check(stage, checks::NONCES, node, nonces(&accounts, confirmed));
        let first = first_blocks.get_or_insert_with(|| blocks.clone());
        // Who does not keep all has fewer.
        let both = first.len().min(blocks.len());
        let same = agree(&first[..both], &blocks[..both]).and_then(|()| {
            agree(
                first_accounts.get_or_insert_with(|| accounts.clone()),
                &accounts,
            )
        });
        check(stage, checks::ACCOUNTS_AGREE, node, same);
    }
}

fn check<W: World>(
    stage: &mut Stage<'_, W>,
    check: Check,
    node: NodeIndex,
    result: Result<(), String>,
) {
    let place = (stage.world.now(), Some(node));
    stage.tally.check(check, result.is_ok(), place, || {
        result.err().unwrap_or_default()
    });
}

fn require(holds: bool, sentence: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(sentence()) }
}

async fn api_agrees<W: World>(
    stage: &mut Stage<'_, W>,
    node: NodeIndex,
    tip: &Tip,
) -> Result<(), String> {
    let genesis = stage.world.genesis().id().to_string();
    let world = &mut stage.world;
    let id = tip.id.to_string();
    let told = api::get(world, node, "/chainTip").await?;
    let same = api::text(&told, "hash")? == id && api::number(&told, "height")? == tip.height.get();
    require(same, || {
        format!("/chainTip says {told}, but the tip is {} {id}", tip.height)
    })?;
    let told = api::get(world, node, "/genesisHash").await?;
    require(api::text(&told, "genesisHash")? == genesis, || {
        format!("/genesisHash says {told}, but the genesis is {genesis}")
    })?;
    let recent = api::get(world, node, "/blocks/recent?limit=1").await?;
    let newest = recent.get("blocks").and_then(|blocks| blocks.get(0));
    let newest = newest.ok_or_else(|| format!("/blocks/recent says {recent}"))?;
    require(api::text(newest, "hash")? == id, || {
        format!("/blocks/recent begins with {newest}, but the tip is {id}")
    })
}

/// The newest blocks as the node tells them, newest first.
async fn blocks<W: World>(
    stage: &mut Stage<'_, W>,
    node: NodeIndex,
    tip: &Tip,
) -> Result<Vec<Value>, String> {
    let top = tip.height.get();
    let mut blocks = Vec::new();
    for height in (top.saturating_sub(BLOCKS)..=top).rev() {
        let path = format!("/block/{height}");
        match api::ask(&mut stage.world, node, &path).await? {
            (200, block) => blocks.push(block),
            (404, why) if why["code"] == "below_base" && !stage.plan.keeps_all(node) => break,
            (status, why) => {
                let why = api::error_of(&why);
                return Err(format!("GET {path}: status {status}, {why}"));
            }
        }
    }
    Ok(blocks)
}

fn chain_links(blocks: &[Value], tip: &Tip) -> Result<(), String> {
    let mut wanted = tip.id.to_string();
    for block in blocks {
        let hash = api::text(block, "hash")?;
        require(hash == wanted, || {
            format!("{wanted} should be below its child, but {hash} is")
        })?;
        api::text(block, "prevHash")?.clone_into(&mut wanted);
    }
    Ok(())
}

/// Balance and nonce of every account of the plan: the funded keys, then the producers.
type Accounts = Vec<(Address, u64, u64)>;

async fn accounts<W: World>(stage: &mut Stage<'_, W>, node: NodeIndex) -> Result<Accounts, String> {
    let funded = (0..stage.plan.keys()).map(|number| funded_key(number).address());
    let producers = stage
        .plan
        .nodes
        .iter()
        .map(|node| producer_key(&node.name).address());
    let mut accounts = Accounts::new();
    for address in funded.chain(producers) {
        let (balance, nonce) = api::account(&mut stage.world, node, &address).await?;
        accounts.push((address, balance, nonce));
    }
    Ok(accounts)
}

/// Only the plan's accounts can hold money: all that was issued is on them.
fn supply<W: World>(stage: &Stage<'_, W>, accounts: &Accounts, tip: &Tip) -> Result<(), String> {
    let found: u128 = accounts
        .iter()
        .map(|(_, balance, _)| u128::from(*balance))
        .sum();
    let issued = u128::from(issued(stage.world.genesis(), tip.height).get());
    require(found == issued, || {
        format!(
            "all balances together are {found}, but {issued} was issued by {}",
            tip.height
        )
    })
}

fn nonces(accounts: &Accounts, confirmed: &BTreeMap<usize, u64>) -> Result<(), String> {
    for (number, (address, _, nonce)) in accounts.iter().enumerate() {
        let sent = confirmed.get(&number).copied().unwrap_or(0);
        require(*nonce == sent, || {
            format!("{address} has nonce {nonce}, but {sent} of its transfers were confirmed")
        })?;
    }
    Ok(())
}

fn agree<T: PartialEq + std::fmt::Debug>(first: &[T], here: &[T]) -> Result<(), String> {
    let difference = first.iter().zip(here).find(|(first, here)| first != here);
    match difference {
        None => require(first.len() == here.len(), || {
            "the lists differ in length".to_owned()
        }),
        Some((first, here)) => Err(format!("here {here:?}, and on the first node {first:?}")),
    }
}
