//! The faults of a swarm: each kind is in a seed or not, as a coin falls, and those that are come a
//! drawn number of times, at drawn times and places.

use crate::disturb::DiskFault;
use crate::draws::Draw;
use crate::plan::{ActDoc, EventDoc, Seconds};

use super::{LAST_S, Maker, name, thousandths};

/// Makes one happening of a kind.
type Make = fn(&Maker, &mut Draw) -> Vec<EventDoc>;

/// The kinds, each by the name of its draws.
const KINDS: &[(&str, Make)] = &[
    ("swarm.kill", Maker::kill),
    ("swarm.power_loss", Maker::power_loss),
    ("swarm.stop", Maker::stop),
    ("swarm.crash_loop", Maker::crash_loop),
    ("swarm.pause", Maker::pause),
    ("swarm.cut", Maker::cut),
    ("swarm.one_way", Maker::one_way),
    ("swarm.reset", Maker::reset),
    ("swarm.half_open", Maker::half_open),
    ("swarm.spike", Maker::spike),
    ("swarm.loss", Maker::loss),
    ("swarm.corrupt", Maker::corrupt),
    ("swarm.chop", Maker::chop),
    ("swarm.narrow", Maker::narrow),
    ("swarm.resets", Maker::resets),
    ("swarm.clock", Maker::clock),
    ("swarm.wipe", Maker::wipe),
    ("swarm.stale", Maker::stale),
    ("swarm.disk", Maker::disk),
    ("swarm.slow_disk", Maker::slow_disk),
    ("swarm.slow_checker", Maker::slow_checker),
    ("swarm.slow_reader", Maker::slow_reader),
    ("swarm.cache", Maker::cache),
];

/// The most times that one kind comes.
const TIMES_MAX: u64 = 4;

/// How far a clock is off, in seconds: of a core or a usual node up to ten, else up to two hours, or
/// as far back as 1970.
pub(super) fn offset(draw: &mut Draw, far: bool) -> f64 {
    /// From 1970 to the beginning of every run.
    const SINCE_1970_S: u64 = 1_767_225_600;
    let millis = match (far, draw.range(0..8)) {
        (true, 0) => return -thousandths(SINCE_1970_S * 1_000),
        (true, _) => draw.range(0..7_200_000),
        (false, _) => draw.range(0..10_000),
    };
    let sign = if draw.range(0..2) == 0 { -1.0 } else { 1.0 };
    sign * thousandths(millis)
}

impl Maker {
    pub(super) fn faults(&self) -> Vec<EventDoc> {
        let mut events = Vec::new();
        for (site, make) in KINDS {
            let mut coin = self.draw(site, 0);
            if coin.range(0..2) == 0 {
                continue;
            }
            let times = 1 + coin.range(0..TIMES_MAX);
            for n in 1..=times {
                events.extend(make(self, &mut self.draw(site, n)));
            }
        }
        events
    }

    fn anyone(&self, act: ActDoc, draw: &mut Draw) -> EventDoc {
        let node = draw.index(self.count);
        self.event(act, node, draw)
    }

    /// A node outside of the core, if there is one.
    fn outsider(&self, act: ActDoc, draw: &mut Draw) -> Option<EventDoc> {
        let outside: Vec<usize> = (0..self.count).filter(|at| !self.is_core(*at)).collect();
        if outside.is_empty() {
            return None;
        }
        let node = outside[draw.index(outside.len())];
        Some(self.event(act, node, draw))
    }

    /// The act undone after a drawn time.
    fn lasting(&self, event: EventDoc, draw: &mut Draw) -> Vec<EventDoc> {
        let for_s = Some(Seconds::whole(1 + draw.range(0..180)));
        vec![EventDoc { for_s, ..event }]
    }

    fn kill(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let event = self.anyone(ActDoc::Kill, draw);
        self.lasting(event, draw)
    }

