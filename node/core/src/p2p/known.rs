//! A bounded memory of ids: the oldest are forgotten first.
//!
//! Two ordered maps and no hash, so that what is forgotten is the same in every run.

use alloc::collections::BTreeMap;

/// Remembers the last `max` distinct keys in the order in which they were last seen.
#[derive(Clone, Debug)]
pub struct RecentSet<K> {
    max: usize,
    clock: u64,
    by_key: BTreeMap<K, u64>,
    by_age: BTreeMap<u64, K>,
}

impl<K: Ord + Copy> RecentSet<K> {
    /// An empty memory of at most `max` keys.
    pub const fn new(max: usize) -> Self {
        Self {
            max,
            clock: 0,
            by_key: BTreeMap::new(),
            by_age: BTreeMap::new(),
        }
    }

    /// Remembers `key` as the newest; false if it was known already.
    pub fn insert(&mut self, key: K) -> bool {
        self.clock += 1;
        let previous = self.by_key.insert(key, self.clock);
        if let Some(age) = previous {
            self.by_age.remove(&age);
        }
        self.by_age.insert(self.clock, key);
        if self.by_key.len() > self.max
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_key.remove(&oldest);
        }
        previous.is_none()
    }

    /// Whether `key` is remembered; does not refresh it.
    pub fn contains(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// Forgets `key`; true if it was known.
    pub fn remove(&mut self, key: &K) -> bool {
        match self.by_key.remove(key) {
            Some(age) => self.by_age.remove(&age).is_some(),
            None => false,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.by_key.clear();
        self.by_age.clear();
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_key_is_forgotten_first_and_a_refresh_keeps_one() {
        let mut set = RecentSet::new(2);
        assert!(set.insert(1));
        assert!(set.insert(2));
        assert!(!set.insert(1));
        assert!(set.insert(3));
        assert!(set.contains(&1) && set.contains(&3) && !set.contains(&2));
        assert_eq!(set.len(), 2);
        assert!(set.remove(&1) && !set.remove(&1));
        assert_eq!(set.len(), set.by_age.len());
    }
}
