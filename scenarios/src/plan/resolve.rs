//! From a document to a plan: names become indices, and everything is checked that types cannot
//! say. The first flaw found is returned, with the path of its keys.

use std::collections::BTreeSet;

use archivas_core::primitives::{Amount, Millis};

use super::document::{Document, ExpectDoc, LinksDoc, NetworkDoc, NodeDoc, ShapeDoc};
use super::events::resolve_events;
use super::parse::{Flaw, Step, Step::At, Step::Key};
use super::{Expect, Link, MustFire, Network, Node, Plan};
use crate::world::{NodeIndex, WorldKind};

/// The most nodes that a plan may have; beyond it a run needs gigabytes.
const NODES_MAX: usize = 100;

/// Turns a document into a plan.
pub(super) fn resolve(mut document: Document) -> Result<Plan, Flaw> {
    take_nodes(&mut document)?;
    check_names(&document)?;
    let nodes = document
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| resolve_node(at, node));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    let links = resolve_links(&document.links, &nodes)?;
    let network = resolve_network(&document.network, &nodes)?;
    let events = resolve_events(&mut document, &nodes, &links)?;
    let expect = resolve_expect(&document, &nodes)?;
    let must_fire = resolve_must_fire(&document)?;
    if document.links.discover && document.worlds.contains(&WorldKind::Processes) {
        let why = "on real processes only the plan's links can be cut; add `worlds = [\"sim\"]`";
        return Err(flaw(&[Key("links"), Key("discover")], why));
    }
    if document.processes.speedup == 0 {
        return Err(flaw(
            &[Key("processes"), Key("speedup")],
            "a speedup is at least 1",
        ));
    }
    let plan = Plan {
        name: document.name.clone(),
        about: document.about.clone(),
        worlds: document.worlds.clone(),
        duration: document.duration_s.millis(),
        network,
        nodes,
        links,
        discover: document.links.discover,
        events,
        expect,
        must_fire,
        speedup: document.processes.speedup,
        document,
    };
    if !plan.node_indices().any(|node| plan.keeps_all(node)) {
        let why = "one node at least keeps all blocks: the others are compared with it";
        return Err(flaw(&[Key("events")], why));
    }
    Ok(plan)
}

/// Keeps as many nodes as the document says.
fn take_nodes(document: &mut Document) -> Result<(), Flaw> {
    if let Some(count) = document.node_count.take() {
        if !(1..=document.nodes.len()).contains(&count) {
            let all = document.nodes.len();
            let why = format!("`node_count` is 1 to {all}, the number of `nodes`");
            return Err(flaw(&[Key("node_count")], why));
        }
        document.nodes.truncate(count);
    }
    Ok(())
}

/// A flaw at `path`.
pub(super) fn flaw(path: &[Step], sentence: impl Into<String>) -> Flaw {
    Flaw {
        path: path.to_vec(),
        sentence: sentence.into(),
    }
}

/// The node called `name`, or a flaw that lists the names there are.
pub(super) fn find_node(name: &str, nodes: &[Node], path: &[Step]) -> Result<NodeIndex, Flaw> {
    nodes
        .iter()
        .position(|node| node.name == name)
        .map(NodeIndex)
        .ok_or_else(|| {
            let known: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
            flaw(
                path,
                format!(
                    "there is no node `{name}`; the nodes are {}",
                    known.join(", ")
                ),
            )
        })
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
}

fn check_names(document: &Document) -> Result<(), Flaw> {
    const WANTED: &str = "1 to 64 of a-z, 0-9 and `-`";
    if !is_name(&document.name) {
        return Err(flaw(
            &[Key("name")],
            format!("the name of a plan is {WANTED}"),
        ));
    }
    for (at, alias) in document.aliases.iter().enumerate() {
        if !is_name(alias) {
            return Err(flaw(
                &[Key("aliases"), At(at)],
                format!("an alias is {WANTED}"),
            ));
        }
    }
    if document.worlds.is_empty() {
        return Err(flaw(&[Key("worlds")], "a plan is for one world at least"));
    }
    if document.nodes.is_empty() || document.nodes.len() > NODES_MAX {
        return Err(flaw(
            &[Key("nodes")],
            format!("a plan has 1 to {NODES_MAX} nodes"),
        ));
    }
    let mut seen = BTreeSet::new();
    for (at, node) in document.nodes.iter().enumerate() {
        let path = [Key("nodes"), At(at), Key("name")];
        if !is_name(&node.name) {
            return Err(flaw(&path, format!("the name of a node is {WANTED}")));
        }
        if !seen.insert(&node.name) {
            return Err(flaw(&path, format!("two nodes are called `{}`", node.name)));
        }
    }
    Ok(())
}

