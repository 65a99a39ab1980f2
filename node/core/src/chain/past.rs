//! The accounts as they were after an earlier block of the best chain, in the order of addresses and
//! a page at a time: the present rows, with undo laid over them. Memory stays the same however many
//! accounts there are and however far back it is.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use crate::ledger::Undo;
use crate::primitives::{Account, Address, Height};
use crate::schema;
use crate::storage::{Reader, StorageError};

/// Account rows that are read at once: about 150 KiB.
const PAGE: usize = 4_096;

/// Former accounts held at once: about 100 MiB. What exceeds it is collected in another walk over
/// the undo, for the addresses behind.
const FORMER_MAX: usize = 1 << 20;

/// Accounts, each of which is not empty, by address.
pub type Page = Vec<(Address, Account)>;

/// The accounts after the block of one height. All of it must be read from one committed state.
#[derive(Debug)]
pub struct AccountsAt<'a, R> {
    rows: &'a R,
    height: Height,
    /// Everything up to this address has been given out.
    after: Option<Address>,
    /// What accounts were at the height, of those that changed since, between `after` and `until`.
    former: BTreeMap<Address, Account>,
    /// The last address that `former` knows about; `None` for all.
    until: Option<Address>,
    former_max: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `former` must be collected.
    Collect,
    /// Accounts are given out.
    Give,
    /// All have been.
    Done,
}

impl<'a, R: Reader> AccountsAt<'a, R> {
    /// The accounts after the block of that height on the best chain: not above its tip, not below
    /// the undo horizon.
    pub const fn new(rows: &'a R, height: Height) -> Self {
        Self::with_bound(rows, height, FORMER_MAX)
    }

    const fn with_bound(rows: &'a R, height: Height, former_max: usize) -> Self {
        Self {
            rows,
            height,
            after: None,
            former: BTreeMap::new(),
            until: None,
            former_max,
            state: State::Collect,
        }
    }

    /// The next accounts; `None` after the last. A page may be empty.
    ///
    /// # Errors
    /// The machine's; damage, when undo between the height and the tip is missing.
    pub fn next_page(&mut self) -> Result<Option<Page>, StorageError> {
        match self.state {
            State::Done => return Ok(None),
            State::Collect => self.collect()?,
            State::Give => {}
        }
        let mut page = schema::accounts(self.rows, self.after.as_ref(), PAGE)?;
        let last = page.last().map(|(address, _)| *address);
        let mut end = last.filter(|_| page.len() == PAGE);
        if let Some(until) = self.until
            && end.is_none_or(|end| until <= end)
        {
            page.retain(|(address, _)| *address <= until);
            end = Some(until);
            self.state = State::Collect;
        } else if end.is_none() {
            self.state = State::Done;
        }
        let mut accounts: BTreeMap<_, _> = page.into_iter().collect();
        while let Some(entry) = self.former.first_entry()
            && end.is_none_or(|end| *entry.key() <= end)
        {
            let (address, account) = entry.remove_entry();
            accounts.insert(address, account);
        }
        accounts.retain(|_, account| !account.is_empty());
        self.after = end;
        Ok(Some(accounts.into_iter().collect()))
    }

    /// One walk over the undo, upwards: of each account the first value counts.
    fn collect(&mut self) -> Result<(), StorageError> {
        self.former.clear();
        self.until = None;
        let from = self.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut height = self.height.next();
        while let Some(id) = schema::best_id(self.rows, height)? {
            let Undo { before } = schema::undo(self.rows, &id)?;
            for (address, account) in before {
                let inside = (from, self.until.map_or(Bound::Unbounded, Bound::Included));
                if !core::ops::RangeBounds::contains(&inside, &address) {
                    continue;
                }
                self.former.entry(address).or_insert(account);
                if self.former.len() > self.former_max {
                    self.former.pop_last();
                    self.until = self.former.last_key_value().map(|(address, _)| *address);
                }
            }
            height = height.next();
        }
        self.state = State::Give;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::tests::lab::Lab;

    #[test]
    fn the_accounts_of_every_height_are_those_after_its_block_whatever_fits_into_memory() {
        let mut lab = Lab::new();
        let mut chain = lab.chain();
        let mut line = alloc::vec![lab.root];
        for variant in 1..=9 {
            let parent = *line.last().expect("never empty");
            line.extend(lab.busy_line(parent, 2, variant % 4));
        }
        crate::chain::tests::give_all(&mut chain, &lab, &line[1..]);
        for (height, id) in (0..).zip(&line) {
            for former_max in [1, 2, 3, 1_000] {
                let rows = chain.reader();
                let mut at = AccountsAt::with_bound(rows, Height::new(height), former_max);
                let mut found = Vec::new();
                while let Some(page) = at.next_page().unwrap() {
                    found.extend(page);
                }
                let expected: Vec<_> = lab.get(id).accounts.clone().into_iter().collect();
                assert_eq!(found, expected, "height {height}, {former_max} in memory");
            }
        }
    }
}
