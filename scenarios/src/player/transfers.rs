//! The workload: transfers enter by POST /submit, must be relayed to everyone, and must be confirmed
//! on every node in time. What a node cannot take at the moment is tried again; what it refuses is a
//! violation, because every transfer made here is valid.

use std::collections::BTreeMap;

use archivas_core::primitives::wire::WireTransfer;
use archivas_core::primitives::{
    AccountNonce, Amount, BlockId, Memo, Millis, Payment, SignedTransfer, TxId,
};
use serde_json::Value;

use super::api;
use super::stage::Stage;
use crate::checks;
use crate::observer::Happening;
use crate::plan::{Nonces, Plan, Workload, funded_key};
use crate::world::{HttpRequest, NodeIndex, World};

/// How long a transfer that does not enter is tried again.
const GIVE_UP_AFTER: Millis = Millis::from_secs(120);
/// How long the player waits between two tries, and between two looks at mempools.
const AGAIN_AFTER: Millis = Millis::from_secs(1);

/// All transfers of a run.
pub(super) struct Transfers {
    relayed_within: Option<Millis>,
    confirmed_within: Option<Millis>,
    waiting: Vec<Waiting>,
    /// The next nonce of each key that has sent anything.
    nonces: BTreeMap<usize, u64>,
    sent: Vec<Sent>,
    /// Every transfer that any node was offered, with the key that pays: it may be confirmed even when
    /// no answer came.
    offered: BTreeMap<TxId, usize>,
    /// Whether events are placed without knowing what nodes do, so that what does not enter is no news.
    may_miss: bool,
    next_look: Option<Millis>,
    /// The tip at which each node was last asked about confirmations.
    asked_at: Vec<Option<BlockId>>,
}

/// A transfer that has not entered yet.
struct Waiting {
    workload: Workload,
    /// Its place among those of its event.
    number: u64,
    next_try: Millis,
    give_up: Millis,
    /// Whether an earlier try may have entered without an answer.
    unsure: bool,
}

/// A transfer that a node has accepted.
struct Sent {
    id: TxId,
    at: Millis,
    relayed_to: Vec<bool>,
    is_relayed: bool,
    confirmed_on: Vec<bool>,
    is_confirmed: bool,
}

/// What came of one try.
enum Try {
    Accepted(TxId),
    /// Nobody answered; it may have entered or not.
    Silent(String),
    NotNow(String),
    /// A wild one was not taken, for a reason that the node told.
    Declined(String),
    Refused(String),
}

