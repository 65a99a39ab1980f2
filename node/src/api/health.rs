//! Whether the node works: `/healthz`, `/livez`, `/readyz`, `/health` and `/ping`, views of one
//! computation: what is known (`Facts`) is judged (`failing`), and never an error without the
//! numbers. A node is alive when its loop answers in time and its store can be read; it is ready
//! when nothing at all fails.

use archivas_core::node::Status;
use archivas_core::params::peers::CLOCK_SKEW_MAX;
use archivas_core::params::{Retarget, Rules};
use archivas_core::primitives::{Height, Millis, Timestamp};
use archivas_core::schema::{self, Tip};
use serde::Serialize;

use super::answer::{ApiAnswer, ApiError};
use super::context::{ApiContext, HEALTH_TIMEOUT};
use super::shapes::{block_work, rfc3339};
use super::sync::{BEHIND_MAX, SyncBody, behind};
use crate::ports::{Clock, Command, DiskSpace};
use crate::store::Snapshot;

/// A tip is old after this many block times: by chance alone that happens once in 10^26 blocks.
const TIP_AGE_BLOCKS: u64 = 60;
/// Blocks over which the block rate is measured.
const RATE_BLOCKS: u64 = 100;

/// With less room than this the disk is nearly full: ten of the largest commits.
const DISK_FREE_MIN: u64 = 128 << 20;

/// What the judgement rests on, all of it taken at one time.
struct Facts {
    status: Option<Status>,
    tip: Option<Tip>,
    /// Whether a branch with more work waits for the operator's word.
    alarm: bool,
    /// Room on the disk, where the system tells.
    disk: Option<DiskSpace>,
    /// Height and time of the block that the block rate is measured from.
    earlier: Option<(Height, Timestamp)>,
    now: Timestamp,
}

/// A check that failed.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Failing {
    check: &'static str,
    why: &'static str,
}

impl Failing {
    /// Whether the node is dead by it, and not merely of no use now.
    fn is_deadly(&self) -> bool {
        matches!(self.check, "core" | "database")
    }
}

async fn facts<C: Clock>(context: &ApiContext<C>) -> Facts {
    let status = context.ask(HEALTH_TIMEOUT, Command::Status).await.ok();
    let stored = context.snapshot_at_tip().and_then(|(snapshot, tip)| {
        let alarm = has_heavier_held(&snapshot, &tip)?;
        let earlier = earlier(&snapshot, &tip)?;
        Ok((tip, alarm, earlier))
    });
    let (tip, alarm, earlier) = match stored {
        Ok((tip, alarm, earlier)) => (Some(tip), alarm, earlier),
        Err(error) => {
            let _told_below = context.answer_to(error);
            (None, false, None)
        }
    };
    Facts {
        status,
        tip,
        alarm,
        disk: context.machine.as_ref().and_then(|machine| machine.disk()),
        earlier,
        now: context.clock.now().wall,
    }
}

fn has_heavier_held(snapshot: &Snapshot, tip: &Tip) -> Result<bool, ApiError> {
    let held = schema::held_tips(snapshot)?;
    let Some(best) = held.first() else {
        return Ok(false);
    };
    Ok(schema::required_header(snapshot, best)?.chainwork > tip.chainwork)
}

fn earlier(snapshot: &Snapshot, tip: &Tip) -> Result<Option<(Height, Timestamp)>, ApiError> {
    // Genesis is no measure: its time is the network's, not that of a block that was found.
    let height = tip.height.get().saturating_sub(RATE_BLOCKS).max(1);
    if height >= tip.height.get() {
        return Ok(None);
    }
    let height = Height::new(height);
    let id = schema::required_best(snapshot, height)?;
    let header = schema::required_header(snapshot, &id)?.header;
    Ok(Some((height, header.timestamp)))
}

