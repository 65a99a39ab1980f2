//! Headers that are weighed before any is stored (protocol §4): what costs little to make must cost
//! nothing to keep. Memory of one stretch is constant, however many headers it has followed.

use alloc::vec::Vec;

use super::Chain;
use super::headers::stop_at;
use super::verdict::{HeaderPoint, HeaderStop};
use crate::params::{ANTI_DOS_BLOCKS, Genesis, MEDIAN_TIME_BLOCKS};
use crate::primitives::{BlockId, Header, Height, Timestamp, Work};
use crate::rules::{self, Invalid, ParentContext};
use crate::schema::{self, HeaderRecord};
use crate::storage::{Storage, StorageError};

/// The end of a chain of headers, each valid after the one before, that are not stored.
#[derive(Clone, Debug)]
pub struct Stretch {
    end: HeaderPoint,
    /// Timestamps of the end and up to ten ancestors, oldest first.
    times: Vec<Timestamp>,
}

/// What a list of headers would come to.
#[derive(Clone, Debug, Default)]
pub struct Weighed {
    /// The end of what is valid in it and not stored; `None` if there is no such header.
    pub stretch: Option<Stretch>,
    /// The place in the list of the first header that would not be taken, and why.
    pub stop: Option<(usize, HeaderStop)>,
}

impl Stretch {
    /// The last header's place.
    pub const fn end(&self) -> &HeaderPoint {
        &self.end
    }

    /// Goes on to the next header, whose id is returned, if it is valid there and not from the
    /// future.
    ///
    /// # Errors
    /// Why it is not taken: an orphan if it is no child of the end.
    pub fn extend(
        &mut self,
        genesis: &Genesis,
        now: Timestamp,
        header: &Header,
    ) -> Result<BlockId, HeaderStop> {
        if header.parent != self.end.id {
            return Err(HeaderStop::Orphan);
        }
        let last_time = *self.times.last().expect("the end has a time");
        let context = ParentContext {
            id: self.end.id,
            height: self.end.height,
            median_time_past: rules::median_time_past(&mut self.times.clone()),
            next_bits: rules::next_bits(genesis, self.end.height, last_time),
        };
        rules::check_header(header, &context).map_err(HeaderStop::Invalid)?;
        if rules::is_from_future(header, now, &genesis.rules) {
            return Err(HeaderStop::NotYet);
        }
        let target = header.bits.expand().expect("its seal was checked");
        let chainwork = self.end.chainwork.checked_add(Work::of_target(target));
        let chainwork = chainwork.ok_or(HeaderStop::Invalid(Invalid::ChainworkOverflow))?;
        self.end = HeaderPoint {
            id: header.id(),
            height: header.height,
            chainwork,
        };
        if self.times.len() == MEDIAN_TIME_BLOCKS {
            self.times.remove(0);
        }
        self.times.push(header.timestamp);
        Ok(self.end.id)
    }
}

impl<S: Storage> Chain<S> {
    /// Judges headers as [`Chain::accept_headers`] does, and stores none.
    ///
    /// # Errors
    /// The machine's only.
    pub fn weigh_headers(
        &self,
        now: Timestamp,
        headers: &[Header],
    ) -> Result<Weighed, StorageError> {
        let mut weighed = Weighed::default();
        for (index, header) in headers.iter().enumerate() {
            let step = match &mut weighed.stretch {
                Some(stretch) => stretch.extend(&self.genesis, now, header).map(drop),
                None => self.weigh_first(now, header, &mut weighed.stretch)?,
            };
            if let Err(stop) = step {
                weighed.stop = Some((index, stop));
                break;
            }
        }
        Ok(weighed)
    }

    /// A header that may be stored; the first that is not begins the stretch.
    fn weigh_first(
        &self,
        now: Timestamp,
        header: &Header,
        stretch: &mut Option<Stretch>,
    ) -> Result<Result<(), HeaderStop>, StorageError> {
        if let Some(known) = self.header(&header.id())? {
            return Ok(stop_at(known.status).map_or(Ok(()), Err));
        }
        let Some(parent) = self.header(&header.parent)? else {
            return Ok(Err(HeaderStop::Orphan));
        };
        if let Some(stop) = stop_at(parent.status) {
            return Ok(Err(stop));
        }
        let mut begun = self.stretch_at(&header.parent, &parent)?;
        let step = begun.extend(&self.genesis, now, header);
        if step.is_ok() {
            *stretch = Some(begun);
        }
        Ok(step.map(drop))
    }

    fn stretch_at(&self, id: &BlockId, record: &HeaderRecord) -> Result<Stretch, StorageError> {
        let mut header = record.header;
        let mut times = alloc::vec![header.timestamp];
        while times.len() < MEDIAN_TIME_BLOCKS && header.height != Height::GENESIS {
            header = schema::required_header(&self.rows(), &header.parent)?.header;
            times.push(header.timestamp);
        }
        times.reverse();
        let end = HeaderPoint {
            id: *id,
            height: record.header.height,
            chainwork: record.chainwork,
        };
        Ok(Stretch { end, times })
    }

    /// The least work of a chain whose headers are stored: the network's minimum, or all but the
    /// last [`ANTI_DOS_BLOCKS`] blocks of our own chain, whichever is more.
    pub fn anti_dos_work(&self) -> Work {
        let tip = self.tip();
        let target = tip.header.bits.expand().expect("the tip is valid");
        let block = Work::of_target(target);
        let mut near = Work::ZERO;
        for _ in 0..ANTI_DOS_BLOCKS {
            near = near.checked_add(block).unwrap_or(tip.chainwork);
        }
        let ours = tip.chainwork.checked_sub(near).unwrap_or(Work::ZERO);
        ours.max(self.policy.minimum_chainwork)
    }
}
