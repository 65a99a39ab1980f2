//! Answers of the API that tell of an account, against the blocks that the node has (O12): balance and
//! nonce must be those after one of them. An answer that takes the one from before a block and the
//! other from after it is of no block at all. The accounts after each block are the naive model's.

use std::collections::{BTreeMap, BTreeSet};

use archivas_core::params::Genesis;
use archivas_core::primitives::{Address, BlockId, decode, encode};
use archivas_core::schema;
use archivas_core::storage::{Reader, Scan, StorageError, Table};
use archivas_model::{Accounts, Block};
use archivas_scenarios::world::NodeIndex;
use serde_json::Value;

use super::{About, Finding, Judges, keeps_all, unreadable};

/// So many different answers of one node are kept; the story is told by then.
const ANSWERS_MAX: usize = 4_096;

/// What a node said of an account.
pub type Answer = (Address, u64, u64);

/// What an answer of `/account/ADDRESS` says, if it is one.
fn parse(body: &[u8]) -> Option<Answer> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let number = |key: &str| answer.get(key)?.as_str()?.parse().ok();
    let address = answer.get("address")?.as_str()?.parse().ok()?;
    Some((address, number("balance")?, number("nonce")?))
}

impl Judges {
    /// A node answered a question about an account.
    pub fn answered(&mut self, node: NodeIndex, body: &[u8]) {
        let answers = &mut self.nodes[node.0].answers;
        if answers.len() < ANSWERS_MAX {
            answers.extend(parse(body));
        }
    }

    /// All that a node said of accounts since it last lost its disk.
    pub(super) fn look_at_answers(&mut self, about: About, rows: &impl Reader) {
        let answers = std::mem::take(&mut self.nodes[about.node.0].answers);
        // Who has let go of bodies cannot show what stood in them.
        if !answers.is_empty() && keeps_all(rows) {
            let finding = are_of_one_tip(rows, &self.genesis, &answers);
            self.judge(super::ANSWERS_HAVE_ONE_TIP, about, finding);
        }
    }
}

/// Each answer is true after some block of these rows.
fn are_of_one_tip(rows: &impl Reader, genesis: &Genesis, answers: &BTreeSet<Answer>) -> Finding {
    let states = states(rows, genesis)?;
    for (address, balance, nonce) in answers {
        let said = (*balance, *nonce);
        let held = |accounts: &Accounts| {
            let account = accounts.get(address.as_bytes());
            (account.balance, account.nonce) == said
        };
        if !states.values().any(held) {
            return Err(format!(
                "the API said that {address} has balance and nonce {said:?}, which it has after no block"
            ));
        }
    }
    Ok(())
}

/// The accounts after each block that is here and builds on others that are.
fn states(rows: &impl Reader, genesis: &Genesis) -> Result<BTreeMap<BlockId, Accounts>, String> {
    let model = archivas_model::Genesis::parse(genesis.to_json().as_bytes())
        .map_err(|why| format!("the model does not read the genesis: {why}"))?;
    let mut blocks = BTreeMap::new();
    let found = rows.scan(Table::Bodies, &Scan::all());
    for (key, _) in found.map_err(|error| unreadable(&error))? {
        let read = || -> Result<_, StorageError> {
            let Ok(id) = decode::<BlockId>(&key) else {
                return Ok(None);
            };
            Ok(schema::block(rows, &id)?.map(|block| (id, block)))
        };
        if let Some((id, block)) = read().map_err(|error| unreadable(&error))? {
            blocks.insert((block.header.height, id), block);
        }
    }
    let mut states = BTreeMap::from([(genesis.id(), model.accounts())]);
    for ((_, id), block) in blocks {
        // A block that breaks a rule, or whose parent is not here, was never a tip.
        let after = states.get(&block.header.parent).and_then(|before| {
            let block = Block::parse(&encode(&block)).ok()?;
            before.after(&block, &model).ok()
        });
        states.extend(after.map(|after| (id, after)));
    }
    Ok(states)
}
