//! Places that are not talked to for a while: bounded, expiring, kept across restarts as rows of
//! the table `bans`.

use crate::p2p::place::Place;
use crate::params::peers::{BAN_TIME_MAX, BANS_MAX};
use crate::primitives::{BoundedString, Instant, Millis, Now, Timestamp, decode, encode};
use crate::storage::{Batch, Table};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One ban as operators see it and as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// When it ends, by the wall clock.
    pub until: Timestamp,
    /// Why: a code of ours.
    pub reason: BoundedString<32>,
}

/// All bans. Time within a life is monotonic, so that a jump of the wall clock neither frees
/// anybody nor keeps him for ever.
#[derive(Clone, Debug, Default)]
pub struct Bans {
    bans: BTreeMap<Place, (Instant, Ban)>,
    by_end: BTreeSet<(Instant, Place)>,
    /// Places whose row is not as it should be.
    unsaved: BTreeSet<Place>,
}

impl Bans {
    /// Reads stored rows; what has expired or does not decode is to be deleted with the next save.
    /// Returns the keys of what did not decode.
    pub fn load(&mut self, now: Now, rows: Vec<(Vec<u8>, Vec<u8>)>) -> (Vec<Vec<u8>>, Batch) {
        let (mut damaged, mut dead) = (Vec::new(), Batch::default());
        for (key, value) in rows {
            match (decode::<Place>(&key), decode::<Ban>(&value)) {
                (Ok(place), Ok(ban)) => {
                    let left = ban.until.since(now.wall);
                    if left == Millis::new(0) {
                        dead.delete(Table::Bans, key);
                    } else {
                        self.insert(now, place, left, ban.reason);
                        self.unsaved.remove(&place);
                    }
                }
                _ => {
                    dead.delete(Table::Bans, key.clone());
                    damaged.push(key);
                }
            }
        }
        (damaged, dead)
    }

    /// Bans a place; a ban that ends later than a present one takes its place.
    pub fn insert(&mut self, now: Now, place: Place, time: Millis, reason: BoundedString<32>) {
        let time = Millis::new(time.get().min(BAN_TIME_MAX.get()));
        let end = now.monotonic.plus(time);
        if self.bans.get(&place).is_some_and(|(at, _)| *at >= end) {
            return;
        }
        self.remove(&place);
        if self.bans.len() >= BANS_MAX
            && let Some((_, first)) = self.by_end.first().copied()
        {
            self.remove(&first);
        }
        let until = now.wall.plus(time);
        self.bans.insert(place, (end, Ban { until, reason }));
        self.by_end.insert((end, place));
        self.unsaved.insert(place);
    }

    /// Ends a ban; false if there was none.
    pub fn remove(&mut self, place: &Place) -> bool {
        let Some((end, _)) = self.bans.remove(place) else {
            return false;
        };
        self.by_end.remove(&(end, *place));
        self.unsaved.insert(*place);
        true
    }

    /// Whether a place is banned.
    pub fn contains(&self, place: &Place, now: Instant) -> bool {
        self.bans.get(place).is_some_and(|(end, _)| *end > now)
    }

    /// Forgets what has expired, and returns the rows that make the table equal to memory.
    pub fn save(&mut self, now: Instant) -> Batch {
        while let Some((end, place)) = self.by_end.first().copied()
            && end <= now
        {
            self.remove(&place);
        }
        let mut batch = Batch::default();
        for place in core::mem::take(&mut self.unsaved) {
            match self.bans.get(&place) {
                Some((_, ban)) => batch.put(Table::Bans, encode(&place), encode(ban)),
                None => batch.delete(Table::Bans, encode(&place)),
            }
        }
        batch
    }

    /// Whether a row is not as it should be.
    pub fn is_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// All bans, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Ban)> {
        self.bans.iter().map(|(place, (_, ban))| (place, ban))
    }

    /// How many places are banned.
    pub fn len(&self) -> usize {
        self.bans.len()
    }

    /// Whether nobody is banned.
    pub fn is_empty(&self) -> bool {
        self.bans.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MemoryStorage, Reader as _, Scan, Storage as _};

    fn now(seconds: u64) -> Now {
        Now {
            monotonic: Instant::new(seconds * 1_000),
            wall: Timestamp::new(1_000_000 + seconds * 1_000),
        }
    }

    fn place(number: u32) -> Place {
        Place::V4(number.to_be_bytes())
    }

    fn why() -> BoundedString<32> {
        BoundedString::truncated("invalid_block")
    }

    #[test]
    fn a_ban_survives_a_restart_until_it_ends() {
        let mut storage = MemoryStorage::default();
        let mut bans = Bans::default();
        bans.insert(now(0), place(1), Millis::from_secs(100), why());
        bans.insert(now(0), place(2), Millis::from_secs(10), why());
        storage.commit(bans.save(now(0).monotonic)).expect("memory");
        let later = Now {
            monotonic: Instant::new(0),
            wall: now(50).wall,
        };
        let mut again = Bans::default();
        let rows = storage.scan(Table::Bans, &Scan::all()).expect("memory");
        let (damaged, dead) = again.load(later, rows);
        storage.commit(dead).expect("memory");
        assert_eq!(
            (damaged.len(), again.len(), again.is_unsaved()),
            (0, 1, false)
        );
        assert!(again.contains(&place(1), Instant::new(49_000)));
        assert!(!again.contains(&place(1), Instant::new(51_000)));
        storage
            .commit(again.save(Instant::new(51_000)))
            .expect("memory");
        let rows = storage.scan(Table::Bans, &Scan::all()).expect("memory");
        assert!(rows.is_empty() && again.is_empty());
    }

    #[test]
    fn rows_that_do_not_decode_are_dropped_and_counted() {
        let mut bans = Bans::default();
        let rows = alloc::vec![
            (alloc::vec![9, 9], alloc::vec![1]),
            (encode(&place(1)), alloc::vec![])
        ];
        let (damaged, dead) = bans.load(now(0), rows);
        assert_eq!((damaged.len(), dead.ops().count(), bans.len()), (2, 2, 0));
    }

    #[test]
    fn bans_are_bounded_and_the_first_to_end_makes_room() {
        let mut bans = Bans::default();
        bans.insert(now(0), place(u32::MAX), Millis::from_secs(9), why());
        for number in 0..u32::try_from(BANS_MAX).expect("small") {
            bans.insert(now(0), place(number), Millis::from_secs(1_000), why());
            assert!(bans.len() <= BANS_MAX);
        }
        assert!(!bans.contains(&place(u32::MAX), now(0).monotonic));
        assert!(bans.contains(&place(0), now(0).monotonic));
    }

    #[test]
    fn a_shorter_ban_does_not_end_a_longer_one() {
        let mut bans = Bans::default();
        bans.insert(now(0), place(1), Millis::from_secs(1_000), why());
        bans.insert(now(0), place(1), Millis::from_secs(10), why());
        assert!(bans.contains(&place(1), now(500).monotonic));
        assert!(bans.remove(&place(1)) && !bans.remove(&place(1)));
    }
}
