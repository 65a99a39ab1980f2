//! Who may enter: cheap checks before the signature, then the place among the sender's transfers,
//! then room for it.

use super::{Entry, FeeRate, Mempool, cost_of};
use crate::mempool::{DropReason, Dropped};
use crate::params::pool::{
    POOL_BYTES_MAX, POOL_COUNT_MAX, POOL_NONCE_GAP_MAX, POOL_REPLACEMENT_PERCENT, POOL_SENDER_MAX,
};
use crate::primitives::Account;
use crate::primitives::{Address, Amount, Instant, SignedTransfer, TxId};
use crate::rules::CheckedTransfer;
use alloc::vec::Vec;

/// Why a transfer that may well be valid is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolRefusal {
    /// This very transfer waits already.
    #[error("the transfer is already in the mempool")]
    AlreadyKnown,
    /// The account has used this nonce.
    #[error("the nonce is below the account's: the account has already used it")]
    NonceTooLow,
    /// Too many transfers would have to come first.
    #[error("the nonce lies more than 64 above the account's: send the transfers before it first")]
    NonceTooHigh,
    /// Amounts and fees of the sender's waiting transfers exceed its balance.
    #[error(
        "the balance does not cover amount and fee, together with the sender's waiting transfers"
    )]
    InsufficientBalance,
    /// Another transfer with this nonce waits and pays too much to be replaced by this one.
    #[error(
        "another transfer with this nonce is waiting: a replacement pays a fee rate at least 10 % higher"
    )]
    ReplacementUnderpriced,
    /// The sender has 64 waiting transfers.
    #[error("the sender has too many waiting transfers: wait for some to be confirmed")]
    SenderFull,
    /// The pool is full and this one pays too little to make room.
    #[error("the mempool is full and the fee is too low to make room: raise the fee")]
    PoolFull,
}

impl PoolRefusal {
    /// The reason for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlreadyKnown => "already_known",
            Self::NonceTooLow => "nonce_too_low",
            Self::NonceTooHigh => "nonce_too_high",
            Self::InsufficientBalance => "insufficient_balance",
            Self::ReplacementUnderpriced => "replacement_underpriced",
            Self::SenderFull => "sender_full",
            Self::PoolFull => "mempool_full",
        }
    }
}

/// What entering the pool did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The transfer's id.
    pub id: TxId,
    /// Whether it could be in the next block, as far as nonces and balance go.
    pub pending: bool,
    /// Transfers that left to make room for it.
    pub dropped: Vec<Dropped>,
}

impl Mempool {
    /// What can be refused without looking at the signature; `from` and `account` belong to the
    /// transfer's key.
    pub fn precheck(
        &self,
        now: Instant,
        transfer: &SignedTransfer,
        from: Address,
        account: &Account,
    ) -> Result<(), PoolRefusal> {
        let rate = FeeRate::of(transfer.fee, transfer.size());
        let gap = transfer.nonce.get().checked_sub(account.nonce.get());
        let gap = gap.ok_or(PoolRefusal::NonceTooLow)?;
        if gap > POOL_NONCE_GAP_MAX {
            return Err(PoolRefusal::NonceTooHigh);
        }
        if rate < self.floor.at(now) {
            return Err(PoolRefusal::PoolFull);
        }
        let mut total = cost_of(transfer);
        if let Some(sender) = self.senders.get(&from) {
            total += sender.cost();
            match sender.entries.get(&transfer.nonce) {
                Some(old) => {
                    may_replace(old, transfer)?;
                    total -= old.cost();
                }
                None if sender.entries.len() >= POOL_SENDER_MAX => {
                    return Err(PoolRefusal::SenderFull);
                }
                None => {}
            }
        }
        if total > u128::from(account.balance.get()) {
            return Err(PoolRefusal::InsufficientBalance);
        }
        Ok(())
    }

