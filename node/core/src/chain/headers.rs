//! Headers: their context, their admission to the tree, and the chain of the best one.

use super::draft::Draft;
use super::verdict::{HeaderPoint, HeaderStop};
use crate::params::{Genesis, MEDIAN_TIME_BLOCKS};
use crate::primitives::{BlockId, Header, Height, Timestamp, Work};
use crate::rules::{self, Invalid, ParentContext};
use crate::schema::{self, HeaderRecord, Status, write};
use crate::storage::{Reader, StorageError};

/// What became of a header.
pub(super) enum Admission {
    /// It is stored, now or before, and no known block makes it invalid.
    Stored(HeaderRecord),
    /// It is not taken.
    Stopped(HeaderStop),
}

impl From<HeaderStop> for Admission {
    fn from(stop: HeaderStop) -> Self {
        Admission::Stopped(stop)
    }
}

impl<S: Reader> Draft<'_, S> {
    /// Stores a header, unless it is known, homeless, invalid or from the future. Cheapest first.
    pub fn admit_header(
        &mut self,
        now: Timestamp,
        id: &BlockId,
        header: &Header,
    ) -> Result<Admission, StorageError> {
        if let Some(known) = schema::header(&self.rows, id)? {
            return Ok(match stop_at(known.status) {
                Some(stop) => stop.into(),
                None => Admission::Stored(known),
            });
        }
        let Some(parent) = schema::header(&self.rows, &header.parent)? else {
            return Ok(HeaderStop::Orphan.into());
        };
        if let Some(stop) = stop_at(parent.status) {
            return Ok(stop.into());
        }
        let context = parent_context(&self.rows, self.genesis, &header.parent, &parent.header)?;
        let rules = &self.genesis.rules;
        let checked = rules::check_header(header, &context);
        let record = match checked.and_then(|()| record(header, &parent)) {
            Ok(record) => record,
            Err(why) => return Ok(HeaderStop::Invalid(why).into()),
        };
        if rules::is_from_future(header, now, rules) {
            return Ok(HeaderStop::NotYet.into());
        }
        self.insert_header(id, &record, &parent)?;
        self.headers += 1;
        Ok(Admission::Stored(record))
    }

    fn insert_header(
        &mut self,
        id: &BlockId,
        record: &HeaderRecord,
        parent: &HeaderRecord,
    ) -> Result<(), StorageError> {
        write::put_header(&mut self.rows, id, record);
        write::put_level(&mut self.rows, record.header.height, id);
        write::set_header_tip(&mut self.rows, &record.header.parent, parent, false);
        write::set_header_tip(&mut self.rows, id, record, true);
        if record.chainwork > self.view.best_header.chainwork {
            self.move_best_header(point(id, record))?;
        }
        Ok(())
    }

    /// Makes another header the best one and rewrites the chain that leads to it.
    pub fn move_best_header(&mut self, to: HeaderPoint) -> Result<(), StorageError> {
        let mut above = to.height.next();
        while above <= self.view.best_header.height {
            write::set_best_header(&mut self.rows, above, None);
            above = above.next();
        }
        let (mut height, mut id) = (to.height, to.id);
        while schema::best_header_id(&self.rows, height)? != Some(id) {
            write::set_best_header(&mut self.rows, height, Some(&id));
            id = schema::required_header(&self.rows, &id)?.header.parent;
            height = height.parent().expect("all chains share genesis");
        }
        self.view.missing_from = self.view.missing_from.min(height.next());
        self.view.best_header = to;
        Ok(())
    }

    /// Moves the lowest height without a body up over the bodies that are here.
    pub fn advance_missing(&mut self) -> Result<(), StorageError> {
        while let Some(id) = schema::best_header_id(&self.rows, self.view.missing_from)? {
            if schema::required_header(&self.rows, &id)?.status == Status::HeaderOnly {
                break;
            }
            self.view.missing_from = self.view.missing_from.next();
        }
        Ok(())
    }
}

/// Why a marked block and its descendants are not taken; `None` without a mark.
pub(super) const fn stop_at(status: Status) -> Option<HeaderStop> {
    match status {
        Status::HeaderOnly | Status::Stored | Status::Pruned => None,
        Status::Invalid { .. } => Some(HeaderStop::KnownInvalid),
        Status::SetAside => Some(HeaderStop::SetAside),
    }
}

/// A header's place in the tree.
pub(super) fn point(id: &BlockId, record: &HeaderRecord) -> HeaderPoint {
    HeaderPoint {
        id: *id,
        height: record.header.height,
        chainwork: record.chainwork,
    }
}

/// The record of a header that was checked against its parent.
fn record(header: &Header, parent: &HeaderRecord) -> Result<HeaderRecord, Invalid> {
    let target = header
        .bits
        .expand()
        .expect("its seal was checked against its target");
    let work = Work::of_target(target);
    let chainwork = parent
        .chainwork
        .checked_add(work)
        .ok_or(Invalid::ChainworkOverflow)?;
    Ok(HeaderRecord {
        header: *header,
        chainwork,
        status: Status::HeaderOnly,
        arrival: None,
    })
}

/// What a header is judged against: its parent and the ancestors that the rules look at.
pub(super) fn parent_context(
    rows: &impl Reader,
    genesis: &Genesis,
    id: &BlockId,
    parent: &Header,
) -> Result<ParentContext, StorageError> {
    Ok(ParentContext {
        id: *id,
        height: parent.height,
        median_time_past: median_time_past(rows, parent)?,
        next_bits: rules::next_bits(genesis, parent.height, parent.timestamp),
    })
}

/// The median of the timestamps of this header and up to ten ancestors.
fn median_time_past(rows: &impl Reader, last: &Header) -> Result<Timestamp, StorageError> {
    let mut times = alloc::vec![last.timestamp];
    let mut header = *last;
    while times.len() < MEDIAN_TIME_BLOCKS && header.height != Height::GENESIS {
        header = schema::required_header(rows, &header.parent)?.header;
        times.push(header.timestamp);
    }
    Ok(rules::median_time_past(&mut times))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::networks;

    #[test]
    fn a_chain_with_more_work_than_256_bits_count_is_refused() {
        let header = networks::dev().header();
        let work = Work::of_target(header.bits.expand().expect("a target"));
        let most = Work::from_be_bytes([0xff; 32]);
        let on = |chainwork| {
            let parent = HeaderRecord {
                header,
                chainwork,
                status: Status::HeaderOnly,
                arrival: None,
            };
            record(&header, &parent).map(|record| record.chainwork)
        };
        let room = most.checked_sub(work).expect("one block has less");
        assert_eq!(on(room), Ok(most));
        assert_eq!(on(most), Err(Invalid::ChainworkOverflow));
    }
}
