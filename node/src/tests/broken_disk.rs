//! Whatever a disk does to a running node, the node ends with a sentence that says so, and what it
//! has answered by then is true: nobody is served from a disk that cannot be trusted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use archivas_core::storage::StorageErrorKind;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::world::TestNode;
use crate::cli::exit::{Exit, Failure};
use crate::driver::StopError;
use crate::store::Store;

/// A disk in memory, of which something goes wrong from a moment on.
#[derive(Clone, Debug, Default)]
struct Disk {
    bytes: Arc<InMemoryBackend>,
    mood: Arc<AtomicU8>,
}

const FULL: u8 = 1;
const UNREADABLE: u8 = 2;
const FLIPPED: u8 = 3;

/// What is in the memo of a payment, and what the disk makes of it.
const WRITTEN: &[u8] = b"\"tea\"";
const READ: &[u8] = b"\"tez\"";

impl Disk {
    fn is(&self, mood: u8) -> bool {
        self.mood.load(Ordering::Relaxed) == mood
    }

    fn room(&self) -> io::Result<()> {
        match self.is(FULL) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.is(UNREADABLE) {
            return Err(io::Error::other("a bad sector"));
        }
        self.bytes.read(offset, out)?;
        let last = out.len().saturating_sub(WRITTEN.len());
        for at in (0..last).filter(|_| self.is(FLIPPED)) {
            if out[at..].starts_with(WRITTEN) {
                out[at..at + READ.len()].copy_from_slice(READ);
            }
        }
        Ok(())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room()?;
        self.bytes.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.bytes.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        self.bytes.write(offset, data)
    }
}

/// A node that has just started with a payment in its first block, and the payment: what nobody has
/// asked for yet must be read from the disk.
async fn node_on(disk: &Disk) -> (TestNode, String) {
    let store = || Store::open_with_cache(disk.clone(), 0).expect("room");
    let node = TestNode::start_on_store(store()).await;
    let payment = node.pay(0).await;
    for _ in 0..40 {
        node.mine().await;
    }
    node.stop().await;
    (TestNode::start_on_store(store()).await, payment)
}

async fn ended(node: TestNode) -> StopError {
    let minute = std::time::Duration::from_secs(60);
    let result = tokio::time::timeout(minute, node.running.done).await;
    let result = result.expect("it ends at once").expect("no panic");
    result.expect_err("it cannot go on")
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_node_which_says_so_and_answers_nothing_it_cannot_keep() {
    let disk = Disk::default();
    let (node, _) = node_on(&disk).await;
    disk.mood.store(FULL, Ordering::Relaxed);
    let (_, answer) = node.post("/submit", &super::world::payment(1)).await;
    assert_eq!(answer["code"], "node_stopping", "{answer}");
    let stopped = ended(node).await.to_string();
    assert!(stopped.starts_with("the disk is full: "), "{stopped}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_meets_a_bad_sector_is_told_so_and_the_node_ends_with_it() {
    for (mood, kind, exit) in [
        (UNREADABLE, StorageErrorKind::Io, Exit::Disk),
        (FLIPPED, StorageErrorKind::Damaged, Exit::Damaged),
    ] {
        let disk = Disk::default();
        let (node, payment) = node_on(&disk).await;
        let target = format!("/tx/{payment}");
        disk.mood.store(mood, Ordering::Relaxed);
        let (status, body) = node.served(&target).await;
        assert!(status.contains("503"), "{status}: {body}");
        assert!(body.contains("\"storage_failed\""), "{body}");
        let stopped = ended(node).await;
        let StopError::Storage { error } = &stopped;
        assert_eq!(error.kind, kind, "{stopped}");
        assert_eq!(Failure::from(stopped).exit, exit);
    }
}

#[tokio::test(start_paused = true)]
async fn health_and_metrics_that_cannot_be_read_end_the_node_as_well() {
    for target in ["/healthz", "/metrics"] {
        let disk = Disk::default();
        let (node, _) = node_on(&disk).await;
        disk.mood.store(UNREADABLE, Ordering::Relaxed);
        let (status, _) = node.served(target).await;
        assert!(status.contains("503"), "{target}: {status}");
        let stopped = ended(node).await.to_string();
        assert!(stopped.starts_with("the disk failed: "), "{stopped}");
    }
}
