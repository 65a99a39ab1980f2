//! What a life and its end leave on a disk, with the real redb on it.

use redb::{Database, ReadableDatabase, StorageBackend, TableDefinition};

use super::*;

const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("t");

fn disk(seed: u64) -> Disk {
    Disk::new(0, "a", Draws::new(seed), Trace::new(|| 0))
}

fn open(disk: &Disk) -> Result<Database, redb::DatabaseError> {
    Database::builder()
        .set_cache_size(1 << 20)
        .create_with_backend(disk.plug())
}

fn commit(database: &Database, value: u64) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    write
        .open_table(TABLE)?
        .insert(0, &value.to_le_bytes().repeat(50)[..])?;
    Ok(write.commit()?)
}

fn value(database: &Database) -> Option<u64> {
    let table = database.begin_read().unwrap().open_table(TABLE).ok()?;
    let row = table.get(0).unwrap()?;
    Some(u64::from_le_bytes(row.value()[..8].try_into().unwrap()))
}

/// A disk with a database of which 3 was committed, cut off while it was open.
fn used(seed: u64) -> Disk {
    let disk = disk(seed);
    let database = open(&disk).unwrap();
    disk.publish();
    commit(&database, 3).unwrap();
    disk.unplug();
    disk
}

#[test]
fn a_killed_life_leaves_what_it_wrote_and_its_drop_writes_nothing() {
    let disk = disk(1);
    let database = open(&disk).unwrap();
    disk.publish();
    commit(&database, 7).unwrap();
    let operations = disk.operations();
    disk.unplug();
    assert!(commit(&database, 8).is_err());
    drop(database);
    assert_eq!(disk.operations(), operations);
    assert_eq!(value(&open(&disk).unwrap()), Some(7));
}

#[test]
fn an_earlier_life_cannot_touch_the_disk_of_a_later_one() {
    let disk = used(1);
    let early = disk.plug();
    let late = disk.plug();
    assert!(early.write(0, &[0; 64]).is_err());
    assert!(late.len().is_ok());
}

#[test]
fn power_lost_at_any_operation_of_a_commit_leaves_the_old_value_or_the_new_one() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..20 {
        for operation in 0.. {
            let disk = used(seed);
            let database = open(&disk).unwrap();
            disk.arm(disk.operations() + operation, Fault::PowerLoss);
            let result = commit(&database, 4);
            drop(database);
            if disk.fired().is_empty() {
                break;
            }
            assert!(disk.take_struck().is_some());
            let found = value(&open(&disk).expect("redb recovers"));
            assert!(
                found == Some(4) || result.is_err() && found == Some(3),
                "{found:?}"
            );
            if found == Some(3) { old += 1 } else { new += 1 }
        }
    }
    assert!(old > 50 && new > 5, "{old} and {new}");
}

#[test]
fn a_failing_operation_fails_the_commit_and_says_why() {
    for (fault, word) in [(Fault::Io, "I/O error"), (Fault::Full, "full disk")] {
        let disk = used(1);
        let database = open(&disk).unwrap();
        disk.arm(disk.operations(), fault);
        let error = commit(&database, 4).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(disk.fired(), [fault]);
        assert!(disk.take_struck().is_none());
        drop(database);
        let found = value(&open(&disk).unwrap());
        assert!(matches!(found, Some(3 | 4)));
    }
}

/// Commits 4, whose first sync after so many operations fails, then 5 in another life, which the power
/// ends; what is there then. Nothing if 4 has no sync so late.
fn after_a_failed_sync(seed: u64, operation: u64) -> Option<Option<u64>> {
    let disk = used(seed);
    let first = open(&disk).unwrap();
    disk.arm(disk.operations() + operation, Fault::Sync);
    commit(&first, 4).err()?;
    disk.unplug();
    drop(first);
    let second = open(&disk).unwrap();
    commit(&second, 5).unwrap();
    disk.lose_power();
    drop(second);
    Some(value(&open(&disk).expect("redb recovers")))
}

#[test]
fn what_is_committed_after_a_failed_sync_survives_a_power_loss() {
    let mut tried = 0;
    for seed in 0..10 {
        for operation in 0.. {
            let Some(found) = after_a_failed_sync(seed, operation) else {
                break;
            };
            assert_eq!(found, Some(5));
            tried += 1;
        }
    }
    assert!(tried >= 50, "{tried}");
}

#[test]
fn a_database_that_was_never_published_is_gone_after_any_end() {
    let disk = disk(1);
    let backend = disk.plug();
    backend.set_len(10).unwrap();
    assert_eq!(disk.plug().len().unwrap(), 0);
}

#[test]
fn the_debt_is_paid_in_whole_milliseconds_and_the_rest_is_kept() {
    let disk = disk(1);
    disk.set_speed(Speed {
        sync_us: 600,
        write_mib_us: 0,
    });
    let backend = disk.plug();
    backend.sync_data().unwrap();
    assert_eq!(disk.take_debt(), Millis::new(0));
    backend.sync_data().unwrap();
    assert_eq!(disk.take_debt(), Millis::new(1));
    assert_eq!(disk.take_debt(), Millis::new(0));
}

#[test]
fn the_same_operations_write_the_same_bytes() {
    let digest = || {
        let trace = Trace::new(|| 0);
        let disk = Disk::new(0, "a", Draws::new(1), trace.clone());
        let database = open(&disk).unwrap();
        for value in 0..5 {
            commit(&database, value).unwrap();
        }
        (trace.digest(), trace.events())
    };
    assert_eq!(digest(), digest());
}
