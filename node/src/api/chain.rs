//! What this node is and where its chain ends: `/`, `/version`, `/chainTip`, `/genesisHash`.

use archivas_core::primitives::BlockId;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::ApiContext;
use super::shapes::block_work;
use crate::ports::Clock;

/// How blocks are found and difficulty is set, for people.
const CONSENSUS: &str = "sha3-pow-asert";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Root<'a> {
    status: &'a str,
    message: &'a str,
    network: &'a str,
    chain_id: u32,
    tx_domain: &'a str,
    genesis_hash: BlockId,
}

pub fn root<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let genesis = &context.genesis;
    ApiAnswer::ok(&Root {
        status: "ok",
        message: "Archivas node",
        network: &genesis.network,
        chain_id: genesis.chain_id(),
        tx_domain: genesis.domain.as_str(),
        genesis_hash: context.genesis_id,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version<'a> {
    version: &'a str,
    commit: &'a str,
    built_at: &'a str,
    build_time: &'a str,
    network: &'a str,
    consensus: &'a str,
    tx_domain: &'a str,
    tx_index: bool,
}

pub fn version<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let build = &context.build;
    ApiAnswer::ok(&Version {
        version: &build.version,
        commit: &build.commit,
        built_at: &build.built_at,
        build_time: &build.built_at,
        network: &context.genesis.network,
        consensus: CONSENSUS,
        tx_domain: context.genesis.domain.as_str(),
        // Every node of this version keeps the index.
        tx_index: true,
    })
}

#[derive(Serialize)]
struct ChainTip {
    height: String,
    hash: BlockId,
    difficulty: String,
}

pub fn tip<C: Clock>(context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let (_, tip) = context.snapshot_at_tip()?;
    Ok(ApiAnswer::ok(&ChainTip {
        height: tip.height.to_string(),
        hash: tip.id,
        difficulty: block_work(tip.header.bits).to_decimal(),
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenesisHash {
    genesis_hash: BlockId,
}

pub fn genesis_hash<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    ApiAnswer::ok(&GenesisHash {
        genesis_hash: context.genesis_id,
    })
}

#[cfg(test)]
mod tests {
    use crate::tests::world::TestNode;
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn the_root_says_which_network_this_is() {
        let node = TestNode::start().await;
        let genesis = node.genesis.id().to_string();
        let expected = json!({
            "status": "ok",
            "message": "Archivas node",
            "network": "dev",
            "chainId": u32::from_be_bytes(node.genesis.network_magic()),
            "txDomain": "Archivas-TxV1",
            "genesisHash": genesis,
        });
        assert_eq!(node.get("/").await, (200, expected));
        let expected = json!({ "genesisHash": genesis });
        assert_eq!(node.get("/genesisHash").await, (200, expected));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_version_is_what_the_node_was_told_of_its_build() {
        let node = TestNode::start().await;
        let expected = json!({
            "version": "1.2.3",
            "commit": "abc",
            "builtAt": "2026-01-02T03:04:05Z",
            "buildTime": "2026-01-02T03:04:05Z",
            "network": "dev",
            "consensus": "sha3-pow-asert",
            "txDomain": "Archivas-TxV1",
            "txIndex": true,
        });
        assert_eq!(node.get("/version").await, (200, expected));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_tip_is_genesis_and_then_the_last_block() {
        let node = TestNode::start().await;
        let genesis = node.genesis.id().to_string();
        let expected = json!({ "height": "0", "hash": genesis, "difficulty": "2" });
        assert_eq!(node.get("/chainTip").await, (200, expected));
        let hash = node.mine().await;
        let expected = json!({ "height": "1", "hash": hash, "difficulty": "2" });
        assert_eq!(node.get("/chainTip").await, (200, expected));
        node.stop().await;
    }
}
