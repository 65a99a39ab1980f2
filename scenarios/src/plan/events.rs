//! Events of a document become events of a plan: each act takes exactly its own keys, names become
//! indices, and every event has an id that does not change when another event is removed.

use std::collections::{BTreeMap, BTreeSet};

use archivas_core::primitives::limits::MEMO_BYTES_MAX;
use archivas_core::primitives::{Amount, Millis};

use super::document::{ActDoc, Document, EventDoc};
use super::parse::{Flaw, Step, Step::At, Step::Key};
use super::resolve::{find_node, flaw, worlds_of};
use super::seconds::Seconds;
use super::{Event, Link, Node, Nonces, What, Workload, faults};
use crate::world::{Act, LinkIndex, NodeIndex, WorldKind};

/// The most blocks or transfers of one event.
const COUNT_MAX: u64 = 10_000;
/// The fee of a transfer that names none, in base units: above the least of any size.
const FEE_DEFAULT: u64 = 100_000;

/// Keys beyond those with funds that wild transfers may name.
const FRESH_KEYS: usize = 100;

/// What resolving one event needs.
pub(super) struct Context<'a> {
    pub(super) event: &'a EventDoc,
    pub(super) at: usize,
    pub(super) nodes: &'a [Node],
    pub(super) links: &'a [Link],
    pub(super) funded_keys: usize,
}

/// Resolves all events, gives each an id (also in the document), and orders them by time.
pub(super) fn resolve_events(
    document: &mut Document,
    nodes: &[Node],
    links: &[Link],
) -> Result<Vec<Event>, Flaw> {
    name_events(document)?;
    let mut events = Vec::new();
    for (at, event) in document.events.iter().enumerate() {
        let funded_keys = document.network.funded_keys;
        let context = Context {
            event,
            at,
            nodes,
            links,
            funded_keys,
        };
        if event.at_s > document.duration_s {
            return Err(context.flaw("at_s", "the event lies after the end of the plan"));
        }
        context.refuse_foreign_keys()?;
        context.check_deadline(document)?;
        let what = context.what()?;
        let worlds = worlds_of(event.worlds.as_ref(), document, &[Key("events"), At(at)])?;
        let simulated = matches!(&what, What::Act(Act::PowerLoss(_) | Act::Disturb(_)));
        if simulated && worlds.contains(&WorldKind::Processes) {
            let why = match event.act {
                ActDoc::PowerLoss => "real processes have no disk whose power fails".to_owned(),
                act => format!("only the simulator can play `{}`", act.name()),
            };
            return Err(context.flaw("act", format!("{why}; add `worlds = [\"sim\"]`")));
        }
        let id = event.id.clone().expect("every event was named above");
        events.extend(context.end_of(&what, document)?.map(|(at, what)| Event {
            id: format!("{id} end"),
            at,
            worlds: worlds.clone(),
            undoes: true,
            what,
        }));
        events.push(Event {
            id,
            at: event.at_s.millis(),
            worlds,
            undoes: false,
            what,
        });
    }
    events.sort_by_key(|event| event.at);
    Ok(events)
}

/// Gives ids made of what the event is (not of its place or time) to those that have none.
fn name_events(document: &mut Document) -> Result<(), Flaw> {
    let mut used: BTreeSet<String> = document
        .events
        .iter()
        .filter_map(|e| e.id.clone())
        .collect();
    if used.len() != document.events.iter().filter(|e| e.id.is_some()).count() {
        return Err(flaw(&[Key("events")], "two events have the same id"));
    }
    let mut times: BTreeMap<String, u64> = BTreeMap::new();
    for event in document
        .events
        .iter_mut()
        .filter(|event| event.id.is_none())
    {
        let content = content(event);
        let id = loop {
            let n = times.entry(content.clone()).or_insert(0);
            *n += 1;
            let id = if *n == 1 {
                content.clone()
            } else {
                format!("{content} #{n}")
            };
            if used.insert(id.clone()) {
                break id;
            }
        };
        event.id = Some(id);
    }
    Ok(())
}

