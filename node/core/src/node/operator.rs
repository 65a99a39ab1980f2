//! What the operator tells the node: choices between branches, and whom to talk to. An order about
//! the chain is committed before it is answered.

use super::{Action, Answer, Node, Ticket, Timer};
use crate::chain::{BadBranch, WalkVerdict};
use crate::p2p::peer::{Disconnect, PeerId};
use crate::primitives::{BlockId, Millis, Now};
use crate::storage::{Storage, StorageError};
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use serde::{Deserialize, Serialize};

/// An order of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Follow the branch that has this block, however deep it forks, once it has the most work.
    AcceptBranch(BlockId),
    /// Set this block and its descendants aside.
    Invalidate(BlockId),
    /// Take the marks off this block, its ancestors and what descends from them.
    Reconsider(BlockId),
    /// Stay connected with the node at this address.
    AddPeer(SocketAddr),
    /// Stay connected with it no longer, and end the connection.
    RemovePeer(SocketAddr),
    /// Do not talk to this address (of IPv6: to its /64) for so long, and end its connections.
    Ban(IpAddr, Millis),
    /// Talk to it again.
    Unban(IpAddr),
}

impl<S: Storage> Node<S> {
    /// Does what the operator wants; the answer comes as an action.
    ///
    /// # Errors
    /// Storage's.
    pub fn handle_order(
        &mut self,
        now: Now,
        ticket: Ticket,
        order: Order,
    ) -> Result<(), StorageError> {
        self.commit_added(now)?;
        let answer = match order {
            Order::AcceptBranch(id) => {
                let walk = self.chain.accept_branch(now.wall, &id)?;
                self.branch_chosen(now, walk)?
            }
            Order::Invalidate(id) => {
                let walk = self.chain.invalidate(now.wall, &id)?;
                self.branch_chosen(now, walk)?
            }
            Order::Reconsider(id) => {
                let walk = self.chain.reconsider(now.wall, &id)?;
                self.branch_chosen(now, walk)?
            }
            Order::AddPeer(addr) => self.add_peer(now, addr),
            Order::RemovePeer(addr) => self.remove_peer(now, addr)?,
            Order::Ban(ip, time) => match self.ban_address(now, ip, time)? {
                true => Answer::Done,
                false => Answer::Refused {
                    code: "own_address",
                    sentence: "this machine's own addresses are never banned".into(),
                },
            },
            Order::Unban(ip) => match self.unban_address(now, ip) {
                true => Answer::Done,
                false => Answer::Refused {
                    code: "not_banned",
                    sentence: "that address is not banned: see the list of bans".into(),
                },
            },
        };
        self.actions.push_back(Action::Answer { ticket, answer });
        Ok(())
    }

    fn branch_chosen(
        &mut self,
        now: Now,
        walk: Result<WalkVerdict, BadBranch>,
    ) -> Result<Answer, StorageError> {
        match walk {
            Ok(walk) => {
                self.follow_chain(now, walk)?;
                self.request_bodies(now)?;
                Ok(Answer::Done)
            }
            Err(bad) => {
                let code = match bad {
                    BadBranch::Unknown => "unknown_block",
                    BadBranch::Genesis => "genesis",
                    BadBranch::BelowHorizon(_) => "below_horizon",
                };
                let sentence = bad.to_string();
                Ok(Answer::Refused { code, sentence })
            }
        }
    }

    fn add_peer(&mut self, now: Now, addr: SocketAddr) -> Answer {
        if !self.targets.add(addr) {
            return Answer::Refused {
                code: "known_peer",
                sentence: "the node already stays connected with that address".into(),
            };
        }
        self.timers.set(Timer::Dial(addr), now.monotonic);
        Answer::Done
    }

    fn remove_peer(&mut self, now: Now, addr: SocketAddr) -> Result<Answer, StorageError> {
        let named = self.targets.remove(&addr);
        self.timers.cancel(&Timer::Dial(addr));
        let there = self.peers.iter().filter(|(_, peer)| peer.addr == addr);
        let connected: Vec<PeerId> = there.map(|(id, _)| *id).collect();
        if !named && connected.is_empty() {
            return Ok(Answer::Refused {
                code: "unknown_peer",
                sentence: "no peer has that address: see the list of peers".into(),
            });
        }
        for peer in connected {
            self.disconnect(now, peer, Disconnect::Operator)?;
        }
        Ok(Answer::Done)
    }
}
