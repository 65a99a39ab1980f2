//! What can be asked of the model.

use crate::accounts::Accounts;
use crate::block::Block;
use crate::chain::Model;
use crate::genesis::Genesis;
use crate::hash::Hash;
use crate::header::Header;
use crate::rule::Rule;
use crate::transfer::Transfer;
use crate::tree::Entry;

impl Model {
    /// The genesis file's content.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The genesis id.
    pub fn genesis_id(&self) -> Hash {
        self.genesis_id
    }

    /// The id of the best chain's last block.
    pub fn tip(&self) -> Hash {
        self.tip
    }

    /// Its height.
    pub fn tip_height(&self) -> u64 {
        self.tree.at(&self.tip).header.height
    }

    /// The header of an id, if it is known.
    pub fn header(&self, id: &Hash) -> Option<&Header> {
        Some(&self.tree.entries.get(id)?.header)
    }

    /// The block of an id, if its body is here.
    pub fn block(&self, id: &Hash) -> Option<Block> {
        let entry = self.tree.entries.get(id)?;
        Some(Block {
            header: entry.header.clone(),
            transfers: entry.body.clone()?,
        })
    }

    /// Whether the block is not to be followed: it, or an ancestor, is invalid or set aside.
    pub fn is_marked(&self, id: &Hash) -> bool {
        let marked = |entry: &Entry| entry.mark.is_some();
        self.tree.entries.get(id).is_some_and(marked)
    }

    /// The work from genesis to this block, 32 bytes big-endian, if its header is known.
    pub fn chainwork(&self, id: &Hash) -> Option<Hash> {
        let bytes = self.tree.entries.get(id)?.chainwork.to_bytes_be();
        let mut work = [0; 32];
        work[32 - bytes.len()..].copy_from_slice(&bytes);
        Some(work)
    }

    /// The most work of a header without a mark, 32 bytes big-endian.
    pub fn header_work_max(&self) -> Hash {
        let all = self.tree.entries.iter();
        let unmarked = all.filter(|(_, entry)| entry.mark.is_none());
        let (best, _) = unmarked
            .max_by_key(|(_, entry)| &entry.chainwork)
            .expect("genesis never has a mark");
        self.chainwork(best).expect("it is known")
    }

    /// The ids from a known block down to genesis, both with.
    pub fn branch(&self, id: &Hash) -> Vec<Hash> {
        self.tree.branch(id)
    }

    /// The ids on the way from genesis to this header whose bodies are not here, lowest first.
    pub fn missing_bodies(&self, id: &Hash) -> Vec<Hash> {
        let mut ids = self.tree.branch(id);
        ids.retain(|id| self.tree.at(id).body.is_none());
        ids.reverse();
        ids
    }

    /// The accounts after a block that was judged valid.
    pub fn accounts_at(&self, id: &Hash) -> Option<&Accounts> {
        self.tree.entries.get(id)?.accounts.as_ref()
    }

    /// The state root after a block that was judged valid, from all accounts anew.
    pub fn root_at(&self, id: &Hash) -> Option<Hash> {
        Some(self.accounts_at(id)?.root())
    }

    /// The accounts after a block whose branch is complete, by a replay from genesis that looks at
    /// nothing that was judged before.
    ///
    /// # Errors
    /// The first block that breaks a rule of the accounts.
    pub fn replay(&self, id: &Hash) -> Result<Accounts, (Hash, Rule)> {
        let mut accounts = self.genesis.accounts();
        let mut ids = self.tree.branch(id);
        ids.pop();
        for id in ids.into_iter().rev() {
            let block = self.block(&id).expect("the branch is complete");
            accounts = accounts
                .after(&block, &self.genesis)
                .map_err(|rule| (id, rule))?;
            if accounts.root() != block.header.state_root {
                return Err((id, Rule::WrongStateRoot));
            }
        }
        Ok(accounts)
    }

    /// All money that must exist at a height.
    pub fn supply_at(&self, height: u64) -> u128 {
        let issued = u128::from(height) * u128::from(self.genesis.reward);
        self.genesis.accounts().supply() + issued
    }

    /// The bits that a child of a known block must have.
    pub fn next_bits(&self, parent: &Hash) -> u32 {
        self.genesis.next_bits(&self.tree.at(parent).header)
    }

    /// The time that a child of a known block must be later than.
    pub fn median_time_past(&self, parent: &Hash) -> u64 {
        self.tree.median_time_past(parent)
    }

    /// Judges a transfer on the accounts of the tip.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn judge_transfer(&self, transfer: &Transfer) -> Result<(), Rule> {
        transfer.judge(&self.genesis.domain, self.genesis.fee_min)?;
        self.tree
            .at(&self.tip)
            .accounts
            .as_ref()
            .expect("the tip was judged")
            .judge(transfer)
    }
}
