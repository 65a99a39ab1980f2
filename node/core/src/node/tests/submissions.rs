//! What clients submit: it travels, survives, comes back and is told.

use super::*;

#[test]
fn a_submitted_transfer_reaches_everybody_and_is_mined_by_another() {
    let mut net = Net::of(3);
    net.connect(0, 1);
    net.connect(1, 2);
    for nonce in [2, 0, 1] {
        assert!(matches!(net.submit(0, payment(nonce)), Answer::Accepted(_)));
    }
    net.wait(2);
    assert_eq!(net.nodes[2].mempool().len(), 3);
    net.mine(2, 1);
    assert!(net.agree());
    assert!(net.nodes.iter().all(|node| node.mempool().is_empty()));
}

#[test]
fn an_accepted_submission_survives_a_crash_and_stays_until_no_reorganization_returns_it() {
    let mut net = Net::of(1);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    let storage = net.nodes[0].chain().reader().clone();
    net.nodes[0] = open(storage, 9, vec![], net.now);
    assert_eq!(net.nodes[0].mempool().len(), 1);
    let rows = |net: &Net| {
        net.nodes[0]
            .chain()
            .reader()
            .count(crate::storage::Table::OwnTxs)
    };
    net.mine(0, 100);
    net.wait(40);
    assert_eq!((net.nodes[0].mempool().len(), rows(&net)), (0, 1));
    net.mine(0, 1);
    net.wait(40);
    assert_eq!(rows(&net), 0);
}

#[test]
fn the_same_transfer_can_be_submitted_twice_and_a_used_nonce_cannot() {
    let mut net = Net::of(1);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    net.mine(0, 1);
    let refused = net.submit(0, payment(0));
    assert!(
        matches!(
            refused,
            Answer::Refused {
                code: "nonce_too_low",
                ..
            }
        ),
        "{refused:?}"
    );
}

#[test]
fn own_transfers_of_an_earlier_life_expire_like_all_others() {
    let mut net = Net::of(1);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    let storage = net.nodes[0].chain().reader().clone();
    net.nodes[0] = open(storage, 9, vec![], net.now);
    net.now.monotonic = net.now.monotonic.plus(POOL_EXPIRY);
    net.wait(1);
    assert!(net.nodes[0].mempool().is_empty());
}

#[test]
fn a_crash_in_the_midst_of_a_long_reorganization_loses_no_accepted_submission() {
    let mut net = Net::of(2);
    net.check_quickly();
    // The sender has its money from the blocks themselves, on both branches.
    let key = SecretKey::from_seed([100; 32]);
    net.mine_for(&key, 0, 210);
    let payment = Payment {
        to: dev_key().address(),
        amount: Amount::new(100 * 2_000_000_000),
        fee: Amount::new(100_000),
        nonce: AccountNonce::new(0),
        memo: Memo::default(),
    };
    let transfer = SignedTransfer::sign(&key, &networks::dev().domain, payment);
    assert!(matches!(net.submit(0, transfer), Answer::Accepted(_)));
    // Another has it from the beginning.
    assert!(matches!(
        net.submit(0, self::payment(0)),
        Answer::Accepted(_)
    ));
    net.mine_for(&key, 1, 211);
    net.connect(0, 1);
    assert!(net.nodes[0].chain().is_walking());
    let storage = net.nodes[0].chain().reader().clone();
    net.nodes[0] = open(storage, 9, vec![], net.now);
    assert!(matches!(
        net.submit(0, self::payment(0)),
        Answer::Accepted(_)
    ));
    net.wait(60);
    assert!(net.agree());
    assert_eq!(net.nodes[0].mempool().len(), 2);
    let lost = |(_, event): &_| matches!(event, Event::OwnTransferDropped { .. });
    assert!(!net.events.iter().any(lost));
}

#[test]
fn of_a_long_reorganization_the_transfers_of_the_newest_hundred_left_blocks_come_back() {
    let mut net = Net::of(2);
    net.check_quickly();
    net.mine(0, 109);
    let keys = networks::dev_keys();
    let [deep, near] = [&keys[0], &keys[1]].map(|key| payment_of(key, 0));
    for transfer in [&deep, &near] {
        assert!(matches!(
            net.submit(0, transfer.clone()),
            Answer::Accepted(_)
        ));
        net.mine(0, 1);
    }
    net.mine(0, 99);
    net.mine(1, 211);
    net.connect(0, 1);
    net.wait(1);
    assert!(net.agree());
    let domain = networks::dev().domain;
    let waiting = net.nodes[0].mempool().entries();
    let waiting: Vec<_> = waiting.map(|(entry, _)| entry.transfer.id()).collect();
    assert_eq!(waiting, [near.id(&domain)]);
    let dropped = Event::TransferDropped(Dropped {
        id: deep.id(&domain),
        reason: DropReason::DeepReorg,
    });
    assert!(net.events.contains(&(0, dropped)));
}

#[test]
fn transfers_that_come_back_are_told_to_peers_that_were_never_on_the_left_branch() {
    let mut net = Net::of(2);
    assert!(matches!(net.submit(0, payment(0)), Answer::Accepted(_)));
    net.mine(0, 1);
    net.mine(1, 2);
    assert!(net.nodes[0].mempool().is_empty());
    net.connect(0, 1);
    net.wait(10);
    assert!(net.agree());
    assert_eq!([0, 1].map(|node| net.nodes[node].mempool().len()), [1, 1]);
}

#[test]
fn a_transfer_that_was_in_a_block_when_a_peer_asked_is_told_again_when_it_comes_back() {
    let mut net = Net::of(2);
    let peer = net.stranger(0, 50);
    let transfer = payment(0);
    let item = Item::Transfer(transfer.id(&networks::dev().domain));
    net.submit(0, transfer);
    net.wait(10);
    net.mine(0, 1);
    net.say(0, peer, &Message::Req(alloc::vec![item]));
    net.mine(1, 2);
    net.connect(0, 1);
    assert!(net.agree());
    let told = &net.nodes[0].peers[&peer].announce;
    assert!(told.contains(&item), "{told:?}");
}