impl Transfers {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            relayed_within: plan.expect.relayed_within,
            confirmed_within: plan.expect.confirmed_within,
            waiting: Vec::new(),
            nonces: BTreeMap::new(),
            sent: Vec::new(),
            offered: BTreeMap::new(),
            may_miss: plan.expect.may_miss,
            next_look: None,
            asked_at: vec![None; plan.nodes.len()],
        }
    }

    /// Queues the transfers of a workload, behind those of its key that wait: each has the nonce after
    /// the one before it, and whoever overtakes would take that one's.
    pub(super) fn add(&mut self, workload: &Workload, now: Millis) {
        let of_key = self.waiting.iter();
        let of_key = of_key.filter(|waiting| waiting.workload.from == workload.from);
        let next_try = of_key.map(|waiting| waiting.next_try).max();
        let next_try = next_try.map_or(now, |last| last.max(now));
        for number in 0..workload.count {
            let give_up = now.plus(GIVE_UP_AFTER);
            let workload = workload.clone();
            self.waiting.push(Waiting {
                workload,
                number,
                next_try,
                give_up,
                unsure: false,
            });
        }
    }

    /// When there is something to do next.
    pub(super) fn next(&self) -> Option<Millis> {
        let tries = self.waiting.iter().map(|waiting| waiting.next_try);
        tries.chain(self.next_look).min()
    }

    /// Sends what is due and follows what was sent; whether anything was done.
    pub(super) async fn step<W: World>(&mut self, stage: &mut Stage<'_, W>) -> bool {
        let sent = self.send_due(stage).await;
        self.follow_relay(stage).await;
        self.follow_confirmations(stage).await;
        stage.tell_violations();
        sent
    }

    async fn send_due<W: World>(&mut self, stage: &mut Stage<'_, W>) -> bool {
        let mut acted = false;
        let mut at = 0;
        let due = stage.world.now();
        while at < self.waiting.len() {
            if self.waiting[at].next_try > due {
                at += 1;
                continue;
            }
            acted = true;
            let now = stage.world.now();
            let (node, from) = (
                self.waiting[at].workload.node,
                self.waiting[at].workload.from,
            );
            match self.try_to_send(stage, at).await {
                Try::Accepted(id) => {
                    let waiting = self.waiting.remove(at);
                    stage.row(Happening::Submitted { node, id });
                    if waiting.workload.nonces == Nonces::Successive {
                        *self.nonces.entry(from).or_default() += 1;
                        let place = (now, Some(node));
                        stage
                            .tally
                            .check(checks::SUBMIT_ACCEPTED, true, place, String::new);
                        self.note_sent(id, now, stage.nodes.len());
                    }
                }
                Try::Declined(why) => {
                    self.waiting.remove(at);
                    stage.row(Happening::NotSubmitted { node, why });
                }
                Try::Silent(why) | Try::NotNow(why) if self.is_patient(at, now) => {
                    stage.row(Happening::NotSubmitted { node, why });
                    self.wait_with(at, now);
                }
                Try::Silent(why) | Try::NotNow(why) | Try::Refused(why) => {
                    self.waiting.remove(at);
                    let place = (now, Some(node));
                    stage
                        .tally
                        .check(checks::SUBMIT_ACCEPTED, false, place, || why);
                }
            }
        }
        acted
    }

    fn is_patient(&self, at: usize, now: Millis) -> bool {
        self.may_miss || now < self.waiting[at].give_up
    }

    /// Nothing overtakes: a later transfer of the same key has a later nonce.
    fn wait_with(&mut self, at: usize, now: Millis) {
        let from = self.waiting[at].workload.from;
        for waiting in &mut self.waiting[at..] {
            if waiting.workload.from == from {
                waiting.next_try = waiting.next_try.max(now.plus(AGAIN_AFTER));
            }
        }
    }

    /// Tries the waiting transfer at this place.
    async fn try_to_send<W: World>(&mut self, stage: &mut Stage<'_, W>, at: usize) -> Try {
        let Waiting {
            workload, number, ..
        } = &self.waiting[at];
        let (workload, number) = (workload.clone(), *number);
        match workload.nonces {
            Nonces::Successive => {
                let nonce = self.nonces.get(&workload.from).copied().unwrap_or(0);
                let tried = send(stage, &workload, (nonce, workload.amount)).await;
                self.offered.insert(tried.0, workload.from);
                self.settle_try(at, tried)
            }
            Nonces::Wild { ahead, empties } => {
                let address = funded_key(workload.from).address();
                let found = api::account(&mut stage.world, workload.node, &address).await;
                let (balance, nonce) = match found {
                    Ok(found) => found,
                    Err(why) => return Try::Declined(why),
                };
                let nonce = nonce.saturating_add(ahead).saturating_add(number);
                let all = Amount::new(balance.saturating_sub(workload.fee.get()).max(1));
                let amount = if empties { all } else { workload.amount };
                let (id, tried) = send(stage, &workload, (nonce, amount)).await;
                self.offered.insert(id, workload.from);
                match tried {
                    Try::Silent(why) | Try::NotNow(why) => Try::Declined(why),
                    tried => tried,
                }
            }
        }
    }

    /// A valid transfer whose last try went unanswered may be there already.
    fn settle_try(&mut self, at: usize, (id, tried): (TxId, Try)) -> Try {
        let waiting = &mut self.waiting[at];
        match tried {
            Try::Declined(_) if waiting.unsure => Try::Accepted(id),
            Try::Declined(why) => Try::Refused(format!("a valid transfer was not taken: {why}")),
            Try::Silent(why) => {
                waiting.unsure = true;
                Try::Silent(why)
            }
            tried => tried,
        }
    }

    fn note_sent(&mut self, id: TxId, now: Millis, nodes: usize) {
        self.sent.push(Sent {
            id,
            at: now,
            relayed_to: vec![false; nodes],
            is_relayed: self.relayed_within.is_none(),
            confirmed_on: vec![false; nodes],
            is_confirmed: self.confirmed_within.is_none(),
        });
        if self.relayed_within.is_some() {
            self.next_look = Some(now);
        }
    }

    /// Asks every mempool, once a second, until every node knows every transfer.
    async fn follow_relay<W: World>(&mut self, stage: &mut Stage<'_, W>) {
        let now = stage.world.now();
        let Some(within) = self.relayed_within else {
            return;
        };
        if self.next_look.is_none_or(|look| look > now) {
            return;
        }
        let up: Vec<NodeIndex> = stage.up_nodes().collect();
        for node in &up {
            let pool = api::get(&mut stage.world, *node, "/mempool")
                .await
                .unwrap_or_default();
            for sent in self.sent.iter_mut().filter(|sent| !sent.is_relayed) {
                let name = Value::String(sent.id.to_string());
                let waits = pool.as_array().is_some_and(|hashes| hashes.contains(&name));
                sent.relayed_to[node.0] |= waits || is_confirmed(stage, *node, &sent.id).await;
            }
        }
        for sent in self.sent.iter_mut().filter(|sent| !sent.is_relayed) {
            let missing = up.iter().find(|node| !sent.relayed_to[node.0]);
            if missing.is_some() && now < sent.at.plus(within) {
                continue;
            }
            sent.is_relayed = true;
            let place = (now, missing.copied());
            stage
                .tally
                .check(checks::TRANSFER_RELAYED, missing.is_none(), place, || {
                    format!(
                        "{within} ms after it was accepted, the node knows nothing of {}",
                        sent.id
                    )
                });
            if missing.is_none() {
                stage.row(Happening::Relayed(sent.id));
            }
        }
        let pending = self.sent.iter().any(|sent| !sent.is_relayed);
        self.next_look = pending.then(|| now.plus(AGAIN_AFTER));
    }

    /// Asks the nodes whose tip has moved about every transfer that they have not confirmed.
    async fn follow_confirmations<W: World>(&mut self, stage: &mut Stage<'_, W>) {
        let Some(within) = self.confirmed_within else {
            return;
        };
        let up: Vec<NodeIndex> = stage.archives().collect();
        for node in &up {
            let tip = stage.nodes[node.0].tip.map(|tip| tip.id);
            if self.asked_at[node.0] == tip {
                continue;
            }
            self.asked_at[node.0] = tip;
            for sent in self.sent.iter_mut().filter(|sent| !sent.is_confirmed) {
                if !sent.confirmed_on[node.0] {
                    sent.confirmed_on[node.0] = is_confirmed(stage, *node, &sent.id).await;
                }
            }
        }
        let now = stage.world.now();
        for sent in self.sent.iter_mut().filter(|sent| !sent.is_confirmed) {
            let missing = up.iter().find(|node| !sent.confirmed_on[node.0]);
            if missing.is_some() && now < sent.at.plus(within) {
                continue;
            }
            sent.is_confirmed = true;
            let place = (now, missing.copied());
            stage
                .tally
                .check(checks::TRANSFER_CONFIRMED, missing.is_none(), place, || {
                    format!(
                        "{within} ms after it was accepted, {} is not confirmed there",
                        sent.id
                    )
                });
            if missing.is_none() {
                stage.row(Happening::Confirmed(sent.id));
            }
        }
    }

    /// The transfers that nodes took and that the first node has not confirmed.
    pub(super) async fn unconfirmed<W: World>(&mut self, stage: &mut Stage<'_, W>) -> Vec<TxId> {
        let Some(node) = stage.archives().next() else {
            return Vec::new();
        };
        let mut waiting = Vec::new();
        for sent in &mut self.sent {
            let known = sent.confirmed_on[node.0] && sent.is_confirmed;
            if !known && !is_confirmed(stage, node, &sent.id).await {
                waiting.push(sent.id);
            }
        }
        waiting
    }

    /// At the end: every transfer must be confirmed on every node, everywhere in the same block.
    /// Returns how many of each key's transfers are confirmed on the first node.
    pub(super) async fn confirmed_everywhere<W: World>(
        &mut self,
        stage: &mut Stage<'_, W>,
    ) -> BTreeMap<usize, u64> {
        let up: Vec<NodeIndex> = stage.archives().collect();
        let mut counts = BTreeMap::new();
        for sent in &self.sent {
            if self.confirmed_within.is_some() || !stage.plan.expect.core.is_empty() {
                check_same_block(stage, &up, sent).await;
            }
        }
        for (id, key) in &self.offered {
            if let Some(node) = up.first()
                && is_confirmed(stage, *node, id).await
            {
                *counts.entry(*key).or_default() += 1;
            }
        }
        if !self.waiting.is_empty() && !self.may_miss {
            stage
                .vacuous
                .push(format!("{} transfers never entered", self.waiting.len()));
        }
        counts
    }
}

