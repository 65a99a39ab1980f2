//! What the simulated world checks by looking where no client can look: into each node's database,
//! and at everything that nodes say to their operators. The player's own checks (agreement, kept
//! tips, transfers) see only what the API tells; these see the rows. Each is counted when it looks.
//!
//! What holds each promise (O of the known bugs) in a run; `s` marks the player's checks.
//!
//! | | promise | checks |
//! | --- | --- | --- |
//! | O1 | supply | `stored_supply` at reorganizations, each 16th block and the end; `supply` s |
//! | O2 | nonces | `stored_nonces` at the end; `nonces` s |
//! | O3 | replay | `model_agrees`: a replay from genesis; `stored_state_root` |
//! | O4 | undo | `stored_state_root` and `stored_states_agree` after reorganizations |
//! | O5 | convergence | `convergence` s |
//! | O6 | most work | `tip_is_best` s; `stored_chain_links` |
//! | O7 | pool | `pool_is_right`; the node's own recount after each input; `transfer_confirmed` s |
//! | O8 | caps | `Node::check_invariants` after each input (a panic: `no_panic`) |
//! | O9 | liveness | `progress` s, `convergence` s, `no_false_blame` |
//! | O10 | differential | `model_agrees`, `no_false_verdict`, `accounts_agree` s |
//! | O11 | crash | `opens_again`, `told_tip_survives`, `told_tip_is_stored`; `durable_tip` s |
//! | O12 | one tip | `answers_have_one_tip`; `api_agrees` s, `chain_links` s |
//! | O13 | no panic, no deadlock | `no_panic`, `runs_on`, `core_answers`, `stops_in_time` |
//! | O14 | own template | `own_template` s |

use std::collections::{BTreeMap, BTreeSet};

use archivas::store::Snapshot;
use archivas_core::params::Genesis;
use archivas_core::primitives::{BlockId, Height, Millis};
use archivas_core::schema;
use archivas_core::storage::{Reader, StorageError};
use archivas_scenarios::checks::Check;
use archivas_scenarios::world::{CheckCount, NodeIndex, Tip, TipMove, Violation, ViolationKind};

use crate::feed::{Remark, Said};

pub mod answers;
pub mod history;
pub mod model;
pub mod money;
pub mod pool;

use history::Known;

/// See [`ALL`].
pub const OPENS_AGAIN: Check = Check {
    name: "opens_again",
    kind: ViolationKind::Safety,
    about: "a node starts again on whatever its last life left on the disk",
};
/// See [`ALL`].
pub const TOLD_TIP_SURVIVES: Check = Check {
    name: "told_tip_survives",
    kind: ViolationKind::Safety,
    about: "no tip that was ever told is lost: a node comes back with as much work or more",
};
/// See [`ALL`].
pub const TOLD_TIP_IS_STORED: Check = Check {
    name: "told_tip_is_stored",
    kind: ViolationKind::Safety,
    about: "a tip that is told is in the database, with its body",
};
/// See [`ALL`].
pub const STORED_CHAIN_LINKS: Check = Check {
    name: "stored_chain_links",
    kind: ViolationKind::Safety,
    about: "from tip to genesis, heights, parents and ids of stored headers fit together",
};
/// See [`ALL`].
pub const STORED_SUPPLY: Check = Check {
    name: "stored_supply",
    kind: ViolationKind::Safety,
    about: "the sum of all account rows is what genesis allocated and blocks have issued",
};
/// See [`ALL`].
pub const STORED_STATE_ROOT: Check = Check {
    name: "stored_state_root",
    kind: ViolationKind::Safety,
    about: "the account rows hash to the state root in the tip's header",
};
/// See [`ALL`].
pub const STORED_NONCES: Check = Check {
    name: "stored_nonces",
    kind: ViolationKind::Safety,
    about: "an account row's nonce is the number of its transfers on the best chain",
};
/// See [`ALL`].
pub const STORED_STATES_AGREE: Check = Check {
    name: "stored_states_agree",
    kind: ViolationKind::Safety,
    about: "nodes with the same tip have the same account rows, byte for byte",
};
/// See [`ALL`].
pub const MODEL_AGREES: Check = Check {
    name: "model_agrees",
    kind: ViolationKind::Safety,
    about: "the naive model accepts the best chain, block by block, and has the same accounts",
};
/// See [`ALL`].
pub const POOL_IS_RIGHT: Check = Check {
    name: "pool_is_right",
    kind: ViolationKind::Safety,
    about: "what waits in a mempool is not confirmed, follows its account and is covered by it",
};
/// See [`ALL`].
pub const ANSWERS_HAVE_ONE_TIP: Check = Check {
    name: "answers_have_one_tip",
    kind: ViolationKind::Safety,
    about: "balance and nonce in an answer of the API are those after one block",
};
/// See [`ALL`].
pub const NO_FALSE_VERDICT: Check = Check {
    name: "no_false_verdict",
    kind: ViolationKind::Safety,
    about: "no block is called invalid where every node is honest",
};
/// See [`ALL`].
pub const NO_FALSE_BLAME: Check = Check {
    name: "no_false_blame",
    kind: ViolationKind::Safety,
    about: "no peer is blamed where every node is honest",
};
/// See [`ALL`].
pub const RUNS_ON: Check = Check {
    name: "runs_on",
    kind: ViolationKind::Panic,
    about: "no node ends by itself while its disk works",
};
/// See [`ALL`].
pub const STOPS_IN_TIME: Check = Check {
    name: "stops_in_time",
    kind: ViolationKind::Liveness,
    about: "a node that is asked to stop is gone within five seconds",
};
/// See [`ALL`].
pub const CORE_ANSWERS: Check = Check {
    name: "core_answers",
    kind: ViolationKind::Liveness,
    about: "a node's loop answers a command within a minute",
};
/// Every check of the simulated world, beside the player's.
pub const ALL: &[Check] = &[
    OPENS_AGAIN,
    TOLD_TIP_SURVIVES,
    TOLD_TIP_IS_STORED,
    STORED_CHAIN_LINKS,
    STORED_SUPPLY,
    STORED_STATE_ROOT,
    STORED_NONCES,
    STORED_STATES_AGREE,
    MODEL_AGREES,
    POOL_IS_RIGHT,
    ANSWERS_HAVE_ONE_TIP,
    NO_FALSE_VERDICT,
    NO_FALSE_BLAME,
    RUNS_ON,
    STOPS_IN_TIME,
    CORE_ANSWERS,
];

