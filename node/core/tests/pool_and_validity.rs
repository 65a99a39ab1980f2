//! The pool is policy: what waits in it, waited in it or was refused by it changes no verdict about
//! a block. And what it offers always makes a valid block.

#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod workshop;

use archivas_core::node::{Action, Answer, Job, Node, NodeConfig, Ticket, check};
use archivas_core::params::Genesis;
use archivas_core::primitives::{
    Amount, Block, Instant, Memo, Millis, Now, Payment, Signature, SignedTransfer, Timestamp,
};
use archivas_core::rules::{check_block, check_block_with};
use archivas_core::storage::MemoryStorage;
use proptest::prelude::*;
use workshop::*;

/// A node without peers, and what it answers.
struct Alone {
    node: Node<MemoryStorage>,
    now: Now,
}

impl Alone {
    fn new(genesis: &Genesis) -> Self {
        let now = Now {
            monotonic: Instant::new(0),
            wall: genesis.time.plus(Millis::from_secs(1_000_000)),
        };
        let config = NodeConfig::default();
        let store = MemoryStorage::default();
        let node = Node::open(store, genesis.clone(), config, [7; 32], now).unwrap();
        Self { node, now }
    }

    /// Runs until the node wants nothing; gives its answer, if there was one.
    fn settle(&mut self) -> Option<Answer> {
        let mut last = None;
        while let Some(action) = self.node.poll_action().unwrap() {
            match action {
                Action::Check { id, job } => {
                    let finding = check(job, self.node.chain().law());
                    self.node.handle_checked(self.now, id, finding).unwrap();
                }
                Action::Answer { answer, .. } => last = Some(answer),
                _ => {}
            }
            self.node.check_invariants();
        }
        last
    }

    fn submit(&mut self, transfer: &SignedTransfer) -> Answer {
        let handled = self
            .node
            .handle_submit(self.now, Ticket(1), transfer.clone());
        handled.unwrap();
        self.settle().expect("a submission is answered")
    }

    fn block(&mut self, block: &Block) -> Answer {
        self.node.handle_block(Ticket(2), block.clone());
        self.settle().expect("a block is answered")
    }

    /// Takes a block in; of how many transfers the checker was told that their signatures hold.
    fn excused(&mut self, block: &Block) -> usize {
        self.node.handle_block(Ticket(2), block.clone());
        let job = loop {
            match self.node.poll_action().unwrap() {
                Some(Action::Check { id, job }) => break (id, job),
                Some(_) => {}
                None => panic!("a block is checked"),
            }
        };
        let Job::Block { ref verified, .. } = job.1 else {
            panic!("{job:?}");
        };
        let excused = verified.len();
        let finding = check(job.1, self.node.chain().law());
        self.node.handle_checked(self.now, job.0, finding).unwrap();
        self.settle();
        excused
    }

    fn must_take(&mut self, block: &Block) {
        assert_eq!(self.block(block), Answer::BlockAccepted(block.id()));
    }

