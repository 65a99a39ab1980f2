//! The rules, by name (protocol §§2, 3).

/// A rule that a header, a transfer or a block broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The header's version is 1.
    UnknownVersion,
    /// The header's reserved bytes are zero.
    ReservedNotZero,
    /// The height is one more than the parent's.
    WrongHeight,
    /// Heights are below 2^32.
    HeightBeyondEnd,
    /// The bits are what retargeting demands.
    WrongBits,
    /// The block id, as a number, is at most the target.
    NotSealed,
    /// The timestamp is above the median of its ancestors'.
    TooEarly,
    /// The sum of work fits in 256 bits.
    ChainworkOverflow,
    /// The block has at most as many bytes as the network allows.
    BlockTooLarge,
    /// The transfers are those of the tx root.
    MutatedBody,
    /// The accounts after the block are those of the state root.
    WrongStateRoot,
    /// The amount is at least 1.
    ZeroAmount,
    /// The fee is at least the network's minimum.
    FeeTooLow,
    /// Amount and fee together fit in 64 bits.
    CostOverflow,
    /// The nonce is below 2^64 - 1.
    NonceAtEnd,
    /// The signature holds.
    BadSignature,
    /// The signature is for this network.
    WrongNetwork,
    /// The nonce was not used before.
    NonceUsed,
    /// No nonce before it is missing.
    NonceGap,
    /// The balance covers amount and fee.
    BalanceTooLow,
}

impl Rule {
    /// All rules.
    pub const ALL: [Rule; 20] = [
        Rule::UnknownVersion,
        Rule::ReservedNotZero,
        Rule::WrongHeight,
        Rule::HeightBeyondEnd,
        Rule::WrongBits,
        Rule::NotSealed,
        Rule::TooEarly,
        Rule::ChainworkOverflow,
        Rule::BlockTooLarge,
        Rule::MutatedBody,
        Rule::WrongStateRoot,
        Rule::ZeroAmount,
        Rule::FeeTooLow,
        Rule::CostOverflow,
        Rule::NonceAtEnd,
        Rule::BadSignature,
        Rule::WrongNetwork,
        Rule::NonceUsed,
        Rule::NonceGap,
        Rule::BalanceTooLow,
    ];

    /// The name under which programs know the rule.
    pub const fn name(self) -> &'static str {
        match self {
            Rule::UnknownVersion => "unknown_version",
            Rule::ReservedNotZero => "reserved_not_zero",
            Rule::WrongHeight => "wrong_height",
            Rule::HeightBeyondEnd => "height_beyond_end",
            Rule::WrongBits => "wrong_bits",
            Rule::NotSealed => "not_sealed",
            Rule::TooEarly => "too_early",
            Rule::ChainworkOverflow => "chainwork_overflow",
            Rule::BlockTooLarge => "block_too_large",
            Rule::MutatedBody => "mutated_body",
            Rule::WrongStateRoot => "wrong_state_root",
            Rule::ZeroAmount => "zero_amount",
            Rule::FeeTooLow => "fee_too_low",
            Rule::CostOverflow => "cost_overflow",
            Rule::NonceAtEnd => "nonce_at_end",
            Rule::BadSignature => "bad_signature",
            Rule::WrongNetwork => "wrong_network",
            Rule::NonceUsed => "nonce_used",
            Rule::NonceGap => "nonce_gap",
            Rule::BalanceTooLow => "balance_too_low",
        }
    }

    /// Whether the block is remembered as invalid: not when its id does not cover what is wrong,
    /// nor when a newer release may judge otherwise.
    pub const fn marks(self) -> bool {
        !matches!(self, Rule::MutatedBody | Rule::UnknownVersion)
    }
}
