//! What of the pool is on disk: own transfers before they are answered, the rest now and then.

use super::*;
use crate::params::pool::POOL_SAVE_INTERVAL;
use crate::storage::{Batch, Reader, Row, Scan, Table};

/// Rows in a table of a node.
fn rows(net: &Net, node: usize, table: Table) -> usize {
    net.nodes[node].chain().reader().count(table)
}

/// The same node after a crash.
fn restart(net: &mut Net, node: usize) {
    let storage = net.nodes[node].chain().reader().clone();
    net.nodes[node] = open(storage, 9, vec![], net.now);
    net.events.clear();
    net.pump();
}

/// A store that counts its commits.
#[derive(Debug, Default)]
struct Counted {
    rows: MemoryStorage,
    commits: usize,
}

impl Reader for Counted {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.rows.get(table, key)
    }
    fn scan(&self, table: Table, scan: &Scan) -> Result<Vec<Row>, StorageError> {
        self.rows.scan(table, scan)
    }
}

impl Storage for Counted {
    fn commit(&mut self, batch: Batch) -> Result<(), StorageError> {
        self.commits += 1;
        self.rows.commit(batch)
    }
}

#[test]
fn own_submissions_of_one_turn_share_one_commit_before_any_answer() {
    let net = Net::of(1);
    let config = NodeConfig::default();
    let node = Node::open(
        Counted::default(),
        networks::dev(),
        config,
        [9; 32],
        net.now,
    );
    let mut node = node.expect("memory never fails");
    let before = node.chain().reader().commits;
    let mut jobs = Vec::new();
    for nonce in 0..5 {
        let handled = node.handle_submit(net.now, Ticket(nonce), payment(nonce));
        handled.expect("memory never fails");
        while let Some(action) = node.poll_action().expect("memory never fails") {
            if let Action::Check { id, job } = action {
                jobs.push((id, job));
            }
        }
    }
    for (id, job) in jobs {
        let finding = check(job, node.chain().law());
        node.handle_checked(net.now, id, finding)
            .expect("memory never fails");
    }
    assert_eq!(node.chain().reader().commits, before);
    let mut answers = 0;
    while let Some(action) = node.poll_action().expect("memory never fails") {
        if let Action::Answer { answer, .. } = action {
            assert!(matches!(answer, Answer::Accepted(_)), "{answer:?}");
            assert_eq!(node.chain().reader().rows.count(Table::OwnTxs), 5);
            answers += 1;
        }
    }
    assert_eq!((answers, node.chain().reader().commits), (5, before + 1));
}

#[test]
fn the_pool_is_on_disk_half_a_minute_later_and_its_rows_go_with_it() {
    let mut net = Net::of(2);
    net.connect(0, 1);
    net.submit(0, payment(0));
    net.wait(1);
    assert_eq!(net.nodes[1].mempool().len(), 1);
    assert_eq!(rows(&net, 1, Table::Mempool), 0);
    net.wait(POOL_SAVE_INTERVAL.get() / 1_000);
    assert_eq!(rows(&net, 1, Table::Mempool), 1);
    net.cut_all();
    restart(&mut net, 1);
    assert_eq!(net.nodes[1].mempool().len(), 1);
    net.mine(1, 1);
    assert!(net.nodes[1].mempool().is_empty());
    net.wait(POOL_SAVE_INTERVAL.get() / 1_000);
    assert_eq!(rows(&net, 1, Table::Mempool), 0);
}

#[test]
fn a_saved_pool_is_judged_anew_in_the_order_in_which_it_came() {
    let mut net = Net::of(1);
    for nonce in 0..3 {
        net.submit(0, payment(nonce));
    }
    let ids: Vec<TxId> = net.nodes[0]
        .mempool_entries()
        .map(|entry| entry.transfer.id())
        .collect();
    net.nodes[0]
        .handle_stop(net.now)
        .expect("memory never fails");
    assert_eq!(rows(&net, 0, Table::Mempool), 3);
    // As if they had come from a peer: nothing but the pool brings them back.
    let mut storage = net.nodes[0].chain().reader().clone();
    let mut batch = Batch::new();
    for id in &ids {
        batch.delete(Table::OwnTxs, id.as_bytes().to_vec());
    }
    storage.commit(batch).expect("memory never fails");
    net.nodes[0] = open(storage.clone(), 9, vec![], net.now);
    net.pump();
    let back: Vec<TxId> = net.nodes[0]
        .mempool_entries()
        .map(|entry| entry.transfer.id())
        .collect();
    assert_eq!(back, ids);
    // The first of them is confirmed, and the node dies before it saves again.
    net.mine(0, 1);
    restart(&mut net, 0);
    assert!(net.nodes[0].mempool().is_empty());
    let dropped = net.events.iter().filter(|(_, event)| {
        matches!(
            event,
            Event::SavedTransferDropped {
                code: "nonce_too_low",
                ..
            }
        )
    });
    assert_eq!(dropped.count(), 3);
    net.wait(POOL_SAVE_INTERVAL.get() / 1_000);
    assert_eq!(rows(&net, 0, Table::Mempool), 0);
}

#[test]
fn saved_transfers_that_do_not_decode_are_dropped_with_a_warning_and_the_rest_is_kept() {
    let mut net = Net::of(1);
    net.submit(0, payment(0));
    net.nodes[0]
        .handle_stop(net.now)
        .expect("memory never fails");
    let mut storage = net.nodes[0].chain().reader().clone();
    let whole = |table| {
        let rows = storage
            .scan(table, &Scan::all())
            .expect("memory never fails");
        rows[0].1.clone()
    };
    let mut batch = Batch::new();
    for table in [Table::Mempool, Table::OwnTxs] {
        batch.put(table, vec![1; 32], vec![7; 10]);
        batch.put(table, vec![2; 3], Vec::new());
        // A whole row under another name.
        batch.put(table, vec![3; 32], whole(table));
    }
    storage.commit(batch).expect("memory never fails");
    net.nodes[0] = open(storage, 9, vec![], net.now);
    net.pump();
    let dropped = net.events.iter().filter_map(|(_, event)| match event {
        Event::RowDropped { table, key } => Some((*table, key.len())),
        _ => None,
    });
    let of = |table| [(table, 32), (table, 3), (table, 32)];
    let dropped: Vec<(Table, usize)> = dropped.collect();
    assert_eq!(dropped, [of(Table::OwnTxs), of(Table::Mempool)].concat());
    for table in [Table::Mempool, Table::OwnTxs] {
        assert_eq!(rows(&net, 0, table), 1);
    }
    assert_eq!(net.nodes[0].mempool().len(), 1);
}
