//! Invariants of the tree: links, work, arrival, marks, ends of branches, the two chains.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::{count, ensure};
use crate::chain::Chain;
use crate::primitives::{BlockId, Height, Work};
use crate::schema::{self, HeaderRecord, Status};
use crate::storage::{Storage, StorageError, Table};

type Tree = BTreeMap<BlockId, HeaderRecord>;

impl<S: Storage> Chain<S> {
    pub(super) fn check_tree(&self) -> Result<(), StorageError> {
        let tree = self.whole_tree()?;
        let rows = &self.storage;
        ensure(
            count(rows, Table::Headers)? == tree.len(),
            || "a header has no place in levels",
        )?;
        ensure(
            count(rows, Table::Levels)? == tree.len(),
            || "a place in levels has no header",
        )?;
        for (id, record) in tree.iter().filter(|(id, _)| **id != self.genesis_id) {
            self.check_header_record(&tree, id, record)?;
        }
        self.check_arrivals(&tree)?;
        self.check_branch_ends(&tree)?;
        self.check_chain(&tree, Table::Best, self.view.tip.id)?;
        self.check_chain(&tree, Table::BestHeaders, self.view.best_header.id)?;
        self.check_missing(&tree)
    }

    fn whole_tree(&self) -> Result<Tree, StorageError> {
        let mut tree = Tree::new();
        let mut height = Height::GENESIS;
        loop {
            let ids = schema::ids_at(&self.storage, height)?;
            if ids.is_empty() {
                return Ok(tree);
            }
            for id in ids {
                let record = schema::required_header(&self.storage, &id)?;
                ensure(record.header.height == height, || {
                    format!("{id} is at another height")
                })?;
                ensure(record.header.id() == id, || {
                    format!("{id} is not the id of its header")
                })?;
                tree.insert(id, record);
            }
            height = height.next();
        }
    }

    fn check_header_record(
        &self,
        tree: &Tree,
        id: &BlockId,
        record: &HeaderRecord,
    ) -> Result<(), StorageError> {
        let header = &record.header;
        let parent = tree.get(&header.parent);
        ensure(parent.is_some(), || format!("{id} has no parent"))?;
        let parent = parent.expect("just ensured");
        let work = Work::of_target(header.bits.expand().expect("a stored header was checked"));
        let sum = parent.chainwork.checked_add(work);
        ensure(sum == Some(record.chainwork), || {
            format!("{id} has another work")
        })?;
        let parent_height = Some(parent.header.height);
        ensure(header.height.parent() == parent_height, || {
            format!("{id} has another height")
        })?;
        ensure(
            parent.status.is_valid() || !record.status.is_valid(),
            || format!("{id} is valid, its parent is not"),
        )?;
        let has_body = schema::body(&self.storage, id)?.is_some();
        let fits = match record.status {
            Status::HeaderOnly => !has_body,
            Status::Stored => has_body,
            Status::Pruned => !has_body && header.height <= self.view.base,
            Status::Invalid { .. } | Status::SetAside => true,
        };
        ensure(fits, || format!("{id}: the body does not fit the status"))?;
        let marked_below = !record.status.is_valid() && header.height <= self.view.base;
        let here = has_body || record.status == Status::Pruned;
        let here = here || marked_below && record.arrival.is_some();
        let connectable = here && parent.arrival.is_some();
        let order = connectable && record.arrival > parent.arrival;
        ensure(order || (!connectable && record.arrival.is_none()), || {
            format!("{id}: the arrival number does not fit the bodies")
        })
    }

    fn check_arrivals(&self, tree: &Tree) -> Result<(), StorageError> {
        let arrivals: Vec<_> = tree.values().filter_map(|record| record.arrival).collect();
        let distinct: BTreeSet<_> = arrivals.iter().copied().collect();
        ensure(
            distinct.len() == arrivals.len(),
            || "two blocks have one arrival number",
        )?;
        let fresh = distinct
            .last()
            .is_none_or(|last| *last < self.view.next_arrival);
        ensure(fresh, || "the next arrival number was given before")
    }

    fn check_branch_ends(&self, tree: &Tree) -> Result<(), StorageError> {
        let ends = |belongs: fn(&HeaderRecord) -> bool| -> BTreeSet<BlockId> {
            let members = tree.iter().filter(|(_, record)| belongs(record));
            let parents = members.clone().map(|(_, record)| record.header.parent);
            let parents: BTreeSet<_> = parents.collect();
            members
                .map(|(id, _)| *id)
                .filter(|id| !parents.contains(id))
                .collect()
        };
        let found: BTreeSet<_> = schema::header_tips(&self.storage)?.into_iter().collect();
        ensure(
            found == ends(|record| record.status.is_valid()),
            || "the ends of the branches of headers are not the stored ones",
        )?;
        let mut found: BTreeSet<_> = schema::block_tips(&self.storage)?.into_iter().collect();
        for held in schema::held_tips(&self.storage)? {
            let only_there = found.insert(held);
            ensure(only_there, || format!("{held} is held and is not"))?;
            let heavy = tree[&held].chainwork >= self.view.tip.chainwork || self.is_walking();
            ensure(heavy, || format!("{held} is held and is outweighed"))?;
        }
        ensure(
            found == ends(HeaderRecord::is_candidate),
            || "the ends of the branches of blocks are not the stored ones",
        )
    }

    fn check_chain(&self, tree: &Tree, table: Table, end: BlockId) -> Result<(), StorageError> {
        let name = table.name();
        let mut ids = alloc::vec![end];
        while let Some(parent) = tree.get(&tree[ids.last().expect("never empty")].header.parent) {
            ids.push(parent.header.id());
        }
        ids.reverse();
        let found = match table {
            Table::Best => schema::best_ids(&self.storage, Height::GENESIS, usize::MAX)?,
            _ => schema::best_header_ids(&self.storage, Height::GENESIS, usize::MAX)?,
        };
        ensure(found == ids, || {
            format!("{name} is not the chain that ends in {end}")
        })?;
        let valid = tree[&end].status.is_valid() || self.is_walking();
        ensure(valid, || format!("{name} ends in an invalid block"))
    }

    fn check_missing(&self, tree: &Tree) -> Result<(), StorageError> {
        for height in 0..self.view.missing_from.get() {
            let id = schema::best_header_id(&self.storage, Height::new(height))?;
            let status = id.and_then(|id| tree.get(&id)).map(|record| record.status);
            ensure(
                status.is_some_and(Status::had_body),
                || "a body is missing below the first one",
            )?;
        }
        Ok(())
    }
}