fn resolve_node(at: usize, node: &NodeDoc) -> Result<Node, Flaw> {
    if !(0.0..=1e9).contains(&node.hash_power) {
        let path = [Key("nodes"), At(at), Key("hash_power")];
        return Err(flaw(&path, "hash power is 0 to 1000000000 hashes a second"));
    }
    let at_key = |key| [Key("nodes"), At(at), Key(key)];
    if node
        .drift_ppm
        .is_some_and(|ppm| !(-10_000..=10_000).contains(&ppm))
    {
        return Err(flaw(
            &at_key("drift_ppm"),
            "a drift is -10000 to 10000 parts per million",
        ));
    }
    Ok(Node {
        name: node.name.clone(),
        hash_power: node.hash_power,
        offset_ms: node
            .offset_s
            .map(|s| offset_ms(s, &at_key("offset_s")))
            .transpose()?,
        drift_ppm: node.drift_ppm,
        starts: node.starts,
    })
}

/// An offset in whole milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded by a hundred years"
)]
pub(super) fn offset_ms(seconds: f64, path: &[Step]) -> Result<i64, Flaw> {
    const MAX: f64 = 100.0 * 366.0 * 86_400.0;
    if !(-MAX..=MAX).contains(&seconds) {
        return Err(flaw(
            path,
            "an offset is at most a hundred years either way",
        ));
    }
    Ok(libm::round(seconds * 1_000.0) as i64)
}

fn resolve_links(doc: &LinksDoc, nodes: &[Node]) -> Result<Vec<Link>, Flaw> {
    let [least, most] = doc.latency_ms.unwrap_or([10, 60]);
    if least > most || most > 60_000 {
        let path = [Key("links"), Key("latency_ms")];
        return Err(flaw(
            &path,
            "latency is [least, most] in milliseconds, at most 60000",
        ));
    }
    let latency = (Millis::new(least), Millis::new(most));
    let pairs = match (&doc.pairs, doc.shape) {
        (Some(_), Some(_)) => {
            let path = [Key("links"), Key("pairs")];
            return Err(flaw(
                &path,
                "links are given by `shape` or by `pairs`, not by both",
            ));
        }
        (Some(pairs), None) => named_pairs(pairs, nodes)?,
        (None, shape) => shaped_pairs(shape.unwrap_or(ShapeDoc::Mesh), nodes.len()),
    };
    let link = |(dialer, listener)| Link {
        dialer: NodeIndex(dialer),
        listener: NodeIndex(listener),
        latency,
    };
    Ok(pairs.into_iter().map(link).collect())
}

fn named_pairs(pairs: &[[String; 2]], nodes: &[Node]) -> Result<Vec<(usize, usize)>, Flaw> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (at, [dialer, listener]) in pairs.iter().enumerate() {
        let path = [Key("links"), Key("pairs"), At(at)];
        let (a, b) = (
            find_node(dialer, nodes, &path)?.0,
            find_node(listener, nodes, &path)?.0,
        );
        if a == b {
            return Err(flaw(
                &path,
                format!("`{dialer}` cannot be linked to itself"),
            ));
        }
        if !seen.insert((a.min(b), a.max(b))) {
            return Err(flaw(
                &path,
                format!("`{dialer}` and `{listener}` are linked twice"),
            ));
        }
        found.push((a, b));
    }
    Ok(found)
}

/// Later nodes dial earlier ones, which are up first.
fn shaped_pairs(shape: ShapeDoc, count: usize) -> Vec<(usize, usize)> {
    let later = 1..count;
    match shape {
        ShapeDoc::Mesh => later.flat_map(|a| (0..a).map(move |b| (a, b))).collect(),
        ShapeDoc::Line => later.map(|a| (a, a - 1)).collect(),
        ShapeDoc::Star => later.map(|a| (a, 0)).collect(),
        ShapeDoc::Ring => {
            let close = (count > 2).then(|| (count - 1, 0));
            later.map(|a| (a, a - 1)).chain(close).collect()
        }
    }
}

fn resolve_network(doc: &NetworkDoc, nodes: &[Node]) -> Result<Network, Flaw> {
    let at = |key| [Key("network"), Key(key)];
    if doc.block_time_s.millis() < Millis::from_secs(1) {
        return Err(flaw(&at("block_time_s"), "the block time is at least 1 s"));
    }
    if doc.half_life_s.millis() < doc.block_time_s.millis() {
        return Err(flaw(
            &at("half_life_s"),
            "the half-life is at least the block time",
        ));
    }
    if !(1..=1_000).contains(&doc.funded_keys) {
        return Err(flaw(&at("funded_keys"), "1 to 1000 keys have funds"));
    }
    if !(1..=1_000_000_000_000_000).contains(&doc.funds) {
        return Err(flaw(
            &at("funds"),
            "the funds of a key are 1 to 10^15 base units",
        ));
    }
    let start_hashes = match doc.start_hashes {
        Some(hashes) if !START_HASHES.contains(&hashes) => {
            return Err(flaw(
                &at("start_hashes"),
                "the first block takes 2 to 512 hashes",
            ));
        }
        Some(hashes) => hashes,
        None => hashes_per_block(doc.block_time_s.millis(), nodes),
    };
    Ok(Network {
        block_time: doc.block_time_s.millis(),
        half_life: doc.half_life_s.millis(),
        retarget: doc.retarget,
        start_hashes,
        funded_keys: doc.funded_keys,
        funds: Amount::new(doc.funds),
    })
}

