//! Whole nodes that talk to each other in memory, without a shell: messages arrive at once and in
//! order, time stands still unless a test moves it.

mod batches;
mod bounds;
mod defence;
mod discover;
mod fork;
mod links;
mod net;
mod presync;
mod saved;
mod submissions;
mod sync;

use super::*;
use crate::chain::Policy;
use crate::mempool::{DropReason, Dropped};
use crate::p2p::frame::kind;
use crate::p2p::message::{Hello, Item, Response};
use crate::p2p::peer::Direction;
use crate::params::networks;
use crate::params::pool::POOL_EXPIRY;
use crate::primitives::SignedTransfer;
use crate::primitives::{AccountNonce, Amount, Block, Header, Memo, Millis, Payment, SecretKey};
use crate::rules::CheckedTransfer;
use crate::schema::Tip;
use crate::storage::MemoryStorage;
use alloc::vec::Vec;
use alloc::{format, vec};
use net::*;