/// The codes of a pool that has no place for a valid transfer until blocks come.
const FULL: [&str; 2] = ["sender_full", "mempool_full"];

/// Signs a transfer of this nonce and amount and offers it to the workload's node.
async fn send<W: World>(
    stage: &mut Stage<'_, W>,
    workload: &Workload,
    (nonce, amount): (u64, Amount),
) -> (TxId, Try) {
    let domain = stage.world.genesis().domain.clone();
    let payment = Payment {
        to: funded_key(workload.to).address(),
        amount,
        fee: workload.fee,
        nonce: AccountNonce::new(nonce),
        memo: Memo::new(workload.memo.as_str()).expect("a plan's memos are within the bound"),
    };
    let signed = SignedTransfer::sign(&funded_key(workload.from), &domain, payment);
    let body = WireTransfer::from_signed(&signed, &domain);
    let id = signed.id(&domain);
    let request = HttpRequest::post("/submit", body);
    let answer = match stage.world.http(workload.node, request).await {
        Ok(answer) => answer,
        Err(why) => return (id, Try::Silent(why.to_string())),
    };
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let accepted = value.get("ok") == Some(&Value::Bool(true));
    let tried = match answer.status {
        200 if accepted && value["hash"] == id.to_string() => Try::Accepted(id),
        200 if accepted => Try::Refused(format!("{id} was accepted as {}", value["hash"])),
        200 if FULL.iter().any(|code| value["code"] == *code) => Try::NotNow(api::error_of(&value)),
        200 => Try::Declined(api::error_of(&value)),
        429 | 503 => Try::NotNow(api::error_of(&value)),
        status => {
            let why = api::error_of(&value);
            Try::Refused(format!(
                "a well-formed transfer was answered with {status}: {why}"
            ))
        }
    };
    (id, tried)
}