/// From the easiest compact target to the smallest that still has full precision.
const START_HASHES: std::ops::RangeInclusive<u64> = 2..=512;

/// What all nodes hash together in one block time, within the limits of a first block.
#[expect(
    clippy::cast_precision_loss,
    reason = "a block time is far below 2^53 ms"
)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 2..=512"
)]
fn hashes_per_block(block_time: Millis, nodes: &[Node]) -> u64 {
    let power: f64 = nodes.iter().map(|node| node.hash_power).sum();
    let hashes = power * block_time.get() as f64 / 1_000.0;
    libm::round(hashes.clamp(*START_HASHES.start() as f64, *START_HASHES.end() as f64)) as u64
}

fn resolve_expect(document: &Document, nodes: &[Node]) -> Result<Expect, Flaw> {
    let doc: &ExpectDoc = &document.expect;
    let at = |key| vec![Key("expect"), Key(key)];
    let mut keeps_tip = Vec::new();
    for (place, name) in doc.keeps_tip.iter().enumerate() {
        let path = [Key("expect"), Key("keeps_tip"), At(place)];
        keeps_tip.push(find_node(name, nodes, &path)?);
    }
    let reorgs = match &doc.reorgs {
        None => None,
        Some(reorgs) => {
            let mut on = Vec::new();
            for (place, name) in reorgs.nodes.iter().enumerate() {
                let path = [Key("expect"), Key("reorgs"), Key("nodes"), At(place)];
                on.push(find_node(name, nodes, &path)?);
            }
            let everyone = || (0..nodes.len()).map(NodeIndex).collect();
            Some((reorgs.at_least, if on.is_empty() { everyone() } else { on }))
        }
    };
    if doc.agree_within_s.millis() == Millis::ZERO {
        return Err(flaw(
            &at("agree_within_s"),
            "agreement takes more than no time",
        ));
    }
    let mut core = Vec::new();
    for (place, name) in doc.core.iter().enumerate() {
        let path = [Key("expect"), Key("core"), At(place)];
        core.push(find_node(name, nodes, &path)?);
    }
    core.sort_unstable();
    core.dedup();
    if !core.is_empty() && document.worlds.contains(&WorldKind::Processes) {
        let why = "only the simulator can end all faults; add `worlds = [\"sim\"]` to the plan";
        return Err(flaw(&at("core"), why));
    }
    Ok(Expect {
        agree_within: doc.agree_within_s.millis(),
        core,
        may_miss: doc.may_miss,
        min_height: doc.min_height,
        reorgs,
        keeps_tip,
        relayed_within: doc.relayed_within_s.map(|s| s.millis()),
        confirmed_within: doc.confirmed_within_s.map(|s| s.millis()),
    })
}

fn resolve_must_fire(document: &Document) -> Result<Vec<MustFire>, Flaw> {
    let mut found = Vec::new();
    for (at, entry) in document.must_fire.iter().enumerate() {
        if !is_name(&entry.fault.replace('_', "-")) {
            let path = [Key("must_fire"), At(at), Key("fault")];
            return Err(flaw(
                &path,
                "the name of a fault is made of a-z, 0-9 and `_`",
            ));
        }
        let worlds = worlds_of(entry.worlds.as_ref(), document, &[Key("must_fire"), At(at)])?;
        found.push(MustFire {
            fault: entry.fault.clone(),
            at_least: entry.at_least,
            worlds,
        });
    }
    Ok(found)
}

/// The worlds that an entry is for: its own list, which the plan's must contain, or the plan's.
pub(super) fn worlds_of(
    own: Option<&Vec<WorldKind>>,
    document: &Document,
    path: &[Step],
) -> Result<Vec<WorldKind>, Flaw> {
    let Some(own) = own else {
        return Ok(document.worlds.clone());
    };
    if let Some(other) = own.iter().find(|world| !document.worlds.contains(world)) {
        let path: Vec<Step> = path.iter().cloned().chain([Key("worlds")]).collect();
        return Err(flaw(
            &path,
            format!("the plan itself is not for the world `{other}`"),
        ));
    }
    Ok(own.clone())
}