/// What an event is, in words: the same wherever and whenever it stands.
fn content(event: &EventDoc) -> String {
    let groups = event.groups.iter().flatten().map(|group| group.join(","));
    let links = event.links.iter().flatten().map(|pair| pair.join("-"));
    let keys = [event.from, event.to]
        .into_iter()
        .flatten()
        .map(|key| format!("key{key}"));
    let numbers = [event.amount, event.fee, event.count].into_iter().flatten();
    let words = [event.act.name().to_owned()]
        .into_iter()
        .chain(event.node.clone());
    let words = words.chain(groups).chain(links).chain(keys);
    let words = words
        .chain(numbers.map(|number| number.to_string()))
        .chain(event.memo.clone())
        .chain(event.fault.map(|fault| fault.name().to_owned()));
    words.collect::<Vec<_>>().join(" ")
}

impl Context<'_> {
    pub(super) fn flaw(&self, key: &'static str, sentence: impl Into<String>) -> Flaw {
        flaw(&self.path(key), sentence)
    }

    pub(super) const fn path(&self, key: &'static str) -> [Step; 3] {
        [Key("events"), At(self.at), Key(key)]
    }

    /// A key that the act has no use for would be ignored silently: it is refused instead.
    fn refuse_foreign_keys(&self) -> Result<(), Flaw> {
        let event = self.event;
        let wanted = faults::keys(event.act);
        let given = [
            ("node", event.node.is_some()),
            ("groups", event.groups.is_some()),
            ("links", event.links.is_some()),
            ("count", event.count.is_some()),
            ("from", event.from.is_some()),
            ("to", event.to.is_some()),
            ("amount", event.amount.is_some()),
            ("fee", event.fee.is_some()),
            ("memo", event.memo.is_some()),
            ("nonce_ahead", event.nonce_ahead.is_some()),
            ("empties", event.empties.is_some()),
            ("for_s", event.for_s.is_some()),
            ("one_way", event.one_way.is_some()),
            ("latency_ms", event.latency_ms.is_some()),
            ("loss", event.loss.is_some()),
            ("corrupt", event.corrupt.is_some()),
            ("chop", event.chop.is_some()),
            ("reset", event.reset.is_some()),
            ("kib_s", event.kib_s.is_some()),
            ("offset_s", event.offset_s.is_some()),
            ("fault", event.fault.is_some()),
            ("after", event.after.is_some()),
            ("slower_ms", event.slower_ms.is_some()),
            ("cache_kib", event.cache_kib.is_some()),
            ("keeps_blocks", event.keeps_blocks.is_some()),
            ("source", event.source.is_some()),
            ("height", event.height.is_some()),
        ];
        let foreign = given
            .into_iter()
            .find(|(key, is)| *is && !wanted.contains(key));
        match foreign {
            Some((key, _)) => {
                let act = event.act.name();
                Err(self.flaw(key, format!("`{act}` does not take `{key}`")))
            }
            None => Ok(()),
        }
    }

    /// A transfer must be able to miss its deadline within the plan: nothing is mined after it.
    fn check_deadline(&self, document: &Document) -> Result<(), Flaw> {
        let within = document
            .expect
            .confirmed_within_s
            .map_or(Millis::ZERO, Seconds::millis);
        let by = self.event.at_s.millis().plus(within);
        let must = self.event.act == ActDoc::Transfer && self.event.nonce_ahead.is_none();
        if must && by > document.duration_s.millis() {
            let why = "the plan ends before the transfer must be confirmed";
            return Err(self.flaw("at_s", why));
        }
        Ok(())
    }

    fn what(&self) -> Result<What, Flaw> {
        Ok(match self.event.act {
            ActDoc::Start => What::Act(Act::Start(self.node()?)),
            ActDoc::Stop => What::Act(Act::Stop(self.node()?)),
            ActDoc::Kill => What::Act(Act::Kill(self.node()?)),
            ActDoc::PowerLoss => What::Act(Act::PowerLoss(self.node()?)),
            ActDoc::Cut => What::Act(self.cut()?),
            ActDoc::Heal => match self.links()? {
                Some(links) => What::Act(Act::Heal(links)),
                None => What::HealAll,
            },
            ActDoc::Mine => What::Mine {
                node: self.node()?,
                count: self.count()?,
            },
            ActDoc::Transfer => What::Transfer(self.workload()?),
            _ => What::Act(Act::Disturb(self.disturbance()?)),
        })
    }

    pub(super) fn node(&self) -> Result<NodeIndex, Flaw> {
        match &self.event.node {
            Some(name) => find_node(name, self.nodes, &self.path("node")),
            None => Err(self.flaw("act", "the event needs `node`")),
        }
    }

    fn count(&self) -> Result<u64, Flaw> {
        match self.event.count {
            None => Ok(1),
            Some(count) if (1..=COUNT_MAX).contains(&count) => Ok(count),
            Some(_) => Err(self.flaw("count", format!("a count is 1 to {COUNT_MAX}"))),
        }
    }

    /// The links meant; `None` when neither key is given.
    pub(super) fn links(&self) -> Result<Option<Vec<LinkIndex>>, Flaw> {
        match (&self.event.groups, &self.event.links) {
            (None, None) => Ok(None),
            (Some(groups), None) => self.links_between(groups).map(Some),
            (None, Some(pairs)) => self.links_named(pairs).map(Some),
            (Some(_), Some(_)) => Err(self.flaw(
                "links",
                "links are meant by `groups` or by `links`, not by both",
            )),
        }
    }

    fn links_between(&self, groups: &[Vec<String>]) -> Result<Vec<LinkIndex>, Flaw> {
        // Nodes that no group names stay in the group numbered 0.
        let mut group_of = vec![0; self.nodes.len()];
        for (number, group) in groups.iter().enumerate() {
            for name in group {
                let node = find_node(name, self.nodes, &self.path("groups"))?;
                if group_of[node.0] != 0 {
                    return Err(self.flaw("groups", format!("`{name}` is in two groups")));
                }
                group_of[node.0] = number + 1;
            }
        }
        let apart = |link: &Link| group_of[link.dialer.0] != group_of[link.listener.0];
        let links = self
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| apart(link));
        let links: Vec<LinkIndex> = links.map(|(at, _)| LinkIndex(at)).collect();
        if links.is_empty() {
            return Err(self.flaw("groups", "there is no link between these groups"));
        }
        Ok(links)
    }

    fn links_named(&self, pairs: &[[String; 2]]) -> Result<Vec<LinkIndex>, Flaw> {
        let mut found = Vec::new();
        for [one, other] in pairs {
            let path = self.path("links");
            let a = find_node(one, self.nodes, &path)?;
            let b = find_node(other, self.nodes, &path)?;
            let joins = |link: &Link| [(a, b), (b, a)].contains(&(link.dialer, link.listener));
            match self.links.iter().position(joins) {
                Some(link) => found.push(LinkIndex(link)),
                None => {
                    let why = format!("`{one}` and `{other}` are not linked");
                    return Err(flaw(&path, why));
                }
            }
        }
        Ok(found)
    }

    fn workload(&self) -> Result<Workload, Flaw> {
        let event = self.event;
        // Who sends whatever comes may pay to, and try to pay from, keys that have nothing yet.
        let wild = event.nonce_ahead.is_some();
        let keys = self.funded_keys + if wild { FRESH_KEYS } else { 0 };
        let key = |key, value: Option<usize>| match value {
            Some(number) if number < keys => Ok(number),
            Some(number) => {
                let funded = self.funded_keys;
                let why = format!("there is no key {number}; {funded} keys have funds");
                Err(self.flaw(key, why))
            }
            None => Err(self.flaw("act", format!("`transfer` needs `{key}`"))),
        };
        let memo = event.memo.clone().unwrap_or_default();
        if memo.len() > MEMO_BYTES_MAX {
            return Err(self.flaw("memo", format!("a memo has at most {MEMO_BYTES_MAX} bytes")));
        }
        let amount = event.amount.filter(|amount| *amount > 0);
        let amount =
            amount.ok_or_else(|| self.flaw("act", "`transfer` needs `amount`, above 0"))?;
        Ok(Workload {
            node: self.node()?,
            from: key("from", event.from)?,
            to: key("to", event.to)?,
            amount: Amount::new(amount),
            fee: Amount::new(event.fee.unwrap_or(FEE_DEFAULT)),
            memo,
            count: self.count()?,
            nonces: self.nonces()?,
        })
    }

    fn nonces(&self) -> Result<Nonces, Flaw> {
        let empties = self.event.empties.unwrap_or(false);
        match self.event.nonce_ahead {
            Some(ahead) if ahead <= COUNT_MAX => Ok(Nonces::Wild { ahead, empties }),
            Some(_) => Err(self.flaw("nonce_ahead", format!("at most {COUNT_MAX} ahead"))),
            None if empties => Err(self.flaw("empties", "`empties` needs `nonce_ahead`")),
            None => Ok(Nonces::Successive),
        }
    }
}
