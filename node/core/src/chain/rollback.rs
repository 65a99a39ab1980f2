//! Going back at the operator's wish, on a stopped node: what stands above a height is forgotten, on
//! every branch, and can be fetched again. Headers stay (`protocol.md` §5).

use super::Chain;
use super::draft::Draft;
use crate::params::REORG_STEP_BLOCKS;
use crate::primitives::{BlockId, Height, Timestamp};
use crate::schema::{self, HeaderRecord, Status, write};
use crate::storage::{Reader, Storage, StorageError};

impl<S: Storage> Chain<S> {
    /// Forgets bodies, arrival numbers and undo above a height that is not below the horizon, and
    /// moves the best chain to the best of the rest. Many commits, each of which leaves a whole chain:
    /// after a crash it can be begun again. Calls `progress` with the height that it has come down to.
    ///
    /// # Errors
    /// The machine's only.
    ///
    /// # Panics
    /// When the height is below the horizon.
    pub fn roll_back(
        &mut self,
        to: Height,
        progress: &mut dyn FnMut(Height),
    ) -> Result<(), StorageError> {
        assert!(
            to >= self.view.horizon,
            "nothing leads back below the horizon"
        );
        let mut top = schema::highest_level(&self.storage)?;
        while top > to {
            let cut = top.saturating_sub(REORG_STEP_BLOCKS).max(to);
            self.forget(cut, top)?;
            top = cut;
            progress(top);
        }
        while self.is_walking() {
            // Without a clock no tip counts as old.
            self.step(Timestamp::new(0))?;
        }
        Ok(())
    }

    fn forget(&mut self, above: Height, up_to: Height) -> Result<(), StorageError> {
        let mut draft = self.draft_of_order(Timestamp::new(0));
        draft.view.walk = None;
        while draft.view.tip.height > above {
            draft.revert_tip()?;
        }
        let mut height = up_to;
        while height > above {
            for id in schema::ids_at(&draft.rows, height)? {
                draft.forget_block(&id)?;
            }
            height = height.saturating_sub(1);
        }
        for id in schema::ids_at(&draft.rows, above)? {
            draft.settle_tips(&id)?;
        }
        draft.view.missing_from = draft.view.missing_from.min(above.next());
        draft.follow_best()?;
        let finished = draft.finish();
        self.commit(finished).map(drop)
    }
}

impl<S: Reader> Draft<'_, S> {
    fn forget_block(&mut self, id: &BlockId) -> Result<(), StorageError> {
        let record = schema::required_header(&self.rows, id)?;
        if record.arrival.is_none() && !schema::has_body(&self.rows, id)? {
            return Ok(());
        }
        write::set_block_tip(&mut self.rows, id, &record, false);
        write::delete_body(&mut self.rows, id);
        let status = match record.status.had_body() {
            true => Status::HeaderOnly,
            false => record.status,
        };
        let record = HeaderRecord {
            status,
            arrival: None,
            ..record
        };
        write::put_header(&mut self.rows, id, &record);
        Ok(())
    }
}
