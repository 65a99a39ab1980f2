//! The naive reference of the Archivas chain: `protocol.md` once more, in maps, big integers and
//! full replays, with no cache, no database and no crate of the node's.
//!
//! Bytes go in; verdicts with the names of rules, the tip, accounts, the pool and state roots come
//! out. Tests, the simulator's judges and fuzz targets hold the node against it. It trusts whoever
//! uses it with time and memory: it keeps every block and the accounts after each.
//!
//! ```
//! let genesis = include_bytes!("../../../node/core/genesis/dev.json");
//! let mut model = archivas_model::Model::new(genesis).expect("a genesis file");
//! assert_eq!(model.tip_height(), 0);
//! assert_eq!(model.accounts_at(&model.tip()).expect("genesis").supply(), 300_000_000_000_000);
//! ```

mod accounts;
mod bech32;
mod block;
mod bytes;
mod chain;
mod genesis;
mod hash;
mod header;
mod json;
mod pool;
mod queries;
mod rule;
mod target;
mod transfer;
mod tree;
mod verdict;
mod window;

pub use accounts::{Account, Accounts};
pub use bech32::{address_of_text, address_text};
pub use block::{BLOCK_BYTES_MAX, Block, judge_form, judge_seal, tx_root};
pub use bytes::{Unreadable, hex};
pub use chain::Model;
pub use genesis::Genesis;
pub use hash::Hash;
pub use header::{HEADER_BYTES, Header};
pub use pool::{Admission, Left, Pool, Refusal};
pub use rule::Rule;
pub use target::{Pace, Progress, asert, compact, expand, work};
pub use transfer::Transfer;
pub use verdict::{BlockVerdict, Outcome, TipMove};
