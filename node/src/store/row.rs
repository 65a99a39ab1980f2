//! A row as it is stored: its value, and after it a checksum of table, key and value.

use archivas_core::storage::{StorageError, Table};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a checksum at the end of each stored value.
const SUM_BYTES: usize = 4;

/// Guards against what disks do, not against people, who could replace the whole file.
fn sum(table: Table, key: &[u8], value: &[u8]) -> [u8; SUM_BYTES] {
    let seed = xxh3_64_with_seed(key, table as u64);
    let [a, b, c, d, ..] = xxh3_64_with_seed(value, seed).to_le_bytes();
    [a, b, c, d]
}

/// A value as it is stored.
pub(super) fn sealed(table: Table, key: &[u8], value: &[u8]) -> Vec<u8> {
    [value, &sum(table, key, value)].concat()
}

/// The value that was stored under a key.
pub(super) fn unsealed(
    table: Table,
    key: &[u8],
    mut stored: Vec<u8>,
) -> Result<Vec<u8>, StorageError> {
    let length = stored.len().saturating_sub(SUM_BYTES);
    let (value, end) = stored.split_at(length);
    if sum(table, key, value) != end {
        return Err(StorageError::damaged(table, key, &"its checksum is wrong"));
    }
    stored.truncate(length);
    Ok(stored)
}
