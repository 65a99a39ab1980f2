//! The address book: nodes that we have heard of (*new*) and nodes that we have talked to (*tried*).
//!
//! Both are tables of buckets with a fixed number of places, and where an address may stand depends
//! on a secret, on its own group and, while it is new, on the group of who told it. So whoever has
//! few groups fills few buckets, however many addresses he tells, and cannot tell which. A tried
//! address makes way for another only after it was dialled and did not answer.

mod places;
mod rows;

use crate::p2p::address::{ToldAddress, is_worth_remembering};
use crate::p2p::place::Group;
use crate::params::peers::{
    ADDRESS_AGE_MAX, ADDRESS_SEEN_STEP, BOOK_CHOOSE_TRIES, BOOK_NEW_BUCKETS, BOOK_NEW_PLACES_MAX,
    BOOK_REDIAL_MAX, BOOK_RIVALS_MAX, BOOK_STALE_FAILURES, BOOK_TRIED_BUCKETS, REDIAL_FIRST,
};
use crate::primitives::{Instant, Millis, Now, Timestamp};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use rand_core::Rng;

pub use places::Slot;
pub use rows::Loaded;

/// What is known of one address.
#[derive(Clone, Debug)]
struct Entry {
    /// The group of who told it first.
    source: Group,
    /// When somebody last talked to a node there.
    seen: Timestamp,
    /// Failed dials since the last that succeeded.
    failures: u32,
    /// When it was last dialled in this life.
    dialled: Option<Instant>,
    /// Where it stands among the new; none if it is tried.
    places: Vec<Slot>,
    /// Where it stands among the tried.
    tried: Option<Slot>,
}

impl Entry {
    const fn new(source: Group, seen: Timestamp) -> Self {
        Self {
            source,
            seen,
            failures: 0,
            dialled: None,
            places: Vec::new(),
            tried: None,
        }
    }

    /// Whether a newcomer may have its place.
    fn is_stale(&self, now: Timestamp) -> bool {
        self.failures >= BOOK_STALE_FAILURES || now.since(self.seen) > ADDRESS_AGE_MAX
    }

    /// Whether it is too early to dial it again.
    fn rests(&self, now: Instant) -> bool {
        let pause = REDIAL_FIRST
            .get()
            .saturating_mul(1 << self.failures.min(16))
            .min(BOOK_REDIAL_MAX.get());
        self.dialled
            .is_some_and(|at| now.since(at) < Millis::new(pause))
    }
}

/// Which table an address is drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Heard of.
    New,
    /// Talked to.
    Tried,
}

/// All addresses. Bounded by the places of both tables.
#[derive(Clone, Debug)]
pub struct AddressBook {
    secret: [u8; 32],
    secret_is_stored: bool,
    entries: BTreeMap<SocketAddr, Entry>,
    new: BTreeMap<Slot, SocketAddr>,
    tried: BTreeMap<Slot, SocketAddr>,
    /// Addresses that answered and whose tried place is taken: who has it is dialled first.
    rivals: BTreeSet<SocketAddr>,
    /// Addresses whose row is not as it should be.
    unsaved: BTreeSet<SocketAddr>,
}