/// Those that look in every run that is played to its end: one of them that never did was broken off
/// from what it looks at, and proves nothing.
pub const IN_EVERY_RUN: &[Check] = &[
    OPENS_AGAIN,
    TOLD_TIP_IS_STORED,
    STORED_CHAIN_LINKS,
    STORED_SUPPLY,
    STORED_STATE_ROOT,
    STORED_NONCES,
    STORED_STATES_AGREE,
    MODEL_AGREES,
    POOL_IS_RIGHT,
    NO_FALSE_VERDICT,
    RUNS_ON,
    CORE_ANSWERS,
];

/// Of ordinary blocks, one in so many has the accounts checked; after a reorganization and at the
/// end they always are.
const MONEY_ONE_IN: u64 = 16;

/// What a check found: nothing, or one sentence.
pub type Finding = Result<(), String>;

/// The judges of one run: what they know of each node, what they counted, what they found.
#[derive(Debug)]
pub struct Judges {
    genesis: Genesis,
    nodes: Vec<Known>,
    counts: BTreeMap<String, CheckCount>,
    found: Vec<Violation>,
}

/// Whom a check concerns, and when it looks.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The node.
    pub node: NodeIndex,
    /// Plan time.
    pub at: Millis,
}

impl Judges {
    /// Judges of so many nodes of this network.
    #[must_use]
    pub fn new(genesis: Genesis, nodes: usize) -> Self {
        let nodes = (0..nodes).map(|_| Known::default()).collect();
        Self {
            genesis,
            nodes,
            counts: BTreeMap::new(),
            found: Vec::new(),
        }
    }

