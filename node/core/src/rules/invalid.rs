//! Why something from outside is not valid: one variant for each rule, each with a sentence for
//! people and a code for programs.

use crate::params::{HEADER_VERSION, HEIGHT_END};
use crate::primitives::{AccountNonce, Amount, CompactTarget, Height, StateRoot, Timestamp};

/// The rule that was broken (protocol §§2, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Header: the version is not ours. An upgrade may be going on: no mark, no blame.
    #[error("the header version is {version}, and this release knows only {HEADER_VERSION}")]
    UnknownVersion {
        /// The header's version.
        version: u32,
    },
    /// Header: the reserved bytes are not zero.
    #[error("the reserved bytes of the header are not zero")]
    ReservedNotZero,
    /// Header: the height is not one more than the parent's.
    #[error("the height is {claimed}, but the parent's child has height {expected}")]
    WrongHeight {
        /// The header's height.
        claimed: Height,
        /// One more than the parent's.
        expected: Height,
    },
    /// Header: the height is beyond the last one.
    #[error("heights end below {HEIGHT_END}")]
    HeightBeyondEnd,
    /// Header: the bits are not what retargeting demands.
    #[error("the bits are {claimed}, but retargeting demands {expected}")]
    WrongBits {
        /// The header's bits.
        claimed: CompactTarget,
        /// What retargeting demands.
        expected: CompactTarget,
    },
    /// Header: the id does not meet the target.
    #[error("the block id does not meet the target")]
    NotSealed,
    /// Header: the timestamp is not after the median of its ancestors'.
    #[error("the timestamp {claimed} is not after the median time past {median_time_past}")]
    TooEarly {
        /// The header's timestamp.
        claimed: Timestamp,
        /// The median of the nearest ancestors'.
        median_time_past: Timestamp,
    },
    /// Header: the sum of work does not fit in 256 bits.
    #[error("the chain's work exceeds 256 bits")]
    ChainworkOverflow,
    /// Block: too many bytes.
    #[error("the block has {size} bytes, and {size_max} are allowed")]
    BlockTooLarge {
        /// Bytes of the block.
        size: usize,
        /// The network's limit.
        size_max: usize,
    },
    /// Block: the body is not the one that the header commits to. Somebody changed it on the way:
    /// the header may well be good.
    #[error("the transfers are not those that the header commits to")]
    MutatedBody,
    /// Block: after all transfers the accounts are not those that the header commits to.
    #[error("the state root is {claimed}, but the accounts after the block give {computed}")]
    WrongStateRoot {
        /// The header's state root.
        claimed: StateRoot,
        /// That of the accounts after the block.
        computed: StateRoot,
    },
    /// Transfer: it moves nothing.
    #[error("the amount must be at least 1")]
    ZeroAmount,
    /// Transfer: the fee is below the network's minimum.
    #[error("the fee is {fee}, and at least {fee_min} is needed")]
    FeeTooLow {
        /// The transfer's fee.
        fee: Amount,
        /// The network's minimum.
        fee_min: Amount,
    },
    /// Transfer: amount and fee together do not fit in 64 bits.
    #[error("amount and fee together exceed 64 bits")]
    CostOverflow,
    /// Transfer: the nonce is the last number, after which there is no next.
    #[error("the nonce must be below 2^64 - 1")]
    NonceAtEnd,
    /// Transfer: the signature does not hold.
    #[error("the signature does not hold")]
    BadSignature,
    /// Transfer: the signature holds, but under another network's domain.
    #[error("the transfer was signed for another network")]
    WrongNetwork,
    /// Transfer on a state: the nonce was used before.
    #[error("the nonce is {nonce}, but the account has already used it: its next is {expected}")]
    NonceUsed {
        /// The transfer's nonce.
        nonce: AccountNonce,
        /// The account's.
        expected: AccountNonce,
    },
    /// Transfer on a state: nonces are missing before this one.
    #[error("the nonce is {nonce}, but the account's next is {expected}")]
    NonceGap {
        /// The transfer's nonce.
        nonce: AccountNonce,
        /// The account's.
        expected: AccountNonce,
    },
    /// Transfer on a state: the balance does not cover amount and fee.
    #[error("the balance is {balance}, but amount and fee are {cost}")]
    BalanceTooLow {
        /// The account's balance.
        balance: Amount,
        /// Amount and fee.
        cost: Amount,
    },
}

