//! What makes a block valid by itself: seal, size, tx root and every transfer (protocol §3). This is
//! the heavy work that needs no state, and so runs beside the loop.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::header::check_form;
use super::seal::check_seal;
use super::transfer::check_transfer_with;
use super::{CheckedTransfer, Invalid};
use crate::params::{Law, Rules};
use crate::primitives::{Block, BlockId, Domain, Header, SignedHash};

/// A block that is valid by itself: the only kind that the chain takes. Comes only from
/// [`check_block`], or from our own store, into which only such were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBlock {
    id: BlockId,
    header: Header,
    transfers: Vec<CheckedTransfer>,
}

impl CheckedBlock {
    /// The id of the header.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// The header, sealed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The body, in the order of execution.
    pub fn transfers(&self) -> &[CheckedTransfer] {
        &self.transfers
    }

    /// The body, taken out.
    pub fn into_transfers(self) -> Vec<CheckedTransfer> {
        self.transfers
    }

    /// The block as it goes to peers and into the store; copies the body.
    pub fn block(&self) -> Block {
        let transfers = self
            .transfers
            .iter()
            .map(|checked| checked.signed().clone())
            .collect();
        Block {
            header: self.header,
            transfers,
        }
    }

    /// A block out of our own store, which was checked before it was stored.
    ///
    /// # Errors
    /// [`Invalid`] when it cannot have been: the store is damaged.
    pub(crate) fn from_store(block: Block, domain: &Domain) -> Result<Self, Invalid> {
        let Block { header, transfers } = block;
        let checked = transfers
            .into_iter()
            .map(|tx| CheckedTransfer::from_store(tx, domain));
        Ok(Self {
            id: header.id(),
            header,
            transfers: checked.collect::<Result<_, _>>()?,
        })
    }
}

/// Checks all that needs neither parent nor state, cheapest first.
///
/// # Errors
/// The first rule broken; of the transfers, the first that breaks one.
pub fn check_block(block: Block, law: &Law) -> Result<CheckedBlock, Invalid> {
    check_block_with(block, law, &BTreeSet::new())
}

/// [`check_block`], without a look at the signatures of transfers that were verified under this law
/// before: they are named by the hash of everything they hold, key and signature included, so that
/// the verdict is the same (protocol §6).
///
/// # Errors
/// As [`check_block`].
pub fn check_block_with(
    block: Block,
    law: &Law,
    verified: &BTreeSet<SignedHash>,
) -> Result<CheckedBlock, Invalid> {
    check_form(&block.header)?;
    check_seal(&block.header)?;
    // The root before the size: under a right root an oversize body is the block's own fault.
    if block.tx_root() != block.header.tx_root {
        return Err(Invalid::MutatedBody);
    }
    check_size(&block, &law.rules)?;
    let Block { header, transfers } = block;
    let checked = transfers
        .into_iter()
        .map(|transfer| check_transfer_with(transfer, law, verified));
    Ok(CheckedBlock {
        id: header.id(),
        header,
        transfers: checked.collect::<Result<_, _>>()?,
    })
}

fn check_size(block: &Block, rules: &Rules) -> Result<(), Invalid> {
    let (size, size_max) = (block.size(), rules.block_bytes_max as usize);
    if size > size_max {
        Err(Invalid::BlockTooLarge { size, size_max })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Genesis, networks};
    use crate::primitives::{
        AccountNonce, Address, Amount, CompactTarget, Memo, Payment, SecretKey, Signature,
        SignedTransfer, TxRoot,
    };
    use alloc::vec;

    /// `dev`, with blocks of at most 1,000 bytes.
    fn network() -> Genesis {
        let mut genesis = networks::dev();
        genesis.rules.block_bytes_max = 1_000;
        genesis.check().expect("a network");
        genesis
    }

    fn transfer(nonce: u64, memo: usize) -> SignedTransfer {
        SignedTransfer::sign(
            &SecretKey::from_seed([3; 32]),
            &network().domain,
            Payment {
                to: Address::from_bytes([9; 20]),
                amount: Amount::new(1),
                fee: Amount::new(100),
                nonce: AccountNonce::new(nonce),
                memo: Memo::new("x".repeat(memo)).expect("short"),
            },
        )
    }

    fn sealed(mut block: Block) -> Block {
        while check_seal(&block.header).is_err() {
            block.header.nonce += 1;
        }
        block
    }

    fn block(transfers: Vec<SignedTransfer>) -> Block {
        let mut block = Block {
            header: Header::default(),
            transfers,
        };
        block.header.version = 1;
        block.header.bits = CompactTarget::new(0x207f_ffff);
        block.header.tx_root = block.tx_root();
        sealed(block)
    }

    fn verdict(block: Block) -> Result<CheckedBlock, Invalid> {
        check_block(block, &network().law())
    }

    #[test]
    fn a_checked_block_is_the_block() {
        let block = block(vec![transfer(0, 0), transfer(1, 5)]);
        let checked = verdict(block.clone()).expect("valid");
        assert_eq!(checked.id(), block.id());
        assert_eq!(checked.block(), block);
        let stored = CheckedBlock::from_store(block, &network().domain);
        assert_eq!(stored, Ok(checked));
    }

    #[test]
    fn exactly_the_limit_is_allowed_and_one_byte_more_is_not() {
        let with_memo = |memo| block(vec![transfer(0, 200), transfer(1, 200), transfer(2, memo)]);
        let spare = 1_000 - with_memo(1).size();
        let full = with_memo(1 + spare);
        assert_eq!(full.size(), 1_000);
        assert!(verdict(full).is_ok());
        let (size, size_max) = (1_001, 1_000);
        let why = Invalid::BlockTooLarge { size, size_max };
        assert_eq!(verdict(with_memo(2 + spare)), Err(why));
        assert!(why.marks_block(), "or it would be asked for again for ever");
    }

    #[test]
    fn a_changed_body_is_mutated_and_not_marked() {
        let good = block(vec![transfer(0, 0), transfer(1, 0), transfer(2, 0)]);
        let mut bodies = vec![good.clone(); 4];
        bodies[0].transfers.swap(0, 1);
        bodies[1].transfers.pop();
        bodies[2].transfers.push(transfer(2, 0));
        bodies[3].transfers[1].signature = Signature::from_bytes([1; 64]);
        for block in bodies {
            assert_eq!(block.id(), good.id());
            let why = verdict(block).expect_err("mutated");
            assert_eq!(why, Invalid::MutatedBody);
            assert!(!why.marks_block());
        }
        assert!(verdict(good).is_ok());
    }

    #[test]
    fn one_bad_transfer_makes_the_block_invalid() {
        let mut forged = transfer(1, 0);
        forged.amount = Amount::new(1_000_000);
        let why = verdict(block(vec![transfer(0, 0), forged])).expect_err("forged");
        assert_eq!(why, Invalid::BadSignature);
        assert!(why.marks_block(), "the id covers the signature");
    }

    #[test]
    fn a_block_without_a_seal_is_not_looked_into() {
        let mut unsealed = block(vec![transfer(0, 0)]);
        unsealed.header.tx_root = TxRoot::ZERO;
        while check_seal(&unsealed.header).is_ok() {
            unsealed.header.nonce += 1;
        }
        assert_eq!(verdict(unsealed), Err(Invalid::NotSealed));
    }

    #[test]
    fn the_body_of_an_unknown_version_is_not_judged() {
        let mut block = block(vec![]);
        block.header.version = 2;
        assert_eq!(verdict(block), Err(Invalid::UnknownVersion { version: 2 }));
    }
}