    /// How often each check has looked; all of them, so that one that never looked is seen.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, CheckCount> {
        let mut counts = self.counts.clone();
        for check in ALL {
            counts.entry(check.name.into()).or_default();
        }
        counts
    }

    /// What was found since the last call.
    #[must_use]
    pub fn take_found(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.found)
    }

    /// Counts a check, and keeps what it found.
    pub fn judge(&mut self, check: Check, about: About, finding: Finding) {
        let count = self.counts.entry(check.name.into()).or_default();
        count.ran += 1;
        let Err(sentence) = finding else {
            return;
        };
        count.failed += 1;
        self.found.push(Violation {
            check: check.name.into(),
            kind: check.kind,
            at_ms: about.at.get(),
            node: Some(about.node),
            sentence,
        });
    }

    /// A node was started, or could not be; `tip` is what it came back with.
    pub fn started(&mut self, about: About, tip: Result<Tip, String>) {
        let told = self.nodes[about.node.0].told;
        match tip {
            Err(why) => self.judge(OPENS_AGAIN, about, Err(why)),
            Ok(tip) => {
                self.judge(OPENS_AGAIN, about, Ok(()));
                let Some(told) = told else {
                    return;
                };
                let kept = tip.chainwork >= told.chainwork;
                let lost = || {
                    format!(
                        "came back at height {}, had told {}",
                        tip.height, told.height
                    )
                };
                self.judge(
                    TOLD_TIP_SURVIVES,
                    about,
                    kept.then_some(()).ok_or_else(lost),
                );
            }
        }
    }

    /// A node's disk was emptied: nothing that it told can be asked back.
    pub fn forget(&mut self, node: NodeIndex) {
        let known = &mut self.nodes[node.0];
        (known.told, known.chain) = (None, Vec::new());
        known.answers.clear();
    }

    /// A node's disk was copied, with all that was told by then.
    pub fn remember_copy(&mut self, node: NodeIndex) {
        let known = &mut self.nodes[node.0];
        known.copied = known.told;
    }

    /// A node's disk is the copy again.
    pub fn put_back(&mut self, node: NodeIndex) {
        let known = &mut self.nodes[node.0];
        (known.told, known.chain) = (known.copied, Vec::new());
        known.answers.clear();
    }

    /// A node told this tip to somebody.
    pub fn told(&mut self, node: NodeIndex, tip: Tip) {
        let told = &mut self.nodes[node.0].told;
        if told.is_none_or(|before| before.chainwork < tip.chainwork) {
            *told = Some(tip);
        }
    }

    /// Weighs what a node has said. Gives back whether its accounts are to be looked at.
    pub fn hear(&mut self, remark: &Remark) -> bool {
        let about = About {
            node: remark.node,
            at: remark.at,
        };
        match &remark.said {
            Said::Moved(TipMove { to, left, .. }) => {
                self.judge(NO_FALSE_VERDICT, about, Ok(()));
                self.told(remark.node, *to);
                return *left > 0 || to.height.get().is_multiple_of(MONEY_ONE_IN);
            }
            Said::Refused { block, code } => {
                let sentence = format!("called the honest block {block} invalid: {code}");
                self.judge(NO_FALSE_VERDICT, about, Err(sentence));
            }
            Said::Parted { reason, blamed } => {
                let blame = || format!("ended the connection to an honest peer: {reason}");
                let innocent = (!blamed).then_some(()).ok_or_else(blame);
                self.judge(NO_FALSE_BLAME, about, innocent);
            }
            Said::Ended(Err(error)) => {
                self.judge(RUNS_ON, about, Err(format!("ended by itself: {error}")));
            }
            Said::Ended(Ok(())) => self.judge(RUNS_ON, about, Ok(())),
            Said::Overheard(count) => {
                self.judge(RUNS_ON, about, Err(format!("said {count} events unheard")));
            }
        }
        false
    }
}

/// Checks of one node's database.
impl Judges {
    /// The checks that every new tip is worth: what was told is stored, and the chain below it links.
    pub fn look_at_history(&mut self, about: About, rows: &impl Reader) {
        let known = &mut self.nodes[about.node.0];
        let links = known.chain_links(rows);
        let stored = known.told.map(|told| history::told_is_stored(rows, &told));
        self.judge(STORED_CHAIN_LINKS, about, links);
        if let Some(stored) = stored {
            self.judge(TOLD_TIP_IS_STORED, about, stored);
        }
    }

    /// The checks of all account rows. Gives back the tip and a name of the whole state.
    pub fn look_at_money(&mut self, about: About, rows: &impl Reader) -> Option<(BlockId, u128)> {
        let read = schema::tip(rows).and_then(|tip| Ok((tip, money::accounts(rows)?)));
        let (tip, accounts) = match read {
            Ok(read) => read,
            Err(error) => {
                self.judge(STORED_SUPPLY, about, Err(unreadable(&error)));
                return None;
            }
        };
        let supply = money::supply(&accounts, &self.genesis, tip.height);
        self.judge(STORED_SUPPLY, about, supply);
        self.judge(STORED_STATE_ROOT, about, money::state_root(&accounts, &tip));
        Some((tip.id, money::fingerprint(&accounts)))
    }

