//! The mempool's policy (protocol §6), judged anew from all waiting transfers at each question.
//! It knows no caps of the whole pool and no floor fee: whoever uses it stays below them.

use std::collections::BTreeMap;

use crate::chain::Model;
use crate::hash::Hash;
use crate::rule::Rule;
use crate::transfer::Transfer;
use crate::verdict::TipMove;

const SENDER_MAX: usize = 64;
const GAP_MAX: u64 = 64;
const EXPIRY_MS: u64 = 3 * 60 * 60 * 1000;
const RETURNING_BLOCKS_MAX: usize = 100;

/// Transfers that wait, by sender and nonce.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    waiting: BTreeMap<([u8; 20], u64), Waiting>,
    arrivals: u64,
}

#[derive(Clone, Debug)]
struct Waiting {
    transfer: Transfer,
    since_ms: u64,
    arrival: u64,
}

/// The answer to a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits now, in place of the one with this id, if any.
    Taken(Option<Hash>),
    /// It does not: for all of these reasons, of which a node may name any.
    Refused(Vec<Refusal>),
}

/// Why a transfer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is none, or breaks a rule that needs no accounts.
    Invalid(Rule),
    /// The bytes are no transfer.
    Unreadable,
    /// This very one waits.
    AlreadyKnown,
    /// The account has used the nonce.
    NonceTooLow,
    /// The nonce is more than 64 above the account's.
    NonceTooHigh,
    /// The sender's transfers together cost more than it owns.
    InsufficientBalance,
    /// The one in its place pays too much to be replaced.
    ReplacementUnderpriced,
    /// The sender has 64 others.
    SenderFull,
}

/// Why a transfer no longer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// It is in a block.
    Confirmed,
    /// Its nonce is used by another.
    Conflict,
    /// It waited for three hours.
    Expired,
    /// An earlier one of its sender came back, and balance or places do not suffice for both.
    MadeWay,
    /// Its block left the best chain, and the pool would not take it back.
    NotReturned,
    /// Its block left the best chain, and more than 100 above it did, too.
    DeepReorg,
}

impl Pool {
    /// Takes the bytes of a transfer, or says why not. `now_ms` runs evenly.
    pub fn submit(&mut self, model: &Model, bytes: &[u8], now_ms: u64) -> Admission {
        let Ok(transfer) = Transfer::parse(bytes) else {
            return Admission::Refused(vec![Refusal::Unreadable]);
        };
        let genesis = model.genesis();
        if let Err(rule) = transfer.judge(&genesis.domain, genesis.fee_min) {
            return Admission::Refused(vec![Refusal::Invalid(rule)]);
        }
        self.admit(model, transfer, now_ms)
    }

    /// Moves with the best chain; `model` has moved already. Gives what left, or did not come back.
    pub fn follow(&mut self, model: &Model, moved: &TipMove, now_ms: u64) -> Vec<(Hash, Left)> {
        let domain = &model.genesis().domain;
        let mut gone = Vec::new();
        for transfer in moved.joined.iter().flatten() {
            let place = (transfer.from(), transfer.nonce);
            if let Some(waited) = self.waiting.remove(&place) {
                let id = waited.transfer.id(domain);
                let same = id == transfer.id(domain);
                gone.push((
                    id,
                    if same {
                        Left::Confirmed
                    } else {
                        Left::Conflict
                    },
                ));
            }
        }
        self.waiting.retain(|(from, nonce), waited| {
            let stays = *nonce >= nonce_of(model, from);
            if !stays {
                gone.push((waited.transfer.id(domain), Left::Conflict));
            }
            stays
        });
        let deep = moved.left.len().saturating_sub(RETURNING_BLOCKS_MAX);
        for (place, transfer) in moved
            .left
            .iter()
            .enumerate()
            .flat_map(|(place, block)| block.iter().map(move |transfer| (place, transfer)))
        {
            let id = transfer.id(domain);
            if transfer.nonce < nonce_of(model, &transfer.from()) {
                continue;
            }
            if place < deep {
                gone.push((id, Left::DeepReorg));
                continue;
            }
            gone.extend(self.make_way(model, transfer));
            if let Admission::Refused(_) = self.admit(model, transfer.clone(), now_ms) {
                gone.push((id, Left::NotReturned));
            }
        }
        gone
    }

    /// Forgets what has waited for three hours.
    pub fn expire(&mut self, model: &Model, now_ms: u64) -> Vec<(Hash, Left)> {
        let mut gone = Vec::new();
        self.waiting.retain(|_, waited| {
            let stays = now_ms < waited.since_ms + EXPIRY_MS;
            if !stays {
                let id = waited.transfer.id(&model.genesis().domain);
                gone.push((id, Left::Expired));
            }
            stays
        });
        gone
    }

