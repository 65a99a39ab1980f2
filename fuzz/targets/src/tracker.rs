//! Who is asked for a transfer: only peers that have announced it, one at a time, each within its
//! share; and whatever the others withhold, it comes from the peer that has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use archivas_core::chain::Policy;
use archivas_core::node::Action;
use archivas_core::p2p::frame::kind;
use archivas_core::p2p::message::{Item, Message, Response};
use archivas_core::p2p::peer::PeerId;
use archivas_core::params::peers::{TRANSFER_TIMEOUT, TRANSFERS_OUTSTANDING_MAX};
use archivas_core::primitives::{
    AccountNonce, Address, Amount, Instant, Memo, Millis, Payment, SecretKey, Signature,
    SignedTransfer, TxId,
};
use archivas_core::storage::MemoryStorage;

use crate::desk::{Desk, HONEST};
use crate::story::story;

/// More steps find nothing that fewer do not.
const STEPS_MAX: usize = 48;
/// Transfers that exist; ids of others are announced as well.
const REAL: u8 = 12;
/// By then everything has come, whoever stands before the honest peer.
const PATIENCE: Millis = Millis::from_secs(10 * 60);

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    Meet { peer: u8 },
    Leave { peer: u8 },
    Announce { peer: u8, from: u8, count: u8 },
    Answer { peer: u8, newest: bool, how: How },
    Find,
    Wait { ms: u16 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum How {
    Whole,
    NotFound,
    Forged,
    Other { which: u8 },
}

/// Real transfers of one sender, all valid in any order of arrival.
static TRANSFERS: LazyLock<Vec<SignedTransfer>> = LazyLock::new(|| {
    let key = SecretKey::from_seed([1; 32]);
    let payment = |nonce: u8| Payment {
        to: Address::from_bytes([nonce; 20]),
        amount: Amount::new(1),
        fee: Amount::new(1_000),
        nonce: AccountNonce::new(nonce.into()),
        memo: Memo::default(),
    };
    let sign = |nonce| SignedTransfer::sign(&key, &story().genesis.domain, payment(nonce));
    (0..REAL).map(sign).collect()
});

/// What can be announced: real transfers first.
static IDS: LazyLock<Vec<TxId>> = LazyLock::new(|| {
    let domain = &story().genesis.domain;
    let real = TRANSFERS.iter().map(|transfer| transfer.id(domain));
    let unreal = (REAL..=u8::MAX).map(|number| TxId::from_bytes([number; 32]));
    real.chain(unreal).collect()
});

/// The node, and what it may ask of whom.
struct Tracker {
    desk: Desk,
    /// Who has announced what on a connection that stands.
    told: BTreeSet<(PeerId, TxId)>,
    /// Who was asked for what, and when; the asking order of each peer.
    open: BTreeMap<TxId, (PeerId, Instant)>,
    asked: BTreeMap<PeerId, Vec<TxId>>,
}

/// Steps of strangers, then an honest peer that has every real transfer.
pub fn tx_request_tracker(bytes: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let mut tracker = Tracker {
        desk: Desk::open(MemoryStorage::new(), Policy::default(), story().now),
        told: BTreeSet::new(),
        open: BTreeMap::new(),
        asked: BTreeMap::new(),
    };
    tracker.settle();
    for step in steps.iter().take(STEPS_MAX) {
        tracker.take(*step);
        tracker.settle();
    }
    tracker.meet_honest_peer();
}

impl Tracker {
    fn take(&mut self, step: Step) {
        match step {
            Step::Meet { peer } => {
                let old = self.desk.meet(peer);
                self.forget(old);
            }
            Step::Leave { peer } => {
                let old = self.desk.leave(peer);
                self.forget(old);
            }
            Step::Announce { peer, from, count } => {
                let peer = self.desk.number(peer);
                let ids = IDS.iter().skip(from.into()).take(count.into());
                self.announce(peer, ids.copied().collect());
            }
            Step::Answer { peer, newest, how } => self.answer(peer, newest, how),
            Step::Find => drop(self.desk.find()),
            Step::Wait { ms } => self.desk.wait(Millis::new(ms.into())),
        }
    }

    fn announce(&mut self, peer: PeerId, ids: Vec<TxId>) {
        self.told.extend(ids.iter().map(|id| (peer, *id)));
        let items = ids.into_iter().map(Item::Transfer).collect();
        self.desk.hear(peer, &Message::Inv(items));
    }

    /// A stranger answers one of the questions that it was asked.
    fn answer(&mut self, stranger: u8, newest: bool, how: How) {
        let peer = self.desk.number(stranger);
        let questions = self.asked.entry(peer).or_default();
        let id = match newest {
            true => questions.pop(),
            false => (!questions.is_empty()).then(|| questions.remove(0)),
        };
        let Some(id) = id else {
            return;
        };
        let response = match (how, transfer(&id)) {
            (How::Other { which }, _) => {
                let which = usize::from(which) % TRANSFERS.len();
                Response::Transfer(TRANSFERS[which].clone())
            }
            (How::Whole, Some(transfer)) => Response::Transfer(transfer.clone()),
            (How::Forged, Some(transfer)) => Response::Transfer(SignedTransfer {
                signature: Signature::from_bytes([1; 64]),
                ..transfer.clone()
            }),
            _ => Response::NotFound(Item::Transfer(id)),
        };
        self.close(peer, &response);
        self.desk.hear(peer, &Message::Res(response));
    }

    /// Whoever answers about a transfer need not be waited for.
    fn close(&mut self, peer: PeerId, response: &Response) {
        let id = match response {
            Response::Transfer(transfer) => transfer.id(&story().genesis.domain),
            Response::NotFound(Item::Transfer(id)) => *id,
            _ => return,
        };
        if self.open.get(&id).is_some_and(|(asked, _)| *asked == peer) {
            self.open.remove(&id);
        }
    }

    fn forget(&mut self, gone: Option<PeerId>) {
        let Some(gone) = gone else {
            return;
        };
        self.told.retain(|(peer, _)| *peer != gone);
        self.open.retain(|_, (peer, _)| *peer != gone);
        self.asked.remove(&gone);
    }

    /// Every question is one that may be asked.
    fn settle(&mut self) {
        for action in self.desk.settle() {
            match action {
                Action::Disconnect { peer, .. } => self.forget(Some(peer)),
                Action::Send {
                    peer,
                    kind: kind::REQ,
                    payload,
                } => {
                    let asked = Message::decode(kind::REQ, &payload);
                    let Ok(Some(Message::Req(items))) = asked else {
                        panic!("the node's own message does not decode");
                    };
                    items.into_iter().for_each(|item| self.ask(peer, item));
                }
                _ => {}
            }
        }
    }

    fn ask(&mut self, peer: PeerId, item: Item) {
        let Item::Transfer(id) = item else {
            return;
        };
        assert!(self.told.contains(&(peer, id)), "{peer:?} has never told");
        let now = self.desk.now.monotonic;
        let late = |(_, since): &(PeerId, Instant)| now.since(*since) >= TRANSFER_TIMEOUT;
        assert!(
            self.open.get(&id).is_none_or(late),
            "two are asked at a time"
        );
        self.open.insert(id, (peer, now));
        let share = self
            .open
            .values()
            .filter(|(asked, since)| *asked == peer && now.since(*since) < TRANSFER_TIMEOUT);
        assert!(share.count() <= TRANSFERS_OUTSTANDING_MAX, "its share");
        self.asked.entry(peer).or_default().push(id);
    }

    fn meet_honest_peer(&mut self) {
        self.desk.meet_honest_peer();
        self.settle();
        self.announce(HONEST, IDS[..REAL.into()].to_vec());
        let end = self.desk.now.monotonic.plus(PATIENCE);
        let here = |desk: &Desk| {
            let pool = desk.node.mempool();
            IDS[..REAL.into()].iter().all(|id| pool.contains(id))
        };
        loop {
            self.settle();
            while let Some(id) = self.asked.get_mut(&HONEST).and_then(Vec::pop) {
                let known = transfer(&id)
                    .expect("it has told of real ones only")
                    .clone();
                let response = Response::Transfer(known);
                self.close(HONEST, &response);
                self.desk.hear(HONEST, &Message::Res(response));
                self.settle();
            }
            while self.desk.find() {
                self.settle();
            }
            if here(&self.desk) {
                return;
            }
            let waits = self.desk.wait_for_next(end);
            assert!(waits, "a transfer that an honest peer has does not come");
        }
    }
}

fn transfer(id: &TxId) -> Option<&'static SignedTransfer> {
    let place = IDS[..REAL.into()].iter().position(|known| known == id)?;
    Some(&TRANSFERS[place])
}
