//! Following the chain: what blocks confirm leaves, what a reorganization frees comes back, and the
//! senders that either touched are judged again, all in one call.

use super::{Mempool, PoolRefusal, cost_of};
use crate::params::pool::POOL_EXPIRY;
use crate::primitives::Account;
use crate::primitives::{AccountNonce, Address, Instant, TxId};
use crate::rules::CheckedTransfer;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Why a transfer left the pool without being asked to by its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// It is in a block.
    Confirmed,
    /// Another transfer with its nonce is in a block.
    Conflict,
    /// Its sender replaced it with one that pays more.
    Replaced,
    /// It paid least when room was needed.
    Evicted,
    /// It waited for three hours.
    Expired,
    /// An earlier transfer of its sender came back from a left block, and the sender's balance or
    /// places do not suffice for both.
    MadeWay,
    /// A reorganization left its block, and the pool would not take it back.
    NotReturned,
    /// A reorganization left its block so far below the tip that it was not offered to the pool.
    DeepReorg,
}

impl DropReason {
    /// The reason for programs and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Conflict => "conflict",
            Self::Replaced => "replaced",
            Self::Evicted => "evicted",
            Self::Expired => "expired",
            Self::MadeWay => "made_way",
            Self::NotReturned => "not_returned",
            Self::DeepReorg => "deep_reorg",
        }
    }
}

/// A transfer that left the pool, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The transfer's id.
    pub id: TxId,
    /// Why it left.
    pub reason: DropReason,
}

impl Mempool {
    /// Moves with the best chain: `left` are the transfers of blocks that were left, oldest first;
    /// `joined` those of blocks that were joined; `touched` has the account as of the new tip of
    /// everybody whose account either changed.
    pub fn follow(
        &mut self,
        now: Instant,
        left: Vec<CheckedTransfer>,
        joined: &[CheckedTransfer],
        touched: &BTreeMap<Address, Account>,
    ) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        for transfer in joined {
            dropped.extend(self.confirm(transfer));
        }
        for (address, account) in touched {
            self.rejudge(*address, *account, &mut dropped);
        }
        for transfer in left {
            let id = transfer.id();
            let account = touched.get(&transfer.from()).copied().unwrap_or_default();
            if transfer.signed().nonce < account.nonce {
                continue; // In the new branch too, or another with its nonce is.
            }
            self.make_way(now, &transfer, &account, &mut dropped);
            match self.admit(now, transfer, account) {
                Ok(admitted) => dropped.extend(admitted.dropped),
                Err(_) => dropped.push(Dropped {
                    id,
                    reason: DropReason::NotReturned,
                }),
            }
        }
        dropped
    }

    /// A transfer that comes back goes before those of its sender that follow it: without it they
    /// would wait in vain. While their cost or number keeps it out, the one with the highest nonce
    /// leaves; none does when the sender could not pay it anyway.
    fn make_way(
        &mut self,
        now: Instant,
        transfer: &CheckedTransfer,
        account: &Account,
        dropped: &mut Vec<Dropped>,
    ) {
        use PoolRefusal::{InsufficientBalance, SenderFull};
        let (from, nonce) = (transfer.from(), transfer.nonce());
        while let Some(sender) = self.senders.get(&from)
            && let Some((&last, follower)) = sender.entries.last_key_value()
            && last > nonce
            && sender.cost_below(nonce) + cost_of(transfer.signed())
                <= u128::from(account.balance.get())
            && let Err(InsufficientBalance | SenderFull) =
                self.precheck(now, transfer.signed(), from, account)
        {
            let id = follower.transfer.id();
            self.remove(from, last);
            dropped.push(Dropped {
                id,
                reason: DropReason::MadeWay,
            });
        }
    }

    /// Forgets what has waited too long.
    pub fn expire(&mut self, now: Instant) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        while let Some(id) = self.by_arrival.values().next().copied() {
            let (address, nonce) = self.by_id[&id];
            let added = self.senders[&address].entries[&nonce].added;
            if added.plus(POOL_EXPIRY) > now {
                break;
            }
            self.remove(address, nonce);
            dropped.push(Dropped {
                id,
                reason: DropReason::Expired,
            });
        }
        dropped
    }

    /// When the oldest entry expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        let id = self.by_arrival.values().next()?;
        Some(self.get(id)?.added.plus(POOL_EXPIRY))
    }

    /// Whatever waits under the sender and nonce of a confirmed transfer leaves, be it that one or
    /// its rival.
    fn confirm(&mut self, transfer: &CheckedTransfer) -> Option<Dropped> {
        let entry = self.remove(transfer.from(), transfer.signed().nonce)?;
        let id = entry.transfer.id();
        let same = id == transfer.id();
        Some(Dropped {
            id,
            reason: if same {
                DropReason::Confirmed
            } else {
                DropReason::Conflict
            },
        })
    }

    fn rejudge(&mut self, address: Address, account: Account, dropped: &mut Vec<Dropped>) {
        let Some(sender) = self.senders.get(&address) else {
            return;
        };
        let used: Vec<AccountNonce> = sender
            .entries
            .range(..account.nonce)
            .map(|(nonce, _)| *nonce)
            .collect();
        for nonce in used {
            if let Some(entry) = self.remove(address, nonce) {
                dropped.push(Dropped {
                    id: entry.transfer.id(),
                    reason: DropReason::Conflict,
                });
            }
        }
        self.with_sender(address, |sender| sender.account = account);
    }
}