/// Every check that fails, the deadly ones first.
fn failing(facts: &Facts, rules: &Rules) -> Vec<Failing> {
    // A network with a fixed target is somebody's own: it has blocks and peers when he likes.
    let public = rules.retarget == Retarget::Asert;
    let mut found = Vec::new();
    let mut check = |fails: bool, check, why| {
        if fails {
            found.push(Failing { check, why });
        }
    };
    let status = facts.status.as_ref();
    check(
        status.is_none(),
        "core",
        "the node's loop did not answer within two seconds",
    );
    check(
        facts.tip.is_none(),
        "database",
        "the database cannot be read",
    );
    if let Some(status) = status {
        check(
            status.walking,
            "reorganization",
            "a long reorganization is under way",
        );
        let lags = behind(status) > BEHIND_MAX;
        check(lags, "sync", "blocks of known headers are still missing");
        let lonely = public && status.peers_ready == 0;
        check(lonely, "peers", "no peer is connected");
        let skew = status.clock_ahead.unwrap_or(0).unsigned_abs();
        check(
            skew > CLOCK_SKEW_MAX.get(),
            "clock_skew",
            "this machine's clock is more than 20 seconds from the middle of its peers'",
        );
        check(
            status.fork_suspected,
            "fork_suspected",
            "as many peers as follow us are on another chain, or serve what we refuse",
        );
    }
    if let Some(tip) = &facts.tip {
        let time = tip.header.timestamp;
        let age_max = rules.block_time.get().saturating_mul(TIP_AGE_BLOCKS);
        let old = public && facts.now.since(time).get() > age_max;
        check(old, "tip_age", "there has been no new block for too long");
        let behind = time.since(facts.now) > rules.future_limit;
        check(
            behind,
            "clock",
            "this machine's clock is behind the time of the chain",
        );
    }
    check(
        facts.disk.is_some_and(|disk| disk.free < DISK_FREE_MIN),
        "disk",
        "the disk is nearly full",
    );
    check(
        facts.alarm,
        "fork_alarm",
        "a branch with more work waits for the operator's word",
    );
    found
}

#[derive(Serialize)]
struct Healthz {
    ok: bool,
    height: u64,
    difficulty: u64,
    peers: usize,
}

impl Healthz {
    fn new(facts: &Facts, ok: bool) -> Self {
        let tip = facts.tip.as_ref();
        let difficulty = |tip: &Tip| block_work(tip.header.bits).saturating_u53();
        Self {
            ok,
            height: tip.map_or(0, |tip| tip.height.get()),
            difficulty: tip.map_or(0, difficulty),
            peers: facts.status.as_ref().map_or(0, |status| status.peers_ready),
        }
    }
}

const fn status_code(ok: bool) -> u16 {
    if ok { 200 } else { 503 }
}

/// 200 when ready, 503 when not; the same object in both cases.
pub async fn healthz<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let facts = facts(context).await;
    let ok = failing(&facts, &context.genesis.rules).is_empty();
    ApiAnswer::json(status_code(ok), &Healthz::new(&facts, ok))
}

#[derive(Serialize)]
struct Checks {
    ok: bool,
    failing: Vec<Failing>,
}

/// Whether a supervisor should leave the node alone.
pub async fn livez<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let mut failing = failing(&facts(context).await, &context.genesis.rules);
    failing.retain(Failing::is_deadly);
    let ok = failing.is_empty();
    ApiAnswer::json(status_code(ok), &Checks { ok, failing })
}

/// Whether clients should be sent to this node.
pub async fn readyz<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let failing = failing(&facts(context).await, &context.genesis.rules);
    let ok = failing.is_empty();
    ApiAnswer::json(status_code(ok), &Checks { ok, failing })
}

#[derive(Serialize)]
struct Ping {
    status: &'static str,
}

/// `/livez` in one word, as old clients know it.
pub async fn ping<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let failing = failing(&facts(context).await, &context.genesis.rules);
    let ok = !failing.iter().any(Failing::is_deadly);
    let status = if ok { "ok" } else { "failing" };
    ApiAnswer::json(status_code(ok), &Ping { status })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    #[serde(flatten)]
    healthz: Healthz,
    failing: Vec<Failing>,
    health_stats: Stats,
    mempool: Option<Pool>,
    sync: Option<SyncBody>,
    disk: Option<DiskSpace>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    uptime: String,
    uptime_seconds: u64,
    total_blocks: u64,
    avg_block_time: String,
    avg_block_seconds: u64,
    blocks_per_hour: u64,
    last_block_time: Option<String>,
}

#[derive(Serialize)]
struct Pool {
    count: usize,
    bytes: usize,
}

/// Everything about the node's condition in one object; 503 when it is not ready.
pub async fn health<C: Clock>(context: &ApiContext<C>) -> ApiAnswer {
    let facts = facts(context).await;
    let failing = failing(&facts, &context.genesis.rules);
    let ok = failing.is_empty();
    let status = facts.status.as_ref();
    let body = Health {
        healthz: Healthz::new(&facts, ok),
        health_stats: stats(&facts, context.uptime()),
        mempool: status.map(|status| Pool {
            count: status.mempool_count,
            bytes: status.mempool_bytes,
        }),
        sync: status.map(SyncBody::from),
        disk: facts.disk,
        failing,
    };
    ApiAnswer::json(status_code(ok), &body)
}