    /// Takes a transfer, or says why not; `account` is the sender's as of the tip.
    pub fn admit(
        &mut self,
        now: Instant,
        transfer: CheckedTransfer,
        account: Account,
    ) -> Result<Admitted, PoolRefusal> {
        let id = transfer.id();
        if self
            .get(&id)
            .is_some_and(|entry| entry.transfer.hash() == transfer.hash())
        {
            return Err(PoolRefusal::AlreadyKnown);
        }
        self.precheck(now, transfer.signed(), transfer.from(), &account)?;
        let (from, nonce) = (transfer.from(), transfer.signed().nonce);
        let room = self.room_for(&transfer, &account)?;

        let mut dropped = Vec::new();
        if let Some(old) = self.remove(from, nonce) {
            dropped.push(Dropped {
                id: old.transfer.id(),
                reason: DropReason::Replaced,
            });
        }
        for victim in room {
            dropped.extend(self.evict(victim, now));
        }
        self.arrivals += 1;
        let rate = FeeRate::of(transfer.signed().fee, transfer.size());
        let entry = Entry {
            transfer,
            added: now,
            arrival: self.arrivals,
            rate,
        };
        self.insert(account, entry);
        let pending = self.next_nonce(&from, &account) > nonce;
        Ok(Admitted {
            id,
            pending,
            dropped,
        })
    }

    /// The transfers that must leave for this one to enter: none while there is room. Queued ones
    /// go first, and a queued transfer never makes a pending one go.
    fn room_for(
        &self,
        transfer: &CheckedTransfer,
        account: &Account,
    ) -> Result<Vec<TxId>, PoolRefusal> {
        let (from, nonce) = (transfer.from(), transfer.signed().nonce);
        let replaced = self
            .senders
            .get(&from)
            .and_then(|sender| sender.entries.get(&nonce));
        let mut count = self.len() + 1 - usize::from(replaced.is_some());
        let mut bytes =
            self.bytes + transfer.size() - replaced.map_or(0, |old| old.transfer.size());
        if count <= POOL_COUNT_MAX && bytes <= POOL_BYTES_MAX {
            return Ok(Vec::new());
        }
        let pending = self.next_nonce(&from, account) >= nonce;
        let rate = FeeRate::of(transfer.signed().fee, transfer.size());
        let mut victims = Vec::new();
        for tail in &self.tails {
            if count <= POOL_COUNT_MAX && bytes <= POOL_BYTES_MAX {
                break;
            }
            let outbid = tail.rate < rate && (pending || !tail.pending);
            if tail.address == from || !(outbid || (pending && !tail.pending)) {
                return Err(PoolRefusal::PoolFull);
            }
            let sender = &self.senders[&tail.address];
            let entry = sender
                .entries
                .values()
                .next_back()
                .expect("a sender has transfers");
            victims.push(entry.transfer.id());
            count -= 1;
            bytes -= entry.transfer.size();
        }
        if count <= POOL_COUNT_MAX && bytes <= POOL_BYTES_MAX {
            Ok(victims)
        } else {
            Err(PoolRefusal::PoolFull)
        }
    }

    fn evict(&mut self, id: TxId, now: Instant) -> Option<Dropped> {
        let (address, nonce) = *self.by_id.get(&id)?;
        // What a queued transfer offers costs its sender nothing: others need not outbid that.
        let pending = self.senders.get(&address)?.tail(address)?.pending;
        let entry = self.remove(address, nonce)?;
        if pending {
            self.floor.raise(entry.rate, now);
        }
        Some(Dropped {
            id,
            reason: DropReason::Evicted,
        })
    }
}

/// Compares the rates as fractions: a [`FeeRate`] is rounded, and a replacement that pays a little
/// less than it must would now and then pass.
fn may_replace(old: &Entry, new: &SignedTransfer) -> Result<(), PoolRefusal> {
    let old_fee = old.transfer.signed().fee;
    let wide = |fee: Amount, size: usize| u128::from(fee.get()) * (size as u128);
    let percent = u128::from(POOL_REPLACEMENT_PERCENT);
    let enough = wide(new.fee, old.transfer.size()) * 100 >= wide(old_fee, new.size()) * percent;
    if new.fee > old_fee && enough {
        Ok(())
    } else {
        Err(PoolRefusal::ReplacementUnderpriced)
    }
}
