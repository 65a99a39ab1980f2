//! Events of a document become events of a plan: each act takes exactly its own keys, names become
//! indices, and every event has an id that does not change when another event is removed.

use std::collections::{BTreeMap, BTreeSet};

use archivas_core::primitives::limits::MEMO_BYTES_MAX;
use archivas_core::primitives::{Amount, Millis};

use super::document::{ActDoc, Document, EventDoc, Seconds};
use super::parse::{Flaw, Step, Step::At, Step::Key};
use super::resolve::{find_node, flaw, worlds_of};
use super::{Event, Link, Node, What, Workload};
use crate::world::{Act, LinkIndex, NodeIndex, WorldKind};

/// The most blocks or transfers of one event.
const COUNT_MAX: u64 = 10_000;
/// The fee of a transfer that names none, in base units: above the least of any size.
const FEE_DEFAULT: u64 = 100_000;

/// What resolving one event needs.
struct Context<'a> {
    event: &'a EventDoc,
    at: usize,
    nodes: &'a [Node],
    links: &'a [Link],
    funded_keys: usize,
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
        if event.act == ActDoc::PowerLoss && worlds.contains(&WorldKind::Processes) {
            let why = "real processes have no disk whose power fails; add `worlds = [\"sim\"]`";
            return Err(context.flaw("act", why));
        }
        let id = event.id.clone().expect("every event was named above");
        events.push(Event {
            id,
            at: event.at_s.millis(),
            worlds,
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
        .chain(event.memo.clone());
    words.collect::<Vec<_>>().join(" ")
}

impl Context<'_> {
    fn flaw(&self, key: &'static str, sentence: impl Into<String>) -> Flaw {
        flaw(&self.path(key), sentence)
    }

    const fn path(&self, key: &'static str) -> [Step; 3] {
        [Key("events"), At(self.at), Key(key)]
    }

    /// A key that the act has no use for would be ignored silently: it is refused instead.
    fn refuse_foreign_keys(&self) -> Result<(), Flaw> {
        let event = self.event;
        let wanted: &[&str] = match event.act {
            ActDoc::Start | ActDoc::Stop | ActDoc::Kill | ActDoc::PowerLoss => &["node"],
            ActDoc::Cut | ActDoc::Heal => &["groups", "links"],
            ActDoc::Mine => &["node", "count"],
            ActDoc::Transfer => &["node", "from", "to", "amount", "fee", "memo", "count"],
        };
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
        if self.event.act == ActDoc::Transfer && by > document.duration_s.millis() {
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
            ActDoc::Cut => match self.links()? {
                Some(links) => What::Act(Act::Cut(links)),
                None => return Err(self.flaw("act", "`cut` needs `groups` or `links`")),
            },
            ActDoc::Heal => match self.links()? {
                Some(links) => What::Act(Act::Heal(links)),
                None => What::HealAll,
            },
            ActDoc::Mine => What::Mine {
                node: self.node()?,
                count: self.count()?,
            },
            ActDoc::Transfer => What::Transfer(self.workload()?),
        })
    }

    fn node(&self) -> Result<NodeIndex, Flaw> {
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
    fn links(&self) -> Result<Option<Vec<LinkIndex>>, Flaw> {
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
        let key = |key, value: Option<usize>| match value {
            Some(number) if number < self.funded_keys => Ok(number),
            Some(number) => {
                let keys = self.funded_keys;
                Err(self.flaw(
                    key,
                    format!("there is no key {number}; {keys} keys have funds"),
                ))
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
        })
    }
}
