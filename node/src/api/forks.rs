//! Known branches beside the best chain: `/forks`.

use archivas_core::primitives::{BlockId, Header, Height};
use archivas_core::schema::{self, Tip};
use archivas_core::storage::Reader;
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::ApiContext;
use crate::ports::Clock;

/// The most branches of an answer: those with the most work.
const BRANCHES_MAX: usize = 50;
/// Headers that one request reads to find where branches fork. A branch for which they do not
/// suffice is listed without its fork height.
const STEPS_MAX: usize = 5_000;

#[derive(Serialize)]
struct Forks {
    tip: TipBody,
    forks: Vec<ForkBody>,
}

#[derive(Serialize)]
struct TipBody {
    height: String,
    hash: BlockId,
    work: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ForkBody {
    height: String,
    hash: BlockId,
    /// Work from genesis to the branch's end.
    work: String,
    /// The last block that it has in common with the best chain.
    fork_height: Option<String>,
    length: Option<String>,
    /// `held`: waits for the operator. `stored`: could be followed. `headers`: bodies are missing.
    state: &'static str,
}

pub fn forks<C: Clock>(context: &ApiContext<C>) -> Result<ApiAnswer, ApiError> {
    let (snapshot, tip) = context.snapshot_at_tip()?;
    let forks = branches(&snapshot, &tip)?;
    Ok(ApiAnswer::ok(&Forks {
        tip: TipBody {
            height: tip.height.to_string(),
            hash: tip.id,
            work: tip.chainwork.to_string(),
        },
        forks,
    }))
}

fn branches(rows: &impl Reader, tip: &Tip) -> Result<Vec<ForkBody>, ApiError> {
    let held = schema::held_tips(rows)?;
    let mut ends = schema::header_tips(rows)?;
    ends.extend(
        held.iter()
            .filter(|id| !ends.contains(id))
            .copied()
            .collect::<Vec<_>>(),
    );
    let ahead = header_ahead(rows, tip)?;
    let (mut forks, mut steps) = (Vec::new(), STEPS_MAX);
    for id in ends
        .into_iter()
        .filter(|id| Some(*id) != ahead && *id != tip.id)
    {
        if forks.len() == BRANCHES_MAX {
            break;
        }
        let record = schema::required_header(rows, &id)?;
        let height = record.header.height;
        let fork = fork_height(rows, id, &record.header, &mut steps)?;
        // A longer chain on top of the tip is where this node is going, not a branch of it.
        if fork == Some(tip.height) {
            continue;
        }
        let state = match (held.contains(&id), record.is_candidate()) {
            (true, _) => "held",
            (false, true) => "stored",
            (false, false) => "headers",
        };
        forks.push(ForkBody {
            height: height.to_string(),
            hash: id,
            work: record.chainwork.to_string(),
            fork_height: fork.map(|fork| fork.to_string()),
            length: fork.map(|fork| (height.get() - fork.get()).to_string()),
            state,
        });
    }
    Ok(forks)
}

/// The best header, when it stands on top of the tip; found without walking there.
fn header_ahead(rows: &impl Reader, tip: &Tip) -> Result<Option<BlockId>, ApiError> {
    match schema::best_header_id(rows, tip.height)? == Some(tip.id) {
        true => Ok(schema::heaviest_header(rows)?),
        false => Ok(None),
    }
}

/// Height of the last ancestor on the best chain; `None` when `steps` run out before it.
fn fork_height(
    rows: &impl Reader,
    id: BlockId,
    header: &Header,
    steps: &mut usize,
) -> Result<Option<Height>, ApiError> {
    let (mut id, mut height, mut parent) = (id, header.height, header.parent);
    while schema::best_id(rows, height)? != Some(id) {
        if *steps == 0 {
            return Ok(None);
        }
        *steps -= 1;
        let header = schema::required_header(rows, &parent)?.header;
        (id, height, parent) = (parent, header.height, header.parent);
    }
    Ok(Some(height))
}

#[cfg(test)]
mod tests {
    use crate::tests::world::TestNode;
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn a_branch_is_listed_with_where_it_forks_and_its_work() {
        let (node, other) = (TestNode::start().await, TestNode::start().await);
        assert_eq!(node.get("/forks").await.1["forks"], json!([]));
        let tip = [node.mine().await, node.mine().await];
        other.pay(0).await;
        let side = other.mine().await;
        assert_ne!(side, tip[0]);
        node.take_block(other.block(1)).await;
        let work = |blocks: u64| format!("{:064x}", 2 * (blocks + 1));
        let fork = json!({
            "height": "1", "hash": side, "work": work(1), "forkHeight": "0", "length": "1",
            "state": "stored",
        });
        let expected = json!({
            "tip": { "height": "2", "hash": tip[1], "work": work(2) }, "forks": [fork],
        });
        assert_eq!(node.get("/forks").await, (200, expected));
        node.stop().await;
        other.stop().await;
    }
}