    /// The code under which a block is refused.
    fn refusal(&mut self, block: &Block) -> &'static str {
        match self.block(block) {
            Answer::Refused { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }
}

/// Nodes that judge the same: one that holds the transfer, one that never saw it.
fn both(genesis: &Genesis, waiting: &SignedTransfer) -> [Alone; 2] {
    let mut holds = Alone::new(genesis);
    let accepted = Answer::Accepted(waiting.id(&genesis.domain));
    assert_eq!(holds.submit(waiting), accepted);
    [holds, Alone::new(genesis)]
}

#[test]
fn a_transfer_that_waits_here_is_not_valid_twice_in_a_block() {
    let genesis = network();
    let waiting = pay(&genesis, 0, address(1), 500, 0);
    for mut node in both(&genesis, &waiting) {
        let root = root_of(&accounts(node.node.chain()));
        let twice = forged(
            node.node.chain(),
            vec![waiting.clone(), waiting.clone()],
            root,
        );
        assert_eq!(node.refusal(&twice), "nonce_used");
        assert_eq!(node.node.tip().height.get(), 0);
        let once = valid(
            node.node.chain(),
            address(9),
            std::slice::from_ref(&waiting),
        );
        node.must_take(&once);
        assert_eq!(node.node.mempool().len(), 0);
    }
}

#[test]
fn the_known_id_of_a_waiting_transfer_excuses_no_other_signature() {
    let genesis = network();
    let waiting = pay(&genesis, 0, address(1), 500, 0);
    let mut bytes = *waiting.signature.as_bytes();
    bytes[40] ^= 1;
    let imitation = SignedTransfer {
        signature: Signature::from_bytes(bytes),
        ..waiting.clone()
    };
    assert_eq!(imitation.id(&genesis.domain), waiting.id(&genesis.domain));
    for mut node in both(&genesis, &waiting) {
        let root = root_of(&accounts(node.node.chain()));
        let block = forged(node.node.chain(), vec![imitation.clone()], root);
        assert_eq!(node.refusal(&block), "bad_signature");
        assert_eq!(node.node.tip().height.get(), 0);
    }
    let mut alone = Alone::new(&genesis);
    let refused = alone.submit(&imitation);
    assert!(matches!(
        refused,
        Answer::Refused {
            code: "bad_signature",
            ..
        }
    ));
    let accepted = Answer::Accepted(waiting.id(&genesis.domain));
    assert_eq!(
        alone.submit(&waiting),
        accepted,
        "the id was not marked as bad"
    );
}

#[test]
fn a_waiting_transfer_is_judged_on_the_branch_of_the_block_that_has_it() {
    let genesis = network();
    let waiting = pay(&genesis, 0, address(1), 500, 0);
    for mut node in both(&genesis, &waiting) {
        // On this branch the sender has spent everything under the same nonce.
        let mut maker = chain(&genesis);
        let all = pay(&genesis, 0, address(2), FUNDS - 2, 0);
        let spent = valid(&maker, address(8), &[all]);
        take(&mut maker, &spent);
        let stale = forged(&maker, vec![waiting.clone()], root_of(&accounts(&maker)));
        let next = pay(&genesis, 0, address(1), 500, 1);
        let broke = forged(&maker, vec![next], root_of(&accounts(&maker)));
        // On that one it is as good as ever.
        let good = valid(
            node.node.chain(),
            address(9),
            std::slice::from_ref(&waiting),
        );
        node.must_take(&good);
        node.must_take(&spent);
        assert_eq!(node.refusal(&stale), "nonce_used");
        assert_eq!(node.refusal(&broke), "balance_too_low");
        assert_eq!(node.node.tip().id, good.id());
    }
}

#[test]
fn what_the_pool_refuses_is_valid_in_a_block() {
    let genesis = network();
    let mut node = Alone::new(&genesis);
    // Far more than the pool holds of one sender.
    let body: Vec<_> = (0..100)
        .map(|nonce| pay(&genesis, 0, address(1), 1, nonce))
        .collect();
    let far = node.submit(&body[99]);
    assert!(matches!(
        far,
        Answer::Refused {
            code: "nonce_too_high",
            ..
        }
    ));
    let block = valid(node.node.chain(), address(9), &body);
    node.must_take(&block);
}

#[test]
fn a_template_is_made_also_when_a_reorganization_took_the_money_that_waiting_transfers_spend() {
    let genesis = network();
    let mut node = Alone::new(&genesis);
    let income = pay(&genesis, 0, address(5), 500_000, 0);
    let income = std::slice::from_ref(&income);
    let funded = valid(node.node.chain(), address(8), income);
    node.must_take(&funded);
    let spending = pay(&genesis, 5, address(1), 400_000, 0);
    let accepted = Answer::Accepted(spending.id(&genesis.domain));
    assert_eq!(node.submit(&spending), accepted);
    // Another branch, in which the income was never paid.
    let mut maker = chain(&genesis);
    for _ in 0..2 {
        let block = valid(&maker, address(9), &[]);
        take(&mut maker, &block);
        node.must_take(&block);
    }
    assert_eq!(node.node.tip().id, maker.tip().id);
    assert_eq!(node.node.mempool().len(), 2, "the income waits again");
    let offered = |node: &mut Alone| {
        let template = node.node.template(node.now, address(9)).unwrap();
        let transfers = template.expect("there is always one").transfers;
        let signed = transfers.iter().map(|transfer| transfer.signed().clone());
        signed.collect::<Vec<_>>()
    };
    assert_eq!(offered(&mut node), income);
    let paid = valid(node.node.chain(), address(9), income);
    node.must_take(&paid);
    assert_eq!(
        offered(&mut node),
        [spending],
        "and now its money is there again"
    );
}

#[test]
fn a_signature_verified_in_the_pool_or_in_a_block_is_not_verified_again() {
    let genesis = network();
    let waiting = pay(&genesis, 0, address(1), 500, 0);
    for mut node in both(&genesis, &waiting) {
        let knew = node.node.mempool().len() == 1;
        let body = [waiting.clone()];
        let (one, other) = (
            valid(node.node.chain(), address(8), &body),
            valid(node.node.chain(), address(9), &body),
        );
        assert_eq!(node.excused(&one), usize::from(knew));
        assert_eq!(node.excused(&other), 1, "it stood in the block before");
    }
}

/// What a body can make of a transfer that is known to be good.
fn imitation(good: &SignedTransfer, how: u8) -> SignedTransfer {
    let mut changed = good.clone();
    match how {
        0 => {}
        1 => changed.amount = Amount::new(good.amount.get() + 1),
        2 => changed.to = address(77),
        3 => changed.public_key = key(9).public_key(),
        4 => changed.memo = Memo::new("another").unwrap(),
        5 => changed.fee = Amount::ZERO,
        6 => {
            let SignedTransfer {
                to,
                amount,
                fee,
                nonce,
                memo,
                ..
            } = good.clone();
            let payment = Payment {
                to,
                amount,
                fee,
                nonce,
                memo,
            };
            let elsewhere = "Another-TxV1".parse().unwrap();
            changed = SignedTransfer::sign(&key(0), &elsewhere, payment);
        }
        _ => {
            let mut bytes = *good.signature.as_bytes();
            bytes[usize::from(how) % 64] ^= 1 << (how % 8);
            changed.signature = Signature::from_bytes(bytes);
        }
    }
    changed
}

/// Sender, nonce, amount, fee, bytes of memo.
type Wish = (u8, u64, u64, u64, usize);

fn wish() -> impl Strategy<Value = Wish> {
    let amount = prop_oneof![3 => 1..FUNDS / 4, 1 => Just(FUNDS)];
    let memo = prop_oneof![Just(0), Just(256), 0usize..256];
    (0u8..4, 0u64..6, amount, 1u64..5_000, memo)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_waits_our_own_template_passes_our_own_checks(
        wishes in prop::collection::vec(wish(), 0..24),
        block_bytes_max in prop_oneof![570u32..2_000, Just(1_048_576)],
    ) {
        let mut genesis = network();
        genesis.rules.block_bytes_max = block_bytes_max;
        genesis.check().unwrap();
        let mut node = Alone::new(&genesis);
        for (sender, nonce, amount, fee, memo) in wishes {
            let payment = Payment {
                fee: Amount::new(fee),
                memo: Memo::new("m".repeat(memo)).unwrap(),
                ..payment(address(5), amount, nonce)
            };
            node.submit(&SignedTransfer::sign(&key(sender), &genesis.domain, payment));
        }
        // Until the pool offers nothing more.
        for _ in 0..8 {
            let template = node.node.template(node.now, address(9)).unwrap();
            let template = template.expect("what waits makes a block");
            let transfers = template.transfers.iter().map(|transfer| transfer.signed().clone());
            let block = Block { header: sealed(template.header), transfers: transfers.collect() };
            prop_assert!(check_block(block.clone(), &genesis.law()).is_ok());
            node.must_take(&block);
            prop_assert_eq!(node.node.tip().id, block.id());
            node.now.wall = node.now.wall.max(Timestamp::new(block.header.timestamp.get() + 1));
        }
        let pending = node.node.mempool_entries().filter(|entry| entry.pending).count();
        prop_assert!(pending == 0 || block_bytes_max < 2_000, "what fits is mined");
    }

    #[test]
    fn with_and_without_remembered_signatures_every_block_is_judged_the_same(
        remembered in prop::collection::vec(any::<bool>(), 6),
        body in prop::collection::vec((0usize..6, prop_oneof![2 => Just(0u8), 1 => 1u8..12]), 0..10),
    ) {
        let genesis = network();
        let good: Vec<_> = (0..6).map(|nonce| pay(&genesis, 0, address(1), 500, nonce)).collect();
        let known = good.iter().zip(remembered).filter(|(_, known)| *known);
        let verified = known.map(|(transfer, _)| transfer.hash()).collect();
        let transfers: Vec<_> = body
            .into_iter()
            .map(|(nonce, how)| imitation(&good[nonce], how))
            .collect();
        let chain = chain(&genesis);
        let block = forged(&chain, transfers, root_of(&accounts(&chain)));
        let law = genesis.law();
        prop_assert_eq!(check_block_with(block.clone(), &law, &verified), check_block(block, &law));
    }
}
