//! Whom the node talks to: `/peers`.

use archivas_core::node::PeerInfo;
use archivas_core::p2p::peer::Direction;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ANSWER_TIMEOUT, ApiContext};
use super::query::Query;
use crate::ports::{Clock, Command};

#[derive(Serialize)]
struct Peers<T> {
    connected: Vec<T>,
    known: Vec<String>,
}

#[derive(Serialize)]
struct PeerBody {
    address: String,
    direction: &'static str,
    agent: String,
    height: u64,
}

impl From<&PeerInfo> for PeerBody {
    fn from(peer: &PeerInfo) -> Self {
        Self {
            address: peer.addr.to_string(),
            direction: match peer.direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
            agent: peer.user_agent.clone(),
            height: peer.height.get(),
        }
    }
}

pub async fn peers<C: Clock>(
    query: &Query,
    context: &ApiContext<C>,
) -> Result<ApiAnswer, ApiError> {
    let peers = context.ask(ANSWER_TIMEOUT, Command::Peers).await?;
    // Without gossip of addresses, those that are connected are all that the node knows.
    let mut known: Vec<_> = peers.iter().map(|peer| peer.addr).collect();
    known.sort_unstable();
    known.dedup();
    let known = known.iter().map(ToString::to_string).collect();
    if query.flag("verbose") {
        let connected: Vec<PeerBody> = peers.iter().map(PeerBody::from).collect();
        return Ok(ApiAnswer::ok(&Peers { connected, known }));
    }
    let connected: Vec<String> = peers.iter().map(|peer| peer.addr.to_string()).collect();
    Ok(ApiAnswer::ok(&Peers { connected, known }))
}
