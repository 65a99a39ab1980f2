//! The acts that only the simulator can play, and what ends after `for_s`: which keys each takes, and
//! how a document's words become a `Disturbance`.

use archivas_core::params::UNDO_BLOCKS;
use archivas_core::primitives::{Height, Millis};

use super::What;
use super::document::{ActDoc, Document};
use super::events::Context;
use super::parse::Flaw;
use super::resolve::{find_node, offset_ms};
use crate::disturb::{Disturbance, Way, Weather};
use crate::world::{Act, LinkIndex, NodeIndex};

/// The keys that an act takes beside those of every event.
pub(super) const fn keys(act: ActDoc) -> &'static [&'static str] {
    match act {
        ActDoc::Start | ActDoc::Wipe | ActDoc::CopyImage | ActDoc::PutBack => &["node"],
        ActDoc::Stop | ActDoc::Kill | ActDoc::PowerLoss | ActDoc::Pause => &["node", "for_s"],
        ActDoc::Cut => &["groups", "links", "one_way", "for_s"],
        ActDoc::Heal | ActDoc::Reset => &["groups", "links"],
        ActDoc::Mine => &["node", "count"],
        ActDoc::Transfer => &[
            "node",
            "from",
            "to",
            "amount",
            "fee",
            "memo",
            "count",
            "nonce_ahead",
            "empties",
        ],
        ActDoc::Weather => &[
            "groups",
            "links",
            "one_way",
            "for_s",
            "latency_ms",
            "loss",
            "corrupt",
            "chop",
            "reset",
            "kib_s",
        ],
        ActDoc::HalfOpen => &["node", "groups", "links"],
        ActDoc::Clock => &["node", "offset_s", "for_s"],
        ActDoc::Disk => &["node", "fault", "after"],
        ActDoc::SlowDisk | ActDoc::SlowChecker => &["node", "slower_ms", "for_s"],
        ActDoc::SlowReader => &["node", "kib_s", "for_s"],
        ActDoc::Cache => &["node", "cache_kib"],
        ActDoc::Prune => &["node", "keeps_blocks"],
        ActDoc::Import => &["node", "source", "height"],
    }
}

/// What undoes an act, for those that can be undone.
fn undone(act: &Act) -> Option<Act> {
    let disturb = |disturbance| Some(Act::Disturb(disturbance));
    match act {
        Act::Stop(node) | Act::Kill(node) | Act::PowerLoss(node) => Some(Act::Start(*node)),
        Act::Cut(links) => Some(Act::Heal(links.clone())),
        Act::Disturb(disturbance) => match disturbance {
            Disturbance::Weather(ways, _) => {
                disturb(Disturbance::Weather(ways.clone(), Weather::default()))
            }
            Disturbance::Pause(node) => disturb(Disturbance::Resume(*node)),
            Disturbance::Clock(node, _) => disturb(Disturbance::Clock(*node, 0)),
            Disturbance::DiskSpeed(node, _) => disturb(Disturbance::DiskSpeed(*node, Millis::ZERO)),
            Disturbance::CheckerSpeed(node, _) => {
                disturb(Disturbance::CheckerSpeed(*node, Millis::ZERO))
            }
            Disturbance::ReaderSpeed(node, _) => disturb(Disturbance::ReaderSpeed(*node, 0)),
            _ => None,
        },
        _ => None,
    }
}

