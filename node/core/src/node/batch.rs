//! When what was added to the chain is committed. At the tip at once, but for a header whose body is
//! on its way; while the node catches up, many blocks together (`protocol.md` §5). Until then nobody
//! hears of it: what is said of blocks follows the commit.

use super::{Node, Timer};
use crate::params::batch::{BATCH_BLOCKS_MAX, BATCH_BYTES_MAX, BATCH_TIME_MAX, CATCH_UP_BLOCKS};
use crate::params::peers::HEADERS_MAX;
use crate::primitives::Now;
use crate::storage::{Storage, StorageError};

impl<S: Storage> Node<S> {
    /// After headers or a block of a peer: commits, unless more is about to come that can share the
    /// commit.
    pub(super) fn settle_added(&mut self, now: Now) -> Result<(), StorageError> {
        let added = self.chain.added();
        if added.headers == 0 && added.blocks == 0 {
            return Ok(());
        }
        if !self.is_batch_open() {
            return self.commit_added(now);
        }
        let end = now.monotonic.plus(BATCH_TIME_MAX);
        self.timers.set_if_idle(Timer::Commit, end);
        Ok(())
    }

    /// Whether what was added may wait for more.
    fn is_batch_open(&self) -> bool {
        let added = self.chain.added();
        let best = self.chain.best_header().height.get();
        let behind = best.saturating_sub(added.tip_height.get());
        !added.is_final
            && added.headers < HEADERS_MAX
            && added.blocks < BATCH_BLOCKS_MAX
            && added.bytes < BATCH_BYTES_MAX
            && (added.blocks == 0 || behind >= CATCH_UP_BLOCKS)
    }

    /// Commits everything that was added; then the pool follows, and everybody hears of it.
    pub(super) fn commit_added(&mut self, now: Now) -> Result<(), StorageError> {
        self.timers.cancel(&Timer::Commit);
        let walk = self.chain.commit_added()?;
        self.follow_chain(now, walk)
    }
}
