//! The node as the loop holds it: with a recording, each call goes there first.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use archivas_core::chain::{NoTemplate, Template};
use archivas_core::node::{Action, Event, Finding, JobId, Node, NodeConfig, Order, Ticket};
use archivas_core::p2p::peer::{Direction, PeerId};
use archivas_core::params::Genesis;
use archivas_core::primitives::{Address, Block, Now, SignedTransfer};
use archivas_core::rules::Invalid;
use archivas_core::storage::{Storage, StorageError};

use super::entry::{Beginning, Call, Entry, Mark, framed};
use super::fold::Fold;
use crate::ports::BuildInfo;

/// Where a recording is put.
pub trait Recording: fmt::Debug + Send + Sync {
    /// Puts whole entries behind those before; false when it has ended and wants no more.
    fn put(&self, entries: &[u8]) -> bool;
}

/// A node whose every change is recorded, where that is wanted. Reading goes past it.
#[derive(Debug)]
pub struct Desk<S> {
    node: Node<S>,
    tape: Option<Tape>,
}

#[derive(Debug)]
struct Tape {
    recording: Arc<dyn Recording>,
    actions: Fold,
    polls: u64,
}

impl<S> Deref for Desk<S> {
    type Target = Node<S>;

    fn deref(&self) -> &Node<S> {
        &self.node
    }
}

impl<S: Storage> Desk<S> {
    /// A node that nobody records.
    pub const fn new(node: Node<S>) -> Self {
        Self { node, tape: None }
    }

    /// A node that was opened with these arguments just now, and is recorded from here on.
    ///
    /// # Errors
    /// Storage's.
    pub fn recorded(
        node: Node<S>,
        recording: Arc<dyn Recording>,
        (genesis, config, build): (&Genesis, NodeConfig, &BuildInfo),
        (seed, now): ([u8; 32], Now),
    ) -> Result<Self, StorageError> {
        let beginning = Beginning {
            build: format!("{} {}", build.version, build.commit),
            genesis: genesis.to_json(),
            config,
            seed,
            now,
            mark: Mark::of(&node)?,
        };
        let tape = recording.put(&beginning.framed()).then(|| Tape {
            recording,
            actions: Fold::default(),
            polls: 0,
        });
        Ok(Self { node, tape })
    }

    fn note<'a>(&mut self, now: Now, call: impl FnOnce() -> Call<'a>) {
        let Some(tape) = &mut self.tape else { return };
        let entry = Entry::Call {
            polls: std::mem::take(&mut tape.polls),
            actions: tape.actions.digest(),
            now,
            call: call(),
        };
        self.put(&entry);
    }

    fn put(&mut self, entry: &Entry<'_>) {
        let tape = self.tape.as_ref();
        if tape.is_some_and(|tape| !tape.recording.put(&framed(entry))) {
            self.tape = None;
        }
    }

    /// See `Node::poll_action`.
    pub fn poll_action(&mut self) -> Result<Option<Action>, StorageError> {
        let action = self.node.poll_action()?;
        let Some(tape) = &mut self.tape else {
            return Ok(action);
        };
        tape.polls += 1;
        if let Some(action) = &action {
            tape.actions.add(action);
        }
        if let Some(Action::Notify(Event::TipChanged { .. })) = action {
            let mark = Mark::of(&self.node)?;
            self.put(&Entry::Tip(mark));
        }
        Ok(action)
    }

    /// See `Node::handle_timeout`.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), StorageError> {
        self.note(now, || Call::Timeout);
        self.node.handle_timeout(now)
    }

    /// See `Node::handle_connected`.
    pub fn handle_connected(
        &mut self,
        now: Now,
        peer: PeerId,
        address: SocketAddr,
        direction: Direction,
    ) -> Result<(), StorageError> {
        self.note(now, || Call::Connected(peer, address, direction));
        self.node.handle_connected(now, peer, address, direction)
    }

    /// See `Node::handle_dial_failed`.
    pub fn handle_dial_failed(&mut self, now: Now, address: SocketAddr) {
        self.note(now, || Call::DialFailed(address));
        self.node.handle_dial_failed(now, address);
    }

    /// See `Node::handle_frame`.
    pub fn handle_frame(
        &mut self,
        now: Now,
        peer: PeerId,
        kind: u8,
        payload: &[u8],
    ) -> Result<(), StorageError> {
        self.note(now, || Call::Frame(peer, kind, Cow::Borrowed(payload)));
        self.node.handle_frame(now, peer, kind, payload)
    }

    /// See `Node::handle_congestion`.
    pub fn handle_congestion(&mut self, now: Now, peer: PeerId, congested: bool) {
        self.note(now, || Call::Congestion(peer, congested));
        self.node.handle_congestion(peer, congested);
    }

    /// See `Node::handle_closed`.
    pub fn handle_closed(&mut self, now: Now, peer: PeerId) -> Result<(), StorageError> {
        self.note(now, || Call::Closed(peer));
        self.node.handle_closed(now, peer)
    }

    /// See `Node::handle_checked`.
    pub fn handle_checked(
        &mut self,
        now: Now,
        id: JobId,
        finding: Finding,
    ) -> Result<(), StorageError> {
        self.note(now, || {
            Call::Checked(id, breach(&finding).map(Cow::Borrowed))
        });
        self.node.handle_checked(now, id, finding)
    }

    /// See `Node::handle_submit`.
    pub fn handle_submit(
        &mut self,
        now: Now,
        ticket: Ticket,
        transfer: SignedTransfer,
    ) -> Result<(), StorageError> {
        self.note(now, || Call::Submit(ticket, Cow::Borrowed(&transfer)));
        self.node.handle_submit(now, ticket, transfer)
    }

    /// See `Node::handle_block`.
    pub fn handle_block(&mut self, now: Now, ticket: Ticket, block: Block) {
        self.note(now, || Call::Block(ticket, Cow::Borrowed(&block)));
        self.node.handle_block(ticket, block);
    }

    /// See `Node::handle_order`.
    pub fn handle_order(
        &mut self,
        now: Now,
        ticket: Ticket,
        order: Order,
    ) -> Result<(), StorageError> {
        self.note(now, || Call::Order(ticket, order));
        self.node.handle_order(now, ticket, order)
    }

    /// See `Node::template`.
    pub fn template(
        &mut self,
        now: Now,
        producer: Address,
    ) -> Result<Result<Template, NoTemplate>, StorageError> {
        self.note(now, || Call::Template(producer));
        self.node.template(now, producer)
    }

    /// See `Node::handle_stop`.
    pub fn handle_stop(&mut self, now: Now) -> Result<(), StorageError> {
        self.note(now, || Call::Stop);
        self.node.handle_stop(now)
    }
}

/// The rule that the checker found broken, by its name.
pub(super) fn breach(finding: &Finding) -> Option<&'static str> {
    let found = match finding {
        Finding::Block(result) => result.as_ref().as_ref().err(),
        Finding::Transfer(result) => result.as_ref().as_ref().err(),
    };
    found.map(Invalid::code)
}