impl Context<'_> {
    /// What ends the event after `for_s`, and when.
    pub(super) fn end_of(
        &self,
        what: &What,
        document: &Document,
    ) -> Result<Option<(Millis, What)>, Flaw> {
        let Some(for_s) = self.event.for_s else {
            return match what {
                What::Act(Act::Disturb(Disturbance::Pause(_))) => {
                    Err(self.flaw("act", "`pause` needs `for_s`"))
                }
                _ => Ok(None),
            };
        };
        let at = self.event.at_s.millis().plus(for_s.millis());
        if at > document.duration_s.millis() {
            return Err(self.flaw("for_s", "the event ends after the end of the plan"));
        }
        let act = match what {
            // A heal takes links, whichever direction was cut.
            What::Act(Act::Disturb(Disturbance::CutOneWay(ways))) => {
                Some(Act::Heal(self.over(ways)))
            }
            What::Act(act) => undone(act),
            _ => None,
        };
        Ok(act.map(|act| (at, What::Act(act))))
    }

    /// `cut`, in both directions or one.
    pub(super) fn cut(&self) -> Result<Act, Flaw> {
        let Some(links) = self.links()? else {
            return Err(self.flaw("act", "`cut` needs `groups` or `links`"));
        };
        Ok(if self.event.one_way == Some(true) {
            Act::Disturb(Disturbance::CutOneWay(self.ways(&links)?))
        } else {
            Act::Cut(links)
        })
    }

    /// Every act that only the simulator can play.
    pub(super) fn disturbance(&self) -> Result<Disturbance, Flaw> {
        let event = self.event;
        Ok(match event.act {
            ActDoc::Weather => {
                let weather = self.weather()?;
                Disturbance::Weather(self.ways(&self.links_or_all()?)?, weather)
            }
            ActDoc::Reset => Disturbance::Reset(self.links_or_all()?),
            ActDoc::HalfOpen => {
                let node = self.node()?;
                let touches = |link: &LinkIndex| {
                    let link = &self.links[link.0];
                    link.dialer == node || link.listener == node
                };
                let links = self.links_or_all()?.into_iter().filter(touches).collect();
                Disturbance::HalfOpen(node, links)
            }
            ActDoc::Pause => Disturbance::Pause(self.node()?),
            ActDoc::Clock => {
                let offset = self.needs("offset_s", event.offset_s)?;
                Disturbance::Clock(self.node()?, offset_ms(offset, &self.path("offset_s"))?)
            }
            ActDoc::Wipe => Disturbance::Wipe(self.node()?),
            ActDoc::CopyImage => Disturbance::CopyImage(self.node()?),
            ActDoc::PutBack => Disturbance::PutBack(self.node()?),
            ActDoc::SlowDisk => Disturbance::DiskSpeed(self.node()?, self.slower()?),
            ActDoc::SlowChecker => Disturbance::CheckerSpeed(self.node()?, self.slower()?),
            ActDoc::SlowReader => {
                let kib = self.kib_s()?;
                Disturbance::ReaderSpeed(self.node()?, self.needs("kib_s", kib)?)
            }
            ActDoc::Cache => {
                let kib = self.needs("cache_kib", event.cache_kib)?;
                if !(64..=1 << 20).contains(&kib) {
                    return Err(self.flaw("cache_kib", "a page cache has 64 KiB to 1 GiB"));
                }
                Disturbance::Cache(self.node()?, kib)
            }
            ActDoc::Prune => match self.needs("keeps_blocks", event.keeps_blocks)? {
                kept @ 1..=UNDO_BLOCKS => Disturbance::Prune(self.node()?, kept),
                _ => {
                    let why = format!("1 to {UNDO_BLOCKS} blocks are kept");
                    return Err(self.flaw("keeps_blocks", why));
                }
            },
            ActDoc::Import => self.import()?,
            _ => Disturbance::Disk {
                node: self.node()?,
                fault: self.needs("fault", event.fault)?,
                after: event.after.unwrap_or(0),
            },
        })
    }

    fn import(&self) -> Result<Disturbance, Flaw> {
        let node = self.node()?;
        let source = self.needs("source", self.event.source.as_ref())?;
        let source = find_node(source, self.nodes, &self.path("source"))?;
        if source == node {
            return Err(self.flaw("source", "a node begins from the snapshot of another"));
        }
        let height = match self.needs("height", self.event.height)? {
            0 => return Err(self.flaw("height", "a snapshot has height 1 or more")),
            height => Height::new(height),
        };
        Ok(Disturbance::Import {
            node,
            source,
            height,
        })
    }

    fn needs<T>(&self, key: &'static str, value: Option<T>) -> Result<T, Flaw> {
        let act = self.event.act.name();
        value.ok_or_else(|| self.flaw("act", format!("`{act}` needs `{key}`")))
    }

    /// At most ten seconds: a node that waits longer for one operation is as good as paused.
    fn slower(&self) -> Result<Millis, Flaw> {
        match self.needs("slower_ms", self.event.slower_ms)? {
            ms @ 1..=10_000 => Ok(Millis::new(ms)),
            _ => Err(self.flaw("slower_ms", "operations take 1 to 10000 ms longer")),
        }
    }

    /// In bytes a second.
    fn kib_s(&self) -> Result<Option<u64>, Flaw> {
        match self.event.kib_s {
            Some(kib) if !(1..=1 << 20).contains(&kib) => {
                Err(self.flaw("kib_s", "1 KiB to 1 GiB pass in a second"))
            }
            kib => Ok(kib.map(|kib| kib << 10)),
        }
    }

    fn weather(&self) -> Result<Weather, Flaw> {
        let event = self.event;
        let latency = match event.latency_ms {
            Some([least, most]) if least > most || most > 60_000 => {
                let why = "latency is [least, most] in milliseconds, at most 60000";
                return Err(self.flaw("latency_ms", why));
            }
            latency => latency.map(|[least, most]| (Millis::new(least), Millis::new(most))),
        };
        let weather = Weather {
            latency,
            loss_ppm: self.ppm("loss", event.loss)?,
            corrupt_ppm: self.ppm("corrupt", event.corrupt)?,
            chop_ppm: self.ppm("chop", event.chop)?,
            reset_ppm: self.ppm("reset", event.reset)?,
            bytes_per_s: self.kib_s()?,
        };
        if weather == Weather::default() {
            return Err(self.flaw("act", "`weather` needs something that happens to segments"));
        }
        Ok(weather)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is between 0 and 1"
    )]
    fn ppm(&self, key: &'static str, share: Option<f64>) -> Result<u32, Flaw> {
        match share {
            None => Ok(0),
            Some(share) if (0.0..=1.0).contains(&share) => {
                Ok(libm::round(share * 1_000_000.0) as u32)
            }
            Some(_) => Err(self.flaw(key, "a share of segments is 0 to 1")),
        }
    }

    fn links_or_all(&self) -> Result<Vec<LinkIndex>, Flaw> {
        let all = || (0..self.links.len()).map(LinkIndex).collect();
        Ok(self.links()?.unwrap_or_else(all))
    }

    /// The directions of these links that are meant: both, or with `one_way` the one in which the
    /// first of each pair, or the nodes of the first group, send.
    fn ways(&self, links: &[LinkIndex]) -> Result<Vec<Way>, Flaw> {
        let both = links.iter().flat_map(|link| {
            let (a, b) = (self.links[link.0].dialer, self.links[link.0].listener);
            [Way { from: a, to: b }, Way { from: b, to: a }]
        });
        if self.event.one_way != Some(true) {
            return Ok(both.collect());
        }
        let path = self.path("one_way");
        let named = |name: &String| find_node(name, self.nodes, &path);
        if let Some(pairs) = &self.event.links {
            let way = |[from, to]: &[String; 2]| {
                let (from, to) = (named(from)?, named(to)?);
                Ok(Way { from, to })
            };
            return pairs.iter().map(way).collect();
        }
        let first = self.event.groups.iter().flatten().next();
        let Some(first) = first else {
            return Err(self.flaw("one_way", "`one_way` needs `links` or `groups`"));
        };
        let senders: Vec<NodeIndex> = first.iter().map(named).collect::<Result<_, _>>()?;
        Ok(both.filter(|way| senders.contains(&way.from)).collect())
    }

    /// The links that these directions belong to.
    fn over(&self, ways: &[Way]) -> Vec<LinkIndex> {
        let belongs = |(at, link): (usize, &super::Link)| {
            let pair = (link.dialer, link.listener);
            let meant = |way: &Way| [(way.from, way.to), (way.to, way.from)].contains(&pair);
            ways.iter().any(meant).then_some(LinkIndex(at))
        };
        self.links.iter().enumerate().filter_map(belongs).collect()
    }
}