    /// The dear checks of the end: every nonce counted over the whole chain, and the states of all
    /// nodes compared.
    pub fn look_at_everything(&mut self, at: Millis, nodes: &[(NodeIndex, Snapshot)]) {
        let (mut states, mut modelled) = (BTreeMap::new(), BTreeSet::new());
        for (node, rows) in nodes {
            let about = About { node: *node, at };
            self.look_at_history(about, rows);
            self.look_at_answers(about, rows);
            let Some((tip, state)) = self.look_at_money(about, rows) else {
                continue;
            };
            let nonces = money::nonces(rows);
            self.judge(STORED_NONCES, about, nonces);
            // The model wants every block; who has let go of some has the others' state, or is found below.
            if keeps_all(rows) && modelled.insert(tip) {
                let agrees = model::agrees(rows, &self.genesis);
                self.judge(MODEL_AGREES, about, agrees);
            }
            let (first, same) = *states.entry(tip).or_insert((*node, state));
            let differs = || format!("has the tip of node {} and other accounts", first.0);
            let agree = (same == state).then_some(()).ok_or_else(differs);
            self.judge(STORED_STATES_AGREE, about, agree);
        }
    }
}

/// A database that cannot be read is a finding of whichever check wanted to read it.
fn unreadable(error: &StorageError) -> String {
    format!("the database cannot be read: {error}")
}

/// Whether every body of the best chain is here; what cannot be read is found by others.
fn keeps_all(rows: &impl Reader) -> bool {
    schema::base(rows).is_ok_and(|base| base == Height::GENESIS)
}

#[cfg(test)]
mod tests {
    use archivas_core::chain::Chain;
    use archivas_core::primitives::{Account, AccountNonce, Address, Amount, encode};
    use archivas_core::rules::check_block;
    use archivas_core::storage::{MemoryStorage, Overlay, Table};
    use archivas_scenarios::plan::{Overrides, load, producer_key};

    use super::*;
    use crate::feed::tip_of;
    use crate::meter::Meter;
    use crate::miner::seal;

    const ABOUT: About = About {
        node: NodeIndex(0),
        at: Millis::ZERO,
    };

    fn producer() -> Address {
        producer_key("a").address()
    }

    /// A chain of three blocks in memory, as a node stores it.
    fn chain() -> Chain<MemoryStorage> {
        let plan = load("three-nodes-agree", Overrides::default()).unwrap();
        let genesis = plan.network.genesis(crate::node::EPOCH, 1);
        let mut now = genesis.time;
        let mut chain = Chain::open(MemoryStorage::new(), genesis).unwrap();
        for _ in 0..3 {
            now = now.plus(Millis::from_secs(20));
            let template = chain
                .template(now, producer(), Vec::new())
                .unwrap()
                .unwrap();
            let header = seal(template.header, &Meter::default()).unwrap();
            let block = archivas_core::primitives::Block {
                header,
                transfers: Vec::new(),
            };
            let block = check_block(block, chain.law()).unwrap();
            assert!(
                chain
                    .accept_block(now, block)
                    .unwrap()
                    .walk
                    .tip_change
                    .is_some()
            );
        }
        chain
    }

    fn judges(chain: &Chain<MemoryStorage>) -> Judges {
        let mut judges = Judges::new(chain.genesis().clone(), 1);
        judges.told(NodeIndex(0), tip_of(&chain.tip().into()));
        judges
    }

    /// Which checks find something in these rows.
    fn failed(judges: &mut Judges, rows: &impl Reader) -> Vec<String> {
        judges.look_at_history(ABOUT, rows);
        let _state = judges.look_at_money(ABOUT, rows);
        let nonces = money::nonces(rows);
        judges.judge(STORED_NONCES, ABOUT, nonces);
        judges
            .take_found()
            .into_iter()
            .map(|violation| violation.check)
            .collect()
    }

    #[test]
    fn an_honest_chain_passes_every_check_of_its_rows() {
        let chain = chain();
        let mut judges = judges(&chain);
        assert_eq!(failed(&mut judges, chain.reader()), Vec::<String>::new());
        assert_eq!(failed(&mut judges, chain.reader()), Vec::<String>::new());
        assert_eq!(judges.counts()["stored_supply"].ran, 2);
        assert_eq!(judges.counts()["stops_in_time"].ran, 0);
    }

    #[test]
    fn an_answer_that_mixes_two_tips_is_true_after_no_block() {
        let chain = chain();
        let mut judges = judges(&chain);
        let address = producer();
        let account = schema::account(chain.reader(), &address).unwrap();
        let reward = account.balance.get() / 3;
        let mut said = |balance: u64, nonce: u64| {
            let answer = serde_json::json!({
                "address": address, "balance": balance.to_string(), "nonce": nonce.to_string(),
            });
            judges.answered(NodeIndex(0), answer.to_string().as_bytes());
            judges.look_at_answers(ABOUT, chain.reader());
            judges.take_found().len()
        };
        assert_eq!([0, 1, 2, 3].map(|blocks| said(blocks * reward, 0)), [0; 4]);
        assert_eq!([said(2 * reward, 1), said(4 * reward, 0)], [1, 1]);
    }