    /// Everything that waits, in the order of arrival, each with whether it could be in the next
    /// block: all nonces before it wait too, and the balance covers them all.
    pub fn contents(&self, model: &Model) -> Vec<(&Transfer, bool)> {
        let mut all: Vec<_> = self.waiting.iter().collect();
        all.sort_by_key(|(_, waited)| waited.arrival);
        all.into_iter()
            .map(|((from, nonce), waited)| (&waited.transfer, self.is_pending(model, from, *nonce)))
            .collect()
    }

    fn admit(&mut self, model: &Model, transfer: Transfer, now_ms: u64) -> Admission {
        let refusals = self.refusals(model, &transfer);
        if !refusals.is_empty() {
            return Admission::Refused(refusals);
        }
        self.arrivals += 1;
        let place = (transfer.from(), transfer.nonce);
        let waiting = Waiting {
            transfer,
            since_ms: now_ms,
            arrival: self.arrivals,
        };
        let replaced = self.waiting.insert(place, waiting);
        let domain = &model.genesis().domain;
        Admission::Taken(replaced.map(|old| old.transfer.id(domain)))
    }

    /// While only cost or number of the transfers that follow this one keep it out, their last goes.
    fn make_way(&mut self, model: &Model, transfer: &Transfer) -> Vec<(Hash, Left)> {
        let from = transfer.from();
        let before = self.of_sender(&from);
        let before = before.filter(|other| other.nonce < transfer.nonce);
        let needed = cost(transfer) + before.map(cost).sum::<u128>();
        let mut gone = Vec::new();
        while needed <= u128::from(account_of(model, &from).balance) {
            let refusals = self.refusals(model, transfer);
            let crowded = |refusal: &Refusal| {
                matches!(refusal, Refusal::InsufficientBalance | Refusal::SenderFull)
            };
            let last = self.of_sender(&from).last().map(|last| last.nonce);
            match last {
                Some(last)
                    if last > transfer.nonce
                        && !refusals.is_empty()
                        && refusals.iter().all(crowded) =>
                {
                    let waited = self.waiting.remove(&(from, last)).expect("it was found");
                    let id = waited.transfer.id(&model.genesis().domain);
                    gone.push((id, Left::MadeWay));
                }
                _ => break,
            }
        }
        gone
    }

    fn refusals(&self, model: &Model, transfer: &Transfer) -> Vec<Refusal> {
        let from = transfer.from();
        let account = account_of(model, &from);
        let rival = self.waiting.get(&(from, transfer.nonce));
        let others = self
            .of_sender(&from)
            .filter(|other| other.nonce != transfer.nonce);
        let (count, cost) = others.fold((0, cost(transfer)), |(count, sum), other| {
            (count + 1, sum + cost(other))
        });
        let underpriced = |rival: &Waiting| !outbids(transfer, &rival.transfer);
        let reasons = [
            (
                rival.is_some_and(|rival| rival.transfer == *transfer),
                Refusal::AlreadyKnown,
            ),
            (transfer.nonce < account.nonce, Refusal::NonceTooLow),
            (
                transfer.nonce.saturating_sub(account.nonce) > GAP_MAX,
                Refusal::NonceTooHigh,
            ),
            (
                cost > u128::from(account.balance),
                Refusal::InsufficientBalance,
            ),
            (
                rival.is_some_and(underpriced),
                Refusal::ReplacementUnderpriced,
            ),
            (rival.is_none() && count >= SENDER_MAX, Refusal::SenderFull),
        ];
        let broken = reasons.into_iter().filter(|(broken, _)| *broken);
        broken.map(|(_, refusal)| refusal).collect()
    }

    fn of_sender(&self, from: &[u8; 20]) -> impl Iterator<Item = &Transfer> {
        let range = self.waiting.range((*from, 0)..=(*from, u64::MAX));
        range.map(|(_, waited)| &waited.transfer)
    }

    fn is_pending(&self, model: &Model, from: &[u8; 20], nonce: u64) -> bool {
        let account = account_of(model, from);
        let first: Vec<_> = self
            .of_sender(from)
            .filter(|transfer| transfer.nonce <= nonce)
            .collect();
        let contiguous = first
            .iter()
            .zip(account.nonce..)
            .all(|(transfer, expected)| transfer.nonce == expected);
        let total: u128 = first.iter().map(|transfer| cost(transfer)).sum();
        contiguous && total <= u128::from(account.balance)
    }
}

fn account_of(model: &Model, address: &[u8; 20]) -> crate::Account {
    let accounts = model.accounts_at(&model.tip());
    accounts.expect("the tip was judged").get(address)
}

fn nonce_of(model: &Model, address: &[u8; 20]) -> u64 {
    account_of(model, address).nonce
}

fn cost(transfer: &Transfer) -> u128 {
    u128::from(transfer.amount) + u128::from(transfer.fee)
}

/// A higher fee, and a fee rate at least a tenth higher.
fn outbids(new: &Transfer, old: &Transfer) -> bool {
    let size = |transfer: &Transfer| transfer.bytes().len() as u128;
    let (new_fee, old_fee) = (u128::from(new.fee), u128::from(old.fee));
    new_fee > old_fee && 10 * new_fee * size(old) >= 11 * old_fee * size(new)
}
