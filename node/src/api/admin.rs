//! What changes the node: `/admin/v1/…`, served on the admin socket and nowhere else. Bodies are
//! small JSON objects; what the node refuses is 409 with a code and a sentence.

use std::net::{IpAddr, SocketAddr};

use archivas_core::node::{Answer, Order};
use archivas_core::params::Retarget;
use archivas_core::primitives::{Address, Block, BlockId, Header, Millis};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::{ApiAnswer, ApiError};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use super::database;
use super::peers;
use super::query::Query;
use super::route::Takes;
use crate::ports::{Clock, Command};

/// Nonces that `mine` tries: with the trivial bits of test networks two or so do.
const TRIES_MAX: u64 = 65_536;

/// What an operator can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Follow a branch however deep it forks.
    AcceptBranch,
    /// Set a block and its descendants aside.
    Invalidate,
    /// Take such marks off again.
    Reconsider,
    /// Mine one block, on networks with fixed bits.
    Mine,
    /// See who is connected.
    Peers,
    /// Stay connected with an address.
    AddPeer,
    /// Stay connected with it no longer.
    RemovePeer,
    /// Have nothing to do with an IP address for a while.
    Ban,
    /// Take that back.
    Unban,
    /// See which log lines are written.
    Log,
    /// Change that.
    SetLog,
    /// See what is in the database.
    Database,
    /// Begin to write a snapshot of it.
    Export,
    /// See how far that is.
    Exported,
    /// End the node.
    Stop,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 15] = [
        Self::AcceptBranch,
        Self::Invalidate,
        Self::Reconsider,
        Self::Mine,
        Self::Peers,
        Self::AddPeer,
        Self::RemovePeer,
        Self::Ban,
        Self::Unban,
        Self::Log,
        Self::SetLog,
        Self::Database,
        Self::Export,
        Self::Exported,
        Self::Stop,
    ];

    /// The act that a path names.
    pub fn find(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.path() == path)
    }

    /// Its path, which is its name in metrics too.
    pub const fn path(self) -> &'static str {
        match self {
            Self::AcceptBranch => "/admin/v1/accept-branch",
            Self::Invalidate => "/admin/v1/invalidate",
            Self::Reconsider => "/admin/v1/reconsider",
            Self::Mine => "/admin/v1/mine",
            Self::Peers => "/admin/v1/peers",
            Self::AddPeer => "/admin/v1/peers/add",
            Self::RemovePeer => "/admin/v1/peers/remove",
            Self::Ban => "/admin/v1/peers/ban",
            Self::Unban => "/admin/v1/peers/unban",
            Self::Log => "/admin/v1/log",
            Self::SetLog => "/admin/v1/log/set",
            Self::Database => "/admin/v1/db",
            Self::Export => "/admin/v1/snapshot",
            Self::Exported => "/admin/v1/snapshot/progress",
            Self::Stop => "/admin/v1/stop",
        }
    }

    /// What methods it takes.
    pub const fn takes(self) -> Takes {
        match self {
            Self::Peers | Self::Log | Self::Database | Self::Exported => Takes::Get,
            _ => Takes::Post,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfBlock {
    hash: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPeer {
    address: SocketAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfAddress {
    ip: IpAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    ip: IpAddr,
    seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mine {
    to: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Log {
    filter: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Done, and where the best chain stands now.
#[derive(Serialize)]
struct Done {
    ok: bool,
    height: String,
    hash: BlockId,
}

/// Does what the operator asks.
pub async fn answer<C: Clock>(
    act: Act,
    body: &[u8],
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    match act {
        Act::AcceptBranch => order(Order::AcceptBranch(block(body)?), context).await,
        Act::Invalidate => order(Order::Invalidate(block(body)?), context).await,
        Act::Reconsider => order(Order::Reconsider(block(body)?), context).await,
        Act::Mine => mine(&read::<Mine>(body)?, context).await,
        Act::Peers => peers::peers(&Query::parse("verbose=1")?, context).await,
        Act::AddPeer => order(Order::AddPeer(peer(body)?), context).await,
        Act::RemovePeer => order(Order::RemovePeer(peer(body)?), context).await,
        Act::Ban => {
            let Ban { ip, seconds } = read(body)?;
            order(Order::Ban(ip, Millis::from_secs(seconds)), context).await
        }
        Act::Unban => order(Order::Unban(read::<OfAddress>(body)?.ip), context).await,
        Act::Log => log(context),
        Act::SetLog => set_log(&read::<Log>(body)?, context),
        Act::Database => database::answer_stats(context),
        Act::Export => database::begin(&read(body)?, context),
        Act::Exported => database::progress(context),
        Act::Stop => {
            read::<Nothing>(body)?;
            context.stop.cancel();
            done(context)
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::malformed("malformed", format!("the body is not so: {error}")))
}

fn block(body: &[u8]) -> Result<BlockId, ApiError> {
    let hash = read::<OfBlock>(body)?.hash;
    hash.parse()
        .map_err(|_| ApiError::malformed("malformed_hash", "hash must be 64 hex digits"))
}

fn peer(body: &[u8]) -> Result<SocketAddr, ApiError> {
    Ok(read::<OfPeer>(body)?.address)
}

fn conflict(code: &'static str, sentence: impl Into<String>) -> ApiError {
    ApiError::new(409, code, sentence)
}

fn done<C: Clock>(context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let (_, tip) = context.snapshot_at_tip()?;
    Ok(ApiAnswer::ok(&Done {
        ok: true,
        height: tip.height.to_string(),
        hash: tip.id,
    }))
}

async fn order<C: Clock>(order: Order, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let ask = |place| Command::Operate(order, place);
    match context.ask(ANSWER_TIMEOUT, ask).await? {
        Answer::Refused { code, sentence } => Err(conflict(code, sentence)),
        Answer::Done | Answer::Accepted(_) | Answer::BlockAccepted(_) => done(context),
    }
}

async fn mine<C: Clock>(wish: &Mine, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    if context.genesis.rules.retarget != Retarget::Fixed {
        let sentence = "on this network blocks take work: run `archivas node --mine ADDRESS` or \
                        `archivas miner`";
        return Err(conflict("work_needed", sentence));
    }
    let to: Address = super::account::parse(&wish.to)?;
    let ask = |place| Command::Template(to, place);
    let template = context.ask(ANSWER_TIMEOUT, ask).await?;
    let template = template.map_err(|why| conflict("no_template", why.to_string()))?;
    let header = seal(template.header)
        .ok_or_else(|| conflict("too_hard", "no seal was found: the network's bits are hard"))?;
    let transfers = template.transfers.iter();
    let block = Block {
        header,
        transfers: transfers.map(|one| one.signed().clone()).collect(),
    };
    let ask = |place| Command::SubmitBlock(block, place);
    match context.ask(ANSWER_TIMEOUT, ask).await? {
        Answer::Refused { code, sentence } => Err(conflict(code, sentence)),
        Answer::Done | Answer::Accepted(_) | Answer::BlockAccepted(_) => Ok(ApiAnswer::ok(&Done {
            ok: true,
            height: header.height.to_string(),
            hash: header.id(),
        })),
    }
}

fn seal(header: Header) -> Option<Header> {
    let target = header.bits.expand().ok()?;
    let tries = (0..TRIES_MAX).map(|nonce| Header { nonce, ..header });
    tries
        .into_iter()
        .find(|tried| target.is_met_by(&tried.id()))
}

fn log<C: Clock>(context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let machine = context.machine.as_ref().ok_or_else(no_machine)?;
    let filter = machine.log();
    Ok(ApiAnswer::ok(&Log { filter }))
}

fn set_log<C: Clock>(wish: &Log, context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let machine = context.machine.as_ref().ok_or_else(no_machine)?;
    machine
        .set_log(&wish.filter)
        .map_err(|sentence| ApiError::malformed("malformed_filter", sentence))?;
    log(context)
}

pub(super) fn no_machine() -> ApiError {
    conflict("no_machine", "this node runs on no machine of its own")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Door;
    use crate::tests::world::{TestApi, TestNode, rich};
    use serde_json::{Value, json};

    /// The node's API as its operator has it.
    fn admin(node: &TestNode) -> TestApi {
        let mut api = node.api.clone();
        api.door = Door::Admin;
        api
    }

    async fn tip(api: &TestApi) -> Value {
        api.get("/chainTip").await.1["hash"].clone()
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_of_it_is_there_over_the_network() {
        let node = TestNode::start().await;
        for act in Act::ALL {
            assert_eq!(node.get(act.path()).await.0, 404, "{act:?}");
            assert_eq!(node.post(act.path(), "{}").await.0, 404, "{act:?}");
        }
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_is_set_aside_and_taken_back() {
        let node = TestNode::start().await;
        let api = admin(&node);
        let first = node.mine().await;
        let second = node.mine().await;
        let body = json!({ "hash": second }).to_string();
        let (status, answer) = api.post("/admin/v1/invalidate", &body).await;
        let expected = json!({ "ok": true, "height": "1", "hash": first });
        assert_eq!((status, answer), (200, expected));
        let (status, answer) = api.post("/admin/v1/reconsider", &body).await;
        assert_eq!((status, &answer["hash"]), (200, &json!(second)));
        assert_eq!(tip(&api).await, json!(second));
        let (status, _) = api.post("/admin/v1/accept-branch", &body).await;
        assert_eq!(status, 200);
        let stranger = json!({ "hash": "ab".repeat(32) }).to_string();
        let (status, answer) = api.post("/admin/v1/accept-branch", &stranger).await;
        assert_eq!((status, &answer["code"]), (409, &json!("unknown_block")));
        let genesis = json!({ "hash": node.genesis.id().to_string() }).to_string();
        let (status, answer) = api.post("/admin/v1/invalidate", &genesis).await;
        assert_eq!((status, &answer["code"]), (409, &json!("genesis")));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn mining_makes_a_block_for_whom_the_operator_names() {
        let node = TestNode::start().await;
        let api = admin(&node);
        node.pay(0).await;
        let to = rich().address().to_string();
        let body = json!({ "to": to }).to_string();
        let (status, answer) = api.post("/admin/v1/mine", &body).await;
        assert_eq!((status, &answer["height"]), (200, &json!("1")));
        assert_eq!(tip(&api).await, answer["hash"]);
        let (_, block) = api.get("/block/1").await;
        assert_eq!(
            (&block["farmer"], &block["txCount"]),
            (&json!(to), &json!(1))
        );
        assert_eq!(api.post("/admin/v1/mine", "{\"to\":\"me\"}").await.0, 400);
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn peers_come_and_go_by_order() {
        let (node, other) = TestNode::start_two().await;
        let api = admin(&node);
        let known = json!({ "address": "10.0.0.1:9090" }).to_string();
        let (status, answer) = api.post("/admin/v1/peers/add", &known).await;
        assert_eq!((status, &answer["code"]), (409, &json!("known_peer")));
        assert_eq!(api.post("/admin/v1/peers/remove", &known).await.0, 200);
        node.host
            .clock
            .sleep(archivas_core::primitives::Millis::from_secs(60))
            .await;
        let (_, peers) = api.get("/admin/v1/peers").await;
        assert_eq!(peers["connected"], json!([]));
        let (status, answer) = api.post("/admin/v1/peers/remove", &known).await;
        assert_eq!((status, &answer["code"]), (409, &json!("unknown_peer")));
        assert_eq!(api.post("/admin/v1/peers/add", &known).await.0, 200);
        node.settle().await;
        let (_, peers) = api.get("/admin/v1/peers").await;
        assert_eq!(peers["connected"][0]["address"], "10.0.0.1:9090");
        node.stop().await;
        other.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_banned_once_and_taken_back_once() {
        let (node, other) = TestNode::start_two().await;
        let api = admin(&node);
        let ban = "{\"ip\":\"10.9.9.9\",\"seconds\":86400}";
        assert_eq!(api.post("/admin/v1/peers/ban", ban).await.0, 200);
        let unban = "{\"ip\":\"10.9.9.9\"}";
        assert_eq!(api.post("/admin/v1/peers/unban", unban).await.0, 200);
        let (status, answer) = api.post("/admin/v1/peers/unban", unban).await;
        assert_eq!((status, &answer["ok"]), (409, &json!(false)));
        node.stop().await;
        other.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_400_and_a_stop_ends_the_node() {
        let node = TestNode::start().await;
        let api = admin(&node);
        for (path, body) in [
            ("invalidate", "{}"),
            ("invalidate", "{\"hash\":\"x\"}"),
            ("peers/add", "{\"address\":\"somewhere\"}"),
            ("mine", "null"),
            ("stop", "{\"now\":true}"),
        ] {
            let (status, answer) = api.post(&format!("/admin/v1/{path}"), body).await;
            assert_eq!(
                (status, &answer["ok"]),
                (400, &json!(false)),
                "{path} {body}"
            );
        }
        assert!(!api.context.stop.is_cancelled());
        assert_eq!(api.post("/admin/v1/stop", "{}").await.0, 200);
        assert!(api.context.stop.is_cancelled());
        node.stop().await;
    }
}