    fn power_loss(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let event = self.anyone(ActDoc::PowerLoss, draw);
        self.lasting(event, draw)
    }

    fn stop(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let event = self.anyone(ActDoc::Stop, draw);
        self.lasting(event, draw)
    }

    /// Killed again and again, within a few operations of each start or a little later.
    fn crash_loop(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let first = self.anyone(ActDoc::Kill, draw);
        let begin = first.at_s.millis().get() / 1_000;
        let at = |event: &EventDoc, s: u64| EventDoc {
            at_s: Seconds::whole(begin + s),
            ..event.clone()
        };
        let start = EventDoc {
            act: ActDoc::Start,
            ..first.clone()
        };
        let mut events = vec![first.clone()];
        for round in 0..2 + draw.range(0..3) {
            let fault = [DiskFault::Kill, DiskFault::PowerLoss][draw.index(2)];
            let trap = EventDoc {
                act: ActDoc::Disk,
                fault: Some(fault),
                after: Some(draw.range(0..40)),
                ..first.clone()
            };
            events.extend([at(&trap, round * 20 + 5), at(&start, round * 20 + 10)]);
        }
        events.push(at(&start, 150));
        events
    }

    fn pause(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let event = self.anyone(ActDoc::Pause, draw);
        self.lasting(event, draw)
    }

    /// An event on the lines of a drawn group: one to all but one node.
    fn side(&self, act: ActDoc, draw: &mut Draw) -> EventDoc {
        let mut left: Vec<usize> = (0..self.count).collect();
        let size = 1 + draw.index(self.count - 1);
        let group = (0..size).map(|_| name(left.swap_remove(draw.index(left.len()))));
        let groups = Some(vec![group.collect()]);
        EventDoc {
            node: None,
            groups,
            ..self.event(act, 0, draw)
        }
    }

    /// An event on one drawn line.
    fn line(&self, act: ActDoc, draw: &mut Draw) -> EventDoc {
        let (a, b) = self.pairs[draw.index(self.pairs.len())];
        let pair = if draw.range(0..2) == 0 {
            [a, b]
        } else {
            [b, a]
        };
        let links = Some(vec![pair.map(name)]);
        EventDoc {
            node: None,
            links,
            ..self.event(act, 0, draw)
        }
    }

    fn cut(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let event = self.side(ActDoc::Cut, draw);
        let for_s = Some(Seconds::whole(10 + draw.range(0..190)));
        vec![EventDoc { for_s, ..event }]
    }

    fn one_way(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let event = match draw.range(0..2) {
            0 => self.side(ActDoc::Cut, draw),
            _ => self.line(ActDoc::Cut, draw),
        };
        self.lasting(
            EventDoc {
                one_way: Some(true),
                ..event
            },
            draw,
        )
    }

    fn reset(&self, draw: &mut Draw) -> Vec<EventDoc> {
        vec![self.line(ActDoc::Reset, draw)]
    }

    fn half_open(&self, draw: &mut Draw) -> Vec<EventDoc> {
        vec![self.anyone(ActDoc::HalfOpen, draw)]
    }

    fn weather(&self, with: EventDoc, draw: &mut Draw) -> Vec<EventDoc> {
        let line = self.line(ActDoc::Weather, draw);
        let event = EventDoc {
            at_s: line.at_s,
            act: line.act,
            links: line.links,
            ..with
        };
        self.lasting(event, draw)
    }

    fn spike(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let least = draw.range(100..2_000);
        let latency_ms = Some([least, least + draw.range(0..4_000)]);
        self.weather(
            EventDoc {
                latency_ms,
                ..EventDoc::default()
            },
            draw,
        )
    }

    fn loss(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let loss = Some(thousandths(draw.range(10..300)));
        self.weather(
            EventDoc {
                loss,
                ..EventDoc::default()
            },
            draw,
        )
    }

    fn corrupt(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let corrupt = Some(thousandths(draw.range(1..100)));
        self.weather(
            EventDoc {
                corrupt,
                ..EventDoc::default()
            },
            draw,
        )
    }