impl Invalid {
    /// A short name for programs, stable between releases.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownVersion { .. } => "unknown_version",
            Self::ReservedNotZero => "reserved_not_zero",
            Self::WrongHeight { .. } => "wrong_height",
            Self::HeightBeyondEnd => "height_beyond_end",
            Self::WrongBits { .. } => "wrong_bits",
            Self::NotSealed => "not_sealed",
            Self::TooEarly { .. } => "too_early",
            Self::ChainworkOverflow => "chainwork_overflow",
            Self::BlockTooLarge { .. } => "block_too_large",
            Self::MutatedBody => "mutated_body",
            Self::WrongStateRoot { .. } => "wrong_state_root",
            Self::ZeroAmount => "zero_amount",
            Self::FeeTooLow { .. } => "fee_too_low",
            Self::CostOverflow => "cost_overflow",
            Self::NonceAtEnd => "nonce_at_end",
            Self::BadSignature => "bad_signature",
            Self::WrongNetwork => "wrong_network",
            Self::NonceUsed { .. } => "nonce_used",
            Self::NonceGap { .. } => "nonce_gap",
            Self::BalanceTooLow { .. } => "balance_too_low",
        }
    }

    /// Whether a block that breaks this rule is remembered as invalid under its id. Not so when the
    /// id does not cover what is wrong (a changed body may have been put under an honest
    /// header), nor when a newer release may judge otherwise.
    pub const fn marks_block(&self) -> bool {
        !matches!(self, Self::MutatedBody | Self::UnknownVersion { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;

    /// One of each, so that a variant without sentence or code of its own is noticed.
    fn all() -> [Invalid; 20] {
        let (height, nonce, amount) = (Height::new(1), AccountNonce::new(2), Amount::new(3));
        let (time, bits, root) = (Timestamp::new(4), CompactTarget::new(5), StateRoot::ZERO);
        [
            Invalid::UnknownVersion { version: 2 },
            Invalid::ReservedNotZero,
            Invalid::WrongHeight {
                claimed: height,
                expected: height,
            },
            Invalid::HeightBeyondEnd,
            Invalid::WrongBits {
                claimed: bits,
                expected: bits,
            },
            Invalid::NotSealed,
            Invalid::TooEarly {
                claimed: time,
                median_time_past: time,
            },
            Invalid::ChainworkOverflow,
            Invalid::BlockTooLarge {
                size: 1,
                size_max: 1,
            },
            Invalid::MutatedBody,
            Invalid::WrongStateRoot {
                claimed: root,
                computed: root,
            },
            Invalid::ZeroAmount,
            Invalid::FeeTooLow {
                fee: amount,
                fee_min: amount,
            },
            Invalid::CostOverflow,
            Invalid::NonceAtEnd,
            Invalid::BadSignature,
            Invalid::WrongNetwork,
            Invalid::NonceUsed {
                nonce,
                expected: nonce,
            },
            Invalid::NonceGap {
                nonce,
                expected: nonce,
            },
            Invalid::BalanceTooLow {
                balance: amount,
                cost: amount,
            },
        ]
    }

    #[test]
    fn every_rule_has_a_code_and_a_sentence_of_its_own() {
        let codes: BTreeSet<_> = all().iter().map(Invalid::code).collect();
        let sentences: BTreeSet<_> = all().iter().map(ToString::to_string).collect();
        assert_eq!((codes.len(), sentences.len()), (20, 20));
        let plain = |code: &str| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(codes.into_iter().all(plain));
    }

    #[test]
    fn only_what_the_id_covers_marks_the_block() {
        let unmarked: BTreeSet<_> = all()
            .iter()
            .filter(|why| !why.marks_block())
            .map(Invalid::code)
            .collect();
        let expected = ["mutated_body", "unknown_version"];
        assert!(unmarked.into_iter().eq(expected));
    }
}
