//! Parts of answers that several routes share.

use archivas_core::primitives::{
    Address, BlockId, CompactTarget, Domain, Height, SignedTransfer, Timestamp, TxId, Work,
};
use serde::Serialize;

/// Work of one block with this target; what is outwardly called its difficulty.
pub fn block_work(bits: CompactTarget) -> Work {
    let target = bits
        .expand()
        .expect("bits of stored headers were judged by the retarget rule");
    Work::of_target(target)
}

/// A time in whole seconds for people, by the proleptic Gregorian calendar: `2025-01-01T00:00:00Z`.
pub fn rfc3339(time: Timestamp) -> String {
    let seconds = time.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970. Years begin in March here, so that the leap
/// day is the last of its year; a cycle of 400 years has 146,097 days.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (cycle * 400 + year + next, month, day)
}

/// A transfer as lists show it: numbers are decimal text.
#[derive(Serialize)]
pub struct TransferBody {
    hash: TxId,
    #[serde(rename = "type")]
    kind: &'static str,
    from: Address,
    to: Address,
    amount: String,
    fee: String,
    nonce: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    memo: String,
}

impl TransferBody {
    /// Of a transfer on a network with that domain.
    pub fn new(transfer: &SignedTransfer, domain: &Domain) -> Self {
        Self {
            hash: transfer.id(domain),
            kind: "transfer",
            from: transfer.from(),
            to: transfer.to,
            amount: transfer.amount.to_string(),
            fee: transfer.fee.to_string(),
            nonce: transfer.nonce.to_string(),
            memo: transfer.memo.to_string(),
        }
    }
}

/// A transfer as the oldest routes show it: numbers are numbers.
#[derive(Serialize)]
pub struct NumberTransfer {
    hash: TxId,
    #[serde(rename = "type")]
    kind: &'static str,
    from: Address,
    to: Address,
    amount: u64,
    fee: u64,
    nonce: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    memo: String,
}

impl NumberTransfer {
    /// Of a transfer on a network with that domain.
    pub fn new(transfer: &SignedTransfer, domain: &Domain) -> Self {
        Self {
            hash: transfer.id(domain),
            kind: "transfer",
            from: transfer.from(),
            to: transfer.to,
            amount: transfer.amount.get(),
            fee: transfer.fee.get(),
            nonce: transfer.nonce.get(),
            memo: transfer.memo.to_string(),
        }
    }
}

/// A confirmed transfer with its place in the chain.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacedTransfer {
    #[serde(flatten)]
    transfer: TransferBody,
    height: String,
    index: usize,
    block_hash: BlockId,
    timestamp: String,
}

impl PlacedTransfer {
    /// Of the transfer at `index` in `block`: its id, height and time in seconds.
    pub fn new(
        transfer: &SignedTransfer,
        domain: &Domain,
        block: (BlockId, Height, u64),
        index: usize,
    ) -> Self {
        let (block_hash, height, timestamp) = block;
        Self {
            transfer: TransferBody::new(transfer, domain),
            height: height.to_string(),
            index,
            block_hash,
            timestamp: timestamp.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::new(seconds * 1_000)), text);
        }
    }

    #[test]
    fn difficulty_is_the_blocks_work_in_decimal() {
        assert_eq!(
            block_work(CompactTarget::new(0x207f_ffff)).to_decimal(),
            "2"
        );
        let bitcoin = block_work(CompactTarget::new(0x1d00_ffff));
        assert_eq!(bitcoin.to_decimal(), "4295032833");
        let most = Work::from_be_bytes([0xff; 32]).to_decimal();
        let decimal =
            "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(most, decimal);
    }
}
