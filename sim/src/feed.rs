//! What the nodes tell about themselves, gathered for the player and the judges: every move of a
//! tip, what an honest node says against others, and lives that ended by themselves. One listener
//! task for each life, outside of its madsim node, so that it hears everything that was said.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use archivas::driver::StopError;
use archivas_core::node::{Event, TipInfo};
use archivas_core::primitives::{BlockId, Millis};
use archivas_scenarios::world::{NodeIndex, Tip, TipMove};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, oneshot};

use crate::agenda::Agenda;
use crate::disk::Disk;
use crate::log::Current;
use crate::trace::{Kind, Trace};

/// Something that a node said or did which the judges want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Its tip moved.
    Moved(TipMove),
    /// It found a block invalid.
    Refused {
        /// Which block.
        block: BlockId,
        /// The rule, for programs.
        code: &'static str,
    },
    /// It ended a connection for this reason.
    Parted {
        /// The reason, for programs.
        reason: &'static str,
        /// True when the reason puts blame on the peer.
        blamed: bool,
    },
    /// Events were lost: the node said more than its listener could hear.
    Overheard(u64),
    /// Its loop ended, and its disk was not the reason.
    Ended(Result<(), StopError>),
}

/// Who said it, when, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// When, in plan time.
    pub at: Millis,
    /// Who.
    pub node: NodeIndex,
    /// In which of its lives.
    pub life: u64,
    /// What.
    pub said: Said,
}

/// The remarks of all nodes, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Feed(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    remarks: Vec<Remark>,
    moves: Vec<TipMove>,
    bell: Option<Waker>,
}

impl Feed {
    /// All tip moves since the last call.
    #[must_use]
    pub fn take_moves(&self) -> Vec<TipMove> {
        std::mem::take(&mut self.state().moves)
    }

    /// All remarks since the last call.
    #[must_use]
    pub fn take_remarks(&self) -> Vec<Remark> {
        std::mem::take(&mut self.state().remarks)
    }

    /// Waits until a tip has moved that nobody has taken yet.
    pub async fn moved(&self) {
        poll_fn(|cx| {
            let mut state = self.state();
            if !state.moves.is_empty() {
                return Poll::Ready(());
            }
            state.bell = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn add(&self, remark: Remark) {
        let mut state = self.state();
        let bell = match &remark.said {
            Said::Moved(tip_move) => {
                state.moves.push(*tip_move);
                state.bell.take()
            }
            _ => None,
        };
        state.remarks.push(remark);
        drop(state);
        if let Some(bell) = bell {
            bell.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One life's way into the feed.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where it goes.
    pub feed: Feed,
    /// The time.
    pub agenda: Agenda,
    /// The digest, of which tips are part.
    pub trace: Trace,
    /// The node's disk, whose faults excuse an end.
    pub disk: Disk,
    /// Whose life.
    pub node: NodeIndex,
    /// The node's number in traces.
    pub number: u16,
    /// Which life.
    pub life: u64,
    /// Whose code is running: the log is the node's.
    pub current: Current,
}

impl Listener {
    /// Hears a life to its end: all its events, then how its loop ended, unless it was killed.
    pub async fn hear(
        self,
        mut events: broadcast::Receiver<Event>,
        done: oneshot::Receiver<Result<(), StopError>>,
    ) {
        loop {
            match events.recv().await {
                Ok(event) => {
                    let log = || archivas::cli::report::log(&event);
                    self.current.during(self.number, log);
                    self.note(&event);
                }
                Err(RecvError::Lagged(count)) => self.say(Said::Overheard(count)),
                Err(RecvError::Closed) => break,
            }
        }
        if let Ok(result) = done.await
            && (result.is_ok() || !self.disk.has_failed())
        {
            self.say(Said::Ended(result));
        }
    }

    fn note(&self, event: &Event) {
        match event {
            Event::TipChanged {
                from,
                to,
                left_blocks,
                joined_blocks,
                ..
            } => {
                self.trace
                    .record(self.number, Kind::Tip, to.height.get(), to.id.as_bytes());
                self.say(Said::Moved(TipMove {
                    at: self.now(),
                    node: self.node,
                    from: tip_of(from),
                    to: tip_of(to),
                    left: *left_blocks,
                    joined: *joined_blocks,
                }));
            }
            Event::BlockRefused { id, code } => self.say(Said::Refused { block: *id, code }),
            Event::PeerLost {
                reason: Some(reason),
                ..
            } => {
                self.say(Said::Parted {
                    reason: reason.code(),
                    blamed: false,
                });
            }
            Event::PeerMisbehaved { what, .. } => self.say(Said::Parted {
                reason: what.code(),
                blamed: true,
            }),
            _ => {}
        }
    }

    fn say(&self, said: Said) {
        let (at, node, life) = (self.now(), self.node, self.life);
        self.feed.add(Remark {
            at,
            node,
            life,
            said,
        });
    }

    fn now(&self) -> Millis {
        Millis::new(self.agenda.now() / 1_000_000)
    }
}

/// A node's tip in the words of the stories.
#[must_use]
pub fn tip_of(info: &TipInfo) -> Tip {
    let TipInfo {
        id,
        height,
        chainwork,
        bits,
        timestamp,
    } = *info;
    Tip {
        id,
        height,
        chainwork,
        bits,
        timestamp,
    }
}
