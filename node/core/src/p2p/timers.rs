//! One table of timers: what is due next, and nothing else.

use crate::primitives::Instant;
use alloc::collections::{BTreeMap, BTreeSet};

/// Deadlines by key; each key has at most one.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    due: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Default for Timers<K> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Sets or moves the deadline of `key`.
    pub fn set(&mut self, key: K, at: Instant) {
        self.cancel(&key);
        self.due.insert(key, at);
        self.order.insert((at, key));
    }

    /// Sets the deadline of `key` unless it has one already.
    pub fn set_if_idle(&mut self, key: K, at: Instant) {
        if !self.due.contains_key(&key) {
            self.set(key, at);
        }
    }

    /// Forgets `key`.
    pub fn cancel(&mut self, key: &K) {
        if let Some(at) = self.due.remove(key) {
            self.order.remove(&(at, *key));
        }
    }

    /// Forgets every key that `drop` names.
    pub fn cancel_where(&mut self, drop: impl Fn(&K) -> bool) {
        self.due.retain(|key, _| !drop(key));
        self.order.retain(|(_, key)| !drop(key));
    }

    /// Takes the earliest key whose deadline is not after `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.order.first()?;
        if at > now {
            return None;
        }
        self.cancel(&key);
        Some(key)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// How many deadlines are set.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether no deadline is set.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_due_in_order_and_a_moved_one_only_once() {
        let mut timers = Timers::default();
        timers.set('a', Instant::new(5));
        timers.set('b', Instant::new(3));
        timers.set('a', Instant::new(1));
        timers.set_if_idle('b', Instant::new(9));
        assert_eq!(timers.next(), Some(Instant::new(1)));
        assert_eq!(timers.pop_due(Instant::new(0)), None);
        assert_eq!(timers.pop_due(Instant::new(4)), Some('a'));
        assert_eq!(timers.pop_due(Instant::new(4)), Some('b'));
        assert_eq!(timers.pop_due(Instant::new(9)), None);
        assert!(timers.is_empty());
    }
}