impl AddressBook {
    /// An empty book.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            secret_is_stored: false,
            entries: BTreeMap::new(),
            new: BTreeMap::new(),
            tried: BTreeMap::new(),
            rivals: BTreeSet::new(),
            unsaved: BTreeSet::new(),
        }
    }

    /// Remembers what somebody at `teller` told; false if nothing has changed.
    pub fn take(
        &mut self,
        now: Now,
        told: ToldAddress,
        teller: IpAddr,
        rng: &mut impl Rng,
    ) -> bool {
        let addr = SocketAddr::from(told.address);
        if !is_worth_remembering(addr, teller) {
            return false;
        }
        let seen = told.seen.min(now.wall);
        self.place_new(
            now.wall,
            addr,
            (Group::outbound(teller), seen),
            |standing| rng.next_u64().is_multiple_of(1 << standing),
        )
    }

    /// An address at one more place among the new. One that is told often gets further places, each
    /// half as likely as the one before.
    fn place_new(
        &mut self,
        now: Timestamp,
        addr: SocketAddr,
        (source, seen): (Group, Timestamp),
        mut lucky: impl FnMut(usize) -> bool,
    ) -> bool {
        let standing = match self.entries.get_mut(&addr) {
            None => 0,
            Some(entry) => {
                if seen.since(entry.seen) >= ADDRESS_SEEN_STEP {
                    entry.seen = seen;
                    self.unsaved.insert(addr);
                }
                if entry.tried.is_some() || entry.places.len() >= BOOK_NEW_PLACES_MAX {
                    return false;
                }
                entry.places.len()
            }
        };
        let slot = places::new(&self.secret, addr, source);
        match self.new.get(&slot).copied() {
            Some(holder) if holder == addr => return false,
            Some(holder) => {
                let holder = &self.entries[&holder];
                let gives_way = holder.is_stale(now) || holder.places.len() > 1 && standing == 0;
                if !gives_way {
                    return false;
                }
            }
            None => {}
        }
        if standing > 0 && !lucky(standing) {
            return false;
        }
        self.vacate_new(slot);
        let entry = self.entries.entry(addr);
        let entry = entry.or_insert_with(|| Entry::new(source, seen));
        entry.places.push(slot);
        self.new.insert(slot, addr);
        self.unsaved.insert(addr);
        true
    }

    fn vacate_new(&mut self, slot: Slot) {
        let Some(holder) = self.new.remove(&slot) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(&holder) {
            entry.places.retain(|place| *place != slot);
            if entry.places.is_empty() && entry.tried.is_none() {
                self.forget(&holder);
            }
        }
    }

    /// An address is being dialled.
    pub fn dialled(&mut self, now: Instant, addr: &SocketAddr) {
        if let Some(entry) = self.entries.get_mut(addr) {
            entry.dialled = Some(now);
        }
    }

    /// The node at `addr` said `Hello` to a dial of ours.
    pub fn answered(&mut self, now: Timestamp, addr: &SocketAddr) {
        let Some(entry) = self.entries.get_mut(addr) else {
            return;
        };
        entry.failures = 0;
        entry.seen = now;
        let known = entry.tried.is_some();
        self.unsaved.insert(*addr);
        if known {
            let slot = places::tried(&self.secret, *addr);
            let secret = self.secret;
            // It still answers: whoever wanted its place has to wait for another chance.
            self.rivals
                .retain(|rival| places::tried(&secret, *rival) != slot);
        } else {
            self.try_place(addr);
        }
    }

    /// Moves an address to the tried, unless another has its place.
    fn try_place(&mut self, addr: &SocketAddr) {
        let slot = places::tried(&self.secret, *addr);
        if self.tried.contains_key(&slot) {
            if self.rivals.len() < BOOK_RIVALS_MAX {
                self.rivals.insert(*addr);
            }
            return;
        }
        let Some(entry) = self.entries.get_mut(addr) else {
            return;
        };
        for place in core::mem::take(&mut entry.places) {
            self.new.remove(&place);
        }
        entry.tried = Some(slot);
        self.tried.insert(slot, *addr);
        self.rivals.remove(addr);
        self.unsaved.insert(*addr);
    }

    /// A dial to `addr` failed, or what answered was no node of ours to talk to.
    pub fn failed(&mut self, now: Timestamp, addr: &SocketAddr) {
        let Some(entry) = self.entries.get_mut(addr) else {
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        self.rivals.remove(addr);
        let (Some(slot), secret) = (entry.tried, self.secret) else {
            return;
        };
        let mut rivals = self.rivals.iter();
        let Some(rival) = rivals.find(|rival| places::tried(&secret, **rival) == slot) else {
            return;
        };
        let rival = *rival;
        self.tried.remove(&slot);
        let Some(entry) = self.entries.remove(addr) else {
            return;
        };
        self.unsaved.insert(*addr);
        self.try_place(&rival);
        // Its old place is that of an address that we have heard of, if that is free.
        self.place_new(now, *addr, (entry.source, entry.seen), |_| true);
        if let Some(again) = self.entries.get_mut(addr) {
            again.failures = entry.failures;
            again.dialled = entry.dialled;
        }
    }

    /// There is no node of our network at `addr`.
    pub fn forget(&mut self, addr: &SocketAddr) {
        self.rivals.remove(addr);
        if let Some(entry) = self.entries.remove(addr) {
            for place in entry.places {
                self.new.remove(&place);
            }
            if let Some(slot) = entry.tried {
                self.tried.remove(&slot);
            }
            self.unsaved.insert(*addr);
        }
    }

    /// Draws an address that may be dialled now and that the caller allows.
    pub fn choose(
        &self,
        now: Instant,
        table: Table,
        rng: &mut impl Rng,
        allowed: impl Fn(&SocketAddr) -> bool,
    ) -> Option<SocketAddr> {
        (0..BOOK_CHOOSE_TRIES)
            .filter_map(|_| self.draw(table, rng))
            .find(|addr| !self.entries[addr].rests(now) && allowed(addr))
    }

    /// Whom to look after: who has the tried place of a rival, or else somebody new.
    pub fn choose_feeler(
        &self,
        now: Instant,
        rng: &mut impl Rng,
        allowed: impl Fn(&SocketAddr) -> bool,
    ) -> Option<SocketAddr> {
        let holders = self.rivals.iter().filter_map(|rival| {
            let slot = places::tried(&self.secret, *rival);
            self.tried.get(&slot).copied()
        });
        let mut due = holders.filter(|addr| !self.entries[addr].rests(now) && allowed(addr));
        let first = due.next();
        first.or_else(|| self.choose(now, Table::New, rng, &allowed))
    }

    /// Up to `max` addresses to tell, drawn from both tables, none that is stale.
    pub fn sample(&self, now: Timestamp, max: usize, rng: &mut impl Rng) -> Vec<ToldAddress> {
        let mut drawn = BTreeMap::new();
        for turn in 0..max * 4 {
            let table = [Table::New, Table::Tried][turn % 2];
            if drawn.len() < max
                && let Some(addr) = self.draw(table, rng)
                && let entry = &self.entries[&addr]
                && !entry.is_stale(now)
            {
                drawn.insert(addr, entry.seen);
            }
        }
        let told = drawn.into_iter().map(|(addr, seen)| ToldAddress {
            address: addr.into(),
            seen,
        });
        told.collect()
    }

    /// A bucket and place are drawn, and who stands there or is next.
    fn draw(&self, table: Table, rng: &mut impl Rng) -> Option<SocketAddr> {
        let (table, buckets) = match table {
            Table::New => (&self.new, BOOK_NEW_BUCKETS),
            Table::Tried => (&self.tried, BOOK_TRIED_BUCKETS),
        };
        let from = places::draw(rng.next_u64(), buckets);
        let next = table
            .range(from..)
            .next()
            .or_else(|| table.first_key_value());
        next.map(|(_, addr)| *addr)
    }

    /// How many addresses there are, and how many of them are tried.
    pub fn counts(&self) -> (usize, usize) {
        (self.entries.len(), self.tried.len())
    }

    /// The addresses, in order.
    pub fn addrs(&self) -> impl Iterator<Item = SocketAddr> {
        self.entries.keys().copied()
    }

    /// Checks that tables and entries tell the same and that caps hold.
    ///
    /// # Panics
    /// When they do not: a bug of ours.
    pub fn check_invariants(&self) {
        let places: usize = self.entries.values().map(|entry| entry.places.len()).sum();
        assert_eq!(places, self.new.len());
        for (addr, entry) in &self.entries {
            assert!(entry.places.len() <= BOOK_NEW_PLACES_MAX);
            assert_eq!(entry.places.is_empty(), entry.tried.is_some());
            assert!(entry.places.iter().all(|place| self.new[place] == *addr));
            assert!(entry.tried.iter().all(|slot| self.tried[slot] == *addr));
        }
        let tried = self.entries.values().filter(|entry| entry.tried.is_some());
        assert_eq!(tried.count(), self.tried.len());
        assert!(self.rivals.len() <= BOOK_RIVALS_MAX);
        assert!(
            self.rivals
                .iter()
                .all(|rival| self.entries.contains_key(rival))
        );
    }
}

#[cfg(test)]
mod tests;