    #[test]
    fn the_model_agrees_with_an_honest_chain_and_with_no_other() {
        let chain = chain();
        let genesis = chain.genesis();
        assert_eq!(model::agrees(chain.reader(), genesis), Ok(()));
        let mut account = schema::account(chain.reader(), &producer()).unwrap();
        account.balance = account.balance.checked_add(Amount::new(1)).unwrap();
        let mut rows = Overlay::new(chain.reader());
        let key = producer().as_bytes().to_vec();
        rows.put(Table::Accounts, key, encode(&account));
        let why = model::agrees(&rows, genesis).unwrap_err();
        assert!(why.contains("has balance and nonce"), "{why}");
        let mut rows = Overlay::new(chain.reader());
        let tip = schema::tip(chain.reader()).unwrap().id;
        rows.delete(Table::Bodies, tip.as_bytes().to_vec());
        let why = model::agrees(&rows, genesis).unwrap_err();
        assert!(why.contains("is not here"), "{why}");
    }

    #[test]
    fn a_minted_coin_and_a_wrong_nonce_are_found_in_the_account_rows() {
        let chain = chain();
        let honest = schema::account(chain.reader(), &producer()).unwrap();
        let tampered = |account: Account| {
            let mut rows = Overlay::new(chain.reader());
            rows.put(
                Table::Accounts,
                producer().as_bytes().to_vec(),
                encode(&account),
            );
            failed(&mut judges(&chain), &rows)
        };
        let richer = honest.balance.checked_add(Amount::new(1)).unwrap();
        let minted = Account {
            balance: richer,
            ..honest
        };
        assert_eq!(tampered(minted), ["stored_supply", "stored_state_root"]);
        let skipped = Account {
            nonce: AccountNonce::new(1),
            ..honest
        };
        assert_eq!(tampered(skipped), ["stored_state_root", "stored_nonces"]);
    }

    #[test]
    fn a_best_chain_that_does_not_link_is_found() {
        let chain = chain();
        let ids = schema::best_ids(
            chain.reader(),
            archivas_core::primitives::Height::GENESIS,
            9,
        );
        let ids = ids.unwrap();
        let mut rows = Overlay::new(chain.reader());
        let second = 2_u64.to_be_bytes().to_vec();
        assert!(chain.reader().get(Table::Best, &second).unwrap().is_some());
        rows.put(Table::Best, second, ids[1].as_bytes().to_vec());
        let found = failed(&mut judges(&chain), &rows);
        assert!(
            found.contains(&"stored_chain_links".to_owned()),
            "{found:?}"
        );
    }

    #[test]
    fn a_tip_that_was_told_and_is_not_stored_is_found() {
        let (long, empty) = (chain(), MemoryStorage::new());
        let fresh = Chain::open(empty, long.genesis().clone()).unwrap();
        let mut judges = judges(&long);
        let found = failed(&mut judges, fresh.reader());
        assert_eq!(found, ["told_tip_is_stored"]);
        judges.started(ABOUT, Ok(tip_of(&fresh.tip().into())));
        judges.started(ABOUT, Ok(tip_of(&long.tip().into())));
        judges.started(ABOUT, Err("broken".into()));
        let found: Vec<String> = judges
            .take_found()
            .into_iter()
            .map(|violation| violation.check)
            .collect();
        assert_eq!(found, ["told_tip_survives", "opens_again"]);
    }

    #[test]
    fn what_nodes_say_of_honest_others_is_weighed() {
        let chain = chain();
        let mut judges = judges(&chain);
        let remark = |said| Remark {
            at: Millis::ZERO,
            node: NodeIndex(0),
            life: 1,
            said,
        };
        let block = chain.tip().id;
        judges.hear(&remark(Said::Refused {
            block,
            code: "bad_seal",
        }));
        judges.hear(&remark(Said::Parted {
            reason: "silent",
            blamed: false,
        }));
        judges.hear(&remark(Said::Parted {
            reason: "invalid",
            blamed: true,
        }));
        let found: Vec<String> = judges
            .take_found()
            .into_iter()
            .map(|violation| violation.check)
            .collect();
        assert_eq!(found, ["no_false_verdict", "no_false_blame"]);
    }
}
