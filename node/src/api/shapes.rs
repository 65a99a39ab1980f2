//! Parts of answers that several routes share.

use archivas_core::primitives::{
    Address, BlockId, CompactTarget, Domain, Height, SignedTransfer, TxId, Work,
};
use serde::Serialize;

/// Work of one block with this target; what is outwardly called its difficulty.
pub fn block_work(bits: CompactTarget) -> Work {
    let target = bits
        .expand()
        .expect("bits of stored headers were judged by the retarget rule");
    Work::of_target(target)
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