fn stats(facts: &Facts, uptime: Millis) -> Stats {
    let uptime = uptime.get() / 1_000;
    let tip = facts.tip.as_ref();
    let measured = tip.zip(facts.earlier).map(|(tip, (height, time))| {
        let blocks = tip.height.get() - height.get();
        (blocks, tip.header.timestamp.since(time).get() / 1_000)
    });
    let (blocks, seconds) = measured.unwrap_or_default();
    let average = seconds.checked_div(blocks).unwrap_or_default();
    Stats {
        uptime: span(uptime),
        uptime_seconds: uptime,
        total_blocks: tip.map_or(0, |tip| tip.height.get()),
        avg_block_time: span(average),
        avg_block_seconds: average,
        blocks_per_hour: (blocks * 3_600).checked_div(seconds).unwrap_or_default(),
        last_block_time: tip.map(|tip| rfc3339(tip.header.timestamp)),
    }
}

/// Seconds as people say them, in the Go node's form.
fn span(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::TestNode;
    use archivas_core::params::{Genesis, networks};
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_answers_is_well_in_every_view() {
        let node = TestNode::start().await;
        node.mine().await;
        let expected = json!({ "ok": true, "height": 1, "difficulty": 2, "peers": 0 });
        assert_eq!(node.get("/healthz").await, (200, expected));
        let expected = json!({ "ok": true, "failing": [] });
        assert_eq!(node.get("/livez").await, (200, expected.clone()));
        assert_eq!(node.get("/readyz").await, (200, expected));
        assert_eq!(node.get("/ping").await, (200, json!({ "status": "ok" })));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn health_tells_uptime_block_rate_mempool_and_sync() {
        let node = TestNode::start().await;
        for _ in 0..2 {
            node.host.clock.sleep(Millis::from_secs(30)).await;
            node.mine().await;
        }
        node.host.clock.sleep(Millis::from_secs(61)).await;
        node.pay(0).await;
        let (status, answer) = node.get("/health").await;
        let expected = json!({
            "uptime": "2m1s", "uptimeSeconds": 121, "totalBlocks": 2, "avgBlockTime": "30s",
            "avgBlockSeconds": 30, "blocksPerHour": 120, "lastBlockTime": "2025-01-01T00:01:01Z",
        });
        assert_eq!((status, &answer["healthStats"]), (200, &expected));
        assert_eq!(
            (&answer["ok"], &answer["height"]),
            (&json!(true), &json!(2))
        );
        assert_eq!(answer["mempool"]["count"], 1);
        assert_eq!(answer["sync"]["synced"], true);
        assert_eq!(answer["failing"], json!([]));
        node.stop().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_unwell_after_two_seconds() {
        let node = TestNode::start().await;
        let stalled = node.with_stalled_loop();
        let began = node.host.clock.now().monotonic;
        let expected = json!({ "ok": false, "height": 0, "difficulty": 2, "peers": 0 });
        assert_eq!(stalled.get("/healthz").await, (503, expected));
        assert_eq!(
            node.host.clock.now().monotonic.since(began),
            Millis::from_secs(2)
        );
        for view in ["/livez", "/readyz"] {
            let (status, answer) = stalled.get(view).await;
            let check = &answer["failing"][0]["check"];
            assert_eq!((status, check), (503, &json!("core")), "{view}");
        }
        let expected = json!({ "status": "failing" });
        assert_eq!(stalled.get("/ping").await, (503, expected));
        let (status, answer) = stalled.get("/health").await;
        assert_eq!((status, &answer["mempool"]), (503, &json!(null)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopped_node_is_unwell_at_once() {
        let node = TestNode::start().await;
        let api = node.api.clone();
        node.stop().await;
        for view in ["/healthz", "/livez", "/readyz", "/health", "/ping"] {
            assert_eq!(api.get(view).await.0, 503, "{view}");
        }
        let (status, answer) = api.get("/mempool").await;
        assert_eq!((status, &answer["code"]), (503, &json!("node_stopping")));
    }

    /// What a node on the public network's genesis, with one peer, knows right after it.
    fn well(genesis: &Genesis) -> Facts {
        let header = genesis.header();
        let tip = Tip {
            id: genesis.id(),
            height: header.height,
            chainwork: block_work(header.bits),
            header,
        };
        let status = Status {
            clock_ahead: None,
            fork_suspected: false,
            addresses_known: 1,
            tip: (&tip).into(),
            walking: false,
            best_header: header.height,
            peers_ready: 1,
            mempool_count: 0,
            mempool_bytes: 0,
            blocks_in_flight: 0,
        };
        Facts {
            status: Some(status),
            tip: Some(tip),
            alarm: false,
            disk: None,
            earlier: None,
            now: genesis.time,
        }
    }

    #[test]
    fn each_check_fails_when_its_cause_is_there_and_only_then() {
        type Change = fn(&mut Facts);
        let genesis = networks::archivas();
        let checks = |change: Change| {
            let mut facts = well(&genesis);
            change(&mut facts);
            let found = failing(&facts, &genesis.rules);
            found.iter().map(|one| one.check).collect::<Vec<_>>()
        };
        let status = |facts: &mut Facts| facts.status.take().unwrap();
        assert_eq!(checks(|_| ()), [""; 0]);
        assert_eq!(checks(|facts| facts.status = None), ["core"]);
        assert_eq!(checks(|facts| facts.tip = None), ["database"]);
        assert_eq!(checks(|facts| facts.alarm = true), ["fork_alarm"]);
        let disk = |free| {
            Some(DiskSpace {
                total: 1 << 40,
                free,
            })
        };
        let mut facts = well(&genesis);
        facts.disk = disk(DISK_FREE_MIN);
        assert_eq!(failing(&facts, &genesis.rules), []);
        facts.disk = disk(DISK_FREE_MIN - 1);
        assert_eq!(failing(&facts, &genesis.rules)[0].check, "disk");
        let walking: Change = |facts| facts.status.as_mut().unwrap().walking = true;
        assert_eq!(checks(walking), ["reorganization"]);
        let lonely: Change = |facts| facts.status.as_mut().unwrap().peers_ready = 0;
        assert_eq!(checks(lonely), ["peers"]);
        let forked: Change = |facts| facts.status.as_mut().unwrap().fork_suspected = true;
        assert_eq!(checks(forked), ["fork_suspected"]);
        for (ahead, found) in [
            (20_000, &[][..]),
            (20_001, &["clock_skew"]),
            (-20_001, &["clock_skew"]),
        ] {
            let mut facts = well(&genesis);
            facts.status.as_mut().unwrap().clock_ahead = Some(ahead);
            let failing = failing(&facts, &genesis.rules);
            let names: Vec<_> = failing.iter().map(|one| one.check).collect();
            assert_eq!(names, found, "{ahead} ms");
        }
        let ahead = |height| Status {
            best_header: Height::new(height),
            ..status(&mut well(&genesis))
        };
        let mut facts = well(&genesis);
        facts.status = Some(ahead(BEHIND_MAX));
        assert_eq!(failing(&facts, &genesis.rules), []);
        facts.status = Some(ahead(BEHIND_MAX + 1));
        assert_eq!(failing(&facts, &genesis.rules)[0].check, "sync");
    }

    #[test]
    fn an_old_tip_and_a_clock_behind_the_chain_are_noticed_at_their_bounds() {
        let genesis = networks::archivas();
        let (rules, time) = (&genesis.rules, genesis.time.get());
        let checks = |now: u64| {
            let now = Timestamp::new(now);
            let facts = Facts {
                now,
                ..well(&genesis)
            };
            let found = failing(&facts, rules);
            found.iter().map(|one| one.check).collect::<Vec<_>>()
        };
        let age_max = rules.block_time.get() * TIP_AGE_BLOCKS;
        assert_eq!(checks(time + age_max), [""; 0]);
        assert_eq!(checks(time + age_max + 1), ["tip_age"]);
        let ahead_max = rules.future_limit.get();
        assert_eq!(checks(time - ahead_max), [""; 0]);
        assert_eq!(checks(time - ahead_max - 1), ["clock"]);
    }

    #[test]
    fn a_network_of_ones_own_may_rest_and_be_lonely() {
        let genesis = networks::dev();
        let mut facts = well(&genesis);
        facts.status.as_mut().unwrap().peers_ready = 0;
        facts.now = genesis.time.plus(Millis::from_secs(86_400 * 365));
        assert_eq!(failing(&facts, &genesis.rules), []);
    }

    #[test]
    fn spans_are_said_as_the_go_node_said_them() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m0s"), (3_661, "1h1m1s")] {
            assert_eq!(span(seconds), text);
        }
    }
}