async fn check_same_block<W: World>(stage: &mut Stage<'_, W>, up: &[NodeIndex], sent: &Sent) {
    let mut first: Option<Result<String, String>> = None;
    for node in up {
        let block = block_of(stage, *node, &sent.id).await;
        let first = first.get_or_insert_with(|| block.clone());
        let holds = block.is_ok() && block == *first;
        let place = (stage.world.now(), Some(*node));
        stage
            .tally
            .check(checks::TRANSFER_CONFIRMED, holds, place, || {
                let words =
                    |block: &Result<String, String>| block.clone().unwrap_or_else(|why| why);
                let (here, there) = (words(&block), words(first));
                format!(
                    "at the end {} is here: {here}; and on the first node: {there}",
                    sent.id
                )
            });
    }
}

/// The block that a node says a transfer is in.
async fn block_of<W: World>(
    stage: &mut Stage<'_, W>,
    node: NodeIndex,
    id: &TxId,
) -> Result<String, String> {
    let value = api::get(&mut stage.world, node, &format!("/tx/{id}")).await?;
    match value.get("block") {
        Some(block) => Ok(api::text(block, "hash")?.to_owned()),
        None => Err("not confirmed".to_owned()),
    }
}

async fn is_confirmed<W: World>(stage: &mut Stage<'_, W>, node: NodeIndex, id: &TxId) -> bool {
    let answer = api::ask(&mut stage.world, node, &format!("/tx/{id}")).await;
    answer.is_ok_and(|(status, value)| status == 200 && value["confirmed"] == true)
}