    fn chop(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let chop = Some(thousandths(draw.range(50..1_000)));
        self.weather(
            EventDoc {
                chop,
                ..EventDoc::default()
            },
            draw,
        )
    }

    fn narrow(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let kib_s = Some(draw.range(1..32));
        self.weather(
            EventDoc {
                kib_s,
                ..EventDoc::default()
            },
            draw,
        )
    }

    fn resets(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let reset = Some(thousandths(draw.range(5..100)));
        self.weather(
            EventDoc {
                reset,
                ..EventDoc::default()
            },
            draw,
        )
    }

    fn clock(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let outside = self.outsider(ActDoc::Clock, draw);
        let far = outside.is_some() && draw.range(0..2) == 0;
        let event = match outside.filter(|_| far) {
            Some(event) => event,
            None => self.anyone(ActDoc::Clock, draw),
        };
        let offset_s = Some(offset(draw, far));
        vec![EventDoc { offset_s, ..event }]
    }

    /// Down, its disk changed, and up again.
    fn with_disk(&self, kill: EventDoc, change: ActDoc, draw: &mut Draw) -> Vec<EventDoc> {
        let at = kill.at_s.millis().get() / 1_000;
        let change = EventDoc {
            at_s: Seconds::whole(at + 1),
            act: change,
            ..kill.clone()
        };
        let for_s = Some(Seconds::whole(2 + draw.range(0..100)));
        vec![EventDoc { for_s, ..kill }, change]
    }

    fn wipe(&self, draw: &mut Draw) -> Vec<EventDoc> {
        match self.outsider(ActDoc::Kill, draw) {
            Some(kill) => self.with_disk(kill, ActDoc::Wipe, draw),
            None => Vec::new(),
        }
    }

    fn stale(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let Some(kill) = self.outsider(ActDoc::Kill, draw) else {
            return Vec::new();
        };
        let at = Seconds::whole(draw.range(10..LAST_S / 2));
        let copy = EventDoc {
            at_s: at.min(kill.at_s),
            act: ActDoc::CopyImage,
            ..kill.clone()
        };
        let mut events = self.with_disk(kill, ActDoc::PutBack, draw);
        events.push(copy);
        events
    }

    fn disk(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let faults = [
            DiskFault::Io,
            DiskFault::Full,
            DiskFault::Sync,
            DiskFault::PowerLoss,
            DiskFault::Kill,
        ];
        let fault = Some(faults[draw.index(faults.len())]);
        let after = Some(draw.range(0..60));
        let event = self.anyone(ActDoc::Disk, draw);
        let at = event.at_s.millis().get() / 1_000 + 60 + draw.range(0..100);
        let start = EventDoc {
            at_s: Seconds::whole(at),
            act: ActDoc::Start,
            ..event.clone()
        };
        vec![
            EventDoc {
                fault,
                after,
                ..event
            },
            start,
        ]
    }

    fn slow_disk(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let slower_ms = Some(1 + draw.range(0..100));
        let event = self.anyone(ActDoc::SlowDisk, draw);
        self.lasting(EventDoc { slower_ms, ..event }, draw)
    }

    fn slow_checker(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let slower_ms = Some(1 + draw.range(0..5_000));
        let event = self.anyone(ActDoc::SlowChecker, draw);
        self.lasting(EventDoc { slower_ms, ..event }, draw)
    }

    fn slow_reader(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let kib_s = Some(1 + draw.range(0..16));
        let event = self.anyone(ActDoc::SlowReader, draw);
        self.lasting(EventDoc { kib_s, ..event }, draw)
    }

    fn cache(&self, draw: &mut Draw) -> Vec<EventDoc> {
        let cache_kib = Some(64 << draw.range(0..9));
        let event = self.anyone(ActDoc::Cache, draw);
        vec![EventDoc { cache_kib, ..event }]
    }
}
